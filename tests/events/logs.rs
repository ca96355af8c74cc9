//! Build logs on the wire, and under pressure.

use cs::events::{LogStream, Phase};
use serde_json::Value;

use super::*;

fn contents(stored: &[crate::support::nats::Stored]) -> Vec<String> {
    stored
        .iter()
        .filter(|message| message.subject.starts_with("cs.build.log.dep"))
        .map(|message| {
            let payload: Value = serde_json::from_str(&message.payload).unwrap();
            payload["content"].as_str().unwrap().to_owned()
        })
        .collect()
}

/// Checks that lines `line 0` up to `count` arrived, once each and in order.
fn assert_lines(stored: &[crate::support::nats::Stored], count: usize) {
    let contents = contents(stored);
    for (number, line) in contents.iter().enumerate() {
        assert_eq!(line, &format!("line {number}\n"));
    }
    assert_eq!(contents.len(), count);
}

#[tokio::test]
async fn lines_have_the_bytes_of_the_contract_and_count_for_each_stream() {
    let server = NatsServer::start().await;
    server.create_stream("cs").await;
    let state = tempfile::tempdir().unwrap();
    let announcer = announcer(&server, state.path());
    let log = announcer.build_log(&identity("dep-1"));
    log.write(Phase::Init, LogStream::Stdout, b"one\n\nunfin")
        .await;
    log.write(Phase::Build, LogStream::Stderr, b"oops\r\n")
        .await;
    log.write(Phase::Build, LogStream::Stdout, b"ished").await;
    announcer.announce(log_end("dep-1")).await;
    log.write(Phase::Build, LogStream::Stdout, b"too late\n")
        .await;
    let delivery = announcer.finish(LONG).await;
    assert_eq!((delivery.sent, delivery.dropped_log_lines), (1, 0));

    let line = |stream: &str, content: &str, sequence: u64, phase: &str| {
        format!(
            r#"{{"deploymentId":"dep-1","jobId":456,"serviceId":"svc-123","ownerId":"7","logOutput":"{stream}","content":"{content}","timestamp":1700000000000,"sequence":{sequence},"phase":"{phase}"}}"#
        )
    };
    let stored = server.stored("cs").await;
    let payloads: Vec<&str> = stored.iter().map(|m| m.payload.as_str()).collect();
    assert_eq!(
        payloads,
        [
            line("stdout", "one\\n", 1, "init"),
            line("stdout", "\\n", 2, "init"),
            line("stderr", "oops\\r\\n", 1, "build"),
            line("stdout", "unfinished", 3, "build"),
            r#"{"deploymentId":"dep-1","jobId":456,"status":"success"}"#.to_owned(),
        ]
    );
    assert!(
        stored[0].id.starts_with("cs.dep-1.log.stdout.1."),
        "{stored:?}"
    );
    assert_eq!(stored[0].subject, "cs.build.log.dep-1");
}

#[tokio::test]
async fn many_lines_keep_their_order_through_a_restart_of_the_server() {
    let mut server = NatsServer::start().await;
    server.create_stream("cs").await;
    let state = tempfile::tempdir().unwrap();
    let announcer = announcer(&server, state.path());
    let log = announcer.build_log(&identity("dep-1"));
    let write = |range: std::ops::Range<u32>| {
        let log = log.clone();
        async move {
            for number in range {
                let line = format!("line {number}\n");
                log.write(Phase::Build, LogStream::Stdout, line.as_bytes())
                    .await;
            }
        }
    };
    write(0..500).await;
    server.down();
    write(500..800).await;
    server.up().await;
    write(800..1500).await;
    announcer.announce(log_end("dep-1")).await;
    let delivery = announcer.finish(LONG).await;
    assert_eq!((delivery.sent, delivery.dropped_log_lines), (1, 0));
    let stored = server.stored("cs").await;
    assert_lines(&stored, 1500);
    assert_eq!(stored.last().unwrap().subject, "cs.build.log.end.dep-1");
}

#[tokio::test]
async fn a_silent_server_slows_the_writer_and_memory_stays_bounded() {
    let server = NatsServer::start().await;
    server.create_stream("cs").await;
    let state = tempfile::tempdir().unwrap();
    let announcer = Announcer::start(AnnouncerConfig {
        log_limits: LogLimits {
            lines: 50,
            patience: Duration::from_secs(60),
            ..LogLimits::default()
        },
        ..config(Some(server.client_config()), state.path())
    });
    announcer.announce(started("dep-1")).await;
    eventually("the connection is up", async || {
        server.stored("cs").await.len() == 1
    })
    .await;
    server.pause();
    let log = announcer.build_log(&identity("dep-1"));
    let writer = tokio::spawn(async move {
        for number in 0..500 {
            let line = format!("line {number}\n");
            log.write(Phase::Build, LogStream::Stdout, line.as_bytes())
                .await;
        }
    });
    eventually("the queue is full", async || {
        announcer.queued_log_lines() == 50
    })
    .await;
    assert!(!writer.is_finished());
    server.resume();
    let mut most = 0;
    while !writer.is_finished() {
        most = most.max(announcer.queued_log_lines());
        tokio::task::yield_now().await;
    }
    assert!(most <= 50, "{most} lines waited");
    announcer.announce(log_end("dep-1")).await;
    let delivery = announcer.finish(LONG).await;
    assert_eq!((delivery.sent, delivery.dropped_log_lines), (2, 0));
    assert_lines(&server.stored("cs").await, 500);
}

#[tokio::test]
async fn lines_that_nats_never_took_are_counted_and_the_gap_is_marked() {
    let mut server = NatsServer::start().await;
    server.create_stream("cs").await;
    server.down();
    let state = tempfile::tempdir().unwrap();
    let announcer = Announcer::start(AnnouncerConfig {
        log_limits: LogLimits {
            lines: 2,
            patience: Duration::from_millis(100),
            ..LogLimits::default()
        },
        ..config(Some(server.client_config()), state.path())
    });
    let log = announcer.build_log(&identity("dep-1"));
    for line in ["1\n", "2\n", "3\n", "4\n", "5\n"] {
        log.write(Phase::Build, LogStream::Stdout, line.as_bytes())
            .await;
    }
    server.up().await;
    eventually("the queue is empty", async || {
        announcer.queued_log_lines() == 0
    })
    .await;
    log.write(Phase::Build, LogStream::Stdout, b"6\n").await;
    announcer.announce(log_end("dep-1")).await;
    let delivery = announcer.finish(LONG).await;
    assert_eq!((delivery.sent, delivery.dropped_log_lines), (1, 3));
    let lines = contents(&server.stored("cs").await);
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert_eq!((lines[0].as_str(), lines[1].as_str()), ("1\n", "2\n"));
    assert!(lines[2].contains("3 log lines are missing"), "{lines:?}");
    assert_eq!(lines[3], "6\n");
}
