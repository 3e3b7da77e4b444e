//! One run in a worker of its own, beside any plan: nothing is claimed, and nothing recorded.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use anyhow::bail;

use super::inbox::{Envelope, WorkerMessage};
use super::protocol::{FromWorker, ToWorker};
use super::worker_process::{Launcher, ProcessLauncher};
use crate::engine::job::Job;
use crate::store::RunResult;
use crate::system::device::Placement;
use crate::system::interrupt::{self, Asked};
use crate::train::Epoch;

/// Longest time without a look at signals.
const LONGEST_WAIT: Duration = Duration::from_millis(50);

/// What a run that was executed alone yielded.
#[derive(Debug, Clone, PartialEq)]
pub struct LoneRun {
    /// Its metrics.
    pub result: RunResult,
    /// Its epochs, oldest first.
    pub epochs: Vec<Epoch>,
}

/// Executes a job in a worker process, as a sweep would; its files go to the job's results folder. `None` if a signal asked
/// the program to stop first. With `packed`, it is trained as a run of a pack is, whose sums have another order.
///
/// # Errors
/// A worker that cannot be started, crashes, or says that the run failed.
pub fn run_alone(
    job: Job,
    packed: bool,
    placement: Placement,
    threads: usize,
) -> anyhow::Result<Option<LoneRun>> {
    let (sender, receiver) = mpsc::channel();
    let mut worker = ProcessLauncher { threads, sender }.launch(0, 0, placement)?;
    // A worker that is gone already is told by the end of its messages.
    let order = if packed { ToWorker::Pack(vec![job]) } else { ToWorker::Run(Box::new(job)) };
    let _ = worker.send(&order);
    let mut epochs = Vec::new();
    while interrupt::asked() == Asked::Nothing {
        let message = match receiver.recv_timeout(LONGEST_WAIT) {
            Ok(Envelope { message, .. }) => message,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => WorkerMessage::Ended,
        };
        match message {
            WorkerMessage::Event(FromWorker::Ready { .. }) => {}
            WorkerMessage::Event(FromWorker::Epoch(epoch)) => epochs.push(epoch),
            WorkerMessage::Event(FromWorker::Done(result)) => {
                return Ok(Some(LoneRun { result: (*result).clone(), epochs }));
            }
            WorkerMessage::Event(FromWorker::Pruned { .. } | FromWorker::Member { .. }) => {
                bail!("the worker spoke of a run that nothing judges or packs")
            }
            WorkerMessage::Event(
                FromWorker::Failed { error, .. }
                | FromWorker::Unsaved { error }
                | FromWorker::Unreadable { error },
            )
            | WorkerMessage::Unreadable(error) => bail!(error),
            WorkerMessage::Ended => {
                let exit = worker.reap();
                let words = if exit.last_words.is_empty() { "no last words" } else { &exit.last_words };
                bail!("its worker {} ({words})", exit.how);
            }
        }
    }
    Ok(None)
}
