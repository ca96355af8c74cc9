//! The calls themselves: one attempt, its retries, and what becomes of the answer.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use serde::Serialize;
use tokio::time::Instant;
use url::Url;

use super::answer::{domain_in, is_another_path, is_taken, message_in};
use super::breaker::{Admission, Breaker};
use super::retry;
use super::wire::{DeploymentType, ServiceUpdate, Step, StepBody, StepStatus};
use crate::clients::egress::{self, Egress};
use crate::clients::tls;
use crate::observe::{self, HttpCall, Peer};
use crate::secret::{REDACTED, SafeUrl, Secret};

/// Longest attempt, from connecting to the end of the answer.
const ATTEMPT: Duration = Duration::from_secs(30);

/// Longest wait for a connection. A host that drops packets must not take the whole attempt.
const CONNECT: Duration = Duration::from_secs(5);

/// How much of an answer is read. Answers are one short object.
const ANSWER_LIMIT: usize = 64 * 1024;

/// Longest message of the backend that is repeated in the log, in characters.
const MESSAGE_LIMIT: usize = 300;

const ASK_DOMAIN: &str = "/api/local/ask-domain";
const SERVICE_UPDATE: &str = "/api/local/service-update";
const DEPLOYMENT_STEP: &str = "/api/local/deployment-step/update";

/// Why there is no backend to call. Never repeats more of the address than scheme, host and port, and never the token.
#[derive(Debug, thiserror::Error)]
pub enum BackendConfigError {
    /// The base URL does not parse.
    #[error("the backend URL is not an absolute URL: give one like `https://backend.example`")]
    NotAUrl(#[source] url::ParseError),
    /// Another scheme than http and https.
    #[error("the backend URL must begin with `http://` or `https://`")]
    Scheme,
    /// The base URL brings a query or a fragment, which the calls could not keep.
    #[error("the backend URL must have no query and no fragment: give scheme, host, port and path")]
    Query,
    /// It leads to where no call may go.
    #[error(transparent)]
    Refused(#[from] egress::Refused),
    /// No token.
    #[error("the backend's access token is empty")]
    EmptyToken,
    /// TLS cannot be set up.
    #[error("cannot prepare TLS for the backend: the system's certificates cannot be used")]
    Tls(#[source] rustls::Error),
    /// The HTTP client cannot be built.
    #[error("cannot prepare connections to the backend")]
    Http(#[source] reqwest::Error),
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallOutcome {
    /// The backend took it.
    Done,
    /// It was sent and not taken, or could not be sent; a warning says why.
    Failed,
    /// It was not sent: the backend was found dead a moment ago, or an id is empty.
    Skipped,
}

/// A client of one backend. Cheap to clone; clones share connections and the breaker.
///
/// Transport errors, 429 and 5xx except 501 are tried again after 1, 2 and 4 s. A call that used up its attempts trips
/// the breaker for 30 s: one warning then, and one that counts the skipped calls at the end.
#[derive(Clone)]
pub struct Backend {
    shared: Arc<Shared>,
}

struct Shared {
    http: reqwest::Client,
    base: SafeUrl,
    token: Secret,
    breaker: Breaker,
    /// The service-update path without its slash is the one that this backend knows.
    without_slash: AtomicBool,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.report_skipped();
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend")
            .field("base", &self.shared.base)
            .finish_non_exhaustive()
    }
}

/// One call, before it is known which path form and which attempt.
struct Call<'a> {
    /// For the log, e.g. `ask-domain`.
    operation: &'static str,
    /// For the log: the service or deployment.
    subject: &'a str,
    method: Method,
    path: &'a str,
    /// Sorted after `accessToken`, which comes first.
    query: Option<(&'static str, &'a str)>,
    body: Option<Vec<u8>>,
}

/// An answer that another attempt would not change.
struct Answer {
    status: StatusCode,
    body: Vec<u8>,
}

/// One attempt without such an answer.
struct Missed {
    /// For the log, without addresses and secrets.
    why: String,
    retry_after: Option<String>,
}

/// A call without an answer.
enum NoAnswer {
    Skipped,
    /// Already told in the log.
    GaveUp,
}

impl Backend {
    /// Prepares connections; nothing is sent.
    ///
    /// A proxy of the environment is used, except for a backend on this machine. The rules are for an address that params
    /// name.
    ///
    /// # Errors
    /// The base URL or the token cannot be used: a person has to correct it. The caller warns and goes on without.
    pub fn new(base_url: &str, token: Secret, egress: &Egress) -> Result<Self, BackendConfigError> {
        let base = Url::parse(base_url.trim()).map_err(BackendConfigError::NotAUrl)?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(BackendConfigError::Scheme);
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(BackendConfigError::Query);
        }
        if token.is_empty() {
            return Err(BackendConfigError::EmptyToken);
        }
        Ok(Self {
            shared: Arc::new(Shared {
                http: http_client(&base, egress)?,
                base: base.into(),
                token,
                breaker: Breaker::default(),
                without_slash: AtomicBool::new(false),
            }),
        })
    }

    /// Asks for the subdomain of a service. `None` after a failure, which is in the log.
    ///
    /// The answer may be a bare label or a full name: see [`full_domain`](crate::dispatch::convert::full_domain).
    pub async fn ask_domain(&self, service_id: &str) -> Option<String> {
        let call = Call {
            operation: "ask-domain",
            subject: service_id,
            method: Method::GET,
            path: ASK_DOMAIN,
            query: Some(("serviceId", service_id)),
            body: None,
        };
        let answer = self.shared.call(&call).await.ok()?;
        if answer.status != StatusCode::OK {
            self.shared.warn_refused(&call, &answer);
            return None;
        }
        let domain = domain_in(&answer.body);
        if domain.is_none() {
            warn_failed(&call, "the answer holds no usable `domain`");
        }
        domain
    }

    /// Tells the ports and the start of a service.
    pub async fn service_update(&self, update: &ServiceUpdate) -> CallOutcome {
        let with_slash = format!("{SERVICE_UPDATE}/");
        let forms = [with_slash.as_str(), SERVICE_UPDATE];
        let first = usize::from(self.shared.without_slash.load(Ordering::Relaxed));
        let mut call = Call {
            operation: "service-update",
            subject: &update.service_id,
            method: Method::PUT,
            path: forms[first],
            query: None,
            body: Some(json(update)),
        };
        let mut answer = self.shared.call(&call).await;
        if matches!(&answer, Ok(answer) if is_another_path(answer.status)) {
            call.path = forms[1 - first];
            answer = self.shared.call(&call).await;
            if matches!(&answer, Ok(answer) if is_taken(answer.status)) {
                self.shared
                    .without_slash
                    .store(first == 0, Ordering::Relaxed);
            }
        }
        self.shared.outcome(&call, answer)
    }

    /// Tells how far one step of a deployment is.
    pub async fn step(
        &self,
        deployment_id: &str,
        deployment_type: DeploymentType,
        step: Step,
        status: StepStatus,
    ) -> CallOutcome {
        let body = StepBody::new(deployment_id, deployment_type, step, &status);
        let call = Call {
            operation: "deployment-step",
            subject: deployment_id,
            method: Method::PUT,
            path: DEPLOYMENT_STEP,
            query: None,
            body: Some(json(&body)),
        };
        let answer = self.shared.call(&call).await;
        self.shared.outcome(&call, answer)
    }

    /// Says in the log how many calls the breaker skipped, once for each of them.
    pub(super) fn report_skipped(&self) {
        self.shared.report_skipped();
    }
}

impl Shared {
    /// Sends a call until there is an answer that another attempt would not change.
    async fn call(&self, call: &Call<'_>) -> Result<Answer, NoAnswer> {
        if call.subject.is_empty() {
            warn_failed(call, "its id is empty, so it was not sent");
            return Err(NoAnswer::Skipped);
        }
        let retries = match self.breaker.admit(Instant::now()) {
            Admission::Call => retry::RETRIES,
            Admission::Probe => 0,
            Admission::Skip => return Err(NoAnswer::Skipped),
        };
        let mut missed = match self.attempt(call).await {
            Ok(answer) => return Ok(self.answered(answer)),
            Err(missed) => missed,
        };
        for number in 0..retries {
            tracing::debug!(
                operation = call.operation, subject = call.subject, error = %missed.why,
                "backend call is tried again"
            );
            observe::retry("backend");
            tokio::time::sleep(retry::wait(number, missed.retry_after.as_deref())).await;
            if self.breaker.is_open() {
                break;
            }
            missed = match self.attempt(call).await {
                Ok(answer) => return Ok(self.answered(answer)),
                Err(missed) => missed,
            };
        }
        self.give_up(call, &missed.why);
        Err(NoAnswer::GaveUp)
    }

    async fn attempt(&self, call: &Call<'_>) -> Result<Answer, Missed> {
        let missed = |why| Missed {
            why,
            retry_after: None,
        };
        match tokio::time::timeout(ATTEMPT, self.send(call)).await {
            Err(_) => Err(missed(format!("no answer within {} s", ATTEMPT.as_secs()))),
            Ok(Err(error)) => Err(missed(chain(error))),
            Ok(Ok((answer, retry_after))) if retry::is_worth_a_retry(answer.status) => {
                Err(Missed {
                    why: format!("the backend answered {}", answer.status),
                    retry_after,
                })
            }
            Ok(Ok((answer, _))) => Ok(answer),
        }
    }

    async fn send(&self, call: &Call<'_>) -> Result<(Answer, Option<String>), reqwest::Error> {
        let mut request = self.http.request(call.method.clone(), self.url(call));
        if let Some(body) = &call.body {
            request = request
                .header(CONTENT_TYPE, "application/json")
                .body(body.clone());
        }
        // The address has the token in it; the route has not.
        let counted = HttpCall::begin(Peer::Backend, &call.method, self.base.expose(), call.path);
        let response = counted.sign(request).send().await;
        counted.ended(&response);
        let mut response = response?;
        let status = response.status();
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .filter(|_| retry::names_a_wait(status))
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let mut body = Vec::new();
        while body.len() < ANSWER_LIMIT {
            match response.chunk().await {
                Ok(Some(chunk)) => {
                    let room = ANSWER_LIMIT - body.len();
                    body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                }
                Ok(None) => break,
                // The status of a PUT says all; only the answer to a question is needed whole.
                Err(_) if call.body.is_some() => break,
                Err(error) => return Err(error),
            }
        }
        Ok((Answer { status, body }, retry_after))
    }

    /// The address of a call, with the token in it: for the HTTP library alone.
    fn url(&self, call: &Call<'_>) -> Url {
        let mut url = self.base.expose().clone();
        let path = format!("{}{}", url.path().trim_end_matches('/'), call.path);
        url.set_path(&path);
        url.query_pairs_mut()
            .append_pair("accessToken", self.token.expose())
            .extend_pairs(call.query);
        url
    }

    fn answered(&self, answer: Answer) -> Answer {
        if self.breaker.answered() {
            tracing::info!("the backend answers again");
            self.report_skipped();
        }
        answer
    }

    fn give_up(&self, call: &Call<'_>, why: &str) {
        warn_failed(call, why);
        if self.breaker.gave_up(Instant::now()) {
            tracing::warn!(
                address = %self.base,
                "the backend is not usable: further calls are skipped for a while, and the deployment goes on"
            );
        }
    }

    fn outcome(&self, call: &Call<'_>, answer: Result<Answer, NoAnswer>) -> CallOutcome {
        match answer {
            Ok(answer) if is_taken(answer.status) => CallOutcome::Done,
            Ok(answer) => {
                self.warn_refused(call, &answer);
                CallOutcome::Failed
            }
            Err(NoAnswer::GaveUp) => CallOutcome::Failed,
            Err(NoAnswer::Skipped) => CallOutcome::Skipped,
        }
    }

    fn warn_refused(&self, call: &Call<'_>, answer: &Answer) {
        let status = answer.status;
        // A refused token is likely to be quoted in the answer, in part even, so that answer is not repeated.
        let hidden = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        match message_in(&answer.body).filter(|_| !hidden) {
            Some(message) => warn_failed(
                call,
                &format!(
                    "the backend answered {status}: {}",
                    self.without_token(&message)
                ),
            ),
            None => warn_failed(call, &format!("the backend answered {status}")),
        }
    }

    fn without_token(&self, text: &str) -> String {
        let encoded: String =
            url::form_urlencoded::byte_serialize(self.token.expose().as_bytes()).collect();
        text.replace(self.token.expose(), REDACTED)
            .replace(&encoded, REDACTED)
            .chars()
            .map(|c| if crate::plain::steers(c) { ' ' } else { c })
            .take(MESSAGE_LIMIT)
            .collect()
    }

    fn report_skipped(&self) {
        let skipped = self.breaker.take_skipped();
        if skipped > 0 {
            tracing::warn!(
                skipped,
                "{skipped} backend calls were skipped because the backend was not usable"
            );
        }
    }
}

fn http_client(base: &Url, egress: &Egress) -> Result<reqwest::Client, BackendConfigError> {
    let tls = if base.scheme() == "https" {
        tls::system_trust()
    } else {
        tls::no_trust()
    };
    let mut builder = egress
        .guard(reqwest::Client::builder(), base)?
        .tls_backend_preconfigured(tls.map_err(BackendConfigError::Tls)?)
        // A redirect would carry the token to wherever it points.
        .redirect(reqwest::redirect::Policy::none())
        // An answer may not unfold to more than was read.
        .no_gzip()
        .connect_timeout(CONNECT);
    if base.host_str().is_some_and(tls::is_loopback) {
        builder = builder.no_proxy();
    }
    builder
        .build()
        .map_err(|error| BackendConfigError::Http(error.without_url()))
}

fn json(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).expect("bodies are plain structs with text keys")
}

/// An error and its causes in one line, without the address, which carries the token.
fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

fn warn_failed(call: &Call<'_>, why: &str) {
    tracing::warn!(
        operation = call.operation,
        subject = call.subject,
        error = why,
        "backend call `{}` failed; the deployment goes on",
        call.operation
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::egress::Reach;

    fn backend(base_url: &str, token: &str) -> Result<Backend, BackendConfigError> {
        Backend::new(base_url, Secret::new(token), &Egress::of(Reach::Local))
    }

    #[test]
    fn an_unusable_base_url_is_refused_without_repeating_it() {
        for bad in [
            "canary",
            "ftp://canary.example",
            "https://",
            "https://h.example/?canary=1",
            "https://h.example/#canary",
            "",
        ] {
            let error = backend(bad, "t").unwrap_err();
            assert!(
                !format!("{error} {error:?}").contains("canary"),
                "{error:?}"
            );
        }
        assert!(matches!(
            backend("http://127.0.0.1", ""),
            Err(BackendConfigError::EmptyToken)
        ));
    }

    #[test]
    fn the_token_is_form_encoded_and_comes_before_the_service() {
        let backend = backend("http://127.0.0.1:1/base/", "a b&c+é").unwrap();
        let url = backend.shared.url(&Call {
            operation: "ask-domain",
            subject: "s",
            method: Method::GET,
            path: ASK_DOMAIN,
            query: Some(("serviceId", "img 1/2")),
            body: None,
        });
        assert_eq!(
            url.as_str(),
            "http://127.0.0.1:1/base/api/local/ask-domain?accessToken=a+b%26c%2B%C3%A9&serviceId=img+1%2F2"
        );
    }

    #[test]
    fn debug_shows_no_token() {
        let backend = backend("http://u:canary@127.0.0.1/", "canary").unwrap();
        assert!(!format!("{backend:?}").contains("canary"));
    }
}
