//! Follows a trace row by row: each row is cleaned, turned into steps and scaled once, and each new step allows a forecast.

use anyhow::{anyhow, bail};

use super::forecast::Forecast;
use super::history::{StepHistory, recorded_pace, require_columns};
use super::roll::roll;
use super::saved_model::SavedModel;
use crate::dataset::{
    Frequency, MOST_WINDOWS, REQUESTS, Row, RowCleaner, RowEffect, RowReader, TABLE, TaskError,
    WindowChannels, WindowSums,
};
use crate::spec::{EmptyWindows, GapPolicy, Span, TaskSpec, WindowLoadSpec};

/// More windows or rows than this are not empty: the time of a row is wrong, and its gap would keep the model busy for long.
const MOST_EMPTY: usize = 100_000;

/// The known part of a trace, and the model that forecasts after each step.
///
/// A forecast equals that of [`SavedModel::forecast`] for the trace up to the same row, with the intervals that the run
/// ended with. Steps beyond the model's horizon have no intervals: a backtest after every row would take too long.
#[derive(Clone)]
pub struct Watch<'a> {
    model: &'a SavedModel,
    history: StepHistory<'a>,
    count: usize,
    rows: RowSteps,
}

/// How rows become steps.
#[derive(Clone)]
enum RowSteps {
    Requests { cleaning: Cleaning, windows: Option<OpenWindow> },
    Readings(RowCleaner),
}

/// The cleaning of a trace that is still growing.
#[derive(Clone)]
struct Cleaning {
    drop_zero_tokens: bool,
    spread_s: Option<f64>,
    /// The first request that is kept, in seconds since the trace's first row.
    first_s: Option<f64>,
    /// The last timestamp.
    shared_s: f64,
    /// How many requests share it so far.
    shared: usize,
}

/// The window that requests are counted in, and the requests whose arrival may still change.
#[derive(Clone)]
struct OpenWindow {
    width_s: f64,
    number: usize,
    sums: WindowSums,
    channels: WindowChannels,
    /// The requests that share the last timestamp, where these are spread.
    held: Vec<Tokens>,
}

/// The tokens of a request.
#[derive(Clone, Copy)]
struct Tokens {
    request: f64,
    response: f64,
}

/// A window that has ended.
struct EndedWindow {
    start_s: f64,
    /// Its channels, but for the work.
    values: Vec<f64>,
}

impl SavedModel {
    /// Starts following a trace row by row, with a forecast of `count` steps after each.
    pub fn watch(&self, count: usize) -> Watch<'_> {
        Watch::new(self, count)
    }
}

impl<'a> Watch<'a> {
    fn new(model: &'a SavedModel, count: usize) -> Self {
        let spec = &model.saved().spec;
        let cleaning = Cleaning {
            drop_zero_tokens: spec.dataset.cleaning.drop_zero_tokens,
            spread_s: spec.dataset.cleaning.spread_duplicate_timestamps.map(Span::seconds),
            first_s: None,
            shared_s: f64::NEG_INFINITY,
            shared: 0,
        };
        let windows = match &spec.task {
            TaskSpec::WindowLoad(load) => Some(OpenWindow::new(load)),
            TaskSpec::NextRequest(_) | TaskSpec::Series(_) => None,
        };
        let rows = match &spec.task {
            TaskSpec::Series(_) => {
                let pace = recorded_pace(model.saved());
                RowSteps::Readings(RowCleaner::new(&spec.dataset.cleaning, pace, (0.0, 0), model.zone()))
            }
            TaskSpec::NextRequest(_) | TaskSpec::WindowLoad(_) => RowSteps::Requests { cleaning, windows },
        };
        let history = StepHistory::empty(model.saved(), model.derived(), model.lookback(), model.zone());
        Self { model, history, count, rows }
    }

    /// The model that forecasts.
    pub fn model(&self) -> &'a SavedModel {
        self.model
    }

    /// Keeps so many steps more, for [`Watch::forecast_before`].
    #[must_use]
    pub fn keeping(mut self, steps: usize) -> Self {
        self.history.keep(steps);
        self
    }

    /// Checks that the rows below a header suit the model.
    ///
    /// # Errors
    /// Rows of another kind, or a numeric table with other columns.
    pub fn accept(&self, rows: &RowReader) -> anyhow::Result<()> {
        match (&self.rows, rows.reads_requests()) {
            (RowSteps::Requests { .. }, true) => Ok(()),
            (RowSteps::Readings(_), false) => {
                let saved = self.model.saved();
                require_columns(saved, rows.names())
            }
            (RowSteps::Requests { .. }, false) => bail!(TaskError::Kind(TABLE)),
            (RowSteps::Readings(_), true) => bail!(TaskError::Kind(REQUESTS)),
        }
    }

    /// The most seconds that may pass between a row and the next one; infinite where nothing is filled in between them.
    pub fn longest_gap_s(&self) -> f64 {
        let saved = self.model.saved();
        match &saved.spec.task {
            TaskSpec::WindowLoad(load) => {
                let skips = load.empty_windows == EmptyWindows::Skip;
                let most = if skips { MOST_WINDOWS } else { MOST_EMPTY };
                most as f64 * load.window.seconds()
            }
            TaskSpec::Series(_) => {
                let fills = matches!(
                    saved.spec.dataset.cleaning.gaps,
                    Some(GapPolicy::Interpolate | GapPolicy::Last)
                );
                let pace = recorded_pace(saved).filter(|_| fills);
                let step_s = pace.and_then(Frequency::longest_s);
                step_s.map_or(f64::INFINITY, |step_s| MOST_EMPTY as f64 * step_s)
            }
            TaskSpec::NextRequest(_) => f64::INFINITY,
        }
    }

    /// How many more steps are needed before the first forecast.
    pub fn missing_steps(&self) -> usize {
        let unknown = usize::from(!self.history.knows_its_clock() && self.history.len() > 0);
        self.model.lookback().saturating_sub(self.history.len()).max(unknown)
    }

    /// Number of steps that are known so far.
    pub fn known_steps(&self) -> usize {
        self.history.count()
    }

    /// The last known step: its targets in original units; empty before the first one.
    pub fn last_values(&self) -> &[f64] {
        self.history.last_values()
    }

    /// Clock time of the first row that is kept, in seconds since a midnight (a Monday's, where the date is known).
    pub fn clock_s(&self) -> f64 {
        self.history.clock_s()
    }

    /// The steps that follow the last known one; `None` while the history is shorter than the model's lookback.
    pub fn forecast(&self) -> Option<Forecast> {
        self.forecast_after(&self.history)
    }

    /// The forecast that was due before the last `back` windows or rows; `None` where fewer steps are kept than it needs
    /// (see [`Watch::keeping`]), and for requests.
    pub fn forecast_before(&self, back: usize) -> Option<Forecast> {
        self.forecast_after(&self.history.without_last(back)?)
    }

    fn forecast_after(&self, history: &StepHistory<'_>) -> Option<Forecast> {
        let is_known = history.len() >= self.model.lookback().max(1) && history.knows_its_clock();
        is_known.then(|| Forecast {
            targets: self.model.targets().clone(),
            time_name: self.model.time_name(),
            last_s: history.last_s(),
            steps: roll(self.model, history, self.count, true),
        })
    }

    /// Adds a row and calls `on_step` after each step that it completes: none for a request that is dropped or whose window
    /// is not over, several where windows without a request lie in between. A row of a series completes one, unless it repeats
    /// the time of the row before and is left out.
    ///
    /// # Errors
    /// Those of `on_step`, a gap of more windows than a trace may have, and a row that
    /// `[dataset.cleaning]` refuses or whose means are no numbers.
    pub fn push(
        &mut self,
        row: Row<'_>,
        on_step: &mut dyn FnMut(&Self) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        match row {
            Row::Reading { time_s, clock_s, values } => {
                let RowSteps::Readings(cleaner) = &mut self.rows else { return Ok(()) };
                self.history.require_means(values)?;
                if self.history.len() == 0 {
                    self.history.set_clock(clock_s);
                    cleaner.start(clock_s);
                }
                match cleaner
                    .push(time_s, values)
                    .map_err(|error| anyhow!("{}; {}", error.message, error.help))?
                {
                    RowEffect::LeftOut => return Ok(()),
                    RowEffect::Replaces(values) => self.history.replace_last(values),
                    RowEffect::Adds(rows) => {
                        for (time_s, values) in rows {
                            self.history.push_observed(*time_s, values);
                        }
                    }
                }
                on_step(self)
            }
            Row::Request { arrival_s, clock_s, request_tokens, response_tokens } => {
                let RowSteps::Requests { cleaning, windows } = &mut self.rows else { return Ok(()) };
                if cleaning.drop_zero_tokens && (request_tokens <= 0.0 || response_tokens <= 0.0) {
                    return Ok(());
                }
                if cleaning.first_s.is_none() {
                    self.history.set_clock(clock_s);
                }
                let arrival_s = arrival_s - *cleaning.first_s.get_or_insert(arrival_s);
                if windows.is_some() {
                    let tokens = Tokens { request: request_tokens, response: response_tokens };
                    return self.push_to_window(arrival_s, tokens, on_step);
                }
                let before = cleaning.admit(arrival_s);
                if let Some(Respread { requests, step_s }) = before.moved {
                    let first_s = before.shared_s;
                    self.history.move_last((0..requests).map(move |rank| first_s + rank as f64 * step_s));
                }
                self.history.push_request(before.arrival_s, request_tokens, response_tokens);
                on_step(self)
            }
        }
    }

    /// Counts a request in its window, after completing the windows before it.
    fn push_to_window(
        &mut self,
        arrival_s: f64,
        tokens: Tokens,
        on_step: &mut dyn FnMut(&Self) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let RowSteps::Requests { cleaning, windows: Some(window) } = &mut self.rows else { return Ok(()) };
        let spreads = cleaning.spread_s.is_some();
        let mut complete = Vec::new();
        if spreads {
            let before = cleaning.admit(arrival_s);
            if before.is_first {
                // Only now is it known how far apart the requests of the previous timestamp may be.
                let step_s = before.moved.map_or(cleaning.spread_s.unwrap_or(0.0), |moved| moved.step_s);
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
        for EndedWindow { start_s, values } in complete {
            self.history.push_observed(start_s, &values);
            on_step(self)?;
        }
        Ok(())
    }
}

/// The arrival of a request, and how it changes the arrivals before it.
struct Admitted {
    arrival_s: f64,
    /// The previous timestamp.
    shared_s: f64,
    /// Whether it is the first of its timestamp.
    is_first: bool,
    /// Set where the requests of the previous timestamp are closer together than assumed.
    moved: Option<Respread>,
}

/// A new spread of the requests of one timestamp.
struct Respread {
    requests: usize,
    step_s: f64,
}

impl Cleaning {
    /// Spreads requests that share a timestamp as in a whole trace that ends here.
    fn admit(&mut self, arrival_s: f64) -> Admitted {
        let shared_s = self.shared_s;
        let Some(step_s) = self.spread_s else {
            return Admitted { arrival_s, shared_s, is_first: true, moved: None };
        };
        if arrival_s == shared_s {
            self.shared += 1;
            let arrival_s = shared_s + (self.shared - 1) as f64 * step_s;
            return Admitted { arrival_s, shared_s, is_first: false, moved: None };
        }
        let room_s = arrival_s - shared_s;
        let within_s = step_s.min(room_s / self.shared as f64);
        let moved = (self.shared > 1 && within_s < step_s)
            .then_some(Respread { requests: self.shared, step_s: within_s });
        (self.shared_s, self.shared) = (arrival_s, 1);
        Admitted { arrival_s, shared_s, is_first: true, moved }
    }
}

impl OpenWindow {
    fn new(load: &WindowLoadSpec) -> Self {
        let channels = WindowChannels::of(load);
        Self { width_s: load.window.seconds(), number: 0, sums: [0.0; 3], channels, held: Vec::new() }
    }

    /// Completes the windows that end before a time, in order, but for those that the task leaves out.
    fn reach(&mut self, arrival_s: f64, complete: &mut Vec<EndedWindow>) -> anyhow::Result<()> {
        let ended = (arrival_s / self.width_s).floor();
        if ended - self.number as f64 > MOST_WINDOWS as f64 {
            bail!(TaskError::Window(ended));
        }
        while self.number < ended as usize {
            let mut values = Vec::new();
            if self.channels.push(std::mem::take(&mut self.sums), &mut values) {
                complete.push(EndedWindow { start_s: self.number as f64 * self.width_s, values });
            }
            self.number += 1;
        }
        Ok(())
    }

    fn add(&mut self, tokens: Tokens) {
        for (sum, value) in self.sums.iter_mut().zip([1.0, tokens.request, tokens.response]) {
            *sum += value;
        }
    }
}
