//! A worker as its supervisor sees it: a process with pipes, that takes messages and says something back.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process_group};

use super::inbox::{Envelope, WorkerMessage};
use super::protocol::{Line, ToWorker, read_line, write_line};
use crate::system::device::Placement;
use crate::system::memory;

/// Lines of a worker's standard error that are kept for the error message of a crash.
const KEPT_LINES: usize = 12;
/// A thread that reads a pipe calls little, and every slot has two.
const PIPE_STACK_BYTES: usize = 256 << 10;

/// A worker of a slot.
pub trait Worker {
    /// Sends it a message.
    ///
    /// # Errors
    /// A worker that is gone.
    fn send(&mut self, message: &ToWorker) -> anyhow::Result<()>;

    /// Asks the worker, and everything it started, to end.
    fn terminate(&mut self);

    /// Kills the worker and everything it started.
    fn kill(&mut self);

    /// Largest resident set since its run began, where the system tells.
    fn peak_rss_bytes(&self) -> Option<u64>;

    /// Ends the worker, if it has not ended by itself, and tells how it ended.
    fn reap(self: Box<Self>) -> WorkerExit;
}

/// What starts workers.
pub trait Launcher {
    /// Starts the worker with this serial number for a slot.
    ///
    /// # Errors
    /// A worker that cannot be started.
    fn launch(&mut self, slot: usize, serial: u64, placement: Placement) -> anyhow::Result<Box<dyn Worker>>;
}

/// How a worker ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerExit {
    /// `exited with code 1`, `was killed by signal 9`.
    pub how: String,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// The last lines of its standard error.
    pub last_words: String,
}

impl WorkerExit {
    fn new(status: std::io::Result<ExitStatus>, last_words: String) -> Self {
        let signal = status.as_ref().ok().and_then(ExitStatus::signal);
        let how = match status.map(|status| status.code()) {
            Ok(Some(code)) => format!("exited with code {code}"),
            Ok(None) => match signal {
                Some(signal) => format!("was killed by signal {signal}"),
                None => "ended in an unknown way".to_string(),
            },
            Err(error) => format!("ended in an unknown way ({error})"),
        };
        Self { how, signal, last_words }
    }

    /// Whether SIGKILL ended it.
    pub fn is_killed(&self) -> bool {
        self.signal == Some(Signal::KILL.as_raw())
    }

    /// Whether its last words tell of an allocation that failed: Rust's own abort, the operating system's ENOMEM, or a
    /// GPU's runtime.
    ///
    /// This is the only place where a text decides. A process that was ended by its allocator or by a panic in a library
    /// leaves nothing else behind; whatever a living worker knows of its error it says by [`super::protocol::FromWorker`].
    pub fn tells_of_failed_allocation(&self) -> bool {
        let words = self.last_words.to_lowercase();
        let phrases = [
            "out of memory",
            "out_of_memory",
            "out of device memory",
            "cannot allocate memory",
            "os error 12)",
        ];
        phrases.iter().any(|phrase| words.contains(phrase))
            || (words.contains("memory allocation of") && words.contains("failed"))
    }
}

/// Starts workers as processes of this very program.
pub struct ProcessLauncher {
    /// CPU threads of each worker.
    pub threads: usize,
    /// Where their messages go.
    pub sender: Sender<Envelope>,
}

impl Launcher for ProcessLauncher {
    fn launch(&mut self, slot: usize, serial: u64, placement: Placement) -> anyhow::Result<Box<dyn Worker>> {
        let threads = self.threads.to_string();
        let mut command = Command::new(own_program()?);
        command
            .arg("worker")
            .arg(placement.to_string())
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
        if let Placement::Cuda(gpu) = placement {
            command.env("CUDA_VISIBLE_DEVICES", gpu.to_string());
        }
        let mut child = command.spawn().context("cannot start a worker process")?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            anyhow::bail!("a worker process has no pipes");
        };
        let sender = self.sender.clone();
        let thread = |name: &str| Builder::new().name(name.to_string()).stack_size(PIPE_STACK_BYTES);
        let read = move || {
            read_messages(&mut BufReader::new(stdout), |message| {
                sender.send(Envelope::new(slot, serial, message)).is_ok()
            });
        };
        thread("messages").spawn(read).context("cannot listen to a worker process")?;
        let last_words = Arc::new(Mutex::new(VecDeque::new()));
        let kept = last_words.clone();
        let keep = move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                if kept.len() == KEPT_LINES {
                    kept.pop_front();
                }
                kept.push_back(line);
            }
        };
        let listener = thread("last words").spawn(keep).context("cannot listen to a worker process")?;
        Ok(Box::new(WorkerProcess { child, stdin, last_words, listener: Some(listener), reaped: false }))
    }
}

/// Reads what a worker says until its output ends, a line cannot be read, or nobody takes the messages any more.
fn read_messages(output: &mut impl BufRead, mut take: impl FnMut(WorkerMessage) -> bool) {
    loop {
        let message = match read_line(output) {
            Line::Message(event) => WorkerMessage::Event(event),
            Line::Unreadable(error) => WorkerMessage::Unreadable(error.to_string()),
            Line::End => WorkerMessage::Ended,
        };
        let is_last = !matches!(message, WorkerMessage::Event(_));
        if !take(message) || is_last {
            return;
        }
    }
}

/// A worker that is a process.
struct WorkerProcess {
    child: Child,
    stdin: ChildStdin,
    last_words: Arc<Mutex<VecDeque<String>>>,
    /// Reads its standard error.
    listener: Option<JoinHandle<()>>,
    /// Whether its number may belong to another process by now.
    reaped: bool,
}

impl WorkerProcess {
    fn signal_group(&self, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
            // It may have exited meanwhile, which is as good.
            let _ = kill_process_group(pid, signal);
        }
    }
}

impl Worker for WorkerProcess {
    fn send(&mut self, message: &ToWorker) -> anyhow::Result<()> {
        write_line(&mut self.stdin, message).context("the worker does not take a message")
    }

    fn terminate(&mut self) {
        self.signal_group(Signal::TERM);
    }

    fn kill(&mut self) {
        self.signal_group(Signal::KILL);
    }

    fn peak_rss_bytes(&self) -> Option<u64> {
        memory::peak_rss_bytes(self.child.id())
    }

    fn reap(mut self: Box<Self>) -> WorkerExit {
        // A worker that closed its output but lives on is no use to anyone; one that ended by itself keeps its status.
        self.kill();
        let status = self.child.wait();
        self.reaped = true;
        // Its last words are complete when its standard error has ended.
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
        let words = self.last_words.lock().unwrap_or_else(PoisonError::into_inner);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        WorkerExit::new(status, words.join(" | "))
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        if !self.reaped {
            self.kill();
            let _ = self.child.wait();
        }
    }
}

/// The running program itself, even if its file was replaced or removed meanwhile.
fn own_program() -> anyhow::Result<PathBuf> {
    // Only Linux has this; elsewhere a program that was replaced meanwhile is noticed by the version of its protocol.
    let running = PathBuf::from("/proc/self/exe");
    if running.exists() {
        return Ok(running);
    }
    std::env::current_exe().context("cannot find this program's own file")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::local::protocol::FromWorker;

    fn exit(last_words: &str) -> WorkerExit {
        WorkerExit { how: String::new(), signal: None, last_words: last_words.to_string() }
    }

    #[test]
    fn an_allocation_that_failed_is_told_from_other_crashes() {
        for words in [
            "memory allocation of 3200000000 bytes failed",
            "cannot open trace.csv: Cannot allocate memory (os error 12)",
            "thread 'main' panicked: CUDA_ERROR_OUT_OF_MEMORY",
            "Caused by: |   out of device memory allocating 437452800 bytes",
        ] {
            assert!(exit(words).tells_of_failed_allocation(), "{words}");
        }
        // No machine has room for a tensor that is larger than the GPU allows.
        let never = "Caused by: |   can't allocate buffer of size: 437452800";
        for words in ["index out of bounds", "the memory of requests", "os error 2)", never] {
            assert!(!exit(words).tells_of_failed_allocation(), "{words}");
        }
    }

    fn messages_of(output: &[u8]) -> Vec<WorkerMessage> {
        let mut messages = Vec::new();
        read_messages(&mut &*output, |message| {
            messages.push(message);
            true
        });
        messages
    }

    #[test]
    fn messages_are_read_until_the_output_ends() {
        let ready = WorkerMessage::Event(FromWorker::Ready { protocol: 3 });
        let line = b"{\"ready\":{\"protocol\":3}}\n";
        assert_eq!(messages_of(line), [ready.clone(), WorkerMessage::Ended]);
        assert_eq!(messages_of(b""), [WorkerMessage::Ended]);
        // A worker that is killed while it writes leaves the beginning of a line.
        assert_eq!(messages_of(&[&line[..], &line[..9]].concat()), [ready, WorkerMessage::Ended]);
    }

    #[test]
    fn a_line_that_is_no_message_is_told_from_the_end_of_the_output() {
        let told = messages_of(b"{\"ready\":{\"protocol\":3}}\nhello\n{\"ready\":{\"protocol\":3}}\n");
        assert_eq!(told.len(), 2, "nothing after it is trusted: {told:?}");
        let WorkerMessage::Unreadable(text) = &told[1] else { panic!("{told:?}") };
        assert!(text.contains("`hello`"), "{text}");
        for line in [&b"{\"unknown\":1}\n"[..], b"\n", b"\xff\xfe\n"] {
            assert!(matches!(messages_of(line)[..], [WorkerMessage::Unreadable(_)]), "{line:?}");
        }
    }
}
