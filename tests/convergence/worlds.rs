//! From any world, with faults that end, the loop ends as it should, stays there, and leaves the jobs of others alone.
//!
//! The loop runs as the library has it, against the simulator, whose clock is fast. A world is made from its number; the
//! one that fails says how to run it alone.

use std::time::Duration;

use cs::clients::nomad::{ConnectionConfig, NomadClient};
use cs::controller::converge::{Converge, Until};
use cs::controller::note::Notes;
use cs::reconcile::Outcome;
use cs::reconcile::diff::DiffOptions;
use cs::reconcile::plan::{Goal, Guard, RunGoal};
use cs::simulator::world::{JobKey, Register};
use cs::simulator::{Action, Deed, Effect, Faults, Matcher, Options, Rule, Script, Simulator};
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How many worlds are tried.
const CASES: u64 = 48;
/// Only this one, when it is some.
const ONLY: Option<u64> = None;
/// How many worlds exist at once.
const WORKERS: usize = 8;
/// Longest run in one world; faults cost fractions of a second each.
const DEADLINE: Duration = Duration::from_secs(30);

const OURS: &str = "ours";
const RUN: &str = "00000000-0000-5000-8000-000000000001";

/// Numbers from a number (SplitMix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Below a bound.
    fn roll(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        let index = self.roll(choices.len() as u64);
        choices[usize::try_from(index).expect("a few choices")].clone()
    }
}

/// What is known of our job at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    Absent,
    /// Our very specification, healthy.
    Same,
    /// An older one, healthy.
    Older,
    /// An older one, stopped.
    Stopped,
    /// An older one that replaced a healthy one and failed.
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Runs,
    /// With an image that ends at once.
    Fails {
        reverts: bool,
    },
    Gone,
}

#[derive(Debug)]
struct Case {
    number: u64,
    before: Before,
    wanted: Wanted,
    others: u64,
    faults: Faults,
    /// Somebody else lays hands on our job.
    is_meddled_with: bool,
}

impl Case {
    fn roll(number: u64) -> Self {
        let mut dice = Dice(number);
        let before = dice.pick(&[
            Before::Absent,
            Before::Same,
            Before::Older,
            Before::Older,
            Before::Stopped,
            Before::Failed,
        ]);
        let wanted = match dice.roll(6) {
            0 => Wanted::Gone,
            1 if before != Before::Same => Wanted::Fails {
                reverts: dice.roll(2) == 0,
            },
            _ => Wanted::Runs,
        };
        let others = 1 + dice.roll(3);
        let mut rules: Vec<Rule> = (0..dice.roll(4)).map(|_| read_fault(&mut dice)).collect();
        // The loop gives up after five writes that did not take: fewer than that go wrong.
        rules.extend((0..dice.roll(4)).map(|_| write_fault(&mut dice)));
        let (actions, is_meddled_with) = actions(&mut dice);
        let faults = Faults {
            seed: number,
            rules,
            actions,
            workloads: workloads(),
            ..Faults::default()
        };
        Self {
            number,
            before,
            wanted,
            others,
            faults,
            is_meddled_with,
        }
    }

    fn goal(&self) -> Goal {
        let id = OURS.parse().expect("a valid id");
        match self.wanted {
            Wanted::Gone => Goal::Destroy(id),
            Wanted::Runs => run_goal(service(OURS, "shop:2", RUN, true)),
            Wanted::Fails { reverts } => run_goal(service(OURS, "shop:bad", RUN, reverts)),
        }
    }

    /// Whether an outcome is one that this world explains.
    fn explains(&self, outcome: &Outcome) -> bool {
        let is_undisturbed = match (self.wanted, outcome) {
            (Wanted::Gone, Outcome::Destroyed) | (Wanted::Runs, Outcome::Converged) => true,
            (Wanted::Fails { .. }, Outcome::Unhealthy(cause)) => !cause.text.is_empty(),
            (Wanted::Fails { reverts: true }, Outcome::RolledBack { cause, .. }) => {
                !cause.text.is_empty() && self.before != Before::Absent
            }
            _ => false,
        };
        // Somebody who stops, scales or forgets the job meanwhile gets the last word, and the outcome says so.
        let is_told = match outcome {
            Outcome::Superseded(text) | Outcome::Conflict(text) => !text.is_empty(),
            Outcome::Unhealthy(cause) | Outcome::Unplaceable(cause) => !cause.text.is_empty(),
            _ => false,
        };
        is_undisturbed || self.is_meddled_with && is_told
    }
}

fn run_goal(job: Value) -> Goal {
    Goal::Run(RunGoal {
        id: OURS.parse().expect("a valid id"),
        job,
        run: Some(RUN.to_owned()),
        owner: "dispatch".parse().expect("a valid owner"),
        guard: Guard::Named,
        options: DiffOptions::default(),
    })
}

/// Something that goes wrong with reads.
fn read_fault(dice: &mut Dice) -> Rule {
    let path = dice.pick(&[
        "",
        "/v1/job/*",
        "/v1/job/ours",
        "/v1/job/*/allocations",
        "/v1/job/*/deployment",
        "/v1/job/*/evaluations",
        "/v1/job/*/versions",
    ]);
    let effect = match dice.roll(9) {
        0 => Effect::Stale,
        1 => Effect::IndexBackwards {
            by: 1 + dice.roll(20),
        },
        2 => Effect::ResetMidBody,
        3 => Effect::TooManyConnections,
        _ => any_fault(dice),
    };
    rule(dice, "GET", path, effect, 3)
}

/// Something that goes wrong with a write, once.
fn write_fault(dice: &mut Dice) -> Rule {
    let effect = match dice.roll(4) {
        0 => Effect::DropReply,
        1 => Effect::Conflict,
        _ => any_fault(dice),
    };
    rule(dice, "write", "", effect, 1)
}

fn any_fault(dice: &mut Dice) -> Effect {
    let error = |status, body: &str| Effect::Error {
        status,
        body: body.to_owned(),
    };
    match dice.roll(9) {
        0 => error(502, "bad gateway"),
        1 => error(503, ""),
        2 => error(429, "slow down"),
        3 => error(500, "No cluster leader"),
        4 => error(500, "rpc error: EOF"),
        5 => Effect::NotReady,
        6 => Effect::NoLeader {
            wait: Some("20ms".to_owned()),
        },
        7 => Effect::Latency {
            wait: format!("{}ms", 5 + dice.roll(40)),
        },
        _ => Effect::Reset,
    }
}

fn rule(dice: &mut Dice, method: &str, path: &str, effect: Effect, most: u64) -> Rule {
    let on = Matcher {
        skip: dice.roll(4),
        ..Matcher::new(method, path).times(1 + dice.roll(most))
    };
    Rule::new(on, effect)
}

/// What others do meanwhile, and whether they do it to our job.
fn actions(dice: &mut Dice) -> (Vec<Action>, bool) {
    let (job, namespace) = (OURS.to_owned(), String::new());
    let (deed, is_meddling) = match dice.roll(12) {
        0 => (Deed::Gc, false),
        1 => (Deed::LoseEvents, false),
        2 => {
            let purge = dice.roll(2) == 0;
            let stop = Deed::StopJob {
                job,
                namespace,
                purge,
            };
            (stop, true)
        }
        3 => {
            let scale = Deed::ScaleJob {
                job,
                namespace,
                group: "g".to_owned(),
                count: 3,
            };
            (scale, true)
        }
        4 => (Deed::ForgetJob { job, namespace }, true),
        _ => return (Vec::new(), false),
    };
    let at = format!("{}ms", 100 + dice.roll(4000));
    (vec![Action { at, deed }], is_meddling)
}

fn workloads() -> Vec<Script> {
    vec![Script {
        image: "shop:bad".to_owned(),
        run_for: Some("100ms".to_owned()),
        exit_code: Some(1),
        ..Script::default()
    }]
}

fn service(id: &str, image: &str, run: &str, reverts: bool) -> Value {
    json!({"ID": id, "Name": id, "Type": "service", "Datacenters": ["*"], "Meta": {"run_uuid": run}, "TaskGroups": [{
        "Name": "g", "Count": 1,
        "RestartPolicy": {"Attempts": 0, "Mode": "fail"},
        "ReschedulePolicy": {"Attempts": 0, "Unlimited": false},
        "Update": {"HealthCheck": "task_states", "MinHealthyTime": 1_000_000_000_u64,
            "HealthyDeadline": 3_000_000_000_u64, "ProgressDeadline": 6_000_000_000_u64, "AutoRevert": reverts},
        "Tasks": [{"Name": "t", "Driver": "docker", "Config": {"image": image},
            "Resources": {"CPU": 50, "MemoryMB": 32}}],
    }]})
}

fn put(simulator: &Simulator, job: Value) {
    let register = Register {
        job,
        namespace: None,
        enforce_index: None,
        preserve_counts: false,
        preserve_resources: false,
        submission: None,
        token: String::new(),
    };
    assert!(simulator.world().register(&register).is_ok());
    simulator.skip(Duration::from_secs(30));
}

fn key(id: &str) -> JobKey {
    JobKey::new("default", id)
}

/// A world as its case describes it, before anything goes wrong.
async fn build(case: &Case) -> Simulator {
    let calm = Faults {
        workloads: workloads(),
        ..Faults::default()
    };
    let options = Options {
        speed: 40.0,
        seed: case.number,
        faults: calm,
        ..Options::default().with_nodes(2)
    };
    let simulator = Simulator::start(options).await.expect("a free port");
    for number in 0..case.others {
        put(
            &simulator,
            service(&format!("other-{number}"), "shop:1", "x", true),
        );
    }
    let older = || service(OURS, "shop:1", "older", true);
    match case.before {
        Before::Absent => {}
        Before::Same => put(&simulator, service(OURS, "shop:2", RUN, true)),
        Before::Older => put(&simulator, older()),
        Before::Stopped => {
            put(&simulator, older());
            simulator.world().deregister(&key(OURS), false);
            simulator.skip(Duration::from_secs(30));
        }
        Before::Failed => {
            put(&simulator, older());
            put(&simulator, service(OURS, "shop:bad", "failed", false));
        }
    }
    simulator.set_faults(case.faults.clone());
    simulator
}

/// Specification, version and indexes of the jobs of others.
fn others(simulator: &Simulator) -> Vec<(String, Value, u64, u64)> {
    let world = simulator.world();
    let theirs = world.jobs.iter().filter(|(key, _)| key.id != OURS);
    theirs
        .map(|(key, entry)| {
            let job = &entry.job;
            (
                key.id.clone(),
                (*job.spec).clone(),
                job.version,
                job.job_modify_index,
            )
        })
        .collect()
}

async fn converge(simulator: &Simulator, goal: &Goal) -> Outcome {
    let config = ConnectionConfig::new(&simulator.url).expect("a valid address");
    let nomad = NomadClient::new(config).expect("no TLS is needed");
    let (notes, _received) = Notes::channel();
    let cancel = CancellationToken::new();
    let converge = Converge {
        nomad: &nomad,
        notes: &notes,
        deadline: Instant::now() + DEADLINE,
        cancel: &cancel,
        placement_grace: Duration::from_secs(5),
        submission: None,
        until: Until::default(),
        hub: None,
    };
    converge.run(goal, &mut || {}).await
}

/// What is wrong with the writes so far, if anything is.
fn bad_write(simulator: &Simulator) -> Option<String> {
    let is_fine = |write: &cs::simulator::Logged| match write.method.as_str() {
        "DELETE" => write.path == format!("/v1/job/{OURS}"),
        _ => write.path == "/v1/jobs" && write.enforce_index.is_some(),
    };
    let writes = simulator.writes();
    let bad = writes.iter().find(|write| !is_fine(write));
    bad.map(|write| format!("a write that is not ours or names no index: {write:?}"))
}

/// What is wrong with a job that is said to be as wanted, if anything is.
fn bad_end(simulator: &Simulator, case: &Case) -> Option<String> {
    let world = simulator.world();
    let job = world.job(&key(OURS));
    match (case.wanted, job) {
        (Wanted::Gone, None) | (Wanted::Fails { .. }, Some(_)) => None,
        (Wanted::Runs, Some(job)) => {
            let image = &job.spec["TaskGroups"][0]["Tasks"][0]["Config"]["image"];
            let healthy = world.allocs.values().any(|allocation| {
                allocation.key() == key(OURS)
                    && allocation.job.version == job.version
                    && allocation.desired_status == "run"
                    && allocation.healthy() == Some(true)
            });
            let is_well = image == "shop:2" && !job.stopped() && healthy;
            (!is_well).then(|| format!("it is not as wanted: {}", job.json()))
        }
        (_, job) => Some(format!("the job is there: {}", job.is_some())),
    }
}

/// Tries one world. The error tells what is wrong.
async fn attempt(case: &Case) -> Result<(), String> {
    let simulator = build(case).await;
    let (goal, theirs) = (case.goal(), others(&simulator));
    let first = converge(&simulator, &goal).await;
    if !case.explains(&first) {
        return Err(format!("it ended as {first:?}"));
    }
    bad_write(&simulator).map_or(Ok(()), Err)?;
    if !case.is_meddled_with {
        bad_end(&simulator, case).map_or(Ok(()), Err)?;
    }
    // Whatever others were going to do is done now, and nothing goes wrong any more.
    simulator.skip(Duration::from_secs(30));
    simulator.set_faults(Faults {
        workloads: workloads(),
        ..Faults::default()
    });
    let mut last = first;
    if case.is_meddled_with {
        last = converge(&simulator, &goal).await;
    }
    simulator.clear_requests();
    let again = converge(&simulator, &goal).await;
    if std::mem::discriminant(&again) != std::mem::discriminant(&last) {
        return Err(format!("it ended as {last:?}, and then as {again:?}"));
    }
    if let Some(write) = simulator.writes().first() {
        return Err(format!("a second run writes again: {write:?}"));
    }
    if others(&simulator) != theirs {
        return Err("a job of others was touched".to_owned());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_world_ends_as_it_should_and_stays_there() {
    let numbers: Vec<u64> = ONLY.map_or_else(|| (1..=CASES).collect(), |number| vec![number]);
    let tried = stream::iter(numbers).map(|number| async move {
        let case = Case::roll(number);
        attempt(&case).await.err().map(|text| {
            format!(
                "{text}\n  replay: ONLY = Some({number}) in tests/convergence/worlds.rs\n  {case:?}"
            )
        })
    });
    let failed: Vec<String> = tried
        .buffer_unordered(WORKERS)
        .filter_map(std::future::ready)
        .collect()
        .await;
    assert!(
        failed.is_empty(),
        "{} world(s):\n{}",
        failed.len(),
        failed.join("\n")
    );
}
