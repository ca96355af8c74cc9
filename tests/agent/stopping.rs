//! SIGTERM: what runs may end, what does not end is given back, nothing new is taken.

use super::lab::{Queue, deployment, times};

#[test]
fn running_tasks_end_and_no_new_ones_are_taken() {
    let queue = Queue::new();
    queue.lab.hold();
    let mut agent = queue.start(["--concurrency", "1"]);
    queue.deploy(&deployment(1));
    agent
        .run
        .until("it is registered", |_| queue.lab.registrations() == 1);
    queue.deploy(&deployment(2));
    agent.run.signal("TERM");
    let why = agent.until_unready();
    assert!(why.starts_with("draining"), "{why}");
    queue.lab.release();
    let ended = agent.run.wait();
    ended
        .assert_code(0)
        .assert_says("0 task(s) were given back");
    let events = queue.events();
    assert_eq!(times(&events, "cs.dep-1.succeeded"), 1, "{events:?}");
    assert_eq!(queue.lab.registrations(), 1);
    assert_eq!(queue.status()["summary"]["pending"], 1);
    assert_eq!(queue.status()["outcome"], "unattended");
}

#[test]
fn what_does_not_end_in_time_is_given_back_without_a_word_and_ended_by_another() {
    let queue = Queue::new();
    queue.forget_ids();
    queue.lab.hold();
    let mut first = queue.start(["--drain", "300ms"]);
    queue.deploy(&deployment(1));
    first
        .run
        .until("it is registered", |_| queue.lab.registrations() == 1);
    let ended = first.stop();
    ended
        .assert_code(0)
        .assert_says("1 task(s) were given back");
    let events = queue.events();
    assert_eq!(events, ["cs.dep-1.started"], "nobody says that it failed");
    queue.lab.release();
    let second = queue.start(["--tries", "1"]);
    queue.until_idle();
    let events = queue.events();
    assert_eq!(times(&events, "cs.dep-1.succeeded"), 1, "{events:?}");
    assert_eq!(events.len(), 3, "{events:?}");
    assert_eq!(queue.lab.registrations(), 1);
    second.stop().assert_code(0);
}

#[test]
fn a_second_signal_ends_it_at_once_and_another_agent_goes_on() {
    let queue = Queue::new();
    queue.lab.hold();
    let mut first = queue.start([]);
    queue.deploy(&deployment(1));
    first
        .run
        .until("it is registered", |_| queue.lab.registrations() == 1);
    first.run.signal("TERM");
    first
        .run
        .until("it drains", |run| run.stderr().contains("told to stop"));
    first.run.signal("INT");
    let ended = first.run.wait();
    ended.assert_code(10);
    queue.lab.release();
    let second = queue.start([]);
    queue.until_idle();
    assert_eq!(times(&queue.events(), "cs.dep-1.succeeded"), 1);
    second.stop().assert_code(0);
}

#[test]
fn an_agent_that_waits_for_nats_can_be_stopped() {
    let queue = Queue::new();
    let mut nats = queue.nats;
    nats.down();
    let mut run = queue.lab.env.cs(["runner", "agent"]).start();
    run.until("it says so", |run| {
        run.stderr().contains("cannot reach NATS")
    });
    run.signal("TERM");
    run.wait().assert_code(0);
}
