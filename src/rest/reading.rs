//! What a read of states says in its headers and its body: made here alone, whoever writes it, the
//! handlers into a response or the lane into its buffer.

use axum::http::header::{ETAG, LAST_MODIFIED};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use jiff::fmt::rfc2822::DateTimePrinter;
use thingway_sdk::{Quality, Timestamp, Value};

use super::negotiate::{VARYING, tag};
use crate::log::Seq;
use crate::registry::{Slot, Thing};

const QUALITY: HeaderName = HeaderName::from_static("thingway-quality");

/// What is known of the state, or the states, that were read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    /// The entity tag.
    pub(super) revision: Seq,
    /// Only one state has a time and a quality.
    measured: Option<(Timestamp, Quality)>,
}

impl Reading {
    /// Of one property.
    pub(super) fn of(slot: &Slot) -> Self {
        Self::of_one(slot.revision, slot.state.time, slot.state.quality)
    }

    /// Of one property, given what there is to say.
    pub(super) fn of_one(revision: Seq, time: Timestamp, quality: Quality) -> Self {
        Self { revision, measured: Some((time, quality)) }
    }

    /// Of several, with the newest revision among them.
    pub(super) fn of_several(revision: Seq) -> Self {
        Self { revision, measured: None }
    }

    /// Of all properties of a thing, whose values are appended as one object.
    pub(super) fn of_all(thing: &Thing, body: &mut Vec<u8>) -> Self {
        let mut newest = Seq::default();
        let mut before = b'{';
        thing.each_slot(|slot| {
            newest = newest.max(slot.revision());
            body.push(before);
            before = b',';
            Value::Text(slot.property().name.clone()).write_json(body);
            body.push(b':');
            slot.state().write_json(body);
        });
        if before == b'{' {
            body.push(before);
        }
        body.push(b'}');
        Self::of_several(newest)
    }

    /// Hands out the headers of an answer with or without (304) its body.
    pub(super) fn each_header(
        &self,
        now: Timestamp,
        dates: &mut HttpDate,
        mut put: impl FnMut(HeaderName, &str),
    ) {
        put(ETAG, &tag(self.revision));
        if let Some((time, quality)) = self.measured {
            // A device's clock may be ahead, but no origin may say so (RFC 9110, section
            // 8.8.2.1).
            put(LAST_MODIFIED, dates.of(time.min(now)));
            put(QUALITY, quality.as_str());
        }
        for (name, value) in VARYING {
            put(name, value);
        }
    }

    /// The same as a map.
    pub(super) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        self.each_header(Timestamp::now(), &mut HttpDate::default(), |name, value| {
            headers.extend(HeaderValue::try_from(value).ok().map(|value| (name, value)));
        });
        headers
    }
}

/// A moment as HTTP writes it (RFC 9110, section 5.6.7): to the second, rounded down. Kept, because
/// the next moment to be written is mostly of the same day, often of the same second.
#[derive(Debug, Default)]
pub(super) struct HttpDate {
    second: Option<i64>,
    text: String,
}

impl HttpDate {
    pub(super) fn of(&mut self, time: Timestamp) -> &str {
        const DAY: i64 = 24 * 60 * 60;
        let second = time.as_seconds();
        if self.second == Some(second) {
            return &self.text;
        }
        let same_day = self.second.is_some_and(|s| s.div_euclid(DAY) == second.div_euclid(DAY));
        self.second = Some(second);
        if same_day {
            self.set_clock(second.rem_euclid(DAY));
        } else {
            self.text.clear();
            let moment = jiff::Timestamp::from_second(second).unwrap_or_default();
            // All moments from 1970 until now can be written.
            let _ = DateTimePrinter::new().print_timestamp_rfc9110(&moment, &mut self.text);
        }
        &self.text
    }

    /// Writes `08:49:37` where it stands in `Sun, 06 Nov 1994 08:49:37 GMT`.
    fn set_clock(&mut self, second_of_day: i64) {
        self.text.truncate("Sun, 06 Nov 1994 ".len());
        for (unit, base, after) in [
            (36_000, 10, ""),
            (3_600, 10, ":"),
            (600, 6, ""),
            (60, 10, ":"),
            (10, 6, ""),
            (1, 10, " GMT"),
        ] {
            let digit = (second_of_day / unit % base) as u8;
            self.text.push(char::from(b'0' + digit));
            self.text.push_str(after);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_that_goes_on_from_another_is_the_one_made_anew() {
        let mut kept = HttpDate::default();
        let noon = 784_123_200;
        for second in [0, noon, noon, noon - 3_599, noon + 43_199, noon + 43_200, noon - 1, 1, -1] {
            let time = Timestamp::from_micros(second * 1_000_000 + 999_999);
            assert_eq!(kept.of(time), HttpDate::default().of(time), "{second}");
        }
        let time = Timestamp::from_micros(784_111_777_999_999);
        assert_eq!(kept.of(time), "Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn no_answer_says_that_a_value_is_of_the_future() {
        let (now, ahead) = (Timestamp::from_micros(1_000_000), Timestamp::from_micros(9_000_000));
        let reading = Reading { revision: Seq(7), measured: Some((ahead, Quality::Bad)) };
        let mut headers = Vec::new();
        reading.each_header(now, &mut HttpDate::default(), |name, value| {
            headers.push(format!("{name}: {value}"));
        });
        let expected = [
            "etag: \"7\"",
            "last-modified: Thu, 01 Jan 1970 00:00:01 GMT",
            "thingway-quality: bad",
            "cache-control: no-cache",
            "vary: accept",
        ];
        assert_eq!(headers, expected);
    }
}
