//! What happens to one register of hidden units in one step, forward and backward, for each kind of recurrent cell.

#![expect(clippy::inline_always, reason = "what is not inlined is compiled for the oldest processor")]

use pulp::Simd;

use super::vector::{sigmoid, sigmoid_slope, tanh, tanh_slope};

/// Sums that a unit needs before its activations.
pub const SLOTS: usize = 4;

/// Which gate of PyTorch's weights feeds each of the four sums, if any does.
pub type Wiring = [Option<usize>; SLOTS];

/// A kind of recurrent cell, with PyTorch's equations.
pub trait Cell: Send + Sync + 'static {
    /// Gates in PyTorch's weights, `hidden` rows each.
    const GATES: usize;
    /// The gate of `weight_ih` that feeds each sum.
    const BY_INPUT: Wiring;
    /// The gate of `weight_hh` that feeds each sum.
    const BY_HIDDEN: Wiring;
    /// Whether there is a cell state beside the hidden state.
    const HAS_STATE: bool;

    /// From the sums and the states before to what the backward pass needs of the sums, the cell state and the hidden
    /// state.
    fn advance<S: Simd>(
        simd: S,
        sums: [S::f32s; SLOTS],
        state: S::f32s,
        hidden: S::f32s,
    ) -> ([S::f32s; SLOTS], S::f32s, S::f32s);

    /// Gradients by the sums, by the cell state before, and by the hidden state before as far as it does not pass
    /// through the weights.
    fn retreat<S: Simd>(simd: S, step: Retreat<S>) -> ([S::f32s; SLOTS], S::f32s, S::f32s);
}

/// One step backward: what [`Cell::advance`] left, and the gradients that come from later.
#[derive(Clone, Copy)]
pub struct Retreat<S: Simd> {
    /// What was kept of the sums.
    pub kept: [S::f32s; SLOTS],
    /// The cell state before the step.
    pub state_before: S::f32s,
    /// The cell state after it.
    pub state: S::f32s,
    /// The hidden state before it.
    pub hidden_before: S::f32s,
    /// The gradient by the cell state after it.
    pub by_state: S::f32s,
    /// The gradient by the hidden state after it.
    pub by_hidden: S::f32s,
}

/// A function and no closure, which would not be compiled for the processor at hand.
#[inline(always)]
fn product<S: Simd>(simd: S, a: S::f32s, b: S::f32s) -> S::f32s {
    simd.mul_f32s(a, b)
}

/// Long short-term memory (Hochreiter & Schmidhuber, 1997): gates i, f, g, o.
#[derive(Debug, Clone, Copy)]
pub struct LstmCell;

impl Cell for LstmCell {
    const GATES: usize = 4;
    const BY_INPUT: Wiring = [Some(0), Some(1), Some(2), Some(3)];
    const BY_HIDDEN: Wiring = [Some(0), Some(1), Some(2), Some(3)];
    const HAS_STATE: bool = true;

    #[inline(always)]
    fn advance<S: Simd>(
        simd: S,
        [admit, forget, candidate, output]: [S::f32s; SLOTS],
        state: S::f32s,
        _: S::f32s,
    ) -> ([S::f32s; SLOTS], S::f32s, S::f32s) {
        let (admit, forget) = (sigmoid(simd, admit), sigmoid(simd, forget));
        let (candidate, output) = (tanh(simd, candidate), sigmoid(simd, output));
        let state = simd.mul_add_e_f32s(forget, state, simd.mul_f32s(admit, candidate));
        let hidden = simd.mul_f32s(output, tanh(simd, state));
        ([admit, forget, candidate, output], state, hidden)
    }

    #[inline(always)]
    fn retreat<S: Simd>(simd: S, step: Retreat<S>) -> ([S::f32s; SLOTS], S::f32s, S::f32s) {
        let [admit, forget, candidate, output] = step.kept;
        // Computed once more: reading it back from memory takes as long.
        let squashed = tanh(simd, step.state);
        let through = product(simd, product(simd, step.by_hidden, output), tanh_slope(simd, squashed));
        let by_state = simd.add_f32s(through, step.by_state);
        let by_sums = [
            product(simd, product(simd, by_state, candidate), sigmoid_slope(simd, admit)),
            product(simd, product(simd, by_state, step.state_before), sigmoid_slope(simd, forget)),
            product(simd, product(simd, by_state, admit), tanh_slope(simd, candidate)),
            product(simd, product(simd, step.by_hidden, squashed), sigmoid_slope(simd, output)),
        ];
        (by_sums, product(simd, by_state, forget), simd.splat_f32s(0.0))
    }
}

/// Gated recurrent unit (Cho et al., 2014), with PyTorch's gates r, z, n: the reset gate scales the recurrent part of
/// the candidate after its product, so that part is a sum of its own.
#[derive(Debug, Clone, Copy)]
pub struct GruCell;

impl Cell for GruCell {
    const GATES: usize = 3;
    const BY_INPUT: Wiring = [Some(0), Some(1), Some(2), None];
    const BY_HIDDEN: Wiring = [Some(0), Some(1), None, Some(2)];
    const HAS_STATE: bool = false;

    #[inline(always)]
    fn advance<S: Simd>(
        simd: S,
        [reset, update, candidate, recurrent]: [S::f32s; SLOTS],
        state: S::f32s,
        hidden: S::f32s,
    ) -> ([S::f32s; SLOTS], S::f32s, S::f32s) {
        let (reset, update) = (sigmoid(simd, reset), sigmoid(simd, update));
        let candidate = tanh(simd, simd.mul_add_e_f32s(reset, recurrent, candidate));
        // (1 - z) n + z h
        let hidden = simd.mul_add_e_f32s(update, simd.sub_f32s(hidden, candidate), candidate);
        ([reset, update, candidate, recurrent], state, hidden)
    }

    #[inline(always)]
    fn retreat<S: Simd>(simd: S, step: Retreat<S>) -> ([S::f32s; SLOTS], S::f32s, S::f32s) {
        let [reset, update, candidate, recurrent] = step.kept;
        let through = product(simd, step.by_hidden, simd.sub_f32s(simd.splat_f32s(1.0), update));
        let by_candidate = product(simd, through, tanh_slope(simd, candidate));
        let by_update = product(simd, step.by_hidden, simd.sub_f32s(step.hidden_before, candidate));
        let by_sums = [
            product(simd, product(simd, by_candidate, recurrent), sigmoid_slope(simd, reset)),
            product(simd, by_update, sigmoid_slope(simd, update)),
            by_candidate,
            product(simd, by_candidate, reset),
        ];
        (by_sums, step.by_state, product(simd, step.by_hidden, update))
    }
}
