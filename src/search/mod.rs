//! The search: which points of the space are tried, and which trials are given up early. Pure functions of the file and of
//! earlier results, which never touch a path, a store or a clock.

mod contest;
mod draw;
mod parzen;
mod pruner;
mod space;
mod tpe;

pub use contest::{Contest, End, Missing};
pub use draw::{MOST_SOBOL_DIMENSIONS, MOST_SOBOL_POINTS, random, sobol};
pub use pruner::{AshaSpec, MedianSpec, PrunerSpec, Verdict};
pub use space::{Coordinate, Dimension, Point, corners};
pub use tpe::{Outcome, STARTUP_TRIALS, Tried, propose};
