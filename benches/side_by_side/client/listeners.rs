//! Many subscribers at once, and what each of them heard.
//!
//! What is published are moments, in microseconds since the process began: each subscriber knows
//! by itself how late a value comes, and values that rise tell whether any is missing.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout_at;

use super::{sse, ws};
use crate::Result;
use crate::stage::Stage;

/// The value that ends a trial; larger than every moment, and exact in JSON.
pub(crate) const END: u64 = 1_000_000_000_000_000;

static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The value from before a trial; smaller than every moment.
pub(crate) const BEFORE: u64 = 1;

/// Microseconds since the process began measuring.
pub(crate) fn now() -> u64 {
    u64::try_from(BEGINNING.elapsed().as_micros()).unwrap_or(END) + BEFORE + 1
}

/// How changes are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Push {
    Events,
    WebSocket,
}

/// What one subscriber heard.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// How late each value came, in microseconds.
    pub(crate) micros: Vec<u32>,
    /// Whether it was told that values are missing.
    pub(crate) gap: bool,
    newest: u64,
    ended: bool,
}

impl Heard {
    /// Takes a value; those from before the trial and repeated ones do not count.
    pub(crate) fn take(&mut self, value: u64) {
        if value == END {
            self.ended = true;
        } else if value > self.newest.max(BEFORE) {
            self.newest = value;
            self.micros.push(u32::try_from(now().saturating_sub(value)).unwrap_or(u32::MAX));
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.ended
    }
}

/// A subscription over which nothing has come yet.
pub(crate) struct Opened {
    pub(crate) stream: TcpStream,
    pub(crate) buffer: Vec<u8>,
}

/// Open subscriptions.
pub(crate) struct Listeners {
    push: Push,
    opened: Vec<Opened>,
}

/// Handshakes under way at the same time: more would overflow the listen queue.
const HANDSHAKES: usize = 64;

impl Listeners {
    /// Opens subscriptions to what is published to `topic/name`, and returns when all stand.
    pub(crate) async fn open(
        stage: &Stage,
        push: Push,
        topic: &str,
        name: &str,
        count: usize,
    ) -> Result<Self> {
        let mut opened = Vec::with_capacity(count);
        let mut opening = JoinSet::new();
        for _ in 0..count {
            if opening.len() == HANDSHAKES
                && let Some(one) = opening.join_next().await
            {
                opened.push(one??);
            }
            let (http, system) = (stage.http, stage.system);
            match push {
                Push::Events => opening.spawn(sse::open(http, system.events(topic, name))),
                Push::WebSocket => {
                    let subscription = system.subscription(topic, name);
                    opening.spawn(ws::open(http, system.socket(topic, name), subscription))
                }
            };
        }
        while let Some(one) = opening.join_next().await {
            opened.push(one??);
        }
        Ok(Self { push, opened })
    }

    /// Listens until each has heard the end, or for as long as that.
    pub(crate) async fn listen(self, at_most: Duration) -> Result<Vec<Heard>> {
        let deadline = tokio::time::Instant::now() + at_most;
        let mut listening = JoinSet::new();
        for one in self.opened {
            let push = self.push;
            listening.spawn(async move {
                let mut heard = Heard::default();
                // Who has not heard the end by then lacks what is counted afterwards.
                let _ = timeout_at(deadline, follow(push, one, &mut heard)).await;
                heard
            });
        }
        let mut all = Vec::with_capacity(listening.len());
        while let Some(heard) = listening.join_next().await {
            all.push(heard?);
        }
        Ok(all)
    }
}

async fn follow(push: Push, opened: Opened, heard: &mut Heard) -> Result<()> {
    match push {
        Push::Events => sse::follow(opened, heard).await,
        Push::WebSocket => ws::follow(opened, heard).await,
    }
}
