//! Traces: where they come from, how they are read, sliced and divided, and the windows that models see.

mod catalog;
mod clock;
mod fetch;
mod inspect;
mod locate;
mod pattern;
mod predictions;
mod prepare;
mod prepare_error;
mod read;
mod records;
mod scale;
mod slice;
mod split;
mod steps;
pub mod synthetic;
mod synthetic_slice;
mod table;
mod trace;
mod windows;

pub use catalog::{CatalogEntry, MissingSource, SYNTHETIC, Source, catalog, dataset_folder, find_source};
pub use fetch::{Fetched, fetch};
pub use inspect::{Distribution, Inspection, RequestFacts, SeriesFacts, inspect};
pub use pattern::{ArrivalPattern, BurstState};
pub use predictions::{PredictionTable, read_predictions, write_predictions};
pub use prepare::{Loader, Prepared};
pub use prepare_error::PrepareError;
pub use read::{parse_trace, read_trace};
pub use scale::{ChannelScale, Scaler};
pub use slice::{Removed, SliceError, slice};
pub use split::{LeakVerdict, Part, Split, SplitError};
pub use steps::{Channel, Steps, TaskError, Transform, steps_of};
pub use table::{ColumnValues, NamedColumn, TableFile, write_table};
pub use trace::{Labels, RequestTrace, SeriesTrace, Trace, TraceError};
pub use windows::{ScaledSteps, Windows};
