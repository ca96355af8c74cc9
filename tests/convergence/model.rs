//! One Nomad job as plain data: what is stored, what becomes of its rollouts, who else writes it, which calls fail.
//!
//! Small on purpose: it knows compare-and-set, versions, rollouts with a verdict that the script names, allocations that
//! take time to end. [`drive`] turns the loop on it as `controller::converge` does, without waiting and without calls.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use cs::clients::nomad::types::{
    Allocation, Evaluation, JobRecord, PlacementMetric, Rollout, RolloutGroup, TaskEvent, TaskState,
};
use cs::ids::ModifyIndex;
use cs::reconcile::diff::diff;
use cs::reconcile::plan::{META_RUN, RunGoal};
use cs::reconcile::{
    Action, Activity, Attempt, CauseKind, Gap, Goal, Memory, Next, Observed, Outcome, Seen, plan,
};
use serde_json::{Value, json};

/// Id of the only job that the loop may touch.
pub(super) const JOB: &str = "shop";
/// How many turns a run may take. Every script ends long before.
const TURNS: usize = 400;
/// How long Nomad may find no node, and how much of it a turn uses up.
const GRACE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));

/// What becomes of a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Succeeds,
    Fails,
    RollsBack,
    FindsNoNode,
}

/// What somebody else does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Deed {
    /// Registers another image.
    Registers(u8),
    /// Changes the count.
    Scales(u64),
    Stops,
    Purges,
}

/// What becomes of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Arrives,
    /// Carried out, but nobody hears of it.
    LosesItsReply,
    /// Not carried out, and nobody knows.
    IsLost,
    /// Not carried out: no leader, too many connections.
    IsTurnedAway,
}

/// What happens around the loop; nothing more once a list is used up.
#[derive(Debug, Clone, Default)]
pub(super) struct Script {
    /// One before every look and one before every write.
    pub(super) deeds: VecDeque<Option<Deed>>,
    /// Whether a look gets an answer.
    pub(super) looks: VecDeque<bool>,
    /// One a write.
    pub(super) writes: VecDeque<Fate>,
    /// One a rollout.
    pub(super) verdicts: VecDeque<Verdict>,
}

#[derive(Debug, Clone)]
struct Version {
    spec: Value,
    number: u64,
    index: u64,
    stop: bool,
    stable: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Process {
    Unplaced,
    Running,
    Failed,
    Ending(u8),
    Complete,
}

#[derive(Debug, Clone)]
struct Life {
    version: u64,
    index: u64,
    created: u64,
    left: u8,
    verdict: Verdict,
    status: &'static str,
    description: String,
    process: Process,
}

/// A cluster with the job, perhaps, and with jobs of others.
#[derive(Debug, Clone, Default)]
pub(super) struct World {
    index: u64,
    create_index: u64,
    versions: Vec<Version>,
    lives: Vec<Life>,
    pub(super) others: BTreeMap<String, Value>,
    verdicts: VecDeque<Verdict>,
}

/// A job with an image.
pub(super) fn job(image: u8, run: Option<&str>) -> Value {
    let mut job = json!({
        "ID": JOB, "Name": JOB, "Type": "service",
        "TaskGroups": [{"Name": "g", "Count": 1, "Tasks": [
            {"Name": "t", "Driver": "docker", "Config": {"image": format!("shop:{image}")}}
        ]}]
    });
    if let Some(run) = run {
        job["Meta"] = json!({META_RUN: run});
    }
    job
}

impl World {
    /// A world where the job stands in some version, or not at all.
    pub(super) fn new(standing: Option<u8>) -> Self {
        let mut world = Self {
            index: 10,
            others: BTreeMap::from([("other".to_owned(), json!({"ID": "other"}))]),
            ..Self::default()
        };
        if let Some(image) = standing {
            world.store(job(image, None), false);
            world.lives[0].status = "successful";
            world.versions[0].stable = true;
        }
        world
    }

    fn current(&self) -> Option<&Version> {
        self.versions.last()
    }

    /// Whether there is no such job and nothing of it runs.
    pub(super) fn is_gone(&self) -> bool {
        self.versions.is_empty()
            && self
                .lives
                .iter()
                .all(|life| matches!(life.process, Process::Complete | Process::Failed))
    }

    /// How many versions carry an image.
    pub(super) fn versions_of(&self, image: u8) -> usize {
        let wanted = format!("shop:{image}");
        self.versions
            .iter()
            .filter(|version| image_of(&version.spec) == Some(&wanted))
            .count()
    }

    /// A new version, with a rollout if it is to run.
    fn store(&mut self, spec: Value, stop: bool) -> u64 {
        self.index += 1;
        let number = self.current().map_or(0, |version| version.number + 1);
        if number == 0 {
            self.create_index = self.index;
        }
        for life in &mut self.lives {
            if life.status == "running" {
                life.status = "cancelled";
                life.description = "Cancelled due to newer version of job".into();
            }
            match life.process {
                Process::Running => life.process = Process::Ending(2),
                Process::Unplaced => life.process = Process::Complete,
                _ => {}
            }
        }
        let count = spec
            .pointer("/TaskGroups/0/Count")
            .and_then(Value::as_u64)
            .unwrap_or(1);
        if !stop && count > 0 {
            let verdict = self.verdicts.pop_front().unwrap_or(Verdict::Succeeds);
            self.lives.push(Life {
                version: number,
                index: self.index,
                created: self.index,
                left: 2,
                verdict,
                status: "running",
                description: "Deployment is running".into(),
                process: match verdict {
                    Verdict::FindsNoNode => Process::Unplaced,
                    _ => Process::Running,
                },
            });
        }
        let index = self.index;
        self.versions.push(Version {
            spec,
            number,
            index,
            stop,
            stable: false,
        });
        index
    }

    /// Compare-and-set, as Nomad does it. The index of an unchanged job's reply is not that of its specification.
    fn register(&mut self, mut job: Value, expected: u64) -> Result<u64, ()> {
        let id = job["ID"].as_str().unwrap_or_default().to_owned();
        if id != JOB {
            self.others.insert(id, job);
            return Ok(0);
        }
        let members = job.as_object_mut().expect("a job is an object");
        for member in ["Version", "JobModifyIndex", "CreateIndex", "Stop", "Status"] {
            members.remove(member);
        }
        match self.current() {
            Some(version) if version.index != expected => Err(()),
            None if expected != 0 => Err(()),
            Some(version) if version.spec == job && !version.stop => {
                self.index += 1;
                Ok(self.index)
            }
            _ => Ok(self.store(job, false)),
        }
    }

    fn stop(&mut self, id: &str) {
        if id != JOB {
            self.others.remove(id);
        } else if let Some(version) = self.current() {
            let spec = version.spec.clone();
            self.store(spec, true);
        }
    }

    fn purge(&mut self, id: &str) {
        if id != JOB {
            self.others.remove(id);
            return;
        }
        self.index += 1;
        self.versions.clear();
        self.lives.clear();
    }

    fn suffer(&mut self, deed: &Deed) {
        match (deed, self.current().cloned()) {
            (Deed::Registers(image), _) => {
                self.store(job(*image, Some("theirs")), false);
            }
            (Deed::Scales(count), Some(version)) if !version.stop => {
                let mut spec = version.spec;
                spec["TaskGroups"][0]["Count"] = json!(count);
                self.store(spec, false);
            }
            (Deed::Stops, Some(_)) => self.stop(JOB),
            (Deed::Purges, Some(_)) => self.purge(JOB),
            _ => {}
        }
    }

    /// Some time passes.
    fn advance(&mut self) {
        for life in &mut self.lives {
            life.process = match life.process {
                Process::Ending(0) => Process::Complete,
                Process::Ending(left) => Process::Ending(left - 1),
                process => process,
            };
        }
        let Some(life) = self
            .lives
            .last_mut()
            .filter(|life| life.status == "running")
        else {
            return;
        };
        self.index += 1;
        if let Some(left) = life.left.checked_sub(1) {
            life.left = left;
            return;
        }
        let (number, verdict) = (life.version, life.verdict);
        match verdict {
            Verdict::FindsNoNode => {}
            Verdict::Succeeds => {
                life.status = "successful";
                for version in &mut self.versions {
                    version.stable |= version.number == number;
                }
            }
            Verdict::Fails | Verdict::RollsBack => {
                life.status = "failed";
                life.process = Process::Failed;
                life.description = "Failed due to unhealthy allocations".into();
                if verdict == Verdict::RollsBack {
                    self.roll_back();
                }
            }
        }
    }

    fn roll_back(&mut self) {
        let stable = self.versions.iter().rev().find(|version| version.stable);
        let target = stable.map(|version| (version.number, version.spec.clone()));
        let life = self.lives.last_mut().expect("a rollout has failed");
        match target {
            Some((number, spec)) => {
                life.description += &format!(" - rolling back to job version {number}");
                self.verdicts.push_front(Verdict::Succeeds);
                self.store(spec, false);
            }
            None => life.description += " - no stable job version to auto revert to",
        }
    }

    /// What a look finds.
    fn look(&self, goal: &Goal, memory: &Memory) -> Observed {
        let activity = Activity {
            evaluations: self.lives.iter().map(evaluation).collect(),
            rollout: self.lives.last().map(|life| self.rollout(life)),
            allocations: self.lives.iter().filter_map(allocation).collect(),
        };
        Observed {
            job: self
                .current()
                .map_or(Seen::Absent, |version| Seen::Present(self.record(version))),
            activity,
            attempt: match goal {
                Goal::Run(run) => self.attempt(run, memory),
                Goal::Destroy(_) | Goal::Stop(_) | Goal::Watch(_) => None,
            },
            children: Vec::new(),
        }
    }

    fn attempt(&self, run: &RunGoal, memory: &Memory) -> Option<Attempt> {
        let is_ours = |version: &&Version| {
            let of_run = version.spec.pointer(&format!("/Meta/{META_RUN}"));
            memory.stood_at == Some(ModifyIndex(version.index))
                || run.run.is_some() && of_run.and_then(Value::as_str) == run.run.as_deref()
                || memory
                    .sent_at
                    .is_some_and(|sent| ModifyIndex(version.index) > sent)
                    && diff(&run.job, &self.record(version).spec, &run.options).is_empty()
        };
        let (current, older) = self.versions.split_last()?;
        if is_ours(&current) {
            return None;
        }
        let ours = older.iter().rev().find(is_ours)?;
        let life = self.lives.iter().find(|life| life.index == ours.index);
        Some(Attempt {
            version: ours.number,
            rollout: life.map(|life| self.rollout(life)),
        })
    }

    fn record(&self, version: &Version) -> JobRecord {
        let mut job = version.spec.clone();
        job["Version"] = json!(version.number);
        job["JobModifyIndex"] = json!(version.index);
        job["CreateIndex"] = json!(self.create_index);
        job["Stop"] = json!(version.stop);
        job["Status"] = json!(if version.stop { "dead" } else { "running" });
        serde_json::from_value(job).expect("a job")
    }

    fn rollout(&self, life: &Life) -> Rollout {
        let placed = u64::from(life.process != Process::Unplaced);
        let group = RolloutGroup {
            desired_total: 1,
            placed_allocs: placed,
            healthy_allocs: u64::from(life.status == "successful"),
            ..RolloutGroup::default()
        };
        Rollout {
            id: format!("rollout-{}", life.index),
            job_version: life.version,
            job_spec_modify_index: ModifyIndex(life.index),
            job_create_index: self.create_index,
            status: life.status.into(),
            status_description: life.description.clone(),
            task_groups: BTreeMap::from([("g".to_owned(), group)]),
            create_index: life.created,
            ..Rollout::default()
        }
    }
}

fn image_of(spec: &Value) -> Option<&str> {
    spec.pointer("/TaskGroups/0/Tasks/0/Config/image")?.as_str()
}

fn evaluation(life: &Life) -> Evaluation {
    let mut evaluation = Evaluation {
        status: "complete".into(),
        job_modify_index: ModifyIndex(life.index),
        deployment_id: format!("rollout-{}", life.index),
        create_index: life.created,
        ..Evaluation::default()
    };
    if life.process == Process::Unplaced {
        let metric = PlacementMetric {
            nodes_evaluated: 1,
            constraint_filtered: BTreeMap::from([("missing drivers".to_owned(), 1)]),
            ..PlacementMetric::default()
        };
        evaluation.failed_tg_allocs.insert("g".to_owned(), metric);
    }
    evaluation
}

fn allocation(life: &Life) -> Option<Allocation> {
    let (client_status, desired_status) = match life.process {
        Process::Unplaced => return None,
        Process::Running => ("running", "run"),
        Process::Failed => ("failed", "run"),
        Process::Ending(_) => ("running", "stop"),
        Process::Complete => ("complete", "stop"),
    };
    let mut allocation = Allocation {
        id: format!("allocation-{}", life.created),
        name: "shop.g[0]".into(),
        job_version: life.version,
        client_status: client_status.into(),
        desired_status: desired_status.into(),
        create_index: life.created,
        ..Allocation::default()
    };
    if life.process == Process::Failed {
        let event = TaskEvent {
            event_type: "Terminated".into(),
            details: BTreeMap::from([("exit_code".to_owned(), "3".to_owned())]),
            ..TaskEvent::default()
        };
        let state = TaskState {
            state: "dead".into(),
            failed: true,
            restarts: 0,
            events: vec![event],
        };
        allocation.task_states.insert("t".to_owned(), state);
    }
    Some(allocation)
}

/// How a run of the loop went.
#[derive(Debug)]
pub(super) struct Driven {
    /// `None` when it did not end.
    pub(super) outcome: Option<Outcome>,
    /// Writes that were sent.
    pub(super) sent: usize,
    /// Registers that took effect.
    pub(super) registered: usize,
    /// Rules that were broken on the way.
    pub(super) broken: Vec<String>,
}

/// Turns the loop until it ends.
pub(super) fn drive(world: &mut World, goal: &Goal, script: &mut Script) -> Driven {
    world.verdicts.append(&mut script.verdicts);
    let mut memory = memory();
    let mut driven = Driven {
        outcome: None,
        sent: 0,
        registered: 0,
        broken: Vec::new(),
    };
    for _ in 0..TURNS {
        happen(world, script);
        let observed = if script.looks.pop_front().unwrap_or(true) {
            world.look(goal, &memory)
        } else {
            let reason = "no answer".to_owned();
            Observed::unknown(Gap { reason })
        };
        let planned = plan(goal, &observed, &memory);
        driven.check(&observed, &planned.actions);
        let is_done = planned.actions.iter().all(|action| {
            happen(world, script);
            driven.write(world, action, script, &mut memory)
        });
        if !is_done {
            world.advance();
            continue;
        }
        memory.remember(&observed, &planned);
        match planned.next {
            Next::Finished(outcome) => {
                driven.outcome = Some(outcome);
                return driven;
            }
            Next::Watch(progress) => {
                let is_blocked = progress
                    .trouble
                    .is_some_and(|cause| cause.kind == CauseKind::Placement);
                memory.blocked_for =
                    is_blocked.then(|| memory.blocked_for.unwrap_or_default() + GRACE.1);
                world.advance();
            }
            Next::Backoff(_) => world.advance(),
            Next::LookAgain => {}
        }
    }
    driven
}

/// What the next plan would do, from a look that gets its answer, by a run that remembers nothing.
pub(super) fn plan_again(world: &World, goal: &Goal) -> cs::reconcile::Plan {
    plan(goal, &world.look(goal, &memory()), &memory())
}

fn memory() -> Memory {
    Memory {
        stood_at: None,
        accepted_at: None,
        sent_at: None,
        writes: 0,
        blocked_for: None,
        placement_grace: GRACE.0,
    }
}

fn happen(world: &mut World, script: &mut Script) {
    if let Some(Some(deed)) = script.deeds.pop_front() {
        world.suffer(&deed);
    }
}

impl Driven {
    fn check(&mut self, observed: &Observed, actions: &[Action]) {
        if matches!(observed.job, Seen::Unknown(_)) && !actions.is_empty() {
            self.broken
                .push("a write after a look without answer".into());
        }
        let seen = observed
            .job
            .present()
            .map_or(ModifyIndex::MUST_BE_NEW, |job| job.head.job_modify_index);
        for action in actions {
            match action {
                Action::Register { expected, .. } if *expected != seen => {
                    self.broken
                        .push(format!("register at {expected}, seen {seen}"));
                }
                Action::Purge { job }
                    if observed
                        .activity
                        .allocations
                        .iter()
                        .any(|it| !it.is_terminal()) =>
                {
                    self.broken.push(format!("purge of {job} that still runs"));
                }
                _ => {}
            }
        }
    }

    /// Sends one write; false when the plan cannot go on.
    fn write(
        &mut self,
        world: &mut World,
        action: &Action,
        script: &mut Script,
        memory: &mut Memory,
    ) -> bool {
        self.sent += 1;
        if let Action::Register { expected, .. } = action {
            memory.sent_at.get_or_insert(*expected);
        }
        let fate = script.writes.pop_front().unwrap_or(Fate::Arrives);
        memory.writes += 1;
        if matches!(fate, Fate::IsLost | Fate::IsTurnedAway) {
            memory.writes -= 1;
            return false;
        }
        let before = world.versions.len();
        let done = match action {
            Action::Revert { .. } => unreachable!("no goal of the loop goes back"),
            Action::Register { job, expected, .. } => {
                let done = world.register(job.clone(), expected.0).map(Some);
                self.registered += usize::from(world.versions.len() > before);
                done
            }
            Action::Stop { job } => {
                world.stop(job.as_str());
                Ok(None)
            }
            Action::Purge { job } => {
                world.purge(job.as_str());
                Ok(None)
            }
        };
        if fate == Fate::LosesItsReply {
            memory.writes -= 1;
            return false;
        }
        match done {
            Ok(Some(index)) => {
                memory.stood_at = Some(ModifyIndex(index));
                if let Action::Register { expected, .. } = action {
                    memory.accepted_at = Some(*expected);
                }
            }
            Ok(None) => {}
            Err(()) => return false,
        }
        true
    }
}
