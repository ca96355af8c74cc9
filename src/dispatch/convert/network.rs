//! Networks of the params: ports with their checks. Source: contract 1.5 "Network entry", 6.5.

use super::Draft;
use crate::dispatch::ids::not_empty;
use crate::dispatch::params::Network;
use crate::dispatch::run::UserNetwork;
use crate::spec::Span;
use crate::spec::workload::{Check, CheckType, Port, PortProtocol};

/// How often and how long a check asks unless told otherwise. Source: contract 1.5, `health_check.interval`.
pub(super) const DEFAULT_PERIOD: Span = Span::seconds(30);

/// Returns the ports in the order of the params, and the same entries as the backend wants to hear of them.
pub(super) fn ports(networks: &[Network], draft: &mut Draft) -> (Vec<Port>, Vec<UserNetwork>) {
    let mut ports: Vec<Port> = Vec::new();
    let mut users = Vec::new();
    for (index, network) in networks.iter().enumerate() {
        let place = format!("networks[{index}]");
        let Some(number) = port_number(network.port_number, &place, draft) else {
            continue;
        };
        if ports.iter().any(|port| port.port == number) {
            let why = "the same port stands in an earlier entry; each port may occur once";
            draft.refuse(format!("{place}.portNumber"), why);
            continue;
        }
        let check = check(network, number, &place, draft);
        users.push(user_network(network, number, check.port));
        ports.push(Port {
            port: number,
            protocol: Some(protocol(&network.port_type)),
            public: network.public.unwrap_or(false),
            domain: not_empty(network.domain.clone()),
            custom_domain: not_empty(network.custom_domain.clone()),
            check: Some(check),
        });
    }
    warn_of_foreign_check_ports(&ports, draft);
    (ports, users)
}

fn port_number(number: Option<i64>, place: &str, draft: &mut Draft) -> Option<u16> {
    let number = number.unwrap_or(0);
    if number == 0 {
        draft.warn(format!("{place} has no portNumber and is left out"));
        return None;
    }
    let port = u16::try_from(number).ok();
    if port.is_none() {
        draft.refuse(
            format!("{place}.portNumber"),
            "expected a port from 1 to 65535",
        );
    }
    port
}

fn protocol(port_type: &str) -> PortProtocol {
    match port_type.to_ascii_lowercase().as_str() {
        "http" | "https" => PortProtocol::Http,
        "tcp" => PortProtocol::Tcp,
        "grpc" => PortProtocol::Grpc,
        _ => PortProtocol::None,
    }
}

fn check(network: &Network, number: u16, place: &str, draft: &mut Draft) -> Check {
    let wanted = &network.health_check;
    let place = format!("{place}.health_check");
    let check_type = check_type(network, &place, draft);
    let path = if wanted.path.trim().is_empty() {
        "/".to_owned()
    } else {
        wanted.path.clone()
    };
    Check {
        check_type: Some(check_type),
        path: (check_type == CheckType::Http).then_some(path),
        interval: Some(period(&wanted.interval, &place, "interval", draft)),
        timeout: Some(period(&wanted.timeout, &place, "timeout", draft)),
        port: check_port(wanted.port, &place, draft).filter(|port| *port != number),
    }
}

/// The check's own type, else the port's; what Nomad cannot run becomes a connection test, so no check is ever off.
fn check_type(network: &Network, place: &str, draft: &mut Draft) -> CheckType {
    let own = &network.health_check.check_type;
    let text = if own.trim().is_empty() {
        &network.port_type
    } else {
        own
    };
    match text.to_ascii_lowercase().as_str() {
        "http" => CheckType::Http,
        "grpc" => CheckType::Grpc,
        "script" => {
            draft.warn(format!(
                "{place}.type is `script`, for which params have no command: `tcp` is used"
            ));
            CheckType::Tcp
        }
        _ => CheckType::Tcp,
    }
}

/// Whole seconds, or whole units of `s m h d`; everything else, also nothing at all, is the default.
fn period(text: &str, place: &str, field: &str, draft: &mut Draft) -> Span {
    if text.is_empty() {
        return DEFAULT_PERIOD;
    }
    let digits = text.strip_suffix(['s', 'm', 'h', 'd']).unwrap_or(text);
    let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let parsed = match (whole, digits.len() == text.len()) {
        (false, _) => None,
        (true, true) => format!("{text}s").parse().ok(),
        (true, false) => text.parse().ok(),
    };
    // Nomad refuses a period below one second; whole units leave only zero to be caught.
    parsed
        .filter(|span: &Span| span.nanos() > 0)
        .unwrap_or_else(|| {
            draft.warn(format!(
                "{place}.{field} is not a whole number of s, m, h or d above 0: 30s is used"
            ));
            DEFAULT_PERIOD
        })
}

fn check_port(port: Option<i64>, place: &str, draft: &mut Draft) -> Option<u16> {
    let number = port.filter(|number| *number > 0)?;
    let port = u16::try_from(number).ok();
    if port.is_none() {
        draft.refuse(format!("{place}.port"), "expected a port from 1 to 65535");
    }
    port
}

/// Nomad takes a check port that is no label for a port of the node, and probes whatever listens there.
fn warn_of_foreign_check_ports(ports: &[Port], draft: &mut Draft) {
    for port in ports {
        let asked = port.check.as_ref().and_then(|check| check.port);
        if asked.is_some_and(|asked| ports.iter().all(|other| other.port != asked)) {
            draft.warn(format!(
                "the check of port {} asks a port that is not among the networks",
                port.port
            ));
        }
    }
}

fn user_network(network: &Network, port: u16, check_port: Option<u16>) -> UserNetwork {
    let check = &network.health_check;
    UserNetwork {
        port,
        port_type: network.port_type.clone(),
        public: network.public.unwrap_or(false),
        domain: not_empty(network.domain.clone()),
        has_health_check: network.has_health_check.clone(),
        check_type: check.check_type.clone(),
        check_path: check.path.clone(),
        check_interval: check.interval.clone(),
        check_timeout: check.timeout.clone(),
        check_port: check_port.or_else(|| check.port.is_some_and(|p| p > 0).then_some(port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_whole_units_and_fall_back_to_thirty_seconds() {
        for (text, wanted) in [
            ("15", "15s"),
            ("5s", "5s"),
            ("2m", "2m"),
            ("1h", "1h"),
            ("2d", "48h"),
            ("0", "30s"),
            ("0s", "30s"),
            ("0d", "30s"),
            ("500ms", "30s"),
            ("1m30s", "30s"),
            ("", "30s"),
            ("  ", "30s"),
            ("s", "30s"),
            ("1.5m", "30s"),
            ("-5s", "30s"),
            ("99999999999999999999", "30s"),
            ("٣s", "30s"),
        ] {
            let span = period(text, "x", "interval", &mut Draft::default());
            assert_eq!(span.to_string(), wanted, "{text:?}");
        }
    }
}
