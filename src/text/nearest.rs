//! "Did you mean": the known word nearest to a misspelt one.

/// The candidate nearest to `word`, if it is near enough to be a typo of it.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len().min(word.len()) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_its_key_and_an_unrelated_word_finds_none() {
        let keys = ["lookback", "horizon", "features"];
        assert_eq!(nearest("lookbak", keys), Some("lookback"));
        assert_eq!(nearest("horzion", keys), Some("horizon"));
        assert_eq!(nearest("bananas", keys), None);
    }
}
