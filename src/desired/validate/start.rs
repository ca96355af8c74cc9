//! When a workload starts by itself: by the clock or on request.

use std::collections::BTreeSet;

use super::cron;
use super::issues::Issues;
use super::text;
use crate::desired::{DesiredParameterized, DesiredSchedule, defaults};
use crate::spec::path;
use crate::spec::workload::WorkloadSpec;

pub(super) fn schedule(spec: &WorkloadSpec, issues: &mut Issues) -> Option<DesiredSchedule> {
    let schedule = spec.schedule.as_ref()?;
    runs_to_completion(spec, "schedule-type", "spec.schedule", issues);
    if let Err(rule) = cron::check(&schedule.cron) {
        issues.add_with_help(
            "cron",
            "spec.schedule.cron",
            rule,
            "minute, hour, day of month, month, day of week, e.g. `30 4 * * *`",
        );
    }
    if let Some(zone) = &schedule.time_zone {
        text::check(
            issues,
            "time-zone",
            "spec.schedule.timeZone",
            time_zone_rule(zone),
        );
    }
    Some(DesiredSchedule {
        cron: schedule.cron.clone(),
        time_zone: schedule
            .time_zone
            .clone()
            .unwrap_or_else(|| defaults::TIME_ZONE.to_owned()),
        prohibit_overlap: schedule
            .prohibit_overlap
            .unwrap_or(defaults::PROHIBIT_OVERLAP),
    })
}

/// Source: Nomad, `Periodic can only be used with "batch" or "sysbatch" scheduler`, and the same of parameterized.
fn runs_to_completion(spec: &WorkloadSpec, code: &'static str, at: &str, issues: &mut Issues) {
    if !spec.job_type.runs_to_completion() {
        issues.add_with_help(
            code,
            at,
            "only a `batch` or `sysbatch` workload has it",
            "set `spec.type: batch`",
        );
    }
}

/// The form of an IANA name. Whether there is such a zone only the server knows, which has its own database.
fn time_zone_rule(zone: &str) -> Option<&'static str> {
    let part_is_valid = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_+-".contains(&b))
    };
    (!zone.split('/').all(part_is_valid))
        .then_some("must be an IANA name such as `UTC` or `Europe/Paris`")
}

pub(super) fn parameterized(
    spec: &WorkloadSpec,
    issues: &mut Issues,
) -> Option<DesiredParameterized> {
    let parameterized = spec.parameterized.as_ref()?;
    let at = "spec.parameterized";
    runs_to_completion(spec, "parameterized-type", at, issues);
    let required: BTreeSet<&String> = parameterized.meta_required.iter().collect();
    for (name, keys) in [
        ("metaRequired", &parameterized.meta_required),
        ("metaOptional", &parameterized.meta_optional),
    ] {
        for (index, key) in keys.iter().enumerate() {
            let path = path::element(&path::member(at, name), index);
            text::check(issues, "meta-key", path.as_str(), text::one_line(key));
            // Source: Nomad, "Required and optional meta keys should be disjoint".
            if name == "metaOptional" && required.contains(key) {
                issues.add("meta-key", path, "is required already");
            }
        }
    }
    Some(DesiredParameterized {
        payload: parameterized.payload.unwrap_or_default(),
        meta_required: parameterized.meta_required.clone(),
        meta_optional: parameterized.meta_optional.clone(),
    })
}
