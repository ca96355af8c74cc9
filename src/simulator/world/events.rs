//! The event stream's memory: the last hundred lines, each as it goes over the wire.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::{Value, json};

/// How many lines are kept (`event_buffer_size`).
pub const BUFFER: usize = 100;

/// Something that happened.
#[derive(Debug, Clone)]
pub struct Event {
    /// `Job`, `Evaluation`, `Allocation`, `Deployment`, …
    pub topic: &'static str,
    /// The raft message, not the object.
    pub kind: &'static str,
    /// Id of the object.
    pub key: String,
    /// Namespace; `""` for objects without one.
    pub namespace: String,
    /// Other ids by which it is found.
    pub filter_keys: Vec<String>,
    /// `{<Topic>: {…}}`.
    pub payload: Value,
}

impl Event {
    /// As the stream writes it.
    #[must_use]
    pub fn json(&self, index: u64) -> Value {
        json!({
            "Topic": self.topic,
            "Type": self.kind,
            "Key": self.key,
            "Namespace": self.namespace,
            "FilterKeys": if self.filter_keys.is_empty() { Value::Null } else { json!(self.filter_keys) },
            "Index": index,
            "Payload": self.payload,
        })
    }
}

/// One line of the stream: what one raft message did.
#[derive(Debug, Clone)]
pub struct EventLine {
    /// Position, counted from 0 without gaps.
    pub position: u64,
    /// Raft index. Two lines may have the same.
    pub index: u64,
    /// What happened.
    pub events: Arc<Vec<Event>>,
}

/// The last lines.
#[derive(Debug, Default)]
pub struct EventBuffer {
    lines: VecDeque<EventLine>,
    next: u64,
}

impl EventBuffer {
    /// Adds a line.
    pub fn push(&mut self, index: u64, events: Vec<Event>) {
        if events.is_empty() {
            return;
        }
        self.lines.push_back(EventLine {
            position: self.next,
            index,
            events: Arc::new(events),
        });
        self.next += 1;
        if self.lines.len() > BUFFER {
            self.lines.pop_front();
        }
    }

    /// Where a reader starts that asks for `index`: the first line at or after it. 0 is the oldest, a future index the newest.
    #[must_use]
    pub fn start(&self, index: u64) -> u64 {
        self.lines
            .iter()
            .find(|line| line.index >= index)
            .or(self.lines.back())
            .map_or(self.next, |line| line.position)
    }

    /// The lines from `position` on; `None` when the reader fell behind the buffer.
    #[must_use]
    pub fn since(&self, position: u64) -> Option<Vec<EventLine>> {
        let oldest = self.next - self.lines.len() as u64;
        if position < oldest {
            return None;
        }
        let skip = usize::try_from(position - oldest).unwrap_or(usize::MAX);
        Some(self.lines.iter().skip(skip).cloned().collect())
    }

    /// Loses everything, as a new leader does.
    pub fn clear(&mut self) {
        self.lines.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        Event {
            topic: "Job",
            kind: "JobRegistered",
            key: "x".into(),
            namespace: "default".into(),
            filter_keys: Vec::new(),
            payload: json!({}),
        }
    }

    #[test]
    fn a_reader_starts_at_the_index_it_names_and_a_future_one_gets_the_newest_line() {
        let mut buffer = EventBuffer::default();
        for index in [5, 5, 7] {
            buffer.push(index, vec![event()]);
        }
        assert_eq!(buffer.start(0), 0);
        assert_eq!(buffer.start(6), 2);
        assert_eq!(buffer.start(5), 0);
        assert_eq!(buffer.start(99), 2);
    }

    #[test]
    fn a_reader_that_falls_behind_is_told_so() {
        let mut buffer = EventBuffer::default();
        for index in 0..150 {
            buffer.push(index, vec![event()]);
        }
        assert!(buffer.since(10).is_none());
        assert_eq!(buffer.since(149).map(|lines| lines.len()), Some(1));
        assert_eq!(buffer.since(150).map(|lines| lines.len()), Some(0));
    }
}
