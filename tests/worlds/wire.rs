//! The way to Nomad, on which things go wrong.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use cs::clients::nomad::{Carrier, Carry};
use cs::simulator::Within;
use cs::simulator::world::Random;
use futures::future::BoxFuture;
use futures::stream;
use reqwest::{Request, Response, Result};
use serde_json::Value;

use super::betray::{Betrayal, Heard};
use super::case::{self, below};
use super::trace::{Moment, Shared};

/// Milliseconds that a call takes, there and back: never the same for two that may be made in the same instant. Their order
/// would be a matter of luck otherwise (tokio wakes whoever waits for the same change in any order), and the same seed is to
/// give the same course.
fn slot(request: &Request) -> u64 {
    const KINDS: [&str; 6] = [
        "allocations",
        "deployment",
        "evaluations",
        "versions",
        "stop",
        "plan",
    ];
    let path = request.url().path();
    let body = request
        .body()
        .and_then(reqwest::Body::as_bytes)
        .unwrap_or_default();
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let rest = path.strip_prefix("/v1/job/").unwrap_or_default();
    let (named, kind) = rest.split_once('/').unwrap_or((rest, ""));
    let id = body["Job"]["ID"].as_str().unwrap_or(named);
    let kind = KINDS
        .iter()
        .position(|known| *known == kind)
        .map_or(0, |at| at + 1);
    let place = case::names().position(|name| name == id);
    let offset = match place {
        Some(place) => 10 * (place + 1) + kind,
        // Logs and checks of allocations, and whatever is about no job.
        None => {
            400 + usize::from(
                request
                    .url()
                    .query()
                    .is_some_and(|query| query.contains("stderr")),
            ) + path.len() % 9 * 2
        }
    };
    offset as u64
}

/// What may go wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Refused,
    Reset,
    LostReply,
    Status(u16, &'static str),
    Truncated,
    LongWait,
    LateAnswer,
    Twice,
    Leaderless,
    NoIndex,
}

const FAULTS: [Fault; 13] = [
    Fault::Refused,
    Fault::Reset,
    Fault::LostReply,
    Fault::LostReply,
    Fault::Status(502, "bad gateway"),
    Fault::Status(503, ""),
    Fault::Status(500, "No cluster leader"),
    Fault::Truncated,
    Fault::LongWait,
    Fault::LateAnswer,
    Fault::Twice,
    Fault::Leaderless,
    Fault::NoIndex,
];

/// The way of one process.
pub(super) struct Wire {
    pub(super) world: Within,
    pub(super) trace: Shared,
    /// Ids of jobs that this command may write, as `namespace/id`.
    pub(super) ours: Vec<String>,
    pub(super) dice: Arc<Mutex<Dice>>,
    pub(super) betrayal: Option<Betrayal>,
}

/// What goes wrong with the calls of one command.
pub(super) struct Dice {
    pub(super) random: Random,
    /// Of a hundred.
    pub(super) often: u64,
    pub(super) left: u64,
}

impl Dice {
    /// Whether something goes wrong now.
    pub(super) fn strikes(&mut self) -> bool {
        let strikes = self.left > 0 && below(&mut self.random, 100) < self.often;
        self.left -= u64::from(strikes);
        strikes
    }
}

impl Carry for Wire {
    fn carry(&self, mut request: Request) -> BoxFuture<'static, Result<Response>> {
        let heard = self
            .betrayal
            .map_or(Heard::Once, |betrayal| betrayal.twist(&mut request));
        let way = Way {
            heard,
            world: self.world.clone(),
            trace: self.trace.clone(),
            dice: self.dice.clone(),
            is_write: is_write(&request),
            what: what(&request),
            slot: Duration::from_millis(2 + slot(&request)),
        };
        if way.is_write {
            self.judge(&request);
        }
        Box::pin(way.go(request))
    }
}

impl Wire {
    /// Every write names what it has seen, and is about a job of this command.
    fn judge(&self, request: &Request) {
        let path = request.url().path();
        let query: Vec<(String, String)> = request.url().query_pairs().into_owned().collect();
        let of = |name: &str| {
            query
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.clone())
        };
        let namespace = of("namespace").unwrap_or_else(|| "default".to_owned());
        let body = request
            .body()
            .and_then(reqwest::Body::as_bytes)
            .unwrap_or_default();
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let (job, is_indexed) = if path == "/v1/jobs" {
            (
                body["Job"]["ID"].as_str().map(str::to_owned),
                body["EnforceIndex"] == true,
            )
        } else if let Some(rest) = path.strip_prefix("/v1/job/") {
            let is_revert = rest.ends_with("/revert");
            let id = rest.trim_end_matches("/revert").to_owned();
            (Some(id), !is_revert || body["EnforcePriorVersion"].is_u64())
        } else if path.starts_with("/v1/var/") {
            (None, of("cas").is_some())
        } else {
            (None, true)
        };
        if !is_indexed {
            self.trace.problem(format!(
                "a write without an index: {} {path}",
                request.method()
            ));
        }
        if let Some(job) = job {
            let key = format!("{namespace}/{job}");
            if !self.ours.contains(&key) {
                self.trace.problem(format!(
                    "a write to {key}, which is not this command's: {} {path}",
                    request.method()
                ));
            }
        }
    }
}

/// One call on its way.
struct Way {
    heard: Heard,
    world: Within,
    trace: Shared,
    dice: Arc<Mutex<Dice>>,
    is_write: bool,
    what: String,
    slot: Duration,
}

impl Way {
    async fn go(self, request: Request) -> Result<Response> {
        tokio::time::sleep(self.slot).await;
        let moment = self.trace.call(&self.world).await;
        self.trace
            .count(if self.is_write { "writes" } else { "reads" });
        let fault = self.roll();
        if let Some(fault) = fault {
            self.trace.count(&format!("fault {}", name(fault)));
        }
        let shown = fault.map_or_else(String::new, |fault| format!("  !! {}", name(fault)));
        let last = if moment == Moment::Last { "  †" } else { "" };
        self.trace
            .line(&self.world, &format!("{}{shown}{last}", self.what));
        let answer = self.answered(request, fault).await;
        tokio::time::sleep(self.slot).await;
        if moment == Moment::Last {
            self.trace.die().await;
        }
        answer
    }

    fn roll(&self) -> Option<Fault> {
        let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
        let strikes = dice.strikes();
        let place = below(&mut dice.random, FAULTS.len() as u64);
        strikes.then(|| FAULTS[usize::try_from(place).expect("few")])
    }

    async fn answered(&self, request: Request, fault: Option<Fault>) -> Result<Response> {
        let again = request.try_clone();
        match fault {
            Some(Fault::Refused) => return Err(refused()),
            Some(Fault::Reset) => return Err(reset().await),
            Some(Fault::Status(status, text)) => return Ok(said(status, text)),
            Some(Fault::LongWait) => tokio::time::sleep(Duration::from_secs(12)).await,
            _ => {}
        }
        let response = self.carried(request).await?;
        match fault {
            Some(Fault::LostReply) => Err(reset().await),
            Some(Fault::LateAnswer) => {
                tokio::time::sleep(Duration::from_secs(3)).await;
                Ok(response)
            }
            Some(Fault::Twice) => match again {
                // Both arrive; whose answer is seen is a matter of luck.
                Some(again) => {
                    let stopped = again.url().path().strip_prefix("/v1/job/");
                    if let Some(job) =
                        stopped.filter(|_| *again.method() == reqwest::Method::DELETE)
                    {
                        self.trace.double(job);
                    }
                    let second = self.world.carrier().0.carry(again).await?;
                    let first_wins = self.lucky();
                    Ok(if first_wins { response } else { second })
                }
                None => Ok(response),
            },
            Some(Fault::Truncated) => truncated(response).await,
            Some(Fault::Leaderless) => Ok(with_header(response, "x-nomad-knownleader", "false")),
            Some(Fault::NoIndex) => Ok(with_header(response, "x-nomad-index", "1")),
            _ => Ok(response),
        }
    }

    async fn carried(&self, request: Request) -> Result<Response> {
        let carrier = self.world.carrier().0;
        match (self.heard, Betrayal::another(&request)) {
            (Heard::Never, _) => Ok(said(200, "{}")),
            (Heard::Twice, Some((first, second))) => {
                carrier.carry(first).await?;
                carrier.carry(second).await
            }
            _ => carrier.carry(request).await,
        }
    }

    fn lucky(&self) -> bool {
        let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
        below(&mut dice.random, 2) == 0
    }
}

const fn name(fault: Fault) -> &'static str {
    match fault {
        Fault::Refused => "connection refused",
        Fault::Reset => "reset before it arrived",
        Fault::LostReply => "reply lost",
        Fault::Status(500, _) => "500",
        Fault::Status(503, _) => "503",
        Fault::Status(..) => "502",
        Fault::Truncated => "body truncated",
        Fault::LongWait => "12 s late on the way there",
        Fault::LateAnswer => "3 s late on the way back",
        Fault::Twice => "delivered twice",
        Fault::Leaderless => "stale, no known leader",
        Fault::NoIndex => "index gone back to 1",
    }
}

fn is_write(request: &Request) -> bool {
    let path = request.url().path();
    let harmless = path.ends_with("/plan")
        || matches!(
            path,
            "/v1/jobs/parse" | "/v1/jobs/statuses" | "/v1/validate/job"
        );
    *request.method() != reqwest::Method::GET && !harmless
}

/// The call in a few words. Parts of paths that are drawn at random look the same.
fn what(request: &Request) -> String {
    let is_drawn =
        |part: &str| part.len() == 12 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let parts = request
        .url()
        .path()
        .split('/')
        .map(|part| if is_drawn(part) { "…" } else { part });
    let path = parts.collect::<Vec<_>>().join("/");
    let body = request
        .body()
        .and_then(reqwest::Body::as_bytes)
        .unwrap_or_default();
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let job = body["Job"]["ID"]
        .as_str()
        .map_or_else(String::new, |id| format!(" {id}"));
    format!("{} {path}{job}", request.method())
}

/// What a client sees when nobody listens: it never came to a request.
fn refused() -> reqwest::Error {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    let request = CLIENT.get_or_init(reqwest::Client::new).get("http://");
    request.build().expect_err("this is no address")
}

/// What a client sees of a connection that was reset before the answer.
async fn reset() -> reqwest::Error {
    let pieces = stream::once(std::future::ready(Err::<Bytes, _>(std::io::Error::from(
        std::io::ErrorKind::ConnectionReset,
    ))));
    let response = axum::http::Response::new(reqwest::Body::wrap_stream(pieces));
    Response::from(response)
        .bytes()
        .await
        .expect_err("its body is an error")
}

fn said(status: u16, text: &'static str) -> Response {
    let mut response = axum::http::Response::new(text);
    *response.status_mut() = status.try_into().expect("a status");
    response.into()
}

async fn truncated(response: Response) -> Result<Response> {
    let (status, headers) = (response.status(), response.headers().clone());
    if headers
        .get("content-type")
        .is_none_or(|kind| kind != "application/json")
        || response.headers().contains_key("connection")
    {
        // A stream has no end that could be missing.
        return Ok(response);
    }
    let whole = response.bytes().await?;
    let half = whole.slice(..whole.len() / 2);
    let cut = Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
    let mut response =
        axum::http::Response::new(reqwest::Body::wrap_stream(stream::iter([Ok(half), cut])));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response.into())
}

fn with_header(mut response: Response, name: &'static str, value: &'static str) -> Response {
    if response.headers().contains_key(name) {
        response
            .headers_mut()
            .insert(name, axum::http::HeaderValue::from_static(value));
    }
    response
}

impl Wire {
    pub(super) fn carrier(self) -> Carrier {
        Carrier(Arc::new(self))
    }
}
