//! What waits to be sent, in one order for events and log lines.
//!
//! Events are few and always taken; log lines are bounded, and a full queue slows whoever writes them. Only when
//! nothing was accepted for a while are lines dropped, and counted, so that a NATS that is away cannot stop a build.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::event::Message;

/// Most log lines, and bytes of them, that are sent before their acknowledgements are awaited.
///
/// 64: with 5 ms to the server and back this is over 10,000 lines a second, one by one it would be 200.
const BATCH_LINES: usize = 64;
const BATCH_BYTES: usize = 1 << 20;

/// How much of a build log waits in memory, and how long a writer is slowed before lines are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLimits {
    /// Most lines that wait. Default: 1024.
    pub lines: usize,
    /// Most bytes of payload that wait; a single line above it is taken when it is alone. Default: 4 MiB.
    pub bytes: usize,
    /// Once the queue is full and nothing was accepted for so long, lines are dropped and counted. Default: 10 s, which
    /// outlasts a restart of NATS and costs a build of 15 minutes little.
    pub patience: Duration,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self {
            lines: 1024,
            bytes: 4 << 20,
            patience: Duration::from_secs(10),
        }
    }
}

/// One event in the queue.
#[derive(Debug, Clone)]
pub(super) struct QueuedEvent {
    pub(super) lane: String,
    pub(super) place: Place,
    /// From an earlier run: has no order relation to what this run sends.
    pub(super) leftover: bool,
    /// Nothing of this lane is expected to follow.
    pub(super) closes_lane: bool,
}

/// Where an event is kept.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// In the outbox.
    Disk {
        /// Its lane is to be sent up to here.
        position: u64,
    },
    /// Only here.
    Memory(Message),
}

/// What to send next.
#[derive(Debug)]
pub(super) enum Next {
    Event(QueuedEvent),
    Lines(Vec<Message>),
    /// Nothing is left, and nothing will come.
    Closed,
}

/// What became of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pushed {
    Queued,
    Dropped,
}

#[derive(Debug)]
enum Item {
    Event(QueuedEvent),
    Line(Message),
}

#[derive(Debug)]
struct State {
    items: VecDeque<Item>,
    lines: usize,
    bytes: usize,
    dropped: usize,
    /// When something was accepted last, or the queue was made.
    progress: Instant,
    /// Nothing will ever be accepted: there is no use in slowing writers.
    dead: bool,
}

/// The queue. Consumed by one task, filled by any.
#[derive(Debug)]
pub(super) struct Queue {
    limits: LogLimits,
    state: Mutex<State>,
    arrived: Notify,
    space: Notify,
    closing: CancellationToken,
}

impl Queue {
    pub(super) fn new(limits: LogLimits) -> Self {
        Self {
            limits,
            state: Mutex::new(State {
                items: VecDeque::new(),
                lines: 0,
                bytes: 0,
                dropped: 0,
                progress: Instant::now(),
                dead: false,
            }),
            arrived: Notify::new(),
            space: Notify::new(),
            closing: CancellationToken::new(),
        }
    }

    pub(super) fn push_event(&self, event: QueuedEvent) {
        self.state().items.push_back(Item::Event(event));
        self.arrived.notify_one();
    }

    /// Queues a line, waiting for space while there is hope for it.
    ///
    /// # Cancel safety
    /// A dropped call has not queued the line.
    pub(super) async fn push_line(&self, line: &Message) -> Pushed {
        loop {
            let space = self.space.notified();
            tokio::pin!(space);
            // Registered before the look, so that space made in between is not missed.
            space.as_mut().enable();
            let deadline = {
                let mut state = self.state();
                if state.dead || self.closing.is_cancelled() {
                    state.dropped += 1;
                    return Pushed::Dropped;
                }
                if self.fits(&state, line) {
                    state.lines += 1;
                    state.bytes += line.payload.len();
                    state.items.push_back(Item::Line(line.clone()));
                    drop(state);
                    self.arrived.notify_one();
                    return Pushed::Queued;
                }
                let deadline = state.progress + self.limits.patience;
                if deadline <= Instant::now() {
                    state.dropped += 1;
                    return Pushed::Dropped;
                }
                deadline
            };
            // Cancel-safe: only a signal and a clock; the state is looked at again.
            let _ = tokio::time::timeout_at(deadline, space).await;
        }
    }

    fn fits(&self, state: &State, line: &Message) -> bool {
        state.lines == 0
            || (state.lines < self.limits.lines
                && state.bytes + line.payload.len() <= self.limits.bytes)
    }

    /// Returns what is first, without taking it out, as soon as there is something.
    pub(super) async fn next(&self) -> Next {
        loop {
            if let Some(next) = self.peek() {
                return next;
            }
            if self.closing.is_cancelled() {
                // Once more: something may have come between the look and the close.
                return self.peek().unwrap_or(Next::Closed);
            }
            tokio::select! {
                // Cancel-safe: the queue is looked at again.
                () = self.arrived.notified() => {}
                () = self.closing.cancelled() => {}
            }
        }
    }

    fn peek(&self) -> Option<Next> {
        let state = self.state();
        match state.items.front()? {
            Item::Event(event) => Some(Next::Event(event.clone())),
            Item::Line(_) => {
                let mut bytes = 0;
                let batch = state
                    .items
                    .iter()
                    .map_while(|item| match item {
                        Item::Line(line) => Some(line),
                        Item::Event(_) => None,
                    })
                    .take(BATCH_LINES)
                    .take_while(|line| {
                        let first = bytes == 0;
                        bytes += line.payload.len();
                        first || bytes <= BATCH_BYTES
                    })
                    .cloned()
                    .collect();
                Some(Next::Lines(batch))
            }
        }
    }

    /// Takes the first event out: it was accepted, or will not be in this run.
    pub(super) fn pop_event(&self) {
        let mut state = self.state();
        if matches!(state.items.front(), Some(Item::Event(_))) {
            state.items.pop_front();
        }
    }

    /// Takes the first lines out after they were accepted.
    pub(super) fn pop_lines(&self, count: usize) {
        let mut state = self.state();
        for _ in 0..count {
            remove_line(&mut state);
        }
        drop(state);
        self.space.notify_waiters();
    }

    /// Takes the first line out, unsent.
    pub(super) fn drop_line(&self) {
        let mut state = self.state();
        remove_line(&mut state);
        state.dropped += 1;
        drop(state);
        self.space.notify_waiters();
    }

    /// Moves a leftover behind everything else. Returns whether another event or line is first now.
    pub(super) fn postpone_event(&self) -> bool {
        let mut state = self.state();
        if state.items.len() < 2 {
            return false;
        }
        state.items.rotate_left(1);
        !matches!(state.items.front(), Some(Item::Event(event)) if event.leftover)
    }

    /// Something was accepted.
    pub(super) fn progressed(&self) {
        self.state().progress = Instant::now();
    }

    /// Nothing will ever be accepted.
    pub(super) fn give_up_lines(&self) {
        self.state().dead = true;
        self.space.notify_waiters();
    }

    /// Takes nothing more; [`Queue::next`] returns [`Next::Closed`] once everything is out.
    pub(super) fn close(&self) {
        self.closing.cancel();
        self.space.notify_waiters();
    }

    pub(super) fn closing(&self) -> &CancellationToken {
        &self.closing
    }

    /// How many lines wait.
    pub(super) fn lines(&self) -> usize {
        self.state().lines
    }

    /// How many lines were dropped so far.
    pub(super) fn dropped(&self) -> usize {
        self.state().dropped
    }

    /// Returns the events that wait and are kept nowhere else.
    pub(super) fn in_memory(&self) -> Vec<Message> {
        let state = self.state();
        let kept_here = |item: &Item| match item {
            Item::Event(QueuedEvent {
                place: Place::Memory(message),
                ..
            }) => Some(message.clone()),
            Item::Event(_) | Item::Line(_) => None,
        };
        state.items.iter().filter_map(kept_here).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn remove_line(state: &mut State) {
    if let Some(Item::Line(line)) = state.items.front() {
        state.bytes -= line.payload.len();
        state.lines -= 1;
        state.items.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::super::subject::{Subject, SubjectPrefix};
    use super::*;

    fn message(id: &str) -> Message {
        Message {
            id: id.to_owned(),
            subject: Subject::job_destroyed(&SubjectPrefix::default()),
            payload: "{}".into(),
            trace: None,
        }
    }

    fn event(id: &str, leftover: bool) -> QueuedEvent {
        QueuedEvent {
            lane: id.to_owned(),
            place: Place::Memory(message(id)),
            leftover,
            closes_lane: false,
        }
    }

    fn small(lines: usize) -> Queue {
        Queue::new(LogLimits {
            lines,
            bytes: 1000,
            patience: Duration::from_secs(10),
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_slows_the_writer_until_there_is_space() {
        let queue = small(2);
        for id in ["1", "2"] {
            assert_eq!(queue.push_line(&message(id)).await, Pushed::Queued);
        }
        let third_line = message("3");
        let third = queue.push_line(&third_line);
        tokio::pin!(third);
        let early = tokio::time::timeout(Duration::from_secs(5), &mut third).await;
        assert!(early.is_err(), "the third line must wait");
        queue.pop_lines(1);
        assert_eq!(third.await, Pushed::Queued);
        assert_eq!((queue.lines(), queue.dropped()), (2, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn lines_are_dropped_and_counted_once_patience_is_over() {
        let queue = small(1);
        queue.push_line(&message("1")).await;
        let before = Instant::now();
        assert_eq!(queue.push_line(&message("2")).await, Pushed::Dropped);
        assert!(before.elapsed() >= Duration::from_secs(10));
        // Slowed once, not once a line.
        let before = Instant::now();
        assert_eq!(queue.push_line(&message("3")).await, Pushed::Dropped);
        assert!(before.elapsed() < Duration::from_secs(1));
        assert_eq!(queue.dropped(), 2);
        queue.progressed();
        queue.pop_lines(1);
        assert_eq!(queue.push_line(&message("4")).await, Pushed::Queued);
    }

    #[tokio::test(start_paused = true)]
    async fn lines_and_events_leave_in_the_order_they_came() {
        let queue = small(10);
        queue.push_line(&message("1")).await;
        queue.push_line(&message("2")).await;
        queue.push_event(event("e", false));
        queue.push_line(&message("3")).await;
        let Next::Lines(lines) = queue.next().await else {
            panic!("lines first")
        };
        assert_eq!(lines.len(), 2);
        queue.pop_lines(2);
        assert!(matches!(queue.next().await, Next::Event(_)));
        queue.pop_event();
        assert!(matches!(queue.next().await, Next::Lines(_)));
        queue.pop_lines(1);
        queue.close();
        assert!(matches!(queue.next().await, Next::Closed));
    }

    #[test]
    fn a_leftover_that_nobody_accepts_lets_others_pass() {
        let queue = small(10);
        queue.push_event(event("old", true));
        assert!(!queue.postpone_event(), "alone, it stays");
        queue.push_event(event("new", false));
        assert!(queue.postpone_event());
        assert!(matches!(queue.peek(), Some(Next::Event(event)) if event.lane == "new"));
    }
}
