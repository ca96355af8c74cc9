//! Answers that are too long, wrong, misleading or missing.

use axum::http::StatusCode;
use axum::http::header::{LOCATION, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use cs::artifact::registry::RegistryError;
use serde_json::json;

use super::fake::{CONFIG, FakeRegistry, Seen, config_path, manifest, open, typed};
use super::{facts, user};

fn redirect(to: String) -> Response {
    (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, to)]).into_response()
}

async fn error_of(
    answer: impl Fn(&str, &Seen) -> Response + Send + Sync + 'static,
) -> RegistryError {
    let registry = FakeRegistry::start(answer).await;
    facts(&registry.host, "app", Some(&user("canary")))
        .await
        .unwrap_err()
}

#[tokio::test]
async fn each_status_has_its_error() {
    for (status, wanted) in [
        (404, "is not in its registry"),
        (401, "does not let this program read"),
        (403, "does not let this program read"),
        (429, "limits the rate"),
        (500, "answered with status 500"),
        (204, "answered with status 204"),
    ] {
        let code = StatusCode::from_u16(status).unwrap();
        let error = error_of(move |_, _| code.into_response()).await.to_string();
        assert!(error.contains(wanted), "{status}: {error}");
    }
}

#[tokio::test]
async fn a_manifest_past_its_bound_is_refused() {
    let error = error_of(|_, _| typed("x", " ".repeat(4 * 1024 * 1024 + 1))).await;
    assert!(
        matches!(
            error,
            RegistryError::TooLarge {
                what: "manifest",
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_configuration_past_its_bound_is_not_even_asked_for() {
    let body = json!({"config": {"digest": crate::support::registry::sha256(b"x"), "size": 8 * 1024 * 1024 + 1}});
    let registry = FakeRegistry::start(move |_, _| typed("x", body.to_string())).await;
    let error = facts(&registry.host, "app", None).await.unwrap_err();
    assert!(
        matches!(
            error,
            RegistryError::TooLarge {
                what: "image configuration",
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(registry.seen().len(), 1);
}

#[tokio::test]
async fn what_does_not_match_its_digest_is_refused() {
    let error = error_of(|_, request| match request.path.contains("/blobs/") {
        true => "{}".into_response(),
        false => manifest(),
    })
    .await;
    assert!(
        error.to_string().contains("does not match its digest"),
        "{error}"
    );
}

#[tokio::test]
async fn a_digest_that_is_a_path_is_refused() {
    let registry = FakeRegistry::start(|_, _| {
        typed(
            "x",
            json!({"config": {"digest": "sha256:../../../token", "size": 1}}).to_string(),
        )
    })
    .await;
    let error = facts(&registry.host, "app", None).await.unwrap_err();
    assert!(
        matches!(error, RegistryError::Malformed { what: "digest", .. }),
        "{error:?}"
    );
    assert_eq!(registry.seen().len(), 1);
}

#[tokio::test]
async fn other_media_types_and_other_texts_are_told_apart() {
    let signed = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    let error = error_of(move |_, _| typed(signed, r#"{"schemaVersion":1}"#.to_owned())).await;
    assert!(error.to_string().contains(signed), "{error}");
    let error = error_of(|_, _| typed("text/html", "<html>".to_owned())).await;
    assert!(
        matches!(
            error,
            RegistryError::Malformed {
                what: "manifest",
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_list_of_lists_is_not_followed() {
    let inner = json!({"manifests": []}).to_string();
    let digest = crate::support::registry::sha256(inner.as_bytes());
    let outer = json!({"manifests": [{"digest": digest}]}).to_string();
    let error = error_of(move |_, request| {
        let outermost = request.path.ends_with("/latest");
        typed(
            "list",
            if outermost {
                outer.clone()
            } else {
                inner.clone()
            },
        )
    })
    .await;
    assert!(
        matches!(error, RegistryError::UnsupportedMediaType { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_blob_elsewhere_is_read_without_the_credentials() {
    let store = FakeRegistry::start(|_, _| CONFIG.into_response()).await;
    let to = format!("http://{}/presigned?sig=canary", store.host);
    let registry = FakeRegistry::start(move |_, request| {
        if request.authorization.is_empty() {
            let basic = [(WWW_AUTHENTICATE, r#"Basic realm="x""#)];
            return (StatusCode::UNAUTHORIZED, basic).into_response();
        }
        match request.path == config_path() {
            true => redirect(to.clone()),
            false => open(request),
        }
    })
    .await;
    let facts = facts(&registry.host, "app", Some(&user("pw")))
        .await
        .unwrap();
    assert_eq!(facts.exposed_ports, [8080]);
    assert!(registry.seen()[1].authorization.starts_with("Basic "));
    let [seen] = &store.seen()[..] else {
        panic!("one request")
    };
    assert_eq!(seen.authorization, "");
}

#[tokio::test]
async fn a_store_that_asks_for_credentials_gets_none() {
    let store = FakeRegistry::start(|_, _| {
        (
            StatusCode::UNAUTHORIZED,
            [(WWW_AUTHENTICATE, r#"Basic realm="x""#)],
        )
            .into_response()
    })
    .await;
    let to = format!("http://{}/", store.host);
    let error = error_of(move |_, _| redirect(to.clone())).await;
    assert!(
        matches!(error, RegistryError::Unauthorized { .. }),
        "{error:?}"
    );
    assert_eq!(store.seen().len(), 1);
    assert_eq!(store.seen()[0].authorization, "");
}

#[tokio::test]
async fn redirects_end_after_three_and_never_lead_to_plain_http_elsewhere() {
    let registry = FakeRegistry::start(|own, _| redirect(format!("http://{own}/again"))).await;
    let error = facts(&registry.host, "app", None).await.unwrap_err();
    assert!(error.to_string().contains("too many"), "{error}");
    assert_eq!(registry.seen().len(), 4);
    let error = error_of(|_, _| redirect("http://10.0.0.1/canary".to_owned())).await;
    assert!(
        matches!(
            error,
            RegistryError::UnsafeAddress {
                what: "redirect",
                ..
            }
        ),
        "{error:?}"
    );
    assert!(!format!("{error} {error:?}").contains("canary"));
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_never_answers_costs_five_seconds() {
    // Accepts connections into its backlog and never reads them.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let start = tokio::time::Instant::now();
    let error = facts(&host, "app", None).await.unwrap_err();
    assert!(matches!(error, RegistryError::TimedOut { .. }), "{error:?}");
    assert_eq!(start.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_always_answers_late_costs_ten_seconds() {
    let delay = std::time::Duration::from_secs(4);
    let registry =
        FakeRegistry::start_slow(delay, |own, _| redirect(format!("http://{own}/again"))).await;
    let start = tokio::time::Instant::now();
    let error = facts(&registry.host, "app", None).await.unwrap_err();
    assert!(matches!(error, RegistryError::TimedOut { .. }), "{error:?}");
    assert_eq!(start.elapsed().as_secs(), 10);
}
