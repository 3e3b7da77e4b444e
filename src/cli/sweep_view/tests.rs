//! What fits on the screen, and what is left out first.

use super::*;

fn full() -> SweepView {
    let running = |seed: usize| RunningLine {
        title: format!("lstm hidden=64 layers=2 learning_rate=0.001 dropout=0.1 lookback=336 seed={seed}"),
        elapsed_s: Some(75.4),
        epoch: Some("epoch 12/40".to_string()),
        loss: Some(0.298_31),
        trouble: None,
    };
    let failure = |word: &str| FailureLine {
        word: word.to_string(),
        title: "lstm hidden=1024 layers=8 learning_rate=0.1 seed=3".to_string(),
        reason:
            "the loss became NaN in epoch 3, so that the run diverged; a smaller learning rate helps\nmore"
                .to_string(),
    };
    let leader = |horizon: usize| Leader {
        label: format!("dlinear per_channel=false learning_rate=0.003 horizon={horizon}"),
        value: 0.2983,
        done: 2,
        runs: 3,
        is_baseline: false,
        baseline: Some(("moving_average window=50".to_string(), 0.3355)),
    };
    SweepView {
        name: "a-sweep-over-many-horizons-and-models".to_string(),
        total: 12_000,
        settled: Settled { done: 4_000, pruned: 120, failed: 17 },
        interrupted: 0,
        running: (0..30).map(running).collect(),
        failures: vec![failure("failed"), failure("timed out"), failure(RETRY)],
        leaders: [96, 192, 336, 720, 1_000].map(leader).to_vec(),
        objective: "valid mse".to_string(),
        elapsed_s: Some(4_000.7),
        per_minute: Some(61.4),
        is_stopping: false,
        notices: vec![
            "stopping: 30 runs still running will be finished first (lstm seed=1, lstm seed=2, lstm seed=3 \
                       and 27 more); that may take up to 2 min 3 s; press Ctrl-C again to stop now"
                .to_string(),
        ],
    }
}

fn texts(view: &SweepView, width: usize, height: usize) -> Vec<String> {
    view.lines(width, height).into_iter().map(|line| line.text).collect()
}

#[test]
fn no_line_is_wider_and_no_view_is_higher_than_the_screen() {
    let mut wide = full();
    wide.name = "負荷の予測".repeat(12);
    wide.failures[0].reason = "入力データが壊れています".repeat(20);
    wide.running[0].title = "模型".repeat(60);
    for view in [full(), wide, SweepView::default()] {
        for width in [1, 10, 20, 60, 80, 100, 200] {
            for height in [1, 2, 4, 8, 12, 40] {
                let lines = texts(&view, width, height);
                assert!(lines.len() <= height, "{height}: {lines:#?}");
                for line in lines {
                    assert!(measure_text_width(&line) <= width, "{width}: {line}");
                    assert!(!line.contains('\n'));
                }
            }
        }
    }
}

#[test]
fn sixty_columns_keep_what_matters_most() {
    insta::assert_snapshot!(texts(&full(), 60, 16).join("\n"), @r#"
    failed     15 more; `burstlab runs --experiment a-sweep-ove…
    failed     lstm hidde….1 seed=3: the loss became NaN in epo…
    timed out  lstm hidde….1 seed=3: the loss became NaN in epo…
    retry      lstm hidde….1 seed=3: the loss became NaN in epo…
    running    lstm hidden=…=336 seed=0  1 min 15 s  epoch 12/40
    running    29 more
    best       dlinear pe…horizon=96: valid mse 0.2983 (-11.1 %)
    best       dlinear pe…orizon=192: valid mse 0.2983 (-11.1 %)
    best       dlinear pe…orizon=336: valid mse 0.2983 (-11.1 %)
    best       dlinear pe…orizon=720: valid mse 0.2983 (-11.1 %)
    best       dlinear pe…rizon=1000: valid mse 0.2983 (-11.1 %)
    a-sweep…-models  4,137/12,000 runs, 61/min, 2 h 8 min left
    4,000 done, 120 pruned, 17 failed, 30 running, 7,833 planned
    stopping: 30 runs still running will be finished first (lstm
    seed=1, lstm seed=2, lstm seed=3 and 27 more); that may take
    up to 2 min 3 s; press Ctrl-C again to stop now
    "#);
}

#[test]
fn a_hundred_columns_show_the_reasons_and_the_ends_of_names() {
    insta::assert_snapshot!(texts(&full(), 100, 16).join("\n"), @r#"
    failed     15 more; `burstlab runs --experiment a-sweep-over-many-horizons-and-models --status fail…
    failed     lstm hidden=1024 …g_rate=0.1 seed=3: the loss became NaN in epoch 3, so that the run div…
    timed out  lstm hidden=1024 …g_rate=0.1 seed=3: the loss became NaN in epoch 3, so that the run div…
    retry      lstm hidden=1024 …g_rate=0.1 seed=3: the loss became NaN in epoch 3, so that the run div…
    running    lstm hidden=64 layer…lookback=336 seed=0  1 min 15 s  epoch 12/40  validation loss 0.2983
    running    lstm hidden=64 layer…lookback=336 seed=1  1 min 15 s  epoch 12/40  validation loss 0.2983
    running    28 more
    best       dlinear per_channel=fa…rate=0.003 horizon=96: valid mse 0.2983; baseline 0.3355 (-11.1 %)
    best       dlinear per_channel=fa…ate=0.003 horizon=192: valid mse 0.2983; baseline 0.3355 (-11.1 %)
    best       dlinear per_channel=fa…ate=0.003 horizon=336: valid mse 0.2983; baseline 0.3355 (-11.1 %)
    best       dlinear per_channel=fa…ate=0.003 horizon=720: valid mse 0.2983; baseline 0.3355 (-11.1 %)
    best       dlinear per_channel=fa…te=0.003 horizon=1000: valid mse 0.2983; baseline 0.3355 (-11.1 %)
    a-sweep-over-many-…rizons-and-models  ██░░░░░░  4,137/12,000 runs, 1 h 6 min, 61/min, 2 h 8 min left
    12,000 runs: 4,000 done, 120 pruned, 17 failed, 30 running, 7,833 planned
    stopping: 30 runs still running will be finished first (lstm seed=1, lstm seed=2, lstm seed=3 and 27
    more); that may take up to 2 min 3 s; press Ctrl-C again to stop now
    "#);
}

#[test]
fn two_hundred_columns_cut_little() {
    insta::assert_snapshot!(texts(&full(), 200, 20).join("\n"), @r#"
    failed     15 more; `burstlab runs --experiment a-sweep-over-many-horizons-and-models --status failed` lists all
    failed     lstm hidden=1024 layers=8 learning_rate=0.1 seed=3: the loss became NaN in epoch 3, so that the run diverged; a smaller learning rate helps
    timed out  lstm hidden=1024 layers=8 learning_rate=0.1 seed=3: the loss became NaN in epoch 3, so that the run diverged; a smaller learning rate helps
    retry      lstm hidden=1024 layers=8 learning_rate=0.1 seed=3: the loss became NaN in epoch 3, so that the run diverged; a smaller learning rate helps
    running    lstm hidden=64 layers=2 learning_rate=0.001 dropout=0.1 lookback=336 seed=0  1 min 15 s  epoch 12/40  validation loss 0.2983
    running    lstm hidden=64 layers=2 learning_rate=0.001 dropout=0.1 lookback=336 seed=1  1 min 15 s  epoch 12/40  validation loss 0.2983
    running    lstm hidden=64 layers=2 learning_rate=0.001 dropout=0.1 lookback=336 seed=2  1 min 15 s  epoch 12/40  validation loss 0.2983
    running    lstm hidden=64 layers=2 learning_rate=0.001 dropout=0.1 lookback=336 seed=3  1 min 15 s  epoch 12/40  validation loss 0.2983
    running    lstm hidden=64 layers=2 learning_rate=0.001 dropout=0.1 lookback=336 seed=4  1 min 15 s  epoch 12/40  validation loss 0.2983
    running    lstm hidden=64 layers=2 learning_rate=0.001 dropout=0.1 lookback=336 seed=5  1 min 15 s  epoch 12/40  validation loss 0.2983
    running    lstm hidden=64 layers=2 learning_rate=0.001 dropout=0.1 lookback=336 seed=6  1 min 15 s  epoch 12/40  validation loss 0.2983
    running    23 more
    best       dlinear per_channel=false learning_rate=0.003 horizon=96: valid mse 0.2983, the mean of 2 of 3 runs; 0.3355 by the baseline moving_average window=50 (-11.1 %)
    best       dlinear per_channel=false learning_rate=0.003 horizon=192: valid mse 0.2983, the mean of 2 of 3 runs; 0.3355 by the baseline moving_average window=50 (-11.1 %)
    best       dlinear per_channel=false learning_rate=0.003 horizon=336: valid mse 0.2983, the mean of 2 of 3 runs; 0.3355 by the baseline moving_average window=50 (-11.1 %)
    best       dlinear per_channel=false learning_rate=0.003 horizon=720: valid mse 0.2983, the mean of 2 of 3 runs; 0.3355 by the baseline moving_average window=50 (-11.1 %)
    best       dlinear per_channel=false learning_rate=0.003 horizon=1000: valid mse 0.2983, the mean of 2 of 3 runs; 0.3355 by the baseline moving_average window=50 (-11.1 %)
    a-sweep-over-many-horizons-and-models  ███████████░░░░░░░░░░░░░░░░░░░░░  4,137/12,000 runs, 1 h 6 min, 61/min, 2 h 8 min left
    12,000 runs: 4,000 done, 120 pruned, 17 failed, 30 running, 7,833 planned
    stopping: 30 runs still running will be finished first (lstm seed=1, lstm seed=2, lstm seed=3 and 27 more); that may take up to 2 min 3 s; press Ctrl-C again to stop now
    "#);
}

#[test]
fn what_failed_before_the_named_runs_is_counted() {
    let mut view = full();
    assert!(texts(&view, 100, 20)[0].starts_with("failed     15 more; `burstlab runs --experiment"));
    view.settled.failed = 2;
    assert!(texts(&view, 100, 20)[0].starts_with("failed     lstm"));
    view.failures.clear();
    view.settled.failed = 0;
    assert!(texts(&view, 100, 20)[0].starts_with("running    lstm"));
}

#[test]
fn a_baseline_that_leads_is_called_one() {
    let leader = Leader {
        label: "mean".to_string(),
        value: -1.25,
        done: 1,
        runs: 1,
        is_baseline: true,
        baseline: None,
    };
    assert_eq!(leader.text("valid nll", 80), "best       mean: valid nll -1.250; a baseline");
    let better = Leader { is_baseline: false, baseline: Some(("mean".to_string(), -1.0)), ..leader };
    assert_eq!(
        Leader { label: "renewal".to_string(), ..better }.text("valid nll", 80),
        "best       renewal: valid nll -1.250; -1.000 by the baseline mean"
    );
}

#[test]
fn the_time_left_counts_every_run_that_ended_and_ends_with_the_sweep() {
    let mut view = SweepView {
        total: 100,
        settled: Settled { done: 10, pruned: 30, failed: 10 },
        per_minute: Some(25.0),
        ..SweepView::default()
    };
    assert_eq!(view.left_s(), Some(120.0));
    view.is_stopping = true;
    assert_eq!(view.left_s(), None);
    view.is_stopping = false;
    view.settled.done = 60;
    assert_eq!(view.left_s(), None);
}

#[test]
fn the_pace_is_that_of_the_last_runs() {
    let mut pace = SettlePace::default();
    assert_eq!(pace.per_minute(10.0), None);
    pace.settle(1.0);
    assert_eq!(pace.per_minute(30.0), Some(2.0));
    // A thousand short runs, then one every ten seconds.
    for _ in 0..1_000 {
        pace.settle(2.0);
    }
    for run in 1..=50 {
        pace.settle(2.0 + 10.0 * f64::from(run));
    }
    assert_eq!(pace.per_minute(502.0), Some(6.0));
}

#[test]
fn a_name_is_cut_in_its_middle_by_what_it_takes_on_the_screen() {
    assert_eq!(middle_cut("lstm hidden=64 seed=3", 30), "lstm hidden=64 seed=3");
    assert_eq!(middle_cut("lstm hidden=64 seed=3", 13), "lstm h…seed=3");
    assert_eq!(middle_cut("模型模型模型", 7), "模型…型");
    assert_eq!(cut("模型模型模型", 6), "模型…");
}
