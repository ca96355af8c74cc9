//! What sort of place an IP address is.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A sort of place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The internet.
    Public,
    /// A network of somebody's own.
    Private,
    /// This machine.
    Loopback,
    /// The nearest network; clouds put their metadata services there.
    LinkLocal,
    /// Where a cloud hands out credentials of its machines.
    Metadata,
    /// Unspecified, multicast, broadcast, reserved.
    Special,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "an address of the internet",
            Self::Private => "an address of a private network",
            Self::Loopback => "this machine itself",
            Self::LinkLocal => {
                "a link-local address, where clouds hand out credentials of machines"
            }
            Self::Metadata => "a metadata service, where a cloud hands out credentials of machines",
            Self::Special => {
                "no address of one machine (unspecified, multicast, broadcast or reserved)"
            }
        })
    }
}

/// Metadata services outside of the link-local range: Alibaba, Oracle, Azure's host.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(168, 63, 129, 16),
];

/// Names that only stand for metadata services.
const METADATA_NAMES: [&str; 4] = [
    "metadata.google.internal",
    "metadata.goog",
    "metadata",
    "instance-data",
];

impl Kind {
    /// The sort of an address. One that carries another one inside (mapped, NAT64, 6to4) is of the sort of that one.
    pub(super) fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => match inner(address) {
                Some(inner) => Self::of_v4(inner),
                None => Self::of_v6(address),
            },
        }
    }

    /// The sort of a name that is known without asking: also for calls that a proxy resolves.
    pub(super) fn of_name(name: &str, is_loopback: bool) -> Option<Self> {
        if is_loopback {
            return Some(Self::Loopback);
        }
        METADATA_NAMES.contains(&name).then_some(Self::Metadata)
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        if METADATA_V4.contains(&address) {
            return Self::Metadata;
        }
        match address.octets() {
            [0 | 224..=255, ..] | [192, 0, 0, _] => Self::Special,
            [127, ..] => Self::Loopback,
            [169, 254, ..] => Self::LinkLocal,
            [10, ..] | [192, 168, ..] | [172, 16..=31, ..] | [100, 64..=127, ..] => Self::Private,
            // Benchmarks and documentation: nothing of the internet is there.
            [198, 18 | 19, ..] | [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => {
                Self::Private
            }
            _ => Self::Public,
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        if address.is_loopback() {
            return Self::Loopback;
        }
        match address.segments() {
            // Amazon and Google.
            [0xfd00, 0x0ec2, ..] | [0xfd20, 0x00ce, ..] => Self::Metadata,
            [0xfe80..=0xfebf, ..] => Self::LinkLocal,
            [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] | [0x2001, 0x0db8, ..] => Self::Private,
            // Teredo carries addresses disguised, and nobody uses it.
            [0x2001, 0, ..] => Self::Special,
            [0x2000..=0x3fff, ..] => Self::Public,
            _ => Self::Special,
        }
    }
}

/// The IPv4 address that an IPv6 address carries.
fn inner(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let parts = address.segments();
    let of = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match parts {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        // Compatible, mapped, translated, NAT64 with its well-known and its local prefix.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low] => Some(of(high, low)),
        // 6to4.
        [0x2002, high, low, ..] => Some(of(high, low)),
        _ => None,
    }
}
