//! Repeats, and tasks for the same job.

use serde_json::json;

use super::lab::{Queue, deployment, times};
use crate::cli::lab::{JOB, image, next_image};

fn image_of(queue: &Queue) -> String {
    let job = queue.lab.job(JOB).expect("it is registered");
    job["TaskGroups"][0]["Tasks"][0]["Config"]["image"]
        .as_str()
        .expect("a text")
        .to_owned()
}

#[test]
fn a_deployment_that_ended_is_not_carried_out_again() {
    let queue = Queue::new();
    queue.forget_ids();
    let agent = queue.start([]);
    queue.deploy(&deployment(1));
    queue.until_idle();
    queue.deploy(&deployment(1));
    queue.until_idle();
    assert_eq!(
        agent.metric("cs_runner_tasks_total{outcome=\"duplicate\"}"),
        1.0
    );
    assert_eq!(
        agent.metric("cs_runner_tasks_total{outcome=\"converged\"}"),
        1.0
    );
    assert_eq!(queue.events().len(), 3, "{:?}", queue.events());
    agent.stop().assert_code(0);
}

#[test]
fn a_repeat_of_what_is_worked_on_waits_for_its_end_also_on_another_agent() {
    let queue = Queue::new();
    queue.lab.hold();
    let mut first = queue.start(["--concurrency", "1"]);
    queue.deploy(&deployment(1));
    first
        .run
        .until("it is registered", |_| queue.lab.registrations() == 1);
    let second = queue.start(["--concurrency", "1"]);
    queue.deploy(&deployment(1));
    let series = "cs_runner_put_back_total{reason=\"same-deployment\"}";
    let put_back = |agent: &super::lab::Agent| agent.metric(series);
    crate::support::env::eventually("the repeat waits", || put_back(&second) >= 1.0);
    assert_eq!(queue.lab.registrations(), 1);
    queue.lab.release();
    queue.until_idle();
    let events = queue.events();
    assert_eq!(times(&events, "cs.dep-1.succeeded"), 1, "{events:?}");
    assert_eq!(queue.lab.registrations(), 1);
    first.stop().assert_code(0);
    second.stop().assert_code(0);
}

#[test]
fn a_later_deployment_of_the_same_job_supersedes_a_watch_on_another_agent() {
    let queue = Queue::new();
    queue.lab.hold();
    let mut first = queue.start(["--concurrency", "1"]);
    queue.deploy(&image());
    first.run.until("the first is registered", |_| {
        queue.lab.registrations() == 1
    });
    let mut second = queue.start(["--concurrency", "1"]);
    queue.deploy(&next_image("1.1"));
    second.run.until("the second is registered", |_| {
        queue.lab.registrations() == 2
    });
    let events = queue.events();
    assert_eq!(times(&events, "cs.dep-1.failed"), 1, "{events:?}");
    queue.lab.release();
    queue.until_idle();
    let events = queue.events();
    assert_eq!(times(&events, "cs.dep-1-1.succeeded"), 1, "{events:?}");
    assert_eq!(times(&events, "cs.dep-1.succeeded"), 0, "{events:?}");
    assert!(image_of(&queue).ends_with(":1.1"));
    let superseded = "cs_runner_tasks_total{outcome=\"superseded\"}";
    assert_eq!(first.metric(superseded) + second.metric(superseded), 1.0);
    first.stop().assert_code(0);
    second.stop().assert_code(0);
}

#[test]
fn a_deployment_that_comes_back_after_a_later_one_does_not_write_over_it() {
    let queue = Queue::new();
    queue.lab.hold();
    let mut first = queue.start(["--concurrency", "1"]);
    queue.deploy(&image());
    first.run.until("the first is registered", |_| {
        queue.lab.registrations() == 1
    });
    first.run.signal("KILL");
    drop(first);
    queue.deploy(&next_image("1.1"));
    queue.lab.release();
    let second = queue.start(["--concurrency", "2"]);
    queue.until_idle();
    let events = queue.events();
    assert_eq!(times(&events, "cs.dep-1.failed"), 1, "{events:?}");
    assert_eq!(times(&events, "cs.dep-1.succeeded"), 0, "{events:?}");
    assert_eq!(times(&events, "cs.dep-1-1.succeeded"), 1, "{events:?}");
    assert!(image_of(&queue).ends_with(":1.1"));
    assert_eq!(queue.lab.registrations(), 2);
    assert!(second.metric("cs_runner_redeliveries_total") >= 1.0);
    second.stop().assert_code(0);
}

#[test]
fn a_destroy_takes_the_job_from_an_earlier_deployment_and_leaves_a_later_one_alone() {
    let queue = Queue::new();
    queue.lab.hold();
    let mut agent = queue.start(["--concurrency", "3"]);
    queue.deploy(&image());
    agent
        .run
        .until("it is registered", |_| queue.lab.registrations() == 1);
    let destroy = json!({"jobs": [{"jobId": JOB, "serviceId": "svc-1"}], "reason": "delete"});
    queue.publish("destroy-job-pack", destroy.to_string());
    agent.run.until("the deployment made way", |_| {
        times(&queue.events(), "cs.dep-1.failed") == 1
    });
    queue.lab.release();
    queue.until_idle();
    assert_eq!(queue.lab.job(JOB), None);
    queue.deploy(&next_image("1.1"));
    queue.until_idle();
    assert!(image_of(&queue).ends_with(":1.1"));
    let events = queue.events();
    let destroyed = events.iter().filter(|id| id.contains(".destroyed."));
    assert_eq!(destroyed.count(), 1, "{events:?}");
    agent.stop().assert_code(0);
}
