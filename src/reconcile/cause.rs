//! The first cause of trouble, named in one line.
//!
//! Nomad spreads the reason over evaluations, allocations and the last ten events of each task (nomad-api.md 1.4, 3.4).
//! Here they become one [`Cause`]: the newest allocation that failed, the task in it that failed, the last thing that
//! happened to that task before it was given up.

use std::fmt;

use crate::clients::nomad::types::{Allocation, PlacementMetric, TaskEvent, TaskState};

/// What kind of trouble it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CauseKind {
    /// No node fits.
    Placement,
    /// The image cannot be pulled.
    Pull,
    /// The driver could not start the task.
    Driver,
    /// A file could not be fetched or rendered before the start.
    Setup,
    /// The process ended.
    Exit,
    /// The process used more memory than it may.
    OutOfMemory,
    /// The process runs, but a check does not pass.
    Check,
    /// Nothing failed, nothing became healthy either.
    Stuck,
}

impl CauseKind {
    /// The word that reports carry.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Placement => "placement",
            Self::Pull => "pull",
            Self::Driver => "driver",
            Self::Setup => "setup",
            Self::Exit => "exit",
            Self::OutOfMemory => "oom",
            Self::Check => "check",
            Self::Stuck => "stuck",
        }
    }

    /// What to look at next.
    #[must_use]
    pub const fn help(self) -> &'static str {
        match self {
            Self::Placement => {
                "change the constraint, the node pool or the resources, or add a node"
            }
            Self::Pull => {
                "check the image's name and tag, the registry, and the pull credentials in Vault"
            }
            Self::Driver => "check the image, the command, the volumes and the user of the task",
            Self::Setup => {
                "check the Vault paths, the linked services and the templates of the task"
            }
            Self::Exit => "the process ended by itself: its log lines say why",
            Self::OutOfMemory => "give the task more memory (ram), or make the process use less",
            Self::Check => {
                "check that the process listens on the checked port and answers the checked path"
            }
            Self::Stuck => "look at the allocation's events: nomad alloc status",
        }
    }
}

/// The first cause of trouble.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// Its kind.
    pub kind: CauseKind,
    /// What happened, in one line, with Nomad's own words.
    pub text: String,
    /// Where: allocation and task, for fetching log lines.
    pub at: Option<TaskRef>,
}

/// A task in an allocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRef {
    /// Allocation id.
    pub allocation: String,
    /// Task name.
    pub task: String,
    /// Node that ran it.
    pub node: String,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        if let Some(at) = &self.at {
            let short = at.allocation.get(..8).unwrap_or(&at.allocation);
            write!(f, " (task {} of allocation {short}", at.task)?;
            if !at.node.is_empty() {
                write!(f, " on {}", at.node)?;
            }
            f.write_str(")")?;
        }
        Ok(())
    }
}

impl Cause {
    /// Trouble that no task can be blamed for.
    #[must_use]
    pub fn stuck(text: impl Into<String>) -> Self {
        Self {
            kind: CauseKind::Stuck,
            text: text.into(),
            at: None,
        }
    }

    /// Why no node fits, per group: which constraint filtered how many nodes, what is exhausted.
    #[must_use]
    pub fn placement<'a>(
        failed: impl IntoIterator<Item = (&'a String, &'a PlacementMetric)>,
    ) -> Option<Self> {
        let texts: Vec<String> = failed
            .into_iter()
            .map(|(group, metric)| format!("group {group}: {}", placement_text(metric)))
            .collect();
        (!texts.is_empty()).then(|| Self {
            kind: CauseKind::Placement,
            text: texts.join("; "),
            at: None,
        })
    }
}

/// Why one group found no node.
fn placement_text(metric: &PlacementMetric) -> String {
    let missing = metric.coalesced_failures + 1;
    let pool = if metric.node_pool.is_empty() {
        "default"
    } else {
        &metric.node_pool
    };
    let mut reasons = Vec::new();
    if metric.nodes_in_pool == 0 && metric.nodes_evaluated == 0 {
        reasons.push(format!("node pool {pool} has no node that is ready"));
    } else if metric.nodes_evaluated == 0
        && metric.nodes_available.values().all(|nodes| *nodes == 0)
    {
        reasons.push("no node is ready in the job's datacenters".to_owned());
    }
    for (constraint, nodes) in &metric.constraint_filtered {
        reasons.push(format!(
            "constraint {constraint} filtered {}",
            count(*nodes, "node")
        ));
    }
    for (dimension, nodes) in &metric.dimension_exhausted {
        reasons.push(format!(
            "{dimension} exhausted on {}",
            count(*nodes, "node")
        ));
    }
    for limit in &metric.quota_exhausted {
        reasons.push(format!("quota limit hit: {limit}"));
    }
    if reasons.is_empty() {
        reasons.push(format!(
            "none of {} fits",
            count(metric.nodes_evaluated, "node")
        ));
    }
    format!(
        "no node for {}: {}",
        count(missing, "allocation"),
        reasons.join(", ")
    )
}

fn count(number: u64, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}s")
    }
}

/// The first cause among allocations of one version: newest allocation first, failed tasks before merely unhealthy ones.
#[must_use]
pub fn first_cause<'a>(allocations: impl IntoIterator<Item = &'a Allocation>) -> Option<Cause> {
    let mut newest: Vec<&Allocation> = allocations.into_iter().collect();
    newest.sort_by_key(|allocation| std::cmp::Reverse(allocation.create_index));
    newest
        .into_iter()
        .filter_map(|allocation| Some((rank(allocation)?, allocation)))
        .fold(None, |best, found| {
            // The newest wins unless an older one says more.
            match best {
                Some((rank, _)) if rank >= found.0 => best,
                _ => Some(found),
            }
        })
        .and_then(|(_, allocation)| allocation_cause(allocation))
}

/// The newest allocation that runs, where nothing else explains why a rollout was given up: whoever asks can look at it.
#[must_use]
pub fn running_cause<'a>(
    allocations: impl IntoIterator<Item = &'a Allocation>,
    verdict: &str,
) -> Option<Cause> {
    let newest = allocations
        .into_iter()
        .max_by_key(|allocation| allocation.create_index)?;
    let (task, _) = newest
        .task_states
        .iter()
        .find(|(_, state)| last_of(state, "Started").is_some())?;
    let text = format!(
        "it runs, but did not become healthy in time: {}",
        one_line(verdict)
    );
    Some(at(newest, task, CauseKind::Stuck, text))
}

/// How much an allocation says about the cause; `None` when it says nothing.
fn rank(allocation: &Allocation) -> Option<u8> {
    let cause = allocation_cause(allocation)?;
    Some(match cause.kind {
        CauseKind::Stuck => 0,
        CauseKind::Check => 1,
        _ => 2,
    })
}

/// What went wrong in one allocation.
#[must_use]
pub fn allocation_cause(allocation: &Allocation) -> Option<Cause> {
    let mut tasks: Vec<(&String, &TaskState)> = allocation.task_states.iter().collect();
    tasks.sort_by_key(|(_, state)| !state.failed);
    for (name, state) in &tasks {
        if let Some((kind, text)) = task_cause(state) {
            return Some(at(allocation, name, kind, text));
        }
    }
    // Why a task did not start says more than that it did not start in time.
    if let Some((name, event)) = waiting(&tasks) {
        let text = one_line(&event.display_message);
        return Some(at(allocation, name, CauseKind::Setup, text));
    }
    for (name, state) in &tasks {
        if let Some(event) = last_of(state, "Alloc Unhealthy") {
            let text = one_line(&event.display_message);
            // Nomad says "task not running" of a task that runs well while its checks do not pass, too.
            let is_checked = last_of(state, "Started").is_some() || text.contains("ervices");
            let (kind, text) = if is_checked {
                (
                    CauseKind::Check,
                    format!("it runs, but its checks do not pass: {text}"),
                )
            } else {
                (CauseKind::Stuck, text)
            };
            return Some(at(allocation, name, kind, text));
        }
    }
    None
}

fn at(allocation: &Allocation, task: &str, kind: CauseKind, text: String) -> Cause {
    let at = TaskRef {
        allocation: allocation.id.clone(),
        task: task.to_owned(),
        node: allocation.node_name.clone(),
    };
    Cause {
        kind,
        text,
        at: Some(at),
    }
}

/// A template that waits for a missing key keeps its allocation pending for ever.
fn waiting<'a>(tasks: &[(&'a String, &'a TaskState)]) -> Option<(&'a String, &'a TaskEvent)> {
    tasks.iter().find_map(|(name, state)| {
        let mut events = state.events.iter().rev();
        let event = events.find(|event| event.event_type != "Alloc Unhealthy")?;
        (event.event_type == "Template").then_some((*name, event))
    })
}

fn last_of<'a>(state: &'a TaskState, event_type: &str) -> Option<&'a TaskEvent> {
    state
        .events
        .iter()
        .rev()
        .find(|event| event.event_type == event_type)
}

/// The last thing that went wrong with a task by itself, as kind and text.
fn task_cause(state: &TaskState) -> Option<(CauseKind, String)> {
    state.events.iter().rev().find_map(|event| {
        let detail = |key: &str| event.details.get(key).filter(|text| !text.is_empty());
        match event.event_type.as_str() {
            "Driver Failure" => {
                let text = one_line(detail("driver_error").unwrap_or(&event.display_message));
                let pull = ["pull", "manifest", "registry"]
                    .iter()
                    .any(|word| text.to_lowercase().contains(word));
                Some((
                    if pull {
                        CauseKind::Pull
                    } else {
                        CauseKind::Driver
                    },
                    text,
                ))
            }
            "Failed Validation" => {
                let text = detail("validation_error").unwrap_or(&event.display_message);
                Some((
                    CauseKind::Driver,
                    format!("the driver refuses the task: {}", one_line(text)),
                ))
            }
            "Failed Artifact Download" => {
                let text = detail("download_error").unwrap_or(&event.display_message);
                Some((CauseKind::Setup, one_line(text)))
            }
            "Setup Failure" | "Failed Secrets Fetch" => {
                Some((CauseKind::Setup, one_line(&event.display_message)))
            }
            "Terminated" => terminated(event),
            "Killing" if event.display_message.to_lowercase().contains("template") => {
                Some((CauseKind::Setup, one_line(&event.display_message)))
            }
            _ => None,
        }
    })
}

/// A process that ended; `None` when it ended well or was asked to.
fn terminated(event: &TaskEvent) -> Option<(CauseKind, String)> {
    let detail = |key: &str| event.details.get(key).map_or("", String::as_str);
    if detail("oom_killed") == "true" {
        return Some((
            CauseKind::OutOfMemory,
            "out of memory: the kernel killed the process (OOM)".to_owned(),
        ));
    }
    let code = detail("exit_code");
    let signal = detail("signal");
    if matches!(code, "" | "0") && matches!(signal, "" | "0") {
        return None;
    }
    let message = one_line(detail("exit_message"));
    let mut text = format!(
        "exit code {}",
        if code.is_empty() { "unknown" } else { code }
    );
    if !matches!(signal, "" | "0") {
        text.push_str(&format!(", signal {signal}"));
    }
    // Docker's own message repeats the code; keep what it adds.
    if !message.is_empty() && !message.contains("non-zero exit code") {
        text.push_str(&format!(": {message}"));
    }
    Some((CauseKind::Exit, text))
}

/// Bound for one line of somebody else's text.
const LINE: usize = 400;

/// Somebody else's text as one bounded line without control characters.
#[must_use]
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(LINE));
    for word in text
        .split(|c: char| c.is_whitespace() || crate::plain::steers(c))
        .filter(|word| !word.is_empty())
    {
        if line.len() + word.len() > LINE {
            line.push('…');
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn event(event_type: &str, message: &str, details: &[(&str, &str)]) -> TaskEvent {
        TaskEvent {
            event_type: event_type.to_owned(),
            time: 0,
            display_message: message.to_owned(),
            details: details
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
        }
    }

    fn allocation(id: &str, create_index: u64, failed: bool, events: Vec<TaskEvent>) -> Allocation {
        let state = TaskState {
            state: "dead".into(),
            failed,
            restarts: 0,
            events,
        };
        Allocation {
            id: id.to_owned(),
            create_index,
            node_name: "node-1".into(),
            task_states: BTreeMap::from([("app".to_owned(), state)]),
            ..Allocation::default()
        }
    }

    #[test]
    fn the_last_failure_of_the_failed_task_is_the_cause() {
        let cases = [
            (
                event(
                    "Driver Failure",
                    "x",
                    &[("driver_error", "Failed to pull `a:b`: no such host")],
                ),
                CauseKind::Pull,
            ),
            (
                event("Driver Failure", "failed to launch command", &[]),
                CauseKind::Driver,
            ),
            (
                event(
                    "Terminated",
                    "Exit Code: 3",
                    &[("exit_code", "3"), ("exit_message", "boom")],
                ),
                CauseKind::Exit,
            ),
            (
                event(
                    "Terminated",
                    "",
                    &[("exit_code", "137"), ("oom_killed", "true")],
                ),
                CauseKind::OutOfMemory,
            ),
            (
                event(
                    "Failed Artifact Download",
                    "x",
                    &[("download_error", "404")],
                ),
                CauseKind::Setup,
            ),
            (
                event(
                    "Failed Validation",
                    "x",
                    &[("validation_error", "no image")],
                ),
                CauseKind::Driver,
            ),
        ];
        for (failure, kind) in cases {
            let events = vec![
                event("Started", "", &[]),
                failure,
                event("Not Restarting", "no", &[]),
            ];
            let cause = first_cause([&allocation("0123456789", 1, true, events)]).expect("a cause");
            assert_eq!(cause.kind, kind);
            assert!(
                cause
                    .to_string()
                    .ends_with("(task app of allocation 01234567 on node-1)"),
                "{cause}"
            );
        }
    }

    #[test]
    fn a_process_that_ended_well_is_no_cause() {
        let ended = event(
            "Terminated",
            "Exit Code: 0",
            &[("exit_code", "0"), ("oom_killed", "false")],
        );
        assert_eq!(first_cause([&allocation("a", 1, false, vec![ended])]), None);
    }

    #[test]
    fn a_failed_allocation_says_more_than_a_newer_one_that_is_merely_unhealthy() {
        let failed = allocation(
            "old",
            1,
            true,
            vec![event("Terminated", "", &[("exit_code", "1")])],
        );
        let unhealthy = allocation(
            "new",
            2,
            false,
            vec![event(
                "Alloc Unhealthy",
                "Task not running by healthy_deadline",
                &[],
            )],
        );
        assert_eq!(
            first_cause([&failed, &unhealthy]).expect("a cause").kind,
            CauseKind::Exit
        );
        assert_eq!(
            first_cause([&unhealthy]).expect("a cause").kind,
            CauseKind::Stuck
        );
    }

    #[test]
    fn a_check_that_does_not_pass_is_named_as_such() {
        let started = event("Started", "Task started by client", &[]);
        let unhealthy = event(
            "Alloc Unhealthy",
            "Task not running for min_healthy_time of 2s by healthy_deadline of 20s",
            &[],
        );
        assert_eq!(
            first_cause([&allocation("a", 1, false, vec![started, unhealthy])])
                .expect("a cause")
                .kind,
            CauseKind::Check
        );
    }

    #[test]
    fn placement_names_constraint_dimension_and_pool() {
        let metric = PlacementMetric {
            nodes_evaluated: 3,
            nodes_filtered: 1,
            nodes_in_pool: 3,
            constraint_filtered: BTreeMap::from([(
                "${node.class} set_contains_any L4".to_owned(),
                1,
            )]),
            dimension_exhausted: BTreeMap::from([("memory".to_owned(), 2)]),
            coalesced_failures: 1,
            ..PlacementMetric::default()
        };
        let cause = Cause::placement([(&"web".to_owned(), &metric)]).expect("a cause");
        assert_eq!(
            cause.text,
            "group web: no node for 2 allocations: constraint ${node.class} set_contains_any L4 filtered 1 node, \
             memory exhausted on 2 nodes"
        );
        let empty = PlacementMetric {
            node_pool: "gpu-minions".into(),
            ..PlacementMetric::default()
        };
        let cause = Cause::placement([(&"web".to_owned(), &empty)]).expect("a cause");
        assert!(
            cause.text.contains("node pool gpu-minions has no node"),
            "{cause}"
        );
    }

    #[test]
    fn a_long_text_with_line_breaks_becomes_one_bounded_line() {
        let line = one_line(&"a\n\u{1b}[31mb ".repeat(1000));
        assert!(line.len() <= LINE + '…'.len_utf8() + 1, "{}", line.len());
        assert!(!line.contains(['\n', '\u{1b}']));
    }
}
