//! Count, rollout, restart, starts by the clock and on request.

use serde_json::Value;

use super::{number, span, text, texts, unless};
use crate::desired::defaults;
use crate::spec::workload::{
    JobType, Parameterized, Payload, Restart, RestartMode, Rollout, Schedule,
};

pub(super) fn replicas(group: &Value, job_type: JobType) -> Option<u32> {
    match job_type {
        JobType::Service | JobType::Batch => unless(number(group, "Count"), defaults::REPLICAS),
        JobType::System | JobType::Sysbatch => None,
    }
}

pub(super) fn rollout(group: &Value, job_type: JobType) -> Rollout {
    let update = &group["Update"];
    if job_type != JobType::Service || !update.is_object() {
        return Rollout::default();
    }
    let has_volumes = group["Volumes"]
        .as_object()
        .is_some_and(|all| !all.is_empty());
    let canary = number(update, "Canary").unwrap_or_default();
    let flag = |name: &str| update[name].as_bool();
    Rollout {
        canary: unless(Some(canary), defaults::canary(has_volumes)),
        auto_promote: unless(flag("AutoPromote"), canary > 0),
        auto_revert: unless(flag("AutoRevert"), defaults::AUTO_REVERT),
        min_healthy_time: span(update, "MinHealthyTime", defaults::MIN_HEALTHY_TIME),
        healthy_deadline: span(update, "HealthyDeadline", defaults::HEALTHY_DEADLINE),
        progress_deadline: span(update, "ProgressDeadline", defaults::PROGRESS_DEADLINE),
        max_parallel: unless(number(update, "MaxParallel"), defaults::MAX_PARALLEL),
    }
}

pub(super) fn restart(group: &Value) -> Restart {
    let policy = &group["RestartPolicy"];
    let attempts = number(policy, "Attempts").unwrap_or(defaults::RESTART_ATTEMPTS);
    let mode = match text(policy, "Mode") {
        Some("delay") => RestartMode::Delay,
        _ => RestartMode::Fail,
    };
    Restart {
        attempts: unless(Some(attempts), defaults::RESTART_ATTEMPTS),
        interval: span(policy, "Interval", defaults::RESTART_INTERVAL),
        delay: span(policy, "Delay", defaults::RESTART_DELAY),
        mode: unless(Some(mode), defaults::restart_mode(attempts)),
    }
}

pub(super) fn schedule(job: &Value) -> Option<Schedule> {
    let periodic = job
        .get("Periodic")
        .filter(|periodic| periodic.is_object())?;
    Some(Schedule {
        cron: text(periodic, "Spec").unwrap_or_default().to_owned(),
        time_zone: text(periodic, "TimeZone")
            .filter(|zone| *zone != defaults::TIME_ZONE)
            .map(str::to_owned),
        prohibit_overlap: unless(
            periodic["ProhibitOverlap"].as_bool(),
            defaults::PROHIBIT_OVERLAP,
        ),
    })
}

pub(super) fn parameterized(job: &Value) -> Option<Parameterized> {
    let found = job
        .get("ParameterizedJob")
        .filter(|found| found.is_object())?;
    Some(Parameterized {
        payload: match text(found, "Payload") {
            Some("required") => Some(Payload::Required),
            Some("forbidden") => Some(Payload::Forbidden),
            _ => None,
        },
        meta_required: texts(&found["MetaRequired"]),
        meta_optional: texts(&found["MetaOptional"]),
    })
}
