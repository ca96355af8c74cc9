//! `cs runner setup`: makes, mends, repeats without effect, refuses what cannot be.

use async_nats::jetstream::stream::{Config, RetentionPolicy};

use super::lab::{Queue, assert_valid};

#[test]
fn a_repeat_changes_nothing_and_says_so() {
    let queue = Queue::without_setup(|_| {});
    let first = queue.runner(["setup", "-o", "json"]).run();
    first.assert_code(0);
    let report = first.document();
    assert_valid(&report, "runner-setup");
    assert_eq!(
        (&report["outcome"], &report["summary"]["made"]),
        (&"changed".into(), &4.into())
    );
    let second = queue.runner(["setup", "-o", "json"]).run();
    second.assert_code(0);
    let report = second.document();
    assert_valid(&report, "runner-setup");
    assert_eq!(report["outcome"], "unchanged", "{report}");
    let shown = queue.runner(["setup"]).run();
    shown.assert_code(0);
    assert_eq!(shown.stdout.matches("unchanged").count(), 4, "{shown}");
}

#[test]
fn another_setting_is_changed_and_named_and_tasks_stay() {
    let queue = Queue::new();
    queue.publish("deploy-image", super::lab::deployment(1).to_string());
    let ended = queue
        .runner(["setup", "--ack-wait", "45s", "--max-tasks", "5"])
        .run();
    ended.assert_code(0);
    assert!(ended.stdout.contains("max_msgs 100000 -> 5"), "{ended}");
    assert!(ended.stdout.contains("ack_wait 4s -> 45s"), "{ended}");
    assert_eq!(ended.stdout.matches("unchanged").count(), 2, "{ended}");
    assert_eq!(queue.waiting(), 1);
}

#[test]
fn a_stream_of_another_kind_is_refused_with_the_name_of_the_setting() {
    let queue = Queue::without_setup(|_| {});
    make(
        &queue,
        Config {
            name: "cs_runner_tasks".to_owned(),
            subjects: vec!["cs_runner.task.>".to_owned()],
            retention: RetentionPolicy::Limits,
            ..Config::default()
        },
    );
    let ended = queue.runner(["setup"]).run();
    ended
        .assert_code(1)
        .assert_says("cs_runner_tasks")
        .assert_says("retention Limits -> WorkQueue")
        .assert_says("never changes");
}

#[test]
fn subjects_that_belong_to_another_stream_are_named() {
    let queue = Queue::without_setup(|_| {});
    make(
        &queue,
        Config {
            name: "everything".to_owned(),
            subjects: vec!["cs_runner.>".to_owned()],
            ..Config::default()
        },
    );
    let ended = queue.runner(["setup"]).run();
    ended
        .assert_code(1)
        .assert_says("another stream takes subjects of cs_runner.");
}

#[test]
fn without_nats_it_says_what_is_missing() {
    let queue = Queue::without_setup(|_| {});
    let ended = queue.runner(["setup"]).without("NATS_SERVERS").run();
    ended.assert_code(2).assert_says("NATS_SERVERS");
    let mut queue = queue;
    queue.nats.down();
    let ended = queue.runner(["setup"]).run();
    ended.assert_code(1).assert_says("cannot reach NATS");
}

fn make(queue: &Queue, config: Config) {
    queue.lab.runtime.block_on(async {
        let context = queue.nats.context().await;
        context.create_stream(config).await.expect("a fresh stream");
    });
}
