//! What else a run uses.

use crate::doctor::facts::{AroundFacts, Asked, NatsFacts, RegistryFacts, StateFacts, TroubleKind};
use crate::doctor::{Area, Check, Checks};

const C: Checks = Checks(Area::Surroundings);

/// Free space below which an outbox or a source may not fit.
const LITTLE_MIB: u64 = 100;

pub(super) fn judge(facts: &AroundFacts) -> Vec<Check> {
    vec![
        state(&facts.state),
        nats(facts.nats.as_ref()),
        backend(facts.backend.as_ref()),
        registry(facts.registry.as_ref()),
        docker(facts.docker.as_ref()),
    ]
}

fn state(state: &Asked<StateFacts>) -> Check {
    let facts = match state {
        Ok(facts) => facts,
        Err(trouble) => {
            return C.fail(
                "state-dir",
                &trouble.text,
                "set CS_STATE_DIR to a directory of this machine",
            );
        }
    };
    let directory = &facts.directory;
    if let Some(why) = &facts.refused {
        return C.fail(
            "state-dir",
            format!("{directory} cannot be written: {why}"),
            "set CS_STATE_DIR to a directory that this user may write",
        );
    }
    let free = match facts.free_mib {
        Some(free) if free < LITTLE_MIB => {
            return C.warn(
                "state-dir",
                format!("{directory} has {free} MiB left"),
                "make room, or set CS_STATE_DIR to another place",
            );
        }
        Some(free) if free >= 10 * 1024 => format!(", {} GiB free", free / 1024),
        Some(free) => format!(", {free} MiB free"),
        None => String::new(),
    };
    if facts.waiting > 0 {
        return C.warn(
            "state-dir",
            format!(
                "{} events of earlier runs wait in {directory}",
                facts.waiting
            ),
            "the next `cs reconcile` with NATS_SERVERS sends them",
        );
    }
    let state = if facts.exists {
        "is writable"
    } else {
        "can be made"
    };
    C.ok("state-dir", format!("{directory} {state}{free}"))
}

fn nats(nats: Option<&Asked<NatsFacts>>) -> Check {
    let facts = match nats {
        None => {
            return C.skipped(
                "nats",
                "NATS_SERVERS is not set: events are lines on standard output",
            );
        }
        Some(Ok(facts)) => facts,
        Some(Err(trouble)) => {
            let remedy = match trouble.kind {
                TroubleKind::Connect | TroubleKind::Late => {
                    "correct NATS_SERVERS, or start the server; events wait in the state directory meanwhile"
                }
                TroubleKind::Forbidden => {
                    "add the user to the server, or correct NATS_CLIENT_PRIVATE_KEY"
                }
                _ => {
                    "correct NATS_SERVERS, NATS_CLIENT_PRIVATE_KEY or NATS_STREAM_PREFIX as the message says"
                }
            };
            return C.fail("nats", &trouble.text, remedy);
        }
    };
    let server = format!("{} (nats-server {})", facts.servers, facts.version);
    let subject = &facts.subject;
    match &facts.stream {
        Ok(Some(stream)) => C.ok("nats", format!("{server}: stream {stream} stores {subject}")),
        Ok(None) => C.fail(
            "nats",
            format!("{server}: no stream stores {subject}"),
            format!("`nats stream add --subjects '{}>'`, or correct NATS_STREAM_PREFIX", prefix(subject)),
        ),
        Err(trouble) => C.warn(
            "nats",
            format!("{server}: whether a stream stores {subject} cannot be told: {}", trouble.text),
            "switch JetStream on (`jetstream {}` in the server's configuration), or let the user ask ($JS.API.STREAM.NAMES)",
        ),
    }
}

/// `cs.` of `cs.deployment.succeeded`.
fn prefix(subject: &str) -> &str {
    let end = subject.len() - "deployment.succeeded".len();
    &subject[..end]
}

fn backend(backend: Option<&(String, Asked<u16>)>) -> Check {
    let remedy =
        "correct BACKEND_URL; a backend that is away never fails a deployment, it is only not told";
    match backend {
        None => C.skipped(
            "backend",
            "BACKEND_URL is not set: params of the platform name their backend",
        ),
        Some((address, Ok(status @ 500..))) => C.warn(
            "backend",
            format!("{address} answers with status {status}"),
            remedy,
        ),
        Some((address, Ok(_))) => C.ok("backend", format!("{address} answers")),
        Some((address, Err(trouble))) => {
            C.warn("backend", format!("{address}: {}", trouble.text), remedy)
        }
    }
}

fn registry(registry: Option<&RegistryFacts>) -> Check {
    match registry {
        None => C.skipped(
            "registry",
            "REGISTRY_URL is not set: credentials come with the params or from Docker's configuration",
        ),
        Some(RegistryFacts {
            host,
            user: Some(user),
        }) => C.ok("registry", format!("credentials of `{user}` for {host}")),
        Some(RegistryFacts { host, user: None }) => C.warn(
            "registry",
            format!("no credentials for {host}"),
            format!("set REGISTRY_USERNAME and REGISTRY_PASSWORD, or `docker login {host}`"),
        ),
    }
}

fn docker(docker: Option<&Asked<(String, String)>>) -> Check {
    match docker {
        None => C.skipped("docker", "only builds need an engine; --all asks for it"),
        Some(Ok((address, version))) => C.ok("docker", format!("{address}: {version}")),
        Some(Err(trouble)) => C.fail(
            "docker",
            &trouble.text,
            "start the engine, or correct DOCKER_HOST; `docker version` shows it",
        ),
    }
}
