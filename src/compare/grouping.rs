//! Groups and distinct values, in the order of their first appearance.

use std::collections::HashMap;
use std::hash::Hash;

/// The items of each key; keys and items keep the order in which they appear.
pub(crate) fn group_by<T, K: Clone + Eq + Hash>(
    items: impl IntoIterator<Item = T>,
    key: impl Fn(&T) -> K,
) -> Vec<(K, Vec<T>)> {
    let mut groups: Vec<(K, Vec<T>)> = Vec::new();
    let mut positions: HashMap<K, usize> = HashMap::new();
    for item in items {
        let key = key(&item);
        let position = *positions.entry(key.clone()).or_insert(groups.len());
        if position == groups.len() {
            groups.push((key, Vec::new()));
        }
        groups[position].1.push(item);
    }
    groups
}

/// The distinct values.
pub(crate) fn distinct<T: PartialEq>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    for value in values {
        if !seen.contains(&value) {
            seen.push(value);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_keep_the_order_of_their_first_items() {
        let groups = group_by([5, 2, 7, 4], |number| number % 2);
        assert_eq!(groups, [(1, vec![5, 7]), (0, vec![2, 4])]);
    }

    #[test]
    fn distinct_values_keep_their_order() {
        assert_eq!(distinct([3, 1, 3, 2, 1]), [3, 1, 2]);
    }
}
