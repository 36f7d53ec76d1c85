//! A thread of its own for one piece of work, so that it may block.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread::Builder;

use tokio::runtime;
use tokio::sync::oneshot;

/// Runs `work` to its end on a thread and a runtime of its own. A panic of it goes on in the
/// caller. When the caller drops this future, `work` is dropped at its next await.
///
/// # Errors
/// When the operating system gives no thread, or no means to wait for sockets.
pub(super) async fn run<T: Send + 'static>(
    name: &str,
    work: impl Future<Output = T> + Send + 'static,
) -> io::Result<T> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut end, ended) = oneshot::channel();
    Builder::new().name(name.to_owned()).spawn(move || {
        let working = async {
            tokio::select! {
                outcome = work => Some(outcome),
                () = end.closed() => None,
            }
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| runtime.block_on(working)));
        // A host name that is still being looked up must not hold up the end.
        runtime.shutdown_background();
        if let Some(outcome) = outcome.transpose() {
            end.send(outcome).ok();
        }
    })?;
    match ended.await {
        Ok(Ok(outcome)) => Ok(outcome),
        Ok(Err(panic)) => resume_unwind(panic),
        Err(_) => Err(io::Error::other("the thread ended without a word")),
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio_util::sync::CancellationToken;

    use super::*;

    #[tokio::test]
    async fn the_outcome_comes_back_from_another_thread() {
        let here = std::thread::current().id();
        let there = run("test", async { std::thread::current().id() }).await.unwrap();
        assert_ne!(here, there);
    }

    #[tokio::test]
    async fn a_panic_comes_back_too() {
        let work = async { panic!("on purpose") };
        let failed = tokio::spawn(async { run::<()>("test", work).await.unwrap() }).await;
        let panic = failed.unwrap_err().into_panic();
        assert_eq!(panic.downcast_ref(), Some(&"on purpose"));
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_ends() {
        let (begun, dropped) = (CancellationToken::new(), CancellationToken::new());
        let (tell, guard) = (begun.clone(), dropped.clone().drop_guard());
        let running = tokio::spawn(run("test", async move {
            let _guard = guard;
            tell.cancel();
            pending::<()>().await;
        }));
        begun.cancelled().await;
        running.abort();
        dropped.cancelled().await;
    }
}
