//! What the thread that owns the model publishes, and what requests see of it at a moment.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::predict::{LiveState, RowFault};

/// What the thread that owns the model is told.
pub enum Intake {
    /// Rows of a request: all of them are taken in, or none.
    Request {
        /// The rows.
        text: Vec<u8>,
        /// Where the outcome is awaited.
        reply: oneshot::Sender<Result<TakenIn, RowFault>>,
    },
    /// Whole lines of a pipe.
    Lines {
        /// The lines, each with its end.
        text: Vec<u8>,
        /// Number of the first of them, counted from 1.
        first: usize,
    },
    /// A pipe that cannot be read any more.
    Broken(anyhow::Error),
}

/// What became of the rows of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakenIn {
    /// Rows that were taken in.
    pub rows: u64,
    /// Steps that are known now.
    pub known_steps: usize,
    /// Steps that are missing for the first forecast.
    pub missing_steps: usize,
}

/// What is known, and when the newest row came.
struct Published {
    state: LiveState,
    /// When a row was last taken in, and how old it was then.
    newest: Option<(Instant, Duration)>,
}

/// What the thread that owns the model shares with requests.
pub struct Shared {
    published: RwLock<Option<Arc<Published>>>,
    stale_after: Duration,
    /// Where rows of requests go; none where the trace is a file.
    intake: Option<SyncSender<Intake>>,
    has_failed: AtomicBool,
    failure: Mutex<Option<anyhow::Error>>,
}

/// What is known at the moment of a request.
pub struct ServedMoment {
    published: Option<Arc<Published>>,
    /// Age of the newest row; none before the first one.
    pub age: Option<Duration>,
    /// Whether the newest row is so old that forecasts say nothing about the present.
    pub is_stale: bool,
}

impl ServedMoment {
    /// What is known; `None` while the rows that the trace begins with are read.
    pub fn state(&self) -> Option<&LiveState> {
        self.published.as_ref().map(|published| &published.state)
    }
}

impl Shared {
    /// Nothing is known yet.
    pub fn new(stale_after: Duration, intake: Option<SyncSender<Intake>>) -> Self {
        Self {
            published: RwLock::new(None),
            stale_after,
            intake,
            has_failed: AtomicBool::new(false),
            failure: Mutex::new(None),
        }
    }

    /// What is known now.
    pub fn now(&self) -> ServedMoment {
        let published = self.published.read().unwrap_or_else(PoisonError::into_inner).clone();
        let newest = published.as_ref().and_then(|published| published.newest);
        let age = newest.map(|(at, age)| at.elapsed().saturating_add(age));
        let is_stale = age.is_none_or(|age| age >= self.stale_after);
        ServedMoment { published, age, is_stale }
    }

    /// Publishes what is known. `age` is that of the newest row, where one has come since the last time.
    pub fn publish(&self, state: LiveState, age: Option<Duration>) {
        let mut published = self.published.write().unwrap_or_else(PoisonError::into_inner);
        let before = published.as_ref().and_then(|published| published.newest);
        let newest = age.map(|age| (Instant::now(), age)).or(before);
        *published = Some(Arc::new(Published { state, newest }));
    }

    /// Gives rows to the thread that owns the model; `Err` gives them back where it has enough to do, or is gone.
    pub fn take_in(&self, intake: Intake) -> Result<(), Intake> {
        let Some(sender) = &self.intake else { return Err(intake) };
        sender.try_send(intake).map_err(|error| match error {
            TrySendError::Full(intake) | TrySendError::Disconnected(intake) => intake,
        })
    }

    /// The trace cannot be followed any more.
    pub fn fail(&self, error: anyhow::Error) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        self.has_failed.store(true, Ordering::Release);
    }

    /// Whether the trace cannot be followed any more.
    pub fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Acquire)
    }

    /// Why the trace cannot be followed any more.
    pub fn failure(&self) -> Option<anyhow::Error> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
