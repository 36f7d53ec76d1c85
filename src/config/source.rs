//! Where a configuration comes from.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{Config, ConfigError, Origin, Overrides, Problem};

/// All that a configuration is read from; each wins over the one before.
#[derive(Debug, Clone)]
pub struct Sources {
    /// Which file.
    pub file: FileChoice,
    /// Names and values; those that don't begin with `THINGWAY__` are left alone.
    pub environment: Vec<(OsString, OsString)>,
    /// What the command line says.
    pub overrides: Overrides,
}

/// Which file to read.
#[derive(Debug, Clone)]
pub enum FileChoice {
    /// This one, and it must be there.
    Named(PathBuf),
    /// This one, if it is there.
    IfPresent(PathBuf),
    /// No file, but this text under this name.
    BuiltIn {
        /// The name in reports.
        name: &'static str,
        /// What would be in the file.
        text: &'static str,
    },
}

/// What was read.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// The file that was read, if one was.
    pub file: Option<PathBuf>,
}

impl FileChoice {
    /// The name under which a file is found without being named.
    pub const USUAL: &str = "thingway.toml";

    /// The file that was named, or else the usual one in the current directory.
    #[must_use]
    pub fn named_or_usual(named: Option<PathBuf>) -> Self {
        named.map_or_else(|| Self::IfPresent(Self::USUAL.into()), Self::Named)
    }

    /// The path that was read, and the text there.
    pub(super) fn read(&self) -> Result<Option<(PathBuf, String)>, ConfigError> {
        let (path, must_exist) = match self {
            Self::Named(path) => (path, true),
            Self::IfPresent(path) => (path, false),
            Self::BuiltIn { name, text } => return Ok(Some((name.into(), (*text).to_owned()))),
        };
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Some((path.clone(), text))),
            Err(error) if error.kind() == ErrorKind::NotFound && !must_exist => Ok(None),
            Err(error) => Err(unreadable(path, &error)),
        }
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> ConfigError {
    let message = format!("can't read {}: {error}", path.display());
    let help = Some("name another file with --config, or correct its permissions".to_owned());
    ConfigError { problems: vec![Problem { origin: Origin::Everywhere, message, help }] }
}
