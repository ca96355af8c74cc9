//! Who sent a request: the peer, or whom a proxy that we trust names.

use std::net::IpAddr;
use std::str::FromStr;

/// Addresses that may speak for others, e.g. `10.0.0.0/8` or `::1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// A text that is no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an address or a network such as `10.0.0.0/8` or `fd00::/8`")]
pub struct InvalidNetwork;

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| InvalidNetwork)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(bits) => bits.parse().map_err(|_| InvalidNetwork)?,
        };
        if bits > most {
            return Err(InvalidNetwork);
        }
        Ok(Self { address, bits })
    }
}

impl Network {
    /// Whether an address lies in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let shared = match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                (ours.to_bits() ^ theirs.to_bits()).leading_zeros()
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                (ours.to_bits() ^ theirs.to_bits()).leading_zeros()
            }
            _ => return false,
        };
        shared >= u32::from(self.bits)
    }
}

/// Who has sent a request, for its rate limit.
///
/// Without trusted proxies it is the peer, and headers say nothing: anybody can write them. With them, the last address in
/// `X-Forwarded-For` that is not a trusted proxy's: what stands before it was written by somebody whom nobody vouches for.
/// Of an IPv6 address only the network of its site (/64) counts, since one sender has all of it.
#[must_use]
pub fn sender(peer: IpAddr, forwarded: &[&str], trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut last = peer.to_canonical();
    if is_trusted(last) {
        let named = forwarded.iter().flat_map(|line| line.split(',')).rev();
        for text in named {
            // A proxy that writes something else is as far as trust goes.
            let Ok(address) = text.trim().parse::<IpAddr>() else {
                break;
            };
            last = address.to_canonical();
            if !is_trusted(last) {
                break;
            }
        }
    }
    match last {
        IpAddr::V4(_) => last,
        IpAddr::V6(address) => {
            let site = address.to_bits() & (u128::MAX << 64);
            IpAddr::V6(site.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn without_trust_the_peer_is_the_sender_whatever_headers_say() {
        assert_eq!(
            sender(address("10.0.0.9"), &["1.2.3.4"], &[]),
            address("10.0.0.9")
        );
    }

    #[test]
    fn the_last_address_that_no_trusted_proxy_owns_is_the_sender() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        for (forwarded, expected) in [
            (&["1.2.3.4"][..], "1.2.3.4"),
            (&["6.6.6.6, 1.2.3.4, 10.0.0.2"], "1.2.3.4"),
            (&["6.6.6.6", "1.2.3.4"], "1.2.3.4"),
            (&["forged, 10.0.0.2"], "10.0.0.2"),
            (&[], "10.0.0.9"),
        ] {
            let peer = address("10.0.0.9");
            assert_eq!(
                sender(peer, forwarded, &trusted),
                address(expected),
                "{forwarded:?}"
            );
        }
        assert_eq!(
            sender(address("9.9.9.9"), &["1.2.3.4"], &trusted),
            address("9.9.9.9"),
            "a stranger speaks for nobody"
        );
        assert_eq!(
            sender(address("::ffff:10.0.0.9"), &["2001:db8::1:2:3:4"], &trusted),
            address("2001:db8::"),
            "one site of IPv6 is one sender"
        );
    }

    #[test]
    fn networks_are_read_strictly() {
        for bad in ["", "10.0.0.0/33", "10.0.0/8", "a", "::/129", "10.0.0.0/-1"] {
            assert_eq!(bad.parse::<Network>(), Err(InvalidNetwork), "{bad}");
        }
        assert!(
            "0.0.0.0/0"
                .parse::<Network>()
                .unwrap()
                .contains(address("9.9.9.9"))
        );
        assert!(
            !"0.0.0.0/0"
                .parse::<Network>()
                .unwrap()
                .contains(address("::1"))
        );
    }
}
