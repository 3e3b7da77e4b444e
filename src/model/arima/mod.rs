//! Autoregressive integrated moving averages with seasons (Box & Jenkins, *Time Series Analysis: Forecasting and Control*, 1970),
//! each target by itself, by exact maximum likelihood, with orders that are given or chosen.
//!
//! A forecast follows from its lookback alone: the states of the filter are built anew from each window, as a stationary
//! series starts. Coefficients are estimated once, on the training steps, or anew on the lookback of every n-th window.
//! Quantiles are those of normal errors with the estimated variance, on the scale that the model is fitted on.

mod estimate;
mod likelihood;
mod order_search;
mod orders;
mod outlook;
mod polynomial;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use self::estimate::{DifferencedSeries, FittedArima};
use self::order_search::OrderChoice;
use self::orders::ArimaOrders;
use self::outlook::Outlook;
use self::polynomial::Coefficients;
use super::filter_scale::FilterScale;
use super::parameters::{PIECES, join, split};
use super::{FitData, FitError, Forecaster, OnEpoch, ParameterValues, Parameters, Shape};
use crate::dataset::Windows;
use crate::spec::{ArimaSpec, ConstantTerm, OrderSearch, Season};
use crate::stats::QUANTILES;
use crate::stats::closed_form::normal_quantile;

/// Training steps that are fitted: the latest ones. They give coefficients to two digits and follow the present.
const MOST_STEPS: usize = 10_000;
/// Windows that one thread forecasts at a time.
const WINDOWS_AT_ONCE: usize = 256;
/// Estimates that are kept, since a window is asked for its mean and for its quantiles. One takes some hundred bytes.
const MOST_KEPT: usize = 1 << 16;
/// Values of the windows that they are of: 32 MiB.
const MOST_VALUES_KEPT: usize = 1 << 23;

/// A model for each target.
pub struct Arima {
    shape: Shape,
    choice: OrderChoice,
    /// Windows from one estimate to the next; `None` to estimate once.
    refit_every: Option<usize>,
    /// Whether orders are chosen with every estimate.
    chooses_again: bool,
    scale: FilterScale,
    /// Of the training steps, for each target; none where orders are chosen again.
    fitted: Vec<FittedArima>,
    /// By the target and the bits of the values that were fitted.
    kept: Mutex<HashMap<(usize, Vec<u32>), FittedArima>>,
}

impl Arima {
    /// A model that is still to be fitted.
    pub fn new(shape: Shape, spec: &ArimaSpec) -> Self {
        let constant = match spec.constant {
            ConstantTerm::Auto => None,
            ConstantTerm::Always => Some(true),
            ConstantTerm::Never => Some(false),
        };
        let choice = OrderChoice {
            order: spec.order.given(),
            seasonal_order: spec.seasonal_order.given(),
            // A length of time has become a number of steps when the run was planned.
            season: spec.season.and_then(Season::steps).unwrap_or(0),
            constant,
            lookback: shape.lookback,
        };
        Self {
            shape,
            choice,
            refit_every: spec.refit_every,
            chooses_again: spec.order_search == OrderSearch::EveryRefit,
            scale: FilterScale::new(spec.units, shape.targets),
            fitted: Vec::new(),
            kept: Mutex::default(),
        }
    }

    /// Mean and variance of each step ahead and target of every window, `windows x horizon x targets`, on the scale of the
    /// model. They are NaN, which fails the run, where no model can be fitted.
    fn outlooks(&self, windows: &Windows<'_>) -> Vec<(f64, f64)> {
        let Shape { horizon, targets, .. } = self.shape;
        let at_once = self.refit_every.unwrap_or(WINDOWS_AT_ONCE);
        let mut outlooks = vec![(f64::NAN, f64::NAN); windows.len() * horizon * targets];
        // Windows with estimates of their own are forecast by themselves, so any number of threads gives the same forecasts.
        outlooks.par_chunks_mut(at_once.saturating_mul(horizon * targets)).enumerate().for_each(
            |(chunk, outlooks)| {
                let first = chunk * at_once;
                for target in 0..targets {
                    let Some(fitted) = self.fitted_at(windows, first, target) else { continue };
                    let Some(outlook) = Outlook::new(&fitted, horizon) else { continue };
                    for (index, window) in outlooks.chunks_exact_mut(horizon * targets).enumerate() {
                        let past = self.past(windows, first + index, target);
                        for (ahead, step) in outlook.after(&past).into_iter().enumerate() {
                            window[ahead * targets + target] = step;
                        }
                    }
                }
            },
        );
        outlooks
    }

    /// The values of a target before a window, on the scale of the model.
    fn past(&self, windows: &Windows<'_>, index: usize, target: usize) -> Vec<f64> {
        let steps = windows.history(index, self.shape.lookback).chunks_exact(self.shape.channels);
        steps.map(|step| self.scale.filtered_unit(target, step[target])).collect()
    }

    /// The model of a target for a window: that of the training steps, or one of the lookback.
    fn fitted_at(&self, windows: &Windows<'_>, index: usize, target: usize) -> Option<FittedArima> {
        let trained = self.fitted.get(target);
        if self.refit_every.is_none() {
            return trained.cloned();
        }
        let steps = windows.history(index, self.shape.lookback).chunks_exact(self.shape.channels);
        let key = (target, steps.map(|step| step[target].to_bits()).collect::<Vec<u32>>());
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = kept().get(&key) {
            return Some(found.clone());
        }
        let past = self.past(windows, index, target);
        let found = match trained {
            Some(trained) => {
                let series = DifferencedSeries::new(&past, trained.orders);
                series.fit(trained.orders, Some(&trained.coefficients), false)
            }
            None => self.choice.fit(&past),
        }?;
        let mut kept = kept();
        if kept.len() >= MOST_KEPT.min(MOST_VALUES_KEPT / self.shape.lookback.max(1)) {
            kept.clear();
        }
        kept.insert(key, found.clone());
        Some(found)
    }

    /// Cells of a saved model: the constant and the variance, and as many coefficients as the widest target has.
    fn width(fitted: &[FittedArima]) -> usize {
        2 + fitted.iter().map(|fitted| fitted.orders.coefficients()).max().unwrap_or(0)
    }
}

impl Forecaster for Arima {
    fn fit(&mut self, data: &FitData<'_>, _: OnEpoch<'_>) -> Result<(), FitError> {
        self.scale.fit(data.scaler);
        if self.chooses_again {
            return Ok(());
        }
        let fit = |target: usize| {
            let steps = data.training_values(target);
            let latest = &steps[steps.len().saturating_sub(MOST_STEPS)..];
            let values: Vec<f64> =
                latest.iter().map(|value| self.scale.filtered_unit(target, *value)).collect();
            self.choice.fit(&values).map(|fitted| as_saved(&fitted)).ok_or(FitError::Arima)
        };
        self.fitted = (0..self.shape.targets).into_par_iter().map(fit).collect::<Result<_, _>>()?;
        Ok(())
    }

    fn forecast(&self, windows: &Windows<'_>) -> Vec<f32> {
        let targets = self.shape.targets;
        let outlooks = self.outlooks(windows).into_iter().enumerate();
        outlooks.map(|(cell, (mean, _))| self.scale.scaled_unit(cell % targets, mean)).collect()
    }

    fn quantiles(&self, windows: &Windows<'_>) -> Option<Vec<f32>> {
        let targets = self.shape.targets;
        let distances = QUANTILES.map(normal_quantile);
        let outlooks = self.outlooks(windows).into_iter().enumerate();
        let quantiles = outlooks.flat_map(|(cell, (mean, variance))| {
            let deviation = libm::sqrt(variance);
            distances.map(|distance| self.scale.scaled_unit(cell % targets, mean + distance * deviation))
        });
        Some(quantiles.collect())
    }

    fn lookback(&self) -> usize {
        self.shape.lookback
    }

    fn parameters(&self) -> Parameters {
        let width = Self::width(&self.fitted);
        let orders = self.fitted.iter().flat_map(|fitted| {
            let orders = fitted.orders;
            let constant = usize::from(orders.constant);
            [
                orders.ar,
                orders.differences,
                orders.ma,
                orders.seasonal_ar,
                orders.seasonal_differences,
                orders.seasonal_ma,
                constant,
            ]
            .map(|order| order as f32)
        });
        let coefficients = self.fitted.iter().flat_map(|fitted| {
            let own = &fitted.coefficients;
            let all = [fitted.mean, fitted.variance].into_iter();
            let all = all
                .chain([&own.ar, &own.ma, &own.seasonal_ar, &own.seasonal_ma].into_iter().flatten().copied());
            all.chain(std::iter::repeat(0.0)).take(width).flat_map(split)
        });
        let targets = self.fitted.len();
        Parameters::from([
            self.scale.parameter(),
            ("orders".to_string(), ParameterValues { shape: vec![targets, 7], data: orders.collect() }),
            (
                "coefficients".to_string(),
                ParameterValues { shape: vec![targets, width, PIECES], data: coefficients.collect() },
            ),
        ])
    }

    fn load(&mut self, parameters: &Parameters) -> anyhow::Result<()> {
        self.scale.load(parameters)?;
        let targets = if self.chooses_again { 0 } else { self.shape.targets };
        let (orders, _) = parameters.get("orders", &[targets, 7])?.data.as_chunks::<7>();
        let season = self.choice.season;
        let orders: Vec<ArimaOrders> = orders.iter().map(|orders| orders_of(*orders, season)).collect();
        let width = 2 + orders.iter().map(|orders| orders.coefficients()).max().unwrap_or(0);
        let cells = &parameters.get("coefficients", &[targets, width, PIECES])?.data;
        let rows = cells.chunks_exact(width * PIECES);
        self.fitted = orders
            .into_iter()
            .zip(rows)
            .map(|(orders, row)| {
                let row: Vec<f64> = row.chunks_exact(PIECES).map(join).collect();
                of_row(orders, &row)
            })
            .collect();
        Ok(())
    }
}

/// Saved orders.
fn orders_of(
    [ar, differences, ma, seasonal_ar, seasonal_differences, seasonal_ma, constant]: [f32; 7],
    season: usize,
) -> ArimaOrders {
    let whole = |order: f32| order as usize;
    ArimaOrders {
        ar: whole(ar),
        differences: whole(differences),
        ma: whole(ma),
        seasonal_ar: whole(seasonal_ar),
        seasonal_differences: whole(seasonal_differences),
        seasonal_ma: whole(seasonal_ma),
        season,
        constant: constant > 0.0,
    }
}

/// A model from its mean, its variance and its coefficients. How likely it is was known when it was fitted.
fn of_row(orders: ArimaOrders, row: &[f64]) -> FittedArima {
    let mut rest = row[2..].iter().copied();
    let mut take = |count: usize| rest.by_ref().take(count).collect::<Vec<f64>>();
    let (ar, ma) = (take(orders.ar), take(orders.ma));
    let (seasonal_ar, seasonal_ma) = (take(orders.seasonal_ar), take(orders.seasonal_ma));
    FittedArima {
        orders,
        coefficients: Coefficients { ar, ma, seasonal_ar, seasonal_ma },
        mean: row[0],
        variance: row[1],
        log_likelihood: f64::NAN,
        aicc: f64::NAN,
    }
}

/// A model as it is read back, so that it forecasts the same before and after.
fn as_saved(fitted: &FittedArima) -> FittedArima {
    let again = |value: f64| join(&split(value));
    let all = |values: &[f64]| values.iter().copied().map(again).collect();
    let own = &fitted.coefficients;
    FittedArima {
        mean: again(fitted.mean),
        variance: again(fitted.variance),
        coefficients: Coefficients {
            ar: all(&own.ar),
            ma: all(&own.ma),
            seasonal_ar: all(&own.seasonal_ar),
            seasonal_ma: all(&own.seasonal_ma),
        },
        ..*fitted
    }
}

#[cfg(test)]
mod tests;
