//! A cluster, real or simulated, and the binary that talks to it.

use std::time::Duration;

use cs::clients::nomad::{ConnectionConfig, NomadClient};
use cs::desired::native::{Inputs, finish, inputs};
use cs::importing::drift;
use cs::reconcile::diff::Drift;
use cs::simulator::{Options, Simulator};
use cs::spec::{NomadJob, Resource, parse};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::support::env::{Invocation, TestEnv};
use crate::support::nomad::RealNomad;

/// Node pools that jobs of the tests name.
const POOLS: [&str; 3] = ["minions", "gpu-minions", "db-pool"];

/// A cluster with its client.
pub(super) struct Stage {
    pub(super) env: TestEnv,
    pub(super) client: NomadClient,
    pub(super) runtime: Runtime,
    _simulator: Option<Simulator>,
}

impl Stage {
    pub(super) fn simulator() -> Self {
        let runtime = runtime();
        let options = Options::default()
            .with_nodes(1)
            .with_shared_pools(POOLS.map(str::to_owned));
        let simulator = runtime
            .block_on(Simulator::start(options))
            .expect("a free port");
        let url = simulator.url.clone();
        Self::at(&url, runtime, Some(simulator))
    }

    /// `None`, said loudly, where there is no real Nomad.
    pub(super) fn real() -> Option<Self> {
        let nomad = RealNomad::shared()?;
        let stage = Self::at(nomad.address(), runtime(), None);
        for pool in POOLS {
            stage
                .put("/v1/node/pools", &json!({ "Name": pool }))
                .expect("pools can be made");
        }
        Some(stage)
    }

    fn at(url: &str, runtime: Runtime, simulator: Option<Simulator>) -> Self {
        // Somebody else in this process may have chosen the provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut env = TestEnv::new();
        env.set("NOMAD_ADDR", url);
        let config = ConnectionConfig::new(url).expect("the address of a test cluster is valid");
        let client = NomadClient::new(config).expect("a client without TLS needs nothing");
        Self {
            env,
            client,
            runtime,
            _simulator: simulator,
        }
    }

    /// `cs import` with arguments separated by blanks.
    pub(super) fn import(&self, arguments: &str) -> Invocation {
        let arguments = arguments.split_whitespace();
        self.env
            .cs(std::iter::once("import").chain(arguments))
            .limit(Duration::from_secs(120))
    }

    /// Registers with a body as other clients write it.
    pub(super) fn register_with(&self, body: &Value) -> Result<(), String> {
        self.put("/v1/jobs", body)
    }

    fn put(&self, path: &str, body: &Value) -> Result<(), String> {
        let url = format!("{}{path}", self.client.address());
        let put = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client");
        self.runtime.block_on(async {
            let answer = put.put(url).body(body.to_string()).send().await;
            let answer = answer.expect("the cluster answers");
            if answer.status().is_success() {
                return Ok(());
            }
            Err(answer.text().await.unwrap_or_default())
        })
    }

    pub(super) fn register(&self, job: &Value) -> Result<(), String> {
        self.register_with(&json!({ "Job": job }))
    }

    /// The job as the cluster has it.
    pub(super) fn job(&self, id: &str) -> Value {
        let id = id.parse().expect("a valid id");
        let read = self.runtime.block_on(async { self.client.job(&id).await });
        read.expect("it answers")
            .value
            .expect("the job is there")
            .spec
    }

    pub(super) fn purge(&self, id: &str) {
        let id = id.parse().expect("a valid id");
        let done = self.runtime.block_on(self.client.deregister(&id, true));
        done.expect("a job can be purged");
    }

    /// What applying a native document would change about the job that runs.
    pub(super) fn plan(&self, document: &NomadJob) -> Drift {
        let owner = "cs".parse().expect("a valid owner");
        let read = inputs(document, None, &|_| None).unwrap_or_else(|issues| panic!("{issues:?}"));
        let parsed = match read {
            Inputs::Json(job) => job,
            Inputs::Hcl(hcl) => self.parsed(&hcl.text, &hcl.variables()),
        };
        let job = finish(parsed, document, self.client.namespace(), &owner)
            .unwrap_or_else(|issue| panic!("{issue:?}"));
        let running = self.job(&document.metadata.name);
        drift(&job, &running, &document.spec.ignore_fields)
    }

    pub(super) fn parsed(&self, hcl: &str, variables: &str) -> Value {
        use cs::clients::nomad::calls::parse::ParseReply;
        match self.runtime.block_on(self.client.parse(hcl, variables)) {
            Ok(ParseReply::Job(job)) => job,
            other => panic!("{other:?}\n{hcl}\n{variables}"),
        }
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime")
}

/// The native jobs among the documents of a text.
#[track_caller]
pub(super) fn documents(text: &str) -> Vec<NomadJob> {
    let read = parse("imported.yaml", text).unwrap_or_else(|found| panic!("{found:?}\n{text}"));
    read.into_iter()
        .filter_map(|document| match document.resource {
            Resource::NomadJob(job) => Some(*job),
            Resource::Workload(_) => None,
        })
        .collect()
}

/// A job that places nothing.
pub(super) fn job(id: &str) -> Value {
    json!({
        "ID": id, "Type": "service", "Datacenters": ["*"],
        "Constraints": [{"LTarget": "${attr.kernel.name}", "Operand": "=", "RTarget": "plan9"}],
        "TaskGroups": [{
            "Name": "web", "Count": 2, "RestartPolicy": {"Attempts": 7},
            "Tasks": [{
                "Name": "app", "Driver": "raw_exec", "Config": {"command": "/bin/true", "args": ["-x", "5"]},
                "Resources": {"CPU": 50, "MemoryMB": 32},
            }],
        }],
    })
}
