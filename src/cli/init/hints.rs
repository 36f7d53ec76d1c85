//! What a payload that was kept as it came may have been meant as, and which unit a name suggests.

use serde::Serialize;

/// What payloads look like beyond what they were taken for; the greater says more of its family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Looks {
    /// As they were taken for.
    Plain,
    /// Text that is no valid JSON.
    Text,
    /// A number such as `21,5`.
    DecimalComma,
    /// One line of cells.
    Csv {
        /// Between the cells.
        separator: char,
        /// Whether their numbers have a decimal comma.
        comma: bool,
        /// How many there are.
        cells: usize,
    },
    /// Neither JSON nor text.
    Octets,
}

impl Looks {
    /// From what a payload was taken for, whether there is a doubt in it, and its beginning.
    pub(super) fn of(encoding: Option<&str>, is_doubtful: bool, payload: &str) -> Self {
        match encoding {
            Some("octets") => Self::Octets,
            Some("text") => of_text(payload).unwrap_or(match is_doubtful {
                true => Self::Text,
                false => Self::Plain,
            }),
            Some(_) => Self::Plain,
            None if payload.contains(char::REPLACEMENT_CHARACTER) => Self::Octets,
            None => Self::Text,
        }
    }

    /// In words, where there is something to be done.
    pub(super) fn words(self) -> Option<&'static str> {
        match self {
            Self::Plain | Self::Text => None,
            Self::DecimalComma => Some("text that looks like numbers with a decimal comma"),
            Self::Csv { .. } => Some("text that looks like lines of cells (CSV)"),
            Self::Octets => Some("bytes that are neither JSON nor text"),
        }
    }
}

fn of_text(payload: &str) -> Option<Looks> {
    let line = payload.trim();
    if line.contains('\n') || line.starts_with(['{', '[', '<']) {
        return None;
    }
    if is_number(line, ',') {
        return line.contains(',').then_some(Looks::DecimalComma);
    }
    [';', '\t', ','].into_iter().find_map(|separator| {
        let cells: Vec<&str> = line.split(separator).map(str::trim).collect();
        let comma =
            separator != ',' && cells.iter().any(|it| it.contains(',') && is_number(it, ','));
        let numbers = cells.iter().filter(|cell| is_number(cell, if comma { ',' } else { '.' }));
        let is_row = cells.len() > 1 && 2 * numbers.count() >= cells.len();
        is_row.then_some(Looks::Csv { separator, comma, cells: cells.len() })
    })
}

/// Digits with at most one such sign among them.
fn is_number(text: &str, decimal: char) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = digits.split_once(decimal).unwrap_or((digits, "0"));
    let are_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    are_digits(whole) && are_digits(fraction)
}

/// The unit that a number of this name usually has, as a SenML symbol.
pub(super) fn unit(property: &str) -> Option<&'static str> {
    const USUAL: [(&str, &str); 14] = [
        ("temperature", "Cel"),
        ("temp", "Cel"),
        ("humidity", "%RH"),
        ("pressure", "hPa"),
        ("illuminance", "lx"),
        ("lux", "lx"),
        ("power", "W"),
        ("energy", "kWh"),
        ("voltage", "V"),
        ("current", "A"),
        ("frequency", "Hz"),
        ("battery", "%EL"),
        ("co2", "ppm"),
        ("speed", "m/s"),
    ];
    let name = property.to_ascii_lowercase();
    let mut words = name.split(['.', '_', '-', ' ']).rev();
    words.find_map(|word| USUAL.iter().find(|(usual, _)| *usual == word).map(|(_, unit)| *unit))
}

/// The words that mean true and false, where a value is one of them.
pub(super) fn switch(json: &str) -> Option<(&'static str, &'static str)> {
    const PAIRS: [(&str, &str); 6] = [
        ("\"on\"", "\"off\""),
        ("\"ON\"", "\"OFF\""),
        ("\"yes\"", "\"no\""),
        ("\"open\"", "\"closed\""),
        ("\"OPEN\"", "\"CLOSED\""),
        ("\"online\"", "\"offline\""),
    ];
    PAIRS.into_iter().find(|(on, off)| [*on, *off].contains(&json))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_taken_for_what_they_look_like() {
        let text = |payload| Looks::of(Some("text"), false, payload);
        let csv = |separator, comma, cells| Looks::Csv { separator, comma, cells };
        assert_eq!(text("21,5"), Looks::DecimalComma);
        assert_eq!(text("-0,25\n"), Looks::DecimalComma);
        assert_eq!(text("21,5;ok;3"), csv(';', true, 3));
        assert_eq!(text("21.5,40,ok"), csv(',', false, 3));
        assert_eq!(text("1\t2"), csv('\t', false, 2));
        for plain in ["on", "hello, world", "sensor error 7", "1,2\n3,4", "<a>1,2</a>", ","] {
            assert_eq!(text(plain), Looks::Plain, "{plain}");
        }
        assert_eq!(Looks::of(Some("text"), true, "{\"a\":NaN}"), Looks::Text);
        assert_eq!(Looks::of(Some("octets"), true, "\u{fffd})"), Looks::Octets);
        assert_eq!(Looks::of(Some("json"), false, "1"), Looks::Plain);
    }

    #[test]
    fn names_suggest_units_and_words_suggest_switches() {
        assert_eq!(unit("outside_temperature"), Some("Cel"));
        assert_eq!(unit("sensor.Humidity"), Some("%RH"));
        assert_eq!(unit("current.l1"), Some("A"));
        assert_eq!(unit("template"), None);
        assert_eq!(switch("\"OFF\""), Some(("\"ON\"", "\"OFF\"")));
        assert_eq!(switch("1"), None);
    }
}
