//! Pure functions that score forecasts against actuals, judge whether two scores differ and which hyperparameters matter, and
//! random streams.

mod bootstrap;
pub mod closed_form;
mod conformal;
pub mod gamma;
mod holm;
mod importance;
mod interval;
mod point;
mod probabilistic;
mod quantile;
mod regression_tree;
mod stream;
mod sum;

pub use bootstrap::{BootstrapResult, block_bootstrap_mean, block_length};
pub use conformal::{Conformal, Offsets, errors_needed, offsets, signed_quantile};
pub use holm::holm;
pub use importance::{FEWEST_TRIALS, Importance, ParameterDomain, UnknownImportance, importance};
pub use interval::{IntervalScore, interval_score};
pub use point::{
    INTERVAL_NAMES, NAMES, POINT_WITHIN, PointMetrics, lower_is_better, point_metrics, score_errors,
    seasonal_scale,
};
pub use probabilistic::{crps_quantile, pinball};
pub use quantile::{MEDIAN, QUANTILES, quantile_between};
pub use stream::Stream;
pub use sum::Moments;
