//! A collector of traces that records what it is sent, and fails when it is told to.
//!
//! It reads the wire format by itself, field by field as `trace.proto` numbers them: a mistake in the messages of the product
//! is none here.

use std::collections::{BTreeMap, VecDeque};
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// What an export is answered.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Status(u16),
    /// Status and `Retry-After`.
    RetryAfter(u16, &'static str),
    Redirect(String),
    /// 200, and bytes.
    Bytes(Vec<u8>),
    /// Never an answer.
    Hang,
}

/// A span as it was sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Span {
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty for a root.
    pub(crate) parent: String,
    pub(crate) state: String,
    pub(crate) name: String,
    /// 1 internal, 2 server, 3 client, 4 producer, 5 consumer.
    pub(crate) kind: u64,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) events: Vec<String>,
    /// Trace and span of each.
    pub(crate) links: Vec<(String, String)>,
    /// 0 unset, 2 error.
    pub(crate) status: u64,
    pub(crate) flags: u64,
}

impl Span {
    #[track_caller]
    pub(crate) fn text(&self, name: &str) -> &str {
        let found = self.attributes.get(name);
        found.unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }
}

#[derive(Default)]
struct Log {
    spans: Vec<Span>,
    resource: BTreeMap<String, String>,
    requests: Vec<HeaderMap>,
    raw: Vec<u8>,
    replies: VecDeque<Reply>,
    always: Option<Reply>,
}

/// Stops when dropped.
pub(crate) struct Collector {
    address: SocketAddr,
    log: Arc<Mutex<Log>>,
    _stop: oneshot::Sender<()>,
}

impl Collector {
    /// On a thread of its own.
    pub(crate) fn start() -> Self {
        let log = Arc::<Mutex<Log>>::default();
        let (stop, stopped) = oneshot::channel::<()>();
        let (told, address) = mpsc::channel();
        let shared = Arc::clone(&log);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
                    .await
                    .expect("the loopback has free ports");
                let address = listener.local_addr().expect("it is bound");
                told.send(address).expect("the starter waits");
                let router = Router::new().fallback(answer).with_state(shared);
                tokio::select! {
                    // Both may be dropped at any time: the test is over.
                    _ = stopped => {}
                    served = std::future::IntoFuture::into_future(axum::serve(listener, router)) => {
                        served.expect("the collector serves");
                    }
                }
            });
        });
        Self {
            address: address
                .recv_timeout(Duration::from_secs(10))
                .expect("the collector starts"),
            log,
            _stop: stop,
        }
    }

    /// For `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What the next export is answered.
    pub(crate) fn next(&self, reply: Reply) {
        self.log.lock().unwrap().replies.push_back(reply);
    }

    /// What every export is answered from now on.
    pub(crate) fn always(&self, reply: Reply) {
        self.log.lock().unwrap().always = Some(reply);
    }

    /// Everything that was taken.
    pub(crate) fn spans(&self) -> Vec<Span> {
        self.log.lock().unwrap().spans.clone()
    }

    pub(crate) fn resource(&self) -> BTreeMap<String, String> {
        self.log.lock().unwrap().resource.clone()
    }

    /// Headers of every export, taken or not.
    pub(crate) fn requests(&self) -> Vec<HeaderMap> {
        self.log.lock().unwrap().requests.clone()
    }

    /// Every byte of every export, unpacked, to look for secrets.
    pub(crate) fn raw(&self) -> String {
        String::from_utf8_lossy(&self.log.lock().unwrap().raw).into_owned()
    }

    /// The only span of a name.
    #[track_caller]
    pub(crate) fn only(&self, name: &str) -> Span {
        let mut found = self.named(name);
        assert_eq!(found.len(), 1, "{name} among {:?}", self.names());
        found.remove(0)
    }

    pub(crate) fn named(&self, name: &str) -> Vec<Span> {
        let mut spans = self.spans();
        spans.retain(|span| span.name == name);
        spans
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.spans().into_iter().map(|span| span.name).collect()
    }
}

async fn answer(State(log): State<Arc<Mutex<Log>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let mut body = to_bytes(body, 16 << 20).await.unwrap_or_default().to_vec();
    if parts
        .headers
        .get(CONTENT_ENCODING)
        .is_some_and(|kind| kind == "gzip")
    {
        let mut plain = Vec::new();
        let mut gzip = flate2::read::GzDecoder::new(body.as_slice());
        gzip.read_to_end(&mut plain).expect("gzip is gzip");
        body = plain;
    }
    let is_right = parts.method == "POST"
        && parts.uri.path() == "/v1/traces"
        && parts
            .headers
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind == "application/x-protobuf");
    let reply = {
        let mut log = log.lock().unwrap();
        log.requests.push(parts.headers);
        log.raw.extend_from_slice(&body);
        let reply = log.replies.pop_front().or_else(|| log.always.clone());
        if reply.is_none() && is_right {
            let (resource, spans) = read(&body);
            log.resource = resource;
            log.spans.extend(spans);
        }
        reply
    };
    let status = |code| StatusCode::from_u16(code).expect("a status");
    match reply {
        None if is_right => StatusCode::OK.into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
        Some(Reply::Status(code)) => status(code).into_response(),
        Some(Reply::RetryAfter(code, after)) => {
            (status(code), [(RETRY_AFTER, after)]).into_response()
        }
        Some(Reply::Redirect(to)) => {
            (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, to)]).into_response()
        }
        Some(Reply::Bytes(bytes)) => bytes.into_response(),
        Some(Reply::Hang) => std::future::pending().await,
    }
}

/// A field: its number, and what it holds.
enum Field<'a> {
    Number(u32, u64),
    Bytes(u32, &'a [u8]),
}

/// The fields of a message. Panics where it is none: the product must not send that.
fn fields(mut bytes: &[u8]) -> Vec<Field<'_>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let number = u32::try_from(key >> 3).expect("a small number");
        found.push(match key & 7 {
            0 => Field::Number(number, varint(&mut bytes)),
            1 => Field::Number(number, fixed(&mut bytes, 8)),
            2 => {
                let length = usize::try_from(varint(&mut bytes)).expect("a length");
                let (inner, rest) = bytes.split_at(length);
                bytes = rest;
                Field::Bytes(number, inner)
            }
            5 => Field::Number(number, fixed(&mut bytes, 4)),
            other => panic!("wire type {other}"),
        });
    }
    found
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().expect("a varint ends");
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return value;
        }
    }
    panic!("a varint of more than ten bytes")
}

fn fixed(bytes: &mut &[u8], length: usize) -> u64 {
    let (mine, rest) = bytes.split_at(length);
    *bytes = rest;
    mine.iter()
        .rev()
        .fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// ExportTraceServiceRequest.
fn read(bytes: &[u8]) -> (BTreeMap<String, String>, Vec<Span>) {
    let (mut resource, mut spans) = (BTreeMap::new(), Vec::new());
    for field in fields(bytes) {
        let Field::Bytes(1, resource_spans) = field else {
            panic!("only resource_spans are expected")
        };
        for field in fields(resource_spans) {
            match field {
                Field::Bytes(1, one) => resource = attributes(one, 1),
                Field::Bytes(2, scope_spans) => {
                    for field in fields(scope_spans) {
                        if let Field::Bytes(2, span) = field {
                            spans.push(read_span(span));
                        }
                    }
                }
                _ => {}
            }
        }
    }
    (resource, spans)
}

fn read_span(bytes: &[u8]) -> Span {
    let mut span = Span {
        attributes: attributes(bytes, 9),
        ..Span::default()
    };
    for field in fields(bytes) {
        match field {
            Field::Bytes(1, id) => span.trace = hex(id, 16),
            Field::Bytes(2, id) => span.id = hex(id, 8),
            Field::Bytes(3, state) => span.state = text(state),
            Field::Bytes(4, id) => span.parent = hex(id, 8),
            Field::Bytes(5, name) => span.name = text(name),
            Field::Number(6, kind) => span.kind = kind,
            Field::Number(7, time) => span.start = time,
            Field::Number(8, time) => span.end = time,
            Field::Bytes(11, event) => {
                for field in fields(event) {
                    if let Field::Bytes(2, name) = field {
                        span.events.push(text(name));
                    }
                }
            }
            Field::Bytes(13, link) => {
                let mut ids = (String::new(), String::new());
                for field in fields(link) {
                    match field {
                        Field::Bytes(1, id) => ids.0 = hex(id, 16),
                        Field::Bytes(2, id) => ids.1 = hex(id, 8),
                        _ => {}
                    }
                }
                span.links.push(ids);
            }
            Field::Bytes(15, status) => {
                for field in fields(status) {
                    if let Field::Number(3, code) = field {
                        span.status = code;
                    }
                }
            }
            Field::Number(16, flags) => span.flags = flags,
            _ => {}
        }
    }
    span
}

/// The KeyValues under one number.
fn attributes(bytes: &[u8], under: u32) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for field in fields(bytes) {
        let Field::Bytes(number, pair) = field else {
            continue;
        };
        if number != under {
            continue;
        }
        let (mut key, mut value) = (String::new(), String::new());
        for field in fields(pair) {
            match field {
                Field::Bytes(1, name) => key = text(name),
                Field::Bytes(2, any) => {
                    for field in fields(any) {
                        value = match field {
                            Field::Bytes(1, one) => text(one),
                            Field::Number(2, flag) => (flag == 1).to_string(),
                            Field::Number(3, number) => number.to_string(),
                            Field::Number(number, _) | Field::Bytes(number, _) => {
                                panic!("value of kind {number}")
                            }
                        };
                    }
                }
                _ => {}
            }
        }
        assert!(found.insert(key.clone(), value).is_none(), "{key} twice");
    }
    found
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("texts are UTF-8")
}

#[track_caller]
fn hex(bytes: &[u8], length: usize) -> String {
    assert_eq!(bytes.len(), length);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
