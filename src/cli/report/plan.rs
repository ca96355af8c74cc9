//! The report of a plan: one JSON document, described by `schemas/reports/plan.json`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::plan::exit_code;
use crate::reconcile::diff::{Change as Field, ChangeKind, Effect, Shown};
use crate::set::SetPlan;
use crate::set::plan::{Change, Item, Scheduler};
use crate::spec::relations::HookPhase;
use crate::spec::schema;
use crate::spec::workload::ApiVersion;

/// The report of `cs plan` and `cs diff`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::cli) struct PlanReport {
    /// `cloudstation.io/v1`.
    api_version: ApiVersion,
    /// `PlanReport`.
    kind: PlanReportKind,
    /// `same`, `differs`, `refused` or `unknown`.
    outcome: &'static str,
    /// The set as a whole.
    summary: PlanSummary,
    /// One entry a resource, in the order in which they may begin.
    results: Vec<PlannedItem>,
}

#[derive(Debug, Serialize, JsonSchema)]
enum PlanReportKind {
    PlanReport,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PlanSummary {
    /// Exit code of the process.
    exit_code: u8,
    /// Jobs that would be created.
    create: usize,
    /// Jobs that would be changed.
    update: usize,
    /// Jobs that would only be taken over.
    adopt: usize,
    /// Jobs that need nothing.
    unchanged: usize,
    /// Resources that nothing can be done about as things are.
    stopped: usize,
    /// `namespace/job` of jobs that would be stopped and purged.
    prune: Vec<String>,
    /// Jobs that nobody wants and that stay.
    kept: Vec<KeptJob>,
    /// Why nothing would be pruned although it was asked for.
    prune_refused: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KeptJob {
    /// `namespace/job`.
    job: String,
    /// Why it stays.
    reason: String,
}

/// What happens to one resource.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::cli) struct PlannedItem {
    /// Nomad job id.
    job: String,
    /// Namespace.
    namespace: String,
    /// `Workload` or `NomadJob`.
    kind: &'static str,
    /// `pre`, `post` or `onFailure` for hooks.
    hook: Option<HookPhase>,
    /// `create`, `update`, `adopt`, `unchanged`, `completed`, `standby`, `failed-before`, `refused` or `unknown`.
    action: &'static str,
    /// What the write does to running allocations: `in-place`, `create`, `destructive`, `destroy`.
    effect: Option<&'static str>,
    /// Counts from 0: everything that it waits for has a lower one.
    wave: usize,
    /// `namespace/job` of what must be ready before.
    after: Vec<String>,
    /// `namespace/job` of what keeps it from being touched.
    blocked_by: Option<String>,
    /// Why nothing is done.
    reason: Option<String>,
    /// Every difference, secrets hidden.
    changes: Vec<ChangeReport>,
    /// What Nomad's scheduler would do.
    scheduler: Option<SchedulerReport>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ChangeReport {
    /// Place in the job, e.g. `TaskGroups[web].Count`.
    path: String,
    /// `added`, `removed` or `changed`.
    change: &'static str,
    /// Value before as compact JSON, `(before)` for a secret; absent when there was none.
    before: Option<String>,
    /// Value after.
    after: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SchedulerReport {
    /// Allocations that are started.
    place: u64,
    /// Allocations that are stopped.
    stop: u64,
    /// Allocations that are updated without a restart.
    in_place: u64,
    /// Allocations that are replaced.
    destructive: u64,
    /// Canaries.
    canary: u64,
    /// Allocations of others that are pushed away.
    preemptions: u64,
    /// Why some cannot be placed.
    unplaced: Option<String>,
    /// Remarks of Nomad.
    warnings: String,
}

/// One entry a resource.
pub(in crate::cli) fn items(plan: &SetPlan) -> Vec<PlannedItem> {
    let blocked = plan.blocked_by();
    let key = |place: &usize| plan.items[*place].key.to_string();
    let items = plan.items.iter().zip(&blocked);
    items
        .map(|(item, blocked)| PlannedItem {
            after: item.after.iter().map(key).collect(),
            blocked_by: blocked.as_ref().map(key),
            ..planned(item)
        })
        .collect()
}

impl PlanReport {
    /// The report of a plan.
    pub(in crate::cli) fn new(plan: &SetPlan) -> Self {
        let code = exit_code(plan);
        Self {
            api_version: ApiVersion::V1,
            kind: PlanReportKind::PlanReport,
            outcome: match code {
                0 => "same",
                1 => "differs",
                9 => "refused",
                _ => "unknown",
            },
            summary: PlanSummary {
                exit_code: code,
                create: plan.count(|change| *change == Change::Create),
                update: plan.count(|change| matches!(change, Change::Update { .. })),
                adopt: plan.count(|change| *change == Change::Adopt),
                unchanged: plan.count(|change| !change.differs()),
                stopped: plan.count(Change::is_stopped),
                prune: plan.pruning.jobs.iter().map(ToString::to_string).collect(),
                kept: plan
                    .pruning
                    .kept
                    .iter()
                    .map(|(job, why)| KeptJob {
                        job: job.to_string(),
                        reason: why.to_string(),
                    })
                    .collect(),
                prune_refused: plan.pruning.refused.clone(),
            },
            results: items(plan),
        }
    }

    /// The report as one line.
    pub(in crate::cli) fn line(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers are JSON")
    }
}

fn planned(item: &Item) -> PlannedItem {
    let changes = match &item.change {
        Change::Update { drift, .. } => drift.changes.iter().map(change).collect(),
        _ => Vec::new(),
    };
    PlannedItem {
        job: item.key.job.to_string(),
        namespace: item.key.namespace.to_string(),
        kind: item.kind.as_str(),
        hook: item.hook,
        action: item.change.word(),
        effect: item.change.effect().map(effect),
        wave: item.wave,
        after: Vec::new(),
        blocked_by: None,
        reason: match &item.change {
            Change::Refused(reason) | Change::Unknown(reason) => Some(reason.clone()),
            Change::Failed(failed) => Some(failed.outcome.clone()),
            _ => None,
        },
        changes,
        scheduler: item.scheduler.as_ref().map(scheduler),
    }
}

const fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::InPlace => "in-place",
        Effect::Create => "create",
        Effect::Destructive => "destructive",
        Effect::Destroy => "destroy",
    }
}

fn change(field: &Field) -> ChangeReport {
    let shown = |shown: &Shown, word: &str| match shown {
        Shown::Value(text) if text.is_empty() => None,
        Shown::Value(text) => Some(text.clone()),
        Shown::Hidden => Some(format!("({word})")),
    };
    let (before, after) = (shown(&field.old, "before"), shown(&field.new, "after"));
    let (change, before, after) = match field.kind {
        ChangeKind::Added => ("added", None, after),
        ChangeKind::Removed => ("removed", before, None),
        ChangeKind::Changed => ("changed", before, after),
    };
    ChangeReport {
        path: field.path.clone(),
        change,
        before,
        after,
    }
}

fn scheduler(scheduler: &Scheduler) -> SchedulerReport {
    let updates = &scheduler.updates;
    SchedulerReport {
        place: updates.place,
        stop: updates.stop,
        in_place: updates.in_place_update,
        destructive: updates.destructive_update,
        canary: updates.canary,
        preemptions: updates.preemptions,
        unplaced: scheduler.unplaced.clone(),
        warnings: scheduler.warnings.clone(),
    }
}

/// The schema of the report.
pub(in crate::cli) fn plan_schema() -> String {
    schema::rendered_output::<PlanReport>(
        "https://cloudstation.io/schemas/reports/plan.json",
        "Report of cs plan and cs diff",
    )
}
