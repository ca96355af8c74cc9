//! What the system says of a process.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

/// One look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// Seconds since the beginning.
    pub(super) at: f64,
    /// KiB.
    pub(super) resident: f64,
    pub(super) descriptors: f64,
    pub(super) threads: f64,
}

impl Sample {
    /// `None`: there is no such process.
    pub(super) fn of(pid: u32, at: Duration) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<f64>().ok()
        };
        Some(Self {
            at: at.as_secs_f64(),
            resident: number("VmRSS:")?,
            threads: number("Threads:")?,
            descriptors: f64::from(
                u32::try_from(fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count()).ok()?,
            ),
        })
    }
}

/// A process and what was seen of it.
pub(super) struct Watched {
    pub(super) name: &'static str,
    pid: u32,
    pub(super) samples: Vec<Sample>,
}

impl Watched {
    pub(super) const fn new(name: &'static str, pid: u32) -> Self {
        Self {
            name,
            pid,
            samples: Vec::new(),
        }
    }

    pub(super) fn look(&mut self, at: Duration) {
        let sample = Sample::of(self.pid, at);
        self.samples
            .push(sample.unwrap_or_else(|| panic!("{} is gone", self.name)));
    }

    /// Least, median and most of each, after the warm-up, and what came on top.
    pub(super) fn shown(&self, warm_up: f64) -> String {
        let from = self.samples.last().map_or(0.0, |last| last.at) * warm_up;
        let after: Vec<&Sample> = self
            .samples
            .iter()
            .filter(|sample| sample.at >= from)
            .collect();
        let mut text = format!("{:<16}", self.name);
        for (what, of) in [
            (
                "MiB",
                (|s: &Sample| s.resident / 1024.0) as fn(&Sample) -> f64,
            ),
            ("descriptors", |s| s.descriptors),
            ("threads", |s| s.threads),
        ] {
            let mut values: Vec<f64> = after.iter().map(|sample| of(sample)).collect();
            values.sort_by(f64::total_cmp);
            if let (Some(least), Some(most)) = (values.first(), values.last()) {
                let median = values[values.len() / 2];
                write!(text, "  {least:.1} / {median:.1} / {most:.1} {what}").expect("a text");
            }
        }
        text
    }
}

/// All samples, a line each.
pub(super) fn table(watched: &[Watched]) -> String {
    let mut text = String::from("process,second,resident_kib,descriptors,threads\n");
    for process in watched {
        for sample in &process.samples {
            let Sample {
                at,
                resident,
                descriptors,
                threads,
            } = sample;
            writeln!(
                text,
                "{},{at:.0},{resident},{descriptors},{threads}",
                process.name
            )
            .expect("a text");
        }
    }
    text
}
