//! Message IDs towards one peer.

use std::time::Duration;

use crate::time::Time;

const SEGMENT: u16 = 1 << 13;
const SEGMENTS: usize = (1 << 16) / SEGMENT as usize;

/// Counts up from a random start, and uses none again within its lifetime, EXCHANGE_LIFETIME (RFC
/// 7252 section 4.4). What is remembered is when each eighth of the circle was left.
#[derive(Debug)]
pub(super) struct Mids {
    next: u16,
    left: [Option<Time>; SEGMENTS],
}

impl Mids {
    pub(super) fn starting_at(next: u16) -> Self {
        Self { next, left: [None; SEGMENTS] }
    }

    /// The next message ID; none while all are in use.
    pub(super) fn take(&mut self, now: Time, lifetime: Duration) -> Option<u16> {
        let mid = self.next;
        let segment = usize::from(mid / SEGMENT);
        let rested = |left: Time| now.saturating_sub(left) >= lifetime;
        let entering = mid.is_multiple_of(SEGMENT);
        if entering && !self.left[segment].is_none_or(rested) {
            return None;
        }
        self.next = mid.wrapping_add(1);
        if self.next.is_multiple_of(SEGMENT) {
            self.left[segment] = Some(now);
        }
        Some(mid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Duration = Duration::from_secs(247);

    #[test]
    fn none_is_used_again_within_its_lifetime() {
        let mut mids = Mids::starting_at(60_000);
        let taken: Vec<u16> = std::iter::from_fn(|| mids.take(Duration::ZERO, LIFETIME)).collect();
        let mut sorted = taken.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), taken.len());
        assert!(taken.len() > 50_000, "{}", taken.len());
        assert_eq!(mids.take(LIFETIME - Duration::from_secs(1), LIFETIME), None);
        assert_eq!(mids.take(LIFETIME, LIFETIME), Some(taken.last().unwrap().wrapping_add(1)));
    }
}
