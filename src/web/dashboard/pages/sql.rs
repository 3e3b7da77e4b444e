//! Questions in SQL: through the same gate as `burstlab query`, with limits of time, rows and bytes.

use std::sync::LazyLock;

use maud::{Markup, html};

use super::super::Visit;
use super::super::address::link;
use super::super::answer::{PageAnswer, PageFault};
use super::super::frame::{Page, Tab};
use super::super::widgets::plain_table;
use crate::report::plot::{AxisKind, Chart, ChartAxis, ChartMarks, ChartPanel, ChartSeries};
use crate::store::{Cell, Limited, Refusal, Table, TooSlow, remedy};
use crate::text::{causes, counted, duration};

/// The page of the manual that has the questions.
const MANUAL: &str = include_str!("../../../../docs/querying.md");
/// Bars of a chart, at most.
const MOST_BARS: usize = 200;
const COLOURS: [&str; 4] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"];

/// A question of the manual.
struct Question {
    title: String,
    sql: String,
}

static QUESTIONS: LazyLock<Vec<Question>> = LazyLock::new(|| {
    let mut found = Vec::new();
    let mut title = "";
    let mut lines = MANUAL.lines();
    while let Some(line) = lines.next() {
        if let Some(heading) = line.strip_prefix("## ") {
            title = heading;
        } else if line == "```sql" {
            let sql: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            let title =
                title.trim_start_matches(|letter: char| letter.is_ascii_digit() || ". ".contains(letter));
            found.push(Question { title: title.to_string(), sql: sql.join("\n") });
        }
    }
    found
});

/// Makes the page, or the file of a result.
pub fn page(visit: &Visit<'_>) -> Result<PageAnswer, PageFault> {
    let address = visit.address;
    let sql = address.value("q");
    // A link of another site may fill in the form, and only the reader sends it.
    let asked = sql.filter(|_| !visit.is_from_elsewhere);
    let result = asked.map(|sql| ask(visit, sql)).transpose()?;
    if let (Some(format), Some(Ok(Limited { table, .. }))) = (address.value("format"), &result) {
        return match format {
            "csv" => Ok(file("result.csv", "text/csv; charset=utf-8", table.to_csv() + "\n")),
            "json" => {
                let text = table.to_json().map_err(|error| PageFault::Broken(error.into()))?;
                Ok(file("result.json", "application/json", text))
            }
            other => Err(PageFault::Refused(format!(
                "`{other}` is not a format of a result; there are csv and json"
            ))),
        };
    }
    let header = html! {
        h1 { "SQL" }
        form.sql method="get" action="/sql" {
            label for="q" { "One statement that reads" }
            textarea #q name="q" rows="6" spellcheck="false" autocomplete="off" { (sql.unwrap_or("select experiment, count(*) as runs from runs group by experiment")) }
            p.actions {
                button { "Run" }
                span.note {
                    "Interrupted after " (duration(visit.dashboard.query.time.as_secs_f64())) ", and cut after "
                    (counted(visit.dashboard.query.rows, "row")) " or " (visit.dashboard.query.bytes >> 20) " MiB."
                }
            }
        }
    };
    let main = html! {
        @match &result {
            None if sql.is_some() => { p.caution role="alert" { "A page of another site wrote this statement. Read it before you run it." } }
            None => {}
            Some(Err(told)) => { p.caution role="alert" { (told) } }
            Some(Ok(limited)) => { (answer(sql.unwrap_or_default(), limited)) }
        }
        h2 { "Questions to start with" }
        ol.questions { @for question in QUESTIONS.iter() {
            li { a href=(link("/sql", [("q", question.sql.as_str())])) { (question.title) } }
        } }
        h2 { "Tables" }
        p {
            "The views " code { "runs" } ", " code { "metrics" } ", " code { "epochs" } ", " code { "breakdowns" } " and "
            code { "experiments" } " show what the store holds; "
            a href=(link("/sql", [("q", "select name, type, sql from sqlite_schema where name not like 'sqlite_%' order by type, name")])) { "all tables" } "."
        }
    };
    let is_refusal = matches!(result, Some(Err(_)));
    Ok(PageAnswer::Page(Page::new(Tab::Sql, "SQL", header, main).refusal(is_refusal)))
}

/// The answer, or what is wrong with the question.
fn ask(visit: &Visit<'_>, sql: &str) -> Result<Result<Limited, String>, PageFault> {
    let mut store = visit.dashboard.open()?;
    match store.query_within(sql, visit.dashboard.query) {
        Ok(limited) => Ok(Ok(limited)),
        Err(error) if error.is::<Refusal>() || error.is::<TooSlow>() => Ok(Err(causes(&error))),
        // What SQLite does not understand is the question's fault; a disk or a lock is the store's.
        Err(error) if remedy(&error, store.path()).is_none() => Ok(Err(causes(&error))),
        Err(error) => Err(PageFault::Store(error)),
    }
}

fn file(name: &str, kind: &'static str, text: String) -> PageAnswer {
    PageAnswer::File { name: name.to_string(), kind, bytes: text.into_bytes() }
}

fn answer(sql: &str, limited: &Limited) -> Markup {
    let Limited { table, is_cut, has_cut_texts } = limited;
    let numeric = table.numeric_columns();
    let rows = table.rows.iter().map(|row| row.iter().map(Cell::rounded).collect());
    let in_format = |format: &str| link("/sql", [("q", sql), ("format", format)]);
    html! {
        h2 { "Result" }
        p {
            (counted(table.rows.len(), "row")) @if *is_cut { " and more, which are left out" } ". "
            @if *has_cut_texts { "Longer texts are cut, and end in “…”; " code { "burstlab query" } " gives them whole. " }
            a href=(in_format("csv")) download { "CSV" } " "
            a href=(in_format("json")) download { "JSON" }
        }
        @if let Some(chart) = chart(table) { (chart_of(&chart)) }
        @if table.rows.is_empty() { p { "No row." } }
        @else { (result_table(table, &numeric, rows)) }
    }
}

/// Numbers stand right, whichever column they are in.
fn result_table(table: &Table, numeric: &[usize], rows: impl Iterator<Item = Vec<String>>) -> Markup {
    let text_columns = table.columns.len();
    if numeric.len() == text_columns || numeric.iter().copied().eq(text_columns - numeric.len()..text_columns)
    {
        return plain_table("Result", &table.columns, text_columns - numeric.len(), rows);
    }
    html! {
        div.scroll tabindex="0" role="group" aria-label="Result" {
            table {
                thead { tr { @for (index, header) in table.columns.iter().enumerate() {
                    th.n[numeric.contains(&index)] scope="col" { (header) }
                } } }
                tbody { @for row in rows { tr { @for (index, cell) in row.iter().enumerate() {
                    td.n[numeric.contains(&index)] { (cell) }
                } } } }
            }
        }
    }
}

fn chart_of(chart: &Chart) -> Markup {
    html! {
        @if let Ok(data) = serde_json::to_string(chart) {
            figure data-chart=(data) {
                figcaption { "The first column against the numbers of the others. Without a script the table below has them." }
            }
        }
    }
}

/// The first column against the numbers of others: lines over numbers, columns over names.
fn chart(table: &Table) -> Option<Chart> {
    if table.rows.len() < 2 {
        return None;
    }
    let numeric = table.numeric_columns();
    let drawn: Vec<usize> =
        numeric.iter().copied().filter(|column| *column > 0).take(COLOURS.len()).collect();
    if drawn.is_empty() {
        return None;
    }
    let is_line = numeric.contains(&0);
    let first: Vec<&Cell> = table.rows.iter().map(|row| &row[0]).collect();
    if !is_line && table.rows.len() > MOST_BARS {
        return None;
    }
    let x = if is_line {
        ChartAxis::new(table.columns[0].clone(), AxisKind::Value)
    } else {
        ChartAxis::of_categories(table.columns[0].clone(), first.iter().map(|cell| cell.exact()).collect())
    };
    let series = drawn.iter().zip(COLOURS).map(|(&column, colour)| {
        let mut points: Vec<[f64; 2]> = table
            .rows
            .iter()
            .enumerate()
            .filter_map(|(index, row)| {
                let x = if is_line { row[0].number()? } else { index as f64 };
                Some([x, row[column].number().filter(|y| y.is_finite())?])
            })
            .collect();
        let marks = if is_line {
            points.sort_by(|a, b| a[0].total_cmp(&b[0]));
            ChartMarks::Line { points, dashed: false }
        } else {
            ChartMarks::Bars { points, width: 1.0 }
        };
        ChartSeries { name: table.columns[column].clone(), colour: colour.to_string(), marks }
    });
    let series: Vec<ChartSeries> = series.collect();
    let name = if drawn.len() == 1 { table.columns[drawn[0]].clone() } else { String::new() };
    let y = ChartAxis::new(name, AxisKind::Value);
    Some(Chart::of(vec![ChartPanel { title: String::new(), x, y, series }]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_questions_are_those_of_the_manual() {
        assert_eq!(QUESTIONS.len(), 10);
        assert_eq!(QUESTIONS[0].title, "Which experiments are in the store?");
        assert!(QUESTIONS.iter().all(|question| question.sql.starts_with("select")));
    }

    #[test]
    fn a_chart_needs_numbers_beside_the_first_column() {
        let table = |columns: &[&str], rows: Vec<Vec<Cell>>| Table {
            columns: columns.iter().map(ToString::to_string).collect(),
            rows,
        };
        let text = |text: &str| Cell::Text(text.to_string());
        assert_eq!(
            chart(&table(&["a", "b"], vec![vec![text("x"), text("y")], vec![text("x"), text("y")]])),
            None
        );
        assert_eq!(chart(&table(&["a", "b"], vec![vec![text("x"), Cell::Integer(1)]])), None);
        let rows = vec![vec![text("x"), Cell::Integer(1)], vec![text("y"), Cell::Real(2.5)]];
        let bars = chart(&table(&["a", "b"], rows)).unwrap();
        assert_eq!(bars.panels[0].x.categories, ["x", "y"]);
        let rows = vec![vec![Cell::Integer(2), Cell::Integer(1)], vec![Cell::Integer(1), Cell::Null]];
        let line = chart(&table(&["a", "b"], rows)).unwrap();
        assert_eq!(
            line.panels[0].series[0].marks,
            ChartMarks::Line { points: vec![[2.0, 1.0]], dashed: false }
        );
    }
}
