//! What resources mean to each other.

use std::collections::{BTreeMap, BTreeSet};

use super::document::Facts;
use super::warning;
use crate::ids::Namespace;
use crate::manifests::Manifest;
use crate::set::graph::{Graph, GraphIssue, Node};
use crate::spec::relations::Readiness;
use crate::spec::workload::{JobType, Workload};
use crate::spec::{Diagnostic, Document, path};

pub(super) fn check(
    manifests: &[Manifest],
    facts: &[Facts],
    default_namespace: &Namespace,
) -> Vec<Diagnostic> {
    let mut documents = Vec::new();
    let mut nodes = Vec::new();
    for (manifest, facts) in manifests.iter().zip(facts) {
        let resource = &manifest.document.resource;
        if let Some(node) = Node::of(resource, default_namespace, facts.runs_to_completion) {
            nodes.push(node);
            documents.push(&manifest.document);
        }
    }
    let issues = match Graph::new(&nodes) {
        Ok(graph) => graph.warnings().to_vec(),
        Err(issues) => issues,
    };
    let mut findings: Vec<Diagnostic> = issues
        .iter()
        .filter_map(|issue| finding(issue, &nodes, &documents))
        .collect();
    findings.extend(readiness(&nodes, &documents));
    findings.extend(links(manifests));
    findings
}

/// The finding of an issue; `documents` are those of the nodes. `None` for what the document's own check says already.
#[must_use]
pub fn finding(issue: &GraphIssue, nodes: &[Node], documents: &[&Document]) -> Option<Diagnostic> {
    let need = |node: usize, need: usize| {
        let at = path::element("spec.dependsOn", nodes[node].needs[need].position);
        (documents[node], path::member(&at, "name"))
    };
    let (code, (document, at), help) = match issue {
        GraphIssue::Duplicate { first, second } => {
            let other = documents[*first];
            let (line, column) = other.locate("metadata.name");
            let help = format!("the other one stands at {}:{line}:{column}", other.file());
            ("duplicate-id", named(documents[*second]), Some(help))
        }
        GraphIssue::Cycle { path } => {
            let code = if path.len() == 1 {
                "depends-on-itself"
            } else {
                "dependency-cycle"
            };
            (code, cycle_place(path, nodes, documents), None)
        }
        GraphIssue::Unresolved { node, need: number } => {
            let help = "correct it, or leave it when it lives elsewhere: `cs apply` looks for it on the cluster";
            (
                "dependency-unknown",
                need(*node, *number),
                Some(help.to_owned()),
            )
        }
        GraphIssue::WrongKind {
            node, need: number, ..
        } => ("dependency-kind", need(*node, *number), None),
        GraphIssue::NeedsFailureHook { node, need: number } => {
            ("dependency-hook", need(*node, *number), None)
        }
        GraphIssue::UnknownServed { node, served } | GraphIssue::ServesHook { node, served } => {
            let at = path::element("spec.hook.for", *served);
            ("hook-serves", (documents[*node], at), None)
        }
        // A workload tells it by itself.
        GraphIssue::EndlessHook { node } if documents[*node].workload().is_some() => return None,
        GraphIssue::EndlessHook { node } => (
            "hook-type",
            (documents[*node], "spec.hook".to_owned()),
            None,
        ),
    };
    let finding = document.diagnostic(code, &at, issue.message(nodes), help);
    Some(if issue.is_error() {
        finding
    } else {
        warning(finding)
    })
}

fn named(document: &Document) -> (&Document, String) {
    (document, "metadata.name".to_owned())
}

/// The dependency or hook by which the first node of a cycle waits for the second.
fn cycle_place<'d>(
    cycle: &[usize],
    nodes: &[Node],
    documents: &[&'d Document],
) -> (&'d Document, String) {
    let (first, next) = (cycle[0], cycle[1 % cycle.len()]);
    let need = nodes[first]
        .needs
        .iter()
        .find(|need| need.key == nodes[next].key);
    let at = match need {
        Some(need) => path::member(&path::element("spec.dependsOn", need.position), "name"),
        None if nodes[first].hook.is_some() => "spec.hook".to_owned(),
        None => "metadata.name".to_owned(),
    };
    (documents[first], at)
}

/// Dependencies inside the set that can never be what is waited for.
fn readiness(nodes: &[Node], documents: &[&Document]) -> Vec<Diagnostic> {
    let by_key: BTreeMap<_, _> = nodes
        .iter()
        .zip(documents)
        .map(|(node, document)| (&node.key, *document))
        .collect();
    let mut findings = Vec::new();
    for (node, document) in nodes.iter().zip(documents) {
        for need in &node.needs {
            let dependency = &document.resource.depends_on()[need.position];
            let Some(workload) = by_key.get(&need.key).and_then(|found| found.workload()) else {
                continue;
            };
            let at = path::element("spec.dependsOn", need.position);
            let (member, message) = match (dependency.until, &dependency.service) {
                (Some(Readiness::Completed), _) if never_ends(workload) => {
                    ("until", "it is not meant to end, so it never completes")
                }
                (Some(Readiness::Passing), None)
                    if workload.spec.ports.is_empty() && !workload.spec.detect_ports =>
                {
                    (
                        "until",
                        "it has no port, so it has no service that could pass",
                    )
                }
                (Some(Readiness::Passing), Some(service)) if !offers(workload, service) => {
                    ("service", "it has no such service")
                }
                _ => continue,
            };
            findings.push(document.diagnostic(
                "dependency-never",
                &path::member(&at, member),
                message.to_owned(),
                help_with_services(workload, member),
            ));
        }
    }
    findings
}

fn never_ends(workload: &Workload) -> bool {
    matches!(workload.spec.job_type, JobType::Service | JobType::System)
}

fn stem(workload: &Workload) -> &str {
    let name = workload.spec.service.name.as_ref();
    name.unwrap_or(&workload.metadata.name)
}

fn services(workload: &Workload) -> impl Iterator<Item = String> {
    let stem = stem(workload);
    let ports = workload.spec.ports.iter();
    ports.map(move |port| format!("{stem}-{}", port.port))
}

fn offers(workload: &Workload, service: &str) -> bool {
    // Which port is detected only the image knows.
    workload.spec.detect_ports || services(workload).any(|offered| offered == service)
}

fn help_with_services(workload: &Workload, member: &str) -> Option<String> {
    let offered: Vec<String> = services(workload).map(|name| format!("`{name}`")).collect();
    (member == "service" && !offered.is_empty()).then(|| format!("it has {}", offered.join(", ")))
}

/// Links and connections to a workload of the set at a port that it does not have.
fn links(manifests: &[Manifest]) -> Vec<Diagnostic> {
    let mut ports: BTreeMap<&str, Option<BTreeSet<u16>>> = BTreeMap::new();
    for workload in manifests.iter().filter_map(|one| one.document.workload()) {
        let known = ports
            .entry(stem(workload))
            .or_insert_with(|| Some(BTreeSet::new()));
        if workload.spec.detect_ports {
            *known = None;
        } else if let Some(known) = known {
            known.extend(workload.spec.ports.iter().map(|port| port.port));
        }
    }
    let mut findings = Vec::new();
    for manifest in manifests {
        let Some(workload) = manifest.document.workload() else {
            continue;
        };
        let links = workload.spec.links.iter().map(|link| &link.service);
        let connections = workload.spec.connections.iter().map(|one| &one.service);
        let places = (links.enumerate().map(|one| ("spec.links", one)))
            .chain(connections.enumerate().map(|one| ("spec.connections", one)));
        for (list, (index, service)) in places {
            if let Some(has) = unknown_port(service, &ports) {
                let at = path::member(&path::element(list, index), "service");
                let message = "the set has this service, but not with this port".to_owned();
                let finding = manifest
                    .document
                    .diagnostic("link-port", &at, message, Some(has));
                findings.push(warning(finding));
            }
        }
    }
    findings
}

/// What a service of the set has instead of the port that is named.
fn unknown_port(service: &str, known: &BTreeMap<&str, Option<BTreeSet<u16>>>) -> Option<String> {
    // A workload may itself be called like another one with a port.
    if known.contains_key(service) {
        return None;
    }
    let (stem, port) = service.rsplit_once('-')?;
    let port: u16 = port.parse().ok()?;
    let ports = known.get(stem)?.as_ref()?;
    if ports.contains(&port) {
        return None;
    }
    let listed: Vec<String> = ports
        .iter()
        .map(|port| format!("`{stem}-{port}`"))
        .collect();
    Some(if listed.is_empty() {
        "it has no port at all".to_owned()
    } else {
        format!("it has {}", listed.join(", "))
    })
}
