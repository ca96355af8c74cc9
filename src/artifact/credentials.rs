//! Credentials of registries, from wherever they stand.

use std::path::PathBuf;

use super::registry::{Credentials, docker_config_credentials};
use crate::config::Environment;

/// Finds the credentials for a registry: `given` ones, else `REGISTRY_USERNAME` and `REGISTRY_PASSWORD` (for
/// `REGISTRY_URL`'s host, when that is set), else Docker's configuration, else none. Source: contract 5.6.
///
/// `host` as in [`ImageReference::host`](super::registry::ImageReference::host).
#[must_use]
pub fn credentials(
    host: &str,
    given: Option<&Credentials>,
    environment: &Environment,
) -> Option<Credentials> {
    given
        .cloned()
        .or_else(|| of_environment(host, environment))
        .or_else(|| of_docker(host, environment))
}

fn of_environment(host: &str, environment: &Environment) -> Option<Credentials> {
    let is_meant = environment
        .get("REGISTRY_URL")
        .is_none_or(|url| host_of(&url).eq_ignore_ascii_case(host));
    if !is_meant {
        return None;
    }
    Some(Credentials {
        username: environment.get("REGISTRY_USERNAME")?,
        password: environment.secret("REGISTRY_PASSWORD")?,
    })
}

pub(super) fn of_docker(host: &str, environment: &Environment) -> Option<Credentials> {
    let dir = environment.get("DOCKER_CONFIG").map(PathBuf::from);
    let dir = dir.or_else(|| Some(PathBuf::from(environment.get("HOME")?).join(".docker")))?;
    let text = std::fs::read_to_string(dir.join("config.json")).ok()?;
    docker_config_credentials(&text, host)
}

/// The host of `https://host/path` or `host/path`.
fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        Environment::of_pairs([
            ("REGISTRY_URL", "https://Reg.example:5000/team"),
            ("REGISTRY_USERNAME", "env"),
            ("REGISTRY_PASSWORD", "canary"),
        ])
    }

    fn user(found: Option<Credentials>) -> Option<String> {
        found.map(|found| found.username)
    }

    #[test]
    fn given_credentials_come_first_then_the_environment() {
        let given = Credentials {
            username: "given".to_owned(),
            password: "canary".into(),
        };
        let host = "reg.example:5000";
        let found = credentials(host, Some(&given), &environment());
        assert_eq!(user(found).as_deref(), Some("given"));
        let found = credentials(host, None, &environment());
        assert_eq!(user(found).as_deref(), Some("env"));
    }

    #[test]
    fn credentials_of_the_environment_are_for_its_registry_only() {
        assert_eq!(credentials("other.example", None, &environment()), None);
        let everywhere = Environment::of_pairs([
            ("REGISTRY_USERNAME", "env"),
            ("REGISTRY_PASSWORD", "canary"),
        ]);
        assert!(credentials("other.example", None, &everywhere).is_some());
    }
}
