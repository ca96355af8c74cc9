//! The parameterized job on a real Nomad: dispatched, it runs `cs reconcile` inside an allocation.
//!
//! Nodes of the tests pull no images, so the driver is `raw_exec` and runs the binary of the tests. Everything else of the job
//! is used as it is: template and Nomad variable, API socket and identity, environment, restart and reschedule.

use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::jobs::{parsed, put};
use crate::cli::lab::{PREFIX, image_with};
use crate::support::env::{eventually_within, is_log_line};
use crate::support::nats::NatsServer;
use crate::support::nomad::RealNomad;

const JOB: &str = "cs-runner";

/// A template waits for its variable, a node for its evaluation; many tests share the cores.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(90);

struct Stage {
    nomad: &'static RealNomad,
    nats: NatsServer,
    runtime: Runtime,
}

impl Stage {
    fn new() -> Option<Self> {
        let nomad = RealNomad::shared()?;
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build();
        let runtime = runtime.expect("a runtime");
        let nats = runtime.block_on(async {
            let nats = NatsServer::start().await;
            nats.create_stream(PREFIX).await;
            nats
        });
        let stage = Self {
            nomad,
            nats,
            runtime,
        };
        stage.register();
        Some(stage)
    }

    #[track_caller]
    fn put(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = put(self.nomad.address(), path, body);
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// The variable with the secrets, and the job.
    fn register(&self) {
        let items = json!({
            "NATS_SERVERS": self.nats.address(), "NATS_CLIENT_PRIVATE_KEY": self.nats.seed(),
            "NATS_STREAM_PREFIX": PREFIX, "BACKEND_URL": "", "ACCESS_TOKEN": "",
        });
        let path = format!("nomad/jobs/{JOB}");
        self.put(
            &format!("/v1/var/{path}"),
            &json!({"Path": path, "Namespace": "default", "Items": items}),
        );
        let variables = "image = \"cs:1\"\nvault = \"off\"\nservice_provider = \"nomad\"";
        let mut job = parsed(self.nomad.address(), "deploy/dispatch.nomad.hcl", variables);
        let task = &mut job["TaskGroups"][0]["Tasks"][0];
        task["Driver"] = json!("raw_exec");
        task["Config"] =
            json!({"command": env!("CARGO_BIN_EXE_cs"), "args": task["Config"]["args"]});
        if !rustix::process::geteuid().is_root() {
            task["User"] = json!("");
        }
        // Nobody waits half a minute for a node that will not come.
        task["Env"]["CS_PLACEMENT_GRACE"] = json!("1s");
        self.put("/v1/jobs", &json!({"Job": job}));
    }

    fn get(&self, path: &str) -> Option<Value> {
        let url = format!("{}{path}", self.nomad.address());
        self.runtime.block_on(async {
            let client = reqwest::Client::builder()
                .no_proxy()
                .build()
                .expect("a client");
            let answer = client.get(url).send().await.expect("it answers");
            match answer.status().is_success() {
                true => Some(answer.json().await.expect("JSON")),
                false => None,
            }
        })
    }

    /// Dispatches a task and waits until its allocations have ended: status and exit code of each.
    #[track_caller]
    fn dispatch(&self, task: &str, params: &Value) -> Vec<(String, u64)> {
        let meta = json!({"TASK": task, "PARAMS": params.to_string()});
        let dispatched = self.put(&format!("/v1/job/{JOB}/dispatch"), &json!({"Meta": meta}));
        let id = dispatched["DispatchedJobID"].as_str().expect("an id");
        let path = format!("/v1/job/{}/allocations", id.replace('/', "%2F"));
        let mut ended = Vec::new();
        eventually_within(PATIENCE, "the dispatched run has ended", || {
            let allocations = self.get(&path).unwrap_or_default();
            let allocations = allocations.as_array().into_iter().flatten();
            ended = allocations.map(end).collect();
            ended
                .iter()
                .all(|(status, _)| ["complete", "failed"].contains(&status.as_str()))
                && !ended.is_empty()
        });
        // An evaluation after the failure would have been the one that reschedules.
        eventually_within(PATIENCE, "nothing is left to evaluate", || {
            let job = format!("/v1/job/{}/evaluations", id.replace('/', "%2F"));
            let evaluations = self.get(&job).unwrap_or_default();
            let mut evaluations = evaluations.as_array().into_iter().flatten();
            evaluations.all(|evaluation| evaluation["Status"] == "complete")
        });
        let allocations = self.get(&path).unwrap_or_default();
        assert_eq!(
            allocations.as_array().map(Vec::len),
            Some(ended.len()),
            "{allocations}"
        );
        ended
    }

    /// Subjects in the stream, without the lines of logs.
    fn subjects(&self) -> Vec<String> {
        let stored = self.runtime.block_on(self.nats.stored(PREFIX));
        let subjects = stored.into_iter().map(|message| message.subject);
        subjects.filter(|subject| !is_log_line(subject)).collect()
    }

    fn purge(&self, job: &str) {
        let url = format!("{}/v1/job/{job}?purge=true", self.nomad.address());
        let delete = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client")
            .delete(url);
        self.runtime.block_on(delete.send()).expect("it answers");
    }
}

/// Status of an allocation, and the exit code of its only task.
fn end(allocation: &Value) -> (String, u64) {
    let status = allocation["ClientStatus"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let state = &allocation["TaskStates"]["cs"];
    assert_eq!(
        state["Restarts"].as_u64().unwrap_or_default(),
        0,
        "{allocation}"
    );
    let events = state["Events"].as_array().into_iter().flatten();
    let codes = events.filter(|event| event["Type"] == "Terminated");
    let code = codes
        .filter_map(|event| event["ExitCode"].as_u64())
        .next_back();
    (status, code.unwrap_or(u64::MAX))
}

#[test]
fn a_dispatched_task_is_carried_out_inside_its_allocation() {
    let Some(stage) = Stage::new() else {
        return;
    };
    // A job of somebody, which is to go.
    let idle = json!({"ID": "cs-test-idle", "Name": "cs-test-idle", "Type": "service", "Datacenters": ["*"], "TaskGroups": [{
        "Name": "g", "Count": 1, "Tasks": [{"Name": "t", "Driver": "raw_exec",
            "Config": {"command": "sleep", "args": ["1000"]}, "Resources": {"CPU": 10, "MemoryMB": 10}}],
    }]});
    stage.put("/v1/jobs", &json!({"Job": idle}));
    let params =
        json!({"jobs": [{"jobId": "cs-test-idle", "serviceId": "svc-1"}], "reason": "delete"});
    let ended = stage.dispatch("destroy-job-pack", &params);
    assert_eq!(ended, [("complete".to_owned(), 0)]);
    assert_eq!(stage.subjects(), ["cs.job.destroyed"]);
    assert_eq!(stage.get("/v1/job/cs-test-idle"), None);

    // Into a pool without nodes: the run says so, and Nomad neither restarts nor reschedules it.
    stage.put("/v1/node/pools", &json!({"Name": "minions"}));
    let params = image_with(json!({"jobId": "cs-test-shop"}));
    let ended = stage.dispatch("deploy-image", &params);
    assert_eq!(ended, [("failed".to_owned(), 7)]);
    let after = &stage.subjects()[1..];
    assert_eq!(
        after,
        [
            "cs.deployment.status.changed",
            "cs.deployment.failed",
            "cs.build.log.end.dep-1"
        ]
    );
    for job in ["cs-test-shop", JOB] {
        stage.purge(job);
    }
}
