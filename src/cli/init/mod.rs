//! `thingway init`: what a broker's messages would become, and a `thingway.toml` to begin with.
//!
//! It listens as a gateway does, with the same adapter and the same mapping, but asks nothing of
//! any device and shows nothing over HTTP.

mod families;
mod file;
mod findings;
mod hints;
mod listening;
mod progress;
mod report;
mod survey;

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::listening::Listener;
use self::report::Report;
use super::failure::{Exit, Failure};
use super::output::Output;
use crate::adapters::passing_bridge;
use crate::config::FileChoice;

#[derive(Debug, clap::Args)]
pub(super) struct InitArgs {
    /// The broker to listen to, as mqtt://[user:password@]host[:1883], or mqtts:// for TLS
    #[arg(long, value_name = "URL")]
    mqtt: String,
    /// A file with the password for the broker
    #[arg(long, env = "THINGWAY_MQTT_PASSWORD_FILE", value_name = "FILE")]
    mqtt_password_file: Option<PathBuf>,
    /// How long to listen, in seconds; devices that report rarely need more
    #[arg(long, value_name = "SECONDS", default_value_t = 10,
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// The file to write; `-` is stdout, and the report goes to stderr then
    #[arg(long, value_name = "FILE", default_value = FileChoice::USUAL)]
    output: PathBuf,
    /// Write over a file that is there
    #[arg(long)]
    force: bool,
}

/// What the adapter is called in the file.
const ADAPTER: &str = "mqtt";

pub(super) async fn run(args: InitArgs, output: Output) -> Result<(), Failure> {
    let to_stdout = args.output == Path::new("-");
    // Asked before anybody waits for it.
    if !to_stdout && !args.force && args.output.exists() {
        return Err(is_there(&args.output));
    }
    let bridge = passing_bridge(ADAPTER, &args.mqtt, args.mqtt_password_file.clone())
        .map_err(|reason| Failure::new(Exit::Usage, format!("--mqtt: {reason}")))?;
    let has_login = args.mqtt.contains('@') || args.mqtt_password_file.is_some();
    let listener = Listener::new(ADAPTER, bridge);
    let shows = !output.json && io::stderr().is_terminal();
    listener.listen(Duration::from_secs(args.seconds), shows).await?;
    let (mut report, families) = listener.found(args.seconds);
    if report.messages == 0 {
        return Err(nothing_came(&report));
    }
    let text = file::text(ADAPTER, &report, &families, has_login);
    if to_stdout {
        return if output.json {
            report.configuration = Some(text);
            output.json(&report)
        } else {
            report.lines(output).iter().for_each(|line| eprintln!("{line}"));
            output.line(text.trim_end())
        };
    }
    write(&args.output, &text, args.force)?;
    report.file = Some(args.output);
    if output.json {
        return output.json(&report);
    }
    report.lines(output).iter().try_for_each(|line| output.line(line))
}

fn write(path: &Path, text: &str, force: bool) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).truncate(true).create(true).create_new(!force);
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => is_there(path),
        _ => Failure::new(Exit::Failed, format!("can't write {}: {error}", path.display())),
    })
}

fn is_there(path: &Path) -> Failure {
    let message = format!(
        "{} is there already: name another file with --output, or write over it with --force",
        path.display()
    );
    Failure::new(Exit::Failed, message)
}

fn nothing_came(report: &Report) -> Failure {
    let Report { endpoint, seconds, trouble, .. } = report;
    let why = trouble.as_ref().map_or_else(
        || "listen longer with --seconds, and check that the user may subscribe to `#`".to_owned(),
        |trouble| format!("the broker says: {trouble}"),
    );
    let message = format!(
        "no message came from {endpoint} within {seconds} s, so nothing was written; {why}"
    );
    Failure::new(Exit::NotFound, message)
}
