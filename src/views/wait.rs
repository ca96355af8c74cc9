//! Whether something that somebody waits for has come about, can still come about, or never will.

use crate::reconcile::health::{Progress, judge, judge_ended};
use crate::reconcile::observed::{Observed, Seen};
use crate::reconcile::{Cause, CauseKind, Health, Outcome};

use super::condition::{Condition, Numbers, is_batch};
use super::promotion::awaits_promotion;
use super::text::count;
use super::why::shell_word;

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// It does what it is there for: its rollout succeeded and as many run as wanted; a batch job completed.
    Healthy,
    /// A batch job completed.
    Completed,
    /// It is stopped, or has ended by itself, and nothing of it runs.
    Stopped,
    /// Nomad has forgotten it.
    Deleted,
}

impl Until {
    /// Reads after "waiting until it is".
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Completed => "completed",
            Self::Stopped => "stopped",
            Self::Deleted => "deleted",
        }
    }
}

/// How far it is.
#[derive(Debug, Clone, PartialEq)]
pub enum Reach {
    /// It is so.
    Reached,
    /// Not yet.
    Waiting(Progress),
    /// It will not be so without somebody's help.
    Never(Outcome),
}

impl Reach {
    fn waiting(text: impl Into<String>) -> Self {
        Self::Waiting(Progress {
            waiting_for: text.into(),
            ..Progress::default()
        })
    }

    /// Nomad finds no node: it goes on looking, so how long that may last is the caller's to say.
    #[must_use]
    pub fn placement(&self) -> Option<&Cause> {
        match self {
            Self::Waiting(progress) => progress
                .trouble
                .as_ref()
                .filter(|cause| cause.kind == CauseKind::Placement),
            Self::Reached | Self::Never(_) => None,
        }
    }
}

/// Judges one look. `version`, where it is given, is the version that is waited for; another one that took its place ends
/// the wait.
#[must_use]
pub fn reach(until: Until, version: Option<u64>, observed: &Observed) -> Reach {
    let job = match &observed.job {
        Seen::Unknown(gap) => return Reach::waiting(format!("Nomad answers ({})", gap.reason)),
        Seen::Absent => return absent(until),
        Seen::Present(job) => job,
    };
    if let Some(ended) = replaced(version, job.head.version, observed) {
        return Reach::Never(ended);
    }
    if version.is_some_and(|version| version > job.head.version) {
        return Reach::waiting("the new version shows up");
    }
    let running = observed
        .activity
        .allocations
        .iter()
        .filter(|allocation| !allocation.is_terminal())
        .count() as u64;
    match until {
        Until::Deleted => Reach::waiting("Nomad forgets it"),
        Until::Stopped if job.head.stop && running == 0 => Reach::Reached,
        Until::Stopped
            if is_batch(&job.head.job_type) && job.head.status == "dead" && running == 0 =>
        {
            Reach::Reached
        }
        Until::Stopped if job.head.stop => Reach::waiting(format!("{} ended", ending(running))),
        Until::Stopped => Reach::waiting("it is stopped"),
        Until::Healthy | Until::Completed if job.head.stop => {
            Reach::Never(Outcome::Failed("it is stopped".to_owned()))
        }
        Until::Healthy | Until::Completed => healthy(job, observed),
    }
}

fn ending(running: u64) -> String {
    match running {
        1 => "1 allocation has".to_owned(),
        _ => format!("{} have", count(running, "allocation")),
    }
}

fn absent(until: Until) -> Reach {
    match until {
        Until::Stopped | Until::Deleted => Reach::Reached,
        Until::Healthy | Until::Completed => {
            Reach::Never(Outcome::Failed("it was purged".to_owned()))
        }
    }
}

/// The version that is waited for is not the current one any more.
fn replaced(version: Option<u64>, current: u64, observed: &Observed) -> Option<Outcome> {
    if let Some(attempt) = &observed.attempt
        && let Some(rollout) = &attempt.rollout
        && let Health::RolledBack { cause, to_version } =
            judge_ended(rollout, &observed.activity.allocations)
    {
        return Some(Outcome::RolledBack { cause, to_version });
    }
    let version = version.filter(|version| *version < current)?;
    Some(Outcome::Superseded(format!(
        "version {version} was replaced by version {current}"
    )))
}

fn healthy(job: &crate::clients::nomad::types::JobRecord, observed: &Observed) -> Reach {
    let health = judge(job, &observed.activity);
    match Condition::of(job, &health, &observed.activity) {
        // Its rollout went well once; what is waited for is that it runs now.
        condition @ (Condition::Degraded | Condition::Blocked | Condition::Progressing)
            if health == Health::Healthy =>
        {
            let numbers = Numbers::of(job, &observed.activity);
            return Reach::Waiting(Progress {
                waiting_for: match condition {
                    Condition::Blocked => "a node becomes free".to_owned(),
                    _ => "allocations run".to_owned(),
                },
                healthy: numbers.running,
                desired: numbers.desired,
                trouble: None,
                awaits_promotion: false,
            });
        }
        _ => {}
    }
    if let Some(rollout) = observed.activity.rollout.as_ref()
        && matches!(health, Health::Progressing(_))
        && awaits_promotion(rollout)
    {
        let id = shell_word(&job.head.id);
        return Reach::waiting(format!(
            "somebody promotes its canaries, which are healthy: cs promote {id}"
        ));
    }
    match health {
        Health::Healthy => Reach::Reached,
        Health::Progressing(progress) => Reach::Waiting(progress),
        Health::Blocked(cause) => Reach::Waiting(Progress {
            waiting_for: "a node becomes free".to_owned(),
            trouble: Some(cause),
            ..Progress::default()
        }),
        Health::Failed(cause) => Reach::Never(Outcome::Unhealthy(cause)),
        Health::RolledBack { cause, to_version } => {
            Reach::Never(Outcome::RolledBack { cause, to_version })
        }
        // Something newer ended the rollout: the next look finds it.
        Health::Cancelled(_) => Reach::waiting("the next version is rolled out"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::clients::nomad::types::{Allocation, JobRecord, Rollout};
    use crate::reconcile::observed::{Activity, Attempt, Gap};

    fn observed(job: Value, activity: Activity) -> Observed {
        let mut spec = json!({"ID": "shop", "Type": "service", "Version": 3, "JobModifyIndex": 50, "CreateIndex": 10,
            "Status": "running", "TaskGroups": [{"Name": "web", "Count": 1}]});
        for (name, value) in job.as_object().unwrap() {
            spec[name] = value.clone();
        }
        let job: JobRecord = serde_json::from_value(spec).unwrap();
        Observed {
            job: Seen::Present(job),
            activity,
            ..Observed::absent()
        }
    }

    fn rollout(version: u64, status: &str, words: &str) -> Rollout {
        serde_json::from_value(
            json!({"ID": "d", "JobVersion": version, "JobSpecModifyIndex": 50, "JobCreateIndex": 10,
            "Status": status, "StatusDescription": words}),
        )
        .unwrap()
    }

    fn allocation(client_status: &str) -> Allocation {
        serde_json::from_value(json!({"ID": "a", "JobVersion": 3, "DesiredStatus": "run", "ClientStatus": client_status}))
            .unwrap()
    }

    fn after_success(allocations: Vec<Allocation>) -> Activity {
        Activity {
            rollout: Some(rollout(3, "successful", "")),
            allocations,
            ..Activity::default()
        }
    }

    #[test]
    fn a_service_is_healthy_when_it_runs_now_and_not_only_when_its_rollout_went_well() {
        let look = |allocations| {
            reach(
                Until::Healthy,
                None,
                &observed(json!({}), after_success(allocations)),
            )
        };
        assert_eq!(look(vec![allocation("running")]), Reach::Reached);
        assert!(matches!(
            look(vec![allocation("pending")]),
            Reach::Waiting(_)
        ));
        assert!(matches!(look(vec![allocation("lost")]), Reach::Waiting(_)));
    }

    #[test]
    fn what_cannot_come_about_ends_the_wait_with_its_reason() {
        let word = |until, observed: &Observed| match reach(until, None, observed) {
            Reach::Never(outcome) => outcome.word(),
            other => panic!("{other:?}"),
        };
        let failed = Activity {
            rollout: Some(rollout(3, "failed", "Failed due to unhealthy allocations")),
            ..Activity::default()
        };
        assert_eq!(
            word(Until::Healthy, &observed(json!({}), failed)),
            "unhealthy"
        );
        let stopped = observed(json!({"Stop": true}), Activity::default());
        assert_eq!(word(Until::Healthy, &stopped), "failed");
        assert_eq!(word(Until::Healthy, &Observed::absent()), "failed");
    }

    #[test]
    fn a_stop_is_complete_when_nothing_runs_any_more() {
        let stopped = |allocations| {
            let activity = Activity {
                allocations,
                ..Activity::default()
            };
            reach(
                Until::Stopped,
                None,
                &observed(json!({"Stop": true}), activity),
            )
        };
        assert_eq!(stopped(vec![allocation("complete")]), Reach::Reached);
        let Reach::Waiting(progress) = stopped(vec![allocation("running")]) else {
            panic!("it still runs");
        };
        assert_eq!(progress.waiting_for, "1 allocation has ended");
        let ended = observed(
            json!({"Type": "batch", "Status": "dead"}),
            Activity::default(),
        );
        assert_eq!(reach(Until::Stopped, None, &ended), Reach::Reached);
        assert_eq!(
            reach(Until::Deleted, None, &Observed::absent()),
            Reach::Reached
        );
        assert!(matches!(
            reach(Until::Deleted, None, &ended),
            Reach::Waiting(_)
        ));
    }

    #[test]
    fn a_version_that_was_rolled_back_is_not_taken_for_the_one_that_follows() {
        let mut look = observed(json!({"Version": 4}), after_success(vec![]));
        assert!(matches!(
            reach(Until::Healthy, Some(3), &look),
            Reach::Never(Outcome::Superseded(_))
        ));
        look.attempt = Some(Attempt {
            version: 3,
            rollout: Some(rollout(
                3,
                "failed",
                "Failed due to progress deadline - rolling back to job version 2",
            )),
        });
        for version in [None, Some(3)] {
            let Reach::Never(Outcome::RolledBack { to_version, .. }) =
                reach(Until::Healthy, version, &look)
            else {
                panic!("it was rolled back");
            };
            assert_eq!(to_version, Some(2));
        }
    }

    #[test]
    fn an_older_version_that_is_healthy_is_not_the_one_that_is_waited_for() {
        let look = observed(json!({}), after_success(vec![allocation("running")]));
        assert_eq!(reach(Until::Healthy, Some(3), &look), Reach::Reached);
        assert!(matches!(
            reach(Until::Healthy, Some(4), &look),
            Reach::Waiting(_)
        ));
    }

    #[test]
    fn an_answer_that_is_missing_is_waited_for() {
        let gap = Observed::unknown(Gap {
            reason: "no leader".to_owned(),
        });
        for until in [
            Until::Healthy,
            Until::Completed,
            Until::Stopped,
            Until::Deleted,
        ] {
            assert!(matches!(reach(until, None, &gap), Reach::Waiting(_)));
        }
    }
}
