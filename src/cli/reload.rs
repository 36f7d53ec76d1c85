//! `thingway reload`: has a running gateway read its configuration again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::client::{Client, Target};
use super::failure::{Exit, Failure};
use super::output::{Output, printable};

#[derive(Debug, clap::Args)]
pub(super) struct ReloadArgs {
    #[command(flatten)]
    target: Target,
}

/// One record of `POST /config/reload`.
#[derive(Debug, Deserialize, Serialize)]
struct Change {
    subject: String,
    change: String,
    applied: bool,
}

/// What is wrong with the configuration, as its problem document lists it.
#[derive(Debug, Deserialize)]
struct Flaw {
    field: String,
    description: String,
}

/// Adapters that end and begin take their time.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn run(args: &ReloadArgs, output: Output) -> Result<(), Failure> {
    let client = Client::new(&args.target)?;
    let request = client.post(client.url(&["config", "reload"], &[]));
    let response = client.send(request, PATIENCE).await.map_err(with_flaws)?;
    let text = response.text().await.unwrap_or_default();
    let changes: Vec<Change> = client.understood(&text)?;
    if output.json {
        return output.json(&changes);
    }
    if changes.is_empty() {
        return output.line("nothing is different");
    }
    for Change { subject, change, applied } in changes {
        let after = if applied { "" } else { "; it counts after a restart" };
        output.line(printable(&format!("{subject}: {change}{after}")))?;
    }
    Ok(())
}

/// Says where the mistakes are, which the problem's detail does not.
fn with_flaws(failure: Failure) -> Failure {
    let Failure::Said { message, details: Some(details), .. } = &failure else { return failure };
    let flaws = details.get("validationErrors").cloned().unwrap_or_default();
    let Ok(flaws) = serde_json::from_value::<Vec<Flaw>>(flaws) else { return failure };
    let lines = flaws.iter().map(|flaw| format!("\n{}: {}", flaw.field, flaw.description));
    let message = printable(&format!("{message}{}", lines.collect::<String>()));
    Failure::Said { exit: Exit::Configuration, message, details: Some(details.clone()) }
}
