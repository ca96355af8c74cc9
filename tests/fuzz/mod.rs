//! Everything that reads foreign bytes, fed with bytes that nobody meant.
//!
//! `targets` says what is read and what must hold. Here each target gets the seeds (documents of this repository), the
//! committed corpus, every finding of the past, and a number of mutations that is the same in every run.
//! `CS_FUZZ_SECONDS=60` goes on for so long a target; `CS_FUZZ_INPUT=FILE` with `fuzz::replay` runs one input.
//! docs/reliability.md tells the rest.

mod json;
mod mutate;
mod seeds;
mod shrink;
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use targets::Target;

/// Mutations of a target in an ordinary run.
const MUTATIONS: u64 = 250;

/// An ordinary run does not go on for longer, however slow the machine: half of the minute that all of this may take.
const MOST: Duration = Duration::from_secs(12);

/// Most CPU time for one input of at most [`mutate::LONGEST`] bytes, in a debug build.
const CPU: Duration = Duration::from_secs(4);

/// Stack of whoever reads. The main thread of a process has 8 MiB.
const STACK: usize = 8 << 20;

/// Runs something where the stack is as large as in production.
fn on_a_stack(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(STACK);
    let ended = thread.spawn(work).expect("a thread").join();
    if let Err(panic) = ended {
        std::panic::resume_unwind(panic);
    }
}

/// CPU time of this thread so far.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split(' ').next().and_then(|text| text.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

/// Runs a target on an input. The error tells what was violated.
fn check(target: &Target, input: &[u8]) -> Result<(), String> {
    let before = cpu();
    let ended = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    let took = cpu().saturating_sub(before);
    match ended {
        Ok(()) if took > CPU => Err(format!("it took {took:?} of CPU time")),
        Ok(()) => Ok(()),
        Err(panic) => Err(said(&*panic)),
    }
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without words").to_owned()
}

/// Fails with the smallest input found that violates the same thing.
fn fail(target: &Target, input: &[u8], problem: &str) -> ! {
    let small = shrink::shrink(input, |input| check(target, input).is_err());
    let name = format!("cs-fuzz-{}-{:016x}", target.name, seeds::hash(&small));
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, &small).expect("the temporary directory can be written");
    let shown = String::from_utf8_lossy(&small[..small.len().min(2000)])
        .escape_debug()
        .to_string();
    panic!(
        "target `{}`: {problem}\n  input ({} bytes): {shown}\n  replay: CS_FUZZ_INPUT={}:{} cargo test --test suite \
         fuzz::replay -- --nocapture",
        target.name,
        small.len(),
        target.name,
        path.display()
    )
}

fn try_all(target: &Target, inputs: &[Vec<u8>]) {
    for input in inputs {
        if let Err(problem) = check(target, input) {
            fail(target, input, &problem);
        }
    }
}

/// Mutations from fixed seeds; `CS_FUZZ_SECONDS` makes them many.
#[expect(clippy::print_stdout, reason = "shown with --nocapture")]
fn mutate_all(target: &Target) {
    let inputs = seeds::of(target.name);
    assert!(!inputs.is_empty(), "target `{}` has no seeds", target.name);
    let long = variable("CS_FUZZ_SECONDS").map(|text| text.parse().expect("a number of seconds"));
    let (began, time) = (Instant::now(), long.map_or(MOST, Duration::from_secs));
    let mut number = 0;
    while began.elapsed() < time && (long.is_some() || number < MUTATIONS) {
        let input = mutate::mutation(target, &inputs, number);
        if let Err(problem) = check(target, &input) {
            fail(target, &input, &problem);
        }
        number += 1;
    }
    println!(
        "{}: {number} mutations of {} inputs in {:?}",
        target.name,
        inputs.len(),
        began.elapsed()
    );
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test that people make longer, or give an input"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz")
        .join(name)
}

fn target(name: &str) -> &'static Target {
    targets::named(name).unwrap_or_else(|| panic!("there is no target `{name}`"))
}

/// Two tests for every target. One that is not listed fails [`every_target_is_tested`].
macro_rules! targets {
    ($($name:ident)*) => {
        const TESTED: &[&str] = &[$(stringify!($name)),*];
        $(mod $name {
            #[test]
            fn keeps_its_invariants_for_seeds_and_corpus() {
                super::on_a_stack(|| {
                    let target = super::target(stringify!($name));
                    super::try_all(target, &super::seeds::of(target.name));
                });
            }

            #[test]
            fn keeps_its_invariants_for_mutations() {
                super::on_a_stack(|| super::mutate_all(super::target(stringify!($name))));
            }
        })*
    };
}

targets! {
    params yaml folder policies sealed project jobspec archive git_pack git_packets dockerfile dockerignore registry webhook
    nomad_answers nomad_streams outbox inventory config names escapes
}

/// One test for every input that once violated something.
macro_rules! findings {
    ($($test:ident: $target:literal;)*) => {
        const FINDINGS: &[&str] = &[$(stringify!($test)),*];
        mod finding {
            $(#[test]
            fn $test() {
                super::on_a_stack(|| {
                    let path = super::folder("findings").join(stringify!($test));
                    let input = std::fs::read(&path).expect("it is committed");
                    if let Err(problem) = super::check(super::target($target), &input) {
                        panic!("{problem}");
                    }
                });
            })*
        }
    };
}

findings! {
    a_carriage_return_ends_a_line: "yaml";
    an_address_in_a_path_hides_its_password: "names";
    a_file_that_is_named_unlike_ours_holds_up_no_event: "outbox";
}

#[test]
fn every_target_is_tested() {
    let names: Vec<_> = targets::TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(names, TESTED);
}

#[test]
fn every_finding_is_tested() {
    let files = std::fs::read_dir(folder("findings")).into_iter().flatten();
    for file in files {
        let name = file.expect("readable").file_name();
        let name = name.to_str().expect("a plain name");
        assert!(FINDINGS.contains(&name), "no test for the finding {name}");
    }
}

/// `CS_FUZZ_INPUT=<target>:<file>`: runs one input where its panic can be seen.
#[test]
fn replay() {
    let Some(named) = variable("CS_FUZZ_INPUT") else {
        return;
    };
    on_a_stack(move || {
        let (name, path) = named.split_once(':').expect("<target>:<file>");
        let input = std::fs::read(path).expect("a file");
        (target(name).run)(&input);
    });
}

/// `CS_FUZZ_EXPORT=<folder>`: writes the seeds down as corpora for libFuzzer.
#[test]
fn export() {
    let Some(folder) = variable("CS_FUZZ_EXPORT") else {
        return;
    };
    for target in targets::TARGETS {
        let folder = Path::new(&folder).join(target.name);
        std::fs::create_dir_all(&folder).expect("a folder");
        for input in seeds::of(target.name) {
            let name = format!("{:016x}", seeds::hash(&input));
            std::fs::write(folder.join(name), input).expect("a folder of ours");
        }
    }
}
