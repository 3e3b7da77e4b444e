//! From the gradient by the hidden states to those by the input and the parameters.

#![expect(clippy::inline_always, reason = "what is not inlined is compiled for the oldest processor")]

use std::marker::PhantomData;
use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::super::buffer::Buffer;
use super::super::cell::{RecurrentCell, SLOTS, States, Wiring};
use super::super::product::{Panels, add_outer_product, multiply_blocks};
use super::{ROWS_AT_ONCE, Scope, Shard, Sizes, Tape, Weights, for_each_shard, lanes, wired};

/// Gradients of the loss.
#[derive(Debug, Clone)]
pub struct Gradients {
    /// By the input, `steps x batch x inputs`; `None` if nobody asked.
    pub input: Option<Vec<f32>>,
    /// By the input weights.
    pub weight_ih: Vec<f32>,
    /// By the recurrent weights.
    pub weight_hh: Vec<f32>,
    /// By the input bias.
    pub bias_ih: Vec<f32>,
    /// By the recurrent bias.
    pub bias_hh: Vec<f32>,
}

/// Gradients of a loss, given its gradient by the output of [`super::forward`], in the form of that output.
pub fn backward<C: RecurrentCell>(
    sizes: Sizes,
    weights: Weights<'_>,
    mut tape: Tape,
    by_output: &[f32],
    scope: Scope,
    with_input: bool,
) -> Gradients {
    let packed = GradientWeights::new::<C>(sizes, weights, with_input);
    let found = for_each_shard(tape.0.iter_mut().collect(), |shard| {
        Arch::new().dispatch(Backward::<C> {
            sizes,
            packed: &packed,
            shard,
            by_output,
            scope,
            cell: PhantomData,
        })
    });
    let input = with_input.then(|| gather_input(sizes, &tape.0, &found));
    Gradients { input, ..gather_parameters::<C>(sizes, packed.lanes, &found) }
}

/// Weights in the order in which the steps backward read them: a row for each kept sum.
struct GradientWeights {
    units: usize,
    lanes: usize,
    by_hidden: Panels,
    by_input: Option<Panels>,
}

impl GradientWeights {
    fn new<C: RecurrentCell>(
        Sizes { inputs, hidden, .. }: Sizes,
        weights: Weights<'_>,
        with_input: bool,
    ) -> Self {
        let lanes = lanes();
        let units = hidden.next_multiple_of(lanes);
        let gather = |wiring: Wiring, weights: &[f32], columns: usize| {
            let mut panels =
                Panels::zeros(lanes, Panels::best_registers(columns, lanes), SLOTS * units, columns);
            for (position, row) in wired(wiring, hidden, lanes) {
                panels.set_row(position, &weights[row * columns..(row + 1) * columns]);
            }
            panels
        };
        Self {
            units,
            lanes,
            by_hidden: gather(C::BY_HIDDEN, weights.weight_hh, hidden),
            by_input: with_input.then(|| gather(C::BY_INPUT, weights.weight_ih, inputs)),
        }
    }
}

/// What one shard contributes to the gradients, in the order in which it was computed.
struct Found {
    /// By the input, `steps x rows x columns of the panels`; empty if nobody asked.
    input: Buffer,
    /// By the input weights and the bias: `registers of units x (inputs + 1) x 4 sums`, in registers.
    weight_ih: Buffer,
    /// By the recurrent weights: `registers of units x hidden x 4 sums`, in registers.
    weight_hh: Buffer,
}

/// One shard backward over the whole sequence: what was kept of the sums becomes the gradients by the sums.
struct Backward<'a, C> {
    sizes: Sizes,
    packed: &'a GradientWeights,
    shard: &'a mut Shard,
    by_output: &'a [f32],
    scope: Scope,
    cell: PhantomData<C>,
}

impl<C: RecurrentCell> WithSimd for Backward<'_, C> {
    type Output = Found;

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) -> Found {
        let Sizes { steps, inputs, hidden, .. } = self.sizes;
        let (rows, units) = (self.shard.rows.len(), self.packed.units);
        let state = rows * units;
        let input_width = self.packed.by_input.as_ref().map_or(0, Panels::width);
        let mut later = Later {
            by_hidden: zeros(rows * self.packed.by_hidden.width()),
            direct: zeros(state),
            by_state: zeros(if C::HAS_STATE { state } else { 0 }),
        };
        let mut found = Found {
            input: Buffer::of(steps * rows * input_width),
            weight_ih: zeros((inputs + 1) * SLOTS * units),
            weight_hh: zeros(hidden * SLOTS * units),
        };
        for step in (0..steps).rev() {
            self.add_output(step, &mut later.direct);
            self.retreat(simd, step, &mut later);
            let kept = &self.shard.kept[step * SLOTS * state..(step + 1) * SLOTS * state];
            let input = &self.shard.input[step * rows * (inputs + 1)..(step + 1) * rows * (inputs + 1)];
            add_outer_product(simd, (input, inputs + 1), inputs + 1, kept, &mut found.weight_ih);
            if step > 0 {
                let before = &self.shard.hidden[step * state..(step + 1) * state];
                add_outer_product(simd, (before, units), hidden, kept, &mut found.weight_hh);
                multiply_blocks(simd, kept, rows, &self.packed.by_hidden, &mut later.by_hidden);
            }
            if let Some(panels) = &self.packed.by_input {
                let target = &mut found.input[step * rows * input_width..(step + 1) * rows * input_width];
                multiply_blocks(simd, kept, rows, panels, target);
            }
        }
        found
    }
}

/// Gradients by the states after a step, as far as they come from later steps.
struct Later {
    /// By the hidden state, through the weights: `rows x columns of the panels`.
    by_hidden: Buffer,
    /// By the hidden state, past the weights: `rows x units`.
    direct: Buffer,
    /// By the cell state, where the cell has any: `registers of units x rows`, in registers.
    by_state: Buffer,
}

impl<C: RecurrentCell> Backward<'_, C> {
    /// Adds the gradient by the output of a step, if it has any.
    #[inline(always)]
    fn add_output(&self, step: usize, direct: &mut [f32]) {
        let Sizes { steps, batch, hidden, .. } = self.sizes;
        let first = match self.scope {
            Scope::All => step * batch,
            Scope::Last if step + 1 == steps => 0,
            Scope::Last => return,
        };
        let by_output = &self.by_output[(first + self.shard.rows.start) * hidden..];
        for (direct, by_output) in
            direct.chunks_exact_mut(self.packed.units).zip(by_output.chunks_exact(hidden))
        {
            for (direct, by_output) in direct.iter_mut().zip(by_output) {
                *direct += by_output;
            }
        }
    }

    /// Turns what a step kept into the gradients by its sums, and the gradients by the states after the step into those
    /// by the states before, but for the part that passes through the weights.
    #[inline(always)]
    fn retreat<S: Simd>(&mut self, simd: S, step: usize, later: &mut Later) {
        let rows = self.shard.rows.len();
        let whole = rows - rows % ROWS_AT_ONCE;
        for register in 0..self.packed.units / S::F32_LANES {
            self.retreat_rows::<S, ROWS_AT_ONCE>(simd, step, register, 0..whole, later);
            self.retreat_rows::<S, 1>(simd, step, register, whole..rows, later);
        }
    }

    #[inline(always)]
    fn retreat_rows<S: Simd, const R: usize>(
        &mut self,
        simd: S,
        step: usize,
        register: usize,
        rows: Range<usize>,
        later: &mut Later,
    ) {
        let registers = self.packed.units / S::F32_LANES;
        let width = self.packed.by_hidden.width() / S::F32_LANES;
        let all_rows = self.shard.rows.len();
        let size = all_rows * registers;
        let now = step * size + register * all_rows;
        let sums = S::as_mut_simd_f32s(&mut self.shard.kept).0.as_chunks_mut::<SLOTS>().0;
        let sums = sums[now + rows.start..now + rows.end].as_chunks_mut::<R>().0;
        let hidden_before = &S::as_simd_f32s(&self.shard.hidden).0[step * size..(step + 1) * size];
        let states = S::as_simd_f32s(&self.shard.states).0;
        let by_hidden = S::as_simd_f32s(&later.by_hidden).0;
        let direct = S::as_mut_simd_f32s(&mut later.direct).0;
        let by_state = S::as_mut_simd_f32s(&mut later.by_state).0;
        for (sums, row) in sums.iter_mut().zip(rows.step_by(R)) {
            let mut forward = States::<S, R>::zero(simd);
            let mut before = forward.before;
            let mut hidden = before;
            let here = register * all_rows + row;
            if C::HAS_STATE {
                forward.before.copy_from_slice(&states[now + row..][..R]);
                forward.after.copy_from_slice(&states[now + size + row..][..R]);
                before.copy_from_slice(&by_state[here..][..R]);
            }
            for (r, hidden) in hidden.iter_mut().enumerate() {
                let at = (row + r) * registers + register;
                forward.hidden_before[r] = hidden_before[at];
                *hidden = simd.add_f32s(by_hidden[(row + r) * width + register], direct[at]);
            }
            C::retreat(simd, sums, &forward, &mut before, &mut hidden);
            if C::HAS_STATE {
                by_state[here..][..R].copy_from_slice(&before);
            }
            for (r, hidden) in hidden.into_iter().enumerate() {
                direct[(row + r) * registers + register] = hidden;
            }
        }
    }
}

fn zeros(len: usize) -> Buffer {
    let mut buffer = Buffer::of(len);
    buffer.fill(0.0);
    buffer
}

/// The gradient by the input of all shards: `steps x batch x inputs`.
fn gather_input(sizes: Sizes, shards: &[Shard], found: &[Found]) -> Vec<f32> {
    let Sizes { steps, batch, inputs, .. } = sizes;
    let mut values = Vec::with_capacity(steps * batch * inputs);
    for step in 0..steps {
        for (shard, Found { input: by_input, .. }) in shards.iter().zip(found) {
            let part = by_input.len() / steps;
            let width = part / shard.rows.len();
            let rows = &by_input[step * part..(step + 1) * part];
            if width == inputs {
                values.extend_from_slice(rows);
            } else {
                values.extend(rows.chunks_exact(width).flat_map(|row| &row[..inputs]));
            }
        }
    }
    values
}

/// The gradients by the parameters of all shards, in PyTorch's order.
fn gather_parameters<C: RecurrentCell>(sizes: Sizes, lanes: usize, found: &[Found]) -> Gradients {
    let Sizes { inputs, hidden, .. } = sizes;
    let gather = |wiring: Wiring, columns: Range<usize>, stride: usize, of: fn(&Found) -> &Buffer| {
        let mut target = vec![0.0; C::GATES * hidden * columns.len()];
        for found in found.iter().map(of) {
            for (position, row) in wired(wiring, hidden, lanes) {
                let (register, rest) = (position / (SLOTS * lanes), position % (SLOTS * lanes));
                let target = &mut target[row * columns.len()..(row + 1) * columns.len()];
                for (target, column) in target.iter_mut().zip(columns.clone()) {
                    *target += found[(register * stride + column) * SLOTS * lanes + rest];
                }
            }
        }
        target
    };
    Gradients {
        input: None,
        weight_ih: gather(C::BY_INPUT, 0..inputs, inputs + 1, |found| &found.weight_ih),
        weight_hh: gather(C::BY_HIDDEN, 0..hidden, hidden, |found| &found.weight_hh),
        bias_ih: gather(C::BY_INPUT, inputs..inputs + 1, inputs + 1, |found| &found.weight_ih),
        bias_hh: gather(C::BY_HIDDEN, inputs..inputs + 1, inputs + 1, |found| &found.weight_ih),
    }
}
