//! The steps from a specification to a running task, each with what is known about it.

use serde_json::Value;

use crate::clients::nomad::types::Evaluation;
use crate::reconcile::cause::one_line;
use crate::reconcile::plan::{META_MANAGED_BY, META_OWNER};

use super::super::condition::Condition;
use super::super::placement::{GroupPlacement, explain};
use super::super::promotion::awaits_promotion;
use super::super::text::{age, count, short};
use super::View;
use super::task::{allocation, checks, log};
use crate::plain;

/// Whether a step is where the trouble is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// It went well.
    Good,
    /// It is, or shows, the trouble.
    Bad,
    /// It goes on, or waits for somebody.
    Open,
    /// Nothing is known, or there is nothing to it.
    None,
}

impl Mark {
    /// The word that reports carry.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Open => "open",
            Self::None => "none",
        }
    }
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// `spec`, `evaluation`, `placement`, `rollout`, `allocation`, `log`, `checks`, `runs`.
    pub name: &'static str,
    /// Whether the trouble is here.
    pub mark: Mark,
    /// In one line.
    pub text: String,
    /// More, one line each.
    pub lines: Vec<String>,
}

impl Step {
    pub(super) fn new(name: &'static str, mark: Mark, text: impl Into<String>) -> Self {
        Self {
            name,
            mark,
            text: text.into(),
            lines: Vec::new(),
        }
    }

    pub(super) fn with(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.lines.extend(lines);
        self
    }
}

pub(super) fn steps(view: &View<'_>) -> Vec<Step> {
    if view.is_parent() {
        return vec![spec(view), runs(view)];
    }
    let mut steps = vec![spec(view)];
    if view.diagnosis.condition != Condition::Stopped {
        steps.extend([evaluation(view), placement(view)]);
        steps.extend(rollout(view));
    }
    steps.push(allocation(view));
    if let Some(log) = log(view) {
        steps.push(log);
    }
    if let Some(checks) = checks(view) {
        steps.push(checks);
    }
    steps
}

fn spec(view: &View<'_>) -> Step {
    let head = &view.evidence.job.head;
    let mut text = format!("version {}", head.version);
    if head.submit_time > 0 {
        text.push_str(&format!(
            ", submitted {} ago",
            age(head.submit_time, view.now)
        ));
    }
    if let Some(owner) = head.meta.get(META_OWNER) {
        let by = head.meta.get(META_MANAGED_BY).map_or("cs", String::as_str);
        text.push_str(&format!(
            ", by {} for {}",
            plain::line(by),
            plain::line(owner)
        ));
    }
    if head.stop {
        return Step::new("spec", Mark::Open, format!("{text}, stops the job"));
    }
    if let Some(before) = &view.diagnosis.rolled_back {
        return Step::new("spec", Mark::Bad, format!("{text}; {before}"));
    }
    Step::new("spec", Mark::Good, text)
}

fn runs(view: &View<'_>) -> Step {
    let children = &view.evidence.children;
    let active = children
        .iter()
        .filter(|child| child.status != "dead")
        .count();
    let head = &view.evidence.job.head;
    let when = match &head.periodic {
        Some(periodic) => {
            let text = |name: &str| periodic.get(name).and_then(Value::as_str);
            let specs = periodic.get("Specs").and_then(Value::as_array);
            let specs = specs.into_iter().flatten().filter_map(Value::as_str);
            let specs: Vec<&str> = text("Spec")
                .into_iter()
                .chain(specs)
                .filter(|it| !it.is_empty())
                .collect();
            match periodic.get("Enabled") {
                Some(Value::Bool(false)) => "the clock is switched off".to_owned(),
                _ => format!("by the clock ({})", plain::line(&specs.join(", "))),
            }
        }
        None => "on request".to_owned(),
    };
    let ended = children.len() - active;
    Step::new(
        "runs",
        if children.is_empty() {
            Mark::None
        } else {
            Mark::Good
        },
        format!("started {when}; {active} active, {ended} ended"),
    )
}

/// Evaluations of the current specification, newest first.
fn current<'a>(view: &View<'a>) -> Vec<&'a Evaluation> {
    let index = view.evidence.job.head.job_modify_index;
    let mut found: Vec<&Evaluation> = view
        .evidence
        .activity
        .evaluations
        .iter()
        .filter(|evaluation| evaluation.job_modify_index >= index)
        .collect();
    found.sort_by_key(|evaluation| std::cmp::Reverse(evaluation.create_index));
    found
}

fn evaluation(view: &View<'_>) -> Step {
    let step = |mark, text: String| Step::new("evaluation", mark, text);
    let all = current(view);
    let later = all.iter().find(|evaluation| {
        evaluation.status == "pending" && evaluation.triggered_by == "alloc-reschedule"
    });
    let lines = later.map(|later| {
        let until = later
            .wait_until
            .as_deref()
            .unwrap_or("a moment that Nomad chooses");
        format!("a failed allocation is replaced at {until}")
    });
    let waiting = all.iter().find(|evaluation| {
        evaluation.status == "pending" && evaluation.triggered_by != "alloc-reschedule"
    });
    if let Some(waiting) = waiting {
        let text = format!(
            "{} waits for the scheduler ({})",
            short(&waiting.id),
            waiting.triggered_by
        );
        return step(Mark::Open, text).with(lines);
    }
    // A blocked one only repeats what the placement says.
    let newest = all
        .iter()
        .find(|evaluation| matches!(evaluation.status.as_str(), "complete" | "failed"));
    match newest {
        None => step(
            Mark::None,
            "Nomad has no evaluation of this version".to_owned(),
        )
        .with(lines),
        Some(failed) if failed.status == "failed" => {
            let text = one_line(&failed.status_description);
            step(Mark::Bad, format!("{} failed: {text}", short(&failed.id))).with(lines)
        }
        Some(done) => step(
            Mark::Good,
            format!("{} complete ({})", short(&done.id), done.triggered_by),
        )
        .with(lines),
    }
}

/// Why groups have no node, by the newest evaluation that ended; `None` when there is none.
pub(super) fn unplaced(view: &View<'_>) -> Option<Vec<GroupPlacement>> {
    let all = current(view);
    let newest = all
        .iter()
        .find(|evaluation| evaluation.status == "complete")?;
    let failed = newest.failed_tg_allocs.iter();
    let spec = &view.evidence.job.spec;
    Some(
        failed
            .map(|(group, metric)| explain(group, metric, spec))
            .collect(),
    )
}

fn placement(view: &View<'_>) -> Step {
    let step = |mark, text: String| Step::new("placement", mark, text);
    let Some(failed) = unplaced(view) else {
        return step(Mark::None, "not known".to_owned());
    };
    if failed.is_empty() {
        return step(Mark::Good, "every allocation has a node".to_owned());
    }
    let missing = failed.iter().map(|group| group.missing).sum();
    let lines = failed.iter().flat_map(|group| {
        let reasons = group.reasons.iter();
        reasons.map(move |reason| format!("group {}: {reason}", group.group))
    });
    step(
        Mark::Bad,
        format!("no node for {}", count(missing, "allocation")),
    )
    .with(lines)
}

fn rollout(view: &View<'_>) -> Option<Step> {
    let head = &view.evidence.job.head;
    let rollout = view.evidence.activity.rollout.as_ref().filter(|rollout| {
        rollout.job_spec_modify_index == head.job_modify_index
            && rollout.job_create_index == head.create_index
    })?;
    let mark = match rollout.status.as_str() {
        "successful" => Mark::Good,
        "failed" => Mark::Bad,
        _ => Mark::Open,
    };
    let text = format!(
        "{} {}: {}",
        short(&rollout.id),
        rollout.status,
        one_line(&rollout.status_description)
    );
    let groups = rollout.task_groups.iter().map(|(name, group)| {
        let mut line = format!(
            "group {name}: {} of {} healthy",
            group.healthy_allocs, group.desired_total
        );
        if group.unhealthy_allocs > 0 {
            line.push_str(&format!(", {} unhealthy", group.unhealthy_allocs));
        }
        if group.desired_canaries > 0 && !group.promoted {
            let canaries = group.desired_canaries;
            line.push_str(&format!(
                ", {} of {canaries} canaries healthy, not promoted",
                group.healthy_allocs.min(canaries)
            ));
        }
        line
    });
    let is_over = mark == Mark::Good && !awaits_promotion(rollout);
    let lines: Vec<String> = if is_over {
        Vec::new()
    } else {
        groups.collect()
    };
    Some(Step::new("rollout", mark, text).with(lines))
}
