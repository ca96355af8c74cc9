//! `cs serve`: the CI/CD bridge over HTTP.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use axum::http::HeaderName;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::cluster::ClusterArgs;
use super::signals::Signals;
use super::{Context, block_on, exit, output};
use crate::bridge::limiter::Rate;
use crate::bridge::rollout::VARIABLE_PREFIX;
use crate::bridge::sender::Network;
use crate::clients::chain;
use crate::clients::jenkins::{Credentials, Jenkins};
use crate::config::Environment;
use crate::config::credential::read_file;
use crate::events::{NatsConfig, SubjectPrefix};
use crate::ids::OwnerId;
use crate::secret::Secret;
use crate::server::{Cluster, Limits, Server, ServerSettings, Tls};
use crate::spec::Span;
use crate::store::DatabaseUrl;

/// Serve deployments whose builds run in Jenkins: create, run, webhooks, events, rollouts.
///
/// Secrets come from the environment, each as NAME or, as a file, NAME_FILE: CS_API_TOKEN (what callers bring),
/// CS_WEBHOOK_SECRET (what webhooks are signed with), CS_JENKINS_TOKEN (with CS_JENKINS_URL and CS_JENKINS_USER),
/// CS_DATABASE (instead of --database). Events go to NATS too when NATS_SERVERS is set. Runs until a signal comes; SIGHUP
/// reads certificate and key again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cs serve                                                   # SQLite in CS_STATE_DIR, port 8080 of this machine
  cs serve --listen 0.0.0.0:8443 --tls-cert cert.pem --tls-key key.pem
  CS_DATABASE_FILE=/run/secrets/database cs serve --trusted-proxy 10.0.0.0/8")]
pub(super) struct Arguments {
    /// Where it listens; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Database: `sqlite:///path/to/file` or `postgres://user@host/database`. A password belongs into CS_DATABASE or a file:
    /// an argument list is public. Default: `CS_DATABASE`, else `bridge.db` in `CS_STATE_DIR`.
    #[arg(long, value_name = "URL")]
    database: Option<Secret>,
    /// Certificate chain of the server (PEM). Without it the server speaks plain HTTP, for a proxy in front of it.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Header with the signature of a webhook.
    #[arg(long, value_name = "NAME", default_value = "X-CS-Signature")]
    signature_header: HeaderName,
    /// How far the time in a webhook may be from that of the server.
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    webhook_tolerance: Span,
    /// How many webhooks one sender may send at once.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    webhook_burst: u32,
    /// How many webhooks a second one sender may send in the long run; 0: as many as it likes.
    #[arg(long, value_name = "N", default_value_t = 20)]
    webhook_rate: u32,
    /// A proxy, or a network of proxies, whose X-Forwarded-For says who a sender is. May be repeated.
    #[arg(long, value_name = "NETWORK")]
    trusted_proxy: Vec<Network>,
    /// Connections at once; more wait to be accepted.
    #[arg(long, value_name = "N", default_value_t = Limits::default().connections, value_parser = at_least_one)]
    max_connections: usize,
    /// On whose behalf workloads are rolled out. Default: `CS_OWNER`, else the owner of the context, else `cs`.
    #[arg(long, value_name = "OWNER")]
    owner: Option<OwnerId>,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// How the address is printed.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| "expected a whole number from 1".to_owned())
}

pub(super) fn run(context: &Context, arguments: Arguments) -> u8 {
    block_on(async { serve(context, arguments).await.unwrap_or_else(|code| code) })
}

async fn serve(context: &Context, arguments: Arguments) -> Result<u8, u8> {
    // Whoever reads the address may stop us at once.
    let mut signals = Signals::catch();
    let format = arguments.output;
    let settings = settings(context, arguments)?;
    let tls = settings.tls.clone();
    let server = Server::bind(settings).await.map_err(|error| {
        exit::complain(
            &chain(&error),
            Some("see that the database runs and that the address is free, or choose others with --database, --listen"),
        );
        1
    })?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{}", server.address);
    match format {
        Format::Text => output::line(&format!("CS_SERVER_URL={url}")),
        Format::Json => output::json(&serde_json::json!({"serverUrl": url}).to_string()),
    }
    tracing::info!("serving at {url}");
    let stop = CancellationToken::new();
    let until_signal = async {
        signals.first().await;
        tracing::info!(
            "stopping: what is under way is finished, the rest is kept (once more to stop at once)"
        );
        stop.cancel();
        signals.first().await;
    };
    // Cancel-safe: a second signal means to drop what is under way.
    tokio::select! {
        () = server.run(&stop) => Ok(0),
        () = until_signal => Ok(10),
        () = reload(tls) => Ok(1),
    }
}

/// Reads certificate and key again at every SIGHUP. Never ends.
async fn reload(tls: Option<Tls>) {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else {
        return std::future::pending().await;
    };
    while hangup.recv().await.is_some() {
        match &tls {
            None => tracing::info!("SIGHUP: there is no certificate to read again"),
            Some(tls) => match tls.reload() {
                Ok(()) => tracing::info!("certificate and key were read again"),
                Err(error) => tracing::error!("the old certificate stays: {}", chain(&error)),
            },
        }
    }
    std::future::pending().await
}

fn settings(context: &Context, arguments: Arguments) -> Result<ServerSettings, u8> {
    let environment = &context.environment;
    let api_token = required(
        environment,
        "CS_API_TOKEN",
        "CS_API_TOKEN_FILE",
        "callers of the API bring it: `export CS_API_TOKEN=$(openssl rand -hex 32)`, or name a file in CS_API_TOKEN_FILE",
    )?;
    let webhook_secret = required(
        environment,
        "CS_WEBHOOK_SECRET",
        "CS_WEBHOOK_SECRET_FILE",
        "webhooks are signed with it: `export CS_WEBHOOK_SECRET=$(openssl rand -hex 32)`, or name a file in \
         CS_WEBHOOK_SECRET_FILE",
    )?;
    for (name, secret) in [
        ("CS_API_TOKEN", &api_token),
        ("CS_WEBHOOK_SECRET", &webhook_secret),
    ] {
        if secret.expose().len() < 16 {
            exit::warn(&format!(
                "{name} is short; `openssl rand -hex 32` makes one that nobody guesses"
            ));
        }
    }
    let tolerance = arguments.webhook_tolerance.0;
    if tolerance.is_zero() || tolerance > Duration::from_secs(24 * 60 * 60) {
        return Err(exit::usage(
            "--webhook-tolerance must be longer than 0s and at most 24h",
            "",
        ));
    }
    let deadline = environment.deadline().map_err(|bad| exit::usage(bad, ""))?;
    let grace = environment
        .placement_grace()
        .map_err(|bad| exit::usage(bad, ""))?;
    let rate = Rate {
        burst: arguments.webhook_burst,
        per_second: f64::from(arguments.webhook_rate),
    };
    Ok(ServerSettings {
        listen: arguments.listen,
        database: database(environment, arguments.database)?,
        api_token,
        webhook_secret,
        signature_header: arguments.signature_header,
        webhook_tolerance: tolerance,
        webhook_rate: (arguments.webhook_rate > 0).then_some(rate),
        trusted_proxies: arguments.trusted_proxy,
        jenkins: jenkins(environment)?,
        nats: nats(environment)?,
        cluster: Cluster {
            nomad: arguments.cluster.client(context)?,
            owner: arguments.cluster.owner(context, arguments.owner.as_ref())?,
            state_dir: environment.state_dir(),
            environment: environment.beginning_with(VARIABLE_PREFIX),
            deadline,
            placement_grace: grace.min(deadline / 2),
        },
        tls: tls(arguments.tls_cert, arguments.tls_key)?,
        limits: Limits {
            connections: arguments.max_connections,
            ..Limits::default()
        },
    })
}

/// A secret in a variable, or in the file that another one names.
fn secret(environment: &Environment, name: &str, file: &str) -> Result<Option<Secret>, u8> {
    match (environment.secret(name), environment.get(file)) {
        (Some(_), Some(_)) => Err(exit::usage(
            format!("{name} and {file} are both set"),
            "unset one of them",
        )),
        (Some(secret), None) => Ok(Some(secret)),
        (None, None) => Ok(None),
        (None, Some(path)) => read_file(path.as_ref())
            .map(Some)
            .map_err(|error| exit::usage(format!("{file}: {}", chain(&error)), "")),
    }
}

fn required(environment: &Environment, name: &str, file: &str, help: &str) -> Result<Secret, u8> {
    let found = secret(environment, name, file)?;
    found.ok_or_else(|| exit::usage(format!("{name} is not set"), help))
}

fn database(environment: &Environment, given: Option<Secret>) -> Result<DatabaseUrl, u8> {
    let is_argument = given.is_some();
    let given = match given {
        Some(given) => Some(given),
        None => secret(environment, "CS_DATABASE", "CS_DATABASE_FILE")?,
    };
    let parsed = match given {
        Some(given) => DatabaseUrl::parse(given.expose()),
        None => DatabaseUrl::sqlite(&environment.state_dir().join("bridge.db")),
    };
    let url = parsed.map_err(|bad| exit::usage(format!("the database: {bad}"), ""))?;
    if is_argument && url.has_password() {
        exit::warn(
            "there is a password in --database, and the arguments of a process are public: use CS_DATABASE",
        );
    }
    Ok(url)
}

fn jenkins(environment: &Environment) -> Result<Option<Jenkins>, u8> {
    let Some(url) = environment.get("CS_JENKINS_URL") else {
        exit::warn(
            "CS_JENKINS_URL is not set: deployments can be created, and webhooks are taken, but nothing can be run",
        );
        return Ok(None);
    };
    let url = url
        .parse()
        .map_err(|bad| exit::usage(format!("CS_JENKINS_URL: {bad}"), ""))?;
    let help =
        "Jenkins, your user, Security, API Token makes one; CS_JENKINS_TOKEN_FILE names a file";
    let missing =
        |name: &str| exit::usage(format!("CS_JENKINS_URL is set but {name} is not"), help);
    let user = environment
        .get("CS_JENKINS_USER")
        .ok_or_else(|| missing("CS_JENKINS_USER"))?;
    let token = secret(environment, "CS_JENKINS_TOKEN", "CS_JENKINS_TOKEN_FILE")?
        .ok_or_else(|| missing("CS_JENKINS_TOKEN"))?;
    Jenkins::new(url, Credentials { user, token })
        .map(Some)
        .map_err(|error| exit::usage(format!("Jenkins cannot be asked: {error}"), ""))
}

fn nats(environment: &Environment) -> Result<Option<(NatsConfig, SubjectPrefix)>, u8> {
    let Some(servers) = environment.secret("NATS_SERVERS") else {
        return Ok(None);
    };
    let prefix = environment.get("NATS_STREAM_PREFIX").unwrap_or_default();
    let prefix = prefix
        .parse()
        .map_err(|bad| exit::usage(format!("NATS_STREAM_PREFIX: {bad}"), ""))?;
    let flush_timeout = environment
        .nats_flush_timeout()
        .map_err(|bad| exit::usage(bad, ""))?;
    let config = NatsConfig {
        servers,
        seed: environment.secret("NATS_CLIENT_PRIVATE_KEY"),
        flush_timeout,
    };
    Ok(Some((config, prefix)))
}

fn tls(certificate: Option<PathBuf>, key: Option<PathBuf>) -> Result<Option<Tls>, u8> {
    let Some((certificate, key)) = certificate.zip(key) else {
        return Ok(None);
    };
    Tls::load(certificate, key)
        .map(Some)
        .map_err(|error| exit::usage(chain(&error), "--tls-cert and --tls-key name files in PEM"))
}
