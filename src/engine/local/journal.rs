//! The journal: what a sweep writes to the store, always before it is announced.

use super::slot::ClaimedRun;
use crate::plan::Run;
use crate::store::{Claim, ClaimRequest, Ending, Event, Record, Store};

/// The store as one experiment's supervisor writes it.
pub struct Journal<'a> {
    store: &'a mut Store,
    experiment: String,
}

impl<'a> Journal<'a> {
    /// The journal of an experiment.
    pub fn new(store: &'a mut Store, experiment: String) -> Self {
        Self { store, experiment }
    }

    /// The store itself, for whoever reads it or plans more.
    pub fn store(&mut self) -> &mut Store {
        self.store
    }

    /// A record of what happened to a run.
    pub fn event(&self, run: &Run, kind: &'static str, detail: impl Into<String>) -> Record {
        self.record(Some(run.id.clone()), kind, detail.into())
    }

    /// A record of what happened to the experiment.
    pub fn experiment_event(&self, kind: &'static str, detail: impl Into<String>) -> Record {
        self.record(None, kind, detail.into())
    }

    fn record(&self, run_id: Option<String>, kind: &'static str, detail: String) -> Record {
        Record::Event(Event { experiment: Some(self.experiment.clone()), run_id, kind, detail })
    }

    /// Writes records in one transaction.
    ///
    /// # Errors
    /// A store that cannot be written; then none of them is.
    pub fn write(&mut self, records: &[Record]) -> anyhow::Result<()> {
        self.store.write(records)
    }

    /// Writes records and claims runs after them, all in one transaction.
    ///
    /// # Errors
    /// A store that cannot be written; then nothing is.
    pub fn write_and_claim(
        &mut self,
        records: &[Record],
        requests: &[ClaimRequest],
    ) -> anyhow::Result<Vec<Claim>> {
        self.store.write_and_claim(records, requests)
    }
}

/// The record that ends an attempt.
pub fn ended(run: &Run, claimed: ClaimedRun, ending: Ending) -> Record {
    Record::Ended { run_id: run.id.clone(), attempt: claimed.attempt, ending }
}
