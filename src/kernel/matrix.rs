//! Large matrix products, by the crate `gemm`.

use std::time::Instant;

use gemm::Parallelism;

/// A view of a slice as a matrix.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Row by row.
    pub fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(values.len(), rows * columns, "a matrix of {rows} x {columns}");
        Self { values, rows, columns, row_stride: columns, column_stride: 1 }
    }

    /// The same values, rows and columns exchanged.
    pub fn transposed(self) -> Self {
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
pub fn multiply_into(target: &mut [f32], left: Matrix<'_>, right: Matrix<'_>, add: bool) {
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

/// Floating-point operations a second in large matrix products on one core, measured now: what a training step could
/// reach if it were nothing but those.
pub fn matrix_rate() -> f64 {
    const SIZE: usize = 512;
    const PRODUCTS: usize = 5;
    let left = vec![0.5; SIZE * SIZE];
    let right = left.clone();
    let mut target = left.clone();
    let mut seconds = [0.0; PRODUCTS];
    for seconds in &mut seconds {
        let started = Instant::now();
        let (left, right) = (Matrix::new(&left, SIZE, SIZE), Matrix::new(&right, SIZE, SIZE));
        multiply_into(&mut target, left, right, false);
        *seconds = started.elapsed().as_secs_f64();
    }
    seconds.sort_by(f64::total_cmp);
    2.0 * SIZE.pow(3) as f64 / seconds[PRODUCTS / 2]
}
