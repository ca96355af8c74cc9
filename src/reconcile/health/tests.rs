use serde_json::json;

use super::*;
use crate::clients::nomad::types::{PlacementMetric, RolloutGroup, TaskEvent, TaskState};
use crate::ids::ModifyIndex;

fn job(job_type: &str, count: u64) -> JobRecord {
    serde_json::from_value(json!({
        "ID": "shop", "Type": job_type, "Version": 3, "JobModifyIndex": 50, "CreateIndex": 10, "Status": "running",
        "TaskGroups": [{"Name": "web", "Count": count}]
    }))
    .expect("a job")
}

fn rollout(status: &str, description: &str) -> Rollout {
    Rollout {
        id: "d1".into(),
        job_version: 3,
        job_spec_modify_index: ModifyIndex(50),
        job_create_index: 10,
        status: status.into(),
        status_description: description.into(),
        task_groups: BTreeMap::from([(
            "web".to_owned(),
            RolloutGroup {
                desired_total: 2,
                placed_allocs: 2,
                healthy_allocs: 1,
                ..Default::default()
            },
        )]),
        ..Rollout::default()
    }
}

fn allocation(name: &str, create_index: u64, client_status: &str) -> Allocation {
    Allocation {
        id: format!("{name}-{create_index}"),
        name: name.into(),
        job_version: 3,
        desired_status: "run".into(),
        client_status: client_status.into(),
        create_index,
        ..Allocation::default()
    }
}

fn failing(name: &str, create_index: u64) -> Allocation {
    let event = TaskEvent {
        event_type: "Terminated".into(),
        details: BTreeMap::from([("exit_code".to_owned(), "3".to_owned())]),
        ..TaskEvent::default()
    };
    let state = TaskState {
        state: "dead".into(),
        failed: true,
        restarts: 0,
        events: vec![event],
    };
    Allocation {
        task_states: BTreeMap::from([("app".to_owned(), state)]),
        ..allocation(name, create_index, "failed")
    }
}

fn evaluation(status: &str, create_index: u64) -> Evaluation {
    Evaluation {
        status: status.into(),
        job_modify_index: ModifyIndex(50),
        create_index,
        ..Evaluation::default()
    }
}

fn unplaced(create_index: u64) -> Evaluation {
    let metric = PlacementMetric {
        nodes_evaluated: 1,
        constraint_filtered: BTreeMap::from([("missing drivers".to_owned(), 1)]),
        ..PlacementMetric::default()
    };
    Evaluation {
        failed_tg_allocs: BTreeMap::from([("web".to_owned(), metric)]),
        ..evaluation("complete", create_index)
    }
}

#[test]
fn a_service_is_healthy_only_when_its_own_rollout_succeeded() {
    let mut activity = Activity {
        rollout: Some(rollout("successful", "")),
        ..Activity::default()
    };
    assert_eq!(judge(&job("service", 2), &activity), Health::Healthy);
    // The rollout of an older specification proves nothing.
    activity
        .rollout
        .as_mut()
        .expect("set above")
        .job_spec_modify_index = ModifyIndex(49);
    activity.evaluations = vec![evaluation("pending", 51)];
    assert!(matches!(
        judge(&job("service", 2), &activity),
        Health::Progressing(_)
    ));
}

#[test]
fn a_failed_rollout_names_the_first_cause() {
    let activity = Activity {
        rollout: Some(rollout("failed", "Failed due to unhealthy allocations")),
        allocations: vec![failing("shop.web[0]", 52)],
        ..Activity::default()
    };
    let Health::Failed(cause) = judge(&job("service", 2), &activity) else {
        panic!("not failed")
    };
    assert_eq!(
        (cause.kind, cause.text.as_str()),
        (CauseKind::Exit, "exit code 3")
    );
}

#[test]
fn a_rollback_is_a_failure_that_names_the_version() {
    let text = "Failed due to unhealthy allocations - rolling back to job version 2";
    let activity = Activity {
        rollout: Some(rollout("failed", text)),
        allocations: vec![failing("a", 52)],
        ..Activity::default()
    };
    assert!(matches!(
        judge(&job("service", 2), &activity),
        Health::RolledBack {
            to_version: Some(2),
            ..
        }
    ));
    let text = "Failed due to unhealthy allocations - no stable job version to auto revert to";
    let activity = Activity {
        rollout: Some(rollout("failed", text)),
        ..Activity::default()
    };
    assert!(matches!(
        judge(&job("service", 2), &activity),
        Health::Failed(_)
    ));
}

#[test]
fn a_service_without_room_is_blocked_and_says_why() {
    let mut rollout = rollout("running", "Deployment is running");
    for group in rollout.task_groups.values_mut() {
        (group.placed_allocs, group.healthy_allocs) = (0, 0);
    }
    let activity = Activity {
        rollout: Some(rollout),
        evaluations: vec![unplaced(51), evaluation("blocked", 52)],
        ..Activity::default()
    };
    let Health::Blocked(cause) = judge(&job("service", 2), &activity) else {
        panic!("not blocked")
    };
    assert!(cause.text.contains("missing drivers"), "{cause}");
}

#[test]
fn a_newer_evaluation_that_found_room_ends_the_block() {
    let mut running = rollout("running", "Deployment is running");
    running
        .task_groups
        .values_mut()
        .for_each(|group| group.placed_allocs = 0);
    let activity = Activity {
        rollout: Some(running),
        evaluations: vec![unplaced(51), evaluation("complete", 53)],
        ..Activity::default()
    };
    assert!(matches!(
        judge(&job("service", 2), &activity),
        Health::Progressing(_)
    ));
}

#[test]
fn healthy_canaries_wait_for_promotion() {
    let mut rollout = rollout(
        "running",
        "Deployment is running but requires manual promotion",
    );
    rollout
        .task_groups
        .values_mut()
        .for_each(|group| group.desired_canaries = 1);
    let Health::Progressing(progress) = judge(
        &job("service", 2),
        &Activity {
            rollout: Some(rollout),
            ..Activity::default()
        },
    ) else {
        panic!("not progressing")
    };
    assert!(
        progress.awaits_promotion && progress.waiting_for.contains("promotes"),
        "{}",
        progress.waiting_for
    );
}

#[test]
fn a_service_of_count_zero_is_healthy_without_a_rollout() {
    assert_eq!(
        judge(&job("service", 0), &Activity::default()),
        Health::Healthy
    );
}

#[test]
fn a_batch_job_is_healthy_when_every_newest_try_completed() {
    let retried = Allocation {
        next_allocation: "b-2".into(),
        ..failing("shop.web[0]", 51)
    };
    let activity = Activity {
        allocations: vec![
            retried,
            allocation("shop.web[0]", 52, "complete"),
            allocation("shop.web[1]", 51, "complete"),
        ],
        ..Activity::default()
    };
    assert_eq!(judge(&job("batch", 2), &activity), Health::Healthy);
}

#[test]
fn a_batch_job_that_will_be_retried_has_not_failed_yet() {
    let retried = Allocation {
        followup_eval_id: "e".into(),
        ..failing("shop.web[0]", 51)
    };
    let activity = Activity {
        allocations: vec![retried],
        ..Activity::default()
    };
    assert!(matches!(
        judge(&job("batch", 1), &activity),
        Health::Progressing(_)
    ));
    let activity = Activity {
        allocations: vec![failing("shop.web[0]", 51)],
        ..Activity::default()
    };
    assert!(matches!(
        judge(&job("batch", 1), &activity),
        Health::Failed(_)
    ));
}

#[test]
fn a_failed_try_is_no_verdict_while_nomad_may_replace_it() {
    let mut activity = Activity {
        allocations: vec![failing("shop.web[0]", 51)],
        evaluations: vec![Evaluation {
            triggered_by: "alloc-failure".into(),
            ..evaluation("pending", 52)
        }],
        rollout: Some(rollout("successful", "")),
    };
    for kind in ["batch", "service"] {
        let health = judge(&job(kind, 1), &activity);
        assert!(matches!(health, Health::Progressing(_)), "{health:?}");
    }
    // The later try of another allocation is no reason to wait.
    activity.evaluations[0].triggered_by = "alloc-reschedule".into();
    for kind in ["batch", "service"] {
        let health = judge(&job(kind, 1), &activity);
        assert!(matches!(health, Health::Failed(_)), "{health:?}");
    }
}

#[test]
fn a_service_that_nomad_gave_up_after_its_rollout_succeeded_has_failed() {
    let mut activity = Activity {
        allocations: vec![failing("shop.web[0]", 51)],
        evaluations: vec![evaluation("complete", 50)],
        rollout: Some(rollout("successful", "")),
    };
    let given_up = judge(&job("service", 1), &activity);
    assert!(
        matches!(&given_up, Health::Failed(cause) if cause.text.starts_with("exit code 3")),
        "{given_up:?}"
    );
    activity.allocations[0].followup_eval_id = "later".into();
    assert_eq!(judge(&job("service", 1), &activity), Health::Healthy);
    activity.allocations[0].followup_eval_id.clear();
    activity
        .allocations
        .push(allocation("shop.web[0]", 52, "running"));
    assert_eq!(judge(&job("service", 1), &activity), Health::Healthy);
}

#[test]
fn a_stopped_or_timed_out_batch_allocation_is_no_success() {
    let stopped = Allocation {
        desired_status: "stop".into(),
        ..allocation("a", 51, "complete")
    };
    let late = Allocation {
        client_description: "allocation exceeded max_run_duration".into(),
        ..allocation("a", 51, "complete")
    };
    for bad in [stopped, late] {
        let activity = Activity {
            allocations: vec![bad],
            ..Activity::default()
        };
        assert!(matches!(
            judge(&job("batch", 1), &activity),
            Health::Failed(_)
        ));
    }
}

#[test]
fn a_system_job_without_a_feasible_node_is_blocked_although_its_rollout_succeeded() {
    let activity = Activity {
        rollout: Some(rollout("successful", "Deployment completed successfully")),
        evaluations: vec![unplaced(51)],
        ..Activity::default()
    };
    assert!(matches!(
        judge(&job("system", 1), &activity),
        Health::Blocked(_)
    ));
    let activity = Activity {
        allocations: vec![allocation("a", 52, "running")],
        ..activity
    };
    assert_eq!(judge(&job("system", 1), &activity), Health::Healthy);
}

#[test]
fn a_parent_is_healthy_because_it_exists() {
    let mut parent = job("batch", 1);
    parent.head.periodic = Some(json!({}));
    assert_eq!(judge(&parent, &Activity::default()), Health::Healthy);
}

#[test]
fn a_rollout_given_up_while_its_task_runs_points_at_the_task() {
    let started = TaskEvent {
        event_type: "Started".into(),
        ..TaskEvent::default()
    };
    let state = TaskState {
        state: "running".into(),
        failed: false,
        restarts: 0,
        events: vec![started],
    };
    let running = Allocation {
        task_states: BTreeMap::from([("app".to_owned(), state)]),
        ..allocation("a", 52, "running")
    };
    let activity = Activity {
        rollout: Some(rollout("failed", "Failed due to progress deadline")),
        allocations: vec![running],
        ..Activity::default()
    };
    let Health::Failed(cause) = judge(&job("service", 2), &activity) else {
        panic!("not failed")
    };
    assert_eq!(cause.at.map(|at| at.task), Some("app".to_owned()));
    assert!(
        cause.text.contains("Failed due to progress deadline"),
        "{}",
        cause.text
    );
}
