//! The references that are a project of their own.

use std::env;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use crate::Result;

/// Starts them with these arguments, once they are built.
pub(crate) fn command(arguments: &[&str]) -> Result<Command> {
    static BUILT: OnceLock<std::result::Result<(), String>> = OnceLock::new();
    BUILT.get_or_init(|| build().map_err(|error| error.to_string())).clone()?;
    let mut command = Command::new(Path::new(TARGET).join("release/references"));
    command.args(arguments);
    Ok(command)
}

const TARGET: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/references");

fn build() -> Result<()> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/references/Cargo.toml");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--release", "--locked", "--manifest-path", manifest]);
    cargo.args(["--target-dir", TARGET]);
    match cargo.status()? {
        status if status.success() => Ok(()),
        status => Err(format!("`cargo build` of {manifest}: {status}").into()),
    }
}
