//! The stream in which the engine tells how a build or a push goes: one JSON document a line.

use bytes::{Buf, BytesMut};
use reqwest::Response;
use serde::Deserialize;
use serde_json::Value;

use super::error::EngineError;
use super::transport::Transport;

/// Longest message. BuildKit splits its reports at some 1 MiB, which Base64 makes a third longer.
const MESSAGE_LIMIT: usize = 8 * 1024 * 1024;

/// Id of the messages whose `aux` is a report of BuildKit.
pub(super) const TRACE: &str = "moby.buildkit.trace";

/// One message. Which members are there depends on what it tells.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message {
    /// Of a layer, or of the kind of `aux`.
    pub(super) id: Option<String>,
    /// Output of the classic builder.
    pub(super) stream: Option<String>,
    /// What happens to a layer.
    pub(super) status: Option<String>,
    pub(super) progress_detail: Option<ProgressDetail>,
    pub(super) error: Option<String>,
    pub(super) error_detail: Option<ErrorDetail>,
    pub(super) aux: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct ProgressDetail {
    pub(super) current: Option<i64>,
    pub(super) total: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct ErrorDetail {
    #[serde(default)]
    pub(super) message: String,
}

impl Message {
    /// The error that this message is, if it is one.
    pub(super) fn failure(&self) -> Option<&str> {
        let detail = self.error_detail.as_ref().map(|d| d.message.as_str());
        detail
            .filter(|text| !text.is_empty())
            .or(self.error.as_deref())
    }

    /// Whether this is a report of BuildKit that reports nothing.
    pub(super) fn is_empty_report(&self) -> bool {
        self.id.as_deref() == Some(TRACE) && self.aux.as_ref().and_then(Value::as_str) == Some("")
    }

    /// A text of `aux`.
    pub(super) fn aux_text(&self, name: &str) -> Option<&str> {
        self.aux.as_ref()?.get(name)?.as_str()
    }
}

/// The messages of an answer, one by one.
pub(super) struct Messages<'a> {
    transport: &'a Transport,
    operation: &'static str,
    response: Response,
    buffer: BytesMut,
    /// Bytes of the buffer that hold no line feed.
    searched: usize,
}

impl<'a> Messages<'a> {
    pub(super) fn new(
        transport: &'a Transport,
        operation: &'static str,
        response: Response,
    ) -> Self {
        Self {
            transport,
            operation,
            response,
            buffer: BytesMut::new(),
            searched: 0,
        }
    }

    /// The next message; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Message>, EngineError> {
        loop {
            if let Some(line) = self.line() {
                if let Some(message) = self.parse(&line)? {
                    return Ok(Some(message));
                }
                continue;
            }
            if self.buffer.len() > MESSAGE_LIMIT {
                return Err(self.transport.malformed("message: it is too long"));
            }
            let chunk = self.response.chunk().await;
            match chunk.map_err(|error| self.transport.failed(self.operation, error))? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None => {
                    let rest = self.buffer.split();
                    return self.parse(&rest);
                }
            }
        }
    }

    /// The next whole line.
    fn line(&mut self) -> Option<BytesMut> {
        let found = self.buffer[self.searched..]
            .iter()
            .position(|b| *b == b'\n');
        let Some(at) = found else {
            self.searched = self.buffer.len();
            return None;
        };
        let line = self.buffer.split_to(self.searched + at);
        self.buffer.advance(1);
        self.searched = 0;
        Some(line)
    }

    fn parse(&self, line: &[u8]) -> Result<Option<Message>, EngineError> {
        if line.trim_ascii().is_empty() {
            return Ok(None);
        }
        serde_json::from_slice(line)
            .map(Some)
            .map_err(|_| self.transport.malformed("message"))
    }
}
