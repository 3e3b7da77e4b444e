//! Parts that several pages have.

use maud::{Markup, html};

use super::address::Address;
use crate::store::Status;
use crate::text::grouped;

/// Size of a sparkline.
const SPARK_WIDTH: f64 = 120.0;
const SPARK_HEIGHT: f64 = 28.0;
/// Points of a sparkline.
const SPARK_POINTS: usize = 60;

/// A table of texts in a box that scrolls, its first columns text and the others numbers.
pub fn plain_table(
    caption: &str,
    headers: &[String],
    text_columns: usize,
    rows: impl Iterator<Item = Vec<String>>,
) -> Markup {
    html! {
        div.scroll tabindex="0" role="group" aria-label=(caption) {
            table {
                thead { tr { @for (index, header) in headers.iter().enumerate() {
                    th.n[index >= text_columns] scope="col" { (header) }
                } } }
                tbody { @for row in rows { tr { @for (index, cell) in row.iter().enumerate() {
                    @if index == 0 { th scope="row" { (cell) } } @else { td.n[index >= text_columns] { (cell) } }
                } } } }
            }
        }
    }
}

/// Names with their values.
pub fn card(entries: &[(&str, Markup)]) -> Markup {
    html! { dl { @for (name, value) in entries { dt { (name) } dd { (value) } } } }
}

/// Where a run stands, as a word in a colour of its own.
pub fn status(status: Status) -> Markup {
    let name = status.as_str();
    html! { span class={ "state " (name) } { (name.replace('_', " ")) } }
}

/// Tags as marks.
pub fn tags(tags: Option<&str>) -> Markup {
    html! { @for tag in crate::listing::tag_list(tags) { span.tag { (tag) } " " } }
}

/// Links to the other pages of a list, and how many rows there are.
pub fn pager(address: &Address, page: usize, rows: usize, rows_a_page: usize, noun: &str) -> Markup {
    let pages = rows.div_ceil(rows_a_page).max(1);
    let place = |page: usize| address.with(&[("page", (page > 1).then(|| page.to_string()).as_deref())]);
    let first = (page - 1) * rows_a_page;
    let shown = if rows == 0 {
        format!("no {noun}")
    } else {
        let s = if rows == 1 { "" } else { "s" };
        format!(
            "{} to {} of {} {noun}{s}",
            grouped(first + 1),
            grouped((first + rows_a_page).min(rows)),
            grouped(rows)
        )
    };
    html! {
        nav.pager aria-label="Pages of the list" {
            span { (shown) }
            @if page > 1 { a href=(place(1)) { "First" } a href=(place(page - 1)) rel="prev" { "Previous" } }
            @if pages > 1 { span { "page " (grouped(page)) " of " (grouped(pages)) } }
            @if page < pages { a href=(place(page + 1)) rel="next" { "Next" } a href=(place(pages)) { "Last" } }
        }
    }
}

/// The page of a list that an address asks for, within those that there are.
pub fn page_number(address: &Address, rows: usize, rows_a_page: usize) -> usize {
    let asked = address.value("page").and_then(|page| page.parse().ok()).unwrap_or(1);
    asked.clamp(1, rows.div_ceil(rows_a_page).max(1))
}

/// A field of a form with its label.
pub fn field(label: &str, name: &str, value: Option<&str>, hint: &str) -> Markup {
    html! { label { span { (label) } input name=(name) value=[value] placeholder=(hint) autocomplete="off" spellcheck="false"; } }
}

/// A choice of a form with its label; the empty value comes first.
pub fn choice(label: &str, name: &str, chosen: Option<&str>, all: &str, values: &[String]) -> Markup {
    html! {
        label {
            span { (label) }
            select name=(name) {
                @if !all.is_empty() { option value="" { (all) } }
                @for value in values { option value=(value) selected[chosen == Some(value.as_str())] { (value) } }
            }
        }
    }
}

/// Fields that a form keeps as they are.
pub fn kept_fields(pairs: &[(&str, &str)]) -> Markup {
    html! { @for (name, value) in pairs { input type="hidden" name=(name) value=(value); } }
}

/// The course of a value, small: lower is better, and the lowest is marked. Few values that are far off are cut.
pub fn sparkline(values: &[f64], label: &str) -> Markup {
    let step = values.len().div_ceil(SPARK_POINTS).max(1);
    // The best of each stretch, since that is what a search is after.
    let points: Vec<f64> =
        values.chunks(step).map(|stretch| stretch.iter().copied().fold(f64::INFINITY, f64::min)).collect();
    let mut sorted = points.clone();
    sorted.sort_by(f64::total_cmp);
    let (Some(&low), Some(&high)) =
        (sorted.first(), sorted.get((sorted.len() * 9 / 10).min(sorted.len() - 1)))
    else {
        return html! { "-" };
    };
    if points.len() < 2 {
        return html! { "-" };
    }
    let inner = SPARK_HEIGHT - 8.0;
    let place = |index: usize, value: f64| {
        let x = 4.0 + (SPARK_WIDTH - 8.0) * index as f64 / (points.len() - 1) as f64;
        let share = if high > low { ((value - low) / (high - low)).min(1.0) } else { 0.5 };
        (x, 4.0 + inner * (1.0 - share))
    };
    let line: Vec<String> = points
        .iter()
        .enumerate()
        .map(|(index, value)| {
            let (x, y) = place(index, *value);
            format!("{x:.1},{y:.1}")
        })
        .collect();
    let best = points.iter().position(|value| *value == low).map(|index| place(index, low));
    html! {
        svg.spark viewBox={ "0 0 " (SPARK_WIDTH) " " (SPARK_HEIGHT) } role="img" aria-label=(label) {
            polyline points=(line.join(" ")) {}
            @if let Some((x, y)) = best { circle cx=(format!("{x:.1}")) cy=(format!("{y:.1}")) r="2.5" {} }
        }
    }
}

/// How much of something has ended, as a bar.
pub fn progress(ended: i64, total: i64) -> Markup {
    html! { progress value=(ended) max=(total.max(1)) { (ended) " of " (total) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sparkline_marks_the_lowest_value_and_survives_any_values() {
        let drawn = sparkline(&[3.0, 1.0, 2.0], "<objective>").into_string();
        assert!(drawn.contains("points=\"4.0,") && drawn.contains("cx=\"60.0\" cy=\"24.0\""), "{drawn}");
        assert!(drawn.contains("&lt;objective&gt;"));
        assert_eq!(sparkline(&[], "").into_string(), "-");
        assert_eq!(sparkline(&[1.0], "").into_string(), "-");
        let many: Vec<f64> = (0..5_000).map(f64::from).collect();
        assert!(sparkline(&many, "").into_string().len() < 2_000);
        assert!(!sparkline(&[1.0, 1.0, 1.0], "").into_string().contains("NaN"));
    }

    #[test]
    fn a_page_number_stays_within_the_list() {
        let address =
            |query: &str| Address::read(&format!("/runs{query}").parse().unwrap(), Vec::new()).unwrap();
        for (query, page) in
            [("", 1), ("?page=0", 1), ("?page=2", 2), ("?page=999", 3), ("?page=x", 1), ("?page=-1", 1)]
        {
            assert_eq!(page_number(&address(query), 101, 50), page, "{query}");
        }
        assert_eq!(page_number(&address("?page=7"), 0, 50), 1);
    }
}
