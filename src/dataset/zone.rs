//! Time zones: what the clocks of a place show at an instant, from the rules that this machine has.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

use super::epoch::{NEW_YEAR_2018_NS, since_monday};
use super::slice_error::SliceError;
use crate::text::nearest;

/// Where systems keep the rules of time zones; `TZDIR` names another folder.
const FOLDERS: [&str; 4] =
    ["/usr/share/zoneinfo", "/usr/share/lib/zoneinfo", "/etc/zoneinfo", "/usr/lib/zoneinfo"];

static UTC: TimeZone = TimeZone::UTC;

/// A time zone whose rules have been read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Zone(&'static TimeZone);

impl Default for Zone {
    fn default() -> Self {
        Self::UTC
    }
}

impl std::fmt::Debug for Zone {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

/// What instant a clock time of a place is.
pub(super) enum LocalTime {
    /// One instant, in nanoseconds of the clock.
    Once(i64),
    /// The clocks showed it twice, since they were set back: the earlier and the later instant.
    Twice(i64, i64),
    /// The clocks never showed it, since they were set forward over it.
    Never,
}

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Self = Self(&UTC);

    /// The zone of a name such as `Europe/Berlin`; UTC without a name.
    ///
    /// # Errors
    /// A name that this machine has no rules for.
    pub fn named(name: Option<&str>) -> Result<Self, SliceError> {
        // The rules of a zone are kept as long as the program runs, and there are few zones.
        static KNOWN: Mutex<Option<HashMap<String, &'static TimeZone>>> = Mutex::new(None);
        let Some(name) = name.filter(|name| !name.eq_ignore_ascii_case("UTC")) else {
            return Ok(Self::UTC);
        };
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get_or_insert_with(HashMap::new);
        if let Some(zone) = known.get(name) {
            return Ok(Self(zone));
        }
        let zone = read_rules(name).ok_or_else(|| unknown(name))?;
        let zone: &'static TimeZone = Box::leak(Box::new(zone));
        known.insert(name.to_string(), zone);
        Ok(Self(zone))
    }

    /// The zone's name.
    pub fn name(self) -> &'static str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// Whether it is UTC, whose clocks are never set.
    pub fn is_utc(self) -> bool {
        self == Self::UTC
    }

    /// What the clocks show at an instant, given in nanoseconds since Monday, 1 January 2018, 0:00 of UTC.
    pub(super) fn local(self, clock_ns: i64) -> DateTime {
        let since_1970 = i128::from(clock_ns) + i128::from(NEW_YEAR_2018_NS);
        self.0.to_datetime(Timestamp::from_nanosecond(since_1970).unwrap_or_default())
    }

    /// The instant at which the clocks show a time.
    pub(super) fn instant(self, time: DateTime) -> LocalTime {
        let ambiguous = self.0.to_ambiguous_timestamp(time);
        let offset = ambiguous.offset();
        let ns = |time: Result<Timestamp, jiff::Error>| since_monday(time.ok()?.as_nanosecond());
        match offset {
            AmbiguousOffset::Unambiguous { .. } => ns(ambiguous.unambiguous()).map(LocalTime::Once),
            AmbiguousOffset::Fold { .. } => {
                let later = self.0.to_ambiguous_timestamp(time).later();
                ns(ambiguous.earlier()).zip(ns(later)).map(|(first, second)| LocalTime::Twice(first, second))
            }
            AmbiguousOffset::Gap { .. } => None,
        }
        .unwrap_or(LocalTime::Never)
    }

    /// The first instant at which the clocks show what those of UTC show at another, in nanoseconds of the clock; `None` for a
    /// time that they never show.
    pub(super) fn instant_of(self, shown_ns: i64) -> Option<i64> {
        if self.is_utc() {
            return Some(shown_ns);
        }
        match self.instant(Self::UTC.local(shown_ns)) {
            LocalTime::Once(clock_ns) | LocalTime::Twice(clock_ns, _) => Some(clock_ns),
            LocalTime::Never => None,
        }
    }

    /// The instant of a time that a calendar leads to: the earlier of two, and the one that follows where the clocks were
    /// set forward over it. `None` before 1900 and after 2199.
    pub(super) fn reached(self, time: DateTime) -> Option<i64> {
        since_monday(self.0.to_ambiguous_timestamp(time).compatible().ok()?.as_nanosecond())
    }
}

fn folders() -> impl Iterator<Item = PathBuf> {
    std::env::var_os("TZDIR").map(PathBuf::from).into_iter().chain(FOLDERS.map(PathBuf::from))
}

/// The rules of a zone from the files of the system.
fn read_rules(name: &str) -> Option<TimeZone> {
    let is_part = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-+".contains(&byte))
    };
    if !name.split('/').all(is_part) {
        return None;
    }
    folders().find_map(|folder| TimeZone::tzif(name, &std::fs::read(folder.join(name)).ok()?).ok())
}

fn unknown(name: &str) -> SliceError {
    let folder = folders().find(|folder| folder.is_dir());
    let help = match folder {
        None => "this machine has no rules of time zones; install them (the package tzdata), or let TZDIR name their folder"
            .to_string(),
        Some(folder) => {
            let names = names_below(&folder);
            let near = nearest(name, names.iter().map(String::as_str));
            let hint = near.map_or(String::new(), |near| format!("did you mean `{near}`? "));
            format!("{hint}give a name of the time zone database, such as \"Europe/Berlin\" or \"UTC\"")
        }
    };
    SliceError {
        key: vec!["columns", "time_zone"],
        message: format!("the time zone `{}` is not known on this machine", name.escape_debug()),
        help,
    }
}

/// The names of the zones in a folder and in the folders in it.
fn names_below(folder: &Path) -> Vec<String> {
    let files = walkdir::WalkDir::new(folder).max_depth(3).into_iter().flatten();
    let names = files.filter(|file| file.file_type().is_file()).filter_map(|file| {
        let name = file.path().strip_prefix(folder).ok()?.to_str()?;
        name.contains('/').then(|| name.to_string())
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_that_does_not_exist_is_named_with_its_nearest_and_no_path_is_a_zone() {
        let error = Zone::named(Some("Europe/Berlim")).unwrap_err();
        assert!(error.help.contains("did you mean `Europe/Berlin`?"), "{error:?}");
        for name in ["", "/etc/passwd", "../zoneinfo/UTC", "Europe/", "Europe//Berlin", "Berlin"] {
            assert!(Zone::named(Some(name)).is_err(), "{name}");
        }
        assert!(Zone::named(Some("UTC")).unwrap().is_utc() && Zone::named(None).unwrap().is_utc());
        assert_eq!(Zone::named(Some("Europe/Berlin")).unwrap().name(), "Europe/Berlin");
    }
}
