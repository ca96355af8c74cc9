//! A queue on a real NATS server, and agents that work on it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_nats::jetstream::Context;
use cs::simulator::{Faults, Options};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::cli::lab::{Lab, image_with};
use crate::support::env::{Ended, Invocation, Running};
use crate::support::nats::NatsServer;

/// A simulated Nomad, the platform's stream, and the queue.
pub(super) struct Queue {
    pub(super) lab: Lab,
    pub(super) nats: NatsServer,
    agents: AtomicUsize,
    /// A connection of the tests themselves.
    context: OnceCell<Context>,
}

/// How long NATS waits for a silent agent in these tests: it must not lose patience with one that only lacks a core.
pub(super) const ACK_WAIT: &str = "4s";

impl Queue {
    pub(super) fn new() -> Self {
        Self::with_options(|_| {})
    }

    pub(super) fn with_faults(faults: Faults) -> Self {
        Self::with_options(|options| options.faults = faults)
    }

    pub(super) fn with_options(change: impl FnOnce(&mut Options)) -> Self {
        let queue = Self::without_setup(change);
        queue.set_up();
        queue
    }

    /// NATS and the platform's stream, but no queue.
    pub(super) fn without_setup(change: impl FnOnce(&mut Options)) -> Self {
        let mut lab = Lab::with_options(change);
        let nats = lab.nats();
        Self {
            lab,
            nats,
            agents: AtomicUsize::new(0),
            context: OnceCell::new(),
        }
    }

    #[track_caller]
    pub(super) fn set_up(&self) {
        self.runner(["setup", "--ack-wait", ACK_WAIT])
            .run()
            .assert_code(0);
    }

    pub(super) fn runner<const N: usize>(&self, arguments: [&str; N]) -> Invocation {
        self.lab.env.cs(["runner"]).args(arguments)
    }

    /// An agent with a state directory of its own, not started yet.
    pub(super) fn agent<const N: usize>(&self, arguments: [&str; N]) -> Invocation {
        let number = self.agents.fetch_add(1, Ordering::Relaxed);
        self.runner(["agent"])
            .args(arguments)
            .var("CS_STATE_DIR", self.state_of(number))
    }

    /// The state directory of the agent that was made as the `number`-th.
    pub(super) fn state_of(&self, number: usize) -> PathBuf {
        self.lab.env.root().join(format!("state-{number}"))
    }

    /// Starts an agent and waits until it takes tasks.
    #[track_caller]
    pub(super) fn start<const N: usize>(&self, arguments: [&str; N]) -> Agent {
        let invocation = self.agent(["--listen", "127.0.0.1:0"]).args(arguments);
        let mut agent = Agent::started(invocation);
        agent.until_ready();
        agent
    }

    /// Puts a task into the queue as the platform would: without our command, without an id.
    pub(super) fn publish(&self, task: &str, payload: impl Into<String>) {
        let subject = format!("cs_runner.task.{task}");
        let payload = payload.into();
        self.lab.runtime.block_on(async {
            let context = self.context.get_or_init(|| self.nats.context()).await;
            let receipt = context.publish(subject, payload.into()).await;
            receipt
                .expect("it is sent")
                .await
                .expect("it is in the queue");
        });
    }

    pub(super) fn deploy(&self, params: &Value) {
        self.publish("deploy-image", params.to_string());
    }

    /// Makes the platform's stream forget ids at once: what is not sent twice now is not sent twice by us.
    pub(super) fn forget_ids(&self) {
        self.lab.runtime.block_on(async {
            let context = self.context.get_or_init(|| self.nats.context()).await;
            let stream = context.get_stream("cs_cloudstation").await;
            let mut config = stream.expect("it is there").cached_info().config.clone();
            config.duplicate_window = std::time::Duration::from_millis(100);
            context.update_stream(config).await.expect("a valid window");
        });
    }

    /// Ids of all events, in order, without the lines of logs.
    pub(super) fn events(&self) -> Vec<String> {
        self.lab.stored_ids(&self.nats)
    }

    /// The report of `cs runner status`.
    #[track_caller]
    pub(super) fn status(&self) -> Value {
        let ended = self.runner(["status", "-o", "json"]).run();
        ended.assert_code(0);
        ended.document()
    }

    /// Waits until nothing waits and nothing is worked on.
    #[track_caller]
    pub(super) fn until_idle(&self) {
        crate::support::env::eventually("the queue is empty", || self.waiting() == 0);
    }

    /// How many tasks are in the stream; very many while NATS does not tell.
    pub(super) fn waiting(&self) -> u64 {
        self.lab.runtime.block_on(async {
            let context = self.context.get_or_init(|| self.nats.context()).await;
            let stream = context.get_stream("cs_runner_tasks").await;
            stream.map_or(u64::MAX, |stream| stream.cached_info().state.messages)
        })
    }
}

/// An agent that runs. Killed when dropped.
pub(super) struct Agent {
    pub(super) run: Running,
    address: String,
}

impl Agent {
    /// Starts it and waits until it listens.
    #[track_caller]
    pub(super) fn started(invocation: Invocation) -> Self {
        let mut run = invocation
            .limit(std::time::Duration::from_secs(180))
            .start();
        run.until("it listens", |run| run.stdout().contains('\n'));
        let stdout = run.stdout();
        let address = stdout.trim().strip_prefix("CS_RUNNER_HEALTH=");
        let address = address.expect("the first line says where").to_owned();
        Self { run, address }
    }

    /// Status and body of a route.
    pub(super) fn get(&self, route: &str) -> (u16, String) {
        let url = format!("{}{route}", self.address);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let client = reqwest::Client::builder()
                .no_proxy()
                .build()
                .expect("a client");
            let answer = client.get(url).send().await.expect("the agent answers");
            let status = answer.status().as_u16();
            (status, answer.text().await.expect("a text"))
        })
    }

    #[track_caller]
    pub(super) fn until_ready(&mut self) {
        let address = self.address.clone();
        let ready = || {
            let probe = Probe(address.clone());
            probe.status("/readyz") == Some(200)
        };
        self.run.until("it is ready", |_| ready());
    }

    #[track_caller]
    pub(super) fn until_unready(&mut self) -> String {
        let probe = Probe(self.address.clone());
        self.run
            .until("it is not ready", |_| probe.status("/readyz") == Some(503));
        self.get("/readyz").1
    }

    /// Value of a line of `/metrics`, 0 when there is none.
    pub(super) fn metric(&self, series: &str) -> f64 {
        let (_, page) = self.get("/metrics");
        let line = page
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().expect("a number"))
    }

    /// Tells it to stop and waits for its end.
    #[track_caller]
    pub(super) fn stop(self) -> Ended {
        self.run.signal("TERM");
        self.run.wait()
    }
}

/// Asks an agent that may not answer yet.
struct Probe(String);

impl Probe {
    fn status(&self, route: &str) -> Option<u16> {
        let url = format!("{}{route}", self.0);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let client = reqwest::Client::builder()
                .no_proxy()
                .build()
                .expect("a client");
            Some(client.get(url).send().await.ok()?.status().as_u16())
        })
    }
}

/// Params of deployment `number` of a job of its own.
pub(super) fn deployment(number: usize) -> Value {
    image_with(json!({
        "jobId": format!("job-{number}"), "deploymentId": format!("dep-{number}"), "serviceId": format!("svc-{number}"),
        "networks": [],
    }))
}

/// How often an id is among the events.
pub(super) fn times(events: &[String], id: &str) -> usize {
    events.iter().filter(|event| *event == id).count()
}

/// Fails unless a report is what its schema says.
#[track_caller]
pub(super) fn assert_valid(report: &Value, schema: &str) {
    let path = format!(
        "{}/schemas/reports/{schema}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let schema = std::fs::read_to_string(path).expect("it is committed");
    let schema = serde_json::from_str(&schema).expect("JSON");
    let validator = jsonschema::draft7::new(&schema).expect("a schema");
    let errors: Vec<String> = validator
        .iter_errors(report)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?}\n{report}");
}
