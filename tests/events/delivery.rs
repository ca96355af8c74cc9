//! What arrives when nothing goes wrong.

use super::*;
use crate::support::nats::Stored;

#[tokio::test]
async fn events_arrive_in_order_with_the_bytes_of_the_contract() {
    let server = NatsServer::start().await;
    server.create_stream("cs").await;
    let state = tempfile::tempdir().unwrap();
    let announcer = announcer(&server, state.path());
    announce_run(&announcer, "dep-1").await;
    announcer
        .announce(Event::JobDestroyed {
            service_id: "svc-9".to_owned(),
            reason: "delete".to_owned(),
            occasion: "job-9-10-delete".to_owned(),
        })
        .await;
    announcer
        .announce(Event::DeploymentFailed(DeploymentOutcome {
            kind: DeploymentKind::Image,
            team_id: "team".to_owned(),
            user_id: 12,
            ..outcome("dep-2")
        }))
        .await;
    let delivery = announcer.finish(LONG).await;
    assert_eq!(
        delivery,
        Delivery {
            sent: 5,
            ..Delivery::default()
        }
    );

    let stored = |subject: &str, id: &str, payload: &str| Stored {
        subject: subject.to_owned(),
        id: id.to_owned(),
        payload: payload.to_owned(),
    };
    let expected = [
        stored(
            "cs.deployment.status.changed",
            "cs.dep-1.started",
            r#"{"jobId":456,"status":"IN_PROGRESS"}"#,
        ),
        stored(
            "cs.deployment.succeeded",
            "cs.dep-1.succeeded",
            r#"{"jobId":456,"type":"git_repo","deploymentId":"dep-1","serviceId":"svc-123","userId":null,"ownerId":"7"}"#,
        ),
        stored(
            "cs.build.log.end.dep-1",
            "cs.dep-1.log-end.success",
            r#"{"deploymentId":"dep-1","jobId":456,"status":"success"}"#,
        ),
        stored(
            "cs.job.destroyed",
            "cs.svc-9.destroyed.job-9-10-delete",
            r#"{"id":"svc-9","reason":"delete"}"#,
        ),
        stored(
            "cs.deployment.failed",
            "cs.dep-2.failed",
            r#"{"jobId":456,"type":"image","deploymentId":"dep-2","serviceId":"svc-123","teamId":"team","userId":"12","ownerId":"7"}"#,
        ),
    ];
    assert_eq!(server.stored("cs").await, expected);
}

#[tokio::test]
async fn every_publish_is_flushed_and_the_connection_is_drained() {
    let server = NatsServer::start().await;
    server.create_stream("cs").await;
    let state = tempfile::tempdir().unwrap();
    let (logs, _guard) = capture_logs();
    let announcer = announcer(&server, state.path());
    announce_run(&announcer, "dep-1").await;
    let _ = announcer.finish(LONG).await;
    let logs = logs.text();
    let flushed = logs.matches("Published and flushed event").count();
    assert_eq!(flushed, 3, "{logs}");
    assert!(logs.contains("Drained the connection to NATS"), "{logs}");
}

#[tokio::test]
async fn without_a_prefix_subjects_have_no_leading_dot() {
    let server = NatsServer::start().await;
    let context = server.context().await;
    let stream = async_nats::jetstream::stream::Config {
        name: "bare".to_owned(),
        subjects: vec!["deployment.>".to_owned()],
        ..Default::default()
    };
    let mut stream = context.create_stream(stream).await.unwrap();
    let state = tempfile::tempdir().unwrap();
    let announcer = Announcer::start(AnnouncerConfig {
        prefix: "".parse().unwrap(),
        ..config(Some(server.client_config()), state.path())
    });
    announcer.announce(started("dep-1")).await;
    assert_eq!(announcer.finish(LONG).await.sent, 1);
    let message = stream.direct_get(1).await;
    let message = match message {
        Ok(message) => message.subject.to_string(),
        Err(_) => {
            let raw = stream.get_raw_message(1).await.unwrap();
            raw.subject.to_string()
        }
    };
    assert_eq!(message, "deployment.status.changed");
    assert_eq!(stream.info().await.unwrap().state.messages, 1);
}

#[tokio::test]
async fn an_announcer_with_nothing_to_say_ends_at_once() {
    let server = NatsServer::stopped();
    let state = tempfile::tempdir().unwrap();
    let announcer = announcer(&server, state.path());
    let before = Instant::now();
    assert_eq!(announcer.finish(LONG).await.pending, []);
    assert!(before.elapsed() < LONG / 4);
}

#[tokio::test]
async fn the_first_reachable_server_of_a_list_is_used() {
    let server = NatsServer::start().await;
    server.create_stream("cs").await;
    let away = NatsServer::stopped();
    let state = tempfile::tempdir().unwrap();
    let servers = format!("{}, nats://{}", away.address(), server.address());
    let announcer = Announcer::start(config(
        Some(NatsConfig {
            servers: servers.as_str().into(),
            ..server.client_config()
        }),
        state.path(),
    ));
    announce_run(&announcer, "dep-1").await;
    assert_eq!(announcer.finish(LONG).await.sent, 3);
    assert_eq!(stored_ids(&server).await, run_ids("dep-1"));
}
