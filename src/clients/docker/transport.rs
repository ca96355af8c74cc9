//! HTTP to one engine, and failures as errors.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::address::{Door, EngineAddress};
use super::error::{EngineError, Unreachable};
use super::tls;
use super::version::ApiVersion;
use crate::secret::REDACTED;

/// Until a connection stands, TLS included.
const CONNECT: Duration = Duration::from_secs(10);

/// A whole short call. Generous: an engine whose disk is busy takes its time for removals.
const CALL: Duration = Duration::from_secs(60);

/// A whole question who the engine is.
const ASK: Duration = Duration::from_secs(15);

/// Of an answer that is read as a whole: the configuration of an image, or an error.
const ANSWER_LIMIT: usize = 8 * 1024 * 1024;

/// Longest text of the engine that goes into an error, in characters.
const MESSAGE_LIMIT: usize = 1000;

/// The connections to one engine. Each call has its own, so that a call that is dropped closes it.
#[derive(Debug)]
pub(super) struct Transport {
    http: Client,
    base: Url,
    address: EngineAddress,
}

impl Transport {
    pub(super) fn new(door: Door) -> Result<Self, EngineError> {
        let mut builder = Client::builder()
            .tls_backend_preconfigured(tls::client_config(&door)?)
            // Only HTTP/1 can be upgraded to a session.
            .http1_only()
            .no_proxy()
            .no_gzip()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .pool_max_idle_per_host(0)
            .user_agent(concat!("cs/", env!("CARGO_PKG_VERSION")));
        let base = match &door.address {
            EngineAddress::Tcp(url) => url.expose().clone(),
            EngineAddress::Unix(path) => {
                builder = builder.unix_socket(path.clone());
                Url::parse("http://docker.sock/").expect("a constant address parses")
            }
        };
        let http = builder
            .build()
            .map_err(|source| EngineError::Http(source.without_url()))?;
        Ok(Self {
            http,
            base,
            address: door.address,
        })
    }

    pub(super) fn address(&self) -> &EngineAddress {
        &self.address
    }

    /// A request of a path, e.g. `/build`, in a version of the API; without one for the calls that negotiate it.
    pub(super) fn request(
        &self,
        method: Method,
        version: Option<ApiVersion>,
        path: &str,
    ) -> RequestBuilder {
        let mut url = self.base.clone();
        let prefix = self.base.path().trim_end_matches('/');
        match version {
            Some(version) => url.set_path(&format!("{prefix}/v{version}{path}")),
            None => url.set_path(&format!("{prefix}{path}")),
        }
        self.http.request(method, url)
    }

    /// Sends a short call.
    pub(super) async fn call(
        &self,
        operation: &'static str,
        request: RequestBuilder,
    ) -> Result<Response, EngineError> {
        self.send(operation, request.timeout(CALL)).await
    }

    /// Asks for something that every engine knows at once.
    pub(super) async fn ask(
        &self,
        operation: &'static str,
        path: &str,
    ) -> Result<Response, EngineError> {
        let request = self.request(Method::GET, None, path).timeout(ASK);
        let response = self.send(operation, request).await?;
        self.accepted(operation, response).await
    }

    /// Sends a call whose answer may take any time.
    pub(super) async fn send(
        &self,
        operation: &'static str,
        request: RequestBuilder,
    ) -> Result<Response, EngineError> {
        request
            .send()
            .await
            .map_err(|error| self.failed(operation, error))
    }

    /// An answer that is a success, or its refusal.
    pub(super) async fn accepted(
        &self,
        operation: &'static str,
        response: Response,
    ) -> Result<Response, EngineError> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = self.body(operation, response).await?;
        let message = message(&body, status);
        if is_full(&message) {
            return Err(EngineError::NoSpace { operation, message });
        }
        Err(EngineError::Refused {
            operation,
            status: status.as_u16(),
            message,
        })
    }

    /// The JSON document of an answer.
    pub(super) async fn document<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        response: Response,
        what: &'static str,
    ) -> Result<T, EngineError> {
        let body = self.body(operation, response).await?;
        serde_json::from_slice(&body).map_err(|_| self.malformed(what))
    }

    async fn body(
        &self,
        operation: &'static str,
        mut response: Response,
    ) -> Result<Vec<u8>, EngineError> {
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| self.failed(operation, error))?
        {
            if body.len() + chunk.len() > ANSWER_LIMIT {
                return Err(self.malformed("answer: it is too long"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    pub(super) fn malformed(&self, what: &'static str) -> EngineError {
        EngineError::Malformed {
            address: self.address.clone(),
            what,
        }
    }

    /// What a failure of the connection means.
    pub(super) fn failed(&self, operation: &'static str, error: reqwest::Error) -> EngineError {
        let address = self.address.clone();
        let source = error.without_url();
        if source.is_connect() {
            let why = unreachable(&source);
            return EngineError::Unreachable {
                address,
                why,
                source,
            };
        }
        if source.is_timeout() {
            return EngineError::TimedOut { address, operation };
        }
        EngineError::Lost {
            address,
            operation,
            source,
        }
    }
}

fn unreachable(error: &reqwest::Error) -> Unreachable {
    if error.is_timeout() {
        return Unreachable::Slow;
    }
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(cause) = cause.downcast_ref::<io::Error>() {
            return match cause.kind() {
                io::ErrorKind::NotFound => Unreachable::NoSocket,
                io::ErrorKind::PermissionDenied => Unreachable::Forbidden,
                io::ErrorKind::ConnectionRefused => Unreachable::Refused,
                io::ErrorKind::TimedOut => Unreachable::Slow,
                _ => Unreachable::Other,
            };
        }
        next = cause.source();
    }
    Unreachable::Other
}

/// The reason of an answer that is an error: its `message`, else its status in words.
fn message(body: &[u8], status: StatusCode) -> String {
    #[derive(Deserialize)]
    struct Body {
        message: String,
    }
    match serde_json::from_slice::<Body>(body) {
        Ok(body) if !body.message.trim().is_empty() => one_line(&body.message),
        _ => status.canonical_reason().unwrap_or("no reason").to_owned(),
    }
}

/// A text of the engine in one line of bounded length.
///
/// It may quote an address to which a registry led it, and those may be presigned: queries and users are taken out.
pub(super) fn one_line(text: &str) -> String {
    let words: Vec<String> = text.split_whitespace().map(without_query).collect();
    words.join(" ").chars().take(MESSAGE_LIMIT).collect()
}

/// A word without the query and the user of an address in it.
fn without_query(word: &str) -> String {
    let Some((before, address)) = word.split_once("://") else {
        return word.to_owned();
    };
    let end = address.find('"').unwrap_or(address.len());
    let (address, after) = address.split_at(end);
    let (host, path) = address.split_at(address.find('/').unwrap_or(address.len()));
    let host = host.rsplit('@').next().unwrap_or(host);
    let path = match path.split_once('?') {
        Some((path, _)) => format!("{path}?{REDACTED}"),
        None => path.to_owned(),
    };
    format!("{before}://{host}{path}{after}")
}

/// Whether the engine complains about its own disk.
pub(super) fn is_full(message: &str) -> bool {
    message
        .to_ascii_lowercase()
        .contains("no space left on device")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn transport(host: &str) -> Transport {
        let environment = Environment::of_pairs([("DOCKER_HOST", host)]);
        Transport::new(Door::from_environment(&environment).unwrap()).unwrap()
    }

    #[test]
    fn a_path_stands_behind_the_version_and_the_prefix_of_the_address() {
        let version = Some("1.41".parse().unwrap());
        for (host, version, expected) in [
            ("tcp://h:1", None, "http://h:1/_ping"),
            (
                "tcp://h:1/docker/",
                version,
                "http://h:1/docker/v1.41/_ping",
            ),
            ("unix:///x", version, "http://docker.sock/v1.41/_ping"),
        ] {
            let request = transport(host).request(Method::GET, version, "/_ping");
            assert_eq!(request.build().unwrap().url().as_str(), expected);
        }
    }

    #[test]
    fn a_refusal_is_told_in_one_bounded_line() {
        let status = StatusCode::BAD_REQUEST;
        let body = br#"{"message":"first\n  second"}"#;
        assert_eq!(message(body, status), "first second");
        assert_eq!(message(b"<html>", status), "Bad Request");
        assert_eq!(message(br#"{"message":" "}"#, status), "Bad Request");
        assert_eq!(one_line(&"x".repeat(5000)).len(), MESSAGE_LIMIT);
    }

    #[test]
    fn addresses_are_told_without_their_credentials() {
        for (text, told) in [
            (
                "Put \"https://s3.example/x?X-Sig=canary&y=1\": EOF",
                "Put \"https://s3.example/x?[redacted]\": EOF",
            ),
            (
                "at https://u:canary@h:5000/v2/?canary: 503",
                "at https://h:5000/v2/?[redacted] 503",
            ),
            (
                "at http://h/v2/: 503 really?",
                "at http://h/v2/: 503 really?",
            ),
            ("://", "://"),
        ] {
            assert_eq!(one_line(text), told);
        }
    }

    #[tokio::test]
    async fn each_way_of_not_connecting_has_its_name() {
        let home = tempfile::tempdir().unwrap();
        let socket = home.path().join("x.sock");
        let host = format!("unix://{}", socket.display());
        let ping = async |host: &str| {
            let transport = transport(host);
            let request = transport.request(Method::GET, None, "/_ping");
            transport.call("answer", request).await.unwrap_err()
        };
        let why = |error: EngineError| match error {
            EngineError::Unreachable { why, .. } => why,
            other => panic!("{other:?}"),
        };
        assert_eq!(why(ping(&host).await), Unreachable::NoSocket);
        // A socket whose listener is gone.
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        assert_eq!(why(ping(&host).await), Unreachable::Refused);
    }
}
