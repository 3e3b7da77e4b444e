//! One of several shares, such as `2/4`.

use std::fmt;

/// More shares than this are a mistake.
const MOST: usize = 100_000;
/// How a share is written.
const FORM: &str = "write it as i/n, e.g. 2/4 for the second of four shares";

/// Share `index` (from 1) of `count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Which share, counted from 1.
    pub index: usize,
    /// How many there are.
    pub count: usize,
}

impl Share {
    /// Share `index` of `count`, if there is one.
    ///
    /// # Errors
    /// Numbers that name no share, in a sentence.
    pub fn new(index: usize, count: usize) -> Result<Self, String> {
        if count == 0 || count > MOST {
            return Err(format!("a plan cannot be divided into {count} shares; give 1 to {MOST}"));
        }
        if index == 0 || index > count {
            return Err(format!("there is no share {index} of {count}; they are counted from 1 to {count}"));
        }
        Ok(Self { index, count })
    }

    /// Reads `i/n`.
    ///
    /// # Errors
    /// A text that names no share, in a sentence.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (index, count) = text.split_once('/').ok_or(FORM)?;
        let number =
            |text: &str| text.parse::<usize>().map_err(|_| format!("`{text}` is not a number; {FORM}"));
        Self::new(number(index)?, number(count)?)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.index, self.count)
    }
}
