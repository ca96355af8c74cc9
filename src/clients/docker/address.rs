//! Where the engine listens, and what proves who is who.

use std::fmt;
use std::path::PathBuf;

use url::Url;

use super::error::EngineError;
use crate::config::Environment;
use crate::secret::SafeUrl;

/// Where an engine listens when nothing else is said. Source: Docker, `client.DefaultDockerHost`.
const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// Where the engine listens. Prints without credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineAddress {
    /// A Unix socket.
    Unix(PathBuf),
    /// `http://` or `https://`; a path is a prefix of the API's.
    Tcp(SafeUrl),
}

impl EngineAddress {
    /// Whether TLS is spoken.
    #[must_use]
    pub fn is_https(&self) -> bool {
        matches!(self, Self::Tcp(url) if url.expose().scheme() == "https")
    }
}

impl fmt::Display for EngineAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(url) => f.write_str(url.to_string().trim_end_matches('/')),
        }
    }
}

/// An address, and the directory of `ca.pem`, `cert.pem` and `key.pem` where TLS is spoken with files of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Door {
    pub(super) address: EngineAddress,
    pub(super) certificates: Option<PathBuf>,
}

impl Door {
    /// Reads `DOCKER_HOST`, `DOCKER_TLS_VERIFY` and `DOCKER_CERT_PATH`.
    ///
    /// `tcp://` is TLS when either of the other two is set. Unlike Docker's own library, certificates alone do not mean
    /// that the engine's goes unchecked. Without `DOCKER_CERT_PATH` the files of `DOCKER_TLS_VERIFY` lie in Docker's
    /// configuration directory, those of `https://` are the system's.
    pub(super) fn from_environment(environment: &Environment) -> Result<Self, EngineError> {
        let host = environment.get("DOCKER_HOST");
        let verify = environment.get("DOCKER_TLS_VERIFY").is_some();
        let given = environment.get("DOCKER_CERT_PATH").map(PathBuf::from);
        let address = match host.as_deref() {
            None => EngineAddress::Unix(PathBuf::from(DEFAULT_SOCKET)),
            Some(text) => parse(text, verify || given.is_some())?,
        };
        let certificates = match (address.is_https(), given) {
            (false, _) => None,
            (true, Some(path)) => Some(path),
            (true, None) => verify.then(|| configuration(environment)),
        };
        Ok(Self {
            address,
            certificates,
        })
    }
}

/// Docker's own directory of the user.
fn configuration(environment: &Environment) -> PathBuf {
    match environment.get("DOCKER_CONFIG") {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(environment.get("HOME").unwrap_or_default()).join(".docker"),
    }
}

fn parse(text: &str, tls: bool) -> Result<EngineAddress, EngineError> {
    let bad = |rule| EngineError::BadHost { rule };
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(bad("it has no scheme"));
    };
    let scheme = match (scheme, tls) {
        ("unix", _) if rest.starts_with('/') => {
            return Ok(EngineAddress::Unix(PathBuf::from(rest)));
        }
        ("unix", _) => return Err(bad("the path of its socket is not absolute")),
        ("ssh", _) => {
            return Err(bad(
                "an engine behind ssh is not supported, forward its socket instead",
            ));
        }
        ("tcp", true) | ("https", _) => "https",
        ("tcp" | "http", _) => "http",
        _ => return Err(bad("its scheme is unknown")),
    };
    let mut url = Url::parse(&format!("{scheme}://{rest}")).map_err(|_| bad("it is no address"))?;
    let has_host = url.host_str().is_some_and(|host| !host.is_empty());
    if !has_host || url.query().is_some() || url.fragment().is_some() {
        return Err(bad("it is no host with a port"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad(
            "it holds a user or a password, which the engine does not know",
        ));
    }
    // Docker's own ports, where the scheme's would be taken else. Source: Docker, `opts.DefaultHTTPPort`.
    if scheme_of(text) == "tcp" && !has_port(rest) {
        let port = if tls { 2376 } else { 2375 };
        url.set_port(Some(port))
            .map_err(|()| bad("it is no host with a port"))?;
    }
    Ok(EngineAddress::Tcp(url.into()))
}

fn scheme_of(text: &str) -> &str {
    text.split_once("://").map_or("", |(scheme, _)| scheme)
}

fn has_port(rest: &str) -> bool {
    let authority = rest.split('/').next().unwrap_or_default();
    authority
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door<const N: usize>(pairs: [(&str, &str); N]) -> Result<Door, EngineError> {
        Door::from_environment(&Environment::of_pairs(pairs))
    }

    #[test]
    fn an_address_is_read_as_docker_reads_it() {
        assert_eq!(
            door([]).unwrap().address.to_string(),
            "unix:///var/run/docker.sock"
        );
        for (text, shown) in [
            ("unix:///run/x.sock", "unix:///run/x.sock"),
            ("tcp://10.0.0.1:2375", "http://10.0.0.1:2375"),
            ("tcp://engine", "http://engine:2375"),
            ("tcp://[::1]", "http://[::1]:2375"),
            ("http://engine:80", "http://engine"),
            ("https://engine", "https://engine"),
            ("tcp://engine:2375/docker", "http://engine:2375/docker"),
        ] {
            let door = door([("DOCKER_HOST", text)]).unwrap();
            assert_eq!(door.address.to_string(), shown, "{text}");
            assert_eq!(door.certificates, None);
        }
    }

    #[test]
    fn tls_is_spoken_when_it_is_asked_for_and_never_through_a_socket() {
        let verified = door([
            ("DOCKER_HOST", "tcp://engine"),
            ("DOCKER_TLS_VERIFY", "1"),
            ("HOME", "/home/x"),
        ])
        .unwrap();
        assert_eq!(verified.address.to_string(), "https://engine:2376");
        assert_eq!(verified.certificates, Some("/home/x/.docker".into()));
        let given = door([
            ("DOCKER_HOST", "tcp://engine:1"),
            ("DOCKER_CERT_PATH", "/c"),
        ])
        .unwrap();
        assert!(given.address.is_https());
        assert_eq!(given.certificates, Some("/c".into()));
        let socket = door([("DOCKER_TLS_VERIFY", "1"), ("DOCKER_CERT_PATH", "/c")]).unwrap();
        assert!(!socket.address.is_https());
        assert_eq!(socket.certificates, None);
    }

    #[test]
    fn a_bad_address_is_refused_without_being_shown() {
        for bad in [
            "canary",
            "canary.sock",
            "unix://canary.sock",
            "ssh://canary@host",
            "npipe:////./pipe/canary",
            "tcp://",
            "tcp://u:canary@host:2375",
            "tcp://host:canary",
            "https://host/?canary=1",
        ] {
            let error = door([("DOCKER_HOST", bad)]).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(
                shown.contains("DOCKER_HOST") && !shown.contains("canary"),
                "{shown}"
            );
        }
    }
}
