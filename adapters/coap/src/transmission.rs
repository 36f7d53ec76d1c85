//! How Confirmable messages are sent again, and what follows from it (RFC 7252 section 4.8).

use std::time::Duration;

use serde::Deserialize;

/// RFC 7252 section 4.8
pub(crate) const ACK_RANDOM_FACTOR: f64 = 1.5;
/// The longest that a datagram is on its way (RFC 7252 section 4.8.2).
const MAX_LATENCY: Duration = Duration::from_secs(100);
/// Losses in a row that are no sign yet that a peer is gone.
const LOSSES: u32 = 3;

/// The transmission parameters that can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmission {
    /// How long an acknowledgement is waited for at first, at least; up to half as much again at
    /// random. Each time after it is twice as long.
    pub ack_timeout: Duration,
    /// How often a message is sent again.
    pub max_retransmit: u32,
}

impl Default for Transmission {
    fn default() -> Self {
        Self { ack_timeout: Duration::from_secs(2), max_retransmit: 4 }
    }
}

impl Transmission {
    /// From the first transmission to the last but so many, at most.
    fn span(&self, retransmissions: u32) -> Duration {
        let doublings = 2_f64.powi(retransmissions.cast_signed()) - 1.0;
        self.ack_timeout.mul_f64(doublings * ACK_RANDOM_FACTOR)
    }

    /// How long a message may take until it is given up: MAX_TRANSMIT_WAIT.
    #[must_use]
    pub fn wait(&self) -> Duration {
        self.span(self.max_retransmit + 1)
    }

    /// How long an answer takes when no more than three transmissions in a row are lost.
    #[must_use]
    pub fn answer_wait(&self) -> Duration {
        self.span(self.max_retransmit.min(LOSSES)) + 2 * self.ack_timeout
    }

    /// How long a Confirmable message ID may turn up again: EXCHANGE_LIFETIME, of this side or, by
    /// the default parameters, of the other.
    #[must_use]
    pub fn exchange_lifetime(&self) -> Duration {
        let own = self.span(self.max_retransmit) + 2 * MAX_LATENCY + self.ack_timeout;
        own.max(Duration::from_secs(247))
    }
}

/// `ack_timeout_seconds`
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(try_from = "f64")]
pub struct AckTimeout(f64);

/// `max_retransmit`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u32")]
pub struct MaxRetransmit(u32);

impl AckTimeout {
    const SHORTEST: f64 = 0.05;
    const LONGEST: f64 = 60.0;
}

impl MaxRetransmit {
    const MOST: u32 = 10;
}

impl Default for AckTimeout {
    fn default() -> Self {
        Self(Transmission::default().ack_timeout.as_secs_f64())
    }
}

impl Default for MaxRetransmit {
    fn default() -> Self {
        Self(Transmission::default().max_retransmit)
    }
}

impl TryFrom<f64> for AckTimeout {
    type Error = String;

    fn try_from(seconds: f64) -> Result<Self, String> {
        match (Self::SHORTEST..=Self::LONGEST).contains(&seconds) {
            true => Ok(Self(seconds)),
            false => Err(format!(
                "{seconds} s: it is {} s at least and {} s at most",
                Self::SHORTEST,
                Self::LONGEST
            )),
        }
    }
}

impl TryFrom<u32> for MaxRetransmit {
    type Error = String;

    fn try_from(times: u32) -> Result<Self, String> {
        match times <= Self::MOST {
            true => Ok(Self(times)),
            false => Err(format!("{times} times: it is {} at most", Self::MOST)),
        }
    }
}

impl From<(AckTimeout, MaxRetransmit)> for Transmission {
    fn from((ack_timeout, max_retransmit): (AckTimeout, MaxRetransmit)) -> Self {
        let ack_timeout = Duration::from_secs_f64(ack_timeout.0);
        Self { ack_timeout, max_retransmit: max_retransmit.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_give_the_times_of_the_standard() {
        let usual = Transmission::default();
        let seconds = Duration::from_secs;
        assert_eq!(usual.wait(), seconds(93));
        assert_eq!(usual.exchange_lifetime(), seconds(247));
        assert_eq!(usual.answer_wait(), seconds(25));
    }

    #[test]
    fn times_follow_the_timeout_but_for_what_the_other_side_may_need() {
        let of = |seconds, times| {
            let (timeout, times) = (AckTimeout::try_from(seconds), MaxRetransmit::try_from(times));
            Transmission::from((timeout.unwrap(), times.unwrap()))
        };
        let quick = of(0.2, 4);
        assert_eq!(quick.answer_wait(), Duration::from_millis(2500));
        assert_eq!(quick.exchange_lifetime(), Duration::from_secs(247));
        assert_eq!(of(10.0, 4).exchange_lifetime(), Duration::from_secs(435));
        assert_eq!(of(2.0, 0).answer_wait(), Duration::from_secs(4));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for seconds in [0.0, 0.049, -1.0, 61.0, f64::NAN, f64::INFINITY] {
            let error = AckTimeout::try_from(seconds).unwrap_err();
            assert!(error.contains("0.05 s at least and 60 s at most"), "{error}");
        }
        assert!(MaxRetransmit::try_from(11).is_err());
    }
}
