//! Standard output of a run whose log goes there too: a thread writes, so that a reader that hangs stops nothing else.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use super::output;
use crate::plain::Flow;

/// Chunks of the log that may wait to be written.
const ROOM: usize = 64;

/// How long a run waits for a reader that is behind. Then it goes on without: the platform has every line anyway.
const PATIENCE: Duration = Duration::from_secs(2);

/// Writes in the order of the calls. Belongs to one task.
pub(super) struct Printer {
    queue: UnboundedSender<(Bytes, Option<OwnedSemaphorePermit>)>,
    room: Arc<Semaphore>,
    /// Bytes of the log that were not written since the last that were.
    missing: Cell<usize>,
    thread: JoinHandle<()>,
}

impl Printer {
    pub(super) fn start() -> Self {
        let (queue, mut waiting) = unbounded_channel::<(Bytes, Option<OwnedSemaphorePermit>)>();
        let thread = tokio::task::spawn_blocking(move || {
            let mut flow = Flow::default();
            while let Some((bytes, room)) = waiting.blocking_recv() {
                output::raw(&flow.pass(&bytes));
                drop(room);
            }
            output::raw(&flow.rest());
        });
        Self {
            queue,
            room: Arc::new(Semaphore::new(ROOM)),
            missing: Cell::new(0),
            thread,
        }
    }

    /// Writes a line. For the few that are not the log's.
    pub(super) fn line(&self, text: &str) {
        self.put(format!("{text}\n").into(), None);
    }

    /// Writes a part of the log. Waits for a slow reader, but not for one that hangs: what it does not take is counted.
    pub(super) async fn log(&self, bytes: Bytes) {
        let room = Arc::clone(&self.room);
        let permit = if self.missing.get() == 0 {
            let permit = tokio::time::timeout(PATIENCE, room.acquire_owned()).await;
            permit.ok().and_then(Result::ok)
        } else {
            room.try_acquire_owned().ok()
        };
        let Some(permit) = permit else {
            if self.missing.get() == 0 {
                warn();
            }
            self.missing.set(self.missing.get() + bytes.len());
            return;
        };
        match self.missing.take() {
            0 => {}
            missing => self.line(&format!(
                "[cs] {missing} bytes of the log are missing here: standard output was not read in time"
            )),
        }
        self.put(bytes, Some(permit));
    }

    fn put(&self, bytes: Bytes, room: Option<OwnedSemaphorePermit>) {
        // The thread ends only after the queue.
        let _ = self.queue.send((bytes, room));
    }

    /// Waits a little until all is written. Whether it is: otherwise standard output is in the hands of a thread that
    /// hangs, and must not be touched.
    pub(super) async fn finish(self) -> bool {
        drop(self.queue);
        let is_heard = tokio::time::timeout(PATIENCE, self.thread).await.is_ok();
        // A log that fits into the queue was never held up before.
        if !is_heard && self.missing.get() == 0 {
            warn();
        }
        is_heard
    }
}

fn warn() {
    tracing::warn!("nobody reads standard output: the run goes on without it");
}
