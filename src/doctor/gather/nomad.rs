//! What Nomad says when it is asked.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{Timestamp, Unit};
use serde_json::{Value, json};

use super::{EACH, trouble, within};
use crate::clients::nomad::calls::cluster::{Node, OwnToken};
use crate::clients::nomad::calls::jobs::JobQuery;
use crate::clients::nomad::calls::variables::VariablePath;
use crate::clients::nomad::{NomadClient, NomadError};
use crate::doctor::facts::{
    Asked, Hello, NodesFacts, NomadFacts, RightsFacts, Sample, SchedulerFacts, TokenFacts, Trouble,
    TroubleKind,
};
use crate::ids::{JobId, ModifyIndex, OwnerId};

/// Id of a job that is never registered.
const PROBE: &str = "cs-doctor-probe";

/// Longest wait for the token, before rights are asked for: so all of it fits into 15 s.
const TOKEN: Duration = Duration::from_secs(3);

/// An index that no object reaches: a write that names it is refused whatever the object is like.
const NEVER: ModifyIndex = ModifyIndex(1 << 62);

/// The first call.
pub(super) async fn hello(client: &NomadClient) -> Asked<Hello> {
    let before = Timestamp::now();
    let greeting = client.greet().await.map_err(|error| match error {
        // Every Nomad has this one.
        NomadError::NotFound { .. } => Trouble {
            kind: TroubleKind::NotNomad,
            ..trouble(&error)
        },
        error => trouble(&error),
    })?;
    let after = Timestamp::now();
    let took = after.duration_since(before).as_millis();
    let took = i64::try_from(took).unwrap_or(i64::MAX).max(0);
    let server = greeting
        .date
        .as_deref()
        .and_then(|text| jiff::fmt::rfc2822::parse(text).ok())
        .map(|zoned| zoned.timestamp().as_millisecond());
    Ok(Hello {
        leader: greeting.leader,
        // The middle of the second that the server names, against the middle of the exchange.
        skew_ms: server.map(|server| server + 500 - (before.as_millisecond() + took / 2)),
        skew_error_ms: 500 + took / 2,
    })
}

/// Everything else, at the same time.
pub(super) async fn ask(client: &NomadClient, owner: &OwnerId, read_only: bool) -> NomadFacts {
    let inventory = inventory_path(owner);
    let ((token, rights), version, exists, nodes, scheduler) = tokio::join!(
        token_and_rights(client, &inventory, read_only),
        within(EACH, version(client)),
        within(EACH, namespace(client)),
        within(EACH, nodes(client)),
        within(EACH, scheduler(client)),
    );
    let of_nodes = || nodes.as_ref().ok()?.versions.last().cloned();
    NomadFacts {
        namespace: client.namespace().to_string(),
        inventory: inventory.as_str().to_owned(),
        token,
        version: version.or_else(|trouble| of_nodes().ok_or(trouble)),
        namespace_exists: exists,
        rights,
        nodes,
        scheduler,
    }
}

/// Where the inventory of an owner stands; of an owner whose name is no path, that of another one: rights are given for
/// all of them.
fn inventory_path(owner: &OwnerId) -> VariablePath {
    format!("cs/inventory/{owner}")
        .parse()
        .unwrap_or_else(|_| "cs/inventory/cs".parse().expect("a valid path"))
}

/// Rights are asked for beside the token: where there are no ACLs they are no question.
async fn token_and_rights(
    client: &NomadClient,
    inventory: &VariablePath,
    read_only: bool,
) -> (Asked<TokenFacts>, Option<RightsFacts>) {
    let token = within(TOKEN, token(client)).await;
    if matches!(&token, Err(trouble) if trouble.kind == TroubleKind::NoAcls) {
        return (token, None);
    }
    let (list, read, plan, register, read_inventory, write_inventory) = tokio::join!(
        within(EACH, list(client)),
        within(EACH, read(client)),
        within(EACH, unless(read_only, plan(client))),
        within(EACH, unless(read_only, register(client))),
        within(EACH, read_inventory(client, inventory)),
        within(EACH, unless(read_only, write_inventory(client, inventory))),
    );
    let rights = RightsFacts {
        list,
        read,
        plan,
        register,
        read_inventory,
        write_inventory,
    };
    (token, Some(rights))
}

async fn token(client: &NomadClient) -> Asked<TokenFacts> {
    let token = match client.own_token().await {
        Ok(read) => read.value,
        // An unknown token is a 403.
        Err(NomadError::Forbidden { source, .. }) if source.status == 404 => {
            return Ok(TokenFacts {
                is_identity: true,
                ..TokenFacts::default()
            });
        }
        Err(error) => return Err(trouble(&error)),
    };
    if token.accessor_id == "acls-disabled" {
        return Err(Trouble {
            kind: TroubleKind::NoAcls,
            text: "there are no ACLs".to_owned(),
        });
    }
    Ok(token_facts(token, Timestamp::now()))
}

/// A question that is not asked when only reading is wanted.
async fn unless(read_only: bool, question: impl Future<Output = Asked<()>>) -> Asked<()> {
    if read_only {
        return Err(Trouble {
            kind: TroubleKind::NotAsked,
            text: "not asked (--read-only)".to_owned(),
        });
    }
    question.await
}

fn token_facts(token: OwnToken, now: Timestamp) -> TokenFacts {
    let ends = token.expiration_time.as_deref();
    let ends: Option<Timestamp> = ends.and_then(|text| text.parse().ok());
    let roles = token
        .roles
        .into_iter()
        .map(|role| format!("role {}", role.name));
    TokenFacts {
        is_anonymous: token.accessor_id == "anonymous",
        is_management: token.kind == "management",
        is_identity: false,
        name: token.name,
        policies: token.policies.into_iter().chain(roles).collect(),
        seconds_left: ends.map(|ends| {
            now.until((Unit::Second, ends))
                .map_or(0, |span| span.get_seconds())
        }),
    }
}

async fn list(client: &NomadClient) -> Asked<()> {
    let one = JobQuery {
        per_page: Some(1),
        ..JobQuery::default()
    };
    granted(client.jobs(&one).await)
}

async fn read(client: &NomadClient) -> Asked<()> {
    let id: JobId = PROBE.parse().expect("a valid id");
    granted(client.job(&id).await)
}

async fn plan(client: &NomadClient) -> Asked<()> {
    granted(client.plan(&probe()).await)
}

async fn register(client: &NomadClient) -> Asked<()> {
    refused_for_its_index(client.register(&probe(), NEVER, None).await)
}

async fn read_inventory(client: &NomadClient, path: &VariablePath) -> Asked<()> {
    granted(client.variable(path).await)
}

async fn write_inventory(client: &NomadClient, path: &VariablePath) -> Asked<()> {
    let items = BTreeMap::from([("probe".to_owned(), String::new())]);
    refused_for_its_index(client.put_variable(path, &items, NEVER).await)
}

fn granted<T>(answer: Result<T, NomadError>) -> Asked<()> {
    answer.map(drop).map_err(|error| trouble(&error))
}

/// A write that was refused for its index alone is one that the token may make.
fn refused_for_its_index<T>(answer: Result<T, NomadError>) -> Asked<()> {
    match answer {
        Err(NomadError::Conflict { .. }) => Ok(()),
        answer => granted(answer),
    }
}

/// A job that every Nomad accepts, so that only the right and the index are left to be checked. It places nothing.
fn probe() -> Value {
    json!({
        "ID": PROBE, "Name": PROBE, "Type": "batch", "Datacenters": ["*"],
        "TaskGroups": [{
            "Name": "probe", "Count": 0,
            "Tasks": [{"Name": "probe", "Driver": "docker", "Config": {"image": "none"}}],
        }],
    })
}

async fn version(client: &NomadClient) -> Asked<String> {
    let agent = client.agent_self().await;
    let agent = agent.map_err(|error| trouble(&error))?.value;
    agent.version().map(str::to_owned).ok_or_else(|| Trouble {
        kind: TroubleKind::NotNomad,
        text: "the agent does not name its version".to_owned(),
    })
}

async fn namespace(client: &NomadClient) -> Asked<bool> {
    let found = client.namespace_info(client.namespace()).await;
    let found = found.map_err(|error| trouble(&error))?;
    Ok(found.value.is_some())
}

async fn scheduler(client: &NomadClient) -> Asked<SchedulerFacts> {
    let config = client.scheduler_config().await;
    let config = config.map_err(|error| trouble(&error))?;
    Ok(SchedulerFacts {
        oversubscription: config.memory_oversubscription_enabled,
        rejects_jobs: config.reject_job_registration,
        is_paused: config.pause_eval_broker,
    })
}

async fn nodes(client: &NomadClient) -> Asked<NodesFacts> {
    let nodes = client.nodes().await.map_err(|error| trouble(&error))?.value;
    let mut facts = count(&nodes);
    if let Some(ready) = nodes.iter().find(|node| is_ready(node)) {
        // What it would tell is a hint; the nodes themselves are known.
        if let Ok(Some(node)) = client.node(&ready.id).await.map(|read| read.value) {
            facts.sample = Some(sample(&node));
        }
    }
    Ok(facts)
}

fn is_ready(node: &Node) -> bool {
    node.status == "ready" && node.scheduling_eligibility != "ineligible" && !node.drain
}

fn count(nodes: &[Node]) -> NodesFacts {
    let mut pools: BTreeMap<&str, usize> = BTreeMap::new();
    let ready: Vec<&Node> = nodes.iter().filter(|node| is_ready(node)).collect();
    for node in &ready {
        *pools.entry(&node.node_pool).or_default() += 1;
    }
    let versions = nodes.iter().map(|node| node.version.clone());
    let mut versions: Vec<String> = versions.filter(|version| !version.is_empty()).collect();
    versions.sort();
    versions.dedup();
    NodesFacts {
        all: nodes.len(),
        ready: ready.len(),
        pools: pools
            .into_iter()
            .map(|(pool, count)| (pool.to_owned(), count))
            .collect(),
        versions,
        sample: None,
    }
}

fn sample(node: &Node) -> Sample {
    let attribute = |name: &str| node.attributes.get(name).cloned();
    Sample {
        node: node.name.clone(),
        vault: attribute("vault.version"),
        consul: attribute("consul.version"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_that_is_left_to_a_token_is_counted_from_now() {
        let token = OwnToken {
            expiration_time: Some("2026-11-21T17:11:55.495158003Z".to_owned()),
            ..OwnToken::default()
        };
        let now: Timestamp = "2026-11-21T17:10:55Z".parse().unwrap();
        assert_eq!(token_facts(token.clone(), now).seconds_left, Some(60));
        let later: Timestamp = "2026-11-21T17:12:55Z".parse().unwrap();
        assert!(token_facts(token, later).seconds_left < Some(0));
        assert_eq!(token_facts(OwnToken::default(), now).seconds_left, None);
    }

    #[test]
    fn nodes_that_take_no_jobs_are_not_ready() {
        let node = |status: &str, eligibility: &str, drain| Node {
            status: status.to_owned(),
            scheduling_eligibility: eligibility.to_owned(),
            drain,
            node_pool: "default".to_owned(),
            ..Node::default()
        };
        let facts = count(&[
            node("ready", "eligible", false),
            node("ready", "ineligible", false),
            node("ready", "eligible", true),
            node("down", "eligible", false),
        ]);
        assert_eq!((facts.all, facts.ready), (4, 1));
        assert_eq!(facts.pools, [("default".to_owned(), 1)]);
    }

    #[test]
    fn an_owner_whose_name_is_no_path_is_asked_for_elsewhere() {
        let path = |owner: &str| inventory_path(&owner.parse().unwrap()).as_str().to_owned();
        assert_eq!(path("shop"), "cs/inventory/shop");
        assert_eq!(path("Team A"), "cs/inventory/cs");
    }
}
