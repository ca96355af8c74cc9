//! The download: one GET, its redirects, and its bytes in pieces.
//!
//! Addresses of uploads are presigned: whoever has one has the source. So only hosts are ever named, redirects are followed
//! here one by one, and nothing of an address is sent to another host, neither as credentials nor as a referer.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use reqwest::header::{AUTHORIZATION, HeaderValue, LOCATION};
use reqwest::{Method, Response, StatusCode};
use tokio::sync::mpsc::Sender;
use tokio::time::Instant;
use url::{Origin, Url};

use super::error::ArchiveError;
use super::stream::Piece;
use crate::artifact::output::Output;
use crate::artifact::source::Limits;
use crate::artifact::source::text::size;
use crate::clients::{egress, tls};
use crate::observe::{HttpCall, Peer};
use crate::secret::Secret;

/// Redirects of one download. Object stores need one or two.
const REDIRECTS: usize = 5;

/// Between two lines about progress.
const PROGRESS: Duration = Duration::from_secs(2);

/// A download whose content has not been read yet.
pub(super) struct Download {
    response: Response,
    host: String,
    silence: Duration,
    limit: u64,
}

/// Asks for the archive.
pub(super) async fn open(url: &Secret, limits: &Limits) -> Result<Download, ArchiveError> {
    let (start, credentials) = address(url)?;
    let mut at = start.clone();
    for _ in 0..=REDIRECTS {
        let credentials = credentials.as_ref().filter(|_| same_origin(&at, &start));
        let response = send(&at, credentials, limits).await?;
        let host = host_of(&at);
        match response.status() {
            StatusCode::OK => return Download::new(response, host, limits),
            StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT => {
                at = target(&at, &response).map_err(|how| ArchiveError::Redirect { host, how })?;
            }
            status => {
                return Err(ArchiveError::Refused {
                    host,
                    status: status.as_u16(),
                    hint: hint(status),
                });
            }
        }
    }
    Err(ArchiveError::Redirect {
        host: host_of(&at),
        how: "again and again",
    })
}

impl Download {
    fn new(response: Response, host: String, limits: &Limits) -> Result<Self, ArchiveError> {
        let limit = limits.download_bytes;
        if response
            .content_length()
            .is_some_and(|length| length > limit)
        {
            return Err(ArchiveError::DownloadTooLarge { limit });
        }
        Ok(Self {
            response,
            host,
            silence: limits.silence,
            limit,
        })
    }

    /// Hands the content on piece by piece, as fast as it is taken, and tells now and then how far it is. Ends without an
    /// error when nobody takes it any more: the taker knows why.
    pub(super) async fn feed(
        mut self,
        to: Sender<Piece>,
        output: &Output,
    ) -> Result<(), ArchiveError> {
        let mut received = 0;
        let mut told = Instant::now();
        loop {
            let next = tokio::select! {
                biased;
                // Cancel-safe: what comes now is for nobody, however long it takes to come.
                () = to.closed() => return Ok(()),
                next = self.next(received) => next?,
            };
            let Some(bytes) = next else { break };
            received += bytes.len() as u64;
            if received > self.limit {
                return Err(ArchiveError::DownloadTooLarge { limit: self.limit });
            }
            if to.send(Piece::Data(bytes)).await.is_err() {
                return Ok(());
            }
            if told.elapsed() >= PROGRESS {
                output.line(&format!("Downloaded {}", size(received))).await;
                told = Instant::now();
            }
        }
        if to.send(Piece::End).await.is_ok() {
            output.line(&format!("Downloaded {}", size(received))).await;
        }
        Ok(())
    }

    async fn next(&mut self, received: u64) -> Result<Option<bytes::Bytes>, ArchiveError> {
        match tokio::time::timeout(self.silence, self.response.chunk()).await {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(error)) => Err(ArchiveError::Broken {
                host: self.host.clone(),
                received,
                source: error.without_url(),
            }),
            Err(_) => Err(ArchiveError::Silent {
                host: self.host.clone(),
                after: self.silence,
            }),
        }
    }
}

/// The address without its user, and what says who the user is.
fn address(url: &Secret) -> Result<(Url, Option<HeaderValue>), ArchiveError> {
    // The parser's error is dropped: it may tell something of the address.
    let url = Url::parse(url.expose().trim()).map_err(|_| ArchiveError::Address)?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(ArchiveError::Address);
    }
    let credentials = basic(&url)?;
    Ok((without_user(url), credentials))
}

fn basic(url: &Url) -> Result<Option<HeaderValue>, ArchiveError> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(None);
    }
    let mut pair: Vec<u8> = percent_decode_str(url.username()).collect();
    pair.push(b':');
    pair.extend(percent_decode_str(url.password().unwrap_or_default()));
    let text = format!("Basic {}", STANDARD.encode(pair));
    let mut header = HeaderValue::from_str(&text).map_err(|_| ArchiveError::Address)?;
    header.set_sensitive(true);
    Ok(Some(header))
}

/// The HTTP client would make credentials of the user itself, for whatever host.
fn without_user(mut url: Url) -> Url {
    // Both fail only for addresses without a host, which are refused.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}

async fn send(
    at: &Url,
    credentials: Option<&HeaderValue>,
    limits: &Limits,
) -> Result<Response, ArchiveError> {
    let mut request = client(at, limits)?.get(at.clone());
    if let Some(credentials) = credentials {
        request = request.header(AUTHORIZATION, credentials.clone());
    }
    // The connection has a bound of its own.
    let counted = HttpCall::begin(Peer::Archive, &Method::GET, at, "/{path}");
    match counted
        .in_time(request, limits.connect + limits.silence)
        .await
    {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(error)) => Err(match egress::refusal(&error) {
            Some(refused) => refused.into(),
            None => ArchiveError::Unreachable {
                host: host_of(at),
                source: error.without_url(),
            },
        }),
        Err(_) => Err(ArchiveError::Silent {
            host: host_of(at),
            after: limits.silence,
        }),
    }
}

/// A client for one call. The proxy of the environment is used, except for this machine.
fn client(at: &Url, limits: &Limits) -> Result<reqwest::Client, ArchiveError> {
    let tls = match at.scheme() {
        "https" => tls::system_trust(),
        _ => tls::no_trust(),
    };
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls.map_err(ArchiveError::Tls)?)
        .user_agent(concat!("cs/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(limits.connect)
        // The digest is one of the bytes as they are stored, and the archive is gzip data itself.
        .no_gzip();
    builder = limits.egress.guard(builder, at)?;
    if is_here(at) {
        builder = builder.no_proxy();
    }
    builder
        .build()
        .map_err(|error| ArchiveError::Http(error.without_url()))
}

/// Where a redirect leads, or why it is not followed.
fn target(at: &Url, response: &Response) -> Result<Url, &'static str> {
    let target = response
        .headers()
        .get(LOCATION)
        .and_then(|to| to.to_str().ok())
        .and_then(|to| at.join(to).ok())
        .ok_or("without saying where to")?;
    match (at.scheme(), target.scheme()) {
        ("https", "http") => return Err("from https to http"),
        (_, "http" | "https") => {}
        _ => return Err("to an address that is no http or https URL"),
    }
    if is_here(&target) && !is_here(at) {
        return Err("to the machine that builds");
    }
    Ok(without_user(target))
}

fn hint(status: StatusCode) -> &'static str {
    match status.as_u16() {
        // Object stores say any of these once the time of a presigned address is over.
        400 | 401 | 403 => "its address may have expired or lack a right; upload the source again",
        404 | 410 => "it is not there, or not any more; upload the source again",
        429 | 500..=599 => "the server has too much to do or is broken; try again later",
        _ => "a plain download was expected; check the address",
    }
}

fn is_here(url: &Url) -> bool {
    url.host_str().is_some_and(tls::is_loopback)
}

fn same_origin(one: &Url, other: &Url) -> bool {
    matches!(one.origin(), Origin::Tuple(..)) && one.origin() == other.origin()
}

/// Host and port, for messages.
fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirected(from: &str, to: &str) -> Result<String, &'static str> {
        let response = axum::http::Response::builder()
            .header(LOCATION, to)
            .body("");
        let at = Url::parse(from).unwrap();
        target(&at, &Response::from(response.unwrap())).map(String::from)
    }

    #[test]
    fn a_redirect_is_followed_to_where_it_does_no_harm() {
        let from = "https://store.example/a?sig=1";
        assert_eq!(redirected(from, "/b").unwrap(), "https://store.example/b");
        assert_eq!(
            redirected(from, "https://user:pass@other.example/b?x#y").unwrap(),
            "https://other.example/b?x#y"
        );
        assert_eq!(
            redirected("http://minio/a", "http://minio:9000/b").unwrap(),
            "http://minio:9000/b"
        );
        for (from, to) in [
            (from, "http://store.example/b"),
            (from, "file:///etc/passwd"),
            (from, "data:,x"),
            (from, "https://localhost/b"),
            ("http://store.example", "http://127.0.0.1:9/"),
            ("http://store.example", "http://[::1]/"),
            (from, "https://"),
        ] {
            assert!(redirected(from, to).is_err(), "{from} -> {to}");
        }
    }

    #[test]
    fn the_user_of_an_address_becomes_credentials_and_leaves_the_address() {
        let url = Secret::new(" https://a%40b:p%3Aw@store.example/x?sig=1\n");
        let (url, credentials) = address(&url).unwrap();
        assert_eq!(url.as_str(), "https://store.example/x?sig=1");
        let credentials = credentials.unwrap();
        assert!(credentials.is_sensitive());
        assert_eq!(
            credentials.to_str().unwrap(),
            format!("Basic {}", STANDARD.encode("a@b:p:w"))
        );
        assert!(address(&Secret::new("http://h/x")).unwrap().1.is_none());
    }

    #[test]
    fn what_is_no_address_is_refused_without_being_repeated() {
        for bad in [
            "",
            "canary",
            "/canary",
            "ftp://h/canary",
            "file:///canary",
            "https://:80/canary",
        ] {
            let error = address(&Secret::new(bad)).unwrap_err();
            assert!(matches!(error, ArchiveError::Address), "{bad}");
            assert!(!crate::clients::chain(&error).contains("canary"));
        }
    }
}
