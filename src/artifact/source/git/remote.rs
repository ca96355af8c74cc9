//! One Git server: calls with bounds on every wait, redirects followed by hand, credentials for the first host alone.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION,
};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use tokio::time::timeout;
use url::Url;

use super::address::GitRequest;
use super::error::{GitError, WhyRefused};
use super::packets::Packets;
use crate::artifact::source::Limits;
use crate::clients::egress::{self, Egress};
use crate::clients::tls::{self, is_loopback};
use crate::observe::{HttpCall, Peer};
use crate::secret::SafeUrl;

/// Redirects of the first call. GitHub needs one for a repository that was renamed.
const REDIRECTS: usize = 5;

/// What the first call asks for, below the repository's address.
const REFS: &str = "/info/refs";

const GIT_PROTOCOL: HeaderName = HeaderName::from_static("git-protocol");

/// A repository at its server.
#[derive(Debug, Clone)]
pub(super) struct Remote {
    request: GitRequest,
    /// Where it is after redirects.
    base: Url,
    client: Client,
    /// For the host that the request names, and no other.
    authorization: Option<HeaderValue>,
    /// Whether the server takes the repository for public and the token for a wrong one.
    is_token_refused: bool,
    egress: Egress,
    connect: Duration,
    silence: Duration,
    download: u64,
}

impl Remote {
    pub(super) fn new(request: &GitRequest, limits: &Limits) -> Result<Self, GitError> {
        Ok(Self {
            request: request.clone(),
            base: request.address().clone(),
            client: client_for(request.address(), limits.connect, &limits.egress)?,
            authorization: request.authorization(),
            is_token_refused: false,
            egress: limits.egress.clone(),
            connect: limits.connect,
            silence: limits.silence,
            download: limits.download_bytes,
        })
    }

    pub(super) fn request(&self) -> &GitRequest {
        &self.request
    }

    /// The repository's name in errors: its address, without credentials.
    pub(super) fn repository(&self) -> String {
        self.request.address().to_string()
    }

    pub(super) fn is_token_refused(&self) -> bool {
        self.is_token_refused
    }

    /// Host and port, for errors.
    pub(super) fn host(&self) -> String {
        host_of(&self.base)
    }

    pub(super) fn malformed(&self, problem: &'static str) -> GitError {
        GitError::Protocol {
            host: self.host(),
            problem,
        }
    }

    /// The server's own words, made fit to be shown.
    pub(super) fn refusal(&self, message: &[u8]) -> GitError {
        let text = String::from_utf8_lossy(message);
        let line: String = text
            .chars()
            .filter(|c| !crate::plain::steers(*c))
            .take(500)
            .collect();
        GitError::Remote {
            host: self.host(),
            message: self.request.scrub(line.trim()),
        }
    }

    /// The first call: which protocol the server speaks, and perhaps its references.
    ///
    /// A token that is refused with 401 is left out once: with Git, an expired token opens public repositories too.
    pub(super) async fn discover(&mut self) -> Result<Packets, GitError> {
        let refused = match self.references().await {
            Err(error @ GitError::Refused { status: 401, .. }) => error,
            other => return other,
        };
        if self.authorization.take().is_none() {
            return Err(refused);
        }
        self.base = self.request.address().clone();
        let Ok(packets) = self.references().await else {
            return Err(refused);
        };
        self.is_token_refused = true;
        Ok(packets)
    }

    async fn references(&mut self) -> Result<Packets, GitError> {
        let mut at = self.request.address().clone();
        at.set_path(&format!("{}{REFS}", at.path()));
        at.set_query(Some("service=git-upload-pack"));
        for _ in 0..=REDIRECTS {
            self.client = client_for(&at, self.connect, &self.egress)?;
            let call = self.client.get(at.clone()).header(ACCEPT, "*/*");
            let response = self.send(Method::GET, call, &at).await?;
            if response.status().is_redirection() {
                at = self.redirected(&at, response.headers())?;
                continue;
            }
            let packets = self.opened(response, &at, "advertisement")?;
            let path = at.path().strip_suffix(REFS);
            let path = path
                .expect("a redirect that leads elsewhere is refused")
                .to_owned();
            at.set_path(&path);
            at.set_query(None);
            self.base = at;
            return Ok(packets);
        }
        Err(self.redirect(&at, &at, "there are too many redirects"))
    }

    /// A later call, to where the first one ended.
    pub(super) async fn post(&self, body: Vec<u8>) -> Result<Packets, GitError> {
        let mut at = self.base.clone();
        at.set_path(&format!("{}/git-upload-pack", at.path()));
        let call = self.client.post(at.clone());
        let call = call.header(CONTENT_TYPE, "application/x-git-upload-pack-request");
        let call = call.header(ACCEPT, "application/x-git-upload-pack-result");
        let response = self.send(Method::POST, call.body(body), &at).await?;
        self.opened(response, &at, "result")
    }

    async fn send(
        &self,
        method: Method,
        call: RequestBuilder,
        at: &Url,
    ) -> Result<Response, GitError> {
        let mut call = call.header(GIT_PROTOCOL, "version=2");
        if let Some(authorization) = self.authorization_for(at) {
            call = call.header(AUTHORIZATION, authorization.clone());
        }
        // The connection has a bound of its own; the answer may begin late.
        let counted = HttpCall::begin(Peer::Git, &method, at, "/{path}");
        let answered = counted.in_time(call, self.connect + self.silence).await;
        if let Ok(Err(error)) = &answered
            && let Some(refused) = egress::refusal(error)
        {
            return Err(refused.into());
        }
        match answered {
            Ok(Ok(response)) => self.accepted(response, at),
            Ok(Err(error)) if error.is_timeout() => Err(GitError::TimedOut {
                host: host_of(at),
                what: "did not accept a connection",
                after: self.connect,
            }),
            Ok(Err(error)) if error.is_connect() => Err(GitError::Unreachable {
                host: host_of(at),
                source: error.without_url(),
            }),
            Ok(Err(error)) => Err(GitError::Cut {
                host: host_of(at),
                received: 0,
                source: Some(error.without_url()),
            }),
            Err(_) => Err(GitError::TimedOut {
                host: host_of(at),
                what: "did not answer",
                after: self.silence,
            }),
        }
    }

    fn authorization_for(&self, at: &Url) -> Option<&HeaderValue> {
        let is_own = at.origin() == self.request.address().origin();
        self.authorization.as_ref().filter(|_| is_own)
    }

    fn accepted(&self, response: Response, at: &Url) -> Result<Response, GitError> {
        let status = response.status();
        match status {
            StatusCode::OK => Ok(response),
            status if status.is_redirection() => Ok(response),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
                Err(GitError::Refused {
                    repository: self.repository(),
                    why: match self.authorization_for(at) {
                        Some(_) => WhyRefused::Token,
                        None if self.authorization.is_some() => WhyRefused::TokenHeldBack,
                        None => WhyRefused::NoToken,
                    },
                    status: status.as_u16(),
                })
            }
            status => Err(GitError::Status {
                host: host_of(at),
                status: status.as_u16(),
            }),
        }
    }

    /// The body of an answer, when its type says that it is one of Git's.
    fn opened(&self, response: Response, at: &Url, kind: &str) -> Result<Packets, GitError> {
        let expected = format!("application/x-git-upload-pack-{kind}");
        let is_git = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.split(';').next().unwrap_or_default().trim() == expected);
        if response.status() != StatusCode::OK || !is_git {
            return Err(GitError::Protocol {
                host: host_of(at),
                problem: "there is no Git repository at this address, or it cannot be fetched over smart HTTP",
            });
        }
        Ok(Packets::new(Body {
            response,
            host: host_of(at),
            repository: self.repository(),
            silence: self.silence,
            received: 0,
            limit: self.download,
        }))
    }

    /// Where a redirect leads, if it may be followed: never from https to http, never from elsewhere to this machine,
    /// and only to the references of another repository.
    fn redirected(&self, from: &Url, headers: &HeaderMap) -> Result<Url, GitError> {
        let target = headers
            .get(LOCATION)
            .and_then(|to| to.to_str().ok())
            .and_then(|to| from.join(to).ok())
            .ok_or_else(|| self.malformed("it redirects to nowhere"))?;
        let here = |url: &Url| url.host_str().is_some_and(is_loopback);
        let problem = match target.scheme() {
            "https" => None,
            "http" if from.scheme() == "http" => None,
            "http" => Some("from https to http"),
            _ => Some("only http and https are"),
        };
        let problem = problem.or_else(|| {
            if here(&target) && !here(from) {
                Some("it leads to this machine")
            } else if !target.username().is_empty() || target.password().is_some() {
                Some("it has credentials inside")
            } else if !target.path().ends_with(REFS) {
                // A page to sign in at, mostly.
                Some("no repository is there; the address may be wrong, or the repository private")
            } else {
                None
            }
        });
        match problem {
            None => Ok(target),
            Some(problem) => Err(self.redirect(from, &target, problem)),
        }
    }

    fn redirect(&self, from: &Url, to: &Url, problem: &'static str) -> GitError {
        GitError::Redirect {
            host: host_of(from),
            target: SafeUrl::from(to.clone()).to_string(),
            problem,
        }
    }
}

/// An answer's body: each wait for a part of it has a bound, and so has the whole size.
#[derive(Debug)]
pub(super) struct Body {
    response: Response,
    pub(super) host: String,
    repository: String,
    silence: Duration,
    received: u64,
    limit: u64,
}

impl Body {
    /// An answer whose bytes are at hand.
    pub(super) fn at_hand(bytes: &[u8]) -> Self {
        Self {
            response: axum::http::Response::new(bytes.to_vec()).into(),
            host: "memory".to_owned(),
            repository: "memory".to_owned(),
            silence: Duration::from_secs(1),
            received: 0,
            limit: u64::MAX,
        }
    }

    /// The next bytes, `None` at the end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, GitError> {
        let chunk = match timeout(self.silence, self.response.chunk()).await {
            Ok(Ok(chunk)) => chunk,
            Ok(Err(error)) => return Err(self.cut(Some(error.without_url()))),
            Err(_) => {
                return Err(GitError::TimedOut {
                    host: self.host.clone(),
                    what: "fell silent in the middle of an answer, and sent nothing more",
                    after: self.silence,
                });
            }
        };
        self.received += chunk.as_ref().map_or(0, Bytes::len) as u64;
        if self.received > self.limit {
            return Err(GitError::TooLarge {
                repository: self.repository.clone(),
                what: "download",
                limit: self.limit,
            });
        }
        Ok(chunk)
    }

    pub(super) fn cut(&self, source: Option<reqwest::Error>) -> GitError {
        GitError::Cut {
            host: self.host.clone(),
            received: self.received,
            source,
        }
    }
}

/// A client for an address: a proxy of the environment is used for hosts elsewhere, and certificates are read only
/// where they are needed.
fn client_for(address: &Url, connect: Duration, egress: &Egress) -> Result<Client, GitError> {
    let trust = match address.scheme() {
        "https" => tls::system_trust(),
        _ => tls::no_trust(),
    };
    let mut builder = Client::builder()
        .tls_backend_preconfigured(trust.map_err(GitError::Tls)?)
        // Some servers show a web page to whoever is not called `git/…`.
        .user_agent(concat!("git/cs-", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect)
        // Redirects are followed here, one by one, because credentials must not follow them.
        .redirect(reqwest::redirect::Policy::none())
        .no_gzip();
    builder = egress.guard(builder, address)?;
    if address.host_str().is_some_and(is_loopback) {
        builder = builder.no_proxy();
    }
    builder
        .build()
        .map_err(|error| GitError::Http(error.without_url()))
}

/// Host and port, for errors.
fn host_of(address: &Url) -> String {
    let host = address.host_str().unwrap_or_default();
    match address.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::source::git::Providers;
    use crate::spec::workload::GitSource;

    fn remote(repository: &str) -> Remote {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let source = GitSource {
            repository: repository.to_owned(),
            revision: "main".to_owned(),
            ..GitSource::default()
        };
        let token = Some("canary".into());
        let request = GitRequest::new(&source, token, &Providers::default()).unwrap();
        Remote {
            authorization: request.authorization(),
            base: request.address().clone(),
            client: Client::new(),
            request,
            is_token_refused: false,
            egress: Egress::default(),
            connect: Duration::ZERO,
            silence: Duration::ZERO,
            download: 0,
        }
    }

    fn redirected(from: &str, to: &str) -> Result<String, String> {
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, to.parse().unwrap());
        remote("https://git.example/o/n")
            .redirected(&Url::parse(from).unwrap(), &headers)
            .map(|url| url.to_string())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn redirects_lead_to_repositories_elsewhere_and_never_out_of_tls() {
        let refs = "info/refs?service=git-upload-pack";
        for (from, to) in [
            ("https://a.example", "https://b.example"),
            ("http://a.example", "https://a.example"),
            ("http://a.example", "http://b.example"),
            ("http://127.0.0.1:1", "http://127.0.0.1:2"),
        ] {
            let to = format!("{to}/x/{refs}");
            assert_eq!(redirected(&format!("{from}/{refs}"), &to), Ok(to.clone()));
        }
        assert_eq!(
            redirected("https://a.example/o/info/refs", "/n/info/refs"),
            Ok("https://a.example/n/info/refs".to_owned())
        );
        for (to, why) in [
            ("http://a.example/x/info/refs", "from https to http"),
            ("ftp://a.example/x/info/refs", "only http and https"),
            ("https://127.0.0.1/x/info/refs", "leads to this machine"),
            (
                "https://u:canary@b.example/x/info/refs",
                "credentials inside",
            ),
            (
                "https://a.example/login?next=canary",
                "no repository is there",
            ),
        ] {
            let error = redirected("https://a.example/o/info/refs", to).unwrap_err();
            assert!(error.contains(why), "{error}");
            assert!(!error.contains("canary"), "{error}");
        }
    }

    #[test]
    fn credentials_go_to_the_named_origin_alone() {
        let remote = remote("https://git.example/o/n");
        let sent = |to| remote.authorization_for(&Url::parse(to).unwrap()).is_some();
        assert!(sent("https://git.example/other"));
        for other in [
            "http://git.example/o/n",
            "https://git.example:8443/o/n",
            "https://sub.git.example/o/n",
            "https://example/o/n",
        ] {
            assert!(!sent(other), "{other}");
        }
    }

    #[test]
    fn nothing_that_is_printed_shows_the_token() {
        let remote = remote("https://git.example/o/n");
        let encoded = remote.request.authorization().unwrap();
        let encoded = encoded.to_str().unwrap().trim_start_matches("Basic ");
        let shown = format!(
            "{remote:?} {}",
            remote.refusal(format!("no canary, no {encoded}\n").as_bytes())
        );
        assert!(
            !shown.contains("canary") && !shown.contains(encoded),
            "{shown}"
        );
    }
}
