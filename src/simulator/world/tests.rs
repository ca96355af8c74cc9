//! The world under virtual time: registers, rollouts, failures, and what waits.

use serde_json::{Value, json};

use super::time::SECOND;
use super::{JobKey, Node, Register, Script, World, WorldOptions};

fn world() -> World {
    World::new(WorldOptions::default())
}

fn key(id: &str) -> JobKey {
    JobKey::new("default", id)
}

/// A job with one task: `mock_driver` with a configuration, healthy after a second, no second chances.
fn job(id: &str, kind: &str, config: Value) -> Value {
    json!({"ID": id, "Type": kind, "Datacenters": ["dc1"], "TaskGroups": [{
        "Name": "g", "Count": 1,
        "RestartPolicy": {"Attempts": 0, "Mode": "fail"},
        "ReschedulePolicy": if matches!(kind, "service" | "batch") { json!({"Attempts": 0, "Unlimited": false}) } else { Value::Null },
        "Update": if kind == "service" { json!({"HealthCheck": "task_states", "MinHealthyTime": SECOND,
            "HealthyDeadline": 3 * SECOND, "ProgressDeadline": 6 * SECOND}) } else { Value::Null },
        "Tasks": [{"Name": "t", "Driver": "mock_driver", "Config": config}],
    }]})
}

fn service(id: &str) -> Value {
    job(id, "service", json!({"run_for": "10h"}))
}

fn register(world: &mut World, job: Value) -> super::Written {
    world
        .register(&Register {
            job,
            ..Register::default()
        })
        .expect("a valid job")
}

fn settle(world: &mut World, seconds: i64) {
    world.advance_by(seconds * SECOND);
}

fn rollout(world: &World, id: &str) -> (String, String) {
    let found = world.latest_deployment(&key(id)).expect("a rollout");
    (found.status.to_owned(), found.description.clone())
}

#[test]
fn a_service_becomes_running_healthy_successful_and_stable() {
    let mut world = world();
    let written = register(&mut world, service("x"));
    assert_eq!(written.index, written.job_modify_index);
    assert_eq!(written.index, written.eval_create_index);
    world.advance_by(10 * super::time::MILLISECOND);
    let eval = &world.evals[&written.eval_id];
    assert_eq!(eval.status, "complete");
    assert_eq!(
        eval.deployment_id,
        world.latest_deployment(&key("x")).expect("a rollout").id
    );
    assert_eq!(rollout(&world, "x").0, "running");
    settle(&mut world, 5);
    assert_eq!(rollout(&world, "x").1, "Deployment completed successfully");
    let job = world.job(&key("x")).expect("the job");
    assert!(job.stable);
    assert_eq!((job.version, job.job_modify_index), (0, written.index));
    assert!(job.modify_index > job.job_modify_index);
}

#[test]
fn the_same_job_again_makes_no_version_and_answers_with_its_modify_index() {
    let mut world = world();
    register(&mut world, service("x"));
    settle(&mut world, 5);
    let again = register(&mut world, service("x"));
    let job = world.job(&key("x")).expect("the job");
    assert_eq!(job.version, 0);
    assert_eq!(again.job_modify_index, job.modify_index);
    assert_ne!(again.job_modify_index, job.job_modify_index);
    settle(&mut world, 5);
    assert_eq!(world.allocs_of(&key("x")).count(), 1);
    assert_eq!(world.deployments_of(&key("x")).count(), 1);
}

#[test]
fn a_stale_index_is_refused_with_nomads_words() {
    let mut world = world();
    let index = register(&mut world, service("x")).index;
    let refused = |world: &mut World, job: Value, index| {
        world
            .register(&Register {
                job,
                enforce_index: Some(index),
                ..Register::default()
            })
            .expect_err("a conflict")
            .text
    };
    assert_eq!(
        refused(&mut world, service("x"), 0),
        "Enforcing job modify index 0: job already exists"
    );
    assert_eq!(
        refused(&mut world, service("x"), 5555),
        format!(
            "Enforcing job modify index 5555: job exists with conflicting job modify index: {index}"
        )
    );
    assert_eq!(
        refused(&mut world, service("y"), 5),
        "Enforcing job modify index 5: job does not exist"
    );
}

#[test]
fn a_job_without_groups_or_driver_is_refused_with_nomads_layout() {
    let mut world = world();
    let refused = |world: &mut World, job: Value| {
        let request = Register {
            job,
            ..Register::default()
        };
        world.register(&request).expect_err("refused").text
    };
    assert_eq!(
        refused(&mut world, json!({"ID": "x"})),
        "1 error occurred:\n\t* Missing job task groups\n\n"
    );
    let no_driver = json!({"ID": "x", "TaskGroups": [{"Name": "g", "Tasks": [{"Name": "t"}]}]});
    let text = refused(&mut world, no_driver);
    assert!(
        text.contains("Task group g validation failed: 1 error occurred:"),
        "{text}"
    );
    assert!(text.contains("Missing task driver"), "{text}");
}

#[test]
fn a_failing_task_fails_the_rollout_and_says_why() {
    let mut world = world();
    let config = json!({"run_for": "100ms", "exit_code": 3, "exit_err_msg": "boom"});
    register(&mut world, job("x", "service", config));
    settle(&mut world, 5);
    assert_eq!(
        rollout(&world, "x").1,
        "Failed due to unhealthy allocations"
    );
    let alloc = world.allocs_of(&key("x")).next().expect("an allocation");
    assert_eq!(
        (alloc.client_status, alloc.client_description.as_str()),
        ("failed", "Failed tasks")
    );
    assert_eq!(alloc.healthy(), Some(false));
    let events: Vec<_> = alloc.tasks["t"]
        .events
        .iter()
        .map(|event| (event.kind, event.display.as_str()))
        .collect();
    assert!(
        events.contains(&("Terminated", "Exit Code: 3, Exit Message: \"boom\"")),
        "{events:?}"
    );
    assert!(
        events.contains(&("Not Restarting", "Policy allows no restarts")),
        "{events:?}"
    );
    assert_eq!(world.job(&key("x")).expect("the job").status, "dead");
    register(
        &mut world,
        job(
            "x",
            "service",
            json!({"run_for": "100ms", "exit_code": 3, "exit_err_msg": "boom"}),
        ),
    );
    settle(&mut world, 5);
    assert_eq!(
        world.allocs_of(&key("x")).count(),
        1,
        "the same job again places nothing"
    );
}

#[test]
fn a_bad_version_goes_back_to_the_stable_one_as_a_new_version() {
    let mut world = world();
    let with_revert = |config: Value| {
        let mut job = job("x", "service", config);
        job["TaskGroups"][0]["Update"]["AutoRevert"] = json!(true);
        job
    };
    register(&mut world, with_revert(json!({"run_for": "10h"})));
    settle(&mut world, 5);
    register(
        &mut world,
        with_revert(json!({"run_for": "100ms", "exit_code": 1})),
    );
    settle(&mut world, 8);
    let job = world.job(&key("x")).expect("the job");
    assert_eq!(job.version, 2);
    assert_eq!(
        job.spec["TaskGroups"][0]["Tasks"][0]["Config"]["run_for"],
        "10h"
    );
    let failed = world
        .deployments_of(&key("x"))
        .find(|found| found.job_version == 1)
        .expect("its rollout");
    assert_eq!(
        failed.description,
        "Failed due to unhealthy allocations - rolling back to job version 0"
    );
    assert_eq!(rollout(&world, "x").0, "successful");
}

#[test]
fn a_canary_waits_to_be_promoted_and_then_replaces_the_old() {
    let mut world = world();
    let with_canary = |value: &str| {
        let mut job = service("x");
        job["TaskGroups"][0]["Count"] = json!(2);
        job["TaskGroups"][0]["Update"]["Canary"] = json!(1);
        job["TaskGroups"][0]["Tasks"][0]["Env"] = json!({"V": value});
        job
    };
    register(&mut world, with_canary("1"));
    settle(&mut world, 8);
    register(&mut world, with_canary("2"));
    settle(&mut world, 30);
    assert_eq!(
        rollout(&world, "x").1,
        "Deployment is running but requires manual promotion"
    );
    let found = world.latest_deployment(&key("x")).expect("a rollout");
    assert_eq!(found.groups["g"].canaries.len(), 1);
    assert_eq!(live(&world, "x"), 3);
    let id = found.id.clone();
    assert_eq!(world.pause(&id, true).expect("pausable").0, "");
    world.pause(&id, false).expect("resumable");
    world.promote(&id, &[]).expect("promotable");
    settle(&mut world, 15);
    assert_eq!(rollout(&world, "x").0, "successful");
    assert_eq!(live(&world, "x"), 2);
    assert!(
        world
            .allocs_of(&key("x"))
            .filter(|alloc| !alloc.terminal())
            .all(|alloc| alloc.job.version == 1)
    );
    assert_eq!(
        world.promote(&id, &[]).expect_err("it has ended").text,
        "can't promote terminal deployment"
    );
}

fn live(world: &World, id: &str) -> usize {
    world
        .allocs_of(&key(id))
        .filter(|alloc| !alloc.terminal())
        .count()
}

#[test]
fn what_fits_nowhere_waits_for_ever_and_goes_on_when_a_node_joins() {
    let mut world = world();
    let mut job = service("x");
    job["TaskGroups"][0]["Count"] = json!(2);
    job["Constraints"] =
        json!([{"LTarget": "${attr.kernel.name}", "RTarget": "plan9", "Operand": "="}]);
    let written = register(&mut world, job);
    settle(&mut world, 60);
    let eval = &world.evals[&written.eval_id];
    let metric = &eval.failed["g"];
    assert_eq!(metric.constraint_filtered["${attr.kernel.name} = plan9"], 1);
    assert_eq!(
        (metric.filtered, metric.coalesced, eval.queued["g"]),
        (1, 1, 2)
    );
    let blocked = &world.evals[&eval.blocked_eval];
    assert_eq!(
        (blocked.status, blocked.triggered_by),
        ("blocked", "queued-allocs")
    );
    assert_eq!(blocked.previous_eval, written.eval_id);
    assert_eq!(rollout(&world, "x").0, "running");
    assert_eq!(
        world
            .latest_deployment(&key("x"))
            .expect("a rollout")
            .groups["g"]
            .require_progress_by,
        0
    );
    let mut node = Node::linux(String::new(), "nine".to_owned());
    node.attributes.insert("kernel.name".into(), "plan9".into());
    world.join(node);
    settle(&mut world, 10);
    assert_eq!(rollout(&world, "x").0, "successful");
}

#[test]
fn a_job_too_large_for_any_node_names_the_dimension() {
    let mut world = world();
    let mut job = service("x");
    job["TaskGroups"][0]["Tasks"][0]["Resources"] = json!({"CPU": 9_000_000, "MemoryMB": 64});
    let written = register(&mut world, job);
    settle(&mut world, 1);
    let metric = &world.evals[&written.eval_id].failed["g"];
    assert_eq!(metric.dimension_exhausted["cpu"], 1);
    assert_eq!(metric.exhausted, 1);
}

#[test]
fn a_batch_job_runs_once_however_often_it_is_registered() {
    let mut world = world();
    let batch = || job("x", "batch", json!({"run_for": "1s", "exit_code": 0}));
    register(&mut world, batch());
    settle(&mut world, 5);
    let alloc = world.allocs_of(&key("x")).next().expect("an allocation");
    assert_eq!(
        (alloc.client_status, alloc.desired_status),
        ("complete", "run")
    );
    assert_eq!(world.job(&key("x")).expect("the job").status, "dead");
    register(&mut world, batch());
    settle(&mut world, 5);
    assert_eq!(world.allocs_of(&key("x")).count(), 1);
    assert!(world.latest_deployment(&key("x")).is_none());
}

#[test]
fn a_stopped_batch_job_is_complete_not_failed() {
    let mut world = world();
    register(&mut world, job("x", "batch", json!({"run_for": "10h"})));
    settle(&mut world, 3);
    world.deregister(&key("x"), false);
    settle(&mut world, 3);
    let alloc = world.allocs_of(&key("x")).next().expect("an allocation");
    assert_eq!(
        (alloc.client_status, alloc.desired_status),
        ("complete", "stop")
    );
    assert!(!alloc.tasks["t"].failed);
}

#[test]
fn a_failed_batch_allocation_is_replaced_as_often_as_its_policy_says() {
    let mut world = world();
    let mut job = job("x", "batch", json!({"run_for": "1s", "exit_code": 7}));
    job["TaskGroups"][0]["ReschedulePolicy"] = json!({"Attempts": 2, "Interval": 3600 * SECOND, "Delay": 5 * SECOND,
        "DelayFunction": "constant", "Unlimited": false});
    register(&mut world, job);
    settle(&mut world, 4);
    let first = world.allocs_of(&key("x")).next().expect("an allocation");
    assert_eq!(
        world.evals[&first.followup_eval].triggered_by,
        "alloc-reschedule"
    );
    settle(&mut world, 60);
    assert_eq!(world.allocs_of(&key("x")).count(), 3);
    assert_eq!(world.job(&key("x")).expect("the job").status, "dead");
}

#[test]
fn restarts_follow_the_policy_before_the_task_fails() {
    let mut world = world();
    let mut job = job("x", "batch", json!({"run_for": "1s", "exit_code": 1}));
    job["TaskGroups"][0]["RestartPolicy"] =
        json!({"Attempts": 2, "Interval": 600 * SECOND, "Delay": SECOND, "Mode": "fail"});
    register(&mut world, job);
    settle(&mut world, 30);
    let alloc = world.allocs_of(&key("x")).next().expect("an allocation");
    assert_eq!(
        (alloc.client_status, alloc.tasks["t"].restarts),
        ("failed", 2)
    );
    let last = alloc.tasks["t"].events.last().expect("events");
    assert_eq!(
        last.display,
        "Exceeded allowed attempts 2 in interval 10m0s and mode is \"fail\""
    );
}

#[test]
fn a_system_job_runs_on_every_feasible_node_and_on_new_ones() {
    let options = WorldOptions {
        nodes: (1..=3)
            .map(|n| Node::linux(String::new(), format!("client-{n}")))
            .collect(),
        ..WorldOptions::default()
    };
    let mut world = World::new(options);
    register(&mut world, job("x", "system", json!({"run_for": "10h"})));
    settle(&mut world, 30);
    assert_eq!(live(&world, "x"), 3);
    assert_eq!(rollout(&world, "x").0, "successful");
    world.join(Node::linux(String::new(), "client-4".to_owned()));
    settle(&mut world, 5);
    assert_eq!(live(&world, "x"), 4);
    assert_eq!(world.job(&key("x")).expect("the job").status, "running");
}

#[test]
fn a_lost_node_moves_what_ran_on_it() {
    let options = WorldOptions {
        nodes: (1..=2)
            .map(|n| Node::linux(String::new(), format!("client-{n}")))
            .collect(),
        ..WorldOptions::default()
    };
    let mut world = World::new(options);
    register(&mut world, service("x"));
    settle(&mut world, 5);
    let old = world
        .allocs_of(&key("x"))
        .next()
        .expect("an allocation")
        .clone();
    world
        .set_node_status(&old.node_id, "down")
        .expect("a known node");
    settle(&mut world, 5);
    assert_eq!(world.allocs[&old.id].client_status, "lost");
    let new = world
        .allocs_of(&key("x"))
        .find(|alloc| !alloc.terminal())
        .expect("its replacement");
    assert_ne!(new.node_id, old.node_id);
    assert_eq!(world.allocs[&old.id].next, new.id);
}

#[test]
fn versions_beyond_six_are_forgotten() {
    let mut world = world();
    for n in 0..9 {
        let mut job = service("x");
        job["Priority"] = json!(40 + n);
        register(&mut world, job);
    }
    let versions: Vec<_> = world.jobs[&key("x")]
        .versions
        .iter()
        .map(|job| job.version)
        .collect();
    assert_eq!(versions, [8, 7, 6, 5, 4, 3]);
}

#[test]
fn a_scaling_block_makes_one_spurious_version() {
    let mut world = world();
    let scaled = || {
        let mut job = service("x");
        job["TaskGroups"][0]["Scaling"] = json!({"Min": 1, "Max": 3, "Enabled": true});
        job
    };
    register(&mut world, scaled());
    let planned = world.plan(&scaled(), None, true).expect("a plan").body;
    assert_eq!(
        planned["Diff"]["TaskGroups"][0]["Objects"][0]["Name"],
        "Scaling"
    );
    assert_eq!(
        planned["Diff"]["TaskGroups"][0]["Objects"][0]["Fields"],
        Value::Null
    );
    register(&mut world, scaled());
    assert_eq!(world.job(&key("x")).expect("the job").version, 1);
    register(&mut world, scaled());
    assert_eq!(world.job(&key("x")).expect("the job").version, 1);
}

#[test]
fn scripts_decide_for_images_what_the_driver_does_not_say() {
    let mut world = world();
    world.scripts.0.push(Script {
        image: "bad/*".into(),
        oom: true,
        run_for: Some("1s".into()),
        ..Script::default()
    });
    let mut job = service("x");
    job["TaskGroups"][0]["Tasks"][0]["Driver"] = json!("docker");
    job["TaskGroups"][0]["Tasks"][0]["Config"] = json!({"image": "bad/app:1"});
    register(&mut world, job);
    settle(&mut world, 5);
    let alloc = world.allocs_of(&key("x")).next().expect("an allocation");
    let end = alloc.tasks["t"]
        .events
        .iter()
        .find(|event| event.kind == "Terminated")
        .expect("an end");
    assert_eq!(end.details["oom_killed"], "true");
    assert_eq!(rollout(&world, "x").0, "failed");
}

#[test]
fn what_never_turns_healthy_fails_at_its_deadlines() {
    let mut world = world();
    world.scripts.0.push(Script {
        job: "x".into(),
        never_healthy: true,
        ..Script::default()
    });
    let mut job = service("x");
    job["TaskGroups"][0]["ReschedulePolicy"] =
        json!({"Unlimited": true, "Delay": 600 * SECOND, "DelayFunction": "constant"});
    register(&mut world, job);
    settle(&mut world, 4);
    assert_eq!(
        world
            .allocs_of(&key("x"))
            .next()
            .expect("an allocation")
            .healthy(),
        Some(false)
    );
    assert_eq!(rollout(&world, "x").0, "running");
    settle(&mut world, 10);
    assert_eq!(rollout(&world, "x").1, "Failed due to progress deadline");
}

#[test]
fn a_newer_version_or_a_stop_cancels_a_running_rollout() {
    let mut world = world();
    register(&mut world, service("x"));
    settle(&mut world, 0);
    world.advance_by(SECOND / 2);
    let mut next = service("x");
    next["Meta"] = json!({"a": "b"});
    register(&mut world, next);
    world.advance_by(SECOND / 2);
    let first = world
        .deployments_of(&key("x"))
        .next()
        .expect("the first rollout");
    assert_eq!(first.description, "Cancelled due to newer version of job");
    world.deregister(&key("x"), false);
    world.advance_by(SECOND);
    assert_eq!(rollout(&world, "x").1, "Cancelled because job is stopped");
    settle(&mut world, 5);
    assert_eq!(world.job(&key("x")).expect("the job").status, "dead");
}

#[test]
fn a_periodic_job_starts_children_and_time_can_jump_to_them() {
    let mut world = world();
    let mut job = job("x", "batch", json!({"run_for": "1s"}));
    job["Periodic"] = json!({"Specs": ["*/5 * * * *"]});
    let written = register(&mut world, job);
    assert_eq!(written.eval_id, "");
    let due = world.next_due().expect("a start is planned");
    world.advance(due);
    settle(&mut world, 10);
    let children: Vec<_> = world.children_of(&key("x")).collect();
    assert_eq!(children.len(), 1);
    assert_eq!((children[0].parent_id(), children[0].status), ("x", "dead"));
    assert_eq!(world.job(&key("x")).expect("the job").status, "running");
}

#[test]
fn the_same_seed_gives_the_same_world() {
    let run = || {
        let mut world = world();
        register(&mut world, service("x"));
        settle(&mut world, 5);
        let ids: Vec<_> = world.allocs.keys().cloned().collect();
        (ids, world.index)
    };
    assert_eq!(run(), run());
}

#[test]
fn all_of_a_job_goes_with_a_purge_except_its_evaluations() {
    let mut world = world();
    register(&mut world, service("x"));
    settle(&mut world, 5);
    world.deregister(&key("x"), true);
    assert!(world.job(&key("x")).is_none());
    assert_eq!(world.allocs_of(&key("x")).count(), 0);
    assert_eq!(world.deployments_of(&key("x")).count(), 0);
    assert!(world.evals_of(&key("x")).count() > 0);
    let written = register(&mut world, service("x"));
    assert_eq!(
        world.job(&key("x")).expect("the job").create_index,
        written.index
    );
}

#[test]
fn a_rolling_update_replaces_one_after_the_other() {
    let mut world = world();
    let version = |value: &str| {
        let mut job = service("x");
        job["TaskGroups"][0]["Count"] = json!(3);
        job["TaskGroups"][0]["Tasks"][0]["Env"] = json!({"V": value});
        job
    };
    register(&mut world, version("1"));
    settle(&mut world, 8);
    register(&mut world, version("2"));
    for _ in 0..200 {
        world.advance_by(SECOND / 10);
        let old_stopping = world
            .allocs_of(&key("x"))
            .filter(|alloc| alloc.desired_status == "run" && alloc.healthy() != Some(true))
            .count();
        assert!(old_stopping <= 1, "more than one at a time");
    }
    assert_eq!(rollout(&world, "x").0, "successful");
    assert_eq!(live(&world, "x"), 3);
}

#[test]
fn a_collection_forgets_what_earlier_versions_of_a_live_job_left_behind() {
    let mut world = world();
    for number in 0..30 {
        register(
            &mut world,
            job("x", "service", json!({"run_for": "10h", "n": number})),
        );
        settle(&mut world, 20);
        world.collect_garbage();
        settle(&mut world, 1);
    }
    let (status, _) = rollout(&world, "x");
    assert_eq!(status, "successful");
    let running = world
        .allocs
        .values()
        .filter(|alloc| !alloc.terminal())
        .count();
    assert_eq!(running, 1);
    let left = (
        world.allocs.len(),
        world.deployments.len(),
        world.evals.len(),
    );
    assert!(left.0 <= 2 && left.1 <= 2 && left.2 <= 4, "{left:?}");
}
