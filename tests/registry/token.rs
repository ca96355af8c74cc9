//! Registries that want a token of a token server.

use axum::http::StatusCode;
use axum::http::header::WWW_AUTHENTICATE;
use axum::response::{IntoResponse, Response};
use cs::artifact::registry::RegistryError;

use super::fake::{FakeRegistry, Seen, open};
use super::{facts, shown, user};
use crate::support::logs::Logs;

fn ask_for_token(realm: &str) -> Response {
    let challenge = format!(r#"Bearer realm="{realm}",service="reg",scope="repository:app:pull""#);
    (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, challenge)]).into_response()
}

/// Gives a token at `/token` and the image for it.
fn guarded(own: &str, request: &Seen, token_answer: &str) -> Response {
    match (request.path.as_str(), request.authorization.as_str()) {
        ("/token", _) => token_answer.to_owned().into_response(),
        (_, "Bearer canary-token") => open(request),
        _ => ask_for_token(&format!("http://{own}/token")),
    }
}

#[tokio::test]
async fn a_token_is_fetched_once_and_used_for_all_parts() {
    for answer in [
        r#"{"token":"canary-token"}"#,
        r#"{"access_token":"canary-token"}"#,
    ] {
        let registry = FakeRegistry::start(move |own, request| guarded(own, request, answer)).await;
        let facts = facts(&registry.host, "app", Some(&user("pw")))
            .await
            .unwrap();
        assert_eq!(facts.exposed_ports, [8080]);
        let seen = registry.seen();
        let sent: Vec<&str> = seen.iter().map(|s| s.authorization.as_str()).collect();
        // base64 of `cs-test:pw`
        let basic = "Basic Y3MtdGVzdDpwdw==";
        assert_eq!(
            sent,
            ["", basic, "Bearer canary-token", "Bearer canary-token"]
        );
        assert_eq!(seen[1].query, "service=reg&scope=repository%3Aapp%3Apull");
    }
}

#[tokio::test]
async fn without_credentials_the_token_is_asked_for_anonymously() {
    let answer = r#"{"token":"canary-token"}"#;
    let registry = FakeRegistry::start(move |own, request| guarded(own, request, answer)).await;
    assert!(facts(&registry.host, "app", None).await.is_ok());
    assert_eq!(registry.seen()[1].authorization, "");
}

#[tokio::test]
async fn an_unusable_token_is_an_error_that_does_not_show_it() {
    let logs = Logs::capture();
    let mut all = String::new();
    for answer in [
        "",
        "{}",
        r#"{"token":""}"#,
        r#"{"token":{"canary":1}}"#,
        r#"{"token":"canary\n"}"#,
        r#""canary""#,
    ] {
        let registry = FakeRegistry::start(move |own, request| guarded(own, request, answer)).await;
        let error = facts(&registry.host, "app", Some(&user("canary")))
            .await
            .unwrap_err();
        assert!(
            matches!(error, RegistryError::Malformed { what: "token", .. }),
            "{error:?}"
        );
        all.push_str(&shown(&error));
    }
    // One that the registry then refuses.
    let answer = r#"{"token":"canary-other"}"#;
    let registry = FakeRegistry::start(move |own, request| guarded(own, request, answer)).await;
    let error = facts(&registry.host, "app", Some(&user("canary")))
        .await
        .unwrap_err();
    assert!(
        matches!(error, RegistryError::Unauthorized { .. }),
        "{error:?}"
    );
    assert_eq!(registry.seen().len(), 3, "it is not asked for again");
    all.push_str(&shown(&error));
    all.push_str(&logs.text());
    assert!(!all.contains("canary"), "{all}");
}

#[tokio::test]
async fn an_unsafe_token_server_is_not_called() {
    for realm in [
        "http://10.0.0.1/token",
        "http://169.254.169.254/",
        "/token",
        "file:///x",
    ] {
        let registry = FakeRegistry::start(move |_, _| ask_for_token(realm)).await;
        let error = facts(&registry.host, "app", Some(&user("canary")))
            .await
            .unwrap_err();
        assert!(
            matches!(
                error,
                RegistryError::UnsafeAddress {
                    what: "token server",
                    ..
                }
            ),
            "{realm}: {error:?}"
        );
        assert_eq!(registry.seen().len(), 1);
    }
}
