//! The last steps: the allocation at fault, what its tasks went through, what they wrote, what its checks say.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::clients::nomad::types::{Allocation, TaskState};
use crate::reconcile::CauseKind;
use crate::reconcile::cause::one_line;

use super::super::condition::Condition;
use super::super::text::{age, count, short};
use super::steps::{Mark, Step};
use super::{Diagnosis, Evidence, View};
use crate::plain;

pub(super) fn allocation(view: &View<'_>) -> Step {
    let activity = &view.evidence.activity;
    let version = view.evidence.job.head.version;
    let mut states: BTreeMap<&str, u64> = BTreeMap::new();
    let is_stopped = view.diagnosis.condition == Condition::Stopped;
    for allocation in activity.allocations.iter().filter(|allocation| {
        allocation.job_version == version || is_stopped && !allocation.is_terminal()
    }) {
        *states.entry(&allocation.client_status).or_default() += 1;
    }
    let states: Vec<String> = states
        .iter()
        .map(|(state, number)| format!("{number} {state}"))
        .collect();
    let text = match states.as_slice() {
        [] if is_stopped => "none runs any more".to_owned(),
        [] => "none of this version".to_owned(),
        states => format!("{} (version {version})", states.join(", ")),
    };
    let Some(fault) = at_fault(view.evidence, view.diagnosis) else {
        let mark = match view.diagnosis.condition {
            Condition::Progressing => Mark::Open,
            _ if states.is_empty() => Mark::None,
            _ => Mark::Good,
        };
        return Step::new("allocation", mark, text);
    };
    let is_bad = view.diagnosis.at().is_some();
    let mark = if is_bad { Mark::Bad } else { Mark::Open };
    Step::new("allocation", mark, text).with(told(view, fault))
}

/// The allocation to look at: that of the first cause, else one that has not come far.
pub(super) fn at_fault<'a>(
    evidence: &'a Evidence,
    diagnosis: &Diagnosis,
) -> Option<&'a Allocation> {
    let allocations = &evidence.activity.allocations;
    if let Some(at) = diagnosis.at() {
        return allocations.iter().find(|found| found.id == at.allocation);
    }
    let version = evidence.job.head.version;
    let not_yet = allocations.iter().filter(|allocation| {
        allocation.job_version == version
            && allocation.desired_status == "run"
            && matches!(
                allocation.client_status.as_str(),
                "pending" | "lost" | "unknown"
            )
    });
    not_yet.max_by_key(|allocation| allocation.create_index)
}

/// An allocation in lines: what it is, its node, the events of its tasks.
fn told(view: &View<'_>, allocation: &Allocation) -> Vec<String> {
    let mut lines = vec![format!(
        "{} of group {} on {}: {} ({})",
        short(&allocation.id),
        allocation.task_group,
        if allocation.node_name.is_empty() {
            short(&allocation.node_id)
        } else {
            &allocation.node_name
        },
        allocation.client_status,
        one_line(if allocation.desired_status == "run" {
            &allocation.client_description
        } else {
            &allocation.desired_description
        }),
    )];
    if let Some(node) = &view.closeup.node
        && (node.status != "ready" || node.drain)
    {
        let drain = if node.drain { ", draining" } else { "" };
        lines.push(format!("node {} is {}{drain}", node.name, node.status));
    }
    let blamed = view.diagnosis.at().map(|at| at.task.as_str());
    for (task, state) in &allocation.task_states {
        if blamed.is_none_or(|blamed| blamed == task) {
            lines.extend(events(view, task, state));
        }
    }
    lines
}

fn events(view: &View<'_>, task: &str, state: &TaskState) -> Vec<String> {
    let mut lines = vec![match state.restarts {
        0 => format!("task {task}: {}", state.state),
        restarts => format!(
            "task {task}: {}, restarted {}",
            state.state,
            count(restarts, "time")
        ),
    }];
    let width = state
        .events
        .iter()
        .map(|event| event.event_type.len())
        .max();
    lines.extend(state.events.iter().map(|event| {
        format!(
            "  {:>6} ago  {:<width$}  {}",
            age(event.time, view.now),
            event.event_type,
            one_line(&event.display_message),
            width = width.unwrap_or(0)
        )
    }));
    lines
}

pub(super) fn log(view: &View<'_>) -> Option<Step> {
    let at = view.diagnosis.at()?;
    let allocation = short(&at.allocation);
    if view.closeup.log.is_empty() {
        let text = format!("task {} of {allocation} has written nothing", at.task);
        return Some(Step::new("log", Mark::None, text));
    }
    let text = format!("last lines of task {} of {allocation}", at.task);
    let kind = view.diagnosis.first_cause().map(|cause| cause.kind);
    let mark = match kind {
        Some(CauseKind::Exit | CauseKind::OutOfMemory) => Mark::Bad,
        _ => Mark::None,
    };
    let lines = view
        .closeup
        .log
        .iter()
        .map(|line| plain::line(line).into_owned());
    Some(Step::new("log", mark, text).with(lines))
}

pub(super) fn checks(view: &View<'_>) -> Option<Step> {
    let known = &view.closeup.checks;
    if known.is_empty() {
        let consul = has_consul_checks(&view.evidence.job.spec);
        return consul.then(|| {
            let text = "they are Consul's; Nomad knows only whether all of them passed in time";
            Step::new("checks", Mark::None, text)
        });
    }
    let failing: Vec<_> = known
        .iter()
        .filter(|check| check.status != "success")
        .collect();
    let lines = failing.iter().map(|check| {
        format!(
            "{} of service {}: {}: {}",
            check.check,
            check.service,
            check.status,
            one_line(&check.output)
        )
    });
    let (mark, text) = match failing.len() {
        0 => (
            Mark::Good,
            format!("{} passing", count(known.len() as u64, "check")),
        ),
        failing => (
            Mark::Bad,
            format!(
                "{failing} of {} not passing",
                count(known.len() as u64, "check")
            ),
        ),
    };
    Some(Step::new("checks", mark, text).with(lines))
}

fn has_consul_checks(spec: &Value) -> bool {
    let list = |value: &Value, name: &str| {
        value
            .get(name)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let is_consuls = |service: &Value| {
        service.get("Provider").and_then(Value::as_str) != Some("nomad")
            && !list(service, "Checks").is_empty()
    };
    list(spec, "TaskGroups").iter().any(|group| {
        list(group, "Services").iter().any(is_consuls)
            || list(group, "Tasks")
                .iter()
                .any(|task| list(task, "Services").iter().any(is_consuls))
    })
}
