//! The axes of one `[[models]]` entry as a space, and the trials at its points.

use toml::Spanned;

use super::Trial;
use super::axis::Axis;
use super::document::{Document, Node, number};
use super::expand::{check, with_values};
use super::file::{ExperimentSpec, Strategy};
use super::problem::Problem;
use super::run_spec::RunSpec;
use super::search_check::{reads, too_many_axes};
use super::validate::MOST_TRIALS;
use crate::search::{Coordinate, Dimension, MOST_SOBOL_DIMENSIONS, Point};

/// The axes of one `[[models]]` entry, as the dimensions of a space.
pub(super) struct EntrySpace<'a, 's> {
    document: &'a Document<'s>,
    axes: &'a [Axis<'s>],
    entry: usize,
    /// Axes of each dimension: those that move together count as one.
    groups: Vec<Vec<usize>>,
    pub dimensions: Vec<Dimension>,
}

impl<'a, 's> EntrySpace<'a, 's> {
    pub fn new(
        document: &'a Document<'s>,
        spec: &ExperimentSpec,
        axes: &'a [Axis<'s>],
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
        Ok(Self { document, axes, entry, groups, dimensions })
    }

    /// Every combination; the last dimension varies fastest, as in nested loops.
    pub fn grid(&self) -> Result<Vec<Point>, Problem> {
        let lengths: Vec<usize> = self
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

    /// The trial at a point.
    pub fn trial(&self, point: &Point) -> Result<Trial, Problem> {
        // Axes beside the space must hold some value for the file to be typed; which one does not matter here.
        let mut places: Vec<Coordinate> =
            self.axes.iter().map(|axis| axis.domain.dimension().at(0.0)).collect();
        for (group, coordinate) in self.groups.iter().zip(point) {
            for &at in group {
                places[at] = *coordinate;
            }
        }
        let texts: Vec<String> = places.iter().map(text_of).collect();
        let nodes: Vec<Node<'_>> = self
            .axes
            .iter()
            .zip(places.iter().zip(&texts))
            .map(|(axis, (place, text))| match (axis.domain.grid(), place) {
                (Some(values), Coordinate::Listed(index)) => values[*index].clone(),
                _ => Spanned::new(axis.span.clone(), number(text)),
            })
            .collect();
        let typed = check(&with_values(self.document, self.axes, &nodes))?;
        Ok(Trial { entry: self.entry, spec: RunSpec::resolve(&typed, self.entry) })
    }
}

/// A coordinate as the file would have it.
fn text_of(place: &Coordinate) -> String {
    match place {
        Coordinate::Listed(index) => index.to_string(),
        Coordinate::Real(value) => format!("{value:?}"),
        Coordinate::Whole(value) => value.to_string(),
    }
}
