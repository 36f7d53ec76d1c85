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

/// A broker sends so many QoS 1 and 2 messages ahead of our acknowledgements and does not say how
/// many: mosquitto 20, unless told otherwise. Then it waits, and naps of ours would make the flood
/// slower. It is known by naps in a row that bring just as many each, and by more that comes as
/// soon as nobody naps.
const ALIKE: u32 = 2;
const MORE: f64 = 1.5;

/// How long to look whether more comes; how long to believe what was seen.
const VIGIL: Duration = Duration::from_millis(5);
const BELIEF: Duration = Duration::from_millis(100);

pub(super) struct Pace {
    /// Packets beyond [`FEW_PER_SECOND`], at most [`MOST`].
    excess: f64,
    counted: Instant,
    /// Packets since then.
    arrived: usize,
    /// Those of them that the broker wants answered before it sends others.
    owed: usize,
    flood: bool,
    flood_until: Instant,
    nap: Nap,
}

/// What is made of naps.
#[derive(Debug, Clone, Copy)]
enum Nap {
    /// None was had yet, or for a while.
    Possible,
    /// The last one brought `brought` owed packets, as did `alike` ones before it.
    Had { brought: usize, alike: u32 },
    /// Stays awake for a [`VIGIL`]: with naps, so many packets came per second.
    Watching { since: Instant, arrived: usize, with_naps: f64 },
    /// The broker waits for us.
    Harmful { until: Instant },
    /// It does not.
    Harmless { until: Instant },
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            excess: 0.0,
            counted: now,
            arrived: 0,
            owed: 0,
            flood: false,
            flood_until: now,
            nap: Nap::Possible,
        }
    }

    /// A packet came; `owed` says that the broker may wait for its answer.
    pub(super) fn arrived(&mut self, owed: bool) {
        self.arrived += 1;
        self.owed += usize::from(owed);
    }

    /// Whether many packets come, or came a moment ago.
    pub(super) fn is_flood(&self) -> bool {
        self.flood
    }

    /// Whether to nap, now that everything that came is done and answered.
    pub(super) fn may_nap(&mut self, now: Instant) -> bool {
        // Whoever has just napped has to look first.
        if self.arrived == 0 {
            return false;
        }
        let passed = now.duration_since(self.counted).as_secs_f64();
        let rest = (self.excess - passed * FEW_PER_SECOND).max(0.0);
        self.excess = (rest + self.arrived as f64).min(MOST);
        let is_flood = self.excess >= FLOOD;
        if is_flood {
            self.flood_until = now + CALM;
        }
        self.flood = now < self.flood_until;
        self.nap = if is_flood { self.judge(now, passed) } else { Nap::Possible };
        self.counted = now;
        self.arrived = 0;
        self.owed = 0;
        is_flood && !matches!(self.nap, Nap::Watching { .. } | Nap::Harmful { .. })
    }

    fn judge(&self, now: Instant, passed: f64) -> Nap {
        match self.nap {
            Nap::Possible => Nap::Had { brought: self.owed, alike: 0 },
            Nap::Had { brought, alike } if brought == self.owed && brought > 0 => {
                if alike + 1 < ALIKE {
                    return Nap::Had { brought, alike: alike + 1 };
                }
                let with_naps = self.arrived as f64 / passed;
                Nap::Watching { since: now, arrived: 0, with_naps }
            }
            Nap::Had { .. } => Nap::Had { brought: self.owed, alike: 0 },
            Nap::Watching { since, arrived, with_naps } => {
                let arrived = arrived + self.arrived;
                let watched = now.duration_since(since);
                if watched < VIGIL {
                    return Nap::Watching { since, arrived, with_naps };
                }
                let until = now + BELIEF;
                let awake = arrived as f64 / watched.as_secs_f64();
                if awake > MORE * with_naps {
                    Nap::Harmful { until }
                } else {
                    Nap::Harmless { until }
                }
            }
            Nap::Harmful { until } | Nap::Harmless { until } if now >= until => Nap::Possible,
            believed => believed,
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
            assert!(taken.naps < 200, "{per_second} {taken:?}");
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
