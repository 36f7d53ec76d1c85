//! The gateway's process: arguments, exit codes.

use std::process::ExitCode;

use thingway::cli::{Cli, Exit, Failure};

fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(told) => return told,
    };
    // Every TLS connection of the process uses it; it is refused only when there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let json = cli.json();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(json),
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| {
        Failure::new(Exit::Failed, format!("the operating system gives no threads: {error}"))
    })?;
    runtime.block_on(cli.execute())
}
