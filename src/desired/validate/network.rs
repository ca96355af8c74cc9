//! How a workload is reached: services, ports, checks, domains.

use std::collections::BTreeSet;
use std::time::Duration;

use super::issues::Issues;
use super::{Options, text};
use crate::desired::{DesiredCheck, DesiredPort, defaults};
use crate::spec::Span;
use crate::spec::path;
use crate::spec::workload::{Check, CheckType, Port, PortProtocol, ServiceProvider, Workload};

pub(super) struct Network {
    pub(super) service_name: String,
    pub(super) provider: ServiceProvider,
    pub(super) cluster_domain: String,
    pub(super) ports: Vec<DesiredPort>,
}

pub(super) fn check(workload: &Workload, options: &Options, issues: &mut Issues) -> Network {
    let spec = &workload.spec;
    let provider = spec.service.provider.unwrap_or_default();
    let (service_name, name_path) = match &spec.service.name {
        Some(name) => (name.clone(), "spec.service.name"),
        None => (workload.metadata.name.clone(), "metadata.name"),
    };
    let cluster_domain = match &spec.service.cluster_domain {
        Some(domain) => {
            let path = "spec.service.clusterDomain";
            text::check(issues, "domain", path, text::host_name(domain));
            domain.clone()
        }
        None => defaults::CLUSTER_DOMAIN.to_owned(),
    };
    // The platform has always been able to name a port of the host; it gets what it asks for, with a warning.
    let checks_other_ports = spec
        .platform
        .as_ref()
        .is_some_and(|platform| platform.pack_meta);
    let ports = if spec.ports.is_empty() && spec.detect_ports {
        vec![detected_port(options)]
    } else {
        ports(&spec.ports, provider, checks_other_ports, issues)
    };
    service_names(&service_name, name_path, &ports, issues);
    Network {
        service_name,
        provider,
        cluster_domain,
        ports,
    }
}

/// The one port of a workload that names none and asks for detection.
fn detected_port(options: &Options) -> DesiredPort {
    let number = options.detected_port.unwrap_or(defaults::DETECTED_PORT);
    DesiredPort {
        number,
        protocol: PortProtocol::Http,
        public: false,
        domain: None,
        custom_domain: None,
        check: DesiredCheck {
            check_type: CheckType::Tcp,
            path: None,
            interval: defaults::CHECK_INTERVAL,
            timeout: defaults::CHECK_TIMEOUT,
            port: number,
        },
    }
}

/// The group carries the name, each port makes a service `<name>-<port>` of it.
fn service_names(name: &str, path: &str, ports: &[DesiredPort], issues: &mut Issues) {
    // What is wrong with the workload's own name has been reported as such.
    if path == "spec.service.name"
        && let Some(rule) = text::one_line(name)
    {
        issues.add("service-name", path, rule);
        return;
    }
    let longest = ports.iter().map(|port| port.number).max();
    if let Some(port) = longest
        && let Some(rule) = text::service_label(&format!("{name}-{port}"))
    {
        issues.add_with_help(
            "service-name",
            path,
            format!("the service of port {port} would be called `<name>-{port}`, which {rule}"),
            "set `spec.service.name`",
        );
    }
}

fn ports(
    ports: &[Port],
    provider: ServiceProvider,
    checks_other_ports: bool,
    issues: &mut Issues,
) -> Vec<DesiredPort> {
    let numbers: BTreeSet<u16> = ports.iter().map(|port| port.port).collect();
    let checkable = (!checks_other_ports).then_some(&numbers);
    let mut seen = BTreeSet::new();
    let mut desired = Vec::with_capacity(ports.len());
    for (index, port) in ports.iter().enumerate() {
        let at = path::element("spec.ports", index);
        if port.port == 0 {
            issues.add("port", path::member(&at, "port"), "must be from 1 to 65535");
        } else if !seen.insert(port.port) {
            let message = format!("port {} stands here a second time", port.port);
            issues.add("port-twice", path::member(&at, "port"), message);
        }
        for (name, domain) in [
            ("domain", &port.domain),
            ("customDomain", &port.custom_domain),
        ] {
            if let Some(domain) = domain {
                text::check(
                    issues,
                    "domain",
                    path::member(&at, name),
                    text::host_name(domain),
                );
            }
        }
        desired.push(DesiredPort {
            number: port.port,
            protocol: port.protocol.unwrap_or_default(),
            public: port.public,
            domain: port.domain.clone(),
            custom_domain: port.custom_domain.clone(),
            check: health_check(
                port,
                provider,
                checkable,
                &path::member(&at, "check"),
                issues,
            ),
        });
    }
    desired
}

fn health_check(
    port: &Port,
    provider: ServiceProvider,
    checkable: Option<&BTreeSet<u16>>,
    at: &str,
    issues: &mut Issues,
) -> DesiredCheck {
    let given = port.check.clone().unwrap_or_default();
    let check_type = given
        .check_type
        .unwrap_or_else(|| defaults::check_type(port.protocol.unwrap_or_default(), provider));
    if check_type == CheckType::Grpc && provider == ServiceProvider::Nomad {
        // Source: Nomad, `invalid check type ("grpc"), must be one of tcp, http`.
        issues.add_with_help(
            "check-type",
            path::member(at, "type"),
            "Nomad's own service discovery cannot check gRPC",
            "use `tcp`, or `spec.service.provider: consul`",
        );
    }
    let checked = given.port.unwrap_or(port.port);
    if checkable.is_some_and(|numbers| !numbers.contains(&checked)) {
        // Nomad would take it for a port of the host and check something else.
        let message = format!("port {checked} is none of `spec.ports`");
        issues.add("check-port", path::member(at, "port"), message);
    }
    DesiredCheck {
        path: (check_type == CheckType::Http).then(|| check_path(&given, at, issues)),
        check_type,
        interval: duration(
            given.interval,
            defaults::CHECK_INTERVAL,
            at,
            "interval",
            issues,
        ),
        timeout: duration(
            given.timeout,
            defaults::CHECK_TIMEOUT,
            at,
            "timeout",
            issues,
        ),
        port: checked,
    }
}

/// Source: Nomad, "cannot be lower than 1s".
fn duration(given: Option<Span>, default: Span, at: &str, name: &str, issues: &mut Issues) -> Span {
    let span = given.unwrap_or(default);
    if span.0 < Duration::from_secs(1) {
        issues.add(
            "check-duration",
            path::member(at, name),
            "must be at least 1s",
        );
    }
    span
}

fn check_path(given: &Check, at: &str, issues: &mut Issues) -> String {
    let Some(path) = given.path.as_deref().filter(|path| !path.is_empty()) else {
        return defaults::CHECK_PATH.to_owned();
    };
    text::check(
        issues,
        "check-path",
        path::member(at, "path"),
        check_path_rule(path),
    );
    path.to_owned()
}

/// What Nomad parses as a relative URL. Source: Nomad, `ServiceCheck.validate` ("must have relative http path").
fn check_path_rule(path: &str) -> Option<&'static str> {
    text::one_line(path)
        .or_else(|| {
            let scheme = path.split(['/', '?', '#']).next().unwrap_or_default();
            scheme
                .contains(':')
                .then_some("must be a path such as `/healthz`, without scheme and host")
        })
        .or_else(|| {
            let escapes_are_whole = path.split('%').skip(1).all(|rest| {
                let mut digits = rest.bytes().take(2);
                digits.len() == 2 && digits.all(|b| b.is_ascii_hexdigit())
            });
            (!escapes_are_whole).then_some("must have two hexadecimal digits after each `%`")
        })
}
