//! One slot: a long-lived worker process, its pipes, and the run it is at.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process_group};

use super::protocol::{FromWorker, Job, ToWorker};
use super::pruning::AtRung;
use crate::search::Verdict;
use crate::system::device::Placement;
use crate::system::memory;

/// Lines of a worker's standard error that are kept for the error message of a crash.
const KEPT_LINES: usize = 12;

/// Time between two looks at the memory of a worker.
const SAMPLE_PAUSE: Duration = Duration::from_millis(100);

/// What a slot's threads tell the lab.
pub enum SlotMessage {
    /// The worker said something.
    Event(FromWorker),
    /// The worker's output ended: it exited or was killed.
    Ended,
}

/// A message with the slot and the worker (by serial number) that it comes from.
pub struct Tagged {
    /// Index of the slot.
    pub slot: usize,
    /// Serial number of the worker in its slot, so that an old worker's last words are not taken for its successor's.
    pub worker: u64,
    /// What it said.
    pub message: SlotMessage,
}

/// The run that a slot is at.
pub struct Occupied {
    /// Index of the run in the plan.
    pub run: usize,
    /// When it was handed over.
    pub started: Instant,
    /// When its worker was asked to end, because its time was up.
    pub overtime: Option<Instant>,
    /// Largest resident set of its worker so far; what a worker cannot report when it is killed.
    pub peak_rss_bytes: Option<u64>,
    /// When that was looked at.
    sampled: Instant,
    /// The rung at which it waits for its verdict.
    pub(super) at_rung: Option<AtRung>,
    /// Its last verdict.
    pub verdict: Option<Verdict>,
    /// What [`memory::kernel_kills`] counted when it was handed over.
    kernel_kills: Option<u64>,
}

impl Occupied {
    /// A run that is handed over now.
    pub fn now(run: usize) -> Self {
        let kernel_kills = memory::kernel_kills();
        let started = Instant::now();
        Self {
            run,
            started,
            overtime: None,
            peak_rss_bytes: None,
            sampled: started,
            at_rung: None,
            verdict: None,
            kernel_kills,
        }
    }
}

/// How a worker ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerEnd {
    /// In words: the exit code or the signal, and its last words.
    pub text: String,
    /// Whether it was for want of memory.
    pub out_of_memory: bool,
}

/// A slot of the machine.
pub struct Slot {
    /// Index among the slots.
    pub index: usize,
    /// Where it computes.
    pub placement: Placement,
    /// The run it is at.
    pub occupied: Option<Occupied>,
    /// The runs that its worker does next, and has been sent already.
    pub(super) ahead: VecDeque<usize>,
    /// Whether the current worker has opened its device.
    pub ready: bool,
    /// Whether it gets no more runs, because its GPU cannot be used.
    pub retired: bool,
    threads: usize,
    worker: Option<Worker>,
    serial: u64,
}

struct Worker {
    child: Child,
    stdin: ChildStdin,
    last_words: Arc<Mutex<VecDeque<String>>>,
    /// Reads its standard error.
    listener: JoinHandle<()>,
}

impl Slot {
    /// A slot without a worker yet.
    pub fn new(index: usize, placement: Placement, threads: usize) -> Self {
        Self {
            index,
            placement,
            occupied: None,
            ahead: VecDeque::new(),
            ready: false,
            retired: false,
            threads,
            worker: None,
            serial: 0,
        }
    }

    /// Serial number of the current worker.
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// Whether it can take up a run.
    pub fn is_free(&self) -> bool {
        self.occupied.is_none() && !self.retired
    }

    /// Whether it has a worker.
    pub(super) fn has_worker(&self) -> bool {
        self.worker.is_some()
    }

    /// Whether its worker ended, on a GPU, before it had opened that GPU.
    pub fn is_unfit(&self) -> bool {
        self.worker.is_none() && !self.ready && self.placement != Placement::Cpu
    }

    /// Hands a job to the worker, and starts one first if there is none. A worker that died while it was idle is
    /// replaced: that costs no run an attempt.
    ///
    /// # Errors
    /// A worker that cannot be started or does not take the job.
    pub fn send(&mut self, job: Job, messages: &Sender<Tagged>) -> anyhow::Result<()> {
        let line = line_of(&ToWorker::Run(Box::new(job)))?;
        if let Some(worker) = &mut self.worker {
            if worker.stdin.write_all(&line).is_ok() {
                return Ok(());
            }
            self.bury();
        }
        self.start(messages)?;
        let Some(worker) = &mut self.worker else { anyhow::bail!("the worker is gone") };
        worker.stdin.write_all(&line).context("the worker does not take the job")
    }

    /// Hands a job to a worker that is still at another one.
    ///
    /// # Errors
    /// A worker that is gone, which its last message will tell.
    pub(super) fn send_ahead(&mut self, job: Job) -> anyhow::Result<()> {
        let line = line_of(&ToWorker::Run(Box::new(job)))?;
        let Some(worker) = &mut self.worker else { anyhow::bail!("the worker is gone") };
        worker.stdin.write_all(&line).context("the worker does not take the job")
    }

    /// Tells the worker whether its run goes on.
    ///
    /// # Errors
    /// A worker that is gone.
    pub fn tell_verdict(&mut self, run_id: String, epoch: usize, goes_on: bool) -> anyhow::Result<()> {
        let line = line_of(&ToWorker::Verdict { run_id, epoch, goes_on })?;
        let Some(worker) = &mut self.worker else { anyhow::bail!("the worker is gone") };
        worker.stdin.write_all(&line).context("the worker does not take the verdict")
    }

    fn start(&mut self, messages: &Sender<Tagged>) -> anyhow::Result<()> {
        self.ready = false;
        let program = own_program()?;
        let threads = self.threads.to_string();
        let mut command = Command::new(program);
        command
            .arg("worker")
            .arg(self.placement.to_string())
            .env("RAYON_NUM_THREADS", &threads)
            .env("POLARS_MAX_THREADS", &threads)
            // A backtrace would push the panic's message out of the lines that are kept.
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own: Ctrl-C on the terminal reaches the supervisor alone, and a kill reaches the worker
            // with all its children.
            .process_group(0);
        if let Placement::Cuda(gpu) = self.placement {
            command.env("CUDA_VISIBLE_DEVICES", gpu.to_string());
        }
        let mut child = command.spawn().context("cannot start a worker process")?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            anyhow::bail!("a worker process has no pipes");
        };
        self.serial += 1;
        let (slot, serial, sender) = (self.index, self.serial, messages.clone());
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let Ok(line) = line else { break };
                let Ok(event) = serde_json::from_str(&line) else {
                    break;
                };
                if sender.send(Tagged { slot, worker: serial, message: SlotMessage::Event(event) }).is_err() {
                    return;
                }
            }
            // The lab may be gone already; then there is nobody to tell.
            let _ = sender.send(Tagged { slot, worker: serial, message: SlotMessage::Ended });
        });
        let last_words = Arc::new(Mutex::new(VecDeque::new()));
        let kept = last_words.clone();
        let listener = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                if kept.len() == KEPT_LINES {
                    kept.pop_front();
                }
                kept.push_back(line);
            }
        });
        self.worker = Some(Worker { child, stdin, last_words, listener });
        Ok(())
    }

    /// Takes the ended worker away and says how it ended.
    pub fn bury(&mut self) -> WorkerEnd {
        let Some(mut worker) = self.worker.take() else {
            return WorkerEnd { text: "the worker never started".to_string(), out_of_memory: false };
        };
        // A worker that closed its output but lives on is no use to anyone; one that ended by itself keeps its status.
        kill_group(&worker.child, Signal::KILL);
        let status = worker.child.wait();
        // Its last words are complete when its standard error has ended.
        let _ = worker.listener.join();
        let words: Vec<String> =
            worker.last_words.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        let words = words.join(" | ");
        let (ending, signal) = match status {
            Ok(status) => (describe(status), status.signal()),
            Err(error) => (format!("ended in an unknown way ({error})"), None),
        };
        let kernel_killed = signal == Some(Signal::KILL.as_raw())
            && self.occupied.as_ref().is_some_and(|run| run.overtime.is_none() && killed_since(run));
        let out_of_memory = kernel_killed || speaks_of_memory(&words);
        let text = match (out_of_memory, words.is_empty()) {
            (true, _) if kernel_killed => format!("out of memory: the worker {ending} by the kernel"),
            (true, _) => format!("out of memory: the worker {ending}: {words}"),
            (false, true) => format!("the worker {ending}"),
            (false, false) => format!("the worker {ending}: {words}"),
        };
        WorkerEnd { text, out_of_memory }
    }

    /// Asks the worker, and everything it started, to end.
    pub fn terminate(&mut self) {
        if let Some(worker) = &self.worker {
            kill_group(&worker.child, Signal::TERM);
        }
    }

    /// Looks at how much memory the current run has taken so far.
    pub fn sample_memory(&mut self) {
        let (Some(worker), Some(occupied)) = (&self.worker, &mut self.occupied) else { return };
        if occupied.sampled.elapsed() < SAMPLE_PAUSE {
            return;
        }
        occupied.sampled = Instant::now();
        // The latest figure, not the largest: the first may still be that of the run before.
        occupied.peak_rss_bytes =
            memory::peak_rss_bytes(&worker.child.id().to_string()).or(occupied.peak_rss_bytes);
    }

    /// Kills the worker and everything it started.
    pub fn kill(&mut self) {
        if let Some(worker) = &self.worker {
            kill_group(&worker.child, Signal::KILL);
        }
    }
}

/// A message to a worker as a line.
fn line_of(message: &ToWorker) -> anyhow::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(message).context("a message to a worker cannot be written as JSON")?;
    line.push(b'\n');
    Ok(line)
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(mut worker) = self.worker.take() {
            kill_group(&worker.child, Signal::KILL);
            let _ = worker.child.wait();
        }
    }
}

/// The running program itself, even if its file was replaced or removed meanwhile.
fn own_program() -> anyhow::Result<PathBuf> {
    let running = PathBuf::from("/proc/self/exe");
    if running.exists() {
        return Ok(running);
    }
    std::env::current_exe().context("cannot find this program's own file")
}

fn kill_group(child: &Child, signal: Signal) {
    if let Some(pid) = Pid::from_raw(child.id().cast_signed()) {
        // It may have exited meanwhile, which is as good.
        let _ = kill_process_group(pid, signal);
    }
}

/// Whether the kernel has killed a process for want of memory since a run was handed over.
fn killed_since(run: &Occupied) -> bool {
    matches!((run.kernel_kills, memory::kernel_kills()), (Some(before), Some(now)) if now > before)
}

/// Whether a worker's last words, or a run's error, tell of an allocation that failed: Rust's own abort, the operating
/// system's ENOMEM, or a GPU's runtime.
pub fn speaks_of_memory(words: &str) -> bool {
    let words = words.to_lowercase();
    let spoken = ["out of memory", "out_of_memory", "cannot allocate memory", "os error 12)"];
    spoken.iter().any(|phrase| words.contains(phrase))
        || (words.contains("memory allocation of") && words.contains("failed"))
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with code {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "ended in an unknown way".to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allocation_that_failed_is_told_from_other_crashes() {
        for words in [
            "memory allocation of 3200000000 bytes failed",
            "cannot open trace.csv: Cannot allocate memory (os error 12)",
            "thread 'main' panicked: CUDA_ERROR_OUT_OF_MEMORY",
        ] {
            assert!(speaks_of_memory(words), "{words}");
        }
        for words in ["index out of bounds", "the memory of requests", "os error 2)"] {
            assert!(!speaks_of_memory(words), "{words}");
        }
    }
}
