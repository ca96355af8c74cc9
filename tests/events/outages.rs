//! NATS goes away, comes late, or does not take what it gets.

use super::*;

#[tokio::test]
async fn a_server_that_is_killed_and_comes_back_gets_everything_once_and_in_order() {
    let mut server = NatsServer::start().await;
    server.create_stream("cs").await;
    let state = tempfile::tempdir().unwrap();
    let announcer = announcer(&server, state.path());
    announcer.announce(started("dep-1")).await;
    eventually("the first event arrived", async || {
        server.stored("cs").await.len() == 1
    })
    .await;
    server.down();
    announcer.announce(succeeded("dep-1")).await;
    announcer.announce(log_end("dep-1")).await;
    server.up().await;
    let delivery = announcer.finish(LONG).await;
    assert_eq!((delivery.sent, delivery.pending), (3, vec![]));
    assert_eq!(stored_ids(&server).await, run_ids("dep-1"));
}

#[tokio::test]
async fn a_server_that_comes_late_gets_everything() {
    let mut server = NatsServer::start().await;
    server.create_stream("cs").await;
    server.down();
    let state = tempfile::tempdir().unwrap();
    let (logs, _guard) = capture_logs();
    let announcer = announcer(&server, state.path());
    announce_run(&announcer, "dep-1").await;
    eventually("an attempt failed", async || {
        logs.text().contains("cannot reach NATS at")
    })
    .await;
    server.up().await;
    assert_eq!(announcer.finish(LONG).await.sent, 3);
    assert_eq!(stored_ids(&server).await, run_ids("dep-1"));
    assert!(logs.text().contains("Events are delivered again"));
}

#[tokio::test]
async fn what_a_run_cannot_deliver_is_delivered_by_a_later_one_first_and_once() {
    let mut server = NatsServer::start().await;
    server.create_stream("cs").await;
    server.down();
    let state = tempfile::tempdir().unwrap();
    let first = announcer(&server, state.path());
    announce_run(&first, "dep-1").await;
    let delivery = first.finish(SHORT).await;
    assert_eq!(delivery.sent, 0);
    assert_eq!(pending_ids(&delivery), run_ids("dep-1"));
    assert!(delivery.pending.iter().all(|event| event.kept));
    let reason = delivery.reason.unwrap();
    assert!(
        reason.contains(&format!("cannot reach NATS at nats://{}", server.address())),
        "{reason}"
    );
    drop(first);

    server.up().await;
    let second = announcer(&server, state.path());
    second.announce(started("dep-2")).await;
    assert_eq!(second.finish(LONG).await.sent, 4);
    drop(second);
    let third = announcer(&server, state.path());
    assert_eq!(third.finish(LONG).await, Delivery::default());
    let mut expected = run_ids("dep-1");
    expected.push("cs.dep-2.started".to_owned());
    assert_eq!(stored_ids(&server).await, expected);
}

#[tokio::test]
async fn without_a_stream_events_wait_and_the_reason_says_so() {
    let server = NatsServer::start().await;
    let state = tempfile::tempdir().unwrap();
    let announcer = announcer(&server, state.path());
    announce_run(&announcer, "dep-1").await;
    let delivery = announcer.finish(Duration::from_secs(1)).await;
    assert_eq!(pending_ids(&delivery), run_ids("dep-1"));
    let reason = delivery.reason.unwrap();
    assert!(
        reason.contains("no stream accepts `cs.deployment.status.changed`"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_stream_that_is_created_later_gets_everything() {
    let server = NatsServer::start().await;
    let state = tempfile::tempdir().unwrap();
    let (logs, _guard) = capture_logs();
    let announcer = announcer(&server, state.path());
    announce_run(&announcer, "dep-1").await;
    eventually("an attempt failed", async || {
        logs.text().contains("no stream accepts")
    })
    .await;
    server.create_stream("cs").await;
    assert_eq!(announcer.finish(LONG).await.sent, 3);
    assert_eq!(stored_ids(&server).await, run_ids("dep-1"));
}

#[tokio::test]
async fn a_leftover_that_no_stream_accepts_does_not_hold_up_others() {
    let mut server = NatsServer::start().await;
    server.create_stream("cs").await;
    server.down();
    let state = tempfile::tempdir().unwrap();
    let old = Announcer::start(AnnouncerConfig {
        prefix: "old".parse().unwrap(),
        ..config(Some(server.client_config()), state.path())
    });
    old.announce(started("dep-0")).await;
    let _ = old.finish(SHORT).await;
    drop(old);

    server.up().await;
    let announcer = announcer(&server, state.path());
    announce_run(&announcer, "dep-1").await;
    eventually("this run's events arrived", async || {
        server.stored("cs").await.len() == 3
    })
    .await;
    let delivery = announcer.finish(SHORT).await;
    assert_eq!(pending_ids(&delivery), ["old.dep-0.started"]);
}

#[tokio::test]
async fn a_silent_server_delays_events_and_gets_them_once() {
    let server = NatsServer::start().await;
    server.create_stream("cs").await;
    let state = tempfile::tempdir().unwrap();
    let (logs, _guard) = capture_logs();
    let announcer = announcer(&server, state.path());
    announcer.announce(started("dep-1")).await;
    eventually("the first event arrived", async || {
        server.stored("cs").await.len() == 1
    })
    .await;
    server.pause();
    announcer.announce(succeeded("dep-1")).await;
    eventually("the acknowledgement is overdue", async || {
        logs.text().contains("did not acknowledge")
    })
    .await;
    server.resume();
    announcer.announce(log_end("dep-1")).await;
    assert_eq!(announcer.finish(LONG).await.sent, 3);
    assert_eq!(stored_ids(&server).await, run_ids("dep-1"));
}

#[tokio::test]
async fn an_unusable_state_directory_is_said_loudly_and_events_still_go_out() {
    let server = NatsServer::start().await;
    server.create_stream("cs").await;
    let state = tempfile::tempdir().unwrap();
    let file = state.path().join("file");
    std::fs::write(&file, "").unwrap();
    let (logs, _guard) = capture_logs();
    let announcer = announcer(&server, &file);
    announce_run(&announcer, "dep-1").await;
    announcer.announce(started("dep-1")).await;
    assert_eq!(announcer.finish(LONG).await.sent, 3);
    assert_eq!(stored_ids(&server).await, run_ids("dep-1"));
    assert!(logs.text().contains("lost when the process ends"));
}

#[tokio::test]
async fn events_in_memory_are_reported_as_lost_when_they_cannot_be_sent() {
    let server = NatsServer::stopped();
    let announcer = Announcer::start(AnnouncerConfig {
        state_dir: None,
        ..config(Some(server.client_config()), Path::new(""))
    });
    announcer.announce(started("dep-1")).await;
    let delivery = announcer.finish(SHORT).await;
    assert_eq!(pending_ids(&delivery), ["cs.dep-1.started"]);
    assert!(!delivery.pending[0].kept);
}

#[tokio::test]
async fn an_event_larger_than_the_stream_takes_is_set_aside_and_reported() {
    let server = NatsServer::start().await;
    let context = server.context().await;
    let stream = async_nats::jetstream::stream::Config {
        name: "cs_cloudstation".to_owned(),
        subjects: vec!["cs.>".to_owned()],
        max_message_size: 400,
        ..Default::default()
    };
    context.create_stream(stream).await.unwrap();
    let state = tempfile::tempdir().unwrap();
    let announcer = announcer(&server, state.path());
    announcer.announce(started("dep-1")).await;
    announcer
        .announce(Event::DeploymentFailed(DeploymentOutcome {
            owner_id: "x".repeat(500),
            ..outcome("dep-1")
        }))
        .await;
    announcer.announce(log_end("dep-1")).await;
    let delivery = announcer.finish(LONG).await;
    assert_eq!(delivery.sent, 2);
    assert_eq!(pending_ids(&delivery), ["cs.dep-1.failed"]);
}
