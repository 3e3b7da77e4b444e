//! The inbox: what the workers have said, in the order in which it came.

use std::collections::HashSet;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use super::protocol::FromWorker;

/// What comes from a worker.
#[derive(Debug, Clone, PartialEq)]
pub enum WorkerMessage {
    /// It said something.
    Event(FromWorker),
    /// It wrote a line that is no message; the text says which and why. Nothing more is read from it.
    Unreadable(String),
    /// Its output ended: it exited or was killed.
    Ended,
}

impl WorkerMessage {
    /// Whether the worker's run goes on after this message.
    fn is_under_way(&self) -> bool {
        matches!(self, Self::Event(FromWorker::Ready { .. } | FromWorker::Epoch(_)))
    }
}

/// A message with its sender.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    /// Index of the slot.
    pub slot: usize,
    /// Serial number of the worker in its slot, so that what an old worker said last is not taken for its successor's.
    pub worker: u64,
    /// What it said.
    pub message: WorkerMessage,
}

impl Envelope {
    /// What the worker with the first lane `home` said; what is about one run of a pack goes to that run's lane.
    pub fn new(home: usize, worker: u64, message: WorkerMessage) -> Self {
        match message {
            WorkerMessage::Event(FromWorker::Member { lane, event }) => {
                Self { slot: home + lane, worker, message: WorkerMessage::Event(*event) }
            }
            message => Self { slot: home, worker, message },
        }
    }
}

/// Where the messages of all workers arrive.
pub struct Inbox {
    receiver: Receiver<Envelope>,
    /// Kept so that the channel stays open while no worker lives.
    sender: Sender<Envelope>,
}

impl Inbox {
    /// An empty inbox.
    pub fn new() -> Self {
        let (sender, receiver) = mpsc::channel();
        Self { receiver, sender }
    }

    /// The end of the channel that a worker's reader sends to.
    pub fn sender(&self) -> Sender<Envelope> {
        self.sender.clone()
    }

    /// Waits for a message, at most so long, then takes all that have come. What can be written in one transaction makes
    /// one round.
    pub fn wait(&self, longest: Duration) -> Vec<Vec<Envelope>> {
        let Ok(first) = self.receiver.recv_timeout(longest) else { return Vec::new() };
        rounds(std::iter::once(first).chain(self.receiver.try_iter()).collect())
    }
}

/// Divides messages so that in a round a slot says nothing after the end of a run: what follows is about the next one.
fn rounds(mut messages: Vec<Envelope>) -> Vec<Vec<Envelope>> {
    let mut rounds = Vec::new();
    while !messages.is_empty() {
        let mut ended = HashSet::new();
        let (round, later) = messages.into_iter().partition(|envelope: &Envelope| {
            let belongs = !ended.contains(&envelope.slot);
            if !envelope.message.is_under_way() {
                ended.insert(envelope.slot);
            }
            belongs
        });
        rounds.push(round);
        messages = later;
    }
    rounds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(slot: usize, message: WorkerMessage) -> Envelope {
        Envelope { slot, worker: 1, message }
    }

    fn ready() -> WorkerMessage {
        WorkerMessage::Event(FromWorker::Ready { protocol: 1 })
    }

    fn failed() -> WorkerMessage {
        WorkerMessage::Event(FromWorker::Failed {
            error: String::new(),
            out_of_memory: false,
            peak_rss_bytes: None,
        })
    }

    #[test]
    fn what_a_slot_says_after_the_end_of_a_run_comes_in_the_next_round() {
        let messages = vec![
            envelope(0, ready()),
            envelope(0, failed()),
            envelope(1, ready()),
            envelope(0, failed()),
            envelope(0, WorkerMessage::Ended),
            envelope(1, failed()),
        ];
        let rounds = rounds(messages);
        let slots: Vec<Vec<usize>> =
            rounds.iter().map(|round| round.iter().map(|envelope| envelope.slot).collect()).collect();
        assert_eq!(slots, [vec![0, 0, 1, 1], vec![0], vec![0]]);
        assert_eq!(rounds[2][0].message, WorkerMessage::Ended);
    }

    #[test]
    fn what_is_about_one_run_of_a_pack_goes_to_its_lane() {
        let WorkerMessage::Event(event) = failed() else { panic!() };
        let message = WorkerMessage::Event(FromWorker::Member { lane: 2, event: Box::new(event) });
        assert_eq!(Envelope::new(5, 1, message), envelope(7, failed()));
        assert_eq!(Envelope::new(5, 1, WorkerMessage::Ended), envelope(5, WorkerMessage::Ended));
    }

    #[test]
    fn an_inbox_without_messages_is_left_after_the_longest_wait() {
        let inbox = Inbox::new();
        assert!(inbox.wait(Duration::from_millis(1)).is_empty());
        inbox.sender().send(envelope(3, ready())).unwrap();
        assert_eq!(inbox.wait(Duration::from_mins(1)), [vec![envelope(3, ready())]]);
    }
}
