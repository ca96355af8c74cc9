//! The HTTP shell: reads a request, lets faults have their way, waits for blocking queries, writes the reply.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body as HttpBody, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use futures::StreamExt as _;
use serde_json::Value;

use super::deed::interfere;
use super::faults::Effect;
use super::listener::Cut;
use super::routes::{self, Body, Query, Reply, Request};
use super::server::{Logged, Shared};
use super::world::time::{Nanos, parse_go};
use super::world::{JobKey, json};
use super::{control, stream};

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new().fallback(answer).with_state(shared)
}

/// How long a server without a leader lets a request wait.
const LEADER_WAIT: Duration = Duration::from_secs(5);
/// Longest and usual wait of a blocking query.
const MAX_WAIT: Duration = Duration::from_secs(300);

pub(super) async fn answer(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: axum::extract::Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, usize::MAX).await else {
        return plain(StatusCode::BAD_REQUEST, "unexpected EOF");
    };
    let request = Request {
        method: parts.method.as_str().to_owned(),
        path: percent_encoding::percent_decode_str(parts.uri.path())
            .decode_utf8_lossy()
            .into_owned(),
        query: Query::parse(parts.uri.query().unwrap_or_default()),
        body: body.to_vec(),
    };
    if let Some(rest) = request.path.strip_prefix("/_cs/") {
        return control::answer(&shared, &request, rest);
    }
    let entry = Entry::new(&shared, &request, parts.uri.query().unwrap_or_default());
    let now = shared.clock.now();
    let effects =
        shared
            .faults()
            .on_request(&request.method, &request.path, request.namespace(), now);
    if let Some(response) = before(&shared, &cut, &request, &effects).await {
        entry.done(&response);
        return response;
    }
    if !authorized(&shared, &parts.headers, &request) {
        let response = denied(&request);
        entry.done(&response);
        return response;
    }
    if request.path == "/v1/event/stream" && request.reads() {
        let response = stream::events(&shared, &request, &effects);
        entry.done(&response);
        return response;
    }
    if request.path.starts_with("/v1/client/fs/logs/") && request.query.flag("follow") {
        let response = stream::logs(&shared, &request);
        entry.done(&response);
        return response;
    }
    let reply = reply(&shared, &request, &effects).await;
    let response = after(&cut, reply, &effects);
    entry.done(&response);
    response
}

/// Effects that come before the request is looked at.
async fn before(
    shared: &Shared,
    cut: &Cut,
    request: &Request,
    effects: &[Effect],
) -> Option<Response> {
    for effect in effects {
        match effect {
            Effect::Error { status, body } => {
                let status =
                    StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                return Some(plain(status, body));
            }
            Effect::Latency { wait } => tokio::time::sleep(span(Some(wait), Duration::ZERO)).await,
            Effect::Hang => shared.stop.cancelled().await,
            Effect::NoLeader { wait } if !request.query.flag("stale") => {
                tokio::time::sleep(span(wait.as_ref(), LEADER_WAIT)).await;
                return Some(plain(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "No cluster leader",
                ));
            }
            Effect::NotReady => {
                return Some(plain(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "Not ready to serve consistent reads",
                ));
            }
            Effect::Forbidden if request.path == "/v1/event/stream" => return Some(empty()),
            Effect::Forbidden => return Some(plain(StatusCode::FORBIDDEN, "Permission denied")),
            Effect::Reset => {
                cut.now();
                return Some(empty());
            }
            _ => {}
        }
    }
    None
}

fn span(text: Option<&String>, default: Duration) -> Duration {
    text.and_then(|text| parse_go(text))
        .and_then(|nanos| u64::try_from(nanos).ok())
        .map_or(default, Duration::from_nanos)
}

/// Whether the request brings the token, when one is needed. Some endpoints are open to all.
fn authorized(shared: &Shared, headers: &HeaderMap, request: &Request) -> bool {
    let Some(token) = &shared.token else {
        return true;
    };
    if matches!(
        request.path.as_str(),
        "/v1/agent/health" | "/v1/status/leader" | "/v1/regions"
    ) {
        return true;
    }
    let given = headers
        .get("x-nomad-token")
        .and_then(|value| value.to_str().ok())
        .or_else(|| {
            let bearer = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
            bearer.strip_prefix("Bearer ")
        });
    given.is_some_and(|given| given == token.expose())
}

fn denied(request: &Request) -> Response {
    match request.path.as_str() {
        "/v1/event/stream" => empty(),
        _ => plain(StatusCode::FORBIDDEN, "Permission denied"),
    }
}

/// Asks the world, again and again while a blocking query waits.
async fn reply(shared: &Shared, request: &Request, effects: &[Effect]) -> Reply {
    let mut changed = shared.changed.subscribe();
    let seen = request.query.number("index").unwrap_or(0);
    let deadline = tokio::time::Instant::now() + wait_of(request);
    loop {
        let reply = {
            let mut world = shared.world();
            if effects.contains(&Effect::Conflict)
                && let Some(key) = job_of(request)
            {
                interfere(&mut world, &key);
            }
            routes::handle(&mut world, request)
        };
        let blocks = request.reads()
            && seen > 0
            && reply.read
            && reply.index.is_some_and(|index| index <= seen);
        if !blocks {
            return reply;
        }
        // Both arms only wake the loop: the world is asked anew in any case.
        tokio::select! {
            _ = changed.changed() => {}
            () = tokio::time::sleep_until(deadline) => return reply,
            () = shared.stop.cancelled() => return reply,
        }
        if tokio::time::Instant::now() >= deadline {
            return reply;
        }
    }
}

fn wait_of(request: &Request) -> Duration {
    let wait = match request.query.get("wait") {
        "" => MAX_WAIT,
        text => parse_go(text)
            .and_then(|nanos: Nanos| u64::try_from(nanos).ok())
            .map_or(MAX_WAIT, Duration::from_nanos),
    };
    let wait = if wait.is_zero() {
        MAX_WAIT
    } else {
        wait.min(MAX_WAIT)
    };
    // Nomad adds up to a sixteenth, so that not everybody comes back at once.
    wait + wait / 32
}

/// The job that a write is about.
fn job_of(request: &Request) -> Option<JobKey> {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let job = json::any_case(&body, "Job").cloned().unwrap_or_default();
    let id = json::any_case(&job, "ID")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let named = request.path.strip_prefix("/v1/job/");
    let id = if id.is_empty() { named? } else { id };
    let namespace = match request.query.get("namespace") {
        "" => json::any_case(&job, "Namespace")
            .and_then(Value::as_str)
            .filter(|name| !name.is_empty())
            .unwrap_or("default"),
        namespace => namespace,
    };
    Some(JobKey::new(namespace, id))
}

/// Effects on the reply.
fn after(cut: &Cut, mut reply: Reply, effects: &[Effect]) -> Response {
    let (mut stale, mut broken) = (false, false);
    for effect in effects {
        match effect {
            Effect::DropReply => {
                cut.now();
                return empty();
            }
            Effect::RpcPrefix if reply.status == 500 => {
                if let Body::Text(text) = &mut reply.body {
                    text.insert_str(0, "rpc error: ");
                }
            }
            Effect::IndexBackwards { by } => {
                reply.index = reply.index.map(|index| index.saturating_sub(*by).max(1));
            }
            Effect::Stale => stale = true,
            Effect::ResetMidBody => broken = true,
            _ => {}
        }
    }
    respond(cut, reply, stale, broken)
}

fn respond(cut: &Cut, reply: Reply, stale: bool, broken: bool) -> Response {
    let (kind, bytes) = match &reply.body {
        Body::Json(value) => {
            let kind = if reply.plain {
                "text/plain; charset=utf-8"
            } else {
                "application/json"
            };
            (Some(kind), value.to_string().into_bytes())
        }
        Body::Text(text) => (Some("text/plain; charset=utf-8"), text.clone().into_bytes()),
        Body::Raw(bytes) => (Some("text/plain; charset=utf-8"), bytes.clone()),
        Body::Empty => (None, Vec::new()),
    };
    let mut response = Response::new(if broken {
        half(cut, bytes)
    } else {
        HttpBody::from(bytes)
    });
    *response.status_mut() =
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if let Some(kind) = kind {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    if let Some(index) = reply.index {
        headers.insert("x-nomad-index", HeaderValue::from(index));
    }
    if reply.read {
        let (leader, contact) = if stale {
            ("false", "9223372036854")
        } else {
            ("true", "0")
        };
        headers.insert("x-nomad-knownleader", HeaderValue::from_static(leader));
        headers.insert("x-nomad-lastcontact", HeaderValue::from_static(contact));
    }
    if let Some(token) = reply
        .next_token
        .as_deref()
        .and_then(|token| HeaderValue::from_str(token).ok())
    {
        headers.insert("x-nomad-nexttoken", token);
    }
    response
}

/// Sends half of a body and cuts the connection off.
fn half(cut: &Cut, bytes: Vec<u8>) -> HttpBody {
    let cut = cut.clone();
    let first = Bytes::from(bytes[..bytes.len() / 2].to_vec());
    let rest = futures::stream::once(async move {
        // Lets the first half leave before the reset overtakes it.
        tokio::time::sleep(Duration::from_millis(20)).await;
        cut.now();
        Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset))
    });
    let body = futures::stream::iter([Ok::<_, std::io::Error>(first)]).chain(rest);
    HttpBody::from_stream(body)
}

pub(super) fn plain(status: StatusCode, text: &str) -> Response {
    let mut response = Response::new(HttpBody::from(text.to_owned()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

pub(super) fn empty() -> Response {
    Response::new(HttpBody::empty())
}

/// A line of the request log, written at once and completed with the answer.
struct Entry<'a> {
    shared: &'a Shared,
    number: usize,
}

impl<'a> Entry<'a> {
    fn new(shared: &'a Shared, request: &Request, query: &str) -> Self {
        let body: Value = if request.writes() {
            serde_json::from_slice(&request.body).unwrap_or_default()
        } else {
            Value::Null
        };
        let enforces = json::any_case(&body, "EnforceIndex")
            .and_then(Value::as_bool)
            .unwrap_or(false);
        let index = json::any_case(&body, "JobModifyIndex")
            .and_then(Value::as_u64)
            .unwrap_or(0);
        let logged = Logged {
            method: request.method.clone(),
            path: request.path.clone(),
            namespace: request.namespace().to_owned(),
            query: query.to_owned(),
            status: 0,
            enforce_index: enforces.then_some(index),
            cas: request.query.number("cas"),
        };
        let mut log = shared
            .log
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let number = log.push(logged);
        Self { shared, number }
    }

    fn done(&self, response: &Response) {
        let mut log = self
            .shared
            .log
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        // It may have been forgotten meanwhile.
        if let Some(entry) = log.get_mut(self.number) {
            entry.status = response.status().as_u16();
        }
    }
}
