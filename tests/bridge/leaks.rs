//! Every secret gets a canary, and everything that the server says, sends, answers and leaves is searched for it.

use std::fmt::Write as _;

use serde_json::json;

use super::lab::{API_TOKEN, Bridge, Database, WEBHOOK_SECRET, message, signed};
use crate::leaks::canary::Canary;
use crate::support::env::eventually;
use crate::support::http::Asked;
use crate::support::jenkins::{Start, TOKEN};
use crate::support::postgres::{PASSWORD, Postgres};

const PARAMETER: &str = "Cnry+parameter/8fq=Z";
const CRUMB: &str = "Cnry+crumb/8fq=Z";
const SESSION: &str = "Cnry+session/8fq=Z";
const ENVIRONMENT: &str = "Cnry+environment/8fq=Z";

fn canaries() -> Vec<Canary> {
    [
        ("api token", API_TOKEN),
        ("webhook secret", WEBHOOK_SECRET),
        ("jenkins token", TOKEN),
        ("crumb", CRUMB),
        ("session", SESSION),
        ("parameter", PARAMETER),
        ("database password", PASSWORD),
        ("variable of the workload", ENVIRONMENT),
    ]
    .map(|(place, value)| Canary::new(place, value))
    .to_vec()
}

#[track_caller]
fn assert_clean(what: &str, text: &str) {
    for canary in canaries() {
        assert!(
            canary.found_in(text).is_none(),
            "{} in {what}:\n{text}",
            canary.place
        );
    }
}

/// Everything that goes well and everything that goes wrong; what was said meanwhile.
fn exercise(bridge: &mut Bridge) -> String {
    let mut said = String::new();
    let (id, job) = bridge.create_with(json!({
        "parameters": {"SECRET": PARAMETER},
        "workload": {
            "apiVersion": "cloudstation.io/v1", "kind": "Workload", "metadata": {"name": "shop"},
            "spec": {
                "source": {"image": "example/shop:{{buildNumber}}"}, "service": {"provider": "nomad"},
                "env": {"A": {"fromEnv": "CS_WORKLOAD_A"}},
                "rollout": {"canary": 0, "minHealthyTime": "1s", "healthyDeadline": "10s", "progressDeadline": "12s"},
            },
        },
    }));
    let run = Asked::post(format!("/api/v1/deployments/{id}/run"), "").bearer(API_TOKEN);
    let with = |asked: &Asked, said: &mut String| {
        let answered = bridge.send(asked);
        writeln!(said, "{}\n{}", answered.head, answered.body).unwrap();
    };
    for start in [
        Start::Refuse(401, "no"),
        Start::Refuse(403, "no"),
        Start::Refuse(418, "no"),
        Start::Refuse(500, PARAMETER),
        Start::Redirect(
            302,
            format!("http://u:{TOKEN}@elsewhere.invalid/?token={TOKEN}"),
        ),
    ] {
        bridge.jenkins.next_start(start);
        with(&run, &mut said);
    }
    with(&run, &mut said);
    with(&signed(&message(&job, "SUCCESS", 1, 0)), &mut said);
    with(&signed(&message(&job, "SUCCESS", 1, 6000)), &mut said);
    with(&signed("{"), &mut said);
    for wrong in [API_TOKEN, WEBHOOK_SECRET] {
        let almost = &wrong[..wrong.len() - 1];
        with(&Asked::get("/api/v1/deployments").bearer(almost), &mut said);
    }
    let bad =
        json!({"name": "a", "provider": PARAMETER, "job": "j", "parameters": {"A": PARAMETER}});
    with(
        &Asked::post("/api/v1/deployments", bad.to_string()).bearer(API_TOKEN),
        &mut said,
    );
    eventually("the rollout has ended", || {
        bridge.show(&id)["lastRollout"]["state"] == "converged"
    });
    for path in [
        format!("/api/v1/deployments/{id}"),
        format!("/api/v1/deployments/{id}/history"),
        "/api/v1/deployments".to_owned(),
        "/metrics".to_owned(),
        "/openapi.json".to_owned(),
        "/readyz".to_owned(),
    ] {
        with(&Asked::get(path).bearer(API_TOKEN), &mut said);
    }
    let events = bridge.events();
    eventually("events were read", || events.names().len() >= 7);
    said.push_str(&events.text());
    said
}

fn search(mut bridge: Bridge, log_format: &str) {
    let nats = bridge.lab.nats();
    bridge
        .lab
        .env
        .set("CS_LOG_LEVEL", "trace")
        .set("CS_LOG_FORMAT", log_format)
        .set("CS_WORKLOAD_A", ENVIRONMENT);
    bridge.start();
    let said = exercise(&mut bridge);
    assert_clean("answers and events", &said);
    eventually("events are on NATS", || bridge.lab.stored(&nats).len() >= 7);
    for stored in bridge.lab.stored(&nats) {
        assert_clean("a message", &format!("{stored:?}"));
    }
    let command = std::fs::read_to_string("/proc/self/cmdline").unwrap_or_default();
    assert_clean("arguments", &command);
    let ended = bridge.stop();
    assert_clean("the log", &ended.stderr);
    assert_clean("standard output", &ended.stdout);
    // The one thing that is kept on purpose, in a file for its owner alone: what a build is started with.
    let left = std::fs::read_dir(bridge.lab.env.state());
    for file in left.into_iter().flatten() {
        let path = file.expect("it is readable").path();
        let Ok(bytes) = std::fs::read(&path) else {
            continue;
        };
        let text = String::from_utf8_lossy(&bytes);
        for canary in canaries()
            .into_iter()
            .filter(|canary| canary.place != "parameter")
        {
            assert!(
                canary.found_in(&text).is_none(),
                "{} in {path:?}",
                canary.place
            );
        }
    }
    // Jenkins itself was told: the test looked where secrets were.
    let raw = bridge.jenkins.world().raw.clone();
    assert!(
        canaries()
            .iter()
            .any(|canary| canary.place == "parameter" && canary.found_in(&raw).is_some())
    );
}

#[test]
fn no_secret_leaves_the_server_on_sqlite() {
    search(Bridge::stopped(Database::Sqlite), "text");
}

#[test]
fn no_secret_leaves_the_server_on_postgres() {
    let name = Postgres::shared().database();
    search(Bridge::stopped(Database::Shared(name)), "json");
}

#[test]
fn a_database_that_refuses_the_password_does_not_make_it_known() {
    let mut bridge = Bridge::stopped(Database::Sqlite);
    let name = Postgres::shared().database();
    let url = Postgres::shared()
        .url(&name)
        .replace("postgres%2F8fq", "wrong%2F8fq");
    bridge
        .lab
        .env
        .set("CS_DATABASE", url)
        .set("CS_LOG_LEVEL", "trace");
    let ended = bridge
        .lab
        .env
        .cs(["serve", "--listen", "127.0.0.1:0"])
        .run();
    ended
        .assert_code(1)
        .assert_says("cannot use the database")
        .assert_hides("wrong")
        .assert_hides("8fq");
}
