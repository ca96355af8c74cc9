//! Events as lines of JSON, for runs without NATS.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use super::event::{Message, to_json};
use super::sink::{EventSink, PublishFailure, SinkError};

/// Writes each message as one line, `{"subject": …, "id": …, "payload": {…}}`, to a writer that it is given.
pub struct StdoutSink {
    out: Arc<Mutex<Box<dyn Write + Send>>>,
}

impl std::fmt::Debug for StdoutSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StdoutSink").finish_non_exhaustive()
    }
}

impl StdoutSink {
    /// Takes the writer for event lines.
    #[must_use]
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self {
            out: Arc::new(Mutex::new(out)),
        }
    }
}

/// Returns the line of a message, with its line feed. The payload is spliced in as it is, to keep its order of keys.
fn line(message: &Message) -> Vec<u8> {
    let mut line = Vec::with_capacity(message.payload.len() + 128);
    line.extend_from_slice(b"{\"subject\":");
    line.extend_from_slice(&to_json(&message.subject));
    line.extend_from_slice(b",\"id\":");
    line.extend_from_slice(&to_json(&message.id));
    line.extend_from_slice(b",\"payload\":");
    line.extend_from_slice(&message.payload);
    line.extend_from_slice(b"}\n");
    line
}

impl EventSink for StdoutSink {
    const SYSTEM: &'static str = "stdout";

    async fn open(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    async fn publish(&mut self, messages: &[Message]) -> Result<(), PublishFailure> {
        let mut lines = Vec::new();
        for message in messages {
            lines.extend(line(message));
        }
        let out = Arc::clone(&self.out);
        // A pipe whose reader is slow blocks, so it must not block the runtime.
        let written = tokio::task::spawn_blocking(move || {
            let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
            out.write_all(&lines)?;
            out.flush()
        });
        written
            .await
            .unwrap_or_else(|panic| Err(std::io::Error::other(panic)))
            .map_err(|source| PublishFailure {
                acknowledged: 0,
                error: SinkError::Stdout { source },
            })
    }

    async fn close(&mut self) {}
}
