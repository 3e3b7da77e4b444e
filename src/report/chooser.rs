//! Several things of which a page shows the one that the reader picks: plots of one kind for each target, tables for each
//! setting. Without a script all of them are there, the first one open.

use maud::{Markup, html};

/// One thing to pick.
pub struct ChooserItem {
    /// What is picked and the value that this one stands for, such as `target` and `gap_s`; all items of a chooser have the
    /// same names in the same order.
    pub picks: Vec<(String, String)>,
    /// What is shown.
    pub content: Markup,
}

/// A chooser; of a single item, the item alone.
pub fn chooser(items: &[ChooserItem]) -> Markup {
    if let [only] = items {
        return only.content.clone();
    }
    html! {
        div.chooser {
            @for (index, item) in items.iter().enumerate() {
                details open[index == 0] data-picks=[serde_json::to_string(&item.picks).ok()] {
                    summary { (summary(item)) }
                    (item.content)
                }
            }
        }
    }
}

fn summary(item: &ChooserItem) -> String {
    item.picks.iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(value: &str) -> ChooserItem {
        ChooserItem {
            picks: vec![("target".to_string(), value.to_string())],
            content: html! { p { (value) } },
        }
    }

    #[test]
    fn a_single_item_needs_no_choice() {
        assert_eq!(chooser(&[item("a")]).into_string(), "<p>a</p>");
    }

    #[test]
    fn the_first_item_is_open_and_every_item_is_there() {
        let page = chooser(&[item("a"), item("<b>")]).into_string();
        assert_eq!(page.matches("<details").count(), 2);
        assert_eq!(page.matches("<details open").count(), 1);
        assert!(page.contains("target &lt;b&gt;") && !page.contains("<b>"));
    }
}
