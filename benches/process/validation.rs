//! Files of 41 lines, validated by the command, and by kubeconform with the same JSON Schema.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::measure::{Samples, can_weigh, peak_mb, wall, weighed};
use crate::report::Report;

const FILES: usize = 6_000;
/// A spec as people write them.
pub(crate) const SPEC: &str = include_str!("../../specs/web.yaml");
const SCHEMAS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/schemas/cloudstation.io_v1.json"
);
const PEER: &str = "kubeconform";

pub(crate) fn measure(binary: &Path, report: &mut Report) {
    let home = tempfile::tempdir().expect("a temporary directory");
    write(home.path(), FILES);
    let has_peer = Command::new(PEER).arg("-v").output().is_ok();
    let (mut ours, mut theirs, mut ratio) =
        (Samples::default(), Samples::default(), Samples::default());
    // Round by round, so that whatever else the machine does falls on both alike.
    for _ in 0..7 {
        let mine = rate(wall(&mut validate(Command::new(binary), home.path())));
        ours.push(mine);
        if has_peer {
            let peer = rate(wall(&mut conform(Command::new(PEER), home.path())));
            theirs.push(peer);
            ratio.push(mine / peer);
        }
    }
    report.row(
        &format!("`cs validate` of {FILES} files: files/s"),
        &ours,
        "",
    );
    if has_peer {
        report.row(
            "kubeconform, the same files and schema: files/s",
            &theirs,
            "peer",
        );
        report.row("ratio", &ratio, "≥ 3");
    }
    if can_weigh() {
        let into = home.path().join("peak");
        let mut peak = Samples::default();
        wall(&mut validate(weighed(binary, &into), home.path()));
        peak.push(peak_mb(&into));
        report.row(
            &format!("`cs validate` of {FILES} files, peak memory, MB"),
            &peak,
            "",
        );
        if has_peer {
            let mut peak = Samples::default();
            wall(&mut conform(weighed(Path::new(PEER), &into), home.path()));
            peak.push(peak_mb(&into));
            report.row("kubeconform, peak memory, MB", &peak, "peer");
        }
    }
}

fn validate(mut command: Command, folder: &Path) -> Command {
    command.arg("validate").arg(folder);
    command
}

fn conform(mut command: Command, folder: &Path) -> Command {
    command
        .args(["-n", "2", "-schema-location", SCHEMAS])
        .arg(folder);
    command
}

/// Writes that many files, each a workload of its own.
pub(crate) fn write(folder: &Path, count: usize) -> Vec<PathBuf> {
    (0..count)
        .map(|number| {
            let file = folder.join(format!("{number:06}.yaml"));
            fs::write(&file, named(SPEC, number)).expect("a temporary file");
            file
        })
        .collect()
}

/// The spec with names of its own.
pub(crate) fn named(spec: &str, number: usize) -> String {
    spec.replace("name: shop\n", &format!("name: shop-{number:06}\n"))
        .replace("domain: shop\n", &format!("domain: shop-{number:06}\n"))
        .replace(
            "shop.example.com\n",
            &format!("shop-{number:06}.example.com\n"),
        )
}

#[expect(clippy::cast_precision_loss, reason = "some thousands")]
fn rate(took: Duration) -> f64 {
    FILES as f64 / took.as_secs_f64()
}
