//! Agent, status, operator, search, garbage collection, and what this simulation answers without having it.

use serde_json::{Value, json};

use super::jobs::member;
use super::{Answer, Reply, Request};
use crate::simulator::world::{Refusal, World};

pub(super) fn route(world: &mut World, request: &Request, head: &str, rest: &str) -> Answer {
    match (head, rest) {
        ("agent", "health") => Ok(Reply::json(json!({
            "server": {"ok": true, "message": "ok"}, "client": {"ok": true, "message": "ok"},
        }))),
        ("agent", "self") => Ok(Reply::json(agent(world))),
        ("agent", "members") => Ok(Reply::json(
            json!({"Members": [member_of(world)], "ServerName": "simulated", "ServerRegion": world.region}),
        )),
        ("status", "leader") => Ok(Reply::json(json!("127.0.0.1:4647"))),
        ("status", "peers") => Ok(Reply::json(json!(["127.0.0.1:4647"]))),
        ("regions", "") => Ok(Reply::json(json!([world.region]))),
        ("operator", "scheduler/configuration") => scheduler(world, request),
        ("system", "gc") => {
            request.only(&["PUT", "POST"])?;
            world.collect_garbage();
            Ok(Reply::empty(None))
        }
        ("system", "reconcile/summaries") => Ok(Reply::empty(None)),
        ("search", "" | "fuzzy") => search(world, request, rest == "fuzzy"),
        ("volumes", _) => match request.query.get("type") {
            "csi" | "host" => Ok(Reply::read(world.index, json!([]))),
            _ => Err(Refusal::not_found("resource not found")),
        },
        ("plugins", _) => Ok(Reply::read(world.index, json!([]))),
        ("scaling", "policies") => Ok(Reply::read(world.index, json!([]))),
        ("acl", "token/self") => Ok(Reply::json(
            json!({"AccessorID": "acls-disabled", "SecretID": "", "Name": "ACLs disabled token", "Type": "client",
                "Policies": null, "Roles": null, "Global": false, "Hash": null, "CreateTime": "0001-01-01T00:00:00Z",
                "ExpirationTTL": "", "ExpirationTime": null, "CreateIndex": 0, "ModifyIndex": 0}),
        )),
        ("acl", _) => Err(Refusal {
            status: 400,
            text: "ACL support disabled".to_owned(),
        }),
        ("quotas" | "quota" | "sentinel" | "recommendations", _) => Err(Refusal {
            status: 501,
            text: "Nomad Enterprise only endpoint".to_owned(),
        }),
        _ => Err(Refusal::not_found("")),
    }
}

fn agent(world: &World) -> Value {
    json!({
        "config": {"Region": world.region, "Datacenter": "dc1", "Name": "simulated",
            "Version": {"Version": "2.0.6", "VersionPrerelease": "dev", "VersionMetadata": ""},
            "ACL": {"Enabled": false}},
        "member": member_of(world),
        "stats": {"nomad": {"leader": "true", "server": "true"}},
    })
}

fn member_of(world: &World) -> Value {
    json!({"Name": "simulated.global", "Addr": "127.0.0.1", "Port": 4648, "Status": "alive",
        "Tags": {"region": world.region, "dc": "dc1", "build": "2.0.6-dev", "role": "nomad"}})
}

fn scheduler(world: &mut World, request: &Request) -> Answer {
    if request.writes() {
        let index = world.put_scheduler_config(&request.json()?);
        return Ok(Reply::wrote(
            index,
            json!({"Updated": true, "Index": index}),
        ));
    }
    request.only(&["GET"])?;
    let body = json!({"SchedulerConfig": world.scheduler_config, "Index": world.scheduler_config["ModifyIndex"],
        "LastContact": 0, "KnownLeader": true, "NextToken": ""});
    Ok(Reply::read(world.index, body))
}

/// How many matches a search shows of each kind.
const MATCHES: usize = 20;

fn search(world: &World, request: &Request, fuzzy: bool) -> Answer {
    request.only(&["PUT", "POST"])?;
    let body = request.json()?;
    let term = if fuzzy {
        member(&body, "Text")
    } else {
        member(&body, "Prefix")
    };
    if fuzzy && term.len() < 2 {
        return Err(Refusal::server(
            "fuzzy search query must be at least 2 characters, got 1",
        ));
    }
    let context = member(&body, "Context");
    let fits = |text: &str| {
        if fuzzy {
            text.contains(term)
        } else {
            text.starts_with(term)
        }
    };
    let namespace = request.namespace();
    let jobs = world
        .jobs
        .keys()
        .filter(|key| namespace == "*" || key.namespace == namespace);
    let kinds: [(&str, Vec<&str>); 5] = [
        ("jobs", jobs.map(|key| key.id.as_str()).collect()),
        ("allocs", world.allocs.keys().map(String::as_str).collect()),
        ("evals", world.evals.keys().map(String::as_str).collect()),
        (
            "deployment",
            world.deployments.keys().map(String::as_str).collect(),
        ),
        ("nodes", world.nodes.keys().map(String::as_str).collect()),
    ];
    let (mut matches, mut truncations) = (serde_json::Map::new(), serde_json::Map::new());
    for (kind, ids) in kinds {
        if !matches!(context, "" | "all") && context != kind {
            continue;
        }
        let found: Vec<_> = ids.into_iter().filter(|id| fits(id)).collect();
        truncations.insert(kind.to_owned(), json!(found.len() > MATCHES));
        matches.insert(
            kind.to_owned(),
            json!(found.into_iter().take(MATCHES).collect::<Vec<_>>()),
        );
    }
    Ok(Reply::read(
        world.index,
        json!({"Matches": matches, "Truncations": truncations, "Index": world.index,
        "LastContact": 0, "KnownLeader": true}),
    ))
}
