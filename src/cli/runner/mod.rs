//! `cs runner`: a queue of tasks, the agents that work on it, and what people do about both.

mod agent;
mod setup;
mod status;
mod submit;

use clap::Subcommand;

use super::record::{Started, recorded};
use super::{Context, block_on, exit};
use crate::agent::fleet::Fleet;
use crate::agent::names::Names;
use crate::clients::chain;
use crate::config::{BadVariable, Environment};
use crate::events::{self, InvalidPrefix, NatsConfig, NatsError, SubjectPrefix};

/// Work on tasks from a queue with any number of machines.
///
/// The queue is a JetStream work queue: NATS_SERVERS and NATS_CLIENT_PRIVATE_KEY say where, NATS_STREAM_PREFIX how it is
/// called. docs/runner.md has the settings, the guarantees and how to operate it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cs runner setup                                              # once, and after an update
  cs runner agent --concurrency 8 --listen 0.0.0.0:9464        # on as many machines as there is work for
  cs runner submit --task deploy-image --params shop.json
  cs runner status")]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make the queue, or bring it to the settings that are wanted.
    Setup(setup::Arguments),
    /// Take tasks from the queue and carry them out, until told to stop.
    Agent(agent::Arguments),
    /// Put a task into the queue.
    Submit(submit::Arguments),
    /// Show what waits, who works on what, and what was given up.
    Status(status::Arguments),
}

/// How data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// A JSON document.
    Json,
}

pub(super) fn run(context: &Context, arguments: Arguments) -> u8 {
    match arguments.action {
        Action::Setup(arguments) => block_on(setup::run(context, arguments)),
        Action::Agent(arguments) => block_on(agent::run(context, arguments)),
        Action::Submit(arguments) => {
            let started = Started {
                command: "runner submit",
                success: "submitted",
                arguments: None,
                trace: None,
            };
            recorded(context, &started, submit::run(context, arguments))
        }
        Action::Status(arguments) => block_on(status::run(context, arguments)),
    }
}

/// Why there is no queue to talk to.
#[derive(Debug, thiserror::Error)]
enum Unreached {
    #[error("NATS_SERVERS is not set: it names the servers that hold the queue")]
    NoServers,
    #[error(transparent)]
    Variable(#[from] BadVariable),
    #[error("NATS_STREAM_PREFIX: {0}")]
    Prefix(#[from] InvalidPrefix),
    #[error(transparent)]
    Nats(#[from] NatsError),
}

impl Unreached {
    /// Prints it and returns the exit code: 2 for a setting that makes no sense.
    fn complain(&self) -> u8 {
        match self {
            Self::Nats(NatsError::Unreachable { .. } | NatsError::Unauthorized { .. }) => {
                exit::complain(&chain(self), None);
                1
            }
            _ => exit::usage(chain(self), ""),
        }
    }
}

/// Where NATS is and what the queue is called.
fn settings(environment: &Environment) -> Result<(NatsConfig, SubjectPrefix), Unreached> {
    let servers = environment.secret("NATS_SERVERS");
    let nats = NatsConfig {
        servers: servers.ok_or(Unreached::NoServers)?,
        seed: environment.secret("NATS_CLIENT_PRIVATE_KEY"),
        flush_timeout: environment.nats_flush_timeout()?,
    };
    let prefix = environment.get("NATS_STREAM_PREFIX").unwrap_or_default();
    Ok((nats, prefix.parse()?))
}

/// Connects once.
async fn reach(environment: &Environment) -> Result<Fleet, Unreached> {
    let (nats, prefix) = settings(environment)?;
    let told = |event: async_nats::Event| tracing::debug!("NATS: {event}");
    let client = events::client(&nats, told).await?;
    Ok(Fleet::new(client, Names::new(&prefix)))
}
