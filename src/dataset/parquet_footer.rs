//! What the footer of a Parquet file claims, weighed against what it holds before polars makes room for it.
//!
//! The footer is a struct in Thrift's compact protocol. A single changed byte turns a list of two row groups into one of
//! two thousand million, which polars would allocate at once: the process would end, and no error could be caught.

/// Structs, lists and maps within one another; a footer has five or so levels.
const DEEPEST: usize = 32;
/// Columns that hold columns: polars follows them by recursion. A trace has none.
const MOST_GROUPS: usize = 500;

/// Types of the compact protocol.
const STOP: u8 = 0;
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
const STRUCT: u8 = 12;
const UUID: u8 = 13;

/// The field of the footer that lists the columns, and the field of each that counts the columns in it.
const SCHEMA: i64 = 2;
const CHILDREN: i64 = 5;

/// Checks that no string and no list of a Parquet file's footer is longer than the footer.
///
/// # Errors
/// What is wrong with it.
pub fn check_footer(file: &[u8]) -> Result<(), String> {
    let cut = || "its end is not that of a Parquet file; it was cut".to_string();
    let (before, magic) = file.split_last_chunk::<4>().ok_or_else(cut)?;
    let (before, length) = before.split_last_chunk::<4>().ok_or_else(cut)?;
    if magic != b"PAR1" {
        return Err(cut());
    }
    let length = u32::from_le_bytes(*length) as usize;
    let start = before.len().checked_sub(length).ok_or_else(cut)?;
    let mut walk = Walk { rest: &before[start..], groups: 0 };
    walk.fields(0, Some(SCHEMA)).ok_or_else(|| "its footer claims more than it holds".to_string())?;
    if walk.groups > MOST_GROUPS {
        return Err(format!("its columns are nested; {} hold others", walk.groups));
    }
    Ok(())
}

/// Passes over values; `None` wherever one does not fit.
struct Walk<'a> {
    rest: &'a [u8],
    groups: usize,
}

impl Walk<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    fn skip(&mut self, count: u64) -> Option<()> {
        self.rest = self.rest.get(usize::try_from(count).ok()?..)?;
        Some(())
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn signed(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// The type of a struct's next field, whose number follows from that of the one before; [`STOP`] behind the last.
    fn field(&mut self, id: &mut i64) -> Option<u8> {
        let head = self.byte()?;
        let (step, kind) = (head >> 4, head & 0x0f);
        if kind != STOP {
            *id = if step == 0 { self.signed()? } else { id.checked_add(i64::from(step))? };
        }
        Some(kind)
    }

    /// The fields of a struct. `schema` is the one that lists the columns, if there is one.
    fn fields(&mut self, depth: usize, schema: Option<i64>) -> Option<()> {
        let mut id = 0_i64;
        loop {
            let kind = self.field(&mut id)?;
            if kind == STOP {
                return Some(());
            }
            if schema == Some(id) && kind == LIST {
                self.columns(depth + 1)?;
            } else if kind != TRUE && kind != FALSE {
                self.value(kind, depth + 1)?;
            }
        }
    }

    /// The list of the columns: the same as any list, but for the count of those that hold others.
    fn columns(&mut self, depth: usize) -> Option<()> {
        let (count, kind) = self.list()?;
        for _ in 0..count {
            if kind == STRUCT { self.column(depth + 1)? } else { self.value(kind, depth + 1)? }
        }
        Some(())
    }

    fn column(&mut self, depth: usize) -> Option<()> {
        let mut id = 0_i64;
        loop {
            let kind = self.field(&mut id)?;
            if kind == STOP {
                return Some(());
            }
            match kind {
                TRUE | FALSE => {}
                I32 if id == CHILDREN => self.groups += usize::from(self.signed()? > 0),
                kind => self.value(kind, depth + 1)?,
            }
        }
    }

    /// Length and type of a list, each element of which takes a byte at least.
    fn list(&mut self) -> Option<(u64, u8)> {
        let head = self.byte()?;
        let count = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
        (count <= self.rest.len() as u64).then_some((count, head & 0x0f))
    }

    fn value(&mut self, kind: u8, depth: usize) -> Option<()> {
        if depth > DEEPEST {
            return None;
        }
        match kind {
            // In a list, a truth value has a byte of its own.
            TRUE | FALSE | BYTE => self.skip(1),
            I16 | I32 | I64 => self.varint().map(|_| ()),
            DOUBLE => self.skip(8),
            UUID => self.skip(16),
            BINARY => {
                let length = self.varint()?;
                self.skip(length)
            }
            LIST | SET => {
                let (count, kind) = self.list()?;
                (0..count).try_for_each(|_| self.value(kind, depth + 1))
            }
            MAP => {
                let count = self.varint()?;
                if count == 0 {
                    return Some(());
                }
                let kinds = self.byte()?;
                (0..count).try_for_each(|_| {
                    self.value(kinds >> 4, depth + 1)?;
                    self.value(kinds & 0x0f, depth + 1)
                })
            }
            STRUCT => self.fields(depth, None),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that holds nothing but this footer.
    fn file(footer: &[u8]) -> Vec<u8> {
        [b"PAR1", footer, &(footer.len() as u32).to_le_bytes()[..], b"PAR1"].concat()
    }

    #[test]
    fn a_list_longer_than_the_footer_is_refused() {
        // Field 4, a list of row groups: 2^31 - 1 of them, in a varint of five bytes.
        let claims = file(&[0x49, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 0x00]);
        assert_eq!(check_footer(&claims).unwrap_err(), "its footer claims more than it holds");
        // One empty row group.
        assert_eq!(check_footer(&file(&[0x49, 0x1c, 0x00, 0x00])), Ok(()));
    }

    #[test]
    fn strings_maps_and_deep_structs_do_not_lead_beyond_the_footer() {
        for footer in [&[0x68, 0x7f][..], &[0x1b, 0x05, 0x88], &[0x16], &[0x15, 0xff]] {
            assert!(check_footer(&file(footer)).is_err(), "{footer:?}");
        }
        let deep = [vec![0x1c; 100], vec![0; 101]].concat();
        assert!(check_footer(&file(&deep)).is_err());
        assert!(check_footer(b"PAR1").is_err());
        assert!(check_footer(b"PAR1\xff\xff\xff\xffPAR1").is_err());
    }

    #[test]
    fn columns_that_hold_columns_are_counted() {
        let column = [0x55, 0x02, 0x00];
        let many = [&[0x29, 0xfc, 0xd8, 0x04][..], &column.repeat(600), &[0x00]].concat();
        assert!(check_footer(&file(&many)).unwrap_err().contains("600 hold others"));
    }
}
