//! What acting on the forecasts of a run costs, plan by plan and policy by policy.

use maud::{Markup, html};

use super::super::widgets::plain_table;
use crate::capacity::{
    CAPACITY_NAMES, CHOSEN, HEADROOM_FACTOR, PlanLevel, Policy, REPLICA_HOURS, SCALE_EVENTS, WORK, metric_of,
    policy_of,
};
use crate::store::MetricRow;
use crate::text::{number, with_decimals};

/// One row for each part and each plan or policy, in the order of the report; nothing where no service acts on the forecasts.
pub fn capacity_table(metrics: &[MetricRow]) -> Markup {
    let rows: Vec<Vec<String>> = ["valid", "test"].iter().flat_map(|part| part_rows(metrics, part)).collect();
    let headers: Vec<String> =
        ["part", "acts on"].iter().chain(&CAPACITY_NAMES).map(ToString::to_string).collect();
    html! {
        @if !rows.is_empty() {
            h2 { "Capacity" }
            (plain_table("What acting on the forecasts costs", &headers, 2, rows.into_iter()))
        }
    }
}

fn part_rows(metrics: &[MetricRow], part: &str) -> Vec<Vec<String>> {
    let of_work: Vec<&MetricRow> =
        metrics.iter().filter(|metric| metric.part == part && metric.target == WORK).collect();
    let value = |name: &str| of_work.iter().find(|metric| metric.name == name).map(|metric| metric.value);
    let policies = of_work.iter().filter_map(|metric| match policy_of(&metric.name) {
        (REPLICA_HOURS, policy) => policy,
        _ => None,
    });
    let mut policies: Vec<&str> = policies.collect();
    policies.sort_by(|a, b| {
        let ([a, b], [a_level, b_level]) = ([a, b].map(|own| rank(own)), [a, b].map(|own| level(own)));
        a.cmp(&b).then(a_level.total_cmp(&b_level))
    });
    let row = |policy: &str| {
        let cell = |name: &&str| match value(&metric_of(name, policy)) {
            Some(count) if *name == SCALE_EVENTS => with_decimals(count, 0),
            Some(value) => number(value),
            None => "-".to_string(),
        };
        let is_chosen = value(&metric_of(CHOSEN, policy)) == Some(1.0);
        [part.to_string(), acts_on(policy, is_chosen, value(HEADROOM_FACTOR))]
            .into_iter()
            .chain(CAPACITY_NAMES.iter().map(cell))
            .collect()
    };
    policies.into_iter().map(row).collect()
}

/// Plans come before the policies that need no forecast.
fn rank(policy: &str) -> usize {
    let others = Policy::WITHOUT_FORECAST;
    others.iter().position(|own| own.to_string() == policy).map_or(0, |place| place + 1)
}

/// The level of a plan; the point forecast is the first.
fn level(policy: &str) -> f64 {
    policy.parse().unwrap_or(0.0)
}

fn acts_on(policy: &str, is_chosen: bool, headroom: Option<f64>) -> String {
    let plan = match policy.parse() {
        Ok(level) => PlanLevel::Quantile(level).in_words(),
        Err(_) if policy == PlanLevel::Mean.to_string() => PlanLevel::Mean.in_words(),
        Err(_) if policy == Policy::ReactiveWithHeadroom.to_string() => {
            headroom.map_or(policy.to_string(), |factor| format!("{policy} (× {})", with_decimals(factor, 2)))
        }
        Err(_) => policy.to_string(),
    };
    if is_chosen { format!("{plan} (chosen)") } else { plan }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(part: &str, name: &str, value: f64) -> MetricRow {
        let [run_id, target, unit] = ["r", WORK, "original"].map(String::from);
        MetricRow { run_id, part: part.to_string(), target, unit, name: name.to_string(), value }
    }

    #[test]
    fn plans_come_by_their_level_and_the_chosen_one_is_marked() {
        let metrics = [
            metric("test", "replica_hours", 12.0),
            metric("test", "replica_hours[oracle]", 9.0),
            metric("test", "replica_hours[0.9]", 12.0),
            metric("test", "replica_hours[0.75]", 11.0),
            metric("test", "replica_hours[mean]", 10.0),
            metric("test", "chosen[0.9]", 1.0),
            metric("test", "mae", 1.0),
        ];
        assert!(acts_on("reactive_with_headroom", false, Some(4.3 / 3.0)).ends_with("(×\u{a0}1.43)"));
        let rows = part_rows(&metrics, "test");
        let names: Vec<&str> = rows.iter().map(|row| row[1].as_str()).collect();
        assert_eq!(names, ["its mean", "its 75 % quantile", "its 90 % quantile (chosen)", "oracle"]);
        assert_eq!(rows[3][2..4], ["9.000", "-"]);
        assert!(capacity_table(&metrics[6..]).into_string().is_empty());
    }
}
