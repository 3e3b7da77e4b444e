//! A run of a pack: how it is trained, and how far it is.

use burn::tensor::Tensor;

use crate::spec::TrainingSpec;
use crate::stats::Stream;
use crate::train::fit::{EXPLODED, is_exploded};
use crate::train::{FitError, RateSchedule};

/// One run of a pack.
pub(crate) struct PackMember<'a> {
    /// How it is trained. Loss, epochs, batch size and `drop_last` are those of the whole pack.
    pub training: &'a TrainingSpec,
    /// Seed of its random streams.
    pub seed: u64,
    /// Its dropout rate.
    pub dropout: f64,
    /// Its initial weights, as a row.
    pub weights: Vec<f32>,
}

/// A member that is still trained.
pub(super) struct ActiveMember<'a> {
    pub number: usize,
    pub training: &'a TrainingSpec,
    /// Learning rate of the current epoch.
    pub learning_rate: f64,
    pub schedule: RateSchedule,
    pub shuffling: Stream,
    pub noise: Stream,
    pub dropout: f64,
    pub order: Vec<usize>,
    pub ceiling: f64,
    /// Sum of the losses of the epoch's windows.
    pub total: f64,
    pub best: Option<Tensor<2>>,
    pub best_loss: f64,
    pub best_epoch: usize,
    /// Why it does not go on.
    pub end: Option<MemberEnd>,
}

/// Why a member does not go on.
pub(super) enum MemberEnd {
    Best,
    Error(FitError),
}

impl<'a> ActiveMember<'a> {
    /// At the beginning.
    pub fn new(number: usize, member: &PackMember<'a>, windows: usize) -> Self {
        Self {
            number,
            training: member.training,
            learning_rate: 0.0,
            schedule: RateSchedule::new(member.training),
            shuffling: Stream::shuffling(member.seed),
            noise: Stream::dropout(member.seed),
            dropout: member.dropout,
            order: (0..windows).collect(),
            ceiling: EXPLODED,
            total: 0.0,
            best: None,
            best_loss: f64::INFINITY,
            best_epoch: 0,
            end: None,
        }
    }

    /// Takes up the loss of a batch; the first one of all says when a loss has exploded.
    pub fn take_loss(&mut self, epoch: usize, is_first: bool, loss: f64, windows: usize) {
        if self.end.is_some() {
            return;
        }
        if is_first {
            self.ceiling = EXPLODED * loss.max(1.0);
        }
        if is_exploded(loss, self.ceiling) {
            self.end = Some(MemberEnd::Error(FitError::Diverged { epoch, loss }));
        }
        self.total += loss * windows as f64;
    }
}
