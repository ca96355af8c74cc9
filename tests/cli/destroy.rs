//! `destroy-job-pack`: what is gone is announced, what failed is named, a repeat says nothing new.

use cs::simulator::{Effect, Matcher, Script};
use serde_json::{Value, json};

use crate::support::env::eventually;

use super::lab::{Lab, assert_valid_report, image_with, rule};

fn destroy(jobs: &[&str]) -> Value {
    let jobs: Vec<Value> = jobs
        .iter()
        .map(|job| json!({"jobId": job, "serviceId": format!("svc-{job}")}))
        .collect();
    json!({"jobs": jobs, "reason": "delete"})
}

/// A job of somebody else whose task is not tried again.
fn idle(id: &str) -> Value {
    json!({"ID": id, "Datacenters": ["*"], "TaskGroups": [{
        "Name": "g",
        "RestartPolicy": {"Attempts": 0, "Mode": "fail"},
        "ReschedulePolicy": {"Attempts": 0, "Unlimited": false},
        "Tasks": [{"Name": "t", "Driver": "docker", "Config": {"image": "shop:1"}}],
    }]})
}

fn deployed(lab: &Lab, jobs: &[&str]) {
    for job in jobs {
        let params = image_with(json!({"jobId": job, "deploymentId": format!("dep-{}", job)}));
        lab.deploy(&params).run().assert_code(0);
    }
}

#[test]
fn what_is_gone_is_announced_in_order_and_what_failed_is_named() {
    let mut lab = Lab::new();
    deployed(&lab, &["one", "two", "three"]);
    let server = lab.nats();
    lab.nomad.set_faults(rule(
        Matcher::new("DELETE", "/v1/job/two"),
        Effect::Forbidden,
    ));
    let params = destroy(&["one", "absent", "two", "three"]);
    let ended = lab
        .task("destroy-job-pack", &params)
        .args(["-o", "json", "--summary", "summary.json"])
        .run();
    ended.assert_code(0);
    let stored: Vec<(String, String)> = lab
        .stored(&server)
        .into_iter()
        .map(|message| (message.subject, message.payload))
        .collect();
    let gone = |job: &str| {
        let payload = format!(r#"{{"id":"svc-{job}","reason":"delete"}}"#);
        ("cs.job.destroyed".to_owned(), payload)
    };
    assert_eq!(stored, [gone("one"), gone("absent"), gone("three")]);
    let report = ended.document();
    assert_valid_report(&report);
    assert_eq!(report["outcome"], "destroyed");
    assert_eq!(report["summary"]["failed"], json!(["two"]));
    let outcomes: Vec<&str> = report["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| result["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["destroyed", "destroyed", "failed", "destroyed"]);
    let summary = std::fs::read_to_string(lab.env.root().join("summary.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&summary).unwrap(), report);
    for (job, is_there) in [("one", false), ("two", true), ("three", false)] {
        assert_eq!(lab.job(job).is_some(), is_there, "{job}");
    }

    // The same again announces nothing again.
    lab.task("destroy-job-pack", &params).run().assert_code(0);
    assert_eq!(lab.stored(&server).len(), 3);
    // Once the fault is over, the one that was left is destroyed and announced.
    lab.nomad.set_faults(cs::simulator::Faults::default());
    lab.task("destroy-job-pack", &params).run().assert_code(0);
    let last = lab.stored(&server).pop().unwrap();
    assert_eq!((last.subject, last.payload), gone("two"));
    assert_eq!(lab.stored(&server).len(), 4);
}

#[test]
fn a_job_that_was_created_again_is_announced_again() {
    let mut lab = Lab::new();
    let server = lab.nats();
    for _ in 0..2 {
        deployed(&lab, &["one"]);
        lab.task("destroy-job-pack", &destroy(&["one"]))
            .run()
            .assert_code(0);
    }
    let stored = lab.stored(&server);
    let destroyed = stored
        .iter()
        .filter(|message| message.subject == "cs.job.destroyed");
    assert_eq!(destroyed.count(), 2);
}

#[test]
fn every_allocation_has_ended_before_it_is_announced() {
    let lab = Lab::new();
    deployed(&lab, &["one"]);
    let ended = lab.task("destroy-job-pack", &destroy(&["one"])).run();
    ended.assert_code(0);
    for marker in [
        "=== Destroying 1 job(s) ===",
        "=== Job destruction completed ===",
        "=== Dispatch Execution Completed ===",
    ] {
        assert!(
            ended.stdout.contains(marker),
            "{marker} is missing\n{ended}"
        );
    }
    assert_eq!(ended.subjects(), ["cs.job.destroyed"]);
    let allocations = lab.get("/v1/allocations").unwrap();
    for allocation in allocations.as_array().unwrap() {
        assert_ne!(allocation["ClientStatus"], "running", "{allocation}");
    }
}

#[test]
fn the_log_of_a_task_that_failed_is_shown_before_it_is_purged() {
    let lab = Lab::with_workload(Script {
        job: "one".to_owned(),
        exit_code: Some(1),
        stderr: vec!["last words".to_owned()],
        ..Script::default()
    });
    lab.register(&idle("one"));
    eventually("the task has failed", || {
        lab.get("/v1/job/one/allocations").unwrap()[0]["ClientStatus"] == "failed"
    });
    let ended = lab.task("destroy-job-pack", &destroy(&["one"])).run();
    ended.assert_code(0);
    assert!(ended.stdout.contains("[t] last words"), "{ended}");
    assert_eq!(ended.subjects(), ["cs.job.destroyed"]);
}

#[test]
fn a_job_that_cannot_be_destroyed_is_an_error_line() {
    let lab = Lab::with_faults(rule(Matcher::new("", "/v1/job/*"), Effect::Forbidden));
    let ended = lab.task("destroy-job-pack", &destroy(&["one"])).run();
    ended.assert_code(0);
    let errors: Vec<&str> = ended
        .stdout
        .lines()
        .filter(|line| line.starts_with("ERROR ["))
        .collect();
    assert_eq!(errors.len(), 1, "{ended}");
    assert!(
        errors[0].starts_with("ERROR [handler_execution]: one: "),
        "{ended}"
    );
    assert_eq!(ended.events(), []);
}

#[test]
fn a_job_id_with_special_characters_is_destroyed_too() {
    let lab = Lab::new();
    lab.register(&idle("a/b%c"));
    lab.task("destroy-job-pack", &destroy(&["a/b%c"]))
        .run()
        .assert_code(0);
    assert_eq!(lab.get("/v1/jobs").unwrap(), json!([]));
}
