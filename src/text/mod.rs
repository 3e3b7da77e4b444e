//! Text for people and machines: numbers, tables, CSV, hashes, and the nearest of several words.

mod csv;
mod format;
mod hash;
mod nearest;
mod table;

pub use csv::{csv, csv_field, csv_line};
pub use format::{counted, duration, grouped, number, percent, quantity, unit_beside, with_decimals};
pub use hash::{hex, short_hash};
pub use nearest::nearest;
pub use table::table;
