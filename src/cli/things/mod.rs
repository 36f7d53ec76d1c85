//! `thingway things …`: what the gateway knows, and the way to change it.

mod get;
mod ls;
mod set;
mod watch;

use super::client::{Client, Target};
use super::failure::Failure;
use super::output::Output;

#[derive(Debug, clap::Args)]
pub(super) struct ThingsArgs {
    #[command(subcommand)]
    verb: ThingsVerb,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, clap::Subcommand)]
enum ThingsVerb {
    /// List all things
    Ls,
    /// Show the properties of a thing, or the value of one
    Get(get::GetArgs),
    /// Write a property and wait until the device has confirmed it
    Set(set::SetArgs),
    /// Follow changes as they come
    Watch(watch::WatchArgs),
}

pub(super) async fn run(args: &ThingsArgs, output: Output) -> Result<(), Failure> {
    let client = Client::new(&args.target)?;
    match &args.verb {
        ThingsVerb::Ls => ls::run(&client, output).await,
        ThingsVerb::Get(get) => get::run(get, &client, output).await,
        ThingsVerb::Set(set) => set::run(set, &client, output).await,
        ThingsVerb::Watch(watch) => watch::run(watch, &client, output).await,
    }
}
