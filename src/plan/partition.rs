//! A stable share of a plan, for machines that do not share a store.

use std::fmt;
use std::str::FromStr;

use super::Run;

/// More shares than this are a mistake.
const MOST: usize = 100_000;

/// Share `index` (from 1) of `count`.
///
/// A run belongs to the share that its identity names, so that neither the order of the plan nor a change elsewhere in
/// it moves the run. An ensemble belongs to no share of several: what it chooses from lies in different stores until
/// they are merged, and the command without a partition runs it then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// Which share, counted from 1.
    pub index: usize,
    /// How many there are.
    pub count: usize,
}

impl Partition {
    /// Whether a run belongs to this share.
    pub fn holds(self, run: &Run) -> bool {
        self.count == 1 || (run.candidates.is_empty() && share_of(&run.id, self.count) == self.index)
    }
}

/// The share that a run's identity names: it is a hash, so its remainders are spread evenly.
fn share_of(run_id: &str, count: usize) -> usize {
    let hash = run_id
        .bytes()
        .fold(0_u64, |hash, byte| (hash << 4) ^ u64::from((byte as char).to_digit(16).unwrap_or(0)));
    (hash % count as u64) as usize + 1
}

impl FromStr for Partition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = "write it as i/n, e.g. 2/4 for the second of four shares";
        let (index, count) = text.split_once('/').ok_or(form)?;
        let number =
            |text: &str| text.parse::<usize>().map_err(|_| format!("`{text}` is not a number; {form}"));
        let (index, count) = (number(index)?, number(count)?);
        if count == 0 || count > MOST {
            return Err(format!("a plan cannot be divided into {count} shares; give 1 to {MOST}"));
        }
        if index == 0 || index > count {
            return Err(format!("there is no share {index} of {count}; they are counted from 1 to {count}"));
        }
        Ok(Self { index, count })
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.index, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_has_one_share_and_the_shares_are_even() {
        let ids: Vec<String> = (0..4_000_u64)
            .map(|seed| {
                let hash = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                format!("{:016x}", hash ^ (hash >> 29))
            })
            .collect();
        for count in [1, 2, 3, 7] {
            let mut sizes = vec![0_usize; count];
            for id in &ids {
                sizes[share_of(id, count) - 1] += 1;
            }
            let even = ids.len() / count;
            assert!(sizes.iter().all(|size| size.abs_diff(even) < even / 5), "{sizes:?}");
        }
    }

    #[test]
    fn a_share_is_named_by_the_whole_identity() {
        assert_eq!(share_of("0000000000000005", 4), 2);
        assert_eq!(share_of("ffffffffffffffff", 2), 2);
        assert_eq!(share_of("8000000000000000", 3), (0x8000_0000_0000_0000_u64 % 3) as usize + 1);
    }

    #[test]
    fn what_is_no_partition_is_refused_with_the_form_it_has() {
        for (text, part) in [
            ("2", "write it as i/n"),
            ("a/2", "`a` is not a number"),
            ("0/2", "there is no share 0 of 2"),
            ("3/2", "there is no share 3 of 2"),
            ("1/0", "cannot be divided into 0 shares"),
            ("1/2/3", "`2/3` is not a number"),
        ] {
            let error = text.parse::<Partition>().unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        assert_eq!("2/4".parse::<Partition>().unwrap().to_string(), "2/4");
    }
}
