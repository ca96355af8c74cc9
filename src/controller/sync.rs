//! Domains and service data: what the platform's backend is asked and told before a job is registered (contract 3.3, 3.7).
//!
//! Nothing here can fail a deployment: without an answer a port simply gets no domain.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::artifact::registry::ImageFacts;
use crate::clients::backend::{Backend, NetworkUpdate, ServiceUpdate};
use crate::dispatch::convert::{apply_domains, apply_image_facts, bare_label, full_domain};
use crate::dispatch::run::{RunContext, UserNetwork};
use crate::spec::Workload;
use crate::spec::workload::{Check, CheckType, Port, PortProtocol};

/// Longest wait for one answer. A backend that takes calls and never answers would cost minutes with all its retries.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// Ports that speak HTTP although nobody said so. Source: contract 3.7.
const HTTP_PORTS: [u16; 7] = [80, 3000, 5000, 8000, 8080, 8888, 9000];
/// Ports that speak HTTP inside TLS; checked as TCP.
const HTTPS_PORTS: [u16; 2] = [443, 8443];

/// Settles the ports of a workload: those of the params with domains for public ones, else those of the image.
///
/// Returns what the backend is to be told; `None` when there is no backend.
pub async fn settle_ports(
    workload: &mut Workload,
    context: &RunContext,
    ports: &[u16],
    backend: Option<&Backend>,
) -> Option<Vec<NetworkUpdate>> {
    let Some(backend) = backend else {
        apply_image_facts(workload, ports);
        return None;
    };
    let cluster_domain = context.cluster_domain.as_deref();
    let ask = |port: u16| async move {
        let answer = tokio::time::timeout(
            PATIENCE,
            backend.ask_domain(context.ids.service_id.as_str()),
        )
        .await;
        answer
            .unwrap_or(None)
            .map(|answer| (port, bare_label(&answer, cluster_domain)))
    };
    if workload.spec.detect_ports {
        let mut allocated = BTreeMap::new();
        for port in ports {
            allocated.extend(ask(*port).await);
        }
        if !allocated.is_empty() {
            workload.spec.ports = allocated
                .into_iter()
                .map(|(port, label)| allocated_port(port, label, context.task.builds()))
                .collect();
            workload.spec.detect_ports = false;
        }
        apply_image_facts(workload, ports);
        return Some(
            workload
                .spec
                .ports
                .iter()
                .map(|port| detected_update(port, cluster_domain))
                .collect(),
        );
    }
    let mut allocated = BTreeMap::new();
    for network in context
        .networks
        .iter()
        .filter(|network| network.public && network.domain.is_none())
    {
        allocated.extend(ask(network.port).await);
    }
    apply_domains(workload, &allocated);
    let full = |label: &String| full_domain(label, cluster_domain);
    Some(
        context
            .networks
            .iter()
            .map(|network| given_update(network, allocated.get(&network.port).map(full)))
            .collect(),
    )
}

/// What the backend is told about the service: params first, else the image.
#[must_use]
pub fn service_update(
    context: &RunContext,
    network: Vec<NetworkUpdate>,
    facts: Option<&ImageFacts>,
) -> ServiceUpdate {
    let of_image = |text: Option<String>| text.filter(|text| !text.is_empty());
    let joined = |words: &[String]| (!words.is_empty()).then(|| words.join(" "));
    ServiceUpdate {
        service_id: context.ids.service_id.to_string(),
        network,
        docker_user: context
            .docker_user
            .clone()
            .or_else(|| of_image(facts?.user.clone())),
        cmd: context.command.clone().or_else(|| joined(&facts?.cmd)),
        entrypoint: joined(&context.entrypoint).or_else(|| joined(&facts?.entrypoint)),
    }
}

/// A port of the image that the backend gave a domain. A port of an image that was built speaks HTTP and is checked by a
/// connection; that of a ready image is guessed from its number (contract 3.7).
fn allocated_port(port: u16, label: String, is_built: bool) -> Port {
    let (protocol, check_type) = if is_built {
        (PortProtocol::Http, CheckType::Tcp)
    } else if HTTP_PORTS.contains(&port) {
        (PortProtocol::Http, CheckType::Http)
    } else if HTTPS_PORTS.contains(&port) {
        (PortProtocol::Http, CheckType::Tcp)
    } else {
        (PortProtocol::Tcp, CheckType::Tcp)
    };
    let check = Check {
        check_type: Some(check_type),
        ..Check::default()
    };
    Port {
        port,
        protocol: Some(protocol),
        public: true,
        domain: Some(label),
        custom_domain: None,
        check: Some(check),
    }
}

fn detected_update(port: &Port, cluster_domain: Option<&str>) -> NetworkUpdate {
    let check_type = match port.check.as_ref().and_then(|check| check.check_type) {
        Some(CheckType::Http) => "http",
        _ => "tcp",
    };
    NetworkUpdate {
        port: port.port,
        port_type: if port.protocol == Some(PortProtocol::Tcp) {
            "tcp"
        } else {
            "http"
        }
        .to_owned(),
        public: port.public,
        domain: port
            .domain
            .as_deref()
            .map(|label| full_domain(label, cluster_domain))
            .unwrap_or_default(),
        has_health_check: check_type.to_owned(),
        check_type: check_type.to_owned(),
        check_path: "/".to_owned(),
        check_interval: "30s".to_owned(),
        check_timeout: "30s".to_owned(),
        check_port: Some(port.port),
    }
}

fn given_update(network: &UserNetwork, allocated: Option<String>) -> NetworkUpdate {
    NetworkUpdate {
        port: network.port,
        // The backend accepts these three (contract 3.3).
        port_type: match network.port_type.as_str() {
            "tcp" => "tcp",
            "none" => "none",
            _ => "http",
        }
        .to_owned(),
        public: network.public,
        domain: network.domain.clone().or(allocated).unwrap_or_default(),
        has_health_check: network.has_health_check.clone(),
        check_type: network.check_type.clone(),
        check_path: network.check_path.clone(),
        check_interval: network.check_interval.clone(),
        check_timeout: network.check_timeout.clone(),
        check_port: network.check_port,
    }
}
