//! Echo values (RFC 9175 section 2.3): when they were made and for whom, under a key that only this
//! endpoint knows. Nothing is remembered of them.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use hmac::{Hmac, KeyInit, Mac};
use rand::RngExt;
use rand::rngs::StdRng;
use sha2::Sha256;

use crate::time::Time;

/// How old an Echo value may be.
const VALID_FOR: Duration = Duration::from_secs(60);
const TIMESTAMP: usize = 4;
const TAG: usize = 8;

#[derive(Debug)]
pub(super) struct EchoKey {
    mac: Hmac<Sha256>,
}

impl EchoKey {
    pub(super) fn random(rng: &mut StdRng) -> Self {
        Self { mac: Hmac::new(&rng.random::<[u8; 64]>().into()) }
    }

    /// A value for an address.
    pub(super) fn make(&self, now: Time, address: SocketAddr) -> Bytes {
        self.value(now.as_secs() as u32, address)
    }

    /// Whether a value was made for this address, not long ago.
    pub(super) fn is_fresh(&self, now: Time, address: SocketAddr, value: &[u8]) -> bool {
        let Some(made) = value.first_chunk::<TIMESTAMP>() else { return false };
        let made = u32::from_be_bytes(*made);
        let age = (now.as_secs() as u32).checked_sub(made);
        let young = age.is_some_and(|age| u64::from(age) <= VALID_FOR.as_secs());
        let Some(tag) = value.get(TIMESTAMP..).filter(|tag| tag.len() == TAG) else { return false };
        young && self.mac_of(made, address).verify_truncated_left(tag).is_ok()
    }

    fn value(&self, seconds: u32, address: SocketAddr) -> Bytes {
        let tag = self.mac_of(seconds, address).finalize().into_bytes();
        let mut value = BytesMut::with_capacity(TIMESTAMP + TAG);
        value.put_u32(seconds);
        value.put_slice(&tag[..TAG]);
        value.freeze()
    }

    fn mac_of(&self, seconds: u32, address: SocketAddr) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        mac.update(&seconds.to_be_bytes());
        mac.update(address.to_string().as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn a_value_is_good_for_one_address_and_one_minute() {
        let key = EchoKey::random(&mut StdRng::from_seed([1; 32]));
        let other_key = EchoKey::random(&mut StdRng::from_seed([2; 32]));
        let (here, there) = ("[::1]:5683".parse().unwrap(), "[::1]:5684".parse().unwrap());
        let at = |seconds| Duration::from_secs(seconds);
        let value = key.make(at(100), here);
        assert!(key.is_fresh(at(100), here, &value) && key.is_fresh(at(160), here, &value));
        assert!(!key.is_fresh(at(161), here, &value) && !key.is_fresh(at(99), here, &value));
        assert!(!key.is_fresh(at(100), there, &value));
        assert!(!other_key.is_fresh(at(100), here, &value));
        assert!(!key.is_fresh(at(100), here, &value[..TIMESTAMP]));
        assert!(!key.is_fresh(at(100), here, b""));
    }
}
