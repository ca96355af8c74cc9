//! `cs runner agent`: takes tasks until told to stop.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::super::signals::Signals;
use super::super::{Context, exit, input, output, progress};
use super::{Unreached, settings};
use crate::agent::attend::{Agent, AgentConfig};
use crate::agent::connect::connect;
use crate::agent::fleet::Fleet;
use crate::agent::health::{self, Health};
use crate::agent::names::Names;
use crate::agent::pull::{self, Drained};
use crate::agent::running::Roll;
use crate::clients::chain;
use crate::clients::nomad::connection::{ConnectionConfig, ConnectionError};
use crate::config::{BadVariable, Environment};
use crate::spec::Span;

/// Take tasks from the queue and carry them out, until told to stop.
///
/// Each task goes the way of `cs reconcile`, whose environment variables count here too. On SIGTERM or SIGINT no new tasks are
/// taken and running ones get the drain time; what has not ended then is given back to the queue. A second signal ends
/// it at once.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cs runner agent
  cs runner agent --concurrency 8 --listen 0.0.0.0:9464
  cs runner agent --drain 10m --tries 3 --log-format json")]
pub(in crate::cli) struct Arguments {
    /// How many tasks are worked on at a time.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: u16,
    /// Serve /healthz, /readyz and /metrics on this address, e.g. 0.0.0.0:9464; port 0 takes a free one.
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Deadline of each task. Default: `CS_DEADLINE`, else 15m.
    #[arg(long, value_name = "DURATION")]
    deadline: Option<Span>,
    /// How often a task is begun before it is given up as a dead letter.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    tries: u32,
    /// How long running tasks get after the signal to stop.
    #[arg(long, value_name = "DURATION", default_value = "2m")]
    drain: Span,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> u8 {
    // Whoever hears that it listens may stop it at once.
    let signals = Signals::catch();
    match serve(&context.environment, &arguments, signals).await {
        Ok(code) => code,
        Err(CannotServe::Unreached(error)) => error.complain(),
        Err(CannotServe::Listen { address, source }) => {
            let help = "choose another address with --listen, e.g. --listen 127.0.0.1:0";
            exit::complain(&format!("cannot listen on {address}: {source}"), Some(help));
            1
        }
        Err(error) => exit::usage(chain(&error), ""),
    }
}

/// Why an agent cannot begin.
#[derive(Debug, thiserror::Error)]
enum CannotServe {
    #[error(transparent)]
    Unreached(#[from] Unreached),
    #[error(transparent)]
    Variable(#[from] BadVariable),
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error("--deadline must be longer than 0s")]
    Deadline,
    #[error("cannot listen on {address}")]
    Listen {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
}

fn config(environment: &Environment, arguments: &Arguments) -> Result<AgentConfig, CannotServe> {
    let (nats, prefix) = settings(environment)?;
    let given = arguments.deadline.map(|span| span.0);
    let deadline = given.map_or_else(|| environment.deadline(), Ok)?;
    if deadline.is_zero() {
        return Err(CannotServe::Deadline);
    }
    Ok(AgentConfig {
        nats,
        prefix,
        environment: environment.clone(),
        connection: ConnectionConfig::from_vars(&|name| environment.get(name))?,
        convert: input::convert_options(environment)?,
        deadline,
        placement_grace: environment.placement_grace()?.min(deadline / 2),
        concurrency: usize::from(arguments.concurrency),
        tries: arguments.tries,
        drain: arguments.drain.0,
        show: progress::log,
    })
}

async fn serve(
    environment: &Environment,
    arguments: &Arguments,
    mut signals: Signals,
) -> Result<u8, CannotServe> {
    let config = config(environment, arguments)?;
    let health = Arc::new(Health::default());
    let closing = CancellationToken::new();
    if let Some(address) = arguments.listen {
        listen(address, Arc::clone(&health), closing.clone())
            .await
            .map_err(|source| CannotServe::Listen { address, source })?;
    }
    let stop = CancellationToken::new();
    let work = work(config, &health, &stop);
    let mut work = std::pin::pin!(work);
    let code = loop {
        tokio::select! {
            biased;
            // Cancel-safe: the work is only borrowed; a second signal drops it, which is as a crash, as asked for.
            ended = &mut work => break ended.map_err(Unreached::from)?,
            () = signals.first() => {
                if stop.is_cancelled() {
                    tracing::warn!("told to stop at once; what runs here is delivered to others later");
                    break 10;
                }
                tracing::warn!("told to stop: no new tasks are taken; a second signal ends it at once");
                stop.cancel();
            }
        }
    };
    closing.cancel();
    Ok(code)
}

/// Connects and works until `stop`; the exit code.
async fn work(
    config: AgentConfig,
    health: &Arc<Health>,
    stop: &CancellationToken,
) -> Result<u8, crate::events::NatsError> {
    let Some((client, connected)) = connect(&config.nats, health, stop).await? else {
        return Ok(0);
    };
    let id = uuid::Uuid::new_v4().simple().to_string();
    let agent = Agent {
        id: id[..12].to_owned(),
        fleet: Fleet::new(client, Names::new(&config.prefix)),
        config,
        health: Arc::clone(health),
        roll: Roll::default(),
        abandon: CancellationToken::new(),
    };
    tracing::info!(
        "Agent {} takes tasks from `{}`, {} at a time",
        agent.id,
        agent.fleet.names().tasks(),
        agent.config.concurrency
    );
    let Drained { given_back } = pull::work(Arc::new(agent), connected, stop).await;
    tracing::info!("Stopped; {given_back} task(s) were given back to the queue");
    Ok(0)
}

/// Serves health and metrics until `closing`.
async fn listen(
    address: SocketAddr,
    health: Arc<Health>,
    closing: CancellationToken,
) -> std::io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    output::line(&format!(
        "CS_RUNNER_HEALTH=http://{}",
        listener.local_addr()?
    ));
    let server = axum::serve(listener, health::router(health));
    tokio::spawn(async move {
        // Open connections get a moment to read their answer, and are dropped with the runtime.
        let graceful = server.with_graceful_shutdown(closing.cancelled_owned());
        if let Err(error) = graceful.await {
            tracing::warn!("health and metrics are no longer served: {error}");
        }
    });
    Ok(())
}
