//! Fleets with the real commands: nothing changed, and everything changed. On the embedded Nomad, which counts the calls, and
//! on a real one where its address is given.
//!
//! The jobs have no replicas: what is measured is `cs` and Nomad's answers, not the scheduler.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cs::simulator::{Options, Simulator};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::measure::{Samples, can_weigh, peak_mb, wall, weighed};
use crate::report::Report;
use crate::validation::{SPEC, write};

/// Measures on the embedded Nomad, and on the Nomad at `real` as well.
pub(crate) fn measure(
    binary: &Path,
    runtime: &Runtime,
    real: Option<&str>,
    sizes: &[usize],
    report: &mut Report,
) {
    for size in sizes {
        let options = Options::default().with_shared_pools(["minions".to_owned()]);
        let simulator = runtime
            .block_on(Simulator::start(options))
            .expect("the loopback has free ports");
        let fleet = Fleet::new(binary, *size, simulator.url.clone());
        fleet.measure("embedded Nomad", Some(&simulator), report);
    }
    let Some(real) = real else { return };
    for size in sizes {
        let fleet = Fleet::new(binary, *size, real.to_owned());
        fleet.measure("real Nomad", None, report);
        fleet.delete();
    }
}

struct Fleet<'a> {
    binary: &'a Path,
    size: usize,
    home: TempDir,
    files: Vec<PathBuf>,
    address: String,
}

impl<'a> Fleet<'a> {
    fn new(binary: &'a Path, size: usize, address: String) -> Self {
        let home = tempfile::tempdir().expect("a temporary directory");
        let folder = home.path().join("specs");
        fs::create_dir(&folder).expect("a fresh directory");
        let fleet = Self {
            binary,
            size,
            files: write(&folder, size),
            home,
            address,
        };
        fleet.set_tag("1.0.0");
        fleet
    }

    /// Writes the same image into all files; nothing is placed.
    fn set_tag(&self, tag: &str) {
        let idle = SPEC
            .replace("replicas: 2", "replicas: 0")
            .replace("1.4.2", tag);
        for (number, file) in self.files.iter().enumerate() {
            fs::write(file, crate::validation::named(&idle, number)).expect("a temporary file");
        }
    }

    fn measure(&self, on: &str, simulator: Option<&Simulator>, report: &mut Report) {
        let size = self.size;
        // Waited for: what has converged is known without a look.
        wall(&mut self.cs(self.binary, &["apply", "--yes", "--timeout", "5m"]));
        let mut times = Samples::default();
        for _ in 0..7 {
            forget(simulator);
            times.push_ms(wall(&mut self.cs(self.binary, &["plan"])));
        }
        let (time, memory) = match size {
            100 => ("", ""),
            1_000 => ("≤ 200 ms, 1 list call, no plan call", "≤ 40 MB"),
            _ => ("≤ 2,000 ms", "≤ 192 MB"),
        };
        report.row(
            &format!("{size} unchanged specs, `cs plan`, {on}, ms"),
            &times,
            time,
        );
        if let Some(calls) = simulator.map(Calls::of) {
            report.row(
                &format!("{size} unchanged specs, calls"),
                calls.told(),
                "1 list call",
            );
        }
        self.weigh(
            &["plan"],
            &format!("{size} unchanged specs, `cs plan`, {on}, peak memory, MB"),
            memory,
            report,
        );
        let mut times = Samples::default();
        let rounds = if size > 1_000 { 2 } else { 5 };
        for round in 0..rounds {
            self.set_tag(&format!("2.{round}.0"));
            forget(simulator);
            times.push_ms(wall(
                &mut self.cs(self.binary, &["apply", "--yes", "--no-wait"]),
            ));
        }
        let bound = if size == 1_000 {
            "≤ 3,000 ms, ≤ 2 calls a job"
        } else {
            ""
        };
        report.row(
            &format!("{size} changed specs, `cs apply --no-wait`, {on}, ms"),
            &times,
            bound,
        );
        if let Some(calls) = simulator.map(Calls::of) {
            report.row(
                &format!("{size} changed specs, calls"),
                calls.told(),
                "≤ 2 a job",
            );
        }
        self.set_tag("3.0.0");
        self.weigh(
            &["apply", "--yes", "--no-wait"],
            &format!("{size} changed specs, `cs apply --no-wait`, {on}, peak memory, MB"),
            "",
            report,
        );
    }

    fn weigh(&self, arguments: &[&str], what: &str, bound: &str, report: &mut Report) {
        if can_weigh() {
            let into = self.home.path().join("peak");
            let mut command = weighed(self.binary, &into);
            wall(self.given(&mut command, arguments));
            let mut peak = Samples::default();
            peak.push(peak_mb(&into));
            report.row(what, &peak, bound);
        }
    }

    fn delete(&self) {
        wall(&mut self.cs(self.binary, &["delete", "--yes", "--purge"]));
    }

    fn cs(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        self.given(&mut command, arguments);
        command
    }

    fn given<'c>(&self, command: &'c mut Command, arguments: &[&str]) -> &'c mut Command {
        let folder = self.home.path().join("specs");
        command
            .args(arguments)
            .arg("-f")
            .arg(folder)
            .env_clear()
            .env("NOMAD_ADDR", &self.address)
            .env("CS_STATE_DIR", self.home.path().join("state"))
            .env("HOME", self.home.path())
    }
}

fn forget(simulator: Option<&Simulator>) {
    if let Some(simulator) = simulator {
        simulator.clear_requests();
    }
}

/// What the embedded Nomad was asked.
#[derive(Default)]
struct Calls {
    lists: usize,
    plans: usize,
    jobs: usize,
    variables: usize,
    others: usize,
}

impl Calls {
    fn of(simulator: &Simulator) -> Self {
        let mut calls = Self::default();
        for request in simulator.requests() {
            let kind = match request.path.as_str() {
                "/v1/jobs" if request.method == "GET" => &mut calls.lists,
                path if path.ends_with("/plan") => &mut calls.plans,
                path if path == "/v1/jobs" || path.starts_with("/v1/job/") => &mut calls.jobs,
                path if path.starts_with("/v1/var") => &mut calls.variables,
                _ => &mut calls.others,
            };
            *kind += 1;
        }
        calls
    }

    fn told(&self) -> String {
        let Self {
            lists,
            plans,
            jobs,
            variables,
            others,
        } = self;
        format!(
            "lists {lists}, plans {plans}, reads and writes of jobs {jobs}, of the inventory {variables}, others {others}"
        )
    }
}
