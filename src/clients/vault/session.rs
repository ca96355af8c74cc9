//! One call to Vault: its attempts, its redirects, its bounded answer.

use std::error::Error;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode};
use url::Url;

use super::answer::texts_in;
use super::error::VaultError;
use super::login::VaultLogin;
use super::redirect::broken_rule;
use super::retry;
use super::said::{Said, gives_away};
use super::tls::http_client;
use crate::clients::chain;
use crate::observe::{HttpCall, Peer};
use crate::secret::Secret;

/// How much of an answer is read. Vault itself takes no larger request than 32 MiB, but what a build needs is small.
const ANSWER_LIMIT: usize = 1024 * 1024;

/// Redirects of one attempt: from a standby node to the active one, which may just have changed.
const REDIRECTS: usize = 2;

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
/// Proxies of Vault may demand it, so that a web page cannot make a browser call them.
const REQUEST: HeaderName = HeaderName::from_static("x-vault-request");

/// Connections to one Vault, for one reading.
pub(super) struct Session<'a> {
    pub(super) login: &'a VaultLogin,
    http: reqwest::Client,
    namespace: Option<HeaderValue>,
}

/// One call, before it is known which attempt.
pub(super) struct Call<'a> {
    /// For the log and errors, e.g. `login`.
    pub(super) operation: &'static str,
    pub(super) method: Method,
    pub(super) url: Url,
    /// JSON.
    pub(super) body: Option<&'a Secret>,
    pub(super) token: Option<&'a Secret>,
}

/// An answer that another attempt would not change.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Secret,
}

/// One attempt without such an answer.
enum Missed {
    Again {
        error: VaultError,
        retry_after: Option<String>,
    },
    Final(VaultError),
}

impl<'a> Session<'a> {
    /// Prepares connections; nothing is sent.
    pub(super) async fn new(login: &'a VaultLogin) -> Result<Self, VaultError> {
        let namespace = login.namespace.as_deref().filter(|text| !text.is_empty());
        let namespace = namespace
            .map(HeaderValue::from_str)
            .transpose()
            .map_err(|_| VaultError::Namespace)?;
        if !login.is_https() && !login.is_here() {
            tracing::warn!(
                address = %login.address(),
                "Vault is called without TLS: role id, secret id and secrets can be read on the way"
            );
        }
        let settings = login.clone();
        let http = tokio::task::spawn_blocking(move || http_client(&settings))
            .await
            .expect("building a client neither panics nor is it aborted")?;
        Ok(Self {
            login,
            http,
            namespace,
        })
    }

    /// Sends a call until there is an answer that another attempt would not change.
    pub(super) async fn call(&self, call: &Call<'_>) -> Result<Answer, VaultError> {
        let retries = self.login.max_retries.min(retry::MOST_RETRIES);
        let mut number = 0;
        loop {
            let (error, retry_after) = match self.attempt(call).await {
                Ok(answer) => return Ok(answer),
                Err(Missed::Again { error, retry_after }) if number < retries => {
                    (error, retry_after)
                }
                Err(Missed::Again { error, .. } | Missed::Final(error)) => return Err(error),
            };
            tracing::debug!(
                operation = call.operation,
                error = chain(&error),
                "Vault is called again"
            );
            tokio::time::sleep(retry::wait(number, retry_after.as_deref())).await;
            number += 1;
        }
    }

    /// Sends a call once, and says nothing of its answer but whether it was taken.
    pub(super) async fn call_once(&self, call: &Call<'_>) -> Result<(), VaultError> {
        match self.attempt(call).await {
            Ok(answer) if answer.status.is_success() => Ok(()),
            Ok(answer) => Err(self.unexpected(call, &answer)),
            Err(Missed::Again { error, .. } | Missed::Final(error)) => Err(error),
        }
    }

    /// For errors.
    pub(super) fn address(&self) -> String {
        self.login.address().to_string()
    }

    pub(super) fn unexpected(&self, call: &Call<'_>, answer: &Answer) -> VaultError {
        VaultError::UnexpectedStatus {
            address: self.address(),
            operation: call.operation,
            status: answer.status.as_u16(),
            said: self.said(call, answer),
        }
    }

    /// Vault's own words, if they repeat nothing of what was sent.
    pub(super) fn said(&self, call: &Call<'_>, answer: &Answer) -> Said {
        let secrets: Vec<&Secret> = self.secrets(call).collect();
        Said::new(&texts_in(&answer.body), &secrets)
    }

    fn secrets<'b>(&'b self, call: &'b Call<'_>) -> impl Iterator<Item = &'b Secret> {
        [&self.login.role_id, &self.login.secret_id]
            .into_iter()
            .chain(call.token)
    }

    async fn attempt(&self, call: &Call<'_>) -> Result<Answer, Missed> {
        let after = self.login.timeout;
        let (answer, retry_after) = tokio::time::timeout(after, self.exchange(call))
            .await
            .unwrap_or_else(|_| {
                Err(Missed::Again {
                    error: VaultError::TimedOut {
                        address: self.address(),
                        after,
                    },
                    retry_after: None,
                })
            })?;
        if !retry::is_worth_a_retry(answer.status) {
            return Ok(answer);
        }
        Err(Missed::Again {
            error: self.unavailable(call, &answer),
            retry_after,
        })
    }

    fn unavailable(&self, call: &Call<'_>, answer: &Answer) -> VaultError {
        let said = self.said(call, answer);
        let address = self.address();
        if answer.status == StatusCode::SERVICE_UNAVAILABLE && said.mentions("is sealed") {
            return VaultError::Sealed { address };
        }
        VaultError::Unavailable {
            address,
            status: answer.status.as_u16(),
            said,
        }
    }

    /// Sends a call and follows its redirects.
    async fn exchange(&self, call: &Call<'_>) -> Result<(Answer, Option<String>), Missed> {
        let mut at = call.url.clone();
        for _ in 0..=REDIRECTS {
            let response = self.send(call, &at).await?;
            if !response.status().is_redirection() {
                let retry_after = retry_after(&response);
                let answer = self.read(response).await?;
                return Ok((answer, retry_after));
            }
            at = self.redirected(call, &at, &response)?;
        }
        // Two nodes that each take the other for the active one agree in a moment.
        Err(Missed::Again {
            error: self.not_followed(call, &at, "there are too many"),
            retry_after: None,
        })
    }

    async fn send(&self, call: &Call<'_>, at: &Url) -> Result<Response, Missed> {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST, HeaderValue::from_static("true"));
        if let Some(namespace) = &self.namespace {
            headers.insert(NAMESPACE, namespace.clone());
        }
        if let Some(token) = call.token {
            let mut token = HeaderValue::from_str(token.expose())
                .map_err(|_| Missed::Final(self.malformed("token")))?;
            token.set_sensitive(true);
            headers.insert(TOKEN, token);
        }
        let mut request = self.http.request(call.method.clone(), at.clone());
        if let Some(body) = call.body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            request = request.body(body.expose().to_owned());
        }
        // Paths tell where secrets lie.
        let counted = HttpCall::begin(Peer::Vault, &call.method, at, "/v1/{path}");
        let sent = request.headers(headers).send().await;
        counted.ended(&sent);
        sent.map_err(|error| self.transport(error))
    }

    async fn read(&self, mut response: Response) -> Result<Answer, Missed> {
        let status = response.status();
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > ANSWER_LIMIT => {
                    return Err(Missed::Final(VaultError::TooLarge {
                        address: self.address(),
                        limit: ANSWER_LIMIT,
                    }));
                }
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(error) => return Err(self.transport(error)),
            }
        }
        // Vault's answers are JSON; of others only the status counts, and no such body is a JSON document.
        let body = Secret::new(String::from_utf8(body).unwrap_or_default());
        Ok(Answer { status, body })
    }

    /// Where a redirect leads, if credentials may go there: see [`redirect`](super::redirect).
    fn redirected(&self, call: &Call<'_>, at: &Url, response: &Response) -> Result<Url, Missed> {
        let target = response
            .headers()
            .get(LOCATION)
            .and_then(|to| to.to_str().ok())
            .and_then(|to| at.join(to).ok())
            .ok_or_else(|| Missed::Final(self.malformed("redirect")))?;
        match broken_rule(&call.url, &target, response.status()) {
            Some(why) => Err(Missed::Final(self.not_followed(call, &target, why))),
            None => Ok(target),
        }
    }

    fn not_followed(&self, call: &Call<'_>, target: &Url, why: &'static str) -> VaultError {
        let origin = target.origin().ascii_serialization();
        let hidden = self.secrets(call).any(|secret| gives_away(&origin, secret));
        VaultError::Redirected {
            address: self.address(),
            to: if hidden {
                "another address".to_owned()
            } else {
                format!("`{origin}`")
            },
            why,
        }
    }

    pub(super) fn malformed(&self, what: &'static str) -> VaultError {
        VaultError::Malformed {
            address: self.address(),
            what,
        }
    }

    fn transport(&self, error: reqwest::Error) -> Missed {
        let (address, source) = (self.address(), error.without_url());
        if is_tls(&source) {
            return Missed::Final(VaultError::Untrusted { address, source });
        }
        Missed::Again {
            error: VaultError::Unreachable { address, source },
            retry_after: None,
        }
    }
}

fn retry_after(response: &Response) -> Option<String> {
    let named = matches!(
        response.status(),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    );
    let value = response.headers().get(RETRY_AFTER).filter(|_| named)?;
    value.to_str().ok().map(str::to_owned)
}

/// Whether TLS itself failed, which no other attempt changes. An end of the connection is no TLS error, even inside TLS.
fn is_tls(error: &reqwest::Error) -> bool {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
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
