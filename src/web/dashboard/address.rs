//! The address of a page: it holds the whole state, so that it can be kept and sent to others.

use axum::extract::Query;
use axum::http::Uri;

pub use crate::web::server::{encoded, link};

/// The parts of an address that pages read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Address {
    path: String,
    captures: Vec<(String, String)>,
    pairs: Vec<(String, String)>,
}

impl Address {
    /// Reads an address with the parts of its path that the route names; `None` if it is not well-formed.
    pub fn read(uri: &Uri, captures: Vec<(String, String)>) -> Option<Self> {
        let Query(pairs) = Query::try_from_uri(uri).ok()?;
        Some(Self { path: uri.path().to_string(), captures, pairs })
    }

    /// A part of the path.
    pub fn capture(&self, name: &str) -> &str {
        self.captures.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// The first value of a name, if it is not empty.
    pub fn value(&self, name: &str) -> Option<&str> {
        let own = self.pairs.iter().filter(|(known, _)| known == name);
        own.map(|(_, value)| value.trim()).find(|value| !value.is_empty())
    }

    /// The values of a name that are not empty.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let own = self.pairs.iter().filter(move |(known, _)| known == name);
        own.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// All pairs but those of some names, for the hidden fields of a form.
    pub fn without(&self, names: &[&str]) -> Vec<(&str, &str)> {
        let kept =
            self.pairs.iter().filter(|(name, value)| !names.contains(&name.as_str()) && !value.is_empty());
        kept.map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    /// The same page with other values of some names; `None` leaves a name out. A change begins at the first page of a list.
    pub fn with(&self, changes: &[(&str, Option<&str>)]) -> String {
        let changed = |name: &str| name == "page" || changes.iter().any(|(known, _)| *known == name);
        let kept = self.pairs.iter().filter(|(name, value)| !changed(name) && !value.is_empty());
        let kept = kept.map(|(name, value)| (name.as_str(), value.as_str()));
        let new = changes.iter().filter_map(|(name, value)| Some((*name, (*value)?)));
        link(&self.path, kept.chain(new))
    }
}

/// The page of a revision, such as `sweep@2`.
pub fn experiment_link(reference: &str) -> String {
    format!("/experiments/{}", encoded(reference))
}

/// The page of a run.
pub fn run_link(run_id: &str) -> String {
    format!("/runs/{}", encoded(run_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(uri: &str) -> Address {
        Address::read(&uri.parse().unwrap(), Vec::new()).unwrap()
    }

    #[test]
    fn a_link_changes_what_it_names_and_keeps_the_rest() {
        let address = address("/runs?where=a%3D1&where=b%3C2&sort=&page=3&model=lstm");
        assert_eq!(address.with(&[("model", None)]), "/runs?where=a%3D1&where=b%3C2");
        assert_eq!(
            address.with(&[("sort", Some("seed")), ("page", Some("2"))]),
            "/runs?where=a%3D1&where=b%3C2&model=lstm&sort=seed&page=2"
        );
        assert_eq!(address.values("where").collect::<Vec<_>>(), ["a=1", "b<2"]);
        assert_eq!(address.value("sort"), None);
    }

    #[test]
    fn any_name_comes_back_from_its_link() {
        for name in ["a b", "<script>", "\"'&", "müller/../x", "%2e", "日本", "a+b=c#d?e"] {
            let link = link("/x", [("of", name)]);
            assert_eq!(address(&link).value("of"), Some(name), "{link}");
        }
    }
}
