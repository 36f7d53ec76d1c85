//! `thingway check`: whether a configuration would be taken, without starting anything.

use std::path::PathBuf;

use serde_json::json;

use super::failure::{Exit, Failure};
use super::output::{Output, counted};
use crate::config::{Config, ConfigError, FileChoice, Loaded, Overrides, Sources};

#[derive(Debug, clap::Args)]
pub(super) struct CheckArgs {
    /// The file to check
    #[arg(default_value = FileChoice::USUAL)]
    file: PathBuf,
}

pub(super) fn run(args: CheckArgs, output: Output) -> Result<(), Failure> {
    let sources = Sources {
        file: FileChoice::Named(args.file.clone()),
        environment: std::env::vars_os().collect(),
        overrides: Overrides::default(),
    };
    let loaded = Config::load(&sources);
    if output.json {
        return as_json(&args, loaded.err(), output);
    }
    let Loaded { config, .. } = loaded?;
    output.line(format!(
        "{} is in order: {}, {}, {}",
        args.file.display(),
        counted(config.all_adapters().count(), "adapter"),
        counted(config.rules.len(), "rule"),
        counted(config.webhooks.len(), "webhook"),
    ))
}

/// What is wrong is the answer here, so it goes where answers go.
fn as_json(args: &CheckArgs, error: Option<ConfigError>, output: Output) -> Result<(), Failure> {
    let valid = error.is_none();
    let problems = error.map(|error| error.problems).unwrap_or_default();
    output.json(&json!({ "valid": valid, "file": args.file, "problems": problems }))?;
    if valid { Ok(()) } else { Err(Failure::Told(Exit::Configuration)) }
}
