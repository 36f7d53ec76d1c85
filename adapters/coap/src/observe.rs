//! Which of two notifications is newer (RFC 7641 section 3.4).

use std::time::Duration;

use crate::time::Time;

/// After so long the order numbers of two notifications say nothing: the later is the newer.
const ORDER_HOLDS: Duration = Duration::from_secs(128);

/// Half of the 24-bit circle on which order numbers run.
const HALF: u32 = 1 << 23;

/// When a notification arrived, and the number that its Observe option gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The number, of which the lower 24 bits count.
    pub order: u32,
    /// When it arrived.
    pub at: Time,
}

impl Arrival {
    /// Whether this notification tells of a newer state than one that arrived before it.
    pub fn is_newer_than(self, last: Self) -> bool {
        let ahead = self.order.wrapping_sub(last.order) & 0x00ff_ffff;
        (1..HALF).contains(&ahead) || self.at > last.at + ORDER_HOLDS
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn newer(order: u32, seconds: u64, last: u32) -> bool {
        let last = Arrival { order: last, at: Time::ZERO };
        Arrival { order, at: Duration::from_secs(seconds) }.is_newer_than(last)
    }

    #[test]
    fn numbers_wrap_at_24_bits() {
        assert!(newer(1, 0, 0xff_ffff) && !newer(0xff_ffff, 0, 1));
        assert!(newer(HALF, 0, 1) && !newer(HALF + 1, 0, 1));
        assert!(!newer(7, 0, 7));
    }

    #[test]
    fn a_number_is_forgotten_after_128_seconds() {
        assert!(!newer(1, 128, 500) && newer(1, 129, 500));
    }

    /// The rule as RFC 7641 section 3.4 writes it down.
    fn by_the_book(v1: u32, t1: Time, v2: u32, t2: Time) -> bool {
        (v1 < v2 && v2 - v1 < HALF) || (v1 > v2 && v1 - v2 > HALF) || t2 > t1 + ORDER_HOLDS
    }

    proptest! {
        #[test]
        fn the_rule_is_that_of_the_rfc(v1 in 0u32..1 << 24, v2 in 0u32..1 << 24, t1 in 0u64..300, t2 in 0u64..300) {
            let (t1, t2) = (Duration::from_secs(t1), Duration::from_secs(t2));
            let newer = Arrival { order: v2, at: t2 }.is_newer_than(Arrival { order: v1, at: t1 });
            prop_assert_eq!(newer, by_the_book(v1, t1, v2, t2));
        }

        #[test]
        fn of_two_at_the_same_time_at_most_one_is_newer(v1 in 0u32..1 << 24, v2 in 0u32..1 << 24) {
            prop_assert!(!(newer(v1, 0, v2) && newer(v2, 0, v1)));
        }
    }
}
