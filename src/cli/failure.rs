//! How a verb fails, and what its caller can tell from the exit code.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::config::ConfigError;

/// Exit codes: the small ones as shells use them, the others as in BSD's `sysexits.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It was tried and did not work; so ends a gateway whose port is taken.
    Failed = 1,
    /// The command line can't be understood.
    Usage = 2,
    /// There is no such thing, property or message; nobody said anything.
    NotFound = 4,
    /// No gateway answers, or no broker does.
    Unreachable = 69,
    /// A device or the gateway did not answer in time.
    TimedOut = 75,
    /// The configuration is wrong.
    Configuration = 78,
}

/// Why a verb ended early.
#[derive(Debug)]
pub enum Failure {
    /// There is something to say about it.
    Said {
        /// What the caller sees.
        exit: Exit,
        /// What the user reads: what happened and what to do.
        message: String,
        /// What a program reads beside the message.
        details: Option<Value>,
    },
    /// The output has said it already.
    Told(Exit),
    /// Nobody reads the output any more, as in `thingway things ls | head -1`.
    NobodyReads,
}

impl Failure {
    /// Fails with this.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self::Said { exit, message: message.into(), details: None }
    }

    /// Says it on stderr and gives the exit code.
    #[must_use]
    pub fn report(&self, json: bool) -> ExitCode {
        let (exit, message, details) = match self {
            Self::Said { exit, message, details } => (exit, message, details),
            Self::Told(exit) => return (*exit).into(),
            Self::NobodyReads => return ExitCode::SUCCESS,
        };
        let text = if json { as_json(*exit, message, details.as_ref()) } else { message.clone() };
        // With stderr closed there is nobody left to tell.
        let _ = writeln!(io::stderr(), "{text}");
        (*exit).into()
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

fn as_json(exit: Exit, message: &str, details: Option<&Value>) -> String {
    json!({ "error": { "exit": exit as u8, "message": message, "details": details } }).to_string()
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let details = Some(json!({ "problems": error.problems }));
        Self::Said { exit: Exit::Configuration, message: error.to_string(), details }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe => Self::NobodyReads,
            _ => Self::new(Exit::Failed, error.to_string()),
        }
    }
}
