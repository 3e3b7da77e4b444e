//! `burstlab capacity`: what acting on the saved forecasts of an experiment costs, under its own service or a changed one.

use clap::Args;
use serde_json::{Value, json};

use super::TableFormat;
use super::console::Console;
use crate::compare::{BoardCapacity, what_if};
use crate::report::{capacity_sentence, capacity_text};
use crate::store::{Store, results_folder};
use crate::system::exit_code::Exit;
use crate::text::csv;

#[derive(Debug, Args)]
pub(super) struct CapacityArgs {
    /// The experiment: NAME, or NAME@2 for its second revision
    experiment: String,
    /// Change a setting of the service: cold_start=3min, max_delay=30s, late_work_at_most=0.02, plan_for=[0.9]. Several may
    /// be given with commas between them or one by one. Nothing is trained and nothing recorded
    #[arg(long = "set", value_name = "KEY=VALUE")]
    changes: Vec<String>,
    /// Output format
    #[arg(long, value_enum, default_value = "table")]
    format: TableFormat,
}

pub(super) fn capacity(args: &CapacityArgs, console: Console) -> anyhow::Result<Exit> {
    let results = results_folder();
    let mut store = Store::open_read_only(&results)?;
    let changes: Vec<String> = args.changes.iter().flat_map(|changes| separate(changes)).collect();
    let boards = what_if(&mut store, &results, &args.experiment, &changes)?;
    let text = match args.format {
        TableFormat::Table => as_text(&boards, console.width()),
        TableFormat::Json => as_json(&boards).to_string(),
        TableFormat::Csv => as_csv(&boards),
    };
    console.result(&text);
    Ok(Exit::Ok)
}

/// The changes of one argument. A comma within a list, a table or a string belongs to its value.
fn separate(changes: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let (mut depth, mut quoted) = (0_usize, false);
    for c in changes.chars() {
        match c {
            '"' => quoted = !quoted,
            '[' | '{' if !quoted => depth += 1,
            ']' | '}' if !quoted => depth = depth.saturating_sub(1),
            ',' if !quoted && depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = parts.last_mut() {
            last.push(c);
        }
    }
    parts.into_iter().map(|part| part.trim().to_string()).collect()
}

fn as_text(boards: &[(String, BoardCapacity)], width: usize) -> String {
    let board = |(title, capacity): &(String, BoardCapacity)| {
        let heading = if title.is_empty() { String::new() } else { format!("{title}\n") };
        format!("{heading}{}\n\n{}", capacity_text(capacity, width), capacity_sentence(capacity))
    };
    boards.iter().map(board).collect::<Vec<_>>().join("\n\n")
}

fn as_json(boards: &[(String, BoardCapacity)]) -> Value {
    let board = |(title, capacity): &(String, BoardCapacity)| {
        let mut shown = json!({ "setting": title });
        if let (Value::Object(shown), Value::Object(own)) = (&mut shown, capacity.to_json()) {
            shown.extend(own);
        }
        shown
    };
    boards.iter().map(board).collect()
}

const CSV_COLUMNS: [&str; 13] = [
    "setting",
    "name",
    "plan_for",
    "replica_hours",
    "idle_replica_hours",
    "under_provisioned_share",
    "late_work_share",
    "max_delay_s",
    "scale_events",
    "gpu_hours",
    "cost",
    "replica_hours_to_headroom",
    "p_value",
];

fn as_csv(boards: &[(String, BoardCapacity)]) -> String {
    let rows = boards.iter().flat_map(|(title, capacity)| {
        let rows = capacity.models.iter().chain(&capacity.policies);
        rows.map(move |row| {
            let values = &row.values;
            let known = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
            let difference = row.against_headroom.as_ref();
            vec![
                title.clone(),
                row.name.clone(),
                row.plans.first().map_or(String::new(), |(level, _)| level.to_string()),
                values.replica_hours.to_string(),
                values.idle_replica_hours.to_string(),
                values.under_provisioned_share.to_string(),
                values.late_work_share.to_string(),
                values.max_delay_s.to_string(),
                values.scale_events.to_string(),
                row.gpu_hours(&capacity.spec).to_string(),
                known(row.cost(&capacity.spec)),
                known(difference.map(|difference| difference.mean)),
                known(difference.map(|difference| difference.holm_p_value)),
            ]
        })
    });
    csv(&CSV_COLUMNS.map(String::from), rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_part_changes_but_not_the_values_of_a_list() {
        assert_eq!(separate("cold_start=3min, max_delay=30s"), ["cold_start=3min", "max_delay=30s"]);
        assert_eq!(
            separate("plan_for=[\"mean\", 0.9],max_delay=1s"),
            ["plan_for=[\"mean\", 0.9]", "max_delay=1s"]
        );
        assert_eq!(separate("a=\"x,y\""), ["a=\"x,y\""]);
    }
}
