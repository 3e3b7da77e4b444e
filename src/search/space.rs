//! The space that is searched: one dimension for each axis, or for each group of axes that move together.

/// One dimension of the space.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Dimension {
    /// One of so many listed values, without an order.
    Choice(usize),
    /// A real number in `[low, high)`.
    Uniform(f64, f64),
    /// A real number whose logarithm is uniform in `[ln low, ln high)`; `low` is above zero.
    LogUniform(f64, f64),
    /// A whole number in `low..=high`.
    Int(i64, i64),
}

/// The place of a point along one dimension.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Coordinate {
    /// Index of the listed value.
    Listed(usize),
    /// A real number.
    Real(f64),
    /// A whole number.
    Whole(i64),
}

/// One coordinate for each dimension of the space.
pub type Point = Vec<Coordinate>;

impl Dimension {
    /// The coordinate at a share `unit`, in `[0, 1)`, of the dimension's mass.
    pub fn at(self, unit: f64) -> Coordinate {
        match self {
            Dimension::Choice(count) => {
                Coordinate::Listed(((unit * count as f64) as usize).min(count.saturating_sub(1)))
            }
            Dimension::Uniform(low, high) => Coordinate::Real(low + unit * (high - low)),
            Dimension::LogUniform(low, high) => {
                let (low, high) = (libm::log(low), libm::log(high));
                Coordinate::Real(libm::exp(low + unit * (high - low)))
            }
            Dimension::Int(low, high) => {
                let width = i128::from(high) - i128::from(low) + 1;
                let drawn = i128::from(low) + (unit * width as f64) as i128;
                Coordinate::Whole(i64::try_from(drawn).map_or(high, |drawn| drawn.min(high)))
            }
        }
    }
}

/// Points with every dimension at its beginning but one, which is at each of its choices or at its end.
pub fn corners(space: &[Dimension]) -> Vec<Point> {
    let first: Point = space.iter().map(|dimension| dimension.at(0.0)).collect();
    let mut points = vec![first.clone()];
    for (at, dimension) in space.iter().enumerate() {
        let others: Vec<Coordinate> = match dimension {
            Dimension::Choice(count) => (1..*count).map(Coordinate::Listed).collect(),
            range => vec![range.at(1.0 - f64::EPSILON)],
        };
        for other in others {
            let mut point = first.clone();
            point[at] = other;
            points.push(point);
        }
    }
    points
}
