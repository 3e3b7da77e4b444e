//! Pure functions that score forecasts against actuals and judge whether two scores really differ, and random streams.

pub mod bootstrap;
pub mod closed_form;
pub mod conformal;
pub mod gamma;
pub mod interval;
pub mod paired;
pub mod point;
pub mod probabilistic;
mod quantile;
pub mod significance;
pub mod special;
mod stream;
mod sum;

pub use bootstrap::{BootstrapResult, block_bootstrap_mean, block_length};
pub use conformal::{Conformal, Offsets, errors_needed, offsets, signed_quantile, split_half_width};
pub use interval::{IntervalScore, interval_score};
pub use paired::{paired_bootstrap, paired_t, wilcoxon_exact};
pub use point::{INTERVAL_NAMES, NAMES, PointMetrics, lower_is_better, point_metrics, seasonal_scale};
pub use probabilistic::{
    crps_ensemble, crps_ensemble_fair, crps_quantile, pinball, pinball_loss, quantile_weights,
};
pub use quantile::{MEDIAN, QUANTILES};
pub use significance::{TestResult, diebold_mariano, holm};
pub use stream::Stream;
