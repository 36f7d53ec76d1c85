//! One line of cells (RFC 4180), with the names that a rule gives its columns.

use thingway_sdk::Value;
use thingway_sdk::codec::DecodeError;

use super::format::{Decimal, cell};
use crate::mapping::rule::Flaws;

/// The cells as an object; empty ones, which say nothing, are left out.
pub(super) fn read(
    text: &str,
    columns: &[String],
    separator: char,
    decimal: char,
) -> Result<(Value, Option<String>), DecodeError> {
    let line = text.trim_start_matches('\u{feff}').trim_matches(['\r', '\n', '\0']);
    let cells = split(line, separator).map_err(|reason| DecodeError::Refused(reason.into()))?;
    let named = columns.iter().zip(&cells).filter(|(name, _)| !name.is_empty());
    let mut json = Vec::from(b"{");
    for (name, text) in named.filter(|(_, text)| !text.trim().is_empty()) {
        if json.len() > 1 {
            json.push(b',');
        }
        Value::Text(name.as_str().into()).write_json(&mut json);
        json.push(b':');
        cell(text, decimal).write_json(&mut json);
    }
    json.push(b'}');
    let json = String::from_utf8(json).map_err(|_| DecodeError::NotText)?;
    let note = (cells.len() != columns.len()).then(|| {
        format!("the line has {} cells, and `columns` names {}", cells.len(), columns.len())
    });
    Ok((Value::Json(json.into()), note))
}

fn split(line: &str, separator: char) -> Result<Vec<String>, &'static str> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    let mut signs = line.chars().peekable();
    while let Some(sign) = signs.next() {
        let cell = cells.last_mut().ok_or("no cell was begun")?;
        match sign {
            '"' if quoted && signs.peek() == Some(&'"') => {
                signs.next();
                cell.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if cell.trim().is_empty() => {
                cell.clear();
                quoted = true;
            }
            '\r' | '\n' if !quoted => {
                return Err("it has several lines, and a message is read as one");
            }
            _ if sign == separator && !quoted => cells.push(String::new()),
            _ => cell.push(sign),
        }
    }
    if quoted { Err("a quoted cell is not closed") } else { Ok(cells) }
}

pub(super) fn check(
    columns: Option<&[String]>,
    separator: char,
    decimal: Option<Decimal>,
    flaws: &mut Flaws,
) {
    let Some(columns) = columns else {
        let help = "add columns = [\"time\", \"temperature\", …]";
        return flaws.add("format", "the cells of `csv` need names", help);
    };
    for (index, name) in columns.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
        if columns[..index].contains(name) {
            let mut of_columns = Flaws::new(&["columns"]);
            let reason = format!("`{name}` names a cell before this one");
            of_columns.add(&index.to_string(), reason, "rename it, or write \"\" to leave it out");
            flaws.found.extend(of_columns.found);
        }
    }
    if separator == decimal.unwrap_or_default().sign() || separator == '"' {
        let reason = format!("`{separator}` can't stand between the cells and in them");
        flaws.add("separator", reason, "write another one, as in separator = \";\"");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(line: &str, columns: &[&str], separator: char, decimal: char) -> String {
        let columns: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
        match read(line, &columns, separator, decimal) {
            Ok((value, note)) => format!("{}{}", value.to_json(), note.unwrap_or_default()),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn cells_get_the_names_of_their_columns() {
        assert_eq!(row("21.5,ok\r\n", &["t", "state"], ',', '.'), r#"{"t":21.5,"state":"ok"}"#);
        assert_eq!(row("21,5; 3 ;", &["t", "n", "x"], ';', ','), r#"{"t":21.5,"n":3}"#);
        assert_eq!(row("1,2", &["", "b"], ',', '.'), r#"{"b":2}"#);
        assert_eq!(
            row(r#"a,"x, ""y""",2"#, &["a", "b", "c"], ',', '.'),
            r#"{"a":"a","b":"x, \"y\"","c":2}"#
        );
    }

    #[test]
    fn what_is_no_such_line_says_why() {
        assert!(row("1,2,3", &["a"], ',', '.').contains("3 cells, and `columns` names 1"));
        assert!(row("1\n2", &["a"], ',', '.').contains("several lines"));
        assert!(row("\"1", &["a"], ',', '.').contains("not closed"));
    }
}
