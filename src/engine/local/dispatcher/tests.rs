//! Whole sweeps without a process: the workers are functions that answer what they are sent.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use super::*;
use crate::engine::job::Job;
use crate::engine::local::budget::Budget;
use crate::engine::local::protocol::ToWorker;
use crate::engine::local::worker_process::{Worker, WorkerExit};
use crate::plan::Run;
use crate::spec::{Experiment, PackSize};
use crate::store::{Execution, MetricValue, PlanRecord, RunResult, Status};
use crate::system::device::Placement;
use crate::train::{Epoch, PackRoom};

mod packs;

/// What a worker says to a message; workers are numbered from 1 in the order in which they were started.
type Answer = Box<dyn FnMut(usize, &ToWorker) -> Vec<WorkerMessage>>;

struct FakeLauncher {
    sender: Sender<Envelope>,
    answer: Rc<RefCell<Answer>>,
    launched: usize,
}

impl Launcher for FakeLauncher {
    fn launch(&mut self, slot: usize, serial: u64, _: Placement) -> anyhow::Result<Box<dyn Worker>> {
        self.launched += 1;
        let (sender, answer, number) = (self.sender.clone(), self.answer.clone(), self.launched);
        let worker = FakeWorker { slot, serial, number, sender, answer };
        worker.say(vec![WorkerMessage::Event(FromWorker::Ready { protocol: PROTOCOL })]);
        Ok(Box::new(worker))
    }
}

struct FakeWorker {
    slot: usize,
    serial: u64,
    number: usize,
    sender: Sender<Envelope>,
    answer: Rc<RefCell<Answer>>,
}

impl FakeWorker {
    fn say(&self, messages: Vec<WorkerMessage>) {
        for message in messages {
            self.sender.send(Envelope::new(self.slot, self.serial, message)).unwrap();
        }
    }
}

impl Worker for FakeWorker {
    fn send(&mut self, message: &ToWorker) -> anyhow::Result<()> {
        let messages = self.answer.borrow_mut()(self.number, message);
        self.say(messages);
        Ok(())
    }

    fn terminate(&mut self) {}

    fn kill(&mut self) {}

    fn peak_rss_bytes(&self) -> Option<u64> {
        None
    }

    fn reap(self: Box<Self>) -> WorkerExit {
        let how = format!("(number {}) exited with code 1", self.number);
        WorkerExit { how, signal: None, last_words: String::new() }
    }
}

/// What was announced, one line for each.
#[derive(Default)]
struct Heard(Vec<String>);

impl Progress for Heard {
    fn started(&mut self, slot: usize, run: &Run) {
        self.0.push(format!("{} starts on {slot}", run.label));
    }

    fn epoch(&mut self, _: usize, _: &Run, _: &Epoch) {}

    fn done(&mut self, _: usize, run: &Run, _: &RunResult) {
        self.0.push(format!("{} done", run.label));
    }

    fn elsewhere(&mut self, _: &Run) {}

    fn pruned(&mut self, _: usize, run: &Run, verdict: &str) {
        self.0.push(format!("{} pruned: {verdict}", run.label));
    }

    fn ended(&mut self, _: usize, run: &Run, status: Status, error: &str, again: Option<&str>) {
        let again = again.map_or(String::new(), |again| format!("; {again}"));
        self.0.push(format!("{} {}: {error}{again}", run.label, status.as_str()));
    }

    fn stopping(&mut self, _: &[Awaited<'_>]) {}

    fn spent(&mut self, spent: Spent, _: usize) {
        self.0.push(format!("{spent:?} spent"));
    }

    fn planned(&mut self, runs: usize) {
        self.0.push(format!("{runs} more"));
    }
}

/// A sweep that has ended.
struct Swept {
    summary: anyhow::Result<Summary>,
    heard: Vec<String>,
    /// Status and error of every attempt, by run in the order of the plan.
    attempts: Vec<Vec<(String, String)>>,
    /// Kinds and particulars of what the store keeps of the first run.
    events: Vec<(String, String)>,
}

/// Runs an experiment on the Azure excerpt with workers that answer so.
fn sweep(
    text: &str,
    adjust: impl FnOnce(&mut DispatchOptions),
    answer: impl FnMut(usize, &ToWorker) -> Vec<WorkerMessage> + 'static,
) -> Swept {
    let results = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("dataset/fixtures/azure-conv-excerpt.csv");
    let text = format!(
        "name = \"test\"\n[dataset]\nsource = \"{}\"\nmax_rows = 400\n[task.next_request]\nlookback = 5\n{text}",
        source.display()
    );
    let experiment = Experiment::parse("test.toml", text, &[]).unwrap();
    let mut loader = Loader::default();
    let mut sweep = Sweep::new(experiment, &mut loader, "cpu").unwrap();
    let mut store = Store::open(results.path()).unwrap();
    sweep.replay(&mut store, &mut loader).unwrap();
    let execution = Execution {
        command: "test".to_string(),
        device_class: "cpu".to_string(),
        host: None,
        git_commit: None,
        git_dirty: None,
    };
    let initial = sweep.plan().runs.len();
    let record =
        PlanRecord { experiment: &sweep.experiment, plan: sweep.plan(), initial, execution: &execution };
    let revision = store.record_plan(&record).unwrap().id;
    let mut options = DispatchOptions {
        revision,
        results: results.path().to_path_buf(),
        slots: vec![Placement::Cpu],
        pack: PackSize::Auto,
        room: PackRoom::default(),
        threads_per_run: 1,
        timeout: None,
        grace: Duration::ZERO,
        retries: 0,
        backoff: Duration::ZERO,
        fail_fast: false,
        forced: false,
        budget: Budget::default(),
        git_commit: None,
        git_dirty: None,
    };
    adjust(&mut options);
    let todo: Vec<usize> = (0..sweep.runs().len()).collect();
    let mut heard = Heard::default();
    let answer: Rc<RefCell<Answer>> = Rc::new(RefCell::new(Box::new(answer)));
    let launcher = |sender| -> Box<dyn Launcher> { Box::new(FakeLauncher { sender, answer, launched: 0 }) };
    let (store_of, progress) = (&mut store, &mut heard);
    let dispatcher =
        Dispatcher::with_workers(store_of, options, &mut sweep, &mut loader, &todo, progress, launcher);
    let summary = dispatcher.run();
    let ids: Vec<String> = sweep.runs().iter().map(|run| run.id.clone()).collect();
    let attempts = ids.iter().map(|id| {
        let attempts = store.attempts_of_run(id).unwrap().into_iter();
        attempts.map(|attempt| (attempt.status, attempt.error.unwrap_or_default())).collect()
    });
    let attempts = attempts.collect();
    let events = store.events_of_run(&ids[0]).unwrap().into_iter();
    let events = events.map(|event| (event.kind, event.detail)).collect();
    Swept { summary, heard: heard.0, attempts, events }
}

/// Three runs that nothing connects.
const THREE: &str = "[[models]]\n[models.moving_average]\nwindow = { grid = [2, 3, 4] }\n";

fn event(event: FromWorker) -> WorkerMessage {
    WorkerMessage::Event(event)
}

fn job_of(message: &ToWorker) -> &Job {
    match message {
        ToWorker::Run(job) => job,
        ToWorker::Pack(_) | ToWorker::Verdict { .. } => panic!("{message:?}"),
    }
}

fn done(run_id: &str, objective: f64) -> WorkerMessage {
    let metric = |value| MetricValue {
        part: "valid".to_string(),
        target: "all".to_string(),
        unit: "scaled".to_string(),
        name: "mse".to_string(),
        value,
    };
    let metrics = vec![metric(objective)];
    let run_id = run_id.to_string();
    event(FromWorker::Done(Arc::new(RunResult {
        run_id,
        metrics,
        breakdowns: Vec::new(),
        wall_s: 1.0,
        peak_rss_bytes: None,
    })))
}

fn statuses(swept: &Swept) -> Vec<Vec<&str>> {
    swept.attempts.iter().map(|run| run.iter().map(|(status, _)| status.as_str()).collect()).collect()
}

#[test]
fn runs_start_in_the_order_of_the_plan_and_all_results_are_recorded() {
    let swept = sweep(THREE, |_| {}, |_, message| vec![done(&job_of(message).run_id, 1.0)]);
    let summary = swept.summary.as_ref().unwrap();
    assert_eq!((summary.done, summary.started, summary.not_started), (3, 3, 0));
    assert_eq!(statuses(&swept), [["done"], ["done"], ["done"]]);
    let starts: Vec<&String> = swept.heard.iter().filter(|line| line.contains("starts")).collect();
    assert!(starts[0].contains("window=2") && starts[2].contains("window=4"), "{starts:?}");
}

#[test]
fn a_crash_consumes_a_retry_and_the_run_fails_when_there_is_none_left() {
    let swept = sweep(
        THREE,
        |options| options.retries = 1,
        |_, message| {
            let Job { run_id, spec, .. } = job_of(message);
            let is_first = spec.params()["model"]["window"] == 2;
            if is_first { vec![WorkerMessage::Ended] } else { vec![done(run_id, 1.0)] }
        },
    );
    let summary = swept.summary.as_ref().unwrap();
    assert_eq!((summary.done, summary.failed), (2, 1));
    assert_eq!(statuses(&swept)[0], ["failed", "failed"]);
    assert_eq!(swept.attempts[0][1].1, "the worker (number 2) exited with code 1");
}

#[test]
fn a_line_that_cannot_be_read_costs_the_worker_and_not_the_run() {
    let swept = sweep(
        THREE,
        |_| {},
        |number, message| match number {
            1 => vec![WorkerMessage::Unreadable("cannot read the line `hello`: expected value".to_string())],
            _ => vec![done(&job_of(message).run_id, 1.0)],
        },
    );
    let summary = swept.summary.as_ref().unwrap();
    assert_eq!((summary.done, summary.failed), (3, 0), "without a retry to consume: {:?}", swept.heard);
    assert_eq!(statuses(&swept)[0], ["interrupted", "done"]);
    let told = "the supervisor cannot read the line `hello`: expected value; the worker was ended";
    assert_eq!(swept.attempts[0][0].1, told);
    let unreadable: Vec<_> = swept.events.iter().filter(|(kind, _)| kind == "unreadable").collect();
    assert_eq!(unreadable, [&("unreadable".to_string(), told.to_string())]);
    assert!(swept.heard.iter().any(|line| line.ends_with("ended; it is tried again")), "{:?}", swept.heard);
}

#[test]
fn a_run_whose_messages_cannot_be_read_a_second_time_has_failed() {
    let swept = sweep(
        THREE,
        |options| options.retries = 5,
        |number, message| match number {
            1 | 2 => vec![event(FromWorker::Unreadable { error: "cannot read the line `x`".to_string() })],
            _ => vec![done(&job_of(message).run_id, 1.0)],
        },
    );
    let summary = swept.summary.as_ref().unwrap();
    assert_eq!((summary.done, summary.failed), (2, 1), "{:?}", swept.heard);
    assert_eq!(statuses(&swept)[0], ["interrupted", "failed"]);
    assert_eq!(
        swept.attempts[0][1].1,
        "the worker cannot read the line `x`; the worker was ended, for the second time"
    );
}

#[test]
fn a_run_that_lacked_memory_is_tried_once_more_while_nothing_else_runs() {
    let mut refused = false;
    let swept = sweep(
        THREE,
        |options| options.slots = vec![Placement::Cpu; 2],
        move |_, message| {
            if !std::mem::replace(&mut refused, true) {
                let error = "cannot map the cache".to_string();
                return vec![event(FromWorker::Failed { error, out_of_memory: true, peak_rss_bytes: None })];
            }
            vec![done(&job_of(message).run_id, 1.0)]
        },
    );
    assert_eq!(statuses(&swept)[0], ["failed", "done"]);
    assert_eq!(swept.attempts[0][0].1, "out of memory: cannot map the cache");
    let last_start = swept.heard.iter().rposition(|line| line.contains("starts")).unwrap();
    assert!(swept.heard[last_start].contains("window=2"), "the others come first: {:?}", swept.heard);
    let done_before = swept.heard[..last_start].iter().filter(|line| line.ends_with("done")).count();
    assert_eq!(done_before, 2, "nothing else runs: {:?}", swept.heard);
}

#[test]
fn an_error_of_the_run_itself_is_not_tried_again_and_fail_fast_stops_there() {
    let swept = sweep(
        THREE,
        |options| (options.retries, options.fail_fast) = (5, true),
        |_, _| {
            let error = "diverged".to_string();
            vec![event(FromWorker::Failed { error, out_of_memory: false, peak_rss_bytes: None })]
        },
    );
    let summary = swept.summary.as_ref().unwrap();
    assert_eq!((summary.failed, summary.not_started), (1, 2));
    assert_eq!(statuses(&swept), [vec!["failed"], vec![], vec![]]);
}

#[test]
fn a_spent_budget_leaves_the_rest_for_later() {
    let swept = sweep(
        THREE,
        |options| options.budget.runs = Some(2),
        |_, message| vec![done(&job_of(message).run_id, 1.0)],
    );
    let summary = swept.summary.as_ref().unwrap();
    assert_eq!((summary.done, summary.not_started, summary.spent), (2, 1, Some(Spent::Runs)));
    assert_eq!(swept.heard.last().unwrap(), "Runs spent");
}

#[test]
fn a_result_of_another_run_is_never_recorded() {
    let swept = sweep(THREE, |_| {}, |_, _| vec![done("0123456789abcdef", 1.0)]);
    let error = swept.summary.as_ref().unwrap_err().to_string();
    assert!(error.contains("gave the result of run 0123456789abcdef"), "{error}");
    assert!(swept.attempts.iter().flatten().all(|(status, _)| status != "done"), "{:?}", swept.attempts);
}

#[test]
fn a_worker_of_another_version_ends_the_sweep() {
    let swept = sweep(THREE, |_| {}, |_, _| vec![event(FromWorker::Ready { protocol: PROTOCOL + 1 })]);
    let error = swept.summary.unwrap_err().to_string();
    assert!(error.contains("the burstlab program was replaced"), "{error}");
}

#[test]
fn an_ensemble_waits_for_its_members_and_takes_the_best_of_each() {
    let text = "[[models]]\n[models.moving_average]\nwindow = { grid = [2, 3] }\n\
                [[models]]\n[models.zero]\n\
                [[models]]\n[models.ensemble]\nmembers = [\"moving_average\", \"zero\"]\n";
    let chosen = Rc::new(RefCell::new(Vec::new()));
    let seen = chosen.clone();
    let swept = sweep(
        text,
        |options| options.slots = vec![Placement::Cpu; 4],
        move |_, message| {
            let Job { run_id, members, spec, .. } = job_of(message);
            seen.borrow_mut().push((run_id.clone(), members.clone()));
            let objective = if spec.params()["model"]["window"] == 3 { 0.5 } else { 0.9 };
            vec![done(run_id, objective)]
        },
    );
    assert_eq!(swept.summary.unwrap().done, 4, "{:?}", swept.heard);
    let chosen = chosen.borrow();
    assert_eq!(chosen[3].1, [chosen[1].0.clone(), chosen[2].0.clone()]);
}

#[test]
fn a_pruner_lets_runs_wait_for_earlier_ones_and_ends_those_that_are_worse() {
    let text = "[training]\nepochs = 4\nlearning_rate = { grid = [1e-4, 1e-3, 1e-2] }\n\
                [[models]]\n[models.linear]\n\
                [search.pruner.asha]\nreduction_factor = 2\nmin_epochs = 1\n";
    let answer = |_: usize, message: &ToWorker| {
        let epoch = |epoch: usize, valid_loss: f64| {
            event(FromWorker::Epoch(Epoch {
                epoch,
                train_loss: valid_loss,
                valid_loss,
                learning_rate: 1e-3,
                wall_s: 0.1,
            }))
        };
        match message {
            // The later a run stands in the plan the worse it is; the loss is told by the learning rate.
            ToWorker::Run(job) => {
                let rate = job.spec.params()["training"]["learning_rate"].as_f64().unwrap();
                assert_eq!(job.rungs, [1, 2]);
                vec![epoch(1, rate)]
            }
            ToWorker::Verdict { goes_on: false, .. } => {
                vec![event(FromWorker::Pruned { wall_s: 0.1, peak_rss_bytes: None })]
            }
            ToWorker::Verdict { epoch: 1, .. } => vec![epoch(2, 1e-4)],
            ToWorker::Verdict { run_id, .. } => vec![done(run_id, 1e-4)],
            ToWorker::Pack(_) => panic!("{message:?}"),
        }
    };
    for slots in [1, 3] {
        let swept = sweep(text, |options| options.slots = vec![Placement::Cpu; slots], answer);
        let summary = swept.summary.as_ref().unwrap();
        assert_eq!((summary.done, summary.pruned), (1, 2), "{slots} slots: {:?}", swept.heard);
        assert_eq!(statuses(&swept), [["done"], ["pruned"], ["pruned"]], "{slots} slots");
    }
}
