use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::RwLock;
use thingway_sdk::Timestamp;
use tokio::sync::Notify;

use super::listeners::Listeners;
use super::{Change, Draft, EventLog, Gap, Lane, Listening, LogConfig, Seq};

/// A log in memory: a ring bounded by bytes and by age. The oldest changes go first.
pub struct MemoryLog {
    ring: RwLock<Ring>,
    listeners: Arc<Listeners>,
    config: LogConfig,
}

struct Ring {
    /// Without holes: the change at `i` has the sequence number of the first plus `i`.
    changes: VecDeque<Arc<Change>>,
    /// Of the changes; what readers had made of them is in `cached`.
    bytes: usize,
    cached: Arc<AtomicUsize>,
    /// The newest sequence number that was given.
    last: Seq,
    /// Up to here readers see it.
    published: Seq,
    /// Where the log began: who was further back knows it from before a restart.
    born: Seq,
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
        let ring = Ring {
            changes: VecDeque::new(),
            bytes: 0,
            cached: Arc::default(),
            last: head,
            published: head,
            born: head,
        };
        Self { ring: RwLock::new(ring), listeners: Arc::default(), config }
    }
}

impl Ring {
    fn push(&mut self, draft: Draft) -> Seq {
        self.last.0 += 1;
        let earlier = draft.lane.advance(self.last);
        let change = Arc::new(Change::new(self.last, earlier, draft, self.cached.clone()));
        self.bytes += change.size();
        self.changes.push_back(change);
        self.last
    }

    fn shrink(&mut self, config: &LogConfig, now: Timestamp) {
        let oldest_kept = Duration::from_secs(config.age_seconds);
        while let Some(first) = self.changes.front().filter(|first| first.seq <= self.published) {
            let fits = self.bytes + self.cached.load(Ordering::Relaxed) <= config.bytes;
            if fits && first.recorded.until(now) <= oldest_kept {
                break;
            }
            self.bytes -= first.size();
            self.changes.pop_front();
        }
    }

    /// The position before the first change that is still here.
    fn tail(&self) -> Seq {
        self.changes.front().map_or(self.last, |first| Seq(first.seq.0 - 1))
    }

    fn get(&self, seq: Seq) -> Option<&Arc<Change>> {
        let index = seq.0.checked_sub(self.tail().0 + 1)?;
        self.changes.get(usize::try_from(index).ok()?)
    }
}

impl EventLog for MemoryLog {
    fn append(&self, draft: Draft) -> Seq {
        let now = draft.recorded;
        let mut ring = self.ring.write();
        let seq = ring.push(draft);
        ring.shrink(&self.config, now);
        seq
    }

    fn publish(&self) {
        let mut ring = self.ring.write();
        ring.published = ring.last;
    }

    fn announce(&self) {
        self.listeners.announce();
    }

    fn head(&self) -> Seq {
        self.ring.read().published
    }

    fn read(&self, after: Seq, limit: usize) -> Result<Vec<Arc<Change>>, Gap> {
        let ring = self.ring.read();
        if after < ring.tail() || after > ring.published {
            return Err(Gap { until: ring.published });
        }
        let skip = usize::try_from(after.0 - ring.tail().0).unwrap_or(usize::MAX);
        let there = usize::try_from(ring.published.0 - after.0).unwrap_or(usize::MAX);
        Ok(ring.changes.iter().skip(skip).take(there.min(limit)).cloned().collect())
    }

    fn read_lane(&self, lane: &Lane, after: Seq, limit: usize) -> Result<Vec<Arc<Change>>, Gap> {
        let ring = self.ring.read();
        let gap = Gap { until: ring.published };
        if after < ring.born || after > ring.published {
            return Err(gap);
        }
        let mut found = Vec::new();
        let mut next = lane.newest();
        while next > after {
            let change = ring.get(next).filter(|_| found.len() < limit).ok_or(gap)?;
            if change.seq <= ring.published {
                found.push(change.clone());
            }
            next = change.earlier;
        }
        found.reverse();
        Ok(found)
    }

    fn listen(&self, wake: Arc<Notify>) -> Listening {
        Listeners::listen(&self.listeners, wake)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::What;
    use thingway_sdk::{ThingId, Value};

    fn lane(name: &str) -> Arc<Lane> {
        Lane::new(ThingId::from_name(name))
    }

    fn log(bytes: usize) -> MemoryLog {
        MemoryLog::starting_after(Seq(100), LogConfig { bytes, age_seconds: 60 })
    }

    fn append_at(log: &MemoryLog, lane: &Arc<Lane>, seconds: i64) -> Seq {
        let recorded = Timestamp::from_micros(seconds * 1_000_000);
        let what = What::Event("e".into(), Value::Null, recorded);
        let seq = log.append(Draft { lane: lane.clone(), what, recorded });
        log.publish();
        seq
    }

    fn seqs(read: Result<Vec<Arc<Change>>, Gap>) -> Vec<u64> {
        read.unwrap().iter().map(|change| change.seq.0).collect()
    }

    #[test]
    fn numbers_are_the_same_for_the_whole_log_and_for_a_lane() {
        let log = log(1 << 20);
        let (a, b) = (lane("a"), lane("b"));
        for lane in [&a, &b, &a, &a, &b] {
            append_at(&log, lane, 1);
        }
        assert_eq!(seqs(log.read(Seq(100), 10)), [101, 102, 103, 104, 105]);
        assert_eq!(seqs(log.read(Seq(102), 2)), [103, 104]);
        assert_eq!(seqs(log.read(Seq(105), 10)), [] as [u64; 0]);
        assert_eq!(seqs(log.read_lane(&a, Seq(100), 10)), [101, 103, 104]);
        assert_eq!(seqs(log.read_lane(&b, Seq(102), 10)), [105]);
    }

    #[test]
    fn what_was_dropped_is_a_gap_and_never_skipped_in_silence() {
        let one = log(1 << 20);
        append_at(&one, &lane("a"), 1);
        let size = one.ring.read().bytes;
        let log = log(size * 2);
        let (a, b) = (lane("a"), lane("b"));
        for lane in [&a, &b, &b, &b] {
            append_at(&log, lane, 1);
        }
        assert_eq!(log.read(Seq(101), 10).unwrap_err(), Gap { until: Seq(104) });
        assert_eq!(seqs(log.read(Seq(102), 10)), [103, 104]);
        assert_eq!(log.read_lane(&a, Seq(100), 10).unwrap_err(), Gap { until: Seq(104) });
        assert_eq!(seqs(log.read_lane(&a, Seq(101), 10)), [] as [u64; 0]);
        assert_eq!(seqs(log.read_lane(&b, Seq(102), 10)), [103, 104]);
    }

    #[test]
    fn a_position_from_the_future_or_from_before_the_start_is_a_gap() {
        let log = log(1 << 20);
        let a = lane("a");
        append_at(&log, &a, 1);
        assert!(log.read(Seq(7), 10).is_err());
        assert!(log.read(Seq(999), 10).is_err());
        assert!(log.read_lane(&a, Seq(999), 10).is_err());
        assert!(log.read_lane(&a, Seq(99), 10).is_err());
    }

    #[test]
    fn too_much_for_one_reader_of_a_lane_is_a_gap() {
        let log = log(1 << 20);
        let a = lane("a");
        for _ in 0..5 {
            append_at(&log, &a, 1);
        }
        assert!(log.read_lane(&a, Seq(100), 4).is_err());
        assert_eq!(log.read_lane(&a, Seq(100), 5).unwrap().len(), 5);
    }

    #[test]
    fn old_changes_go_even_when_there_is_room() {
        let log = log(1 << 20);
        let a = lane("a");
        append_at(&log, &a, 1);
        append_at(&log, &a, 62);
        assert_eq!(log.ring.read().changes.len(), 1);
    }

    #[test]
    fn what_is_not_published_is_neither_read_nor_dropped() {
        let log = log(1);
        let a = lane("a");
        let recorded = Timestamp::from_micros(1_000_000);
        for _ in 0..3 {
            let what = What::Event("e".into(), Value::Null, recorded);
            log.append(Draft { lane: a.clone(), what, recorded });
        }
        assert_eq!(log.head(), Seq(100));
        assert_eq!(seqs(log.read(Seq(100), 10)), [] as [u64; 0]);
        assert_eq!(seqs(log.read_lane(&a, Seq(100), 10)), [] as [u64; 0]);
        log.publish();
        assert_eq!(seqs(log.read_lane(&a, Seq(100), 10)), [101, 102, 103]);
    }

    #[test]
    fn what_readers_had_made_of_a_change_counts_and_goes_with_it() {
        let log = log(1 << 20);
        let a = lane("a");
        append_at(&log, &a, 1);
        let frame = || bytes::Bytes::from_static(&[0; 100]);
        log.read(Seq(100), 1).unwrap()[0].frame(|_| frame());
        assert_eq!(log.ring.read().cached.load(Ordering::Relaxed), 100);
        append_at(&log, &a, 62);
        assert_eq!(log.ring.read().cached.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_burst_wakes_a_listener_once() {
        let log = log(1 << 20);
        let wake = Arc::new(Notify::new());
        let listening = log.listen(wake.clone());
        (0..3).for_each(|_| log.announce());
        wake.notified().await;
        let second = tokio::time::timeout(Duration::from_millis(10), wake.notified()).await;
        assert!(second.is_err());
        drop(listening);
        log.announce();
        let after_its_end = tokio::time::timeout(Duration::from_millis(10), wake.notified()).await;
        assert!(after_its_end.is_err());
    }
}
