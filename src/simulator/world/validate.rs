//! What Nomad refuses in a job, with its sentences (nomad-api.md 1.1).

use serde_json::Value;

use super::json::{int, list, present, text};
use super::refusal::multierror;

/// All reasons for which Nomad refuses a canonical job; empty when it takes it.
#[must_use]
pub fn problems(job: &Value) -> Vec<String> {
    let mut found = Vec::new();
    job_problems(job, &mut found);
    let groups = list(job, "TaskGroups");
    let mut names = std::collections::BTreeSet::new();
    for (index, group) in groups.iter().enumerate() {
        let name = text(group, "Name");
        if name.is_empty() {
            found.push(format!("Job task group {} missing name", index + 1));
        } else if !names.insert(name) {
            found.push(format!(
                "Job task group {} redefines '{name}' from group 1",
                index + 1
            ));
        }
        let inner = group_problems(group, text(job, "Type"));
        if !inner.is_empty() {
            let inner = multierror(&inner);
            found.push(format!(
                "Task group {name} validation failed: {}",
                inner.trim_end()
            ));
        }
    }
    found
}

fn job_problems(job: &Value, found: &mut Vec<String>) {
    if text(job, "Region").is_empty() {
        found.push("Missing job region".to_owned());
    }
    let id = text(job, "ID");
    if id.is_empty() {
        found.push("Missing job ID".to_owned());
    } else if id.contains(' ') {
        found.push("Job ID contains a space".to_owned());
    } else if id.contains('\0') {
        found.push("Job ID contains a null character".to_owned());
    }
    if text(job, "Name").contains('\0') {
        found.push("Job Name contains a null character".to_owned());
    }
    let kind = text(job, "Type");
    if !matches!(kind, "service" | "batch" | "system" | "sysbatch") {
        found.push(format!("Invalid job type: {kind:?}"));
    }
    if !(1..=100).contains(&int(job, "Priority")) {
        found.push("job priority must be between [1, 100]".to_owned());
    }
    if list(job, "TaskGroups").is_empty() {
        found.push("Missing job task groups".to_owned());
    }
    let total: i64 = list(job, "TaskGroups")
        .iter()
        .map(|group| int(group, "Count"))
        .sum();
    if total > 50_000 {
        found.push(format!(
            "total count was greater than configured job_max_count: {total} > 50000"
        ));
    }
    if present(job, "Periodic") {
        periodic_problems(job, kind, found);
    }
    if present(job, "ParameterizedJob") && !matches!(kind, "batch" | "sysbatch") {
        found.push(format!(
            "Parameterized job can only be used with \"batch\" or \"sysbatch\" scheduler, got {kind:?}"
        ));
    }
}

fn periodic_problems(job: &Value, kind: &str, found: &mut Vec<String>) {
    if !matches!(kind, "batch" | "sysbatch") {
        found.push("Periodic can only be used with \"batch\" or \"sysbatch\" scheduler".to_owned());
    }
    for spec in super::periodic::specs(job) {
        if super::periodic::Cron::parse(&spec).is_none() {
            found.push(format!(
                "Invalid cron spec {spec:?}: failed parsing cron expression"
            ));
        }
    }
}

fn group_problems(group: &Value, kind: &str) -> Vec<String> {
    let mut found = Vec::new();
    if int(group, "Count") < 0 {
        found.push("Task group count can't be negative".to_owned());
    }
    if list(group, "Tasks").is_empty() {
        found.push("Missing tasks for task group".to_owned());
    }
    if kind == "system" && int(group, "Count") > 1 {
        found.push(format!(
            "Job task group {} has count {}. Count cannot exceed 1 with system scheduler",
            text(group, "Name"),
            int(group, "Count")
        ));
    }
    update_problems(&group["Update"], &mut found);
    for (index, task) in list(group, "Tasks").iter().enumerate() {
        let name = text(task, "Name");
        if name.is_empty() {
            found.push(format!("Task {} missing name", index + 1));
        }
        let inner = task_problems(task);
        if !inner.is_empty() {
            let inner = multierror(&inner);
            found.push(format!(
                "Task {name} validation failed: {}",
                inner.trim_end()
            ));
        }
    }
    found
}

fn update_problems(update: &Value, found: &mut Vec<String>) {
    if !update.is_object() || int(update, "MaxParallel") == 0 {
        return;
    }
    let minimum = int(update, "MinHealthyTime");
    let healthy = int(update, "HealthyDeadline");
    let progress = int(update, "ProgressDeadline");
    let mut inner = Vec::new();
    if minimum >= healthy {
        inner.push(format!(
            "Minimum healthy time must be less than healthy deadline: {} > {}",
            super::time::format_go(minimum),
            super::time::format_go(healthy)
        ));
    }
    if progress != 0 && healthy >= progress {
        inner.push(format!(
            "Healthy deadline must be less than progress deadline: {} > {}",
            super::time::format_go(healthy),
            super::time::format_go(progress)
        ));
    }
    if super::json::flag(update, "AutoPromote") && int(update, "Canary") == 0 {
        inner.push("Auto Promote requires a Canary count greater than zero".to_owned());
    }
    found.extend(inner);
}

fn task_problems(task: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if text(task, "Name").contains(['/', '\\']) {
        found.push("Task name cannot include slashes".to_owned());
    }
    if text(task, "Driver").is_empty() {
        found.push("Missing task driver".to_owned());
    }
    let resources = &task["Resources"];
    if int(resources, "MemoryMB") > 0 && int(resources, "MemoryMB") < 10 {
        found.push(format!(
            "1 error occurred:\n\t* MemoryMB value (in MiB) should be >= 10; got {}",
            int(resources, "MemoryMB")
        ));
    }
    found
}

/// Remarks that do not stop a register, in Nomad's layout; `""` without any.
#[must_use]
pub fn warnings(job: &Value) -> String {
    let mut found = Vec::new();
    if present(job, "Periodic") && !text(&job["Periodic"], "Spec").is_empty() {
        found.push("cron is deprecated and may be removed in a future release. Use crons instead");
    }
    match found.as_slice() {
        [] => String::new(),
        [one] => format!("1 warning:\n\n* {one}"),
        many => format!("{} warnings:\n\n* {}", many.len(), many.join("\n* ")),
    }
}
