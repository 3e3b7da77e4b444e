//! The quantiles that every interval is made of.

/// Levels of the quantiles, in increasing order: the ends of the intervals at 95, 80 and 50 %, and the median.
pub const QUANTILES: [f64; 7] = [0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975];

/// Index of the median.
pub const MEDIAN: usize = 3;
