//! A recurrent layer over a whole sequence, forward and backward, on plain slices.
//!
//! The batch is divided into shards of a few rows whose states stay in the cache; each runs over the whole sequence by
//! itself, on a thread of its own where there are several. Everything within a shard is time first, and units are
//! filled up to whole registers. The results do not depend on the number of threads.

mod backward;
mod forward;

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

pub use backward::{Gradients, backward};
pub use forward::{forward, infer};

use super::buffer::Buffer;
use super::cell::{SLOTS, Wiring};

/// Rows of the batch in one shard.
const SHARD: usize = 32;
/// Rows whose states are activated side by side; the gates of one row are, too.
const ROWS_AT_ONCE: usize = 4;

/// Sizes of a layer and its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Steps of the sequence.
    pub steps: usize,
    /// Sequences side by side.
    pub batch: usize,
    /// Input units.
    pub inputs: usize,
    /// Hidden units.
    pub hidden: usize,
}

/// Parameters of a layer, row by row: `weight_ih` is `gates hidden x inputs`, `weight_hh` `gates hidden x hidden`.
#[derive(Debug, Clone, Copy)]
pub struct Weights<'a> {
    /// Input weights.
    pub weight_ih: &'a [f32],
    /// Recurrent weights.
    pub weight_hh: &'a [f32],
    /// Input bias.
    pub bias_ih: &'a [f32],
    /// Recurrent bias.
    pub bias_hh: &'a [f32],
}

/// A sequence for each row of the batch; the units of one step lie side by side.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The values.
    pub values: &'a [f32],
    /// From one step to the next.
    pub step_stride: usize,
    /// From one row of the batch to the next.
    pub row_stride: usize,
}

/// Which hidden states a caller wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Those of every step: `steps x batch x hidden`.
    All,
    /// Those after the last step: `batch x hidden`.
    Last,
}

/// What the forward pass leaves for the backward pass.
#[derive(Debug, Clone)]
pub struct Tape(Vec<Shard>);

/// Some rows of the batch. A slot is the state between two steps: there is one more of them than steps.
#[derive(Debug, Clone)]
struct Shard {
    rows: Range<usize>,
    /// `steps x rows x (inputs + 1)`; the last is always 1, whose weight's gradient is that of the bias.
    input: Buffer,
    /// What the cell keeps of its sums: `steps x registers of units x rows x 4 sums`, in registers.
    kept: Buffer,
    /// Cell states, where the cell has any: `slots x registers of units x rows`, in registers.
    states: Buffer,
    /// Hidden states: `slots x rows x units`.
    hidden: Buffer,
}

/// Lanes of a register of this processor.
fn lanes() -> usize {
    struct Lanes;
    impl WithSimd for Lanes {
        type Output = usize;

        fn with_simd<S: Simd>(self, _: S) -> usize {
            S::F32_LANES
        }
    }
    Arch::new().dispatch(Lanes)
}

/// Where the sums that PyTorch's weights feed lie: for each of them its position among the sums of a row, which are four
/// registers for each register of units, and the row of the weights.
fn wired(wiring: Wiring, hidden: usize, lanes: usize) -> impl Iterator<Item = (usize, usize)> {
    wiring.into_iter().enumerate().flat_map(move |(slot, gate)| {
        let units = gate.map_or(0..0, |_| 0..hidden);
        units.map(move |unit| {
            let position = unit / lanes * SLOTS * lanes + slot * lanes + unit % lanes;
            (position, gate.unwrap_or(0) * hidden + unit)
        })
    })
}

/// Does the work of each shard: with one thread, or one shard, on the caller's.
fn for_each_shard<I: Send, T: Send>(shards: Vec<I>, work: impl Fn(I) -> T + Sync + Send) -> Vec<T> {
    if shards.len() == 1 || rayon::current_num_threads() == 1 {
        return shards.into_iter().map(work).collect();
    }
    shards.into_par_iter().map(work).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{GruCell, LstmCell, RecurrentCell};
    use super::*;
    use crate::stats::Stream;

    const NUDGE: f32 = 4e-3;

    struct Case {
        sizes: Sizes,
        input: Vec<f32>,
        /// `weight_ih`, `weight_hh`, `bias_ih`, `bias_hh`.
        parameters: [Vec<f32>; 4],
        /// What the outputs are weighted with in the loss.
        by_output: Vec<f32>,
        scope: Scope,
    }

    impl Case {
        fn new<C: RecurrentCell>(sizes: Sizes, scope: Scope, seed: u64) -> Self {
            let Sizes { steps, batch, inputs, hidden } = sizes;
            let width = C::GATES * hidden;
            let mut stream = Stream::weights(seed);
            let outputs = if scope == Scope::All { steps } else { 1 };
            Self {
                sizes,
                input: stream.uniform(steps * batch * inputs, 1.0),
                parameters: [width * inputs, width * hidden, width, width]
                    .map(|count| stream.uniform(count, 0.7)),
                by_output: stream.uniform(outputs * batch * hidden, 1.0),
                scope,
            }
        }

        fn weights(&self) -> Weights<'_> {
            let [weight_ih, weight_hh, bias_ih, bias_hh] = &self.parameters;
            Weights { weight_ih, weight_hh, bias_ih, bias_hh }
        }

        /// Batch first, as a model's windows are: the strides are exchanged.
        fn view(&self) -> Input<'_> {
            let Sizes { steps, inputs, .. } = self.sizes;
            Input { values: &self.input, step_stride: inputs, row_stride: steps * inputs }
        }

        /// Sum of the weighted outputs, in double precision for finite differences.
        fn loss<C: RecurrentCell>(&self) -> f64 {
            let output = infer::<C>(self.sizes, self.view(), self.weights(), self.scope);
            output.iter().zip(&self.by_output).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
        }

        fn slope<C: RecurrentCell>(&mut self, at: impl Fn(&mut Self) -> &mut f32) -> f64 {
            let kept = *at(self);
            *at(self) = kept + NUDGE;
            let up = self.loss::<C>();
            *at(self) = kept - NUDGE;
            let down = self.loss::<C>();
            *at(self) = kept;
            (up - down) / f64::from(2.0 * NUDGE)
        }
    }

    fn check<C: RecurrentCell>(sizes: Sizes, scope: Scope, seed: u64) -> Result<(), TestCaseError> {
        let mut case = Case::new::<C>(sizes, scope, seed);
        let (output, tape) = forward::<C>(sizes, case.view(), case.weights(), scope);
        prop_assert_eq!(&output, &infer::<C>(sizes, case.view(), case.weights(), scope));
        let found = backward::<C>(sizes, case.weights(), tape, &case.by_output, scope, true);
        let Sizes { steps, batch, inputs, .. } = sizes;
        let by_input = found.input.unwrap_or_default();
        prop_assert_eq!(by_input.len(), case.input.len());
        for at in 0..case.input.len() {
            let (row, step, unit) = (at / (steps * inputs), at / inputs % steps, at % inputs);
            let found = by_input[(step * batch + row) * inputs + unit];
            let slope = case.slope::<C>(|case| &mut case.input[at]);
            prop_assert!(
                (slope - f64::from(found)).abs() < 3e-3,
                "input {}: {} against {}",
                at,
                slope,
                found
            );
        }
        let gradients = [found.weight_ih, found.weight_hh, found.bias_ih, found.bias_hh];
        for (which, gradient) in gradients.iter().enumerate() {
            for (at, found) in gradient.iter().enumerate() {
                let slope = case.slope::<C>(|case| &mut case.parameters[which][at]);
                prop_assert!(
                    (slope - f64::from(*found)).abs() < 3e-3,
                    "parameter {}, {}: {} against {}",
                    which,
                    at,
                    slope,
                    found
                );
            }
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn gradients_agree_with_finite_differences(
            steps in 1_usize..6, batch in 1_usize..7, inputs in 1_usize..4, hidden in 1_usize..19, all: bool,
            seed in 0_u64..1_000,
        ) {
            let sizes = Sizes { steps, batch, inputs, hidden };
            let scope = if all { Scope::All } else { Scope::Last };
            check::<LstmCell>(sizes, scope, seed)?;
            check::<GruCell>(sizes, scope, seed)?;
        }
    }

    /// The sequences of a batch know nothing of each other: in any batch, each has the outputs and gradients that it has
    /// alone, and the gradients by the parameters are sums over the rows.
    fn rows_do_not_meet<C: RecurrentCell>(sizes: Sizes, scope: Scope) {
        let case = Case::new::<C>(sizes, scope, 11);
        let Sizes { steps, batch, inputs, hidden } = sizes;
        let (output, tape) = forward::<C>(sizes, case.view(), case.weights(), scope);
        let found = backward::<C>(sizes, case.weights(), tape, &case.by_output, scope, true);
        let by_input = found.input.as_deref().unwrap_or_default();
        let slots = output.len() / (batch * hidden);
        let close = |what: &str, found: &[f32], expected: &[f32]| {
            for (found, expected) in found.iter().zip(expected) {
                assert!(
                    (found - expected).abs() < 2e-4 * expected.abs().max(1.0),
                    "{what}: {found}, {expected}"
                );
            }
        };
        let of_row = |values: &[f32], row: usize, units: usize| -> Vec<f32> {
            values
                .chunks_exact(batch * units)
                .flat_map(|step| step[row * units..(row + 1) * units].to_vec())
                .collect()
        };
        let alone = Sizes { batch: 1, ..sizes };
        let mut sums = [0, 1, 2, 3].map(|which: usize| vec![0.0; case.parameters[which].len()]);
        for row in 0..batch {
            let input = &case.input[row * steps * inputs..(row + 1) * steps * inputs];
            let input = Input { values: input, step_stride: inputs, row_stride: steps * inputs };
            let (own, tape) = forward::<C>(alone, input, case.weights(), scope);
            assert_eq!(own.len(), slots * hidden);
            close("output", &of_row(&output, row, hidden), &own);
            let by_output = of_row(&case.by_output, row, hidden);
            let own = backward::<C>(alone, case.weights(), tape, &by_output, scope, true);
            close("input", &of_row(by_input, row, inputs), own.input.as_deref().unwrap_or_default());
            let gradients = [own.weight_ih, own.weight_hh, own.bias_ih, own.bias_hh];
            for (sum, own) in sums.iter_mut().flatten().zip(gradients.iter().flatten()) {
                *sum += own;
            }
        }
        let gradients = [found.weight_ih, found.weight_hh, found.bias_ih, found.bias_hh];
        for (found, sum) in gradients.iter().zip(&sums) {
            close("parameters", found, sum);
        }
    }

    #[test]
    fn a_sequence_has_the_outputs_and_gradients_in_any_batch_that_it_has_alone() {
        let sizes = Sizes { steps: 3, batch: SHARD + 11, inputs: 4, hidden: 20 };
        for scope in [Scope::All, Scope::Last] {
            rows_do_not_meet::<LstmCell>(sizes, scope);
            rows_do_not_meet::<GruCell>(sizes, scope);
        }
    }

    #[test]
    #[ignore = "holds on a processor without AVX only: scripts/check-old-processor.sh asks for it on an emulated one"]
    fn registers_are_narrow() {
        assert!(lanes() < 8, "{} lanes", lanes());
    }

    #[test]
    fn any_number_of_threads_gives_the_same_bits() {
        let sizes = Sizes { steps: 9, batch: 3 * SHARD + 5, inputs: 3, hidden: 20 };
        let case = Case::new::<LstmCell>(sizes, Scope::All, 7);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap_or_else(|error| panic!("{error}"));
            pool.install(|| {
                let (output, tape) = forward::<LstmCell>(sizes, case.view(), case.weights(), Scope::All);
                let found =
                    backward::<LstmCell>(sizes, case.weights(), tape, &case.by_output, Scope::All, true);
                (output, found.input, found.weight_ih, found.weight_hh, found.bias_ih)
            })
        };
        assert!(run(1) == run(3));
    }
}
