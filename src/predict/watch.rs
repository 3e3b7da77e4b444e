//! Follows a trace row by row: each row is cleaned, turned into steps and scaled once, and each new step is forecast from.

use anyhow::bail;

use super::history::{History, require_channels};
use super::{Forecast, SavedModel, roll};
use crate::dataset::{MOST_WINDOWS, REQUESTS, Row, RowReader, TABLE, TaskError};
use crate::spec::{Span, TaskSpec};

/// What is known of a trace so far, and the model that is asked after each step.
///
/// A forecast is the one that [`SavedModel::forecast`] gives for the trace up to the same row, with the intervals that
/// the run ended with; steps beyond the model's horizon have none, since a backtest after every row would take longer
/// than most rows.
pub struct Watch<'a> {
    model: &'a SavedModel,
    history: History<'a>,
    count: usize,
    rows: Rows,
}

/// What becomes of the rows.
enum Rows {
    Requests { cleaning: Cleaning, windows: Option<OpenWindow> },
    Readings,
}

/// The cleaning of a trace whose end is open.
struct Cleaning {
    drop_zero_tokens: bool,
    spread_s: Option<f64>,
    /// The first request that is kept, in seconds since the trace's first row.
    first_s: Option<f64>,
    /// The last timestamp, and how many requests share it so far.
    shared_s: f64,
    shared: usize,
}

/// A window that requests are counted in, and the requests whose arrival may still be moved.
struct OpenWindow {
    width_s: f64,
    number: usize,
    sums: [f64; 3],
    /// Request and response tokens of the requests that share the last timestamp, where these are spread.
    held: Vec<(f64, f64)>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(model: &'a SavedModel, count: usize) -> Self {
        let spec = &model.saved().spec;
        let cleaning = Cleaning {
            drop_zero_tokens: spec.dataset.cleaning.drop_zero_tokens,
            spread_s: spec.dataset.cleaning.spread_duplicate_timestamps.map(Span::seconds),
            first_s: None,
            shared_s: f64::NEG_INFINITY,
            shared: 0,
        };
        let windows = match &spec.task {
            TaskSpec::WindowLoad(load) => Some(OpenWindow::new(load.window.seconds())),
            TaskSpec::NextRequest(_) | TaskSpec::Series(_) => None,
        };
        let rows = match &spec.task {
            TaskSpec::Series(_) => Rows::Readings,
            TaskSpec::NextRequest(_) | TaskSpec::WindowLoad(_) => Rows::Requests { cleaning, windows },
        };
        Self { model, history: History::empty(model.saved(), model.lookback()), count, rows }
    }

    /// Checks that rows below a header are such as the model knows.
    ///
    /// # Errors
    /// Rows of another kind, or a numeric table with other columns.
    pub fn accept(&self, rows: &RowReader) -> anyhow::Result<()> {
        match (&self.rows, rows.reads_requests()) {
            (Rows::Requests { .. }, true) => Ok(()),
            (Rows::Readings, false) => require_channels(self.model.saved(), rows.names()),
            (Rows::Requests { .. }, false) => bail!(TaskError::Kind(TABLE)),
            (Rows::Readings, true) => bail!(TaskError::Kind(REQUESTS)),
        }
    }

    /// How many more steps are needed before the first forecast.
    pub fn lacking(&self) -> usize {
        let unknown = usize::from(!self.history.knows_its_clock() && self.history.len() > 0);
        self.model.lookback().saturating_sub(self.history.len()).max(unknown)
    }

    /// The steps that follow the last known one; `None` while the history is shorter than the model's lookback.
    pub fn forecast(&self) -> Option<Forecast> {
        (self.lacking() == 0 && self.history.len() > 0).then(|| Forecast {
            targets: self.model.targets().clone(),
            time_name: self.model.time_name(),
            last_s: self.history.last_s(),
            steps: roll(self.model, &self.history, self.count, true),
        })
    }

    /// Takes up a row; calls `on_step` after each step that it completes: none for a request that is dropped or whose
    /// window goes on, several where windows without a request lie in between.
    ///
    /// # Errors
    /// Those of `on_step`, and a gap of more windows than a trace may have.
    pub fn push(
        &mut self,
        row: Row<'_>,
        on_step: &mut dyn FnMut(&Self) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        match row {
            Row::Reading { time_s, clock_s, values } => {
                if self.history.len() == 0 {
                    self.history.set_clock(clock_s);
                }
                self.history.push_step(time_s, values);
                on_step(self)
            }
            Row::Request { arrival_s, clock_s, request_tokens, response_tokens } => {
                let Rows::Requests { cleaning, windows } = &mut self.rows else { return Ok(()) };
                if cleaning.drop_zero_tokens && (request_tokens <= 0.0 || response_tokens <= 0.0) {
                    return Ok(());
                }
                if cleaning.first_s.is_none() {
                    self.history.set_clock(clock_s);
                }
                let arrival_s = arrival_s - *cleaning.first_s.get_or_insert(arrival_s);
                if windows.is_some() {
                    return self.push_to_window(arrival_s, (request_tokens, response_tokens), on_step);
                }
                let before = cleaning.admit(arrival_s);
                if let Some((shared, step_s)) = before.moved {
                    let first_s = before.shared_s;
                    self.history.move_last((0..shared).map(move |rank| first_s + rank as f64 * step_s));
                }
                self.history.push_request(before.arrival_s, request_tokens, response_tokens);
                on_step(self)
            }
        }
    }

    /// Counts a request into its window, after those before it are complete.
    fn push_to_window(
        &mut self,
        arrival_s: f64,
        tokens: (f64, f64),
        on_step: &mut dyn FnMut(&Self) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let Rows::Requests { cleaning, windows: Some(window) } = &mut self.rows else { return Ok(()) };
        let spreads = cleaning.spread_s.is_some();
        let mut complete = Vec::new();
        if spreads {
            let before = cleaning.admit(arrival_s);
            if before.begins_anew {
                // Only now it is known how far apart the requests of the timestamp before may lie.
                let step_s = before.moved.map_or(cleaning.spread_s.unwrap_or(0.0), |(_, step_s)| step_s);
                for (rank, tokens) in std::mem::take(&mut window.held).into_iter().enumerate() {
                    window.reach(before.shared_s + rank as f64 * step_s, &mut complete)?;
                    window.add(tokens);
                }
                window.reach(arrival_s, &mut complete)?;
            }
            window.held.push(tokens);
        } else {
            window.reach(arrival_s, &mut complete)?;
            window.add(tokens);
        }
        for (start_s, sums) in complete {
            self.history.push_step(start_s, &sums);
            on_step(self)?;
        }
        Ok(())
    }
}

/// Where a request is put, and what that moves.
struct Admitted {
    arrival_s: f64,
    /// The timestamp before it.
    shared_s: f64,
    /// Whether it is the first of its timestamp.
    begins_anew: bool,
    /// So many requests of the timestamp before lie closer together than was known, by this step.
    moved: Option<(usize, f64)>,
}

impl Cleaning {
    /// Spreads requests that share a timestamp as a whole trace is spread that ends here.
    fn admit(&mut self, arrival_s: f64) -> Admitted {
        let shared_s = self.shared_s;
        let Some(step_s) = self.spread_s else {
            return Admitted { arrival_s, shared_s, begins_anew: true, moved: None };
        };
        if arrival_s == shared_s {
            self.shared += 1;
            let arrival_s = shared_s + (self.shared - 1) as f64 * step_s;
            return Admitted { arrival_s, shared_s, begins_anew: false, moved: None };
        }
        let room_s = arrival_s - shared_s;
        let within_s = step_s.min(room_s / self.shared as f64);
        let moved = (self.shared > 1 && within_s < step_s).then_some((self.shared, within_s));
        (self.shared_s, self.shared) = (arrival_s, 1);
        Admitted { arrival_s, shared_s, begins_anew: true, moved }
    }
}

impl OpenWindow {
    fn new(width_s: f64) -> Self {
        Self { width_s, number: 0, sums: [0.0; 3], held: Vec::new() }
    }

    /// Completes the windows that end before a time, in order.
    fn reach(&mut self, arrival_s: f64, complete: &mut Vec<(f64, [f64; 3])>) -> anyhow::Result<()> {
        let ended = (arrival_s / self.width_s).floor();
        if ended - self.number as f64 > MOST_WINDOWS as f64 {
            bail!(TaskError::Window(ended));
        }
        while self.number < ended as usize {
            complete.push((self.number as f64 * self.width_s, self.sums));
            self.sums = [0.0; 3];
            self.number += 1;
        }
        Ok(())
    }

    fn add(&mut self, (request_tokens, response_tokens): (f64, f64)) {
        for (sum, value) in self.sums.iter_mut().zip([1.0, request_tokens, response_tokens]) {
            *sum += value;
        }
    }
}
