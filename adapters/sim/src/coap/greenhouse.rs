use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::json;
use thingway_coap::content_format::{LINK_FORMAT, SENML_JSON, TEXT};
use thingway_coap::message::Code;
use thingway_coap::{Request, Response};

use crate::devices::measured;

/// A greenhouse: `/sensors/temperature` follows `/heater`, which takes `on` and `off`; `/climate` is
/// a SenML pack, and `/restart` takes POST alone.
#[derive(Debug)]
pub struct Greenhouse {
    rng: StdRng,
    temperature: f64,
    humidity: f64,
    heating: bool,
    seen: Duration,
}

/// What the device has (RFC 6690).
const LIST: &str = concat!(
    "</.well-known/core>;ct=40,",
    "</sensors/temperature>;rt=\"temperature-c\";if=\"core.s\";title=\"Temperature\";obs;ct=0,",
    "</heater>;rt=\"heater\";if=\"core.a\";title=\"Heater\";obs;ct=0,",
    "</climate>;title=\"Climate\";if=\"core.s\";ct=110,",
    "</restart>;title=\"Restart the controller\""
);

pub(super) const TEMPERATURE: &str = "/sensors/temperature";
pub(super) const HEATER: &str = "/heater";

const COLD: f64 = 12.0;
const WARM: f64 = 28.0;
/// In this time it comes two thirds of the way, in seconds.
const INERTIA: f64 = 90.0;
/// How long what it says is fresh, in seconds.
const MAX_AGE: u32 = 30;

impl Greenhouse {
    /// On a cool morning, with the heater off.
    #[must_use]
    pub fn new(rng: StdRng) -> Self {
        Self { rng, temperature: 17.0, humidity: 64.0, heating: false, seen: Duration::ZERO }
    }

    /// Time has gone on.
    pub fn tick(&mut self, uptime: Duration) {
        let seconds = uptime.saturating_sub(self.seen).as_secs_f64();
        self.seen = self.seen.max(uptime);
        let goal = if self.heating { WARM } else { COLD };
        self.temperature += (goal - self.temperature) * (1.0 - (-seconds / INERTIA).exp());
        self.humidity = (self.humidity + self.rng.random_range(-0.3..0.3)).clamp(30.0, 95.0);
    }

    /// Answers a request; true when it changed the heater.
    pub fn answer(&mut self, request: &Request) -> (Response, bool) {
        let response = match (request.path().as_str(), request.method) {
            ("/.well-known/core", Code::GET) => {
                Response::with_body(Code::CONTENT, LINK_FORMAT, LIST)
            }
            (path @ (TEMPERATURE | HEATER | "/climate"), Code::GET) => self.state(path),
            (HEATER, Code::PUT) => return self.switch(&request.payload),
            ("/restart", Code::POST) => {
                self.heating = false;
                return (Response::with_body(Code::CHANGED, TEXT, "restarted"), true);
            }
            (TEMPERATURE | HEATER | "/climate" | "/restart" | "/.well-known/core", _) => {
                Response::new(Code::METHOD_NOT_ALLOWED)
            }
            _ => Response::new(Code::NOT_FOUND),
        };
        (response, false)
    }

    /// What a resource says now.
    pub(super) fn state(&self, path: &str) -> Response {
        let (format, body) = match path {
            TEMPERATURE => (TEXT, measured(self.temperature, 2).to_string()),
            HEATER => (TEXT, if self.heating { "on" } else { "off" }.to_owned()),
            _ => (SENML_JSON, self.climate()),
        };
        Response::with_body(Code::CONTENT, format, body).max_age(MAX_AGE)
    }

    fn climate(&self) -> String {
        let pack = json!([
            { "n": "air_temperature", "u": "Cel", "v": measured(self.temperature, 2) },
            { "n": "humidity", "u": "%RH", "v": measured(self.humidity, 1) },
        ]);
        pack.to_string()
    }

    fn switch(&mut self, payload: &[u8]) -> (Response, bool) {
        self.heating = match payload {
            b"on" => true,
            b"off" => false,
            _ => return (Response::error(Code::BAD_REQUEST, "on or off"), false),
        };
        (Response::new(Code::CHANGED), true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devices::rng;

    fn text(greenhouse: &mut Greenhouse, path: &str) -> String {
        let (response, _) = greenhouse.answer(&Request::get(path));
        String::from_utf8(response.payload.to_vec()).unwrap()
    }

    #[test]
    fn it_warms_when_it_is_heated() {
        let mut greenhouse = Greenhouse::new(rng(1, 0));
        let (response, changed) =
            greenhouse.answer(&Request::new(Code::PUT, HEATER).body(TEXT, "on"));
        assert_eq!((response.code, changed), (Code::CHANGED, true));
        greenhouse.tick(Duration::from_secs(90));
        let temperature: f64 = text(&mut greenhouse, TEMPERATURE).parse().unwrap();
        assert!((23.0..25.0).contains(&temperature), "{temperature}");
        assert_eq!(text(&mut greenhouse, HEATER), "on");
        assert!(text(&mut greenhouse, "/climate").contains("%RH"));
        greenhouse.answer(&Request::new(Code::POST, "/restart"));
        assert_eq!(text(&mut greenhouse, HEATER), "off");
    }

    #[test]
    fn it_says_no_where_it_must() {
        let mut greenhouse = Greenhouse::new(rng(1, 0));
        for (method, path, code) in [
            (Code::GET, "/restart", Code::METHOD_NOT_ALLOWED),
            (Code::PUT, TEMPERATURE, Code::METHOD_NOT_ALLOWED),
            (Code::PUT, HEATER, Code::BAD_REQUEST),
            (Code::GET, "/none", Code::NOT_FOUND),
        ] {
            assert_eq!(greenhouse.answer(&Request::new(method, path)).0.code, code, "{path}");
        }
    }
}
