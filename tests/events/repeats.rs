//! Runs that are repeated, crash, or meet each other.

use cs::events::{LogStream, Phase, SharedLedger};

use super::*;

#[tokio::test]
async fn a_repeated_run_announces_nothing_twice_even_when_the_stream_forgot_its_ids() {
    let server = NatsServer::start().await;
    server.create_stream("cs").await;
    let state = tempfile::tempdir().unwrap();
    let first = announcer(&server, state.path());
    announce_run(&first, "dep-1").await;
    assert_eq!(first.finish(LONG).await.sent, 3);
    drop(first);
    server.delete_stream("cs").await;
    server.create_stream("cs").await;

    let second = announcer(&server, state.path());
    announce_run(&second, "dep-1").await;
    assert_eq!(second.finish(LONG).await, Delivery::default());
    assert_eq!(stored_ids(&server).await, [""; 0]);
}

#[tokio::test]
async fn the_stream_drops_what_was_acknowledged_but_not_recorded() {
    let server = NatsServer::start().await;
    server.create_stream("cs").await;
    let states = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    for state in &states {
        let announcer = announcer(&server, state.path());
        announce_run(&announcer, "dep-1").await;
        assert_eq!(announcer.finish(LONG).await.sent, 3);
    }
    assert_eq!(stored_ids(&server).await, run_ids("dep-1"));
}

#[tokio::test]
async fn a_run_that_dies_after_announcing_is_continued_by_its_repeat() {
    let mut server = NatsServer::start().await;
    server.create_stream("cs").await;
    server.down();
    let state = tempfile::tempdir().unwrap();
    let crashed = announcer(&server, state.path());
    crashed.announce(started("dep-1")).await;
    crashed.announce(succeeded("dep-1")).await;
    drop(crashed);

    server.up().await;
    let repeat = announcer(&server, state.path());
    announce_run(&repeat, "dep-1").await;
    assert_eq!(repeat.finish(LONG).await.sent, 3);
    assert_eq!(stored_ids(&server).await, run_ids("dep-1"));
}

#[tokio::test]
async fn two_runs_of_the_same_dispatch_at_once_announce_once() {
    let server = NatsServer::start().await;
    server.create_stream("cs").await;
    let state = tempfile::tempdir().unwrap();
    let runs = [
        announcer(&server, state.path()),
        announcer(&server, state.path()),
    ];
    futures::future::join_all(runs.iter().map(|run| announce_run(run, "dep-1"))).await;
    let deliveries = futures::future::join_all(runs.iter().map(|run| run.finish(LONG))).await;
    let sent: usize = deliveries.iter().map(|delivery| delivery.sent).sum();
    assert_eq!(sent, 3, "{deliveries:?}");
    assert!(
        deliveries
            .iter()
            .all(|delivery| delivery.pending.is_empty())
    );
    assert_eq!(stored_ids(&server).await, run_ids("dep-1"));
}

#[tokio::test]
async fn two_runs_that_share_a_directory_do_not_wait_for_each_other() {
    let server = NatsServer::start().await;
    server.create_stream("cs").await;
    let state = tempfile::tempdir().unwrap();
    let long = announcer(&server, state.path());
    long.announce(started("dep-1")).await;
    let short = announcer(&server, state.path());
    announce_run(&short, "dep-2").await;
    assert_eq!(short.finish(LONG).await.sent, 3);
    long.announce(succeeded("dep-1")).await;
    long.announce(log_end("dep-1")).await;
    assert_eq!(long.finish(LONG).await.sent, 3);
    assert_eq!(server.stored("cs").await.len(), 6);
}

#[tokio::test]
async fn a_run_does_not_take_the_events_of_a_living_one_for_leftovers() {
    let mut server = NatsServer::start().await;
    server.create_stream("cs").await;
    server.down();
    let state = tempfile::tempdir().unwrap();
    let living = announcer(&server, state.path());
    let log = living.build_log(&identity("dep-1"));
    log.write(
        cs::events::Phase::Init,
        cs::events::LogStream::Stdout,
        b"line\n",
    )
    .await;
    living.announce(log_end("dep-1")).await;
    server.up().await;
    let other = announcer(&server, state.path());
    let delivery = other.finish(LONG).await;
    assert_eq!(delivery.sent, 0);
    assert_eq!(living.finish(LONG).await.sent, 1);
    let stored = server.stored("cs").await;
    let subjects: Vec<&str> = stored.iter().map(|m| m.subject.as_str()).collect();
    assert_eq!(subjects, ["cs.build.log.dep-1", "cs.build.log.end.dep-1"]);
}

#[tokio::test]
async fn a_run_takes_over_from_a_twin_that_died() {
    let mut server = NatsServer::start().await;
    server.create_stream("cs").await;
    server.down();
    let state = tempfile::tempdir().unwrap();
    let twin = announcer(&server, state.path());
    twin.announce(started("dep-1")).await;
    let run = announcer(&server, state.path());
    announce_run(&run, "dep-1").await;
    drop(twin);
    server.up().await;
    assert_eq!(run.finish(LONG).await.sent, 3);
    assert_eq!(stored_ids(&server).await, run_ids("dep-1"));
}

#[tokio::test]
async fn a_damaged_file_costs_its_event_and_nothing_else() {
    let mut server = NatsServer::start().await;
    server.create_stream("cs").await;
    server.down();
    let state = tempfile::tempdir().unwrap();
    let first = announcer(&server, state.path());
    announce_run(&first, "dep-1").await;
    let _ = first.finish(SHORT).await;
    drop(first);
    let lane = state.path().join("outbox/cs.dep-1");
    std::fs::write(lane.join("00000002.event"), "{\"version\":1,").unwrap();

    server.up().await;
    let second = announcer(&server, state.path());
    assert_eq!(second.finish(LONG).await.sent, 2);
    assert_eq!(
        stored_ids(&server).await,
        ["cs.dep-1.started", "cs.dep-1.log-end.success"]
    );
    let names: Vec<String> = std::fs::read_dir(&lane)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(
        names.iter().any(|name| name.ends_with(".damaged")),
        "{names:?}"
    );
}

#[tokio::test]
async fn a_repeat_writes_no_line_behind_the_end_of_the_log() {
    let mut server = NatsServer::start().await;
    server.create_stream("cs").await;
    let state = tempfile::tempdir().unwrap();
    // The first run gets as far as announcing the end, the second as far as sending it, the third repeats both.
    server.down();
    for is_away in [true, false, false] {
        if !is_away {
            server.up().await;
        }
        let announcer = announcer(&server, state.path());
        let log = announcer.build_log(&identity("dep-1"));
        log.write(Phase::Init, LogStream::Stdout, b"hello\n").await;
        announce_run(&announcer, "dep-1").await;
        if !is_away {
            assert_eq!(announcer.finish(LONG).await.pending, []);
        }
    }
    assert_eq!(stored_ids(&server).await, run_ids("dep-1"));
}

#[tokio::test]
async fn a_try_whose_ledger_is_shared_sends_what_is_left_and_tells_what_was_acknowledged() {
    let server = NatsServer::start().await;
    server.create_stream("cs").await;
    let dir = tempfile::tempdir().unwrap();
    let (acknowledged, mut told) = tokio::sync::mpsc::unbounded_channel();
    let ledger = SharedLedger {
        announced: ["cs.dep-1.started".to_owned()].into(),
        acknowledged,
    };
    let announcer =
        Announcer::start_shared(config(Some(server.client_config()), dir.path()), ledger);
    announcer.announce(started("dep-1")).await;
    announcer.announce(succeeded("dep-1")).await;
    let delivery = announcer.finish(LONG).await;
    assert_eq!(delivery.pending, []);
    assert_eq!(stored_ids(&server).await, ["cs.dep-1.succeeded"]);
    assert_eq!(told.recv().await.as_deref(), Some("cs.dep-1.succeeded"));
    assert_eq!(told.try_recv().ok(), None);
    // The next try repeats whatever this one could not announce: nothing is kept here.
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn no_line_follows_an_end_that_an_earlier_try_announced() {
    let server = NatsServer::start().await;
    server.create_stream("cs").await;
    let dir = tempfile::tempdir().unwrap();
    let ledger = SharedLedger {
        announced: ["cs.dep-1.log-end.success".to_owned()].into(),
        acknowledged: tokio::sync::mpsc::unbounded_channel().0,
    };
    let announcer =
        Announcer::start_shared(config(Some(server.client_config()), dir.path()), ledger);
    let log = announcer.build_log(&identity("dep-1"));
    log.write(Phase::Init, LogStream::Stdout, b"late\n").await;
    assert_eq!(announcer.finish(LONG).await.pending, []);
    assert_eq!(server.stored("cs").await, []);
}
