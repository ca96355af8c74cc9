//! How a new version replaces the old one, and what happens when a task ends by itself.

use std::time::Duration;

use super::issues::Issues;
use crate::desired::{DesiredRestart, DesiredRollout, defaults};
use crate::spec::workload::{JobType, RestartMode, Rollout, WorkloadSpec};

pub(super) fn rollout(spec: &WorkloadSpec, issues: &mut Issues) -> DesiredRollout {
    let given = &spec.rollout;
    if spec.job_type != JobType::Service && *given != Rollout::default() {
        issues.add(
            "rollout-type",
            "spec.rollout",
            "only a `service` workload is rolled out step by step",
        );
    }
    let canary = given
        .canary
        .unwrap_or_else(|| defaults::canary(!spec.volumes.is_empty()));
    // Source: Nomad, "volume cannot be per_alloc when canaries are in use".
    if canary > 0 && !spec.volumes.is_empty() {
        issues.add_with_help(
            "canary-with-volume",
            "spec.rollout.canary",
            "a canary would claim a volume that the running allocation still holds",
            "set it to 0 or leave it out",
        );
    }
    let auto_promote = given.auto_promote.unwrap_or(canary > 0);
    // Source: Nomad, "Auto Promote requires a Canary count greater than zero".
    if auto_promote && canary == 0 {
        issues.add_with_help(
            "promote-without-canary",
            "spec.rollout.autoPromote",
            "there is no canary to promote",
            "set it to false or leave it out",
        );
    }
    let max_parallel = given.max_parallel.unwrap_or(defaults::MAX_PARALLEL);
    if max_parallel == 0 {
        // Nomad accepts it and then rolls out without watching health.
        issues.add(
            "max-parallel",
            "spec.rollout.maxParallel",
            "must be at least 1",
        );
    }
    let desired = DesiredRollout {
        canary,
        auto_promote,
        auto_revert: given.auto_revert.unwrap_or(defaults::AUTO_REVERT),
        min_healthy_time: given.min_healthy_time.unwrap_or(defaults::MIN_HEALTHY_TIME),
        healthy_deadline: given.healthy_deadline.unwrap_or(defaults::HEALTHY_DEADLINE),
        progress_deadline: given
            .progress_deadline
            .unwrap_or(defaults::PROGRESS_DEADLINE),
        max_parallel,
    };
    deadlines(given, &desired, issues);
    desired
}

/// `minHealthyTime` < `healthyDeadline` < `progressDeadline`, where 0 as the last means none.
/// Source: Nomad, `UpdateStrategy.Validate` (equal ones are refused, too).
fn deadlines(given: &Rollout, desired: &DesiredRollout, issues: &mut Issues) {
    let (min, healthy, progress) = (
        desired.min_healthy_time,
        desired.healthy_deadline,
        desired.progress_deadline,
    );
    if min >= healthy {
        let path = match given.healthy_deadline {
            Some(_) => "spec.rollout.healthyDeadline",
            None => "spec.rollout.minHealthyTime",
        };
        let message =
            format!("`minHealthyTime` ({min}) must be shorter than `healthyDeadline` ({healthy})");
        issues.add("deadlines", path, message);
    }
    if !progress.0.is_zero() && healthy >= progress {
        let path = match given.progress_deadline {
            Some(_) => "spec.rollout.progressDeadline",
            None => "spec.rollout.healthyDeadline",
        };
        let message = format!(
            "`healthyDeadline` ({healthy}) must be shorter than `progressDeadline` ({progress})"
        );
        issues.add("deadlines", path, message);
    }
}

/// Shortest interval of restarts. Source: Nomad, "Interval can not be less than 5s".
const SHORTEST_INTERVAL: Duration = Duration::from_secs(5);

pub(super) fn restart(spec: &WorkloadSpec, issues: &mut Issues) -> DesiredRestart {
    let given = &spec.restart;
    let attempts = given.attempts.unwrap_or(defaults::RESTART_ATTEMPTS);
    let desired = DesiredRestart {
        attempts,
        interval: given.interval.unwrap_or(defaults::RESTART_INTERVAL),
        delay: given.delay.unwrap_or(defaults::RESTART_DELAY),
        mode: given
            .mode
            .unwrap_or_else(|| defaults::restart_mode(attempts)),
    };
    if desired.interval.0 < SHORTEST_INTERVAL {
        issues.add(
            "restart-interval",
            "spec.restart.interval",
            "must be at least 5s",
        );
    }
    // Source: Nomad, `Restart policy "delay" with 0 attempts is ambiguous`.
    if desired.attempts == 0 && desired.mode == RestartMode::Delay {
        issues.add_with_help(
            "restart-mode",
            "spec.restart.mode",
            "`delay` needs at least one attempt",
            "use `fail`, or raise `attempts`",
        );
    }
    // Source: Nomad, "Nomad can't restart the TaskGroup N times in an interval of …".
    let needed = desired.delay.0.saturating_mul(desired.attempts);
    if needed > desired.interval.0 {
        let path = match (given.attempts, given.delay) {
            (Some(_), _) => "spec.restart.attempts",
            (None, Some(_)) => "spec.restart.delay",
            (None, None) => "spec.restart.interval",
        };
        let message = format!(
            "{} restarts with a delay of {} do not fit into an interval of {}",
            desired.attempts, desired.delay, desired.interval
        );
        let help = format!(
            "set `spec.restart.interval` to {} or more",
            crate::spec::Span(needed)
        );
        issues.add_with_help("restart-interval", path, message, help);
    }
    desired
}
