use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering, fence};

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
        // With the fence in `Announcement::of`: either the listener sees the news when it looks
        // next, or the writer sees the listener.
        fence(Ordering::SeqCst);
        Listening { listeners: this.clone(), wake }
    }
}

/// Who is to be told of what was appended.
#[must_use = "nobody wakes up before it is announced"]
#[derive(Default)]
pub struct Announcement(Vec<Arc<Listeners>>);

impl Announcement {
    /// For those who listen to `all`, and to the lanes of what was appended to it just now.
    pub(super) fn of<'a>(
        all: &Arc<Listeners>,
        lanes: impl Iterator<Item = Option<&'a Arc<Listeners>>>,
    ) -> Self {
        fence(Ordering::SeqCst);
        let mut waiting = vec![all.clone()];
        for listeners in lanes.flatten() {
            // The changes of a message stand next to each other.
            if !waiting.last().is_some_and(|last| Arc::ptr_eq(last, listeners)) {
                waiting.push(listeners.clone());
            }
        }
        waiting.sort_unstable_by_key(Arc::as_ptr);
        waiting.dedup_by_key(|listeners| Arc::as_ptr(listeners));
        Self(waiting)
    }

    /// Wakes them, each once.
    pub fn announce(self) {
        self.0.iter().for_each(|listeners| listeners.announce());
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
