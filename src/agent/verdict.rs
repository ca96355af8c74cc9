//! What becomes of a task after a try: done with, tried again, or given up.
//!
//! A failure that was found out is an end like any other: it was announced, and another try would find the same. Only
//! what says nothing about the deployment itself is worth another try: the agent died, Nomad did not answer until the
//! deadline. Who was told to stop gives back what it has.

use std::time::Duration;

use crate::controller::Note;
use crate::reconcile::Outcome;

/// What an outcome means for its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is announced and counts.
    Final,
    /// Nobody can ever carry this out: announced, and kept as a dead letter.
    Dead,
    /// It says nothing about the deployment: not announced, tried again.
    Again,
}

/// Judges an outcome. `is_silent`: Nomad did not answer at the end.
#[must_use]
pub fn judge(outcome: &Outcome, is_silent: bool) -> Verdict {
    match outcome {
        Outcome::Converged
        | Outcome::Destroyed
        | Outcome::Stopped
        | Outcome::Invalid(_)
        | Outcome::Unhealthy(_)
        | Outcome::RolledBack { .. }
        | Outcome::Unplaceable(_)
        | Outcome::Conflict(_)
        | Outcome::Refused(_)
        | Outcome::Superseded(_) => Verdict::Final,
        Outcome::Usage(_) => Verdict::Dead,
        Outcome::Deadline { .. } if is_silent => Verdict::Again,
        Outcome::Deadline { .. } => Verdict::Final,
        Outcome::Failed(_) => Verdict::Final,
        // Only the agent itself cancels, and only what it gives back.
        Outcome::Cancelled { .. } => Verdict::Again,
    }
}

/// Whether Nomad answered when it was last asked, told by the notes of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Silence(bool);

impl Silence {
    /// Takes note.
    pub fn hear(&mut self, note: &Note) {
        match note {
            Note::Retrying { .. } => self.0 = true,
            Note::Registered { .. }
            | Note::Unchanged { .. }
            | Note::Stopped { .. }
            | Note::Purged { .. }
            | Note::Reverted { .. }
            | Note::Waiting { .. }
            | Note::Planned { .. }
            | Note::Began(_) => self.0 = false,
            Note::Deploying { .. }
            | Note::Destroying { .. }
            | Note::Ended(..)
            | Note::Warning(_)
            | Note::LogTail { .. }
            | Note::Finished { .. } => {}
        }
    }

    /// Whether it does not answer.
    #[must_use]
    pub const fn is_silent(self) -> bool {
        self.0
    }
}

/// First and longest wait before a task is tried again.
///
/// 2 s to 60 s: what another try may cure (a cluster without a leader, a node that was killed) takes seconds to minutes.
const AGAIN: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));

/// How long a task waits after its `tries`-th try.
#[must_use]
pub fn pause(tries: u32) -> Duration {
    let doubled = AGAIN.0.saturating_mul(1 << tries.saturating_sub(1).min(10));
    doubled.min(AGAIN.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::{Cause, CauseKind};

    fn deadline() -> Outcome {
        Outcome::Deadline {
            waiting_for: "waiting until Nomad answers".to_owned(),
            cause: None,
        }
    }

    fn cause() -> Cause {
        Cause {
            kind: CauseKind::Exit,
            text: "exit code 1".to_owned(),
            at: None,
        }
    }

    #[test]
    fn a_failure_that_was_found_out_is_an_end() {
        let found_out = [
            Outcome::Converged,
            Outcome::Failed("403".to_owned()),
            Outcome::Invalid("jobId".to_owned()),
            Outcome::Unhealthy(cause()),
            Outcome::RolledBack {
                cause: cause(),
                to_version: None,
            },
            Outcome::Unplaceable(cause()),
            Outcome::Conflict(String::new()),
            Outcome::Superseded("dep-2".to_owned()),
            deadline(),
        ];
        for outcome in found_out {
            assert_eq!(judge(&outcome, false), Verdict::Final, "{outcome:?}");
        }
    }

    #[test]
    fn what_says_nothing_about_the_deployment_is_tried_again() {
        assert_eq!(judge(&deadline(), true), Verdict::Again);
        assert_eq!(
            judge(&Outcome::Cancelled { doing: None }, false),
            Verdict::Again
        );
    }

    #[test]
    fn what_does_not_parse_is_dead_at_once() {
        let unreadable = Outcome::Usage("failed to parse".to_owned());
        assert_eq!(judge(&unreadable, false), Verdict::Dead);
    }

    #[test]
    fn nomad_is_silent_from_a_failed_call_until_it_answers_again() {
        let mut silence = Silence::default();
        let retrying = Note::Retrying {
            reason: "cannot reach Nomad".to_owned(),
            pause: Duration::ZERO,
        };
        silence.hear(&retrying);
        silence.hear(&Note::Warning("the backend is away".to_owned()));
        assert!(silence.is_silent());
        silence.hear(&Note::Unchanged {
            job: "shop".parse().unwrap(),
        });
        assert!(!silence.is_silent());
    }

    #[test]
    fn waits_between_tries_grow_and_are_bounded() {
        let waits: Vec<u64> = (0..9).map(|tries| pause(tries).as_secs()).collect();
        assert_eq!(waits, [2, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(pause(u32::MAX), AGAIN.1);
    }
}
