//! Without NATS, events are lines.

use cs::events::{LogStream, Phase};

use super::*;

#[tokio::test]
async fn without_servers_each_message_is_one_line_of_json() {
    let state = tempfile::tempdir().unwrap();
    let out = Captured::default();
    let announcer = Announcer::start(AnnouncerConfig {
        stdout: Box::new(out.clone()),
        ..config(None, state.path())
    });
    announcer.announce(started("dep-1")).await;
    let log = announcer.build_log(&identity("dep-1"));
    log.write(Phase::Init, LogStream::Stdout, b"hello \"you\"\n")
        .await;
    announcer.announce(succeeded("dep-1")).await;
    announcer.announce(succeeded("dep-1")).await;
    announcer.announce(log_end("dep-1")).await;
    let delivery = announcer.finish(LONG).await;
    assert_eq!((delivery.sent, delivery.pending), (3, vec![]));

    let text = out.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert_eq!(
        lines[0],
        r#"{"subject":"cs.deployment.status.changed","id":"cs.dep-1.started","payload":{"jobId":456,"status":"IN_PROGRESS"}}"#
    );
    let line: serde_json::Value = serde_json::from_str(lines[1]).unwrap();
    assert_eq!(line["subject"], "cs.build.log.dep-1");
    assert_eq!(line["payload"]["content"], "hello \"you\"\n");
    assert!(lines[3].contains("cs.build.log.end.dep-1"), "{text}");
    assert!(!state.path().join("outbox").exists());
}

struct Broken;

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn lines_that_cannot_be_written_are_reported() {
    let announcer = Announcer::start(AnnouncerConfig {
        stdout: Box::new(Broken),
        ..config(None, Path::new("/nonexistent"))
    });
    announcer.announce(started("dep-1")).await;
    let delivery = announcer.finish(LONG).await;
    assert_eq!(pending_ids(&delivery), ["cs.dep-1.started"]);
    assert!(delivery.reason.unwrap().contains("standard output"));
}
