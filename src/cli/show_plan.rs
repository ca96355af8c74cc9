//! A plan on one screen: what happens to each job, field by field, in which order, and what is left alone and why.

use super::paint::Paint;
use crate::reconcile::diff::{Change as Field, ChangeKind, Effect};
use crate::set::plan::{Change, Item, SetPlan};
use crate::spec::relations::HookPhase;

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// The differences.
    Diff,
    /// Order, hooks and the scheduler's view as well.
    Plan,
}

/// The plan as text; empty when there is nothing to say.
pub(super) fn text(plan: &SetPlan, paint: Paint, detail: Detail) -> String {
    let mut lines = Vec::new();
    let blocked = plan.blocked_by();
    for (place, item) in plan.items.iter().enumerate() {
        if item.change.differs() {
            let by = blocked[place].map(|by| plan.items[by].key.to_string());
            self::item(item, by.as_deref(), paint, detail, &mut lines);
        }
    }
    removals(plan, paint, &mut lines);
    if detail == Detail::Plan {
        order(plan, &mut lines);
    }
    let mut text = lines.join("\n");
    if !text.is_empty() {
        text.push_str("\n\n");
    }
    text.push_str(&summary(plan));
    text.push('\n');
    text
}

fn item(
    item: &Item,
    blocked_by: Option<&str>,
    paint: Paint,
    detail: Detail,
    lines: &mut Vec<String>,
) {
    let (mark, colour): (&str, fn(Paint, &str) -> String) = match &item.change {
        Change::Create => ("+", Paint::green),
        Change::Update { .. } => ("~", Paint::yellow),
        Change::Adopt => (">", Paint::cyan),
        _ => ("!", Paint::red),
    };
    let mut title = format!(
        "{} {}",
        colour(paint, &format!("{mark} {}", item.change.word())),
        paint.bold(&item.key.to_string())
    );
    let mut notes = vec![item.kind.as_str().to_owned()];
    notes.extend(item.hook.map(|phase| format!("{} hook", phase_word(phase))));
    notes.extend(manner(&item.change).map(str::to_owned));
    if let Change::Update { adopts: true, .. } = item.change {
        notes.push("takes it over".to_owned());
    }
    if detail == Detail::Plan
        && let Some(scheduler) = &item.scheduler
    {
        notes.push(scheduler.to_string());
    }
    title.push_str(&format!("  ({})", notes.join("; ")));
    lines.push(title);
    if let Change::Update { drift, .. } = &item.change {
        lines.extend(drift.changes.iter().map(|change| field(change, paint)));
    }
    let reason = match &item.change {
        Change::Failed(failed) => Some(format!(
            "the same spec has failed before ({}); change it, or say --retry-failed",
            failed.outcome
        )),
        Change::Refused(reason) | Change::Unknown(reason) => Some(reason.clone()),
        _ => None,
    };
    lines.extend(reason.map(|reason| format!("    {reason}")));
    lines.extend(blocked_by.map(|by| format!("    {} {by}", paint.red("blocked by"))));
    if detail == Detail::Plan
        && let Some(scheduler) = &item.scheduler
    {
        let unplaced = scheduler.unplaced.iter();
        lines.extend(unplaced.map(|text| format!("    {} {text}", paint.red("cannot be placed:"))));
    }
}

/// What an update does to what runs.
fn manner(change: &Change) -> Option<&'static str> {
    match change.effect()? {
        Effect::InPlace => Some("in place"),
        Effect::Create => None,
        Effect::Destructive => Some("replaces what runs"),
        Effect::Destroy => Some("stops what runs"),
    }
}

fn field(change: &Field, paint: Paint) -> String {
    let text = change.to_string();
    let text = match change.kind {
        ChangeKind::Added => paint.green(&text),
        ChangeKind::Removed => paint.red(&text),
        ChangeKind::Changed => paint.yellow(&text),
    };
    format!("    {text}")
}

const fn phase_word(phase: HookPhase) -> &'static str {
    match phase {
        HookPhase::Pre => "pre",
        HookPhase::Post => "post",
        HookPhase::OnFailure => "onFailure",
    }
}

fn removals(plan: &SetPlan, paint: Paint, lines: &mut Vec<String>) {
    let pruning = &plan.pruning;
    for key in &pruning.jobs {
        lines.push(format!(
            "{} {}  (not among the files any more; stopped, then purged)",
            paint.red("- prune"),
            paint.bold(&key.to_string())
        ));
    }
    for (key, why) in &pruning.kept {
        lines.push(format!("{} {key}  ({why})", paint.dim("= keep")));
    }
    if let Some(reason) = &pruning.refused {
        lines.push(format!("{} {reason}", paint.red("! nothing is pruned:")));
    }
}

/// Which waits for which, where anything waits.
fn order(plan: &SetPlan, lines: &mut Vec<String>) {
    let mut shown = Vec::new();
    for item in plan.items.iter().filter(|item| item.change.writes()) {
        let after: Vec<String> = item
            .after
            .iter()
            .map(|&before| &plan.items[before])
            .filter(|before| before.change.writes())
            .map(|before| before.key.job.to_string())
            .collect();
        if !after.is_empty() {
            shown.push(format!("  {} after {}", item.key.job, after.join(", ")));
        }
    }
    for item in plan
        .items
        .iter()
        .filter(|item| item.change == Change::Standby)
    {
        shown.push(format!("  {} if something fails", item.key.job));
    }
    if !shown.is_empty() {
        lines.push(String::new());
        lines.push("Order:".to_owned());
        lines.extend(shown);
    }
}

/// `Plan: 1 to create, 2 to update, 1 to prune, 7 unchanged.`
pub(super) fn summary(plan: &SetPlan) -> String {
    let unchanged = |change: &Change| matches!(change, Change::None | Change::Completed);
    let counts = [
        (plan.count(|change| *change == Change::Create), "to create"),
        (
            plan.count(|change| matches!(change, Change::Update { .. })),
            "to update",
        ),
        (plan.count(|change| *change == Change::Adopt), "to adopt"),
        (plan.pruning.jobs.len(), "to prune"),
        (
            plan.count(|change| matches!(change, Change::Refused(_))),
            "refused",
        ),
        (
            plan.count(|change| matches!(change, Change::Failed(_))),
            "failed before",
        ),
        (
            plan.count(|change| matches!(change, Change::Unknown(_))),
            "unknown",
        ),
        (plan.count(unchanged), "unchanged"),
    ];
    let parts: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if parts.is_empty() {
        "Plan: nothing is wanted, nothing is owned.".to_owned()
    } else {
        format!("Plan: {}.", parts.join(", "))
    }
}
