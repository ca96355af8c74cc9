//! `cs dev`: the embedded Nomad on a port, for playing and for tests, with faults that can be switched on.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::signals::Signals;
use super::{exit, input, output};
use crate::simulator::{Faults, Options, Simulator};
use crate::spec::single;

/// Runs the embedded Nomad on a port until a signal comes. Nothing is kept when it ends.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cs dev                              # then: export NOMAD_ADDR=http://127.0.0.1:4646
  cs dev --listen 127.0.0.1:0 --nodes 3")]
pub(super) struct Arguments {
    /// Where it listens; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4646")]
    listen: SocketAddr,
    /// How many nodes it has.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    nodes: u16,
    /// Node pools besides `all`, `default`, `minions` and `gpu-minions`. Every node takes jobs of every pool.
    #[arg(long = "pool", value_name = "NAME")]
    pools: Vec<String>,
    /// Namespaces besides `default`.
    #[arg(long = "namespace", value_name = "NAME")]
    namespaces: Vec<String>,
    /// Virtual seconds per real second.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = positive)]
    speed: f64,
    /// What goes wrong: a JSON or YAML file; `PUT /_cs/faults` changes it while it runs.
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// How the address is printed.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
}

/// How many of the last requests `GET /_cs/requests` shows: about 3 MiB of them.
const REMEMBERED: usize = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

fn positive(text: &str) -> Result<f64, String> {
    let factor: f64 = text
        .parse()
        .map_err(|_| "expected a number above 0".to_owned())?;
    (factor.is_finite() && factor > 0.0)
        .then_some(factor)
        .ok_or_else(|| "expected a number above 0".to_owned())
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    let faults = match arguments.faults.as_deref().map(read_faults).transpose() {
        Ok(faults) => faults.unwrap_or_default(),
        Err(code) => return code,
    };
    let platform = ["minions", "gpu-minions"].map(str::to_owned);
    let pools = platform.into_iter().chain(arguments.pools.iter().cloned());
    let options = Options {
        bind: arguments.listen,
        namespaces: arguments.namespaces.clone(),
        speed: arguments.speed,
        faults,
        remembered: REMEMBERED,
        ..Options::default()
            .with_nodes(usize::from(arguments.nodes))
            .with_shared_pools(pools)
    };
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
    runtime.block_on(serve(options, arguments.output))
}

fn read_faults(path: &std::path::Path) -> Result<Faults, u8> {
    let text = input::read(path).map_err(|error| exit::usage(error, ""))?;
    let help = "docs/dev.md lists what can go wrong, with examples";
    let text = String::from_utf8(text)
        .map_err(|_| exit::usage(format!("{} is not UTF-8", path.display()), help))?;
    // JSON is YAML.
    match single::read::<Faults>(&path.display().to_string(), &text) {
        Ok(faults) => Ok(faults.map(|single| single.value).unwrap_or_default()),
        Err(findings) => {
            findings.iter().for_each(exit::finding);
            exit::help(help);
            Err(2)
        }
    }
}

async fn serve(options: Options, format: Format) -> u8 {
    // Whoever reads the address may stop us at once.
    let mut signals = Signals::catch();
    let simulator = match Simulator::start(options.clone()).await {
        Ok(simulator) => simulator,
        Err(error) => {
            let help = "choose another address with --listen, e.g. --listen 127.0.0.1:0";
            exit::complain(
                &format!("cannot listen on {}: {error}", options.bind),
                Some(help),
            );
            return 1;
        }
    };
    match format {
        Format::Text => output::line(&format!("NOMAD_ADDR={}", simulator.url)),
        Format::Json => output::json(&serde_json::json!({"nomadAddr": simulator.url}).to_string()),
    }
    signals.first().await;
    0
}
