//! Samples and what is said of them; processes timed and weighed.

use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Values of one figure, in any order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    pub(crate) fn push_ms(&mut self, time: Duration) {
        self.push(time.as_secs_f64() * 1e3);
    }

    fn at(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        assert!(!sorted.is_empty(), "a figure needs samples");
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of a small length"
        )]
        let index = ((sorted.len() - 1) as f64 * share).round() as usize;
        sorted[index]
    }

    /// The value below which this share of all values lies.
    pub(crate) fn percentile(&self, share: f64) -> f64 {
        self.at(share)
    }

    pub(crate) fn median(&self) -> f64 {
        self.at(0.5)
    }
}

impl fmt::Display for Samples {
    /// `1.23 (1.10–1.90, n=40)`: median, tenth and ninetieth percentile.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |value: f64| match value {
            value if value >= 100.0 => format!("{value:.0}"),
            value if value >= 10.0 => format!("{value:.1}"),
            value => format!("{value:.2}"),
        };
        let (low, mid, high) = (self.at(0.1), self.median(), self.at(0.9));
        let count = self.0.len();
        write!(f, "{} ({}–{}, n={count})", show(mid), show(low), show(high))
    }
}

/// Runs a command to its end and returns how long that took, from before it was started.
pub(crate) fn wall(command: &mut Command) -> Duration {
    let began = Instant::now();
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let took = began.elapsed();
    let status = status.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
    took
}

/// GNU time, which reads the peak from the kernel when the process has ended.
const TIME: &str = "/usr/bin/time";

pub(crate) fn can_weigh() -> bool {
    Path::new(TIME).exists()
}

/// A command that writes the peak resident memory of `program`, in KiB, to `into`.
pub(crate) fn weighed(program: &Path, into: &Path) -> Command {
    let mut command = Command::new(TIME);
    command.args(["-f", "%M", "-o"]).arg(into).arg(program);
    command
}

/// What a [`weighed`] command wrote, in MB (10^6 bytes).
pub(crate) fn peak_mb(written: &Path) -> f64 {
    let text = std::fs::read_to_string(written).expect("time wrote its file");
    let kib: f64 = text
        .lines()
        .last()
        .and_then(|line| line.trim().parse().ok())
        .expect("a number of KiB");
    kib * 1024.0 / 1e6
}
