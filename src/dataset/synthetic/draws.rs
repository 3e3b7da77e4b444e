//! Random draws that are the same on every platform: `ChaCha8` words, own sampling, transcendentals from `libm`.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// One independent stream of random numbers under a seed.
#[derive(Clone, Debug)]
pub(super) struct Draws(ChaCha8Rng);

impl Draws {
    /// The seed is the `ChaCha` key and `stream` its nonce, so streams under one seed never overlap.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut words = ChaCha8Rng::from_seed(key);
        words.set_stream(stream);
        Self(words)
    }

    /// Uniform on the open interval (0, 1), so that its logarithm and its normal quantile are finite.
    pub(super) fn unit(&mut self) -> f64 {
        const STEP: f64 = 1.0 / (1_u64 << 52) as f64;
        ((self.0.next_u64() >> 12) as f64 + 0.5) * STEP
    }

    /// True with probability `share`.
    pub(super) fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// Standard normal, from one uniform.
    pub(super) fn normal(&mut self) -> f64 {
        normal_quantile(self.unit())
    }

    /// Exponential with mean one.
    pub(super) fn exponential(&mut self) -> f64 {
        -libm::log(self.unit())
    }

    /// Uniform integer in `0..bound`, the high word of a 128-bit product; its bias of `bound` / 2^64 is nil here.
    fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.0.next_u64()) * bound as u128) >> 64) as usize
    }
}

/// Uniforms dealt from a shuffled deck of `N` equal strata, reshuffled when it is used up.
///
/// A deal of `N` holds one uniform from each stratum. Heavy-tailed quantities drawn through it still look random
/// one by one, but their sum varies little from seed to seed, and so the trace stays near the published totals.
#[derive(Clone, Debug)]
pub(super) struct Deck<const N: usize> {
    strata: [usize; N],
    dealt: usize,
}

impl<const N: usize> Deck<N> {
    /// A deck that is shuffled at its first deal.
    pub(super) fn new() -> Self {
        Self { strata: std::array::from_fn(|stratum| stratum), dealt: N }
    }

    /// Uniform on the open interval (0, 1) within the next stratum.
    pub(super) fn unit(&mut self, draws: &mut Draws) -> f64 {
        if self.dealt == N {
            for last in (1..N).rev() {
                self.strata.swap(last, draws.below(last + 1));
            }
            self.dealt = 0;
        }
        let stratum = self.strata[self.dealt];
        self.dealt += 1;
        (stratum as f64 + draws.unit()) / N as f64
    }

    /// Standard normal within the next stratum.
    pub(super) fn normal(&mut self, draws: &mut Draws) -> f64 {
        normal_quantile(self.unit(draws))
    }
}

/// Quantile function of the standard normal, to seven figures (Wichura 1988, algorithm AS 241, `PPND7`).
fn normal_quantile(unit: f64) -> f64 {
    let centred = unit - 0.5;
    if centred.abs() <= 0.425 {
        let r = 0.180_625 - centred * centred;
        let numerator = ((59.109_374_720 * r + 159.291_132_02) * r + 50.434_271_938) * r + 3.387_132_717_9;
        let denominator = ((67.187_563_600 * r + 78.757_757_664) * r + 17.895_169_469) * r + 1.0;
        return centred * numerator / denominator;
    }
    let distance = libm::sqrt(-libm::log(unit.min(1.0 - unit)));
    let magnitude = if distance <= 5.0 {
        let r = distance - 1.6;
        let numerator = ((0.170_238_211_03 * r + 1.306_728_481_6) * r + 2.756_815_390) * r + 1.423_437_277_7;
        numerator / ((0.120_211_329_75 * r + 0.737_001_642_5) * r + 1.0)
    } else {
        let r = distance - 5.0;
        let numerator = ((0.017_337_203_997 * r + 0.428_682_943_37) * r + 3.081_226_386) * r + 6.657_905_115;
        numerator / ((0.012_258_202_635 * r + 0.241_978_942_25) * r + 1.0)
    };
    magnitude.copysign(centred)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_quantiles_match_the_tables() {
        let table = [(0.5, 0.0), (0.6, 0.253_347_1), (0.975, 1.959_964_0), (0.01, -2.326_347_9)];
        for (unit, expected) in table.into_iter().chain([(1e-12, -7.034_483_8), (1.0 - 1e-9, 5.997_807_0)]) {
            let quantile = normal_quantile(unit);
            assert!((quantile - expected).abs() < 2e-6, "{unit}: {quantile} is not {expected}");
        }
    }

    #[test]
    fn uniforms_stay_inside_the_open_interval_and_average_one_half() {
        let mut draws = Draws::new(1, 0);
        let units: Vec<f64> = (0..100_000).map(|_| draws.unit()).collect();
        assert!(units.iter().all(|&unit| unit > 0.0 && unit < 1.0));
        assert!((units.iter().sum::<f64>() / 1e5 - 0.5).abs() < 0.005);
    }

    #[test]
    fn a_deck_deals_every_stratum_once_before_it_repeats_one() {
        let mut draws = Draws::new(2, 0);
        let mut deck = Deck::<20>::new();
        for _ in 0..3 {
            let mut strata: Vec<u32> = (0..20).map(|_| (deck.unit(&mut draws) * 20.0) as u32).collect();
            assert!(!strata.is_sorted());
            strata.sort_unstable();
            assert_eq!(strata, (0..20).collect::<Vec<u32>>());
        }
    }

    #[test]
    fn streams_under_one_seed_differ() {
        assert!((Draws::new(3, 0).unit() - Draws::new(3, 1).unit()).abs() > 1e-9);
    }
}
