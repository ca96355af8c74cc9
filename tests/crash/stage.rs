//! One world for one crash: a simulated Nomad, a backend and a stream, each behind a proxy, and the real binary.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use async_nats::jetstream::stream::{Config, RetentionPolicy, StorageType};
use cs::simulator::world::{JobKey, Register};
use cs::simulator::{Faults, Options, Script, Simulator};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::proxy::{Proxy, Trap};
use crate::support::backend::RecordingBackend;
use crate::support::nats::NatsServer;

/// Longest run of one process and longest wait for a condition; generous, the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Name of the job that all of it is about.
const JOB: &str = "shop";

/// Which of the three servers is behind a trap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Server {
    Nomad,
    Nats,
    Backend,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scene {
    /// A job that is not there is deployed.
    New,
    /// A healthy job gets another image.
    Update,
    /// A healthy job gets an image that ends at once; Nomad goes back.
    Broken,
    /// A healthy job is destroyed.
    Destroy,
}

impl Scene {
    const fn task(self) -> &'static str {
        match self {
            Self::Destroy => "destroy-job-pack",
            Self::New | Self::Update | Self::Broken => "deploy-image",
        }
    }

    fn params(self) -> Value {
        match self {
            Self::New | Self::Update => deployment("1.1", "dep-2"),
            Self::Broken => deployment("broken", "dep-2"),
            Self::Destroy => {
                json!({"jobs": [{"jobId": JOB, "serviceId": "img_shop"}], "reason": "delete"})
            }
        }
    }

    /// Exit code of a run that nothing disturbs.
    pub(super) const fn code(self) -> i32 {
        match self {
            Self::New | Self::Update | Self::Destroy => 0,
            Self::Broken => 6,
        }
    }

    /// Subjects of the stream in the end, without its prefix and without log lines.
    pub(super) const fn subjects(self) -> &'static [&'static str] {
        match self {
            Self::New | Self::Update => &[
                "deployment.status.changed",
                "deployment.succeeded",
                "build.log.end.dep-2",
            ],
            Self::Broken => &[
                "deployment.status.changed",
                "deployment.failed",
                "build.log.end.dep-2",
            ],
            Self::Destroy => &["job.destroyed"],
        }
    }
}

/// Params as the platform would send them. The registry does not answer: its facts are not what this is about.
fn deployment(tag: &str, deployment: &str) -> Value {
    json!({
        "jobId": JOB, "deploymentId": deployment, "deploymentJobId": 42, "serviceId": "img_shop", "projectId": "prj_shop",
        "ownerId": "team_shop", "imageName": "127.0.0.1:1/shop", "imageTag": tag, "replicaCount": 1,
        "cpu": 200, "ram": 256,
        "networks": [{"portNumber": 8080, "portType": "http", "public": true}],
        "restartMode": "fail", "restartAttempts": 1,
        "update": {"minHealthyTime": "1s", "healthyDeadline": "5s", "progressDeadline": "6s", "canary": 0,
                   "autoRevert": true},
    })
}

/// The job of the earlier deployment, as this program makes it.
pub(super) async fn earlier_job() -> Value {
    let home = tempfile::tempdir().expect("a temporary directory");
    let file = home.path().join("params.json");
    std::fs::write(&file, deployment("1.0", "dep-1").to_string()).expect("the directory is ours");
    let rendered = Command::new(env!("CARGO_BIN_EXE_cs"))
        .args(["render", "--params"])
        .arg(&file)
        .env_clear()
        .envs([("CS_VAULT", "off"), ("CS_SERVICE_PROVIDER", "nomad")])
        .output()
        .await
        .expect("the binary runs");
    assert!(rendered.status.success(), "{rendered:?}");
    let line: Value = serde_json::from_slice(&rendered.stdout).expect("render prints JSON");
    line["Job"].clone()
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// By itself, with this code.
    Exited(i32),
    /// Killed at the trap.
    Killed,
}

/// The end state of a job and what the platform heard.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Picture {
    spec: Option<Value>,
    /// Image and success of each version, newest first.
    versions: Vec<(String, bool)>,
    /// How many versions came from this deployment.
    pub(super) ours: usize,
    /// Version, status and health of what is to run.
    allocations: Vec<(u64, &'static str, Option<bool>)>,
    /// Status of each rollout, by version.
    rollouts: Vec<(u64, &'static str)>,
}

pub(super) struct Stage<'a> {
    simulator: Simulator,
    backend: RecordingBackend,
    server: &'a NatsServer,
    proxies: [Proxy; 3],
    home: TempDir,
    prefix: String,
    scene: Scene,
}

impl<'a> Stage<'a> {
    /// Everything that the scene needs, with a stream that knows message ids for `window`.
    pub(super) async fn set(
        scene: Scene,
        earlier: &Value,
        server: &'a NatsServer,
        window: Duration,
    ) -> Self {
        let simulator = simulator().await;
        if scene != Scene::New {
            seed(&simulator, earlier);
        }
        let backend = RecordingBackend::start();
        let upstream = |text: &str| -> SocketAddr { text.parse().expect("an address") };
        let proxies = [
            Proxy::http(simulator.addr).await,
            Proxy::chunks(upstream(&server.address())).await,
            Proxy::http(upstream(backend.url().trim_start_matches("http://"))).await,
        ];
        let prefix = format!("c{}", uuid::Uuid::new_v4().simple());
        let config = Config {
            name: format!("{prefix}_cloudstation"),
            subjects: vec![format!("{prefix}.>")],
            retention: RetentionPolicy::WorkQueue,
            storage: StorageType::Memory,
            duplicate_window: window,
            ..Config::default()
        };
        let context = server.context().await;
        context.create_stream(config).await.expect("a fresh stream");
        Self {
            simulator,
            backend,
            server,
            proxies,
            home: tempfile::tempdir().expect("a temporary directory"),
            prefix,
            scene,
        }
    }

    fn proxy(&self, server: Server) -> &Proxy {
        &self.proxies[server as usize]
    }

    /// Runs the command until it ends or the trap catches it.
    pub(super) async fn run_into(&self, server: Server, trap: Trap) -> Ended {
        let proxy = self.proxy(server);
        proxy.arm(trap);
        let mut child = self.spawn();
        let ended = tokio::select! {
            ended = wait(&mut child) => ended,
            () = proxy.sprung() => {
                child.kill().await.expect("a child of ours");
                Ended::Killed
            }
        };
        proxy.disarm();
        ended
    }

    /// Runs the command to its end.
    pub(super) async fn run(&self) -> Ended {
        wait(&mut self.spawn()).await
    }

    pub(super) fn spawn(&self) -> Child {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.home.path().join("log"))
            .expect("the directory is ours");
        let http = |server| format!("http://{}", self.proxy(server).address());
        Command::new(env!("CARGO_BIN_EXE_cs"))
            .arg("reconcile")
            .env_clear()
            .env("HOME", self.home.path())
            .env("TMPDIR", self.home.path())
            .env("CS_STATE_DIR", self.home.path().join("state"))
            .env("CS_VAULT", "off")
            .env("CS_SERVICE_PROVIDER", "nomad")
            .env("CS_EGRESS", crate::support::egress::LOCAL)
            .env("CS_DEADLINE", "50s")
            .env("CS_LOG_LEVEL", "debug")
            .env("NOMAD_ADDR", http(Server::Nomad))
            .env("BACKEND_URL", http(Server::Backend))
            .env("ACCESS_TOKEN", "token")
            .env(
                "NATS_SERVERS",
                self.proxy(Server::Nats).address().to_string(),
            )
            .env("NATS_CLIENT_PRIVATE_KEY", self.server.seed())
            .env("NATS_STREAM_PREFIX", &self.prefix)
            .env("NOMAD_META_TASK", self.scene.task())
            .env("NOMAD_META_PARAMS", self.scene.params().to_string())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("the binary runs")
    }

    /// All that the processes printed.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.home.path().join("log")).unwrap_or_default()
    }

    pub(super) fn picture(&self) -> Picture {
        let world = self.simulator.world();
        let key = JobKey::new("default", JOB);
        let entry = world.jobs.get(&key);
        let image = |spec: &Value| {
            let image = &spec["TaskGroups"][0]["Tasks"][0]["Config"]["image"];
            image.as_str().unwrap_or_default().to_owned()
        };
        let versions = entry.map_or(&[][..], |entry| &entry.versions);
        let mut allocations: Vec<_> = world
            .allocs
            .values()
            .filter(|allocation| allocation.key() == key && allocation.desired_status == "run")
            .map(|allocation| {
                (
                    allocation.job.version,
                    allocation.client_status,
                    allocation.healthy(),
                )
            })
            .collect();
        allocations.sort_unstable();
        let mut rollouts: Vec<_> = world
            .deployments
            .values()
            .filter(|rollout| rollout.key == key)
            .map(|rollout| (rollout.job_version, rollout.status))
            .collect();
        rollouts.sort_unstable();
        let run = uuid_of(&self.scene.params());
        Picture {
            spec: entry.map(|entry| (*entry.job.spec).clone()),
            versions: versions
                .iter()
                .map(|job| (image(&job.spec), job.stable))
                .collect(),
            ours: versions
                .iter()
                .filter(|job| image(&job.spec).ends_with(&run))
                .count(),
            allocations,
            rollouts,
        }
    }

    /// Waits until the world looks as expected, or returns how it looks instead.
    pub(super) async fn settles_as(&self, expected: &Picture) -> Result<(), Box<Picture>> {
        let deadline = Instant::now() + Duration::from_secs(15);
        loop {
            let seen = self.picture();
            if seen == *expected {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(Box::new(seen));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The picture once nothing is on its way any more.
    pub(super) async fn settled(&self) -> Picture {
        let deadline = Instant::now() + Duration::from_secs(15);
        loop {
            let seen = self.picture();
            let rests = seen
                .allocations
                .iter()
                .all(|(_, status, healthy)| *status == "running" && *healthy == Some(true))
                && seen.rollouts.iter().all(|(_, status)| *status != "running");
            if rests {
                return seen;
            }
            assert!(Instant::now() < deadline, "it does not settle: {seen:#?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Subjects of the stream in order, without the prefix; log lines are `build.log.…`.
    pub(super) async fn subjects(&self) -> Vec<String> {
        let stored = self.server.stored(&self.prefix).await;
        let start = format!("{}.", self.prefix);
        stored
            .iter()
            .map(|message| {
                let subject = message.subject.strip_prefix(&start);
                subject.expect("the prefix stands in front").to_owned()
            })
            .collect()
    }

    /// Removes the stream: hundreds of them would slow the server down.
    pub(super) async fn clear(self) {
        self.server.delete_stream(&self.prefix).await;
        drop(self.backend);
    }
}

/// The image of a deployment tells its versions apart.
fn uuid_of(params: &Value) -> String {
    format!(":{}", params["imageTag"].as_str().unwrap_or("none"))
}

async fn wait(child: &mut Child) -> Ended {
    let ended = tokio::time::timeout(PATIENCE, child.wait()).await;
    let status = ended.expect("the run ends").expect("a child of ours");
    Ended::Exited(status.code().unwrap_or(-1))
}

/// Twenty virtual seconds a second.
async fn simulator() -> Simulator {
    let broken = Script {
        image: "*:broken".to_owned(),
        run_for: Some("100ms".to_owned()),
        exit_code: Some(1),
        ..Script::default()
    };
    let options = Options {
        speed: 20.0,
        faults: Faults {
            workloads: vec![broken],
            ..Faults::default()
        },
        ..Options::default()
            .with_nodes(1)
            .with_shared_pools(["minions".to_owned()])
    };
    Simulator::start(options).await.expect("a free port")
}

/// Puts the earlier deployment's job there, healthy.
fn seed(simulator: &Simulator, job: &Value) {
    let register = Register {
        job: job.clone(),
        namespace: None,
        enforce_index: None,
        preserve_counts: false,
        preserve_resources: false,
        submission: None,
        token: String::new(),
    };
    let written = simulator.world().register(&register);
    assert!(written.is_ok(), "the earlier job is refused");
    simulator.skip(Duration::from_secs(30));
    let key = JobKey::new("default", JOB);
    let stable = simulator.world().job(&key).is_some_and(|job| job.stable);
    assert!(stable, "the earlier job is not healthy");
}
