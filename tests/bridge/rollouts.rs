//! A green build becomes a healthy rollout, once, through the same loop as `cs apply`, whatever happens between.

use cs::simulator::{Faults, Script};
use serde_json::{Value, json};

use super::lab::{Bridge, Database};
use super::on_both;
use crate::support::env::eventually;

fn workload() -> Value {
    json!({
        "apiVersion": "cloudstation.io/v1", "kind": "Workload", "metadata": {"name": "shop"},
        "spec": {
            "source": {"image": "example/shop:b{{buildNumber}}"},
            "service": {"provider": "nomad"},
            "rollout": {"canary": 0, "minHealthyTime": "1s", "healthyDeadline": "10s", "progressDeadline": "12s"},
            "restart": {"attempts": 0, "mode": "fail"},
        },
    })
}

fn image(bridge: &Bridge) -> String {
    let job = bridge.lab.job("shop").expect("it is registered");
    job["TaskGroups"][0]["Tasks"][0]["Config"]["image"]
        .as_str()
        .expect("a text")
        .to_owned()
}

#[track_caller]
fn until_rollout(bridge: &Bridge, id: &str, build: u64, state: &str) -> Value {
    eventually(&format!("the rollout of build {build} is {state}"), || {
        let last = bridge.show(id)["lastRollout"].clone();
        last["state"] == state && last["buildNumber"].as_str() == Some(&build.to_string())
    });
    bridge.show(id)["lastRollout"].clone()
}

on_both! {
    fn a_green_build_becomes_a_healthy_rollout_once(bridge: &mut Bridge) {
        let (id, job) = bridge.create_with(json!({"workload": workload()}));
        bridge.webhook(&job, "RUNNING", 7).assert_status(200);
        assert_eq!(bridge.lab.registrations(), 0);
        bridge.webhook(&job, "SUCCESS", 7).assert_status(200);
        let rollout = until_rollout(bridge, &id, 7, "converged");
        assert_eq!(rollout["outcome"], "converged");
        assert_eq!(image(bridge), "example/shop:b7");
        assert_eq!(bridge.lab.registrations(), 1);
        // Late and repeated news of the same build does nothing.
        bridge.webhook(&job, "SUCCESS", 7).assert_status(200);
        bridge.webhook(&job, "SUCCESS", 6).assert_status(200);
        let events = bridge.events();
        eventually("it was announced", || events.names().iter().any(|name| name == "DEPLOYMENT_ROLLOUT_UPDATE"));
        let told: Vec<Value> = events.events().into_iter().map(|(_, _, payload)| payload)
            .filter(|payload| payload["state"] == "converged").collect();
        assert_eq!(told.len(), 1);
        assert_eq!((&told[0]["deploymentId"], &told[0]["buildNumber"]), (&json!(id), &json!("7")));
        assert!(bridge.history(&id).iter().any(|(kind, _, _)| kind == "rollout"));
        bridge.webhook(&job, "FAILURE", 8).assert_status(200);
        bridge.webhook(&job, "SUCCESS", 9).assert_status(200);
        until_rollout(bridge, &id, 9, "converged");
        assert_eq!(image(bridge), "example/shop:b9");
        assert_eq!(bridge.lab.registrations(), 2);
        assert_eq!(bridge.count("deployment_rollouts"), 2);
    }

    fn a_server_that_dies_in_the_middle_goes_on_where_it_was(bridge: &mut Bridge) {
        let (id, job) = bridge.create_with(json!({"workload": workload()}));
        bridge.lab.hold();
        bridge.webhook(&job, "SUCCESS", 7).assert_status(200);
        eventually("it is registered", || bridge.lab.registrations() == 1);
        bridge.kill();
        bridge.lab.release();
        bridge.start();
        until_rollout(bridge, &id, 7, "converged");
        assert_eq!(bridge.lab.registrations(), 1, "registered again");
    }

    fn a_server_that_is_stopped_leaves_the_rollout_to_the_next(bridge: &mut Bridge) {
        let (id, job) = bridge.create_with(json!({"workload": workload()}));
        bridge.lab.hold();
        bridge.webhook(&job, "SUCCESS", 7).assert_status(200);
        eventually("it is registered", || bridge.lab.registrations() == 1);
        bridge.stop();
        bridge.lab.release();
        bridge.start();
        until_rollout(bridge, &id, 7, "converged");
        assert_eq!(bridge.lab.registrations(), 1);
    }

    fn a_newer_build_takes_the_place_of_a_rollout_under_way(bridge: &mut Bridge) {
        let (id, job) = bridge.create_with(json!({"workload": workload()}));
        bridge.lab.hold();
        bridge.webhook(&job, "SUCCESS", 7).assert_status(200);
        eventually("it is registered", || bridge.lab.registrations() == 1);
        bridge.webhook(&job, "SUCCESS", 8).assert_status(200);
        eventually("the newer one is registered", || bridge.lab.registrations() == 2);
        bridge.lab.release();
        until_rollout(bridge, &id, 8, "converged");
        assert_eq!(image(bridge), "example/shop:b8");
        let events = bridge.events();
        eventually("the older one was told off", || events.text().contains("\"state\":\"superseded\""));
    }
}

#[test]
fn a_rollout_that_does_not_become_healthy_is_told_with_its_cause() {
    let bridge = Bridge::on_sqlite();
    bridge.lab.nomad.set_faults(Faults {
        workloads: vec![Script {
            image: "example/shop:b3".to_owned(),
            run_for: Some("1s".to_owned()),
            exit_code: Some(3),
            ..Script::default()
        }],
        ..Faults::default()
    });
    let (id, job) = bridge.create_with(json!({"workload": workload()}));
    bridge.webhook(&job, "SUCCESS", 3).assert_status(200);
    let rollout = until_rollout(&bridge, &id, 3, "failed");
    assert_eq!(rollout["outcome"], "unhealthy", "{rollout}");
    // What CI said stays what it is.
    assert_eq!(bridge.status(&id), "completed");
}

#[test]
fn nomad_away_is_waited_for() {
    let mut bridge = Bridge::stopped(Database::Sqlite);
    let address = bridge.lab.nomad.url.clone();
    bridge
        .lab
        .env
        .set("NOMAD_ADDR", "http://127.0.0.1:1")
        .set("CS_DEADLINE", "40s");
    bridge.start();
    let (id, job) = bridge.create_with(json!({"workload": workload()}));
    bridge.webhook(&job, "SUCCESS", 7).assert_status(200);
    until_rollout(&bridge, &id, 7, "running");
    bridge.stop();
    bridge.lab.env.set("NOMAD_ADDR", address);
    bridge.start();
    until_rollout(&bridge, &id, 7, "converged");
}

#[test]
fn a_workload_that_makes_no_sense_or_reads_the_servers_secrets_is_refused() {
    let bridge = Bridge::on_sqlite();
    let create = |workload: &Value| {
        let body = json!({"name": "a", "provider": "jenkins", "job": "j", "workload": workload});
        bridge.post("/api/v1/deployments", &body)
    };
    let mut unknown = workload();
    unknown["spec"]["replica"] = json!(2);
    let mut built = workload();
    built["spec"]["source"] = json!({"git": {"url": "https://example.com/a/b.git"}});
    let mut stolen = workload();
    stolen["spec"]["env"] = json!({"A": {"fromEnv": "CS_API_TOKEN"}});
    let mut file = workload();
    file["spec"]["env"] = json!({"A": {"fromFile": "/etc/passwd"}});
    let mut unset = workload();
    unset["spec"]["env"] = json!({"A": {"fromEnv": "CS_WORKLOAD_UNSET"}});
    for bad in [
        json!("x"),
        json!({}),
        json!([workload()]),
        unknown,
        built,
        stolen,
        file,
        unset,
    ] {
        let answered = create(&bad);
        assert_eq!(answered.status, 422, "{bad} {answered:?}");
        answered.assert_problem(422, "bad-workload");
    }
    assert_eq!(bridge.count("deployments"), 0);
    create(&workload()).assert_status(201);
}
