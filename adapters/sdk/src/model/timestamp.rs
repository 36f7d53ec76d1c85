use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment, in microseconds since 1970-01-01T00:00:00Z. Written as RFC 3339 with the shortest
/// fraction that says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// The largest microsecond count that RFC 3339 can say (9999-12-31).
const LATEST: i64 = 253_402_300_799_999_999;

impl Timestamp {
    /// 1970-01-01T00:00:00Z: earlier than anything that happened.
    pub const EPOCH: Self = Self(0);

    /// The moment of the call.
    #[must_use]
    pub fn now() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since_epoch.as_micros()).unwrap_or(LATEST))
    }

    /// From microseconds since the epoch; clamped to the years 1970 to 9999.
    #[must_use]
    pub fn from_micros(micros: i64) -> Self {
        Self(micros.clamp(0, LATEST))
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Reads what devices write: RFC 3339, ISO 8601 (no offset means UTC), or a count since the
    /// epoch in seconds, milliseconds, microseconds or nanoseconds, told apart by its magnitude.
    /// A moment before 2001 is no time of an observation and gives `None`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(count) = text.parse::<f64>() {
            return Self::from_epoch(count, text);
        }
        if let Ok(moment) = text.parse::<jiff::Timestamp>() {
            return Self::plausible(moment.as_microsecond());
        }
        let civil = text.parse::<jiff::civil::DateTime>().ok()?;
        let moment = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
        Self::plausible(moment.as_microsecond())
    }

    #[expect(clippy::cast_possible_truncation, reason = "the magnitude was checked before")]
    fn from_epoch(count: f64, text: &str) -> Option<Self> {
        // 1e9 seconds is September 2001; each unit owns the three decades that follow its own.
        let micros_per_unit = match count {
            c if (1e9..1e11).contains(&c) => 1e6,
            c if (1e12..1e14).contains(&c) => 1e3,
            c if (1e15..1e17).contains(&c) => 1.0,
            c if (1e18..1e20).contains(&c) => 1e-3,
            _ => return None,
        };
        // A count in whole microseconds has more digits than a float can hold.
        let micros = match text.parse::<i64>() {
            Ok(whole) if micros_per_unit >= 1.0 => whole.checked_mul(micros_per_unit as i64)?,
            Ok(whole) => whole / 1000,
            Err(_) => (count * micros_per_unit).round() as i64,
        };
        Self::plausible(micros)
    }

    fn plausible(micros: i64) -> Option<Self> {
        (1_000_000_000_000_000..=LATEST).contains(&micros).then_some(Self(micros))
    }

    /// How long before `later` this was; zero when it was not before.
    #[must_use]
    pub fn until(self, later: Self) -> Duration {
        Duration::from_micros(u64::try_from(later.0 - self.0).unwrap_or(0))
    }

    /// This moment moved into the future.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self::from_micros(self.0.saturating_add(i64::try_from(span.as_micros()).unwrap_or(LATEST)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(moment) => moment.fmt(f),
            Err(_) => Err(fmt::Error),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "`{text}` is no time: write RFC 3339, as in 2026-01-05T12:00:00Z"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_same_moment_reads_alike() {
        let expected = Timestamp(1_767_607_323_250_000);
        for text in [
            "1767607323.25",
            "1767607323250",
            "1767607323250000",
            "1767607323250000000",
            "2026-01-05T10:02:03.25Z",
            "2026-01-05T11:02:03.250+01:00",
            "2026-01-05T10:02:03.25",
            "2026-01-05 10:02:03.25",
        ] {
            assert_eq!(Timestamp::parse(text), Some(expected), "{text}");
        }
        assert_eq!(expected.to_string(), "2026-01-05T10:02:03.25Z");
    }

    #[test]
    fn what_is_no_time_of_an_observation_is_refused() {
        for text in
            ["", "21.5", "0", "-1", "NaN", "inf", "1e300", "yesterday", "1970-01-01T00:00:00Z"]
        {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }
}
