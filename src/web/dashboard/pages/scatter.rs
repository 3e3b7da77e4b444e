//! A metric against a parameter: a chart, and the same as a small picture where there is no script.

use maud::{Markup, html};
use serde_json::Value;

use crate::report::plot::{AxisKind, Chart, ChartAxis, ChartMarks, ChartPanel, ChartSeries};
use crate::spec::shown_value;
use crate::text::number;

const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 90.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 20.0;
const BOTTOM: f64 = 56.0;
/// Numbers that span more than this factor are placed by their logarithm.
const LOG_FROM_RATIO: f64 = 20.0;
/// Names that fit beside each other.
const MOST_LABELS: usize = 12;
const COLOUR: &str = "#0072b2";

/// Where values lie on an axis.
struct Scale {
    kind: AxisKind,
    categories: Vec<String>,
    low: f64,
    high: f64,
}

impl Scale {
    fn of_numbers(values: &[f64]) -> Self {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let kind = if low > 0.0 && high / low > LOG_FROM_RATIO { AxisKind::Log } else { AxisKind::Value };
        Self { kind, categories: Vec::new(), low, high }
    }

    fn of_names(mut names: Vec<String>) -> Self {
        names.sort();
        names.dedup();
        let high = names.len() as f64 - 0.5;
        Self { kind: AxisKind::Category, categories: names, low: -0.5, high }
    }

    /// From 0 to 1 along the axis.
    fn place(&self, value: f64) -> f64 {
        let (value, low, high) = match self.kind {
            AxisKind::Log => (value.ln(), self.low.ln(), self.high.ln()),
            _ => (value, self.low, self.high),
        };
        if high > low { (value - low) / (high - low) } else { 0.5 }
    }

    /// Values with their labels.
    fn ticks(&self) -> Vec<(f64, String)> {
        if self.kind == AxisKind::Category {
            let step = self.categories.len().div_ceil(MOST_LABELS).max(1);
            let all = self.categories.iter().enumerate().step_by(step);
            return all.map(|(index, name)| (index as f64, name.chars().take(14).collect())).collect();
        }
        let between = |share: f64| match self.kind {
            AxisKind::Log => (self.low.ln() + share * (self.high / self.low).ln()).exp(),
            _ => self.low + share * (self.high - self.low),
        };
        let mut ticks: Vec<f64> = [0.0, 0.25, 0.5, 0.75, 1.0].map(between).to_vec();
        ticks.dedup();
        ticks.into_iter().map(|value| (value, number(value))).collect()
    }

    fn axis(&self, name: &str) -> ChartAxis {
        match self.kind {
            AxisKind::Category => ChartAxis::of_categories(name, self.categories.clone()),
            kind => ChartAxis::new(name, kind),
        }
    }
}

/// Draws points with what each of them is.
pub fn figure([x_name, y_name]: [&str; 2], points: &[(Value, f64, String)]) -> Markup {
    if points.is_empty() {
        return html! { p { "No run has both." } };
    }
    let is_number = points.iter().all(|(at, ..)| at.is_number());
    let across = if is_number {
        Scale::of_numbers(&points.iter().filter_map(|(at, ..)| at.as_f64()).collect::<Vec<_>>())
    } else {
        Scale::of_names(points.iter().map(|(at, ..)| shown_value(at)).collect())
    };
    let up = Scale::of_numbers(&points.iter().map(|(_, value, _)| *value).collect::<Vec<_>>());
    let placed: Vec<[f64; 2]> = points
        .iter()
        .map(|(at, value, _)| {
            let shown = shown_value(at);
            let named = || across.categories.iter().position(|known| *known == shown).unwrap_or(0) as f64;
            [if is_number { at.as_f64().unwrap_or(0.0) } else { named() }, *value]
        })
        .collect();
    let labels = points.iter().map(|(.., label)| label.clone()).collect();
    let series = ChartSeries {
        name: "runs".to_string(),
        colour: COLOUR.to_string(),
        marks: ChartMarks::Dots { points: placed.clone(), labels },
    };
    let panel =
        ChartPanel { title: String::new(), x: across.axis(x_name), y: up.axis(y_name), series: vec![series] };
    let chart = serde_json::to_string(&Chart::of(vec![panel])).ok();
    let (width, height) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
    let at_x = |value: f64| LEFT + width * (0.02 + 0.96 * across.place(value));
    let at_y = |value: f64| TOP + height * (0.98 - 0.96 * up.place(value));
    html! {
        figure data-chart=[chart] {
            div.scroll tabindex="0" role="group" aria-label={ (y_name) " against " (x_name) } {
                svg.scatter viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label={ (points.len()) " runs: " (y_name) " against " (x_name) } {
                    @for (value, label) in up.ticks() {
                        line.grid x1=(LEFT) x2=(WIDTH - RIGHT) y1=(at_y(value)) y2=(at_y(value)) {}
                        text x=(LEFT - 8.0) y=(at_y(value) + 4.0) text-anchor="end" { (label) }
                    }
                    @for (value, label) in across.ticks() {
                        text x=(at_x(value)) y=(HEIGHT - BOTTOM + 20.0) text-anchor="middle" { (label) }
                    }
                    text.axis x=(LEFT + width / 2.0) y=(HEIGHT - 10.0) text-anchor="middle" { (x_name) }
                    text.axis x=(14) y=(TOP + height / 2.0) text-anchor="middle" transform={ "rotate(-90 14 " (TOP + height / 2.0) ")" } { (y_name) }
                    @for [x, y] in &placed { circle cx=(format!("{:.1}", at_x(*x))) cy=(format!("{:.1}", at_y(*y))) r="3.5" {} }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn drawn(points: &[(Value, f64, String)]) -> String {
        figure(["<x>", "y"], points).into_string()
    }

    #[test]
    fn numbers_names_and_single_points_are_drawn_within_the_picture() {
        let point = |at: Value, value: f64| (at, value, "a run".to_string());
        let numbers = drawn(&[point(json!(1e-4), 1.0), point(json!(1.0), 2.0)]);
        assert!(numbers.contains("&quot;kind&quot;:&quot;log&quot;") && numbers.contains("&lt;x&gt;"));
        let names = drawn(&[point(json!("b"), 1.0), point(json!("a"), 1.0)]);
        assert!(names.contains("&quot;categories&quot;:[&quot;a&quot;,&quot;b&quot;]"));
        for picture in [numbers, names, drawn(&[point(json!(3), 0.0)])] {
            assert!(!picture.contains("NaN") && !picture.contains("inf"), "{picture}");
        }
        assert!(drawn(&[]).contains("No run"));
    }
}
