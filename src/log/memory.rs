use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use once_cell::race::OnceBox;
use parking_lot::RwLock;
use thingway_sdk::Timestamp;
use tokio::sync::Notify;

use super::listeners::{Announcement, Listeners};
use super::{Change, Draft, EventLog, Gap, LANE_PAGE, Lane, Listening, LogConfig, Seq};

/// A log in memory: a ring bounded by bytes and by age. The oldest changes go first.
pub struct MemoryLog {
    ring: RwLock<Ring>,
    listeners: Arc<Listeners>,
    config: LogConfig,
}

struct Ring {
    /// Without holes: the entry at `i` has the sequence number of the first plus `i`.
    entries: VecDeque<Entry>,
    /// Of the entries; what readers had made of them is in `made`.
    bytes: usize,
    made: Arc<AtomicUsize>,
    /// The newest sequence number.
    head: Seq,
    /// Where the log began: who was further back knows it from before a restart.
    born: Seq,
}

struct Entry {
    draft: Draft,
    /// The place of the entry before it in the same lane.
    earlier: Seq,
    /// Made by the first reader, shared by all.
    change: OnceBox<Arc<Change>>,
}

impl MemoryLog {
    /// An empty log. Its first number comes from the clock (microseconds since 1970), so that a
    /// position from before a restart is always older than all that follows.
    #[must_use]
    pub fn new(config: LogConfig) -> Self {
        let micros = u64::try_from(Timestamp::now().as_micros()).unwrap_or(0);
        Self::starting_after(Seq(micros), config)
    }

    fn starting_after(head: Seq, config: LogConfig) -> Self {
        let ring =
            Ring { entries: VecDeque::new(), bytes: 0, made: Arc::default(), head, born: head };
        Self { ring: RwLock::new(ring), listeners: Arc::default(), config }
    }
}

impl Ring {
    fn push(&mut self, draft: Draft) {
        self.head.0 += 1;
        let earlier = draft.lane().advance(self.head);
        let entry = Entry { draft, earlier, change: OnceBox::new() };
        self.bytes += entry.size();
        self.entries.push_back(entry);
    }

    /// Makes room for `more` entries: twice as many as before, but never for more than may stay.
    /// A ring fills all the room it has.
    fn grow(&mut self, more: usize, config: &LogConfig) {
        let needed = self.entries.len() + more;
        if needed > self.entries.capacity() {
            let most = config.bytes / size_of::<Entry>() + more;
            let room = (self.entries.capacity() * 2).min(most).max(needed);
            self.entries.reserve_exact(room - self.entries.len());
        }
    }

    /// Looks at the things of the oldest entries: as many go as came. When an entry goes, its thing
    /// is held by one less, and it was last used so long ago that it is in no cache; this way the
    /// processor fetches several at the same time.
    fn approach_oldest(&self, count: usize) {
        for entry in self.entries.iter().take(count) {
            black_box(Arc::strong_count(&entry.draft.thing));
        }
    }

    fn shrink(&mut self, config: &LogConfig, now: Timestamp) {
        let oldest_kept = Duration::from_secs(config.age_seconds);
        while let Some(first) = self.entries.front() {
            let fits = self.bytes + self.made.load(Ordering::Relaxed) <= config.bytes;
            if fits && first.draft.recorded.until(now) <= oldest_kept {
                break;
            }
            self.bytes -= first.size();
            self.entries.pop_front();
        }
    }

    /// The position before the first change that is still here.
    fn tail(&self) -> Seq {
        Seq(self.head.0 - self.entries.len() as u64)
    }

    fn get(&self, seq: Seq) -> Option<&Entry> {
        let index = seq.0.checked_sub(self.tail().0 + 1)?;
        self.entries.get(usize::try_from(index).ok()?)
    }

    /// The change as readers get it.
    fn show(&self, seq: Seq) -> Option<Arc<Change>> {
        let entry = self.get(seq)?;
        if let Some(change) = entry.change.get() {
            return Some(change.clone());
        }
        let change = Change::new(seq, &entry.draft, &self.made)?;
        Some(entry.change.get_or_init(|| Box::new(change)).clone())
    }
}

impl Entry {
    fn size(&self) -> usize {
        size_of::<Self>() + self.draft.heap_bytes()
    }
}

impl EventLog for MemoryLog {
    fn append(&self, batch: &mut Vec<Draft>) -> Announcement {
        let Some(now) = batch.last().map(|draft| draft.recorded) else {
            return Announcement::default();
        };
        let count = batch.len();
        let mut ring = self.ring.write();
        ring.grow(count, &self.config);
        batch.drain(..).for_each(|draft| ring.push(draft));
        let appended = ring.entries.range(ring.entries.len() - count..);
        let lanes = appended.map(|entry| entry.draft.lane().listeners());
        let announcement = Announcement::of(&self.listeners, lanes);
        ring.approach_oldest(count);
        ring.shrink(&self.config, now);
        announcement
    }

    fn head(&self) -> Seq {
        self.ring.read().head
    }

    fn read(&self, after: Seq, limit: usize) -> Result<Vec<Arc<Change>>, Gap> {
        let ring = self.ring.read();
        if after < ring.tail() || after > ring.head {
            return Err(Gap { until: ring.head });
        }
        let there = usize::try_from(ring.head.0 - after.0).unwrap_or(usize::MAX);
        let seqs = (after.0 + 1..).map(Seq).take(there.min(limit));
        Ok(seqs.filter_map(|seq| ring.show(seq)).collect())
    }

    fn read_lane(&self, lane: &Lane, after: Seq, limit: usize) -> Result<Vec<Arc<Change>>, Gap> {
        let ring = self.ring.read();
        let gap = Gap { until: ring.head };
        if after < ring.born || after > ring.head {
            return Err(gap);
        }
        // From the newest back: the last found are the first to be read.
        let mut page = VecDeque::new();
        let mut count = 0;
        let mut next = lane.newest();
        while next > after {
            let entry = ring.get(next).filter(|_| count < limit).ok_or(gap)?;
            if page.len() == LANE_PAGE {
                page.pop_front();
            }
            page.push_back(next);
            count += 1;
            next = entry.earlier;
        }
        Ok(page.into_iter().rev().filter_map(|seq| ring.show(seq)).collect())
    }

    fn listen(&self, wake: Arc<Notify>) -> Listening {
        Listeners::listen(&self.listeners, wake)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{Fact, Occurrence};
    use crate::registry::Thing;
    use thingway_sdk::{ThingId, Value};

    fn thing(name: &str) -> Arc<Thing> {
        Thing::new(ThingId::from_name(name), None, Timestamp::from_micros(0))
    }

    fn log(bytes: usize) -> MemoryLog {
        MemoryLog::starting_after(Seq(100), LogConfig { bytes, age_seconds: 60 })
    }

    fn draft(thing: &Arc<Thing>, seconds: i64) -> Draft {
        let recorded = Timestamp::from_micros(seconds * 1_000_000);
        let event = Occurrence { name: "e".into(), data: Value::Null, time: recorded };
        Draft { thing: thing.clone(), fact: Fact::Event(Box::new(event)), recorded }
    }

    fn append_at(log: &MemoryLog, thing: &Arc<Thing>, seconds: i64) {
        log.append(&mut vec![draft(thing, seconds)]).announce();
    }

    fn seqs(read: Result<Vec<Arc<Change>>, Gap>) -> Vec<u64> {
        read.unwrap().iter().map(|change| change.seq.0).collect()
    }

    #[test]
    fn numbers_are_the_same_for_the_whole_log_and_for_a_lane() {
        let log = log(1 << 20);
        let (a, b) = (thing("a"), thing("b"));
        for thing in [&a, &b, &a, &a, &b] {
            append_at(&log, thing, 1);
        }
        assert_eq!(seqs(log.read(Seq(100), 10)), [101, 102, 103, 104, 105]);
        assert_eq!(seqs(log.read(Seq(102), 2)), [103, 104]);
        assert_eq!(seqs(log.read(Seq(105), 10)), [] as [u64; 0]);
        assert_eq!(seqs(log.read_lane(a.lane(), Seq(100), 10)), [101, 103, 104]);
        assert_eq!(seqs(log.read_lane(b.lane(), Seq(102), 10)), [105]);
    }

    #[test]
    fn what_was_dropped_is_a_gap_and_never_skipped_in_silence() {
        let one = log(1 << 20);
        append_at(&one, &thing("a"), 1);
        let size = one.ring.read().bytes;
        let log = log(size * 2);
        let (a, b) = (thing("a"), thing("b"));
        for thing in [&a, &b, &b, &b] {
            append_at(&log, thing, 1);
        }
        assert_eq!(log.read(Seq(101), 10).unwrap_err(), Gap { until: Seq(104) });
        assert_eq!(seqs(log.read(Seq(102), 10)), [103, 104]);
        assert_eq!(log.read_lane(a.lane(), Seq(100), 10).unwrap_err(), Gap { until: Seq(104) });
        assert_eq!(seqs(log.read_lane(a.lane(), Seq(101), 10)), [] as [u64; 0]);
        assert_eq!(seqs(log.read_lane(b.lane(), Seq(102), 10)), [103, 104]);
    }

    #[test]
    fn a_position_from_the_future_or_from_before_the_start_is_a_gap() {
        let log = log(1 << 20);
        let a = thing("a");
        append_at(&log, &a, 1);
        assert!(log.read(Seq(7), 10).is_err());
        assert!(log.read(Seq(999), 10).is_err());
        assert!(log.read_lane(a.lane(), Seq(999), 10).is_err());
        assert!(log.read_lane(a.lane(), Seq(99), 10).is_err());
    }

    #[test]
    fn too_much_for_one_reader_of_a_lane_is_a_gap() {
        let log = log(1 << 20);
        let a = thing("a");
        for _ in 0..5 {
            append_at(&log, &a, 1);
        }
        assert!(log.read_lane(a.lane(), Seq(100), 4).is_err());
        assert_eq!(log.read_lane(a.lane(), Seq(100), 5).unwrap().len(), 5);
    }

    #[test]
    fn old_changes_go_even_when_there_is_room() {
        let log = log(1 << 20);
        let a = thing("a");
        append_at(&log, &a, 1);
        append_at(&log, &a, 62);
        assert_eq!(log.ring.read().entries.len(), 1);
    }

    #[test]
    fn a_long_lane_is_read_page_by_page() {
        let log = log(1 << 20);
        let (a, b) = (thing("a"), thing("b"));
        let mut batch: Vec<Draft> =
            (0..3000).map(|i| draft(if i % 2 == 0 { &a } else { &b }, 1)).collect();
        log.append(&mut batch).announce();
        let first = seqs(log.read_lane(a.lane(), Seq(100), usize::MAX));
        assert_eq!((first.len(), first[0], first[1]), (LANE_PAGE, 101, 103));
        let last = Seq(first[LANE_PAGE - 1]);
        let second = seqs(log.read_lane(a.lane(), last, usize::MAX));
        assert_eq!((second.len(), second[0]), (1500 - LANE_PAGE, last.0 + 2));
    }

    #[test]
    fn readers_share_what_the_first_had_made() {
        let log = log(1 << 20);
        let a = thing("a");
        append_at(&log, &a, 1);
        let one = log.read(Seq(100), 1).unwrap().remove(0);
        let other = log.read_lane(a.lane(), Seq(100), 1).unwrap().remove(0);
        assert!(Arc::ptr_eq(&one, &other));
    }

    #[test]
    fn what_readers_had_made_of_a_change_counts_and_goes_with_it() {
        let log = log(1 << 20);
        let a = thing("a");
        append_at(&log, &a, 1);
        let made = || log.ring.read().made.load(Ordering::Relaxed);
        assert_eq!(made(), 0, "nobody reads");
        let change = log.read(Seq(100), 1).unwrap().remove(0);
        change.frame(|_| bytes::Bytes::from_static(&[0; 100]));
        assert_eq!(made(), change.size() + 100);
        drop(change);
        append_at(&log, &a, 62);
        assert_eq!(made(), 0);
    }

    #[test]
    fn an_entry_is_small_and_the_ring_keeps_to_its_room() {
        assert!(size_of::<Entry>() <= 72, "{}", size_of::<Entry>());
        let log = log(100 * size_of::<Entry>());
        let a = thing("a");
        (0..1000).for_each(|_| append_at(&log, &a, 1));
        let ring = log.ring.read();
        assert!(ring.entries.capacity() <= 101, "{}", ring.entries.capacity());
    }

    #[tokio::test]
    async fn a_burst_wakes_a_listener_once() {
        let log = log(1 << 20);
        let wake = Arc::new(Notify::new());
        let listening = log.listen(wake.clone());
        let a = thing("a");
        (0..3).for_each(|_| append_at(&log, &a, 1));
        wake.notified().await;
        let second = tokio::time::timeout(Duration::from_millis(10), wake.notified()).await;
        assert!(second.is_err());
        drop(listening);
        append_at(&log, &a, 1);
        let after_its_end = tokio::time::timeout(Duration::from_millis(10), wake.notified()).await;
        assert!(after_its_end.is_err());
    }
}
