//! Standard output of logs: a thread writes whole lines, so that a slow reader holds up nothing but the logs.

use tokio::sync::mpsc::{Sender, channel};
use tokio::task::JoinHandle;

use super::super::output;
use super::super::paint::Paint;
use super::super::report::status::LogLine;
use crate::clients::nomad::calls::log_stream::LogSource;
use crate::clients::nomad::calls::logs::LogKind;
use crate::plain;
use crate::views::logs::prefix;

/// Parts that may wait to be written. Each is at most what Nomad sends at once, 64 KiB and its prefixes.
const ROOM: usize = 32;

/// How lines look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub(super) json: bool,
    /// Lines as they are, whatever they do to a terminal.
    pub(super) raw: bool,
    /// Width of allocation and task before each line; `None` without them.
    pub(super) prefix: Option<usize>,
    pub(super) paint: Paint,
}

/// Nobody reads any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closed;

/// Writes lines in the order of the calls.
#[derive(Debug)]
pub(super) struct Writer {
    look: Look,
    queue: Sender<Vec<u8>>,
    thread: JoinHandle<()>,
}

/// The hand of one log on the writer.
#[derive(Debug, Clone)]
pub(super) struct Pen {
    look: Look,
    queue: Sender<Vec<u8>>,
}

impl Writer {
    pub(super) fn start(look: Look) -> Self {
        let (queue, mut waiting) = channel::<Vec<u8>>(ROOM);
        let thread = tokio::task::spawn_blocking(move || {
            while let Some(bytes) = waiting.blocking_recv() {
                // A reader that went away (`cs logs … | head`) is the end; dropping the queue tells everybody.
                if output::try_bytes(&bytes).is_err() {
                    return;
                }
            }
        });
        Self {
            look,
            queue,
            thread,
        }
    }

    pub(super) fn pen(&self) -> Pen {
        Pen {
            look: self.look,
            queue: self.queue.clone(),
        }
    }

    /// Waits until nobody reads any more.
    ///
    /// # Cancel safety
    /// Waiting changes nothing.
    pub(super) async fn closed(&self) {
        self.queue.closed().await;
    }

    /// Waits until all is written.
    pub(super) async fn finish(self) {
        drop(self.queue);
        // A thread that panicked has written what it could.
        let _ = self.thread.await;
    }
}

impl Pen {
    /// Writes lines of a log, without their line breaks. Waits while a reader is slow.
    pub(super) async fn lines(&self, source: &LogSource, lines: &[Vec<u8>]) -> Result<(), Closed> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::new();
        for line in lines {
            self.line(source, line, &mut bytes);
        }
        self.queue.send(bytes).await.map_err(|_| Closed)
    }

    /// A line that steers nothing. Its colours stay where colours are wanted, and end with it.
    fn shown(&self, line: &[u8]) -> String {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let is_coloured = self.look.paint.is_coloured();
        let mut shown = plain::of_bytes(line, is_coloured);
        if is_coloured && shown.contains('\u{1b}') {
            shown.push_str(plain::RESET);
        }
        shown
    }

    fn line(&self, source: &LogSource, line: &[u8], bytes: &mut Vec<u8>) {
        if self.look.json {
            let line = LogLine {
                allocation: &source.allocation,
                task: &source.task,
                stream: source.kind.as_str(),
                line: &String::from_utf8_lossy(line),
            };
            let line = serde_json::to_string(&line).expect("texts into memory");
            bytes.extend_from_slice(plain::json(&line).as_bytes());
        } else {
            if let Some(width) = self.look.prefix {
                let prefix = prefix(source, width);
                let prefix = plain::line(&prefix);
                let prefix = match source.kind {
                    LogKind::Stdout => self.look.paint.cyan(&prefix),
                    LogKind::Stderr => self.look.paint.yellow(&prefix),
                };
                bytes.extend_from_slice(prefix.as_bytes());
            }
            match self.look.raw {
                true => bytes.extend_from_slice(line),
                false => bytes.extend_from_slice(self.shown(line).as_bytes()),
            }
        }
        bytes.push(b'\n');
    }
}
