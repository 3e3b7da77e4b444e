//! The search: which points of the space are tried, and which trials are pruned. Pure functions of the file and of
//! earlier results, which never touch a path, a store or a clock.

mod contest;
mod draw;
mod parzen;
mod pruner;
mod space;
mod tpe;

pub use contest::{Contest, Finish, RungStatus};
pub use draw::{MOST_SOBOL_DIMENSIONS, MOST_SOBOL_POINTS, random, sobol};
pub use pruner::{AshaSpec, MedianSpec, PrunerSpec, RungVerdict};
pub use space::{Coordinate, Dimension, Point, corners};
pub use tpe::{STARTUP_TRIALS, TrialOutcome, Tried, propose};
