//! The matrix products of one step of a sequence: with weights that are packed once for all steps, and between what the
//! step kept and what its sums were made of.
//!
//! Packed weights lie in panels: `G` registers of columns for each row, one row after the other. A few rows on the left
//! meet a panel at a time, so that all their sums stay in registers until they are complete.

#![expect(clippy::inline_always, reason = "what is not inlined is compiled for the oldest processor")]

use std::array::from_fn;

use pulp::Simd;

use super::cell::SLOTS;

/// Rows of the left matrix (columns in an outer product) that are multiplied together on a processor with many registers,
/// and with few.
pub const MANY_ROWS: usize = 4;
/// See [`MANY_ROWS`].
pub const FEW_ROWS: usize = 2;

/// Whether sums of [`MANY_ROWS`] rows by four registers of columns stay in registers.
#[inline(always)]
pub fn has_many_registers<S: Simd>() -> bool {
    S::REGISTER_COUNT >= 32
}

/// `sums[r][g] + rows[r] * panel[.., g]`, for rows as long as the panel has rows.
#[inline(always)]
pub fn accumulate<S: Simd, const R: usize, const G: usize>(
    simd: S,
    mut sums: [[S::f32s; G]; R],
    rows: [&[f32]; R],
    panel: &[S::f32s],
) -> [[S::f32s; G]; R] {
    let (weights, _) = panel.as_chunks::<G>();
    let depth = weights.len();
    // All of one known length: the loop then needs no check of an index.
    let rows = rows.map(|row| &row[..depth]);
    for (k, weights) in weights.iter().enumerate() {
        for (sums, row) in sums.iter_mut().zip(rows) {
            let factor = simd.splat_f32s(row[k]);
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum = simd.mul_add_e_f32s(factor, *weight, *sum);
            }
        }
    }
    sums
}

/// A matrix in panels.
#[derive(Debug)]
pub struct Panels {
    values: Vec<f32>,
    lanes: usize,
    /// Registers of columns in one panel: 1, 2 or 4.
    registers: usize,
    depth: usize,
    columns: usize,
}

impl Panels {
    /// A `depth x columns` matrix of zeros.
    pub fn zeros(lanes: usize, registers: usize, depth: usize, columns: usize) -> Self {
        let width = lanes * registers;
        Self { values: vec![0.0; columns.div_ceil(width) * depth * width], lanes, registers, depth, columns }
    }

    /// Writes a column, given its values from the first row on.
    pub fn set_column(&mut self, column: usize, values: &[f32]) {
        let width = self.lanes * self.registers;
        let packed = &mut self.values[column / width * self.depth * width..][..self.depth * width];
        for (packed, value) in packed.chunks_exact_mut(width).zip(values) {
            packed[column % width] = *value;
        }
    }

    /// Writes a row.
    pub fn set_row(&mut self, row: usize, values: &[f32]) {
        let width = self.lanes * self.registers;
        let panels = self.values.chunks_exact_mut(self.depth * width);
        for (panel, values) in panels.zip(values.chunks(width)) {
            panel[row * width..][..values.len()].copy_from_slice(values);
        }
    }

    /// Registers in a panel: as many as there are columns for, up to four, which share what is read of the left matrix.
    pub fn best_registers(columns: usize, lanes: usize) -> usize {
        match columns.div_ceil(lanes) {
            1 => 1,
            2 => 2,
            _ => SLOTS,
        }
    }

    /// Columns, filled up to whole panels.
    pub fn width(&self) -> usize {
        self.columns.next_multiple_of(self.lanes * self.registers)
    }

    /// One panel, row after row.
    #[inline(always)]
    pub fn panel<S: Simd>(&self, index: usize) -> &[S::f32s] {
        let size = self.depth * self.registers * self.lanes;
        S::as_simd_f32s(&self.values[index * size..(index + 1) * size]).0
    }
}

/// `target = left * panels`, with rows as wide as the panels together. The left matrix lies in blocks of [`SLOTS`]
/// registers of columns, one after the other; within a block, row after row.
#[inline(always)]
pub fn multiply_blocks<S: Simd>(simd: S, left: &[f32], rows: usize, panels: &Panels, target: &mut [f32]) {
    match (panels.registers, has_many_registers::<S>()) {
        (1, true) => multiply_by::<S, 8, 1>(simd, left, rows, panels, target),
        (2, true) => multiply_by::<S, 8, 2>(simd, left, rows, panels, target),
        (1, false) => multiply_by::<S, 4, 1>(simd, left, rows, panels, target),
        (2, false) => multiply_by::<S, 4, 2>(simd, left, rows, panels, target),
        (_, true) => multiply_by::<S, MANY_ROWS, SLOTS>(simd, left, rows, panels, target),
        (_, false) => multiply_by::<S, FEW_ROWS, SLOTS>(simd, left, rows, panels, target),
    }
}

#[inline(always)]
fn multiply_by<S: Simd, const R: usize, const G: usize>(
    simd: S,
    left: &[f32],
    rows: usize,
    panels: &Panels,
    target: &mut [f32],
) {
    let registers = panels.width() / panels.lanes;
    let target = S::as_mut_simd_f32s(target).0;
    for panel in 0..registers / G {
        let packed = panels.panel::<S>(panel);
        let mut row = 0;
        while row + R <= rows {
            let sums = multiply_rows::<S, R, G>(simd, left, rows, row, packed);
            for (r, sums) in sums.iter().enumerate() {
                target[(row + r) * registers + panel * G..][..G].copy_from_slice(sums);
            }
            row += R;
        }
        while row < rows {
            let [sums] = multiply_rows::<S, 1, G>(simd, left, rows, row, packed);
            target[row * registers + panel * G..][..G].copy_from_slice(&sums);
            row += 1;
        }
    }
}

/// Rows from `row` on times one panel.
#[inline(always)]
fn multiply_rows<S: Simd, const R: usize, const G: usize>(
    simd: S,
    left: &[f32],
    rows: usize,
    row: usize,
    panel: &[S::f32s],
) -> [[S::f32s; G]; R] {
    let block = SLOTS * S::F32_LANES;
    let mut sums = [[simd.splat_f32s(0.0); G]; R];
    for (left, panel) in left.chunks_exact(rows * block).zip(panel.chunks_exact(block * G)) {
        let rows = from_fn(|r| &left[(row + r) * block..][..block]);
        sums = accumulate::<S, R, G>(simd, sums, rows, panel);
    }
    sums
}

/// `target += leftᵀ * right`, for `columns` columns of the left matrix, whose rows are `stride` apart. The right matrix
/// and the target lie in blocks of [`SLOTS`] registers of columns, one after the other; within a block, row after row.
#[inline(always)]
pub fn add_outer_product<S: Simd>(
    simd: S,
    (left, stride): (&[f32], usize),
    columns: usize,
    right: &[f32],
    target: &mut [f32],
) {
    if has_many_registers::<S>() {
        add_outer_by::<S, MANY_ROWS>(simd, (left, stride), columns, right, target);
    } else {
        add_outer_by::<S, FEW_ROWS>(simd, (left, stride), columns, right, target);
    }
}

#[inline(always)]
fn add_outer_by<S: Simd, const R: usize>(
    simd: S,
    (left, stride): (&[f32], usize),
    columns: usize,
    right: &[f32],
    target: &mut [f32],
) {
    let right = S::as_simd_f32s(right).0.as_chunks::<SLOTS>().0;
    let target = S::as_mut_simd_f32s(target).0.as_chunks_mut::<SLOTS>().0;
    for (right, target) in right.chunks_exact(left.len() / stride).zip(target.chunks_exact_mut(columns)) {
        let mut blocks = target.chunks_exact_mut(R);
        let mut column = 0;
        for target in &mut blocks {
            add_outer_block::<S, R>(simd, (left, stride), column, right, target);
            column += R;
        }
        for target in blocks.into_remainder().chunks_exact_mut(1) {
            add_outer_block::<S, 1>(simd, (left, stride), column, right, target);
            column += 1;
        }
    }
}

/// `R` columns of the left matrix from `column` on, one block of the right.
#[inline(always)]
fn add_outer_block<S: Simd, const R: usize>(
    simd: S,
    (left, stride): (&[f32], usize),
    column: usize,
    right: &[[S::f32s; SLOTS]],
    target: &mut [[S::f32s; SLOTS]],
) {
    let mut sums: [[S::f32s; SLOTS]; R] = from_fn(|r| target[r]);
    for (left, right) in left.chunks_exact(stride).zip(right) {
        let factors = &left[column..column + R];
        for (sums, factor) in sums.iter_mut().zip(factors) {
            let factor = simd.splat_f32s(*factor);
            for (sum, right) in sums.iter_mut().zip(right) {
                *sum = simd.mul_add_e_f32s(factor, *right, *sum);
            }
        }
    }
    target.copy_from_slice(&sums);
}
