//! What is known as a page of metrics, in the text format of Prometheus (version 0.0.4).

use std::fmt::{Display, Write};

use super::document::replicas;
use super::published::ServedMoment;
use super::served_model::ServedModel;
use crate::model::intervals::LEVELS;
use crate::predict::{LiveState, StepScore};
use crate::stats::QUANTILES;

/// A page of metrics.
struct Exposition(String);

/// Names and values of labels.
type LabelPairs<'a> = &'a [(&'a str, &'a dyn Display)];

impl Exposition {
    /// Begins a metric.
    fn metric(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// Adds a value of the metric that was begun last.
    fn value(&mut self, name: &str, labels: LabelPairs<'_>, value: f64) {
        self.0.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            let text = text.to_string().replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{}{label}=\"{text}\"", if index == 0 { '{' } else { ',' });
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = match value {
            value if value == f64::INFINITY => writeln!(self.0, " +Inf"),
            value if value == f64::NEG_INFINITY => writeln!(self.0, " -Inf"),
            value => writeln!(self.0, " {value}"),
        };
    }

    /// A metric with one value.
    fn single(&mut self, name: &str, kind: &str, help: &str, value: f64) {
        self.metric(name, kind, help);
        self.value(name, &[], value);
    }
}

/// The page.
pub fn page(model: &ServedModel, moment: &ServedMoment) -> String {
    let mut page = Exposition(String::with_capacity(16 << 10));
    let state = moment.state();
    let forecast = state.and_then(|state| state.forecast.as_ref());
    let name = "burstlab_model_info";
    page.metric(
        name,
        "gauge",
        "The model that forecasts, and the forecast of work that replicas are planned for.",
    );
    let plan_for = model.plan_for.map_or(String::new(), |level| level.to_string());
    let experiment = model.experiment.as_deref().unwrap_or_default();
    let version = env!("CARGO_PKG_VERSION");
    page.value(
        name,
        &[
            ("experiment", &experiment),
            ("run_id", &model.run_id),
            ("model", &model.kind),
            ("task", &model.task),
            ("plan_for", &plan_for),
            ("version", &version),
        ],
        1.0,
    );
    let truth = |is: bool| f64::from(u8::from(is));
    page.single(
        "burstlab_forecast_known",
        "gauge",
        "Whether there is a forecast: 0 until the trace is as long as the model looks back.",
        truth(forecast.is_some()),
    );
    page.single(
        "burstlab_stale",
        "gauge",
        "Whether the newest row is older than burstlab_stale_after_seconds, or none has come.",
        truth(moment.is_stale),
    );
    if let Some(age) = moment.age {
        let help = "Time since the newest row came.";
        page.single("burstlab_newest_row_age_seconds", "gauge", help, age.as_secs_f64());
    }
    let help = "Age of the newest row from which on the last known load is served.";
    page.single("burstlab_stale_after_seconds", "gauge", help, model.stale_after.as_secs_f64());
    if let Some(state) = state {
        let counts = [
            ("burstlab_rows_total", "counter", "Rows that were read.", state.rows as f64),
            (
                "burstlab_rows_skipped_total",
                "counter",
                "Malformed rows that were passed over.",
                state.skipped as f64,
            ),
            ("burstlab_known_steps_total", "counter", "Steps that are known.", state.known_steps as f64),
            (
                "burstlab_missing_steps",
                "gauge",
                "Steps before the first forecast.",
                state.missing_steps as f64,
            ),
        ];
        for (name, kind, help, value) in counts {
            page.single(name, kind, help, value);
        }
        if forecast.is_some() {
            add_forecast(&mut page, model, moment, state);
            add_scores(&mut page, model, state);
        }
    }
    page.0
}

/// Points, quantiles and replicas; the last known load where the input is stale.
fn add_forecast(page: &mut Exposition, model: &ServedModel, moment: &ServedMoment, state: &LiveState) {
    let Some(forecast) = &state.forecast else { return };
    let stale = if moment.is_stale { "true" } else { "false" };
    let steps = || forecast.steps.iter().take(model.steps).zip(1_usize..);
    let name = "burstlab_forecast";
    page.metric(
        name,
        "gauge",
        "The point forecast of a target, so many steps ahead; the last known value while stale.",
    );
    for (target, channel) in model.targets.iter().enumerate() {
        for (step, number) in steps() {
            let value = if moment.is_stale { state.last_values[target] } else { step.values[target] };
            page.value(name, &[("target", &channel.name), ("step", &number), ("stale", &stale)], value);
        }
    }
    if model.has_quantiles {
        let name = "burstlab_forecast_quantile";
        page.metric(
            name,
            "gauge",
            "The quantile of a forecast at a level; the last known value while stale.",
        );
        for (target, channel) in model.targets.iter().enumerate() {
            for (step, number) in steps().take(model.horizon) {
                let Some(bounds) = step.bounds.get(target) else { continue };
                for (level, bound) in QUANTILES.iter().zip(bounds) {
                    let value = if moment.is_stale { state.last_values[target] } else { *bound };
                    page.value(
                        name,
                        &[("target", &channel.name), ("step", &number), ("level", level), ("stale", &stale)],
                        value,
                    );
                }
            }
        }
    }
    let name = "burstlab_last_known";
    page.metric(name, "gauge", "The last known step.");
    for (channel, value) in model.targets.iter().zip(&state.last_values) {
        page.value(name, &[("target", &channel.name)], *value);
    }
    let Some(replicas) = replicas(state, moment.is_stale) else { return };
    let wanted = [
        (
            "burstlab_replicas_wanted",
            "Replicas that there should be, starting ones included.",
            replicas.wanted as f64,
        ),
        (
            "burstlab_replicas_needed",
            "Replicas that the work planned for needs by itself.",
            replicas.needed as f64,
        ),
        (
            "burstlab_work_planned_for_seconds",
            "The work that is planned for, in replica-seconds.",
            replicas.work_s,
        ),
    ];
    for (name, help, value) in wanted {
        page.metric(name, "gauge", help);
        page.value(name, &[("stale", &stale)], value);
    }
}

/// How earlier forecasts turned out.
fn add_scores(page: &mut Exposition, model: &ServedModel, state: &LiveState) {
    type ReadScore = fn(&StepScore) -> Option<f64>;
    let of_steps: [(&str, &str, &str, ReadScore); 4] = [
        ("burstlab_forecasts_scored_total", "counter", "Forecasts whose step has come.", |score| {
            Some(score.count as f64)
        }),
        ("burstlab_forecast_absolute_error_total", "counter", "Sum of their absolute errors.", |score| {
            Some(score.absolute)
        }),
        ("burstlab_forecast_squared_error_total", "counter", "Sum of their squared errors.", |score| {
            Some(score.squared)
        }),
        (
            "burstlab_forecast_mean_absolute_error",
            "gauge",
            "Mean absolute error of the forecasts so far.",
            StepScore::mean_absolute,
        ),
    ];
    let scores = || {
        model.targets.iter().enumerate().flat_map(|(target, channel)| {
            (0..model.steps).map(move |ahead| (&channel.name, ahead + 1, state.scores.of(target, ahead)))
        })
    };
    for (name, kind, help, read) in of_steps {
        page.metric(name, kind, help);
        for (target, step, score) in scores() {
            if let Some(value) = read(score) {
                page.value(name, &[("target", target), ("step", &step)], value);
            }
        }
    }
    if !model.has_quantiles {
        return;
    }
    let name = "burstlab_forecast_covered_total";
    page.metric(name, "counter", "Scored forecasts whose interval, given in percent, held what came.");
    for (target, step, score) in scores().filter(|(_, step, _)| *step <= model.horizon) {
        for (level, covered) in LEVELS.iter().zip(score.covered) {
            let labels: LabelPairs<'_> = &[("target", target), ("step", &step), ("interval", level)];
            page.value(name, labels, covered as f64);
        }
    }
    let name = "burstlab_forecast_coverage_ratio";
    page.metric(
        name,
        "gauge",
        "Share of the scored forecasts whose interval, given in percent, held what came.",
    );
    for (target, step, score) in scores() {
        for (index, level) in LEVELS.iter().enumerate() {
            if let Some(share) = score.coverage(index) {
                page.value(name, &[("target", target), ("step", &step), ("interval", level)], share);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_values_are_written_as_prometheus_reads_them() {
        let mut page = Exposition(String::new());
        page.value("m", &[("target", &"a\"b\\c\nd"), ("step", &2)], f64::INFINITY);
        page.value("m", &[], f64::NAN);
        page.value("m", &[], 0.1);
        assert_eq!(page.0, "m{target=\"a\\\"b\\\\c\\nd\",step=\"2\"} +Inf\nm NaN\nm 0.1\n");
    }
}
