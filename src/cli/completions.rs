//! `thingway completions`: a script that lets a shell complete this command line.

use clap::CommandFactory;
use clap_complete::Shell;

use super::Cli;
use super::failure::Failure;
use super::output::Output;

#[derive(Debug, clap::Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs, output: Output) -> Result<(), Failure> {
    // Written to memory first: the generator panics on a pipe that nobody reads.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "thingway", &mut script);
    output.line(String::from_utf8_lossy(&script).trim_end())
}
