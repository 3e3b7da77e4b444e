//! Pure functions that score forecasts against actuals and judge whether two scores really differ.

pub mod bootstrap;
pub mod point;
pub mod significance;
pub mod special;
mod sum;

pub use bootstrap::{BootstrapResult, block_bootstrap_mean, block_length};
pub use point::{NAMES, PointMetrics, lower_is_better, point_metrics, seasonal_scale};
pub use significance::{TestResult, diebold_mariano, holm};
