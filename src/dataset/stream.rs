//! Reads a large plain CSV file piece by piece, and hashes it on the way: its text is never in memory as a whole.
//!
//! Whatever is not plain CSV, or not sound, is given up at once and left to the reader of whole files, which tells the
//! format and finds the line and the column of what is wrong.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::columns::Table;
use super::csv_rows::PlainRows;
use super::layout::{Layout, mapped, recognise};
use super::locate::TraceFile;
use super::trace::Trace;
use crate::spec::ColumnsSpec;
use crate::text::hex;

/// Bytes that are read at a time: few enough to stay in a core's cache until they are hashed and parsed.
const PIECE_BYTES: usize = 1 << 19;
/// Pieces that are parsed side by side, while as many are read.
const PIECES_AT_ONCE: usize = 8;

/// The trace of a plain file and the SHA-256 of its content; `None` for any other file, and for one that fits into a
/// piece. A file that can be read only once, such as a pipe, is not touched.
pub fn read_plain_file(path: &Path, columns: Option<&ColumnsSpec>) -> Option<(Trace, String)> {
    let file = File::open(path).ok()?;
    let metadata = file.metadata().ok()?;
    let length = usize::try_from(metadata.len()).ok()?;
    let in_pieces = metadata.is_file() && length > PIECE_BYTES;
    in_pieces.then(|| read_plain(file, length, PIECE_BYTES, columns)).flatten()
}

fn read_plain(
    file: impl Read + Send,
    length: usize,
    piece_bytes: usize,
    columns: Option<&ColumnsSpec>,
) -> Option<(Trace, String)> {
    let mut pieces = Pieces { file, piece_bytes, hash: Sha256::new(), rest: Vec::new(), whole: false };
    let mut wave = Vec::new();
    let mut next = Vec::new();
    pieces.read(&mut wave).ok()?;
    let (layout, header, mut rows) = begin(wave.first_mut()?, columns)?;
    // The pieces of one wave are parsed while those of the next are read.
    while !wave.is_empty() {
        let (sound, read) = rayon::join(
            || {
                let texts = wave.iter().map(|piece| plain_text(piece.content()));
                texts.collect::<Option<Vec<_>>>().is_some_and(|texts| rows.take(&texts, length))
            },
            || pieces.read(&mut next),
        );
        read.ok().filter(|()| sound)?;
        std::mem::swap(&mut wave, &mut next);
    }
    let table = Table::of(rows.into_columns());
    if table.is_empty() {
        return None;
    }
    Some((layout.trace(table, &header).ok()?, hex(&pieces.hash.finalize())))
}

/// Reads the header off the first piece.
fn begin(first: &mut Piece, columns: Option<&ColumnsSpec>) -> Option<(Layout, Vec<String>, PlainRows)> {
    let is_csv = !first.content().trim_ascii_start().starts_with(b"{");
    let file = TraceFile::new("", first.content()).ok().filter(|_| is_csv)?;
    let layout = match columns {
        Some(columns) => mapped(&file.header, columns).ok()?,
        None => recognise(&file.header, false).ok()?,
    };
    let rows = PlainRows::new(file.header.len(), &layout.wanted());
    let (header, rows_bytes) = (file.header.clone(), file.rows().len());
    first.start = first.end - rows_bytes;
    Some((layout, header, rows))
}

/// Text whose fields are what stands between commas.
fn plain_text(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    memchr::memchr2(b'"', 0, bytes).is_none().then_some(text)
}

/// A part of a file that ends with a row.
#[derive(Default)]
struct Piece {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Piece {
    fn content(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }
}

/// A file in pieces.
struct Pieces<F> {
    file: F,
    piece_bytes: usize,
    hash: Sha256,
    /// The beginning of a row whose end is not read yet.
    rest: Vec<u8>,
    whole: bool,
}

impl<F: Read> Pieces<F> {
    /// Reads the next pieces into buffers that were used before; none at the end of the file.
    fn read(&mut self, wave: &mut Vec<Piece>) -> io::Result<()> {
        let mut count = 0;
        while count < PIECES_AT_ONCE && !self.whole {
            if wave.len() == count {
                wave.push(Piece::default());
            }
            self.read_piece(&mut wave[count])?;
            count += usize::from(wave[count].end > 0);
        }
        wave.truncate(count);
        Ok(())
    }

    fn read_piece(&mut self, piece: &mut Piece) -> io::Result<()> {
        piece.bytes.clear();
        piece.bytes.append(&mut self.rest);
        let known = piece.bytes.len();
        self.file.by_ref().take(self.piece_bytes as u64).read_to_end(&mut piece.bytes)?;
        let read = &piece.bytes[known..];
        self.hash.update(read);
        self.whole = read.is_empty();
        // A row that is longer than a piece is read in several.
        let end =
            if self.whole { Some(known) } else { memchr::memrchr(b'\n', read).map(|at| known + at + 1) };
        (piece.start, piece.end) = (0, end.unwrap_or(0));
        self.rest.extend_from_slice(&piece.bytes[piece.end..]);
        Ok(())
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
            "5,\"ChatGPT\",472,18,490,API log\n",
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
