//! Where a scenario runs: a Nomad, real or simulated, and one job in it.

use std::sync::Arc;
use std::time::Duration;

use cs::clients::nomad::calls::jobs::JobQuery;
use cs::clients::nomad::types::{Allocation, JobRecord};
use cs::clients::nomad::{ConnectionConfig, NomadClient};
use cs::controller::converge::Until;
use cs::controller::{Converge, Note, Notes};
use cs::ids::{JobId, ModifyIndex};
use cs::reconcile::diff::DiffOptions;
use cs::reconcile::{Goal, Guard, Outcome, RunGoal};
use cs::simulator::{Options, Simulator};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::support::nomad::RealNomad;

/// Until something that must happen counts as not happening.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at a condition.
const PACE: Duration = Duration::from_millis(30);

/// Runs a scenario on a simulator of its own.
pub(super) fn simulated<F: Future<Output = ()>>(name: &str, scenario: impl FnOnce(Lab) -> F) {
    runtime().block_on(async {
        let options = Options {
            max_connections: 500,
            ..Options::default()
        };
        let simulator = Simulator::start(options)
            .await
            .expect("the loopback has free ports");
        scenario(Lab::new(&simulator.url, name)).await;
    });
}

/// Runs a scenario on a real Nomad, where there is one.
pub(super) fn real<F: Future<Output = ()>>(name: &str, scenario: impl FnOnce(Lab) -> F) {
    let Some(nomad) = RealNomad::shared() else {
        return;
    };
    runtime().block_on(async {
        let lab = Lab::new(nomad.address(), name);
        let (nomad, id) = (lab.nomad.clone(), lab.id.clone());
        scenario(lab).await;
        // Best effort: what a failed test leaves behind disturbs nobody, ids are unique.
        let _ = nomad.deregister(&id, true).await;
    });
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime needs nothing special")
}

/// One job in one Nomad.
#[derive(Clone)]
pub(super) struct Lab {
    /// Nobody else has this one.
    pub(super) id: JobId,
    /// Of the Nomad, e.g. `http://127.0.0.1:34567`.
    pub(super) address: String,
    /// For everything that the loop does not do itself.
    pub(super) nomad: NomadClient,
}

impl Lab {
    fn new(address: &str, name: &str) -> Self {
        let short: String = name.chars().take(40).collect();
        let unique = uuid::Uuid::new_v4().simple().to_string();
        Self {
            id: format!("{short}-{}", &unique[..8]).parse().expect("valid"),
            address: address.to_owned(),
            nomad: client(address),
        }
    }

    /// That the job runs as described.
    pub(super) fn goal(&self, job: Value) -> Goal {
        self.goal_of_run(job, None)
    }

    /// The same on behalf of a run of the platform; its id goes into the job's meta.
    pub(super) fn goal_of_run(&self, mut job: Value, run: Option<&str>) -> Goal {
        if let Some(run) = run {
            job["Meta"]["run_uuid"] = json!(run);
        }
        Goal::Run(RunGoal {
            id: self.id.clone(),
            job,
            run: run.map(str::to_owned),
            owner: "dispatch".parse().expect("valid"),
            guard: Guard::Named,
            options: DiffOptions::default(),
        })
    }

    /// That it is gone.
    pub(super) fn gone(&self) -> Goal {
        Goal::Destroy(self.id.clone())
    }

    /// A run of the loop.
    pub(super) fn run(&self) -> Run {
        Run {
            nomad: self.nomad.clone(),
            deadline: PATIENCE,
            grace: Duration::from_secs(30),
            cancel: CancellationToken::new(),
            standing: Arc::default(),
            retrying: Arc::default(),
        }
    }

    /// The loop once, with the usual patience.
    pub(super) async fn reach(&self, goal: &Goal) -> Ended {
        self.run().reach(goal).await
    }

    /// The loop once; it has to converge.
    pub(super) async fn converge(&self, goal: &Goal) -> Ended {
        let ended = self.reach(goal).await;
        assert_eq!(ended.outcome, Outcome::Converged, "{:#?}", ended.notes);
        ended
    }

    /// The job, if it is there.
    pub(super) async fn find(&self) -> Option<JobRecord> {
        self.nomad.job(&self.id).await.expect("Nomad answers").value
    }

    /// The job, which must be there.
    pub(super) async fn job(&self) -> JobRecord {
        self.find().await.expect("the job is there")
    }

    /// Every version that Nomad still has, newest first.
    pub(super) async fn versions(&self) -> Vec<u64> {
        let read = self.nomad.job_versions(&self.id).await;
        let versions = read
            .expect("Nomad answers")
            .value
            .expect("the job is there");
        versions
            .versions
            .iter()
            .map(|version| version.head.version)
            .collect()
    }

    /// Its allocations.
    pub(super) async fn allocations(&self) -> Vec<Allocation> {
        let read = self.nomad.allocations(&self.id, true).await;
        read.expect("Nomad answers").value
    }

    /// The job and its children.
    pub(super) async fn family(&self) -> Vec<String> {
        let query = JobQuery {
            prefix: Some(self.id.to_string()),
            ..JobQuery::default()
        };
        let read = self.nomad.jobs(&query).await.expect("Nomad answers");
        read.value.into_iter().map(|stub| stub.id).collect()
    }

    /// Somebody else registers the job, whatever it is now.
    pub(super) async fn somebody_registers(&self, job: &Value) {
        let index = self
            .find()
            .await
            .map_or(ModifyIndex::MUST_BE_NEW, |job| job.head.job_modify_index);
        let reply = self.nomad.register(job, index, None).await;
        reply.expect("nobody else writes now");
    }

    /// Looks until a condition holds.
    pub(super) async fn until(&self, what: &str, holds: impl AsyncFn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(self).await {
            assert!(Instant::now() < deadline, "never: {what}");
            tokio::time::sleep(PACE).await;
        }
    }

    /// Waits until the job has a version. Apart from [`until`](Self::until), whose future cannot cross threads.
    pub(super) async fn until_version(&self, version: u64) {
        let deadline = Instant::now() + PATIENCE;
        while self.job().await.head.version < version {
            assert!(Instant::now() < deadline, "never: version {version}");
            tokio::time::sleep(PACE).await;
        }
    }

    /// Waits until an allocation runs.
    pub(super) async fn until_running(&self) {
        self.until("an allocation runs", async |lab| {
            let allocations = lab.allocations().await;
            allocations.iter().any(|it| it.client_status == "running")
        })
        .await;
    }
}

/// A client without credentials.
pub(super) fn client(address: &str) -> NomadClient {
    let config = ConnectionConfig::new(address).expect("addresses of tests are valid");
    NomadClient::new(config).expect("a client without TLS needs nothing")
}

/// One run of the loop, before it begins.
pub(super) struct Run {
    nomad: NomadClient,
    deadline: Duration,
    grace: Duration,
    /// Ends it.
    pub(super) cancel: CancellationToken,
    /// Told when the job stands as wanted and its health is what is left.
    pub(super) standing: Arc<Notify>,
    /// Told when something failed and will be tried again.
    pub(super) retrying: Arc<Notify>,
}

impl Run {
    /// By another way to Nomad.
    pub(super) fn through(mut self, address: &str) -> Self {
        self.nomad = client(address);
        self
    }

    /// With another client.
    pub(super) fn with(mut self, nomad: NomadClient) -> Self {
        self.nomad = nomad;
        self
    }

    pub(super) fn within(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    pub(super) fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    pub(super) async fn reach(self, goal: &Goal) -> Ended {
        let (notes, mut received) = Notes::channel();
        let began = Instant::now();
        let mut stood = 0;
        let looping = async {
            let notes = notes;
            let converge = Converge {
                nomad: &self.nomad,
                notes: &notes,
                deadline: began + self.deadline,
                cancel: &self.cancel,
                placement_grace: self.grace,
                submission: None,
                until: Until::default(),
                hub: None,
            };
            let mut on_standing = || {
                stood += 1;
                self.standing.notify_one();
            };
            let outcome = converge.run(goal, &mut on_standing).await;
            drop(notes);
            outcome
        };
        let listening = async {
            let mut all = Vec::new();
            while let Some(note) = received.recv().await {
                if matches!(note, Note::Retrying { .. }) {
                    self.retrying.notify_one();
                }
                all.push(note);
            }
            all
        };
        let (outcome, all) = tokio::join!(looping, listening);
        assert!(stood <= 1, "the job came to stand {stood} times: {all:#?}");
        Ended {
            outcome,
            notes: all,
            took: began.elapsed(),
        }
    }
}

/// How a run ended, and what it said on the way.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) outcome: Outcome,
    pub(super) notes: Vec<Note>,
    pub(super) took: Duration,
}

impl Ended {
    /// How often a register was accepted.
    pub(super) fn registers(&self) -> usize {
        self.count(|note| matches!(note, Note::Registered { .. }))
    }

    /// How often something was tried again.
    pub(super) fn retries(&self) -> usize {
        self.count(|note| matches!(note, Note::Retrying { .. }))
    }

    pub(super) fn count(&self, is_it: impl Fn(&Note) -> bool) -> usize {
        self.notes.iter().filter(|note| is_it(note)).count()
    }
}
