//! Push: an image of the engine to a registry.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use reqwest::header::HeaderValue;
use reqwest::{Method, StatusCode};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::engine::Engine;
use super::error::{EngineError, PushRefusal};
use super::images::{absent, name_and_tag};
use super::layers::Layers;
use super::messages::{Message, Messages};
use super::transport::{is_full, one_line};
use crate::artifact::output::Output;
use crate::artifact::registry::{Credentials, ImageReference};
use crate::secret::Secret;

const OPERATION: &str = "push an image";

/// How the engine wants credentials of Docker's own registry to be addressed. Source: Docker, `registry.IndexServer`.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

impl Engine {
    /// Pushes the image of this name to the registry of the name. Returns its digest there, `sha256:…`.
    ///
    /// The engine itself repeats a failed layer some times, with growing pauses; `stop` cuts through them.
    ///
    /// # Errors
    /// The registry or the engine refuses, or cannot be reached; or it was stopped.
    ///
    /// # Cancel safety
    /// Dropping the future ends the push. Layers that were pushed stay in the registry.
    pub async fn push(
        &self,
        target: &ImageReference,
        credentials: Option<&Credentials>,
        output: &Output,
        stop: &CancellationToken,
    ) -> Result<String, EngineError> {
        tokio::select! {
            biased;
            // Cancel-safe: nothing is awaited but the token.
            () = stop.cancelled() => Err(EngineError::Stopped),
            // Dropped when stopped: that closes the connection, on which the engine gives up.
            pushed = self.push_whole(target, credentials, output) => pushed,
        }
    }

    async fn push_whole(
        &self,
        target: &ImageReference,
        credentials: Option<&Credentials>,
        output: &Output,
    ) -> Result<String, EngineError> {
        let (repository, tag) = name_and_tag(target)?;
        let path = format!("/images/{repository}/push");
        let request = self.request(Method::POST, &path).await?;
        let request = request.query(&[("tag", tag)]).header(
            "x-registry-auth",
            authentication(target.host(), credentials),
        );
        let response = self.transport().send(OPERATION, request).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Err(absent(&target.to_string()));
        }
        let response = self.transport().accepted(OPERATION, response).await;
        // Some engines ask the registry before they answer.
        let response = response.map_err(|error| match error {
            EngineError::Refused { message, .. } => refused(target, credentials, &message),
            other => other,
        })?;
        let mut messages = Messages::new(self.transport(), OPERATION, response);
        let mut layers = Layers::default();
        let mut digest = None;
        while let Some(message) = messages.next().await? {
            if let Some(text) = message.failure() {
                return Err(refused(target, credentials, text));
            }
            digest = digest_of(&message).or(digest);
            if let Some(line) = layers.line(&message) {
                output.line(&line).await;
            }
        }
        digest.ok_or_else(|| self.transport().malformed("push: it says no digest"))
    }
}

/// The digest that a message tells: `aux`, or a status such as `1: digest: sha256:… size: 527`.
fn digest_of(message: &Message) -> Option<String> {
    let from_status = || {
        let status = message.status.as_deref()?;
        let (_, rest) = status.split_once("digest: ")?;
        rest.split_whitespace().next()
    };
    message
        .aux_text("Digest")
        .or_else(from_status)
        .filter(|digest| digest.starts_with("sha256:"))
        .map(str::to_owned)
}

/// The header with the credentials for one registry. The engine wants one even without.
fn authentication(host: &str, credentials: Option<&Credentials>) -> HeaderValue {
    let json = match credentials {
        Some(credentials) => entry(host, credentials),
        None => Secret::new("{}"),
    };
    sensitive(&json)
}

#[derive(Serialize)]
struct Entry<'a> {
    username: &'a str,
    password: &'a str,
    serveraddress: &'a str,
}

/// One registry's credentials as the engine reads them.
fn entry(host: &str, credentials: &Credentials) -> Secret {
    let entry = Entry {
        username: &credentials.username,
        password: credentials.password.expose(),
        serveraddress: server_address(host),
    };
    Secret::new(serde_json::to_string(&entry).expect("texts become JSON"))
}

/// The header with the credentials of several registries, for the classic builder.
pub(super) fn configuration<'a>(
    registries: impl Iterator<Item = (&'a String, &'a Credentials)>,
) -> HeaderValue {
    let entries: Vec<String> = registries
        .map(|(host, credentials)| {
            let name = serde_json::to_string(server_address(host)).expect("texts become JSON");
            format!("{name}:{}", entry(host, credentials).expose())
        })
        .collect();
    sensitive(&Secret::new(format!("{{{}}}", entries.join(","))))
}

fn server_address(host: &str) -> &str {
    match host {
        "docker.io" => DOCKER_HUB,
        other => other,
    }
}

fn sensitive(json: &Secret) -> HeaderValue {
    let text = URL_SAFE.encode(json.expose());
    let mut value = HeaderValue::from_str(&text).expect("Base64 is ASCII");
    value.set_sensitive(true);
    value
}

/// What the engine's words about a failed push mean.
fn refused(target: &ImageReference, credentials: Option<&Credentials>, text: &str) -> EngineError {
    let message = one_line(text);
    if message.contains("does not exist locally") || message.contains("tag does not exist") {
        return absent(&target.to_string());
    }
    let why = reason(&message, credentials.is_some());
    // The registry's own disk has the same words, but inside its answer.
    if why == PushRefusal::Other && is_full(&message) {
        return EngineError::NoSpace {
            operation: OPERATION,
            message,
        };
    }
    EngineError::Push {
        registry: target.host().to_owned(),
        why,
        message,
    }
}

fn reason(message: &str, has_credentials: bool) -> PushRefusal {
    let text = message.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let status = |code: &str| {
        says(&[
            &format!("status: {code}"),
            &format!("status code {code}"),
            &format!("http response {code}"),
            &format!("http {code} response"),
            &format!("status {code}"),
        ]) || (says(&["unexpected status"]) && says(&[&format!(": {code}")]))
    };
    if status("413") || says(&["entity too large", "content too large", "payload too large"]) {
        return PushRefusal::TooLarge;
    }
    let unauthorized = [
        "unauthorized",
        "authentication required",
        "no basic auth credentials",
        "authorization failed",
        "denied",
        "forbidden",
        "insufficient_scope",
        "incorrect username or password",
    ];
    if status("401") || status("403") || says(&unauthorized) {
        return match has_credentials {
            true => PushRefusal::Credentials,
            false => PushRefusal::NoCredentials,
        };
    }
    let failing = [
        "internal server error",
        "bad gateway",
        "service unavailable",
    ];
    if ["500", "501", "502", "503", "504", "507"]
        .into_iter()
        .any(status)
        || says(&failing)
    {
        return PushRefusal::Failing;
    }
    let unreachable = [
        "connection refused",
        "no such host",
        "i/o timeout",
        "no route to host",
        "network is unreachable",
        "connection reset",
        "dial tcp",
        "tls handshake",
        "x509:",
        "server gave http response to https client",
        "server misbehaving",
        "context deadline exceeded",
        "client.timeout exceeded",
    ];
    if says(&unreachable) || text.ends_with("eof") {
        return PushRefusal::Unreachable;
    }
    PushRefusal::Other
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(value: &HeaderValue) -> serde_json::Value {
        let json = URL_SAFE.decode(value.as_bytes()).unwrap();
        serde_json::from_slice(&json).unwrap()
    }

    fn user() -> Credentials {
        Credentials {
            username: "u\"".to_owned(),
            password: Secret::new("canary"),
        }
    }

    #[test]
    fn credentials_go_to_one_address_and_are_not_shown() {
        let header = authentication("docker.io", Some(&user()));
        assert!(!format!("{header:?}").contains("Y2"), "{header:?}");
        assert_eq!(
            decoded(&header),
            serde_json::json!({"username": "u\"", "password": "canary", "serveraddress": DOCKER_HUB})
        );
        assert_eq!(decoded(&authentication("h", None)), serde_json::json!({}));
        let (host, user) = ("h:5000".to_owned(), user());
        let header = configuration([(&host, &user)].into_iter());
        assert_eq!(decoded(&header)["h:5000"]["password"], "canary");
    }

    #[test]
    fn the_words_of_an_engine_are_understood() {
        for (text, expected) in [
            ("no basic auth credentials", PushRefusal::NoCredentials),
            (
                "unauthorized: authentication required",
                PushRefusal::NoCredentials,
            ),
            (
                "denied: requested access to the resource is denied",
                PushRefusal::NoCredentials,
            ),
            (
                "error parsing HTTP 413 response body: invalid character '<' looking for beginning of value",
                PushRefusal::TooLarge,
            ),
            (
                "received unexpected HTTP status: 500 Internal Server Error",
                PushRefusal::Failing,
            ),
            (
                "received unexpected HTTP status: 503 Service Unavailable",
                PushRefusal::Failing,
            ),
            (
                "unknown: unexpected status from HEAD request to http://h:5000/v2/a/blobs/sha256:ab: 502 x",
                PushRefusal::Failing,
            ),
            (
                "unknown: unexpected status from PUT request to http://h:5000/v2/a/blobs/sha256:ab: 413 x",
                PushRefusal::TooLarge,
            ),
            (
                "Head \"https://h:5000/v2/\": tls: first record does not look like a TLS handshake",
                PushRefusal::Unreachable,
            ),
            (
                "Get \"http://127.0.0.1:1/v2/\": dial tcp 127.0.0.1:1: connect: connection refused",
                PushRefusal::Unreachable,
            ),
            (
                "Get \"https://h.example/v2/\": dial tcp: lookup h.example: no such host",
                PushRefusal::Unreachable,
            ),
            ("Patch \"http://h/v2/x\": EOF", PushRefusal::Unreachable),
            ("toomanyrequests: slow down", PushRefusal::Other),
        ] {
            assert_eq!(reason(text, false), expected, "{text}");
        }
        assert_eq!(
            reason("unauthorized: x", true),
            PushRefusal::Credentials,
            "the ones that were given"
        );
    }

    #[test]
    fn the_digest_stands_in_either_place() {
        let digest = |text: &str| digest_of(&serde_json::from_str(text).unwrap());
        assert_eq!(
            digest(r#"{"aux":{"Tag":"1","Digest":"sha256:ab","Size":5}}"#).as_deref(),
            Some("sha256:ab")
        );
        assert_eq!(
            digest(r#"{"status":"1: digest: sha256:ab size: 5"}"#).as_deref(),
            Some("sha256:ab")
        );
        assert_eq!(digest(r#"{"status":"Pushed","id":"a"}"#), None);
    }
}
