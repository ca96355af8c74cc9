//! The binary with all that it talks to: a simulated Nomad, and a real NATS server and a recording backend when wanted.

use cs::simulator::{Effect, Faults, Matcher, Options, Rule, Script, Simulator};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::support::backend::RecordingBackend;
use crate::support::env::{Ended, Invocation, TestEnv, is_log_line};
use crate::support::nats::{NatsServer, Stored};

/// What stands in front of every subject.
pub(crate) const PREFIX: &str = "cs";

/// The job of [`image`].
pub(crate) const JOB: &str = "shop";

/// Virtual seconds per real second.
const SPEED: f64 = 50.0;

/// Runs the simulator on threads of its own.
pub(crate) struct Lab {
    pub(crate) env: TestEnv,
    pub(crate) nomad: Simulator,
    pub(crate) runtime: Runtime,
}

impl Lab {
    /// Without NATS (events are lines on standard output) and without a backend.
    pub(crate) fn new() -> Self {
        Self::with_options(|_| {})
    }

    pub(crate) fn with_faults(faults: Faults) -> Self {
        Self::with_options(|options| options.faults = faults)
    }

    pub(crate) fn with_workload(script: Script) -> Self {
        Self::with_faults(Faults {
            workloads: vec![script],
            ..Faults::default()
        })
    }

    pub(crate) fn with_options(change: impl FnOnce(&mut Options)) -> Self {
        // Somebody else in this process may have chosen the provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let mut options = Options {
            speed: SPEED,
            ..Options::default()
                .with_nodes(2)
                .with_shared_pools(["minions".to_owned()])
        };
        change(&mut options);
        let nomad = runtime
            .block_on(Simulator::start(options))
            .expect("a free port");
        let mut env = TestEnv::new();
        env.set("NOMAD_ADDR", &nomad.url)
            .set("NATS_STREAM_PREFIX", PREFIX)
            .set("CS_VAULT", "off")
            .set("CS_SERVICE_PROVIDER", "nomad")
            .set("CS_DEADLINE", "50s")
            .set("CS_PLACEMENT_GRACE", "200ms");
        Self {
            env,
            nomad,
            runtime,
        }
    }

    /// A NATS server with the platform's stream, which the binary uses from now on.
    pub(crate) fn nats(&mut self) -> NatsServer {
        let server = self.runtime.block_on(async {
            let server = NatsServer::start().await;
            server.create_stream(PREFIX).await;
            server
        });
        self.use_nats(&server);
        server
    }

    pub(crate) fn use_nats(&mut self, server: &NatsServer) {
        self.env
            .set("NATS_SERVERS", server.address())
            .set("NATS_CLIENT_PRIVATE_KEY", server.seed());
    }

    /// A backend, which the binary uses from now on.
    pub(crate) fn backend(&mut self) -> RecordingBackend {
        let backend = RecordingBackend::start();
        self.env
            .set("BACKEND_URL", backend.url())
            .set("ACCESS_TOKEN", "canary-access");
        backend
    }

    /// `cs reconcile` for a task.
    pub(crate) fn task(&self, task: &str, params: &Value) -> Invocation {
        self.raw(task, params.to_string())
    }

    pub(crate) fn raw(&self, task: &str, params: impl AsRef<std::ffi::OsStr>) -> Invocation {
        self.env
            .cs(["reconcile"])
            .var("NOMAD_META_TASK", task)
            .var("NOMAD_META_PARAMS", params)
    }

    pub(crate) fn deploy(&self, params: &Value) -> Invocation {
        self.task("deploy-image", params)
    }

    /// Stops the cluster's clock: requests are answered, nothing gets on.
    pub(crate) fn hold(&self) {
        self.nomad.set_faults(Faults {
            speed: Some(1e-6),
            ..Faults::default()
        });
    }

    /// Ends a hold, and every fault.
    pub(crate) fn release(&self) {
        self.nomad.set_faults(Faults::default());
    }

    /// Everything in the stream.
    pub(crate) fn stored(&self, server: &NatsServer) -> Vec<Stored> {
        self.runtime.block_on(server.stored(PREFIX))
    }

    /// Ids of everything in the stream without the lines of the log.
    pub(crate) fn stored_ids(&self, server: &NatsServer) -> Vec<String> {
        let stored = self.stored(server).into_iter();
        stored
            .filter(|message| !is_log_line(&message.subject))
            .map(|message| message.id)
            .collect()
    }

    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        let address = format!("{}{path}", self.nomad.url);
        self.runtime.block_on(async {
            let answer = reqwest::Client::builder()
                .no_proxy()
                .build()
                .expect("a client")
                .get(address)
                .send()
                .await
                .expect("the simulator answers");
            if answer.status() == 404 {
                return None;
            }
            Some(answer.json().await.expect("JSON"))
        })
    }

    /// Registers a job as somebody else would.
    pub(crate) fn register(&self, job: &Value) {
        let address = format!("{}/v1/jobs", self.nomad.url);
        let put = reqwest::Client::new()
            .put(address)
            .body(json!({ "Job": job }).to_string());
        let answer = self.runtime.block_on(put.send()).expect("it answers");
        assert!(answer.status().is_success());
    }

    /// Removes a job behind the back of the binary, as Nomad's garbage collection does.
    pub(crate) fn purge(&self, id: &str) {
        let address = format!("{}/v1/job/{id}?purge=true", self.nomad.url);
        let delete = reqwest::Client::new().delete(address).send();
        let answer = self.runtime.block_on(delete).expect("it answers");
        assert!(answer.status().is_success());
    }

    /// The job as Nomad has it.
    pub(crate) fn job(&self, id: &str) -> Option<Value> {
        self.get(&format!("/v1/job/{id}"))
    }

    pub(crate) fn registrations(&self) -> usize {
        let writes = self.nomad.writes();
        writes
            .iter()
            .filter(|write| write.path == "/v1/jobs" && write.status == 200)
            .count()
    }
}

/// A rule over requests.
pub(crate) fn rule(on: Matcher, effect: Effect) -> Faults {
    Faults {
        rules: vec![Rule::new(on, effect)],
        ..Faults::default()
    }
}

/// Params of a service that is healthy after a virtual second. Nobody listens at its registry.
pub(crate) fn image() -> Value {
    json!({
        "jobId": JOB, "deploymentId": "dep-1", "deploymentJobId": 456, "serviceId": "svc-1", "projectId": "prj-1",
        "teamId": "team-1", "userId": 7, "ownerId": "owner-1",
        "imageName": "127.0.0.1:1/acme/shop", "imageTag": "1.0",
        "cpu": 100, "ram": 128,
        "networks": [{"portNumber": 8080, "portType": "http", "public": true, "domain": "shop"}],
        "restartMode": "fail", "restartAttempts": 1,
        "update": {"minHealthyTime": "1s", "healthyDeadline": "10s", "progressDeadline": "12s", "canary": 0,
            "autoRevert": true},
    })
}

/// The same with other members.
pub(crate) fn image_with(changes: Value) -> Value {
    let mut params = image();
    for (name, value) in changes.as_object().expect("an object") {
        params[name] = value.clone();
    }
    params
}

/// A later deployment of the same job with another image tag.
pub(crate) fn next_image(tag: &str) -> Value {
    image_with(json!({"deploymentId": format!("dep-{}", tag.replace('.', "-")), "imageTag": tag}))
}

/// Subjects of a deployment that failed.
pub(crate) const FAILED: [&str; 3] = [
    "cs.deployment.status.changed",
    "cs.deployment.failed",
    "cs.build.log.end.dep-1",
];

/// Subjects of a deployment that could not even begin.
pub(crate) const REFUSED: [&str; 2] = ["cs.deployment.failed", "cs.build.log.end.dep-1"];

/// Subjects of a deployment that went well.
pub(crate) const SUCCEEDED: [&str; 3] = [
    "cs.deployment.status.changed",
    "cs.deployment.succeeded",
    "cs.build.log.end.dep-1",
];

/// Fails unless a report is what its schema says.
#[track_caller]
pub(crate) fn assert_valid_report(report: &Value) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/reports/run.json");
    let schema = std::fs::read_to_string(path).expect("it is committed");
    let schema = serde_json::from_str(&schema).expect("JSON");
    let validator = jsonschema::draft7::new(&schema).expect("a schema");
    let errors: Vec<String> = validator
        .iter_errors(report)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?}\n{report}");
}

/// The report at the end of standard output.
#[track_caller]
pub(crate) fn last_line(ended: &Ended) -> Value {
    let line = ended.stdout.lines().last().unwrap_or_default();
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}\n{ended}"))
}
