//! Names of files that are derived from what a user named: columns, models, settings, experiments.
//!
//! They are bounded, since file systems end names at 255 bytes; they differ even where a file system takes `A` for `a`; and
//! no file system gives them a meaning of their own.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::text::short_hash;

/// The longest stem, in bytes. A number and an extension follow it.
const LONGEST: usize = 120;
/// What a stem is called of which nothing can be kept.
const NAMELESS: &str = "unnamed";

/// A file stem from some texts: their letters and digits in lower case, with single hyphens between words. A long one is
/// cut, and ends in a hash of the whole.
pub fn file_stem(parts: &[&str]) -> String {
    let words = parts
        .iter()
        .flat_map(|part| part.split(|c: char| !c.is_ascii_alphanumeric()))
        .filter(|word| !word.is_empty());
    let stem = words.collect::<Vec<_>>().join("-").to_ascii_lowercase();
    if stem.is_empty() {
        return NAMELESS.to_string();
    }
    if stem.len() > LONGEST {
        let hash = short_hash(&parts.join("\0"));
        let kept = stem[..LONGEST - hash.len() - 1].trim_end_matches('-');
        return format!("{kept}-{hash}");
    }
    if is_device(&stem) { format!("{stem}-{}", short_hash(&stem)) } else { stem }
}

/// A folder for something that a user named with letters, digits, `-`, `_` and `.`: nearly always that very name. Names
/// that some file system gives a meaning of its own, or takes for one of `reserved`, get a hash at their end.
pub fn folder_name<'a>(name: &'a str, reserved: &[&str]) -> Cow<'a, str> {
    let is_reserved = reserved.iter().any(|other| other.eq_ignore_ascii_case(name));
    if is_device(name) || name.ends_with('.') || is_reserved {
        Cow::Owned(format!("{}-{}", name.replace('.', "_"), short_hash(name)))
    } else {
        Cow::Borrowed(name)
    }
}

/// Whether Windows takes a file of this name, whatever its extension, for a device. Folders are shared with it.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let numbered = |device: &str| {
        stem.strip_prefix(device).is_some_and(|number| matches!(number.as_bytes(), [b'0'..=b'9']))
    };
    ["con", "prn", "aux", "nul"].contains(&stem.as_str()) || numbered("com") || numbered("lpt")
}

/// Names that are taken.
#[derive(Debug, Default)]
pub struct TakenNames(HashSet<String>);

impl TakenNames {
    /// Takes a name like this one that differs from all others, whatever their case: `load`, `load-2`, `load-3`.
    pub fn take(&mut self, name: &str) -> String {
        let mut taken = name.to_string();
        let mut count = 1;
        while !self.0.insert(taken.to_lowercase()) {
            count += 1;
            taken = format!("{name}-{count}");
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_file_stem_holds_only_letters_digits_and_single_hyphens() {
        assert_eq!(file_stem(&["forecast", "Requests / s (5 min)"]), "forecast-requests-s-5-min");
        assert_eq!(file_stem(&["leaderboard", "σ"]), "leaderboard");
        assert_eq!(file_stem(&["forecast", "a/b"]), "forecast-a-b");
        assert_eq!(file_stem(&["forecast", ".."]), "forecast");
        assert_eq!(file_stem(&["..", "日本"]), "unnamed");
    }

    #[test]
    fn a_long_stem_is_cut_and_stays_apart_from_others_that_begin_like_it() {
        let header = format!("rate(http_requests_total{{{}}}[5m])", "job=\"api\",".repeat(28));
        let (one, other) =
            (file_stem(&["forecast", &header]), file_stem(&["forecast", &format!("{header} ")]));
        assert!(
            one.len() <= LONGEST && one.starts_with("forecast-rate-http-requests-total-job-api"),
            "{one}"
        );
        assert_ne!(one, other);
        assert_eq!(one, file_stem(&["forecast", &header]), "the same text gives the same name");
    }

    #[test]
    fn a_device_of_windows_names_no_file() {
        for name in ["con", "NUL", "Com1", "lpt9"] {
            assert!(file_stem(&[name]).len() > 10, "{name}");
            assert_ne!(folder_name(name, &[]), name);
        }
        for name in ["console", "com", "com10", "nulls", "a.con"] {
            assert_eq!(folder_name(name, &[]), name);
        }
    }

    #[test]
    fn an_experiment_keeps_its_name_unless_a_file_system_would_take_it_for_another() {
        assert_eq!(folder_name("Azure-1.2_b", &["runs"]), "Azure-1.2_b");
        assert!(folder_name("Runs", &["runs"]).starts_with("Runs-"));
        let (one, two) = (folder_name("v1.", &[]), folder_name("v1", &[]));
        assert!(one.starts_with("v1_-") && !one.ends_with('.'), "{one}");
        assert_eq!(two, "v1");
    }

    #[test]
    fn names_that_differ_only_in_case_are_numbered() {
        let mut taken = TakenNames::default();
        assert_eq!(
            ["load", "Load", "load-2", "load"].map(|name| taken.take(name)),
            ["load", "Load-2", "load-2-2", "load-3"]
        );
    }

    proptest! {
        #[test]
        fn any_text_gives_a_name_for_every_file_system(parts in proptest::collection::vec(".{0,400}", 1..4)) {
            let texts: Vec<&str> = parts.iter().map(String::as_str).collect();
            let stem = file_stem(&texts);
            prop_assert!(!stem.is_empty() && stem.len() <= LONGEST);
            prop_assert!(stem.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'));
            prop_assert!(!is_device(&stem));
        }
    }
}
