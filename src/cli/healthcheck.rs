//! `thingway healthcheck`: for containers without a shell or curl.

use serde_json::json;

use super::client::{Client, Target};
use super::failure::Failure;
use super::output::Output;

#[derive(Debug, clap::Args)]
pub(super) struct HealthcheckArgs {
    #[command(flatten)]
    target: Target,
}

/// Asks whether the gateway lives, not whether all of its brokers do: restarting it would not
/// bring those back.
pub(super) async fn run(args: &HealthcheckArgs, output: Output) -> Result<(), Failure> {
    let client = Client::new(&args.target)?;
    client.text(client.url(&["livez"], &[])).await?;
    if output.json { output.json(&json!({ "alive": true })) } else { output.line("alive") }
}
