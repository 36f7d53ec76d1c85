use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Who is to be woken. A stream that follows several lanes puts the same [`Notify`] into each; its
/// one stored permit is what coalesces a burst into one wake-up.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    count: AtomicUsize,
    wakes: Mutex<Vec<Arc<Notify>>>,
}

/// Ends the listening when dropped.
#[derive(Debug)]
pub struct Listening {
    listeners: Arc<Listeners>,
    wake: Arc<Notify>,
}

impl Listeners {
    pub(super) fn announce(&self) {
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        for wake in self.wakes.lock().iter() {
            wake.notify_one();
        }
    }

    pub(super) fn listen(this: &Arc<Self>, wake: Arc<Notify>) -> Listening {
        let mut wakes = this.wakes.lock();
        wakes.push(wake.clone());
        this.count.store(wakes.len(), Ordering::SeqCst);
        Listening { listeners: this.clone(), wake }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut wakes = self.listeners.wakes.lock();
        if let Some(at) = wakes.iter().position(|wake| Arc::ptr_eq(wake, &self.wake)) {
            wakes.swap_remove(at);
        }
        self.listeners.count.store(wakes.len(), Ordering::SeqCst);
    }
}
