//! Asks the saved models of an experiment for the next requests of a trace: the library behind `burstlab predict`.
//!
//! ```text
//! cargo run --release -- run experiments/quickstart.toml
//! cargo run --release -- dataset synth --rows 2000 --out trace.csv
//! cargo run --release --example predict_next_request -- quickstart trace.csv 3
//! ```
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::path::Path;

use anyhow::Context;
use burstlab::dataset::read_trace;
use burstlab::predict::Predictor;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (experiment, trace, count) = match arguments.as_slice() {
        [experiment, trace] => (experiment, trace, 1),
        [experiment, trace, count] => (experiment, trace, count.parse().context("COUNT is a whole number")?),
        _ => anyhow::bail!("usage: predict_next_request EXPERIMENT TRACE [COUNT]"),
    };
    // Files are read here and never again: one predictor serves any number of histories. Results are looked for in
    // results/, or where BURSTLAB_RESULTS points.
    let predictor = Predictor::load(experiment)?;
    let history = read_trace(Path::new(trace))?;
    for requests in predictor.predict_next_requests(&history, count)? {
        for request in requests {
            print!(
                "{}: in {:.2} s, {:.0} request tokens",
                request.model, request.gap_s, request.request_tokens
            );
            // Bounds that eight of ten requests are to lie between; none where the experiment asks for no intervals.
            if let Some((lower, upper)) = request.request_tokens_interval(80) {
                print!(" ({lower:.0} to {upper:.0})");
            }
            println!(", {:.0} response tokens", request.response_tokens);
        }
    }
    Ok(())
}
