//! The verdicts on reported results as a table and as JUnit XML.

mod junit;
mod list;

pub use junit::junit;
pub use list::{reasons, table};
