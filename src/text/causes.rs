//! An error with its causes, as one line of text.

/// An error and its causes, from the outermost to the first. Errors of some libraries repeat their cause in their own
/// text; it is said once.
pub fn causes(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if !line.is_empty() {
            if line.ends_with(text.trim_end()) {
                continue;
            }
            line.push_str(": ");
        }
        line.push_str(text.trim_end());
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the database says: {0}")]
    struct Repeating(#[source] std::io::Error);

    #[test]
    fn a_cause_that_is_in_the_text_already_is_said_once() {
        let cause = || std::io::Error::other("no such column: x");
        let error = anyhow::Error::new(Repeating(cause())).context("the query failed");
        assert_eq!(causes(&error), "the query failed: the database says: no such column: x");
        let error = anyhow::Error::new(cause()).context("the query failed");
        assert_eq!(causes(&error), "the query failed: no such column: x");
    }
}
