use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A range of addresses, written as CIDR (RFC 4632): `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    length: u8,
}

/// Text that is no network.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no network: write address and prefix length, as in 10.0.0.0/8 or fd00::/8")]
pub struct InvalidNetwork(String);

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let invalid = || InvalidNetwork(text.to_owned());
        let (address, length) = text.split_once('/').ok_or_else(invalid)?;
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        let length = length.parse().map_err(|_| invalid())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        if length > bits { Err(invalid()) } else { Ok(Self { address, length }) }
    }
}

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        let same_prefix = |a: u128, b: u128, bits: u32| {
            let host_bits = bits - u32::from(self.length);
            // A shift by all 128 bits would overflow: no bit is left to compare.
            (a ^ b).checked_shr(host_bits).unwrap_or(0) == 0
        };
        match (self.address, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                same_prefix(a.to_bits().into(), b.to_bits().into(), 32)
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => same_prefix(a.to_bits(), b.to_bits(), 128),
            _ => false,
        }
    }
}

/// The networks that deliveries never go to.
#[derive(Debug, Clone, Default)]
pub(super) struct Denied(Vec<Network>);

impl Denied {
    pub(super) fn new(networks: &[String]) -> Result<Self, InvalidNetwork> {
        networks.iter().map(|text| text.parse()).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a delivery may not go there, under whatever spelling of the address.
    pub(super) fn denies(&self, address: IpAddr) -> bool {
        let inside = inner(address).map(IpAddr::V4);
        self.0.iter().any(|network| {
            network.contains(address) || inside.is_some_and(|inside| network.contains(inside))
        })
    }
}

/// The IPv4 address that an IPv6 address leads to: mapped (RFC 4291, section 2.5.5.2) or
/// translated under the well-known prefix (RFC 6052, section 2.1).
fn inner(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else { return None };
    address.to_ipv4_mapped().or_else(|| translated(address))
}

fn translated(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied(networks: &[&str]) -> Denied {
        let networks: Vec<_> = networks.iter().map(|text| (*text).to_owned()).collect();
        Denied::new(&networks).unwrap()
    }

    #[test]
    fn an_address_is_in_its_network_and_in_no_other() {
        let cases = [
            ("169.254.0.0/16", "169.254.169.254", true),
            ("169.254.0.0/16", "169.255.0.1", false),
            ("10.0.0.1/32", "10.0.0.1", true),
            ("10.0.0.1/32", "10.0.0.2", false),
            ("0.0.0.0/0", "1.2.3.4", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("fe80::/10", "febf::1", true),
            ("fe80::/10", "fec0::1", false),
            ("::1/128", "::1", true),
        ];
        for (network, address, expected) in cases {
            let address = address.parse().unwrap();
            assert_eq!(denied(&[network]).denies(address), expected, "{network} {address}");
        }
    }

    #[test]
    fn another_spelling_of_a_denied_address_is_denied_too() {
        let denied = denied(&["169.254.0.0/16"]);
        for address in ["::ffff:169.254.169.254", "64:ff9b::169.254.169.254"] {
            assert!(denied.denies(address.parse().unwrap()), "{address}");
        }
        assert!(!denied.denies("::ffff:192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "10.0.0.0", "10.0.0.0/33", "fd00::/129", "ten/8", "10.0.0.0/-1"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
