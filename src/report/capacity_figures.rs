//! The plots of what acting on the forecasts costs.

use std::path::Path;

use super::capacity_section::headroom_factor;
use super::figures::{BoardFigures, FigureSection, shown_run};
use super::forecast_figures::origin_of;
use super::plot::{
    Frontier, FrontierLine, FrontierMark, ReplicaTrack, TimeOrigin, capacity_frontier, replicas_over_time,
};
use crate::capacity::Policy;
use crate::compare::{Board, Comparison};
use crate::dataset::{CAPACITY_FILE, CapacityTable};
use crate::store::run_folder;

/// Models whose plans are drawn; more cannot be told apart.
const MOST_MODELS: usize = 3;

/// Adds the plots of a board whose experiment has a service that acts on the forecasts.
pub fn draw_capacity(comparison: &Comparison, board: &Board, results: &Path, figures: &mut BoardFigures) {
    let Some(capacity) = &board.capacity else { return };
    let percent = |share: f64| 100.0 * share;
    let lines = capacity.models.iter().take(MOST_MODELS).map(|row| {
        let points = row.frontier.iter().map(|point| FrontierMark {
            label: point.level.to_string(),
            replica_hours: point.replica_hours,
            late_percent: percent(point.late_work_share),
            chosen: row.plans.first().is_some_and(|(level, _)| *level == point.level),
        });
        let mut points: Vec<FrontierMark> = points.collect();
        points.sort_by(|a, b| a.replica_hours.total_cmp(&b.replica_hours));
        FrontierLine { label: row.name.clone(), points }
    });
    let policies = capacity.policies.iter().map(|row| FrontierMark {
        label: row.name.clone(),
        replica_hours: row.values.replica_hours,
        late_percent: percent(row.values.late_work_share),
        chosen: false,
    });
    let frontier = Frontier {
        lines: lines.collect(),
        policies: policies.collect(),
        limit_percent: percent(capacity.spec.late_work_at_most),
    };
    let caption = format!(
        "Each line is a model, each dot a forecast that may be acted on: its mean or one of its quantiles; the large dot is \
         the one that validation has chosen. Nearer to the lower left is better. The dashed line is the limit of late work. Mean \
         over runs on the test part; the first {MOST_MODELS} models of the table."
    );
    figures.add(
        FigureSection::Capacity,
        "frontier of replica hours against late work",
        "capacity-frontier".to_string(),
        capacity_frontier(&frontier),
        caption,
    );
    draw_replicas(comparison, board, results, figures);
}

/// Adds demand, replicas and delay over time of the best model and of reacting with headroom.
fn draw_replicas(comparison: &Comparison, board: &Board, results: &Path, figures: &mut BoardFigures) {
    let Some(capacity) = &board.capacity else { return };
    let Some(best) = capacity.models.first() else { return };
    let row = board.rows.iter().find(|row| row.model == best.name);
    let Some(run) = row.and_then(|row| shown_run(comparison, row)) else { return };
    let path = run_folder(results, &run.run_id).join(CAPACITY_FILE);
    let origin = board.saved_run.as_ref().map_or(TimeOrigin::TraceStart, origin_of);
    let drawn = CapacityTable::read(&path).and_then(|table| {
        let named = [
            (best.name.clone(), String::new()),
            ("reacting with headroom".to_string(), Policy::ReactiveWithHeadroom.to_string()),
        ];
        let tracks = named.into_iter().filter_map(|(label, policy)| {
            let windows = table.policy(&policy)?;
            Some(ReplicaTrack { label, live: windows.live.clone(), delay_s: windows.delay_s.clone() })
        });
        let tracks: Vec<ReplicaTrack> = tracks.collect();
        let demand: Vec<f64> = table.work_s.iter().map(|work_s| work_s / capacity.window_s).collect();
        replicas_over_time(origin, &table.time_s, &demand, &tracks, capacity.spec.max_delay.seconds())
    });
    let seed = run.seed.map_or(String::new(), |seed| format!(" (seed {seed})"));
    let caption = format!(
        "Above: the replicas that the work of each test window keeps busy, and those that serve it where {}{seed} or the last \
         work times {} decides. Below: how long work waits beyond its window; the dashed line is the limit.",
        best.name,
        headroom_factor(capacity)
    );
    figures.add(
        FigureSection::Capacity,
        "replicas over time",
        "capacity-replicas".to_string(),
        drawn,
        caption,
    );
}
