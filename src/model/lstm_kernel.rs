//! The arithmetic of one LSTM layer over a whole sequence, forward and backward, on plain slices.
//!
//! All gates are one matrix product a step, the input's part is one product for all steps, and the loops between the
//! products are branch-free, so that they become SIMD code for the processor the program runs on. Everything is time
//! first: `steps x batch x units`. Gates stand in PyTorch's order i, f, g, o.

#![expect(clippy::inline_always, reason = "what is not inlined is compiled for the oldest processor")]

use gemm::Parallelism;
use pulp::{Arch, Simd, WithSimd};

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

/// Parameters of a layer, row by row: `weight_ih` is `4 hidden x inputs`, `weight_hh` `4 hidden x hidden`.
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

/// What the forward pass leaves for the backward pass.
#[derive(Debug, Clone)]
pub struct Trace {
    /// Gates after their activation, `steps x batch x 4 hidden`.
    gates: Vec<f32>,
    /// Cell states.
    cells: Vec<f32>,
    /// Hyperbolic tangents of the cell states.
    squashed: Vec<f32>,
    /// Hidden states: the output.
    pub hidden: Vec<f32>,
}

/// Gradients of the loss.
#[derive(Debug, Clone)]
pub struct Gradients {
    /// By the input; `None` if nobody asked.
    pub input: Option<Vec<f32>>,
    /// By the input weights.
    pub weight_ih: Vec<f32>,
    /// By the recurrent weights.
    pub weight_hh: Vec<f32>,
    /// By either bias: they are added, so their gradients are the same.
    pub bias: Vec<f32>,
}

/// Runs the layer from zero states over `input`, `steps x batch x inputs`.
pub fn forward(sizes: Sizes, input: &[f32], weights: Weights<'_>) -> Trace {
    let Sizes { steps, batch, inputs, hidden } = sizes;
    let (width, state) = (4 * hidden, batch * hidden);
    let arch = Arch::new();
    let bias: Vec<f32> = weights.bias_ih.iter().zip(weights.bias_hh).map(|(a, b)| a + b).collect();
    let mut gates = bias.repeat(steps * batch);
    let input = Matrix::new(input, steps * batch, inputs);
    multiply_into(&mut gates, input, Matrix::new(weights.weight_ih, width, inputs).transposed(), true);
    let recurrent = Matrix::new(weights.weight_hh, width, hidden).transposed();
    let mut trace = Trace {
        gates,
        cells: vec![0.0; steps * state],
        squashed: vec![0.0; steps * state],
        hidden: vec![0.0; steps * state],
    };
    let zeros = vec![0.0; state];
    for step in 0..steps {
        let gates = &mut trace.gates[step * batch * width..(step + 1) * batch * width];
        let now = step * state..(step + 1) * state;
        let (before, cells) = trace.cells.split_at_mut(now.start);
        let previous = if step == 0 { &zeros[..] } else { &before[before.len() - state..] };
        if step > 0 {
            let last = &trace.hidden[(step - 1) * state..step * state];
            multiply_into(gates, Matrix::new(last, batch, hidden), recurrent, true);
        }
        arch.dispatch(Advance {
            hidden,
            gates,
            previous,
            cells: &mut cells[..state],
            squashed: &mut trace.squashed[now.clone()],
            outputs: &mut trace.hidden[now],
        });
    }
    trace
}

/// One step of every sequence: activates the gates and moves the cells on.
///
/// A struct and no closure: its method is surely inlined where the processor's instructions are switched on.
struct Advance<'a> {
    hidden: usize,
    gates: &'a mut [f32],
    previous: &'a [f32],
    cells: &'a mut [f32],
    squashed: &'a mut [f32],
    outputs: &'a mut [f32],
}

impl WithSimd for Advance<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let hidden = self.hidden;
        for (row, gates) in self.gates.chunks_exact_mut(4 * hidden).enumerate() {
            let units = row * hidden..(row + 1) * hidden;
            let previous = &self.previous[units.clone()];
            let cells = &mut self.cells[units.clone()];
            let squashed = &mut self.squashed[units.clone()];
            let outputs = &mut self.outputs[units];
            let (admit_forget, rest) = gates.split_at_mut(2 * hidden);
            let (candidate, output) = rest.split_at_mut(hidden);
            for gate in &mut *admit_forget {
                *gate = sigmoid(*gate);
            }
            for gate in &mut *candidate {
                *gate = tanh(*gate);
            }
            for gate in &mut *output {
                *gate = sigmoid(*gate);
            }
            let (admit, forget) = admit_forget.split_at(hidden);
            for unit in 0..hidden {
                cells[unit] = forget[unit].mul_add(previous[unit], admit[unit] * candidate[unit]);
                squashed[unit] = tanh(cells[unit]);
                outputs[unit] = output[unit] * squashed[unit];
            }
        }
    }
}

/// Gradients of a loss, given its gradient by the output, `steps x batch x hidden`.
pub fn backward(
    sizes: Sizes,
    input: &[f32],
    weights: Weights<'_>,
    trace: &Trace,
    by_output: &[f32],
    with_input: bool,
) -> Gradients {
    let Sizes { steps, batch, inputs, hidden } = sizes;
    let (width, state) = (4 * hidden, batch * hidden);
    let arch = Arch::new();
    let recurrent = Matrix::new(weights.weight_hh, width, hidden);
    let mut by_gates = vec![0.0; steps * batch * width];
    let mut by_hidden = vec![0.0; state];
    let mut by_cell = vec![0.0; state];
    let zeros = vec![0.0; state];
    for step in (0..steps).rev() {
        let now = step * state..(step + 1) * state;
        let previous = if step == 0 { &zeros[..] } else { &trace.cells[now.start - state..now.start] };
        let gates = &trace.gates[step * batch * width..(step + 1) * batch * width];
        let by_gates = &mut by_gates[step * batch * width..(step + 1) * batch * width];
        arch.dispatch(Retreat {
            hidden,
            gates,
            previous,
            squashed: &trace.squashed[now.clone()],
            by_output: &by_output[now],
            by_later: &by_hidden,
            by_cell: &mut by_cell,
            by_gates,
        });
        if step > 0 {
            multiply_into(&mut by_hidden, Matrix::new(by_gates, batch, width), recurrent, false);
        }
    }
    let all = Matrix::new(&by_gates, steps * batch, width);
    let mut weight_ih = vec![0.0; width * inputs];
    multiply_into(&mut weight_ih, all.transposed(), Matrix::new(input, steps * batch, inputs), false);
    let mut weight_hh = vec![0.0; width * hidden];
    if steps > 1 {
        let rows = (steps - 1) * batch;
        let later = Matrix::new(&by_gates[batch * width..], rows, width);
        let earlier = Matrix::new(&trace.hidden[..rows * hidden], rows, hidden);
        multiply_into(&mut weight_hh, later.transposed(), earlier, false);
    }
    let mut bias = vec![0.0; width];
    for row in by_gates.chunks_exact(width) {
        for (sum, value) in bias.iter_mut().zip(row) {
            *sum += value;
        }
    }
    let input = with_input.then(|| {
        let mut by_input = vec![0.0; steps * batch * inputs];
        multiply_into(&mut by_input, all, Matrix::new(weights.weight_ih, width, inputs), false);
        by_input
    });
    Gradients { input, weight_ih, weight_hh, bias }
}

/// One step of every sequence backward: gradients by the gates before their activation, and by the cells before.
struct Retreat<'a> {
    hidden: usize,
    gates: &'a [f32],
    previous: &'a [f32],
    squashed: &'a [f32],
    by_output: &'a [f32],
    by_later: &'a [f32],
    by_cell: &'a mut [f32],
    by_gates: &'a mut [f32],
}

impl WithSimd for Retreat<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let hidden = self.hidden;
        let rows = self.gates.chunks_exact(4 * hidden).zip(self.by_gates.chunks_exact_mut(4 * hidden));
        for (row, (gates, by_gates)) in rows.enumerate() {
            let units = row * hidden..(row + 1) * hidden;
            let previous = &self.previous[units.clone()];
            let squashed = &self.squashed[units.clone()];
            let by_output = &self.by_output[units.clone()];
            let by_later = &self.by_later[units.clone()];
            let by_cell = &mut self.by_cell[units];
            let (admit, rest) = gates.split_at(hidden);
            let (forget, rest) = rest.split_at(hidden);
            let (candidate, output) = rest.split_at(hidden);
            let (by_admit, rest) = by_gates.split_at_mut(hidden);
            let (by_forget, rest) = rest.split_at_mut(hidden);
            let (by_candidate, by_out) = rest.split_at_mut(hidden);
            for unit in 0..hidden {
                let by_hidden = by_output[unit] + by_later[unit];
                let squashed = squashed[unit];
                let cell = (by_hidden * output[unit]).mul_add(1.0 - squashed * squashed, by_cell[unit]);
                by_out[unit] = by_hidden * squashed * output[unit] * (1.0 - output[unit]);
                by_admit[unit] = cell * candidate[unit] * admit[unit] * (1.0 - admit[unit]);
                by_forget[unit] = cell * previous[unit] * forget[unit] * (1.0 - forget[unit]);
                by_candidate[unit] = cell * admit[unit] * (1.0 - candidate[unit] * candidate[unit]);
                by_cell[unit] = cell * forget[unit];
            }
        }
    }
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[inline(always)]
fn tanh(x: f32) -> f32 {
    2.0f32.mul_add(sigmoid(2.0 * x), -1.0)
}

/// The exponential to about two units in the last place, without a branch: a power of two times a polynomial on
/// ±ln 2 / 2 (Moshier, Cephes, `expf`).
#[inline(always)]
fn exp(x: f32) -> f32 {
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // `clamp` keeps a NaN, so that a diverging run is seen to diverge.
    let x = x.clamp(-87.0, 88.0);
    let power = (x * std::f32::consts::LOG2_E).round_ties_even();
    let rest = power.mul_add(-LN2_LOW, power.mul_add(-LN2_HIGH, x));
    let polynomial = 1.987_569_1e-4_f32
        .mul_add(rest, 1.398_2e-3)
        .mul_add(rest, 8.333_452e-3)
        .mul_add(rest, 4.166_579_6e-2)
        .mul_add(rest, 0.166_666_66)
        .mul_add(rest, 0.5);
    let value = polynomial.mul_add(rest * rest, rest) + 1.0;
    value * f32::from_bits(((power as i32 + 127) << 23).cast_unsigned())
}

/// A view of a slice as a matrix.
#[derive(Debug, Clone, Copy)]
struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Row by row.
    fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(values.len(), rows * columns, "a matrix of {rows} x {columns}");
        Self { values, rows, columns, row_stride: columns, column_stride: 1 }
    }

    fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// `target = left * right`, or `target += left * right`; the target is dense, row by row.
#[expect(unsafe_code, reason = "gemm takes pointers; every size is checked against its slice first")]
fn multiply_into(target: &mut [f32], left: Matrix<'_>, right: Matrix<'_>, add: bool) {
    assert_eq!(left.columns, right.rows, "inner sizes of a matrix product");
    assert_eq!(target.len(), left.rows * right.columns, "size of a matrix product");
    let columns = right.columns;
    // SAFETY: `Matrix::new` checked that rows x columns values are there, strides only permute them, and the target has
    // one value for each row of the left and column of the right. The target is borrowed mutably, so nothing overlaps.
    unsafe {
        gemm::gemm(
            left.rows,
            columns,
            left.columns,
            target.as_mut_ptr(),
            1,
            columns as isize,
            add,
            left.values.as_ptr(),
            left.column_stride as isize,
            left.row_stride as isize,
            right.values.as_ptr(),
            right.column_stride as isize,
            right.row_stride as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::train::Stream;

    #[test]
    fn the_exponential_is_right_to_a_few_units_in_the_last_place() {
        for step in -8_700..8_700 {
            let x = step as f32 / 100.0;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) / exact - 1.0).abs() < 3e-7, "exp({x}) = {} not {exact}", exp(x));
        }
        assert_eq!((sigmoid(1e30), tanh(1e30), tanh(-1e30)), (1.0, 1.0, -1.0));
        assert!(sigmoid(-1e30) < 1e-37);
    }

    /// Sum of the outputs, each weighted, in double precision for finite differences.
    fn loss(sizes: Sizes, input: &[f32], weights: Weights<'_>, weighted: &[f32]) -> f64 {
        let trace = forward(sizes, input, weights);
        trace.hidden.iter().zip(weighted).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    }

    const NUDGE: f32 = 4e-3;

    fn view(parameters: &[Vec<f32>; 4]) -> Weights<'_> {
        let [weight_ih, weight_hh, bias_ih, bias_hh] = parameters;
        Weights { weight_ih, weight_hh, bias_ih, bias_hh }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn gradients_agree_with_finite_differences(
            steps in 1_usize..6, batch in 1_usize..4, inputs in 1_usize..4, hidden in 1_usize..11, seed in 0_u64..1_000,
        ) {
            let sizes = Sizes { steps, batch, inputs, hidden };
            let mut stream = Stream::weights(seed);
            let mut input = stream.uniform(steps * batch * inputs, 1.0);
            let mut parameters = [4 * hidden * inputs, 4 * hidden * hidden, 4 * hidden, 4 * hidden]
                .map(|count| stream.uniform(count, 0.7));
            let weighted = stream.uniform(steps * batch * hidden, 1.0);
            let start = parameters.clone();
            let trace = forward(sizes, &input, view(&start));
            let found = backward(sizes, &input, view(&start), &trace, &weighted, true);
            let by_input = found.input.clone().unwrap_or_default();
            for at in 0..input.len() {
                let kept = input[at];
                input[at] = kept + NUDGE;
                let up = loss(sizes, &input, view(&start), &weighted);
                input[at] = kept - NUDGE;
                let down = loss(sizes, &input, view(&start), &weighted);
                input[at] = kept;
                let slope = (up - down) / f64::from(2.0 * NUDGE);
                prop_assert!((slope - f64::from(by_input[at])).abs() < 2e-3, "input {at}: {slope} against {}", by_input[at]);
            }
            for (which, gradient) in [&found.weight_ih, &found.weight_hh, &found.bias, &found.bias].into_iter().enumerate() {
                for at in 0..gradient.len() {
                    let kept = parameters[which][at];
                    parameters[which][at] = kept + NUDGE;
                    let up = loss(sizes, &input, view(&parameters), &weighted);
                    parameters[which][at] = kept - NUDGE;
                    let down = loss(sizes, &input, view(&parameters), &weighted);
                    parameters[which][at] = kept;
                    let slope = (up - down) / f64::from(2.0 * NUDGE);
                    prop_assert!(
                        (slope - f64::from(gradient[at])).abs() < 2e-3,
                        "parameter {which}, {at}: {slope} against {}", gradient[at]
                    );
                }
            }
        }
    }
}
