//! The same dispatch again, at the same time, after a crash; and a newer one while the first is watched.

use serde_json::json;

use super::lab::{JOB, Lab, image, next_image};

const IDS: [&str; 3] = [
    "cs.dep-1.started",
    "cs.dep-1.succeeded",
    "cs.dep-1.log-end.success",
];

fn versions(lab: &Lab) -> usize {
    let versions = lab.get(&format!("/v1/job/{JOB}/versions")).unwrap();
    versions["Versions"].as_array().unwrap().len()
}

#[test]
fn the_same_dispatch_twice_at_the_same_time_is_one_rollout_with_one_set_of_events() {
    for shares_state in [true, false] {
        let mut lab = Lab::new();
        let server = lab.nats();
        let params = image();
        let other_state = lab.env.root().join("other-state");
        let first = lab.deploy(&params).start();
        let mut second = lab.deploy(&params);
        if !shares_state {
            second = second.var("CS_STATE_DIR", other_state);
        }
        let second = second.start();
        first.wait().assert_code(0);
        second.wait().assert_code(0);
        assert_eq!(versions(&lab), 1, "shared state: {shares_state}");
        let mut ids = lab.stored_ids(&server);
        ids.sort();
        let mut wanted = IDS.map(str::to_owned);
        wanted.sort();
        assert_eq!(ids, wanted, "shared state: {shares_state}");
    }
}

#[test]
fn a_repeat_writes_nothing_and_reports_the_same_outcome() {
    let mut lab = Lab::new();
    let server = lab.nats();
    for _ in 0..3 {
        lab.deploy(&image()).run().assert_code(0);
    }
    assert_eq!(lab.registrations(), 1);
    assert_eq!(lab.stored_ids(&server), IDS);
    let ended = lab.deploy(&image()).run();
    ended.assert_code(0).assert_says("nothing to write");
}

#[test]
fn a_new_deployment_of_the_same_image_rolls() {
    let lab = Lab::new();
    let first = image();
    lab.deploy(&first).run().assert_code(0);
    let mut second = first;
    second["deploymentId"] = json!("dep-2");
    lab.deploy(&second).run().assert_code(0);
    assert_eq!(lab.registrations(), 2);
    assert_eq!(versions(&lab), 2);
}

#[test]
fn a_newer_dispatch_supersedes_a_watch_in_progress() {
    let mut lab = Lab::new();
    let server = lab.nats();
    lab.hold();
    let mut first = lab.deploy(&image()).start();
    first.until("it watches the rollout", |run| {
        run.stdout().contains("=== Phase: Health ===")
    });
    let mut second = lab.deploy(&next_image("1.1")).start();
    second.until("the newer one is registered", |_| lab.registrations() == 2);
    lab.release();
    first.wait().assert_code(10).assert_says(JOB);
    second.wait().assert_code(0);
    let ids = lab.stored_ids(&server);
    assert!(ids.contains(&"cs.dep-1.failed".to_owned()), "{ids:?}");
    assert!(!ids.contains(&"cs.dep-1.succeeded".to_owned()), "{ids:?}");
    assert!(ids.iter().any(|id| id.ends_with("succeeded")), "{ids:?}");
    // The older dispatch again does not take the job back.
    lab.deploy(&image()).run().assert_code(10);
    assert_eq!(lab.registrations(), 2);
}

#[test]
fn a_run_that_was_killed_is_finished_by_the_same_command() {
    let mut lab = Lab::new();
    let server = lab.nats();
    lab.hold();
    let mut run = lab.deploy(&image()).start();
    run.until("the job is registered", |_| lab.registrations() == 1);
    run.signal("KILL");
    assert_eq!(run.wait().code, None);
    lab.release();
    lab.deploy(&image()).run().assert_code(0);
    assert_eq!(lab.registrations(), 1);
    assert_eq!(lab.stored_ids(&server), IDS);
}
