//! The handle through which everything else announces events and writes build logs.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::Clock;
use super::build_log::{BuildLog, LogIdentity};
use super::courier::{Courier, Progress, blocking};
use super::event::{Event, LogEnd, Message};
use super::nats::{NatsConfig, NatsSink};
use super::outbox::{Kept, Outbox};
use super::queue::{LogLimits, Place, Queue, QueuedEvent};
use super::sink::EventSink;
use super::stdout::StdoutSink;
use super::subject::{Subject, SubjectPrefix};
use crate::clients::chain;
use crate::ids::DeploymentId;

/// Everything an [`Announcer`] needs to know.
pub struct AnnouncerConfig {
    /// How to reach NATS. None (`NATS_SERVERS` is not set): events become lines on `stdout`.
    ///
    /// Servers without a key, or with a key that is none, are *not* the same as no NATS: the platform then expects
    /// events over NATS, and lines on stdout would look like a delivery that did not happen. Such a run says what is
    /// wrong, goes on, keeps every event in the outbox and reports them as pending; a later run that has the key sends
    /// them. Source: contract, 2.1 (a missing key is an authentication error; never lose the final event silently).
    pub nats: Option<NatsConfig>,
    /// What stands in front of every subject (`NATS_STREAM_PREFIX`).
    pub prefix: SubjectPrefix,
    /// Where events wait until they are acknowledged (`CS_STATE_DIR`). None, or a directory that cannot be written:
    /// they wait in memory, with a warning. Not used without NATS.
    pub state_dir: Option<PathBuf>,
    /// Takes event lines when there is no NATS.
    pub stdout: Box<dyn Write + Send>,
    /// Tells the time of log lines.
    pub clock: Clock,
    /// How much of a build log waits in memory.
    pub log_limits: LogLimits,
}

/// What several tries of one task know of its events, kept by the caller.
///
/// For runs that a queue hands out again until they are over: the next try announces what this one could not, so
/// nothing is kept on disk. Two outboxes of two machines could not know of each other either.
pub struct SharedLedger {
    /// Ids that were acknowledged in earlier tries; they are not sent again.
    pub announced: HashSet<String>,
    /// Is told each id that is acknowledged from now on.
    pub acknowledged: UnboundedSender<String>,
}

/// Announces events, in order, each once, and carries build logs. Cheap to clone; all clones are one announcer.
///
/// Flow: [`start`](Self::start) returns at once and connects beside the work; [`announce`](Self::announce) returns
/// once the event is durable; one task sends events and log lines in the order in which they were handed in, leftovers
/// of earlier runs first; [`finish`](Self::finish) waits for the rest and tells what is not acknowledged.
///
/// Guarantees: events of one deployment are sent in order, and one is sent only when the one before it was
/// acknowledged or can never be; an event whose id was acknowledged is not sent again, not even by a later run with the
/// same state directory; `build.log.end` follows all lines of its log.
///
/// Dropping the last clone without `finish` stops sending at once, as a crash would: events stay in the outbox, log
/// lines that were not sent are lost.
#[derive(Clone)]
pub struct Announcer {
    inner: Arc<Inner>,
}

struct Inner {
    prefix: SubjectPrefix,
    clock: Clock,
    queue: Arc<Queue>,
    outbox: Option<Arc<Outbox>>,
    progress: Arc<Progress>,
    ready: CancellationToken,
    stop: CancellationToken,
    worker: Mutex<Option<JoinHandle<()>>>,
    logs: Mutex<BTreeMap<DeploymentId, BuildLog>>,
    /// Ids that were announced without an outbox, by this or an earlier try.
    announced: Mutex<HashSet<String>>,
    acknowledged: Option<UnboundedSender<String>>,
}

/// What became of everything that was announced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct Delivery {
    /// Events acknowledged by this run, leftovers of earlier runs included.
    pub sent: usize,
    /// Events not acknowledged, in order within each deployment. Not empty: the run did not do all it should.
    pub pending: Vec<PendingEvent>,
    /// Log lines that were never sent.
    pub dropped_log_lines: usize,
    /// Why the last attempt failed, if it did. Fit for people, free of secrets.
    pub reason: Option<String>,
}

/// An event that was not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingEvent {
    /// Where it was to go.
    pub subject: Subject,
    /// Its message id.
    pub id: String,
    /// Whether a later run with the same state directory finds it. False: it is lost when the process ends.
    pub kept: bool,
}

impl std::fmt::Debug for Announcer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Announcer")
            .field("prefix", &self.inner.prefix)
            .field("queue", &self.inner.queue)
            .finish_non_exhaustive()
    }
}

impl Announcer {
    /// Starts to announce. Never fails and does not wait for NATS: what is wrong shows up as warnings, and as pending
    /// events in the end.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    #[must_use]
    pub fn start(config: AnnouncerConfig) -> Self {
        Self::start_with(config, None)
    }

    /// The same for one try of several, whose ledger the caller keeps. `state_dir` is not used.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    #[must_use]
    pub fn start_shared(config: AnnouncerConfig, ledger: SharedLedger) -> Self {
        Self::start_with(config, Some(ledger))
    }

    fn start_with(config: AnnouncerConfig, ledger: Option<SharedLedger>) -> Self {
        let AnnouncerConfig {
            nats,
            prefix,
            state_dir,
            stdout,
            clock,
            log_limits,
        } = config;
        let is_kept = nats.is_some() && ledger.is_none();
        let outbox = is_kept.then(|| open_outbox(state_dir)).flatten();
        let (announced, acknowledged) = match ledger {
            Some(ledger) => (ledger.announced, Some(ledger.acknowledged)),
            None => (HashSet::new(), None),
        };
        let inner = Inner {
            prefix,
            clock,
            queue: Arc::new(Queue::new(log_limits)),
            outbox: outbox.map(Arc::new),
            progress: Arc::default(),
            ready: CancellationToken::new(),
            stop: CancellationToken::new(),
            worker: Mutex::default(),
            logs: Mutex::default(),
            announced: Mutex::new(announced),
            acknowledged,
        };
        let worker = match nats {
            Some(nats) => inner.spawn(NatsSink::new(nats)),
            None => {
                tracing::warn!("NATS_SERVERS is not set: events go to standard output, as JSON");
                inner.spawn(StdoutSink::new(stdout))
            }
        };
        *lock(&inner.worker) = Some(worker);
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Makes an event durable and queues it. Repeating an event does nothing.
    ///
    /// Waits for the disk, never for NATS; only `BuildLogEnd` may wait longer, because it first queues what its log
    /// still holds and takes no more of it. An event that cannot be kept on disk waits in memory, with a warning.
    ///
    /// # Cancel safety
    /// A dropped call may leave the event durable but not queued; it is then sent by `finish` or by the next run.
    pub async fn announce(&self, event: Event) {
        let inner = &self.inner;
        if let Event::BuildLogEnd { deployment_id, .. } = &event {
            let log = lock(&inner.logs).remove(deployment_id);
            if let Some(log) = log {
                log.end().await;
            }
        }
        inner.ready.cancelled().await;
        let lane = event.lane(&inner.prefix);
        let Some(place) = inner.keep(&lane, event.message(&inner.prefix)).await else {
            return;
        };
        inner.queue.push_event(QueuedEvent {
            lane,
            place,
            leftover: false,
            closes_lane: event.closes_lane(),
        });
    }

    /// Returns the log of a deployment: the same one until its end is announced.
    ///
    /// A repeat of a run that announced the end of its log writes into the void: no line follows the end.
    #[must_use]
    pub fn build_log(&self, identity: &LogIdentity) -> BuildLog {
        let inner = &self.inner;
        let is_over = inner.ended_in_an_earlier_try(identity);
        let mut logs = lock(&inner.logs);
        let log = logs
            .entry(identity.deployment_id.clone())
            .or_insert_with(|| {
                BuildLog::new(
                    identity.clone(),
                    inner.prefix.clone(),
                    Arc::clone(&inner.clock),
                    Arc::clone(&inner.queue),
                    inner.outbox.clone(),
                    is_over,
                )
            });
        log.clone()
    }

    /// Returns how many log lines wait to be sent right now.
    #[must_use]
    pub fn queued_log_lines(&self) -> usize {
        self.inner.queue.lines()
    }

    /// Flushes logs, sends what waits, for at most `deadline`, and tells what became of everything.
    ///
    /// Returns early when everything is acknowledged, and when nothing can be because the configuration is wrong.
    /// Nothing is to be announced or written afterwards. A second call tells the same.
    ///
    /// # Cancel safety
    /// May be dropped and called again.
    pub async fn finish(&self, deadline: Duration) -> Delivery {
        let inner = &self.inner;
        let end = Instant::now() + deadline;
        let logs: Vec<BuildLog> = lock(&inner.logs).values().cloned().collect();
        let flushed = timeout_at(end, async {
            for log in &logs {
                log.flush().await;
            }
        });
        if flushed.await.is_err() {
            tracing::debug!("No time was left to flush the build log");
        }
        inner.queue.close();
        let worker = lock(&inner.worker).take();
        if let Some(mut worker) = worker
            && timeout_at(end, &mut worker).await.is_err()
        {
            inner.stop.cancel();
            // Ends at once, and its result says nothing that the queue does not.
            let _ = worker.await;
        }
        inner.delivery().await
    }
}

impl Inner {
    fn spawn<S: EventSink>(&self, sink: S) -> JoinHandle<()> {
        let courier = Courier {
            sink,
            queue: Arc::clone(&self.queue),
            outbox: self.outbox.clone(),
            progress: Arc::clone(&self.progress),
            clock: Arc::clone(&self.clock),
            ready: self.ready.clone(),
            stop: self.stop.clone(),
            acknowledged: self.acknowledged.clone(),
        };
        tokio::spawn(crate::observe::handed_on(courier.run()))
    }

    /// Whether the shared ledger has the end of this log.
    fn ended_in_an_earlier_try(&self, identity: &LogIdentity) -> bool {
        let announced = lock(&self.announced);
        [LogEnd::Success, LogEnd::Failed].into_iter().any(|status| {
            let end = Event::BuildLogEnd {
                deployment_id: identity.deployment_id.clone(),
                job_id: identity.job_id,
                status,
            };
            announced.contains(&end.message(&self.prefix).id)
        })
    }

    /// Returns where the message waits; none if it was sent or is being sent already.
    async fn keep(&self, lane: &str, message: Message) -> Option<Place> {
        if let Some(outbox) = self.outbox.clone() {
            let (lane, copy) = (lane.to_owned(), message.clone());
            match blocking(move || outbox.keep(&lane, &copy)).await {
                Ok(Kept::Waiting(position)) => return Some(Place::Disk { position }),
                Ok(Kept::SentBefore) => {
                    tracing::info!(
                        event.id = message.id,
                        "`{}` was announced before",
                        message.id
                    );
                    return None;
                }
                Err(error) => tracing::error!(
                    event.id = message.id,
                    "An event is kept in memory only and is lost if the process dies: {}",
                    chain(&error)
                ),
            }
        }
        lock(&self.announced)
            .insert(message.id.clone())
            .then_some(Place::Memory(message))
    }

    async fn delivery(&self) -> Delivery {
        let pending = |message: Message, kept: bool| PendingEvent {
            subject: message.subject,
            id: message.id,
            kept,
        };
        let on_disk = match self.outbox.clone() {
            Some(outbox) => blocking(move || outbox.waiting()).await,
            None => Vec::new(),
        };
        let mut events: Vec<PendingEvent> = on_disk.into_iter().map(|m| pending(m, true)).collect();
        let in_memory = self.queue.in_memory().into_iter();
        events.extend(in_memory.map(|m| pending(m, false)));
        let refused = self.progress.refused().into_iter();
        events.extend(refused.map(|m| pending(m, self.outbox.is_some())));
        Delivery {
            sent: self.progress.sent.load(Ordering::Relaxed),
            pending: events,
            dropped_log_lines: self.queue.dropped() + self.queue.lines(),
            reason: self.progress.trouble(),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Opens the outbox, or says loudly that there is none.
fn open_outbox(state_dir: Option<PathBuf>) -> Option<Outbox> {
    let Some(dir) = state_dir else {
        tracing::warn!(
            "CS_STATE_DIR is not set: events that NATS does not acknowledge are lost when the process ends"
        );
        return None;
    };
    match Outbox::open(&dir) {
        Ok(outbox) => Some(outbox),
        Err(error) => {
            tracing::error!(
                "Events that NATS does not acknowledge are lost when the process ends: {}",
                chain(&error)
            );
            None
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
