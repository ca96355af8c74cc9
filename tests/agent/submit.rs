//! `cs runner submit`: checks, puts into the queue, and knows a repeat.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::lab::{Queue, assert_valid, deployment};
use crate::support::env::{Ended, Invocation};

fn submit(queue: &Queue, task: &str, params: &str) -> Invocation {
    queue
        .runner(["submit", "--task", task, "--params", "-"])
        .stdin(params)
}

fn report(ended: &Ended) -> Value {
    ended.assert_code(0);
    let report = ended.document();
    assert_valid(&report, "runner-submit");
    report
}

#[test]
fn a_repeat_is_dropped_and_said_to_be_one() {
    let queue = Queue::new();
    let params = deployment(1).to_string();
    let first = submit(&queue, "deploy-image", &params)
        .args(["-o", "json"])
        .run();
    let first = report(&first);
    assert_eq!(first["outcome"], "submitted");
    assert_eq!(first["summary"]["sequence"], 1);
    let again = submit(&queue, "deploy-image", &STANDARD.encode(&params)).args(["-o", "json"]);
    let again = again.run();
    again.assert_says("the repeat is dropped");
    let again = report(&again);
    assert_eq!(again["outcome"], "repeated");
    assert_eq!(again["summary"], first["summary"]);
    assert_eq!(queue.waiting(), 1);
    let other = submit(&queue, "deploy-image", &deployment(2).to_string()).run();
    other.assert_code(0);
    let text = other.stdout.trim();
    assert!(
        text.starts_with("deploy-image-") && text.ends_with(" 2"),
        "{other}"
    );
    assert_eq!(queue.waiting(), 2);
}

#[test]
fn what_reconcile_would_refuse_is_refused_with_the_same_code_and_words() {
    let queue = Queue::new();
    let mut invalid = deployment(1);
    invalid["networks"] = json!([{"portNumber": 80}, {"portNumber": 80}]);
    let cases = [
        ("deploy-image", "%%%".to_owned(), 2),
        ("deploy-moon", deployment(1).to_string(), 2),
        ("deploy-image", json!({"jobId": "shop"}).to_string(), 3),
        ("deploy-image", invalid.to_string(), 3),
    ];
    for (task, params, code) in cases {
        let ended = submit(&queue, task, &params).run();
        ended.assert_code(code);
        let file = queue.lab.env.file("params.json", &params);
        let reconciled = queue
            .lab
            .env
            .cs(["reconcile", "--task", task, "--params"])
            .arg(file)
            .run();
        reconciled.assert_code(code);
        let says = ended
            .stderr
            .lines()
            .find(|line| line.starts_with("error: "));
        reconciled.assert_says(says.expect("one error"));
    }
    assert_eq!(queue.waiting(), 0);
}

#[test]
fn without_a_queue_the_command_that_makes_it_is_named() {
    let queue = Queue::without_setup(|_| {});
    let ended = submit(&queue, "deploy-image", &deployment(1).to_string()).run();
    ended.assert_code(1).assert_says("cs runner setup");
    let ended = queue.runner(["status"]).run();
    ended.assert_code(1).assert_says("cs runner setup");
}

#[test]
fn a_full_queue_refuses_and_keeps_what_it_has() {
    let queue = Queue::without_setup(|_| {});
    queue
        .runner(["setup", "--max-tasks", "1"])
        .run()
        .assert_code(0);
    submit(&queue, "deploy-image", &deployment(1).to_string())
        .run()
        .assert_code(0);
    let ended = submit(&queue, "deploy-image", &deployment(2).to_string()).run();
    ended.assert_code(1).assert_says("maximum messages");
    assert_eq!(queue.waiting(), 1);
}
