//! The verdicts on reported results as a table, as text and as JUnit XML.

mod junit;
mod table;
mod text;

pub use junit::junit;
pub use table::{reasons, table};
pub use text::claims_text;
