//! Text for people and machines: numbers, tables, hashes, and the nearest of several words.

mod format;
mod hash;
mod nearest;
mod table;

pub use format::{counted, distinct, duration, grouped, number, percent};
pub use hash::{hex, short_hash};
pub use nearest::nearest;
pub use table::table;
