//! What the queue is called on NATS: streams, consumer, subjects.
//!
//! The platform's stream of events takes every subject below the prefix (`cs.>`), and two streams may not share a subject.
//! So the queue stands beside the prefix, not below it: `cs_runner.>`.

use crate::events::{SubjectPrefix, short_hash, token};
use crate::ids::DeploymentId;

/// Name of the one consumer that all agents share: NATS hands each task to one of them.
pub const CONSUMER: &str = "agents";

/// Names of one queue, made of the prefix of the events (`NATS_STREAM_PREFIX`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// In front of every subject, e.g. `cs_runner`.
    root: String,
    /// In front of every stream's name; a stream's name may hold no dot.
    streams: String,
}

impl Names {
    /// The names that belong to a prefix. Different prefixes never share one.
    #[must_use]
    pub fn new(prefix: &SubjectPrefix) -> Self {
        match prefix.as_str() {
            "" => Self {
                root: "runner".to_owned(),
                streams: "runner".to_owned(),
            },
            prefix => Self {
                root: format!("{prefix}_runner"),
                streams: format!("{}_runner", token(prefix)),
            },
        }
    }

    /// Stream of tasks that wait or are worked on.
    #[must_use]
    pub fn tasks_stream(&self) -> String {
        format!("{}_tasks", self.streams)
    }

    /// Stream of tasks that were given up.
    #[must_use]
    pub fn dead_stream(&self) -> String {
        format!("{}_dead", self.streams)
    }

    /// Stream of what agents know of each other's work.
    #[must_use]
    pub fn ledger_stream(&self) -> String {
        format!("{}_ledger", self.streams)
    }

    /// Subject of every task.
    #[must_use]
    pub fn tasks(&self) -> String {
        format!("{}.task.>", self.root)
    }

    /// Subject of a task, e.g. `cs_runner.task.deploy-image`.
    #[must_use]
    pub fn task(&self, task: &str) -> String {
        format!("{}.task.{task}", self.root)
    }

    /// The task that a subject names; `None` for another subject.
    #[must_use]
    pub fn task_of<'a>(&self, subject: &'a str) -> Option<&'a str> {
        let rest = subject.strip_prefix(&self.root)?;
        rest.strip_prefix(".task.").filter(|task| !task.is_empty())
    }

    /// Subject of every task that was given up.
    #[must_use]
    pub fn all_dead(&self) -> String {
        format!("{}.dead.>", self.root)
    }

    /// Subject of a task that was given up. A task that nobody knows has a name that would be no subject.
    #[must_use]
    pub fn dead(&self, task: &str) -> String {
        format!("{}.dead.{}", self.root, token(task))
    }

    /// Subject of every record.
    #[must_use]
    pub fn records(&self) -> String {
        format!("{}.ledger.>", self.root)
    }

    /// Subject of a record about a task.
    #[must_use]
    pub fn task_record(&self, key: &TaskKey) -> String {
        match key {
            TaskKey::Deployment(id) => {
                format!("{}.ledger.deployment.{}", self.root, token(id.as_str()))
            }
            TaskKey::Message(order) => {
                format!("{}.ledger.message.{}", self.root, order.occasion())
            }
        }
    }

    /// Subject of every record about a job.
    #[must_use]
    pub fn job_records(&self) -> String {
        format!("{}.ledger.job.*", self.root)
    }

    /// Subject of a record about a job.
    #[must_use]
    pub fn job_record(&self, key: &JobKey) -> String {
        format!("{}.ledger.job.{}", self.root, key.0)
    }

    /// The job that a record's subject is about.
    #[must_use]
    pub fn job_of(&self, subject: &str) -> Option<JobKey> {
        let rest = subject.strip_prefix(&self.root)?;
        rest.strip_prefix(".ledger.job.")
            .map(|key| JobKey(key.to_owned()))
    }

    /// Subject on which agents are asked what they are doing. In no stream.
    #[must_use]
    pub fn roll_call(&self) -> String {
        format!("{}.roll-call", self.root)
    }
}

/// Where a task stands in the queue: tasks of a later one supersede those of an earlier one.
///
/// Sequences begin anew when a stream is made again, so the time at which it was made comes first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// When the stream was made, in nanoseconds since 1970.
    pub epoch: i64,
    /// Sequence of the message in the stream.
    pub sequence: u64,
}

impl Order {
    /// What all deliveries of this message have in common, and no other message.
    #[must_use]
    pub fn occasion(self) -> String {
        format!("{:x}-{}", self.epoch, self.sequence)
    }
}

/// What makes two messages the same task.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TaskKey {
    /// A deployment is carried out once, however often it is submitted.
    Deployment(DeploymentId),
    /// A destroy is the same task only when it is the same message.
    Message(Order),
}

/// Which job of which cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobKey(String);

impl JobKey {
    /// The job of a cluster, `None` for the one of the environment.
    #[must_use]
    pub fn new(cluster: Option<&str>, job: &str) -> Self {
        let cluster = cluster.unwrap_or_default().trim_end_matches('/');
        Self(short_hash(format!("{cluster}\n{job}").as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(prefix: &str) -> Names {
        Names::new(&prefix.parse().unwrap())
    }

    #[test]
    fn the_queue_stands_beside_the_subjects_of_the_events() {
        let cs = names("cs");
        assert_eq!(cs.tasks(), "cs_runner.task.>");
        assert_eq!(cs.task("deploy-image"), "cs_runner.task.deploy-image");
        assert_eq!(cs.tasks_stream(), "cs_runner_tasks");
        assert_eq!(names("").tasks(), "runner.task.>");
        let dotted = names("cs.prod");
        assert_eq!(dotted.tasks(), "cs.prod_runner.task.>");
        assert!(!dotted.tasks_stream().contains('.'));
    }

    #[test]
    fn every_prefix_has_names_of_its_own() {
        let prefixes = ["", "cs", "c", "c.s", "c-s", "c_s", "cs.prod", "csprod"];
        for of in [Names::tasks_stream, Names::tasks] {
            let mut all: Vec<String> = prefixes.iter().map(|prefix| of(&names(prefix))).collect();
            all.sort();
            all.dedup();
            assert_eq!(all.len(), prefixes.len(), "{all:?}");
        }
    }

    #[test]
    fn a_subject_tells_its_task_and_nothing_else_does() {
        let cs = names("cs");
        assert_eq!(cs.task_of(&cs.task("deploy-image")), Some("deploy-image"));
        for other in [
            "cs.task.deploy-image",
            "cs_runner.task.",
            "cs_runner.dead.x",
        ] {
            assert_eq!(cs.task_of(other), None, "{other}");
        }
        assert!(!cs.dead("a task > of * dots.").contains(['*', '>', ' ']));
    }

    #[test]
    fn a_later_stream_comes_after_every_message_of_an_earlier_one() {
        let order = |epoch, sequence| Order { epoch, sequence };
        assert!(order(1, 900) < order(2, 1));
        assert!(order(2, 1) < order(2, 2));
    }

    #[test]
    fn jobs_of_two_clusters_are_two_jobs() {
        let key = JobKey::new;
        assert_ne!(key(None, "shop"), key(Some("http://other:4646"), "shop"));
        assert_eq!(
            key(Some("http://a/"), "shop"),
            key(Some("http://a"), "shop")
        );
        assert_ne!(key(None, "shop"), key(None, "shop2"));
        let cs = names("cs");
        let shop = key(None, "shop");
        assert_eq!(cs.job_of(&cs.job_record(&shop)), Some(shop));
    }
}
