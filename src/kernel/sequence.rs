//! A recurrent layer over a whole sequence, forward and backward, on plain slices.
//!
//! The batch is divided into shards of a few rows whose states stay in the cache; each runs over the whole sequence by
//! itself, on a thread of its own where there are several. Everything within a shard is time first, and units are
//! filled up to whole registers. The results do not depend on the number of threads.

#![expect(clippy::inline_always, reason = "what is not inlined is compiled for the oldest processor")]

use std::array::from_fn;
use std::marker::PhantomData;
use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::buffer::Buffer;
use super::cell::{Cell, Retreat, SLOTS, Wiring};
use super::matrix::{Matrix, multiply_into};
use super::product::{FEW_ROWS, MANY_ROWS, Panels, accumulate, has_many_registers, multiply_rows};

/// Rows of the batch in one shard.
const SHARD: usize = 32;

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
pub struct Trace(Vec<Shard>);

/// Some rows of the batch. A slot is the state between two steps: there is one more of them than steps.
#[derive(Debug, Clone)]
struct Shard {
    rows: Range<usize>,
    /// `steps x rows x inputs`.
    input: Buffer,
    /// What the cell keeps of its sums: `steps x rows x (registers x 4 sums)`.
    kept: Buffer,
    /// Cell states, where the cell has any: `slots x rows x units`.
    states: Buffer,
    /// Hidden states: `slots x rows x units`.
    hidden: Buffer,
}

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

/// Runs the layer from zero states and returns the hidden states.
pub fn infer<C: Cell>(sizes: Sizes, input: Input<'_>, weights: Weights<'_>, scope: Scope) -> Vec<f32> {
    let shards = run::<C>(sizes, input, weights, false);
    output(sizes, &shards, scope)
}

/// As [`infer`], and keeps what the backward pass needs.
pub fn forward<C: Cell>(
    sizes: Sizes,
    input: Input<'_>,
    weights: Weights<'_>,
    scope: Scope,
) -> (Vec<f32>, Trace) {
    let shards = run::<C>(sizes, input, weights, true);
    (output(sizes, &shards, scope), Trace(shards))
}

fn run<C: Cell>(sizes: Sizes, input: Input<'_>, weights: Weights<'_>, keep: bool) -> Vec<Shard> {
    let arch = Arch::new();
    let packed = arch.dispatch(PackForward::<C> { sizes, weights, cell: PhantomData });
    for_each_shard(sizes.batch, |rows| {
        arch.dispatch(Forward::<C> { sizes, input, packed: &packed, rows, keep, cell: PhantomData })
    })
}

/// Divides the batch; with one thread, or one shard, everything stays on the caller's.
fn for_each_shard<T: Send>(batch: usize, work: impl Fn(Range<usize>) -> T + Sync + Send) -> Vec<T> {
    let shards = (0..batch).step_by(SHARD).map(|first| first..(first + SHARD).min(batch));
    if batch <= SHARD || rayon::current_num_threads() == 1 {
        return shards.map(work).collect();
    }
    shards.collect::<Vec<_>>().into_par_iter().map(work).collect()
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
struct Packed {
    /// Hidden units, filled up to whole registers.
    units: usize,
    /// One panel of four sums for each register of units.
    by_input: Panels,
    by_hidden: Panels,
    /// For each register of units the four sums' biases.
    bias: Vec<f32>,
}

/// Position of unit `unit` of sum `slot` among a row's kept sums, with registers of `lanes` lanes.
fn unit_of(position: usize, lanes: usize) -> (usize, usize) {
    let (register, rest) = (position / (SLOTS * lanes), position % (SLOTS * lanes));
    (register * lanes + rest % lanes, rest / lanes)
}

struct PackForward<'a, C> {
    sizes: Sizes,
    weights: Weights<'a>,
    cell: PhantomData<C>,
}

impl<C: Cell> WithSimd for PackForward<'_, C> {
    type Output = Packed;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Packed {
        let Sizes { inputs, hidden, .. } = self.sizes;
        let lanes = S::F32_LANES;
        let units = hidden.next_multiple_of(lanes);
        let gather = |wiring: Wiring, weights: &[f32], depth: usize| {
            Panels::pack(lanes, SLOTS, depth, SLOTS * units, |row, position| {
                let (unit, slot) = unit_of(position, lanes);
                match wiring[slot] {
                    Some(gate) if unit < hidden => weights[(gate * hidden + unit) * depth + row],
                    _ => 0.0,
                }
            })
        };
        let bias = (0..SLOTS * units)
            .map(|position| {
                let (unit, slot) = unit_of(position, lanes);
                let of = |wiring: Wiring, bias: &[f32]| match wiring[slot] {
                    Some(gate) if unit < hidden => bias[gate * hidden + unit],
                    _ => 0.0,
                };
                of(C::BY_INPUT, self.weights.bias_ih) + of(C::BY_HIDDEN, self.weights.bias_hh)
            })
            .collect();
        Packed {
            units,
            by_input: gather(C::BY_INPUT, self.weights.weight_ih, inputs),
            by_hidden: gather(C::BY_HIDDEN, self.weights.weight_hh, hidden),
            bias,
        }
    }
}

/// One shard over the whole sequence.
struct Forward<'a, C> {
    sizes: Sizes,
    input: Input<'a>,
    packed: &'a Packed,
    rows: Range<usize>,
    keep: bool,
    cell: PhantomData<C>,
}

impl<C: Cell> WithSimd for Forward<'_, C> {
    type Output = Shard;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Shard {
        let Sizes { steps, inputs, .. } = self.sizes;
        let (rows, units) = (self.rows.len(), self.packed.units);
        let mut shard = Shard {
            rows: self.rows.clone(),
            input: Buffer::of(steps * rows * inputs),
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
                self.rows.clone().zip(shard.input[step * rows * inputs..].chunks_exact_mut(inputs))
            {
                let first = step * self.input.step_stride + row * self.input.row_stride;
                copy.copy_from_slice(&self.input.values[first..first + inputs]);
            }
        }
        shard.hidden[..rows * units].fill(0.0);
        if C::HAS_STATE {
            shard.states[..rows * units].fill(0.0);
        }
        for step in 0..steps {
            let (before, after) = shard.hidden.split_at_mut((step + 1) * rows * units);
            let slot = if self.keep { step } else { 0 };
            let mut now = Step::<S> {
                sizes: self.sizes,
                packed: self.packed,
                input: &shard.input[step * rows * inputs..(step + 1) * rows * inputs],
                hidden_before: &before[step * rows * units..],
                hidden: S::as_mut_simd_f32s(&mut after[..rows * units]).0,
                states: S::as_mut_simd_f32s(&mut shard.states).0,
                state_before: slot * rows * units / S::F32_LANES,
                state: if self.keep { (slot + 1) * rows * units / S::F32_LANES } else { 0 },
                kept: self
                    .keep
                    .then(|| S::as_mut_simd_f32s(&mut shard.kept[step * rows * SLOTS * units..]).0),
                first: step == 0,
            };
            if has_many_registers::<S>() {
                now.all_rows::<C, MANY_ROWS>(simd, rows);
            } else {
                now.all_rows::<C, FEW_ROWS>(simd, rows);
            }
        }
        shard
    }
}

/// One step of a shard.
struct Step<'a, S: Simd> {
    sizes: Sizes,
    packed: &'a Packed,
    input: &'a [f32],
    hidden_before: &'a [f32],
    hidden: &'a mut [S::f32s],
    states: &'a mut [S::f32s],
    /// Where the cell states before and after the step begin, in registers.
    state_before: usize,
    state: usize,
    kept: Option<&'a mut [S::f32s]>,
    /// Whether the hidden states before are all zero.
    first: bool,
}

impl<S: Simd> Step<'_, S> {
    #[inline(always)]
    fn all_rows<C: Cell, const R: usize>(&mut self, simd: S, rows: usize) {
        for register in 0..self.packed.units / S::F32_LANES {
            let mut row = 0;
            while row + R <= rows {
                self.block::<C, R>(simd, register, row);
                row += R;
            }
            while row < rows {
                self.block::<C, 1>(simd, register, row);
                row += 1;
            }
        }
    }

    /// One register of units, for `R` rows.
    #[inline(always)]
    fn block<C: Cell, const R: usize>(&mut self, simd: S, register: usize, row: usize) {
        let Sizes { inputs, hidden, .. } = self.sizes;
        let registers = self.packed.units / S::F32_LANES;
        let bias = S::as_simd_f32s(&self.packed.bias).0.as_chunks::<SLOTS>().0[register];
        let inputs: [&[f32]; R] = from_fn(|r| &self.input[(row + r) * inputs..(row + r + 1) * inputs]);
        let mut sums =
            accumulate::<S, R, SLOTS>(simd, [bias; R], inputs, self.packed.by_input.panel::<S>(register));
        if !self.first {
            let before: [&[f32]; R] =
                from_fn(|r| &self.hidden_before[(row + r) * self.packed.units..][..hidden]);
            sums = accumulate::<S, R, SLOTS>(simd, sums, before, self.packed.by_hidden.panel::<S>(register));
        }
        let hidden_before = S::as_simd_f32s(self.hidden_before).0;
        for (r, sums) in sums.into_iter().enumerate() {
            let at = (row + r) * registers + register;
            let state = if C::HAS_STATE { self.states[self.state_before + at] } else { simd.splat_f32s(0.0) };
            let (kept, state, hidden) = C::advance(simd, sums, state, hidden_before[at]);
            if C::HAS_STATE {
                self.states[self.state + at] = state;
            }
            if let Some(target) = &mut self.kept {
                target[at * SLOTS..(at + 1) * SLOTS].copy_from_slice(&kept);
            }
            self.hidden[at] = hidden;
        }
    }
}

/// Gradients of a loss, given its gradient by the output of [`forward`], in the form of that output.
pub fn backward<C: Cell>(
    sizes: Sizes,
    weights: Weights<'_>,
    mut trace: Trace,
    by_output: &[f32],
    scope: Scope,
    with_input: bool,
) -> Gradients {
    let arch = Arch::new();
    let packed = arch.dispatch(PackBackward::<C> { sizes, weights, with_input, cell: PhantomData });
    let work = |shard: &mut Shard| {
        let rows = shard.rows.clone();
        arch.dispatch(Backward::<C> {
            sizes,
            packed: &packed,
            shard,
            by_output,
            scope,
            rows,
            cell: PhantomData,
        })
    };
    let by_inputs: Vec<Buffer> = if trace.0.len() == 1 || rayon::current_num_threads() == 1 {
        trace.0.iter_mut().map(work).collect()
    } else {
        trace.0.par_iter_mut().map(work).collect()
    };
    let input = with_input.then(|| gather_input(sizes, &trace.0, &by_inputs));
    let sums = sum_gradients::<C>(sizes, packed.units, packed.lanes, &trace.0);
    Gradients { input, ..sums }
}

/// Weights in the order in which the steps backward read them: a row for each kept sum.
struct PackedBackward {
    units: usize,
    lanes: usize,
    by_hidden: Panels,
    by_input: Option<Panels>,
}

struct PackBackward<'a, C> {
    sizes: Sizes,
    weights: Weights<'a>,
    with_input: bool,
    cell: PhantomData<C>,
}

impl<C: Cell> WithSimd for PackBackward<'_, C> {
    type Output = PackedBackward;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> PackedBackward {
        let Sizes { inputs, hidden, .. } = self.sizes;
        let lanes = S::F32_LANES;
        let units = hidden.next_multiple_of(lanes);
        let gather = |wiring: Wiring, weights: &[f32], columns: usize| {
            Panels::pack(
                lanes,
                Panels::best_registers(columns, lanes),
                SLOTS * units,
                columns,
                |position, column| {
                    let (unit, slot) = unit_of(position, lanes);
                    match wiring[slot] {
                        Some(gate) if unit < hidden => weights[(gate * hidden + unit) * columns + column],
                        _ => 0.0,
                    }
                },
            )
        };
        PackedBackward {
            units,
            lanes,
            by_hidden: gather(C::BY_HIDDEN, self.weights.weight_hh, hidden),
            by_input: self.with_input.then(|| gather(C::BY_INPUT, self.weights.weight_ih, inputs)),
        }
    }
}

/// One shard backward over the whole sequence: what was kept of the sums becomes the gradients by the sums.
struct Backward<'a, C> {
    sizes: Sizes,
    packed: &'a PackedBackward,
    shard: &'a mut Shard,
    by_output: &'a [f32],
    scope: Scope,
    rows: Range<usize>,
    cell: PhantomData<C>,
}

impl<C: Cell> WithSimd for Backward<'_, C> {
    /// The gradient by the input, `steps x rows x columns of the panels`; empty if nobody asked.
    type Output = Buffer;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Buffer {
        let Sizes { steps, batch, hidden, .. } = self.sizes;
        let (rows, units) = (self.rows.len(), self.packed.units);
        let state = rows * units;
        let width = self.packed.by_hidden.width();
        let mut by_hidden = Buffer::of(rows * width);
        by_hidden.fill(0.0);
        // The part of the gradient by the hidden state that does not pass through the weights.
        let mut direct = Buffer::of(state);
        direct.fill(0.0);
        let mut by_state = Buffer::of(state);
        by_state.fill(0.0);
        let input_width = self.packed.by_input.as_ref().map_or(0, Panels::width);
        let mut by_input = Buffer::of(steps * rows * input_width);
        let mut by_now = Buffer::of(state);
        let registers = units / S::F32_LANES;
        for step in (0..steps).rev() {
            match self.scope {
                Scope::All => {
                    let first = (step * batch + self.rows.start) * hidden;
                    fill_rows(&mut by_now, units, &self.by_output[first..first + rows * hidden], hidden);
                }
                Scope::Last if step + 1 == steps => {
                    let first = self.rows.start * hidden;
                    fill_rows(&mut by_now, units, &self.by_output[first..first + rows * hidden], hidden);
                }
                Scope::Last => by_now.fill(0.0),
            }
            let kept = &mut self.shard.kept[step * SLOTS * state..(step + 1) * SLOTS * state];
            {
                let kept = S::as_mut_simd_f32s(kept).0.as_chunks_mut::<SLOTS>().0;
                let hidden_before = S::as_simd_f32s(&self.shard.hidden[step * state..(step + 1) * state]).0;
                let states = S::as_simd_f32s(&self.shard.states).0;
                let (before, after) = (step * rows * registers, (step + 1) * rows * registers);
                let direct = S::as_mut_simd_f32s(&mut direct).0;
                let by_state = S::as_mut_simd_f32s(&mut by_state).0;
                let by_now = S::as_simd_f32s(&by_now).0;
                let by_later = S::as_simd_f32s(&by_hidden).0;
                let zero = simd.splat_f32s(0.0);
                for row in 0..rows {
                    for register in 0..registers {
                        let at = row * registers + register;
                        let later =
                            simd.add_f32s(by_later[row * (width / S::F32_LANES) + register], direct[at]);
                        let (by_sums, state, through) = C::retreat(
                            simd,
                            Retreat {
                                kept: kept[at],
                                state_before: if C::HAS_STATE { states[before + at] } else { zero },
                                state: if C::HAS_STATE { states[after + at] } else { zero },
                                hidden_before: hidden_before[at],
                                by_state: by_state[at],
                                by_hidden: simd.add_f32s(by_now[at], later),
                            },
                        );
                        kept[at] = by_sums;
                        by_state[at] = state;
                        direct[at] = through;
                    }
                }
            }
            if step > 0 {
                multiply_rows(simd, kept, &self.packed.by_hidden, &mut by_hidden);
            }
            if let Some(panels) = &self.packed.by_input {
                let target = &mut by_input[step * rows * input_width..(step + 1) * rows * input_width];
                multiply_rows(simd, kept, panels, target);
            }
        }
        by_input
    }
}

/// Copies dense rows into rows that are filled up with zeros.
#[inline(always)]
fn fill_rows(target: &mut [f32], width: usize, source: &[f32], columns: usize) {
    if width == columns {
        target.copy_from_slice(source);
        return;
    }
    for (target, source) in target.chunks_exact_mut(width).zip(source.chunks_exact(columns)) {
        target[..columns].copy_from_slice(source);
        target[columns..].fill(0.0);
    }
}

/// The gradient by the input of all shards: `steps x batch x inputs`.
fn gather_input(sizes: Sizes, shards: &[Shard], by_inputs: &[Buffer]) -> Vec<f32> {
    let Sizes { steps, batch, inputs, .. } = sizes;
    let mut values = Vec::with_capacity(steps * batch * inputs);
    for step in 0..steps {
        for (shard, by_input) in shards.iter().zip(by_inputs) {
            let part = by_input.len() / steps;
            let width = part / shard.rows.len();
            let rows = by_input[step * part..(step + 1) * part].chunks_exact(width);
            if width == inputs {
                values.extend_from_slice(&by_input[step * part..(step + 1) * part]);
            } else {
                values.extend(rows.flat_map(|row| &row[..inputs]));
            }
        }
    }
    values
}

/// Gradients by the parameters: products of the gradients by the sums with what the sums were made of.
fn sum_gradients<C: Cell>(sizes: Sizes, units: usize, lanes: usize, shards: &[Shard]) -> Gradients {
    let Sizes { steps, inputs, hidden, .. } = sizes;
    let width = SLOTS * units;
    let mut by_input = vec![0.0; width * inputs];
    let mut by_hidden = vec![0.0; width * units];
    let mut bias = vec![0.0; width];
    for shard in shards {
        let rows = steps * shard.rows.len();
        let by_sums = Matrix::new(&shard.kept, rows, width).transposed();
        multiply_into(&mut by_input, by_sums, Matrix::new(&shard.input, rows, inputs), true);
        let before = Matrix::new(&shard.hidden[..rows * units], rows, units);
        multiply_into(&mut by_hidden, by_sums, before, true);
        for row in shard.kept.chunks_exact(width) {
            for (sum, value) in bias.iter_mut().zip(row) {
                *sum += value;
            }
        }
    }
    // From the order of the sums to PyTorch's order of the gates.
    let spread = |wiring: Wiring, columns: usize, stride: usize, values: &[f32]| {
        let mut target = vec![0.0; C::GATES * hidden * columns];
        for (position, row) in values.chunks_exact(stride).enumerate() {
            let (unit, slot) = unit_of(position, lanes);
            if let (Some(gate), true) = (wiring[slot], unit < hidden) {
                target[(gate * hidden + unit) * columns..][..columns].copy_from_slice(&row[..columns]);
            }
        }
        target
    };
    Gradients {
        input: None,
        weight_ih: spread(C::BY_INPUT, inputs, inputs, &by_input),
        weight_hh: spread(C::BY_HIDDEN, hidden, units, &by_hidden),
        bias_ih: spread(C::BY_INPUT, 1, 1, &bias),
        bias_hh: spread(C::BY_HIDDEN, 1, 1, &bias),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{GruCell, LstmCell};
    use super::*;
    use crate::train::Stream;

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
        fn new<C: Cell>(sizes: Sizes, scope: Scope, seed: u64) -> Self {
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
        fn loss<C: Cell>(&self) -> f64 {
            let output = infer::<C>(self.sizes, self.view(), self.weights(), self.scope);
            output.iter().zip(&self.by_output).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
        }

        fn slope<C: Cell>(&mut self, at: impl Fn(&mut Self) -> &mut f32) -> f64 {
            let kept = *at(self);
            *at(self) = kept + NUDGE;
            let up = self.loss::<C>();
            *at(self) = kept - NUDGE;
            let down = self.loss::<C>();
            *at(self) = kept;
            (up - down) / f64::from(2.0 * NUDGE)
        }
    }

    fn check<C: Cell>(sizes: Sizes, scope: Scope, seed: u64) -> Result<(), TestCaseError> {
        let mut case = Case::new::<C>(sizes, scope, seed);
        let (output, trace) = forward::<C>(sizes, case.view(), case.weights(), scope);
        prop_assert_eq!(&output, &infer::<C>(sizes, case.view(), case.weights(), scope));
        let found = backward::<C>(sizes, case.weights(), trace, &case.by_output, scope, true);
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
                let (output, trace) = forward::<LstmCell>(sizes, case.view(), case.weights(), Scope::All);
                let found =
                    backward::<LstmCell>(sizes, case.weights(), trace, &case.by_output, Scope::All, true);
                (output, found.input, found.weight_ih, found.weight_hh, found.bias_ih)
            })
        };
        assert!(run(1) == run(3));
    }
}
