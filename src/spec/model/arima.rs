//! The hyperparameters of `arima`, and what they need of the lookback.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserializer, Error, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::Misfit;
use super::season::Season;
use super::tables::FilterUnits;
use crate::spec::problem::Violation;

/// Least lookback on which orders can be chosen; seasons need two of them besides.
const FEWEST_TO_CHOOSE: usize = 10;
/// Larger orders describe noise.
const MOST_LAGS: usize = 24;
const MOST_SEASONAL_LAGS: usize = 4;
/// What to do about a season of one step.
const SEASON_HELP: &str = "give the number of steps after which the pattern repeats, or leave season out";
/// A third difference forecasts a parabola.
const MOST_DIFFERENCES: usize = 2;

/// Hyperparameters of `arima`.
///
/// Where the training part has more than 10,000 steps, the latest 10,000 are fitted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ArimaSpec {
    /// `[p, d, q]`: past values, differences and past errors; or `"auto"`, chosen by the corrected Akaike criterion among p
    /// and q up to 5, with d up to 2 by the KPSS test.
    pub order: ArimaOrder,
    /// `[P, D, Q]`, the same in whole seasons, where there is a `season`; or `"auto"`, with P and Q up to 2, and D = 1 where the
    /// season is strong.
    pub seasonal_order: ArimaOrder,
    /// Length of the season: a number of steps, or a length of time such as `"1d"` of windows, or of the rows of a series at
    /// regular times. Left out, there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub season: Option<Season>,
    /// Whether there is a constant: the mean of a series that is not differenced, the drift of one that is differenced once.
    pub constant: ConstantTerm,
    /// Windows from one estimate to the next, each on the lookback of its first window. Left out, coefficients are estimated
    /// once, on the training steps. A forecast follows from its lookback in either case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refit_every: Option<usize>,
    /// When orders are chosen, where there is something to choose.
    pub order_search: OrderSearch,
    /// The scale that the model is fitted on.
    pub units: FilterUnits,
}

/// Three orders, or none where they are to be chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ArimaOrder {
    /// Chosen by the corrected Akaike criterion.
    #[default]
    Auto,
    /// Autoregressive, differences, moving average.
    Given([usize; 3]),
}

impl ArimaOrder {
    /// The orders that are given.
    pub fn given(self) -> Option<[usize; 3]> {
        match self {
            ArimaOrder::Auto => None,
            ArimaOrder::Given(orders) => Some(orders),
        }
    }
}

/// Whether a model has a constant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConstantTerm {
    /// Chosen where orders are; with given orders, where there is no difference.
    #[default]
    Auto,
    /// In any case, but for a series that is differenced twice.
    Always,
    /// In no case.
    Never,
}

/// When orders are chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrderSearch {
    /// Once, on the training steps.
    #[default]
    Once,
    /// With every estimate of the coefficients, on the same lookback.
    EveryRefit,
}

impl ArimaSpec {
    /// Steps that a lookback must have, where the season is `season` steps long; 0 stands for none.
    fn fewest_steps(&self, season: usize) -> usize {
        let seasonal = if season > 0 { self.seasonal_order } else { ArimaOrder::Given([0; 3]) };
        let (Some([ar, differences, ma]), Some([seasonal_ar, seasonal_differences, seasonal_ma])) =
            (self.order.given(), seasonal.given())
        else {
            let given = self.order.given().map_or(0, |[ar, differences, ma]| 2 * ar.max(ma) + differences);
            let of_seasons = match self.seasonal_order.given() {
                Some([ar, differences, ma]) => ar.max(ma) + differences,
                None => 2,
            };
            return FEWEST_TO_CHOOSE.max(given + 4) + of_seasons.saturating_mul(season);
        };
        let reach = (ar.saturating_add(season.saturating_mul(seasonal_ar)))
            .max(ma.saturating_add(season.saturating_mul(seasonal_ma)));
        let lost = differences.saturating_add(season.saturating_mul(seasonal_differences));
        // The coefficients, the constant, the variance, and two values to spare.
        reach.saturating_add(lost).saturating_add(ar + ma + seasonal_ar + seasonal_ma + 4)
    }

    /// The model's name with its orders, for messages.
    fn shown(&self) -> String {
        let of = |order: ArimaOrder| match order {
            ArimaOrder::Auto => "auto".to_string(),
            ArimaOrder::Given(orders) => format!("{orders:?}"),
        };
        match self.season {
            Some(_) => {
                format!("arima with order {} and seasonal_order {}", of(self.order), of(self.seasonal_order))
            }
            None => format!("arima with order {}", of(self.order)),
        }
    }

    /// What keeps the model from fitting to a lookback, where its season is so many steps long; 0 stands for none.
    pub(super) fn misfit(&self, season: usize, lookback: usize) -> Option<Misfit> {
        if season == 1 {
            let message = "a season must have at least 2 steps, and this one has 1".to_string();
            return Some(Misfit { key: "season", message, help: SEASON_HELP });
        }
        let needed = self.fewest_steps(season);
        (lookback < needed).then(|| Misfit {
            key: "lookback",
            message: format!("{} needs a lookback of at least {needed}, got {lookback}", self.shown()),
            help: "a forecast follows from its lookback alone: give more steps, or smaller orders and a shorter season",
        })
    }

    /// The same model with what cannot matter at its default.
    pub(super) fn normalise(&mut self) {
        if self.order != ArimaOrder::Auto
            && (self.season.is_none() || self.seasonal_order != ArimaOrder::Auto)
        {
            self.order_search = OrderSearch::Once;
        }
    }

    /// Impossible hyperparameters, in the order of the keys.
    pub(super) fn violations(&self) -> Vec<Violation> {
        let mut violations = Vec::new();
        let mut require = |holds: bool, key: &str, message: String, help: &str| {
            if !holds {
                violations.push(Violation::new(key, message, help));
            }
        };
        let orders =
            [("order", self.order, MOST_LAGS), ("seasonal_order", self.seasonal_order, MOST_SEASONAL_LAGS)];
        for (key, order, most) in orders {
            let Some(given) = order.given() else { continue };
            let [ar, differences, ma] = given;
            let fits = ar <= most && ma <= most && differences <= MOST_DIFFERENCES;
            let limits = format!(
                "{key} has at most {most} lags of either kind and {MOST_DIFFERENCES} differences, got {given:?}"
            );
            require(fits, key, limits, "two lags are usual, or \"auto\" to have them chosen");
        }
        require(
            self.season.is_some() || self.seasonal_order == ArimaOrder::Auto,
            "seasonal_order",
            "a seasonal_order needs a season".to_string(),
            "give season as well, e.g. season = \"1d\" or season = 24, or leave seasonal_order out",
        );
        if let Some(steps) = self.season.and_then(Season::steps) {
            let message = format!("a season must have at least 2 steps, got {steps}");
            require(steps >= 2, "season", message, SEASON_HELP);
        }
        let differences = |order: ArimaOrder| order.given().map_or(0, |[_, differences, _]| differences);
        let taken = differences(self.order)
            + if self.season.is_some() { differences(self.seasonal_order) } else { 0 };
        require(
            self.constant != ConstantTerm::Always || taken < 2,
            "constant",
            "a series that is differenced twice has no constant".to_string(),
            "a constant there would be a parabola: leave constant out, or take one difference",
        );
        if let Some(every) = self.refit_every {
            let message = format!("refit_every must be at least 1, got {every}");
            require(
                every >= 1,
                "refit_every",
                message,
                "give a positive integer, or leave it out to estimate once",
            );
        }
        require(
            self.order_search == OrderSearch::Once || self.refit_every.is_some(),
            "order_search",
            "without refit_every there is no refit that could choose orders".to_string(),
            "give refit_every, e.g. refit_every = 1, or leave order_search out",
        );
        violations
    }
}

impl Serialize for ArimaOrder {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            ArimaOrder::Auto => serializer.serialize_str("auto"),
            ArimaOrder::Given(orders) => orders.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ArimaOrder {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ArimaOrderVisitor)
    }
}

struct ArimaOrderVisitor;

impl<'de> Visitor<'de> for ArimaOrderVisitor {
    type Value = ArimaOrder;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of three orders such as [2, 1, 1], or \"auto\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<ArimaOrder, E> {
        if text == "auto" {
            Ok(ArimaOrder::Auto)
        } else {
            Err(E::invalid_value(Unexpected::Str(text), &self))
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<ArimaOrder, A::Error> {
        let orders = Vec::<usize>::deserialize(SeqAccessDeserializer::new(list))?;
        let count = orders.len();
        orders.try_into().map(ArimaOrder::Given).map_err(|_| {
            A::Error::custom(format!(
                "expected a list of three orders such as [2, 1, 1], got {count} of them"
            ))
        })
    }
}

impl JsonSchema for ArimaOrder {
    fn schema_name() -> Cow<'static, str> {
        "ArimaOrder".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Three orders, or \"auto\" to have them chosen.",
            "anyOf": [
                { "type": "string", "const": "auto" },
                { "type": "array", "items": { "type": "integer", "minimum": 0 }, "minItems": 3, "maxItems": 3 }
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(json: &str) -> ArimaSpec {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn orders_read_back_what_they_write() {
        for text in ["\"auto\"", "[2,1,0]"] {
            assert_eq!(
                serde_json::to_string(&serde_json::from_str::<ArimaOrder>(text).unwrap()).unwrap(),
                text
            );
        }
        for text in ["\"none\"", "[1,2]", "[1,2,3,4]", "[1,-1,0]", "3"] {
            assert!(serde_json::from_str::<ArimaOrder>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn larger_orders_need_a_longer_lookback() {
        let fewest = |json: &str, season: usize| spec(json).fewest_steps(season);
        assert_eq!(fewest(r#"{"order": [1, 0, 0]}"#, 0), 6);
        assert_eq!(fewest(r#"{"order": [2, 1, 3]}"#, 0), 3 + 1 + 5 + 4);
        assert_eq!(fewest("{}", 0), FEWEST_TO_CHOOSE);
        assert_eq!(fewest("{}", 24), FEWEST_TO_CHOOSE + 48);
        assert_eq!(fewest(r#"{"order": [1, 0, 0], "seasonal_order": [1, 1, 0]}"#, 24), 25 + 24 + 2 + 4);
    }

    #[test]
    fn a_search_that_has_nothing_to_choose_is_none() {
        let mut given = spec(r#"{"order": [1, 0, 0], "refit_every": 1, "order_search": "every_refit"}"#);
        given.normalise();
        assert_eq!(given.order_search, OrderSearch::Once);
        let mut open = spec(r#"{"refit_every": 1, "order_search": "every_refit"}"#);
        open.normalise();
        assert_eq!(open.order_search, OrderSearch::EveryRefit);
    }
}
