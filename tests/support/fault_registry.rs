//! A way to a registry that fails where a test says: a streaming HTTP proxy in front of a [`DockerRegistry`].
//!
//! ```ignore
//! let proxy = FaultRegistry::start(&registry);
//! proxy.fail(Rule::in_blob(4096, Fault::Status(500)));
//! // … a push to proxy.host() …
//! ```
//!
//! Credentials pass, and so does the name under which the client knows the proxy: the addresses of uploads that the
//! registry hands out lead to the proxy again.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use futures::StreamExt as _;
use futures::stream::unfold;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::registry::DockerRegistry;

/// Ends a connection.
type Broken = Box<dyn std::error::Error + Send + Sync>;

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Is answered with an error; the registry does not get it.
    Status(u16),
    /// The connection ends without an answer; the registry does not get it.
    Cut,
    /// The registry gets it and carries it out, the client gets so many bytes of the answer's body; with 0 not even its
    /// head. What is shorter passes whole.
    CutAnswer { after_bytes: usize },
    /// Is never answered; the registry does not get it.
    Hang,
}

/// Which requests meet a fault.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    /// Empty: any.
    pub(crate) method: &'static str,
    /// Part of the path, which has no query.
    pub(crate) path_contains: String,
    /// So much of the body is read first; a request whose body is shorter is none of the rule's.
    pub(crate) bytes: usize,
    /// So many of them pass first.
    pub(crate) after: usize,
    /// So many of them fail then; the ones after those pass.
    pub(crate) times: usize,
    pub(crate) with: Fault,
}

impl Rule {
    /// Every such request, whatever its body. Engines repeat what fails: a fault that strikes once may be healed by that.
    pub(crate) fn on(method: &'static str, path_contains: impl Into<String>, with: Fault) -> Self {
        Self {
            method,
            path_contains: path_contains.into(),
            bytes: 0,
            after: 0,
            times: usize::MAX,
            with,
        }
    }

    /// In the middle of every layer and configuration of at least so many bytes. Engines send them with `PATCH` or with
    /// `PUT`, by their version; those that they know to be in another repository of the registry they do not send.
    pub(crate) fn in_blob(bytes: usize, with: Fault) -> Self {
        Self {
            bytes,
            ..Self::on("", "/blobs/uploads/", with)
        }
    }

    fn matches(&self, request: &Seen) -> bool {
        (self.method.is_empty() || self.method == request.method)
            && request.path.contains(&self.path_contains)
    }

    /// Whether this one fails, of which so many came before.
    fn is_due(&self, before: usize) -> bool {
        let place = before.checked_sub(self.after);
        place.is_some_and(|place| place < self.times)
    }
}

/// One request, in the order of arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// Without query.
    pub(crate) path: String,
    /// What the client got; `None` before, and when there is no answer.
    pub(crate) status: Option<u16>,
}

#[derive(Default)]
struct Log {
    requests: Vec<Seen>,
    rules: Vec<Counted>,
}

struct Counted {
    rule: Arc<Rule>,
    /// How many requests it was about so far.
    met: usize,
}

struct Shared {
    upstream: String,
    log: Mutex<Log>,
    struck: watch::Sender<usize>,
}

/// Ends, with its connections, when dropped. Runs on a thread of its own, so that tests may wait for programs.
pub(crate) struct FaultRegistry {
    address: SocketAddr,
    shared: Arc<Shared>,
    _stop: oneshot::Sender<()>,
}

impl FaultRegistry {
    /// Without a rule: everything passes.
    pub(crate) fn start(registry: &DockerRegistry) -> Self {
        let shared = Arc::new(Shared {
            upstream: registry.host(),
            log: Mutex::default(),
            struck: watch::Sender::new(0),
        });
        let (stop, stopped) = oneshot::channel();
        let (told, address) = mpsc::channel();
        let kept = Arc::clone(&shared);
        std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime can be built")
                .block_on(async move {
                    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
                        .await
                        .expect("the loopback has free ports");
                    told.send(listener.local_addr().expect("it is bound"))
                        .expect("the starter waits");
                    tokio::select! {
                        // Both may be dropped at any time: the test is over.
                        _ = stopped => {}
                        () = serve(listener, kept) => {}
                    }
                });
        });
        let address = address
            .recv_timeout(Duration::from_secs(10))
            .expect("the proxy starts");
        Self {
            address,
            shared,
            _stop: stop,
        }
    }

    /// `127.0.0.1:<port>`.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// From now on. Of several rules that match the first that is due wins; each counts for itself.
    pub(crate) fn fail(&self, rule: Rule) {
        self.shared.log.lock().unwrap().rules.push(Counted {
            rule: Arc::new(rule),
            met: 0,
        });
    }

    /// From now on everything passes; what hangs still hangs.
    pub(crate) fn heal(&self) {
        self.shared.log.lock().unwrap().rules.clear();
    }

    /// Every request so far.
    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.shared.log.lock().unwrap().requests.clone()
    }

    /// Returns once `count` requests in all have met a fault.
    pub(crate) async fn until_struck(&self, count: usize) {
        let mut struck = self.shared.struck.subscribe();
        let waits = struck.wait_for(|so_far| *so_far >= count);
        let waited = tokio::time::timeout(Duration::from_secs(60), waits).await;
        let Ok(Ok(_)) = waited else {
            panic!("no fault struck: {:?}", self.requests());
        };
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let service = service_fn(|request| shared.answer(request));
            // Ends with an error when a fault wants it so, or when the client goes away.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(client), service)
                .await;
        });
    }
}

impl Shared {
    /// An error ends the connection.
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, Broken> {
        let (number, rules) = self.note(&request);
        let (head, rest) = request.into_parts();
        let mut upload = Upload {
            read: Vec::new(),
            rest,
        };
        let answer = match self.due(&rules, &mut upload).await? {
            None => self.pass_on(head, upload).await?,
            Some(fault) => {
                self.struck.send_modify(|count| *count += 1);
                self.strike(fault, head, upload).await?
            }
        };
        self.log.lock().unwrap().requests[number].status = Some(answer.status().as_u16());
        Ok(answer)
    }

    /// Its place in the log, and the rules that may be about it.
    fn note(&self, request: &Request<Incoming>) -> (usize, Vec<Arc<Rule>>) {
        let seen = Seen {
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            status: None,
        };
        let mut log = self.log.lock().unwrap();
        let rules = log.rules.iter().map(|counted| &counted.rule);
        let matching = rules.filter(|rule| rule.matches(&seen)).cloned().collect();
        log.requests.push(seen);
        (log.requests.len() - 1, matching)
    }

    async fn due(&self, rules: &[Arc<Rule>], upload: &mut Upload) -> Result<Option<Fault>, Broken> {
        let mut due = None;
        for rule in rules {
            if upload.has(rule.bytes).await? && self.counts(rule) {
                due = due.or(Some(rule.with));
            }
        }
        Ok(due)
    }

    /// Counts one more request of a rule, and tells whether it fails.
    fn counts(&self, rule: &Arc<Rule>) -> bool {
        let mut log = self.log.lock().unwrap();
        let mut rules = log.rules.iter_mut();
        // A rule that was taken back meanwhile is about nothing.
        let Some(counted) = rules.find(|counted| Arc::ptr_eq(&counted.rule, rule)) else {
            return false;
        };
        counted.met += 1;
        rule.is_due(counted.met - 1)
    }

    /// One connection for each request.
    async fn pass_on(&self, head: Parts, upload: Upload) -> Result<Response<Body>, Broken> {
        let server = TcpStream::connect(&self.upstream).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(server)).await?;
        tokio::spawn(connection);
        let request = Request::from_parts(head, upload.into_body());
        Ok(sender.send_request(request).await?.map(Body::new))
    }

    async fn strike(
        &self,
        fault: Fault,
        head: Parts,
        upload: Upload,
    ) -> Result<Response<Body>, Broken> {
        match fault {
            Fault::Status(status) => Ok(refuse(status, upload.rest)),
            Fault::Cut => Err("cut".into()),
            Fault::CutAnswer { after_bytes } => {
                let answer = self.pass_on(head, upload).await?;
                if after_bytes == 0 {
                    return Err("cut".into());
                }
                Ok(answer.map(|body| cut(body, after_bytes)))
            }
            Fault::Hang => std::future::pending().await,
        }
    }
}

/// The body of a request, of which a part may have been looked at.
struct Upload {
    read: Vec<Bytes>,
    rest: Incoming,
}

impl Upload {
    /// Whether there are so many bytes; waits until that is known.
    async fn has(&mut self, bytes: usize) -> Result<bool, Broken> {
        while self.read.iter().map(Bytes::len).sum::<usize>() < bytes {
            let Some(frame) = self.rest.frame().await else {
                return Ok(false);
            };
            self.read.extend(frame?.into_data().ok());
        }
        Ok(true)
    }

    fn into_body(self) -> Body {
        if self.read.is_empty() {
            return Body::new(self.rest);
        }
        let read = futures::stream::iter(self.read).map(Ok);
        Body::from_stream(read.chain(Body::new(self.rest).into_data_stream()))
    }
}

/// The answer goes out at once; what the client still sends is thrown away, so that no reset overtakes the answer.
fn refuse(status: u16, mut rest: Incoming) -> Response<Body> {
    tokio::spawn(async move { while let Some(Ok(_)) = rest.frame().await {} });
    let answer = Response::builder()
        .status(StatusCode::from_u16(status).expect("tests use real status codes"));
    let (answer, code, message) = match status {
        401 => (
            answer.header(WWW_AUTHENTICATE, r#"Basic realm="test""#),
            "UNAUTHORIZED",
            "authentication required",
        ),
        403 => (
            answer,
            "DENIED",
            "requested access to the resource is denied",
        ),
        // Comes from a server in front of the registry, which does not know how registries talk.
        413 => {
            let page = "<html><h1>413 Request Entity Too Large</h1></html>";
            let answer = answer.header(CONTENT_TYPE, "text/html");
            return answer.body(page.into()).expect("the parts are fine");
        }
        503 => (answer, "UNAVAILABLE", "service unavailable"),
        _ => (answer, "UNKNOWN", "unknown error"),
    };
    let body = json!({"errors": [{"code": code, "message": message, "detail": null}]});
    answer
        .header(CONTENT_TYPE, "application/json; charset=utf-8")
        .body(body.to_string().into())
        .expect("the parts are fine")
}

/// Breaks after so many bytes; what is shorter passes whole.
fn cut(body: Body, bytes: usize) -> Body {
    let start = (body.into_data_stream(), bytes);
    Body::from_stream(unfold(start, |(mut rest, left)| async move {
        if left == 0 {
            // What came before is sent meanwhile.
            tokio::task::yield_now().await;
            return Some((Err(Broken::from("cut")), (rest, 0)));
        }
        let chunk = rest.next().await?.map_err(Broken::from).map(|chunk| {
            let length = chunk.len().min(left);
            chunk.slice(..length)
        });
        let left = left - chunk.as_ref().map_or(0, Bytes::len);
        Some((chunk, (rest, left)))
    }))
}
