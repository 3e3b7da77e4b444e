//! The worker process: takes one job after another on standard input and reports events on standard output.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::protocol::{FromWorker, Line, PROTOCOL, ToWorker, read_line, write_line};
use crate::dataset::Loader;
use crate::engine::execute::{Scores, Unsaved, execute};
use crate::engine::job::Job;
use crate::engine::pack::{PackListener, execute_pack};
use crate::files;
use crate::store::RunResult;
use crate::system::device::Placement;
use crate::system::interrupt;
use crate::system::memory::{own_peak_rss_bytes, prefer_for_kernel_kill, reset_peak_rss};
use crate::text::causes;
use crate::train::{ComputeDevice, Epoch, FitError};

/// Serves jobs until the supervisor closes the pipe.
///
/// # Errors
/// A device that cannot be opened, or a pipe that broke.
pub fn serve(placement: &Placement) -> anyhow::Result<()> {
    let pipe = EventPipe::claim()?;
    let (jobs, verdicts) = listen(&pipe);
    // The supervisor decides what Ctrl-C means, also where the signal is sent to both.
    interrupt::ignore_interrupts()?;
    prefer_for_kernel_kill();
    let device = ComputeDevice::open(placement)?;
    let mut loader = Loader::sharing();
    pipe.send(&FromWorker::Ready { protocol: PROTOCOL })?;
    for order in jobs {
        reset_peak_rss();
        match order {
            WorkOrder::Run(job) => run_one(&job, &mut loader, &device, &pipe, &verdicts)?,
            WorkOrder::Pack(jobs) => run_pack(&jobs, &mut loader, &device, &pipe, &verdicts)?,
        }
    }
    Ok(())
}

/// What a worker is to do next.
#[derive(Debug, PartialEq)]
enum WorkOrder {
    Run(Box<Job>),
    Pack(Vec<Job>),
}

fn run_one(
    job: &Job,
    loader: &mut Loader,
    device: &ComputeDevice,
    pipe: &EventPipe,
    verdicts: &Receiver<VerdictMessage>,
) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut broken = None;
    let mut waited = Duration::ZERO;
    let outcome = execute(job, loader, device, &mut |epoch| {
        if let Err(error) = pipe.send(&FromWorker::Epoch(epoch)) {
            broken.get_or_insert(error);
        }
        if !job.rungs.contains(&epoch.epoch) {
            return ControlFlow::Continue(());
        }
        let asked = Instant::now();
        let goes_on = await_verdict(verdicts, &job.run_id, epoch.epoch);
        waited += asked.elapsed();
        if goes_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    if let Some(error) = broken {
        return Err(error);
    }
    pipe.send(&event_of(&job.run_id, outcome, started.elapsed().saturating_sub(waited)))
}

fn run_pack(
    jobs: &[Job],
    loader: &mut Loader,
    device: &ComputeDevice,
    pipe: &EventPipe,
    verdicts: &Receiver<VerdictMessage>,
) -> anyhow::Result<()> {
    let mut teller =
        PackTeller { jobs, pipe, verdicts, started: Instant::now(), waited: Duration::ZERO, broken: None };
    execute_pack(jobs, loader, device, &mut teller);
    teller.broken.map_or(Ok(()), Err)
}

/// Tells the supervisor how the runs of a pack go.
struct PackTeller<'a> {
    jobs: &'a [Job],
    pipe: &'a EventPipe,
    verdicts: &'a Receiver<VerdictMessage>,
    started: Instant,
    /// Time that the pack has waited for verdicts.
    waited: Duration,
    broken: Option<anyhow::Error>,
}

impl PackTeller<'_> {
    fn tell(&mut self, lane: usize, event: FromWorker) {
        if let Err(error) = self.pipe.send(&FromWorker::Member { lane, event: Box::new(event) }) {
            self.broken.get_or_insert(error);
        }
    }
}

impl PackListener for PackTeller<'_> {
    fn epochs(&mut self, epochs: &[(usize, Epoch)]) -> Vec<bool> {
        for (lane, epoch) in epochs {
            self.tell(*lane, FromWorker::Epoch(*epoch));
        }
        let asked = Instant::now();
        let is_judged = |(lane, epoch): &&(usize, Epoch)| self.jobs[*lane].rungs.contains(&epoch.epoch);
        let asking: Vec<(&str, usize)> = epochs
            .iter()
            .filter(is_judged)
            .map(|(lane, epoch)| (self.jobs[*lane].run_id.as_str(), epoch.epoch))
            .collect();
        let stopped = await_verdicts(self.verdicts, &asking);
        self.waited += asked.elapsed();
        epochs.iter().map(|(lane, _)| !stopped.contains(self.jobs[*lane].run_id.as_str())).collect()
    }

    fn ended(&mut self, run: usize, outcome: anyhow::Result<Scores>) {
        let taken = self.started.elapsed().saturating_sub(self.waited);
        let event = event_of(&self.jobs[run].run_id, outcome, taken);
        self.tell(run, event);
    }
}

/// What the supervisor is told of a run that has ended after so much time, without that of waiting for verdicts.
fn event_of(run_id: &str, outcome: anyhow::Result<Scores>, taken: Duration) -> FromWorker {
    let wall_s = taken.as_secs_f64();
    let peak_rss_bytes = own_peak_rss_bytes();
    match outcome {
        Ok(scores) => FromWorker::Done(Arc::new(RunResult {
            run_id: run_id.to_string(),
            metrics: scores.metrics,
            breakdowns: scores.breakdowns,
            wall_s,
            peak_rss_bytes,
        })),
        Err(error) if error.is::<Unsaved>() => FromWorker::Unsaved { error: with_remedy(&error) },
        Err(error) => match error.downcast_ref() {
            Some(FitError::Stopped { .. }) => FromWorker::Pruned { wall_s, peak_rss_bytes },
            _ => FromWorker::Failed {
                error: causes(&error),
                out_of_memory: is_out_of_memory(&error),
                peak_rss_bytes,
            },
        },
    }
}

/// A verdict on a run at a rung, as it came from the supervisor.
#[derive(Debug, PartialEq)]
struct VerdictMessage {
    run_id: String,
    epoch: usize,
    goes_on: bool,
}

/// Whether a run goes on from a rung.
fn await_verdict(verdicts: &Receiver<VerdictMessage>, run_id: &str, epoch: usize) -> bool {
    await_verdicts(verdicts, &[(run_id, epoch)]).is_empty()
}

/// Waits for the verdicts on runs at a rung and returns those that end there. A verdict that is not about one of these rungs
/// was meant for an attempt before.
fn await_verdicts<'a>(verdicts: &Receiver<VerdictMessage>, asking: &[(&'a str, usize)]) -> HashSet<&'a str> {
    let mut open = asking.to_vec();
    let mut stopped = HashSet::new();
    while !open.is_empty() {
        // The channel closes only when the process ends.
        let Ok(verdict) = verdicts.recv() else { return open.iter().map(|(run_id, _)| *run_id).collect() };
        let is_about = |(run_id, epoch): &(&str, usize)| *run_id == verdict.run_id && *epoch == verdict.epoch;
        let Some(at) = open.iter().position(is_about) else { continue };
        let (run_id, _) = open.swap_remove(at);
        if !verdict.goes_on {
            stopped.insert(run_id);
        }
    }
    stopped
}

/// The supervisor's end of standard output. Anything else that is printed in this process goes to standard error, so
/// that a stray print never reaches the pipe.
#[derive(Clone)]
struct EventPipe(Arc<Mutex<File>>);

impl EventPipe {
    fn claim() -> anyhow::Result<Self> {
        let stdout = rustix::stdio::stdout();
        let pipe = rustix::io::dup(stdout).context("cannot duplicate standard output")?;
        rustix::stdio::dup2_stdout(rustix::stdio::stderr()).context("cannot redirect standard output")?;
        Ok(Self(Arc::new(Mutex::new(File::from(pipe)))))
    }

    fn send(&self, event: &FromWorker) -> anyhow::Result<()> {
        let mut pipe = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        write_line(&mut *pipe, event).context("the supervisor is gone")
    }
}

/// Reads jobs and verdicts on a thread of its own: when the supervisor is gone, the input ends and so does this process,
/// even in the middle of a run. It also ends at a line that it cannot read, after it has told the supervisor.
fn listen(pipe: &EventPipe) -> (Receiver<WorkOrder>, Receiver<VerdictMessage>) {
    let (jobs, next_job) = mpsc::channel();
    let (verdicts, next_verdict) = mpsc::channel();
    let pipe = pipe.clone();
    std::thread::spawn(move || {
        let end = read_messages(&mut BufReader::new(std::io::stdin()), &jobs, &verdicts);
        let code = match end {
            InputEnd::Closed => 0,
            InputEnd::Unreadable(error) => {
                // A supervisor that is gone needs no answer.
                let _ = pipe.send(&FromWorker::Unreadable { error });
                1
            }
        };
        std::process::exit(code);
    });
    (next_job, next_verdict)
}

/// Why a worker takes no more messages.
#[derive(Debug, PartialEq)]
enum InputEnd {
    Closed,
    Unreadable(String),
}

fn read_messages(
    input: &mut impl BufRead,
    jobs: &Sender<WorkOrder>,
    verdicts: &Sender<VerdictMessage>,
) -> InputEnd {
    loop {
        let taken = match read_line(input) {
            Line::Message(ToWorker::Run(job)) => jobs.send(WorkOrder::Run(job)).is_ok(),
            Line::Message(ToWorker::Pack(pack)) => jobs.send(WorkOrder::Pack(pack)).is_ok(),
            Line::Message(ToWorker::Verdict { run_id, epoch, goes_on }) => {
                verdicts.send(VerdictMessage { run_id, epoch, goes_on }).is_ok()
            }
            Line::Unreadable(error) => return InputEnd::Unreadable(error.to_string()),
            Line::End => false,
        };
        if !taken {
            return InputEnd::Closed;
        }
    }
}

/// Whether an error goes back to an allocation that failed.
fn is_out_of_memory(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.is::<std::collections::TryReserveError>()
            || cause
                .downcast_ref::<std::io::Error>()
                .is_some_and(|error| error.kind() == std::io::ErrorKind::OutOfMemory)
    })
}

/// An error about files with what to do about it.
fn with_remedy(error: &anyhow::Error) -> String {
    let cause = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>());
    match cause.and_then(files::remedy) {
        Some(remedy) => format!("{}; {remedy}", causes(error)),
        None => causes(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &str) -> (InputEnd, Vec<VerdictMessage>) {
        let ((jobs, _jobs), (verdicts, taken)) = (mpsc::channel(), mpsc::channel());
        let end = read_messages(&mut input.as_bytes(), &jobs, &verdicts);
        drop(verdicts);
        (end, taken.iter().collect())
    }

    #[test]
    fn a_worker_tells_a_line_that_it_cannot_read_from_the_end_of_its_input() {
        let verdict = "{\"verdict\":{\"run_id\":\"a\",\"epoch\":2,\"goes_on\":true}}\n";
        let (end, taken) = read(verdict);
        assert_eq!(end, InputEnd::Closed);
        assert_eq!(taken, [VerdictMessage { run_id: "a".to_string(), epoch: 2, goes_on: true }]);
        let (end, taken) = read(&format!("{verdict}{{\"stop\":1}}\n{verdict}"));
        let InputEnd::Unreadable(error) = end else { panic!("{end:?}") };
        assert!(error.contains("`{\"stop\":1}`") && error.contains("unknown variant `stop`"), "{error}");
        assert_eq!(taken.len(), 1, "nothing after it is trusted");
        assert_eq!(read(verdict.trim_end()).0, InputEnd::Closed, "a supervisor that dies leaves half a line");
    }

    #[test]
    fn memory_that_is_refused_is_known_by_the_type_of_the_error() {
        let refused = std::io::Error::from_raw_os_error(12);
        let error = anyhow::Error::new(refused).context("cannot map the cache");
        assert!(is_out_of_memory(&error));
        let reserve = Vec::<u8>::new().try_reserve(usize::MAX).unwrap_err();
        assert!(is_out_of_memory(&anyhow::Error::new(reserve)));
        assert!(!is_out_of_memory(&anyhow::anyhow!("the file is called `out of memory.csv`")));
        let other = anyhow::Error::new(std::io::Error::from_raw_os_error(2));
        assert!(!is_out_of_memory(&other.context("cannot allocate memory (os error 12)")));
    }

    #[test]
    fn a_verdict_for_an_earlier_attempt_is_passed_over() {
        let (sender, verdicts) = mpsc::channel();
        for (epoch, goes_on) in [(1, false), (4, true)] {
            sender.send(VerdictMessage { run_id: "run".to_string(), epoch, goes_on }).unwrap();
        }
        assert!(await_verdict(&verdicts, "run", 4));
    }

    #[test]
    fn the_verdicts_on_a_pack_are_awaited_in_any_order() {
        let (sender, verdicts) = mpsc::channel();
        for (run_id, epoch, goes_on) in [("b", 2, false), ("a", 1, false), ("a", 2, true)] {
            sender.send(VerdictMessage { run_id: run_id.to_string(), epoch, goes_on }).unwrap();
        }
        assert_eq!(await_verdicts(&verdicts, &[("a", 2), ("b", 2)]), HashSet::from(["b"]));
    }
}
