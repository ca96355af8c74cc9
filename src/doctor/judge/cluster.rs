//! What the cluster offers: namespace, nodes, scheduler, Vault, Consul.

use super::NOT_ASKED;
use super::rights::{is_namespace_missing, is_usable};
use crate::doctor::facts::{Asked, NodesFacts, NomadFacts, SchedulerFacts, TroubleKind, Wants};
use crate::doctor::{Area, Check, Checks};

const C: Checks = Checks(Area::Cluster);

pub(super) fn judge(nomad: Option<&NomadFacts>, wants: Wants) -> Vec<Check> {
    let Some(nomad) = nomad else {
        return vec![C.skipped("namespace", NOT_ASKED)];
    };
    if !is_usable(nomad) {
        return vec![C.skipped("namespace", "not asked: the token comes first")];
    }
    let mut checks = vec![namespace(nomad), nodes(&nomad.nodes)];
    checks.extend(scheduler(&nomad.scheduler));
    if let Ok(nodes) = &nomad.nodes {
        checks.extend(integrations(nodes, wants));
    }
    checks
}

fn namespace(nomad: &NomadFacts) -> Check {
    let name = &nomad.namespace;
    if is_namespace_missing(nomad) {
        return C.fail(
            "namespace",
            format!("there is no namespace `{name}`"),
            format!(
                "`nomad namespace apply {name}`, or correct --namespace, NOMAD_NAMESPACE or that of the context"
            ),
        );
    }
    match &nomad.namespace_exists {
        Ok(_) => C.ok("namespace", format!("`{name}` exists")),
        Err(trouble) if trouble.kind == TroubleKind::Forbidden => C.unseen(
            "namespace",
            format!("the token has no right in namespace `{name}`"),
            format!("give it one: namespace \"{name}\" {{ policy = \"read\" }}"),
        ),
        Err(trouble) => C.skipped("namespace", &trouble.text),
    }
}

fn nodes(nodes: &Asked<NodesFacts>) -> Check {
    let nodes = match nodes {
        Ok(nodes) => nodes,
        Err(trouble) if trouble.kind == TroubleKind::Forbidden => {
            return C.unseen(
                "nodes",
                "the token may not list them: messages will not name them",
                "allow it: `node { policy = \"read\" }`",
            );
        }
        Err(trouble) => return C.skipped("nodes", &trouble.text),
    };
    if nodes.ready == 0 {
        return C.warn(
            "nodes",
            format!("none of {} is ready: nothing can be placed", nodes.all),
            "`nomad node status` shows why",
        );
    }
    let pools = nodes.pools.iter();
    let pools: Vec<String> = pools
        .take(8)
        .map(|(pool, count)| format!("{pool} {count}"))
        .collect();
    let more = nodes.pools.len().saturating_sub(8);
    let more = if more > 0 {
        format!(", {more} more")
    } else {
        String::new()
    };
    C.ok(
        "nodes",
        format!(
            "{} of {} ready (by pool: {}{more})",
            nodes.ready,
            nodes.all,
            pools.join(", ")
        ),
    )
}

fn scheduler(scheduler: &Asked<SchedulerFacts>) -> Vec<Check> {
    let facts = match scheduler {
        Ok(facts) => facts,
        Err(trouble) if trouble.kind == TroubleKind::Forbidden => {
            return vec![C.unseen(
                "scheduler",
                "the token may not read its configuration",
                "allow it: `operator { policy = \"read\" }`",
            )];
        }
        Err(trouble) => return vec![C.skipped("scheduler", &trouble.text)],
    };
    let mut checks = Vec::new();
    if facts.is_paused {
        checks.push(C.warn(
            "scheduler",
            "it is paused: nothing will be placed",
            "`nomad operator scheduler set-config -pause-eval-broker=false`",
        ));
    }
    if facts.rejects_jobs {
        checks.push(C.warn(
            "scheduler",
            "registrations are switched off for all but management tokens",
            "`nomad operator scheduler set-config -reject-job-registration=false`",
        ));
    }
    // Off is Nomad's default and no mistake; what follows from it is worth a line.
    checks.push(C.ok(
        "oversubscription",
        if facts.oversubscription {
            "memory may be oversubscribed: `memoryMax` has an effect"
        } else {
            "memory is not oversubscribed: `memoryMax` has no effect \
             (`nomad operator scheduler set-config -memory-oversubscription=true`)"
        },
    ));
    checks
}

fn integrations(nodes: &NodesFacts, wants: Wants) -> Vec<Check> {
    let Some(sample) = &nodes.sample else {
        return Vec::new();
    };
    let kinds = [
        (
            "vault",
            "Vault",
            &sample.vault,
            wants.vault,
            "CS_VAULT=off",
            "secrets from Vault",
        ),
        (
            "consul",
            "Consul",
            &sample.consul,
            wants.consul,
            "CS_SERVICE_PROVIDER=nomad",
            "services in Consul",
        ),
    ];
    let checks = kinds.map(
        |(name, title, version, is_wanted, off, what)| match version {
            Some(version) => C.ok(name, format!("node {} sees {title} {version}", sample.node)),
            None if is_wanted => C.warn(
                name,
                format!(
                    "node {} sees no {title}: jobs with {what} cannot be placed there",
                    sample.node
                ),
                format!("set {off}, or set {title} up in the agents' configuration"),
            ),
            None => C.skipped(
                name,
                format!(
                    "node {} sees no {title}; only jobs with {what} need it",
                    sample.node
                ),
            ),
        },
    );
    checks.into()
}
