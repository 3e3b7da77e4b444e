//! Takes the compression off a file, told by its first bytes: gzip and zstd.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::MultiGzDecoder;

use super::trace::TraceError;

const GZIP: &[u8] = b"\x1f\x8b";
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";

/// The content of a file that may be compressed.
///
/// # Errors
/// A compressed file that is damaged or was cut.
pub fn unpack<'a>(name: &str, bytes: &'a [u8]) -> Result<Cow<'a, [u8]>, TraceError> {
    let mut content = Vec::new();
    let (format, read) = if bytes.starts_with(GZIP) {
        // Several members one after the other are one file, as `cat a.gz b.gz` makes them.
        ("gzip", MultiGzDecoder::new(bytes).read_to_end(&mut content))
    } else if bytes.starts_with(ZSTD) {
        ("zstd", zstd::Decoder::new(bytes).and_then(|mut decoder| decoder.read_to_end(&mut content)))
    } else {
        return Ok(Cow::Borrowed(bytes));
    };
    match read {
        Ok(_) => Ok(Cow::Owned(content)),
        Err(error) => Err(TraceError {
            file: name.to_string(),
            line: None,
            column: None,
            message: format!(
                "the {format} stream is damaged or was cut after {} bytes of content ({error}); get the file anew",
                content.len()
            ),
        }),
    }
}
