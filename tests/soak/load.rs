//! What runs, and what it is given to do: a queue with an agent, webhooks, applies and single runs, all at the same time,
//! as fast as the machine lets them.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Scope;
use std::time::Duration;

use cs::bridge::signature::sign;
use cs::secret::Secret;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::sample::Watched;
use crate::support::env::{Invocation, Running, TestEnv};
use crate::support::http::{Asked, send};
use crate::support::nats::NatsServer;

const API_TOKEN: &str = "soak-api-token";
const WEBHOOK_SECRET: &str = "soak-webhook-secret";
const WEBHOOK: &str = "/en/acme/deployment/webhooks/jenkins";
/// Longest life of a process, should the test itself be stopped from outside.
const LIFE: Duration = Duration::from_secs(3 * 60 * 60);
/// Jobs that the load is about: the cluster stays as large as it is.
const JOBS: u64 = 24;
/// Tasks that wait in the queue at most.
const WAITING: u64 = 6;
/// Deployments that CI tells of.
const DEPLOYMENTS: usize = 20;

/// How much was done.
#[derive(Default)]
pub(super) struct Counts {
    tasks: AtomicU64,
    webhooks: AtomicU64,
    applies: AtomicU64,
    runs: AtomicU64,
    failed: AtomicU64,
}

impl Counts {
    fn all(&self) -> [(&'static str, u64); 4] {
        [
            (
                "tasks through the queue",
                self.tasks.load(Ordering::Relaxed),
            ),
            ("webhooks", self.webhooks.load(Ordering::Relaxed)),
            ("applies", self.applies.load(Ordering::Relaxed)),
            ("single runs", self.runs.load(Ordering::Relaxed)),
        ]
    }

    pub(super) fn shown(&self, took: Duration) -> String {
        let lines = self
            .all()
            .map(|(what, number)| format!("{number:>8} {what}"));
        format!("in {took:.0?}:\n{}", lines.join("\n"))
    }

    /// A soak in which nothing was done shows nothing.
    pub(super) fn problems(&self) -> Vec<String> {
        let idle = self.all().into_iter().filter(|(_, number)| *number == 0);
        let mut problems: Vec<String> = idle.map(|(what, _)| format!("no {what} at all")).collect();
        let failed = self.failed.load(Ordering::Relaxed);
        if failed > 0 {
            problems.push(format!("{failed} commands failed or webhooks were refused"));
        }
        problems
    }

    fn done(&self, counter: &AtomicU64, well: bool) {
        counter.fetch_add(1, Ordering::Relaxed);
        self.failed.fetch_add(u64::from(!well), Ordering::Relaxed);
    }
}

/// Every process of the soak. Killed when dropped.
pub(super) struct Surroundings {
    env: TestEnv,
    nats: NatsServer,
    runtime: Runtime,
    dev: Running,
    serve: Running,
    agent: Running,
    bridge: SocketAddr,
    nomad: SocketAddr,
    jobs: Vec<String>,
}

impl Surroundings {
    pub(super) fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let nats = runtime.block_on(async {
            let server = NatsServer::start().await;
            server.create_stream("cs").await;
            server
        });
        let mut env = TestEnv::new();
        let (dev, said) = started(env.cs([
            "dev",
            "--listen",
            "127.0.0.1:0",
            "--speed",
            "50",
            "--nodes",
            "3",
        ]));
        let nomad = said
            .strip_prefix("NOMAD_ADDR=http://")
            .expect("it says where")
            .to_owned();
        env.set("NOMAD_ADDR", format!("http://{nomad}"))
            .set("NATS_SERVERS", nats.address())
            .set("NATS_CLIENT_PRIVATE_KEY", nats.seed())
            .set("NATS_STREAM_PREFIX", "cs")
            .set("CS_VAULT", "off")
            .set("CS_SERVICE_PROVIDER", "nomad")
            .set("CS_DEADLINE", "2m")
            .set("CS_API_TOKEN", API_TOKEN)
            .set("CS_WEBHOOK_SECRET", WEBHOOK_SECRET);
        env.cs(["runner", "setup"]).run().assert_code(0);
        let state = |name: &str| env.root().join(name);
        let agent = env
            .cs(["runner", "agent", "--listen", "127.0.0.1:0"])
            .var("CS_STATE_DIR", state("agent"));
        let (agent, _) = started(agent);
        let serve = env
            .cs(["serve", "--listen", "127.0.0.1:0", "--webhook-rate", "0"])
            .var("CS_STATE_DIR", state("serve"));
        let (serve, said) = started(serve);
        let bridge = said
            .rsplit('/')
            .next()
            .and_then(|text| text.parse().ok())
            .expect("it says where");
        let mut all = Self {
            nomad: nomad.parse().expect("an address"),
            jobs: Vec::new(),
            env,
            nats,
            runtime,
            dev,
            serve,
            agent,
            bridge,
        };
        all.jobs = (0..DEPLOYMENTS).map(|number| all.create(number)).collect();
        all
    }

    pub(super) fn watched(&self) -> Vec<Watched> {
        vec![
            Watched::new("cs dev", self.dev.pid()),
            Watched::new("cs serve", self.serve.pid()),
            Watched::new("cs runner agent", self.agent.pid()),
        ]
    }

    /// A deployment that CI can tell of. Returns the id of its job.
    fn create(&self, number: usize) -> String {
        let body =
            json!({"name": format!("Shop {number}"), "provider": "jenkins", "job": "team/shop"});
        let asked = Asked::post("/api/v1/deployments", body.to_string()).bearer(API_TOKEN);
        let answered = self
            .runtime
            .block_on(send(self.bridge, &asked))
            .expect("it answers");
        answered.json()["cicdJobId"]
            .as_str()
            .expect("a text")
            .to_owned()
    }

    pub(super) fn put_under_load<'s>(
        &'s self,
        scope: &'s Scope<'s, '_>,
        stop: &'s AtomicBool,
        counts: &'s Counts,
    ) {
        scope.spawn(|| self.feed_the_queue(stop, counts));
        scope.spawn(|| self.send_webhooks(stop, counts));
        scope.spawn(|| self.apply(stop, counts));
        scope.spawn(|| self.run_alone(stop, counts));
        scope.spawn(|| self.collect_garbage(stop));
    }

    fn feed_the_queue(&self, stop: &AtomicBool, counts: &Counts) {
        self.runtime.block_on(async {
            let context = self.nats.context().await;
            let mut number = 0;
            while !stop.load(Ordering::Relaxed) {
                let stream = context.get_stream("cs_runner_tasks").await;
                let waiting = stream.map_or(WAITING, |stream| stream.cached_info().state.messages);
                if waiting >= WAITING {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
                number += 1;
                let (task, params) = match number % 12 {
                    0 => ("destroy-job-pack", json!({"jobs": [{"jobId": format!("queue-{}", number % JOBS), "serviceId": "s"}], "reason": "delete"})),
                    _ => ("deploy-image", deployment("queue", number)),
                };
                let sent = context.publish(format!("cs_runner.task.{task}"), params.to_string().into()).await;
                let is_kept = match sent {
                    Ok(receipt) => receipt.await.is_ok(),
                    Err(_) => false,
                };
                counts.done(&counts.tasks, is_kept);
            }
        });
    }

    fn send_webhooks(&self, stop: &AtomicBool, counts: &Counts) {
        let mut number: usize = 0;
        while !stop.load(Ordering::Relaxed) {
            number += 1;
            let job = &self.jobs[number % self.jobs.len()];
            let status = ["RUNNING", "SUCCESS", "FAILURE"][number / self.jobs.len() % 3];
            let build = 1 + number / self.jobs.len() / 3;
            let at = jiff::Timestamp::now();
            let body = json!({"jobId": job, "status": status, "buildNumber": build.to_string(), "timestamp": at.to_string()}).to_string();
            let signature = sign(&Secret::new(WEBHOOK_SECRET), body.as_bytes());
            let asked = Asked::post(WEBHOOK, body).header("X-CS-Signature", signature);
            let answered = self.runtime.block_on(send(self.bridge, &asked));
            counts.done(
                &counts.webhooks,
                answered.is_some_and(|answered| answered.status == 200),
            );
        }
    }

    fn apply(&self, stop: &AtomicBool, counts: &Counts) {
        let folder = self.env.root().join("specs");
        fs::create_dir_all(&folder).expect("a fresh directory");
        let mut number = 0;
        while !stop.load(Ordering::Relaxed) {
            number += 1;
            for place in 0..5 {
                fs::write(folder.join(format!("{place}.yaml")), spec(place, number))
                    .expect("the directory is ours");
            }
            let apply = self
                .env
                .cs(["apply", "--yes", "--prune", "-f"])
                .arg(&folder)
                .var("CS_STATE_DIR", self.env.root().join("apply"));
            counts.done(&counts.applies, apply.run().code == Some(0));
        }
    }

    fn run_alone(&self, stop: &AtomicBool, counts: &Counts) {
        let mut number = 0;
        while !stop.load(Ordering::Relaxed) {
            number += 1;
            let run = self
                .env
                .cs(["reconcile"])
                .var("NOMAD_META_TASK", "deploy-image")
                .var("NOMAD_META_PARAMS", deployment("alone", number).to_string())
                .var("CS_STATE_DIR", self.env.root().join("alone"));
            counts.done(&counts.runs, run.run().code == Some(0));
        }
    }

    /// What a real cluster does by itself within hours.
    fn collect_garbage(&self, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            let asked = Asked {
                method: "PUT",
                ..Asked::get("/v1/system/gc")
            };
            let _ = self.runtime.block_on(send(self.nomad, &asked));
            self.runtime
                .block_on(async { tokio::time::sleep(Duration::from_millis(500)).await });
        }
    }

    /// Bytes that state directories hold.
    pub(super) fn leftovers(&self) -> String {
        let size = |name: &str| {
            format!(
                "{:>10} bytes in the state directory of {name}",
                size(&self.env.root().join(name))
            )
        };
        let waiting = self.waiting();
        format!(
            "{}\n{waiting:>10} tasks in the queue",
            ["agent", "serve", "apply", "alone"].map(size).join("\n")
        )
    }

    fn waiting(&self) -> u64 {
        self.runtime.block_on(async {
            let context = self.nats.context().await;
            let stream = context.get_stream("cs_runner_tasks").await;
            stream.expect("it is there").cached_info().state.messages
        })
    }

    /// State that grows by more than what was done explains, and a queue that only fills.
    pub(super) fn too_much_left(
        &self,
        counts: &Counts,
        per_deployment: f64,
        per_webhook: f64,
    ) -> Vec<String> {
        let [_, (_, webhooks), _, (_, runs)] = counts.all();
        let allowed = [
            ("agent", 64.0 * 1024.0),
            ("apply", 64.0 * 1024.0),
            // The ledger of each deployment is kept for 14 days.
            ("alone", 64.0 * 1024.0 + per_deployment * as_float(runs)),
            // History is what a database is for; its log is written back now and then.
            (
                "serve",
                8.0 * 1024.0 * 1024.0 + per_webhook * as_float(webhooks),
            ),
        ];
        let mut problems = Vec::new();
        for (name, most) in allowed {
            let found = as_float(size(&self.env.root().join(name)));
            if found > most {
                problems.push(format!(
                    "the state directory of {name} holds {found} bytes, {most} are explained"
                ));
            }
        }
        if self.waiting() > 2 * WAITING {
            problems.push(format!("{} tasks are in the queue", self.waiting()));
        }
        problems
    }
}

#[expect(clippy::cast_precision_loss, reason = "sizes of state directories")]
const fn as_float(number: u64) -> f64 {
    number as f64
}

/// Bytes of the files below.
fn size(path: &Path) -> u64 {
    let Ok(about) = fs::symlink_metadata(path) else {
        return 0;
    };
    if !about.is_dir() {
        return about.len();
    }
    fs::read_dir(path)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| size(&entry.path()))
        .sum()
}

/// Starts a process that says in its first line where it listens.
fn started(invocation: Invocation) -> (Running, String) {
    let mut run = invocation.limit(LIFE).start();
    run.until("it listens", |run| run.stdout().contains('\n'));
    let said = run
        .stdout()
        .lines()
        .next()
        .expect("a line")
        .trim()
        .to_owned();
    (run, said)
}

fn deployment(prefix: &str, number: u64) -> Value {
    json!({
        "jobId": format!("{prefix}-{}", number % JOBS), "deploymentId": format!("{prefix}-dep-{number}"), "deploymentJobId": number,
        "serviceId": format!("svc-{number}"), "projectId": "prj", "ownerId": "team", "imageName": "127.0.0.1:1/shop",
        "imageTag": format!("{}", number % 7), "replicaCount": 1, "cpu": 20, "ram": 16, "networks": [],
        "update": {"minHealthyTime": "1s", "healthyDeadline": "30s", "progressDeadline": "40s", "canary": 0},
    })
}

fn spec(place: u64, number: u64) -> String {
    format!(
        "apiVersion: cloudstation.io/v1\nkind: Workload\nmetadata: {{name: set-{place}}}\nspec:\n  source: {{image: 'example/app:{}'}}\n  \
         resources: {{cpu: 20, memory: 16}}\n  rollout: {{canary: 0, minHealthyTime: 1s, healthyDeadline: 30s, progressDeadline: 40s}}\n",
        (number + place) % 3
    )
}
