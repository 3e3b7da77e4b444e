//! The orders of a model.

/// Orders of an autoregressive integrated moving average with seasons: `(p, d, q)(P, D, Q)_s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ArimaOrders {
    /// `p`: past values that are read.
    pub ar: usize,
    /// `d`: how often differences of neighbours are taken.
    pub differences: usize,
    /// `q`: past errors that are read.
    pub ma: usize,
    /// `P`: past seasons whose values are read.
    pub seasonal_ar: usize,
    /// `D`: how often differences between seasons are taken.
    pub seasonal_differences: usize,
    /// `Q`: past seasons whose errors are read.
    pub seasonal_ma: usize,
    /// `s`: steps of a season; 0 without one.
    pub season: usize,
    /// Whether the differenced series has a mean: the mean of a series that is not differenced, the drift of one that is
    /// differenced once.
    pub constant: bool,
}

impl ArimaOrders {
    /// Coefficients to estimate, the constant and the variance left out.
    pub fn coefficients(self) -> usize {
        self.ar + self.ma + self.seasonal_ar + self.seasonal_ma
    }

    /// Differences of either kind.
    pub fn all_differences(self) -> usize {
        self.differences + self.seasonal_differences
    }

    /// First values that differences use up.
    pub fn lost(self) -> usize {
        self.differences + self.season * self.seasonal_differences
    }

    /// Past values that a forecast reads at least.
    pub fn reach(self) -> usize {
        let ar = self.ar + self.season * self.seasonal_ar;
        let ma = self.ma + self.season * self.seasonal_ma;
        self.lost() + ar.max(ma)
    }
}
