//! Whether it lives, whether it works, and how it fares.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::json;

use super::body;
use super::state::Shared;

/// Longest wait for the database.
const PING: Duration = Duration::from_secs(2);

/// `GET /healthz`: the process answers.
pub(super) async fn healthz() -> Response {
    body::json(StatusCode::OK, &json!({"status": "ok"}))
}

/// `GET /readyz`: the database answers. NATS is told and does not decide: while it is away events wait in the database, and
/// a server that is taken out of service for it would lose the webhooks that come meanwhile.
pub(super) async fn readyz(State(shared): State<Arc<Shared>>) -> Response {
    let pinged = tokio::time::timeout(PING, shared.store.ping()).await;
    let is_there = matches!(pinged, Ok(Ok(())));
    let nats = match &shared.nats_health {
        None => "off",
        Some(health) if health.is_well() => "ok",
        Some(_) => "away",
    };
    let (status, word) = if is_there {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "away")
    };
    let overall = if is_there { "ready" } else { "not-ready" };
    body::json(
        status,
        &json!({"status": overall, "database": word, "nats": nats}),
    )
}

/// `GET /metrics`: in the text that Prometheus reads.
pub(super) async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let waiting = tokio::time::timeout(PING, shared.store.count_unpublished()).await;
    let waiting = waiting.ok().and_then(Result::ok);
    let nats = shared
        .nats_health
        .as_ref()
        .map(super::relay::NatsHealth::is_well);
    let mut response = Response::new(Body::from(shared.metrics.page(waiting, nats)));
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static(crate::metrics::CONTENT_TYPE),
    );
    response
}
