//! One HTTP exchange with Nomad: connection slots, deadlines, bounded bodies, and which failures mean that nothing was
//! sent.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::{Bytes, BytesMut};
use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue,
    RETRY_AFTER,
};
use reqwest::{Client, Method, Response, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use url::Url;

use super::classify::{Effect, Failure, classify};
use super::connection::{Address, ConnectionConfig, ConnectionError, Timeouts, bad};
use super::error::{CallSite, DecodeError, LostReply, NomadError};
use super::tls;
use crate::ids::{ModifyIndex, Namespace};
use crate::observe::{HttpCall, Peer};

/// Connections for calls that are answered at once.
///
/// Together with [`LONG_POLLS`] 32 of the 100 that an agent allows per address, idle ones included: room for event
/// streams and for people behind the same address. Source: nomad-api.md 5.
const CALLS: usize = 20;
/// Connections for blocking queries.
const LONG_POLLS: usize = 12;
/// Longest error body that is read; the rest is dropped.
const ERROR_BODY: usize = 64 * 1024;

/// Longest answers, uncompressed.
pub(super) mod limit {
    /// One object. Nomad has no bound on a job; 12 MB ones are accepted.
    pub(crate) const OBJECT: usize = 16 * 1024 * 1024;
    /// A list: about 100,000 jobs.
    pub(crate) const LIST: usize = 64 * 1024 * 1024;
}

/// What a call does and how it may be answered.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) operation: &'static str,
    pub(super) subject: String,
    pub(super) method: Method,
    /// Below `/v1/`, already encoded.
    pub(super) path: String,
    /// Namespace to ask in; none for objects outside namespaces.
    pub(super) namespace: Option<Namespace>,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) body: Option<Bytes>,
    pub(super) effect: Effect,
    pub(super) limit: usize,
    /// Wait of a blocking query.
    pub(super) wait: Option<Duration>,
}

/// A whole answer of any status.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    /// A header with a number; 0 when absent, as for endpoints that are not replicated.
    pub(super) fn number(&self, name: &str) -> u64 {
        self.text(name)
            .and_then(|text| text.parse().ok())
            .unwrap_or(0)
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// The connections to one address.
pub(super) struct Transport {
    http: Client,
    base: Url,
    address: Address,
    region: Option<String>,
    pub(super) timeouts: Timeouts,
    /// Everything that must not show up in an error, should a server echo it.
    secrets: Vec<crate::secret::Secret>,
    calls: Arc<Semaphore>,
    long_polls: Arc<Semaphore>,
}

impl Transport {
    pub(super) fn new(config: ConnectionConfig) -> Result<Self, ConnectionError> {
        let mut headers = HeaderMap::new();
        let secrets = credentials(&config, &mut headers)?;
        let tls = tls::client_config(&config)?;
        let mut builder = Client::builder()
            .tls_backend_preconfigured(tls)
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(config.timeouts.connect)
            .pool_max_idle_per_host(CALLS + LONG_POLLS)
            .pool_idle_timeout(Duration::from_secs(30))
            .user_agent(concat!("cs/", env!("CARGO_PKG_VERSION")));
        let mut base = match &config.address {
            Address::Tcp(url) => url.expose().clone(),
            Address::Unix(path) => {
                builder = builder.unix_socket(path.clone());
                Url::parse("http://nomad.sock/").expect("a constant address parses")
            }
        };
        if let (true, Some(name)) = (config.address.is_https(), &config.tls_server_name) {
            builder = builder.dns_resolver(pin(&mut base, name, &mut headers)?);
        }
        let http =
            builder
                .default_headers(headers)
                .build()
                .map_err(|source| ConnectionError::Http {
                    source: source.without_url(),
                })?;
        Ok(Self {
            http,
            base,
            address: config.address,
            region: config.region,
            timeouts: config.timeouts,
            secrets,
            calls: Arc::new(Semaphore::new(CALLS)),
            long_polls: Arc::new(Semaphore::new(LONG_POLLS)),
        })
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    pub(super) fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// Sends a call and reads the whole answer, whatever its status.
    ///
    /// Cancel-safe in the sense that nothing leaks; a write that is dropped half-way may have been carried out.
    pub(super) async fn exchange(&self, call: &Call) -> Result<Answer, NomadError> {
        let bound = self.bound(call);
        let deadline = Instant::now() + bound;
        let slots = if call.wait.is_some() {
            &self.long_polls
        } else {
            &self.calls
        };
        let slot = tokio::time::timeout_at(deadline, slots.acquire()).await;
        let Ok(slot) = slot else {
            return Err(NomadError::Timeout {
                site: self.site(call),
                after: bound,
            });
        };
        let _slot = slot.expect("the semaphore is never closed");
        match tokio::time::timeout_at(deadline, self.send_and_read(call)).await {
            Ok(done) => done,
            Err(_) => Err(self.late(call, bound)),
        }
    }

    fn bound(&self, call: &Call) -> Duration {
        match (call.effect, call.wait) {
            (_, Some(wait)) => wait + self.timeouts.blocking_slack,
            (Effect::Read, None) => self.timeouts.read,
            (Effect::Write(_), None) => self.timeouts.write,
        }
    }

    async fn send_and_read(&self, call: &Call) -> Result<Answer, NomadError> {
        let mut response = self.sent(call, self.request(call)).await?;
        self.read_body(call, &mut response).await
    }

    /// Sends a request, as a call that the run keeps account of.
    async fn sent(
        &self,
        call: &Call,
        request: reqwest::RequestBuilder,
    ) -> Result<Response, NomadError> {
        let route = super::route::route(&call.path);
        let counted = HttpCall::begin(Peer::Nomad, &call.method, &self.base, &route);
        if call.wait.is_some() {
            counted.set("nomad.blocking", true);
        }
        let response = counted.sign(request).send().await;
        counted.ended(&response);
        response.map_err(|error| self.broken(call, error))
    }

    /// What an opened answer says that is no success. Bounded by `deadline`.
    pub(super) async fn refused(
        &self,
        call: &Call,
        mut response: Response,
        deadline: Instant,
    ) -> NomadError {
        match tokio::time::timeout_at(deadline, self.read_body(call, &mut response)).await {
            Ok(Ok(answer)) => self.refusal(call, &answer),
            Ok(Err(error)) => error,
            Err(_) => self.late(call, self.timeouts.stream_greeting),
        }
    }

    async fn read_body(&self, call: &Call, response: &mut Response) -> Result<Answer, NomadError> {
        let (status, headers) = (response.status(), response.headers().clone());
        let limit = if status.is_success() {
            call.limit
        } else {
            ERROR_BODY
        };
        let mut body = BytesMut::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| self.broken(call, error))?
        {
            if body.len() + chunk.len() > limit {
                if status.is_success() {
                    return Err(self.too_long(call));
                }
                body.extend_from_slice(&chunk[..limit - body.len()]);
                break;
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status,
            headers,
            body: body.freeze(),
        })
    }

    /// Opens a long-lived answer. Bounded only until the headers are there.
    pub(super) async fn open(&self, call: &Call, bound: Duration) -> Result<Response, NomadError> {
        let request = self
            .request(call)
            .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        match tokio::time::timeout(bound, self.sent(call, request)).await {
            Ok(response) => response,
            Err(_) => Err(self.late(call, bound)),
        }
    }

    fn request(&self, call: &Call) -> reqwest::RequestBuilder {
        let mut url = self.base.clone();
        let prefix = self.base.path().trim_end_matches('/');
        url.set_path(&format!("{prefix}/v1/{}", call.path));
        {
            let mut query = url.query_pairs_mut();
            query.extend_pairs(
                call.namespace
                    .iter()
                    .map(|name| ("namespace", name.as_str())),
            );
            query.extend_pairs(self.region.iter().map(|name| ("region", name)));
            query.extend_pairs(&call.query);
        }
        if url.query() == Some("") {
            url.set_query(None);
        }
        let request = self.http.request(call.method.clone(), url);
        match &call.body {
            None => request,
            Some(body) => request
                .header(CONTENT_TYPE, "application/json")
                .body(body.clone()),
        }
    }

    pub(super) fn site(&self, call: &Call) -> Box<CallSite> {
        let subject = match &call.namespace {
            Some(namespace) => format!("{} in namespace `{namespace}`", call.subject),
            None => call.subject.clone(),
        };
        Box::new(CallSite {
            operation: call.operation,
            subject,
            address: self.address.to_string(),
        })
    }

    /// A transport failure. reqwest counts DNS, TCP and TLS as connecting, all before the request is sent.
    pub(super) fn broken(&self, call: &Call, error: reqwest::Error) -> NomadError {
        let site = self.site(call);
        let source = error.without_url();
        if is_tls(&source) {
            NomadError::Tls { site, source }
        } else if source.is_connect() || source.is_builder() {
            NomadError::Connect { site, source }
        } else if call.effect == Effect::Read {
            NomadError::Interrupted { site, source }
        } else {
            NomadError::ReplyLost {
                site,
                source: Box::new(LostReply::Broken(source)),
            }
        }
    }

    fn late(&self, call: &Call, after: Duration) -> NomadError {
        let site = self.site(call);
        match call.effect {
            Effect::Read => NomadError::Timeout { site, after },
            Effect::Write(_) => NomadError::ReplyLost {
                site,
                source: Box::new(LostReply::Late(after)),
            },
        }
    }

    fn too_long(&self, call: &Call) -> NomadError {
        let (site, limit) = (self.site(call), call.limit);
        match call.effect {
            Effect::Read => NomadError::TooLarge { site, limit },
            Effect::Write(_) => NomadError::ReplyLost {
                site,
                source: Box::new(LostReply::TooLong(limit)),
            },
        }
    }

    /// A success whose body is not what it should be.
    pub(super) fn unreadable(&self, call: &Call, error: &serde_json::Error) -> NomadError {
        let (site, source) = (self.site(call), DecodeError::from(error));
        match call.effect {
            Effect::Read => NomadError::Malformed { site, source },
            Effect::Write(_) => NomadError::ReplyLost {
                site,
                source: Box::new(LostReply::Unreadable(source)),
            },
        }
    }

    /// What an answer that is no success means.
    pub(super) fn refusal(&self, call: &Call, answer: &Answer) -> NomadError {
        let secrets: Vec<&str> = self.secrets.iter().map(|secret| secret.expose()).collect();
        let failure = Failure {
            status: answer.status,
            html: answer
                .text("content-type")
                .is_some_and(|kind| kind.starts_with("text/html")),
            retry_after: answer
                .text(RETRY_AFTER.as_str())
                .and_then(|text| text.parse().ok())
                .map(Duration::from_secs),
            body: &String::from_utf8_lossy(&answer.body),
            secrets: &secrets,
        };
        classify(*self.site(call), call.effect, &failure)
    }

    /// A conflict whose body must not be shown.
    pub(super) fn conflict(
        &self,
        call: &Call,
        expected: ModifyIndex,
        status: u16,
        text: &str,
    ) -> NomadError {
        NomadError::Conflict {
            site: self.site(call),
            expected,
            source: super::error::ApiError::new(status, text, &[]),
        }
    }
}

/// Puts credentials into `headers`, marked so that they are never printed, and returns every form they take.
fn credentials(
    config: &ConnectionConfig,
    headers: &mut HeaderMap,
) -> Result<Vec<crate::secret::Secret>, ConnectionError> {
    let mut secrets = Vec::new();
    if let Some(token) = config.token.as_ref().filter(|token| !token.is_empty()) {
        let value = sensitive(token.expose()).ok_or(bad(
            "NOMAD_TOKEN",
            "must be one token of visible ASCII characters",
        ))?;
        headers.insert(HeaderName::from_static("x-nomad-token"), value);
        secrets.push(token.clone());
    }
    if let Some(auth) = &config.http_auth {
        let pair = BASE64.encode(format!("{}:{}", auth.user, auth.password.expose()));
        let value = sensitive(&format!("Basic {pair}")).expect("base64 is visible ASCII");
        headers.insert(AUTHORIZATION, value);
        secrets.extend([auth.password.clone(), crate::secret::Secret::new(pair)]);
    }
    Ok(secrets)
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Replaces the host of `base` by `name`, keeps the host's own name in the `Host` header, and returns what leads `name`
/// to that host.
fn pin(
    base: &mut Url,
    name: &str,
    headers: &mut HeaderMap,
) -> Result<tls::Pinned, ConnectionError> {
    let host = base
        .host_str()
        .expect("an http address has a host")
        .to_owned();
    let shown = match base.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.clone(),
    };
    let shown =
        HeaderValue::from_str(&shown).map_err(|_| bad("NOMAD_ADDR", "names no valid host"))?;
    headers.insert(HOST, shown);
    base.set_host(Some(name)).map_err(|_| {
        bad(
            "NOMAD_TLS_SERVER_NAME",
            "must be a DNS name such as server.global.nomad",
        )
    })?;
    let host = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    Ok(tls::Pinned { host })
}

/// Whether TLS itself failed. An alert about our certificate arrives after the connection stands, so the kind of error
/// does not tell. An end of the connection is no TLS error, even inside TLS.
fn is_tls(error: &reqwest::Error) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if error.is::<rustls::Error>() {
            return true;
        }
        // An `io::Error` names the source of what it wraps, not what it wraps.
        next = match error.downcast_ref::<std::io::Error>() {
            Some(io) => io.get_ref().map(|inner| inner as _),
            None => error.source(),
        };
    }
    false
}
