use std::net::SocketAddr;
use std::time::Duration;

use smol_str::SmolStr;
use thingway_sdk::{Address, Report, Reports};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::device::{Followed, Manner};
use crate::driver::Handle;
use crate::link_format::Link;

/// A device that is lost is tried again after this; the pauses double.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The longest of these pauses.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// A device that has registered.
pub(super) struct Registered {
    pub(super) handle: Handle,
    pub(super) peer: SocketAddr,
    pub(super) thing: SmolStr,
    pub(super) prefix: String,
    pub(super) links: Vec<Link>,
    pub(super) addresses: Vec<Address>,
    pub(super) manner: Manner,
}

impl Registered {
    /// Reports what it has until told to stop. When it doesn't answer, its states become stale,
    /// and it is tried again: that its registration has not ended says that it will be back.
    pub(super) async fn follow(
        self,
        reports: Reports,
        mut reread: mpsc::Receiver<Address>,
        stop: CancellationToken,
    ) {
        let mut pause = FIRST_PAUSE;
        loop {
            let followed = Followed {
                handle: self.handle.clone(),
                peer: self.peer,
                thing: self.thing.clone(),
                prefix: self.prefix.clone(),
                links: Some(self.links.clone()),
                manner: self.manner.clone(),
            };
            let Err(reason) = followed.follow(&reports, &mut reread, &stop, || {}).await else {
                return;
            };
            info!(endpoint = %self.thing, %reason, "A registered device does not answer");
            let mut stale = self.addresses.iter().cloned().map(Report::Stale).collect();
            reports.submit(&mut stale).await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
            }
        }
    }
}
