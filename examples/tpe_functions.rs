//! `tpe` on standard test functions, for `scripts/compare-tpe.sh`: one JSON object a line, with the best value after
//! each seed's trials.
//!
//! `cargo run --release --example tpe_functions -- tpe|random SEEDS TRIALS BATCH`
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::f64::consts::{E, PI};

use burstlab::search::{Coordinate, Dimension, Point, TrialOutcome, Tried, propose, random};

/// A function to be minimised, over a space.
struct Function {
    name: &'static str,
    space: Vec<Dimension>,
    value: fn(&[f64]) -> f64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number =
        |at: usize, default: usize| arguments.get(at).map_or(Some(default), |text| text.parse().ok());
    let (Some(seeds), Some(trials), Some(batch)) = (number(1, 20), number(2, 100), number(3, 8)) else {
        println!("usage: tpe_functions tpe|random SEEDS TRIALS BATCH");
        std::process::exit(2);
    };
    let by_chance = arguments.first().is_some_and(|strategy| strategy == "random");
    for function in functions() {
        let best: Vec<f64> = (0..seeds as u64)
            .map(|seed| {
                if by_chance {
                    let points = random(&function.space, trials, seed, 0);
                    points.iter().map(|point| function.at(point)).fold(f64::INFINITY, f64::min)
                } else {
                    function.minimise(seed, trials, batch)
                }
            })
            .collect();
        println!("{}", serde_json::json!({ "function": function.name, "best": best }));
    }
}

impl Function {
    fn at(&self, point: &Point) -> f64 {
        let numbers: Vec<f64> = point
            .iter()
            .map(|coordinate| match coordinate {
                Coordinate::Listed(index) => *index as f64,
                Coordinate::Real(value) => *value,
                Coordinate::Whole(value) => *value as f64,
            })
            .collect();
        (self.value)(&numbers)
    }

    /// The lowest value of so many trials, proposed in batches as a sweep does it.
    fn minimise(&self, seed: u64, trials: usize, batch: usize) -> f64 {
        let mut history: Vec<Tried> = Vec::new();
        let mut lowest = f64::INFINITY;
        while history.len() < trials {
            let count = batch.min(trials - history.len());
            for point in propose(&self.space, &history, count, seed, 0) {
                let value = self.at(&point);
                lowest = lowest.min(value);
                history.push(Tried { point, outcome: TrialOutcome::Complete(value) });
            }
        }
        lowest
    }
}

/// Branin and Hartmann-6 (Dixon & Szegö, 1978), and Ackley's function over mixed axes.
fn functions() -> [Function; 3] {
    [
        Function {
            name: "branin",
            space: vec![Dimension::Uniform(-5.0, 10.0), Dimension::Uniform(0.0, 15.0)],
            value: branin,
        },
        Function { name: "hartmann6", space: vec![Dimension::Uniform(0.0, 1.0); 6], value: hartmann6 },
        Function {
            name: "ackley-mixed",
            space: vec![
                Dimension::Uniform(-5.0, 10.0),
                Dimension::Uniform(-5.0, 10.0),
                Dimension::LogUniform(1e-6, 10.0),
                Dimension::Int(-10, 10),
                Dimension::Choice(4),
            ],
            value: ackley_mixed,
        },
    ]
}

/// Lowest value 0.397887.
fn branin(at: &[f64]) -> f64 {
    let (x, y) = (at[0], at[1]);
    (y - 5.1 / (4.0 * PI * PI) * x * x + 5.0 / PI * x - 6.0).powi(2)
        + 10.0 * (1.0 - 1.0 / (8.0 * PI)) * x.cos()
        + 10.0
}

/// Lowest value -3.322368.
fn hartmann6(at: &[f64]) -> f64 {
    const HEIGHTS: [f64; 4] = [1.0, 1.2, 3.0, 3.2];
    const WIDTHS: [[f64; 6]; 4] = [
        [10.0, 3.0, 17.0, 3.5, 1.7, 8.0],
        [0.05, 10.0, 17.0, 0.1, 8.0, 14.0],
        [3.0, 3.5, 1.7, 10.0, 17.0, 8.0],
        [17.0, 8.0, 0.05, 10.0, 0.1, 14.0],
    ];
    const CENTRES: [[f64; 6]; 4] = [
        [1312.0, 1696.0, 5569.0, 124.0, 8283.0, 5886.0],
        [2329.0, 4135.0, 8307.0, 3736.0, 1004.0, 9991.0],
        [2348.0, 1451.0, 3522.0, 2883.0, 3047.0, 6650.0],
        [4047.0, 8828.0, 8732.0, 5743.0, 1091.0, 381.0],
    ];
    let hill = |hill: usize| -> f64 {
        let distance: f64 =
            (0..6).map(|axis| WIDTHS[hill][axis] * (at[axis] - CENTRES[hill][axis] * 1e-4).powi(2)).sum();
        HEIGHTS[hill] * (-distance).exp()
    };
    -(0..4).map(hill).sum::<f64>()
}

/// Ackley's function of two real numbers, the decimal logarithm of a third about 0.001, and a whole number, plus an offset
/// for each choice. Lowest value 0.
fn ackley_mixed(at: &[f64]) -> f64 {
    const OFFSETS: [f64; 4] = [2.0, 0.5, 0.0, 1.0];
    let inner = [at[0], at[1], at[2].log10() + 3.0, at[3]];
    let squares = inner.iter().map(|value| value * value).sum::<f64>() / 4.0;
    let cosines = inner.iter().map(|value| (2.0 * PI * value).cos()).sum::<f64>() / 4.0;
    -20.0 * (-0.2 * squares.sqrt()).exp() - cosines.exp() + 20.0 + E + OFFSETS[at[4] as usize]
}
