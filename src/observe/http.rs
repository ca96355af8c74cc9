//! Calls to others: a span each, a count each, and the trace handed on to those that are part of the platform.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderValue;
use reqwest::{Method, RequestBuilder};
use tokio::time::error::Elapsed;
use url::Url;

use super::Place;
use super::context::TraceContext;
use super::span::{Kind, Span};

/// Who is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// The cluster.
    Nomad,
    /// The platform's REST side.
    Backend,
    /// A registry: not told of the trace, it may be anybody's. Nor are the next three.
    Registry,
    /// A Git server.
    Git,
    /// A server of archives.
    Archive,
    /// The keeper of a build's secrets.
    Vault,
    /// The CI server.
    Jenkins,
}

impl Peer {
    const fn name(self) -> &'static str {
        match self {
            Self::Nomad => "nomad",
            Self::Backend => "backend",
            Self::Registry => "registry",
            Self::Git => "git",
            Self::Archive => "archive",
            Self::Vault => "vault",
            Self::Jenkins => "jenkins",
        }
    }

    const fn is_told(self) -> bool {
        matches!(self, Self::Nomad | Self::Backend | Self::Jenkins)
    }
}

/// One attempt of one call. Dropped without an end it counts as `dropped`.
pub(crate) struct HttpCall {
    peer: Peer,
    place: Option<Place>,
    span: Span,
    is_counted: bool,
}

impl HttpCall {
    /// Begins now. `route` is the path without what differs from call to call; it and the host are all that is shown of an
    /// address.
    pub(crate) fn begin(peer: Peer, method: &Method, url: &Url, route: &str) -> Self {
        let place = Place::current();
        let span = match &place {
            None => Span::default(),
            Some(place) => place.child(format!("{method} {route}").into(), Kind::Client),
        };
        if span.context().is_some() {
            span.set("http.request.method", method.as_str());
            span.set("url.template", route);
            span.set("url.scheme", url.scheme());
            span.set("server.address", url.host_str().unwrap_or_default());
            if let Some(port) = url.port_or_known_default() {
                span.set("server.port", u64::from(port));
            }
            span.set("peer.service", peer.name());
        }
        Self {
            peer,
            place,
            span,
            is_counted: false,
        }
    }

    /// Says something more about it.
    pub(crate) fn set(&self, name: &'static str, value: impl Into<super::Value>) {
        self.span.set(name, value);
    }

    /// The request with the trace that it belongs to.
    pub(crate) fn sign(&self, request: RequestBuilder) -> RequestBuilder {
        if !self.peer.is_told() {
            return request;
        }
        let around = || self.place.as_ref().and_then(Place::context);
        with_context(request, self.span.context().or_else(around))
    }

    /// There is an answer.
    pub(crate) fn answered(mut self, status: u16) {
        self.span
            .set("http.response.status_code", u64::from(status));
        if status >= 400 {
            self.span.fail(if status >= 500 { "5xx" } else { "4xx" });
        }
        self.count(status.to_string());
    }

    /// There is none. The word is of a closed set.
    pub(crate) fn failed(mut self, why: &'static str) {
        self.span.fail(why);
        self.count(why.to_owned());
    }

    /// Makes the call, for whose answer nobody waits longer than this.
    ///
    /// # Errors
    /// The time is up.
    pub(crate) async fn in_time(
        self,
        request: RequestBuilder,
        most: Duration,
    ) -> Result<Result<reqwest::Response, reqwest::Error>, Elapsed> {
        match tokio::time::timeout(most, self.sign(request).send()).await {
            Ok(answer) => {
                self.ended(&answer);
                Ok(answer)
            }
            Err(elapsed) => {
                self.failed("timeout");
                Err(elapsed)
            }
        }
    }

    /// The answer of the HTTP library, whichever it is.
    pub(crate) fn ended(self, answer: &Result<reqwest::Response, reqwest::Error>) {
        match answer {
            Ok(answer) => self.answered(answer.status().as_u16()),
            Err(error) if error.is_timeout() => self.failed("timeout"),
            Err(error) if error.is_connect() => self.failed("connect"),
            Err(_) => self.failed("error"),
        }
    }

    fn count(&mut self, answered: String) {
        self.is_counted = true;
        if let Some(place) = &self.place {
            place.record.tally().call(self.peer.name(), answered);
        }
        self.span.end();
    }
}

impl Drop for HttpCall {
    fn drop(&mut self) {
        if !self.is_counted {
            self.count("dropped".to_owned());
        }
    }
}

fn with_context(request: RequestBuilder, context: Option<Arc<TraceContext>>) -> RequestBuilder {
    let Some(context) = context else {
        return request;
    };
    let mut request = request.header(super::PARENT, context.traceparent());
    // What was valid when it came is a header.
    if let Some(Ok(state)) = context.tracestate().map(HeaderValue::from_str) {
        request = request.header(super::STATE, state);
    }
    request
}
