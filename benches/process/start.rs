//! Size of the binary, and what it takes to say its version.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::measure::{Samples, can_weigh, peak_mb, wall, weighed};
use crate::report::Report;

const ROUNDS: usize = 60;

pub(crate) fn measure(binary: &Path, report: &mut Report) {
    let size = std::fs::metadata(binary).expect("the binary exists").len();
    #[expect(clippy::cast_precision_loss, reason = "a few megabytes")]
    report.row(
        "binary, stripped, MB",
        format!("{:.2}", size as f64 / 1e6),
        "≤ 14 MB",
    );
    let mut programs = vec![
        (
            "`cs --version`",
            binary.to_owned(),
            "--version",
            "≤ 2 ms",
            "≤ 8 MB",
        ),
        (
            "the same of `/bin/true` (floor of the measurement)",
            "/bin/true".into(),
            "",
            "",
            "",
        ),
    ];
    if Command::new("nomad").arg("version").output().is_ok() {
        programs.push((
            "`nomad version`",
            PathBuf::from("nomad"),
            "version",
            "peer",
            "peer",
        ));
    }
    // Round by round, so that whatever else the machine does falls on all of them alike.
    let mut times = vec![Samples::default(); programs.len()];
    for _ in 0..ROUNDS {
        for ((_, program, argument, ..), times) in programs.iter().zip(&mut times) {
            times.push_ms(wall(
                Command::new(program).args(Some(argument).filter(|a| !a.is_empty())),
            ));
        }
    }
    for ((name, _, _, bound, _), times) in programs.iter().zip(&times) {
        report.row(&format!("{name}, wall, ms"), times, bound);
    }
    if !can_weigh() {
        report.row("peak memory", "not measured: GNU time is not installed", "");
        return;
    }
    let home = tempfile::tempdir().expect("a temporary directory");
    let into = home.path().join("peak");
    for (name, program, argument, _, bound) in &programs {
        let mut peaks = Samples::default();
        for _ in 0..5 {
            wall(weighed(program, &into).args(Some(argument).filter(|a| !a.is_empty())));
            peaks.push(peak_mb(&into));
        }
        report.row(&format!("{name}, peak memory, MB"), &peaks, bound);
    }
}
