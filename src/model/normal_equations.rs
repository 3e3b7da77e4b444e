//! Least squares with few unknowns, by the normal equations.

/// Least squares with few unknowns.
#[derive(Debug, Clone)]
pub struct NormalEquations {
    width: usize,
    /// `width x width`, of which the lower half is kept.
    products: Vec<f64>,
    right: Vec<f64>,
}

impl NormalEquations {
    /// Without an equation.
    pub fn new(width: usize) -> Self {
        Self { width, products: vec![0.0; width * width], right: vec![0.0; width] }
    }

    /// Adds an equation: the unknowns, each times its cell of the row, should give the value.
    pub fn add(&mut self, row: &[f64], value: f64) {
        for (at, own) in row.iter().enumerate() {
            self.right[at] += own * value;
            for (cell, other) in self.products[at * self.width..].iter_mut().zip(&row[..=at]) {
                *cell += own * other;
            }
        }
    }

    /// Sets what the sums over all equations are: of the products of the cells of two unknowns, the first not before the
    /// second, and of the products of cells and values.
    pub fn set(&mut self, product: impl Fn(usize, usize) -> f64, right: impl Fn(usize) -> f64) {
        for row in 0..self.width {
            self.right[row] = right(row);
            for column in 0..=row {
                self.products[row * self.width + column] = product(row, column);
            }
        }
    }

    /// The unknowns, by Cholesky's decomposition of the products whose diagonal is raised by the share `damping`.
    pub fn solve(&self, damping: f64) -> Option<Vec<f64>> {
        let width = self.width;
        let largest = (0..width).map(|at| self.products[at * width + at]).fold(0.0, f64::max);
        let mut factor = self.products.clone();
        for at in 0..width {
            // A number without influence stays where it is.
            let own = factor[at * width + at].max(1e-12 * largest).max(f64::MIN_POSITIVE);
            factor[at * width + at] = own * (1.0 + damping);
        }
        let mut unknowns = self.right.clone();
        for row in 0..width {
            for column in 0..=row {
                let known: f64 =
                    (0..column).map(|at| factor[row * width + at] * factor[column * width + at]).sum();
                let rest = factor[row * width + column] - known;
                factor[row * width + column] = if column < row {
                    rest / factor[column * width + column]
                } else if rest > 0.0 {
                    libm::sqrt(rest)
                } else {
                    return None;
                };
            }
            let known: f64 = (0..row).map(|at| factor[row * width + at] * unknowns[at]).sum();
            unknowns[row] = (unknowns[row] - known) / factor[row * width + row];
        }
        for row in (0..width).rev() {
            let known: f64 = (row + 1..width).map(|at| factor[at * width + row] * unknowns[at]).sum();
            unknowns[row] = (unknowns[row] - known) / factor[row * width + row];
        }
        unknowns.iter().all(|unknown| unknown.is_finite()).then_some(unknowns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plane_through_points_is_found() {
        let mut equations = NormalEquations::new(3);
        for (x, y) in [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (2.0, 3.0), (4.0, -1.0)] {
            equations.add(&[1.0, x, y], 0.5 - 2.0 * x + 3.0 * y);
        }
        for (found, wanted) in equations.solve(0.0).unwrap().into_iter().zip([0.5, -2.0, 3.0]) {
            assert!((found - wanted).abs() < 1e-12, "{found}");
        }
    }
}
