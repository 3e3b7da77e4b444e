//! The axes of one `[[models]]` entry as a space, and the trials at its points.

use super::Trial;
use super::axis::Axis;
use super::document::ExperimentDocument;
use super::file::{ExperimentSpec, Strategy};
use super::problem::Problem;
use super::run_spec::RunSpec;
use super::search_check::{reads, too_many_axes};
use super::typed_check::check;
use super::validate::MOST_TRIALS;
use crate::search::{Coordinate, Dimension, MOST_SOBOL_DIMENSIONS, Point, corners};

/// The parsed file with its axes, and the space of each `[[models]]` entry: what trials are made from.
#[derive(Debug, Clone)]
pub(super) struct TrialSpace {
    pub document: ExperimentDocument,
    pub axes: Vec<Axis>,
    pub entries: Vec<EntrySpace>,
}

/// The axes of one `[[models]]` entry, as the dimensions of a space.
#[derive(Debug, Clone)]
pub(super) struct EntrySpace {
    /// Axes of each dimension: those that move together count as one.
    groups: Vec<Vec<usize>>,
    pub dimensions: Vec<Dimension>,
}

impl TrialSpace {
    /// The trial of an entry at a point of its space.
    pub fn trial(&self, entry: usize, point: &Point) -> Result<Trial, Problem> {
        // Axes beside the space must hold some value for the file to be typed; which one does not matter here.
        let mut coordinates: Vec<Coordinate> =
            self.axes.iter().map(|axis| axis.domain.dimension().at(0.0)).collect();
        for (group, coordinate) in self.entries[entry].groups.iter().zip(point) {
            for &at in group {
                coordinates[at] = *coordinate;
            }
        }
        let values =
            self.axes.iter().zip(coordinates).map(|(axis, coordinate)| (&axis.path, axis.value(coordinate)));
        let typed = check(&self.document.with(values))?;
        Ok(Trial { entry, spec: RunSpec::resolve(&typed, entry) })
    }

    /// The trials at the corners of an entry's space, but for impossible ones.
    pub fn corners(&self, entry: usize) -> impl Iterator<Item = Trial> {
        corners(&self.entries[entry].dimensions)
            .into_iter()
            .filter_map(move |point| self.trial(entry, &point).ok())
    }

    /// Every combination of an entry's axes; the last dimension varies fastest, as in nested loops.
    pub fn grid(&self, entry: usize) -> Result<Vec<Point>, Problem> {
        let lengths: Vec<usize> = self.entries[entry]
            .dimensions
            .iter()
            .map(|dimension| if let Dimension::Choice(count) = dimension { *count } else { 1 })
            .collect();
        let total = lengths.iter().try_fold(1_usize, |product, &length| product.checked_mul(length));
        let total = total.filter(|&total| total <= MOST_TRIALS).ok_or_else(|| {
            Problem::at(
                Some(self.axes[0].span.clone()),
                format!("this grid has more than {MOST_TRIALS} trials for one model"),
            )
            .help("shorten an axis, or use search.strategy = \"random\" with search.trials")
        })?;
        Ok((0..total)
            .map(|mut index| {
                let mut point = vec![Coordinate::Listed(0); lengths.len()];
                for (coordinate, &length) in point.iter_mut().zip(&lengths).rev() {
                    *coordinate = Coordinate::Listed(index % length);
                    index /= length;
                }
                point
            })
            .collect())
    }
}

impl EntrySpace {
    /// The space of one entry; `zips` are groups of axes that move together.
    pub fn new(
        spec: &ExperimentSpec,
        axes: &[Axis],
        zips: &[Vec<usize>],
        entry: usize,
    ) -> Result<Self, Problem> {
        let mine: Vec<usize> =
            (0..axes.len()).filter(|&at| axes[at].entry.is_none_or(|owner| owner == entry)).collect();
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for &at in &mine {
            if groups.iter().any(|group| group.contains(&at)) {
                continue;
            }
            groups.push(match zips.iter().find(|group| group.contains(&at)) {
                Some(group) => group.iter().copied().filter(|axis| mine.contains(axis)).collect(),
                None => vec![at],
            });
        }
        let model = &spec.models[entry];
        // A dimension that a model does not read would only thin out the others, or make the same trial many times.
        let drawn = spec.search.strategy != Strategy::Grid;
        let even = matches!(spec.search.strategy, Strategy::Sobol | Strategy::Tpe);
        groups.retain(|group| !drawn || group.iter().any(|&at| reads(spec, model, &axes[at].name)));
        let dimensions: Vec<Dimension> =
            groups.iter().map(|group| axes[group[0]].domain.dimension()).collect();
        if even && dimensions.len() > MOST_SOBOL_DIMENSIONS {
            return Err(too_many_axes(Some(axes[groups[0][0]].span.clone()), dimensions.len()));
        }
        Ok(Self { groups, dimensions })
    }
}
