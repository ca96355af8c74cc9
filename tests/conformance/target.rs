//! What the suite runs against.

use std::sync::{Arc, OnceLock};

use cs::simulator::{Options, Simulator};
use tokio::sync::RwLock;

use super::agent;
use super::case::say;

/// A Nomad, real or simulated.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// For reports.
    pub(crate) name: &'static str,
    /// Address without a trailing slash, e.g. `http://127.0.0.1:4646`.
    pub(crate) url: String,
    /// A node offers `mock_driver`.
    pub(crate) has_mock_driver: bool,
    /// Held for reading by everybody who has jobs there, for writing by who must be alone (garbage collection).
    pub(crate) exclusion: Arc<RwLock<()>>,
}

impl Target {
    /// A target at an address.
    pub(crate) fn new(name: &'static str, url: String, has_mock_driver: bool) -> Self {
        let url = url.trim_end_matches('/').to_owned();
        Self {
            name,
            url,
            has_mock_driver,
            exclusion: Arc::default(),
        }
    }

    /// The simulator inside this process. Every call returns the same one, so that its jobs and its exclusion are shared.
    pub(crate) fn simulator() -> Option<Self> {
        static SIMULATOR: OnceLock<Target> = OnceLock::new();
        Some(SIMULATOR.get_or_init(start_simulator).clone())
    }

    /// A real Nomad: the one at `CS_TEST_NOMAD_ADDR` (a disposable one, its garbage is collected), else a development agent
    /// that is started once for the whole process and ends with it. Without either, says so loudly and returns nothing.
    ///
    /// Blocks until the agent has a ready node.
    ///
    /// # Panics
    ///
    /// When there is a Nomad but it cannot be used: that is a failure, not a reason to skip.
    pub(crate) fn real() -> Option<Self> {
        static REAL: OnceLock<Result<Option<Target>, String>> = OnceLock::new();
        match REAL.get_or_init(find_real) {
            Ok(target) => target.clone(),
            Err(reason) => panic!("a real Nomad is there but cannot be used: {reason}"),
        }
    }
}

/// Starts the simulator on a runtime of its own: each test has another one, and takes it along when it ends.
fn start_simulator() -> Target {
    let (ready, started) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            // As many connections as the suite's modules open at once, all from one address.
            let options = Options {
                max_connections: 1000,
                ..Options::default()
            };
            let simulator = Simulator::start(options)
                .await
                .expect("the loopback has free ports");
            ready.send(simulator.url.clone()).expect("the test waits");
            std::future::pending::<()>().await;
        });
    });
    let url = started.recv().expect("the simulator starts");
    Target::new("simulator", url, true)
}

fn find_real() -> Result<Option<Target>, String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that asks for the tests' own Nomad"
    )]
    let given = std::env::var("CS_TEST_NOMAD_ADDR").ok();
    let url = match given.filter(|url| !url.is_empty()) {
        Some(url) => url,
        None if agent::is_installed() => agent::start()?,
        None => {
            say(
                "NO REAL NOMAD: no `nomad` on PATH and no CS_TEST_NOMAD_ADDR; nothing was checked against a real one",
            );
            return Ok(None);
        }
    };
    let has_mock_driver = agent::await_ready(&url)?;
    Ok(Some(Target::new("real Nomad", url, has_mock_driver)))
}
