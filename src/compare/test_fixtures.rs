//! A small comparison made by hand, for tests.

use std::collections::BTreeMap;

use serde_json::json;

use super::board::{Board, BoardRow, Completion, FoldError};
use super::capacity::{BoardCapacity, CapacityRow, FrontierPoint};
use super::claims::{ClaimVerdict, Judgement};
use super::comparison::{Comparison, ScoredRun};
use super::metric_means::{MeanSpread, MetricKey};
use super::significance::Difference;
use crate::capacity::{CapacityTotals, PlanLevel};
use crate::spec::{CapacitySpec, ClaimSpec, ObjectiveSpec};
use crate::store::{BreakdownRow, EpochRow, RevisionRow, RunRow, Status};

/// Two boards of a baseline, a trained model and a failed run, without any file on disk.
pub fn comparison() -> Comparison {
    let boards: Vec<Board> = ["horizon 1", "horizon 12"].map(board).to_vec();
    let runs = vec![
        run("aaaa", "lstm", Some(1), Status::Done),
        run("bbbb", "persistence", None, Status::Done),
        run("cccc", "dlinear", Some(1), Status::Failed),
        run("dddd", "dlinear", Some(2), Status::Planned),
    ];
    let scored = [("aaaa", "lstm hidden=32", 0.7), ("bbbb", "persistence", 1.0)];
    Comparison {
        experiment: experiment(),
        objective: ObjectiveSpec::default(),
        runs,
        boards,
        epochs: [1.0, 0.8].map(epoch).to_vec(),
        searches: Vec::new(),
        claims: claims(),
        scored: scored
            .map(|(run_id, label, value)| ScoredRun {
                run_id: run_id.to_string(),
                board: 0,
                label: label.to_string(),
                seed: Some(1),
                fold: 0,
                valid: Some(value),
                test: Some(value),
                wall_s: Some(2.0),
            })
            .to_vec(),
    }
}

/// A claim that is reproduced, one that is refuted as expected, and one whose runs are not done.
fn claims() -> Vec<Judgement> {
    let claim = |name: &str, more: &str| -> ClaimSpec {
        toml::from_str(&format!("name = \"{name}\"\nmetric = \"mse\"\n{more}")).unwrap()
    };
    let judged = |claim: ClaimSpec, verdict: ClaimVerdict, value: f64, note: Option<String>| Judgement {
        claim,
        verdict,
        value: note.is_none().then_some(value),
        spread: note.is_none().then_some(0.01),
        range: note.is_none().then_some((value - 0.01, value + 0.01)),
        runs: if note.is_none() { 5 } else { 2 },
        planned: 5,
        note,
    };
    vec![
        judged(
            claim("LSTM <in print>", "reported = 0.7\ntolerance = \"4%\""),
            ClaimVerdict::Reproduced,
            0.71,
            None,
        ),
        judged(
            claim("Linear", "at_most = 0.5\nexpect = \"refuted\"\nreason = \"it stops early & often\""),
            ClaimVerdict::Refuted,
            0.6,
            None,
        ),
        judged(
            claim("Absent", "at_most = 0.5"),
            ClaimVerdict::NotRun,
            0.0,
            Some("2 of its 5 runs are done".into()),
        ),
    ]
}

/// The same experiment before any run was done.
pub fn unstarted() -> Comparison {
    let mut comparison = comparison();
    comparison.boards.clear();
    comparison.scored.clear();
    comparison.epochs.clear();
    for run in &mut comparison.runs {
        run.status = Status::Planned;
        run.attempts = 0;
        run.error = None;
    }
    comparison
}

fn experiment() -> RevisionRow {
    let text = "name = \"sample\" # </pre><script>\n";
    RevisionRow {
        experiment: "sample".to_string(),
        revision: 2,
        is_latest: true,
        description: Some("Models <b>compared</b> | by hand".to_string()),
        path: "experiments/sample.toml".to_string(),
        text: text.to_string(),
        given: text.to_string(),
        overrides: "[\"training.epochs=2\"]".to_string(),
        axes: "[]".to_string(),
        objective: String::new(),
        unproposed: 0,
        command: "burstlab run experiments/sample.toml".to_string(),
        git_commit: None,
        git_dirty: None,
        host: None,
        device: Some("cpu".to_string()),
        started_at: "2025-12-31T23:59:00Z".to_string(),
        updated_at: "2026-01-01T00:00:00Z".to_string(),
        finished_at: None,
        outcome: None,
        note: None,
        archived: false,
        tags: None,
    }
}

fn board(title: &str) -> Board {
    Board {
        title: title.to_string(),
        rows: vec![
            row("lstm", "lstm hidden=32", "aaaa", 0.7),
            row("persistence", "persistence", "bbbb", 1.0),
        ],
        trials: 2,
        completion: Completion { runs: 2, done: 2, ..Completion::default() },
        lookbacks: vec![20],
        saved_run: None,
        targets: Vec::new(),
        capacity: None,
    }
}

/// What acting on forecasts costs, as two models and the policies have it.
pub fn capacity() -> BoardCapacity {
    let spec: CapacitySpec = serde_json::from_str(
        r#"{"prefill_tokens_per_s": 6000, "decode_tokens_per_s": 1500, "cold_start": "10min", "plan_for": ["mean", 0.9]}"#,
    )
    .unwrap();
    let values = |replica_hours: f64, late_work_share: f64| CapacityTotals {
        replica_hours,
        idle_replica_hours: 0.2 * replica_hours,
        under_provisioned_share: late_work_share,
        late_work_share,
        max_delay_s: 45.0,
        scale_events: 61.5,
    };
    let row = |name: &str, values: CapacityTotals| CapacityRow {
        name: name.to_string(),
        plans: Vec::new(),
        values,
        frontier: Vec::new(),
        against_headroom: None,
    };
    let model = |name: &str, replica_hours: f64, late: f64, against: f64| CapacityRow {
        plans: vec![(PlanLevel::Quantile(0.9), 1.0)],
        frontier: [
            (PlanLevel::Mean, 0.75 * replica_hours, 0.23),
            (PlanLevel::Quantile(0.9), replica_hours, late),
        ]
        .map(|(level, replica_hours, late_work_share)| FrontierPoint {
            level,
            replica_hours,
            late_work_share,
        })
        .to_vec(),
        against_headroom: Some(difference(against)),
        ..row(name, values(replica_hours, late))
    };
    BoardCapacity {
        spec,
        window_s: 600.0,
        windows: 301,
        models: vec![model("dlinear", 4_641.0, 0.004, -199.0), model("nlinear", 4_685.0, 0.0092, -155.0)],
        policies: vec![
            row("reactive", values(3_737.0, 0.139)),
            row("reactive_with_headroom", values(4_840.0, 0.008)),
            row("static", values(9_238.0, 0.0)),
            row("oracle", values(3_753.0, 0.0)),
        ],
        headroom_factor: 1.25,
        is_partial: false,
    }
}

fn row(model: &str, label: &str, run_id: &str, value: f64) -> BoardRow {
    let baseline = model == "persistence";
    let error = MeanSpread { mean: value, spread: (!baseline).then_some(0.01) };
    let names =
        ["mae", "rmse", "coverage_50", "coverage_80", "coverage_95", "width_80", "winkler_80", "crps"];
    let metrics = names.map(|name| (MetricKey::original("gap_s", name), error));
    BoardRow {
        model: model.to_string(),
        kind: model.to_string(),
        label: label.to_string(),
        baseline,
        trials: 1,
        trials_done: 1,
        run_ids: vec![run_id.to_string()],
        seeds: usize::from(!baseline),
        valid: value,
        test: error,
        skill: (!baseline).then_some(0.3),
        against_baseline: (!baseline).then(|| difference(-0.3)),
        against_best: baseline.then(|| difference(0.3)),
        folds: vec![FoldError { fold: 0, error: value }, FoldError { fold: 1, error: value + 0.1 }],
        breakdowns: ["18", "19"]
            .iter()
            .flat_map(|hour| {
                [("mae", value), ("bias", 0.1), ("coverage_80", 0.79)]
                    .map(|(name, value)| breakdown(run_id, hour, name, value))
            })
            .collect(),
        metrics: BTreeMap::from(metrics),
    }
}

/// A significant difference of this mean.
fn difference(mean: f64) -> Difference {
    Difference {
        mean,
        lower: mean - 0.1,
        upper: mean + 0.1,
        p_value: 0.001,
        holm_p_value: 0.002,
        loss: "mse",
        blocks: 40,
    }
}

fn breakdown(run_id: &str, hour: &str, name: &str, value: f64) -> BreakdownRow {
    BreakdownRow {
        run_id: run_id.to_string(),
        dimension: "hour".to_string(),
        bucket: hour.to_string(),
        target: "gap_s".to_string(),
        unit: "original".to_string(),
        name: name.to_string(),
        value,
        forecasts: 100,
    }
}

/// A run.
pub fn run(run_id: &str, model: &str, seed: Option<i64>, status: Status) -> RunRow {
    RunRow {
        run_id: run_id.to_string(),
        experiment: "sample".to_string(),
        model: model.to_string(),
        seed,
        fold: 0,
        status,
        device: "cpu".to_string(),
        params: json!({
            "dataset": { "source": "synthetic-burstgpt", "cleaning": { "drop_zero_tokens": false } },
            "split": { "train": 0.7, "valid": 0.15, "test": 0.15, "embargo": 0, "folds": 1 },
            "task": { "kind": "next_request", "lookback": 20, "horizon": 1 },
            "model": { "kind": model },
            "training": {},
            "evaluation": { "drop_last": true, "batch_size": 64 },
        })
        .into(),
        started_at: None,
        finished_at: None,
        wall_s: Some(2.0),
        peak_rss_bytes: Some(64 << 20),
        attempts: 1,
        git_commit: Some("0123abc".to_string()),
        git_dirty: Some(true),
        version: Some("0.1.0".to_string()),
        dataset_sha256: "ab".repeat(32),
        leak_verdict: "clean: train targets 20..700".to_string(),
        error: (status == Status::Failed).then(|| "the loss | is\nnot finite".to_string()),
        revisions: "2".to_string(),
        tags: None,
        note: None,
    }
}

fn epoch(loss: f64) -> EpochRow {
    EpochRow {
        run_id: "aaaa".to_string(),
        epoch: if loss < 1.0 { 2 } else { 1 },
        train_loss: loss,
        valid_loss: loss,
    }
}
