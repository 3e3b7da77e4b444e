//! Comma-separated values (RFC 4180, but with plain newlines).

/// One field, quoted where it must be.
pub fn csv_field(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_string()
    }
}

/// One line, without its line end. A single empty field is quoted: an empty line would be passed over by who reads it.
pub fn csv_line(fields: &[String]) -> String {
    if let [field] = fields
        && field.is_empty()
    {
        return "\"\"".to_string();
    }
    fields.iter().map(|field| csv_field(field)).collect::<Vec<_>>().join(",")
}

/// A table with a header, without a line end after its last line.
pub fn csv(header: &[String], rows: impl Iterator<Item = Vec<String>>) -> String {
    let rows = rows.map(|row| csv_line(&row));
    std::iter::once(csv_line(header)).chain(rows).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_one_empty_field_is_a_line() {
        let header = ["a".to_string()];
        assert_eq!(csv(&header, [vec![String::new()], vec![String::new()]].into_iter()), "a\n\"\"\n\"\"");
    }

    #[test]
    fn fields_with_separators_and_quotes_are_quoted() {
        let header = ["a,b".to_string(), "c".to_string()];
        let rows = [vec!["1".to_string(), "say \"x\"".to_string()]];
        assert_eq!(csv(&header, rows.into_iter()), "\"a,b\",c\n1,\"say \"\"x\"\"\"");
    }
}
