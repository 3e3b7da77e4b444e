//! How a sweep stands, as a few lines that fit the terminal: what `run` and `watch` show.

use std::collections::VecDeque;

use console::measure_text_width;

use crate::text::{counted, duration, grouped, number, percent};

/// Cells of the progress bar, at least and at most.
const BAR: (usize, usize) = (8, 32);
/// Failures that are named; the others are counted.
pub(super) const NAMED_FAILURES: usize = 3;
/// Settings whose leader is named; the others are counted.
const NAMED_LEADERS: usize = 4;
/// The least that is left of a name whose line is too long.
const SHORTEST_NAME: usize = 20;
/// Lines of one notice.
const NOTICE_LINES: usize = 5;
/// Ended runs that the pace is measured over: recent ones, since a plan begins with the shortest.
const PACED: usize = 50;
/// Columns between the word that begins a line and the rest of it.
const INDENT: usize = 11;

/// How a sweep stands at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct SweepView {
    /// Name of the experiment.
    pub(super) name: String,
    /// Runs that are planned.
    pub(super) total: usize,
    /// Runs that are over, and how.
    pub(super) settled: Settled,
    /// Runs that were interrupted, and run again when the sweep goes on.
    pub(super) interrupted: usize,
    /// Runs that a worker is at.
    pub(super) running: Vec<RunningLine>,
    /// The last runs that failed, and attempts that are made again, the latest last.
    pub(super) failures: Vec<FailureLine>,
    /// The best trial of each setting.
    pub(super) leaders: Vec<Leader>,
    /// What the trials are compared by, such as `valid mse`.
    pub(super) objective: String,
    /// Seconds since the sweep began; `None` where that is not known.
    pub(super) elapsed_s: Option<f64>,
    /// Runs that end in a minute.
    pub(super) per_minute: Option<f64>,
    /// Whether nothing will be started any more.
    pub(super) is_stopping: bool,
    /// What else there is to say.
    pub(super) notices: Vec<String>,
}

/// Number of runs that are over, by what came of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Settled {
    pub(super) done: usize,
    pub(super) pruned: usize,
    pub(super) failed: usize,
}

impl Settled {
    pub(super) fn count(self) -> usize {
        self.done + self.pruned + self.failed
    }
}

/// A run that a worker is at.
#[derive(Debug, Clone)]
pub(super) struct RunningLine {
    /// The model with its axis values, and the seed.
    pub(super) title: String,
    /// Seconds since it was started.
    pub(super) elapsed_s: Option<f64>,
    /// The last epoch, such as `epoch 3/40`.
    pub(super) epoch: Option<String>,
    /// The validation loss after it.
    pub(super) loss: Option<f64>,
    /// What is wrong with it.
    pub(super) trouble: Option<&'static str>,
}

/// A run that failed, or an attempt that is made again.
#[derive(Debug, Clone)]
pub(super) struct FailureLine {
    /// The word that begins the line, such as `failed`.
    pub(super) word: String,
    /// The run.
    pub(super) title: String,
    /// Why.
    pub(super) reason: String,
}

/// The best trial of a setting.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Leader {
    /// The model with its axis values.
    pub(super) label: String,
    /// Mean of the objective over the runs that are done.
    pub(super) value: f64,
    /// Runs that are done.
    pub(super) done: usize,
    /// Runs of the trial.
    pub(super) runs: usize,
    /// Whether it is a naive baseline.
    pub(super) is_baseline: bool,
    /// The best naive baseline with its objective, unless that is the leader.
    pub(super) baseline: Option<(String, f64)>,
}

/// What a line is about: the console paints its first word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Bad,
}

/// A line that fits the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ViewLine {
    pub(super) tone: Tone,
    pub(super) text: String,
}

impl SweepView {
    /// At most `height` lines of at most `width` columns.
    pub(super) fn lines(&self, width: usize, height: usize) -> Vec<ViewLine> {
        let mut ends = vec![self.progress_line(width), self.counts_line(width)];
        ends.extend(self.notices.iter().flat_map(|notice| wrapped(notice, width)).map(plain));
        let rest = height.saturating_sub(ends.len() + usize::from(!self.running.is_empty()));
        let failures = self.failure_lines(width, rest.min(NAMED_FAILURES + 1));
        let leaders = self.leader_lines(width, (rest - failures.len()).min(NAMED_LEADERS + 1));
        let left = height.saturating_sub(ends.len() + failures.len() + leaders.len());
        let running = self.running_lines(width, left);
        let mut lines: Vec<ViewLine> =
            failures.into_iter().chain(running).chain(leaders).chain(ends).collect();
        // The last lines say most.
        let surplus = lines.len().saturating_sub(height);
        lines.drain(..surplus);
        lines
    }

    /// What stays on the screen when the sweep is over: what failed, and why.
    pub(super) fn failure_lines(&self, width: usize, most: usize) -> Vec<ViewLine> {
        let named = self.failures.iter().filter(|line| line.is_final()).count();
        let shown =
            self.failures.len().min(if self.settled.failed > named { most.saturating_sub(1) } else { most });
        let from = self.failures.len() - shown;
        let shown_failed = self.failures[from..].iter().filter(|line| line.is_final()).count();
        let others = self.settled.failed.saturating_sub(shown_failed);
        let mut lines = Vec::new();
        if others > 0 && most > 0 {
            let more = if shown_failed > 0 { " more" } else { "" };
            let text = format!(
                "{}{}{more}; `burstlab runs --experiment {} --status failed` lists all",
                head("failed"),
                grouped(others),
                self.name
            );
            lines.push(ViewLine { tone: Tone::Bad, text: cut(&text, width) });
        }
        lines.extend(self.failures[from..].iter().map(|failure| failure.line(width)));
        lines
    }

    fn running_lines(&self, width: usize, most: usize) -> Vec<ViewLine> {
        let shown = if self.running.len() > most { most.saturating_sub(1) } else { self.running.len() };
        let mut lines: Vec<ViewLine> =
            self.running.iter().take(shown).map(|run| plain(run.text(width))).collect();
        let others = self.running.len() - shown;
        if others > 0 && most > 0 {
            let more = if shown > 0 { " more" } else { "" };
            lines.push(plain(cut(&format!("{}{}{more}", head("running"), grouped(others)), width)));
        }
        lines
    }

    fn leader_lines(&self, width: usize, most: usize) -> Vec<ViewLine> {
        let shown = if self.leaders.len() > most { most.saturating_sub(1) } else { self.leaders.len() };
        let good = |text| ViewLine { tone: Tone::Good, text };
        let mut lines: Vec<ViewLine> =
            self.leaders.iter().take(shown).map(|leader| good(leader.text(&self.objective, width))).collect();
        let others = self.leaders.len() - shown;
        if others > 0 && most > 0 {
            let text = format!("{}of {} more settings: `burstlab compare`", head("best"), grouped(others));
            lines.push(good(cut(&text, width)));
        }
        lines
    }

    fn progress_line(&self, width: usize) -> ViewLine {
        let settled = self.settled.count();
        let runs = Some(format!("{}/{} runs", grouped(settled), grouped(self.total)));
        let elapsed = self.elapsed_s.map(|elapsed_s| duration(elapsed_s.floor()));
        let rate = self.per_minute.map(|rate| format!("{}/min", rate_text(rate)));
        let left = self.left_s().map(|left_s| format!("{} left", duration(left_s.ceil())));
        let joined = |parts: [&Option<String>; 4]| {
            parts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(", ")
        };
        // What matters most in a narrow terminal is when the sweep ends.
        let texts = [joined([&runs, &elapsed, &rate, &left]), joined([&runs, &rate, &left, &None])];
        let name_width = measure_text_width(&self.name).min(width / 4);
        let fits = |text: &&String| name_width + 2 + measure_text_width(text) <= width;
        let text = texts.iter().find(fits).unwrap_or(&texts[1]);
        let used = measure_text_width(text) + 2;
        let name = middle_cut(&self.name, width.saturating_sub(used + BAR.0 + 2).max(width / 4));
        let cells = width.saturating_sub(measure_text_width(&name) + used + 2).min(BAR.1);
        if cells < BAR.0 {
            return plain(cut(&format!("{name}  {text}"), width));
        }
        let filled = (settled.min(self.total) * cells).checked_div(self.total).unwrap_or(0);
        plain(format!("{name}  {}{}  {text}", "█".repeat(filled), "░".repeat(cells - filled)))
    }

    fn counts_line(&self, width: usize) -> ViewLine {
        let Settled { done, pruned, failed } = self.settled;
        let running = self.running.len();
        let waiting = self.total.saturating_sub(self.settled.count() + running + self.interrupted);
        let counts = [
            (done, "done"),
            (pruned, "pruned"),
            (failed, "failed"),
            (self.interrupted, "interrupted"),
            (running, "running"),
            (waiting, "planned"),
        ];
        let counts = counts.iter().filter(|(count, _)| *count > 0);
        let counts: Vec<String> = counts.map(|(count, what)| format!("{} {what}", grouped(*count))).collect();
        let counts = counts.join(", ");
        let whole = format!("{}: {counts}", counted(self.total, "run"));
        plain(if measure_text_width(&whole) <= width { whole } else { cut(&counts, width) })
    }

    /// Seconds left at the pace of the last runs, whatever became of these.
    fn left_s(&self) -> Option<f64> {
        let left = self.total.saturating_sub(self.settled.count());
        let rate = self.per_minute.filter(|rate| *rate > 0.0)?;
        (left > 0 && !self.is_stopping).then(|| 60.0 * left as f64 / rate)
    }
}

impl RunningLine {
    fn text(&self, width: usize) -> String {
        let elapsed =
            self.elapsed_s.map_or(String::new(), |elapsed_s| format!("  {}", duration(elapsed_s.floor())));
        let epoch = self.epoch.as_ref().map_or(String::new(), |epoch| format!("  {epoch}"));
        let loss = self.loss.map_or(String::new(), |loss| format!("  validation loss {}", number(loss)));
        let trouble = self.trouble.map_or(String::new(), |trouble| format!("  {trouble}"));
        let tails =
            [format!("{elapsed}{epoch}{loss}{trouble}"), format!("{elapsed}{epoch}{trouble}"), elapsed];
        with_tail("running", &self.title, &tails, width)
    }
}

impl FailureLine {
    /// Whether the run has failed for good.
    pub(super) fn is_final(&self) -> bool {
        self.word != RETRY
    }

    fn line(&self, width: usize) -> ViewLine {
        let title = middle_cut(&self.title, (width.saturating_sub(INDENT) * 2 / 5).max(SHORTEST_NAME));
        let reason = self.reason.lines().next().unwrap_or_default();
        let text = cut(&format!("{}{title}: {reason}", head(&self.word)), width);
        ViewLine { tone: Tone::Bad, text }
    }
}

/// The word of an attempt that is made again.
pub(super) const RETRY: &str = "retry";

impl Leader {
    fn text(&self, objective: &str, width: usize) -> String {
        let value = format!(": {objective} {}", number(self.value));
        let over = match (self.done, self.runs) {
            (1, 1) => String::new(),
            (done, runs) if done == runs => format!(", the mean of {runs} runs"),
            (done, runs) => format!(", the mean of {done} of {runs} runs"),
        };
        let tails = match &self.baseline {
            Some((label, baseline)) => {
                // A share of something negative, such as a log-likelihood, says nothing.
                let has_share = self.value > 0.0 && *baseline > 0.0;
                let share = if has_share {
                    format!(" ({})", percent(self.value / baseline - 1.0))
                } else {
                    String::new()
                };
                let baseline = number(*baseline);
                vec![
                    format!("{value}{over}; {baseline} by the baseline {label}{share}"),
                    format!("{value}{over}; baseline {baseline}{share}"),
                    format!("{value}; baseline {baseline}{share}"),
                    format!("{value}{share}"),
                    value,
                ]
            }
            None if self.is_baseline => {
                vec![format!("{value}{over}; a baseline"), format!("{value}; a baseline"), value]
            }
            None => vec![format!("{value}{over}"), value],
        };
        with_tail("best", &self.label, &tails, width)
    }
}

/// The pace at which runs end, over the last of them.
#[derive(Debug, Clone, Default)]
pub(super) struct SettlePace {
    /// Seconds since the start at which runs ended.
    ends_s: VecDeque<f64>,
}

impl SettlePace {
    /// A run ended at this many seconds after the start.
    pub(super) fn settle(&mut self, at_s: f64) {
        self.ends_s.push_back(at_s);
        // One more than are counted: the pace is measured from the end of the run before them.
        if self.ends_s.len() > PACED + 1 {
            self.ends_s.pop_front();
        }
    }

    /// Runs in a minute, at this many seconds after the start.
    pub(super) fn per_minute(&self, now_s: f64) -> Option<f64> {
        let (from_s, count) = match self.ends_s.front() {
            Some(first_s) if self.ends_s.len() > PACED => (*first_s, PACED),
            Some(_) => (0.0, self.ends_s.len()),
            None => return None,
        };
        (now_s > from_s).then(|| 60.0 * count as f64 / (now_s - from_s))
    }
}

/// A rate with as many digits as say something.
fn rate_text(rate: f64) -> String {
    match rate {
        rate if rate >= 9.95 => grouped(rate.round() as u64),
        rate if rate >= 0.0995 => format!("{rate:.1}"),
        rate => format!("{rate:.2}"),
    }
}

fn plain(text: String) -> ViewLine {
    ViewLine { tone: Tone::Plain, text }
}

/// The word that begins a line, with what keeps the rest of the lines in one column.
fn head(word: &str) -> String {
    format!("{word:<INDENT$}")
}

/// A name with the longest of some tails that leaves enough of the name.
fn with_tail(word: &str, name: &str, tails: &[String], width: usize) -> String {
    let head = head(word);
    let room = |tail: &String| width.saturating_sub(measure_text_width(&head) + measure_text_width(tail));
    let needed = measure_text_width(name).min(SHORTEST_NAME);
    let tail = tails.iter().find(|tail| room(tail) >= needed).or(tails.last());
    let Some(tail) = tail else { return cut(&format!("{head}{name}"), width) };
    cut(&format!("{head}{}{tail}", middle_cut(name, room(tail))), width)
}

/// A text of at most so many columns, cut at its end.
pub(super) fn cut(text: &str, width: usize) -> String {
    if measure_text_width(text) <= width {
        return text.to_string();
    }
    format!("{}…", prefix(text, width.saturating_sub(1)))
}

/// A name of at most so many columns, cut in its middle: it begins with the model, and ends with the seed.
fn middle_cut(text: &str, width: usize) -> String {
    if measure_text_width(text) <= width {
        return text.to_string();
    }
    let kept = width.saturating_sub(1);
    let end: String = prefix(&text.chars().rev().collect::<String>(), kept / 2).chars().rev().collect();
    format!("{}…{end}", prefix(text, kept - measure_text_width(&end)))
}

/// The characters of a text that fit into so many columns.
fn prefix(text: &str, width: usize) -> String {
    let mut used = 0;
    let fits = |letter: &char| {
        used += measure_text_width(letter.encode_utf8(&mut [0; 4]));
        used <= width
    };
    text.chars().take_while(fits).collect()
}

/// A notice in lines that fit, broken between words.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        let joined =
            if lines[last].is_empty() { word.to_string() } else { format!("{} {word}", lines[last]) };
        if measure_text_width(&joined) <= width || lines[last].is_empty() || lines.len() == NOTICE_LINES {
            lines[last] = joined;
        } else {
            lines.push(word.to_string());
        }
    }
    lines.iter().map(|line| cut(line, width)).collect()
}

#[cfg(test)]
mod tests;
