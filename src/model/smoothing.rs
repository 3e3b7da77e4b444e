//! The state of exponential smoothing, how it takes up a value, and what a fit of it is.

/// Smoothing weights lie between this and one minus this.
pub(super) const LEAST_WEIGHT: f64 = 1e-4;
/// Damping below this is hardly a trend, above it hardly damped.
pub(super) const DAMPING: (f64, f64) = (0.8, 0.98);

/// How level and trend follow the errors.
#[derive(Debug, Clone, Copy)]
pub(super) struct SmoothingWeights {
    /// Share of an error that the level takes up: alpha.
    pub level: f64,
    /// Share of an error that the slope takes up: beta.
    pub trend: f64,
    /// What is left of the slope after a step: phi, 1 without damping.
    pub damping: f64,
}

impl SmoothingWeights {
    /// From the log-odds of the first `N` weights. The trend's weight is at most the level's.
    pub(super) fn of<const N: usize>(log_odds: [f64; N]) -> Self {
        let between =
            |low: f64, high: f64, index: usize| low + (high - low) / (1.0 + libm::exp(-log_odds[index]));
        let level = between(LEAST_WEIGHT, 1.0 - LEAST_WEIGHT, 0);
        let trend = if N > 1 { between(LEAST_WEIGHT, level, 1) } else { 0.0 };
        let damping = if N > 2 { between(DAMPING.0, DAMPING.1, 2) } else { 1.0 };
        Self { level, trend, damping }
    }
}

/// Level and slope at some step.
#[derive(Debug, Clone, Copy)]
pub(super) struct SmoothingState {
    pub level: f64,
    pub slope: f64,
}

impl SmoothingState {
    /// Moves one step ahead and takes up a value. Returns its error.
    pub fn observe(&mut self, weights: SmoothingWeights, value: f64) -> f64 {
        let slope = weights.damping * self.slope;
        let forecast = self.level + slope;
        let error = value - forecast;
        self.level = forecast + weights.level * error;
        self.slope = slope + weights.trend * error;
        error
    }
}

/// The most likely smoothing of one form.
pub(super) struct Candidate {
    /// The corrected Akaike criterion, up to a constant of the series.
    pub criterion: f64,
    /// What is left of the slope after a step.
    pub damping: f64,
    /// After the last value.
    pub last: SmoothingState,
    /// The next steps of the season; none without one.
    pub season: Vec<f64>,
}

impl Candidate {
    /// The next values.
    pub fn forecast(self, horizon: usize) -> impl Iterator<Item = f64> {
        let Self { damping, mut last, season, .. } = self;
        (0..horizon).map(move |ahead| {
            last.slope *= damping;
            last.level += last.slope;
            let of_season = if season.is_empty() { 0.0 } else { season[ahead % season.len()] };
            last.level + of_season
        })
    }
}
