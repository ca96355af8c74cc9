//! Whole lifecycles against a real Nomad. Skipped, loudly, where there is none.

use std::collections::BTreeMap;
use std::time::Duration;

use cs::clients::nomad::calls::jobs::{Dispatch, JobQuery, Submission};
use cs::clients::nomad::calls::logs::LogKind;
use cs::clients::nomad::stream::{EventQuery, StreamItem};
use cs::clients::nomad::types::{Allocation, JobRecord};
use cs::clients::nomad::watch::{Subject, Wake, Watched, Watcher};
use cs::clients::nomad::{NomadClient, NomadError};
use cs::ids::{JobId, ModifyIndex};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{chain, job};
use crate::support::nomad::RealNomad;

/// Longest wait for anything that a cluster does.
const PATIENCE: Duration = Duration::from_secs(60);

fn real() -> Option<NomadClient> {
    RealNomad::shared().map(RealNomad::client)
}

/// An id that no other run uses.
fn fresh(name: &str) -> JobId {
    job(&format!("{name}-{}", uuid::Uuid::new_v4().simple()))
}

fn shell_job(id: &JobId, kind: &str, script: &str) -> Value {
    json!({
        "ID": id, "Type": kind, "Datacenters": ["*"],
        "TaskGroups": [{
            "Name": "g", "Count": 1,
            "RestartPolicy": {"Attempts": 0, "Mode": "fail"},
            "ReschedulePolicy": {"Attempts": 0, "Unlimited": false},
            "Tasks": [{
                "Name": "t", "Driver": "raw_exec",
                "Config": {"command": "/bin/sh", "args": ["-c", script]},
                "Resources": {"CPU": 20, "MemoryMB": 16},
            }],
        }],
    })
}

/// A job that places nothing.
fn idle_job(id: &JobId) -> Value {
    let mut spec = shell_job(id, "service", "true");
    spec["TaskGroups"][0]["Count"] = json!(0);
    spec
}

async fn read(client: &NomadClient, id: &JobId) -> Option<JobRecord> {
    client.job(id).await.unwrap().value
}

async fn index_of(client: &NomadClient, id: &JobId) -> ModifyIndex {
    read(client, id)
        .await
        .expect("the job is there")
        .head
        .job_modify_index
}

/// Watches allocations until one is as wanted.
async fn until(
    client: &NomadClient,
    id: &JobId,
    wanted: impl Fn(&Allocation) -> bool,
) -> Allocation {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let seen = client.allocations(id, true).await.unwrap();
        if let Some(found) = seen.value.iter().find(|allocation| wanted(allocation)) {
            return found.clone();
        }
        assert!(Instant::now() < deadline, "{:?}", seen.value);
        let wait = Duration::from_secs(5);
        client
            .allocations(id, true)
            .after(seen.index, wait)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_job_is_created_once_changed_with_its_index_and_purged() {
    let Some(client) = real() else { return };
    let id = fresh("cas");
    assert_eq!(read(&client, &id).await, None);
    let spec = idle_job(&id);
    let plan = client.plan(&spec).await.unwrap();
    assert_eq!(plan.job_modify_index, ModifyIndex::MUST_BE_NEW);
    let submission = Submission {
        source: "s".into(),
        format: "json".into(),
        ..Submission::default()
    };
    let reply = client
        .register(&spec, ModifyIndex::MUST_BE_NEW, Some(&submission))
        .await
        .unwrap();
    let first = index_of(&client, &id).await;
    assert_eq!(reply.job_modify_index, first);
    let kept = client.submission(&id, 0).await.unwrap().value.unwrap();
    assert_eq!(kept.source, "s");

    let again = client
        .register(&spec, ModifyIndex::MUST_BE_NEW, None)
        .await
        .unwrap_err();
    assert!(
        matches!(again, NomadError::Conflict { .. }),
        "{}",
        chain(&again)
    );
    let mut changed = spec.clone();
    changed["Priority"] = json!(60);
    let stale = client
        .register(&changed, ModifyIndex(first.0 - 1), None)
        .await
        .unwrap_err();
    assert!(matches!(stale, NomadError::Conflict { expected, .. } if expected.0 == first.0 - 1));
    client.register(&changed, first, None).await.unwrap();
    assert_eq!(
        client.plan(&changed).await.unwrap().job_modify_index,
        index_of(&client, &id).await
    );
    let versions = client
        .job_versions(&id)
        .await
        .unwrap()
        .value
        .unwrap()
        .versions;
    assert_eq!(
        versions
            .iter()
            .map(|version| version.head.version)
            .collect::<Vec<_>>(),
        [1, 0]
    );
    client.revert(&id, 0, Some(1)).await.unwrap();
    let old = client.revert(&id, 0, Some(1)).await.unwrap_err();
    assert!(
        matches!(old, NomadError::Conflict { .. }),
        "{}",
        chain(&old)
    );
    client.evaluate(&id, false).await.unwrap();
    client
        .scale(&id, "g", 0, "test", index_of(&client, &id).await)
        .await
        .unwrap();

    let query = JobQuery {
        prefix: Some(id.to_string()),
        meta: true,
        all_namespaces: true,
        ..JobQuery::default()
    };
    let listed = client.jobs(&query).await.unwrap().value;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].job_modify_index, index_of(&client, &id).await);
    client.deregister(&id, false).await.unwrap();
    assert!(read(&client, &id).await.unwrap().head.stop);
    client.deregister(&id, true).await.unwrap();
    assert_eq!(read(&client, &id).await, None);
    assert_eq!(client.job_versions(&id).await.unwrap().value, None);
    client.deregister(&id, true).await.unwrap();
}

#[tokio::test]
async fn refusals_of_a_real_nomad_have_their_types() {
    let Some(client) = real() else { return };
    let id = fresh("bad");
    let mut no_groups = idle_job(&id);
    no_groups["TaskGroups"] = json!([]);
    assert!(
        !client
            .validate(&no_groups)
            .await
            .unwrap()
            .validation_errors
            .is_empty()
    );
    let refused = client
        .register(&no_groups, ModifyIndex(0), None)
        .await
        .unwrap_err();
    assert!(
        matches!(refused, NomadError::Refused { .. }),
        "{}",
        chain(&refused)
    );
    let mut pool = idle_job(&id);
    pool["NodePool"] = json!("nowhere");
    let error = client
        .register(&pool, ModifyIndex(0), None)
        .await
        .unwrap_err();
    assert!(
        matches!(error, NomadError::NoSuchNodePool { .. }),
        "{}",
        chain(&error)
    );
    let elsewhere = client.in_namespace(&"nowhere".parse().unwrap());
    let error = elsewhere
        .register(&idle_job(&id), ModifyIndex(0), None)
        .await
        .unwrap_err();
    assert!(
        matches!(error, NomadError::NoSuchNamespace { .. }),
        "{}",
        chain(&error)
    );
    let error = client.evaluate(&id, false).await.unwrap_err();
    assert!(
        matches!(error, NomadError::NotFound { .. }),
        "{}",
        chain(&error)
    );
    let error = client
        .dispatch(&id, &Dispatch::default())
        .await
        .unwrap_err();
    assert!(
        matches!(error, NomadError::NotFound { .. }),
        "{}",
        chain(&error)
    );
    let nobody = uuid::Uuid::new_v4().to_string();
    assert_eq!(client.allocation(&nobody).await.unwrap().value, None);
    assert_eq!(client.evaluation(&nobody).await.unwrap().value, None);
    assert_eq!(client.rollout(&nobody).await.unwrap().value, None);
    assert_eq!(client.node(&nobody).await.unwrap().value, None);
    let error = client.promote(&nobody).await.unwrap_err();
    assert!(
        matches!(error, NomadError::NotFound { .. }),
        "{}",
        chain(&error)
    );
    let error = client.allocation("nope").await.unwrap_err();
    assert!(
        matches!(error, NomadError::Refused { .. }),
        "{}",
        chain(&error)
    );
}

#[tokio::test]
async fn a_batch_runs_and_leaves_its_last_lines() {
    let Some(client) = real() else { return };
    let id = fresh("logs");
    let spec = shell_job(&id, "batch", "echo first; echo last; echo oops >&2; exit 3");
    let reply = client
        .register(&spec, ModifyIndex::MUST_BE_NEW, None)
        .await
        .unwrap();
    let failed = until(&client, &id, |allocation| {
        allocation.client_status == "failed"
    })
    .await;
    assert!(failed.is_terminal() && failed.task_states["t"].failed);
    let evaluation = client
        .evaluation(&reply.eval_id)
        .await
        .unwrap()
        .value
        .unwrap();
    assert_eq!(evaluation.triggered_by, "job-register");
    assert!(!client.evaluations(&id).await.unwrap().value.is_empty());
    assert_eq!(client.latest_rollout(&id).await.unwrap().value, None);
    assert!(client.allocation(&failed.id).await.unwrap().value.is_some());
    let tail = client
        .log_tail(&failed.id, "t", LogKind::Stdout, 5)
        .await
        .unwrap();
    assert_eq!(tail.as_deref(), Some("last\n"));
    let all = client
        .log_tail(&failed.id, "t", LogKind::Stdout, 10_000)
        .await
        .unwrap();
    assert_eq!(all.as_deref(), Some("first\nlast\n"));
    let errors = client
        .log_tail(&failed.id, "t", LogKind::Stderr, 100)
        .await
        .unwrap();
    assert_eq!(errors.as_deref(), Some("oops\n"));
    let unknown = client
        .log_tail(&failed.id, "zz", LogKind::Stdout, 5)
        .await
        .unwrap_err();
    assert!(
        matches!(unknown, NomadError::Refused { .. }),
        "{}",
        chain(&unknown)
    );
    client.deregister(&id, true).await.unwrap();
}

#[tokio::test]
async fn a_blocking_query_waits_its_time_and_wakes_on_a_change() {
    let Some(client) = real() else { return };
    let id = fresh("block");
    client
        .register(&idle_job(&id), ModifyIndex::MUST_BE_NEW, None)
        .await
        .unwrap();
    let mut index = client.job(&id).await.unwrap().index;
    let begun = Instant::now();
    // The job's status still settles; each change ends a wait early.
    loop {
        let read = client
            .job(&id)
            .after(index, Duration::from_secs(1))
            .await
            .unwrap();
        if read.index == index {
            break;
        }
        index = read.index;
        assert!(begun.elapsed() < PATIENCE);
    }
    assert!(begun.elapsed() >= Duration::from_secs(1));

    let subject = Subject {
        what: Watched::Job(id.clone()),
        index,
    };
    let mut watcher = Watcher::start(&client, vec![subject]);
    client.deregister(&id, false).await.unwrap();
    let woken = watcher.changed(Instant::now() + PATIENCE).await.unwrap();
    assert_eq!(woken, Wake::Changed);
    client.deregister(&id, true).await.unwrap();
}

#[tokio::test]
async fn the_stream_tells_of_a_job_from_register_to_purge() {
    let Some(client) = real() else { return };
    let id = fresh("stream");
    let query = EventQuery {
        topics: vec![format!("Job:{id}")],
        all_namespaces: true,
        ..EventQuery::default()
    };
    let mut stream = client.events(&query).await.unwrap();
    client
        .register(&idle_job(&id), ModifyIndex::MUST_BE_NEW, None)
        .await
        .unwrap();
    client.deregister(&id, true).await.unwrap();
    let purged = async {
        loop {
            if let StreamItem::Events(batch) = stream.next().await.unwrap() {
                assert!(
                    batch
                        .events
                        .iter()
                        .all(|event| event.job_id.as_deref() == Some(id.as_str()))
                );
                if batch.events.iter().any(|event| event.deleted) {
                    return batch.index;
                }
            }
        }
    };
    let last = tokio::time::timeout(PATIENCE, purged)
        .await
        .expect("the purge is announced");
    assert_eq!(stream.resume_from(), Some(last));
}

#[tokio::test]
async fn a_variable_is_written_only_by_who_saw_it_last() {
    let Some(client) = real() else { return };
    let path = format!("cs/{}", uuid::Uuid::new_v4().simple())
        .parse()
        .unwrap();
    let items = |value: &str| BTreeMap::from([("k".to_owned(), value.to_owned())]);
    assert_eq!(client.variable(&path).await.unwrap().value, None);
    let made = client
        .put_variable(&path, &items("1"), ModifyIndex::MUST_BE_NEW)
        .await
        .unwrap();
    let error = client
        .put_variable(&path, &items("2"), ModifyIndex::MUST_BE_NEW)
        .await
        .unwrap_err();
    assert!(
        matches!(error, NomadError::Conflict { .. }),
        "{}",
        chain(&error)
    );
    let seen = ModifyIndex(made.modify_index);
    let changed = client.put_variable(&path, &items("3"), seen).await.unwrap();
    assert!(matches!(
        client.delete_variable(&path, seen).await,
        Err(NomadError::Conflict { .. })
    ));
    assert_eq!(
        client.variable(&path).await.unwrap().value.unwrap().items,
        items("3")
    );
    assert_eq!(
        client.variables(path.as_str()).await.unwrap().value.len(),
        1
    );
    client
        .delete_variable(&path, ModifyIndex(changed.modify_index))
        .await
        .unwrap();
    assert_eq!(client.variable(&path).await.unwrap().value, None);
}

#[tokio::test]
async fn runs_are_dispatched_and_forced() {
    let Some(client) = real() else { return };
    let (parameterized, periodic) = (fresh("param"), fresh("periodic"));
    let mut spec = shell_job(&parameterized, "batch", "true");
    spec["ParameterizedJob"] = json!({"MetaOptional": ["a"]});
    client
        .register(&spec, ModifyIndex::MUST_BE_NEW, None)
        .await
        .unwrap();
    let dispatch = Dispatch {
        payload: b"hello".to_vec(),
        meta: BTreeMap::from([("a".to_owned(), "1".to_owned())]),
        idempotency_token: Some("once".to_owned()),
    };
    let first = client.dispatch(&parameterized, &dispatch).await.unwrap();
    let second = client.dispatch(&parameterized, &dispatch).await.unwrap();
    assert_eq!(first.dispatched_job_id, second.dispatched_job_id);
    let child: JobId = first.dispatched_job_id.parse().unwrap();
    assert!(
        read(&client, &child).await.is_some(),
        "an id with a slash can be read"
    );
    let mut spec = shell_job(&periodic, "batch", "true");
    spec["Periodic"] = json!({"Enabled": true, "Specs": ["0 0 1 1 *"], "SpecType": "cron"});
    client
        .register(&spec, ModifyIndex::MUST_BE_NEW, None)
        .await
        .unwrap();
    assert!(
        !client
            .periodic_force(&periodic)
            .await
            .unwrap()
            .eval_id
            .is_empty()
    );
    for id in [parameterized, periodic, child] {
        client.deregister(&id, true).await.unwrap();
    }
}

#[tokio::test]
async fn canaries_are_promoted_and_a_rollout_that_is_over_is_outdated() {
    let Some(client) = real() else { return };
    let id = fresh("canary");
    let mut spec = shell_job(&id, "service", "exec sleep 600");
    spec["Update"] = json!({
        "MaxParallel": 1, "Canary": 1, "HealthCheck": "task_states", "MinHealthyTime": 100_000_000,
        "HealthyDeadline": 20_000_000_000_u64, "ProgressDeadline": 40_000_000_000_u64,
    });
    client
        .register(&spec, ModifyIndex::MUST_BE_NEW, None)
        .await
        .unwrap();
    let first = rollout_until(&client, &id, 0, |status| status == "successful").await;
    let error = client.fail(&first).await.unwrap_err();
    assert!(
        matches!(error, NomadError::Outdated { .. }),
        "{}",
        chain(&error)
    );
    spec["Meta"] = json!({"v": "2"});
    client
        .register(&spec, index_of(&client, &id).await, None)
        .await
        .unwrap();
    let second = rollout_until(&client, &id, 1, |status| status == "running").await;
    let deadline = Instant::now() + PATIENCE;
    while let Err(error) = client.promote(&second).await {
        assert!(
            matches!(error, NomadError::Outdated { .. }),
            "{}",
            chain(&error)
        );
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    rollout_until(&client, &id, 1, |status| status == "successful").await;
    assert!(client.rollouts(&id, true).await.unwrap().value.len() >= 2);
    assert!(client.rollout(&second).await.unwrap().value.is_some());
    client.deregister(&id, true).await.unwrap();
}

async fn rollout_until(
    client: &NomadClient,
    id: &JobId,
    version: u64,
    wanted: fn(&str) -> bool,
) -> String {
    let deadline = Instant::now() + PATIENCE;
    let mut index = 1;
    loop {
        let seen = client
            .latest_rollout(id)
            .after(index, Duration::from_secs(2))
            .await
            .unwrap();
        index = seen.index.max(1);
        if let Some(rollout) = seen.value
            && rollout.job_version == version
            && wanted(&rollout.status)
        {
            return rollout.id;
        }
        assert!(
            Instant::now() < deadline,
            "no such rollout of version {version}"
        );
    }
}

#[tokio::test]
async fn the_agent_its_nodes_and_its_namespaces_are_known() {
    let Some(client) = real() else { return };
    assert!(client.agent_self().await.unwrap().value.version().is_some());
    assert_eq!(
        client.agent_self().await.unwrap().value.region(),
        Some("global")
    );
    assert!(
        client
            .agent_health()
            .await
            .unwrap()
            .value
            .server
            .unwrap()
            .ok
    );
    assert!(!client.leader().await.unwrap().value.is_empty());
    assert!(
        client
            .namespaces()
            .await
            .unwrap()
            .value
            .iter()
            .any(|namespace| namespace.name == "default")
    );
    let nodes = client.nodes().await.unwrap().value;
    assert!(nodes[0].drivers["raw_exec"].healthy);
    assert_eq!(
        client.node(&nodes[0].id).await.unwrap().value.unwrap().name,
        nodes[0].name
    );
}
