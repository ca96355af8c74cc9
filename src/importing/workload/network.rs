//! Ports, services, checks, routes.

use serde_json::Value;

use super::{span, text, texts};
use crate::desired::defaults;
use crate::spec::workload::{Check, CheckType, Port, PortProtocol, ServiceProvider};

fn services(group: &Value) -> impl Iterator<Item = &Value> {
    group["Services"].as_array().into_iter().flatten()
}

/// Only where it is not the default.
pub(super) fn provider(group: &Value) -> Option<ServiceProvider> {
    let is_nomad = services(group).any(|service| service["Provider"] == "nomad");
    is_nomad.then_some(ServiceProvider::Nomad)
}

pub(super) fn ports(group: &Value, provider: Option<ServiceProvider>) -> Vec<Port> {
    services(group)
        .filter_map(|service| port(service, provider.unwrap_or_default()))
        .collect()
}

fn port(service: &Value, provider: ServiceProvider) -> Option<Port> {
    let number = text(service, "PortLabel")?.parse().ok()?;
    let tags = texts(&service["Tags"]);
    let check = service["Checks"].as_array()?.first()?;
    let check_type = match text(check, "Type") {
        Some("http") => CheckType::Http,
        Some("grpc") => CheckType::Grpc,
        _ => CheckType::Tcp,
    };
    // Only public ports have canaries to tell apart.
    let public = !texts(&service["CanaryTags"]).is_empty();
    let protocol = match check_type {
        CheckType::Http => PortProtocol::Http,
        CheckType::Grpc => PortProtocol::Grpc,
        CheckType::Tcp if public && !tags.iter().any(|tag| tag == "tcp-lb") => PortProtocol::None,
        CheckType::Tcp => PortProtocol::Tcp,
    };
    let domain = routed(&tags, "urlprefix-").map(|name| {
        let cluster = domain_suffix(&name);
        name[..name.len() - cluster.len() - 1].to_owned()
    });
    Some(Port {
        port: number,
        protocol: (protocol != PortProtocol::Http).then_some(protocol),
        public,
        domain: domain.filter(|domain| !domain.is_empty()),
        custom_domain: routed(&tags, "custom-"),
        check: read_check(check, check_type, protocol, provider, number),
    })
}

fn read_check(
    check: &Value,
    check_type: CheckType,
    protocol: PortProtocol,
    provider: ServiceProvider,
    number: u16,
) -> Option<Check> {
    let by_default = defaults::check_type(protocol, provider);
    let read = Check {
        check_type: (check_type != by_default).then_some(check_type),
        path: text(check, "Path")
            .filter(|path| *path != defaults::CHECK_PATH)
            .map(str::to_owned),
        interval: span(check, "Interval", defaults::CHECK_INTERVAL),
        timeout: span(check, "Timeout", defaults::CHECK_TIMEOUT),
        port: text(check, "PortLabel")
            .and_then(|label| label.parse().ok())
            .filter(|port| *port != number),
    };
    (read != Check::default()).then_some(read)
}

fn routed(tags: &[String], prefix: &str) -> Option<String> {
    tags.iter()
        .find_map(|tag| tag.strip_prefix(prefix))
        .map(str::to_owned)
}

/// Suffix of the route tags, where it is not the default.
pub(super) fn cluster_domain(group: &Value) -> Option<String> {
    let name =
        services(group).find_map(|service| routed(&texts(&service["Tags"]), "urlprefix-"))?;
    let suffix = domain_suffix(&name);
    (suffix != defaults::CLUSTER_DOMAIN).then(|| suffix.to_owned())
}

/// The part of a route that is the cluster's: the default one, else everything behind the first label.
fn domain_suffix(name: &str) -> &str {
    let is_default = name
        .strip_suffix(defaults::CLUSTER_DOMAIN)
        .is_some_and(|rest| rest.ends_with('.'));
    if is_default {
        return defaults::CLUSTER_DOMAIN;
    }
    name.split_once('.').map_or("", |(_, rest)| rest)
}
