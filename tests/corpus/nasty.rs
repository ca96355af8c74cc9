//! Pairs that mean the same and are written differently, and pairs that look the same and are not.
//!
//! The left of each pair is registered; the right is compared with what was stored.

use cs::reconcile::diff::{DiffOptions, diff};
use serde_json::{Value, json};

use super::{Lab, on_both};

on_both!(
    what_means_the_same_is_no_drift,
    what_means_something_else_is_drift,
    long_and_odd_texts_come_back_as_they_were,
);

fn job(task: Value) -> Value {
    let mut own = json!({"Name": "app", "Driver": "docker", "Config": {"image": "x"}});
    merge(&mut own, task);
    json!({"ID": "nasty", "TaskGroups": [{"Name": "web", "Count": 0, "Tasks": [own]}]})
}

fn group(group: Value) -> Value {
    let mut job = job(json!({}));
    merge(&mut job["TaskGroups"][0], group);
    job
}

fn whole(members: Value) -> Value {
    let mut job = job(json!({}));
    merge(&mut job, members);
    job
}

fn merge(into: &mut Value, members: Value) {
    for (name, value) in members.as_object().unwrap() {
        into[name] = value.clone();
    }
}

fn service(members: Value) -> Value {
    let mut service = json!({"Name": "web", "Provider": "nomad"});
    merge(&mut service, members);
    group(json!({"Services": [service]}))
}

fn same() -> Vec<(&'static str, Value, Value)> {
    let hour = 3_600_000_000_000_u64;
    vec![
        (
            "a mesh service in small letters",
            mesh(json!({"Port": "20000", "Proxy": {"LocalServicePort": 9001}})),
            mesh(
                json!({"port": "20000", "proxy": {"localserviceport": 9001, "upstreams": [], "config": {}}}),
            ),
        ),
        (
            "tags in another order",
            service(json!({"Tags": ["a", "b"]})),
            service(json!({"Tags": ["b", "a"]})),
        ),
        (
            "no tags and an empty list",
            service(json!({"Tags": []})),
            service(json!({"Tags": null})),
        ),
        (
            "datacenters in another order",
            whole(json!({"Datacenters": ["a", "b"]})),
            whole(json!({"Datacenters": ["b", "a"]})),
        ),
        (
            "ports of a driver in another order",
            job(json!({"Config": {"image": "x", "ports": ["a", "b"]}})),
            job(json!({"Config": {"image": "x", "ports": ["b", "a"]}})),
        ),
        (
            "capabilities in another order",
            job(json!({"Config": {"cap_add": ["x", "y"]}})),
            job(json!({"Config": {"cap_add": ["y", "x"]}})),
        ),
        (
            "constraints in another order",
            whole(
                json!({"Constraints": [{"LTarget": "a", "RTarget": "b", "Operand": "="}, {"LTarget": "c", "RTarget": "d", "Operand": "="}]}),
            ),
            whole(
                json!({"Constraints": [{"LTarget": "c", "RTarget": "d", "Operand": "="}, {"LTarget": "a", "RTarget": "b", "Operand": "="}]}),
            ),
        ),
        (
            "dynamic ports in another order",
            group(json!({"Networks": [{"DynamicPorts": [{"Label": "a"}, {"Label": "b"}]}]})),
            group(json!({"Networks": [{"DynamicPorts": [{"Label": "b"}, {"Label": "a"}]}]})),
        ),
        (
            "mounts in another order",
            group(
                json!({"Volumes": {"v": {"Type": "host", "Source": "v"}}, "Tasks": [{"Name": "app", "Driver": "docker", "Config": {"image": "x"}, "VolumeMounts": [{"Volume": "v", "Destination": "/a"}, {"Volume": "v", "Destination": "/b"}]}]}),
            ),
            group(
                json!({"Volumes": {"v": {"Type": "host", "Source": "v"}}, "Tasks": [{"Name": "app", "Driver": "docker", "Config": {"image": "x"}, "VolumeMounts": [{"Volume": "v", "Destination": "/b"}, {"Volume": "v", "Destination": "/a"}]}]}),
            ),
        ),
        (
            "an empty text and nothing",
            job(json!({"User": "", "KillSignal": ""})),
            job(json!({"User": null})),
        ),
        (
            "an empty map and nothing",
            job(json!({"Env": {}, "Meta": {}, "Templates": []})),
            job(json!({})),
        ),
        (
            "a delay of nothing and none",
            job(json!({"ShutdownDelay": 0})),
            job(json!({})),
        ),
        (
            "the default of a time to stop",
            job(json!({"KillTimeout": 5_000_000_000_u64})),
            job(json!({"KillTimeout": 0})),
        ),
        (
            "a driver's hour as text",
            job(json!({"Config": {"image_pull_timeout": "1h"}})),
            job(json!({"Config": {"image_pull_timeout": "60m"}})),
        ),
        (
            "a driver's hour as number",
            job(json!({"Config": {"image_pull_timeout": "1h"}})),
            job(json!({"Config": {"image_pull_timeout": hour}})),
        ),
        (
            "a driver's nothing as text",
            job(json!({"Config": {"healthchecks": [{"interval": "0s"}]}})),
            job(json!({"Config": {"healthchecks": {"interval": 0}}})),
        ),
        (
            "whole numbers with and without a point",
            job(json!({"Config": {"shm_size": 1024}})),
            job(json!({"Config": {"shm_size": 1024.0}})),
        ),
        (
            "labels as a map and as a list of one",
            job(json!({"Config": {"labels": [{"a": "b"}]}})),
            job(json!({"Config": {"labels": {"a": "b"}}})),
        ),
        (
            "a null label and an empty one",
            job(json!({"Meta": {"a": null}})),
            job(json!({"Meta": {"a": ""}})),
        ),
        (
            "signals in small letters",
            job(
                json!({"Templates": [{"EmbeddedTmpl": "x", "DestPath": "local/x", "ChangeMode": "signal", "ChangeSignal": "sighup"}]}),
            ),
            job(
                json!({"Templates": [{"EmbeddedTmpl": "x", "DestPath": "local/x", "ChangeMode": "signal", "ChangeSignal": "SIGHUP"}]}),
            ),
        ),
        (
            "a policy of the job and of its group",
            whole(
                json!({"Reschedule": {"Attempts": 3, "Interval": hour, "Unlimited": false, "Delay": 5_000_000_000_u64}}),
            ),
            group(
                json!({"ReschedulePolicy": {"Attempts": 3, "Interval": hour, "Unlimited": false, "Delay": 5_000_000_000_u64}}),
            ),
        ),
    ]
}

fn different() -> Vec<(&'static str, Value, Value, &'static str)> {
    vec![
        (
            "another port of an upstream",
            mesh(json!({"Proxy": {"Upstreams": [{"DestinationName": "db", "LocalBindPort": 1}]}})),
            mesh(json!({"Proxy": {"Upstreams": [{"DestinationName": "db", "LocalBindPort": 2}]}})),
            "LocalBindPort",
        ),
        (
            "a service that leaves the mesh",
            mesh(json!({})),
            group(
                json!({"Networks": [{"Mode": "bridge"}], "Services": [{"Name": "web", "PortLabel": "9001"}]}),
            ),
            "Connect",
        ),
        (
            "arguments in another order",
            job(json!({"Config": {"args": ["a", "b"]}})),
            job(json!({"Config": {"args": ["b", "a"]}})),
            "Config.args",
        ),
        (
            "an argument fewer",
            job(json!({"Config": {"args": ["-v", "-v"]}})),
            job(json!({"Config": {"args": ["-v"]}})),
            "Config.args",
        ),
        (
            "a number and the same as text",
            job(json!({"Config": {"pids_limit": 1}})),
            job(json!({"Config": {"pids_limit": "01"}})),
            "Config.pids_limit",
        ),
        (
            "an empty label and none",
            job(json!({"Meta": {"a": ""}})),
            job(json!({})),
            "Meta.a",
        ),
        (
            "texts that differ in a space at the end",
            job(json!({"Env": {"A": "b "}})),
            job(json!({"Env": {"A": "b"}})),
            "Env.A",
        ),
        (
            "letters of two kinds that look alike",
            job(json!({"Env": {"A": "caf\u{e9}"}})),
            job(json!({"Env": {"A": "cafe\u{301}"}})),
            "Env.A",
        ),
        (
            "a reference and what it looks like",
            job(json!({"Env": {"A": "${NOMAD_DC}"}})),
            job(json!({"Env": {"A": "$${NOMAD_DC}"}})),
            "Env.A",
        ),
        (
            "templates in another order",
            job(
                json!({"Templates": [{"EmbeddedTmpl": "A=1", "DestPath": "a", "Envvars": true}, {"EmbeddedTmpl": "A=2", "DestPath": "b", "Envvars": true}]}),
            ),
            job(
                json!({"Templates": [{"EmbeddedTmpl": "A=2", "DestPath": "b", "Envvars": true}, {"EmbeddedTmpl": "A=1", "DestPath": "a", "Envvars": true}]}),
            ),
            "Templates",
        ),
        (
            "rollouts off and on",
            whole(json!({"Update": {"MaxParallel": 0}})),
            whole(json!({})),
            "Update.MaxParallel",
        ),
        (
            "no restart and the default",
            group(json!({"RestartPolicy": {"Attempts": 0, "Mode": "fail"}})),
            group(json!({})),
            "RestartPolicy.Attempts",
        ),
        (
            "one line more at the end of a template",
            job(json!({"Templates": [{"EmbeddedTmpl": "a\n", "DestPath": "local/x"}]})),
            job(json!({"Templates": [{"EmbeddedTmpl": "a", "DestPath": "local/x"}]})),
            "EmbeddedTmpl",
        ),
    ]
}

fn mesh(sidecar: Value) -> Value {
    group(json!({
        "Networks": [{"Mode": "bridge"}],
        "Services": [{"Name": "web", "PortLabel": "9001", "Connect": {"SidecarService": sidecar}}],
    }))
}

async fn stored(lab: &Lab, name: &str, id: &str, job: &Value) -> (Value, Value) {
    let mut job = job.clone();
    job["ID"] = json!(id);
    let written = lab.register(&job, 0).await;
    assert!(written.is_ok(), "{name}: {written:?}");
    let stored = lab.read(id).await;
    lab.purge(id).await;
    (job, stored)
}

async fn what_means_the_same_is_no_drift(lab: &Lab) {
    let mut wrong = Vec::new();
    for (name, left, right) in same() {
        for (written, compared) in [(&left, &right), (&right, &left)] {
            let (_, stored) = stored(lab, name, "nasty-same", written).await;
            let mut desired = compared.clone();
            desired["ID"] = json!("nasty-same");
            let drift = diff(&desired, &stored, &DiffOptions::default());
            if !drift.is_empty() {
                wrong.push(format!("{name}:\n{drift}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn what_means_something_else_is_drift(lab: &Lab) {
    for (name, left, right, place) in different() {
        let (_, stored) = stored(lab, name, "nasty-different", &left).await;
        let mut desired = right.clone();
        desired["ID"] = json!("nasty-different");
        let drift = diff(&desired, &stored, &DiffOptions::default());
        assert!(
            drift
                .changes
                .iter()
                .any(|change| change.path.contains(place)),
            "{name}: {drift}"
        );
    }
}

async fn long_and_odd_texts_come_back_as_they_were(lab: &Lab) {
    let long = "0123456789 äöü 🚢\n".repeat(20_000);
    let odd = "\u{1}\u{7f}\u{2028}\u{fffd}\t\r\n\\\"${}%{}{{}}<&>\u{200b}\u{feff}";
    let labels: serde_json::Map<String, Value> = (0..2_000)
        .map(|at| (format!("key-{at}/ä.b c"), json!(format!("{at}{odd}"))))
        .collect();
    let job = job(json!({
        "Meta": labels,
        "Env": {"LONG": long, "ODD": odd},
        "Config": {"image": "x", "args": [long, odd], "labels": [labels]},
        "Templates": [{"EmbeddedTmpl": long, "DestPath": "local/long"}],
    }));
    let (job, stored) = stored(lab, "long", "nasty-long", &job).await;
    let drift = diff(&job, &stored, &DiffOptions::default());
    assert!(drift.is_empty(), "{drift}");
    let task = &stored["TaskGroups"][0]["Tasks"][0];
    assert_eq!(task["Env"]["ODD"], odd);
    assert_eq!(
        task["Templates"][0]["EmbeddedTmpl"].as_str().map(str::len),
        Some(long.len())
    );
}
