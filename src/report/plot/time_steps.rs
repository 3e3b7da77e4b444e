//! Steps between the ticks of time axes.

pub(super) const MINUTE_S: f64 = 60.0;
pub(super) const HOUR_S: f64 = 3600.0;
pub(super) const DAY_S: f64 = 86_400.0;
/// Steps between ticks that divide the next larger unit of time evenly.
pub(super) const STEPS_S: [f64; 17] = [
    1.0,
    2.0,
    5.0,
    10.0,
    15.0,
    30.0,
    MINUTE_S,
    2.0 * MINUTE_S,
    5.0 * MINUTE_S,
    10.0 * MINUTE_S,
    15.0 * MINUTE_S,
    30.0 * MINUTE_S,
    HOUR_S,
    2.0 * HOUR_S,
    3.0 * HOUR_S,
    6.0 * HOUR_S,
    12.0 * HOUR_S,
];
