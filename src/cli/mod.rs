//! The command line: one file per verb.
//!
//! `run` and `demo` are the gateway; the other verbs ask a running one over HTTP, and know nothing
//! of its insides.

mod banner;
mod check;
mod client;
mod completions;
mod demo;
mod event_stream;
mod explain;
mod failure;
mod healthcheck;
mod output;
mod run;
mod schema;
mod serve;
mod state;
mod things;

pub use failure::{Exit, Failure};
use output::Output;

/// Every device of every silo as a plain REST endpoint with push
#[derive(Debug, clap::Parser)]
#[command(
    name = "thingway",
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Without a command, `run` is meant. Exit codes: 0 ok, 1 failed, 2 usage, 4 not \
                  found, 69 unreachable, 75 timed out, 78 configuration."
)]
pub struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    run: run::RunArgs,
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
    /// Tell what is wrong with a configuration file
    Check(check::CheckArgs),
    /// List, read, write and watch the things of a running gateway
    Things(things::ThingsArgs),
    /// Tell what became of the messages of one address
    Explain(explain::ExplainArgs),
    /// Tell whether a gateway lives, by exit code
    Healthcheck(healthcheck::HealthcheckArgs),
    /// Print a JSON Schema
    Schema(schema::SchemaArgs),
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
}

impl Cli {
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
        match self.verb.unwrap_or(Verb::Run(self.run)) {
            Verb::Run(args) => run::run(args, output).await,
            Verb::Demo(args) => demo::run(args, output).await,
            Verb::Check(args) => check::run(args, output),
            Verb::Things(args) => things::run(&args, output).await,
            Verb::Explain(args) => explain::run(&args, output).await,
            Verb::Healthcheck(args) => healthcheck::run(&args, output).await,
            Verb::Schema(args) => schema::run(&args, output),
            Verb::Completions(args) => completions::run(&args, output),
        }
    }
}
