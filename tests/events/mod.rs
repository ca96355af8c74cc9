//! Events and build logs against a real `nats-server`, and on standard output.

mod delivery;
mod logs;
mod outages;
mod repeats;
mod secrets;
mod stdout;

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use cs::events::{
    Announcer, AnnouncerConfig, Delivery, DeploymentKind, DeploymentOutcome, Event, LogEnd,
    LogIdentity, LogLimits, NatsConfig,
};

use crate::support::nats::NatsServer;

/// Longest wait for something that must happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// What `finish` gets where everything is to arrive.
const LONG: Duration = Duration::from_secs(20);

/// What `finish` gets where nothing can arrive.
const SHORT: Duration = Duration::from_millis(300);

fn config(nats: Option<NatsConfig>, state_dir: &Path) -> AnnouncerConfig {
    AnnouncerConfig {
        nats,
        prefix: "cs".parse().expect("a prefix"),
        state_dir: Some(state_dir.to_owned()),
        stdout: Box::new(std::io::sink()),
        clock: Arc::new(|| jiff::Timestamp::from_millisecond(1_700_000_000_000).expect("a time")),
        log_limits: LogLimits::default(),
    }
}

fn announcer(server: &NatsServer, state_dir: &Path) -> Announcer {
    Announcer::start(config(Some(server.client_config()), state_dir))
}

fn started(deployment: &str) -> Event {
    Event::DeploymentStarted {
        deployment_id: deployment.to_owned(),
        job_id: 456,
    }
}

fn outcome(deployment: &str) -> DeploymentOutcome {
    DeploymentOutcome {
        job_id: 456,
        kind: DeploymentKind::GitRepo,
        deployment_id: deployment.to_owned(),
        service_id: "svc-123".to_owned(),
        team_id: String::new(),
        user_id: 0,
        owner_id: "7".to_owned(),
    }
}

fn succeeded(deployment: &str) -> Event {
    Event::DeploymentSucceeded(outcome(deployment))
}

fn log_end(deployment: &str) -> Event {
    Event::BuildLogEnd {
        deployment_id: deployment.parse().expect("an id"),
        job_id: 456,
        status: LogEnd::Success,
    }
}

fn identity(deployment: &str) -> LogIdentity {
    LogIdentity {
        deployment_id: deployment.parse().expect("an id"),
        job_id: 456,
        service_id: "svc-123".to_owned(),
        owner_id: "7".to_owned(),
    }
}

/// Announces the three events of a run without a log.
async fn announce_run(announcer: &Announcer, deployment: &str) {
    for event in [
        started(deployment),
        succeeded(deployment),
        log_end(deployment),
    ] {
        announcer.announce(event).await;
    }
}

/// The message ids of [`announce_run`], in order.
fn run_ids(deployment: &str) -> Vec<String> {
    ["started", "succeeded", "log-end.success"]
        .map(|event| format!("cs.{deployment}.{event}"))
        .to_vec()
}

async fn stored_ids(server: &NatsServer) -> Vec<String> {
    let stored = server.stored("cs").await;
    stored.into_iter().map(|message| message.id).collect()
}

fn pending_ids(delivery: &Delivery) -> Vec<String> {
    delivery
        .pending
        .iter()
        .map(|event| event.id.clone())
        .collect()
}

/// Waits until `condition` holds.
async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < deadline, "still not so: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Text that several tasks may write and a test reads.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("no writer panics")).into_owned()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no writer panics").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Keeps a second subscriber alive. While there is only one, a callsite that another thread reaches first is switched
/// off for good, and with it for the test that captures.
static SECOND: LazyLock<tracing::Dispatch> = LazyLock::new(|| {
    tracing::Dispatch::new(
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(std::io::sink)
            .finish(),
    )
});

/// Collects all log lines of this thread, of libraries too, while the guard lives.
fn capture_logs() -> (Captured, tracing::subscriber::DefaultGuard) {
    LazyLock::force(&SECOND);
    let captured = Captured::default();
    let writer = captured.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    (captured, tracing::subscriber::set_default(subscriber))
}
