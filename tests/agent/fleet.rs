//! Many tasks, several agents, and one of them killed.

use std::time::{Duration, Instant};

use serde_json::json;

use super::lab::{Queue, deployment, times};
use crate::cli::lab::image_with;
use crate::support::env::{eventually, eventually_within};

/// Tasks of the large test, and which of them cannot end well.
const TASKS: usize = 200;

/// Longest time for all of them, on two busy cores.
const LONGEST: Duration = Duration::from_secs(150);

fn ends_well(number: usize) -> bool {
    number % 20 != 7
}

/// Every 20th asks for two services on one port.
fn task(number: usize) -> serde_json::Value {
    let mut params = deployment(number);
    if !ends_well(number) {
        params["networks"] = json!([{"portNumber": 80}, {"portNumber": 80}]);
    }
    params
}

#[test]
fn three_agents_end_200_tasks_once_each_although_one_of_them_is_killed() {
    let queue = Queue::new();
    for number in 0..TASKS {
        queue.deploy(&task(number));
    }
    let began = Instant::now();
    let mut agents: Vec<_> = (0..3)
        .map(|_| queue.start(["--concurrency", "4"]))
        .collect();
    let victim = agents.remove(0);
    eventually("a fifth of the tasks is done", || {
        queue.lab.registrations() > TASKS / 5
    });
    assert!(victim.metric("cs_runner_tasks_in_progress") > 0.0);
    victim.run.signal("KILL");
    drop(victim);
    eventually_within(LONGEST, "the queue is empty", || queue.waiting() == 0);
    let took = began.elapsed();
    let events = queue.events();
    for number in 0..TASKS {
        let end = if ends_well(number) {
            "succeeded"
        } else {
            "failed"
        };
        let other = if ends_well(number) {
            "failed"
        } else {
            "succeeded"
        };
        let id = |what: &str| format!("cs.dep-{number}.{what}");
        assert_eq!(times(&events, &id(end)), 1, "{number}: {events:?}");
        assert_eq!(times(&events, &id(other)), 0, "{number}: {events:?}");
        let log_end = if ends_well(number) {
            "log-end.success"
        } else {
            "log-end.failed"
        };
        assert_eq!(times(&events, &id(log_end)), 1, "{number}");
        let started = usize::from(ends_well(number));
        assert_eq!(times(&events, &id("started")), started, "{number}");
    }
    // Nothing was registered twice either: the second try finds the job as it is wanted.
    assert_eq!(queue.lab.registrations(), TASKS - TASKS / 20);
    let status = queue.status();
    assert_eq!(status["summary"]["dead"], 0, "{status}");
    assert_eq!(status["outcome"], "idle", "{status}");
    let ended: f64 = agents
        .iter()
        .map(|agent| agent.metric("cs_runner_tasks_total{outcome=\"converged\"}"))
        .sum();
    assert!(ended > 50.0, "the two others did most of it: {ended}");
    assert!(took < LONGEST, "{took:?}");
    for agent in agents {
        agent.stop().assert_code(0);
    }
}

#[test]
fn an_agent_takes_no_more_than_it_can_work_on() {
    let queue = Queue::new();
    queue.lab.hold();
    for number in 0..6 {
        queue.deploy(&deployment(number));
    }
    let mut agent = queue.start(["--concurrency", "2"]);
    agent.run.until("two jobs are registered", |_| {
        queue.lab.registrations() == 2
    });
    let status = queue.status();
    assert_eq!(status["summary"]["pending"], 4, "{status}");
    assert_eq!(status["summary"]["inProgress"], 2, "{status}");
    assert_eq!(status["summary"]["slots"], 2, "{status}");
    assert_eq!(status["outcome"], "working");
    let tasks = status["results"][0]["tasks"].as_array().unwrap();
    assert_eq!(tasks.len(), 2, "{status}");
    super::lab::assert_valid(&status, "runner-status");
    let shown = queue.runner(["status"]).run().stdout;
    assert!(shown.starts_with("4 pending, 2 in progress"), "{shown}");
    assert!(shown.contains("deploy-image dep-"), "{shown}");
    queue.lab.release();
    queue.until_idle();
    assert_eq!(queue.lab.registrations(), 6);
    agent.stop().assert_code(0);
}

#[test]
fn two_runs_in_one_agent_do_not_disturb_each_other() {
    let queue = Queue::new();
    let good = deployment(1);
    let bad = image_with(json!({
        "jobId": "bad", "deploymentId": "dep-bad", "serviceId": "svc-bad", "networks": [{"portNumber": 0}],
        "configFiles": [{"path": "../out", "content": "eA=="}],
    }));
    queue.deploy(&bad);
    queue.deploy(&good);
    queue.publish(
        "destroy-job-pack",
        json!({
            "jobs": [{"jobId": "gone", "serviceId": "svc-gone"}], "reason": "delete",
        })
        .to_string(),
    );
    let agent = queue.start(["--concurrency", "3"]);
    queue.until_idle();
    let events = queue.events();
    assert_eq!(times(&events, "cs.dep-1.succeeded"), 1, "{events:?}");
    assert_eq!(times(&events, "cs.dep-bad.failed"), 1, "{events:?}");
    let destroyed = events
        .iter()
        .filter(|id| id.starts_with("cs.svc-gone.destroyed."));
    assert_eq!(destroyed.count(), 1, "{events:?}");
    // Each log has lines of its own only, and its end comes last.
    for deployment in ["dep-1", "dep-bad"] {
        let log: Vec<_> = queue
            .lab
            .stored(&queue.nats)
            .into_iter()
            .filter(|message| message.subject.ends_with(&format!(".{deployment}")))
            .collect();
        assert!(log.len() > 1, "{log:?}");
        assert!(log.iter().all(|line| line.payload.contains(deployment)));
        let last = log.last().unwrap();
        assert!(last.subject.contains("log.end"), "{log:?}");
    }
    assert_eq!(
        agent.metric("cs_runner_tasks_total{outcome=\"converged\"}"),
        1.0
    );
    assert_eq!(
        agent.metric("cs_runner_tasks_total{outcome=\"invalid\"}"),
        1.0
    );
    assert_eq!(
        agent.metric("cs_runner_tasks_total{outcome=\"destroyed\"}"),
        1.0
    );
    let (_, page) = agent.get("/metrics");
    assert!(
        page.contains("cs_runner_task_duration_seconds_count 3\n"),
        "{page}"
    );
    assert!(page.contains("\ncs_runner_nats_connected 1\n"), "{page}");
    assert_eq!(agent.get("/healthz").0, 200);
    agent.stop().assert_code(0);
}
