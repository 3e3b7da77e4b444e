//! How the error of each model grows with the step ahead, and how it compares with that of a baseline at each step.

use anyhow::{Context, Result, ensure};

use super::axis::PlotAxis;
use super::chart::shortened;
use super::frame::{self, LegendEntry, LegendKey, Panel};
use super::number;
use super::scale::{Extent, is_drawable};
use super::scene::Scene;
use super::theme::{GREY_LINE, INK, SERIES_COLOURS, series_colour};
use super::{AxisKind, Chart, ChartAxis, ChartMarks, ChartPanel, ChartSeries, Figure, Plot, with_unit};
use crate::files::file_stem;

const PANEL_HEIGHT: f64 = 190.0;
const PANEL_GAP: f64 = 66.0;
/// Steps of one panel that have a tooltip.
const MOST_TIPS: usize = 50;
/// Points closer than this would hide their line.
const FEWEST_PX_BETWEEN_DOTS: f64 = 14.0;

/// The errors of one model.
#[derive(Debug, Clone, PartialEq)]
pub struct StepErrorLine {
    /// Name of the model.
    pub label: String,
    /// Mean absolute error one step ahead, two steps ahead, ...
    pub errors: Vec<f64>,
}

/// The errors of several models on one target.
#[derive(Debug, Clone, PartialEq)]
pub struct StepErrors {
    /// The target.
    pub target: String,
    /// Its unit; may be empty.
    pub unit: String,
    /// The models, the best first.
    pub models: Vec<StepErrorLine>,
    /// The baseline that they are compared with, which is drawn in grey.
    pub baseline: Option<StepErrorLine>,
}

/// Draws the mean absolute error by step ahead, and below it, where there is a baseline, by how much each model's is lower.
///
/// # Errors
/// If no error is finite, or if there is only one step.
pub fn step_errors(data: &StepErrors) -> Result<Plot> {
    figure(data)?.render()
}

fn figure(data: &StepErrors) -> Result<Figure> {
    let StepErrors { target, unit, models, baseline } = data;
    let models = &models[..models.len().min(SERIES_COLOURS)];
    let steps = models.iter().map(|model| model.errors.len()).max().unwrap_or(0);
    ensure!(steps > 1, "there is only one step ahead");
    let of_all = models.iter().chain(baseline).flat_map(|model| model.errors.iter().copied());
    let span = Extent::of(of_all).with_context(|| format!("no error of {target} is finite"))?;
    let title = format!("{target}: error by step ahead");
    let mut lines: Vec<ErrorLine> = models
        .iter()
        .enumerate()
        .map(|(index, model)| ErrorLine {
            label: &model.label,
            colour: series_colour(index),
            values: model.errors.clone(),
        })
        .collect();
    if let Some(baseline) = baseline {
        lines.push(ErrorLine { label: &baseline.label, colour: GREY_LINE, values: baseline.errors.clone() });
    }
    let entries: Vec<LegendEntry> =
        lines.iter().map(|line| LegendEntry::new(LegendKey::Line(line.colour), line.label)).collect();

    let mut scene = Scene::default();
    let header_end = frame::header(&mut scene, &title, &entries);
    let quantity = with_unit("mean absolute error", unit);
    let y_axis = PlotAxis::linear(quantity.as_str(), span.widened_up_to_zero(0.08), 5);
    let mut end = panel(&mut scene, header_end, &y_axis, &lines, steps);
    let mut panels = vec![chart_panel("error", &quantity, &lines, None)];
    let skills = baseline.as_ref().map(|baseline| skills(models, baseline)).filter(|lines| !lines.is_empty());
    if let (Some(skills), Some(baseline)) = (&skills, baseline) {
        let quantity = format!("below the error of {}, %", baseline.label);
        let values = skills.iter().flat_map(|line| line.values.iter().copied());
        let span = Extent::of(values.chain([0.0])).context("no skill is finite")?;
        let y_axis = PlotAxis::linear(quantity.as_str(), span.widened(0.08), 4);
        end = panel(&mut scene, end + PANEL_GAP, &y_axis, skills, steps);
        panels.push(chart_panel("skill", &quantity, skills, Some(0.0)));
    }
    frame::finish(&mut scene, end + frame::X_AXIS_HEIGHT - 8.0, &[]);
    let described = lines.iter().map(|line| {
        let text =
            |value: Option<&f64>| value.map_or_else(String::new, |value| number::significant(*value, 3));
        format!("{} from {} to {}", line.label, text(line.values.first()), text(line.values.last()))
    });
    let described: Vec<String> = described.collect();
    let alt = format!(
        "Line chart of the mean absolute error of {} from 1 to {steps} steps ahead: {}.",
        with_unit(target, unit),
        described.join("; ")
    );
    Ok(Figure { name: file_stem(&["error-by-step", target]), title, alt, scene, chart: Chart::of(panels) })
}

/// One model in one panel.
struct ErrorLine<'a> {
    label: &'a str,
    colour: plotters::style::RGBColor,
    values: Vec<f64>,
}

/// By how many percent the error of each model is below that of the baseline, at each step.
fn skills<'a>(models: &'a [StepErrorLine], baseline: &StepErrorLine) -> Vec<ErrorLine<'a>> {
    let lines = models.iter().enumerate().map(|(index, model)| {
        let pairs = model.errors.iter().zip(&baseline.errors);
        let skill =
            |(own, other): (&f64, &f64)| if *other > 0.0 { 100.0 * (1.0 - own / other) } else { f64::NAN };
        ErrorLine { label: &model.label, colour: series_colour(index), values: pairs.map(skill).collect() }
    });
    lines.filter(|line| line.values.iter().any(|value| is_drawable(*value))).collect()
}

/// Draws one panel below `y` and returns where it ends.
fn panel(scene: &mut Scene, y: f64, y_axis: &PlotAxis, lines: &[ErrorLine<'_>], steps: usize) -> f64 {
    let panel = Panel::below(scene, y, y_axis, PANEL_HEIGHT, 48.0);
    let span = Extent { lo: 1.0, hi: steps as f64 };
    let x_axis = PlotAxis::whole("steps ahead", span.widened(0.02), 12.min(steps)).within(span);
    let scales = panel.scales(&x_axis, y_axis);
    frame::x_grid(scene, &panel, &x_axis);
    frame::y_grid(scene, &panel, y_axis);
    let zero = scales.y.at(0.0);
    if zero < panel.bottom - 0.5 && zero > panel.top {
        scene.line((panel.left, zero), (panel.right, zero), 1.2, INK);
    }
    let dots = (panel.right - panel.left) / steps as f64 > FEWEST_PX_BETWEEN_DOTS;
    for line in lines.iter().rev() {
        let points: Vec<(usize, f64)> =
            line.values.iter().copied().enumerate().filter(|(_, value)| is_drawable(*value)).collect();
        let places: Vec<_> = points.iter().map(|(at, value)| scales.at(*at as f64 + 1.0, *value)).collect();
        for place in places.iter().filter(|_| dots) {
            scene.disc(*place, 3.0, line.colour);
        }
        scene.path(places, 1.8, line.colour);
    }
    for at in (0..steps).step_by(steps.div_ceil(MOST_TIPS).max(1)) {
        let values = lines.iter().filter_map(|line| Some((line, *line.values.get(at)?)));
        let values: Vec<(&ErrorLine, f64)> = values.filter(|(_, value)| is_drawable(*value)).collect();
        let Some((_, first)) = values.first() else { continue };
        let of_each: Vec<String> = values
            .iter()
            .map(|(line, value)| format!("{}: {}", line.label, number::significant(*value, 3)))
            .collect();
        let text = format!("{}\n{}", super::steps_ahead(at + 1), of_each.join("\n"));
        scene.tip(scales.at(at as f64 + 1.0, *first), text);
    }
    frame::x_axis(scene, &panel, &x_axis);
    panel.bottom
}

fn chart_panel(title: &str, quantity: &str, lines: &[ErrorLine<'_>], rule: Option<f64>) -> ChartPanel {
    let mut series: Vec<ChartSeries> = lines
        .iter()
        .rev()
        .map(|line| {
            let points =
                line.values.iter().enumerate().map(|(at, value)| [at as f64 + 1.0, shortened(*value)]);
            let marks = ChartMarks::Line { points: points.collect(), dashed: false };
            ChartSeries::new(line.label, line.colour, marks)
        })
        .collect();
    if rule.is_some() {
        series.insert(0, ChartSeries::new("baseline", INK, ChartMarks::Rule { x: None, y: rule }));
    }
    ChartPanel {
        title: title.to_owned(),
        x: ChartAxis::new("steps ahead", AxisKind::Value),
        y: ChartAxis::new(quantity, AxisKind::Value),
        series,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plot::check;

    fn line(label: &str, steps: usize, size: f64) -> StepErrorLine {
        let errors = (1..=steps).map(|step| size * (step as f64).sqrt()).collect();
        StepErrorLine { label: label.to_owned(), errors }
    }

    fn data(steps: usize) -> StepErrors {
        StepErrors {
            target: "OT".to_owned(),
            unit: "°C".to_owned(),
            models: vec![line("nlinear", steps, 1.0), line("lstm", steps, 1.2)],
            baseline: Some(line("persistence", steps, 1.4)),
        }
    }

    #[test]
    fn both_panels_are_drawn_and_nothing_overlaps() {
        for steps in [2, 4, 12, 96, 720] {
            let figure = figure(&data(steps)).unwrap();
            check::texts_are_apart_and_inside(&figure.scene);
            let labels =
                ["nlinear", "mean absolute error, °C", "below the error of persistence, %", "steps ahead"];
            check::is_sound(&figure.render().unwrap(), &labels);
        }
    }

    #[test]
    fn steps_are_whole_and_begin_at_one() {
        let plot = step_errors(&StepErrors { baseline: None, ..data(4) }).unwrap();
        for label in ["\n1<", "\n2<", "\n3<", "\n4<"] {
            assert!(plot.svg.contains(label), "{label}");
        }
        assert!(!plot.svg.contains("below the error"));
        assert_eq!(plot.chart.panels.len(), 1);
    }

    #[test]
    fn one_step_and_errors_that_are_not_finite_are_no_plot() {
        assert!(step_errors(&data(1)).is_err());
        let broken = StepErrorLine { label: "x".to_owned(), errors: vec![f64::NAN; 3] };
        assert!(step_errors(&StepErrors { models: vec![broken], baseline: None, ..data(2) }).is_err());
        let free = StepErrorLine { label: "x".to_owned(), errors: vec![0.0; 3] };
        check::is_sound(&step_errors(&StepErrors { baseline: Some(free), ..data(3) }).unwrap(), &["lstm"]);
    }
}
