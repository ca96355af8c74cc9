//! What else a run uses: NATS, backend, registry, state directory, engine.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::Access;
use url::Url;

use super::{EACH, trouble::tls_reason, within};
use crate::artifact::credentials::credentials;
use crate::clients::chain;
use crate::clients::docker::{BuilderKind, Engine};
use crate::clients::tls;
use crate::config::Environment;
use crate::doctor::facts::{
    AroundFacts, Asked, NatsFacts, RegistryFacts, StateFacts, Trouble, TroubleKind, Wants,
};
use crate::events::{self, NatsConfig, NatsError, Subject, SubjectPrefix};
use crate::secret::SafeUrl;

/// Most events that are counted.
const MANY: usize = 10_000;

pub(super) async fn ask(environment: &Environment, all: bool) -> AroundFacts {
    let (nats, backend, state, docker) = tokio::join!(
        nats(environment),
        backend(environment),
        within(EACH, state(environment.state_dir().components().collect())),
        docker(environment, all),
    );
    let is = |name: &str, value: &str| environment.get(name).as_deref() == Some(value);
    AroundFacts {
        nats,
        backend,
        registry: registry(environment),
        state,
        docker,
        wants: Wants {
            vault: is("CS_VAULT", "on"),
            consul: is("CS_SERVICE_PROVIDER", "consul"),
        },
    }
}

fn other(text: String) -> Trouble {
    Trouble {
        kind: TroubleKind::Other,
        text,
    }
}

async fn nats(environment: &Environment) -> Option<Asked<NatsFacts>> {
    let config = NatsConfig {
        servers: environment.secret("NATS_SERVERS")?,
        seed: environment.secret("NATS_CLIENT_PRIVATE_KEY"),
        flush_timeout: Duration::from_secs(1),
    };
    let prefix = environment.get("NATS_STREAM_PREFIX").unwrap_or_default();
    let prefix: SubjectPrefix = match prefix.parse() {
        Ok(prefix) => prefix,
        Err(error) => return Some(Err(other(chain(&error)))),
    };
    let subject = Subject::deployment_succeeded(&prefix);
    let asked = async {
        let answer = events::ask(&config, &subject)
            .await
            .map_err(|error| Trouble {
                kind: match error {
                    NatsError::Unreachable { .. } => TroubleKind::Connect,
                    NatsError::Unauthorized { .. } => TroubleKind::Forbidden,
                    _ => TroubleKind::Other,
                },
                text: chain(&error),
            })?;
        Ok(NatsFacts {
            servers: answer.servers,
            version: answer.version,
            subject: subject.as_str().to_owned(),
            stream: answer.stream.map_err(other),
        })
    };
    Some(within(EACH, asked).await)
}

/// Asks the backend for its root, without a token: any answer shows that the way is open.
async fn backend(environment: &Environment) -> Option<(String, Asked<u16>)> {
    let text = environment.get("BACKEND_URL")?;
    let Ok(url) = Url::parse(&text) else {
        let trouble = other("BACKEND_URL is not an address such as https://api.example".to_owned());
        return Some(("BACKEND_URL".to_owned(), Err(trouble)));
    };
    let shown = SafeUrl::from(url.clone()).to_string();
    Some((shown, within(EACH, status_of(url)).await))
}

async fn status_of(url: Url) -> Asked<u16> {
    let trust = if url.scheme() == "https" {
        tls::system_trust()
    } else {
        tls::no_trust()
    };
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(trust.map_err(|error| other(chain(&error)))?)
        .redirect(reqwest::redirect::Policy::none());
    if url.host_str().is_some_and(tls::is_loopback) {
        builder = builder.no_proxy();
    }
    let broken = |error: reqwest::Error| {
        let error = error.without_url();
        let kind = match tls_reason(&error) {
            crate::doctor::facts::TlsReason::Other => TroubleKind::Connect,
            reason => TroubleKind::Tls(reason),
        };
        Trouble {
            kind,
            text: chain(&error),
        }
    };
    let client = builder.build().map_err(broken)?;
    let answer = client.get(url).send().await.map_err(broken)?;
    Ok(answer.status().as_u16())
}

fn registry(environment: &Environment) -> Option<RegistryFacts> {
    let text = environment.get("REGISTRY_URL")?;
    let rest = text.split_once("://").map_or(&*text, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default().to_owned();
    let user = credentials(&host, None, environment).map(|found| found.username);
    Some(RegistryFacts { host, user })
}

async fn state(directory: PathBuf) -> Asked<StateFacts> {
    // A file system that hangs holds up a thread, not us.
    tokio::task::spawn_blocking(move || look_at(&directory))
        .await
        .map_err(|error| other(error.to_string()))
}

fn look_at(directory: &Path) -> StateFacts {
    let exists = directory.is_dir();
    let place = directory
        .ancestors()
        .find(|path| path.exists())
        .unwrap_or(Path::new("/"));
    let refused = if exists {
        write_probe(directory).err()
    } else if place.is_dir() {
        let may = rustix::fs::access(place, Access::WRITE_OK | Access::EXEC_OK);
        may.err().map(std::io::Error::from)
    } else {
        Some(std::io::ErrorKind::NotADirectory.into())
    };
    let free = rustix::fs::statvfs(place).ok();
    StateFacts {
        directory: directory.display().to_string(),
        exists,
        refused: refused.map(|error| error.to_string()),
        // Some file systems have no size.
        free_mib: free
            .filter(|found| found.f_blocks > 0)
            .map(|found| found.f_bavail.saturating_mul(found.f_frsize) >> 20),
        waiting: waiting(&directory.join("outbox")),
    }
}

/// Writes a file and removes it: a file system that is full or read-only shows only then.
fn write_probe(directory: &Path) -> std::io::Result<()> {
    let path = directory.join(format!(".doctor-{}", std::process::id()));
    let written = std::fs::File::create_new(&path)
        .and_then(|mut file| file.write_all(&[0; 4096]).and_then(|()| file.sync_all()));
    let removed = std::fs::remove_file(&path);
    written.and(removed)
}

/// Events in the lanes of the outbox.
fn waiting(outbox: &Path) -> usize {
    let entries = |path: &Path| {
        let found = std::fs::read_dir(path).into_iter().flatten().flatten();
        found.map(|entry| entry.path())
    };
    let lanes = entries(outbox).filter(|path| path.is_dir());
    let events = lanes.flat_map(|lane| entries(&lane).collect::<Vec<_>>());
    let events = events.filter(|path| path.extension().is_some_and(|it| it == "event"));
    events.take(MANY).count()
}

async fn docker(environment: &Environment, all: bool) -> Option<Asked<(String, String)>> {
    if !all && environment.get("DOCKER_HOST").is_none() {
        return None;
    }
    let engine = match Engine::from_environment(environment) {
        Ok(engine) => engine,
        Err(error) => return Some(Err(other(chain(&error)))),
    };
    let asked = async {
        let info = engine.ping().await.map_err(|error| Trouble {
            kind: TroubleKind::Connect,
            text: chain(&error),
        })?;
        let builder = match info.builder {
            BuilderKind::BuildKit => "BuildKit",
            BuilderKind::Classic => "the classic builder",
        };
        let told = format!("{} with {builder}", info.version);
        Ok((engine.address().to_string(), told))
    };
    Some(within(EACH, asked).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_not_there_yet_is_judged_by_where_it_would_be() {
        let home = tempfile::tempdir().unwrap();
        let facts = look_at(&home.path().join("a/b"));
        assert!(!facts.exists && facts.refused.is_none(), "{facts:?}");
        assert!(facts.free_mib.is_some());
        assert!(!home.path().join("a").exists());
        std::fs::write(home.path().join("file"), "").unwrap();
        let facts = look_at(&home.path().join("file/b"));
        assert!(facts.refused.is_some(), "{facts:?}");
    }

    #[test]
    fn events_that_wait_are_counted_and_nothing_is_left_behind() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(home.path().join("outbox/lane")).unwrap();
        for name in ["00000001.event", "00000002.event", "sent"] {
            std::fs::write(home.path().join("outbox/lane").join(name), "").unwrap();
        }
        let facts = look_at(home.path());
        assert!(facts.exists && facts.refused.is_none(), "{facts:?}");
        assert_eq!(facts.waiting, 2);
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1);
    }
}
