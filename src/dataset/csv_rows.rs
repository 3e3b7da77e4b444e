//! The values of a CSV file: polars parses plain rows on all cores, any other file is read record by record.
//!
//! In a plain file every line is one row with as many fields as the header. polars does not check this, so it is checked
//! here. Any other file, and any with an error, is read strictly by the `csv` crate, which finds the line and the column of
//! the error.

use std::io::Read;

use memchr::{memchr, memchr_iter, memrchr};
use polars_core::prelude::{DataType, PlSmallStr, Schema, Series};
use polars_io::prelude::_csv_read_internal::read_chunk;
use polars_io::prelude::CsvParseOptions;
use rayon::prelude::*;

use super::columns::{Column, TraceTable};
use super::dialect::{Decimal, Dialect};
use super::locate::{Expect, TraceFile};
use super::records::RecordShape;
use super::trace::TraceError;

/// Bytes that one thread parses at a time: few enough to stay in a core's cache until they are hashed and parsed.
pub const PIECE_BYTES: usize = 1 << 19;
/// Pieces that are parsed side by side, while as many are read.
const PIECES_AT_ONCE: usize = 8;
/// Share of rows that there may be more than the first block lets expect.
const ROOM: f64 = 1.0 / 16.0;

/// Reads the wanted columns, given by their positions.
///
/// # Errors
/// No row, or the first that is malformed.
pub fn read(file: &TraceFile<'_>, wanted: &[(usize, Expect)]) -> Result<TraceTable, TraceError> {
    let plain = PlainRows::new(file.header.len(), file.dialect, wanted, PIECE_BYTES);
    let columns = match plain.read(file.rows.as_bytes(), file.rows.len()) {
        Some(columns) => columns,
        None => read_strictly(file, wanted)?,
    };
    let table = TraceTable::of(columns);
    if table.is_empty() {
        return Err(file.at_header("there is a header but no row below it"));
    }
    Ok(table)
}

fn read_strictly(file: &TraceFile<'_>, wanted: &[(usize, Expect)]) -> Result<Vec<Column>, TraceError> {
    let mut columns: Vec<Column> = wanted.iter().map(|(_, expect)| Column::new(*expect)).collect();
    let mut decimal = file.dialect.decimal;
    for record in file.records() {
        let record = record?;
        for (column, &(at, expect)) in columns.iter_mut().zip(wanted) {
            let text = record.field(at);
            let pushed = match column {
                Column::Numbers(_, values) => {
                    expect.number(text, &mut decimal).map(|value| values.push(value))
                }
                column => column.push_text(text).then_some(()).ok_or_else(|| expect.complaint(text)),
            };
            pushed.map_err(|complaint| file.at_line(record.line, Some(at), &complaint))?;
        }
    }
    Ok(columns)
}

/// Plain rows and their wanted columns.
pub struct PlainRows {
    /// Number of fields in a row.
    fields: usize,
    dialect: Dialect,
    wanted: Vec<(usize, Expect)>,
    /// The positions of the wanted columns in their order.
    projection: Vec<usize>,
    /// The type of each field for polars.
    schema: Schema,
    piece_bytes: usize,
    columns: Vec<Column>,
}

impl PlainRows {
    /// No row yet, of a file with so many fields in a row; one thread parses `piece_bytes` at a time.
    pub fn new(fields: usize, dialect: Dialect, wanted: &[(usize, Expect)], piece_bytes: usize) -> Self {
        let dtype = |at| match wanted.iter().find(|(wanted, _)| *wanted == at) {
            Some((_, Expect::Number | Expect::Count | Expect::Stamp(_) | Expect::Epoch(_)))
                if dialect.decimal == Decimal::Point =>
            {
                DataType::Float64
            }
            _ => DataType::String,
        };
        // Names in a header may repeat each other, positions do not.
        let schema: Schema = (0..fields).map(|at| (name(at), dtype(at))).collect();
        let columns = wanted.iter().map(|(_, expect)| Column::new(*expect)).collect();
        let mut projection: Vec<usize> = wanted.iter().map(|(at, _)| *at).collect();
        projection.sort_unstable();
        Self { fields, dialect, wanted: wanted.to_vec(), projection, schema, piece_bytes, columns }
    }

    /// Parses all rows, about so many bytes; `None` where one is not plain, has an error, or cannot be read.
    pub fn read(mut self, input: impl Read + Send, bytes: usize) -> Option<Vec<Column>> {
        let mut blocks = Blocks { input, block_bytes: self.piece_bytes * PIECES_AT_ONCE, rest: Vec::new() };
        let (mut block, mut next) = (Vec::new(), Vec::new());
        blocks.read(&mut block).ok()?;
        // One block is parsed while the next is read.
        while !block.is_empty() {
            let (sound, read) = rayon::join(|| self.take(&block, bytes), || blocks.read(&mut next));
            read.ok().and(sound)?;
            std::mem::swap(&mut block, &mut next);
        }
        Some(self.columns)
    }

    /// Parses a block of rows; `None` where one is not plain or has an error.
    fn take(&mut self, block: &[u8], all_bytes: usize) -> Option<()> {
        let pieces: Vec<&[u8]> = pieces(block, self.piece_bytes).collect();
        let read = pieces.into_par_iter().map(|piece| self.parse(piece));
        let read = read.collect::<Option<Vec<_>>>()?;
        if self.columns[0].is_empty() {
            // Growing step by step would copy each column several times.
            let rows = read.iter().map(|(columns, _)| columns[0].len()).sum::<usize>();
            let all_rows = (rows as f64 * all_bytes as f64 / block.len() as f64 * (1.0 + ROOM)) as usize;
            for column in &mut self.columns {
                column.reserve(all_rows);
            }
        }
        for (columns, decimal) in read {
            self.dialect.decimal = self.dialect.decimal.with(decimal)?;
            for (column, more) in self.columns.iter_mut().zip(columns) {
                column.extend(more);
            }
        }
        Some(())
    }

    /// Parses some rows. Returns the wanted columns, and the decimal mark as far as it is known.
    fn parse(&self, piece: &[u8]) -> Option<(Vec<Column>, Decimal)> {
        let separator = self.dialect.separator;
        let rows = plain_rows(piece, self.fields, separator)?;
        let has_quotes = memchr(b'"', piece).is_some();
        let quote = has_quotes.then_some(b'"');
        let options = CsvParseOptions::default().with_separator(separator).with_quote_char(quote);
        // Not polars' own reader of files: that has threads of its own, beside those that a slot may use.
        let frame = read_chunk(
            piece,
            &options,
            &self.schema,
            false,
            &self.projection,
            0,
            rows,
            None,
            usize::MAX,
            piece.len(),
            Some(0),
        );
        let frame = frame.ok().filter(|frame| frame.height() == rows)?;
        let mut decimal = self.dialect.decimal;
        let columns = self.wanted.iter().map(|&(at, expect)| {
            let values = frame.column(&name(at)).ok()?.as_materialized_series();
            column(expect, values, &mut decimal, has_quotes)
        });
        Some((columns.collect::<Option<_>>()?, decimal))
    }
}

/// The name of a column in polars.
fn name(at: usize) -> PlSmallStr {
    at.to_string().into()
}

/// Checks the values of a column; `None` where one is not as expected.
fn column(expect: Expect, values: &Series, decimal: &mut Decimal, has_quotes: bool) -> Option<Column> {
    let mut column = Column::new(expect);
    match &mut column {
        Column::Names(labels) => {
            for name in values.str().ok()?.iter() {
                let name = name?;
                let trimmed = name.trim_ascii();
                // Spaces inside quotes belong to a name.
                if trimmed.is_empty() || has_quotes && trimmed.len() < name.len() {
                    return None;
                }
                labels.push(trimmed);
            }
        }
        Column::Numbers(_, numbers) if values.dtype() == &DataType::String => {
            for text in values.str().ok()?.iter() {
                numbers.push(expect.number(text?, decimal).ok()?);
            }
        }
        column => {
            if !column.append(values).ok()? {
                return None;
            }
        }
    }
    Some(column)
}

/// The number of rows, where each is a line of so many fields, of which none holds a line end.
fn plain_rows(piece: &[u8], fields: usize, separator: u8) -> Option<usize> {
    let text = std::str::from_utf8(piece).ok().filter(|_| memchr(0, piece).is_none())?;
    if memchr(b'"', piece).is_some() {
        let is_row =
            |line: &str| RecordShape::of(line, separator, 0).is_ok_and(|shape| shape.fields == fields);
        return text.lines().try_fold(0, |rows, line| is_row(line).then_some(rows + 1));
    }
    // Without quotes, what separates fields and rows can be counted, which is several times as fast.
    if memchr_iter(b'\r', piece).any(|at| piece.get(at + 1) != Some(&b'\n')) {
        return None;
    }
    let rows = piece.strip_suffix(b"\n").unwrap_or(piece);
    let mut ends = memchr_iter(b'\n', rows).chain([rows.len()]);
    let (_, rows) = ends.try_fold((0, 0), |(start, rows), end| {
        let separators = memchr_iter(separator, &piece[start..end]).count();
        (separators + 1 == fields).then_some((end + 1, rows + 1))
    })?;
    Some(rows)
}

/// Cuts rows into pieces that end with a row.
fn pieces(mut rows: &[u8], bytes: usize) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let behind = rows.get(bytes..).and_then(|behind| memchr(b'\n', behind));
        let (piece, rest) = rows.split_at(behind.map_or(rows.len(), |at| bytes + at + 1));
        rows = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

/// A file in blocks that end with a line.
struct Blocks<F> {
    input: F,
    block_bytes: usize,
    /// The beginning of a line whose end is not read yet.
    rest: Vec<u8>,
}

impl<F: Read> Blocks<F> {
    /// Reads the next block into a buffer that was used before; none at the end of the file.
    fn read(&mut self, block: &mut Vec<u8>) -> std::io::Result<()> {
        block.clear();
        block.append(&mut self.rest);
        loop {
            let known = block.len();
            if self.input.by_ref().take(self.block_bytes as u64).read_to_end(block)? == 0 {
                return Ok(());
            }
            if let Some(at) = memrchr(b'\n', &block[known..]) {
                self.rest.extend_from_slice(&block[known + at + 1..]);
                block.truncate(known + at + 1);
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Zone;
    use proptest::prelude::*;

    const WANTED: [(usize, Expect); 4] =
        [(0, Expect::Number), (1, Expect::Name), (3, Expect::Count), (4, Expect::DateTime(Zone::UTC))];

    fn values(columns: &[Column]) -> Vec<String> {
        columns
            .iter()
            .map(|column| match column {
                Column::Numbers(_, values) => format!("{values:?}"),
                Column::Names(labels) => format!("{:?}", labels.iter().collect::<Vec<_>>()),
                Column::DateTimes(_, stamps) => format!("{stamps:?}"),
            })
            .collect()
    }

    /// What both readers make of a file.
    fn both(text: &str) -> (Option<Vec<String>>, Result<Vec<String>, TraceError>) {
        let file = TraceFile::new("x.csv", text.as_bytes(), None).unwrap();
        let plain = PlainRows::new(file.header.len(), file.dialect, &WANTED, 40);
        let plain = plain.read(file.rows.as_bytes(), file.rows.len()).map(|columns| values(&columns));
        (plain, read_strictly(&file, &WANTED).map(|columns| values(&columns)))
    }

    #[test]
    fn plain_rows_are_parsed_with_any_line_end_and_quotes_and_spaces() {
        let (plain, strict) = both(
            "a,b,c,d,e\n1.5e2,x y,,3,2024-01-01\r\n -7,\"é,\"\"\",z,\"123456789012345\",2024-01-02 10:00\n0007,x,,0,2024-01-03Z\r\n",
        );
        assert_eq!(plain, Some(strict.unwrap()));
    }

    #[test]
    fn what_is_not_plain_is_left_to_the_strict_reader() {
        for rows in [
            "\n1,x,,2,2024-01-01",
            "1,x,,2,2024-01-01\n\n3,y,,4,2024-01-02",
            "1,\"x\n\",,2,2024-01-01",
            "1,\" x\",,2,2024-01-01",
            "1,x,,2 ,2024-01-01",
        ] {
            let (plain, strict) = both(&format!("a,b,c,d,e\n{rows}\n"));
            assert!(plain.is_none(), "{rows:?}");
            assert!(strict.is_ok(), "{rows:?}: {strict:?}");
        }
        for rows in [
            "1,x,,,D",
            "1,,,2,D",
            "1,x,2,D",
            "1,x,,2,D,3",
            "1,x\rx,,2,D",
            "x,x,,2,D",
            "1,x,,1.5,D",
            "inf,x,,1,D",
            "1,\"x,,1,D",
            "1,x,,1,",
            "1,x,\"y\"z,1,D",
            "1,x\"y\",,1,D",
            "\",x,,1,D",
            "1,x,,1,D,\"",
            "1,x,,\"1\"2\"3\",D",
        ] {
            let rows = rows.replace('D', "2024-01-01");
            let (plain, strict) = both(&format!("a,b,c,d,e\n1,x,,2,2024-01-01\n{rows}\n"));
            assert!(plain.is_none(), "{rows:?}");
            assert_eq!(strict.unwrap_err().line, Some(3), "{rows:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        #[test]
        fn both_readers_read_the_same(
            separator in prop::sample::select(vec![",", ";", "\t"]),
            rows in prop::collection::vec("[ 0-9.,xé\"\r-]{0,9}(S[0-9x\" ,.]{0,3}){0,2}S[0-9\"]{0,3}S\"?2024-01-01( [0-9:]{5,9})?\"?", 1..4),
        ) {
            let text = format!("aSbScSdSe\n{}\n", rows.join("\n")).replace('S', separator);
            let (plain, strict) = both(&text);
            if let Some(plain) = plain {
                prop_assert_eq!(plain, strict.unwrap());
            }
        }

        #[test]
        fn sound_rows_are_plain_and_read_alike(
            rows in prop::collection::vec(
                ("-?[0-9]{1,17}(\\.[0-9]{1,9})?(e-?[0-9]{1,2})?", "[ab]{1,3}", "[0-9é]{0,9}", "[0-9]{1,15}"),
                1..40,
            ),
            form in prop::sample::select(vec![(",", "."), (";", "."), (";", ","), ("\t", ",")]),
            end in prop::sample::select(vec!["\n", "\r\n"]), quote in prop::sample::select(vec!["", "\""]), at_end: bool,
        ) {
            let (separator, mark) = form;
            let rows = rows.iter().map(|(a, b, c, d)| {
                let fields = [&a.replace('.', mark), b, c, d, "2024-01-01T00:00:00.5+01:00"];
                fields.map(|field| format!("{quote}{field}{quote}")).join(separator)
            });
            let header = ["a", "b", "c", "d", "e"].join(separator);
            let rows: Vec<String> = std::iter::once(header).chain(rows).collect();
            let (plain, strict) = both(&format!("{}{}", rows.join(end), if at_end { end } else { "" }));
            prop_assert_eq!(plain, Some(strict.unwrap()));
        }

        #[test]
        fn blocks_and_their_pieces_together_are_the_rows(rows in "([0-9,]{0,9}\n){0,20}[0-9]{0,3}", bytes in 1_usize..40) {
            let (mut block, mut found) = (Vec::new(), Vec::new());
            let mut blocks = Blocks { input: rows.as_bytes(), block_bytes: 3 * bytes, rest: Vec::new() };
            loop {
                blocks.read(&mut block).unwrap();
                if block.is_empty() {
                    break;
                }
                for piece in pieces(&block, bytes) {
                    found.extend_from_slice(piece);
                    prop_assert!(piece.ends_with(b"\n") || found.len() == rows.len());
                }
            }
            prop_assert!(found == rows.as_bytes());
        }
    }
}
