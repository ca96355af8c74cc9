//! `cs demo`: the whole loop in one terminal page, on the embedded Nomad. The same code that `cs reconcile` runs; only the
//! cluster is simulated, and its clock runs faster.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{exit, output};
use crate::clients::chain;
use crate::clients::nomad::connection::ConnectionConfig;
use crate::config::Environment;
use crate::controller::log::Echo;
use crate::controller::note::{Note, Notes};
use crate::controller::run::{self, RunResult, Surroundings};
use crate::controller::warrant::Warrant;
use crate::dispatch::ConvertOptions;
use crate::events::{Announcer, AnnouncerConfig, LogLimits};
use crate::simulator::{Faults, Options, Script, Simulator};
use crate::spec::workload::ServiceProvider;

/// Shows the whole loop on the embedded Nomad. Needs nothing and keeps nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cs demo")]
pub(super) struct Arguments {
    /// How many times faster than real the embedded Nomad's clock runs.
    #[arg(long, value_name = "FACTOR", default_value_t = 4.0)]
    speed: f64,
}

/// Longest run of one act.
const DEADLINE: Duration = Duration::from_secs(60);

pub(super) fn run(arguments: &Arguments, colored: bool) -> u8 {
    if !(arguments.speed.is_finite() && arguments.speed > 0.0) {
        return exit::usage("--speed must be above 0", "");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            exit::complain(&format!("cannot start: {error}"), None);
            return 1;
        }
    };
    match runtime.block_on(show(arguments.speed, colored)) {
        Ok(()) => 0,
        Err(text) => {
            exit::complain(&text, None);
            1
        }
    }
}

/// The play in four acts.
async fn show(speed: f64, colored: bool) -> Result<(), String> {
    let options = Options {
        speed,
        faults: Faults {
            workloads: vec![broken()],
            ..Faults::default()
        },
        ..Options::default()
            .with_nodes(2)
            .with_shared_pools(["minions".to_owned()])
    };
    let simulator = Simulator::start(options)
        .await
        .map_err(|error| format!("cannot start the embedded Nomad: {error}"))?;
    let state = std::env::temp_dir().join(format!("cs-demo-{}", uuid::Uuid::new_v4()));
    let stage = Stage {
        url: simulator.url.clone(),
        colored,
        state,
    };
    stage.title(&format!(
        "An embedded Nomad with two nodes listens on {}",
        simulator.url
    ));
    let ended = stage.play().await;
    // Only left behind when something was written there.
    let _ = std::fs::remove_dir_all(&stage.state);
    ended
}

/// The first image: it starts, complains and ends.
fn broken() -> Script {
    Script {
        image: "shop:1.0".to_owned(),
        run_for: Some("300ms".to_owned()),
        exit_code: Some(1),
        stderr: vec![
            "starting shop 1.0".to_owned(),
            "fatal: DATABASE_URL is not set".to_owned(),
        ],
        ..Script::default()
    }
}

struct Stage {
    url: String,
    colored: bool,
    state: std::path::PathBuf,
}

impl Stage {
    async fn play(&self) -> Result<(), String> {
        self.title("1. The platform dispatches shop:1.0, which is broken");
        self.act("deploy-image", &deployment("1.0", "demo-1"), "unhealthy")
            .await?;
        self.title("2. It dispatches shop:1.1, which is repaired");
        self.act("deploy-image", &deployment("1.1", "demo-2"), "converged")
            .await?;
        self.title("3. The same dispatch again: nothing to write, the same message ids");
        self.act("deploy-image", &deployment("1.1", "demo-2"), "converged")
            .await?;
        self.title("4. It destroys the job");
        let destroy =
            json!({"jobs": [{"jobId": "shop", "serviceId": "img_demo"}], "reason": "delete"});
        self.act("destroy-job-pack", &destroy, "destroyed").await?;
        output::line("");
        output::line(
            "That was the loop. To play with it: cs dev, then NOMAD_ADDR=… cs reconcile --task … --params …",
        );
        Ok(())
    }

    /// Runs one task, shows it, and makes sure that it ended as announced.
    async fn act(&self, task: &str, params: &Value, wanted: &str) -> Result<(), String> {
        let events = Events::default();
        let (notes, received) = Notes::channel();
        let params = params.to_string();
        let work = run::run(
            Some(task),
            Some(params.as_bytes()),
            self.surroundings(notes, &events)?,
        );
        let (result, ()) = tokio::join!(work, self.narrate(received));
        self.close(&result, &events);
        let ended = result.outcome.word();
        if ended == wanted {
            Ok(())
        } else {
            Err(format!("the demo expected `{wanted}` and saw `{ended}`"))
        }
    }

    fn surroundings(&self, notes: Notes, events: &Events) -> Result<Surroundings, String> {
        let announcer = Announcer::start(AnnouncerConfig {
            nats: None,
            prefix: "cs".parse().map_err(|error| chain(&error))?,
            state_dir: None,
            stdout: Box::new(events.clone()),
            clock: Arc::new(jiff::Timestamp::now),
            log_limits: LogLimits::default(),
        });
        Ok(Surroundings {
            environment: Environment::default(),
            connection: ConnectionConfig::new(&self.url).map_err(|error| chain(&error))?,
            convert: ConvertOptions {
                vault: false,
                service_provider: ServiceProvider::Nomad,
                ..ConvertOptions::default()
            },
            announcer,
            notes,
            deadline: Instant::now() + DEADLINE,
            cancel: CancellationToken::new(),
            placement_grace: DEADLINE / 2,
            state_dir: self.state.clone(),
            rebuild: false,
            echo: Echo::none(),
            warrant: Warrant::unshared(),
        })
    }

    async fn narrate(&self, mut notes: UnboundedReceiver<Note>) {
        while let Some(note) = notes.recv().await {
            if matches!(
                note,
                Note::Deploying { .. }
                    | Note::Destroying { .. }
                    | Note::Began(_)
                    | Note::Finished { .. }
            ) {
                continue;
            }
            for line in note.lines() {
                output::line(&format!("   {line}"));
            }
        }
    }

    fn close(&self, result: &RunResult, events: &Events) {
        let mark = if result.outcome.is_success() {
            self.paint("32", "✓")
        } else {
            self.paint("31", "✗")
        };
        let line = format!(
            " {mark} {} (exit code {})",
            result.outcome.message(),
            result.outcome.exit_code()
        );
        output::line(&line);
        output::line(&format!("   events: {}", events.summary()));
    }

    fn title(&self, text: &str) {
        output::line(&format!("\n{}", self.paint("1", text)));
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colored {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Params as the platform would send them.
fn deployment(tag: &str, deployment: &str) -> Value {
    json!({
        "jobId": "shop", "deploymentId": deployment, "deploymentJobId": 42, "serviceId": "img_demo", "projectId": "prj_demo",
        "ownerId": "team_demo", "imageName": "shop", "imageTag": tag, "replicaCount": 2, "cpu": 200, "ram": 256,
        "networks": [{"portNumber": 8080, "portType": "http", "public": true, "domain": "shop"}],
        "restartMode": "fail", "restartAttempts": 1,
        "update": {"minHealthyTime": "1s", "healthyDeadline": "5s", "progressDeadline": "6s", "canary": 0},
    })
}

/// Collects event lines.
#[derive(Clone, Default)]
struct Events(Arc<Mutex<Vec<u8>>>);

impl Write for Events {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Events {
    /// Subjects in order; log lines are counted.
    fn summary(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = bytes.split(|byte| *byte == b'\n');
        let subjects = lines.filter_map(|line| {
            let event: Value = serde_json::from_slice(line).ok()?;
            event["subject"].as_str().map(str::to_owned)
        });
        let is_log = |subject: &String| {
            subject.starts_with("cs.build.log.") && !subject.starts_with("cs.build.log.end.")
        };
        let (log, events): (Vec<String>, Vec<String>) = subjects.partition(is_log);
        if log.is_empty() {
            events.join(", ")
        } else {
            format!("{}, and {} log lines", events.join(", "), log.len())
        }
    }
}
