//! Sweeps with packs, whose workers are functions.

use std::collections::HashMap;

use super::*;

/// Six runs of one shape.
const SIX: &str = "[training]\nlearning_rate = { grid = [1e-4, 1e-3, 1e-2] }\n[[models]]\n[models.linear]\n\
                   [search]\nseeds = [1, 2]\n";

/// What a worker says of a run of a pack.
fn member(lane: usize, message: WorkerMessage) -> WorkerMessage {
    let WorkerMessage::Event(own) = message else { panic!("{message:?}") };
    event(FromWorker::Member { lane, event: Box::new(own) })
}

#[test]
fn runs_of_one_shape_go_to_a_worker_together_and_each_result_is_its_own() {
    let sizes = Rc::new(RefCell::new(Vec::new()));
    let seen = sizes.clone();
    let swept = sweep(
        SIX,
        |options| options.pack = PackSize::Runs(4),
        move |_, message| match message {
            ToWorker::Pack(jobs) => {
                seen.borrow_mut().push(jobs.len());
                // The last one ends first.
                (0..jobs.len()).rev().map(|lane| member(lane, done(&jobs[lane].run_id, 1.0))).collect()
            }
            ToWorker::Run(_) | ToWorker::Verdict { .. } => panic!("{message:?}"),
        },
    );
    let summary = swept.summary.as_ref().unwrap();
    assert_eq!((summary.done, summary.started), (6, 6), "{:?}", swept.heard);
    assert_eq!(*sizes.borrow(), [4, 2]);
    assert!(swept.attempts.iter().all(|run| run.len() == 1));
    assert!(swept.heard.iter().any(|line| line.ends_with("starts on 3")), "{:?}", swept.heard);
    let packed = swept.events.iter().find(|(kind, _)| kind == "packed").unwrap();
    assert_eq!(packed.1, "together with 3 other runs of its shape");
}

#[test]
fn a_pack_that_dies_costs_each_of_its_unfinished_runs_an_attempt_and_they_go_on_alone() {
    let swept = sweep(
        SIX,
        |options| (options.pack, options.retries) = (PackSize::Runs(6), 1),
        |_, message| match message {
            ToWorker::Pack(jobs) => {
                vec![member(1, done(&jobs[1].run_id, 1.0)), WorkerMessage::Ended]
            }
            _ => vec![done(&job_of(message).run_id, 1.0)],
        },
    );
    assert_eq!(swept.summary.as_ref().unwrap().done, 6, "{:?}", swept.heard);
    let expected: [&[&str]; 6] = [
        &["failed", "done"],
        &["done"],
        &["failed", "done"],
        &["failed", "done"],
        &["failed", "done"],
        &["failed", "done"],
    ];
    assert_eq!(statuses(&swept), expected);
    assert_eq!(swept.attempts[5][0].1, "the worker (number 1) exited with code 1");
}

/// Workers whose runs end an epoch whenever all of them have been told to go on, and end after the third. The loss of a run
/// never changes.
fn lockstep(loss_of: fn(&Job) -> f64) -> impl FnMut(usize, &ToWorker) -> Vec<WorkerMessage> {
    /// A run at work: its lane in a pack, its identity, its loss, and whether it was told to go on.
    struct Lane {
        number: Option<usize>,
        run_id: String,
        loss: f64,
        goes_on: Option<bool>,
    }
    let say = |lane: &Lane, message: WorkerMessage| match lane.number {
        Some(number) => member(number, message),
        None => message,
    };
    let ended_epoch = move |lane: &Lane, epoch: usize| {
        let epoch =
            Epoch { epoch, train_loss: lane.loss, valid_loss: lane.loss, learning_rate: 1e-3, wall_s: 0.1 };
        say(lane, event(FromWorker::Epoch(epoch)))
    };
    let mut at_work: HashMap<usize, (usize, Vec<Lane>)> = HashMap::new();
    move |worker, message| {
        let begin = |lane: Option<usize>, job: &Job| {
            assert_eq!(job.rungs, [1, 2]);
            Lane { number: lane, run_id: job.run_id.clone(), loss: loss_of(job), goes_on: None }
        };
        let (epoch, lanes) = at_work.entry(worker).or_default();
        match message {
            ToWorker::Run(job) => (*epoch, *lanes) = (1, vec![begin(None, job)]),
            ToWorker::Pack(jobs) => {
                let begun = jobs.iter().enumerate().map(|(lane, job)| begin(Some(lane), job));
                (*epoch, *lanes) = (1, begun.collect());
            }
            ToWorker::Verdict { run_id, epoch: judged, goes_on } => {
                assert_eq!(judged, epoch);
                let lane = lanes.iter_mut().find(|lane| lane.run_id == *run_id).unwrap();
                lane.goes_on = Some(*goes_on);
                if lanes.iter().any(|lane| lane.goes_on.is_none()) {
                    return Vec::new();
                }
                let mut told = Vec::new();
                lanes.retain_mut(|lane| {
                    let goes_on = lane.goes_on.take() == Some(true);
                    if !goes_on {
                        told.push(say(lane, event(FromWorker::Pruned { wall_s: 0.1, peak_rss_bytes: None })));
                    }
                    goes_on
                });
                *epoch += 1;
                if *epoch == 3 {
                    told.extend(lanes.drain(..).map(|lane| say(&lane, done(&lane.run_id, lane.loss))));
                } else {
                    told.extend(lanes.iter().map(|lane| ended_epoch(lane, *epoch)));
                }
                return told;
            }
        }
        lanes.iter().map(|lane| ended_epoch(lane, *epoch)).collect()
    }
}

/// Six runs of three shapes; those of one shape do not stand side by side in the plan.
const THREE_SHAPES: &str = "[training]\nepochs = 4\nlearning_rate = { grid = [1e-3, 3e-3] }\n\
                            [[models]]\n[models.lstm]\nhidden = { grid = [12, 8, 4] }\n\
                            [search.pruner.asha]\nreduction_factor = 2\nmin_epochs = 1\n";

/// The wider the model and the lower the rate the better.
fn loss_by_width(job: &Job) -> f64 {
    let params = job.spec.params();
    let width = params["model"]["hidden"].as_f64().unwrap();
    1.0 / width + params["training"]["learning_rate"].as_f64().unwrap()
}

#[test]
fn packs_that_wait_for_runs_of_each_other_come_to_an_end() {
    let ends = |slots: usize, pack: usize| {
        let swept = sweep(
            THREE_SHAPES,
            |options| {
                options.slots = vec![Placement::Cpu; slots];
                options.pack = PackSize::Runs(pack);
            },
            lockstep(loss_by_width),
        );
        let summary = swept.summary.as_ref().unwrap();
        assert_eq!(summary.done + summary.pruned, 6, "{slots} slots, packs of {pack}: {:?}", swept.heard);
        let last = |run: &Vec<(String, String)>| run.last().unwrap().0.clone();
        let ends: Vec<String> = swept.attempts.iter().map(last).collect();
        // What was told to end has ended; nothing starts again after that.
        let is_earlier_end = |run: &Vec<(String, String)>| {
            run[..run.len() - 1].iter().any(|(status, _)| status != "interrupted")
        };
        assert!(!swept.attempts.iter().any(is_earlier_end), "{:?}", swept.attempts);
        ends
    };
    let alone = ends(1, 1);
    assert!(alone.iter().any(|end| end == "pruned") && alone.iter().any(|end| end == "done"), "{alone:?}");
    for (slots, pack) in [(1, 2), (1, 6), (2, 2), (3, 2)] {
        assert_eq!(ends(slots, pack), alone, "{slots} slots, packs of {pack}");
    }
}

#[test]
fn a_budget_of_runs_counts_those_of_a_pack() {
    let swept = sweep(
        SIX,
        |options| (options.pack, options.budget.runs) = (PackSize::Runs(6), Some(4)),
        |_, message| match message {
            ToWorker::Pack(jobs) => {
                let of_job = |(lane, job): (usize, &Job)| member(lane, done(&job.run_id, 1.0));
                jobs.iter().enumerate().map(of_job).collect()
            }
            _ => panic!("{message:?}"),
        },
    );
    let summary = swept.summary.as_ref().unwrap();
    assert_eq!((summary.done, summary.not_started, summary.spent), (4, 2, Some(Spent::Runs)));
}
