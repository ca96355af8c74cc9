//! Which request goes where, and what is the same for all of them.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use tokio_util::sync::CancellationToken;

use super::problem::{PROBLEM, Problem};
use super::state::Shared;
use super::{auth, deployments, health, openapi, stream, webhook};
use crate::observe::{self, Kind, Run};

/// Path of the webhook. Source: contract, 9.4.
const WEBHOOK: &str = "/{locale}/{tenant}/deployment/webhooks/jenkins";

/// Told when the server stops.
#[derive(Clone)]
pub(super) struct Stop(pub(super) CancellationToken);

impl<S: Sync> FromRequestParts<S> for Stop {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let stop = parts.extensions.get::<Self>().cloned();
        Ok(stop.expect("the outermost layer put it there"))
    }
}

/// Everything that is served.
pub(super) fn router(shared: Arc<Shared>, stop: CancellationToken) -> Router {
    let api = Router::new()
        .route(
            "/api/v1/deployments",
            get(deployments::list).post(deployments::create),
        )
        .route("/api/v1/deployments/{id}", get(deployments::show))
        .route("/api/v1/deployments/{id}/run", post(deployments::run))
        .route(
            "/api/v1/deployments/{id}/history",
            get(deployments::history),
        )
        .route("/events", get(stream::events))
        .route("/metrics", get(health::metrics))
        .route("/openapi.json", get(openapi::serve))
        .route_layer(from_fn_with_state(Arc::clone(&shared), auth::bearer));
    let stop = Stop(stop);
    Router::new()
        .merge(api)
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route(WEBHOOK, post(webhook::jenkins))
        .fallback(absent)
        .layer(axum::middleware::from_fn(
            move |mut request: Request, next: Next| {
                request.extensions_mut().insert(stop.clone());
                next.run(request)
            },
        ))
        .layer(from_fn_with_state(Arc::clone(&shared), around))
        .with_state(shared)
}

async fn absent() -> Problem {
    Problem::not_found("path")
}

/// Time, form of errors and metrics of every request.
async fn around(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let route = route(request.uri().path());
    let method = method(request.method());
    let run = recorded(&request, route, method);
    let work = tokio::time::timeout(shared.limits.request, next.run(request));
    let answered = match &run {
        Some(run) => run.around(work).await,
        None => work.await,
    };
    let response = match answered {
        Ok(response) => formed(response),
        Err(_) => Problem::timeout().into_response(),
    };
    let status = response.status();
    if let Some(run) = run {
        run.set("http.response.status_code", u64::from(status.as_u16()));
        if status.is_server_error() {
            run.fail("5xx");
        }
        run.end();
    }
    shared
        .metrics
        .request(route, method, status, began.elapsed());
    tracing::debug!(
        http.route = route,
        http.status = status.as_u16(),
        duration_ms = began.elapsed().as_millis() as u64,
        "{method} {route} {}",
        status.as_u16()
    );
    response
}

/// A request as a run of its own, in the trace of whoever sent it. What only looks after the server is none.
fn recorded(request: &Request, route: &'static str, method: &'static str) -> Option<Run> {
    if matches!(route, "/healthz" | "/readyz" | "/metrics") {
        return None;
    }
    let parent = observe::of_request(request.headers());
    let run = Run::begin(format!("{method} {route}"), Kind::Server, parent);
    run.set("http.request.method", method);
    run.set("http.route", route);
    Some(run)
}

/// What the framework says by itself takes the form of all errors.
fn formed(response: Response) -> Response {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || response.headers().get(CONTENT_TYPE) == Some(&PROBLEM) {
        return response;
    }
    let (code, detail) = match status {
        StatusCode::METHOD_NOT_ALLOWED => ("method-not-allowed", "this path takes another method"),
        StatusCode::NOT_FOUND => ("not-found", "there is no such path"),
        _ => ("bad-request", "the request makes no sense"),
    };
    let help = "GET /openapi.json tells which calls there are";
    let mut problem = Problem::new(status, code, detail, help).into_response();
    if let Some(allow) = response.headers().get(axum::http::header::ALLOW) {
        problem
            .headers_mut()
            .insert(axum::http::header::ALLOW, allow.clone());
    }
    problem
}

/// The path as metrics and logs name it: a closed set.
fn route(path: &str) -> &'static str {
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match segments.as_slice() {
        ["api", "v1", "deployments"] => "/api/v1/deployments",
        ["api", "v1", "deployments", _] => "/api/v1/deployments/{id}",
        ["api", "v1", "deployments", _, "run"] => "/api/v1/deployments/{id}/run",
        ["api", "v1", "deployments", _, "history"] => "/api/v1/deployments/{id}/history",
        ["events"] => "/events",
        ["metrics"] => "/metrics",
        ["openapi.json"] => "/openapi.json",
        ["healthz"] => "/healthz",
        ["readyz"] => "/readyz",
        [_, _, "deployment", "webhooks", "jenkins"] => WEBHOOK,
        _ => "other",
    }
}

fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        _ => "other",
    }
}
