//! `cs reconcile` of an image: from the start of the process to the register call, memory, children, files.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::measure::{Samples, can_weigh, peak_mb, weighed};
use crate::nomad::Nomad;
use crate::report::Report;
use crate::support::nats::NatsServer;

const ROUNDS: usize = 40;
/// Stands in the params' start command and must stand in no file.
const CANARY: &str = "canary-4f1c9e27";
const PARAMS: &str = include_str!("../../tests/fixtures/golden/image-typical/params.json");

pub(crate) fn measure(binary: &Path, runtime: &Runtime, report: &mut Report) {
    let nomad = Nomad::default();
    let address = nomad.start(runtime);
    let nats = runtime.block_on(async {
        let server = NatsServer::start().await;
        server.create_stream("bench").await;
        server
    });
    let scene = Scene {
        binary,
        address,
        nats: &nats,
    };
    let (mut register, mut whole, mut calls) = (Samples::default(), Samples::default(), 0);
    for number in 0..=ROUNDS {
        let run = scene.run(number);
        let began = Instant::now();
        let status = run.command(None).status();
        let took = began.elapsed();
        assert!(
            status.is_ok_and(|status| status.success()),
            "the run failed"
        );
        let (count, arrived) = nomad.take();
        let arrived = arrived.expect("a register arrived");
        // The first run warms the servers and the page cache.
        if number > 0 {
            register.push_ms(arrived - began);
            whole.push_ms(took);
            calls = count;
        }
    }
    report.row(
        "`cs reconcile`, start of the process to the register call, ms",
        &register,
        "≤ 15 ms",
    );
    report.row(
        "`cs reconcile`, whole run until healthy and all events acknowledged, ms",
        &whole,
        "",
    );
    report.row("`cs reconcile`, calls to Nomad", calls, "");
    weigh(&scene, report);
    witness(&scene, &nomad, report);
}

fn weigh(scene: &Scene<'_>, report: &mut Report) {
    if !can_weigh() {
        return;
    }
    let mut peaks = Samples::default();
    for number in 1_000..1_007 {
        let run = scene.run(number);
        let into = run.home.path().join("peak");
        let status = run.command(Some(&into)).status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "the run failed"
        );
        peaks.push(peak_mb(&into));
    }
    report.row("`cs reconcile`, peak memory, MB", &peaks, "≤ 20 MB");
}

/// Looks at the process and at its files whenever it calls Nomad, and at its files after it ended.
fn witness(scene: &Scene<'_>, nomad: &Nomad, report: &mut Report) {
    let run = scene.run(2_000);
    let process: Arc<Mutex<Option<u32>>> = Arc::default();
    let seen: Arc<Mutex<Vec<Sight>>> = Arc::default();
    let home = run.home.path().to_owned();
    let needles = [CANARY.to_owned(), run.params[..64].to_owned()];
    {
        let (process, seen, home, needles) =
            (process.clone(), seen.clone(), home.clone(), needles.clone());
        nomad.set_witness(Some(Box::new(move || {
            let pid = process
                .lock()
                .expect("not poisoned")
                .expect("set before the first call");
            let sight = look(pid, &home, &needles);
            seen.lock().expect("not poisoned").push(sight);
        })));
    }
    // Held until the id is known, so that no call is missed.
    let mut known = process.lock().expect("not poisoned");
    let mut child = run.command(None).spawn().expect("the binary starts");
    *known = Some(child.id());
    drop(known);
    assert!(
        child.wait().expect("a child of ours").success(),
        "the run failed"
    );
    nomad.set_witness(None);
    let seen = seen.lock().expect("not poisoned");
    assert!(!seen.is_empty(), "the run called nobody");
    let children = seen
        .iter()
        .map(|sight| sight.children)
        .max()
        .unwrap_or_default();
    let mut files: Vec<PathBuf> = seen.iter().flat_map(|sight| sight.files.clone()).collect();
    files.extend(telling(all_files(&home), &needles));
    report.row(
        "`cs reconcile`, child processes",
        format!("{children} (seen at {} calls)", seen.len()),
        "0",
    );
    report.row(
        "`cs reconcile`, files with params in clear or in base64",
        files.len(),
        "0",
    );
}

struct Scene<'a> {
    binary: &'a Path,
    address: String,
    nats: &'a NatsServer,
}

struct Run<'a> {
    scene: &'a Scene<'a>,
    params: String,
    home: TempDir,
}

impl Scene<'_> {
    /// A run with a job, a deployment and a home of its own.
    fn run(&self, number: usize) -> Run<'_> {
        let params = PARAMS
            .replace("@NOMAD_ADDR@", &self.address)
            .replace("cst-docs-kq2wzxyv", &format!("cst-docs-{number:08}"))
            .replace("adeployment_00014c1e", &format!("adeployment_{number:08}"))
            .replace("node server.js", &format!("TOKEN={CANARY} node server.js"));
        Run {
            scene: self,
            params: STANDARD.encode(params),
            home: tempfile::tempdir().expect("a temporary directory"),
        }
    }
}

impl Run<'_> {
    /// The command as a dispatched job has it, with nothing else in its environment.
    fn command(&self, weigh_into: Option<&Path>) -> Command {
        let Scene { binary, nats, .. } = self.scene;
        let mut command = match weigh_into {
            Some(into) => weighed(binary, into),
            None => Command::new(binary),
        };
        let home = self.home.path();
        command
            .arg("reconcile")
            .env_clear()
            .env("NOMAD_META_TASK", "deploy-image")
            .env("NOMAD_META_PARAMS", &self.params)
            .env("NATS_SERVERS", nats.address())
            .env("NATS_CLIENT_PRIVATE_KEY", nats.seed())
            .env("NATS_STREAM_PREFIX", "bench")
            .envs([("HOME", home), ("TMPDIR", home)])
            .env("NOMAD_ALLOC_DIR", home.join("alloc"))
            .current_dir(home)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }
}

/// What one look at the running process showed.
struct Sight {
    children: usize,
    files: Vec<PathBuf>,
}

fn look(pid: u32, home: &Path, needles: &[String]) -> Sight {
    let opened = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten();
    let opened = opened.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    let regular = opened.filter(|path| std::fs::metadata(path).is_ok_and(|data| data.is_file()));
    Sight {
        children: living_children(pid) + usize::from(had_children(pid)),
        files: telling(all_files(home).into_iter().chain(regular), needles),
    }
}

fn living_children(pid: u32) -> usize {
    let threads =
        std::fs::read_dir(format!("/proc/{pid}/task")).expect("the process waits for an answer");
    threads
        .filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("children")).ok())
        .map(|text| text.split_whitespace().count())
        .sum()
}

/// Whether it waited for children that ended: their page faults are counted (proc(5), `cminflt`).
fn had_children(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .expect("the process waits for an answer");
    let after_name = stat.rsplit_once(") ").expect("proc(5)").1;
    after_name.split(' ').nth(8) != Some("0")
}

fn all_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files.extend(all_files(&entry.path())),
            Ok(kind) if kind.is_file() => files.push(entry.path()),
            _ => {}
        }
    }
    files
}

/// Those files that hold one of the texts.
fn telling(files: impl IntoIterator<Item = PathBuf>, needles: &[String]) -> Vec<PathBuf> {
    let holds = |path: &PathBuf| {
        let bytes = std::fs::read(path).unwrap_or_default();
        needles.iter().any(|needle| {
            bytes
                .windows(needle.len())
                .any(|window| window == needle.as_bytes())
        })
    };
    files.into_iter().filter(holds).collect()
}
