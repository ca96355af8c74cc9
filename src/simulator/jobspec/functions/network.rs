//! Addresses and networks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::{Value, json};

use super::{Function, Outcome, Wrong, failed, fixed, repeated, text_at, whole_at};

pub(super) const TABLE: &[Function] = &[
    fixed("cidrhost", &["prefix", "hostnum"], |arguments| {
        let network = Network::at(arguments, 0)?;
        let host = whole_at(arguments, 1)?;
        let free = network.bits() - network.length;
        let last = if free >= 127 {
            u128::MAX
        } else {
            (1 << free) - 1
        };
        let number = u128::from(host.unsigned_abs());
        if number > last {
            return failed(format!(
                "prefix of {} does not accommodate a host numbered {host}",
                network.length
            ));
        }
        let offset = if host < 0 {
            last - (number - 1)
        } else {
            number
        };
        Ok(json!(network.address(network.base | offset).to_string()))
    }),
    fixed("cidrnetmask", &["prefix"], |arguments| {
        let network = Network::at(arguments, 0)?;
        Ok(json!(network.address(network.mask()).to_string()))
    }),
    fixed(
        "cidrsubnet",
        &["prefix", "newbits", "netnum"],
        |arguments| {
            let network = Network::at(arguments, 0)?;
            let bits = u32::try_from(whole_at(arguments, 1)?).unwrap_or(u32::MAX);
            let number = u128::try_from(whole_at(arguments, 2)?).unwrap_or(u128::MAX);
            network.part(bits, number).map(Value::String)
        },
    ),
    repeated("cidrsubnets", &["prefix"], "newbits", subnets),
];

/// A network: its first address as a number, and the length of its prefix.
struct Network {
    base: u128,
    length: u32,
    v4: bool,
}

impl Network {
    fn at(arguments: &[Value], position: usize) -> Result<Self, Wrong> {
        let text = text_at(arguments, position)?;
        let wrong = || {
            Wrong::Argument(
                position,
                format!("invalid CIDR expression: invalid CIDR address: {text}"),
            )
        };
        let (address, length) = text.split_once('/').ok_or_else(wrong)?;
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let length: u32 = length.parse().map_err(|_| wrong())?;
        let (number, v4) = match address {
            IpAddr::V4(address) => (u128::from(address.to_bits()), true),
            IpAddr::V6(address) => (address.to_bits(), false),
        };
        let mut network = Self {
            base: 0,
            length,
            v4,
        };
        if length > network.bits() {
            return Err(wrong());
        }
        network.base = number & network.mask();
        Ok(network)
    }

    const fn bits(&self) -> u32 {
        if self.v4 { 32 } else { 128 }
    }

    fn mask(&self) -> u128 {
        let free = self.bits() - self.length;
        let ones = u128::MAX.checked_shl(free).unwrap_or(0);
        if self.v4 {
            ones & u128::from(u32::MAX)
        } else {
            ones
        }
    }

    fn address(&self, number: u128) -> IpAddr {
        match u32::try_from(number) {
            Ok(number) if self.v4 => IpAddr::V4(Ipv4Addr::from_bits(number)),
            _ => IpAddr::V6(Ipv6Addr::from_bits(number)),
        }
    }

    /// The `number`th of the networks that are `bits` longer.
    fn part(&self, bits: u32, number: u128) -> Result<String, Wrong> {
        let length = self.length.saturating_add(bits);
        if length > self.bits() {
            return failed(format!(
                "insufficient address space to extend prefix of {} by {bits}",
                self.length
            ));
        }
        if bits < 128 && number >> bits != 0 {
            return failed(format!(
                "prefix extension of {bits} does not accommodate a subnet numbered {number}"
            ));
        }
        let shifted = number.checked_shl(self.bits() - length).unwrap_or(0);
        Ok(format!("{}/{length}", self.address(self.base | shifted)))
    }
}

/// One network after the other, each as early as it fits.
fn subnets(arguments: &[Value]) -> Outcome {
    let network = Network::at(arguments, 0)?;
    let mut next = network.base;
    let mut parts = Vec::new();
    for position in 1..arguments.len() {
        let bits = u32::try_from(whole_at(arguments, position)?).unwrap_or(u32::MAX);
        let length = network.length.saturating_add(bits);
        if length > network.bits() {
            let error = format!("would extend prefix to {length} bits, which is too long");
            return Err(Wrong::Argument(position, error));
        }
        let size = 1_u128
            .checked_shl(network.bits() - length)
            .unwrap_or(u128::MAX);
        let start = next.div_ceil(size).saturating_mul(size);
        if start & network.mask() != network.base {
            let error = format!(
                "not enough remaining address space for a subnet with a prefix of {length} bits"
            );
            return Err(Wrong::Argument(position, error));
        }
        parts.push(json!(format!("{}/{length}", network.address(start))));
        next = start.saturating_add(size);
    }
    Ok(Value::Array(parts))
}
