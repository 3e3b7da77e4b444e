//! Matrix products against a matrix that is packed once and used at every step of a sequence.
//!
//! The packed matrix lies in panels: `G` registers of columns for each row, one row after the other. A block of rows on
//! the left meets a panel with all sums in registers, so that a step needs no other memory.

#![expect(clippy::inline_always, reason = "what is not inlined is compiled for the oldest processor")]

use std::array::from_fn;

use pulp::Simd;

use super::cell::SLOTS;

/// Rows of the left matrix that are multiplied together on a processor with many registers, and with few.
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
    /// Packs `value(row, column)` of a `depth x columns` matrix, with zeros to fill up the last panel.
    pub fn pack(
        lanes: usize,
        registers: usize,
        depth: usize,
        columns: usize,
        value: impl Fn(usize, usize) -> f32,
    ) -> Self {
        let width = lanes * registers;
        let mut values = vec![0.0; columns.div_ceil(width) * depth * width];
        for (panel, packed) in values.chunks_exact_mut(depth * width).enumerate() {
            for (row, packed) in packed.chunks_exact_mut(width).enumerate() {
                for (packed, column) in packed.iter_mut().zip(panel * width..columns) {
                    *packed = value(row, column);
                }
            }
        }
        Self { values, lanes, registers, depth, columns }
    }

    /// Registers in a panel that leave the fewest unused.
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

/// `target = left * panels`, with rows as wide as the panels together.
#[inline(always)]
pub fn multiply_rows<S: Simd>(simd: S, left: &[f32], panels: &Panels, target: &mut [f32]) {
    match (panels.registers, has_many_registers::<S>()) {
        (1, true) => multiply_blocks::<S, 8, 1>(simd, left, panels, target),
        (2, true) => multiply_blocks::<S, 8, 2>(simd, left, panels, target),
        (1, false) => multiply_blocks::<S, 4, 1>(simd, left, panels, target),
        (2, false) => multiply_blocks::<S, 4, 2>(simd, left, panels, target),
        (_, true) => multiply_blocks::<S, MANY_ROWS, SLOTS>(simd, left, panels, target),
        (_, false) => multiply_blocks::<S, FEW_ROWS, SLOTS>(simd, left, panels, target),
    }
}

#[inline(always)]
fn multiply_blocks<S: Simd, const R: usize, const G: usize>(
    simd: S,
    left: &[f32],
    panels: &Panels,
    target: &mut [f32],
) {
    let rows = left.len() / panels.depth;
    let registers = panels.width() / panels.lanes;
    let target = S::as_mut_simd_f32s(target).0;
    for panel in 0..registers / G {
        let mut row = 0;
        while row + R <= rows {
            multiply_block::<S, R, G>(simd, left, panels, panel, row, target);
            row += R;
        }
        while row < rows {
            multiply_block::<S, 1, G>(simd, left, panels, panel, row, target);
            row += 1;
        }
    }
}

#[inline(always)]
fn multiply_block<S: Simd, const R: usize, const G: usize>(
    simd: S,
    left: &[f32],
    panels: &Panels,
    panel: usize,
    row: usize,
    target: &mut [S::f32s],
) {
    let registers = panels.width() / panels.lanes;
    let rows: [&[f32]; R] = from_fn(|r| &left[(row + r) * panels.depth..(row + r + 1) * panels.depth]);
    let zero = [[simd.splat_f32s(0.0); G]; R];
    let sums = accumulate::<S, R, G>(simd, zero, rows, panels.panel::<S>(panel));
    for (r, sums) in sums.iter().enumerate() {
        let first = (row + r) * registers + panel * G;
        target[first..first + G].copy_from_slice(sums);
    }
}
