//! A backend that records what it is told, and fails when it is told to.
//!
//! ```ignore
//! let backend = RecordingBackend::start();
//! backend.script("/api/local/ask-domain", 2, Reply::Status(503));
//! // … a run with BACKEND_URL=backend.url() …
//! assert_eq!(backend.steps(), ["deploy in_progress", "deploy completed"]);
//! ```

use std::future::pending;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// One request, in the order of arrival.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    pub(crate) method: String,
    pub(crate) path: String,
    /// As it was sent, encoded.
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    /// `Null` when there is none.
    pub(crate) body: Value,
    /// Since the server started, by tokio's clock.
    pub(crate) at: Duration,
}

/// What a scripted request is answered.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Status(u16),
    /// Status and `Retry-After`.
    RetryAfter(u16, &'static str),
    /// Status and body.
    Body(u16, String),
    /// Status and `Location`.
    Redirect(u16, String),
    /// Never an answer.
    Hang,
}

struct Rule {
    path: String,
    left: usize,
    reply: Reply,
}

#[derive(Default)]
struct Log {
    requests: Vec<Recorded>,
    rules: Vec<Rule>,
}

#[derive(Clone)]
struct Shared {
    log: Arc<Mutex<Log>>,
    start: tokio::time::Instant,
}

/// Stops when dropped.
pub(crate) struct RecordingBackend {
    address: SocketAddr,
    shared: Arc<Mutex<Log>>,
    _stop: oneshot::Sender<()>,
}

impl RecordingBackend {
    /// A server on a thread of its own: for tests that start programs, with or without a runtime.
    pub(crate) fn start() -> Self {
        let log = Arc::new(Mutex::new(Log::default()));
        let (stop, stopped) = oneshot::channel();
        let (told, address) = mpsc::channel();
        let kept = Arc::clone(&log);
        std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime can be built")
                .block_on(async move {
                    let listener = listen().await;
                    told.send(listener.local_addr().expect("it is bound"))
                        .expect("the starter waits");
                    serve(listener, kept, stopped).await;
                });
        });
        let address = address
            .recv_timeout(Duration::from_secs(10))
            .expect("the recording backend starts");
        Self {
            address,
            shared: log,
            _stop: stop,
        }
    }

    /// A server in the caller's runtime: for tests with a paused clock, which jumps only when both sides wait.
    pub(crate) async fn start_here() -> Self {
        let log = Arc::new(Mutex::new(Log::default()));
        let (stop, stopped) = oneshot::channel();
        let listener = listen().await;
        let address = listener.local_addr().expect("it is bound");
        tokio::spawn(serve(listener, Arc::clone(&log), stopped));
        Self {
            address,
            shared: log,
            _stop: stop,
        }
    }

    /// The base URL, without a slash at its end.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next `times` requests whose path is `path` (empty: any) get `reply`. Earlier rules go first.
    pub(crate) fn script(&self, path: &str, times: usize, reply: Reply) {
        self.shared.lock().unwrap().rules.push(Rule {
            path: path.to_owned(),
            left: times,
            reply,
        });
    }

    /// Every request so far.
    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.shared.lock().unwrap().requests.clone()
    }

    /// Requests so far on one path.
    pub(crate) fn requests_to(&self, path: &str) -> Vec<Recorded> {
        let mut requests = self.requests();
        requests.retain(|request| request.path == path);
        requests
    }

    /// `<step> <status>` of every step so far.
    pub(crate) fn steps(&self) -> Vec<String> {
        self.requests_to("/api/local/deployment-step/update")
            .iter()
            .map(|request| {
                let text = |key: &str| request.body[key].as_str().unwrap_or("?").to_owned();
                format!("{} {}", text("step"), text("status"))
            })
            .collect()
    }
}

async fn listen() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("the loopback has free ports")
}

async fn serve(listener: TcpListener, log: Arc<Mutex<Log>>, stopped: oneshot::Receiver<()>) {
    let shared = Shared {
        log,
        start: tokio::time::Instant::now(),
    };
    let router = Router::new().fallback(answer).with_state(shared);
    tokio::select! {
        // Both may be dropped at any time: the test is over.
        _ = stopped => {}
        served = std::future::IntoFuture::into_future(axum::serve(listener, router)) => {
            served.expect("the recording backend serves");
        }
    }
}

async fn answer(State(shared): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap_or_default();
    let path = parts.uri.path().to_owned();
    let scripted = {
        let mut log = shared.log.lock().unwrap();
        log.requests.push(Recorded {
            method: parts.method.to_string(),
            path: path.clone(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers: parts.headers,
            body: parse(&body),
            at: shared.start.elapsed(),
        });
        log.rules
            .iter_mut()
            .find(|rule| rule.left > 0 && (rule.path.is_empty() || rule.path == path))
            .map(|rule| {
                rule.left -= 1;
                rule.reply.clone()
            })
    };
    match scripted {
        Some(reply) => reply_with(reply).await,
        None => usual(&path),
    }
}

fn parse(body: &Bytes) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()))
}

async fn reply_with(reply: Reply) -> Response {
    let status = |code| StatusCode::from_u16(code).expect("tests use real status codes");
    match reply {
        Reply::Status(code) => status(code).into_response(),
        Reply::RetryAfter(code, wait) => (status(code), [(RETRY_AFTER, wait)]).into_response(),
        Reply::Body(code, body) => (status(code), body).into_response(),
        Reply::Redirect(code, to) => (status(code), [(LOCATION, to)]).into_response(),
        Reply::Hang => pending().await,
    }
}

/// What the platform's backend answers when all is well.
fn usual(path: &str) -> Response {
    let json_type = [(CONTENT_TYPE, "application/json")];
    match path {
        "/api/local/ask-domain" => {
            (json_type, json!({"domain": "allocated"}).to_string()).into_response()
        }
        "/api/local/service-update" | "/api/local/service-update/" => {
            (json_type, "\"updated!\"").into_response()
        }
        "/api/local/deployment-step/update" => {
            (json_type, json!({"message": "updated"}).to_string()).into_response()
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}
