//! What acting on the forecasts costs, as a sentence, as the tables of a section, and as a number of the first screen.

use super::board_sections::Section;
use super::cells::{or_dash, p_value_text};
use super::tables::{ReportTable, TableCell, TableRow};
use super::verdict::VerdictFact;
use crate::capacity::Policy;
use crate::compare::{Board, BoardCapacity, CapacityRow, Difference, Significance};
use crate::spec::CapacitySpec;
use crate::text::{duration, grouped, number, percent, with_decimals};

/// Which model needs the fewest replica hours, beside those of the policies, and whether that is sure.
pub fn sentence(board: &Board) -> Option<String> {
    board.capacity.as_ref().map(sentence_of)
}

/// The sentence that sums up some replays.
pub fn sentence_of(capacity: &BoardCapacity) -> String {
    let Some(best) = capacity.models.first() else {
        return "No model has acted on a forecast yet.".to_string();
    };
    let limit = share(capacity.spec.late_work_at_most);
    let start = if capacity.is_partial { "So far, with" } else { "With" };
    if !best.keeps(&capacity.spec) {
        return format!(
            "No model keeps late work within {limit} on the test part: {} comes nearest, with {} late in {} replica hours{}.",
            acting(best),
            share(best.values.late_work_share),
            hours(best.values.replica_hours),
            capacity.policy(Policy::ReactiveWithHeadroom).map_or(String::new(), |headroom| format!(
                "; reacting with headroom has {} late in {}",
                share(headroom.values.late_work_share),
                hours(headroom.values.replica_hours)
            )),
        );
    }
    let beside = [
        (Policy::ReactiveWithHeadroom, "reacting with headroom"),
        (Policy::Oracle, "knowing the future"),
        (Policy::Static, "static provisioning"),
    ];
    let beside = beside.iter().filter_map(|(policy, name)| {
        let row = capacity.policy(*policy)?;
        let late = if row.keeps(&capacity.spec) || *policy == Policy::Oracle {
            String::new()
        } else {
            format!(" (which has {} late)", share(row.values.late_work_share))
        };
        Some(format!("{} {name}{late}", relative(best.values.replica_hours, row.values.replica_hours)))
    });
    let beside: Vec<String> = beside.collect();
    format!(
        "{start} at most {limit} late work, {} needs {} replica hours: {}. {}",
        acting(best),
        hours(best.values.replica_hours),
        beside.join(", "),
        sureness(best),
    )
}

/// `dlinear at its 90 % quantile`.
fn acting(row: &CapacityRow) -> String {
    match row.plans.first() {
        Some((level, share)) if *share < 1.0 => {
            format!("{} at {} (in {:.0} % of its runs)", row.name, level.in_words(), 100.0 * share)
        }
        Some((level, _)) => format!("{} at {}", row.name, level.in_words()),
        None => row.name.clone(),
    }
}

/// Whether the difference to reacting with headroom is significant, as a sentence.
fn sureness(row: &CapacityRow) -> String {
    let difference = "The difference to reacting with headroom";
    match row.significance() {
        Significance::Significant { p_value } => {
            format!("{difference} is significant ({}).", p_value_text(p_value))
        }
        Significance::NotSignificant { p_value } => {
            format!("{difference} is not significant ({}).", p_value_text(p_value))
        }
        Significance::TooFewBlocks { blocks, .. } => format!(
            "Whether {} is real cannot be told: the test part has only {blocks} blocks of dependent windows.",
            difference.replacen("The", "the", 1)
        ),
        Significance::NotTested => format!("{difference} was not tested."),
    }
}

/// `4.1 % less than`, `as many as`.
fn relative(own: f64, other: f64) -> String {
    let percent = 100.0 * (own / other - 1.0);
    let size = percent.abs();
    let text = if size < 9.95 { format!("{size:.1} %") } else { format!("{size:.0} %") };
    match percent {
        _ if !percent.is_finite() || size < 0.05 => "as many as".to_string(),
        percent if percent < 0.0 => format!("{text} less than"),
        _ => format!("{text} more than"),
    }
}

fn share(share: f64) -> String {
    // Two digits tell 0.92 % from a limit of 1 %.
    let percent = (10_000.0 * share).round() / 100.0;
    format!("{percent} %")
}

fn hours(hours: f64) -> String {
    if hours < 100.0 { number(hours) } else { with_decimals(hours, 0) }
}

/// The number of the first screen.
pub fn fact(board: &Board) -> Option<VerdictFact> {
    let capacity = board.capacity.as_ref()?;
    let best = capacity.models.first()?;
    let value = format!("{} replica hours", hours(best.values.replica_hours));
    let mut note = format!("{}, {} late", acting(best), share(best.values.late_work_share));
    if let Some(headroom) = capacity.policy(Policy::ReactiveWithHeadroom) {
        let sure = match best.significance() {
            Significance::Significant { p_value } => format!("significant, {}", p_value_text(p_value)),
            Significance::NotSignificant { p_value } => format!("not significant, {}", p_value_text(p_value)),
            Significance::TooFewBlocks { .. } => "the test part is too short to be sure".to_string(),
            Significance::NotTested => "not tested".to_string(),
        };
        let compared = relative(best.values.replica_hours, headroom.values.replica_hours);
        note = format!(
            "{note}; {compared} reacting with headroom, which has {} late ({sure})",
            share(headroom.values.late_work_share)
        );
    }
    Some(VerdictFact { label: "acting on it".to_string(), value, note })
}

/// The section of a board whose experiment has a service that acts on the forecasts.
pub fn section(board: &Board) -> Option<Section> {
    let capacity = board.capacity.as_ref()?;
    Some(Section {
        title: "Capacity",
        note: format!("{} {}", sentence_of(capacity), how_to_read(capacity)),
        tables: vec![
            ("What acting on the forecasts costs".to_string(), capacity_table(capacity)),
            ("Every forecast that may be acted on".to_string(), frontier_table(capacity)),
        ],
    })
}

fn how_to_read(capacity: &BoardCapacity) -> String {
    let CapacitySpec { cold_start, scale_down_after, max_delay, target_utilization, .. } = &capacity.spec;
    let [cold_start, scale_down_after, max_delay] =
        [cold_start, scale_down_after, max_delay].map(|span| duration(span.seconds()));
    format!(
        "At the end of each of {} test windows of {}, an autoscaler plans for the window after the next {cold_start}, the cold \
         start. It needs so many replicas that they are busy {:.0} % of the time, orders what is missing, and lets go what was \
         not needed for {scale_down_after}. Replicas that start are paid for. Work is late where it waits for more than \
         {max_delay}. Which forecast a model acts on, and the factor {} of reacting with headroom, are chosen on validation: the \
         fewest replica hours with at most {} late work, or the least late work where nothing keeps that. The difference to \
         reacting with headroom is that of the replica hours over the test part, with a 95 % interval and a p-value from the same \
         block bootstrap as the leaderboard's, corrected over the models (Holm); fewer hours are a gain only where late work \
         stays within its limit.",
        grouped(capacity.windows),
        duration(capacity.window_s),
        100.0 * target_utilization,
        headroom_factor(capacity),
        share(capacity.spec.late_work_at_most),
    )
}

/// The models and the policies with what they cost.
pub fn capacity_table(capacity: &BoardCapacity) -> ReportTable {
    let spec = &capacity.spec;
    let tells_gpus = spec.gpus_per_replica > 1 || spec.cost_per_gpu_hour.is_some();
    let mut headers = vec![
        "who",
        "acts on",
        "replica hours",
        "late work",
        "windows short",
        "longest delay",
        "scale events",
    ];
    headers.extend(tells_gpus.then_some("GPU hours"));
    headers.extend(spec.cost_per_gpu_hour.map(|_| "cost"));
    headers.extend(["to headroom", "p"]);
    let fewest = capacity.models.first().filter(|row| row.keeps(spec)).map(|row| row.values.replica_hours);
    let row = |row: &CapacityRow, is_policy: bool| {
        let values = &row.values;
        let mut late = TableCell::from(share(values.late_work_share));
        late.marks = if row.keeps(spec) { Vec::new() } else { vec!["too late"] };
        let mut cells = vec![
            TableCell::from(row.name.clone()),
            acts_on(row, capacity).into(),
            TableCell {
                best: !is_policy && row.keeps(spec) && Some(values.replica_hours) == fewest,
                ..TableCell::from(hours(values.replica_hours))
            },
            late,
            share(values.under_provisioned_share).into(),
            duration(values.max_delay_s).into(),
            number_of_events(values.scale_events).into(),
        ];
        cells.extend(tells_gpus.then(|| hours(row.gpu_hours(spec)).into()));
        cells.extend(row.cost(spec).map(|cost| TableCell::from(hours(cost))));
        cells.push(or_dash(row.against_headroom.as_ref(), difference_text).into());
        cells.push(or_dash(row.against_headroom.as_ref(), p_value_cell).into());
        TableRow { cells, winner: false, baseline: is_policy }
    };
    let models = capacity.models.iter().map(|own| row(own, false));
    let rows = models.chain(capacity.policies.iter().map(|own| row(own, true)));
    ReportTable {
        rows: rows.collect(),
        headers: headers.into_iter().map(String::from).collect(),
        text_columns: 2,
    }
}

/// Replica hours and late work of every plan.
pub fn frontier_table(capacity: &BoardCapacity) -> ReportTable {
    let rows = capacity.models.iter().flat_map(|row| {
        row.frontier.iter().map(move |point| {
            let chosen = row.plans.iter().find(|(level, _)| *level == point.level);
            let chosen = or_dash(chosen, |(_, share)| {
                if *share < 1.0 { percent(*share).replace('+', "") } else { "yes".to_string() }
            });
            let cells = vec![
                TableCell::from(row.name.clone()),
                point.level.to_string().into(),
                hours(point.replica_hours).into(),
                share(point.late_work_share).into(),
                chosen.into(),
            ];
            TableRow { cells, winner: false, baseline: false }
        })
    });
    ReportTable {
        rows: rows.collect(),
        headers: ["who", "acts on", "replica hours", "late work", "chosen"].map(String::from).to_vec(),
        text_columns: 2,
    }
}

/// The two tables as text of at most `width` characters a line.
pub fn to_text(capacity: &BoardCapacity, width: usize) -> String {
    format!("{}\n\n{}", capacity_table(capacity).to_text(width), frontier_table(capacity).to_text(width))
}

/// The factor of reacting with headroom to two decimals: over several origins it is a mean of factors.
pub fn headroom_factor(capacity: &BoardCapacity) -> f64 {
    (capacity.headroom_factor * 100.0).round() / 100.0
}

fn acts_on(row: &CapacityRow, capacity: &BoardCapacity) -> String {
    if row.name == Policy::ReactiveWithHeadroom.to_string() {
        return format!("× {}", headroom_factor(capacity));
    }
    let plans = row.plans.iter().map(|(level, share)| {
        if *share < 1.0 { format!("{level} ({:.0} %)", 100.0 * share) } else { level.to_string() }
    });
    let plans: Vec<String> = plans.collect();
    if plans.is_empty() { "-".to_string() } else { plans.join(", ") }
}

fn number_of_events(events: f64) -> String {
    if events.fract() == 0.0 { grouped(events) } else { with_decimals(events, 1) }
}

fn difference_text(difference: &Difference) -> String {
    let whole = |value: f64| {
        let text = hours(value.abs());
        if value < 0.0 && text != "0" { format!("-{text}") } else { text }
    };
    format!("{} ({} to {})", whole(difference.mean), whole(difference.lower), whole(difference.upper))
}

fn p_value_cell(difference: &Difference) -> String {
    p_value_text(difference.holm_p_value).replace("p = ", "").replace("p < ", "< ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::test_fixtures;

    fn board() -> Board {
        Board { capacity: Some(test_fixtures::capacity()), ..test_fixtures::comparison().boards[0].clone() }
    }

    fn told(change: impl FnOnce(&mut BoardCapacity)) -> String {
        let mut board = board();
        change(board.capacity.as_mut().unwrap());
        sentence(&board).unwrap()
    }

    #[test]
    fn the_sentence_compares_the_best_model_with_every_policy() {
        assert_eq!(
            told(|_| {}),
            "With at most 1 % late work, dlinear at its 90 % quantile needs 4,641 replica hours: 4.1 % less than reacting with \
             headroom, 24 % more than knowing the future, 50 % less than static provisioning. The difference to reacting with \
             headroom is significant (p = 0.002)."
        );
        assert!(
            told(|capacity| capacity.models[0].against_headroom.as_mut().unwrap().holm_p_value = 0.3)
                .ends_with("headroom is not significant (p = 0.300).")
        );
        assert!(
            told(|capacity| capacity.models[0].against_headroom.as_mut().unwrap().blocks = 9)
                .contains("only 9 blocks")
        );
        assert!(told(|capacity| capacity.models[0].against_headroom = None).ends_with("was not tested."));
        assert!(told(|capacity| capacity.is_partial = true).starts_with("So far, with at most"));
        assert!(told(|capacity| capacity.models[0].plans[0].1 = 2.0 / 3.0).contains("(in 67 % of its runs)"));
    }

    #[test]
    fn where_no_model_keeps_the_limit_the_sentence_says_so() {
        let text =
            told(|capacity| capacity.models.iter_mut().for_each(|row| row.values.late_work_share = 0.2));
        assert!(text.starts_with("No model keeps late work within 1 % on the test part: dlinear"), "{text}");
        let text = told(|capacity| capacity.policies[1].values.late_work_share = 0.021);
        assert!(text.contains("less than reacting with headroom (which has 2.1 % late)"), "{text}");
    }

    #[test]
    fn the_tables_have_a_cell_for_every_column_and_money_only_where_it_is_known() {
        let mut capacity = test_fixtures::capacity();
        for price in [None, Some(2.5)] {
            capacity.spec.cost_per_gpu_hour = price;
            for table in [capacity_table(&capacity), frontier_table(&capacity)] {
                assert!(table.rows.iter().all(|row| row.cells.len() == table.headers.len()));
            }
            let headers = capacity_table(&capacity).headers;
            assert_eq!(headers.contains(&"cost".to_string()), price.is_some());
        }
    }

    #[test]
    fn the_first_screen_tells_what_acting_costs() {
        let fact = fact(&board()).unwrap();
        assert_eq!(fact.value, "4,641 replica hours");
        assert!(fact.note.contains("significant, p = 0.002"), "{}", fact.note);
        assert!(sentence(&test_fixtures::comparison().boards[0]).is_none());
    }
}
