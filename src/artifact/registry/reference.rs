//! Names of images as people write them, e.g. `nginx`, `ghcr.io/acme/app:1.2`, `localhost:5000/a/b@sha256:…`.

use std::fmt;
use std::str::FromStr;

use crate::clients::tls::is_loopback;

/// Registry of a name that has none. Source: docker.
const DEFAULT_HOST: &str = "docker.io";

/// A checked name of an image. It cannot hold credentials.
///
/// The first part is a host if it contains `.` or `:` or is `localhost`; else the registry is `docker.io`, whose names
/// of one part are below `library/`. Source: distribution, `reference.ParseNormalizedNamed`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageReference {
    host: String,
    repository: String,
    /// `latest` if the name has neither tag nor digest.
    tag: Option<String>,
    digest: Option<String>,
}

/// Why a text names no image. Never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the name of an image: {rule}")]
pub struct InvalidImage {
    /// The broken rule.
    pub rule: &'static str,
}

impl ImageReference {
    /// The registry, with its port if it has one, e.g. `docker.io` or `localhost:5000`. Lower case.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The name within the registry, e.g. `library/nginx`.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The digest, if the name has one.
    #[must_use]
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// The same repository with another tag and without a digest. The tag is one of ours: it is not checked.
    #[must_use]
    pub(crate) fn with_tag(&self, tag: &'static str) -> Self {
        Self {
            tag: Some(tag.to_owned()),
            digest: None,
            ..self.clone()
        }
    }

    /// What identifies the manifest: the digest, else the tag, which is `latest` if the name has none.
    #[must_use]
    pub fn selector(&self) -> &str {
        self.digest
            .as_deref()
            .or(self.tag.as_deref())
            .expect("a name without a digest got a tag when it was read")
    }

    /// Scheme, host and port of the registry's API. Plain HTTP only on this machine.
    pub(super) fn origin(&self) -> String {
        let host = match self.host.as_str() {
            DEFAULT_HOST => "registry-1.docker.io",
            other => other,
        };
        let scheme = if is_loopback(without_port(host)) {
            "http"
        } else {
            "https"
        };
        format!("{scheme}://{host}")
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

impl FromStr for ImageReference {
    type Err = InvalidImage;

    fn from_str(text: &str) -> Result<Self, InvalidImage> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        let (host, rest) = split_host(rest);
        // A colon of a port stands before the first slash, so what is left has at most the tag's.
        let (repository, tag) = match rest.rsplit_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (rest, None),
        };
        let host = canonical_host(host);
        check(
            is_host(&host),
            "its registry is no host with an optional port",
        )?;
        check(
            is_repository(repository),
            "its path must be lower-case letters, digits, `.`, `_`, `-` and `/`",
        )?;
        check(
            tag.is_none_or(is_tag),
            "its tag must be 1 to 128 letters, digits, `.`, `_` and `-`",
        )?;
        check(
            digest.is_none_or(is_digest),
            "its digest must be `sha256:` and 64 hexadecimal digits",
        )?;
        let repository = if host == DEFAULT_HOST && !repository.contains('/') {
            format!("library/{repository}")
        } else {
            repository.to_owned()
        };
        Ok(Self {
            host,
            repository,
            tag: tag
                .or(digest.is_none().then_some("latest"))
                .map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }
}

fn check(holds: bool, rule: &'static str) -> Result<(), InvalidImage> {
    holds.then_some(()).ok_or(InvalidImage { rule })
}

fn split_host(name: &str) -> (&str, &str) {
    match name.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
        _ => (DEFAULT_HOST, name),
    }
}

/// One spelling for a registry: lower case, and the names of Docker's own registry as one.
pub(super) fn canonical_host(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    match host.as_str() {
        "index.docker.io" | "registry-1.docker.io" => DEFAULT_HOST.to_owned(),
        _ => host,
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => name,
        _ => host,
    }
}

fn is_host(host: &str) -> bool {
    let name = without_port(host);
    let port = host[name.len()..].strip_prefix(':');
    let bracketed = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    let name_fits = match bracketed {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => name.len() <= 253 && name.split('.').all(is_label),
    };
    name_fits && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn is_repository(path: &str) -> bool {
    path.len() <= 255
        && path.split('/').all(|part| {
            let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
            part.bytes().next().is_some_and(alphanumeric)
                && part.bytes().next_back().is_some_and(alphanumeric)
                && part
                    .bytes()
                    .all(|b| alphanumeric(b) || matches!(b, b'.' | b'_' | b'-'))
                && !part.contains("..")
        })
}

fn is_tag(tag: &str) -> bool {
    (1..=128).contains(&tag.len())
        && !tag.starts_with(['.', '-'])
        && tag
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// Whether a text is a digest that this program can check.
pub(super) fn is_digest(digest: &str) -> bool {
    digest.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_name_is_read_as_docker_reads_it() {
        for (text, shown) in [
            ("nginx", "docker.io/library/nginx:latest"),
            ("nginx:1.27", "docker.io/library/nginx:1.27"),
            ("acme/app", "docker.io/acme/app:latest"),
            ("docker.io/nginx", "docker.io/library/nginx:latest"),
            ("index.docker.io/acme/app:x", "docker.io/acme/app:x"),
            ("ghcr.io/acme/app:1.2", "ghcr.io/acme/app:1.2"),
            ("GHCR.io/acme/app", "ghcr.io/acme/app:latest"),
            ("localhost/app", "localhost/app:latest"),
            ("localhost:5000/a/b/c", "localhost:5000/a/b/c:latest"),
            ("127.0.0.1:5000/app:t", "127.0.0.1:5000/app:t"),
            ("[::1]:5000/app", "[::1]:5000/app:latest"),
            ("registry:5000/app", "registry:5000/app:latest"),
        ] {
            let image: ImageReference = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(image.to_string(), shown);
            assert_eq!(
                shown.parse::<ImageReference>().as_ref(),
                Ok(&image),
                "and back"
            );
        }
    }

    #[test]
    fn a_digest_goes_before_a_tag() {
        let image: ImageReference = format!("acme/app:1@{DIGEST}").parse().unwrap();
        assert_eq!(image.selector(), DIGEST);
        assert_eq!(image.to_string(), format!("docker.io/acme/app:1@{DIGEST}"));
        assert_eq!("app:7".parse::<ImageReference>().unwrap().selector(), "7");
        assert_eq!(
            "app".parse::<ImageReference>().unwrap().selector(),
            "latest"
        );
    }

    #[test]
    fn what_could_become_another_address_is_refused() {
        for bad in [
            "",
            " ",
            "a b",
            "https://ghcr.io/acme/app",
            "user:pw@ghcr.io/app",
            "ghcr.io/",
            "ghcr.io/../app",
            "ghcr.io/a//b",
            "ghcr.io/Acme/app",
            "ghcr.io/app:",
            "ghcr.io/app:a/b",
            "ghcr.io/app?x=1",
            "ghcr.io/app#x",
            "ghcr.io:99999/app",
            "ghcr.io:0/app",
            "-x.io/app",
            "a..io/app",
            "[::1/app",
            "app@sha256:abc",
            "app@md5:e3b0c44298fc1c149afbf4c8996fb924",
            "app:ümlaut",
            "ghcr.io/a%2fb",
        ] {
            assert!(bad.parse::<ImageReference>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for (text, origin) in [
            ("nginx", "https://registry-1.docker.io"),
            ("ghcr.io/a", "https://ghcr.io"),
            ("registry:5000/a", "https://registry:5000"),
            ("localhost:5000/a", "http://localhost:5000"),
            ("127.0.0.1:5000/a", "http://127.0.0.1:5000"),
            ("[::1]:5000/a", "http://[::1]:5000"),
            ("localhost.example/a", "https://localhost.example"),
        ] {
            assert_eq!(text.parse::<ImageReference>().unwrap().origin(), origin);
        }
    }
}
