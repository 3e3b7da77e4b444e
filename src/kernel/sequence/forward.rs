//! From the input to the hidden states.

#![expect(clippy::inline_always, reason = "what is not inlined is compiled for the oldest processor")]

use std::array::from_fn;
use std::marker::PhantomData;
use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::super::buffer::Buffer;
use super::super::cell::{RecurrentCell, SLOTS};
use super::super::product::{FEW_ROWS, MANY_ROWS, Panels, accumulate, has_many_registers};
use super::{Input, ROWS_AT_ONCE, SHARD, Scope, Shard, Sizes, Tape, Weights, for_each_shard, lanes, wired};

/// Runs the layer from zero states and returns the hidden states.
pub fn infer<C: RecurrentCell>(
    sizes: Sizes,
    input: Input<'_>,
    weights: Weights<'_>,
    scope: Scope,
) -> Vec<f32> {
    let shards = run::<C>(sizes, input, weights, false);
    output(sizes, &shards, scope)
}

/// As [`infer`], and keeps what the backward pass needs.
pub fn forward<C: RecurrentCell>(
    sizes: Sizes,
    input: Input<'_>,
    weights: Weights<'_>,
    scope: Scope,
) -> (Vec<f32>, Tape) {
    let shards = run::<C>(sizes, input, weights, true);
    (output(sizes, &shards, scope), Tape(shards))
}

fn run<C: RecurrentCell>(sizes: Sizes, input: Input<'_>, weights: Weights<'_>, keep: bool) -> Vec<Shard> {
    let packed = StepWeights::new::<C>(sizes, weights);
    let batch = sizes.batch;
    let shards = (0..batch).step_by(SHARD).map(|first| first..(first + SHARD).min(batch));
    for_each_shard(shards.collect(), |rows| {
        Arch::new().dispatch(Forward::<C> { sizes, input, packed: &packed, rows, keep, cell: PhantomData })
    })
}

fn output(sizes: Sizes, shards: &[Shard], scope: Scope) -> Vec<f32> {
    let Sizes { steps, batch, hidden, .. } = sizes;
    let slots = match scope {
        Scope::All => 1..steps + 1,
        Scope::Last => steps..steps + 1,
    };
    let mut values = Vec::with_capacity(slots.len() * batch * hidden);
    for slot in slots {
        for shard in shards {
            let units = shard.hidden.len() / ((steps + 1) * shard.rows.len());
            let states = &shard.hidden[slot * shard.rows.len() * units..][..shard.rows.len() * units];
            if units == hidden {
                values.extend_from_slice(states);
            } else {
                values.extend(states.chunks_exact(units).flat_map(|row| &row[..hidden]));
            }
        }
    }
    values
}

/// Weights in the order in which the steps read them.
struct StepWeights {
    /// Hidden units, filled up to whole registers.
    units: usize,
    /// One panel of four sums for each register of units.
    by_input: Panels,
    by_hidden: Panels,
    /// For each register of units the four sums' biases.
    bias: Vec<f32>,
}

impl StepWeights {
    fn new<C: RecurrentCell>(Sizes { inputs, hidden, .. }: Sizes, weights: Weights<'_>) -> Self {
        let lanes = lanes();
        let units = hidden.next_multiple_of(lanes);
        let mut by_input = Panels::zeros(lanes, SLOTS, inputs, SLOTS * units);
        let mut by_hidden = Panels::zeros(lanes, SLOTS, hidden, SLOTS * units);
        let mut bias = vec![0.0; SLOTS * units];
        for (position, row) in wired(C::BY_INPUT, hidden, lanes) {
            by_input.set_column(position, &weights.weight_ih[row * inputs..(row + 1) * inputs]);
            bias[position] += weights.bias_ih[row];
        }
        for (position, row) in wired(C::BY_HIDDEN, hidden, lanes) {
            by_hidden.set_column(position, &weights.weight_hh[row * hidden..(row + 1) * hidden]);
            bias[position] += weights.bias_hh[row];
        }
        Self { units, by_input, by_hidden, bias }
    }
}

/// One shard over the whole sequence.
struct Forward<'a, C> {
    sizes: Sizes,
    input: Input<'a>,
    packed: &'a StepWeights,
    rows: Range<usize>,
    keep: bool,
    cell: PhantomData<C>,
}

impl<C: RecurrentCell> WithSimd for Forward<'_, C> {
    type Output = Shard;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Shard {
        let Sizes { steps, inputs, .. } = self.sizes;
        let (rows, units) = (self.rows.len(), self.packed.units);
        let width = inputs + 1;
        let mut shard = Shard {
            rows: self.rows.clone(),
            input: Buffer::of(steps * rows * width),
            kept: Buffer::of(if self.keep { steps * rows * SLOTS * units } else { 0 }),
            states: Buffer::of(match (C::HAS_STATE, self.keep) {
                (true, true) => (steps + 1) * rows * units,
                (true, false) => rows * units,
                (false, _) => 0,
            }),
            hidden: Buffer::of((steps + 1) * rows * units),
        };
        for step in 0..steps {
            for (row, copy) in
                self.rows.clone().zip(shard.input[step * rows * width..].chunks_exact_mut(width))
            {
                let first = step * self.input.step_stride + row * self.input.row_stride;
                copy[..inputs].copy_from_slice(&self.input.values[first..first + inputs]);
                copy[inputs] = 1.0;
            }
        }
        shard.hidden[..rows * units].fill(0.0);
        if C::HAS_STATE {
            shard.states[..rows * units].fill(0.0);
        }
        // What is kept is written where the sums were; what nobody keeps stays in the cache.
        let mut spare = Buffer::of(if self.keep { 0 } else { rows * SLOTS * units });
        for step in 0..steps {
            let (before, after) = shard.hidden.split_at_mut((step + 1) * rows * units);
            let size = rows * SLOTS * units;
            let kept = if self.keep { &mut shard.kept[step * size..(step + 1) * size] } else { &mut *spare };
            let slot = if self.keep { step } else { 0 };
            let mut now = ShardStep::<S> {
                sizes: self.sizes,
                packed: self.packed,
                rows,
                input: &shard.input[step * rows * width..(step + 1) * rows * width],
                hidden_before: &before[step * rows * units..],
                hidden: S::as_mut_simd_f32s(&mut after[..rows * units]).0,
                states: S::as_mut_simd_f32s(&mut shard.states).0,
                state_before: slot * rows * units / S::F32_LANES,
                state: if self.keep { (slot + 1) * rows * units / S::F32_LANES } else { 0 },
                sums: S::as_mut_simd_f32s(kept).0.as_chunks_mut::<SLOTS>().0,
                first: step == 0,
            };
            for register in 0..units / S::F32_LANES {
                if has_many_registers::<S>() {
                    now.add_up::<MANY_ROWS>(simd, register);
                } else {
                    now.add_up::<FEW_ROWS>(simd, register);
                }
                now.advance::<C>(simd, register);
            }
        }
        shard
    }
}

/// One step of a shard.
struct ShardStep<'a, S: Simd> {
    sizes: Sizes,
    packed: &'a StepWeights,
    rows: usize,
    input: &'a [f32],
    hidden_before: &'a [f32],
    hidden: &'a mut [S::f32s],
    states: &'a mut [S::f32s],
    /// Where the cell states before and after the step begin, in registers.
    state_before: usize,
    state: usize,
    /// For each register of units and each row the four sums, then what is kept of them.
    sums: &'a mut [[S::f32s; SLOTS]],
    /// Whether the hidden states before are all zero.
    first: bool,
}

impl<S: Simd> ShardStep<'_, S> {
    /// The sums of one register of units, `R` rows at a time.
    #[inline(always)]
    fn add_up<const R: usize>(&mut self, simd: S, register: usize) {
        let mut row = 0;
        while row + R <= self.rows {
            self.add_up_rows::<R>(simd, register, row);
            row += R;
        }
        while row < self.rows {
            self.add_up_rows::<1>(simd, register, row);
            row += 1;
        }
    }

    #[inline(always)]
    fn add_up_rows<const R: usize>(&mut self, simd: S, register: usize, row: usize) {
        let Sizes { inputs, hidden, .. } = self.sizes;
        let (width, units) = (inputs + 1, self.packed.units);
        let bias = S::as_simd_f32s(&self.packed.bias).0.as_chunks::<SLOTS>().0[register];
        let inputs: [&[f32]; R] = from_fn(|r| &self.input[(row + r) * width..][..inputs]);
        let mut sums =
            accumulate::<S, R, SLOTS>(simd, [bias; R], inputs, self.packed.by_input.panel::<S>(register));
        if !self.first {
            let before: [&[f32]; R] = from_fn(|r| &self.hidden_before[(row + r) * units..][..hidden]);
            sums = accumulate::<S, R, SLOTS>(simd, sums, before, self.packed.by_hidden.panel::<S>(register));
        }
        let first = register * self.rows + row;
        self.sums[first..first + R].copy_from_slice(&sums);
    }

    /// The cell's step in one register of units, several rows at a time.
    #[inline(always)]
    fn advance<C: RecurrentCell>(&mut self, simd: S, register: usize) {
        let whole = self.rows - self.rows % ROWS_AT_ONCE;
        self.advance_rows::<C, ROWS_AT_ONCE>(simd, register, 0..whole);
        self.advance_rows::<C, 1>(simd, register, whole..self.rows);
    }

    #[inline(always)]
    fn advance_rows<C: RecurrentCell, const R: usize>(
        &mut self,
        simd: S,
        register: usize,
        rows: Range<usize>,
    ) {
        let registers = self.packed.units / S::F32_LANES;
        let hidden_before = S::as_simd_f32s(self.hidden_before).0;
        let first = register * self.rows;
        let sums = self.sums[first + rows.start..first + rows.end].as_chunks_mut::<R>().0;
        for (sums, row) in sums.iter_mut().zip(rows.step_by(R)) {
            let mut states = [simd.splat_f32s(0.0); R];
            let mut hidden = states;
            for (r, hidden) in hidden.iter_mut().enumerate() {
                *hidden = hidden_before[(row + r) * registers + register];
            }
            if C::HAS_STATE {
                states.copy_from_slice(&self.states[self.state_before + first + row..][..R]);
            }
            C::advance(simd, sums, &mut states, &mut hidden);
            if C::HAS_STATE {
                self.states[self.state + first + row..][..R].copy_from_slice(&states);
            }
            for (r, hidden) in hidden.into_iter().enumerate() {
                self.hidden[(row + r) * registers + register] = hidden;
            }
        }
    }
}
