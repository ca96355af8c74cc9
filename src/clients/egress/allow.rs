//! Exceptions: what may be called although its sort may not.

use std::net::IpAddr;
use std::str::FromStr;

/// One exception: a host, an address or a network, on one port or on all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Allowance {
    place: Place,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// Lower case.
    Host(String),
    /// Every name below this one.
    Below(String),
    /// An address and how many of its leading bits count.
    Network(IpAddr, u8),
}

/// A text that is no exception. Does not repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected hosts, IP addresses or networks such as `git.internal`, `10.0.0.5:9000`, `10.8.0.0/16`"
)]
pub struct InvalidAllowance;

impl Allowance {
    /// Whether it covers a call to a host, and to what the host stands for as far as that is known.
    pub(super) fn covers(&self, host: &str, port: u16, address: Option<IpAddr>) -> bool {
        if self.port.is_some_and(|own| own != port) {
            return false;
        }
        match &self.place {
            Place::Host(own) => own == host,
            Place::Below(own) => {
                let head = host.strip_suffix(own.as_str());
                head.is_some_and(|head| head.len() > 1 && head.ends_with('.'))
            }
            Place::Network(network, bits) => address.is_some_and(|it| is_in(it, *network, *bits)),
        }
    }
}

fn is_in(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let bits = u32::from(bits);
    match (address.to_canonical(), network.to_canonical()) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            let differs = u32::from(one) ^ u32::from(other);
            differs.leading_zeros() >= bits
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            let differs = u128::from(one) ^ u128::from(other);
            differs.leading_zeros() >= bits
        }
        _ => false,
    }
}

impl FromStr for Allowance {
    type Err = InvalidAllowance;

    fn from_str(text: &str) -> Result<Self, InvalidAllowance> {
        if let Some((network, bits)) = text.split_once('/') {
            let network: IpAddr = network.parse().map_err(|_| InvalidAllowance)?;
            let most = if network.is_ipv4() { 32 } else { 128 };
            let bits: Option<u8> = bits.parse().ok().filter(|bits| *bits <= most);
            let place = Place::Network(network, bits.ok_or(InvalidAllowance)?);
            return Ok(Self { place, port: None });
        }
        // An IPv6 address without brackets is all colons and no port.
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if text.parse::<IpAddr>().is_err() && !text.ends_with(']') => {
                let port: Option<u16> = port.parse().ok().filter(|port| *port > 0);
                (host, Some(port.ok_or(InvalidAllowance)?))
            }
            _ => (text, None),
        };
        let place = place(host).ok_or(InvalidAllowance)?;
        Ok(Self { place, port })
    }
}

fn place(host: &str) -> Option<Place> {
    let bracketed = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    if let Ok(address) = bracketed.unwrap_or(host).parse::<IpAddr>() {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        return Some(Place::Network(address, bits));
    }
    let name = host.to_ascii_lowercase();
    let (name, is_below) = match name.strip_prefix("*.") {
        Some(rest) => (rest.to_owned(), true),
        None => (name, false),
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let is_name = !name.is_empty() && name.chars().all(fits) && !name.starts_with('.');
    is_name.then(|| match is_below {
        true => Place::Below(name),
        false => Place::Host(name.trim_end_matches('.').to_owned()),
    })
}
