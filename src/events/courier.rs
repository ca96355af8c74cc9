//! The one task that sends: takes from the queue, hands to the sink, records in the outbox, waits and tries again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backon::BackoffBuilder;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use super::Clock;
use super::event::Message;
use super::outbox::{Entry, Head, Outbox, OutboxError};
use super::queue::{Next, Place, Queue, QueuedEvent};
use super::sink::{Disposition, EventSink, PublishFailure, SinkError};
use crate::clients::chain;
use crate::observe::{self, Kind};

/// First and longest wait between two attempts.
///
/// 100 ms to 2 s: short enough to use the seconds that are left at the end of a run, long enough to leave a server
/// that starts in peace.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// How often to look whether another process let go of a lane. Locks between processes cannot be awaited, and only
/// two runs of the same dispatch ever meet here.
const BUSY_WAIT: Duration = Duration::from_millis(50);

/// What the courier tells about itself.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Events acknowledged in this run, leftovers included.
    pub(super) sent: AtomicUsize,
    /// Events that will never be accepted and were moved aside.
    refused: Mutex<Vec<Message>>,
    /// Why the last attempt failed; none after one that did not.
    trouble: Mutex<Option<String>>,
}

impl Progress {
    pub(super) fn refused(&self) -> Vec<Message> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.clone()
    }

    pub(super) fn trouble(&self) -> Option<String> {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.clone()
    }

    fn set_trouble(&self, text: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }
}

pub(super) struct Courier<S> {
    pub(super) sink: S,
    pub(super) queue: Arc<Queue>,
    /// Absent where events need not outlive the process: without NATS, or without a usable state directory.
    pub(super) outbox: Option<Arc<Outbox>>,
    pub(super) progress: Arc<Progress>,
    pub(super) clock: Clock,
    /// Cancelled once leftovers are in the queue: only then may events of this run follow.
    pub(super) ready: CancellationToken,
    /// Ends the task at once; what is not acknowledged stays where it is.
    pub(super) stop: CancellationToken,
    /// Is told the id of each event that was acknowledged and is kept nowhere but in memory.
    pub(super) acknowledged: Option<UnboundedSender<String>>,
}

/// Whether to go on after an attempt.
enum Step {
    Next,
    /// Nothing will be accepted in this run.
    Stalled,
}

impl<S: EventSink> Courier<S> {
    /// Runs until the queue is closed and empty, nothing will ever be accepted, or `stop` is cancelled.
    pub(super) async fn run(mut self) {
        let stop = self.stop.clone();
        let ready = self.ready.clone().drop_guard();
        let finished = tokio::select! {
            biased;
            // Cancel-safe: the queue keeps what is being sent until it is settled, and the outbox beyond that.
            () = stop.cancelled() => false,
            () = self.work() => true,
        };
        drop(ready);
        if finished {
            self.sink.close().await;
        }
    }

    async fn work(&mut self) {
        self.take_over_leftovers().await;
        self.ready.cancel();
        let mut backoff = Backoff::new(self.queue.closing().clone());
        let closing = self.queue.closing().clone();
        let opened = tokio::select! {
            // Cancel-safe: an attempt to connect is repeated by the first publish.
            opened = self.sink.open() => opened,
            () = closing.cancelled() => Ok(()),
        };
        if let Err(error) = opened
            && let Step::Stalled = self.react(&error, &mut backoff).await
        {
            return;
        }
        loop {
            let step = match self.queue.next().await {
                Next::Closed => {
                    if self.hand_over_lanes().await {
                        return;
                    }
                    Step::Next
                }
                Next::Lines(lines) => self.send_lines(&lines, &mut backoff).await,
                Next::Event(event) => self.send_event(event, &mut backoff).await,
            };
            if let Step::Stalled = step {
                return;
            }
        }
    }

    async fn take_over_leftovers(&mut self) {
        let Some(outbox) = self.outbox.clone() else {
            return;
        };
        let now = (self.clock)();
        let leftovers = blocking(move || {
            let leftovers = outbox.leftovers();
            outbox.prune(now.into());
            leftovers
        });
        for (lane, position) in leftovers.await {
            tracing::info!(
                outbox.lane = lane,
                "Found events of an earlier run that were not acknowledged; they are sent first"
            );
            self.queue.push_event(QueuedEvent {
                lane,
                place: Place::Disk { position },
                leftover: true,
                closes_lane: true,
            });
        }
    }

    async fn send_lines(&mut self, lines: &[Message], backoff: &mut Backoff) -> Step {
        let published = self.sink.publish(lines).await;
        let (accepted, failure) = match published {
            Ok(()) => (lines.len(), None),
            Err(PublishFailure {
                acknowledged,
                error,
            }) => (acknowledged, Some(error)),
        };
        if accepted > 0 {
            self.accepted(backoff);
            account("log", &lines[..accepted]);
            self.queue.pop_lines(accepted);
        }
        let Some(error) = failure else {
            return Step::Next;
        };
        if error.disposition() == Disposition::GiveUp {
            tracing::warn!("A log line is dropped: {}", chain(&error));
            self.queue.drop_line();
            return Step::Next;
        }
        self.react(&error, backoff).await
    }

    async fn send_event(&mut self, event: QueuedEvent, backoff: &mut Backoff) -> Step {
        match &event.place {
            Place::Memory(message) => {
                let message = message.clone();
                match self.publish(&message).await {
                    Ok(()) => {
                        self.accepted(backoff);
                        self.progress.sent.fetch_add(1, Ordering::Relaxed);
                        if let Some(acknowledged) = &self.acknowledged {
                            // Nobody who wants to know: the stream drops a repeat by its id.
                            let _ = acknowledged.send(message.id);
                        }
                        self.queue.pop_event();
                        Step::Next
                    }
                    Err(failure) => self.event_failed(&event, message, &failure, backoff).await,
                }
            }
            Place::Disk { position } => {
                let position = *position;
                match self.head(&event.lane, position).await {
                    Ok(Head::Entry(entry)) => self.send_entry(event, entry, backoff).await,
                    Ok(Head::Done) => {
                        self.finish_event(&event).await;
                        Step::Next
                    }
                    Ok(Head::Busy) => {
                        tracing::debug!(
                            outbox.lane = event.lane,
                            "Another process sends these events; waiting for it"
                        );
                        tokio::time::sleep(BUSY_WAIT).await;
                        Step::Next
                    }
                    Err(error) => {
                        self.trouble(&chain(&error));
                        backoff.wait().await;
                        Step::Next
                    }
                }
            }
        }
    }

    async fn send_entry(
        &mut self,
        event: QueuedEvent,
        entry: Entry,
        backoff: &mut Backoff,
    ) -> Step {
        if let Err(failure) = self.publish(&entry.message).await {
            let message = entry.message.clone();
            if failure.error.disposition() == Disposition::GiveUp
                && let Some(outbox) = self.outbox.clone()
            {
                let lane = event.lane.clone();
                blocking(move || outbox.give_up(&lane, &entry)).await;
            }
            return self.event_failed(&event, message, &failure, backoff).await;
        }
        self.accepted(backoff);
        self.progress.sent.fetch_add(1, Ordering::Relaxed);
        let last = matches!(event.place, Place::Disk { position } if entry.position >= position);
        self.settle(&event.lane, entry).await;
        if last {
            self.finish_event(&event).await;
        }
        Step::Next
    }

    async fn event_failed(
        &mut self,
        event: &QueuedEvent,
        message: Message,
        failure: &PublishFailure,
        backoff: &mut Backoff,
    ) -> Step {
        match failure.error.disposition() {
            Disposition::GiveUp => {
                tracing::error!(
                    event.id = message.id,
                    "Event `{}` will never be accepted: {}",
                    message.id,
                    chain(&failure.error)
                );
                let mut refused = self
                    .progress
                    .refused
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                refused.push(message);
                drop(refused);
                if matches!(event.place, Place::Memory(_)) {
                    self.queue.pop_event();
                }
                Step::Next
            }
            Disposition::BackoffSubject if event.leftover && self.queue.postpone_event() => {
                self.trouble(&chain(&failure.error));
                Step::Next
            }
            Disposition::BackoffSubject | Disposition::Backoff | Disposition::Stall => {
                self.react(&failure.error, backoff).await
            }
        }
    }

    /// Sends one event, with a span of its own below that of what it tells of.
    async fn publish(&mut self, message: &Message) -> Result<(), PublishFailure> {
        let name = format!("send {}", message.subject.kind());
        let span = observe::span_below(message.trace.as_deref(), name, Kind::Producer);
        span.set("messaging.operation.name", "send");
        span.set("messaging.operation.type", "send");
        span.set("messaging.system", S::SYSTEM);
        span.set("messaging.destination.name", message.subject.as_str());
        span.set("messaging.message.id", message.id.as_str());
        span.set("messaging.message.body.size", message.payload.len() as u64);
        let sent = Message {
            trace: span.context().or_else(|| message.trace.clone()),
            ..message.clone()
        };
        let published = self.sink.publish(std::slice::from_ref(&sent)).await;
        match &published {
            Ok(()) => account("event", std::slice::from_ref(message)),
            Err(_) => span.fail("not-acknowledged"),
        }
        published
    }

    /// Waits as the error demands.
    async fn react(&mut self, error: &SinkError, backoff: &mut Backoff) -> Step {
        self.trouble(&chain(error));
        if error.disposition() == Disposition::Stall {
            self.queue.give_up_lines();
            return Step::Stalled;
        }
        observe::retry("nats");
        backoff.wait().await;
        Step::Next
    }

    /// Says what is wrong, once until it changes.
    fn trouble(&self, text: &str) {
        if self.progress.trouble().as_deref() == Some(text) {
            tracing::debug!("Still: {text}");
            return;
        }
        tracing::warn!("Events are not delivered: {text}");
        self.progress.set_trouble(Some(text.to_owned()));
    }

    fn accepted(&self, backoff: &mut Backoff) {
        backoff.reset();
        self.queue.progressed();
        if self.progress.trouble().is_some() {
            tracing::info!("Events are delivered again");
            self.progress.set_trouble(None);
        }
    }

    async fn finish_event(&mut self, event: &QueuedEvent) {
        self.queue.pop_event();
        if event.closes_lane
            && let Some(outbox) = self.outbox.clone()
        {
            let lane = event.lane.clone();
            if !blocking(move || outbox.release(&lane)).await {
                self.sweep(event.lane.clone());
            }
        }
    }

    /// Queues whatever waits in a lane that has nothing more to come from this process.
    fn sweep(&self, lane: String) {
        self.queue.push_event(QueuedEvent {
            lane,
            place: Place::Disk { position: u64::MAX },
            leftover: true,
            closes_lane: true,
        });
    }

    /// Lets go of all lanes at the end. Returns false if something came in that has to be sent first: another run of
    /// the same dispatch relies on this one to send what it finds waiting.
    async fn hand_over_lanes(&mut self) -> bool {
        let Some(outbox) = self.outbox.clone() else {
            return true;
        };
        let kept = blocking(move || {
            let mut lanes = outbox.in_use();
            lanes.retain(|lane| !outbox.release(lane));
            lanes
        });
        let kept = kept.await;
        let done = kept.is_empty();
        kept.into_iter().for_each(|lane| self.sweep(lane));
        done
    }

    async fn head(&mut self, lane: &str, position: u64) -> Result<Head, OutboxError> {
        let Some(outbox) = self.outbox.clone() else {
            return Ok(Head::Done);
        };
        let lane = lane.to_owned();
        blocking(move || outbox.head(&lane, position)).await
    }

    async fn settle(&mut self, lane: &str, entry: Entry) {
        let Some(outbox) = self.outbox.clone() else {
            return;
        };
        let lane = lane.to_owned();
        if let Err(error) = blocking(move || outbox.settle(&lane, &entry)).await {
            tracing::warn!(
                "An acknowledged event may be sent again by a later run: {}",
                chain(&error)
            );
        }
    }
}

/// Keeps account of messages that were acknowledged.
fn account(kind: &'static str, messages: &[Message]) {
    observe::published(kind, messages.len());
    observe::bytes(
        kind,
        messages.iter().map(|message| message.payload.len()).sum(),
    );
}

/// Runs file system calls where they may block. They run to their end even if nobody waits any more.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is being torn down and this task with it: never woken again.
            Err(_) => std::future::pending().await,
        },
    }
}

/// Growing waits with jitter, cut short once when the queue closes: the end of a run is worth an attempt.
struct Backoff {
    waits: backon::ExponentialBackoff,
    closing: CancellationToken,
    hurried: bool,
}

impl Backoff {
    fn new(closing: CancellationToken) -> Self {
        Self {
            waits: waits(),
            closing,
            hurried: false,
        }
    }

    fn reset(&mut self) {
        self.waits = waits();
    }

    async fn wait(&mut self) {
        let wait = self.waits.next().unwrap_or(BACKOFF_MAX);
        if self.hurried {
            tokio::time::sleep(wait).await;
            return;
        }
        tokio::select! {
            // Cancel-safe: a clock and a flag.
            () = tokio::time::sleep(wait) => {}
            () = self.closing.cancelled() => {
                self.hurried = true;
                self.reset();
            }
        }
    }
}

fn waits() -> backon::ExponentialBackoff {
    backon::ExponentialBuilder::new()
        .with_min_delay(BACKOFF_MIN)
        .with_max_delay(BACKOFF_MAX)
        .with_jitter()
        .without_max_times()
        .build()
}
