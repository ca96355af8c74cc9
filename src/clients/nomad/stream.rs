//! Nomad's event stream: the quickest hint that something changed for some job.
//!
//! A hint only. A server keeps about a hundred entries, cuts whoever lags behind without a word, and skips what it no
//! longer has just as silently ([`Continuity::Gap`]). So events wake, lists tell the truth. Read lines promptly: a second
//! of delay can be too much on a busy cluster. Source: nomad-api.md 1.9.

use std::time::Duration;

use bytes::BytesMut;
use reqwest::Response;
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

use super::client::NomadClient;
use super::error::{DecodeError, NomadError};
use super::transport::Call;
use super::types::null_default;

/// Longest line. One line holds all events of one Raft entry, whole jobs among them.
const LONGEST_LINE: usize = 16 * 1024 * 1024;

/// What to subscribe to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventQuery {
    /// E.g. `Job`, `Deployment:*`, `Evaluation:shop`. Empty means all, which needs a management token.
    pub topics: Vec<String>,
    /// Index of the last line that was seen: the stream starts there and delivers that line again. `None` replays
    /// everything that the server still has.
    pub resume: Option<u64>,
    /// In every namespace that the token may see.
    pub all_namespaces: bool,
}

/// One line of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamItem {
    /// Nothing happened, the server is alive.
    Heartbeat,
    /// Events of one Raft entry. One entry may arrive in several lines.
    Events(EventBatch),
}

/// Events of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventBatch {
    /// Raft index; to resume after a reconnect.
    pub index: u64,
    /// Whether something may be missing before this line.
    pub continuity: Continuity,
    /// The events.
    pub events: Vec<Event>,
}

/// Whether something may be missing before a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Continuity {
    /// First line without a point to resume from: what was before is unknown. Read the lists once.
    Start,
    /// Nothing is missing.
    Contiguous,
    /// Events were lost, or the cluster went back in time. Read the lists.
    Gap,
}

/// Decides [`Continuity`]. After a resume nothing is missing only if the line resumed from comes again.
#[derive(Debug, Clone, Copy)]
struct Position {
    last: Option<u64>,
    resuming: bool,
}

impl Position {
    fn advance(&mut self, index: u64) -> Continuity {
        let before = self.last.replace(index);
        let resuming = std::mem::replace(&mut self.resuming, false);
        match before {
            None => Continuity::Start,
            Some(last) if resuming && index != last => Continuity::Gap,
            Some(last) if index < last => Continuity::Gap,
            Some(_) => Continuity::Contiguous,
        }
    }
}

/// That something happened to an object.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "WireEvent")]
pub struct Event {
    /// Kind of object: `Job`, `Evaluation`, `Allocation`, `Deployment`, …
    pub topic: String,
    /// Name of the Raft message, not of the change: a job's new status may come as `AllocationUpdated`.
    pub event_type: String,
    /// Id of the object.
    pub key: String,
    /// Namespace of the object.
    pub namespace: String,
    /// Job that it belongs to.
    pub job_id: Option<String>,
    /// The job was purged.
    pub deleted: bool,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct WireEvent {
    topic: String,
    #[serde(rename = "Type")]
    event_type: String,
    key: String,
    #[serde(deserialize_with = "null_default")]
    namespace: String,
    #[serde(deserialize_with = "null_default")]
    payload: WirePayload,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct WirePayload {
    evaluation: Option<WireOwned>,
    allocation: Option<WireOwned>,
    deployment: Option<WireOwned>,
    service: Option<WireOwned>,
    #[serde(deserialize_with = "null_default")]
    deleted: bool,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct WireOwned {
    #[serde(rename = "JobID")]
    job_id: Option<String>,
}

impl From<WireEvent> for Event {
    fn from(wire: WireEvent) -> Self {
        let payload = wire.payload;
        let owner = [
            payload.evaluation,
            payload.allocation,
            payload.deployment,
            payload.service,
        ]
        .into_iter()
        .flatten()
        .find_map(|owned| owned.job_id);
        let job_id = if wire.topic == "Job" {
            Some(wire.key.clone())
        } else {
            owner
        };
        Self {
            topic: wire.topic,
            event_type: wire.event_type,
            key: wire.key,
            namespace: wire.namespace,
            job_id,
            deleted: payload.deleted,
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct WireLine {
    index: u64,
    #[serde(deserialize_with = "null_default")]
    events: Vec<Event>,
}

/// Why a stream ended. After each of them: reconnect with a pause, and heed [`Continuity`].
#[derive(Debug, thiserror::Error)]
pub enum StreamEnd {
    /// The server took the request and never spoke. A wrong token or region looks like this, so check those if it stays.
    #[error(
        "the event stream sent no first line within {0:?}; a wrong token or region looks like this"
    )]
    NoGreeting(Duration),
    /// No line, not even a heartbeat.
    #[error("the event stream was silent for {0:?}")]
    Silent(Duration),
    /// Ended at the end of a line: the reader lagged, the token expired, or the server went away.
    #[error("the server closed the event stream")]
    Closed,
    /// Ended within a line.
    #[error("the event stream ended within a line, after {0} bytes of it")]
    Truncated(usize),
    /// A line is longer than we are willing to hold.
    #[error("a line of the event stream is longer than {0} bytes")]
    LineTooLong(usize),
    /// A line is no event line.
    #[error("a line of the event stream cannot be read")]
    Malformed(#[source] DecodeError),
    /// The connection broke.
    #[error("the connection of the event stream broke")]
    Broken(#[source] Box<NomadError>),
}

/// An open stream. Dropping it closes the connection.
pub struct EventStream {
    client: NomadClient,
    call: Call,
    response: Response,
    buffer: BytesMut,
    /// Start of the part of `buffer` that was not searched for a line end yet.
    searched: usize,
    position: Position,
    /// When the next line must be there.
    due: Instant,
}

impl std::fmt::Debug for EventStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventStream")
            .field("client", &self.client)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

/// Why a stream did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The server answered with an error, or not at all.
    #[error("cannot open the event stream")]
    Call(#[source] NomadError),
    /// The server answered, but the stream ended before its first line.
    #[error("the event stream ended before its first line")]
    Ended(#[source] StreamEnd),
}

impl NomadClient {
    /// Subscribes, and returns when the server's first line proves that it listens.
    ///
    /// # Errors
    /// [`OpenError::Call`] decides by [`NomadError::disposition`]; after [`OpenError::Ended`] try again with a pause.
    ///
    /// # Cancel safety
    /// Dropping it closes the connection.
    pub async fn events(&self, query: &EventQuery) -> Result<EventStream, OpenError> {
        let greeting = self.transport.timeouts.stream_greeting;
        let due = Instant::now() + greeting;
        let call = self.event_call(query);
        let response = self
            .transport
            .open(&call, greeting)
            .await
            .map_err(OpenError::Call)?;
        if !response.status().is_success() {
            return Err(OpenError::Call(
                self.transport.refused(&call, response, due).await,
            ));
        }
        let mut stream = EventStream {
            client: self.clone(),
            call,
            response,
            buffer: BytesMut::new(),
            searched: 0,
            position: Position {
                last: query.resume,
                resuming: query.resume.is_some(),
            },
            due,
        };
        match stream.next().await {
            Ok(StreamItem::Heartbeat) => Ok(stream),
            // The greeting is an empty object; a line with events would be lost here, and no server sends one first.
            Ok(StreamItem::Events(_)) | Err(StreamEnd::Silent(_)) => {
                Err(OpenError::Ended(StreamEnd::NoGreeting(greeting)))
            }
            Err(end) => Err(OpenError::Ended(end)),
        }
    }

    fn event_call(&self, query: &EventQuery) -> Call {
        let mut read = self.read::<()>(
            "follow",
            "the event stream".to_owned(),
            "event/stream".to_owned(),
        );
        if query.all_namespaces {
            read = read.global().query("namespace", "*");
        }
        for topic in &query.topics {
            read = read.query("topic", topic);
        }
        if let Some(index) = query.resume {
            read = read.query("index", index.to_string());
        }
        read.into_call()
    }
}

impl EventStream {
    /// Waits for the next line.
    ///
    /// # Errors
    /// The stream is over; calling again gives no more lines.
    ///
    /// # Cancel safety
    /// Cancel-safe: what has arrived of a line is kept.
    pub async fn next(&mut self) -> Result<StreamItem, StreamEnd> {
        loop {
            if let Some(line) = self.take_line() {
                if line.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                self.due = Instant::now() + self.client.transport.timeouts.stream_silence;
                return self.understand(&line);
            }
            if self.buffer.len() > LONGEST_LINE {
                return Err(StreamEnd::LineTooLong(LONGEST_LINE));
            }
            // Cancel-safe: a chunk is either still in the connection or in the buffer.
            match timeout_at(self.due, self.response.chunk()).await {
                Err(_) => {
                    return Err(StreamEnd::Silent(
                        self.client.transport.timeouts.stream_silence,
                    ));
                }
                Ok(Err(error)) => {
                    let error = self.client.transport.broken(&self.call, error);
                    return Err(StreamEnd::Broken(Box::new(error)));
                }
                Ok(Ok(None)) if self.buffer.is_empty() => return Err(StreamEnd::Closed),
                Ok(Ok(None)) => return Err(StreamEnd::Truncated(self.buffer.len())),
                Ok(Ok(Some(chunk))) => self.buffer.extend_from_slice(&chunk),
            }
        }
    }

    /// Index to resume from after a reconnect: that of the last line with events.
    #[must_use]
    pub fn resume_from(&self) -> Option<u64> {
        self.position.last
    }

    fn take_line(&mut self) -> Option<BytesMut> {
        let found = self.buffer[self.searched..]
            .iter()
            .position(|byte| *byte == b'\n');
        let Some(offset) = found else {
            self.searched = self.buffer.len();
            return None;
        };
        let end = self.searched + offset + 1;
        self.searched = 0;
        Some(self.buffer.split_to(end))
    }

    fn understand(&mut self, line: &[u8]) -> Result<StreamItem, StreamEnd> {
        let line: WireLine = serde_json::from_slice(line)
            .map_err(|error| StreamEnd::Malformed(DecodeError::from(&error)))?;
        if line.events.is_empty() {
            return Ok(StreamItem::Heartbeat);
        }
        Ok(StreamItem::Events(EventBatch {
            index: line.index,
            continuity: self.position.advance(line.index),
            events: line.events,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(resume: Option<u64>, lines: &[u64]) -> Vec<Continuity> {
        let mut position = Position {
            last: resume,
            resuming: resume.is_some(),
        };
        lines.iter().map(|index| position.advance(*index)).collect()
    }

    #[test]
    fn a_resumed_stream_is_contiguous_only_when_the_last_line_comes_again() {
        use Continuity::{Contiguous, Gap, Start};
        assert_eq!(walk(None, &[5, 5, 9]), [Start, Contiguous, Contiguous]);
        assert_eq!(
            walk(Some(9), &[9, 9, 12]),
            [Contiguous, Contiguous, Contiguous]
        );
        assert_eq!(walk(Some(9), &[12, 13]), [Gap, Contiguous]);
        assert_eq!(walk(Some(9), &[7]), [Gap]);
        assert_eq!(walk(None, &[9, 3]), [Start, Gap]);
    }

    #[test]
    fn an_event_names_the_job_it_belongs_to() {
        let event = |json: &str| serde_json::from_str::<Event>(json).unwrap();
        let job = event(
            r#"{"Topic":"Job","Key":"a","Type":"JobDeregistered","Payload":{"Job":{"ID":"a"},"Deleted":true}}"#,
        );
        assert_eq!((job.job_id.as_deref(), job.deleted), (Some("a"), true));
        let alloc = event(
            r#"{"Topic":"Allocation","Key":"u","FilterKeys":["x"],"Payload":{"Allocation":{"JobID":"b"}}}"#,
        );
        assert_eq!((alloc.job_id.as_deref(), alloc.deleted), (Some("b"), false));
        assert_eq!(
            event(r#"{"Topic":"Node","Key":"n","Payload":null}"#).job_id,
            None
        );
    }
}
