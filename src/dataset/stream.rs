//! Reads a large plain CSV file block by block, and hashes it on the way: its text is never in memory as a whole.
//!
//! Any file that is not plain CSV or has an error is left to the reader of whole files, which tells the format and finds
//! the line and the column of the error.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::columns::TraceTable;
use super::csv_rows::{PIECE_BYTES, PlainRows};
use super::json_lines::is_json;
use super::layout::layout_of;
use super::locate::TraceFile;
use super::trace::Trace;
use crate::spec::ColumnsSpec;
use crate::text::hex;

/// Smaller files are read at once.
const SMALLEST: usize = 1 << 19;
/// A header ends within so many bytes, or the file is read at once.
const LONGEST_HEADER: u64 = 1 << 16;

/// The trace of a plain file and the SHA-256 of its content; `None` for any other file, and for a small one. A file that
/// can be read only once, such as a pipe, is not touched.
pub fn read_plain_file(path: &Path, columns: Option<&ColumnsSpec>) -> Option<(Trace, String)> {
    // Whoever writes to a pipe would be told that nobody reads it, once it was opened and closed.
    let metadata = path.metadata().ok()?;
    let length = usize::try_from(metadata.len()).ok()?;
    if !metadata.is_file() || length <= SMALLEST {
        return None;
    }
    read_plain(File::open(path).ok()?, length, PIECE_BYTES, columns)
}

fn read_plain(
    file: impl Read + Send,
    length: usize,
    piece_bytes: usize,
    columns: Option<&ColumnsSpec>,
) -> Option<(Trace, String)> {
    let mut file = Hashed { file, hash: Sha256::new() };
    let mut head = Vec::new();
    file.by_ref().take(LONGEST_HEADER).read_to_end(&mut head).ok()?;
    // A character may be cut at the end of the head, a line is not.
    let whole = memchr::memrchr(b'\n', &head)? + 1;
    let is_csv = !is_json(&head);
    let begin = TraceFile::new("", &head[..whole], columns).ok().filter(|_| is_csv)?;
    let layout = layout_of(&begin.header, false, columns, |message| begin.at_header(message)).ok()?;
    let rows = PlainRows::new(begin.header.len(), begin.dialect, &layout.wanted(), piece_bytes);
    let first_rows = &head[whole - begin.rows.len()..];
    let table = TraceTable::of(rows.read(first_rows.chain(&mut file), length)?);
    if table.is_empty() {
        return None;
    }
    Some((layout.trace(table, &begin.header).ok()?, hex(&file.hash.finalize())))
}

/// A file that is hashed as it is read.
struct Hashed<F> {
    file: F,
    hash: Sha256,
}

impl<F: Read> Read for Hashed<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dataset::parse_trace_as;

    const HEADER: &str = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type";

    fn streamed(text: &str, piece_bytes: usize) -> Option<(Trace, String)> {
        read_plain(text.as_bytes(), text.len(), piece_bytes, None)
    }

    proptest! {
        #[test]
        fn a_file_read_in_pieces_is_the_same_as_read_whole(
            rows in prop::collection::vec((0_u32..3, "[a-zé]{1,9}", 0_u32..10_000, 0_u32..900), 1..40),
            piece_bytes in 8_usize..300,
            line_end in prop::sample::select(vec!["\n", "\r\n"]),
            closed in any::<bool>(),
        ) {
            let mut time = 0;
            let mut lines = vec![HEADER.to_string()];
            for (gap, name, request, response) in rows {
                time += gap;
                lines.push(format!("{time},{name},{request},{response},{},API log", request + response));
            }
            let text = lines.join(line_end) + if closed { line_end } else { "" };
            let whole = parse_trace_as("x.csv", text.as_bytes(), None).unwrap();
            let hash = hex(&Sha256::digest(text.as_bytes()));
            prop_assert_eq!(streamed(&text, piece_bytes), Some((whole, hash)));
        }
    }

    #[test]
    fn what_is_not_plain_or_not_sound_is_left_to_the_reader_of_whole_files() {
        let good = "5,ChatGPT,472,18,490,API log\n";
        assert!(streamed(&format!("{HEADER}\n{good}"), 100).is_some());
        for bad in [
            "4,ChatGPT,472,18,490,API log\n",
            "5,\"Chat\nGPT\",472,18,490,API log\n",
            "5,ChatGPT,472,18,490\n",
            "5,ChatGPT,x,18,490,API log\n",
            "5,Chat\0GPT,472,18,490,API log\n",
            "\n",
        ] {
            assert!(streamed(&format!("{HEADER}\n{good}{good}{good}{bad}"), 50).is_none(), "{bad:?}");
        }
        assert!(streamed(HEADER, 100).is_none(), "no row");
        assert!(streamed("{\"timestamp\": 1}\n", 100).is_none(), "JSON lines");
        assert!(streamed("", 100).is_none());
    }
}
