//! Ports: one dynamic port, one service and one check each, and the tags that the platform's router reads.

use crate::clients::nomad::job::{Check, Network, Port, Service};
use crate::desired::{Desired, DesiredCheck, DesiredPort};
use crate::spec::workload::{CheckType, PortProtocol, ServiceProvider};

pub(super) fn network(ports: &[DesiredPort]) -> Option<Network> {
    (!ports.is_empty()).then(|| Network {
        dynamic_ports: ports
            .iter()
            .map(|port| Port {
                label: label(port.number),
                to: port.number,
            })
            .collect(),
    })
}

/// A port's label is its decimal number: other systems look ports up by it.
pub(super) fn label(number: u16) -> String {
    number.to_string()
}

pub(super) fn services(desired: &Desired) -> Vec<Service> {
    desired
        .ports
        .iter()
        .map(|port| Service {
            name: service_name(&desired.service_name, port.number),
            provider: provider(desired.service_provider),
            port_label: label(port.number),
            tags: tags(port, &desired.cluster_domain),
            canary_tags: canary_tags(port, &desired.cluster_domain),
            checks: vec![check(&port.check)],
        })
        .collect()
}

/// Other services link to exactly this name.
fn service_name(stem: &str, port: u16) -> String {
    [stem, "-", &port.to_string()].concat()
}

fn provider(provider: ServiceProvider) -> &'static str {
    match provider {
        ServiceProvider::Consul => "consul",
        ServiceProvider::Nomad => "nomad",
    }
}

fn check(check: &DesiredCheck) -> Check {
    let (check_type, path) = match check.check_type {
        CheckType::Http => ("http", Some(check.path.as_deref().unwrap_or("/"))),
        CheckType::Tcp => ("tcp", None),
        CheckType::Grpc => ("grpc", None),
    };
    Check {
        check_type,
        path: path.map(str::to_owned),
        interval: check.interval.nanos(),
        timeout: check.timeout.nanos(),
        port_label: label(check.port),
    }
}

/// Contract 6.5: the colour, then one tag for each route, then the mark for the TCP load balancer.
fn tags(port: &DesiredPort, cluster: &str) -> Vec<String> {
    let mut tags = vec!["blue".to_owned()];
    if port.public {
        tags.extend(routes(port, cluster, "urlprefix-", "custom-"));
        if port.protocol == PortProtocol::Tcp {
            tags.push("tcp-lb".to_owned());
        }
    }
    tags
}

/// A canary is reachable under names of its own; a private one has no route to tell apart.
fn canary_tags(port: &DesiredPort, cluster: &str) -> Vec<String> {
    if !port.public {
        return Vec::new();
    }
    let mut tags = vec!["green".to_owned()];
    tags.extend(routes(port, cluster, "urlprefix-canary-", "custom-canary-"));
    tags
}

fn routes(
    port: &DesiredPort,
    cluster: &str,
    subdomain_prefix: &str,
    custom_prefix: &str,
) -> impl Iterator<Item = String> {
    let subdomain = port
        .domain
        .as_deref()
        // Suffixed even when it is a full name already (contract 6.5). Allocated domains arrive as bare labels, which mends
        // the doubled suffix that the replaced runner gave them (contract 10, 32).
        .map(|domain| [subdomain_prefix, domain, ".", cluster].concat());
    let custom = port
        .custom_domain
        .as_deref()
        .map(|domain| [custom_prefix, domain].concat());
    subdomain.into_iter().chain(custom)
}
