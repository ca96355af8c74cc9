//! Simulated worlds by the thousand: dispatches, destroys and applies while everything goes wrong that can, and what must
//! hold nevertheless (docs/reliability.md).
//!
//! The commands are the library's own, from the text of the params or the files to the outcome; the cluster is the embedded
//! Nomad, reached within the process under a paused clock. A world comes from its number alone: the same number gives the
//! same trace. `CS_WORLDS=10000` tries so many, `CS_WORLD_SEED=7` with `worlds::replay` shows one.

mod act;
mod betray;
mod case;
mod judge;
mod sink;
mod trace;
mod wire;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cs::simulator::world::{Random, Register};
use cs::simulator::{Faults, Options, Within};

use act::{Ended, Luck, Stage};
use betray::Betrayal;
use case::{Case, Command, OWNERS, Step, Trouble, below};
use trace::{START, Trace};

/// Worlds of an ordinary run.
const WORLDS: u64 = 400;
/// An ordinary run stops beginning new worlds after this, however slow the machine.
const MOST: Duration = Duration::from_secs(45);
/// Worlds at the same time.
const WORKERS: u64 = 2;
/// Seeds of an ordinary run begin here, so that they are the same everywhere.
const FIRST: u64 = 1;

/// How a world went.
struct Report {
    problems: Vec<String>,
    lines: Vec<String>,
    counts: BTreeMap<String, u64>,
}

/// Goes through a world from its beginning to its end.
fn go(seed: u64) -> Report {
    go_with(seed, None)
}

/// The same while a promise is broken.
fn go_with(seed: u64, betrayal: Option<Betrayal>) -> Report {
    // Somebody else in this process may have chosen the provider already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let trace = Arc::new(Trace::default());
    let gone = catch_unwind(AssertUnwindSafe(|| through(seed, betrayal, &trace)));
    let mut problems = trace.problems();
    if let Err(panic) = gone {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        problems.push(format!("a panic: {}", text.unwrap_or_default()));
    }
    Report {
        problems,
        lines: trace.lines(),
        counts: trace.counts(),
    }
}

fn through(seed: u64, betrayal: Option<Betrayal>, trace: &Arc<Trace>) {
    let case = Case::roll(seed);
    let state = state_dir();
    let stage = Stage {
        world: begin(&case),
        trace: Arc::clone(trace),
        stream: Arc::default(),
        state: state.path(),
        betrayal,
    };
    let others = judge::others(&stage, &case);
    assert_eq!(others.len(), case.foreign.len());
    let mut ended: BTreeMap<u64, bool> = BTreeMap::new();
    for (number, step) in case.steps.iter().enumerate() {
        let seed = seed.wrapping_mul(1_000_003).wrapping_add(number as u64);
        let end = suffer(&stage, step, seed);
        note_end(&mut ended, &step.command, &end);
    }
    settle(&stage, &case, &mut ended);
    judge::events(&stage, &ended);
    if judge::others(&stage, &case) != others {
        trace.problem("a job of others was touched".to_owned());
    }
}

/// Where state is kept: in memory, where there is such a place, because every event is synced to disk.
fn state_dir() -> tempfile::TempDir {
    let memory = tempfile::Builder::new()
        .prefix("cs-world-")
        .tempdir_in("/dev/shm");
    memory
        .or_else(|_| tempfile::tempdir())
        .expect("a temporary directory")
}

/// A world as its case describes it.
fn begin(case: &Case) -> Within {
    let options = Options {
        seed: case.seed,
        start: Some(START),
        namespaces: vec!["team".to_owned()],
        faults: Faults {
            workloads: case::workloads(),
            ..Faults::default()
        },
        ..Options::default()
            .with_nodes(case.nodes)
            .with_shared_pools(["minions".to_owned()])
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    runtime
        .expect("a runtime needs nothing special")
        .block_on(async {
            let world = Within::new(options);
            for (namespace, id) in &case.foreign {
                let register = Register {
                    job: case::foreign(id),
                    namespace: Some(namespace.clone()),
                    enforce_index: None,
                    preserve_counts: false,
                    preserve_resources: false,
                    submission: None,
                    token: String::new(),
                };
                assert!(
                    world.world().register(&register).is_ok(),
                    "a job of others is refused"
                );
            }
            world.skip(Duration::from_secs(30));
            world.pause();
            world
        })
}

/// A command while things go wrong: it is repeated whenever its process died, until it ends.
fn suffer(stage: &Stage<'_>, step: &Step, seed: u64) -> Ended {
    let mut random = Random::new(seed);
    let luck = Luck::of(step.trouble, random.number());
    let before = judge::versions(stage);
    stage
        .trace
        .line(&stage.world, &format!("== {}", shown(&step.command)));
    stage
        .trace
        .count(&format!("commands {}", word(&step.command)));
    let mut left = step.trouble.crashes;
    loop {
        // Twice the number of the call, and one more where its answer is what is not seen.
        let dies_at = (left > 0).then(|| 2 + below(&mut random, if left == 1 { 60 } else { 24 }));
        let (ended, took) = stage.attempt(&step.command, &luck, dies_at, random.number());
        judge::ending(stage, &step.command, &ended, took);
        stage
            .trace
            .line(&stage.world, &format!("   {}", ending(&ended)));
        if matches!(ended, Ended::Died) {
            stage.trace.count("crashes");
            left -= 1;
            continue;
        }
        judge::flapping(
            stage,
            &step.command,
            &before,
            1 + step.trouble.crashes - left,
        );
        return ended;
    }
}

/// Nothing goes wrong any more: one run makes everything as wanted, and another one changes nothing.
fn settle(stage: &Stage<'_>, case: &Case, ended: &mut BTreeMap<u64, bool>) {
    let mut last: BTreeMap<String, &Command> = BTreeMap::new();
    for step in &case.steps {
        match &step.command {
            Command::Deploy { job, .. } => {
                last.insert(case::DISPATCHED[*job].to_owned(), &step.command);
            }
            Command::Destroy { jobs, .. } => {
                for job in jobs {
                    last.insert(case::DISPATCHED[*job].to_owned(), &step.command);
                }
            }
            Command::Apply { owner, .. } => {
                last.insert(OWNERS[*owner].to_owned(), &step.command);
            }
        }
    }
    // A destroy of several jobs is the last word about those alone that were not deployed again.
    let is_whole = |name: &str, command: &&Command| match command {
        Command::Destroy { jobs, .. } => {
            let first = jobs.first().map(|job| case::DISPATCHED[*job]);
            jobs.iter()
                .all(|job| *last[case::DISPATCHED[*job]] == **command)
                && first == Some(name)
        }
        _ => true,
    };
    let finals: Vec<&Command> = last
        .iter()
        .filter(|(name, command)| is_whole(name, command))
        .map(|(_, command)| *command)
        .collect();
    for command in &finals {
        for round in [
            "again, and nothing goes wrong",
            "once more, and nothing changes",
        ] {
            let luck = Luck::of(Trouble::default(), 0);
            stage
                .trace
                .line(&stage.world, &format!("== {} {round}", shown(command)));
            let writes = stage.trace.counts().get("writes").copied().unwrap_or(0);
            let (end, took) = stage.attempt(command, &luck, None, 0);
            stage
                .trace
                .line(&stage.world, &format!("   {}", ending(&end)));
            judge::ending(stage, command, &end, took);
            if let Err(problem) = judge::clean(command, &end) {
                stage.trace.problem(format!("{round}: {problem}"));
            }
            note_end(ended, command, &end);
            let now = stage.trace.counts().get("writes").copied().unwrap_or(0);
            if round.starts_with("once more") && now != writes {
                stage.trace.problem(format!(
                    "{} wrote {} times although all was as wanted",
                    shown(command),
                    now - writes
                ));
            }
        }
    }
    for (owner, name) in OWNERS.iter().enumerate() {
        if finals
            .iter()
            .any(|command| matches!(command, Command::Apply { owner: of, .. } if *of == owner))
        {
            judge::inventory(stage, name);
        }
    }
}

/// Takes note of how a deployment ended.
fn note_end(ended: &mut BTreeMap<u64, bool>, command: &Command, end: &Ended) {
    if let (Command::Deploy { deployment, .. }, Ended::Run(result)) = (command, end) {
        let is_success = result.jobs.iter().all(|job| job.outcome.is_success());
        ended.insert(*deployment, is_success);
    }
}

const fn word(command: &Command) -> &'static str {
    match command {
        Command::Deploy { .. } => "deploy",
        Command::Destroy { .. } => "destroy",
        Command::Apply { .. } => "apply",
    }
}

fn shown(command: &Command) -> String {
    match command {
        Command::Deploy {
            job,
            image,
            deployment,
        } => format!(
            "deploy {} {} as dep-{deployment}",
            case::DISPATCHED[*job],
            image.tag()
        ),
        Command::Destroy { jobs, reason } => {
            let names: Vec<_> = jobs.iter().map(|job| case::DISPATCHED[*job]).collect();
            format!("destroy {} ({reason})", names.join(", "))
        }
        Command::Apply { owner, files } => {
            format!("apply {}: {}", OWNERS[*owner], files.jobs.join(", "))
        }
    }
}

fn ending(ended: &Ended) -> String {
    match ended {
        Ended::Died => "† the process dies".to_owned(),
        Ended::Refused(reason) => format!("refused: {reason}"),
        Ended::Run(result) => format!(
            "ended: {} {}",
            result.outcome.word(),
            result.outcome.message()
        ),
        Ended::Applied(result) => {
            let items = result
                .items
                .iter()
                .map(|item| format!("{} {:?}", item.key, item.ending));
            format!("ended: {}", items.collect::<Vec<_>>().join("; "))
        }
    }
}

/// Tries worlds on several threads. Returns those in which something did not hold.
fn try_all(
    first: u64,
    count: u64,
    most: Option<Duration>,
) -> (Vec<(u64, Report)>, BTreeMap<String, u64>, u64) {
    let (next, tried) = (AtomicU64::new(first), AtomicU64::new(0));
    let began = Instant::now();
    let worker = || {
        let (mut failed, mut counts) = (Vec::new(), BTreeMap::<String, u64>::new());
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count || most.is_some_and(|most| began.elapsed() > most) {
                return (failed, counts);
            }
            let report = go(seed);
            tried.fetch_add(1, Ordering::Relaxed);
            for (what, number) in &report.counts {
                *counts.entry(what.clone()).or_default() += number;
            }
            if !report.problems.is_empty() {
                failed.push((seed, report));
            }
        }
    };
    let (mut failed, mut counts) = (Vec::new(), BTreeMap::<String, u64>::new());
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(worker)).collect();
        for worker in workers {
            let (mut some, more) = worker.join().expect("panics are caught");
            failed.append(&mut some);
            for (what, number) in more {
                *counts.entry(what).or_default() += number;
            }
        }
    });
    failed.sort_by_key(|(seed, _)| *seed);
    (failed, counts, tried.into_inner())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test that people make longer, or give a seed"
)]
fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

#[test]
fn whatever_goes_wrong_the_worlds_end_as_they_should() {
    let asked = variable("CS_WORLDS");
    let first = variable("CS_WORLDS_FROM").unwrap_or(FIRST);
    let began = Instant::now();
    let (failed, counts, tried) = try_all(
        first,
        asked.unwrap_or(WORLDS),
        asked.is_none().then_some(MOST),
    );
    println!("{tried} worlds in {:?}", began.elapsed());
    for (what, number) in &counts {
        println!("{number:>9} {what}");
    }
    let told = failed.iter().take(10).map(|(seed, report)| {
        format!(
            "{}\n  replay: CS_WORLD_SEED={seed} cargo test --test suite worlds::replay -- --nocapture",
            report.problems.join("\n")
        )
    });
    let told: Vec<String> = told.collect();
    assert!(
        failed.is_empty(),
        "{} of {tried} worlds:\n{}",
        failed.len(),
        told.join("\n")
    );
    assert!(tried > 0);
}

/// `CS_WORLD_SEED=7`: goes through one world and shows what happened.
#[test]
fn replay() {
    let Some(seed) = variable("CS_WORLD_SEED") else {
        return;
    };
    let report = go(seed);
    println!("{:#?}", Case::roll(seed));
    for line in &report.lines {
        println!("{line}");
    }
    assert!(report.problems.is_empty(), "{}", report.problems.join("\n"));
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 1..=12 {
        let (one, other) = (go(seed), go(seed));
        let differs = one
            .lines
            .iter()
            .zip(&other.lines)
            .find(|(one, other)| one != other);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(one.lines.len(), other.lines.len(), "seed {seed}");
    }
}

/// Otherwise ten thousand worlds would be one.
#[test]
fn different_seeds_give_different_worlds() {
    assert_ne!(go(1).lines, go(2).lines);
}

/// Worlds in which nothing is ever found would show nothing.
#[test]
fn whoever_breaks_a_promise_is_found_out() {
    let found = |betrayal, words: &str| {
        (FIRST..FIRST + 40).find(|seed| {
            let problems = go_with(*seed, Some(betrayal)).problems;
            problems.iter().any(|problem| problem.contains(words))
        })
    };
    let missed: Vec<_> = Betrayal::ALL
        .into_iter()
        .filter(|(betrayal, words)| found(*betrayal, words).is_none())
        .collect();
    assert!(missed.is_empty(), "{missed:?}");
}
