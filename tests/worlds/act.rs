//! Runs commands of the library in a world: each process is a runtime of its own, and dies with it.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cs::clients::chain;
use cs::clients::nomad::{ConnectionConfig, NomadClient};
use cs::config::Environment;
use cs::controller::Notes;
use cs::controller::converge::Until;
use cs::controller::log::Echo;
use cs::controller::run::{RunResult, Surroundings, run};
use cs::controller::set::apply::{ApplyOptions, PARALLEL, SetResult, SetRun, notes};
use cs::controller::set::observe::{PlanOptions, plan_set};
use cs::controller::set::prepare::{SetOptions, prepare};
use cs::controller::set::remember::Remember;
use cs::controller::warrant::Warrant;
use cs::dispatch::ConvertOptions;
use cs::events::{Announcer, Clock};
use cs::ids::OwnerId;
use cs::inventory::Store;
use cs::manifests::Manifest;
use cs::reconcile::Outcome;
use cs::set::prune::PruneLimit;
use cs::simulator::Within;
use cs::simulator::world::Random;
use cs::spec::relations::OnFailure;
use cs::spec::workload::ServiceProvider;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::betray::Betrayal;
use super::case::{Command, DISPATCHED, Files, OWNERS, Trouble, deployment, destruction};
use super::sink::{Sink, Stream};
use super::trace::Shared;
use super::wire::{Dice, Wire};

/// One deadline over everything.
pub(super) const DEADLINE: Duration = Duration::from_secs(300);
/// What may come on top: events at the end, the aftermath of a set.
pub(super) const SLACK: Duration = Duration::from_secs(90);

/// How a process ended.
#[derive(Debug)]
pub(super) enum Ended {
    Run(Box<RunResult>),
    Applied(Box<SetResult>),
    /// It could not begin, and says why.
    Refused(String),
    Died,
}

/// Everything that outlives a process.
pub(super) struct Stage<'a> {
    pub(super) world: Within,
    pub(super) trace: Shared,
    pub(super) stream: Arc<Stream>,
    pub(super) state: &'a Path,
    /// The promise that is broken here, to see whether that is found.
    pub(super) betrayal: Option<Betrayal>,
}

impl Stage<'_> {
    /// Runs a command once, in a process of its own. Returns how long it took by the world's clock.
    pub(super) fn attempt(
        &self,
        command: &Command,
        luck: &Luck,
        dies_at: Option<u64>,
        seed: u64,
    ) -> (Ended, Duration) {
        self.trace.begin(dies_at);
        // Whatever is drawn on this thread for pauses.
        fastrand::seed(seed);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime needs nothing special");
        let ended = runtime.block_on(async {
            self.world.resume();
            let began = Instant::now();
            let process = async {
                let ended = self.process(command, luck).await;
                self.betrayed(ended).await
            };
            // The dead process makes no further call; what it was doing beside comes to rest.
            let death = async {
                self.trace.death().await;
                tokio::time::sleep(Duration::from_millis(1)).await;
                Ended::Died
            };
            // Cancel-safe: that is the point.
            let ended = tokio::select! {
                biased;
                ended = process => ended,
                ended = death => ended,
                () = self.world.drive() => unreachable!("it does not end"),
            };
            self.world.pause();
            (ended, began.elapsed())
        });
        drop(runtime);
        ended
    }

    async fn betrayed(&self, mut ended: Ended) -> Ended {
        match (self.betrayal, &mut ended) {
            (Some(Betrayal::Late), _) => tokio::time::sleep(DEADLINE + SLACK).await,
            (Some(Betrayal::Mute), Ended::Run(result)) if !result.outcome.is_success() => {
                result.outcome = Outcome::Failed(String::new());
            }
            _ => {}
        }
        ended
    }

    async fn process(&self, command: &Command, luck: &Luck) -> Ended {
        match command {
            Command::Deploy {
                job,
                image,
                deployment: number,
            } => {
                self.dispatch(
                    "deploy-image",
                    &deployment(*job, *image, *number),
                    command,
                    luck,
                )
                .await
            }
            Command::Destroy { jobs, reason } => {
                self.dispatch(
                    "destroy-job-pack",
                    &destruction(jobs, reason),
                    command,
                    luck,
                )
                .await
            }
            Command::Apply { owner, files } => {
                match self.apply(OWNERS[*owner], files, command, luck).await {
                    Ok(result) => Ended::Applied(Box::new(result)),
                    Err(reason) => Ended::Refused(reason),
                }
            }
        }
    }

    /// The world's clock, for what the command writes down.
    fn clock(&self) -> Clock {
        let world = self.world.clone();
        Arc::new(move || {
            jiff::Timestamp::from_nanosecond(i128::from(world.world().now))
                .expect("in this century")
        })
    }

    fn connection(&self, command: &Command, luck: &Luck) -> ConnectionConfig {
        let mut config = ConnectionConfig::new("http://nomad.invalid:4646").expect("an address");
        let wire = Wire {
            world: self.world.clone(),
            trace: self.trace.clone(),
            ours: ours(command, self),
            dice: luck.nomad.clone(),
            betrayal: self.betrayal,
        };
        config.carrier = Some(wire.carrier());
        config
    }

    async fn dispatch(
        &self,
        task: &str,
        params: &serde_json::Value,
        command: &Command,
        luck: &Luck,
    ) -> Ended {
        let sink = Sink {
            stream: self.stream.clone(),
            world: self.world.clone(),
            trace: self.trace.clone(),
            dice: luck.sink.clone(),
            betrayal: self.betrayal,
        };
        let announcer = Announcer::start_over(
            sink,
            "cs".parse().expect("a prefix"),
            self.clock(),
            self.state.to_owned(),
        );
        let (notes, _received) = Notes::channel();
        let surroundings = Surroundings {
            environment: Environment::default(),
            connection: self.connection(command, luck),
            convert: ConvertOptions {
                vault: false,
                service_provider: ServiceProvider::Nomad,
                ..ConvertOptions::default()
            },
            announcer,
            notes,
            deadline: Instant::now() + DEADLINE,
            cancel: CancellationToken::new(),
            placement_grace: Duration::from_secs(30),
            state_dir: self.state.to_owned(),
            rebuild: false,
            echo: Echo::none(),
            warrant: Warrant::unshared(),
        };
        let text = params.to_string();
        Ended::Run(Box::new(
            run(Some(task), Some(text.as_bytes()), surroundings).await,
        ))
    }

    /// What `cs apply --prune` does.
    async fn apply(
        &self,
        owner: &str,
        files: &Files,
        command: &Command,
        luck: &Luck,
    ) -> Result<SetResult, String> {
        let deadline = Instant::now() + DEADLINE;
        let nomad = NomadClient::new(self.connection(command, luck)).expect("no TLS is needed");
        let owner: OwnerId = owner.parse().expect("an owner");
        let options = SetOptions {
            owner: owner.clone(),
            namespace: nomad.namespace().clone(),
            on_failure: OnFailure::Keep,
            environment: Environment::default(),
            revision: None,
        };
        let set = prepare(manifests(files), options).map_err(|findings| format!("{findings:?}"))?;
        let (store, inventory) = Store::open(&nomad, &owner, self.state)
            .await
            .map_err(|error| chain(&error))?;
        let mut remember = Remember::new(store, inventory, self.clock());
        let how = PlanOptions {
            prune: true,
            prune_limit: PruneLimit::Count(20),
            is_complete: true,
            ..PlanOptions::default()
        };
        let planned = plan_set(&nomad, &set, remember.inventory(), how)
            .await
            .map_err(|error| chain(&error))?;
        let (notes, _received) = notes();
        let cancel = CancellationToken::new();
        let applying = SetRun {
            nomad: &nomad,
            set: &set,
            planned: &planned,
            options: ApplyOptions {
                waits: true,
                until: Until::Healthy,
                is_sealed: false,
                deadline,
                placement_grace: Duration::from_secs(30),
                at_once: PARALLEL,
            },
            notes,
            cancel: &cancel,
        };
        let result = applying.run(&mut remember).await;
        match remember.failure() {
            Some(why) => Err(format!("what was done could not be remembered: {why}")),
            None => Ok(result),
        }
    }

    /// What the inventory of an owner names.
    pub(super) fn inventory(&self, owner: &str) -> Vec<String> {
        let luck = Luck::of(Trouble::default(), 0);
        let nobody = Command::Destroy {
            jobs: Vec::new(),
            reason: String::new(),
        };
        self.trace.begin(None);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        let found = runtime
            .expect("a runtime needs nothing special")
            .block_on(async {
                self.world.resume();
                let nomad =
                    NomadClient::new(self.connection(&nobody, &luck)).expect("no TLS is needed");
                let owner: OwnerId = owner.parse().expect("an owner");
                let opened = Store::open(&nomad, &owner, self.state).await;
                let (_, inventory) = opened.expect("nothing goes wrong");
                self.world.pause();
                inventory
            });
        found.entries.keys().map(ToString::to_string).collect()
    }
}

fn manifests(files: &Files) -> Vec<Manifest> {
    let mut manifests = Vec::new();
    for (number, text) in files.documents.iter().enumerate() {
        let documents = cs::spec::parse(&format!("{number}.yaml"), text).expect("a valid document");
        manifests.extend(documents.into_iter().map(|document| Manifest {
            document,
            native: None,
        }));
    }
    manifests
}

/// Jobs that a command may write: what it names, and what its owner has had.
fn ours(command: &Command, stage: &Stage<'_>) -> Vec<String> {
    match command {
        Command::Deploy { job, .. } => vec![format!("default/{}", DISPATCHED[*job])],
        Command::Destroy { jobs, .. } => jobs
            .iter()
            .map(|job| format!("default/{}", DISPATCHED[*job]))
            .collect(),
        Command::Apply { owner, files } => {
            let mut ours: Vec<String> = files
                .jobs
                .iter()
                .map(|job| format!("default/{job}"))
                .collect();
            ours.extend(owned(&stage.world, OWNERS[*owner]));
            ours
        }
    }
}

/// Jobs whose meta names an owner.
pub(super) fn owned(world: &Within, owner: &str) -> Vec<String> {
    let world = world.world();
    let is_owned = |job: &serde_json::Value| {
        job.pointer("/Meta/cs.owner")
            .and_then(serde_json::Value::as_str)
            == Some(owner)
    };
    let jobs = world
        .jobs
        .iter()
        .filter(|(_, entry)| is_owned(&entry.job.spec));
    jobs.map(|(key, _)| format!("{}/{}", key.namespace, key.id))
        .collect()
}

/// What goes wrong while a command runs. Publishes have luck of their own, so that their order among the calls to Nomad
/// does not matter.
pub(super) struct Luck {
    nomad: Arc<Mutex<Dice>>,
    sink: Arc<Mutex<Dice>>,
}

impl Luck {
    pub(super) fn of(trouble: Trouble, seed: u64) -> Self {
        let dice = |seed, often| {
            Arc::new(Mutex::new(Dice {
                random: Random::new(seed),
                often,
                left: trouble.most,
            }))
        };
        Self {
            nomad: dice(seed, trouble.nomad),
            sink: dice(!seed, trouble.sink),
        }
    }
}
