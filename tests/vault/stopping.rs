//! What happens after the stop.

use std::time::Duration;

use cs::clients::vault::{VaultError, VaultLogin, VaultSecrets, read};
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::support::vault::{LOGIN, REVOKE, Reply, VaultDouble};

const PATH: &str = "kv/data/shop";
const READ: &str = "/v1/kv/data/shop";

/// Reads, is stopped after 10 s, and tells how long it took to end then.
async fn stopped(login: &VaultLogin) -> (Result<VaultSecrets, VaultError>, Duration) {
    let stop = CancellationToken::new();
    let stopper = async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        stop.cancel();
        Instant::now()
    };
    let reading = async {
        let outcome = read(login, PATH, &stop).await;
        (outcome, Instant::now())
    };
    let (at, (outcome, ended)) = tokio::join!(stopper, reading);
    (outcome, ended.duration_since(at))
}

#[tokio::test(start_paused = true)]
async fn it_ends_within_a_second_wherever_it_is() {
    for (path, reply) in [
        (LOGIN, Reply::Hang),
        (READ, Reply::Hang),
        (LOGIN, Reply::RetryAfter(503, "10")),
        (READ, Reply::RetryAfter(429, "10")),
    ] {
        let vault = VaultDouble::start_here().await;
        vault.secret(PATH, json!({"A": "1"}));
        vault.script(path, usize::MAX, reply.clone());
        vault.script(REVOKE, usize::MAX, Reply::Hang);
        let (outcome, after) = stopped(&vault.login()).await;
        assert!(matches!(outcome, Err(VaultError::Stopped)), "{reply:?}");
        assert!(
            after < Duration::from_secs(1),
            "{path} {reply:?}: {after:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_token_of_a_stopped_reading_is_revoked() {
    let vault = VaultDouble::start_here().await;
    vault.script(READ, 1, Reply::Hang);
    let (outcome, _) = stopped(&vault.login()).await;
    assert!(matches!(outcome, Err(VaultError::Stopped)));
    assert_eq!((vault.calls_to(REVOKE).len(), vault.live_tokens()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn secrets_that_were_read_before_the_stop_are_given() {
    let vault = VaultDouble::start_here().await;
    vault.secret(PATH, json!({"A": "1"}));
    vault.script(READ, 1, Reply::RetryAfter(503, "9"));
    vault.script(REVOKE, 1, Reply::Hang);
    let (outcome, after) = stopped(&vault.login()).await;
    assert_eq!(outcome.unwrap().values.len(), 1);
    assert_eq!(
        after,
        Duration::from_millis(500),
        "revocation does not hold it up"
    );
}

#[tokio::test]
async fn nothing_is_sent_after_the_stop() {
    let vault = VaultDouble::start_here().await;
    let stop = CancellationToken::new();
    stop.cancel();
    let outcome = read(&vault.login(), PATH, &stop).await;
    assert!(matches!(outcome, Err(VaultError::Stopped)));
    assert!(vault.calls().is_empty());
}
