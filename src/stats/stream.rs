//! A run's own randomness: ChaCha streams seeded by the run, so that no order of runs can change a result.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A seeded stream of random numbers, the same on every platform.
#[derive(Debug, Clone)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    fn new(seed: u64, number: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(number);
        Self(rng)
    }

    /// The stream of initial weights.
    pub fn weights(seed: u64) -> Self {
        Self::new(seed, 0)
    }

    /// The stream that shuffles windows.
    pub fn shuffling(seed: u64) -> Self {
        Self::new(seed, 1)
    }

    /// The stream of dropout masks.
    pub fn dropout(seed: u64) -> Self {
        Self::new(seed, 2)
    }

    /// The stream that forecasts are sampled from.
    pub fn sampling(seed: u64) -> Self {
        Self::new(seed, 3)
    }

    /// Uniform in `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// `count` values, uniform in `[-bound, bound)`.
    pub fn uniform(&mut self, count: usize, bound: f32) -> Vec<f32> {
        (0..count).map(|_| (2.0 * self.unit() as f32 - 1.0) * bound).collect()
    }

    /// A uniformly random order (Fisher-Yates).
    pub fn shuffle(&mut self, items: &mut [usize]) {
        for last in (1..items.len()).rev() {
            let other = (self.unit() * (last + 1) as f64) as usize;
            items.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shuffle_keeps_every_item_and_depends_on_the_seed_alone() {
        let shuffled = |seed| {
            let mut items: Vec<usize> = (0..100).collect();
            Stream::shuffling(seed).shuffle(&mut items);
            items
        };
        let mut sorted = shuffled(7);
        assert_eq!(shuffled(7), shuffled(7));
        assert_ne!(shuffled(7), shuffled(8));
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<_>>());
    }
}
