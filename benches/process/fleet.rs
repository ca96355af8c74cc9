//! A fleet of which nothing changed: files read, validated and fingerprinted, one list call, the fast path.
//!
//! No command does this yet, so its parts are put together here and run as a process of their own (this bench, started
//! again), to weigh them. Without the list call's share of a real Nomad: the stand-in answers from memory.

use std::path::{Path, PathBuf};
use std::process::Command;

use cs::clients::nomad::NomadClient;
use cs::clients::nomad::calls::jobs::JobQuery;
use cs::clients::nomad::connection::ConnectionConfig;
use cs::desired::{Desired, Digest};
use cs::ids::{JobKey, ModifyIndex, Namespace};
use cs::inventory::{Entry, Inventory, State};
use cs::reconcile::fast::{Verdict, Wanted, verdicts};
use cs::spec::Kind;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::measure::{Samples, can_weigh, peak_mb, wall, weighed};
use crate::nomad::Nomad;
use crate::report::Report;
use crate::validation;

pub(crate) fn measure(runtime: &Runtime, report: &mut Report) {
    let nomad = Nomad::default();
    let address = nomad.start(runtime);
    let itself = std::env::current_exe().expect("a running program has a file");
    for (size, rounds, time_bound, memory_bound) in [
        (1_000, 9, "≤ 200 ms, 1 list call", "≤ 40 MB"),
        (10_000, 5, "≤ 2,000 ms", "≤ 192 MB"),
    ] {
        let home = tempfile::tempdir().expect("a temporary directory");
        let files = validation::write(&home, size);
        nomad.set_list(list(&files));
        remember(&files, home.path());
        let mut times = Samples::default();
        for _ in 0..rounds {
            nomad.take();
            times.push_ms(wall(&mut part_command(
                Command::new(&itself),
                home.path(),
                &address,
            )));
            assert_eq!(nomad.take().0, 1, "one list call");
        }
        report.row(
            &format!("{size} unchanged specs, parts of the full check as one process, ms"),
            &times,
            time_bound,
        );
        if can_weigh() {
            let mut peaks = Samples::default();
            let into = home.path().join("peak");
            for _ in 0..3 {
                wall(&mut part_command(
                    weighed(&itself, &into),
                    home.path(),
                    &address,
                ));
                peaks.push(peak_mb(&into));
            }
            report.row(
                &format!("{size} unchanged specs, peak memory, MB"),
                &peaks,
                memory_bound,
            );
        }
    }
}

fn part_command(mut command: Command, home: &Path, address: &str) -> Command {
    command
        .arg("--fleet")
        .arg(format!("{} {address}", home.display()));
    command
}

fn list(files: &[PathBuf]) -> String {
    let stubs = files.iter().zip(1u64..).map(|(file, index)| {
        let id = validation::desired(file)[0].id.to_string();
        let summary = json!({"Queued": 0, "Complete": 0, "Failed": 0, "Running": 2, "Starting": 0, "Lost": 0, "Unknown": 0});
        json!({
            "ID": id, "ParentID": "", "Name": id, "Namespace": "default", "Datacenters": ["*"],
            "NodePool": "minions", "Multiregion": null, "Type": "service", "Priority": 50, "Periodic": false,
            "ParameterizedJob": false, "Stop": false, "Status": "running", "StatusDescription": "",
            "JobSummary": {
                "JobID": id, "Namespace": "default", "Summary": {id.clone(): summary},
                "Children": {"Pending": 0, "Running": 0, "Dead": 0}, "CreateIndex": index, "ModifyIndex": index,
            },
            "CreateIndex": index, "ModifyIndex": index, "JobModifyIndex": index,
            "SubmitTime": 1_763_720_000_000_000_000u64,
        })
    });
    Value::from_iter(stubs).to_string()
}

/// Writes what an earlier, converged run would remember.
fn remember(files: &[PathBuf], home: &Path) {
    let lines = files.iter().zip(1u64..).map(|(file, index)| {
        let desired = &validation::desired(file)[0];
        json!([desired.id, desired.digest.to_string(), index])
    });
    let inventory = Value::from_iter(lines).to_string();
    std::fs::write(home.join("inventory"), inventory).expect("a temporary file");
}

/// The part that is measured: `HOME ADDRESS`.
pub(crate) fn part(arguments: &str) {
    let (home, address) = arguments.split_once(' ').expect("`HOME ADDRESS`");
    let home = Path::new(home);
    let namespace: Namespace = "default".parse().expect("a valid name");
    let desired = specs(home);
    let inventory = recalled(home, &namespace);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let list = runtime.block_on(async {
        let config = ConnectionConfig::new(address).expect("an address of ours");
        let nomad = NomadClient::new(config).expect("a plain connection");
        let query = JobQuery {
            all_namespaces: true,
            ..JobQuery::default()
        };
        nomad
            .jobs(&query)
            .await
            .expect("the stand-in answers")
            .value
    });
    let keys: Vec<JobKey> = desired
        .iter()
        .map(|desired| JobKey {
            namespace: namespace.clone(),
            job: desired.id.clone(),
        })
        .collect();
    let wanted: Vec<Wanted<'_>> = desired
        .iter()
        .zip(&keys)
        .map(|(desired, key)| Wanted {
            key,
            digest: &desired.digest,
        })
        .collect();
    let found = verdicts(&wanted, &inventory, &list);
    assert!(found.iter().all(|verdict| *verdict == Verdict::Unchanged));
}

fn specs(home: &Path) -> Vec<Desired> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(home)
        .expect("a directory of ours")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    files.sort();
    files
        .iter()
        .flat_map(|file| validation::desired(file))
        .collect()
}

fn recalled(home: &Path, namespace: &Namespace) -> Inventory {
    let text = std::fs::read_to_string(home.join("inventory")).expect("a file of ours");
    let lines: Vec<(cs::ids::JobId, String, ModifyIndex)> =
        serde_json::from_str(&text).expect("a file of ours");
    let entries = lines.into_iter().map(|(job, digest, index)| {
        let key = JobKey {
            namespace: namespace.clone(),
            job,
        };
        let entry = Entry {
            kind: Kind::Workload,
            digest: Digest(digest).into(),
            index,
            created: index.0,
            state: State::Converged,
            written: jiff::Timestamp::UNIX_EPOCH,
            keep: false,
            adopted: false,
            failed: None,
            hook: None,
            revision: None,
        };
        (key, entry)
    });
    Inventory {
        entries: entries.collect(),
    }
}
