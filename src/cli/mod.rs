//! The command line: one file per verb.
//!
//! `run` and `demo` are the gateway, and `init` is its inward half for some seconds; the other verbs
//! ask a running one over HTTP, and know nothing of its insides.

mod banner;
mod check;
mod client;
mod completions;
mod demo;
mod discover;
mod event_stream;
mod explain;
mod failure;
mod healthcheck;
mod init;
mod output;
mod reload;
mod run;
mod schema;
mod serve;
mod state;
mod things;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

pub use failure::{Exit, Failure};
use output::Output;

/// Every device of every silo as a plain REST endpoint with push
#[derive(Debug, Parser)]
#[command(
    name = "thingway",
    version,
    after_help = "Without a command, `run` is meant. Exit codes: 0 ok, 1 failed, 2 usage, 4 not \
                  found, 69 unreachable, 75 timed out, 78 configuration."
)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
    /// Write JSON, errors too
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Run the gateway
    Run(run::RunArgs),
    /// Run the gateway with an embedded broker and simulated devices, to try things out
    Demo(demo::DemoArgs),
    /// Find the devices of a network
    Discover(discover::DiscoverArgs),
    /// Listen to a broker for some seconds and write a configuration file to begin with
    Init(init::InitArgs),
    /// Tell what is wrong with a configuration file
    Check(check::CheckArgs),
    /// List, read, write and watch the things of a running gateway
    Things(things::ThingsArgs),
    /// Tell what became of the messages of one address
    Explain(explain::ExplainArgs),
    /// Have a running gateway read its configuration again
    Reload(reload::ReloadArgs),
    /// Tell whether a gateway lives, by exit code
    Healthcheck(healthcheck::HealthcheckArgs),
    /// Print a JSON Schema
    Schema(schema::SchemaArgs),
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
}

impl Cli {
    /// Reads the arguments of a process, its name first.
    ///
    /// # Errors
    /// When they can't be understood, or ask for help; that was told then.
    pub fn read(arguments: impl Iterator<Item = OsString>) -> Result<Self, ExitCode> {
        let arguments = with_verb(arguments.collect());
        Self::try_parse_from(&arguments).map_err(|error| {
            let json = arguments.iter().any(|argument| argument == "--json");
            if json && error.use_stderr() {
                return Failure::new(Exit::Usage, error.to_string()).report(json);
            }
            // With the output closed there is nobody to tell.
            let _ = error.print();
            if error.use_stderr() { Exit::Usage.into() } else { ExitCode::SUCCESS }
        })
    }

    /// Whether results and errors are to be written as JSON.
    #[must_use]
    pub fn json(&self) -> bool {
        self.json
    }

    /// Does what was asked for.
    ///
    /// # Errors
    /// When it can't be done; the failure carries the exit code.
    pub async fn execute(self) -> Result<(), Failure> {
        let output = Output::new(self.json);
        match self.verb {
            Verb::Run(args) => run::run(args, output).await,
            Verb::Demo(args) => demo::run(args, output).await,
            Verb::Discover(args) => discover::run(args, output).await,
            Verb::Init(args) => init::run(args, output).await,
            Verb::Check(args) => check::run(args, output),
            Verb::Things(args) => things::run(&args, output).await,
            Verb::Explain(args) => explain::run(&args, output).await,
            Verb::Reload(args) => reload::run(&args, output).await,
            Verb::Healthcheck(args) => healthcheck::run(&args, output).await,
            Verb::Schema(args) => schema::run(&args, output),
            Verb::Completions(args) => completions::run(&args, output),
        }
    }
}

/// Puts in `run` where no verb is named: options of `run` alone are enough.
fn with_verb(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let first = arguments.iter().skip(1).position(|argument| argument != "--json");
    let at = first.map_or(arguments.len(), |position| position + 1);
    let is_verb = arguments.get(at).is_some_and(|argument| {
        let argument = argument.to_string_lossy();
        !argument.starts_with('-') || ["-h", "--help", "-V", "--version"].contains(&&*argument)
    });
    if !is_verb {
        arguments.insert(at, "run".into());
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_holds_together() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn run_is_meant_when_no_verb_is_named() {
        for (written, meant) in [
            ("thingway", "thingway run"),
            ("thingway --http x", "thingway run --http x"),
            ("thingway --json", "thingway --json run"),
            ("thingway --json --http x", "thingway --json run --http x"),
            ("thingway --json things ls", "thingway --json things ls"),
            ("thingway --help", "thingway --help"),
        ] {
            let arguments = written.split(' ').map(OsString::from).collect();
            let words: Vec<OsString> = meant.split(' ').map(OsString::from).collect();
            assert_eq!(with_verb(arguments), words);
        }
    }
}
