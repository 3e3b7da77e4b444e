//! Text for people and machines: numbers, tables, CSV, hashes, words of a shell, errors with their causes, and the nearest
//! of several words.

mod causes;
mod csv;
mod format;
mod hash;
mod nearest;
mod shell;
mod table;

pub use causes::causes;
pub use csv::{csv, csv_field, csv_line};
pub use format::{
    capitalised, counted, duration, grouped, minute, number, percent, quantities, quantity, unit_beside,
    with_decimals,
};
pub use hash::{hex, short_hash};
pub use nearest::nearest;
pub use shell::{shell_word, shell_words};
pub use table::table;
