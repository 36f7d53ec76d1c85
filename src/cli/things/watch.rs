use std::io::{self, Write};
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::Response;
use reqwest::header::ACCEPT;
use tokio::time::{sleep, timeout};
use url::Url;

use crate::cli::client::Client;
use crate::cli::event_stream::{Event, Parser};
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{Cell, Output, Tone, printable};
use crate::cli::state::{State, short};

#[derive(Debug, clap::Args)]
pub(super) struct WatchArgs {
    /// Name or id of one thing; every thing when left out
    id: Option<String>,
}

/// Long enough for a gateway to restart, short enough for a person to wait.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(10);
/// Longer silence than any sensible heartbeat means that the link is gone.
const LONGEST_SILENCE: Duration = Duration::from_secs(120);
/// A stream can't know how wide its columns will become; these suit most names.
const COLUMNS: [usize; 6] = [24, 24, 20, 0, 0, 0];

pub(super) async fn run(args: &WatchArgs, client: &Client, output: Output) -> Result<(), Failure> {
    let url = match &args.id {
        Some(id) => {
            client.text(client.url(&["things", id], &[])).await?;
            client.url(&["properties"], &[("thing", id)])
        }
        None => client.url(&["properties"], &[]),
    };
    let mut parser = Parser::default();
    let mut response = connect(client, &url, &parser).await?;
    loop {
        let lost = follow(response, &mut parser, output).await?;
        response = reconnect(client, &url, &mut parser, &lost).await?;
    }
}

async fn connect(client: &Client, url: &Url, parser: &Parser) -> Result<Response, Failure> {
    let mut request = client.get(url.clone()).header(ACCEPT, "text/event-stream");
    if let Some(id) = &parser.last_id {
        request = request.header("Last-Event-ID", id);
    }
    client.send(request, PATIENCE).await
}

/// Prints what comes until the stream ends, and tells why it did.
async fn follow(
    response: Response,
    parser: &mut Parser,
    output: Output,
) -> Result<String, Failure> {
    let mut chunks = response.bytes_stream();
    loop {
        let chunk = match timeout(LONGEST_SILENCE, chunks.next()).await {
            Ok(Some(Ok(chunk))) => chunk,
            Ok(Some(Err(error))) => return Ok(error.to_string()),
            Ok(None) => return Ok("the gateway closed the stream".into()),
            Err(_) => return Ok("the gateway fell silent".into()),
        };
        for event in parser.feed(&chunk) {
            show(&event, output)?;
        }
    }
}

/// Tries until the gateway is back; a gateway that refuses is not asked again.
async fn reconnect(
    client: &Client,
    url: &Url,
    parser: &mut Parser,
    lost: &str,
) -> Result<Response, Failure> {
    parser.interrupted();
    note(&format!("{lost}; connecting again"));
    let mut pause = parser.retry_milliseconds.map_or(FIRST_PAUSE, Duration::from_millis);
    loop {
        sleep(pause.min(LONGEST_PAUSE)).await;
        match connect(client, url, parser).await {
            Err(Failure::Said { exit: Exit::Unreachable | Exit::TimedOut, .. }) => {
                pause = pause.saturating_mul(2);
            }
            answer => return answer,
        }
    }
}

fn show(event: &Event, output: Output) -> Result<(), Failure> {
    match serde_json::from_str::<State>(&event.data) {
        Ok(_) if output.json => output.line(&event.data),
        Ok(state) => output.line(output.aligned(&row(&state), &COLUMNS)),
        // What is no state tells something about the stream: a gap, for one.
        Err(_) => {
            note(&format!("{}: {}", printable(&event.name), printable(&event.data)));
            Ok(())
        }
    }
}

fn row(state: &State) -> Vec<Cell> {
    vec![
        Cell::new(state.time.as_deref().unwrap_or_default(), Tone::Faint),
        Cell::plain(short(&state.thing)),
        Cell::plain(&state.property),
        Cell::plain(state.value_text()),
        Cell::new(state.unit.as_deref().unwrap_or_default(), Tone::Faint),
        Cell::new(state.doubt().unwrap_or_default(), Tone::Warning),
    ]
}

/// For the person at the terminal, not for what reads the output.
fn note(text: &str) {
    // With stderr closed there is nobody to tell.
    let _ = writeln!(io::stderr(), "thingway: {text}");
}
