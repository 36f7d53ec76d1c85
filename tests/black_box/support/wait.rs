//! Patience with a bound: what must become true soon is asked for again and again, never slept for.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long anything may take on a busy machine before it counts as not happening.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

const PAUSE: Duration = Duration::from_millis(20);

/// Asks until the answer is `Ok`; the last `Err` is what the failure says.
pub(crate) async fn eventually<T>(
    what: &str,
    mut probe: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    let start = Instant::now();
    loop {
        match probe().await {
            Ok(answer) => return answer,
            Err(last) if start.elapsed() > PATIENCE => {
                panic!("{what}: not within {PATIENCE:?}; at last: {last}")
            }
            Err(_) => sleep(PAUSE).await,
        }
    }
}
