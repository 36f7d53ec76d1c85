use std::sync::Arc;
use std::time::Duration;

use thingway_sdk::BoxFuture;

use super::invocations::Invocation;
use super::request::Head;
use super::writes::Write;
use crate::command::Commands;

/// A request whose answer waits for a device.
pub(super) enum Pending {
    Write(Write),
    Invoke(Invocation),
}

impl Pending {
    /// What the answer repeats.
    pub(super) fn head(&self) -> &Head {
        match self {
            Self::Write(write) => &write.head,
            Self::Invoke(invocation) => &invocation.head,
        }
    }

    /// Sends the commands at once; the result waits for at most `wait` and is the answer.
    pub(super) fn begin(
        self,
        commands: &Arc<Commands>,
        wait: Duration,
    ) -> BoxFuture<'static, String> {
        match self {
            Self::Write(write) => Box::pin(write.begin(commands, wait)),
            Self::Invoke(invocation) => Box::pin(invocation.begin(commands, wait)),
        }
    }
}
