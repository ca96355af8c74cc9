//! Logs as they are written: of the allocations that run, and of those that take their places.
//!
//! Nomad never ends a followed log, not even with its task (`clients::nomad::calls::log_stream`). So each log is told
//! when its allocation is over, reads what is left, and ends. One that breaks is opened again at the place where it broke,
//! as long as Nomad says that its allocation goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::super::answer;
use super::read::{Open, show};
use super::writer::{Closed, Pen, Writer};
use super::{Arguments, MOST, Subject, TailArg};
use crate::clients::chain;
use crate::clients::nomad::calls::log_stream::{LogFrom, LogItem, LogPlace, LogSource};
use crate::clients::nomad::client::NomadClient;
use crate::clients::nomad::error::{Disposition, NomadError};
use crate::clients::nomad::types::Allocation;
use crate::clients::nomad::watch::{Subject as WatchSubject, Watched, Watcher};
use crate::views::logs::{Chosen, Lines, choose, label, news, sources};
use crate::views::text::short;

/// Lines that a log begins with when nothing else is said.
const BEGINNING: TailArg = TailArg::Lines(10);
/// Longest wait for a change before looking anyway.
const RESYNC: Duration = Duration::from_secs(30);
/// First and longest pause before a log that broke is opened again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));
/// How long the end of a log may take once its allocation is over: two heartbeats.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Follows until nobody reads any more, or the job has ended. Returns the exit code.
pub(super) async fn follow(
    nomad: &NomadClient,
    arguments: &Arguments,
    subject: Subject,
    writer: &Writer,
) -> u8 {
    let mut followers = Followers {
        nomad,
        arguments,
        pen: writer.pen(),
        tasks: JoinSet::new(),
        followed: BTreeMap::new(),
        seen: BTreeSet::new(),
        waiting: BTreeSet::new(),
        since: 0,
        is_full: false,
    };
    // Cancel-safe: each branch only drops reads; what is queued is written.
    tokio::select! {
        code = followers.run(subject) => code,
        () = writer.closed() => 0,
    }
}

struct Followers<'a> {
    nomad: &'a NomadClient,
    arguments: &'a Arguments,
    pen: Pen,
    tasks: JoinSet<Result<(), Closed>>,
    /// Allocation → told when it is over.
    followed: BTreeMap<String, CancellationToken>,
    /// Logs that are or were followed.
    seen: BTreeSet<LogSource>,
    /// Allocations of the first look: a task of theirs may start later.
    waiting: BTreeSet<String>,
    /// The newest allocation of the first look; what is newer is news.
    since: u64,
    /// There are more than can be followed.
    is_full: bool,
}

impl Followers<'_> {
    async fn run(&mut self, mut subject: Subject) -> u8 {
        let watched = WatchSubject {
            what: Watched::Allocations(subject.id.clone()),
            index: subject.index,
        };
        let mut watcher = Watcher::start(self.nomad, vec![watched]);
        let mut is_first = true;
        loop {
            self.take_up(&subject, is_first);
            is_first = false;
            if subject.is_over() || self.is_named_over() {
                while self.tasks.join_next().await.is_some() {}
                tracing::info!(
                    "{} has ended",
                    self.arguments
                        .alloc
                        .as_ref()
                        .unwrap_or(&subject.id.to_string())
                );
                return 0;
            }
            if let Err(error) = watcher.changed(Instant::now() + RESYNC).await {
                return answer::failed(&error);
            }
            subject = match self.look(&subject).await {
                Ok(Some(subject)) => subject,
                Ok(None) => {
                    tracing::info!("{} was purged", subject.id);
                    return 0;
                }
                Err(error) => return answer::failed(&error),
            };
            while self.tasks.try_join_next().is_some() {}
        }
    }

    /// One allocation was asked for, and it has ended.
    fn is_named_over(&self) -> bool {
        self.arguments.alloc.is_some()
            && !self.followed.is_empty()
            && self.followed.values().all(CancellationToken::is_cancelled)
    }

    /// Looks again; a look that gets no answer is repeated.
    async fn look(&self, subject: &Subject) -> Result<Option<Subject>, NomadError> {
        let mut pause = BACKOFF.0;
        loop {
            match Subject::read(self.nomad, &subject.id).await {
                Err(error) if matches!(error.disposition(), Disposition::Backoff { .. }) => {
                    tracing::warn!("{}; looking again", chain(&error));
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(BACKOFF.1);
                }
                read => return read,
            }
        }
    }

    /// Begins to follow what is new, and tells what is over.
    fn take_up(&mut self, subject: &Subject, is_first: bool) {
        let is_over = |id: &str| {
            let allocation = subject.allocations.iter().find(|found| found.id == id);
            allocation.is_none_or(Allocation::is_terminal)
        };
        for (id, over) in &self.followed {
            if is_over(id) && !over.is_cancelled() {
                over.cancel();
            }
        }
        let selection = self.arguments.selection();
        let chosen = if is_first {
            let newest = subject.allocations.iter().map(|it| it.create_index).max();
            self.since = newest.unwrap_or(0);
            choose(&subject.allocations, &selection).unwrap_or_default()
        } else {
            Chosen::default()
        };
        let kinds = self.arguments.kinds();
        let news = news(&subject.allocations, &selection, self.since);
        // Those of the first look may have had no task that had started.
        let first = subject
            .allocations
            .iter()
            .filter(|allocation| self.waiting.contains(&allocation.id));
        let first: Vec<&Allocation> = chosen.allocations.into_iter().chain(first).collect();
        for (allocation, is_first) in first
            .into_iter()
            .map(|it| (it, is_first))
            .chain(news.map(|it| (it, false)))
        {
            let logs = sources(allocation, self.arguments.task.as_deref(), &kinds);
            if is_first {
                self.waiting.insert(allocation.id.clone());
            }
            for source in logs {
                if self.seen.contains(&source) {
                    continue;
                }
                if self.tasks.len() >= MOST {
                    self.say_full(&source);
                    continue;
                }
                self.begin(allocation, source, is_first);
            }
        }
    }

    fn begin(&mut self, allocation: &Allocation, source: LogSource, is_first: bool) {
        let is_new = !self.followed.contains_key(&allocation.id);
        if is_new && !is_first {
            tracing::info!(
                "following allocation {} of group {} on {}",
                short(&allocation.id),
                allocation.task_group,
                allocation.node_name
            );
        }
        let over = self.followed.entry(allocation.id.clone()).or_default();
        if allocation.is_terminal() {
            over.cancel();
        }
        let over = over.clone();
        // All of what is new is news.
        let beginning = match is_first {
            true => self.arguments.tail.unwrap_or(BEGINNING),
            false => TailArg::All,
        };
        self.seen.insert(source.clone());
        let log = Log {
            nomad: self.nomad.clone(),
            source,
            pen: self.pen.clone(),
            over,
            place: None,
            lines: Lines::default(),
        };
        self.tasks.spawn(log.run(beginning));
    }

    fn say_full(&mut self, source: &LogSource) {
        if !self.is_full {
            tracing::warn!(
                "{} is not followed: {MOST} logs are followed already",
                label(source)
            );
        }
        self.is_full = true;
    }
}

/// One log that is followed.
struct Log {
    nomad: NomadClient,
    source: LogSource,
    pen: Pen,
    /// Its allocation has ended.
    over: CancellationToken,
    /// What has been shown ends here.
    place: Option<LogPlace>,
    lines: Lines,
}

/// Why a log is not read any further just now.
enum Pause {
    /// All is said.
    Over,
    /// It broke, or ended early.
    Broken(Option<NomadError>),
}

impl Log {
    async fn run(mut self, beginning: TailArg) -> Result<(), Closed> {
        if let TailArg::Lines(_) = beginning {
            // What cannot be read now is read from the beginning when it is followed.
            if let Ok(shown) =
                show(&self.nomad, &self.source, beginning, Open::Left, &self.pen).await
            {
                self.place = shown?;
            }
        }
        let mut pause = BACKOFF.0;
        loop {
            let place = self.place.clone();
            let paused = self.read().await?;
            if self.place != place {
                pause = BACKOFF.0;
            }
            match paused {
                Pause::Over => break,
                Pause::Broken(_) if self.over.is_cancelled() => break,
                Pause::Broken(error) => {
                    self.say_broken(error.as_ref());
                    // Cancel-safe: both only wait.
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        () = self.over.cancelled() => {}
                    }
                    pause = (pause * 2).min(BACKOFF.1);
                }
            }
        }
        let rest: Vec<Vec<u8>> = self.lines.finish().into_iter().collect();
        self.pen.lines(&self.source, &rest).await
    }

    fn say_broken(&self, error: Option<&NomadError>) {
        let label = label(&self.source);
        match error {
            // A task that is just being started.
            Some(NomadError::NotFound { .. }) => tracing::debug!("no log of {label} yet"),
            Some(error) => {
                tracing::warn!("the log of {label} broke: {}; trying again", chain(error))
            }
            None => tracing::debug!("the log of {label} ended early; opening it again"),
        }
    }

    /// Reads on from where it stopped.
    async fn read(&mut self) -> Result<Pause, Closed> {
        let from = match self.offset().await {
            Ok(offset) => LogFrom::Start(offset),
            Err(error) => return Ok(Pause::Broken(Some(error))),
        };
        let opened = self.nomad.log_stream(&self.source, from, true).await;
        let mut stream = match opened {
            Ok(stream) => stream,
            Err(error) => return Ok(Pause::Broken(Some(error))),
        };
        loop {
            let is_over = self.over.is_cancelled();
            let next = async {
                if is_over {
                    // A node that says no more has said all.
                    let last = tokio::time::timeout(LAST_WORDS, stream.next()).await;
                    return last.unwrap_or(Ok(Some(LogItem::Heartbeat)));
                }
                stream.next().await
            };
            // Cancel-safe: the stream keeps what has arrived.
            let item = tokio::select! {
                biased;
                item = next => item,
                () = self.over.cancelled(), if !is_over => continue,
            };
            match item {
                Ok(Some(LogItem::Data { data, place })) => self.take(&data, place).await?,
                Ok(Some(LogItem::Heartbeat)) if is_over => return Ok(Pause::Over),
                Ok(Some(LogItem::Heartbeat)) => {}
                Ok(None) => return Ok(Pause::Broken(None)),
                Err(error) => return Ok(Pause::Broken(Some(error))),
            }
        }
    }

    /// Where reading goes on, over all files of the log that are left.
    async fn offset(&self) -> Result<u64, NomadError> {
        let Some(place) = &self.place else {
            return Ok(0);
        };
        let files = self.nomad.log_files(&self.source.allocation).await?;
        Ok(files.value.offset_of(&self.source, place))
    }

    async fn take(&mut self, data: &[u8], place: Option<LogPlace>) -> Result<(), Closed> {
        let mut whole = Vec::new();
        self.lines.push(data, |line| whole.push(line));
        self.pen.lines(&self.source, &whole).await?;
        self.place = place.or(self.place.take());
        Ok(())
    }
}
