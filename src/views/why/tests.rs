use serde_json::{Value, json};

use super::*;
use crate::clients::nomad::types::{Allocation, Evaluation};

const SECOND: i64 = 1_000_000_000;
const NOW: i64 = 1_000 * SECOND;

fn job(change: Value) -> JobRecord {
    let mut spec = json!({
        "ID": "shop", "Namespace": "default", "Type": "service", "Version": 3, "JobModifyIndex": 50, "CreateIndex": 10,
        "Status": "running", "SubmitTime": 880 * SECOND, "Meta": {"cs.owner": "storefront", "cs.managed-by": "cs"},
        "TaskGroups": [{"Name": "web", "Count": 2, "Tasks": [{"Name": "app", "Resources": {"MemoryMB": 512}}]}],
    });
    for (name, value) in change.as_object().unwrap() {
        spec[name] = value.clone();
    }
    serde_json::from_value(spec).unwrap()
}

fn evidence(change: Value) -> Evidence {
    let job = job(change);
    Evidence {
        versions: vec![job.clone()],
        job,
        activity: Activity::default(),
        rollouts: Vec::new(),
        children: Vec::new(),
    }
}

fn rollout(version: u64, index: u64, status: &str, words: &str) -> Rollout {
    serde_json::from_value(json!({
        "ID": "d0d0d0d0-1", "JobVersion": version, "JobSpecModifyIndex": index, "JobCreateIndex": 10, "Status": status,
        "StatusDescription": words,
        "TaskGroups": {"web": {"DesiredTotal": 2, "PlacedAllocs": 2, "HealthyAllocs": 1, "UnhealthyAllocs": 1}},
    }))
    .unwrap()
}

fn evaluation(change: Value) -> Evaluation {
    let mut found = json!({"ID": "e0e0e0e0-1", "Status": "complete", "TriggeredBy": "job-register",
        "JobModifyIndex": 50, "CreateIndex": 51});
    for (name, value) in change.as_object().unwrap() {
        found[name] = value.clone();
    }
    serde_json::from_value(found).unwrap()
}

fn failed_allocation(version: u64) -> Allocation {
    serde_json::from_value(json!({
        "ID": "a1a1a1a1-1", "Name": "shop.web[0]", "TaskGroup": "web", "JobVersion": version, "NodeName": "client-1",
        "DesiredStatus": "run", "ClientStatus": "failed", "ClientDescription": "Failed tasks", "CreateIndex": 52,
        "TaskStates": {"app": {"State": "dead", "Failed": true, "Restarts": 2, "Events": [
            {"Type": "Started", "Time": 990 * SECOND, "DisplayMessage": "Task started by client"},
            {"Type": "Terminated", "Time": 991 * SECOND, "DisplayMessage": "Exit Code: 3, Exit Message: \"boom\"",
             "Details": {"exit_code": "3", "exit_message": "boom"}}]}},
    }))
    .unwrap()
}

fn running(version: u64, id: &str) -> Allocation {
    serde_json::from_value(
        json!({"ID": id, "TaskGroup": "web", "JobVersion": version, "DesiredStatus": "run",
        "ClientStatus": "running"}),
    )
    .unwrap()
}

fn told(evidence: &Evidence, closeup: &Closeup) -> (Story, String) {
    let story = story(evidence, &diagnose(evidence), closeup, None, NOW);
    let mut text = format!("{}\n", story.headline);
    for step in &story.steps {
        text.push_str(&format!(
            "{} {}: {}\n",
            step.mark.word(),
            step.name,
            step.text
        ));
        for line in &step.lines {
            text.push_str(&format!("    {line}\n"));
        }
    }
    for hint in &story.hints {
        text.push_str(&format!("$ {}\n", hint.command));
    }
    (story, text)
}

#[test]
fn a_task_that_ends_badly_is_followed_from_the_rollout_to_its_log() {
    let mut evidence = evidence(json!({}));
    evidence.activity = Activity {
        evaluations: vec![evaluation(json!({}))],
        rollout: Some(rollout(
            3,
            50,
            "failed",
            "Failed due to unhealthy allocations",
        )),
        allocations: vec![failed_allocation(3), running(3, "b")],
    };
    let closeup = Closeup {
        log: vec![
            "starting".to_owned(),
            "fatal: \x1b[31mno database".to_owned(),
        ],
        ..Closeup::default()
    };
    let (story, text) = told(&evidence, &closeup);
    assert_eq!(story.condition, Condition::Unhealthy);
    assert_eq!(
        text,
        "\
shop is not healthy: exit code 3: boom (task app of allocation a1a1a1a1 on client-1)
good spec: version 3, submitted 2m ago, by cs for storefront
good evaluation: e0e0e0e0 complete (job-register)
good placement: every allocation has a node
bad rollout: d0d0d0d0 failed: Failed due to unhealthy allocations
    group web: 1 of 2 healthy, 1 unhealthy
bad allocation: 1 failed, 1 running (version 3)
    a1a1a1a1 of group web on client-1: failed (Failed tasks)
    task app: dead, restarted 2 times
         10s ago  Started     Task started by client
          9s ago  Terminated  Exit Code: 3, Exit Message: \"boom\"
bad log: last lines of task app of a1a1a1a1
    starting
    fatal: �[31mno database
$ cs logs shop --alloc a1a1a1a1 --task app
"
    );
}

#[test]
fn a_job_that_fits_nowhere_is_explained_with_counts() {
    let mut evidence = evidence(json!({}));
    let metric = json!({"NodesEvaluated": 5, "NodesInPool": 5, "CoalescedFailures": 1,
        "ConstraintFiltered": {"${attr.kernel.name} = linux": 3}, "DimensionExhausted": {"memory": 2}});
    evidence.activity = Activity {
        evaluations: vec![
            evaluation(json!({"FailedTGAllocs": {"web": metric}, "QueuedAllocations": {"web": 2}})),
            evaluation(
                json!({"ID": "f", "Status": "blocked", "TriggeredBy": "queued-allocs", "CreateIndex": 52}),
            ),
        ],
        ..Activity::default()
    };
    let (story, text) = told(&evidence, &Closeup::default());
    assert_eq!(story.condition, Condition::Blocked);
    assert!(
        text.contains(
            "\
bad placement: no node for 2 allocations
    group web: 3 of 5 nodes filtered by ${attr.kernel.name} = linux
    group web: 2 of 5 nodes exhausted in memory (asks for 512 MB)
"
        ),
        "{text}"
    );
    assert!(
        text.ends_with("$ nomad node status -verbose\n$ cs get shop -o yaml\n"),
        "{text}"
    );
}

#[test]
fn a_healthy_job_is_said_to_be_healthy() {
    let mut evidence = evidence(json!({}));
    evidence.activity = Activity {
        evaluations: vec![evaluation(json!({}))],
        rollout: Some(rollout(
            3,
            50,
            "successful",
            "Deployment completed successfully",
        )),
        allocations: vec![running(3, "a"), running(3, "b")],
    };
    let (story, text) = told(&evidence, &Closeup::default());
    assert!(story.cause.is_none() && story.hints.is_empty());
    assert!(
        text.starts_with("nothing is wrong: shop is healthy, 2 of 2 allocations running\n"),
        "{text}"
    );
    assert!(!text.contains("bad"), "{text}");
}

#[test]
fn a_version_that_was_rolled_back_is_told_although_the_job_runs() {
    let mut evidence = evidence(json!({}));
    let words = "Failed due to unhealthy allocations - rolling back to job version 1";
    evidence.rollouts = vec![rollout(2, 40, "failed", words)];
    evidence.activity = Activity {
        rollout: Some(rollout(3, 50, "successful", "")),
        allocations: vec![failed_allocation(2), running(3, "a"), running(3, "b")],
        ..Activity::default()
    };
    let (story, text) = told(&evidence, &Closeup::default());
    assert_eq!(story.condition, Condition::Healthy);
    assert!(
        text.starts_with(
            "shop runs, but version 2 was rolled back to version 1: exit code 3: boom (task app of allocation a1a1a1a1"
        ),
        "{text}"
    );
    assert!(text.contains("$ cs history shop --diff"), "{text}");
}

#[test]
fn the_next_step_fits_the_condition_and_names_the_namespace_where_it_must() {
    let commands = |evidence: &Evidence| {
        let story = story(
            evidence,
            &diagnose(evidence),
            &Closeup::default(),
            Some("team"),
            NOW,
        );
        let commands = story.hints.into_iter().map(|hint| hint.command);
        commands.collect::<Vec<_>>()
    };
    let mut stopped = evidence(json!({"Stop": true, "Version": 4}));
    stopped
        .versions
        .push(job(json!({"Stable": true, "Priority": 60})));
    assert_eq!(
        commands(&stopped),
        ["cs rollback shop -n team", "cs history shop -n team --diff"]
    );
    let mut canary = evidence(json!({}));
    let mut waiting = rollout(
        3,
        50,
        "running",
        "Deployment is running but requires manual promotion",
    );
    waiting.task_groups.get_mut("web").unwrap().desired_canaries = 1;
    canary.activity.rollout = Some(waiting);
    assert_eq!(commands(&canary), ["cs promote shop -n team"]);
    let starting = evidence(json!({"Type": "batch"}));
    assert_eq!(
        commands(&starting),
        ["cs wait shop -n team --for completed"]
    );
}

#[test]
fn a_service_that_lost_an_allocation_after_its_rollout_names_what_ended_it() {
    let mut evidence = evidence(json!({}));
    evidence.activity = Activity {
        rollout: Some(rollout(3, 50, "successful", "")),
        allocations: vec![
            Allocation {
                next_allocation: "gone".to_owned(),
                ..failed_allocation(3)
            },
            running(3, "a"),
        ],
        ..Activity::default()
    };
    let (story, text) = told(&evidence, &Closeup::default());
    assert_eq!(story.condition, Condition::Degraded);
    assert!(
        text.starts_with("shop is degraded, 1 of 2 allocations running: exit code 3: boom"),
        "{text}"
    );
}

#[test]
fn a_word_is_quoted_when_a_shell_would_read_it() {
    assert_eq!(shell_word("backup/periodic-17"), "backup/periodic-17");
    assert_eq!(shell_word("it's$x"), r"'it'\''s$x'");
    assert_eq!(shell_word(""), "''");
}
