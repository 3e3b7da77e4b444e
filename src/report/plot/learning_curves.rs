//! Training and validation loss against epochs.

use anyhow::{Context, Result};

use super::axis::PlotAxis;
use super::chart::shortened;
use super::frame::{self, DASH, LegendEntry, LegendKey, Panel};
use super::number;
use super::scale::{Extent, PanelScales, is_drawable};
use super::scene::{Scene, ScenePoint};
use super::theme::{MUTED, SERIES_COLOURS, lighter, series_colour};
use super::{AxisKind, Chart, ChartAxis, ChartMarks, ChartPanel, ChartSeries, Figure, Plot};

const PANEL_HEIGHT: f64 = 320.0;

/// Losses of one model by epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Name of the model, shown in the legend.
    pub label: String,
    /// Epoch and training loss, in order of epochs.
    pub train: Vec<(f64, f64)>,
    /// Epoch and validation loss, in order of epochs.
    pub valid: Vec<(f64, f64)>,
}

impl Curve {
    fn points(&self) -> impl Iterator<Item = (f64, f64)> {
        self.train.iter().chain(&self.valid).copied().filter(drawable)
    }

    /// The epoch of the lowest validation loss, and that loss.
    fn best(&self) -> Option<(f64, f64)> {
        self.valid.iter().copied().filter(drawable).min_by(|a, b| a.1.total_cmp(&b.1))
    }
}

fn drawable(point: &(f64, f64)) -> bool {
    is_drawable(point.0) && is_drawable(point.1)
}

/// Draws the loss of each model against epochs: validation as a solid line with a dot at its lowest value,
/// training dashed and lighter in the same colour. The loss axis is logarithmic when all losses are positive
/// and they span more than a factor of ten. Of more models than there are colours, those with the lowest
/// validation loss are drawn. Values that are not finite are left out.
///
/// # Errors
/// If there is no finite point to draw.
pub fn learning_curves(curves: &[Curve]) -> Result<Plot> {
    figure(curves)?.render()
}

fn figure(curves: &[Curve]) -> Result<Figure> {
    let shown = lowest(curves, SERIES_COLOURS);
    let points = || shown.iter().flat_map(|curve| curve.points());
    let nothing = "no learning curve has a finite loss to draw";
    let epochs = Extent::of(points().map(|point| point.0)).context(nothing)?;
    let losses = Extent::of(points().map(|point| point.1)).context(nothing)?;
    let title = "Learning curves".to_owned();

    let mut scene = Scene::default();
    let header_end = frame::header(&mut scene, &title, &legend(&shown));
    let y_axis = loss_axis(losses);
    let panel = Panel::below(&mut scene, header_end, &y_axis, PANEL_HEIGHT, 0.0);
    let x_axis = PlotAxis::whole("epoch", epochs.widened(0.01), 10);
    frame::x_grid(&mut scene, &panel, &x_axis);
    frame::y_grid(&mut scene, &panel, &y_axis);
    frame::x_axis(&mut scene, &panel, &x_axis);

    let scales = panel.scales(&x_axis, &y_axis);
    draw_curves(&mut scene, &shown, scales);
    tips(&mut scene, &shown, scales);
    let caption = caption(curves.len(), shown.len());
    let chart = chart(&shown, losses);
    frame::finish(&mut scene, panel.bottom + frame::X_AXIS_HEIGHT - 8.0, &caption);
    Ok(Figure { name: "learning-curves".to_owned(), title, alt: description(&shown), scene, chart })
}

/// The drawable curves, or if they are more than `most`, those with the lowest validation loss, in the given
/// order.
fn lowest(curves: &[Curve], most: usize) -> Vec<&Curve> {
    let best = |curve: &Curve| curve.best().map_or(f64::INFINITY, |point| point.1);
    let mut order: Vec<usize> =
        (0..curves.len()).filter(|index| curves[*index].points().next().is_some()).collect();
    order.sort_by(|a, b| best(&curves[*a]).total_cmp(&best(&curves[*b])));
    order.truncate(most);
    order.sort_unstable();
    order.into_iter().map(|index| &curves[index]).collect()
}

/// Whether the losses are drawn on a logarithmic axis.
fn is_log(losses: Extent) -> bool {
    losses.lo > 1e-100 && losses.hi < 1e100 && losses.hi / losses.lo > 10.0
}

/// The curves as data: those of one model have one name, so that they are shown and hidden together.
fn chart(shown: &[&Curve], losses: Extent) -> Chart {
    let line = |points: &[(f64, f64)], dashed| ChartMarks::Line {
        points: points.iter().filter(|point| drawable(point)).map(|(x, y)| [*x, shortened(*y)]).collect(),
        dashed,
    };
    let mut series = Vec::new();
    for (index, curve) in shown.iter().enumerate() {
        let colour = series_colour(index);
        series.push(ChartSeries::new(curve.label.clone(), lighter(colour, 0.35), line(&curve.train, true)));
        series.push(ChartSeries::new(curve.label.clone(), colour, line(&curve.valid, false)));
        if let Some((epoch, loss)) = curve.best() {
            let labels = vec![format!("{}: lowest validation loss, in epoch {epoch}", curve.label)];
            let marks = ChartMarks::Dots { points: vec![[epoch, shortened(loss)]], labels };
            series.push(ChartSeries::new(curve.label.clone(), colour, marks));
        }
    }
    let kind = if is_log(losses) { AxisKind::Log } else { AxisKind::Value };
    Chart::of(vec![ChartPanel {
        title: String::new(),
        x: ChartAxis::new("epoch", AxisKind::Value),
        y: ChartAxis::new("loss (training dashed)", kind),
        series,
    }])
}

fn loss_axis(losses: Extent) -> PlotAxis {
    if is_log(losses) {
        // The bounds keep the quotient and the padding finite.
        let pad = (losses.hi / losses.lo).powf(0.04);
        PlotAxis::log("loss (log scale)", Extent { lo: losses.lo / pad, hi: losses.hi * pad })
    } else {
        PlotAxis::linear("loss", losses.widened_up_to_zero(0.06), 6)
    }
}

fn legend(shown: &[&Curve]) -> Vec<LegendEntry> {
    let models = shown
        .iter()
        .enumerate()
        .map(|(index, curve)| LegendEntry::new(LegendKey::Line(series_colour(index)), curve.label.as_str()));
    let has_train = shown.iter().any(|curve| curve.train.iter().any(drawable));
    let has_valid = shown.iter().any(|curve| curve.valid.iter().any(drawable));
    let lines = [
        has_valid.then(|| LegendEntry::new(LegendKey::Line(MUTED), "validation")),
        has_train.then(|| LegendEntry::new(LegendKey::Dashed(lighter(MUTED, 0.3)), "training")),
        has_valid.then(|| LegendEntry::new(LegendKey::Dot(MUTED), "lowest validation loss")),
    ];
    models.chain(lines.into_iter().flatten()).collect()
}

/// Draws all training curves below all validation curves, and the dots on top.
fn draw_curves(scene: &mut Scene, shown: &[&Curve], scales: PanelScales) {
    let place = |points: &[(f64, f64)]| -> Vec<ScenePoint> {
        points.iter().filter(|point| drawable(point)).map(|point| scales.at(point.0, point.1)).collect()
    };
    let coloured = || shown.iter().enumerate().map(|(index, curve)| (*curve, series_colour(index)));
    for (curve, colour) in coloured() {
        scene.dashed(&place(&curve.train), DASH, 1.6, lighter(colour, 0.35));
    }
    for (curve, colour) in coloured() {
        scene.path(place(&curve.valid), 2.2, colour);
    }
    for (curve, colour) in coloured() {
        for dot in place(&curve.best().into_iter().collect::<Vec<_>>()) {
            scene.disc(dot, 5.5, super::theme::BACKGROUND);
            scene.disc(dot, 4.0, colour);
        }
    }
}

/// A tooltip at each epoch of each model: its losses.
fn tips(scene: &mut Scene, shown: &[&Curve], scales: PanelScales) {
    for curve in shown {
        for (epoch, valid) in curve.valid.iter().filter(|point| drawable(point)) {
            let train = curve.train.iter().find(|(other, loss)| other == epoch && is_drawable(*loss));
            let train = train
                .map_or(String::new(), |(_, loss)| format!(", training {}", number::significant(*loss, 4)));
            let valid_text = number::significant(*valid, 4);
            let text = format!("{}\nepoch {epoch}: validation {valid_text}{train}", curve.label);
            scene.tip(scales.at(*epoch, *valid), text);
        }
    }
}

fn caption(given: usize, shown: usize) -> Vec<String> {
    let left_out = given - shown;
    if left_out == 0 {
        return vec![];
    }
    vec![format!("Not shown: {left_out} more, with a higher validation loss or none that is finite.")]
}

fn description(shown: &[&Curve]) -> String {
    let models = shown.iter().map(|curve| match curve.best() {
        Some((epoch, loss)) => {
            format!(
                "{} reaches its lowest validation loss of {} at epoch {epoch}",
                curve.label,
                number::significant(loss, 3)
            )
        }
        None => format!("{} has no validation loss", curve.label),
    });
    format!("Line chart of loss against epochs: {}.", models.collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plot::check;

    fn curve(label: &str, losses: &[f64]) -> Curve {
        let valid = losses.iter().enumerate().map(|(epoch, loss)| (epoch as f64 + 1.0, *loss)).collect();
        Curve { label: label.to_owned(), train: vec![], valid }
    }

    fn decaying(label: &str, floor: f64) -> Curve {
        let at = |epoch: i32, floor: f64| (f64::from(epoch), floor + 0.8 * 0.8f64.powi(epoch));
        Curve {
            label: label.to_owned(),
            train: (1..=40).map(|epoch| at(epoch, floor)).collect(),
            valid: (1..=40).map(|epoch| at(epoch, floor * 1.2)).collect(),
        }
    }

    #[test]
    fn the_plot_holds_its_labels_and_nothing_overlaps() {
        let figure = figure(&[decaying("PatchTST", 0.2), decaying("N-BEATS", 0.25)]).unwrap();
        check::texts_are_apart_and_inside(&figure.scene);
        let plot = figure.render().unwrap();
        check::is_sound(
            &plot,
            &["Learning curves", "PatchTST", "N-BEATS", "validation", "training", "epoch", "loss"],
        );
        assert_eq!(plot.name, "learning-curves");
    }

    #[test]
    fn the_loss_axis_is_logarithmic_only_beyond_a_decade_of_positive_losses() {
        let svg = |losses: &[f64]| learning_curves(&[curve("a", losses)]).unwrap().svg;
        assert!(svg(&[2.0, 0.1]).contains("log scale"));
        assert!(!svg(&[2.0, 0.3]).contains("log scale"));
        assert!(!svg(&[2.0, -0.1]).contains("log scale"));
    }

    #[test]
    fn odd_losses_are_drawn() {
        for losses in [
            &[1.0][..],
            &[3.0, 3.0, 3.0],
            &[-1.0, 1e12],
            &[1e-12, 2e-12],
            &[f64::NAN, 1.0, f64::INFINITY],
            &[0.0],
        ] {
            let figure = figure(&[curve("odd", losses)]).unwrap();
            check::texts_are_apart_and_inside(&figure.scene);
            check::is_sound(&figure.render().unwrap(), &["odd"]);
        }
    }

    #[test]
    fn curves_without_a_finite_loss_are_an_error() {
        assert!(learning_curves(&[]).is_err());
        assert!(learning_curves(&[curve("a", &[]), curve("b", &[f64::NAN, f64::INFINITY])]).is_err());
    }

    #[test]
    fn of_too_many_models_those_with_the_lowest_validation_loss_are_drawn() {
        let many: Vec<Curve> =
            (0..10).map(|index| curve(&format!("m{index}"), &[10.0 - f64::from(index)])).collect();
        let labels: Vec<&str> = lowest(&many, 7).iter().map(|curve| curve.label.as_str()).collect();
        assert_eq!(labels, ["m3", "m4", "m5", "m6", "m7", "m8", "m9"]);
        assert!(learning_curves(&many).unwrap().svg.contains("Not shown: 3 more"));
    }
}
