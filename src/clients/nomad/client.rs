//! The client: which agent, which namespace, and the two kinds of call.
//!
//! A read is a value that is awaited, and can be told to wait for a change first ([`ReadCall::after`]). A write is an
//! `async fn`: it is sent at most once, and the caller learns whether it may have been carried out. The endpoints are in
//! [`calls`](super::calls).

use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::classify::Effect;
use super::connection::{Address, ConnectionConfig, ConnectionError};
use super::error::{ApiError, NomadError};
use super::transport::{Answer, Call, Transport, limit};
use crate::ids::{ModifyIndex, Namespace};

/// Longest wait of a blocking query that a server grants. Source: Nomad, `maxQueryTime`.
pub const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// A client of one Nomad region in one namespace. Cheap to clone; clones share connections and their bounds.
#[derive(Clone)]
pub struct NomadClient {
    pub(super) transport: Arc<Transport>,
    pub(super) namespace: Namespace,
}

impl fmt::Debug for NomadClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NomadClient")
            .field("address", &self.address().to_string())
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

impl NomadClient {
    /// Prepares connections; nothing is sent. Reads the certificate files of an `https` address.
    ///
    /// # Errors
    /// A file or a value cannot be used: a person has to correct it.
    pub fn new(config: ConnectionConfig) -> Result<Self, ConnectionError> {
        let namespace = match &config.namespace {
            Some(namespace) => namespace.clone(),
            None => "default".parse().expect("`default` is a valid namespace"),
        };
        Ok(Self {
            transport: Arc::new(Transport::new(config)?),
            namespace,
        })
    }

    /// The same client for calls in another namespace.
    #[must_use]
    pub fn in_namespace(&self, namespace: &Namespace) -> Self {
        Self {
            transport: Arc::clone(&self.transport),
            namespace: namespace.clone(),
        }
    }

    /// Namespace of every call that has one.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Where calls go.
    #[must_use]
    pub fn address(&self) -> &Address {
        self.transport.address()
    }

    /// Region to which the agent forwards; its own when `None`.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.transport.region()
    }

    /// A read of one object in the namespace.
    pub(super) fn read<T>(
        &self,
        operation: &'static str,
        subject: String,
        path: String,
    ) -> ReadCall<T> {
        ReadCall {
            transport: Arc::clone(&self.transport),
            call: Call {
                operation,
                subject,
                method: Method::GET,
                path,
                namespace: Some(self.namespace.clone()),
                query: Vec::new(),
                body: None,
                effect: Effect::Read,
                limit: limit::OBJECT,
                wait: None,
            },
            absent: None,
        }
    }

    /// A write in the namespace. `expected` is the index that its body or query names, for the error.
    pub(super) fn write(
        &self,
        operation: &'static str,
        subject: String,
        path: String,
        expected: Option<ModifyIndex>,
    ) -> WriteCall<'_> {
        WriteCall {
            transport: &self.transport,
            call: Call {
                operation,
                subject,
                method: Method::PUT,
                path,
                namespace: Some(self.namespace.clone()),
                query: Vec::new(),
                body: None,
                effect: Effect::Write(expected),
                limit: limit::OBJECT,
                wait: None,
            },
        }
    }
}

/// What one read returned, and how current it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read<T> {
    /// The answer.
    pub value: T,
    /// Index to pass to [`ReadCall::after`]; 0 for endpoints that cannot block. Never a basis for a write.
    pub index: u64,
    /// Whether the answering server knew a leader; true for endpoints that do not say.
    pub known_leader: bool,
    /// How long ago the answering server heard from the leader.
    pub last_contact: Duration,
    /// Where the next page starts, when there is one.
    pub next_token: Option<String>,
}

impl<T> Read<T> {
    fn new(answer: &Answer, value: T) -> Self {
        Self {
            value,
            index: answer.number("x-nomad-index"),
            known_leader: answer.text("x-nomad-knownleader") != Some("false"),
            last_contact: Duration::from_millis(answer.number("x-nomad-lastcontact")),
            next_token: answer
                .text("x-nomad-nexttoken")
                .filter(|text| !text.is_empty())
                .map(str::to_owned),
        }
    }
}

type Absent<T> = (&'static str, fn() -> T);

/// A read that has not been sent yet: await it.
///
/// # Cancel safety
/// Dropping the future closes its connection and changes nothing.
#[must_use = "a read does nothing until it is awaited"]
pub struct ReadCall<T> {
    transport: Arc<Transport>,
    call: Call,
    /// Body of the 404 that means "there is none", and the value for it.
    absent: Option<Absent<T>>,
}

impl<T> ReadCall<T> {
    /// Answers as soon as the index is past `index`, else after `wait` (at most [`LONGEST_WAIT`], plus a sixteenth).
    ///
    /// On busy clusters lists wake for changes elsewhere, so an answer does not prove a change. Take the next index from
    /// [`next_index`].
    pub fn after(mut self, index: u64, wait: Duration) -> Self {
        let wait = wait.min(LONGEST_WAIT);
        self.call.query.push(("index", index.to_string()));
        self.call
            .query
            .push(("wait", format!("{}ms", wait.as_millis())));
        self.call.wait = Some(wait);
        self
    }

    pub(super) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.call.query.push((name, value.into()));
        self
    }

    /// The call itself, for answers that are not read as a whole.
    pub(super) fn into_call(self) -> Call {
        self.call
    }

    /// The same call for its index alone.
    pub(super) fn ignored(self) -> ReadCall<serde::de::IgnoredAny> {
        ReadCall {
            transport: self.transport,
            call: self.call,
            absent: None,
        }
    }

    pub(super) fn list(mut self) -> Self {
        self.call.limit = limit::LIST;
        self
    }

    pub(super) fn limited(mut self, bytes: usize) -> Self {
        self.call.limit = bytes;
        self
    }

    /// Objects outside namespaces.
    pub(super) fn global(mut self) -> Self {
        self.call.namespace = None;
        self
    }

    /// A read that needs a body, e.g. a plan.
    pub(super) fn body(mut self, body: &impl Serialize) -> Self {
        self.call.method = Method::PUT;
        self.call.body = Some(encode(body));
        self
    }

    /// A read whose body must come as `POST`.
    pub(super) fn posted(self, body: &impl Serialize) -> Self {
        let mut call = self.body(body);
        call.call.method = Method::POST;
        call
    }

    /// Reads the raw body.
    pub(super) async fn bytes(self) -> Result<Read<Bytes>, NomadError> {
        let answer = self.transport.exchange(&self.call).await?;
        if answer.status.is_success() {
            let body = answer.body.clone();
            Ok(Read::new(&answer, body))
        } else {
            Err(self.transport.refusal(&self.call, &answer))
        }
    }
}

impl<T> ReadCall<Option<T>> {
    /// A 404 with exactly this text is an answer, any other one is an error: a wrong path is not an absent job.
    pub(super) fn absent_when(mut self, text: &'static str) -> Self {
        self.absent = Some((text, || None));
        self
    }
}

impl<T: DeserializeOwned> ReadCall<T> {
    async fn send(self) -> Result<Read<T>, NomadError> {
        let Self {
            transport,
            call,
            absent,
        } = self;
        let answer = transport.exchange(&call).await?;
        if answer.status.is_success() {
            let value = serde_json::from_slice(&answer.body)
                .map_err(|error| transport.unreadable(&call, &error))?;
            return Ok(Read::new(&answer, value));
        }
        let Some((_, value)) = absent.filter(|(text, _)| {
            // Through a proxying agent the text may have a prefix, never a suffix.
            answer.status == 404 && String::from_utf8_lossy(&answer.body).trim().ends_with(text)
        }) else {
            return Err(transport.refusal(&call, &answer));
        };
        let read = Read::new(&answer, value());
        if read.known_leader {
            Ok(read)
        } else {
            // A server that knows no leader may just not have heard of the object.
            Err(NomadError::NoLeader {
                site: transport.site(&call),
                source: ApiError::new(404, "not found, but no leader is known either", &[]),
            })
        }
    }
}

impl<T: DeserializeOwned + Send + 'static> IntoFuture for ReadCall<T> {
    type Output = Result<Read<T>, NomadError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// A write that has not been sent yet.
#[must_use = "a write does nothing until it is sent"]
pub(super) struct WriteCall<'a> {
    pub(super) transport: &'a Transport,
    pub(super) call: Call,
}

impl WriteCall<'_> {
    pub(super) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.call.query.push((name, value.into()));
        self
    }

    pub(super) fn body(mut self, body: &impl Serialize) -> Self {
        self.call.body = Some(encode(body));
        self
    }

    pub(super) fn delete(mut self) -> Self {
        self.call.method = Method::DELETE;
        self
    }

    pub(super) async fn send<T: DeserializeOwned>(self) -> Result<T, NomadError> {
        let answer = self.transport.exchange(&self.call).await?;
        if !answer.status.is_success() {
            return Err(self.transport.refusal(&self.call, &answer));
        }
        serde_json::from_slice(&answer.body)
            .map_err(|error| self.transport.unreadable(&self.call, &error))
    }
}

fn encode(body: &impl Serialize) -> Bytes {
    // Bodies are JSON trees, strings, numbers and maps with text keys: none of them can fail.
    serde_json::to_vec(body)
        .expect("request bodies have only text keys")
        .into()
}

/// Everything but RFC 3986's unreserved characters.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// One path segment, `/` included, as Nomad decodes it.
pub(super) fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// Index for the next blocking query: the one just answered, from the start when it went back (a restored snapshot), and
/// never 0, which would not block at all.
#[must_use]
pub fn next_index(previous: u64, answered: u64) -> u64 {
    if answered < previous {
        1
    } else {
        answered.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_that_went_back_starts_over_and_zero_never_asks_twice() {
        assert_eq!(next_index(5, 9), 9);
        assert_eq!(next_index(9, 9), 9);
        assert_eq!(next_index(9, 5), 1);
        assert_eq!(next_index(0, 0), 1);
    }

    #[test]
    fn a_segment_keeps_an_id_in_one_piece() {
        assert_eq!(segment("a/b %?#é"), "a%2Fb%20%25%3F%23%C3%A9");
        assert_eq!(segment("svc-4f2a91_x.y~z"), "svc-4f2a91_x.y~z");
    }
}
