//! Our side of the comparison with PyTorch and JAX: one line of JSON for each piece of work, on one thread.
//!
//! `scripts/bench.sh` runs this beside the peers' scripts; `cargo bench --bench peers` runs it alone, all of it or the
//! work named: `step`, or an epoch of `dlinear`, `nlinear` or `lstm`, with random data, as the peers' training step has
//! them: the time does not depend on them. `arima` chooses and fits an ARIMA model for each of 1,000 windows of 240 rows of the
//! load that comes with burstlab. `trace=FILE` times a BurstGPT trace from the file to its windows.

#![expect(clippy::print_stdout, reason = "the result of a benchmark")]

use std::ops::ControlFlow;
use std::time::Instant;

use burstlab::dataset::{
    Channel, ChannelScale, Loader, Part, ScaledSteps, Scaler, StepTimes, Transform, Windows,
};
use burstlab::kernel::matrix_rate;
use burstlab::model::{BuildContext, Forecaster, build};
use burstlab::spec::{
    ArimaSpec, BiasCorrection, DlinearSpec, ExperimentSpec, LinearSpec, ModelSpec, OrderSearch,
    RecurrentSpec, RunSpec, TrainingSpec,
};
use burstlab::stats::Stream;
use burstlab::train::{ComputeDevice, FitData, Shape};
use serde_json::json;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Sizes of the training step that the peers' script times: hidden, layers, batch.
const STEP_SIZES: [(usize, usize, usize); 3] = [(32, 1, 32), (64, 2, 32), (64, 2, 256)];
/// Training steps in one timed epoch of them.
const STEPS: usize = 60;
const LOOKBACK: usize = 50;
const TARGETS: usize = 3;
/// Windows of the Azure conversation trace, training and test part.
const TRAIN_WINDOWS: usize = 13_506;
const TEST_WINDOWS: usize = 2_905;
const EPOCHS: usize = 9;
/// ARIMA models that are chosen and fitted, and the values of each.
const REFITS: usize = 1_000;
const REFIT_VALUES: usize = 240;

fn main() {
    let named: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let wanted = |work: &str| named.is_empty() || named.iter().any(|name| name == work);
    if let Some(path) = named.iter().find_map(|name| name.strip_prefix("trace=")) {
        println!("{}", trace_to_windows(path));
    }
    let lstm = |hidden, layers| ModelSpec::Lstm(RecurrentSpec { hidden, layers, dropout: 0.0 });
    for (hidden, layers, batch) in STEP_SIZES.into_iter().filter(|_| wanted("step")) {
        let mut task = Task::new(&lstm(hidden, layers), 5, batch, STEPS * batch);
        // The rate is measured between the epochs: a core's pace changes from second to second.
        let mut rates = Vec::new();
        let ms = median(&mut task.epoch_seconds(|| rates.push(matrix_rate()))) * 1e3 / STEPS as f64;
        let floor_ms = step_flops(hidden, layers, batch) / median(&mut rates) * 1e3;
        println!(
            "{}",
            json!({"work": "step", "hidden": hidden, "layers": layers, "batch": batch, "ms": ms,
                "matrix_floor_ms": floor_ms})
        );
    }
    if wanted("arima") {
        println!("{}", arima_refits());
    }
    let models = [
        ("dlinear", ModelSpec::Dlinear(DlinearSpec::default())),
        ("nlinear", ModelSpec::Nlinear(LinearSpec::default())),
        ("lstm", lstm(32, 1)),
    ];
    for (name, model) in models.into_iter().filter(|(name, _)| wanted(name)) {
        for batch in [32, 128] {
            let mut task = Task::new(&model, TARGETS, batch, TRAIN_WINDOWS);
            let epoch = median(&mut task.epoch_seconds(|| ()));
            let infer = median(&mut task.inference_seconds());
            println!(
                "{}",
                json!({"work": "epoch", "model": name, "batch": batch,
                    "windows_per_s": TRAIN_WINDOWS as f64 / epoch,
                    "infer_windows_per_s": TEST_WINDOWS as f64 / infer})
            );
        }
    }
}

/// Orders and coefficients of an ARIMA model, for each of the windows: how long one takes.
fn arima_refits() -> serde_json::Value {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/dataset/servegen/servegen-m-large-load.csv");
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{file}: {error}"));
    let requests = |line: &str| line.split(',').nth(1).and_then(|cell| cell.parse::<f32>().ok());
    let values: Vec<f32> = text.lines().skip(1).filter_map(requests).collect();
    let steps =
        ScaledSteps { inputs: values.clone().into(), targets: values.into(), channels: 1, target_count: 1 };
    let spec = ModelSpec::Arima(ArimaSpec {
        refit_every: Some(1),
        order_search: OrderSearch::EveryRefit,
        ..ArimaSpec::default()
    });
    let channel = Channel { name: "requests".into(), unit: String::new(), transform: Transform::Identity };
    let scales = [ChannelScale::new(channel, 0.0, 1.0)];
    let device = ComputeDevice::cpu();
    let context = BuildContext {
        shape: Shape { lookback: REFIT_VALUES, horizon: 1, channels: 1, targets: 1, heads: 1 },
        training: &TrainingSpec::default(),
        seed: 1,
        device: &device,
        scales: &scales,
        correction: BiasCorrection::None,
        members: Vec::new(),
    };
    let model = build(&spec, context);
    let origins = REFIT_VALUES..REFIT_VALUES + REFITS;
    let windows = Windows { steps: &steps, times: StepTimes::default(), origins, horizon: 1 };
    let started = Instant::now();
    let forecast = model.forecast(&windows);
    let ms = started.elapsed().as_secs_f64() * 1e3 / REFITS as f64;
    assert!(forecast.iter().all(|value| value.is_finite()));
    json!({"work": "arima", "refits": REFITS, "ms": ms})
}

/// Reads, cleans and scales a trace as a run does, until its windows can be gathered.
fn trace_to_windows(path: &str) -> serde_json::Value {
    let spec: ExperimentSpec = toml::from_str(&format!(
        "name = \"trace\"\n[dataset]\nsource = {path:?}\n[dataset.cleaning]\ndrop_zero_tokens = true\n\
         spread_duplicate_timestamps = \"1ms\"\n[task.next_request]\nlookback = 50\n[[models]]\n[models.nlinear]\n"
    ))
    .unwrap_or_else(|error| panic!("{error}"));
    let spec = RunSpec::resolve(&spec, 0);
    let started = Instant::now();
    let mut loader = Loader::default();
    let prepared = loader.prepare(&spec, 0).unwrap_or_else(|error| panic!("{error}"));
    let windows = Part::ALL.map(|part| prepared.windows(part, 50, 1).len()).iter().sum::<usize>();
    let seconds = started.elapsed().as_secs_f64();
    json!({"work": "trace", "ready_s": seconds, "windows": windows, "peak_mib": peak_mib()})
}

/// Peak memory of this process.
fn peak_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1_024)
}

/// Floating-point operations of the matrix products of one training step: forward, and twice as many backward.
fn step_flops(hidden: usize, layers: usize, batch: usize) -> f64 {
    let products: usize = (0..layers)
        .map(|layer| {
            let inputs = if layer == 0 { 5 } else { hidden };
            // The lowest layer's gradient by its input is not asked for; every other product has two in return.
            let backward = if layer == 0 { inputs + 2 * hidden } else { 2 * (inputs + hidden) };
            LOOKBACK * batch * 4 * hidden * (inputs + hidden + backward)
        })
        .sum();
    2.0 * products as f64
}

/// One model on random windows.
struct Task {
    steps: ScaledSteps,
    scaler: Scaler,
    model: Box<dyn Forecaster>,
    train_windows: usize,
}

impl Task {
    fn new(spec: &ModelSpec, channels: usize, batch_size: usize, train_windows: usize) -> Self {
        let rows = LOOKBACK + train_windows + TEST_WINDOWS;
        let inputs = Stream::weights(1).uniform(rows * channels, 1.0);
        let targets: Vec<f32> = inputs.chunks(channels).flat_map(|row| row[..TARGETS].to_vec()).collect();
        let channel = Channel { name: "x".into(), unit: String::new(), transform: Transform::Identity };
        let scale = ChannelScale::new(channel, 0.0, 1.0);
        let training = TrainingSpec { epochs: EPOCHS, batch_size, ..TrainingSpec::default() };
        let device = ComputeDevice::cpu();
        let shape = Shape { lookback: LOOKBACK, horizon: 1, channels, targets: TARGETS, heads: 1 };
        let scales = vec![scale; TARGETS];
        let context = BuildContext {
            shape,
            training: &training,
            seed: 1,
            device: &device,
            scales: &scales,
            correction: BiasCorrection::None,
            members: Vec::new(),
        };
        Self {
            steps: ScaledSteps {
                inputs: inputs.into(),
                targets: targets.into(),
                channels,
                target_count: TARGETS,
            },
            model: build(spec, context),
            scaler: Scaler { channels: scales, fitted: 0..rows },
            train_windows,
        }
    }

    /// Seconds of each epoch: gathering the batches, forward, backward and Adam, and one window of validation. What is
    /// done between two epochs does not count.
    fn epoch_seconds(&mut self, mut between: impl FnMut()) -> Vec<f64> {
        let rows = self.steps.len();
        let boundary = LOOKBACK + self.train_windows;
        let data = FitData {
            train: Windows {
                steps: &self.steps,
                times: StepTimes::default(),
                origins: LOOKBACK..boundary,
                horizon: 1,
            },
            valid: Windows {
                steps: &self.steps,
                times: StepTimes::default(),
                origins: boundary..boundary + 1,
                horizon: 1,
            },
            train_steps: 0..rows,
            scaler: &self.scaler,
        };
        let mut seconds = Vec::new();
        let mut last = Instant::now();
        let fitted = self.model.fit(&data, &mut |_| {
            seconds.push(last.elapsed().as_secs_f64());
            between();
            last = Instant::now();
            ControlFlow::Continue(())
        });
        assert!(fitted.is_ok(), "{fitted:?}");
        seconds
    }

    /// Seconds of each pass over the test windows.
    fn inference_seconds(&self) -> Vec<f64> {
        let origins = LOOKBACK + self.train_windows..self.steps.len();
        let windows = Windows { steps: &self.steps, times: StepTimes::default(), origins, horizon: 1 };
        let pass = || {
            let started = Instant::now();
            let forecast = self.model.forecast(&windows);
            assert_eq!(forecast.len(), TEST_WINDOWS * TARGETS);
            started.elapsed().as_secs_f64()
        };
        (0..EPOCHS).map(|_| pass()).collect()
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
