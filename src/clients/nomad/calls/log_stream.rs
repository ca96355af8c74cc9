//! A task's output as it is written.
//!
//! Nomad sends it in frames: JSON objects one after another, without line breaks, each with the file that it comes from
//! and the offset at which its data ends. Empty objects say that the node is alive. A followed log never ends by itself,
//! not even with its task; one that is purged ends with an error text in the middle of the answer. Observed on Nomad
//! 2.0.6-dev (conformance rows L27 to L30).
//!
//! Output is kept in numbered files, of which the oldest goes when there are too many. A place in a log is therefore a
//! file and an offset in it ([`LogPlace`]); the call itself only knows an offset over all files that are left, which
//! [`LogFiles::offset_of`] finds.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::BytesMut;
use reqwest::Response;
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

use super::logs::LogKind;
use crate::clients::nomad::client::{NomadClient, ReadCall, segment};
use crate::clients::nomad::error::NomadError;
use crate::clients::nomad::transport::Call;
use crate::clients::nomad::types::null_default;

/// Longest frame. Nomad sends at most 64 KiB of data in one.
const LONGEST_FRAME: usize = 1024 * 1024;

/// Which output of which task.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogSource {
    /// Allocation id.
    pub allocation: String,
    /// Task name.
    pub task: String,
    /// Which output.
    pub kind: LogKind,
}

/// Where reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFrom {
    /// So many bytes after the beginning of the oldest file.
    Start(u64),
    /// So many bytes before the end.
    End(u64),
}

/// A place in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPlace {
    /// Number of the file.
    pub file: u64,
    /// Offset in it.
    pub offset: u64,
}

/// What a log stream brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogItem {
    /// Output, and where it ends.
    Data {
        /// Bytes as the task wrote them; lines may be cut anywhere.
        data: Vec<u8>,
        /// Where they end, when the frame says it.
        place: Option<LogPlace>,
    },
    /// Nothing was written, the node is alive.
    Heartbeat,
}

/// Sizes of the files of an allocation's logs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct LogFiles(Vec<LogFile>);

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct LogFile {
    name: String,
    #[serde(deserialize_with = "null_default")]
    size: u64,
}

impl LogFiles {
    /// The offset over all files of a log at which a place is; 0 when its file is gone, for then all that is left is
    /// newer.
    #[must_use]
    pub fn offset_of(&self, source: &LogSource, place: &LogPlace) -> u64 {
        let number = |file: &LogFile| {
            let (log, number) = file.name.rsplit_once('.')?;
            let ours = log.strip_prefix(&source.task)? == source.kind.suffix();
            ours.then(|| number.parse::<u64>().ok()).flatten()
        };
        let (mut before, mut is_there) = (0, false);
        for file in &self.0 {
            match number(file) {
                Some(number) if number < place.file => before += file.size,
                Some(number) if number == place.file => is_there = true,
                _ => {}
            }
        }
        if is_there { before + place.offset } else { 0 }
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Frame {
    #[serde(deserialize_with = "null_default")]
    data: String,
    #[serde(deserialize_with = "null_default")]
    file: String,
    #[serde(deserialize_with = "null_default")]
    offset: u64,
}

/// An open log. Dropping it closes the connection.
pub struct LogStream {
    client: NomadClient,
    call: Call,
    response: Response,
    buffer: BytesMut,
}

impl std::fmt::Debug for LogStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogStream")
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

impl NomadClient {
    /// Opens a task's output. With `follow` it goes on for ever; without, it ends where the log ends now.
    ///
    /// The text is the workload's own: do not trust it, do not log it as ours.
    ///
    /// # Errors
    /// [`NomadError::NotFound`] when the task has not started, or when allocation and logs are gone.
    /// [`NomadError::Refused`] when there is no such task.
    ///
    /// # Cancel safety
    /// Dropping it closes the connection.
    pub async fn log_stream(
        &self,
        source: &LogSource,
        from: LogFrom,
        follow: bool,
    ) -> Result<LogStream, NomadError> {
        let (origin, offset) = match from {
            LogFrom::Start(offset) => ("start", offset),
            LogFrom::End(offset) => ("end", offset),
        };
        let path = format!("client/fs/logs/{}", segment(&source.allocation));
        let call = self
            .read::<()>("follow", source.subject(), path)
            .query("task", &source.task)
            .query("type", source.kind.as_str())
            .query("follow", follow.to_string())
            .query("origin", origin)
            .query("offset", offset.to_string())
            .into_call();
        let bound = self.transport.timeouts.read;
        let due = Instant::now() + bound;
        let response = self.transport.open(&call, bound).await?;
        if !response.status().is_success() {
            return Err(self.transport.refused(&call, response, due).await);
        }
        Ok(LogStream {
            client: self.clone(),
            call,
            response,
            buffer: BytesMut::new(),
        })
    }

    /// Lists the files of an allocation's logs.
    pub fn log_files(&self, allocation: &str) -> ReadCall<LogFiles> {
        self.read(
            "list",
            format!("the logs of allocation `{allocation}`"),
            format!("client/fs/ls/{}", segment(allocation)),
        )
        .query("path", "alloc/logs")
    }
}

impl LogStream {
    /// Waits for the next part; `None` at the end.
    ///
    /// # Errors
    /// The connection broke, or the node was silent for longer than heartbeats allow.
    ///
    /// # Cancel safety
    /// Cancel-safe: what has arrived of a frame is kept.
    pub async fn next(&mut self) -> Result<Option<LogItem>, NomadError> {
        let silence = self.client.transport.timeouts.stream_silence;
        let due = Instant::now() + silence;
        loop {
            match take_frame(&mut self.buffer) {
                Taken::Item(item) => return Ok(Some(item)),
                Taken::NoFrame => return Ok(None),
                Taken::Incomplete if self.buffer.len() > LONGEST_FRAME => {
                    return Err(NomadError::TooLarge {
                        site: self.client.transport.site(&self.call),
                        limit: LONGEST_FRAME,
                    });
                }
                Taken::Incomplete => {}
            }
            // Cancel-safe: a chunk is either still in the connection or in the buffer.
            match timeout_at(due, self.response.chunk()).await {
                Err(_) => {
                    return Err(NomadError::Timeout {
                        site: self.client.transport.site(&self.call),
                        after: silence,
                    });
                }
                Ok(Err(error)) => return Err(self.client.transport.broken(&self.call, error)),
                Ok(Ok(None)) => return Ok(None),
                Ok(Ok(Some(chunk))) => self.buffer.extend_from_slice(&chunk),
            }
        }
    }
}

impl LogSource {
    fn subject(&self) -> String {
        format!(
            "{} of task `{}` in allocation `{}`",
            self.kind.as_str(),
            self.task.escape_debug(),
            self.allocation
        )
    }
}

enum Taken {
    Item(LogItem),
    Incomplete,
    /// What comes is no frame: the node ends a log that is gone with a text.
    NoFrame,
}

fn take_frame(buffer: &mut BytesMut) -> Taken {
    let mut frames = serde_json::Deserializer::from_slice(buffer).into_iter::<Frame>();
    let frame = match frames.next() {
        None => return Taken::Incomplete,
        Some(Ok(frame)) => frame,
        Some(Err(error)) if error.is_eof() => return Taken::Incomplete,
        Some(Err(_)) => return Taken::NoFrame,
    };
    let end = frames.byte_offset();
    let _ = buffer.split_to(end);
    let Ok(data) = BASE64.decode(&frame.data) else {
        return Taken::NoFrame;
    };
    if data.is_empty() {
        return Taken::Item(LogItem::Heartbeat);
    }
    let number = frame.file.rsplit_once('.').map(|(_, number)| number);
    let place = number
        .and_then(|number| number.parse().ok())
        .map(|file| LogPlace {
            file,
            offset: frame.offset,
        });
    Taken::Item(LogItem::Data { data, place })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(text: &str) -> (Vec<LogItem>, bool) {
        let mut buffer = BytesMut::from(text);
        let mut items = Vec::new();
        loop {
            match take_frame(&mut buffer) {
                Taken::Item(item) => items.push(item),
                Taken::Incomplete => return (items, false),
                Taken::NoFrame => return (items, true),
            }
        }
    }

    #[test]
    fn frames_follow_each_other_without_line_breaks_and_may_be_cut_anywhere() {
        let text =
            r#"{"Data":"b25lCg==","File":"alloc/logs/app.stdout.3","Offset":14}{}{"Data":"dHc"#;
        let (items, ended) = taken(text);
        let data = LogItem::Data {
            data: b"one\n".to_vec(),
            place: Some(LogPlace {
                file: 3,
                offset: 14,
            }),
        };
        assert_eq!((items, ended), (vec![data, LogItem::Heartbeat], false));
    }

    #[test]
    fn a_text_in_place_of_a_frame_is_the_end() {
        let text = r#"{"File":"alloc/logs/a.stdout.0","FileEvent":"file deleted","Offset":382}failed to list entries: open …"#;
        assert_eq!(taken(text), (vec![LogItem::Heartbeat], true));
    }

    #[test]
    fn a_place_is_found_again_after_files_were_rotated_away() {
        let files: LogFiles = serde_json::from_str(
            r#"[{"Name":".app.stdout.fifo","Size":0},{"Name":"app.stdout.4","Size":100},{"Name":"app.stderr.4","Size":9},
                {"Name":"app.stdout.5","Size":40},{"Name":"app.x.stdout.4","Size":7}]"#,
        )
        .unwrap();
        let source = LogSource {
            allocation: "a".to_owned(),
            task: "app".to_owned(),
            kind: LogKind::Stdout,
        };
        let at = |file, offset| files.offset_of(&source, &LogPlace { file, offset });
        assert_eq!(at(4, 10), 10);
        assert_eq!(at(5, 10), 110);
        assert_eq!(at(3, 10), 0, "its file is gone: all that is left is newer");
    }
}
