//! NATS away, restarted, or without the queue: said once, nothing lost.

use super::lab::{Agent, Queue, deployment, times};
use crate::support::env::eventually;

#[test]
fn a_restart_of_nats_in_the_middle_loses_nothing() {
    let mut queue = Queue::new();
    queue.lab.hold();
    let mut agents = [
        queue.start(["--concurrency", "4"]),
        queue.start(["--concurrency", "4"]),
    ];
    for number in 0..20 {
        queue.deploy(&deployment(number));
    }
    agents[0]
        .run
        .until("eight tasks run", |_| queue.lab.registrations() == 8);
    queue.nats.down();
    queue.lab.release();
    for agent in &mut agents {
        assert_eq!(agent.until_unready(), "not connected to NATS\n");
        assert_eq!(agent.get("/healthz").0, 200);
        assert_eq!(agent.metric("cs_runner_nats_connected"), 0.0);
    }
    queue.lab.runtime.block_on(queue.nats.up());
    queue.until_idle();
    let events = queue.events();
    for number in 0..20 {
        for what in ["started", "succeeded", "log-end.success"] {
            assert_eq!(
                times(&events, &format!("cs.dep-{number}.{what}")),
                1,
                "{events:?}"
            );
        }
    }
    assert_eq!(events.len(), 60);
    assert_eq!(queue.lab.registrations(), 20);
    for mut agent in agents {
        agent.until_ready();
        let ended = agent.stop();
        ended.assert_code(0);
        assert_eq!(
            ended.stderr.matches("connection to NATS is lost").count(),
            1,
            "{ended}"
        );
    }
}

#[test]
fn an_agent_that_starts_before_nats_begins_once_it_is_there() {
    let mut queue = Queue::new();
    queue.deploy(&deployment(1));
    queue.nats.down();
    let invocation = queue.agent(["--listen", "127.0.0.1:0"]);
    let mut agent = Agent::started(invocation);
    assert_eq!(agent.until_unready(), "not connected to NATS\n");
    queue.lab.runtime.block_on(queue.nats.up());
    agent.until_ready();
    queue.until_idle();
    assert_eq!(times(&queue.events(), "cs.dep-1.succeeded"), 1);
    agent.stop().assert_code(0);
}

#[test]
fn without_the_queue_the_agent_says_once_what_is_missing_and_works_once_it_is_made() {
    let queue = Queue::without_setup(|_| {});
    let mut agent = Agent::started(queue.agent(["--listen", "127.0.0.1:0"]));
    agent.until_unready();
    agent.run.until("it says so", |run| {
        run.stderr().contains("No tasks are taken")
    });
    queue.set_up();
    agent.until_ready();
    queue.deploy(&deployment(1));
    queue.until_idle();
    // The streams vanish and come back, with sequences that begin anew.
    queue.lab.runtime.block_on(async {
        let context = queue.nats.context().await;
        context.delete_stream("cs_runner_tasks").await.unwrap();
    });
    agent.until_unready();
    queue.set_up();
    agent.until_ready();
    queue.deploy(&deployment(2));
    queue.deploy(&deployment(1));
    queue.until_idle();
    let events = queue.events();
    assert_eq!(times(&events, "cs.dep-2.succeeded"), 1, "{events:?}");
    assert_eq!(times(&events, "cs.dep-1.succeeded"), 1, "{events:?}");
    assert_eq!(
        agent.metric("cs_runner_tasks_total{outcome=\"duplicate\"}"),
        1.0
    );
    let ended = agent.stop();
    ended.assert_code(0).assert_says("cs runner setup");
    let said = || {
        let lines = ended.stderr.lines();
        lines.filter(|line| line.contains("No tasks are taken"))
    };
    let different: std::collections::BTreeSet<&str> = said().collect();
    assert_eq!(said().count(), different.len(), "said twice\n{ended}");
}

#[test]
fn a_stream_of_events_that_is_missing_keeps_the_end_in_the_queue_until_it_is_announced() {
    let queue = Queue::new();
    let mut agent = queue.start([]);
    queue.lab.runtime.block_on(queue.nats.delete_stream("cs"));
    queue.deploy(&deployment(1));
    agent.run.until("it is tried again", |run| {
        run.stderr().contains("is tried again")
    });
    assert_eq!(queue.waiting(), 1);
    queue.lab.runtime.block_on(queue.nats.create_stream("cs"));
    queue.until_idle();
    let events = queue.events();
    assert_eq!(times(&events, "cs.dep-1.succeeded"), 1, "{events:?}");
    assert_eq!(times(&events, "cs.dep-1.failed"), 0, "{events:?}");
    assert_eq!(queue.lab.registrations(), 1);
    agent.stop().assert_code(0);
}

#[test]
fn a_key_that_is_none_is_a_mistake_of_whoever_starts_it() {
    let queue = Queue::new();
    let ended = queue
        .agent([])
        .var("NATS_CLIENT_PRIVATE_KEY", "canary-seed")
        .run();
    ended
        .assert_code(2)
        .assert_says("NATS_CLIENT_PRIVATE_KEY")
        .assert_hides("canary-seed");
    let ended = queue.agent([]).without("NATS_SERVERS").run();
    ended.assert_code(2).assert_says("NATS_SERVERS is not set");
}

#[test]
fn a_task_that_comes_back_to_the_agent_that_works_on_it_goes_on() {
    let queue = Queue::new();
    queue.lab.hold();
    let mut agent = queue.start(["--concurrency", "2", "--tries", "1"]);
    queue.deploy(&deployment(1));
    agent
        .run
        .until("it is registered", |_| queue.lab.registrations() == 1);
    // Frozen for longer than NATS has patience: the first thing it gets afterwards is its own task.
    agent.run.signal("STOP");
    let since = std::time::Instant::now();
    eventually("NATS lost patience", || since.elapsed().as_secs() >= 6);
    agent.run.signal("CONT");
    eventually("it was delivered again", || {
        agent.metric("cs_runner_redeliveries_total") >= 1.0
    });
    queue.lab.release();
    queue.until_idle();
    let events = queue.events();
    assert_eq!(times(&events, "cs.dep-1.succeeded"), 1, "{events:?}");
    assert_eq!(events.len(), 3, "{events:?}");
    assert_eq!(queue.lab.registrations(), 1);
    assert_eq!(
        agent.metric("cs_runner_tasks_total{outcome=\"converged\"}"),
        1.0
    );
    agent.stop().assert_code(0);
}

#[test]
fn an_agent_that_was_frozen_is_silent_about_what_another_has_taken_over() {
    let queue = Queue::new();
    queue.lab.hold();
    let mut frozen = queue.start([]);
    queue.deploy(&deployment(1));
    frozen
        .run
        .until("it is registered", |_| queue.lab.registrations() == 1);
    frozen
        .run
        .until("its start is announced", |_| queue.events().len() == 1);
    frozen.run.signal("STOP");
    let mut other = queue.start([]);
    other.run.until("the other has it", |run| {
        run.stderr().contains("begins, try 2")
    });
    // Both see the rollout end at the same moment.
    frozen.run.signal("CONT");
    frozen.run.until("it hears that it lost the task", |run| {
        run.stderr().contains("taken over by another agent")
    });
    queue.lab.release();
    queue.until_idle();
    let events = queue.events();
    assert_eq!(times(&events, "cs.dep-1.succeeded"), 1, "{events:?}");
    assert_eq!(events.len(), 3, "{events:?}");
    assert_eq!(
        frozen.metric("cs_runner_put_back_total{reason=\"lost\"}"),
        1.0
    );
    frozen.stop().assert_code(0);
    other.stop().assert_code(0);
}
