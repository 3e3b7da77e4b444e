//! A first experiment for a trace: what `dataset inspect` finds decides what is forecast, and from how much.

use std::fmt::Write;

use crate::dataset::{Frequency, Inspection, RequestStatistics, SeriesStatistics};
use crate::spec::ColumnsSpec;
use crate::text::{duration, grouped, number};

/// Windows in seconds, and how an experiment file writes them.
const WINDOWS: [(f64, &str); 7] = [
    (10.0, "10s"),
    (30.0, "30s"),
    (60.0, "1min"),
    (300.0, "5min"),
    (900.0, "15min"),
    (1_800.0, "30min"),
    (3_600.0, "1h"),
];
/// Requests that a window has on average: of fewer, the load is mostly chance.
const REQUESTS_PER_WINDOW: f64 = 10.0;
/// Windows that a trace must have for its load to be forecast, and that a first experiment needs at most.
const WINDOW_COUNT: (f64, f64) = (300.0, 20_000.0);
/// Rows that a first experiment needs at most.
const MOST_ROWS: usize = 50_000;
/// Rows that a split into three parts needs at least.
const FEWEST_ROWS: usize = 24;
/// The share of the steps that is in the shortest part: the second half of the default validation part.
const SHORTEST_PART: f64 = 0.075;
/// From here on an autocorrelation is taken for a season.
const SEASONAL: f64 = 0.2;
/// Kernel of `dlinear` where the file does not say.
const DLINEAR_KERNEL: usize = 25;
const DAY_S: f64 = 86_400.0;

/// What a first experiment is written from.
#[derive(Debug, Clone, Copy)]
pub(super) struct FirstExperiment<'a> {
    /// Its name.
    pub(super) name: &'a str,
    /// The trace, as the file names it.
    pub(super) source: &'a str,
    /// The columns that the user named.
    pub(super) columns: Option<&'a ColumnsSpec>,
    /// What is in the trace.
    pub(super) inspection: &'a Inspection,
}

/// What is forecast, and from how much.
struct Choice {
    /// The lines of `[dataset]` that follow the source.
    slice: String,
    /// The lines of `[dataset.cleaning]`.
    cleaning: String,
    /// The table of the task with its comments, up to its lookback.
    task: String,
    sizes: StepSizes,
    /// Lines of the task below its horizon.
    features: String,
    season: SeasonChoice,
    /// What else the trace could be asked.
    alternative: String,
}

/// Steps of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct StepSizes {
    lookback: usize,
    horizon: usize,
    /// Steps of the shortest part of the split.
    room: usize,
}

impl StepSizes {
    /// These sizes, or what of them fits into the shortest part of so many steps.
    fn within(steps: usize, lookback: usize, horizon: usize) -> Self {
        let room = ((steps as f64 * SHORTEST_PART) as usize).max(2);
        let horizon = horizon.min(room / 3).max(1);
        Self { lookback: lookback.min(room - horizon).max(1), horizon, room }
    }
}

/// A season that the data show, or why there is none.
struct SeasonChoice {
    /// As the experiment file writes it, and in steps.
    season: Option<(String, usize)>,
    why: String,
}

impl FirstExperiment<'_> {
    /// The text of the file.
    ///
    /// # Errors
    /// A trace with too few rows, in a sentence.
    pub(super) fn text(self) -> Result<String, String> {
        let choice = match self.inspection {
            Inspection::Requests(statistics) => of_requests(statistics)?,
            Inspection::Series(statistics) => of_series(statistics)?,
        };
        let columns = self.columns.and_then(|columns| toml::to_string(columns).ok());
        let columns = columns.map_or(String::new(), |columns| format!("\n[dataset.columns]\n{columns}"));
        let cleaning = match choice.cleaning.as_str() {
            "" => String::new(),
            cleaning => format!("\n[dataset.cleaning]\n{cleaning}"),
        };
        let StepSizes { lookback, horizon, .. } = choice.sizes;
        let mut text = format!(
            "# A first experiment on this trace, to run and to change. `burstlab schema` prints what every key means, and\n\
             # `burstlab dataset inspect` what is in the trace.\n\
             name = {name}\n\n\
             [dataset]\n\
             source = {source}\n\
             {slice}{columns}{cleaning}\n\
             {task}\
             lookback = {lookback:<21} # steps that a model sees\n\
             horizon = {horizon:<22} # steps that it forecasts at once\n\
             {features}{alternative}\n\
             [training]\n\
             epochs = 20\n\
             learning_rate = {{ grid = [1e-3, 3e-3] }}   # an axis: every value is a trial\n\
             early_stopping_patience = 3\n",
            name = quoted(self.name),
            source = quoted(self.source),
            slice = choice.slice,
            task = choice.task,
            features = choice.features,
            alternative = choice.alternative,
        );
        write_models(&mut text, &choice.season, choice.sizes);
        Ok(text)
    }
}

fn write_models(text: &mut String, season: &SeasonChoice, sizes: StepSizes) {
    let longest = sizes.lookback.min(sizes.room - sizes.horizon).max(1);
    // A moving average that is wider than the lookback decomposes nothing.
    let kernel = match sizes.lookback {
        lookback if lookback >= DLINEAR_KERNEL => String::new(),
        lookback => format!("kernel = {}\n", ((lookback / 2) | 1).max(3)),
    };
    let windows: Vec<String> =
        [3, 10, 30].iter().filter(|window| **window <= longest).map(ToString::to_string).collect();
    let windows = if windows.is_empty() { "1".to_string() } else { windows.join(", ") };
    let seasonal = match &season.season {
        Some((season, _)) => format!("[[models]]\n[models.seasonal_naive]\nseason = {season}\n\n"),
        None => String::new(),
    };
    let mase = match &season.season {
        Some((_, steps)) => format!("[evaluation]\nmase_season = {steps}\n\n"),
        None => String::new(),
    };
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "\n{mase}# The naive baselines that every other model has to beat.\n\
         [[models]]\n[models.persistence]\n\n\
         [[models]]\n[models.mean]\n\n\
         [[models]]\n[models.moving_average]\nwindow = {{ grid = [{windows}] }}\n\n\
         # {why}\n\
         {seasonal}\
         [[models]]\n[models.linear]\n\n\
         [[models]]\n[models.dlinear]\n{kernel}\n\
         [[models]]\n[models.lstm]\nhidden = 32\n\n\
         [search]\n\
         seeds = [1, 2, 3]                # five or more where models are close\n",
        why = season.why,
    );
}

fn of_requests(statistics: &RequestStatistics) -> Result<Choice, String> {
    let rows = statistics.rows;
    check_rows(rows)?;
    let mut cleaning = String::new();
    if statistics.zero_tokens > 0 {
        let _ = writeln!(
            cleaning,
            "drop_zero_tokens = true          # {} requests have no tokens",
            grouped(statistics.zero_tokens)
        );
    }
    if statistics.repeated_timestamps > 0 {
        let _ = writeln!(
            cleaning,
            "spread_duplicate_timestamps = \"1ms\"   # {} requests have the time of the one before",
            grouped(statistics.repeated_timestamps)
        );
    }
    let kept = rows - statistics.zero_tokens.min(rows);
    let per_second = kept as f64 / statistics.span_s;
    let fits = |&(window_s, _): &(f64, &str)| {
        let count = statistics.span_s / window_s;
        per_second * window_s >= REQUESTS_PER_WINDOW && (WINDOW_COUNT.0..=WINDOW_COUNT.1).contains(&count)
    };
    let found = format!("{} requests in {}", grouped(rows), duration(statistics.span_s.round()));
    let window = WINDOWS.iter().find(|window| fits(window));
    Ok(match window {
        Some(&(window_s, window)) => of_load(statistics, cleaning, (window_s, window), &found),
        None => of_next_request(statistics, cleaning, kept, &found),
    })
}

fn of_load(statistics: &RequestStatistics, cleaning: String, window: (f64, &str), found: &str) -> Choice {
    let (window_s, window) = window;
    let steps = (statistics.span_s / window_s) as usize;
    let sizes = StepSizes::within(steps, 48, 6);
    let daily = statistics.traffic.as_ref().and_then(|traffic| traffic.daily_autocorrelation);
    let day = (DAY_S / window_s).round() as usize;
    let season = match daily {
        None => {
            SeasonChoice { season: None, why: "The trace is too short to show a daily season.".to_string() }
        }
        Some((requests, _)) => season_of("a day", requests, (day, "\"1d\"".to_string()), sizes),
    };
    let per_window = statistics.rows as f64 / statistics.span_s * window_s;
    let task = format!(
        "# {found}: a window of {window} has {} of them on average, and there are {} windows.\n\
         [task.window_load]\nwindow = \"{window}\"\n",
        number(per_window),
        grouped(steps),
    );
    let alternative = "# Instead of the load of windows, each next request can be forecast: remove the table above, and add\n\
                       # [task.next_request]\n# lookback = 50\n"
        .to_string();
    Choice { slice: String::new(), cleaning, task, sizes, features: String::new(), season, alternative }
}

fn of_next_request(statistics: &RequestStatistics, cleaning: String, kept: usize, found: &str) -> Choice {
    let (slice, steps) = latest(kept);
    let sizes = StepSizes::within(steps, 50, 1);
    let mut features = Vec::new();
    if statistics.gap_cv > 1.2 {
        features.push("\"arrival_rate\"");
    }
    if statistics.burst_share > 0.01 || statistics.sparse_share > 0.01 {
        features.push("\"burst\"");
    }
    if statistics.span_s > 2.0 * DAY_S {
        features.push("\"time_of_day\"");
    }
    let features = match features.as_slice() {
        [] => String::new(),
        features => {
            format!("features = [{}]   # inputs beside the gap and the tokens\n", features.join(", "))
        }
    };
    let task = format!(
        "# {found} are too few for the load of time windows: each next request is forecast, its gap and its tokens.\n\
         [task.next_request]\n"
    );
    let why = "Requests come at any time: a step has no season.".to_string();
    let season = SeasonChoice { season: None, why };
    Choice { slice, cleaning, task, sizes, features, season, alternative: String::new() }
}

fn of_series(statistics: &SeriesStatistics) -> Result<Choice, String> {
    check_rows(statistics.rows)?;
    let (slice, steps) = latest(statistics.rows);
    let clock = &statistics.clock;
    let usual = match clock.frequency {
        Some(Frequency::Seconds(step_s)) if step_s >= DAY_S => Some((7.0 * DAY_S / step_s, "a week")),
        Some(Frequency::Seconds(step_s)) => Some((DAY_S / step_s, "a day")),
        Some(Frequency::Days(days)) if days < 7 => Some((7.0 / f64::from(days), "a week")),
        Some(Frequency::Days(days)) => Some(((365.25 / f64::from(days)).round(), "a year")),
        Some(Frequency::Months { count, .. }) => Some((12.0 / f64::from(count), "a year")),
        Some(Frequency::Rows) | None => None,
    };
    let usual = usual.filter(|(steps, _)| steps.fract() == 0.0 && *steps >= 2.0);
    let usual = usual.map(|(steps, name)| (steps as usize, name));
    let (lookback, horizon) =
        usual.map_or((48, 12), |(season, _)| ((2 * season).clamp(24, 336), season.min(24)));
    let sizes = StepSizes::within(steps, lookback, horizon);
    let season = match usual {
        None => {
            SeasonChoice { season: None, why: "The rows have no clock that would give a season.".to_string() }
        }
        Some((season, name)) => {
            let at_lag =
                |profile: &crate::dataset::ColumnProfile| profile.autocorrelation.get(season - 1).copied();
            let strongest = statistics.profiles.iter().filter_map(at_lag).fold(f64::NAN, f64::max);
            season_of(name, strongest, (season, season.to_string()), sizes)
        }
    };
    let mut cleaning = String::new();
    if clock.missing > 0 {
        let _ = writeln!(
            cleaning,
            "gaps = \"last\"                    # {} rows are missing: they take the values of the row before",
            grouped(clock.missing)
        );
    }
    if clock.repeats.count > 0 {
        let _ = writeln!(
            cleaning,
            "repeats = \"last\"                 # {} rows have the time of the row before",
            grouped(clock.repeats.count)
        );
    }
    let columns = if statistics.columns.len() == 1 { "column" } else { "columns" };
    let frequency =
        clock.frequency.map_or("at no fixed distance".to_string(), |frequency| frequency.to_string());
    let task = format!(
        "# {} rows {frequency} with {} {columns}, all of which are forecast.\n[task.series]\n",
        grouped(statistics.rows),
        grouped(statistics.columns.len()),
    );
    let (features, alternative) = (String::new(), String::new());
    Ok(Choice { slice, cleaning, task, sizes, features, season, alternative })
}

/// A season of so many steps, if the data show it and the parts of the split have room for it.
fn season_of(name: &str, autocorrelation: f64, season: (usize, String), sizes: StepSizes) -> SeasonChoice {
    let (steps, written) = season;
    if autocorrelation.is_nan() {
        let why = format!("The trace is too short to show whether it repeats after {name}.");
        return SeasonChoice { season: None, why };
    }
    let measured = format!("the autocorrelation at {name} is {}", number(autocorrelation));
    if autocorrelation < SEASONAL {
        return SeasonChoice { season: None, why: format!("No season: {measured}.") };
    }
    if steps + sizes.horizon > sizes.room {
        let why =
            format!("A season, since {measured}, but the parts of the split are shorter than it needs.");
        return SeasonChoice { season: None, why };
    }
    SeasonChoice { season: Some((written, steps)), why: format!("A season: {measured}.") }
}

/// The slice of a long trace that a first experiment needs, and its rows.
fn latest(rows: usize) -> (String, usize) {
    if rows <= MOST_ROWS {
        return (String::new(), rows);
    }
    let slice = format!(
        "latest_rows = 50_000             # of {}: remove this once the experiment is as you want it\n",
        grouped(rows)
    );
    (slice, MOST_ROWS)
}

fn check_rows(rows: usize) -> Result<(), String> {
    if rows >= FEWEST_ROWS {
        return Ok(());
    }
    Err(format!("{} rows are too few for an experiment; it needs {FEWEST_ROWS} at least", grouped(rows)))
}

/// A text as TOML writes it.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_string()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_shrink_to_what_the_shortest_part_holds() {
        assert_eq!(StepSizes::within(10_000, 48, 12), StepSizes { lookback: 48, horizon: 12, room: 750 });
        assert_eq!(StepSizes::within(360, 48, 6), StepSizes { lookback: 21, horizon: 6, room: 27 });
        assert_eq!(StepSizes::within(40, 48, 12), StepSizes { lookback: 2, horizon: 1, room: 3 });
        assert_eq!(StepSizes::within(24, 48, 12), StepSizes { lookback: 1, horizon: 1, room: 2 });
    }

    #[test]
    fn a_season_must_be_in_the_data_and_fit_into_the_split() {
        let season = |autocorrelation, rows| {
            let choice =
                season_of("a day", autocorrelation, (24, "24".to_string()), StepSizes::within(rows, 48, 24));
            (choice.season.is_some(), choice.why)
        };
        assert_eq!(
            season(0.9, 5_000),
            (true, "A season: the autocorrelation at a day is 0.9000.".to_string())
        );
        assert!(!season(0.1, 5_000).0 && season(0.1, 5_000).1.starts_with("No season: "));
        assert!(!season(0.9, 200).0 && season(0.9, 200).1.contains("shorter than it needs"));
        assert!(!season(f64::NAN, 5_000).0);
    }
}
