//! A Nomad, a state directory, and entries to remember.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cs::clients::nomad::calls::variables::VariablePath;
use cs::clients::nomad::{ConnectionConfig, NomadClient};
use cs::desired::Digest;
use cs::ids::{JobKey, ModifyIndex, OwnerId};
use cs::inventory::{Change, Entry, Inventory, InventoryError, State, Store};
use cs::simulator::{Effect, Faults, Matcher, Options, Rule, Simulator};
use cs::spec::Kind;

use crate::support::nomad::RealNomad;

pub(super) struct Lab {
    /// None on a real Nomad.
    simulator: Option<Simulator>,
    pub(super) nomad: NomadClient,
    pub(super) owner: OwnerId,
    home: tempfile::TempDir,
}

impl Lab {
    pub(super) async fn start() -> Self {
        let options = Options {
            max_connections: 500,
            ..Options::default()
        };
        let simulator = Simulator::start(options).await.expect("a free port");
        let config = ConnectionConfig::new(&simulator.url).expect("a valid address");
        Self {
            nomad: NomadClient::new(config).expect("no certificates are needed"),
            simulator: Some(simulator),
            owner: owner("web"),
            home: tempfile::tempdir().expect("a temporary directory"),
        }
    }

    /// A real Nomad, where there is one, with an owner that nobody else uses.
    pub(super) fn real() -> Option<Self> {
        let unique = uuid::Uuid::new_v4().simple().to_string();
        Some(Self {
            simulator: None,
            nomad: RealNomad::shared()?.client(),
            owner: owner(&format!("web {unique}")),
            home: tempfile::tempdir().expect("a temporary directory"),
        })
    }

    pub(super) fn simulator(&self) -> &Simulator {
        self.simulator
            .as_ref()
            .expect("the test chose the simulator")
    }

    pub(super) fn state_dir(&self) -> &Path {
        self.home.path()
    }

    /// From now on these requests go wrong.
    pub(super) fn fails(&self, rules: impl IntoIterator<Item = (Matcher, Effect)>) {
        let rules = rules.into_iter().map(|(on, effect)| Rule::new(on, effect));
        self.simulator().set_faults(Faults {
            rules: rules.collect(),
            ..Faults::default()
        });
    }

    pub(super) fn heals(&self) {
        self.fails([]);
    }

    pub(super) async fn try_open(&self) -> Result<(Store, Inventory), InventoryError> {
        Store::open(&self.nomad, &self.owner, self.state_dir()).await
    }

    pub(super) async fn open(&self) -> (Store, Inventory) {
        self.try_open().await.expect("the inventory can be read")
    }

    /// What a fresh run finds.
    pub(super) async fn found(&self) -> Inventory {
        self.open().await.1
    }

    /// Names and indexes of what a fresh run finds.
    pub(super) async fn numbers(&self) -> BTreeMap<String, u64> {
        let number = |(key, entry): (JobKey, Entry)| (key.to_string(), entry.index.0);
        self.found().await.entries.into_iter().map(number).collect()
    }

    /// Records in a run of its own.
    pub(super) async fn record(&self, changes: Vec<Change>) {
        let (mut store, _) = self.open().await;
        store.record(changes).await.expect("it is recorded");
    }

    /// Paths of the variables below `cs/inventory`.
    pub(super) async fn paths(&self) -> Vec<String> {
        let listed = self.nomad.variables("cs/inventory/").await.expect("a list");
        listed.value.into_iter().map(|stub| stub.path).collect()
    }

    /// Items of a variable, which must be there.
    pub(super) async fn items(&self, path: &str) -> (ModifyIndex, BTreeMap<String, String>) {
        let read = self
            .nomad
            .variable(&variable(path))
            .await
            .expect("an answer");
        let found = read.value.unwrap_or_else(|| panic!("no variable {path}"));
        (ModifyIndex(found.modify_index), found.items)
    }

    /// Changes a variable behind everybody's back.
    pub(super) async fn tamper(
        &self,
        path: &str,
        change: impl FnOnce(&mut BTreeMap<String, String>),
    ) {
        let (index, mut items) = self.items(path).await;
        change(&mut items);
        let written = self
            .nomad
            .put_variable(&variable(path), &items, index)
            .await;
        written.expect("nobody else writes");
    }

    /// Files in the state directory's part for inventories, without locks.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.state_dir().join("inventory")) else {
            return Vec::new();
        };
        let paths = entries.map(|entry| entry.expect("readable").path());
        paths
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "json")
            })
            .collect()
    }

    /// Requests for variables by method, since the last call.
    pub(super) fn asked(&self) -> BTreeMap<String, usize> {
        let mut asked = BTreeMap::new();
        for request in self.simulator().requests() {
            if request.path.starts_with("/v1/var") {
                *asked.entry(request.method).or_default() += 1;
            }
        }
        self.simulator().clear_requests();
        asked
    }
}

pub(super) fn owner(text: &str) -> OwnerId {
    text.parse().expect("a valid owner")
}

pub(super) fn variable(path: &str) -> VariablePath {
    path.parse().expect("a valid path")
}

pub(super) fn key(job: &str) -> JobKey {
    JobKey {
        namespace: "default".parse().expect("valid"),
        job: job.parse().expect("valid"),
    }
}

/// An entry of ordinary size, told apart by its index.
pub(super) fn entry(number: u64) -> Entry {
    Entry {
        kind: Kind::Workload,
        digest: Digest(format!("{number:064x}")).into(),
        index: ModifyIndex(number),
        created: number / 2,
        state: State::Converged,
        written: jiff::Timestamp::from_second(1_763_740_000).expect("in range"),
        keep: false,
        adopted: false,
        failed: None,
        hook: None,
        revision: None,
    }
}

pub(super) fn put(job: &str, number: u64) -> Change {
    Change::Put(key(job), entry(number))
}

/// Entries `cst-docs-000000`, …, with indexes of seven digits.
pub(super) fn many(numbers: std::ops::Range<u64>) -> Vec<Change> {
    let one = |number| put(&format!("cst-docs-kq{number:06}"), 1_000_000 + number);
    numbers.map(one).collect()
}

/// The same as [`Lab::numbers`] returns them.
pub(super) fn as_found(changes: &[Change]) -> BTreeMap<String, u64> {
    let found = changes.iter().filter_map(|change| match change {
        Change::Put(key, entry) => Some((key.to_string(), entry.index.0)),
        Change::Remove(_) => None,
    });
    found.collect()
}
