//! Plots of training and evaluation results, as scalable SVG and as PNG, from data alone: no file is read or
//! written.
//!
//! Every plot is first laid out as a `scene` in logical pixels, then painted by one function that is
//! generic over the plotters drawing backend. Fonts are embedded, so a plot looks the same on every machine.

mod axis;
mod bands;
mod binned_bars;
mod calibration;
mod capacity;
mod chart;
mod dates;
mod differences;
mod effects;
mod font;
mod forecast;
mod frame;
mod gaps;
mod history;
mod hyperparameter_axis;
mod importance;
mod learning_curves;
mod number;
mod objective_scale;
mod paint;
mod parallel;
mod plotted_trial;
mod profile;
mod raster;
mod residuals;
mod scale;
mod scene;
mod search_history;
mod skill;
mod skill_narrow;
mod skill_rows;
mod square;
mod step_errors;
mod theme;
mod thin;
mod time;
mod time_steps;
mod trials;
mod value_range;

pub use bands::{Band, BandPanel, band_panels};
pub use binned_bars::{BinAxis, BinnedBars, bar_panels, binned_bars};
pub use calibration::{CalibrationPanel, calibration};
pub use capacity::{
    Frontier, FrontierLine, FrontierMark, ReplicaTrack, capacity_frontier, replicas_over_time,
};
pub use chart::{
    AxisKind, Chart, ChartAxis, ChartMarks, ChartPanel, ChartSeries, ParallelChart, ParallelLine,
};
pub use differences::{IntervalRow, differences};
pub use effects::importance_and_effects;
pub use forecast::{Along, ForecastPlot, ForecastTrack, actual_and_forecast, steps_ahead};
pub use gaps::{Gaps, gap_pattern};
pub use history::{HistoryLine, history};
pub use hyperparameter_axis::{HyperparameterAxis, HyperparameterScale};
pub use importance::ImportanceBars;
pub use learning_curves::{Curve, learning_curves};
pub use parallel::parallel_coordinates;
pub use plotted_trial::{PlottedState, PlottedTrial};
pub use profile::{ProfileAxis, ProfilePanel, ProfileParts, profile_panels};
pub use residuals::{Residuals, residual_histogram};
pub use search_history::search_history;
pub use skill::skill_plot;
pub use skill_rows::{SkillEvidence, SkillKind, SkillRow};
pub use square::{SquarePanel, qq_plot};
pub use step_errors::{StepErrorLine, StepErrors, step_errors};
pub use time::TimeOrigin;
pub use trials::SearchPicture;

use crate::text::unit_beside;
use anyhow::Context;

use scene::Scene;

/// A finished plot, ready to be written to files or set into a page.
#[derive(Debug, Clone, PartialEq)]
pub struct Plot {
    /// File stem without extension, such as `learning-curves`.
    pub name: String,
    /// Title, as drawn above the plot.
    pub title: String,
    /// One or two sentences that describe the plot to a reader who cannot see it.
    pub alt: String,
    /// A whole `<svg>` element, which scales to the width of its container.
    pub svg: String,
    /// The same for narrow screens; `None` for a plot that has no such form.
    pub narrow_svg: Option<String>,
    /// The same as data, for a page that draws it with a script; empty where the picture is all there is.
    pub chart: Chart,
    scene: Scene,
}

impl Plot {
    /// PNG file of the same drawing, two pixels to each logical pixel.
    ///
    /// # Errors
    /// A drawing that cannot be painted.
    pub fn png(&self) -> anyhow::Result<Vec<u8>> {
        paint::png(&self.scene).with_context(|| format!("cannot paint the plot {}", self.name))
    }
}

/// A plot that is laid out but not yet painted.
struct Figure {
    name: String,
    title: String,
    alt: String,
    scene: Scene,
    chart: Chart,
}

impl Figure {
    /// As [`Self::render`], with a second drawing for narrow screens.
    fn render_with_narrow(self, narrow: &Scene) -> anyhow::Result<Plot> {
        let narrow_svg = paint::svg(narrow, &self.title, &self.alt)?;
        Ok(Plot { narrow_svg: Some(narrow_svg), ..self.render()? })
    }

    fn render(self) -> anyhow::Result<Plot> {
        let svg = paint::svg(&self.scene, &self.title, &self.alt)?;
        Ok(Plot {
            name: self.name,
            title: self.title,
            alt: self.alt,
            svg,
            narrow_svg: None,
            chart: self.chart,
            scene: self.scene,
        })
    }
}

/// `quantity, unit`, or the quantity alone where it has no unit or names it.
fn with_unit(quantity: &str, unit: &str) -> String {
    match unit_beside(quantity, unit) {
        "" => quantity.to_owned(),
        unit => format!("{quantity}, {unit}"),
    }
}

#[cfg(test)]
mod check;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_without_a_unit_stands_alone() {
        assert_eq!(with_unit("load", "requests/s"), "load, requests/s");
        assert_eq!(with_unit("load", ""), "load");
    }
}
