use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::time::Instant;

const PREFIX: &str = "whsec_";
/// Lengths of a key in bytes (Standard Webhooks, "Signature scheme").
const SHORTEST: usize = 24;
const LONGEST: usize = 64;
const GENERATED: usize = 32;
/// What a signature begins with: which scheme it is of.
const VERSION: &str = "v1,";
/// Length of a signature: 32 bytes in base64 behind the version.
const SIGNATURE: usize = VERSION.len() + 44;

/// How long the old secret goes on signing next to the new one, so that a receiver has the time
/// to change over.
const OVERLAP: Duration = Duration::from_secs(24 * 60 * 60);
/// Secrets that sign at once, however often they are changed: each makes every request longer.
const MOST_AT_ONCE: usize = 4;

/// A key that signs deliveries, as Standard Webhooks writes it: `whsec_` and padded base64.
#[derive(Clone)]
pub struct Secret {
    text: String,
    mac: Hmac<Sha256>,
}

/// Text that is no secret. It does not repeat the text: that may be a real key, mistyped.
#[derive(Debug, thiserror::Error)]
#[error(
    "write `whsec_` and {SHORTEST} to {LONGEST} bytes in base64: echo whsec_$(openssl rand -base64 {GENERATED})"
)]
pub struct InvalidSecret;

impl Secret {
    /// Reads a secret.
    ///
    /// # Errors
    /// When it is not `whsec_` and 24 to 64 bytes in padded standard base64: the receivers'
    /// libraries refuse anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        let encoded = text.strip_prefix(PREFIX).ok_or(InvalidSecret)?;
        let key = STANDARD.decode(encoded).map_err(|_| InvalidSecret)?;
        if !(SHORTEST..=LONGEST).contains(&key.len()) {
            return Err(InvalidSecret);
        }
        Ok(Self::new(text.to_owned(), &key))
    }

    /// A new secret that nobody else knows.
    #[must_use]
    pub fn generate() -> Self {
        let key: [u8; GENERATED] = rand::random();
        Self::new(format!("{PREFIX}{}", STANDARD.encode(key)), &key)
    }

    fn new(text: String, key: &[u8]) -> Self {
        // HMAC pads a key with zeros up to its block of 64 bytes (RFC 2104, section 2).
        let mut block = [0; LONGEST];
        block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
        Self { text, mac: Hmac::new(&block.into()) }
    }

    /// The secret itself: for whom it is made, and for nobody else.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// Adds the signature of one attempt.
    fn sign(&self, id: &str, timestamp: i64, body: &[u8], signatures: &mut String) {
        let mut mac = self.mac.clone();
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(timestamp).as_bytes();
        [id.as_bytes(), b".", digits, b".", body].iter().for_each(|part| mac.update(part));
        signatures.push_str(VERSION);
        STANDARD.encode_string(mac.finalize().into_bytes(), signatures);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The secrets of one webhook: the present one, and old ones that still sign for a while.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    present: Secret,
    retired: Vec<(Secret, Instant)>,
}

impl Keys {
    pub(super) fn new(present: Secret) -> Self {
        Self { present, retired: Vec::new() }
    }

    /// Makes `secret` the present one.
    pub(super) fn rotate(&mut self, secret: Secret, now: Instant) {
        if secret.text == self.present.text {
            return;
        }
        let old = std::mem::replace(&mut self.present, secret);
        self.retired.retain(|(_, until)| *until > now);
        self.retired.insert(0, (old, now + OVERLAP));
        self.retired.truncate(MOST_AT_ONCE - 1);
    }

    /// The value of `webhook-signature`: one signature for each secret, the present one's first.
    pub(super) fn sign(&self, now: Instant, id: &str, timestamp: i64, body: &[u8]) -> String {
        let retired = self.retired.iter().filter(|(_, until)| *until > now).map(|(old, _)| old);
        let mut signatures = String::with_capacity(SIGNATURE);
        self.present.sign(id, timestamp, body, &mut signatures);
        for secret in retired {
            signatures.push(' ');
            secret.sign(id, timestamp, body, &mut signatures);
        }
        signatures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Key, id, time, body and signature of the specification's own example.
    #[tokio::test]
    async fn the_specifications_example_is_signed_alike() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let (id, time, body) =
            ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        let signature = Keys::new(secret).sign(Instant::now(), id, time, body);
        assert_eq!(signature.len(), SIGNATURE);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn what_no_receiver_could_read_is_refused() {
        let of = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
        assert!(Secret::parse(&of(24)).is_ok() && Secret::parse(&of(64)).is_ok());
        let bad = [
            of(23),
            of(65),
            of(32).replace("whsec_", ""),
            of(25).trim_end_matches('=').to_owned(),
            format!("whsec_{}", "-_".repeat(20)),
            String::new(),
        ];
        for text in bad {
            assert!(Secret::parse(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_generated_secret_is_one_and_is_never_shown_by_chance() {
        let secret = Secret::generate();
        assert!(Secret::parse(secret.reveal()).is_ok());
        assert_ne!(secret.reveal(), Secret::generate().reveal());
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }

    #[tokio::test(start_paused = true)]
    async fn an_old_secret_signs_for_a_day_after_the_new_one() {
        let (old, new) = (Secret::generate(), Secret::generate());
        let mut keys = Keys::new(old.clone());
        keys.rotate(new.clone(), Instant::now());
        let sign = |keys: &Keys| keys.sign(Instant::now(), "a", 1, b"x");
        let (new, old) = (Keys::new(new), Keys::new(old));
        assert_eq!(sign(&keys), format!("{} {}", sign(&new), sign(&old)));
        tokio::time::advance(OVERLAP).await;
        assert_eq!(sign(&keys), sign(&new));
    }

    #[tokio::test(start_paused = true)]
    async fn rotating_without_end_keeps_the_header_short() {
        let mut keys = Keys::new(Secret::generate());
        (0..20).for_each(|_| keys.rotate(Secret::generate(), Instant::now()));
        assert_eq!(keys.sign(Instant::now(), "a", 1, b"").split(' ').count(), MOST_AT_ONCE);
        let same = keys.present.clone();
        keys.rotate(same, Instant::now());
        assert_eq!(keys.retired.len(), MOST_AT_ONCE - 1);
    }
}
