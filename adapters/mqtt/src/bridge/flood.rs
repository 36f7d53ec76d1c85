//! Where many messages come, the link is taken to a thread and a runtime of its own, on which it
//! may block: while it naps, nothing asks the operating system for what came, so nothing is woken,
//! and what piled up is read at one go. On a runtime that it shares it would be woken for each
//! packet all the same. Where few come it is better off there, next to those whom it tells.

use std::future::pending;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::connection::{Connection, Lost, Turned};
use super::pace::{NAP, Pace};
use super::thread;

impl Connection {
    /// Works on a thread of its own until the flood is over, or there is nothing more to do.
    pub(super) async fn endure(mut self, stop: &CancellationToken) -> Result<(Self, Turned), Lost> {
        debug!("Many messages come: the link goes to a thread of its own");
        let stop = stop.clone();
        let worked = thread::run("mqtt-flood", async move {
            self.alone = true;
            let turned = match self.link.move_here() {
                Ok(()) => self.work(&stop).await,
                Err(error) => Turned::Lost(Lost::Io(error)),
            };
            self.alone = false;
            (self, turned)
        });
        let (mut connection, mut turned) = worked.await.map_err(Lost::Thread)?;
        if !matches!(turned, Turned::Lost(_))
            && let Err(error) = connection.link.move_here()
        {
            turned = Turned::Lost(Lost::Io(error));
        }
        debug!("The flood is over, or the link");
        Ok((connection, turned))
    }
}

/// Asked when there is nothing else to do. Returns when a flood begins; on a thread of its own it
/// naps instead, and never returns.
pub(super) async fn begins(pace: &mut Pace, alone: bool) {
    if pace.may_nap(Instant::now()) {
        if !alone {
            return;
        }
        #[expect(clippy::disallowed_methods, reason = "nothing but this link lives on the thread")]
        std::thread::sleep(NAP);
    }
    pending().await
}
