//! posts: what reqwest costs by itself, at the pace of the changes and with as many requests under
//! way as the gateway may have.

use std::io::{BufRead, stdin};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use reqwest::Client;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::Result;

/// As large as what the gateway sends.
const BODY_BYTES: usize = 450;

/// The requests to one receiver, which its lanes take turns with.
struct Turns {
    begun: Instant,
    pause: Duration,
    taken: AtomicU32,
    last: u32,
}

/// Waits for a line, makes its requests, and waits for another line so that its processor time can
/// still be read.
pub(crate) async fn run(
    receivers: Vec<SocketAddr>,
    requests: u32,
    per_second: u32,
    concurrency: usize,
) -> Result<()> {
    let client = Client::new();
    println!("ready");
    stdin().lock().read_line(&mut String::new())?;
    let mut posting = JoinSet::new();
    for receiver in receivers {
        let turns = Arc::new(Turns {
            begun: Instant::now(),
            pause: Duration::from_secs(1) / per_second,
            taken: AtomicU32::new(0),
            last: requests,
        });
        for _ in 0..concurrency {
            posting.spawn(post(client.clone(), receiver, turns.clone()));
        }
    }
    while let Some(posted) = posting.join_next().await {
        posted??;
    }
    stdin().lock().read_line(&mut String::new())?;
    Ok(())
}

async fn post(client: Client, receiver: SocketAddr, turns: Arc<Turns>) -> Result<()> {
    let url = format!("http://{receiver}/hook");
    while let Some(number) = turns.next().await {
        let head = format!("{{\"value\":{number},\"padding\":\"");
        let padding = "x".repeat(BODY_BYTES.saturating_sub(head.len() + 2));
        let request = client.post(&url).header("content-type", "application/json");
        request.body(format!("{head}{padding}\"}}")).send().await?.error_for_status()?;
    }
    Ok(())
}

impl Turns {
    /// The next number, when it is due.
    async fn next(&self) -> Option<u32> {
        let number = self.taken.fetch_add(1, Ordering::Relaxed) + 1;
        if number > self.last {
            return None;
        }
        let due = self.begun + self.pause * number;
        // The timer's steps are of a millisecond: what is due within one goes out together.
        if due > Instant::now() + Duration::from_millis(1) {
            sleep_until(due).await;
        }
        Some(number)
    }
}
