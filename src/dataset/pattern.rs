//! How the requests of a slice follow one another: the distribution of their gaps, and how many come in bursts.

use serde::{Deserialize, Serialize};

use super::trace::RequestTrace;

/// The first bin of the histogram starts here; shorter gaps are counted in it.
const FIRST_EDGE_S: f64 = 1e-4;
const BINS_PER_DECADE: usize = 8;
/// The last bin ends at 10,000 seconds; longer gaps are counted in it.
const BINS: usize = 8 * BINS_PER_DECADE;

/// Whether requests come in a burst, steadily or sparsely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BurstState {
    /// Less than 10 ms after one another.
    Burst,
    /// Between.
    Steady,
    /// More than 10 s after one another.
    Sparse,
}

impl BurstState {
    /// All states, the densest first.
    pub const ALL: [Self; 3] = [Self::Burst, Self::Steady, Self::Sparse];
    /// Gaps below this are a burst.
    pub const BURST_GAP_S: f64 = 0.010;
    /// Gaps above this are sparse.
    pub const SPARSE_GAP_S: f64 = 10.0;

    /// The state that a gap belongs to.
    pub fn of_gap(gap_s: f64) -> Self {
        if gap_s < Self::BURST_GAP_S {
            Self::Burst
        } else if gap_s > Self::SPARSE_GAP_S {
            Self::Sparse
        } else {
            Self::Steady
        }
    }

    /// The state's name in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Burst => "burst",
            Self::Steady => "steady",
            Self::Sparse => "sparse",
        }
    }
}

/// The gaps between the requests of a slice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArrivalPattern {
    /// Number of gaps.
    pub gaps: usize,
    /// Their mean, in seconds.
    pub mean_gap_s: f64,
    /// Their standard deviation over their mean: 1 for arrivals at random, more for bursts.
    pub variation: f64,
    /// Share of the gaps in each of [`BurstState::ALL`].
    pub shares: [f64; 3],
    /// Gaps in each bin of [`ArrivalPattern::edges_s`].
    pub counts: Vec<usize>,
}

impl ArrivalPattern {
    /// The pattern of a slice; `None` with fewer than two requests.
    pub fn of(trace: &RequestTrace) -> Option<Self> {
        let gaps = || trace.arrival_s.windows(2).map(|pair| pair[1] - pair[0]);
        let gap_count = trace.len().checked_sub(1).filter(|&count| count > 0)?;
        let count = gap_count as f64;
        let mean = gaps().sum::<f64>() / count;
        let variance = gaps().map(|gap| (gap - mean).powi(2)).sum::<f64>() / count;
        let edges_s = edges_s(BINS);
        let mut counts = vec![0; BINS];
        let mut of_state = [0_usize; BurstState::ALL.len()];
        for gap in gaps() {
            counts[edges_s[1..BINS].partition_point(|&edge_s| edge_s <= gap)] += 1;
            of_state[BurstState::of_gap(gap) as usize] += 1;
        }
        Some(Self {
            gaps: gap_count,
            mean_gap_s: mean,
            variation: if mean > 0.0 { variance.sqrt() / mean } else { 0.0 },
            shares: of_state.map(|gaps| gaps as f64 / count),
            counts,
        })
    }

    /// Edges of the histogram's bins in seconds, one more than there are bins.
    pub fn edges_s(&self) -> Vec<f64> {
        edges_s(self.counts.len())
    }
}

fn edges_s(bins: usize) -> Vec<f64> {
    (0..=bins).map(|edge| FIRST_EDGE_S * libm::pow(10.0, edge as f64 / BINS_PER_DECADE as f64)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_counted_and_told_apart() {
        let trace =
            RequestTrace { arrival_s: vec![0.0, 0.0, 0.005, 1.0, 21.0, 5e6], ..RequestTrace::default() };
        let pattern = ArrivalPattern::of(&trace).unwrap();
        assert_eq!(pattern.shares, [0.4, 0.2, 0.4]);
        assert_eq!(pattern.counts.iter().sum::<usize>(), 5);
        let edges = pattern.edges_s();
        let bin = edges.iter().position(|edge| *edge > 0.005).unwrap() - 1;
        assert_eq!((pattern.counts[0], pattern.counts[bin], pattern.counts[BINS - 1]), (1, 1, 1));
        let alone = RequestTrace { arrival_s: vec![0.0], ..RequestTrace::default() };
        assert_eq!(ArrivalPattern::of(&alone), None);
    }

    #[test]
    fn a_gap_at_the_border_is_steady() {
        assert_eq!(
            [0.0099, 0.01, 10.0, 10.1].map(|gap| BurstState::of_gap(gap).as_str()),
            ["burst", "steady", "steady", "sparse"]
        );
    }
}
