//! Files of 41 lines, read, parsed and validated.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use cs::desired::{Desired, Options, validate};
use cs::spec::parse::parse;
use tempfile::TempDir;

use crate::measure::{Samples, can_weigh, peak_mb, wall, weighed};
use crate::report::Report;

const FILES: usize = 1_000;
const SPEC: &str = include_str!("../../specs/web.yaml");

pub(crate) fn measure(binary: &Path, report: &mut Report) {
    let home = tempfile::tempdir().expect("a temporary directory");
    let files = write(&home, FILES);
    let (mut single, mut double, mut process) =
        (Samples::default(), Samples::default(), Samples::default());
    for _ in 0..9 {
        single.push(rate(|| files.iter().for_each(|file| drop(desired(file)))));
        double.push(rate(|| {
            std::thread::scope(|scope| {
                for half in files.chunks(FILES.div_ceil(2)) {
                    scope.spawn(|| half.iter().for_each(|file| drop(desired(file))));
                }
            });
        }));
        process.push(rate(|| {
            wall(&mut render(Command::new(binary), &files));
        }));
    }
    let bound = "≥ 3 × kubeconform (18,300 by its recorded 6,100)";
    report.row("read, parse, validate: files/s, one thread", &single, "");
    report.row(
        "read, parse, validate: files/s, two threads",
        &double,
        bound,
    );
    report.row(
        "`cs render` of 1,000 files (one thread, compiled and printed too): files/s",
        &process,
        "",
    );
    if can_weigh() {
        let into = home.path().join("peak");
        let mut peaks = Samples::default();
        for _ in 0..3 {
            wall(&mut render(weighed(binary, &into), &files));
            peaks.push(peak_mb(&into));
        }
        report.row("`cs render` of 1,000 files, peak memory, MB", &peaks, "");
    }
}

fn render(mut command: Command, files: &[PathBuf]) -> Command {
    command.arg("render");
    for file in files {
        command.arg("-f").arg(file);
    }
    command
}

/// Writes that many files, each with its own name.
pub(crate) fn write(home: &TempDir, count: usize) -> Vec<PathBuf> {
    (0..count)
        .map(|number| {
            let file = home.path().join(format!("{number:06}.yaml"));
            let text = SPEC.replace("name: shop\n", &format!("name: shop-{number:06}\n"));
            std::fs::write(&file, text).expect("a temporary file");
            file
        })
        .collect()
}

/// Reads one file as far as it goes without a cluster.
pub(crate) fn desired(file: &Path) -> Vec<Desired> {
    let text = std::fs::read_to_string(file).expect("a file of ours");
    let options = Options::new("bench".parse().expect("a valid owner"));
    let documents = parse(&file.to_string_lossy(), &text).expect("a valid spec");
    documents
        .iter()
        .map(|document| validate(document.workload().unwrap(), &options).expect("a valid spec"))
        .collect()
}

fn rate(work: impl FnOnce()) -> f64 {
    let began = Instant::now();
    work();
    #[expect(clippy::cast_precision_loss, reason = "a thousand")]
    let files = FILES as f64;
    files / began.elapsed().as_secs_f64()
}
