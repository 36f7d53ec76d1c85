//! Tables in Markdown.

use std::fmt::Write;

use crate::args::Args;
use crate::host;
use crate::measure::Section;
use crate::system::System;

/// One workload: a row for each figure, a column for each system, and the goals beside them.
pub(crate) fn table(section: &Section) -> String {
    let mut lines = vec![format!("### {}", section.title), String::new()];
    lines.extend([format!("Load average in the end: {}.", load(section.load)), String::new()]);
    let names: Vec<String> = section.systems.iter().map(ToString::to_string).collect();
    lines.push(format!("| | {} | goal | |", names.join(" | ")));
    lines.push(format!("|---|{}---|---|", "---|".repeat(names.len())));
    lines.extend(section.figures().into_iter().map(|figure| row(section, figure)));
    lines.push(String::new());
    lines.extend(section.faults().map(|(system, fault)| format!("- **{system}**: {fault}")));
    lines.join("\n")
}

fn row(section: &Section, figure: &str) -> String {
    let cells = section.systems.iter().map(|system| cell(section, *system, figure));
    let cells: Vec<String> = cells.collect();
    let goals = section.goals.iter().filter(|goal| goal.figure == figure);
    let (goals, reached): (Vec<_>, Vec<_>) = goals
        .map(|goal| {
            let reached = goal.reached(section);
            let reached = reached.map_or("not measured".to_owned(), |reached| reached.to_string());
            (goal.to_string(), reached)
        })
        .unzip();
    let (cells, goals, reached) = (cells.join(" | "), goals.join("; "), reached.join("; "));
    format!("| {figure} | {cells} | {goals} | {reached} |")
}

/// The median, how many times naive's, and how far the rounds lie apart.
fn cell(section: &Section, system: System, figure: &str) -> String {
    let Some(median) = section.median(system, figure) else { return "–".to_owned() };
    let mut cell = number(median);
    let ratio = section.ratio(figure, system, System::Naive);
    if let Some(ratio) = ratio.filter(|_| system != System::Naive) {
        let _ = write!(cell, " ({ratio:.2}×)");
    }
    if let Some(spread) = section.spread(system, figure).filter(|spread| *spread >= 0.005) {
        let _ = write!(cell, " ±{:.0} %", spread * 100.0);
    }
    cell
}

/// Three digits that count, thousands set apart.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size < 1.0 => format!("{value:.3}"),
        size if size < 10.0 => format!("{value:.2}"),
        size if size < 100.0 => format!("{value:.1}"),
        _ => thousands(&format!("{value:.0}")),
    }
}

fn thousands(digits: &str) -> String {
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What has to be known to read the tables, and how quiet the machine was.
pub(crate) fn conditions(args: &Args, load_before: Option<f64>) -> String {
    format!(
        "{} cores shared by systems, broker and clients. Rounds: {}. Load average before: {}, \
         after: {} (beyond the number of cores, others had their share). A cell is the median, \
         in brackets how many times naive's (the median of the ratios within each round), and ± \
         half the distance between the extreme rounds.",
        host::cores(),
        args.rounds(),
        load(load_before),
        load(host::load_average()),
    )
}

fn load(average: Option<f64>) -> String {
    average.map_or("unknown".to_owned(), |average| format!("{average:.1}"))
}

/// How many goals were met.
pub(crate) fn summary(sections: &[Section]) -> String {
    let goals = sections.iter().flat_map(|section| {
        section.goals.iter().map(move |goal| goal.reached(section).is_some_and(|it| it.met))
    });
    let reached: Vec<bool> = goals.collect();
    let met = reached.iter().filter(|met| **met).count();
    format!("Goals met: {met} of {}.", reached.len())
}
