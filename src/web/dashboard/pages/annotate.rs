//! Tags and notes: all that can be written here.

use maud::{Markup, html};

use super::super::answer::{PageAnswer, PageFault};
use super::super::{BUSY, Dashboard};
use crate::listing::tag_list;
use crate::store::{Annotation, Named, Store};

/// Characters of a tag.
const MOST_TAG: usize = 100;

/// Forms for the tags and the note of a run or a revision; `back` is the page to return to.
pub fn annotation_form(of: &str, back: &str, tags: Option<&str>, note: Option<&str>) -> Markup {
    let shown = tag_list(tags).join(" ");
    html! {
        form.write method="post" action="/tags" {
            input type="hidden" name="of" value=(of);
            input type="hidden" name="back" value=(back);
            input type="hidden" name="shown" value=(shown);
            label { span { "Tags" } input name="tags" value=(shown) placeholder="words, with spaces between them" autocomplete="off"; }
            button { "Save tags" }
        }
        form.write method="post" action="/note" {
            input type="hidden" name="of" value=(of);
            input type="hidden" name="back" value=(back);
            label { span { "Note" } textarea name="note" rows="3" { (note.unwrap_or_default()) } }
            button { "Save note" }
        }
    }
}

/// Gives a run or a revision the tags that were added in a form, and takes away those that were removed in it. What others
/// have changed since the form was shown stays; without `shown` the tags are those of the form alone.
pub fn tags(dashboard: &Dashboard, fields: &[(String, String)]) -> Result<PageAnswer, PageFault> {
    let wanted = words(value(fields, "tags"));
    let shown = fields.iter().find(|(name, _)| name == "shown").map(|(_, shown)| words(shown));
    if let Some(tag) =
        wanted.iter().find(|tag| tag.chars().count() > MOST_TAG || tag.contains(char::is_control))
    {
        return Err(PageFault::Refused(format!(
            "`{tag}` is not a tag: a tag is one word of at most {MOST_TAG} characters"
        )));
    }
    write(dashboard, fields, |store, target| {
        let present = tags_of(store, target)?;
        let before = shown.unwrap_or(present.iter().map(String::as_str).collect());
        let only = |some: &[&str], others: &[&str]| {
            let own = some.iter().filter(|tag| !others.contains(tag));
            own.map(ToString::to_string).collect::<Vec<_>>()
        };
        let (added, removed) = (only(&wanted, &before), only(&before, &wanted));
        Ok(Annotation { added, removed, note: None })
    })
}

/// Writes the note of a form.
pub fn note(dashboard: &Dashboard, fields: &[(String, String)]) -> Result<PageAnswer, PageFault> {
    let text = value(fields, "note").trim().replace("\r\n", "\n");
    let note = Some(Some(text).filter(|text| !text.is_empty()));
    write(dashboard, fields, |_, _| Ok(Annotation { note, ..Annotation::default() }))
}

fn value<'a>(fields: &'a [(String, String)], name: &str) -> &'a str {
    fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}

fn words(text: &str) -> Vec<&str> {
    text.split([' ', ',', '\t', '\r', '\n']).filter(|word| !word.is_empty()).collect()
}

fn tags_of(store: &mut Store, target: &Named) -> anyhow::Result<Vec<String>> {
    let lists: Vec<Option<String>> = match target {
        Named::Run(run) => {
            store.runs(&crate::store::RunFilter::one(run))?.into_iter().map(|run| run.tags).collect()
        }
        Named::Revisions(revisions) => revisions.iter().map(|revision| revision.tags.clone()).collect(),
    };
    Ok(lists.iter().flat_map(|list| tag_list(list.as_deref())).map(str::to_string).collect())
}

fn write(
    dashboard: &Dashboard,
    fields: &[(String, String)],
    annotation: impl FnOnce(&mut Store, &Named) -> anyhow::Result<Annotation>,
) -> Result<PageAnswer, PageFault> {
    // A store that is not there, or of another version, is told of, and neither made nor upgraded by a page.
    let target = dashboard.open()?.find(value(fields, "of")).map_err(PageFault::of_lookup)?;
    let mut store = Store::open_within(&dashboard.results, BUSY).map_err(PageFault::Store)?;
    let annotation = annotation(&mut store, &target).map_err(PageFault::Store)?;
    store.annotate(&target, &annotation).map_err(PageFault::Store)?;
    store.close().map_err(PageFault::Store)?;
    let back = value(fields, "back");
    // Only a page of this server: `//host` and `/\host` are others to a browser.
    let is_own =
        back.starts_with('/') && !back[1..].starts_with(['/', '\\']) && !back.contains(char::is_control);
    Ok(PageAnswer::SeeOther(if is_own { back.to_string() } else { "/".to_string() }))
}
