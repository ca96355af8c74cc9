//! Poison, silence and crashes: every one ends as a dead letter with one event.

use cs::simulator::{Effect, Faults, Matcher, Rule};
use serde_json::{Value, json};

use super::lab::{Queue, assert_valid, deployment, times};

fn letters(queue: &Queue) -> Vec<Value> {
    let status = queue.status();
    assert_valid(&status, "runner-status");
    status["deadLetters"].as_array().expect("a list").clone()
}

#[test]
fn a_task_that_nobody_can_read_is_dead_at_once() {
    let queue = Queue::new();
    queue.publish("deploy-image", "%%%");
    queue.publish("deploy-moon", deployment(2).to_string());
    let mut broken = deployment(3);
    broken["cpu"] = json!(true);
    queue.publish("deploy-image", broken.to_string());
    let torn = deployment(4).to_string();
    queue.publish("deploy-image", &torn[..torn.len() - 5]);
    let agent = queue.start([]);
    queue.until_idle();
    let letters = letters(&queue);
    assert_eq!(letters.len(), 4, "{letters:?}");
    assert_eq!(agent.metric("cs_runner_dead_letters_total"), 4.0);
    assert_eq!(agent.metric("cs_runner_tasks_total{outcome=\"dead\"}"), 4.0);
    let of = |sequence: u64| {
        let letter = letters.iter().find(|letter| letter["sequence"] == sequence);
        letter.expect("there is one").clone()
    };
    let reason = |sequence| of(sequence)["reason"].as_str().unwrap().to_owned();
    assert!(reason(1).contains("failed to parse"), "{}", reason(1));
    assert!(reason(2).contains("unknown task type: deploy-moon"));
    assert!(reason(3).contains("cpu"), "{}", reason(3));
    assert_eq!(of(3)["deploymentId"], "dep-3");
    assert_eq!(of(1)["deploymentId"], Value::Null);
    // Who can be named is told.
    let events = queue.events();
    for deployment in ["dep-2", "dep-3", "dep-4"] {
        let failed = times(&events, &format!("cs.{deployment}.failed"));
        assert_eq!(failed, 1, "{deployment}: {events:?}");
    }
    assert_eq!(events.len(), 6, "{events:?}");
    assert_eq!(queue.lab.registrations(), 0);
    let shown = queue.runner(["status"]).run().stdout;
    assert!(
        shown.contains("4 dead") && shown.contains("unknown task type"),
        "{shown}"
    );
    agent.stop().assert_code(0);
}

#[test]
fn a_nomad_that_never_answers_costs_the_tries_and_then_one_failure() {
    let refused = Effect::Error {
        status: 503,
        body: "no leader".to_owned(),
    };
    let queue = Queue::with_faults(Faults {
        rules: vec![Rule::new(Matcher::new("GET", "/v1/job*"), refused)],
        ..Faults::default()
    });
    queue.forget_ids();
    let agent = queue.start(["--tries", "2", "--deadline", "700ms"]);
    queue.deploy(&deployment(1));
    queue.until_idle();
    let events = queue.events();
    assert_eq!(times(&events, "cs.dep-1.started"), 1, "{events:?}");
    assert_eq!(times(&events, "cs.dep-1.failed"), 1, "{events:?}");
    assert_eq!(events.len(), 3, "{events:?}");
    let letters = letters(&queue);
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0]["tries"], 2);
    assert!(
        letters[0]["reason"].as_str().unwrap().contains("no leader"),
        "{letters:?}"
    );
    assert_eq!(
        agent.metric("cs_runner_put_back_total{reason=\"unfinished\"}"),
        1.0
    );
    agent.stop().assert_code(0);
}

#[test]
fn a_nomad_that_comes_back_in_time_makes_the_next_try_succeed() {
    let refused = Effect::Error {
        status: 503,
        body: "no leader".to_owned(),
    };
    let queue = Queue::with_faults(Faults {
        rules: vec![Rule::new(Matcher::new("GET", "/v1/job*"), refused)],
        ..Faults::default()
    });
    queue.forget_ids();
    let mut agent = queue.start(["--deadline", "3s"]);
    queue.deploy(&deployment(1));
    agent.run.until("the first try is over", |run| {
        run.stderr().contains("is tried again")
    });
    assert_eq!(queue.events(), ["cs.dep-1.started"]);
    queue.lab.release();
    queue.until_idle();
    let events = queue.events();
    assert_eq!(times(&events, "cs.dep-1.succeeded"), 1, "{events:?}");
    assert_eq!(events.len(), 3, "{events:?}");
    agent.stop().assert_code(0);
}

#[test]
fn a_task_whose_agents_die_is_given_up_and_its_failure_announced() {
    let queue = Queue::new();
    queue.lab.hold();
    queue.deploy(&deployment(1));
    for agents in 0..2 {
        let mut agent = queue.start(["--tries", "2"]);
        agent
            .run
            .until("it begins", |run| run.stderr().contains("begins, try"));
        agent.run.until("its start is announced", |_| {
            agents == 1 || queue.events() == ["cs.dep-1.started"]
        });
        agent.run.signal("KILL");
        // Killed before the next one starts.
        agent.run.wait();
    }
    let agent = queue.start(["--tries", "2"]);
    queue.until_idle();
    let events = queue.events();
    assert_eq!(times(&events, "cs.dep-1.failed"), 1, "{events:?}");
    assert_eq!(times(&events, "cs.dep-1.started"), 1, "{events:?}");
    let letters = letters(&queue);
    assert!(
        letters[0]["reason"].as_str().unwrap().contains("2 tries"),
        "{letters:?}"
    );
    agent.stop().assert_code(0);
}
