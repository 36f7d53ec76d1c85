use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use thingway_sdk::Timestamp;

use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{Cell, Output, Tone};
use crate::cli::state::{State, age, short};

/// As much of a Thing Description as a listing shows.
#[derive(Debug, Deserialize)]
struct Description {
    id: String,
    #[serde(default)]
    title: String,
}

#[derive(Debug, Serialize)]
struct Summary {
    id: String,
    title: String,
    properties: usize,
    /// How many of them are stale.
    stale: usize,
    /// When the newest of them was observed.
    updated: Option<Timestamp>,
}

/// What the states of one thing come to.
#[derive(Debug, Default)]
struct Tally {
    properties: usize,
    stale: usize,
    updated: Option<Timestamp>,
}

pub(super) async fn run(client: &Client, output: Output) -> Result<(), Failure> {
    let descriptions: Vec<Description> = client.all(client.url(&["things"], &[])).await?;
    let states: Vec<State> = client.all(client.url(&["properties"], &[])).await?;
    let mut things = summaries(descriptions, &states);
    things.sort_by(|a, b| a.id.cmp(&b.id));
    if output.json {
        return output.json(&things);
    }
    if things.is_empty() && output.terminal {
        return output.line("No things yet: they appear with the first message of a device.");
    }
    let now = Timestamp::now();
    let rows: Vec<Vec<Cell>> = things.iter().map(|thing| thing.row(now)).collect();
    output.table(&["THING", "TITLE", "PROPERTIES", "UPDATED"], &rows)
}

fn summaries(descriptions: Vec<Description>, states: &[State]) -> Vec<Summary> {
    let mut tallies: HashMap<&str, Tally> = HashMap::new();
    for state in states {
        let tally = tallies.entry(&state.thing).or_default();
        tally.properties += 1;
        tally.stale += usize::from(state.is_stale());
        tally.updated = tally.updated.max(state.observed());
    }
    let summary = |Description { id, title }: Description| {
        let Tally { properties, stale, updated } = tallies.remove(id.as_str()).unwrap_or_default();
        Summary { id, title, properties, stale, updated }
    };
    descriptions.into_iter().map(summary).collect()
}

impl Summary {
    fn row(&self, now: Timestamp) -> Vec<Cell> {
        vec![
            Cell::plain(short(&self.id)),
            Cell::plain(&self.title),
            Cell::plain(self.properties.to_string()),
            self.updated_cell(now),
        ]
    }

    fn updated_cell(&self, now: Timestamp) -> Cell {
        let age = self.updated.map_or_else(|| "never".to_owned(), |time| age(time, now));
        match self.stale {
            0 => Cell::new(age, Tone::Faint),
            stale if stale == self.properties => Cell::new(format!("{age} (stale)"), Tone::Warning),
            stale => Cell::new(format!("{age} ({stale} stale)"), Tone::Warning),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_summed_up_by_thing() {
        let states: Vec<State> = serde_json::from_str(
            r#"[{"thing":"a","property":"x","value":1,"time":"2026-01-05T12:00:00Z","quality":"good"},
                {"thing":"a","property":"y","value":2,"time":"2026-01-05T12:00:05Z","quality":"stale"},
                {"thing":"b","property":"z","value":3}]"#,
        )
        .unwrap();
        let things = ["a", "c"].map(|id| Description { id: id.into(), title: String::new() });
        let summaries = summaries(things.into(), &states);
        let told = |summary: &Summary| (summary.properties, summary.stale);
        assert_eq!(summaries.iter().map(told).collect::<Vec<_>>(), [(2, 1), (0, 0)]);
        assert_eq!(summaries[0].updated, Timestamp::parse("2026-01-05T12:00:05Z"));
    }
}
