//! What must hold, whatever happened.

use std::collections::BTreeMap;
use std::time::Duration;

use cs::controller::set::apply::{Ending, SetResult};
use cs::reconcile::Outcome;
use cs::simulator::world::{Deployment, JobKey};
use serde_json::Value;

use super::act::{DEADLINE, Ended, SLACK, Stage, owned};
use super::case::{CLAIMED, Case, Command, Image};
use super::shown;
use super::sink::is_event;
use super::trace::START;

/// Specification, version and index of each job of others.
pub(super) type Others = Vec<(String, Value, u64, u64)>;

pub(super) fn others(stage: &Stage<'_>, case: &Case) -> Others {
    let world = stage.world.world();
    let foreign = case
        .foreign
        .iter()
        .filter_map(|(namespace, id)| world.job(&JobKey::new(namespace, id)));
    foreign
        .map(|job| {
            (
                job.id().to_owned(),
                (*job.spec).clone(),
                job.version,
                job.job_modify_index,
            )
        })
        .collect()
}

/// It ends in time, and says why when it is not as wanted.
pub(super) fn ending(stage: &Stage<'_>, command: &Command, ended: &Ended, took: Duration) {
    let trace = &stage.trace;
    if took > DEADLINE + SLACK {
        trace.problem(format!("{} took {took:?}", shown(command)));
    }
    match ended {
        Ended::Died => {}
        Ended::Refused(reason) => {
            if reason.is_empty() {
                trace.problem(format!("{} was refused without a reason", shown(command)));
            }
        }
        Ended::Run(result) => {
            for outcome in result
                .jobs
                .iter()
                .map(|job| &job.outcome)
                .chain([&result.outcome])
            {
                if !explained(outcome) {
                    trace.problem(format!("an outcome without a reason: {outcome:?}"));
                }
                if matches!(outcome, Outcome::Failed(text) if text.contains("internal error")) {
                    trace.problem(format!("a panic: {outcome:?}"));
                }
            }
        }
        Ended::Applied(result) => {
            for item in &result.items {
                if let Ending::Ended(outcome) = &item.ending
                    && !explained(outcome)
                {
                    trace.problem(format!(
                        "{}: an outcome without a reason: {outcome:?}",
                        item.key
                    ));
                }
            }
        }
    }
}

fn explained(outcome: &Outcome) -> bool {
    outcome.is_success() || !outcome.message().is_empty()
}

/// How a command ends once nothing goes wrong any more.
pub(super) fn clean(command: &Command, ended: &Ended) -> Result<(), String> {
    match (command, ended) {
        (Command::Deploy { image, .. }, Ended::Run(result)) => match (image, &result.outcome) {
            (Image::Good(_), Outcome::Converged) => Ok(()),
            (Image::Bad(_), Outcome::RolledBack { .. } | Outcome::Unhealthy(_)) => Ok(()),
            (_, outcome) => Err(format!("{} ended as {outcome:?}", shown(command))),
        },
        (Command::Destroy { .. }, Ended::Run(result)) => {
            let all = result
                .jobs
                .iter()
                .all(|job| job.outcome == Outcome::Destroyed);
            if all {
                Ok(())
            } else {
                Err(format!("{} ended as {:?}", shown(command), result.jobs))
            }
        }
        (Command::Apply { files, .. }, Ended::Applied(result)) => applied(files.collides, result),
        (_, ended) => Err(format!("{} ended as {ended:?}", shown(command))),
    }
}

fn applied(collides: bool, result: &SetResult) -> Result<(), String> {
    for item in &result.items {
        let is_claimed = item.key.job.as_str() == CLAIMED;
        if item.ending.is_success() == (is_claimed && collides) {
            return Err(format!("{} ended as {:?}", item.key, item.ending));
        }
    }
    match result
        .pruned
        .iter()
        .find(|(_, outcome)| !outcome.is_success())
    {
        Some((key, outcome)) => Err(format!("{key} was not pruned: {outcome:?}")),
        None => result.not_pruned.clone().map_or(Ok(()), Err),
    }
}

/// The inventory names what is owned, and nothing else.
pub(super) fn inventory(stage: &Stage<'_>, owner: &str) {
    let (named, mut owned) = (stage.inventory(owner), owned(&stage.world, owner));
    owned.sort();
    let mut sorted = named;
    sorted.sort();
    if sorted != owned {
        stage.trace.problem(format!(
            "the inventory of {owner} names {sorted:?}, but it has {owned:?}"
        ));
    }
}

/// A job before a command.
pub(super) struct Before {
    created: u64,
    version: u64,
    /// A rollout is on its way that Nomad may yet take back by itself: a version that no command makes.
    may_go_back: bool,
    /// Stops of it that the network delivered twice so far. Each makes a version of its own.
    doubled: u64,
}

/// Each job by its name, with its latest version.
pub(super) fn versions(stage: &Stage<'_>) -> BTreeMap<String, Before> {
    let world = stage.world.world();
    let jobs = world.jobs.iter().map(|(key, entry)| {
        let name = format!("{}/{}", key.namespace, key.id);
        let goes_back = |rollout: &Deployment| {
            rollout.status == "running" && rollout.groups.values().any(|group| group.auto_revert)
        };
        let before = Before {
            created: entry.job.create_index,
            version: entry.job.version,
            may_go_back: world.deployments_of(key).any(goes_back),
            doubled: stage.trace.doubled(&key.id),
        };
        (name, before)
    });
    jobs.collect()
}

/// A command makes one version of a job, and one more where something is gone back to: nothing flaps.
pub(super) fn flapping(
    stage: &Stage<'_>,
    command: &Command,
    before: &BTreeMap<String, Before>,
    ends: u64,
) {
    let most = match command {
        Command::Deploy {
            image: Image::Good(_),
            ..
        } => 1,
        Command::Deploy { .. } => 2,
        Command::Destroy { .. } => 1,
        Command::Apply { files, .. } if files.is_bad => 2 * ends,
        Command::Apply { .. } => 1,
    };
    for (name, now) in versions(stage) {
        let was = before.get(&name);
        let incarnation = was.filter(|was| was.created == now.created);
        let made = match incarnation {
            Some(was) => now.version - was.version,
            None => now.version + 1,
        };
        let back = u64::from(incarnation.is_some_and(|was| was.may_go_back));
        let doubled = now.doubled - was.map_or(0, |was| was.doubled);
        if made > most + back + doubled {
            let course = course(stage, &name);
            stage.trace.problem(format!(
                "{} made {made} versions of {name}: {course}",
                shown(command)
            ));
        }
    }
}

/// The versions of a job: when each was made, and of which image.
fn course(stage: &Stage<'_>, name: &str) -> String {
    let world = stage.world.world();
    let mut jobs = world.jobs.iter();
    let entry = jobs.find(|(key, _)| format!("{}/{}", key.namespace, key.id) == name);
    let versions = entry.into_iter().flat_map(|(_, entry)| &entry.versions);
    let shown = versions.map(|job| {
        let image = job.spec.pointer("/TaskGroups/0/Tasks/0/Config/image");
        format!(
            "{} at {} ms, {}{}",
            job.version,
            (job.submit_time - START) / 1_000_000,
            image.and_then(Value::as_str).unwrap_or("no image"),
            if job.stopped() { ", stopped" } else { "" }
        )
    });
    shown.collect::<Vec<_>>().join("; ")
}

/// Each event of a deployment is there once and in its place, and none is missing that its end calls for.
pub(super) fn events(stage: &Stage<'_>, ended: &BTreeMap<u64, bool>) {
    let stored = stage.stream.all();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for one in stored.iter().filter(|one| is_event(&one.subject)) {
        *seen.entry(&one.id).or_default() += 1;
    }
    for (id, count) in seen.iter().filter(|(_, count)| **count > 1) {
        stage
            .trace
            .problem(format!("event `{id}` is there {count} times"));
    }
    for (deployment, is_success) in ended {
        let end = format!("cs.build.log.end.dep-{deployment}");
        let of = |word: &str| {
            let job = format!("dep-{deployment}");
            let mine =
                |one: &&super::sink::Stored| one.subject.ends_with(word) && mentions(&one.id, &job);
            stored.iter().filter(mine).count()
        };
        let last = stored.iter().position(|one| one.subject == end);
        let Some(last) = last else {
            stage
                .trace
                .problem(format!("no end of the log of dep-{deployment}"));
            continue;
        };
        let line = format!("cs.build.log.dep-{deployment}");
        if stored[last..].iter().any(|one| one.subject == line) {
            stage.trace.problem(format!(
                "a line follows the end of the log of dep-{deployment}"
            ));
        }
        let (succeeded, failed) = (of("deployment.succeeded"), of("deployment.failed"));
        if of("deployment.status.changed") != 1 {
            stage.trace.problem(format!(
                "dep-{deployment} began {} times",
                of("deployment.status.changed")
            ));
        }
        let expected = if *is_success { succeeded } else { failed };
        if expected != 1 {
            stage.trace.problem(format!("dep-{deployment}: {succeeded} successes, {failed} failures; success is {is_success}"));
        }
    }
}

/// Whether an id is about a deployment, not one whose name only begins so.
fn mentions(id: &str, deployment: &str) -> bool {
    id.split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .any(|part| part == deployment)
}
