//! A registry that answers as a test tells it.

use std::future::IntoFuture;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::task::AbortHandle;

use crate::support::registry::sha256;

/// A request as the test sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) path: String,
    pub(super) query: String,
    /// Empty when there is none.
    pub(super) authorization: String,
}

type Answer = Arc<dyn Fn(&Seen) -> Response + Send + Sync>;

#[derive(Clone)]
struct Shared {
    seen: Arc<Mutex<Vec<Seen>>>,
    answer: Answer,
    delay: Duration,
}

/// Ends when dropped.
pub(super) struct FakeRegistry {
    pub(super) host: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: AbortHandle,
}

impl Drop for FakeRegistry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl FakeRegistry {
    /// `answer` gets the server's own address, too.
    pub(super) async fn start(
        answer: impl Fn(&str, &Seen) -> Response + Send + Sync + 'static,
    ) -> Self {
        Self::start_slow(Duration::ZERO, answer).await
    }

    /// Each answer comes after `delay`.
    pub(super) async fn start_slow(
        delay: Duration,
        answer: impl Fn(&str, &Seen) -> Response + Send + Sync + 'static,
    ) -> Self {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let own = host.clone();
        let shared = Shared {
            seen: Arc::clone(&seen),
            answer: Arc::new(move |request| answer(&own, request)),
            delay,
        };
        let router = Router::new().fallback(handle).with_state(shared);
        let task = tokio::spawn(axum::serve(listener, router).into_future()).abort_handle();
        Self { host, seen, task }
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn handle(State(shared): State<Shared>, request: Request) -> Response {
    let seen = Seen {
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        authorization: request
            .headers()
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned(),
    };
    shared.seen.lock().unwrap().push(seen.clone());
    tokio::time::sleep(shared.delay).await;
    (shared.answer)(&seen)
}

/// Configuration of an image that listens on 8080.
pub(super) const CONFIG: &str = r#"{"config":{"ExposedPorts":{"8080/tcp":{}}}}"#;

pub(super) fn config_path() -> String {
    format!("/v2/app/blobs/{}", sha256(CONFIG.as_bytes()))
}

/// A manifest of that image.
pub(super) fn manifest() -> Response {
    let digest = sha256(CONFIG.as_bytes());
    let body = json!({"schemaVersion": 2, "config": {"digest": digest, "size": CONFIG.len()}});
    typed(
        "application/vnd.oci.image.manifest.v1+json",
        body.to_string(),
    )
}

pub(super) fn typed(media_type: &str, body: String) -> Response {
    ([(CONTENT_TYPE, media_type.to_owned())], body).into_response()
}

/// The image `app:latest`, to everybody.
pub(super) fn open(request: &Seen) -> Response {
    match request.path.as_str() {
        "/v2/app/manifests/latest" => manifest(),
        path if path == config_path() => CONFIG.into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}
