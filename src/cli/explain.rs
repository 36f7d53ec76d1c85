//! `thingway explain`: what became of the messages of one address, or why there are none.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use thingway_sdk::Timestamp;

use super::client::{Client, Target};
use super::failure::{Exit, Failure};
use super::output::{Cell, Output, Tone, printable};
use super::state::{age, short};
use crate::config::closest;

#[derive(Debug, clap::Args)]
pub(super) struct ExplainArgs {
    /// Where the messages come from: an MQTT topic
    address: String,
    /// How many messages to show, the newest first
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    limit: usize,
    #[command(flatten)]
    target: Target,
}

/// As much of `GET /adapters` as is needed here.
#[derive(Debug, Deserialize)]
struct Adapter {
    name: String,
    #[serde(default)]
    endpoint: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    last_error: Option<String>,
}

/// One record of `GET /adapters/{name}/messages`.
#[derive(Debug, Deserialize, Serialize)]
struct Message {
    adapter: String,
    address: String,
    received: Timestamp,
    bytes: usize,
    retained: bool,
    outcome: String,
    reason: Option<String>,
    note: Option<String>,
    thing: Option<String>,
    properties: Vec<String>,
    payload: String,
    /// None when the payload was not even looked at.
    encoding: Option<String>,
    convention: Option<String>,
}

/// How many messages are looked through for addresses that resemble the one asked for.
const LOOKED_THROUGH: &str = "1000";

pub(super) async fn run(args: &ExplainArgs, output: Output) -> Result<(), Failure> {
    let client = Client::new(&args.target)?;
    let adapters: Vec<Adapter> = client.json(client.url(&["adapters"], &[])).await?;
    let limit = args.limit.to_string();
    let query = [("address", args.address.as_str()), ("limit", &limit)];
    let mut messages = messages(&client, &adapters, &query).await?;
    messages.sort_by_key(|message| Reverse(message.received));
    messages.truncate(args.limit);
    if messages.is_empty() {
        return Err(nothing_came(&args.address, &client, &adapters).await?);
    }
    if output.json {
        return output.json(&messages);
    }
    messages.iter().try_for_each(|message| message.show(output))
}

async fn messages(
    client: &Client,
    adapters: &[Adapter],
    query: &[(&str, &str)],
) -> Result<Vec<Message>, Failure> {
    let mut messages = Vec::new();
    for adapter in adapters {
        let url = client.url(&["adapters", &adapter.name, "messages"], query);
        messages.append(&mut client.json::<Vec<Message>>(url).await?);
    }
    Ok(messages)
}

impl Message {
    fn show(&self, output: Output) -> Result<(), Failure> {
        let tone = if self.outcome == "failed" { Tone::Warning } else { Tone::Plain };
        let head = [
            Cell::new(age(self.received, Timestamp::now()), Tone::Faint),
            Cell::new(self.became(), tone),
            Cell::new(self.origin(), Tone::Faint),
        ];
        output.line(output.aligned(&head, &[10, 9, 0]))?;
        output.line(format!("    payload  {}", printable(&self.payload)))?;
        for reason in self.reason.iter().chain(&self.note) {
            output.line(format!("    because  {}", printable(reason)))?;
        }
        Ok(())
    }

    fn became(&self) -> String {
        match &self.thing {
            Some(thing) if !self.properties.is_empty() => {
                format!("{} → {} {}", self.outcome, short(thing), self.properties.join(", "))
            }
            Some(thing) => format!("{} → {}", self.outcome, short(thing)),
            None => self.outcome.clone(),
        }
    }

    fn origin(&self) -> String {
        let retained = if self.retained { ", retained" } else { "" };
        let encoding =
            self.encoding.as_ref().map_or_else(String::new, |word| format!(" of {word}"));
        let convention =
            self.convention.as_ref().map_or_else(String::new, |name| format!(", by {name}"));
        format!("({} bytes{encoding}{retained}{convention}, from {})", self.bytes, self.adapter)
    }
}

/// What to check, in the order in which it is usually the cause.
async fn nothing_came(
    address: &str,
    client: &Client,
    adapters: &[Adapter],
) -> Result<Failure, Failure> {
    let others = messages(client, adapters, &[("limit", LOOKED_THROUGH)]).await?;
    let known: BTreeSet<&str> = others.iter().map(|message| message.address.as_str()).collect();
    let mut lines = vec![format!("no message of `{address}` is remembered; check:")];
    if adapters.is_empty() {
        lines.push("- no adapter is configured: name a broker with --mqtt".into());
    }
    lines.extend(adapters.iter().map(Adapter::advice));
    lines.extend(spelling(address, &known));
    let memory = "- only the newest messages are remembered (limits.messages_remembered): send \
                  one and ask again";
    lines.push(memory.into());
    let lines: Vec<String> = lines.iter().map(|line| printable(line)).collect();
    Ok(Failure::new(Exit::NotFound, lines.join("\n")))
}

impl Adapter {
    fn advice(&self) -> String {
        let Self { name, endpoint, status, last_error } = self;
        if status == "connected" {
            return format!(
                "- {name} is connected to {endpoint}: does the device publish there, and do \
                 `include` and `exclude` of the adapter let the topic through?"
            );
        }
        let why = last_error.as_ref().map_or_else(String::new, |error| format!(": {error}"));
        format!("- {name} is not connected to {endpoint} ({status}{why})")
    }
}

fn spelling(address: &str, known: &BTreeSet<&str>) -> Option<String> {
    let is_below =
        |topic: &&&str| topic.strip_prefix(address).is_some_and(|rest| rest.starts_with('/'));
    let below = known.iter().filter(is_below).take(5).copied();
    let near: Vec<String> = below
        .chain(closest(address, known.iter().copied()))
        .map(|topic| format!("`{topic}`"))
        .collect();
    (!near.is_empty()).then(|| format!("- is it spelled right? There is {}", near.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_addresses_are_offered() {
        let known = BTreeSet::from(["home/kitchen/lamp", "home/hall/door", "home/hall/door/event"]);
        assert!(spelling("home/kitchn/lamp", &known).unwrap().contains("`home/kitchen/lamp`"));
        assert!(spelling("home/hall", &known).unwrap().contains("`home/hall/door`"));
        assert_eq!(spelling("elsewhere", &known), None);
    }
}
