//! What verbs write to stdout: tables for people, tabs for pipes, JSON for programs.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use super::failure::Failure;

/// How stdout is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    pub(super) json: bool,
    /// Somebody looks at it.
    pub(super) terminal: bool,
    colour: bool,
}

/// How a cell is set off from the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Faint,
    Warning,
}

/// One field of a table.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    pub(super) fn new(text: impl AsRef<str>, tone: Tone) -> Self {
        Self { text: printable(text.as_ref()), tone }
    }

    pub(super) fn plain(text: impl AsRef<str>) -> Self {
        Self::new(text, Tone::Plain)
    }
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { json, terminal, colour }
    }

    pub(super) fn line(self, text: impl AsRef<str>) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{}", text.as_ref())?;
        Ok(stdout.flush()?)
    }

    pub(super) fn json(self, value: &impl Serialize) -> Result<(), Failure> {
        self.line(serde_json::to_string(value).map_err(io::Error::from)?)
    }

    /// Aligned under its header on a terminal, one line of tabbed fields for each row elsewhere.
    pub(super) fn table(self, header: &[&str], rows: &[Vec<Cell>]) -> Result<(), Failure> {
        if !self.terminal {
            return rows.iter().try_for_each(|row| self.line(tabbed(row)));
        }
        let header: Vec<Cell> = header.iter().map(|name| Cell::new(name, Tone::Faint)).collect();
        let widths = widths(&header, rows);
        self.line(self.aligned(&header, &widths))?;
        rows.iter().try_for_each(|row| self.line(self.aligned(row, &widths)))
    }

    /// One row, each cell at least as wide as said.
    pub(super) fn aligned(self, row: &[Cell], widths: &[usize]) -> String {
        let padded = row.iter().zip(widths).map(|(cell, width)| {
            let padding = width.saturating_sub(cell.text.chars().count());
            format!("{}{}", self.painted(cell), " ".repeat(padding))
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    }

    fn painted(self, cell: &Cell) -> String {
        match cell.tone {
            Tone::Faint if self.colour => format!("\x1b[2m{}\x1b[0m", cell.text),
            Tone::Warning if self.colour => format!("\x1b[33m{}\x1b[0m", cell.text),
            _ => cell.text.clone(),
        }
    }
}

fn tabbed(row: &[Cell]) -> String {
    row.iter().map(|cell| cell.text.as_str()).collect::<Vec<_>>().join("\t")
}

fn widths(header: &[Cell], rows: &[Vec<Cell>]) -> Vec<usize> {
    (0..header.len())
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column)).chain(header.get(column));
            cells.map(|cell| cell.text.chars().count()).max().unwrap_or(0)
        })
        .collect()
}

/// Devices choose names and values: none of them may steer the terminal or break a line.
pub(super) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

/// `1 thing`, `2 things`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let output = Output { json: false, terminal: true, colour: false };
        let rows = [
            vec![Cell::plain("a"), Cell::plain("long")],
            vec![Cell::plain("wide"), Cell::plain("b")],
        ];
        let header = [Cell::plain("X"), Cell::plain("Y")];
        let widths = widths(&header, &rows);
        assert_eq!(output.aligned(&header, &widths), "X     Y");
        assert_eq!(output.aligned(&rows[0], &widths), "a     long");
        assert_eq!(tabbed(&rows[1]), "wide\tb");
    }

    #[test]
    fn a_device_can_not_steer_the_terminal() {
        assert_eq!(printable("\x1b[2Jgrüß\n"), "\\u{1b}[2Jgrüß\\n");
    }
}
