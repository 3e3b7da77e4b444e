//! The worker of a slot, which the lanes of a pack share.

use super::protocol::ToWorker;
use super::worker_process::{Launcher, Worker, WorkerExit};
use crate::system::device::Placement;

/// A worker's place: a group of cores or a share of a GPU.
pub struct Station {
    placement: Placement,
    /// The first of its lanes, which speaks for the worker.
    home: usize,
    worker: Option<Box<dyn Worker>>,
    /// How the last worker ended, until there is another: every lane asks.
    last_exit: Option<WorkerExit>,
    /// Whether the current worker has opened its device.
    ready: bool,
    /// Whether it gets no more runs, because its GPU cannot be used.
    retired: bool,
    /// Serial number of the last worker.
    serial: u64,
}

impl Station {
    /// A place without a worker yet.
    pub fn new(placement: Placement, home: usize) -> Self {
        Self { placement, home, worker: None, last_exit: None, ready: false, retired: false, serial: 0 }
    }

    /// A place with a worker.
    #[cfg(test)]
    pub fn with_worker(placement: Placement, worker: Box<dyn Worker>) -> Self {
        Self { worker: Some(worker), ..Self::new(placement, 0) }
    }

    /// Where it is.
    pub fn placement(&self) -> Placement {
        self.placement
    }

    /// Whether a worker lives here.
    pub fn has_worker(&self) -> bool {
        self.worker.is_some()
    }

    /// Whether a message comes from the current worker.
    pub fn is_current(&self, serial: u64) -> bool {
        self.serial == serial
    }

    /// Whether it gets no more runs.
    pub fn is_retired(&self) -> bool {
        self.retired
    }

    /// It gets no more runs.
    pub fn retire(&mut self) {
        self.retired = true;
    }

    /// Its worker has opened the device.
    pub fn set_ready(&mut self) {
        self.ready = true;
    }

    /// Whether its worker ended, on a GPU, before it had opened that GPU.
    pub fn is_unfit(&self) -> bool {
        self.worker.is_none() && !self.ready && self.placement != Placement::Cpu
    }

    /// Sends its worker a message; one that is gone meanwhile is noticed by the end of its output.
    pub fn tell(&mut self, message: &ToWorker) {
        if let Some(worker) = &mut self.worker {
            let _ = worker.send(message);
        }
    }

    /// Hands work to the worker, and starts one first if there is none. A worker that died while it was idle is replaced.
    ///
    /// # Errors
    /// A worker that cannot be started or does not take the work.
    pub fn hand_over(&mut self, work: &ToWorker, launcher: &mut dyn Launcher) -> anyhow::Result<()> {
        if let Some(worker) = &mut self.worker {
            if worker.send(work).is_ok() {
                return Ok(());
            }
            self.reap();
        }
        self.ready = false;
        self.last_exit = None;
        self.serial += 1;
        let worker = launcher.launch(self.home, self.serial, self.placement)?;
        self.worker.insert(worker).send(work)
    }

    /// Takes the worker away and tells how it ended; `None` if none was ever started. One that still lives is killed.
    pub fn reap(&mut self) -> Option<WorkerExit> {
        if let Some(worker) = self.worker.take() {
            self.last_exit = Some(worker.reap());
        }
        self.last_exit.clone()
    }

    /// Asks the worker, and everything it started, to end.
    pub fn terminate(&mut self) {
        if let Some(worker) = &mut self.worker {
            worker.terminate();
        }
    }

    /// Kills the worker and everything it started.
    pub fn kill(&mut self) {
        if let Some(worker) = &mut self.worker {
            worker.kill();
        }
    }

    /// Largest resident set of the worker, where the system tells.
    pub fn peak_rss_bytes(&self) -> Option<u64> {
        self.worker.as_ref()?.peak_rss_bytes()
    }
}
