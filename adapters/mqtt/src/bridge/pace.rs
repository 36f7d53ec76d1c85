//! When the link may nap. What a message costs is mostly the wake-up that it causes, so where many
//! come, it is cheaper to let them pile up for a moment than to be woken for each. Where few come,
//! none is kept waiting. It knows neither sockets nor clocks.

use std::time::Duration;

use tokio::time::Instant;

/// How long a nap is, and how much later a message may be applied because of it.
pub(super) const NAP: Duration = Duration::from_millis(1);

/// Fewer packets than these are each attended to at once: five in a nap's time are not worth one.
const FEW_PER_SECOND: f64 = 5_000.0;

/// So many packets beyond [`FEW_PER_SECOND`] are a flood, and it is over when they have run off:
/// neither a burst nor a gap of a few milliseconds tells the one from the other.
const FLOOD: f64 = 20.0;
const MOST: f64 = 2.0 * FLOOD;

/// A flood is over when it was none for so long: it costs a little to begin with another.
const CALM: Duration = Duration::from_secs(1);

/// How long to stay awake where the broker was found to wait for us.
const AWAKE: Duration = Duration::from_millis(100);

/// A broker sends so and so many QoS 1 and 2 messages ahead of our acknowledgements, and does not
/// say how many; mosquitto 20, unless told otherwise. Then it waits, and a nap of ours would make
/// the flood slower. It is known by this: so many naps in a row bring exactly the most that ever
/// came at one time.
const SIGNS_OF_WAITING: u32 = 2;

pub(super) struct Pace {
    /// Packets beyond [`FEW_PER_SECOND`], at most [`MOST`].
    excess: f64,
    counted: Instant,
    /// Packets since the link was last idle.
    arrived: usize,
    /// Those of them that the broker wants answered before it sends more.
    owed: usize,
    /// The most that were ever `owed`: the broker's window is no smaller.
    most_owed: usize,
    napped: bool,
    signs_of_waiting: u32,
    awake_until: Instant,
    flood_until: Instant,
    flood: bool,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            excess: 0.0,
            counted: now,
            arrived: 0,
            owed: 0,
            most_owed: 0,
            napped: false,
            signs_of_waiting: 0,
            awake_until: now,
            flood_until: now,
            flood: false,
        }
    }

    /// A packet came; `owed` says that the broker may wait for its answer.
    pub(super) fn arrived(&mut self, owed: bool) {
        self.arrived += 1;
        self.owed += usize::from(owed);
    }

    /// Whether to nap, now that everything that came is done and answered.
    pub(super) fn may_nap(&mut self, now: Instant) -> bool {
        // Whoever has just napped has to look first.
        if self.arrived == 0 {
            return false;
        }
        self.look_for_waiting(now);
        let passed = now.duration_since(self.counted).as_secs_f64();
        let rest = (self.excess - passed * FEW_PER_SECOND).max(0.0);
        self.excess = (rest + self.arrived as f64).min(MOST);
        self.counted = now;
        self.arrived = 0;
        self.owed = 0;
        if self.excess >= FLOOD {
            self.flood_until = now + CALM;
        }
        self.flood = now < self.flood_until;
        self.napped = self.excess >= FLOOD && now >= self.awake_until;
        self.napped
    }

    /// Whether many packets come, or came a moment ago.
    pub(super) fn is_flood(&self) -> bool {
        self.flood
    }

    fn look_for_waiting(&mut self, now: Instant) {
        let as_many_as_ever = self.owed == self.most_owed && self.owed * 2 > self.arrived;
        self.most_owed = self.most_owed.max(self.owed);
        self.signs_of_waiting =
            if self.napped && as_many_as_ever { self.signs_of_waiting + 1 } else { 0 };
        if self.signs_of_waiting == SIGNS_OF_WAITING {
            self.signs_of_waiting = 0;
            self.awake_until = now + AWAKE;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets that come at an even rate, of which the broker sends `window` at once, and a link
    /// that looks when there is something, or after its nap; now and then the machine is busy.
    struct Flow {
        per_second: u32,
        window: usize,
        owed: bool,
    }

    #[derive(Debug)]
    struct Taken {
        packets: usize,
        naps: usize,
    }

    impl Flow {
        /// A second of it.
        fn take(&self) -> Taken {
            let begun = Instant::now();
            let every = Duration::from_secs(1) / self.per_second;
            let mut now = begun;
            let mut pace = Pace::new(now);
            let mut taken = Taken { packets: 0, naps: 0 };
            for look in 1_u32.. {
                if now - begun >= Duration::from_secs(1) {
                    break;
                }
                let sent = (now - begun).div_duration_f64(every) as usize;
                let came = (sent - taken.packets).min(self.window);
                taken.packets += came;
                arrived(&mut pace, came, self.owed);
                now += Duration::from_micros(if look.is_multiple_of(64) { 3_000 } else { 20 });
                if pace.may_nap(now) {
                    taken.naps += 1;
                    now += NAP;
                }
            }
            taken
        }
    }

    fn arrived(pace: &mut Pace, packets: usize, owed: bool) {
        (0..packets).for_each(|_| pace.arrived(owed));
    }

    #[test]
    fn few_packets_are_never_kept_waiting() {
        for per_second in [10, 1_000, 4_900] {
            let taken = Flow { per_second, window: 1_000, owed: true }.take();
            assert_eq!(taken.naps, 0, "{per_second}");
        }
    }

    #[test]
    fn a_flood_is_napped_through_also_when_it_begins_packet_by_packet() {
        for per_second in [10_000, 50_000, 130_000] {
            for owed in [false, true] {
                let taken = Flow { per_second, window: 1_000, owed }.take();
                assert!(taken.naps > 800, "{per_second} {owed} {taken:?}");
            }
        }
    }

    #[test]
    fn a_broker_that_waits_for_answers_is_not_kept_waiting() {
        for per_second in [30_000, 60_000] {
            let taken = Flow { per_second, window: 20, owed: true }.take();
            assert!(taken.packets * 100 > per_second as usize * 98, "{per_second} {taken:?}");
            assert!(taken.naps < 50, "{per_second} {taken:?}");
        }
        let taken = Flow { per_second: 10_000, window: 20, owed: true }.take();
        assert!(taken.naps > 200, "it seldom has to wait: {taken:?}");
    }

    #[test]
    fn nobody_naps_twice_without_a_look() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        arrived(&mut pace, 1_000, false);
        assert!(pace.may_nap(now));
        assert!(!pace.may_nap(now + NAP));
        pace.arrived(false);
        assert!(pace.may_nap(now + 2 * NAP), "the flood goes on");
    }

    #[test]
    fn a_flood_that_is_over_is_soon_forgotten() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        arrived(&mut pace, 100_000, true);
        assert!(pace.may_nap(now));
        pace.arrived(true);
        assert!(!pace.may_nap(now + Duration::from_millis(5)));
    }
}
