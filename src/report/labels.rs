//! The names of a board's models in its plots: without the hyperparameters that all of them share.

use std::collections::HashMap;

use crate::compare::{Board, BoardRow};

/// The names of the models of a board.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelLabels {
    short: HashMap<String, String>,
    /// What is left out of them, such as `lookback=20`.
    pub shared: Vec<String>,
}

impl ModelLabels {
    /// The names of the models of a board.
    pub fn of(board: &Board) -> Self {
        let labels: Vec<&str> = board.rows.iter().map(|row| row.label.as_str()).collect();
        let shared = shared(&labels);
        let short = |label: &str| {
            let words = label.split(' ').filter(|word| !shared.iter().any(|shared| shared == word));
            words.collect::<Vec<_>>().join(" ")
        };
        Self { short: labels.iter().map(|label| ((*label).to_string(), short(label))).collect(), shared }
    }

    /// The name of one of the models.
    pub fn short(&self, row: &BoardRow) -> String {
        self.short.get(&row.label).cloned().unwrap_or_else(|| row.label.clone())
    }

    /// A sentence about what is left out; empty where nothing is.
    pub fn note(&self) -> String {
        if self.shared.is_empty() { String::new() } else { format!(" All with {}.", self.shared.join(", ")) }
    }
}

/// The hyperparameters that all labels with hyperparameters share, where there are several.
fn shared(labels: &[&str]) -> Vec<String> {
    let is_setting = |word: &&str| word.contains('=') && !word.contains(['"', '[', '{', '(']);
    let settings: Vec<Vec<&str>> = labels
        .iter()
        .filter(|label| label.contains('='))
        .map(|label| label.split(' ').filter(is_setting).collect())
        .collect();
    match settings.as_slice() {
        [first, others @ ..] if !others.is_empty() => {
            let in_all = |word: &&&str| others.iter().all(|other| other.contains(word));
            first.iter().filter(in_all).map(|word| (*word).to_string()).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_models_share_is_left_out_and_told_once() {
        let labels = ["lstm lookback=20 hidden=32", "gru lookback=20 hidden=16", "persistence"];
        assert_eq!(shared(&labels), ["lookback=20"]);
        assert_eq!(shared(&["lstm hidden=32", "persistence"]), [""; 0], "one model shares nothing");
        assert_eq!(shared(&["a x=[1, 2]", "b x=[1, 2]"]), [""; 0], "the pieces of a list say nothing");
    }
}
