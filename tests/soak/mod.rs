//! Everything that runs for long, under load for a while: nothing of it may grow.
//!
//! `CS_SOAK_MINUTES=2 cargo test --test suite soak:: -- --nocapture`, or `tests/soak/run --minutes 30`. Without the variable
//! nothing is started: load would disturb the tests beside it. `CS_SOAK_REPORT=FOLDER` keeps the samples and a drawing.

mod drawing;
mod growth;
mod load;
mod sample;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use growth::{Bound, grown};
use load::{Counts, Surroundings};
use sample::{Sample, Watched};

/// Between two samples.
const EVERY: Duration = Duration::from_secs(1);

/// Part of the time that is not judged: caches fill, pools open.
const WARM_UP: f64 = 0.3;

#[expect(clippy::disallowed_methods, reason = "a test that people ask for")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// What may be told of a process, and how much of it may come on top from the end of the warm-up to the end.
const BOUNDS: [Bound; 3] = [
    Bound {
        what: "resident memory (KiB)",
        of: |sample| sample.resident,
        share: 0.10,
        least: 6.0 * 1024.0,
    },
    Bound {
        what: "open descriptors",
        of: |sample| sample.descriptors,
        share: 0.10,
        least: 6.0,
    },
    Bound {
        what: "threads",
        of: |sample| sample.threads,
        share: 0.10,
        least: 3.0,
    },
];

/// Most bytes that one more of something may leave behind in a state directory.
const PER_DEPLOYMENT: f64 = 4096.0;
const PER_WEBHOOK: f64 = 2048.0;

#[test]
fn nothing_grows_under_load() {
    let Some(minutes) = variable("CS_SOAK_MINUTES") else {
        return;
    };
    let minutes: f64 = minutes.parse().expect("a number of minutes");
    let surroundings = Surroundings::start();
    let (stop, counts) = (AtomicBool::new(false), Counts::default());
    let mut watched = surroundings.watched();
    let began = Instant::now();
    let end = Duration::from_secs_f64(minutes * 60.0);
    std::thread::scope(|scope| {
        // Also when a sample fails: nobody may wait for a load that does not end.
        let _stops = Stops(&stop);
        surroundings.put_under_load(scope, &stop, &counts);
        let mut next = Duration::ZERO;
        while began.elapsed() < end {
            if began.elapsed() < next {
                std::thread::park_timeout(next - began.elapsed());
                continue;
            }
            for process in &mut watched {
                process.look(began.elapsed());
            }
            next += EVERY;
        }
    });
    let problems = judged(&watched, &surroundings, &counts);
    println!("{}", counts.shown(began.elapsed()));
    for process in &watched {
        println!("{}", process.shown(WARM_UP));
    }
    println!("{}", surroundings.leftovers());
    if let Some(folder) = variable("CS_SOAK_REPORT").map(PathBuf::from) {
        std::fs::create_dir_all(&folder).expect("the folder can be made");
        std::fs::write(folder.join("soak.svg"), drawing::svg(&watched)).expect("it can be written");
        std::fs::write(folder.join("soak.csv"), sample::table(&watched))
            .expect("it can be written");
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn judged(watched: &[Watched], surroundings: &Surroundings, counts: &Counts) -> Vec<String> {
    let mut problems = Vec::new();
    for process in watched {
        for bound in &BOUNDS {
            let values: Vec<(f64, f64)> = process
                .samples
                .iter()
                .map(|sample| (sample.at, (bound.of)(sample)))
                .collect();
            if let Some(problem) = grown(&values, WARM_UP, bound) {
                problems.push(format!("{}: {problem}", process.name));
            }
        }
    }
    problems.extend(counts.problems());
    problems.extend(surroundings.too_much_left(counts, PER_DEPLOYMENT, PER_WEBHOOK));
    problems
}

#[test]
fn a_slope_is_told_from_noise() {
    let bound = &BOUNDS[0];
    let series = |per_second: f64, noise: f64| -> Vec<(f64, f64)> {
        let at = |second: u32| {
            let wave = f64::from(second % 7) - 3.0;
            (
                f64::from(second),
                40_000.0 + per_second * f64::from(second) + noise * wave,
            )
        };
        (0..600).map(at).collect()
    };
    assert_eq!(grown(&series(0.0, 900.0), WARM_UP, bound), None);
    assert!(grown(&series(40.0, 900.0), WARM_UP, bound).is_some());
    // What rises at first and stays there is no leak.
    let mut warm = series(0.0, 100.0);
    for (at, value) in warm.iter_mut().filter(|(at, _)| *at < 150.0) {
        *value -= 20_000.0 - *at * 130.0;
    }
    assert_eq!(grown(&warm, WARM_UP, bound), None);
}

#[test]
fn a_sample_of_this_very_process_is_plausible() {
    let sample = Sample::of(std::process::id(), Duration::ZERO).expect("it lives");
    assert!(
        sample.resident > 1024.0 && sample.descriptors >= 3.0 && sample.threads >= 1.0,
        "{sample:?}"
    );
    assert!(Sample::of(u32::MAX, Duration::ZERO).is_none());
}
