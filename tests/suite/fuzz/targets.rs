//! What is fuzzed: reading and planning an experiment file, and reading, inspecting and preparing a trace file.

use std::sync::LazyLock;

use burstlab::dataset::{Loader, Trace, inspect, parse_trace, parse_trace_as, slice, steps_of};
use burstlab::plan::Plan;
use burstlab::spec::{
    ColumnsSpec, DatasetSpec, EmptyWindows, Experiment, Feature, NextRequestSpec, SeriesSpec, Span, TaskSpec,
    WindowLoadSpec,
};

use super::mutate::{Dice, mutate, mutate_bytes};

/// Something that takes a file.
#[derive(Clone)]
pub struct Target {
    /// Its name in messages.
    pub name: &'static str,
    /// Valid files to start from.
    pub corpus: Vec<Vec<u8>>,
    /// What may be put into a text; none of a binary file.
    words: Vec<&'static str>,
    /// Whether it gets past the reading of the file; it must come back in any case.
    pub accepts: fn(&[u8]) -> bool,
    /// The same, for the sake of coming back.
    pub try_out: fn(&[u8]),
}

impl Target {
    /// The file of one case.
    pub fn case(&self, number: usize) -> Vec<u8> {
        let mut dice = Dice::new(number as u64 + 1);
        let corpus: Vec<&[u8]> = self.corpus.iter().map(Vec::as_slice).collect();
        let seed = *dice.pick(&corpus);
        if self.words.is_empty() {
            return mutate_bytes(seed, &mut dice);
        }
        mutate(seed, &corpus, &self.words, &mut dice)
    }
}

const TRACES: [&str; 14] = [
    include_str!("../../fixtures/burstgpt_6_columns.csv"),
    include_str!("../../fixtures/burstgpt_8_columns.csv"),
    include_str!("../../fixtures/azure_conv.csv"),
    include_str!("../../fixtures/series.csv"),
    include_str!("../../fixtures/mooncake.jsonl"),
    include_str!("../../fixtures/servegen.csv"),
    include_str!("../../fixtures/dynamo.jsonl"),
    include_str!("../../fixtures/vidur.csv"),
    include_str!("../../fixtures/semantic_router.jsonl"),
    include_str!("../../fixtures/semantic_router.csv"),
    include_str!("../../fixtures/prometheus.json"),
    // Clocks that are not regular: a missing, a repeated and an irregular row; months; the ends of months far from zero.
    "date,x\n2016-07-01 00:00,1\n2016-07-01 01:00,2\n2016-07-01 03:00,3\n2016-07-01 03:00,4\n2016-07-01 03:20,5\n2016-07-01 04:00,6\n",
    "date,x\n1971-10-01,1e8\n1971-11-01,1e-30\n1971-12-01,1e6\n1972-02-01,-1e140\n",
    "date,x\n2023-12-31,1\n2024-01-31,2\n2024-02-29,3\n2024-03-31,1e140\n",
];

/// Every table and most keys of the experiment file.
const EVERYTHING: &str = r#"
name = "everything"
description = "every table"
[dataset]
source = "SOURCE"
start = "0s"
end = "1h"
max_rows = 200
[dataset.cleaning]
drop_zero_tokens = true
spread_duplicate_timestamps = "1ms"
clip_quantile = 0.99
[task.window_load]
window = "1s"
lookback = { grid = [2, 3] }
horizon = 2
[split]
train = 0.6
valid = 0.2
test = 0.2
embargo = 1
folds = 2
[training]
epochs = { int = [1, 4] }
batch_size = 16
drop_last = true
optimizer = "adamw"
learning_rate = { log_uniform = [1e-4, 1e-2] }
weight_decay = 0.01
schedule = { cosine = { min_learning_rate = 1e-6 } }
early_stopping_patience = 2
gradient_clip_norm = 1.0
[evaluation]
drop_last = false
mase_season = 2
[[models]]
[models.moving_average]
window = { grid = [2, 3] }
[[models]]
[models.seasonal_naive]
season = 2
[[models]]
[models.ewma]
alpha = { uniform = [0.1, 0.9] }
[[models]]
[models.prophet]
n_changepoints = 3
daily_seasonality = "never"
[[models]]
[models.ts_mixer]
blocks = 1
[[models]]
[models.boosted_trees]
trees = 3
[[models]]
[models.tcn]
hidden = 2
blocks = 1
[[models]]
[models.kalman]
units = "scaled"
trend_variance = 0.0
[[models]]
[models.dlinear]
kernel = 3
per_channel = { grid = [true, false] }
[[models]]
[models.lstm]
hidden = { grid = [4, 8] }
layers = 2
dropout = { uniform = [0.0, 0.5] }
[[models]]
[models.ensemble]
members = ["lstm", "dlinear"]
[search]
strategy = "random"
trials = 3
seeds = [1, 2]
objective = { metric = "mae", target = "requests", part = "valid" }
[scheduler]
device = "cpu"
threads_per_run = 1
runs_per_gpu = 1
memory_per_run = "1MiB"
timeout = "1min"
grace = "5s"
retries = 2
backoff = "1s"
[scheduler.slurm]
partition = "batch"
parts = 4
array_limit = 2
time = "1h"
cpus = 2
gpus = 0
memory = "1GiB"
options = ["--account=a"]
[scheduler.kubernetes]
image = "a/b:1"
namespace = "lab"
volume = "stores"
volume_size = "5GiB"
parts = 4
parallelism = 2
retries = 2
cpus = 2
gpus = 1
memory = "1GiB"
queue = "q"
labels = { team = "a" }
"#;

const GRID: &str = r#"
name = "grid"
[dataset]
source = "SOURCE"
max_rows = 280
[task.next_request]
lookback = 8
horizon = { grid = [1, 2] }
features = ["arrival_rate", "mean_tokens", "burst", "time_of_day", "day_of_week"]
[split]
rows = [150, 80, 40]
[training]
learning_rate = { grid = [1e-3, 1e-2] }
schedule = { halve = { from_epoch = 2 } }
[evaluation]
drop_last = true
[[models]]
[models.persistence]
[[models]]
[models.ets]
[[models]]
[models.arima]
order = [1, 1, 1]
constant = "never"
refit_every = 10
[[models]]
[models.linear]
[search]
strategy = "grid"
zip = [["task.horizon", "training.learning_rate"]]
"#;

/// A trace that is read quickly, for the experiments that are planned.
static TRACE: LazyLock<(tempfile::TempDir, String)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.csv");
    let whole = include_str!("../../../dataset/fixtures/azure-conv-excerpt.csv");
    let lines: Vec<&str> = whole.lines().take(301).collect();
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    let path = path.display().to_string();
    (folder, path)
});

/// Experiment files.
pub fn experiment() -> Target {
    let quickstart = include_str!("../../../experiments/quickstart.toml");
    let azure = include_str!("../../../experiments/azure-next-request.toml").replace("azure-conv", "SOURCE");
    // The short trace lasts a minute or so.
    let loads = include_str!("../../../experiments/azure-window-load.toml")
        .replace("azure-conv", "SOURCE")
        .replace("\"10s\"", "\"1s\"")
        .replace("lookback = 24", "lookback = 4");
    let texts = [EVERYTHING, GRID, EVERYTHING, GRID, quickstart, &azure, &loads];
    let words = vec![
        "grid",
        "int",
        "uniform",
        "log_uniform",
        "zip",
        "llms = [\"ChatGPT\"]\n",
        "log_types = [\"API log\"]\n",
        "{ grid = [1, 2, 3] }",
        "{ int = [1, 1000000] }",
        "{ uniform = [0.1, 0.9] }",
        "{ grid = [] }",
        "[[models]]\n",
        "[models.lstm]\n",
        "[models.ensemble]\n",
        "[models.zero]\n",
        "[task.series]\n",
        "[search]\n",
        "[[",
        "]]",
        "\"\"\"",
        "true",
        "\"1h\"",
        "\"0s\"",
        "\"99999999999999y\"",
        "\"1ns\"",
        "name",
        "folds",
        "lookback",
        "horizon",
        "rows",
        "embargo",
        "epochs",
        "hidden",
        "layers",
        "kernel",
        "members",
        "seeds",
        "trials",
        "max_rows",
        "1979-05-27T07:32:00Z",
        "\\u0000",
        "é",
    ];
    let corpus = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    Target { name: "experiment", corpus, words, accepts: plan, try_out: |bytes| _ = plan(bytes) }
}

/// Reads an experiment as the program does, plans it on a small trace, and shows the error if there is one.
fn plan(bytes: &[u8]) -> bool {
    let Ok(text) = String::from_utf8(bytes.to_vec()) else { return false };
    let text = text.replace("SOURCE", &TRACE.1);
    let error = match Experiment::parse("fuzz.toml", text, &[]) {
        Err(error) => error,
        Ok(experiment) => match Plan::new(&experiment, &mut Loader::default(), "cpu") {
            Ok(_) => return true,
            Err(error) => error,
        },
    };
    assert!(!error.render(true).is_empty() && !error.to_string().is_empty());
    false
}

/// Trace files.
pub fn trace() -> Target {
    let corpus = TRACES.iter().map(|text| text.as_bytes().to_vec()).collect();
    let words = vec![
        "Timestamp",
        "Model",
        "Request tokens",
        "Response tokens",
        "Total tokens",
        "Log Type",
        "Session ID",
        "TIMESTAMP",
        "ContextTokens",
        "GeneratedTokens",
        "date",
        "all",
        "OT",
        "\"",
        "\"\"",
        "\",\"",
        ",",
        ",,",
        "\r\n",
        "\n\n",
        "\u{feff}",
        "2023-11-16 18:15:46.6805900",
        "2016-07-01 00:00:00",
        "2024-10-27 02:30:00",
        "2024-03-31 02:30:00",
        "2024-02-29",
        "1900-02-29",
        "2023-13-45 25:61:61",
        "9999-12-31 23:59:59.999999999",
        "0001-01-01 00:00:00",
        "ChatGPT",
        "NaN",
        "é",
        "0000000000000000000000000001",
        "\"input_length\": ",
        "{",
        "}",
        "\\u0000",
        "null",
        "Weibull",
        "\"request_received_ms\":",
        "request_end",
        "\"resultType\": \"matrix\"",
        "+Inf",
    ];
    Target { name: "trace", corpus, words, accepts: read, try_out: |bytes| _ = read(bytes) }
}

/// Parquet files.
pub fn parquet() -> Target {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/parquet");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    // Times of a zone are refused.
    paths.retain(|path| !path.to_string_lossy().contains("berlin"));
    let corpus = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
    Target { name: "parquet", corpus, words: Vec::new(), accepts: read, try_out: |bytes| _ = read(bytes) }
}

/// Reads a trace, looks at it, and makes steps of it.
fn read(bytes: &[u8]) -> bool {
    let trace = match parse_trace("trace.csv", bytes) {
        Ok(trace) => trace,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return false;
        }
    };
    inspect(&trace);
    let second = Span(std::time::Duration::from_secs(1));
    let features = vec![
        Feature::ArrivalRate,
        Feature::MeanTokens,
        Feature::Burst,
        Feature::TimeOfDay,
        Feature::DayOfWeek,
    ];
    let windows = |empty_windows| {
        let mean_tokens = true;
        TaskSpec::WindowLoad(WindowLoadSpec {
            window: second,
            lookback: 2,
            horizon: 1,
            mean_tokens,
            empty_windows,
        })
    };
    let tasks = match &trace {
        Trace::Requests(_) => vec![
            TaskSpec::NextRequest(NextRequestSpec { lookback: 2, horizon: 1, features }),
            windows(EmptyWindows::Last),
            windows(EmptyWindows::Skip),
        ],
        Trace::Series(_) => {
            clean_in_every_way(&trace);
            vec![TaskSpec::Series(SeriesSpec { lookback: 2, horizon: 1, mean_tokens: None })]
        }
    };
    let columns: ColumnsSpec = toml::from_str("time_zone = \"Europe/Berlin\"").unwrap();
    if let Ok(local @ Trace::Series(_)) = parse_trace_as("trace.csv", bytes, Some(&columns)) {
        inspect(&local);
        clean_in_every_way(&local);
    }
    for task in tasks {
        if let Ok(steps) = steps_of(&trace, &task, None) {
            assert!(steps.values.iter().all(|value| value.is_finite()), "a step that is not finite");
        }
    }
    true
}

/// Cleans a series by every rule: rows stay in order, and finite.
fn clean_in_every_way(trace: &Trace) {
    for (gaps, repeats) in
        [("interpolate", "mean"), ("last", "last"), ("refuse", "first"), ("keep", "refuse")]
    {
        let text = format!("source = \"x\"\ncleaning = {{ gaps = \"{gaps}\", repeats = \"{repeats}\" }}");
        let spec: DatasetSpec = toml::from_str(&text).unwrap();
        match slice(trace, &spec) {
            Ok((cleaned, _)) => {
                let Trace::Series(series) = &*cleaned else { panic!("a series") };
                assert!(
                    series.time_s.is_sorted()
                        && series.columns.iter().flatten().all(|value| value.is_finite())
                );
            }
            Err(error) => assert!(!error.message.is_empty() && !error.help.is_empty()),
        }
    }
}
