//! Traces that are drawn from a saved model.

use super::*;

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn gaps(trace: &RequestTrace) -> Vec<f64> {
    trace.arrival_s.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[test]
fn a_generated_trace_reads_back_is_like_the_one_it_continues_and_follows_its_seed() {
    let lab = trained();
    let trace = azure_excerpt();
    let generated = |name: &str, layout: &str, seed: &str| {
        let out = lab.folder.path().join(name);
        let outcome = lab.call(&[
            "predict",
            "--experiment",
            "azure",
            "--trace",
            trace.to_str().unwrap(),
            "--generate",
            "1500",
            "--out",
            out.to_str().unwrap(),
            "--as",
            layout,
            "--seed",
            seed,
        ]);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (0, ""), "{}", outcome.stderr);
        let Trace::Requests(trace) = read_trace(&out).unwrap() else { panic!("{name}") };
        (std::fs::read(&out).unwrap(), trace)
    };
    let (bytes, sampled) = generated("a.csv", "burstgpt", "1");
    assert_eq!(sampled.len(), 1_500);
    assert!(sampled.request_tokens.iter().chain(&sampled.response_tokens).all(|&tokens| tokens >= 1.0));
    let Trace::Requests(real) = read_trace(&trace).unwrap() else { panic!() };
    for (name, sampled, real) in [
        ("gap", median(gaps(&sampled)), median(gaps(&real))),
        ("request tokens", median(sampled.request_tokens.clone()), median(real.request_tokens.clone())),
        ("response tokens", median(sampled.response_tokens.clone()), median(real.response_tokens.clone())),
    ] {
        assert!(
            (0.5..2.0).contains(&(sampled / real)),
            "the median {name} is {sampled}, that of the trace {real}"
        );
    }
    // Draws, not the forecast over and over: as spread out as the trace is, within a factor of two.
    let spread = |values: &[f64]| {
        let logs: Vec<f64> = values.iter().map(|value| value.ln_1p()).collect();
        let mean = logs.iter().sum::<f64>() / logs.len() as f64;
        (logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / logs.len() as f64).sqrt()
    };
    let ratio = spread(&sampled.request_tokens) / spread(&real.request_tokens);
    assert!((0.5..2.0).contains(&ratio), "{ratio}");
    assert_eq!(bytes, generated("again.csv", "burstgpt", "1").0);
    assert_ne!(bytes, generated("other.csv", "burstgpt", "2").0);
    let (_, mooncake) = generated("a.jsonl", "mooncake", "1");
    assert_eq!(mooncake.request_tokens, sampled.request_tokens);
    assert_eq!(mooncake.response_tokens, sampled.response_tokens);
    for (milliseconds, seconds) in gaps(&mooncake).iter().zip(gaps(&sampled)) {
        assert!((milliseconds - seconds).abs() < 1.1e-3, "{milliseconds} {seconds}");
    }
}

#[test]
fn a_model_without_a_distribution_of_requests_generates_none() {
    let lab = trained();
    let text =
        "[task.next_request]\nlookback = 1\n[uncertainty]\nconformal = \"none\"\n[[models]]\n[models.mean]\n";
    lab.run(&lab.azure("unsure", text), &[]);
    let out = lab.folder.path().join("none.csv");
    for (experiment, trace, message) in [
        (
            "unsure",
            azure_excerpt(),
            "has no intervals, and therefore no distribution to draw from; train it with uncertainty",
        ),
        ("load", burstgpt(lab), "only a model of the task next_request can generate requests"),
    ] {
        let outcome = lab.call(&[
            "predict",
            "--experiment",
            experiment,
            "--trace",
            trace.to_str().unwrap(),
            "--generate",
            "5",
            "--out",
            out.to_str().unwrap(),
        ]);
        assert_eq!(outcome.code, 1);
        assert!(outcome.stderr.contains(message), "{}", outcome.stderr);
        assert!(!out.exists());
    }
    let outcome = lab.call(&["predict", "--experiment", "azure", "--trace", "x.csv", "--generate", "5"]);
    assert_eq!(outcome.code, 2, "{}", outcome.stderr);
}
