//! Measures the gateway side by side with references, each in a process of its own, and holds
//! what was measured against the goals.
//!
//! `args` says what to run; `workload` has one file for each thing that is measured. A workload
//! sets a stage (`stage`: a broker and one system), drives it from outside (`client`), and reads
//! what it cost from `/proc` (`process`). `measure` runs its trials in turns, `report` writes the
//! tables. The references live in `reference`, where this binary starts itself anew to become one,
//! and in `benches/references`, which `references` has built.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this is a stopwatch: real time is what it measures, and its threads may block"
)]

mod args;
mod client;
mod goal;
mod host;
mod measure;
mod mosquitto;
mod plot;
mod process;
mod record;
mod reference;
mod references;
mod report;
mod stage;
mod system;
mod workload;

use std::process::ExitCode;

use clap::Parser;

use args::Args;

/// What went wrong, in words for whoever ran the command.
pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;
pub(crate) type Result<T> = std::result::Result<T, Error>;

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = match &args.reference {
        Some(reference) => reference.run(&args).map(|()| true),
        None => workload::run_all(&args),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("side_by_side: {error}");
            ExitCode::FAILURE
        }
    }
}
