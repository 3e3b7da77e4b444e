//! What supervisor and worker say to each other: one JSON object a line, jobs down, events up.

use std::io::{BufRead, Write};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::engine::job::Job;
use crate::store::RunResult;
use crate::train::Epoch;

/// Version of the protocol; both sides are the same binary, so a difference means that it was replaced meanwhile.
pub const PROTOCOL: u32 = 6;

/// Characters of an unreadable line that its error shows.
const SHOWN: usize = 200;

/// From the supervisor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToWorker {
    /// Execute a run.
    Run(Box<Job>),
    /// Execute runs of one shape together.
    Pack(Vec<Job>),
    /// The verdict on a current run at one of its rungs.
    Verdict {
        /// The run.
        run_id: String,
        /// The rung.
        epoch: usize,
        /// Whether it goes on.
        goes_on: bool,
    },
}

/// From a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromWorker {
    /// The worker is up.
    Ready {
        /// Its version of the protocol.
        protocol: u32,
    },
    /// An epoch of the current run ended.
    Epoch(Epoch),
    /// The current run is done and its files are in place.
    Done(Arc<RunResult>),
    /// The current run was pruned, as the supervisor's verdict said.
    Pruned {
        /// Seconds from the job's arrival, without those of waiting for verdicts.
        wall_s: f64,
        /// Largest resident set of the worker while the run went on.
        peak_rss_bytes: Option<u64>,
    },
    /// The current run failed in a way that it would fail again.
    Failed {
        /// Why.
        error: String,
        /// Whether the cause was an allocation that failed: then it may do better alone.
        out_of_memory: bool,
        /// Largest resident set of the worker while the run went on.
        peak_rss_bytes: Option<u64>,
    },
    /// The current run is done but its files cannot be written: those of any other run could not either.
    Unsaved {
        /// Why, and what to do about it.
        error: String,
    },
    /// What one run of a pack has come to; any other message of a worker is about its only run.
    Member {
        /// Its place among the jobs of the pack.
        lane: usize,
        /// What happened to it.
        event: Box<FromWorker>,
    },
    /// The worker got a line that it cannot read, and ends.
    Unreadable {
        /// Which, and why.
        error: String,
    },
}

/// A line that is not a message.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the line `{line}`: {cause}")]
pub struct UnreadableLine {
    line: String,
    cause: serde_json::Error,
}

/// What a pipe gives next.
#[derive(Debug)]
pub enum Line<Message> {
    /// A message.
    Message(Message),
    /// A whole line that is none.
    Unreadable(UnreadableLine),
    /// The pipe ended or broke. A last line without its end comes from a process that was killed while it wrote.
    End,
}

/// Reads the next line of a pipe.
pub fn read_line<Message: DeserializeOwned>(pipe: &mut impl BufRead) -> Line<Message> {
    let mut line = Vec::new();
    match pipe.read_until(b'\n', &mut line) {
        Ok(_) if line.last() == Some(&b'\n') => {}
        Ok(_) | Err(_) => return Line::End,
    }
    line.pop();
    match serde_json::from_slice(&line) {
        Ok(message) => Line::Message(message),
        Err(cause) => {
            let line = String::from_utf8_lossy(&line).chars().take(SHOWN).collect();
            Line::Unreadable(UnreadableLine { line, cause })
        }
    }
}

/// Writes a message as a line.
///
/// # Errors
/// A pipe that is closed.
pub fn write_line(pipe: &mut impl Write, message: &impl Serialize) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(pipe.write_all(&line)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_back_as_it_was_sent() {
        let message = ToWorker::Verdict { run_id: "a\nb".to_string(), epoch: 3, goes_on: true };
        let mut pipe = Vec::new();
        write_line(&mut pipe, &message).unwrap();
        let Line::<ToWorker>::Message(read) = read_line(&mut &*pipe) else { panic!() };
        assert_eq!(read, message);
    }

    #[test]
    fn an_unreadable_line_is_shown_with_its_cause_but_not_at_full_length() {
        let line = format!("{}\n", "é".repeat(SHOWN + 50));
        let Line::<ToWorker>::Unreadable(error) = read_line(&mut line.as_bytes()) else { panic!() };
        assert!(error.to_string().contains("expected value at line 1 column 1"), "{error}");
        assert_eq!(error.to_string().chars().filter(|c| *c == 'é').count(), SHOWN);
    }
}
