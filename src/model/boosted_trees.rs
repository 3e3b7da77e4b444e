//! Gradient-boosted regression trees (Friedman, "Greedy function approximation: a gradient boosting machine", *Annals of
//! Statistics* 29, 2001), grown on histograms by forust.
//!
//! Each target and each step of the horizon has trees of its own, which read every channel of every step of the lookback.
//! They minimise squared errors in scaled units, and stop when the validation windows have not gained for a while. There is
//! no randomness in it: all windows and all inputs count for every tree, and one thread adds them up.
//!
//! Only the growing is forust's. The grown trees are taken over as a table of nodes, so that a model that is saved and read
//! back walks the very same trees.

use forust_ml::metric::Metric;
use forust_ml::objective::ObjectiveType;
use forust_ml::{GradientBooster, Matrix};

use super::{FitData, FitError, Forecaster, OnEpoch, ParameterValues, Parameters, Shape};
use crate::dataset::Windows;
use crate::spec::BoostedTreesSpec;

/// Inputs of all training windows together that are grown on: of more windows every n-th is taken. Each takes eight bytes,
/// and two in the histograms.
const MOST_INPUTS: usize = 40_000_000;
/// Columns of the table of nodes: the input that is asked, the threshold, the child below it, the child from it on, and the
/// value of a leaf, whose input is -1.
const COLUMNS: usize = 5;

/// Trees for every target and step ahead.
pub struct BoostedTrees {
    shape: Shape,
    spec: BoostedTreesSpec,
    /// One for each step ahead and target, in that order.
    forests: Vec<Forest>,
}

/// The trees that add up to one forecast.
#[derive(Debug, Clone, Default, PartialEq)]
struct Forest {
    base: f32,
    /// First node of each tree.
    roots: Vec<usize>,
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Node {
    /// The input that is asked; `None` for a leaf.
    input: Option<usize>,
    threshold: f32,
    below: usize,
    beyond: usize,
    value: f32,
}

impl Forest {
    /// Takes over the trees that count.
    fn of(booster: &GradientBooster) -> Self {
        let kept = booster.prediction_iteration.unwrap_or(booster.trees.len());
        let mut forest = Self { base: booster.base_score as f32, ..Self::default() };
        for tree in booster.trees.iter().take(kept) {
            let root = forest.nodes.len();
            forest.roots.push(root);
            forest.nodes.extend(tree.nodes.iter().map(|node| Node {
                input: (!node.is_leaf).then_some(node.split_feature),
                threshold: node.split_value as f32,
                below: root + node.left_child,
                beyond: root + node.right_child,
                value: node.weight_value,
            }));
        }
        forest
    }

    fn forecast(&self, inputs: &[f32]) -> f32 {
        let leaves = self.roots.iter().map(|&root| {
            let mut node = &self.nodes[root];
            while let Some(input) = node.input {
                node = &self.nodes[if inputs[input] < node.threshold { node.below } else { node.beyond }];
            }
            f64::from(node.value)
        });
        (f64::from(self.base) + leaves.sum::<f64>()) as f32
    }
}

impl BoostedTrees {
    /// Trees that are yet to be grown.
    pub fn new(shape: Shape, spec: &BoostedTreesSpec) -> Self {
        let forests = vec![Forest::default(); shape.horizon * shape.targets];
        Self { shape, spec: spec.clone(), forests }
    }

    fn inputs(&self) -> usize {
        self.shape.lookback * self.shape.channels
    }

    /// The inputs of some windows, input by input, and what came of each forecast.
    fn table(&self, windows: &Windows<'_>, chosen: &[usize]) -> (Vec<f64>, Vec<Vec<f64>>) {
        let histories = windows.gather_histories(chosen, self.shape.lookback);
        let targets = windows.gather_targets(chosen);
        let columns = |values: &[f32], width: usize| {
            let column = |at: usize| values.iter().skip(at).step_by(width).copied().map(f64::from);
            (0..width).map(move |at| column(at).collect::<Vec<f64>>()).collect::<Vec<_>>()
        };
        (columns(&histories, self.inputs()).concat(), columns(&targets, self.forests.len()))
    }

    fn booster(&self) -> GradientBooster {
        GradientBooster::default()
            .set_objective_type(ObjectiveType::SquaredLoss)
            .set_iterations(self.spec.trees)
            .set_learning_rate(self.spec.learning_rate as f32)
            .set_max_depth(self.spec.max_depth)
            .set_l2(self.spec.l2 as f32)
            .set_min_leaf_weight(self.spec.min_leaf_windows as f32)
            .set_evaluation_metric(Some(Metric::RootMeanSquaredError))
            .set_early_stopping_rounds(Some(self.spec.patience))
            .set_parallel(false)
    }
}

impl Forecaster for BoostedTrees {
    fn fit(&mut self, data: &FitData<'_>, _: OnEpoch<'_>) -> Result<(), FitError> {
        let most = (MOST_INPUTS / self.inputs()).max(1);
        let stride = data.train.len().div_ceil(most).max(1);
        let chosen: Vec<usize> = (0..data.train.len()).step_by(stride).collect();
        let held: Vec<usize> = (0..data.valid.len()).step_by(stride).collect();
        let (inputs, targets) = self.table(&data.train, &chosen);
        let (held_inputs, held_targets) = self.table(&data.valid, &held);
        let held_weights = vec![1.0; held.len()];
        let grown = targets.iter().zip(&held_targets).map(|(target, held_target)| {
            let matrix = Matrix::new(&inputs, chosen.len(), self.inputs());
            let held_matrix = Matrix::new(&held_inputs, held.len(), self.inputs());
            let mut booster = self.booster();
            let watched = vec![(held_matrix, held_target.as_slice(), held_weights.as_slice())];
            booster
                .fit_unweighted(&matrix, target, Some(watched))
                .map_err(|error| FitError::Trees(error.to_string()))?;
            Ok(Forest::of(&booster))
        });
        self.forests = grown.collect::<Result<_, FitError>>()?;
        Ok(())
    }

    fn forecast(&self, windows: &Windows<'_>) -> Vec<f32> {
        let mut forecasts = Vec::with_capacity(windows.len() * self.forests.len());
        for index in 0..windows.len() {
            let inputs = windows.history(index, self.shape.lookback);
            forecasts.extend(self.forests.iter().map(|forest| forest.forecast(inputs)));
        }
        forecasts
    }

    fn lookback(&self) -> usize {
        self.shape.lookback
    }

    fn parameters(&self) -> Parameters {
        let mut parameters = Parameters::default();
        for (index, forest) in self.forests.iter().enumerate() {
            let [step, target] = [index / self.shape.targets, index % self.shape.targets];
            let rows = forest.nodes.iter().flat_map(|node| {
                let input = node.input.map_or(-1.0, |input| input as f32);
                [input, node.threshold, node.below as f32, node.beyond as f32, node.value]
            });
            let nodes = ParameterValues { shape: vec![forest.nodes.len(), COLUMNS], data: rows.collect() };
            let roots = forest.roots.iter().map(|root| *root as f32).collect();
            let name = |what: &str| format!("forests.{step}.{target}.{what}");
            parameters.insert(name("base"), ParameterValues::vector(vec![forest.base]));
            parameters.insert(name("nodes"), nodes);
            parameters.insert(name("roots"), ParameterValues::vector(roots));
        }
        parameters
    }

    fn load(&mut self, parameters: &Parameters) -> anyhow::Result<()> {
        for (index, forest) in self.forests.iter_mut().enumerate() {
            let [step, target] = [index / self.shape.targets, index % self.shape.targets];
            let own = parameters.below(&format!("forests.{step}.{target}."));
            let rows = |name: &str, width: usize| {
                let found =
                    own.iter().find(|(own, _)| *own == name).map_or(0, |(_, values)| values.data.len());
                let shape = if width == 1 { vec![found] } else { vec![found / width, width] };
                own.get(name, &shape).map(|values| values.data.clone())
            };
            let nodes: Vec<Node> = rows("nodes", COLUMNS)?
                .chunks_exact(COLUMNS)
                .map(|row| Node {
                    input: (row[0] >= 0.0).then_some(row[0] as usize),
                    threshold: row[1],
                    below: row[2] as usize,
                    beyond: row[3] as usize,
                    value: row[4],
                })
                .collect();
            let roots: Vec<usize> = rows("roots", 1)?.into_iter().map(|root| root as usize).collect();
            let inputs = self.shape.lookback * self.shape.channels;
            // Children follow their parents, or a walk might never end.
            let sound = nodes.iter().enumerate().all(|(at, node)| {
                let leads_on = |child: usize| child > at && child < nodes.len();
                node.input.is_none_or(|input| input < inputs && leads_on(node.below) && leads_on(node.beyond))
            });
            anyhow::ensure!(
                sound && roots.iter().all(|root| *root < nodes.len()),
                "the saved trees of step {step} and target {target} do not hang together"
            );
            *forest = Forest { base: own.get("base", &[1])?.data[0], roots, nodes };
        }
        Ok(())
    }
}
