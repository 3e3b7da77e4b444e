//! The values of a CSV file: rows without quotes are read in parallel, any other file record by record.
//!
//! Most traces are plain: no quotes, no spaces around a field, no blank lines. Such rows end at line feeds and can be read
//! from anywhere. Whatever is not plain, or not sound, is left to the strict reader, which finds the line and the column of
//! what is wrong.

use rayon::prelude::*;

use super::columns::{Column, Table};
use super::locate::{Expect, TraceFile};
use super::records::fields;
use super::trace::TraceError;

/// Text that one thread reads at a time.
const PIECE_BYTES: usize = 1 << 20;
/// Pieces that are read before their values are taken up: more would only be held twice.
const PIECES_AT_ONCE: usize = 8;
/// So many digits make a number that `f64` holds exactly.
const EXACT_DIGITS: usize = 15;
/// Share of rows that there may be more than the first pieces let expect.
const ROOM: f64 = 1.0 / 16.0;

/// Reads the wanted columns, given by their positions.
///
/// # Errors
/// No row, or the first that is malformed.
pub fn read(file: &TraceFile<'_>, wanted: &[(usize, Expect)]) -> Result<Table, TraceError> {
    let columns = match read_plain(file, wanted) {
        Some(columns) => columns,
        None => read_strictly(file, wanted)?,
    };
    let table = Table::of(columns);
    if table.is_empty() {
        return Err(file.at_header("there is a header but no row below it"));
    }
    Ok(table)
}

fn read_strictly(file: &TraceFile<'_>, wanted: &[(usize, Expect)]) -> Result<Vec<Column>, TraceError> {
    let mut columns: Vec<Column> = wanted.iter().map(|(_, expect)| Column::new(*expect)).collect();
    for record in file.records() {
        let record = record?;
        let values = fields(&record);
        for (column, &(at, expect)) in columns.iter_mut().zip(wanted) {
            if !push(column, &values[at]) {
                return Err(file.at_line(record.line, Some(at), &expect.complaint(&values[at])));
            }
        }
    }
    Ok(columns)
}

/// `None` where the rows are not plain or not sound.
fn read_plain(file: &TraceFile<'_>, wanted: &[(usize, Expect)]) -> Option<Vec<Column>> {
    let rows = file.rows();
    if memchr::memchr(b'"', rows.as_bytes()).is_some() {
        return None;
    }
    let mut plain = PlainRows::new(file.header.len(), wanted);
    let pieces: Vec<&str> = pieces(rows).collect();
    let mut waves = pieces.chunks(PIECES_AT_ONCE);
    waves.all(|wave| plain.take(wave, rows.len())).then(|| plain.into_columns())
}

/// Takes up plain rows, piece after piece.
pub struct PlainRows {
    /// For each field of a row, the column that takes it.
    wanted_at: Vec<Option<usize>>,
    expected: Vec<Expect>,
    columns: Vec<Column>,
}

impl PlainRows {
    /// No row yet, of a file with so many fields in a row.
    pub fn new(fields: usize, wanted: &[(usize, Expect)]) -> Self {
        let mut wanted_at = vec![None; fields];
        for (index, (at, _)) in wanted.iter().enumerate() {
            wanted_at[*at] = Some(index);
        }
        let expected: Vec<Expect> = wanted.iter().map(|(_, expect)| *expect).collect();
        let columns = expected.iter().map(|expect| Column::new(*expect)).collect();
        Self { wanted_at, expected, columns }
    }

    /// Takes up the rows of some pieces of a file, of which `all_bytes` are rows; false where one is not plain or not
    /// sound.
    pub fn take(&mut self, pieces: &[&str], all_bytes: usize) -> bool {
        let read = pieces.par_iter().map(|piece| {
            let mut columns: Vec<Column> = self.expected.iter().map(|expect| Column::new(*expect)).collect();
            read_piece(piece, &self.wanted_at, &mut columns).then_some(columns)
        });
        let Some(read) = read.collect::<Option<Vec<_>>>() else { return false };
        if self.columns[0].is_empty() {
            // Growing step by step would copy each column several times.
            let rows = read.iter().map(|columns| columns[0].len()).sum::<usize>();
            let bytes = pieces.iter().map(|piece| piece.len()).sum::<usize>().max(1);
            let all_rows = (rows as f64 * all_bytes as f64 / bytes as f64 * (1.0 + ROOM)) as usize;
            for column in &mut self.columns {
                column.reserve(all_rows);
            }
        }
        for piece in read {
            for (column, more) in self.columns.iter_mut().zip(piece) {
                column.extend(more);
            }
        }
        true
    }

    /// The wanted columns.
    pub fn into_columns(self) -> Vec<Column> {
        self.columns
    }
}

/// Cuts rows into pieces that end with a row.
fn pieces(mut rows: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let end = match rows.as_bytes().get(PIECE_BYTES..) {
            Some(behind) => memchr::memchr(b'\n', behind).map_or(rows.len(), |at| PIECE_BYTES + at + 1),
            None => rows.len(),
        };
        let (piece, rest) = rows.split_at(end);
        rows = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Reads plain rows; false at the first that is not.
fn read_piece(piece: &str, wanted_at: &[Option<usize>], columns: &mut [Column]) -> bool {
    let bytes = piece.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        for (field, wanted) in wanted_at.iter().enumerate() {
            let column = wanted.map(|index| &mut columns[index]);
            let Some(end) = read_field(piece, at, column) else { return false };
            at = end;
            let is_last = field + 1 == wanted_at.len();
            if is_last != (bytes.get(at) != Some(&b',')) {
                return false;
            }
            at += usize::from(!is_last);
        }
        // A carriage return belongs to the line's end, and to nothing else.
        at += usize::from(bytes.get(at) == Some(&b'\r'));
        if bytes.get(at).is_some_and(|&byte| byte != b'\n') {
            return false;
        }
        at += 1;
    }
    true
}

/// Reads the field that begins at a byte into its column, if one wants it, and returns where it ends; `None` where it is
/// not plain or not sound.
fn read_field(piece: &str, start: usize, column: Option<&mut Column>) -> Option<usize> {
    let bytes = piece.as_bytes();
    if let Some(Column::Names(labels)) = column {
        let known = labels.push_known(&bytes[start..], |rest| ends_field(rest, 0));
        return known.map(|length| start + length).or_else(|| {
            let end = end_of_field(bytes, start);
            let name = &piece[start..end];
            let is_plain = !name.is_empty() && is_trimmed(name.as_bytes());
            is_plain.then(|| labels.push(name)).map(|()| end)
        });
    }
    let mut at = start;
    let digits = scan_digits(bytes, &mut at);
    let exact = ends_field(bytes, at) && (1..=EXACT_DIGITS).contains(&(at - start));
    let end = end_of_field(bytes, at);
    let pushed = match column {
        None => true,
        Some(column @ Column::Numbers(..)) if exact => column.push_digits(digits),
        Some(column) => push(column, &piece[start..end]) && is_trimmed(&bytes[start..end]),
    };
    pushed.then_some(end)
}

/// Passes over digits and returns their number, which means nothing where there are more than [`EXACT_DIGITS`].
fn scan_digits(bytes: &[u8], at: &mut usize) -> u64 {
    if let Some((eight, _)) = bytes[*at..].split_first_chunk() {
        let (number, count) = leading_digits(*eight);
        if count < eight.len() {
            *at += count;
            return number;
        }
    }
    let mut number = 0_u64;
    while let Some(digit) = bytes.get(*at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
        number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
        *at += 1;
    }
    number
}

/// The number that the digits before any other byte make, and how many they are, without a branch: how long the next
/// number is cannot be foreseen. All eight are added up side by side, first in pairs, then in fours (Lemire, 2021).
fn leading_digits(eight: [u8; 8]) -> (u64, usize) {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let values = u64::from_le_bytes(eight) ^ (EACH * u64::from(b'0'));
    // The highest bit of a byte is set unless it is a digit.
    let others = (((values & (EACH * 0x7f)) + EACH * 0x76) | values) & (EACH * 0x80);
    let count = others.trailing_zeros() as usize / 8;
    // Zeros before the digits fill them up to eight.
    let digits = values.checked_shl(64 - 8 * count as u32).unwrap_or(0);
    let pairs = digits.wrapping_mul((10 << 8) + 1) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul((100 << 16) + 1) >> 16 & 0x0000_ffff_0000_ffff;
    (fours.wrapping_mul((10_000 << 32) + 1) >> 32, count)
}

fn ends_field(bytes: &[u8], at: usize) -> bool {
    matches!(bytes.get(at), None | Some(b',' | b'\n' | b'\r'))
}

fn end_of_field(bytes: &[u8], at: usize) -> usize {
    if ends_field(bytes, at) {
        return at;
    }
    memchr::memchr3(b',', b'\n', b'\r', &bytes[at..]).map_or(bytes.len(), |found| at + found)
}

fn is_trimmed(field: &[u8]) -> bool {
    field.trim_ascii().len() == field.len()
}

/// Takes up a value; false if it must not stand here.
fn push(column: &mut Column, text: &str) -> bool {
    match column {
        Column::Numbers(..) => text.parse().is_ok_and(|value| column.push_number(value)),
        Column::Names(_) | Column::DateTimes(_) => column.push_text(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WANTED: [(usize, Expect); 3] = [(0, Expect::Number), (1, Expect::Name), (3, Expect::Count)];

    fn values(columns: &[Column]) -> Vec<String> {
        columns
            .iter()
            .map(|column| match column {
                Column::Numbers(_, values) => format!("{values:?}"),
                Column::Names(labels) => format!("{:?}", labels.iter().collect::<Vec<_>>()),
                Column::DateTimes(stamps) => format!("{stamps:?}"),
            })
            .collect()
    }

    fn both(text: &str) -> (Option<Vec<String>>, Result<Vec<String>, TraceError>) {
        let file = TraceFile::new("x.csv", text.as_bytes()).unwrap();
        let plain = read_plain(&file, &WANTED).map(|columns| values(&columns));
        (plain, read_strictly(&file, &WANTED).map(|columns| values(&columns)))
    }

    #[test]
    fn plain_rows_are_read_with_any_line_end_and_any_number() {
        let (plain, strict) = both("a,b,c,d\n1.5e2,x y,,3\r\n-7,é,z,12345678901234567\n0007,x,,0");
        assert!(plain.is_none(), "more digits than a count may have");
        assert!(strict.unwrap_err().message.contains("too large"));
        let (plain, strict) = both("a,b,c,d\n1.5e2,x y,,3\r\n-7,é,z,123456789012345\n0007,x,,0\r\n");
        assert_eq!(plain.unwrap(), strict.unwrap());
    }

    #[test]
    fn what_is_not_plain_is_left_to_the_strict_reader() {
        for rows in ["\n1,x,,2", "1,x,,2\n\n3,y,,4", "1,\"x\",,2", " 1,x,,2", "1,x ,,2", "1,x,,2 "] {
            let (plain, strict) = both(&format!("a,b,c,d\n{rows}\n"));
            assert!(plain.is_none(), "{rows:?}");
            assert!(strict.is_ok(), "{rows:?}: {strict:?}");
        }
        for rows in ["1,x,,", "1,,,2", "1,x,2", "1,x,,2,3", "1,x\rx,,2", "x,x,,2", "1,x,,1.5", "inf,x,,1"] {
            let (plain, strict) = both(&format!("a,b,c,d\n1,x,,2\n{rows}\n"));
            assert!(plain.is_none(), "{rows:?}");
            assert_eq!(strict.unwrap_err().line, Some(3), "{rows:?}");
        }
    }

    proptest! {
        #[test]
        fn leading_digits_are_those_before_any_other_byte(digits in "[0-9]{0,8}", rest in any::<[u8; 8]>()) {
            let mut eight = rest.map(|byte| if byte.is_ascii_digit() { b',' } else { byte });
            eight[..digits.len()].copy_from_slice(digits.as_bytes());
            prop_assert_eq!(leading_digits(eight), (digits.parse().unwrap_or(0), digits.len()));
        }

        #[test]
        fn both_readers_read_the_same(
            rows in prop::collection::vec("[ 0-9.,xé\"\r-]{0,12}(,[0-9x]{0,3}){0,4}", 1..6),
        ) {
            let (plain, strict) = both(&format!("a,b,c,d\n{}\n", rows.join("\n")));
            if let Some(plain) = plain {
                prop_assert_eq!(plain, strict.unwrap());
            }
        }

        #[test]
        fn sound_rows_are_plain_and_read_alike(
            rows in prop::collection::vec(
                ("-?[0-9]{1,17}(\\.[0-9]{1,9})?", "[ab]{1,3}", "[0-9é]{0,9}", "[0-9]{1,15}"),
                1..40,
            ),
            ends in prop::sample::select(vec!["\n", "\r\n"]), at_end: bool,
        ) {
            let rows: Vec<String> = rows.iter().map(|(a, b, c, d)| format!("{a},{b},{c},{d}")).collect();
            let (plain, strict) = both(&format!("a,b,c,d{ends}{}{}", rows.join(ends), if at_end { ends } else { "" }));
            prop_assert_eq!(plain, Some(strict.unwrap()));
        }

        #[test]
        fn pieces_together_are_the_rows(rows in "([0-9,]{0,9}\n){0,20}[0-9]{0,3}") {
            let text = rows.repeat(PIECE_BYTES / 16);
            prop_assert_eq!(pieces(&text).collect::<String>(), text);
        }
    }
}
