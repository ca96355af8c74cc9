//! How the queue is set up: what `cs runner setup` wants, and how that differs from what is there.

use std::collections::HashMap;
use std::time::Duration;

use async_nats::jetstream::consumer::{self, AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::stream::{self, DiscardPolicy, RetentionPolicy, StorageType};

use super::names::{CONSUMER, Names};

/// How long an agent may be silent before its task is given to another.
///
/// 30 s: an agent says three times as often that it is alive. Longer than a restart of NATS, short enough that a killed agent
/// costs half a minute.
pub const ACK_WAIT: Duration = Duration::from_secs(30);

/// How long NATS drops a submission that it has already.
///
/// 10 min: longer than any client repeats a call whose answer got lost.
pub const DUPLICATE_WINDOW: Duration = Duration::from_secs(10 * 60);

/// How long a task may wait. Source: contract 2.1, the age after which the platform's own stream forgets a message.
pub const MAX_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How long the ledger remembers a deployment after its last change, so that its repeat is known; twice [`MAX_AGE`].
pub const LEDGER_AGE: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// How long dead letters are kept.
pub const DEAD_AGE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Largest task. Source: nats-server, default of `max_payload`.
pub const MAX_TASK_BYTES: i32 = 1 << 20;

/// What people may choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wishes {
    /// Copies of every stream in a cluster, 1 to 5.
    pub replicas: usize,
    /// See [`ACK_WAIT`].
    pub ack_wait: Duration,
    /// Most tasks that wait; one more is refused.
    pub max_tasks: i64,
    /// Most tasks that are worked on at a time by all agents together.
    pub max_in_progress: i64,
}

impl Default for Wishes {
    fn default() -> Self {
        Self {
            replicas: 1,
            ack_wait: ACK_WAIT,
            max_tasks: 100_000,
            max_in_progress: 1000,
        }
    }
}

/// The streams, in the order in which they are made.
#[must_use]
pub fn streams(names: &Names, wishes: &Wishes) -> [stream::Config; 3] {
    let common = || stream::Config {
        storage: StorageType::File,
        num_replicas: wishes.replicas,
        max_bytes: -1,
        max_messages: -1,
        max_messages_per_subject: -1,
        max_consumers: -1,
        max_message_size: MAX_TASK_BYTES,
        ..stream::Config::default()
    };
    let ledger = stream::Config {
        name: names.ledger_stream(),
        description: Some("cs runner: who works on what, how it ended".to_owned()),
        subjects: vec![names.records()],
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::Old,
        max_messages_per_subject: 1,
        max_age: LEDGER_AGE,
        duplicate_window: Duration::from_secs(120),
        ..common()
    };
    let dead = stream::Config {
        name: names.dead_stream(),
        description: Some("cs runner: tasks that were given up, and why".to_owned()),
        subjects: vec![names.all_dead()],
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::Old,
        max_messages: 10_000,
        max_age: DEAD_AGE,
        duplicate_window: DUPLICATE_WINDOW,
        ..common()
    };
    let tasks = stream::Config {
        name: names.tasks_stream(),
        description: Some("cs runner: tasks that wait or are worked on".to_owned()),
        subjects: vec![names.tasks()],
        retention: RetentionPolicy::WorkQueue,
        // A full queue refuses what is new, so that its sender knows, instead of losing what is old.
        discard: DiscardPolicy::New,
        max_messages: wishes.max_tasks,
        max_age: MAX_AGE,
        duplicate_window: DUPLICATE_WINDOW,
        ..common()
    };
    [ledger, dead, tasks]
}

/// The consumer that all agents share.
#[must_use]
pub fn consumer(wishes: &Wishes) -> pull::Config {
    pull::Config {
        durable_name: Some(CONSUMER.to_owned()),
        description: Some("cs runner agent: all agents share it".to_owned()),
        deliver_policy: DeliverPolicy::All,
        ack_policy: AckPolicy::Explicit,
        ack_wait: wishes.ack_wait,
        // Agents count the tries that matter and keep a dead letter; a message that NATS no longer hands out would be lost
        // without a word.
        max_deliver: -1,
        max_ack_pending: wishes.max_in_progress,
        ..pull::Config::default()
    }
}

/// One setting, what it is and what it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its name in NATS' own configuration.
    pub setting: &'static str,
    /// What it is.
    pub found: String,
    /// What it is to be.
    pub wanted: String,
    /// NATS never changes it.
    pub is_fixed: bool,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            setting,
            found,
            wanted,
            ..
        } = self;
        write!(f, "{setting} {found} -> {wanted}")
    }
}

/// How a stream differs from what is wanted, in what is ours to set.
#[must_use]
pub fn stream_differences(found: &stream::Config, wanted: &stream::Config) -> Vec<Difference> {
    let rows = [
        row("subjects", &found.subjects, &wanted.subjects, false),
        row("retention", &found.retention, &wanted.retention, true),
        row("storage", &found.storage, &wanted.storage, true),
        row("discard", &found.discard, &wanted.discard, false),
        row(
            "num_replicas",
            &found.num_replicas,
            &wanted.num_replicas,
            false,
        ),
        row("max_msgs", &found.max_messages, &wanted.max_messages, false),
        row("max_bytes", &found.max_bytes, &wanted.max_bytes, false),
        row(
            "max_msgs_per_subject",
            &found.max_messages_per_subject,
            &wanted.max_messages_per_subject,
            false,
        ),
        row(
            "max_msg_size",
            &found.max_message_size,
            &wanted.max_message_size,
            false,
        ),
        row("max_age", &found.max_age, &wanted.max_age, false),
        row(
            "duplicate_window",
            &found.duplicate_window,
            &wanted.duplicate_window,
            false,
        ),
    ];
    rows.into_iter().flatten().collect()
}

/// How the consumer differs from what is wanted.
#[must_use]
pub fn consumer_differences(found: &consumer::Config, wanted: &pull::Config) -> Vec<Difference> {
    let rows = [
        row("ack_policy", &found.ack_policy, &wanted.ack_policy, true),
        row(
            "deliver_policy",
            &found.deliver_policy,
            &wanted.deliver_policy,
            true,
        ),
        row("ack_wait", &found.ack_wait, &wanted.ack_wait, false),
        row(
            "max_deliver",
            &found.max_deliver,
            &wanted.max_deliver,
            false,
        ),
        row(
            "max_ack_pending",
            &found.max_ack_pending,
            &wanted.max_ack_pending,
            false,
        ),
    ];
    rows.into_iter().flatten().collect()
}

/// What is there, with what is ours to set as it is wanted; what others may have set stays.
#[must_use]
pub fn stream_with(found: &stream::Config, wanted: &stream::Config) -> stream::Config {
    stream::Config {
        subjects: wanted.subjects.clone(),
        discard: wanted.discard,
        num_replicas: wanted.num_replicas,
        max_messages: wanted.max_messages,
        max_bytes: wanted.max_bytes,
        max_messages_per_subject: wanted.max_messages_per_subject,
        max_message_size: wanted.max_message_size,
        max_age: wanted.max_age,
        duplicate_window: wanted.duplicate_window,
        metadata: HashMap::clone(&found.metadata),
        ..found.clone()
    }
}

fn row<T: PartialEq + std::fmt::Debug>(
    setting: &'static str,
    found: &T,
    wanted: &T,
    is_fixed: bool,
) -> Option<Difference> {
    (found != wanted).then(|| Difference {
        setting,
        found: format!("{found:?}"),
        wanted: format!("{wanted:?}"),
        is_fixed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> [stream::Config; 3] {
        streams(&Names::new(&"cs".parse().unwrap()), &Wishes::default())
    }

    #[test]
    fn what_is_as_wanted_does_not_differ() {
        for stream in wanted() {
            assert_eq!(stream_differences(&stream, &stream), []);
        }
    }

    #[test]
    fn a_changed_limit_is_named_with_both_values_and_can_be_set() {
        let [_, _, tasks] = wanted();
        let mut found = tasks.clone();
        found.max_messages = 7;
        found.description = Some("ours".to_owned());
        let differences = stream_differences(&found, &tasks);
        assert_eq!(differences.len(), 1);
        assert_eq!(differences[0].to_string(), "max_msgs 7 -> 100000");
        assert!(!differences[0].is_fixed);
        let mended = stream_with(&found, &tasks);
        assert_eq!(stream_differences(&mended, &tasks), []);
        assert_eq!(mended.description, found.description);
    }

    #[test]
    fn retention_and_storage_can_never_be_changed() {
        let [_, _, tasks] = wanted();
        let mut found = tasks.clone();
        found.retention = RetentionPolicy::Limits;
        found.storage = StorageType::Memory;
        let differences = stream_differences(&found, &tasks);
        assert_eq!(differences.len(), 2);
        assert!(differences.iter().all(|difference| difference.is_fixed));
    }

    #[test]
    fn streams_share_no_subject_with_each_other_or_with_the_events() {
        let subjects: Vec<String> = wanted().iter().flat_map(|s| s.subjects.clone()).collect();
        assert_eq!(
            subjects,
            ["cs_runner.ledger.>", "cs_runner.dead.>", "cs_runner.task.>"]
        );
        assert!(subjects.iter().all(|subject| !subject.starts_with("cs.")));
    }
}
