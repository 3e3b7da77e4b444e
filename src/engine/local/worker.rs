//! The worker process: takes one job after another on standard input and reports events on standard output.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::ops::ControlFlow;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::protocol::{FromWorker, Job, PROTOCOL, ToWorker};
use crate::dataset::Loader;
use crate::engine::execute::{Unsaved, execute};
use crate::files;
use crate::store::RunResult;
use crate::system::device::Placement;
use crate::system::memory::{peak_rss_bytes, reset_peak_rss, volunteer};
use crate::train::{ComputeDevice, FitError};

/// Serves jobs until the supervisor closes the pipe.
///
/// # Errors
/// A device that cannot be opened, or a pipe that broke.
pub fn serve(placement: &Placement) -> anyhow::Result<()> {
    let mut pipe = EventPipe::claim()?;
    let (jobs, verdicts) = read_messages();
    volunteer();
    let device = ComputeDevice::open(placement)?;
    let mut loader = Loader::sharing();
    pipe.send(&FromWorker::Ready { protocol: PROTOCOL })?;
    for job in jobs {
        let started = Instant::now();
        reset_peak_rss();
        let mut broken = None;
        let mut waited = Duration::ZERO;
        let outcome = execute(&job, &mut loader, &device, &mut |epoch| {
            if let Err(error) = pipe.send(&FromWorker::Epoch(epoch)) {
                broken.get_or_insert(error);
            }
            if !job.rungs.contains(&epoch.epoch) {
                return ControlFlow::Continue(());
            }
            let asked = Instant::now();
            let goes_on = await_verdict(&verdicts, &job.run_id, epoch.epoch);
            waited += asked.elapsed();
            if goes_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        if let Some(error) = broken {
            return Err(error);
        }
        let wall_s = started.elapsed().saturating_sub(waited).as_secs_f64();
        let peak_rss_bytes = peak_rss_bytes("self");
        let event = match outcome {
            Ok(scores) => FromWorker::Done(Arc::new(RunResult {
                run_id: job.run_id.clone(),
                metrics: scores.metrics,
                breakdowns: scores.breakdowns,
                wall_s,
                peak_rss_bytes,
            })),
            Err(error) if error.is::<Unsaved>() => FromWorker::Unsaved { error: with_remedy(&error) },
            Err(error) => match error.downcast_ref() {
                Some(FitError::Stopped { .. }) => FromWorker::Pruned { wall_s, peak_rss_bytes },
                _ => FromWorker::Failed { error: format!("{error:#}"), peak_rss_bytes },
            },
        };
        pipe.send(&event)?;
    }
    Ok(())
}

/// A verdict that is not about this rung was meant for an attempt before.
fn await_verdict(verdicts: &mpsc::Receiver<(String, usize, bool)>, run_id: &str, epoch: usize) -> bool {
    // The channel closes only when the process ends.
    verdicts
        .iter()
        .find(|(run, rung, _)| run == run_id && *rung == epoch)
        .is_some_and(|(_, _, goes_on)| goes_on)
}

/// The supervisor's end of standard output. Anything else that is printed in this process goes to standard error, so
/// that a stray print never reaches the pipe.
struct EventPipe(File);

impl EventPipe {
    fn claim() -> anyhow::Result<Self> {
        let stdout = rustix::stdio::stdout();
        let pipe = rustix::io::dup(stdout).context("cannot duplicate standard output")?;
        rustix::stdio::dup2_stdout(rustix::stdio::stderr()).context("cannot redirect standard output")?;
        Ok(Self(File::from(pipe)))
    }

    fn send(&mut self, event: &FromWorker) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(event).context("an event cannot be written as JSON")?;
        line.push(b'\n');
        self.0.write_all(&line).context("the supervisor is gone")
    }
}

/// Reads jobs and verdicts on a thread of its own: when the supervisor is gone, the input ends and so does this process,
/// even in the middle of a run.
fn read_messages() -> (mpsc::Receiver<Job>, mpsc::Receiver<(String, usize, bool)>) {
    let (jobs, next_job) = mpsc::channel();
    let (verdicts, next_verdict) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(std::io::stdin()).lines() {
            let Ok(line) = line else { break };
            let Ok(message) = serde_json::from_str(&line) else {
                break;
            };
            let sent = match message {
                ToWorker::Run(job) => jobs.send(*job).is_ok(),
                ToWorker::Verdict { run_id, epoch, goes_on } => {
                    verdicts.send((run_id, epoch, goes_on)).is_ok()
                }
            };
            if !sent {
                break;
            }
        }
        std::process::exit(0);
    });
    (next_job, next_verdict)
}

/// An error about files with what to do about it.
fn with_remedy(error: &anyhow::Error) -> String {
    let cause = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>());
    match cause.and_then(files::remedy) {
        Some(remedy) => format!("{error:#}; {remedy}"),
        None => format!("{error:#}"),
    }
}
