//! Points that depend on no result: independent draws, and a scrambled Sobol sequence.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::space::{Dimension, Point};

/// Most points of a [`sobol`] sequence: it is defined on 2^16.
pub const MOST_SOBOL_POINTS: usize = 1 << 16;
/// Most dimensions of a [`sobol`] sequence.
pub const MOST_SOBOL_DIMENSIONS: usize = sobol_burley::NUM_DIMENSIONS as usize;

/// Uniform in `[0, 1)`.
pub(super) fn unit(rng: &mut ChaCha8Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

/// Independent draws. Other numbers of points, with the same seed and stream, begin alike.
pub fn random(space: &[Dimension], count: usize, seed: u64, stream: u64) -> Vec<Point> {
    let mut rng = ChaCha8Rng::seed_from_u64(stream);
    rng.set_stream(seed);
    (0..count).map(|_| space.iter().map(|dimension| dimension.at(unit(&mut rng))).collect()).collect()
}

/// Points `from..from + count` of a Sobol sequence with Owen's scrambling (Owen, 1995; Burley, "Practical Hash-based
/// Owen Scrambling", JCGT 2020): each of `2^k` equal slices of every dimension holds exactly one of the first `2^k`.
///
/// `from + count` is at most [`MOST_SOBOL_POINTS`], and `space` has at most [`MOST_SOBOL_DIMENSIONS`].
pub fn sobol(space: &[Dimension], from: usize, count: usize, seed: u64, stream: u64) -> Vec<Point> {
    // The sequence takes 32 bits of seed: they are drawn from the two that tell searches apart.
    let mut rng = ChaCha8Rng::seed_from_u64(stream);
    rng.set_stream(seed);
    let scrambling = rng.next_u32();
    (from..from + count)
        .map(|index| {
            let place = |(at, dimension): (usize, &Dimension)| {
                dimension.at(f64::from(sobol_burley::sample(index as u32, at as u32, scrambling)))
            };
            space.iter().enumerate().map(place).collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::search::Coordinate;

    fn real(coordinate: Coordinate) -> f64 {
        match coordinate {
            Coordinate::Real(value) => value,
            other => panic!("{other:?}"),
        }
    }

    proptest! {
        #[test]
        fn every_slice_of_every_dimension_holds_one_point_of_a_sobol_sequence(
            seed in any::<u64>(), power in 0..9_u32, dimensions in 1..12_usize,
        ) {
            let count = 1_usize << power;
            let points = sobol(&vec![Dimension::Uniform(0.0, 1.0); dimensions], 0, count, seed, 0);
            for dimension in 0..dimensions {
                let mut slices: Vec<usize> =
                    points.iter().map(|point| (real(point[dimension]) * count as f64) as usize).collect();
                slices.sort_unstable();
                prop_assert_eq!(slices, (0..count).collect::<Vec<_>>());
            }
        }

        #[test]
        fn draws_stay_in_their_ranges_and_begin_alike_for_any_count(seed in any::<u64>(), count in 2..60_usize) {
            let space = [
                Dimension::Choice(3), Dimension::Uniform(-2.0, 5.0), Dimension::LogUniform(1e-5, 1e-1), Dimension::Int(-3, 4),
            ];
            for draw in [random, |space: &[Dimension], count, seed, stream| sobol(space, 0, count, seed, stream)] {
                let points = draw(&space, count, seed, 1);
                prop_assert_eq!(&points[..count / 2], &draw(&space, count / 2, seed, 1)[..]);
                for point in points {
                    prop_assert!(matches!(point[0], Coordinate::Listed(0..3)));
                    prop_assert!((-2.0..5.0).contains(&real(point[1])));
                    prop_assert!((0.999_999e-5..1.000_001e-1).contains(&real(point[2])));
                    prop_assert!(matches!(point[3], Coordinate::Whole(-3..=4)));
                }
            }
        }
    }

    #[test]
    fn seeds_and_streams_tell_searches_apart() {
        let space = [Dimension::Uniform(0.0, 1.0)];
        for draw in [random, |space: &[Dimension], count, seed, stream| sobol(space, 0, count, seed, stream)]
        {
            assert_ne!(draw(&space, 4, 0, 0), draw(&space, 4, 1, 0));
            assert_ne!(draw(&space, 4, 0, 0), draw(&space, 4, 0, 1));
        }
    }
}
