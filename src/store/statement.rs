//! Whether the text of a query is one statement that only reads.
//!
//! The connection is read-only in any case. But SQLite would answer some statements that a reader has no use for
//! (`ATTACH` opens another file, `PRAGMA query_only = off` lifts a guard), and it runs everything after a `;` as well.

use std::fmt;

/// Why a query is not run.
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    /// There is no statement in it.
    Empty,
    /// There is more than one.
    Several,
    /// It begins with a word that does not read.
    Writes(String),
    /// A pragma that sets or does something.
    Pragma(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Empty => {
                formatter.write_str("there is no SQL statement in this; give one, e.g. \"select * from runs\"")
            }
            Refusal::Several => formatter.write_str(
                "these are several statements; give one at a time (WITH ... SELECT or UNION ALL join queries)",
            ),
            Refusal::Writes(word) => write!(
                formatter,
                "the store is read-only here: {word} is refused; a query begins with SELECT, WITH, VALUES, EXPLAIN, or a \
                 PRAGMA that only shows something"
            ),
            Refusal::Pragma(name) => write!(
                formatter,
                "the store is read-only here: PRAGMA {name} is refused; pragmas that show something are {}",
                READING_PRAGMAS.join(", ")
            ),
        }
    }
}

impl std::error::Error for Refusal {}

/// Pragmas that only show something; most take a table's name in brackets.
const READING_PRAGMAS: [&str; 14] = [
    "table_info",
    "table_xinfo",
    "table_list",
    "index_list",
    "index_info",
    "index_xinfo",
    "foreign_key_list",
    "foreign_key_check",
    "integrity_check",
    "quick_check",
    "database_list",
    "compile_options",
    "page_count",
    "user_version",
];

/// Checks that a text is one reading statement.
///
/// # Errors
/// Anything else, with what to give instead.
pub fn require_reading(sql: &str) -> Result<(), Refusal> {
    let words = words(sql);
    let end = words.iter().position(|word| *word == ";").unwrap_or(words.len());
    if words[..end].is_empty() {
        return Err(if words.iter().all(|word| *word == ";") { Refusal::Empty } else { Refusal::Several });
    }
    if words[end..].iter().any(|word| *word != ";") {
        return Err(Refusal::Several);
    }
    let first = words[0].to_ascii_uppercase();
    match first.as_str() {
        "SELECT" | "VALUES" | "(" => Ok(()),
        // What follows is SELECT or, in SQLite, also INSERT, UPDATE and DELETE.
        "WITH" | "EXPLAIN" => {
            let writing = ["INSERT", "UPDATE", "DELETE", "REPLACE"];
            let written = words[..end].iter().enumerate().find(|(index, word)| {
                let upper = word.to_ascii_uppercase();
                // `replace(...)` is a function too.
                let call = words.get(index + 1) == Some(&"(");
                writing.contains(&upper.as_str()) && !call
            });
            written.map_or(Ok(()), |(_, word)| Err(Refusal::Writes(word.to_ascii_uppercase())))
        }
        "PRAGMA" => {
            // `main.table_info` names the same pragma as `table_info`.
            let name = if words.get(2) == Some(&".") { words.get(3) } else { words.get(1) };
            let name = name.copied().unwrap_or_default();
            let shows = READING_PRAGMAS.contains(&name.to_ascii_lowercase().as_str());
            let sets = words[..end].contains(&"=");
            if shows && !sets { Ok(()) } else { Err(Refusal::Pragma(name.to_string())) }
        }
        // A misspelt word is for SQLite to tell.
        _ if !KNOWN_WRITERS.contains(&first.as_str()) => Ok(()),
        _ => Err(Refusal::Writes(first)),
    }
}

const KNOWN_WRITERS: [&str; 19] = [
    "ALTER",
    "ANALYZE",
    "ATTACH",
    "BEGIN",
    "COMMIT",
    "CREATE",
    "DELETE",
    "DETACH",
    "DROP",
    "END",
    "INSERT",
    "REINDEX",
    "RELEASE",
    "REPLACE",
    "ROLLBACK",
    "SAVEPOINT",
    "UPDATE",
    "VACUUM",
    "TRUNCATE",
];

/// The words and signs of an SQL text; comments and what stands in quotes are left out, each quoted piece as `''`.
fn words(sql: &str) -> Vec<&str> {
    let bytes = sql.as_bytes();
    let mut words = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &sql[at..];
        let byte = bytes[at];
        if rest.starts_with("--") {
            at += rest.find('\n').unwrap_or(rest.len());
        } else if rest.starts_with("/*") {
            at += rest.find("*/").map_or(rest.len(), |end| end + 2);
        } else if let Some(close) = closing_quote(byte) {
            // A doubled quote inside begins the next quoted piece at once, which comes to the same.
            at += 1 + sql[at + 1..].find(close).map_or(sql.len() - at - 1, |end| end + 1);
            words.push("''");
        } else if byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80 {
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii();
            let length = rest.find(|c| !word(c)).unwrap_or(rest.len());
            words.push(&rest[..length]);
            at += length;
        } else {
            if !byte.is_ascii_whitespace() {
                words.push(&rest[..1]);
            }
            at += 1;
        }
    }
    words
}

fn closing_quote(byte: u8) -> Option<char> {
    match byte {
        b'\'' | b'"' | b'`' => Some(byte as char),
        b'[' => Some(']'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reads_is_let_through() {
        for sql in [
            "select 1",
            "  -- a remark; with a sign\n SELECT ';' as \"a;b\" ; ",
            "with x as (select replace(name, 'a', 'b') from metrics) select * from x",
            "explain query plan select * from runs",
            "values (1), (2)",
            "pragma table_info(metrics)",
            "PRAGMA main.index_list('metrics')",
            "/* insert */ select [delete] from (select 1 as [delete])",
            "select 'it''s'; -- done",
        ] {
            assert_eq!(require_reading(sql), Ok(()), "{sql}");
        }
    }

    #[test]
    fn what_writes_or_reaches_elsewhere_is_refused() {
        for (sql, word) in [
            ("insert into events values (1)", "INSERT"),
            ("  /* select */ Attach 'x.db' as x", "ATTACH"),
            ("with x as (select 1) delete from metrics", "DELETE"),
            ("explain update metrics set value = 1", "UPDATE"),
            ("vacuum into 'x.db'", "VACUUM"),
            ("begin", "BEGIN"),
        ] {
            assert_eq!(require_reading(sql), Err(Refusal::Writes(word.to_string())), "{sql}");
        }
        for (sql, name) in [
            ("pragma query_only = off", "query_only"),
            ("pragma journal_mode(delete)", "journal_mode"),
            ("pragma user_version = 7", "user_version"),
            ("pragma main.wal_checkpoint", "wal_checkpoint"),
        ] {
            assert_eq!(require_reading(sql), Err(Refusal::Pragma(name.to_string())), "{sql}");
        }
    }

    #[test]
    fn one_statement_at_a_time() {
        assert_eq!(require_reading("select 1; select 2"), Err(Refusal::Several));
        assert_eq!(require_reading("; select 2"), Err(Refusal::Several));
        assert_eq!(require_reading("select 'a;b'; pragma query_only = off"), Err(Refusal::Several));
        assert_eq!(require_reading(" -- nothing\n;;"), Err(Refusal::Empty));
    }
}
