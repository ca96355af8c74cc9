//! Retries, their waits, and answers that cannot be used. The clock is paused, so that waits cost nothing.

use std::time::Duration;

use cs::clients::chain;
use cs::clients::vault::VaultError;
use serde_json::json;
use tokio::time::Instant;

use super::{error, read, values};
use crate::support::ports::CLOSED_PORT;
use crate::support::vault::{LOGIN, REVOKE, Reply, VaultDouble, login};

const PATH: &str = "kv/data/shop";
const READ: &str = "/v1/kv/data/shop";

async fn double() -> VaultDouble {
    let vault = VaultDouble::start_here().await;
    vault.secret(PATH, json!({"A": "1"}));
    vault
}

/// Whole seconds between the calls to a path.
fn waits(vault: &VaultDouble, path: &str) -> Vec<u64> {
    let calls = vault.calls_to(path);
    calls
        .windows(2)
        .map(|pair| (pair[1].at - pair[0].at).as_secs())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn trouble_is_tried_again_after_one_two_and_four_seconds() {
    let vault = double().await;
    for path in [LOGIN, READ] {
        for status in [500, 502, 503] {
            vault.script(path, 1, Reply::Status(status));
        }
    }
    let secrets = read(&vault.login(), PATH).await.unwrap();
    assert_eq!(values(&secrets), [("A", "1")]);
    assert_eq!(waits(&vault, LOGIN), [1, 2, 4]);
    assert_eq!(waits(&vault, READ), [1, 2, 4]);
    assert_eq!(vault.live_tokens(), 0);
}

#[tokio::test(start_paused = true)]
async fn overload_stale_reads_and_standby_nodes_are_tried_again() {
    let vault = double().await;
    for status in [412, 429, 473] {
        vault.script(READ, 1, Reply::Status(status));
    }
    assert!(read(&vault.login(), PATH).await.is_ok());
    assert_eq!(vault.calls_to(READ).len(), 4);
    assert_eq!(vault.calls_to(LOGIN).len(), 1, "the token is kept");
}

#[tokio::test(start_paused = true)]
async fn vaults_own_wait_is_kept_up_to_ten_seconds() {
    let vault = double().await;
    vault.script(READ, 1, Reply::RetryAfter(429, "3"));
    vault.script(READ, 1, Reply::RetryAfter(503, "900"));
    vault.script(READ, 1, Reply::RetryAfter(500, "0"));
    assert!(read(&vault.login(), PATH).await.is_ok());
    assert_eq!(waits(&vault, READ), [3, 10, 4], "500 names no wait");
}

#[tokio::test(start_paused = true)]
async fn attempts_are_counted_by_call_and_bounded_by_the_settings() {
    for (retries, attempts) in [(0, 1), (1, 2), (3, 4), (u32::MAX, 11)] {
        let vault = double().await;
        vault.script(READ, usize::MAX, Reply::Status(502));
        let mut login = vault.login();
        login.max_retries = retries;
        let last = error(&login, PATH).await;
        assert!(
            matches!(last, VaultError::Unavailable { status: 502, .. }),
            "{last}"
        );
        assert_eq!(vault.calls_to(READ).len(), attempts);
        assert_eq!(
            vault.live_tokens(),
            0,
            "the token is revoked after a failure too"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn refusals_are_final() {
    for status in [400, 401, 403, 404, 405, 413, 501] {
        let vault = double().await;
        vault.script(LOGIN, 1, Reply::Status(status));
        error(&vault.login(), PATH).await;
        assert_eq!(vault.calls().len(), 1, "{status} to the login");

        vault.script(READ, 1, Reply::Status(status));
        error(&vault.login(), PATH).await;
        assert_eq!(vault.calls_to(READ).len(), 1, "{status} to the read");
        assert_eq!(vault.calls_to(REVOKE).len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_login_is_refused_for_is_told() {
    let refused = |text: &str| json!({"errors": [text]}).to_string();
    for (status, body, told) in [
        (
            400,
            refused("invalid role or secret ID"),
            "`roleId` and `secretId`",
        ),
        (403, refused("permission denied"), "AppRole is not enabled"),
        (
            404,
            refused("no handler for route"),
            "AppRole is not enabled",
        ),
        (
            405,
            refused("unsupported operation"),
            "AppRole is not enabled",
        ),
        (
            413,
            refused("too large"),
            "answered login with status 413 (Vault says: too large)",
        ),
        (400, "<html>".to_owned(), "`roleId` and `secretId`"),
        (200, "{}".to_owned(), "unusable answer to the login"),
        (200, "canary".to_owned(), "unusable answer to the login"),
    ] {
        let vault = double().await;
        vault.script(LOGIN, 1, Reply::Body(status, body));
        let shown = error(&vault.login(), PATH).await.to_string();
        assert!(shown.contains(told), "{status}: {shown}");
        assert!(shown.contains(&vault.address()), "{shown}");
        assert!(!shown.contains("canary"), "{shown}");
    }
    let vault = double().await;
    vault.disable_approle();
    let shown = error(&vault.login(), PATH).await.to_string();
    assert!(shown.contains("AppRole is not enabled"), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_none_of_vaults_are_told_without_their_text() {
    let html = "<html>canary</html>".to_owned();
    for (status, body, told) in [
        (200, html.clone(), "unusable answer to the read"),
        (200, String::new(), "unusable answer to the read"),
        (
            200,
            r#"{"data": ["canary"]}"#.to_owned(),
            "unusable answer to the read",
        ),
        (
            200,
            r#"{"data": {"A": "canary"}"#.to_owned(),
            "unusable answer to the read",
        ),
        (201, html.clone(), "answered read with status 201"),
        (418, html.clone(), "answered read with status 418"),
        (502, html, "status 502"),
    ] {
        let vault = double().await;
        vault.script(READ, usize::MAX, Reply::Body(status, body));
        let error = error(&vault.login(), PATH).await;
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(told), "{status}: {shown}");
        assert!(!shown.contains("canary"), "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_endless_answer_is_cut_off() {
    let vault = double().await;
    for (path, body) in [(LOGIN, "x"), (READ, "y")] {
        let long = format!(r#"{{"data": {{"A": "{}"}}}}"#, body.repeat(1024 * 1024));
        vault.script(path, 1, Reply::Body(200, long));
        let error = error(&vault.login(), PATH).await;
        assert!(
            matches!(
                error,
                VaultError::TooLarge {
                    limit: 1_048_576,
                    ..
                }
            ),
            "{error}"
        );
    }
    assert_eq!(vault.live_tokens(), 0);
    let most = format!(
        r#"{{"data": {{"A": "{}"}}}}"#,
        "z".repeat(1024 * 1024 - 100)
    );
    vault.script("/v1/kv1/large", 1, Reply::Body(200, most));
    assert!(read(&vault.login(), "kv1/large").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_sealed_vault_and_one_without_an_active_node_are_told_apart() {
    let vault = double().await;
    let standby = json!({"errors": ["no active Vault instance found"]}).to_string();
    vault.script(LOGIN, 4, Reply::Body(503, standby));
    let unavailable = error(&vault.login(), PATH).await.to_string();
    assert!(
        unavailable
            .contains("cannot answer now: status 503 (Vault says: no active Vault instance found)"),
        "{unavailable}"
    );
    vault.seal();
    let start = Instant::now();
    let sealed = error(&vault.login(), PATH).await;
    assert!(matches!(sealed, VaultError::Sealed { .. }), "{sealed}");
    assert_eq!(
        start.elapsed().as_secs(),
        7,
        "it may unseal itself in the meantime"
    );
}

#[tokio::test(start_paused = true)]
async fn a_vault_that_is_not_there_is_tried_four_times() {
    let start = Instant::now();
    let absent = login(&format!("http://127.0.0.1:{}", CLOSED_PORT));
    let error = error(&absent, PATH).await;
    assert!(matches!(error, VaultError::Unreachable { .. }), "{error}");
    assert!(
        chain(&error).contains("Connection refused"),
        "{}",
        chain(&error)
    );
    assert_eq!(start.elapsed().as_secs(), 7);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_ends_after_its_time_and_the_next_one_may_succeed() {
    let vault = double().await;
    vault.script(READ, 1, Reply::Hang);
    let start = Instant::now();
    assert!(read(&vault.login(), PATH).await.is_ok());
    assert_eq!(start.elapsed().as_secs(), 31);

    vault.script(LOGIN, usize::MAX, Reply::Hang);
    let mut quick = vault.login();
    quick.timeout = Duration::from_secs(5);
    let start = Instant::now();
    let error = error(&quick, PATH).await;
    assert!(
        error.to_string().ends_with("did not answer within 5 s"),
        "{error}"
    );
    assert_eq!(start.elapsed().as_secs(), 4 * 5 + 7);
}

#[tokio::test(start_paused = true)]
async fn a_revocation_that_fails_costs_two_seconds_at_most_and_no_secret() {
    for reply in [Reply::Status(500), Reply::Status(403), Reply::Hang] {
        let vault = double().await;
        vault.script(REVOKE, usize::MAX, reply);
        let start = Instant::now();
        let secrets = read(&vault.login(), PATH).await.unwrap();
        assert_eq!(values(&secrets), [("A", "1")]);
        assert!(
            start.elapsed() <= Duration::from_secs(2),
            "{:?}",
            start.elapsed()
        );
        assert_eq!(vault.calls_to(REVOKE).len(), 1, "once is enough");
    }
}

#[tokio::test(start_paused = true)]
async fn every_call_carries_what_vault_wants_and_no_more() {
    let vault = double().await;
    let mut login = vault.login();
    login.namespace = Some("team/a".to_owned());
    read(&login, "kv/data/shop?version=1").await.unwrap();
    let calls = vault.calls();
    let [log_in, read, revoke] = &calls[..] else {
        panic!("{calls:?}")
    };
    for call in &calls {
        assert_eq!(call.headers["x-vault-request"], "true");
        assert_eq!(call.headers["x-vault-namespace"], "team/a");
    }
    assert_eq!(
        (log_in.method.as_str(), log_in.path.as_str()),
        ("POST", LOGIN)
    );
    assert_eq!(log_in.token, None);
    assert_eq!(log_in.headers["content-type"], "application/json");
    assert_eq!((read.method.as_str(), read.path.as_str()), ("GET", READ));
    assert_eq!(read.query, "version=1");
    assert_eq!(
        (revoke.method.as_str(), revoke.path.as_str()),
        ("POST", REVOKE)
    );
    assert!(read.token.is_some() && read.token == revoke.token);

    login.namespace = Some("a\nb".to_owned());
    assert!(matches!(error(&login, PATH).await, VaultError::Namespace));
    login.namespace = Some(String::new());
    assert!(crate::vault::read(&login, PATH).await.is_ok());
    assert!(!vault.calls()[3].headers.contains_key("x-vault-namespace"));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_work_is_refused_before_anything_is_sent() {
    let vault = double().await;
    for path in ["", "/", "kv/../sys/health", "kv//a"] {
        let error = error(&vault.login(), path).await;
        assert!(matches!(error, VaultError::Path { .. }), "{error}");
    }
    let mut nobody = vault.login();
    nobody.role_id = " ".into();
    assert!(matches!(error(&nobody, PATH).await, VaultError::NoRoleId));
    assert!(vault.calls().is_empty());
}
