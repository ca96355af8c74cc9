//! How the job runs: type, count, schedule, rollout, restarts, volumes. Source: contract 6.2, 6.3.

use super::Draft;
use crate::dispatch::ids::not_empty;
use crate::dispatch::params::{Base, CsiVolume, JobConfig, Update};
use crate::spec::Span;
use crate::spec::workload::{
    JobType, Parameterized, Payload, Restart, RestartMode, Rollout, Schedule, Volume,
};

pub(super) fn job_type(config: Option<&JobConfig>, draft: &mut Draft) -> JobType {
    let name = config.map_or("", |config| config.job_type.as_str());
    match name.to_ascii_lowercase().as_str() {
        "" | "service" => JobType::Service,
        "batch" => JobType::Batch,
        "system" => JobType::System,
        "sysbatch" => JobType::Sysbatch,
        _ => {
            let expected = "expected `service`, `batch`, `system` or `sysbatch`";
            draft.refuse("jobConfig.type", expected);
            JobType::default()
        }
    }
}

/// One unless more are wanted. Jobs that run on every node have no count of their own: Nomad refuses one above 1.
pub(super) fn replicas(job_type: JobType, count: Option<i64>, draft: &mut Draft) -> Option<u32> {
    let count = draft.positive("replicaCount", count).unwrap_or(1);
    match job_type {
        JobType::Service | JobType::Batch => Some(count),
        JobType::System | JobType::Sysbatch => {
            if count > 1 {
                draft.warn(format!(
                    "replicaCount is not used: {} jobs run once on every node",
                    job_type.as_str()
                ));
            }
            None
        }
    }
}

/// Overlap is prohibited for everything but service and system, whatever the params say.
pub(super) fn schedule(job_type: JobType, config: Option<&JobConfig>) -> Option<Schedule> {
    let config = config.filter(|config| !config.cron.is_empty())?;
    let forced = job_type.runs_to_completion();
    Some(Schedule {
        cron: config.cron.clone(),
        time_zone: None,
        prohibit_overlap: Some(forced || config.prohibit_overlap.unwrap_or(false)),
    })
}

pub(super) fn parameterized(
    config: Option<&JobConfig>,
    draft: &mut Draft,
) -> Option<Parameterized> {
    let config = config?;
    let payload = match config.payload.to_ascii_lowercase().as_str() {
        "" => None,
        "optional" => Some(Payload::Optional),
        "required" => Some(Payload::Required),
        "forbidden" => Some(Payload::Forbidden),
        _ => {
            let expected = "expected `optional`, `required` or `forbidden`";
            draft.refuse("jobConfig.payload", expected);
            None
        }
    };
    if config.meta_required.is_empty() {
        if payload.is_some() {
            draft.warn(
                "jobConfig.payload is not used: without meta_required the job is not parameterized",
            );
        }
        return None;
    }
    Some(Parameterized {
        payload,
        meta_required: config.meta_required.clone(),
        meta_optional: Vec::new(),
    })
}

/// Members that are not given keep their defaults. Volumes that belong to one allocation each rule out canaries.
pub(super) fn rollout(
    job_type: JobType,
    update: Option<&Update>,
    has_volumes: bool,
    draft: &mut Draft,
) -> Rollout {
    if job_type != JobType::Service {
        if update.is_some() {
            draft.warn("update is not used: only service jobs are rolled out");
        }
        return Rollout::default();
    }
    let mut rollout = update.map_or_else(Rollout::default, |update| given(update, draft));
    if has_volumes {
        if rollout.canary.is_some_and(|canary| canary > 0) || rollout.auto_promote == Some(true) {
            draft.warn("update.canary and update.autoPromote are not used: a volume cannot be claimed twice");
        }
        rollout.canary = Some(0);
    }
    if rollout.canary == Some(0) {
        if rollout.auto_promote == Some(true) && !has_volumes {
            draft.warn("update.autoPromote is not used: there are no canaries");
        }
        rollout.auto_promote = Some(false);
    }
    rollout
}

fn given(update: &Update, draft: &mut Draft) -> Rollout {
    Rollout {
        canary: canary(update.canary, draft),
        auto_promote: update.auto_promote,
        auto_revert: update.auto_revert,
        min_healthy_time: duration("update.minHealthyTime", &update.min_healthy_time, draft),
        healthy_deadline: duration("update.healthyDeadline", &update.healthy_deadline, draft),
        progress_deadline: duration("update.progressDeadline", &update.progress_deadline, draft),
        max_parallel: draft.positive("update.maxParallel", update.max_parallel),
    }
}

/// Unlike other numbers, 0 is a wish of its own here.
fn canary(canary: Option<i64>, draft: &mut Draft) -> Option<u32> {
    if canary == Some(0) {
        return Some(0);
    }
    draft.positive("update.canary", canary)
}

/// A duration, or digits alone for seconds.
fn duration(field: &str, text: &str, draft: &mut Draft) -> Option<Span> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let parsed = if digits {
        format!("{text}s").parse()
    } else {
        text.parse()
    };
    parsed
        .map_err(|why: crate::spec::duration::InvalidSpan| draft.refuse(field, &why.to_string()))
        .ok()
}

/// The backend sends `fail` and 3 with every deployment, and the replaced program ignored both, so exactly that keeps
/// the default of 5 in 3m, 15s apart, then wait. Anything else is honoured. Source: contract 6.3.
pub(super) fn restart(base: &Base, draft: &mut Draft) -> Restart {
    const USUAL_ATTEMPTS: u32 = 3;
    let mode = base.restart_mode.to_ascii_lowercase();
    if !matches!(mode.as_str(), "" | "fail" | "delay" | "never") {
        draft.warn("restartMode is none of `fail`, `delay` and `never`: `fail` is used");
    }
    let attempts = if mode == "never" {
        0
    } else {
        draft
            .positive("restartAttempts", base.restart_attempts)
            .unwrap_or(USUAL_ATTEMPTS)
    };
    let mode = if mode == "delay" {
        RestartMode::Delay
    } else {
        RestartMode::Fail
    };
    if (mode, attempts) == (RestartMode::Fail, USUAL_ATTEMPTS) {
        return Restart::default();
    }
    Restart {
        attempts: Some(attempts),
        mode: Some(mode),
        ..Restart::default()
    }
}

/// Every volume, under its id without the index of an allocation; entries of one volume share their mounts.
pub(super) fn volumes(entries: &[CsiVolume], draft: &mut Draft) -> Vec<Volume> {
    let mut volumes: Vec<Volume> = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let Some(id) = not_empty(without_index(&entry.id).to_owned()) else {
            draft.warn(format!("csiVolume[{index}] has no id and is left out"));
            continue;
        };
        let known = volumes.iter().position(|volume| volume.csi == id);
        let at = known.unwrap_or_else(|| {
            volumes.push(Volume {
                csi: id,
                mounts: Vec::new(),
            });
            volumes.len() - 1
        });
        for mount in &entry.mount_paths {
            if !volumes[at].mounts.contains(mount) {
                volumes[at].mounts.push(mount.clone());
            }
        }
    }
    volumes
}

fn without_index(id: &str) -> &str {
    let stripped = id.strip_suffix(']').and_then(|rest| {
        let (stem, index) = rest.rsplit_once('[')?;
        let is_index = !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
        (is_index && !stem.is_empty()).then_some(stem)
    });
    stripped.unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_id_loses_only_the_index_of_its_allocation() {
        for (id, wanted) in [
            ("vol_abc[0]", "vol_abc"),
            ("vol_abc[12]", "vol_abc"),
            ("vol_abc", "vol_abc"),
            ("vol_abc[x]", "vol_abc[x]"),
            ("vol_abc[]", "vol_abc[]"),
            ("[0]", "[0]"),
        ] {
            assert_eq!(without_index(id), wanted);
        }
    }
}
