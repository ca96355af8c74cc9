//! Each fault does what it says, and only where and as often as it says.

use std::time::Duration;

use cs::simulator::world::JobKey;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::lab::{Lab, service};

fn rule(path: &str, effect: Value) -> Value {
    json!({"rules": [{"on": {"path": path, "count": 1}, "effect": effect}]})
}

fn job(lab: &Lab) -> Option<u64> {
    let world = lab.simulator.world();
    world
        .job(&JobKey::new("default", "x"))
        .map(|job| job.version)
}

#[tokio::test]
async fn an_error_hits_once_and_leaves_the_world_alone() {
    let lab = Lab::with_faults(rule(
        "/v1/jobs",
        json!({"kind": "error", "status": 502, "body": "bad gateway"}),
    ))
    .await;
    let body = json!({"Job": service("x")});
    let first = lab.put("/v1/jobs", &body).await;
    assert_eq!((first.status, first.text.as_str()), (502, "bad gateway"));
    assert_eq!(job(&lab), None);
    assert_eq!(lab.put("/v1/jobs", &body).await.status, 200);
    assert_eq!(job(&lab), Some(0));
}

#[tokio::test]
async fn a_dropped_reply_comes_after_the_write() {
    let lab = Lab::with_faults(rule("/v1/jobs", json!({"kind": "dropReply"}))).await;
    let body = json!({"Job": service("x"), "EnforceIndex": true, "JobModifyIndex": 0});
    lab.try_send(Method::PUT, "/v1/jobs", Some(&body))
        .await
        .err()
        .expect("no answer");
    assert_eq!(job(&lab), Some(0));
    let again = lab.put("/v1/jobs", &body).await;
    assert_eq!(
        again.text,
        "Enforcing job modify index 0: job already exists"
    );
}

#[tokio::test]
async fn a_reset_comes_before_the_write() {
    let lab = Lab::with_faults(rule("/v1/jobs", json!({"kind": "reset"}))).await;
    let body = json!({"Job": service("x")});
    lab.try_send(Method::PUT, "/v1/jobs", Some(&body))
        .await
        .err()
        .expect("no answer");
    assert_eq!(job(&lab), None);
}

#[tokio::test]
async fn a_reset_in_the_middle_of_the_body_is_an_error_to_the_reader() {
    let lab = Lab::with_faults(rule("/v1/nodes", json!({"kind": "resetMidBody"}))).await;
    lab.try_send(Method::GET, "/v1/nodes", None)
        .await
        .err()
        .expect("half an answer");
    assert_eq!(lab.get("/v1/nodes").await.status, 200);
}

#[tokio::test]
async fn without_a_leader_only_stale_reads_are_answered() {
    let faults = json!({"rules": [{"effect": {"kind": "noLeader", "wait": "20ms"}}]});
    let lab = Lab::with_faults(faults).await;
    let answer = lab.get("/v1/jobs").await;
    assert_eq!(
        (answer.status, answer.text.as_str()),
        (500, "No cluster leader")
    );
    assert_eq!(lab.get("/v1/jobs?stale=true").await.status, 200);
}

#[tokio::test]
async fn somebody_else_is_faster_when_a_conflict_is_asked_for() {
    let lab = Lab::with_faults(json!({})).await;
    let index = lab.register(&service("x")).await.json()["JobModifyIndex"].clone();
    lab.simulator.set_faults(
        serde_json::from_value(rule("/v1/jobs", json!({"kind": "conflict"})))
            .expect("valid faults"),
    );
    let body = json!({"Job": service("x"), "EnforceIndex": true, "JobModifyIndex": index});
    let answer = lab.put("/v1/jobs", &body).await;
    assert_eq!(answer.status, 500);
    assert!(
        answer
            .text
            .contains("job exists with conflicting job modify index"),
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn replies_can_be_stale_prefixed_and_go_back_in_time() {
    let lab = Lab::with_faults(json!({"rules": [
        {"effect": {"kind": "stale"}}, {"effect": {"kind": "rpcPrefix"}}, {"effect": {"kind": "indexBackwards", "by": 1000}},
    ]}))
    .await;
    let answer = lab.get("/v1/jobs").await;
    assert_eq!(
        (
            answer.header("x-nomad-knownleader"),
            answer.header("x-nomad-lastcontact")
        ),
        ("false", "9223372036854")
    );
    assert_eq!(answer.header("x-nomad-index"), "1");
    let refused = lab.put("/v1/jobs", &json!({"Job": {"ID": "x"}})).await;
    assert_eq!(
        refused.text,
        "rpc error: 1 error occurred:\n\t* Missing job task groups\n\n"
    );
}

#[tokio::test]
async fn connections_are_turned_away_for_a_while() {
    let lab = Lab::with_faults(
        json!({"rules": [{"on": {"count": 2}, "effect": {"kind": "tooManyConnections"}}]}),
    )
    .await;
    for _ in 0..2 {
        let answer = lab.raw("GET /v1/jobs HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 429"), "{answer}");
    }
    assert_eq!(lab.get("/v1/jobs").await.status, 200);
}

#[tokio::test]
async fn a_silent_stream_says_nothing_at_all() {
    let lab = Lab::with_faults(json!({"rules": [
        {"on": {"path": "/v1/event/stream"}, "effect": {"kind": "silentStream"}},
    ]}))
    .await;
    let url = format!("{}/v1/event/stream", lab.simulator.url);
    let mut response = reqwest::get(url).await.expect("a head");
    timeout(Duration::from_millis(300), response.chunk())
        .await
        .expect_err("no line comes");
}

#[tokio::test]
async fn images_fail_as_their_scripts_say() {
    let lab = Lab::with_faults(json!({"workloads": [
        {"image": "shop:1", "pullError": "manifest unknown"},
        {"job": "sick", "failingCheck": true},
        {"job": "homeless", "noPlacement": "${attr.kernel.name} = plan9"},
    ]}))
    .await;
    lab.register(&service("x")).await;
    let allocs = lab
        .until("/v1/job/x/allocations", |found| {
            found[0]["ClientStatus"] == "failed"
        })
        .await;
    let events = allocs[0]["TaskStates"]["t"]["Events"]
        .as_array()
        .expect("events")
        .clone();
    let pull = events
        .iter()
        .find(|event| event["Type"] == "Driver Failure")
        .expect("a driver failure");
    assert_eq!(
        pull["Details"]["driver_error"],
        "Failed to pull `shop:1`: manifest unknown"
    );
    lab.until("/v1/job/x/deployment", |found| {
        found["StatusDescription"] == "Failed due to unhealthy allocations"
    })
    .await;

    for id in ["sick", "homeless"] {
        let mut job = service(id);
        job["TaskGroups"][0]["Tasks"][0]["Config"]["image"] = json!("other:1");
        lab.register(&job).await;
    }
    lab.until("/v1/job/sick/deployment", |found| {
        found["Status"] == "failed"
    })
    .await;
    let evals = lab
        .until("/v1/job/homeless/evaluations", |found| {
            found.as_array().is_some_and(|all| all.len() == 2)
        })
        .await;
    let failed = evals
        .as_array()
        .expect("a list")
        .iter()
        .find(|eval| eval["Status"] == "complete")
        .expect("complete");
    assert_eq!(
        failed["FailedTGAllocs"]["g"]["ConstraintFiltered"]["${attr.kernel.name} = plan9"],
        1
    );
}

#[tokio::test]
async fn faults_can_be_read_and_replaced_while_it_runs() {
    let lab = Lab::with_faults(json!({})).await;
    let faults = rule("/v1/jobs", json!({"kind": "notReady"}));
    assert_eq!(lab.put("/_cs/faults", &faults).await.status, 200);
    assert_eq!(
        lab.get("/_cs/faults").await.json()["rules"][0]["effect"]["kind"],
        "notReady"
    );
    assert_eq!(
        lab.get("/v1/jobs").await.text,
        "Not ready to serve consistent reads"
    );
    assert_eq!(
        lab.put("/_cs/faults", &json!({"rulez": []})).await.status,
        400
    );
}

#[tokio::test]
async fn things_happen_by_themselves_at_their_time() {
    let lab = Lab::with_faults(json!({"actions": [
        {"at": "1h", "do": {"kind": "stopJob", "job": "x"}},
        {"at": "2h", "do": {"kind": "gc"}},
    ]}))
    .await;
    lab.register(&service("x")).await;
    lab.until("/v1/job/x", |found| found["Status"] == "running")
        .await;
    lab.simulator.skip(Duration::from_secs(3_600));
    lab.until("/v1/job/x", |found| {
        found["Status"] == "dead" && found["Stop"] == true
    })
    .await;
    lab.until("/v1/job/x/allocations", |found| {
        found[0]["ClientStatus"] == "complete"
    })
    .await;
    lab.simulator.skip(Duration::from_secs(3_600));
    assert_eq!(lab.get("/v1/job/x").await.status, 404);
}
