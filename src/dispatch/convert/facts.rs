//! What a run learns on its way and adds to its workload: ports of the image, domains, the builder that won.

use std::collections::BTreeMap;

use super::domain::bare_label;
use crate::spec::Workload;
use crate::spec::workload::{Check, CheckType, Port, PortProtocol};

/// The port of an image that exposes none. Source: contract 5.7.
const DEFAULT_PORT: u16 = 3000;

/// Gives a workload that asks for detected ports the first of `ports`, or 3000: http, private, checked by a connection.
///
/// Does nothing to a workload that does not ask. Source: contract 5.7, tiers 2 and 3.
pub fn apply_image_facts(workload: &mut Workload, ports: &[u16]) {
    let spec = &mut workload.spec;
    if !std::mem::take(&mut spec.detect_ports) || !spec.ports.is_empty() {
        return;
    }
    let exposed = ports.iter().copied().find(|port| *port != 0);
    spec.ports = vec![Port {
        port: exposed.unwrap_or(DEFAULT_PORT),
        protocol: Some(PortProtocol::Http),
        check: Some(Check {
            check_type: Some(CheckType::Tcp),
            interval: Some(super::network::DEFAULT_PERIOD),
            timeout: Some(super::network::DEFAULT_PERIOD),
            ..Check::default()
        }),
        ..Port::default()
    }];
}

/// Puts allocated domains on public ports that have none of the user's.
///
/// The job gets the bare label: its route tags append the cluster's domain, so a full name would carry it twice
/// (contract 3.7). The full name for the backend is [`full_domain`](super::full_domain).
pub fn apply_domains(workload: &mut Workload, domains: &BTreeMap<u16, String>) {
    let cluster_domain = workload.spec.service.cluster_domain.clone();
    let free = workload
        .spec
        .ports
        .iter_mut()
        .filter(|port| port.public && port.domain.is_none());
    for port in free {
        if let Some(allocated) = domains.get(&port.port) {
            let label = bare_label(allocated, cluster_domain.as_deref());
            port.domain = (!label.is_empty()).then_some(label);
        }
    }
}

/// Whether images of this builder carry their start command. Source: contract 6.4, `args`.
pub(super) fn starts_by_itself(builder: &str) -> bool {
    matches!(builder, "nixpacks" | "railpack")
}

/// Lets nodes authenticate their pull when a built image went to the platform's registry, which its name alone may not tell:
/// the environment may name the registry.
pub fn apply_pushed(workload: &mut Workload, reference: &str) {
    if let Some(pull) = &mut workload.spec.pull {
        pull.authenticate |= super::secrets::is_on_platform(reference);
    }
}

/// Hands the build's start command to the container, unless the builder that won has put it into the image.
///
/// The named builder may not be the one that succeeds, so this is asked again after the build.
pub fn apply_builder(workload: &mut Workload, winner: &str) {
    let Some(build) = &workload.spec.build else {
        return;
    };
    workload.spec.container.start_command = build
        .start_command
        .clone()
        .filter(|_| !starts_by_itself(winner));
}
