//! Build logs: bytes of two streams become numbered lines.
//!
//! Framing follows the contract (2.6): cut at `\n`, which stays part of the line; an unfinished line is held until it
//! is finished or flushed; every stream counts from 1. What is written goes through the bounded [`Queue`], so a slow
//! server slows the writer.

use std::sync::Arc;

use serde::Serialize;
use tokio::sync::{Mutex, OnceCell};

use super::Clock;
use super::courier::blocking;
use super::event::{Event, LogEnd, Message, short_hash, to_json, token};
use super::outbox::Outbox;
use super::queue::{Pushed, Queue};
use super::subject::{Subject, SubjectPrefix};
use crate::ids::DeploymentId;

/// Longest line; a longer one is cut here, between two characters.
///
/// 128 KiB: JSON may escape each byte of it with six, which stays below the 1 MiB that a NATS server accepts by
/// default.
pub const MAX_LINE_BYTES: usize = 128 << 10;

/// Whose log it is: what every line repeats. Source: contract, 2.6.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogIdentity {
    /// Params `deploymentId`; becomes part of the subject.
    pub deployment_id: DeploymentId,
    /// Params `deploymentJobId`.
    pub job_id: i64,
    /// Params `serviceId`.
    pub service_id: String,
    /// Params `ownerId`.
    pub owner_id: String,
}

/// Which of the two streams a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogStream {
    /// Ordinary output.
    Stdout,
    /// Diagnostics.
    Stderr,
}

impl LogStream {
    fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// What was going on when a line was finished. Source: contract, 2.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Before anything else.
    Init,
    /// Fetching the source.
    Clone,
    /// Building the image.
    Build,
    /// Pushing the image.
    Registry,
    /// Registering the job and waiting for it.
    Deploy,
    /// After the deployment.
    Release,
    /// Looking for the image's ports.
    Detect,
}

/// Fields in the order of the contract.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'a> {
    deployment_id: &'a DeploymentId,
    job_id: i64,
    service_id: &'a str,
    owner_id: &'a str,
    log_output: LogStream,
    content: &'a str,
    timestamp: i64,
    sequence: u64,
    phase: Phase,
}

/// The log of one deployment. Cheap to clone; all clones write the same log.
#[derive(Clone)]
pub struct BuildLog {
    shared: Arc<Shared>,
}

struct Shared {
    identity: LogIdentity,
    prefix: SubjectPrefix,
    clock: Clock,
    queue: Arc<Queue>,
    outbox: Option<Arc<Outbox>>,
    /// An earlier run announced the end of this log. Looked up once.
    ended_before: OnceCell<bool>,
    stdout: Mutex<Stream>,
    stderr: Mutex<Stream>,
}

struct Stream {
    kind: LogStream,
    framer: LineFramer,
    phase: Phase,
    /// Of the last line that was queued.
    sequence: u64,
    /// Lines dropped since then.
    dropped: usize,
    ended: bool,
}

impl Stream {
    fn new(kind: LogStream) -> Self {
        Self {
            kind,
            framer: LineFramer::default(),
            phase: Phase::Init,
            sequence: 0,
            dropped: 0,
            ended: false,
        }
    }
}

impl std::fmt::Debug for BuildLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BuildLog")
            .field("identity", &self.shared.identity)
            .finish_non_exhaustive()
    }
}

impl BuildLog {
    pub(super) fn new(
        identity: LogIdentity,
        prefix: SubjectPrefix,
        clock: Clock,
        queue: Arc<Queue>,
        outbox: Option<Arc<Outbox>>,
        is_over: bool,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                identity,
                prefix,
                clock,
                queue,
                outbox,
                // Known already, or to be looked up.
                ended_before: OnceCell::new_with(is_over.then_some(true)),
                stdout: Mutex::new(Stream::new(LogStream::Stdout)),
                stderr: Mutex::new(Stream::new(LogStream::Stderr)),
            }),
        }
    }

    /// Adds bytes to a stream and queues every line that they finish. Waits while the queue is full.
    ///
    /// After the end of the log was announced, by this run or an earlier one, what is written is ignored: the end is the
    /// last message.
    ///
    /// # Cancel safety
    /// Not cancel-safe: what was not queued when the call is dropped is lost.
    pub async fn write(&self, phase: Phase, stream: LogStream, bytes: &[u8]) {
        let mut stream = self.stream(stream).lock().await;
        if stream.ended || self.ended_before().await {
            tracing::debug!(
                deployment.id = %self.shared.identity.deployment_id,
                "Ignored a log line after the end of the log"
            );
            return;
        }
        stream.phase = phase;
        let mut rest = bytes;
        while let Some(line) = stream.framer.next_line(&mut rest) {
            self.emit(&mut stream, &line).await;
        }
    }

    /// Whether an earlier run got as far as the end of this log.
    async fn ended_before(&self) -> bool {
        let shared = &self.shared;
        if let Some(known) = shared.ended_before.get() {
            return *known;
        }
        let Some(outbox) = &shared.outbox else {
            return false;
        };
        let look_up = || async {
            let end = |status| Event::BuildLogEnd {
                deployment_id: shared.identity.deployment_id.clone(),
                job_id: shared.identity.job_id,
                status,
            };
            let lane = end(LogEnd::Success).lane(&shared.prefix);
            let ids =
                [LogEnd::Success, LogEnd::Failed].map(|how| end(how).message(&shared.prefix).id);
            let outbox = Arc::clone(outbox);
            blocking(move || outbox.knows(&lane, &ids)).await
        };
        *shared.ended_before.get_or_init(look_up).await
    }

    /// Queues unfinished lines as they are.
    pub async fn flush(&self) {
        for kind in [LogStream::Stdout, LogStream::Stderr] {
            self.flush_stream(&mut *self.stream(kind).lock().await)
                .await;
        }
    }

    /// Flushes and takes no more.
    pub(super) async fn end(&self) {
        for kind in [LogStream::Stdout, LogStream::Stderr] {
            let mut stream = self.stream(kind).lock().await;
            self.flush_stream(&mut stream).await;
            stream.ended = true;
        }
    }

    fn stream(&self, kind: LogStream) -> &Mutex<Stream> {
        match kind {
            LogStream::Stdout => &self.shared.stdout,
            LogStream::Stderr => &self.shared.stderr,
        }
    }

    async fn flush_stream(&self, stream: &mut Stream) {
        if let Some(line) = stream.framer.take_rest() {
            self.emit(stream, &line).await;
        } else if stream.dropped > 0 {
            self.emit_gap(stream).await;
        }
    }

    async fn emit(&self, stream: &mut Stream, content: &str) {
        if stream.dropped > 0 && self.emit_gap(stream).await == Pushed::Dropped {
            stream.dropped += 1;
            return;
        }
        if self.push(stream, content).await == Pushed::Dropped {
            stream.dropped += 1;
        }
    }

    /// Tells readers of the log that lines are missing here.
    async fn emit_gap(&self, stream: &mut Stream) -> Pushed {
        let marker = format!(
            "[cs] {} log lines are missing here: NATS did not take them in time\n",
            stream.dropped
        );
        let pushed = self.push(stream, &marker).await;
        if pushed == Pushed::Queued {
            stream.dropped = 0;
        }
        pushed
    }

    async fn push(&self, stream: &mut Stream, content: &str) -> Pushed {
        let sequence = stream.sequence + 1;
        let message = self.message(stream, sequence, content);
        let pushed = self.shared.queue.push_line(&message).await;
        if pushed == Pushed::Queued {
            stream.sequence = sequence;
        }
        pushed
    }

    fn message(&self, stream: &Stream, sequence: u64, content: &str) -> Message {
        let Shared {
            identity,
            prefix,
            clock,
            ..
        } = &*self.shared;
        let payload = Payload {
            deployment_id: &identity.deployment_id,
            job_id: identity.job_id,
            service_id: &identity.service_id,
            owner_id: &identity.owner_id,
            log_output: stream.kind,
            content,
            timestamp: clock().as_millisecond(),
            sequence,
            phase: stream.phase,
        };
        let id = format!(
            "{}.log.{}.{sequence}.{}",
            token(identity.deployment_id.as_str()),
            stream.kind.as_str(),
            short_hash(content.as_bytes())
        );
        Message {
            id: prefix.join(&id),
            subject: Subject::build_log(prefix, &identity.deployment_id),
            payload: to_json(&payload),
            trace: crate::observe::here(),
        }
    }
}

/// Cuts a stream of bytes into lines, however it arrives.
#[derive(Debug, Default)]
struct LineFramer {
    held: Vec<u8>,
}

impl LineFramer {
    /// Takes bytes from the front of `input` until a line is complete and returns it, or holds all of them.
    fn next_line(&mut self, input: &mut &[u8]) -> Option<String> {
        loop {
            // A line of the longest content may still get its line feed.
            let room = (MAX_LINE_BYTES + 1).saturating_sub(self.held.len());
            let window = &input[..input.len().min(room)];
            if let Some(end) = window.iter().position(|&byte| byte == b'\n') {
                self.held.extend_from_slice(&window[..=end]);
                *input = &input[end + 1..];
                return Some(text(&std::mem::take(&mut self.held)));
            }
            self.held.extend_from_slice(window);
            *input = &input[window.len()..];
            if self.held.len() > MAX_LINE_BYTES {
                let rest = self.held.split_off(cut(&self.held));
                return Some(text(&std::mem::replace(&mut self.held, rest)));
            }
            if input.is_empty() {
                return None;
            }
        }
    }

    /// Returns the unfinished line, if there is one.
    fn take_rest(&mut self) -> Option<String> {
        (!self.held.is_empty()).then(|| text(&std::mem::take(&mut self.held)))
    }
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).into_owned()
}

/// Returns where to cut an overlong line: at the limit, or up to three bytes before it so that no character is split.
fn cut(line: &[u8]) -> usize {
    let continues = |at: &usize| line[*at] & 0b1100_0000 == 0b1000_0000;
    (MAX_LINE_BYTES - 3..=MAX_LINE_BYTES)
        .rev()
        .find(|at| !continues(at))
        .unwrap_or(MAX_LINE_BYTES)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
        let mut framer = LineFramer::default();
        let mut lines = Vec::new();
        for mut chunk in chunks {
            while let Some(line) = framer.next_line(&mut chunk) {
                lines.push(line);
            }
        }
        lines.extend(framer.take_rest());
        lines
    }

    #[test]
    fn lines_keep_their_line_feed_and_the_last_may_have_none() {
        let whole: &[u8] = b"one\n\ntwo\r\nthree";
        assert_eq!(frame([whole]), ["one\n", "\n", "two\r\n", "three"]);
    }

    #[test]
    fn a_character_split_by_two_writes_stays_whole_and_invalid_bytes_are_replaced() {
        let text = "é\n".as_bytes();
        assert_eq!(frame([&text[..1], &text[1..]]), ["é\n"]);
        assert_eq!(frame([&b"a\xffb\n"[..]]), ["a\u{fffd}b\n"]);
    }

    #[test]
    fn an_endless_line_is_cut_between_characters() {
        let text = "é".repeat(MAX_LINE_BYTES);
        let shifted = format!("x{text}");
        for text in [text, shifted] {
            let lines = frame([text.as_bytes()]);
            assert!(lines.iter().all(|line| line.len() <= MAX_LINE_BYTES));
            assert_eq!(lines.concat(), text);
        }
    }

    #[test]
    fn a_line_of_the_longest_content_keeps_its_line_feed() {
        let text = format!("{}\nrest", "x".repeat(MAX_LINE_BYTES));
        let lines = frame([text.as_bytes()]);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].len(), MAX_LINE_BYTES + 1);
    }

    proptest! {
        /// However a stream is cut into writes, the same lines come out.
        #[test]
        fn chunking_does_not_change_the_lines(
            text in proptest::collection::vec(
                prop_oneof![
                    Just(b"\n".to_vec()),
                    Just("é€😀".as_bytes().to_vec()),
                    proptest::collection::vec(any::<u8>(), 0..20),
                    Just(vec![b'x'; MAX_LINE_BYTES - 2]),
                ],
                0..8,
            ),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let bytes = text.concat();
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            at.extend([0, bytes.len()]);
            at.sort_unstable();
            let chunks: Vec<&[u8]> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(frame(chunks), frame([&bytes[..]]));
        }

        /// Nothing is added to, left out of or reordered in a stream of valid text.
        #[test]
        fn lines_put_together_are_the_stream(text in "[a-zé\n\r]{0,200}") {
            prop_assert_eq!(frame([text.as_bytes()]).concat(), text);
        }
    }
}
