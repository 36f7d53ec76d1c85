//! `thingway schema`: the JSON Schemas that the gateway keeps to.

use super::failure::Failure;
use super::output::Output;
use crate::config;

#[derive(Debug, clap::Args)]
pub(super) struct SchemaArgs {
    /// Of what
    #[arg(value_enum, default_value_t = Subject::Config)]
    of: Subject,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Subject {
    /// The configuration file, thingway.toml
    Config,
}

pub(super) fn run(args: &SchemaArgs, output: Output) -> Result<(), Failure> {
    let schema = match args.of {
        Subject::Config => config::promised_schema(),
    };
    if output.json { output.json(&schema) } else { output.line(format!("{schema:#}")) }
}
