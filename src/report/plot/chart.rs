//! What a plot shows, as data: a page with a script draws it again as a chart that can be zoomed, filtered and read point by
//! point. The picture of the same plot stands in its place where there is no script.

use plotters::style::RGBColor;
use serde::Serialize;

/// The panels of one plot, below each other.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Chart {
    /// Panels with a horizontal and a vertical axis.
    pub panels: Vec<ChartPanel>,
    /// Parallel coordinates instead of panels.
    pub parallel: Option<ParallelChart>,
}

impl Chart {
    /// A chart of panels.
    pub fn of(panels: Vec<ChartPanel>) -> Self {
        Self { panels, parallel: None }
    }

    /// Whether there is nothing to draw again.
    pub fn is_empty(&self) -> bool {
        self.panels.is_empty() && self.parallel.is_none()
    }
}

/// One panel.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChartPanel {
    /// What tells it from the other panels; empty where there is only one.
    pub title: String,
    /// The horizontal axis.
    pub x: ChartAxis,
    /// The vertical axis.
    pub y: ChartAxis,
    /// What is drawn, the rearmost first.
    pub series: Vec<ChartSeries>,
}

/// One axis.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChartAxis {
    /// What it measures, with its unit.
    pub name: String,
    /// How positions follow from values.
    pub kind: AxisKind,
    /// The names of the positions 0, 1, ... of an axis of categories, from left to right or from top to bottom.
    pub categories: Vec<String>,
}

/// How positions on an axis follow from values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AxisKind {
    /// By size.
    Value,
    /// By the logarithm of a positive size.
    Log,
    /// By time, in seconds since 1970-01-01 UTC.
    Time,
    /// Values are indices of the categories.
    Category,
}

impl ChartAxis {
    /// An axis of numbers or times.
    pub fn new(name: impl Into<String>, kind: AxisKind) -> Self {
        Self { name: name.into(), kind, categories: Vec::new() }
    }

    /// An axis of names at equal distances.
    pub fn of_categories(name: impl Into<String>, categories: Vec<String>) -> Self {
        Self { name: name.into(), kind: AxisKind::Category, categories }
    }
}

/// Marks of one kind and colour. Series of the same name are shown and hidden together, and have one entry in the legend.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChartSeries {
    /// Its name in the legend.
    pub name: String,
    /// `#rrggbb`.
    pub colour: String,
    /// The marks.
    #[serde(flatten)]
    pub marks: ChartMarks,
}

impl ChartSeries {
    /// A series in a colour of the plot's palette.
    pub(super) fn new(
        name: impl Into<String>,
        RGBColor(red, green, blue): RGBColor,
        marks: ChartMarks,
    ) -> Self {
        Self { name: name.into(), colour: format!("#{red:02x}{green:02x}{blue:02x}"), marks }
    }
}

/// A value to six significant digits: a page needs no more, and a long number is most of its bytes.
pub(super) fn shortened(value: f64) -> f64 {
    if !value.is_finite() || value.abs() < 1e-290 {
        return value;
    }
    let unit = 10f64.powf(value.abs().log10().floor() - 5.0);
    let short = (value / unit).round() * unit;
    // The text of the rounded number has no digits that its product would add.
    format!("{short:.5e}").parse().unwrap_or(value)
}

/// What is drawn for a series.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "lowercase", tag = "marks")]
pub enum ChartMarks {
    /// A line through points (x, y).
    Line {
        /// In the order in which they are joined.
        points: Vec<[f64; 2]>,
        /// Whether it is dashed.
        dashed: bool,
    },
    /// The area between two lines (x, lower y, upper y).
    Band {
        /// In the order of x.
        points: Vec<[f64; 3]>,
    },
    /// Dots at (x, y).
    Dots {
        /// In any order.
        points: Vec<[f64; 2]>,
        /// What the tooltip of each point says; empty where x and y say enough.
        labels: Vec<String>,
    },
    /// Columns from zero to y, `width` wide in units of x.
    Bars {
        /// The middle of each column and its height.
        points: Vec<[f64; 2]>,
        /// Width of a column; of categories 1.
        width: f64,
    },
    /// A dot with a line from lower to upper x at each y: (x, lower x, upper x, y).
    Intervals {
        /// In any order.
        points: Vec<[f64; 4]>,
        /// What the tooltip of each point says.
        labels: Vec<String>,
    },
    /// A straight line through the whole panel, at an x or at a y.
    Rule {
        /// Where on the horizontal axis; `None` for a horizontal line.
        x: Option<f64>,
        /// Where on the vertical axis; `None` for a vertical line.
        y: Option<f64>,
    },
}

/// Lines over parallel axes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ParallelChart {
    /// The axes, from left to right; the last one is what the lines are coloured by, lower is better.
    pub axes: Vec<ChartAxis>,
    /// The lines.
    pub lines: Vec<ParallelLine>,
}

/// One line over parallel axes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ParallelLine {
    /// What its tooltip says.
    pub label: String,
    /// The value on each axis; `None` where it has none, as a failed trial has no score.
    pub values: Vec<Option<f64>>,
    /// `done`, `pruned` or `failed`.
    pub state: String,
}
