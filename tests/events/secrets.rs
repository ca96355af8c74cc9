//! Keys that are missing, wrong or malformed, and that are never shown.

use super::*;

/// Runs with a configuration that cannot work and returns what became of it, and every log line.
async fn fails(nats: NatsConfig, state: &Path) -> (Delivery, String) {
    let (logs, _guard) = capture_logs();
    let announcer = Announcer::start(config(Some(nats), state));
    announce_run(&announcer, "dep-1").await;
    let shown = format!("{announcer:?}");
    let delivery = announcer.finish(Duration::from_secs(1)).await;
    assert_eq!(pending_ids(&delivery), run_ids("dep-1"));
    assert!(delivery.pending.iter().all(|event| event.kept));
    let logs = format!("{}{shown}{delivery:?}", logs.text());
    (delivery, logs)
}

fn files_below(dir: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            bytes.extend(files_below(&path));
        } else {
            bytes.extend(std::fs::read(path).unwrap());
        }
    }
    bytes
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn a_missing_key_is_an_error_and_events_wait_for_a_run_that_has_it() {
    let server = NatsServer::start().await;
    server.create_stream("cs").await;
    let state = tempfile::tempdir().unwrap();
    let without = NatsConfig {
        seed: None,
        ..server.client_config()
    };
    let before = Instant::now();
    let (delivery, _) = fails(without, state.path()).await;
    assert!(
        before.elapsed() < Duration::from_secs(1),
        "no use in waiting"
    );
    let reason = delivery.reason.unwrap();
    assert!(reason.contains("NATS_CLIENT_PRIVATE_KEY"), "{reason}");

    let with = announcer(&server, state.path());
    assert_eq!(with.finish(LONG).await.sent, 3);
    assert_eq!(stored_ids(&server).await, run_ids("dep-1"));
}

#[tokio::test]
async fn a_malformed_key_is_named_and_never_shown() {
    let server = NatsServer::start().await;
    let state = tempfile::tempdir().unwrap();
    let canary = "SUACANARYCANARYCANARY";
    let bad = NatsConfig {
        seed: Some(canary.into()),
        ..server.client_config()
    };
    let (delivery, logs) = fails(bad, state.path()).await;
    let reason = delivery.reason.unwrap();
    assert!(reason.contains("is not an NKey seed"), "{reason}");
    assert!(!logs.contains(canary), "{logs}");
    assert!(!contains(&files_below(state.path()), canary));
}

#[tokio::test]
async fn a_user_whom_the_server_does_not_know_is_refused_in_clear_words() {
    let server = NatsServer::start().await;
    server.create_stream("cs").await;
    let state = tempfile::tempdir().unwrap();
    let stranger = NatsServer::stopped();
    let bad = NatsConfig {
        seed: stranger.client_config().seed,
        ..server.client_config()
    };
    let (delivery, logs) = fails(bad, state.path()).await;
    let reason = delivery.reason.unwrap();
    assert!(reason.contains("refuses the key"), "{reason}");
    assert!(!logs.contains(&stranger.seed()));
}

#[tokio::test]
async fn a_working_key_and_a_password_in_an_address_leave_no_trace() {
    let server = NatsServer::start().await;
    server.create_stream("cs").await;
    let state = tempfile::tempdir().unwrap();
    let (logs, _guard) = capture_logs();
    let servers = format!("nats://me:canary-password@{}", server.address());
    let nats = NatsConfig {
        servers: servers.as_str().into(),
        ..server.client_config()
    };
    let shown = format!("{nats:?}");
    let announcer = Announcer::start(config(Some(nats), state.path()));
    announce_run(&announcer, "dep-1").await;
    let delivery = announcer.finish(LONG).await;
    assert_eq!(delivery.sent, 3);
    let seed = server.seed();
    let everything = format!("{shown}{}{delivery:?}", logs.text());
    for secret in [seed.as_str(), "canary-password"] {
        assert!(!everything.contains(secret));
        assert!(!contains(&files_below(state.path()), secret));
        assert!(!contains(&files_below(server.home()), secret));
    }
}
