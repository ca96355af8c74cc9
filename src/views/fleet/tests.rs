use serde_json::{Value, json};

use super::*;

fn stub(change: Value) -> JobStub {
    let mut stub = json!({
        "ID": "shop", "Namespace": "default", "Type": "service", "Status": "running", "JobModifyIndex": 50,
        "SubmitTime": 7, "Meta": {"cs.owner": "storefront"},
        "JobSummary": {"Summary": {"web": {"Queued": 0}}, "Children": null},
    });
    merge(&mut stub, change);
    serde_json::from_value(stub).unwrap()
}

fn status(change: Value) -> JobStatus {
    let mut status = json!({
        "ID": "shop", "Namespace": "default", "Version": 3, "GroupCountSum": 2,
        "Allocs": [alloc("running", true), alloc("running", true)],
        "LatestDeployment": {"JobVersion": 3, "Status": "successful", "StatusDescription": "done"},
    });
    merge(&mut status, change);
    serde_json::from_value(status).unwrap()
}

fn alloc(client_status: &str, healthy: bool) -> Value {
    json!({"ClientStatus": client_status, "JobVersion": 3, "DeploymentStatus": {"Healthy": healthy, "Canary": false}})
}

fn merge(value: &mut Value, change: Value) {
    for (name, inner) in change.as_object().unwrap() {
        value[name] = inner.clone();
    }
}

fn glance(stub_change: Value, status_change: Value) -> (Condition, String) {
    let rows = rows(
        &[stub(stub_change)],
        &[status(status_change)],
        &BTreeMap::new(),
    );
    assert_eq!(rows.len(), 1);
    (rows[0].condition, rows[0].message.clone())
}

fn queued(number: u64) -> Value {
    json!({"JobSummary": {"Summary": {"web": {"Queued": number}}}})
}

#[test]
fn a_service_is_judged_by_its_rollout_and_by_what_runs_now() {
    use Condition::*;
    let rolling = |status: &str, words: &str, allocs: Value| json!({"Allocs": allocs, "LatestDeployment": {"JobVersion": 3, "Status": status, "StatusDescription": words}});
    let one = json!([alloc("running", true)]);
    let cases = [
        (json!({}), json!({}), Healthy, ""),
        (
            json!({}),
            json!({"Allocs": one}),
            Degraded,
            "1 of 2 running",
        ),
        (
            queued(1),
            json!({"Allocs": one}),
            Blocked,
            "1 of 2 running, no node for 1 allocation",
        ),
        (
            json!({}),
            json!({"Allocs": [alloc("running", true), alloc("failed", false)]}),
            Unhealthy,
            "1 of 2 running",
        ),
        (
            json!({}),
            json!({"Allocs": [alloc("running", true), alloc("pending", false)]}),
            Progressing,
            "1 of 2 running",
        ),
        (
            json!({}),
            json!({"Allocs": [alloc("running", true), alloc("pending", true)]}),
            Degraded,
            "1 of 2 running",
        ),
        (
            json!({}),
            json!({"GroupCountSum": 0, "Allocs": [], "LatestDeployment": null}),
            Healthy,
            "",
        ),
        (
            json!({}),
            rolling(
                "running",
                "Deployment is running",
                json!([alloc("running", true), alloc("pending", false)]),
            ),
            Progressing,
            "1 of 2 healthy",
        ),
        (
            queued(2),
            rolling("running", "Deployment is running", json!([])),
            Blocked,
            "0 of 2 healthy, no node for 2 allocations",
        ),
        (
            json!({}),
            rolling("failed", "Failed due to unhealthy allocations", one.clone()),
            Unhealthy,
            "Failed due to unhealthy allocations",
        ),
        (
            json!({}),
            rolling(
                "failed",
                "Failed due to progress deadline - rolling back to job version 2",
                json!([]),
            ),
            RolledBack,
            "Failed due to progress deadline - rolling back to job version 2",
        ),
    ];
    for (stub, status, condition, message) in cases {
        assert_eq!(
            glance(stub.clone(), status.clone()),
            (condition, message.to_owned()),
            "{stub} {status}"
        );
    }
}

#[test]
fn an_older_versions_allocations_and_rollout_do_not_count() {
    let old = json!({"ClientStatus": "running", "JobVersion": 2});
    let status = json!({
        "Allocs": [old, old],
        "LatestDeployment": {"JobVersion": 2, "Status": "successful", "StatusDescription": ""},
    });
    assert_eq!(
        glance(json!({}), status),
        (Condition::Progressing, "0 of 2 running".to_owned())
    );
}

#[test]
fn healthy_canaries_wait_for_a_person() {
    let canary = |healthy: bool| json!({"ClientStatus": "running", "JobVersion": 3, "DeploymentStatus": {"Healthy": healthy, "Canary": true}});
    let rollout = json!({"JobVersion": 3, "Status": "running",
        "StatusDescription": "Deployment is running but requires manual promotion"});
    let of = |allocs: Value| {
        glance(
            json!({}),
            json!({"Allocs": allocs, "LatestDeployment": rollout}),
        )
    };
    assert_eq!(
        of(json!([canary(true)])),
        (Condition::AwaitsPromotion, "1 canary healthy".to_owned())
    );
    assert_eq!(
        of(json!([canary(true), canary(true)])).1,
        "2 canaries healthy"
    );
    assert_eq!(
        of(json!([canary(true), canary(false)])).0,
        Condition::Progressing
    );
}

#[test]
fn a_batch_job_is_judged_by_how_its_allocations_ended() {
    use Condition::*;
    let batch = |status: &str| json!({"Type": "batch", "Status": status});
    let ended = |states: &[&str]| {
        let allocs: Vec<Value> = states.iter().map(|state| alloc(state, false)).collect();
        json!({"Allocs": allocs, "LatestDeployment": null})
    };
    assert_eq!(
        glance(batch("dead"), ended(&["complete", "complete"])),
        (Completed, String::new())
    );
    assert_eq!(
        glance(batch("running"), ended(&["complete", "running"])),
        (Progressing, "1 of 2 completed".to_owned())
    );
    assert_eq!(
        glance(batch("dead"), ended(&["complete", "failed"])),
        (
            Unhealthy,
            "1 of 2 completed, 1 allocation failed".to_owned()
        )
    );
    assert_eq!(
        glance(batch("dead"), ended(&[])).0,
        Completed,
        "its allocations are collected"
    );
    let mut waiting = queued(2);
    merge(&mut waiting, batch("pending"));
    assert_eq!(glance(waiting, ended(&[])).0, Blocked);
    let retried = json!({"ClientStatus": "failed", "JobVersion": 3, "FollowupEvalID": "e1"});
    let status = json!({"Allocs": [retried, alloc("complete", false)], "GroupCountSum": 1, "LatestDeployment": null});
    assert_eq!(
        glance(batch("dead"), status).0,
        Completed,
        "a later try went well"
    );
}

#[test]
fn system_jobs_stopped_jobs_and_parents_have_rules_of_their_own() {
    let system = json!({"Type": "system"});
    assert_eq!(glance(system.clone(), json!({})).0, Condition::Healthy);
    assert_eq!(
        glance(system, json!({"Allocs": []})),
        (Condition::Blocked, "it runs on no node".to_owned())
    );
    let stopped = json!({"Stop": true, "Status": "dead"});
    assert_eq!(
        glance(stopped, json!({})),
        (Condition::Stopped, "2 allocations still to end".to_owned())
    );
    let parent = json!({"Type": "batch", "Periodic": true,
        "JobSummary": {"Summary": {}, "Children": {"Pending": 0, "Running": 1, "Dead": 4}}});
    let rows = rows(
        &[stub(parent)],
        &[status(json!({"Allocs": []}))],
        &BTreeMap::new(),
    );
    assert_eq!(
        (
            rows[0].kind.as_str(),
            rows[0].message.as_str(),
            rows[0].desired
        ),
        ("periodic batch", "1 run active, 4 ended", None)
    );
}

fn remembered(index: u64) -> Remembered {
    Remembered {
        owner: "storefront".parse().unwrap(),
        index: ModifyIndex(index),
        failed: false,
        finished: false,
        revision: Some("abc123".to_owned()),
        written: Some(5),
    }
}

#[test]
fn drift_is_what_happened_since_cs_wrote_the_job() {
    let key = JobKey {
        namespace: "default".parse().unwrap(),
        job: "shop".parse().unwrap(),
    };
    let drift = |entry: Remembered| {
        let memory = BTreeMap::from([(key.clone(), entry)]);
        rows(&[stub(json!({}))], &[status(json!({}))], &memory)[0].drift
    };
    assert_eq!(drift(remembered(50)), Drift::None);
    assert_eq!(drift(remembered(49)), Drift::Changed);
    let failed = Remembered {
        failed: true,
        ..remembered(49)
    };
    assert_eq!(drift(failed), Drift::Failed);

    let gone = rows(&[], &[], &BTreeMap::from([(key.clone(), remembered(50))]));
    assert_eq!(
        (gone[0].condition, gone[0].drift),
        (Condition::Missing, Drift::Gone)
    );
    let finished = Remembered {
        finished: true,
        ..remembered(50)
    };
    assert!(rows(&[], &[], &BTreeMap::from([(key, finished)])).is_empty());
}

#[test]
fn children_are_shown_only_when_they_were_asked_for() {
    let child = |id: &str| stub(json!({"ID": id, "ParentID": "backup", "Type": "batch"}));
    let stubs = [child("backup/periodic-1"), child("backup/periodic-2")];
    let asked = status(json!({"ID": "backup/periodic-2"}));
    let rows = rows(&stubs, &[asked], &BTreeMap::new());
    let jobs: Vec<&str> = rows.iter().map(|row| row.job.as_str()).collect();
    assert_eq!(jobs, ["backup/periodic-2"]);
}
