//! What a step says while it works: bytes of two streams, through a bounded channel.
//!
//! Whoever reads slowly slows the step, never the memory: a builder that says more than the platform takes waits.

use bytes::Bytes;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::events::LogStream;

/// Chunks that may wait. A chunk is at most what one read of a pipe or a socket gives, some 64 KiB.
const CAPACITY: usize = 64;

/// Some bytes of a stream; lines may be cut anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Which of the two.
    pub stream: LogStream,
    /// What was said.
    pub bytes: Bytes,
}

/// Where a step says what it does. Clones say it to the same listener.
#[derive(Debug, Clone)]
pub struct Output(Sender<Chunk>);

impl Output {
    /// A pair of sender and receiver.
    #[must_use]
    pub fn channel() -> (Self, Receiver<Chunk>) {
        let (sender, receiver) = channel(CAPACITY);
        (Self(sender), receiver)
    }

    /// Hands bytes on as they are; waits while the listener is behind. Without a listener they are dropped.
    ///
    /// # Cancel safety
    /// What was not handed on when the call is dropped is lost.
    pub async fn write(&self, stream: LogStream, bytes: Bytes) {
        // A listener that is gone has heard enough.
        let _ = self.0.send(Chunk { stream, bytes }).await;
    }

    /// Hands on one line of ordinary output; the line feed is added.
    pub async fn line(&self, text: &str) {
        self.write(LogStream::Stdout, format!("{text}\n").into())
            .await;
    }

    /// Hands on one line of diagnostics; the line feed is added.
    pub async fn complain(&self, text: &str) {
        self.write(LogStream::Stderr, format!("{text}\n").into())
            .await;
    }

    /// The same as [`Output::line`] from a thread that may block. Panics inside the runtime's own threads.
    pub fn line_blocking(&self, text: &str) {
        let chunk = Chunk {
            stream: LogStream::Stdout,
            bytes: format!("{text}\n").into(),
        };
        let _ = self.0.blocking_send(chunk);
    }
}
