use thingway_sdk::{ThingId, Timestamp};

use crate::cli::client::Client;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{Cell, Output, printable};
use crate::cli::state::State;
use crate::config::did_you_mean;

#[derive(Debug, clap::Args)]
pub(super) struct GetArgs {
    /// Name or id of the thing, as `thingway things ls` shows it
    id: String,
    /// Name of one property
    property: Option<String>,
}

pub(super) async fn run(args: &GetArgs, client: &Client, output: Output) -> Result<(), Failure> {
    // Tells a thing without properties from one that does not exist.
    client.text(client.url(&["things", &args.id], &[])).await?;
    let states = states_of(&args.id, client).await?;
    match &args.property {
        Some(property) => show_one(property, &states, output),
        None if output.json => output.json(&states),
        None => {
            let now = Timestamp::now();
            let rows: Vec<Vec<Cell>> = states.iter().map(|state| state.row(now)).collect();
            output.table(&State::HEADER, &rows)
        }
    }
}

/// The filter of `/properties` may take patterns, so what it lets through is looked at again.
async fn states_of(id: &str, client: &Client) -> Result<Vec<State>, Failure> {
    let all: Vec<State> = client.all(client.url(&["properties"], &[("thing", id)])).await?;
    let id =
        ThingId::resolve(id).map_err(|error| Failure::new(Exit::NotFound, error.to_string()))?;
    let mut states: Vec<State> = all.into_iter().filter(|state| state.thing == id.uri()).collect();
    states.sort_by(|a, b| a.property.cmp(&b.property));
    Ok(states)
}

/// On a terminal with unit and age, elsewhere the bare value.
fn show_one(property: &str, states: &[State], output: Output) -> Result<(), Failure> {
    let Some(state) = states.iter().find(|state| state.property == property) else {
        return Err(no_such_property(property, states));
    };
    if output.json {
        return output.json(state);
    }
    if !output.terminal {
        return output.line(state.value_text());
    }
    let value_unit_age = &state.row(Timestamp::now())[1..];
    output.line(output.aligned(value_unit_age, &[0; 3]))
}

fn no_such_property(property: &str, states: &[State]) -> Failure {
    let names = || states.iter().map(|state| state.property.as_str());
    let suggestion = did_you_mean(property, names());
    let known = names().collect::<Vec<_>>().join(", ");
    let message = format!("the thing has no property `{property}`{suggestion} (it has: {known})");
    Failure::new(Exit::NotFound, printable(&message))
}
