//! The report of an applied set: lines for people, one JSON document for machines (`schemas/reports/apply.json`).

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::run::{CauseReport, cause_report};
use crate::cli::output;
use crate::cli::paint::Paint;
use crate::controller::set::apply::{Ending, ItemResult, SetResult};
use crate::ids::JobKey;
use crate::reconcile::Outcome;
use crate::spec::relations::HookPhase;
use crate::spec::schema;
use crate::spec::workload::ApiVersion;

/// The report of `cs apply`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::cli) struct ApplyReport {
    /// `cloudstation.io/v1`.
    api_version: ApiVersion,
    /// `ApplyReport`.
    kind: ApplyReportKind,
    /// `converged` when all is as wanted, `failed` otherwise.
    outcome: &'static str,
    /// The set as a whole.
    summary: ApplySummary,
    /// One entry a resource, then one a pruned job.
    results: Vec<AppliedItem>,
}

#[derive(Debug, Serialize, JsonSchema)]
enum ApplyReportKind {
    ApplyReport,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ApplySummary {
    /// Exit code of the process.
    exit_code: u8,
    /// Whole milliseconds.
    duration_ms: u64,
    /// Jobs for which a write was sent that Nomad did not refuse.
    written: usize,
    /// Jobs that needed nothing.
    unchanged: usize,
    /// Jobs that are not as wanted.
    failed: Vec<String>,
    /// Jobs that were not touched because something that they wait for is not ready.
    blocked: Vec<String>,
    /// Jobs whose turn did not come.
    not_begun: Vec<String>,
    /// Jobs that were stopped and purged.
    pruned: Vec<String>,
    /// Why nothing was pruned although it was asked for.
    not_pruned: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::cli) struct AppliedItem {
    /// Nomad job id.
    job: String,
    /// Namespace.
    namespace: String,
    /// `Workload` or `NomadJob`; absent for what was pruned.
    kind: Option<&'static str>,
    /// `pre`, `post` or `onFailure` for hooks.
    hook: Option<HookPhase>,
    /// What was planned: `create`, `update`, `adopt`, `unchanged`, `prune`, …
    action: &'static str,
    /// `unchanged`, `registered`, `blocked`, `not-begun`, or how it ended: `converged`, `unhealthy`, `rolled-back`, …
    outcome: &'static str,
    /// The same in one line.
    message: String,
    /// First cause of trouble.
    cause: Option<CauseReport>,
    /// What was done about a failure.
    aftermath: Option<String>,
    /// Last log lines of the task at fault.
    log_tail: Vec<String>,
}

impl ApplyReport {
    /// The report of a result.
    pub(in crate::cli) fn new(result: &SetResult, exit_code: u8, took: Duration) -> Self {
        let named = |is: fn(&Ending) -> bool| {
            let found = result.items.iter().filter(|item| is(&item.ending));
            found.map(|item| item.key.to_string()).collect::<Vec<_>>()
        };
        let mut results: Vec<AppliedItem> = result.items.iter().map(applied).collect();
        results.extend(
            result
                .pruned
                .iter()
                .map(|(key, outcome)| removed("prune", key, outcome)),
        );
        Self {
            api_version: ApiVersion::V1,
            kind: ApplyReportKind::ApplyReport,
            outcome: if exit_code == 0 {
                "converged"
            } else {
                "failed"
            },
            summary: ApplySummary {
                exit_code,
                duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
                written: result.items.iter().filter(|item| item.wrote).count(),
                unchanged: named(|ending| *ending == Ending::Unchanged).len(),
                failed: named(has_failed),
                blocked: named(|ending| matches!(ending, Ending::Blocked(_))),
                not_begun: named(|ending| *ending == Ending::NotBegun),
                pruned: result
                    .pruned
                    .iter()
                    .filter(|(_, outcome)| outcome.is_success())
                    .map(|(key, _)| key.to_string())
                    .collect(),
                not_pruned: result.not_pruned.clone(),
            },
            results,
        }
    }

    /// The report as one line.
    pub(in crate::cli) fn line(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers are JSON")
    }
}

/// The report of a deletion, as one line.
pub(in crate::cli) fn deletion_line(results: &[(JobKey, Outcome)], exit_code: u8) -> String {
    let named = |is_success: bool| {
        let found = results
            .iter()
            .filter(|(_, outcome)| outcome.is_success() == is_success);
        found.map(|(key, _)| key.to_string()).collect::<Vec<_>>()
    };
    let report = serde_json::json!({
        "apiVersion": ApiVersion::V1, "kind": "DeleteReport",
        "outcome": if exit_code == 0 { "deleted" } else { "failed" },
        "summary": {"exitCode": exit_code, "deleted": named(true), "failed": named(false)},
        "results": results.iter().map(|(key, outcome)| removed("delete", key, outcome)).collect::<Vec<_>>(),
    });
    report.to_string()
}

fn removed(action: &'static str, key: &JobKey, outcome: &Outcome) -> AppliedItem {
    AppliedItem {
        job: key.job.to_string(),
        namespace: key.namespace.to_string(),
        kind: None,
        hook: None,
        action,
        outcome: outcome.word(),
        message: outcome.message(),
        cause: outcome.cause().map(cause_report),
        aftermath: None,
        log_tail: Vec::new(),
    }
}

/// One entry a resource.
pub(in crate::cli) fn items(result: &SetResult) -> Vec<AppliedItem> {
    result.items.iter().map(applied).collect()
}

fn has_failed(ending: &Ending) -> bool {
    matches!(ending, Ending::Ended(outcome) if !outcome.is_success())
}

fn word(ending: &Ending) -> &'static str {
    match ending {
        Ending::Unchanged => "unchanged",
        Ending::Registered(_) => "registered",
        Ending::Ended(outcome) => outcome.word(),
        Ending::Blocked(_) => "blocked",
        Ending::NotBegun => "not-begun",
    }
}

fn message(ending: &Ending) -> String {
    match ending {
        Ending::Unchanged => "as wanted, nothing to do".to_owned(),
        Ending::Registered(index) => format!("registered at index {index}; not waited for"),
        Ending::Ended(outcome) => outcome.message(),
        Ending::Blocked(by) => format!("not touched: {by}, which it waits for, is not ready"),
        Ending::NotBegun => "not begun".to_owned(),
    }
}

fn applied(item: &ItemResult) -> AppliedItem {
    AppliedItem {
        job: item.key.job.to_string(),
        namespace: item.key.namespace.to_string(),
        kind: Some(item.kind.as_str()),
        hook: item.hook,
        action: item.change,
        outcome: word(&item.ending),
        message: message(&item.ending),
        cause: match &item.ending {
            Ending::Ended(outcome) => outcome.cause().map(cause_report),
            _ => None,
        },
        aftermath: item.aftermath.clone(),
        log_tail: item.log_tail.clone(),
    }
}

/// Prints what became of each job that was not simply unchanged, failures last, and the sum under its `title`.
pub(in crate::cli) fn print(title: &str, result: &SetResult, paint: Paint, took: Duration) {
    let touched = result
        .items
        .iter()
        .filter(|item| item.ending != Ending::Unchanged || item.aftermath.is_some());
    let (good, bad): (Vec<_>, Vec<_>) = touched.partition(|item| item.ending.is_success());
    for item in &good {
        line(
            paint.green("✓"),
            &item.key.to_string(),
            &message(&item.ending),
        );
        after(item);
    }
    for (key, outcome) in &result.pruned {
        let mark = if outcome.is_success() {
            paint.green("✓")
        } else {
            paint.red("✗")
        };
        line(
            mark,
            &key.to_string(),
            &format!("pruned: {}", outcome.message()),
        );
    }
    for item in &bad {
        line(
            paint.red("✗"),
            &item.key.to_string(),
            &message(&item.ending),
        );
        for text in &item.log_tail {
            output::line(&format!("    | {text}"));
        }
        after(item);
        help(item);
    }
    if let Some(reason) = &result.not_pruned {
        line(paint.red("!"), "nothing was pruned", reason);
    }
    output::line(&format!("{title}: {}", sum(result, took)));
}

fn line(mark: String, name: &str, text: &str) {
    output::line(&format!("{mark} {name}: {text}"));
}

fn after(item: &ItemResult) {
    if let Some(text) = &item.aftermath {
        output::line(&format!("    {text}"));
    }
}

/// What to type next.
fn help(item: &ItemResult) {
    let Ending::Ended(outcome) = &item.ending else {
        return;
    };
    if let Some(help) = outcome.help() {
        output::line(&format!("    help: {help}"));
    }
    if outcome.cause().is_some() {
        let namespace = item.key.namespace.as_str();
        let at = if namespace == "default" {
            String::new()
        } else {
            format!(" -n {namespace}")
        };
        output::line(&format!("    see:  cs why {}{at}", item.key.job));
    }
}

fn sum(result: &SetResult, took: Duration) -> String {
    let count =
        |is: &dyn Fn(&Ending) -> bool| result.items.iter().filter(|item| is(&item.ending)).count();
    let done = |ending: &Ending| {
        matches!(ending, Ending::Registered(_))
            || matches!(ending, Ending::Ended(outcome) if outcome.is_success())
    };
    let counts = [
        (count(&done), "done"),
        (count(&|ending| *ending == Ending::Unchanged), "unchanged"),
        (
            result
                .pruned
                .iter()
                .filter(|(_, outcome)| outcome.is_success())
                .count(),
            "pruned",
        ),
        (count(&has_failed), "failed"),
        (
            count(&|ending| matches!(ending, Ending::Blocked(_))),
            "blocked",
        ),
        (count(&|ending| *ending == Ending::NotBegun), "not begun"),
    ];
    let parts: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    let parts = if parts.is_empty() {
        "nothing to do".to_owned()
    } else {
        parts.join(", ")
    };
    format!("{parts} ({:.1} s).", took.as_secs_f64())
}

/// The schema of the report.
pub(in crate::cli) fn apply_schema() -> String {
    schema::rendered_output::<ApplyReport>(
        "https://cloudstation.io/schemas/reports/apply.json",
        "Report of cs apply",
    )
}
