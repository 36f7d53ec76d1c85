//! `thingway check`: whether a configuration would be taken, without starting anything.

use std::path::PathBuf;

use serde_json::json;

use super::failure::Failure;
use super::output::Output;
use crate::config::{Config, FileChoice, Loaded, Overrides, Sources};

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
    let Loaded { config, .. } = Config::load(&sources)?;
    if output.json {
        return output.json(&json!({ "valid": true, "file": args.file, "problems": [] }));
    }
    output.line(format!(
        "{} is in order: {}, {}, {}",
        args.file.display(),
        counted(config.adapters.len(), "adapter"),
        counted(config.rules.len(), "rule"),
        counted(config.webhooks.len(), "webhook"),
    ))
}

fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}
