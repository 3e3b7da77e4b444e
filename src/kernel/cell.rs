//! What happens to one register of hidden units in one step, forward and backward, for each kind of recurrent cell.

#![expect(clippy::inline_always, reason = "what is not inlined is compiled for the oldest processor")]

use pulp::Simd;

use super::vector::{sigmoid, sigmoid_slope, tanh, tanh_of_sigmoid, tanh_slope};

/// Sums that a unit needs before its activations.
pub const SLOTS: usize = 4;

/// Which gate of PyTorch's weights feeds each of the four sums, if any does.
pub type Wiring = [Option<usize>; SLOTS];

/// A kind of recurrent cell, with PyTorch's equations.
pub trait RecurrentCell: Send + Sync + 'static {
    /// Gates in PyTorch's weights, `hidden` rows each.
    const GATES: usize;
    /// The gate of `weight_ih` that feeds each sum.
    const BY_INPUT: Wiring;
    /// The gate of `weight_hh` that feeds each sum.
    const BY_HIDDEN: Wiring;
    /// Whether there is a cell state beside the hidden state.
    const HAS_STATE: bool;

    /// One step forward in some rows: the sums become what the backward pass needs of them, the cell and hidden states
    /// before the step become those after it.
    fn advance<S: Simd, const R: usize>(
        simd: S,
        sums: &mut [[S::f32s; SLOTS]; R],
        states: &mut [S::f32s; R],
        hidden: &mut [S::f32s; R],
    );

    /// One step backward in some rows: what was kept becomes the gradients by the sums, the gradients by the states after
    /// the step become those by the states before; by the hidden state as far as it does not pass through the weights.
    fn retreat<S: Simd, const R: usize>(
        simd: S,
        sums: &mut [[S::f32s; SLOTS]; R],
        forward: &States<S, R>,
        by_state: &mut [S::f32s; R],
        by_hidden: &mut [S::f32s; R],
    );
}

/// States around a step, in some rows.
pub struct States<S: Simd, const R: usize> {
    /// The cell state before it.
    pub before: [S::f32s; R],
    /// The cell state after it.
    pub after: [S::f32s; R],
    /// The hidden state before it.
    pub hidden_before: [S::f32s; R],
}

impl<S: Simd, const R: usize> States<S, R> {
    /// All of them zero.
    #[inline(always)]
    pub fn zero(simd: S) -> Self {
        let zero = [simd.splat_f32s(0.0); R];
        Self { before: zero, after: zero, hidden_before: zero }
    }
}

/// A function and no closure, which would not be compiled for the processor at hand.
#[inline(always)]
fn product<S: Simd>(simd: S, a: S::f32s, b: S::f32s) -> S::f32s {
    simd.mul_f32s(a, b)
}

/// Long short-term memory (Hochreiter & Schmidhuber, 1997): gates i, f, g, o.
#[derive(Debug, Clone, Copy)]
pub struct LstmCell;

impl RecurrentCell for LstmCell {
    const GATES: usize = 4;
    const BY_INPUT: Wiring = [Some(0), Some(1), Some(2), Some(3)];
    const BY_HIDDEN: Wiring = [Some(0), Some(1), Some(2), Some(3)];
    const HAS_STATE: bool = true;

    #[inline(always)]
    fn advance<S: Simd, const R: usize>(
        simd: S,
        sums: &mut [[S::f32s; SLOTS]; R],
        states: &mut [S::f32s; R],
        hidden: &mut [S::f32s; R],
    ) {
        for (sums, state) in sums.iter_mut().zip(&mut *states) {
            let [admit, forget, candidate, output] = *sums;
            let doubled = simd.add_f32s(candidate, candidate);
            let [admit, forget, candidate, output] = sigmoid(simd, [admit, forget, doubled, output]);
            let candidate = tanh_of_sigmoid(simd, candidate);
            *state = simd.mul_add_e_f32s(forget, *state, product(simd, admit, candidate));
            *sums = [admit, forget, candidate, output];
        }
        let squashed = tanh(simd, *states);
        for ((hidden, sums), squashed) in hidden.iter_mut().zip(sums).zip(squashed) {
            *hidden = product(simd, sums[3], squashed);
        }
    }

    #[inline(always)]
    fn retreat<S: Simd, const R: usize>(
        simd: S,
        sums: &mut [[S::f32s; SLOTS]; R],
        forward: &States<S, R>,
        by_state: &mut [S::f32s; R],
        by_hidden: &mut [S::f32s; R],
    ) {
        // Computed once more: reading it back from memory takes as long.
        let squashed = tanh(simd, forward.after);
        let states = forward.before.iter().zip(squashed);
        let gradients = by_state.iter_mut().zip(by_hidden);
        for ((sums, (before, squashed)), (by_state, by_hidden)) in sums.iter_mut().zip(states).zip(gradients)
        {
            let [admit, forget, candidate, output] = *sums;
            let through = product(simd, product(simd, *by_hidden, output), tanh_slope(simd, squashed));
            let by_after = simd.add_f32s(through, *by_state);
            *sums = [
                product(simd, product(simd, by_after, candidate), sigmoid_slope(simd, admit)),
                product(simd, product(simd, by_after, *before), sigmoid_slope(simd, forget)),
                product(simd, product(simd, by_after, admit), tanh_slope(simd, candidate)),
                product(simd, product(simd, *by_hidden, squashed), sigmoid_slope(simd, output)),
            ];
            *by_state = product(simd, by_after, forget);
            *by_hidden = simd.splat_f32s(0.0);
        }
    }
}

/// Gated recurrent unit (Cho et al., 2014), with PyTorch's gates r, z, n: the reset gate scales the recurrent part of
/// the candidate after its product, so that part is a sum of its own.
#[derive(Debug, Clone, Copy)]
pub struct GruCell;

impl RecurrentCell for GruCell {
    const GATES: usize = 3;
    const BY_INPUT: Wiring = [Some(0), Some(1), Some(2), None];
    const BY_HIDDEN: Wiring = [Some(0), Some(1), None, Some(2)];
    const HAS_STATE: bool = false;

    #[inline(always)]
    fn advance<S: Simd, const R: usize>(
        simd: S,
        sums: &mut [[S::f32s; SLOTS]; R],
        _: &mut [S::f32s; R],
        hidden: &mut [S::f32s; R],
    ) {
        let mut candidates = [simd.splat_f32s(0.0); R];
        for (sums, candidate) in sums.iter_mut().zip(&mut candidates) {
            let [reset, update, by_input, recurrent] = *sums;
            let [reset, update] = sigmoid(simd, [reset, update]);
            *candidate = simd.mul_add_e_f32s(reset, recurrent, by_input);
            *sums = [reset, update, by_input, recurrent];
        }
        let candidates = tanh(simd, candidates);
        for ((hidden, sums), candidate) in hidden.iter_mut().zip(sums).zip(candidates) {
            // (1 - z) n + z h
            *hidden = simd.mul_add_e_f32s(sums[1], simd.sub_f32s(*hidden, candidate), candidate);
            sums[2] = candidate;
        }
    }

    #[inline(always)]
    fn retreat<S: Simd, const R: usize>(
        simd: S,
        sums: &mut [[S::f32s; SLOTS]; R],
        forward: &States<S, R>,
        _: &mut [S::f32s; R],
        by_hidden: &mut [S::f32s; R],
    ) {
        let one = simd.splat_f32s(1.0);
        for ((sums, before), by_hidden) in sums.iter_mut().zip(&forward.hidden_before).zip(by_hidden) {
            let [reset, update, candidate, recurrent] = *sums;
            let through = product(simd, *by_hidden, simd.sub_f32s(one, update));
            let by_candidate = product(simd, through, tanh_slope(simd, candidate));
            let by_update = product(simd, *by_hidden, simd.sub_f32s(*before, candidate));
            *sums = [
                product(simd, product(simd, by_candidate, recurrent), sigmoid_slope(simd, reset)),
                product(simd, by_update, sigmoid_slope(simd, update)),
                by_candidate,
                product(simd, by_candidate, reset),
            ];
            *by_hidden = product(simd, *by_hidden, update);
        }
    }
}
