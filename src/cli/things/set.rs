use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};
use url::Url;

use crate::cli::client::Client;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{Output, printable};

#[derive(Debug, clap::Args)]
pub(super) struct SetArgs {
    /// Name or id of the thing
    id: String,
    /// Name of the property
    property: String,
    /// The new value: JSON, or else taken as text
    #[arg(allow_negative_numbers = true)]
    value: String,
    /// How long to wait for the device, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    wait: u64,
}

/// How far a command got.
#[derive(Debug, Deserialize, Serialize)]
struct Progress {
    status: String,
    #[serde(default)]
    error: Option<String>,
}

const POLL_PAUSE: Duration = Duration::from_millis(200);
/// What a write may take beside the wait for the device.
const NETWORK_TIME: Duration = Duration::from_secs(5);

pub(super) async fn run(args: &SetArgs, client: &Client, output: Output) -> Result<(), Failure> {
    let wait = Duration::from_secs(args.wait);
    let deadline = Instant::now() + wait;
    let url = client.url(&["things", &args.id, "properties", &args.property], &[]);
    let request = client
        .put(url.clone())
        .header(CONTENT_TYPE, "application/json")
        .header("Prefer", format!("wait={}", args.wait))
        .body(as_json(&args.value));
    let response = client.send(request, wait.saturating_add(NETWORK_TIME)).await?;
    let progress = match pending_command(&response, &url) {
        Some(command) => follow(client, command, deadline).await?,
        None => Progress { status: "confirmed".into(), error: None },
    };
    report(args, &progress, output)
}

/// The text itself when it is JSON, else as a JSON string.
fn as_json(value: &str) -> String {
    match serde_json::from_str::<serde::de::IgnoredAny>(value) {
        Ok(_) => value.to_owned(),
        Err(_) => serde_json::Value::from(value).to_string(),
    }
}

/// Where to ask, when the gateway did not wait for the device to the end.
fn pending_command(response: &Response, asked: &Url) -> Option<Url> {
    if response.status() != StatusCode::ACCEPTED {
        return None;
    }
    let location = response.headers().get(LOCATION)?.to_str().ok()?;
    asked.join(location).ok()
}

/// Asks until the command has ended, or nobody wants to wait any longer.
async fn follow(client: &Client, command: Url, deadline: Instant) -> Result<Progress, Failure> {
    loop {
        let progress: Progress = client.json(command.clone()).await?;
        if progress.status != "pending" || Instant::now() >= deadline {
            return Ok(progress);
        }
        sleep(POLL_PAUSE).await;
    }
}

fn report(args: &SetArgs, progress: &Progress, output: Output) -> Result<(), Failure> {
    let what = format!("{} {}", args.id, args.property);
    let reason = progress.error.as_deref().map(|error| format!(": {}", printable(error)));
    let reason = reason.unwrap_or_default();
    let failed = |exit, how: String| Err(Failure::new(exit, format!("{what} {how}{reason}")));
    match progress.status.as_str() {
        "confirmed" | "accepted" if output.json => output.json(progress),
        "confirmed" => output.line(format!("{what} = {} (confirmed by the device)", args.value)),
        "accepted" => {
            output.line(format!("{what} = {} (sent; this device does not confirm)", args.value))
        }
        "refused" => failed(Exit::Failed, "was refused".into()),
        "timeout" => failed(Exit::TimedOut, "was not confirmed in time".into()),
        _ => failed(Exit::TimedOut, format!("was not confirmed within {} s", args.wait)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_json_is_text() {
        for (written, sent) in [
            ("21.50", "21.50"),
            ("true", "true"),
            ("on", "\"on\""),
            ("{\"a\":1}", "{\"a\":1}"),
            ("1,5", "\"1,5\""),
        ] {
            assert_eq!(as_json(written), sent);
        }
    }
}
