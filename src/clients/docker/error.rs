//! What can go wrong with an engine.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::address::EngineAddress;
use super::version::ApiVersion;

/// Why a call of the engine gave nothing.
///
/// [`EngineError::Build`] is the only one that blames the source of a build: everything else would befall any other
/// source too. None of them shows a secret or a password.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// `DOCKER_HOST` cannot be used. Its text is not repeated.
    #[error(
        "DOCKER_HOST is not an engine's address: {rule}; expected `unix:///path`, `tcp://host:port` or `https://host:port`"
    )]
    BadHost {
        /// What is wrong.
        rule: &'static str,
    },
    /// `DOCKER_API_VERSION` cannot be used.
    #[error("DOCKER_API_VERSION is {rule}")]
    BadVersion {
        /// What is wrong, worded to follow the name.
        rule: String,
    },
    /// A file for TLS cannot be read.
    #[error("cannot read {path}, which DOCKER_CERT_PATH or Docker's configuration leads to")]
    TlsFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file for TLS holds something else.
    #[error("{path} holds no valid PEM {wanted}")]
    BadPem {
        /// The file.
        path: PathBuf,
        /// `certificate` or `private key`.
        wanted: &'static str,
    },
    /// The files are readable, but make no TLS configuration.
    #[error(
        "cannot set up TLS for the Docker engine: check that cert.pem and key.pem in DOCKER_CERT_PATH belong together"
    )]
    Tls(#[source] rustls::Error),
    /// The HTTP client cannot be built.
    #[error("cannot prepare connections to the Docker engine")]
    Http(#[source] reqwest::Error),
    /// Nobody answers at the address.
    #[error(
        "cannot reach the Docker engine at {address}: {why}; check DOCKER_HOST and that `docker info` answers"
    )]
    Unreachable {
        /// Where.
        address: EngineAddress,
        /// In which way.
        why: Unreachable,
        /// Without the address.
        #[source]
        source: reqwest::Error,
    },
    /// The engine takes too long for a call that is a short one.
    #[error(
        "the Docker engine at {address} did not {operation} in time: it hangs or is overloaded; check that `docker info` answers"
    )]
    TimedOut {
        /// Where.
        address: EngineAddress,
        /// What it should have done.
        operation: &'static str,
    },
    /// The connection broke.
    #[error(
        "lost the Docker engine at {address} while it was to {operation}: it was stopped, or the connection was cut; check the engine's log"
    )]
    Lost {
        /// Where.
        address: EngineAddress,
        /// What it should have done.
        operation: &'static str,
        /// Without the address.
        #[source]
        source: reqwest::Error,
    },
    /// There is no version of the API that both know.
    #[error(
        "the Docker engine speaks versions {oldest} to {newest} of its API, and this program {} to {}: upgrade the older one",
        ApiVersion::OLDEST,
        ApiVersion::NEWEST
    )]
    Version {
        /// The engine's oldest, `?` when it does not say.
        oldest: String,
        /// The engine's newest.
        newest: String,
    },
    /// An answer that does not follow the protocol.
    #[error("what answers at {address} as a Docker engine sent an unusable {what}")]
    Malformed {
        /// Where.
        address: EngineAddress,
        /// Which part.
        what: &'static str,
    },
    /// The engine refuses to open a session, without which BuildKit gets no secrets.
    #[error(
        "the Docker engine refuses a session for BuildKit (status {status}): a proxy in front of its socket must let `POST /session` pass"
    )]
    NoSession {
        /// Its status.
        status: u16,
    },
    /// The engine refuses, and says why.
    #[error("the Docker engine does not {operation} (status {status}): {message}")]
    Refused {
        /// What it should have done.
        operation: &'static str,
        /// Its status.
        status: u16,
        /// Its reason, in one line.
        message: String,
    },
    /// The engine's disk is full.
    #[error(
        "the Docker engine cannot {operation}, because its disk is full: free some space there, e.g. with `docker system prune`; it says: {message}"
    )]
    NoSpace {
        /// What it should have done.
        operation: &'static str,
        /// Its words, in one line.
        message: String,
    },
    /// The source does not build.
    #[error(transparent)]
    Build(#[from] BuildFailure),
    /// The build's context broke off.
    #[error("cannot read the files of the build")]
    Context(#[source] io::Error),
    /// The engine lost the files of the build.
    #[error(
        "the Docker engine lost the files of the build: something removed its build cache meanwhile; build again"
    )]
    ContextLost,
    /// There is no such image in the engine.
    #[error("the Docker engine has no image `{image}`")]
    NoSuchImage {
        /// Which.
        image: String,
    },
    /// A registry does not take an image.
    #[error("cannot push to `{registry}`: {why}; the engine says: {message}")]
    Push {
        /// Host of the registry.
        registry: String,
        /// In which way.
        why: PushRefusal,
        /// The engine's words, in one line.
        message: String,
    },
    /// It was told to stop.
    #[error("the call of the Docker engine was stopped")]
    Stopped,
}

/// In which way an engine cannot be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreachable {
    /// There is no socket at the path.
    NoSocket,
    /// The socket is not for this user.
    Forbidden,
    /// Nobody listens.
    Refused,
    /// Not in time.
    Slow,
    /// Any other way; the source tells.
    Other,
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSocket => {
                "there is no socket; is the engine running, and is its socket mounted here?"
            }
            Self::Forbidden => "this user may not use the socket; is it in the socket's group?",
            Self::Refused => "nobody listens there; is the engine running?",
            Self::Slow => "no connection came about in time",
            Self::Other => "no connection came about",
        })
    }
}

/// In which way a registry does not take an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushRefusal {
    /// It wants credentials, and none were given.
    NoCredentials,
    /// It does not take the ones that were given.
    Credentials,
    /// A layer is too large for it.
    TooLarge,
    /// It fails by itself.
    Failing,
    /// It cannot be reached from the engine.
    Unreachable,
    /// Any other way; the engine's words tell.
    Other,
}

impl fmt::Display for PushRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoCredentials => {
                "it wants credentials and there are none: set build.registryUsername and build.registryPassword, \
                 REGISTRY_USERNAME and REGISTRY_PASSWORD, or an entry of Docker's config.json"
            }
            Self::Credentials => {
                "it refuses the credentials (from build.registryUsername and build.registryPassword, else \
                 REGISTRY_USERNAME and REGISTRY_PASSWORD, else Docker's config.json), or they may not push there"
            }
            Self::TooLarge => {
                "a layer is too large for it or for the proxy in front of it: make the layer smaller or raise that limit"
            }
            Self::Failing => "it fails by itself: look at its log and try again",
            Self::Unreachable => "the engine cannot reach it: check the name and the engine's network",
            Self::Other => "it does not take the image",
        })
    }
}

/// A source that does not build.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the build failed{}: {reason}", at(step))]
pub struct BuildFailure {
    /// The step at fault, e.g. `[stage-0 3/4] RUN make`. `None` when it did not come to steps.
    pub step: Option<String>,
    /// One line, e.g. `exit code: 1`.
    pub reason: String,
    /// The last lines that the step said, oldest first. At most 20.
    pub tail: Vec<String>,
}

fn at(step: &Option<String>) -> String {
    step.as_ref()
        .map(|step| format!(" at {step}"))
        .unwrap_or_default()
}
