//! Every environment variable that `cs` reads, once, in one place, with its default; and the config file.
//!
//! The order is flag over environment over config file. Nothing else in the crate looks at the environment
//! (`.clippy.toml` sees to it).
//!
//! [`location`] where the file is · [`file`] what it holds · [`credential`] secrets by reference · [`cluster`] which
//! cluster is meant · [`edit`] changes to the file that keep its comments.

pub mod cluster;
pub mod credential;
pub mod edit;
pub mod file;
pub mod location;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::artifact::source::Limits;
use crate::clients::egress::{Egress, Reach};
use crate::secret::Secret;
use crate::spec::Span;
use crate::spec::workload::ServiceProvider;

/// Default of the one deadline over a whole run. Source: contract 1.8.
pub const DEADLINE: Duration = Duration::from_secs(15 * 60);

/// How long Nomad may find no node before that is called a failure.
///
/// 30 s: room that others free, or a node that just registers, is found within seconds; a constraint that no node
/// meets stays unmet. Nomad itself would wait for ever (nomad-api.md, trap 18).
pub const PLACEMENT_GRACE: Duration = Duration::from_secs(30);

/// The environment as it was at the start of the process.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, OsString>);

impl std::fmt::Debug for Environment {
    /// Never shows values: tokens are among them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Environment({} variables)", self.0.len())
    }
}

impl Environment {
    /// Reads the process's environment.
    #[must_use]
    pub fn of_process() -> Self {
        let named = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value));
        Self(std::env::vars_os().filter_map(named).collect())
    }

    /// An environment made of pairs, for tests and for the demo.
    #[must_use]
    pub fn of_pairs<const N: usize>(pairs: [(&str, &str); N]) -> Self {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.into());
        Self(pairs.into_iter().map(owned).collect())
    }

    /// Only the variables whose names begin so.
    #[must_use]
    pub fn beginning_with(&self, prefix: &str) -> Self {
        let named = |(name, value): (&String, &OsString)| (name.clone(), value.clone());
        let kept = self.0.iter().filter(|(name, _)| name.starts_with(prefix));
        Self(kept.map(named).collect())
    }

    /// The same with values in the place of what the process has, for references that somebody gave a value of their own.
    #[must_use]
    pub fn with<'v>(&self, values: impl IntoIterator<Item = (&'v String, &'v Secret)>) -> Self {
        let mut changed = self.clone();
        for (name, value) in values {
            changed.0.insert(name.clone(), value.expose().into());
        }
        changed
    }

    /// A variable that is set and not empty. One that is not UTF-8 counts as unset.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        self.0
            .get(name)?
            .to_str()
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
    }

    /// A variable as it is, UTF-8 or not, when it is set and not empty.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        self.0
            .get(name)
            .filter(|value| !value.is_empty())
            .map(|value| value.as_bytes().to_vec())
    }

    /// The same as a secret.
    #[must_use]
    pub fn secret(&self, name: &str) -> Option<Secret> {
        self.get(name).map(Secret::new)
    }

    /// Where the outbox and the ledgers stand: `CS_STATE_DIR`, else the task's allocation directory, else the user's
    /// state directory.
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        let below =
            |name: &str, tail: &str| self.get(name).map(|dir| PathBuf::from(dir).join(tail));
        below("CS_STATE_DIR", "")
            .or_else(|| below("NOMAD_ALLOC_DIR", "cs"))
            .or_else(|| below("XDG_STATE_HOME", "cs"))
            .or_else(|| below("HOME", ".local/state/cs"))
            .unwrap_or_else(|| std::env::temp_dir().join("cs-state"))
    }

    /// Where work directories stand: `TMPDIR`, else `/tmp`.
    #[must_use]
    pub fn temp_dir(&self) -> PathBuf {
        PathBuf::from(self.get("TMPDIR").unwrap_or_else(|| "/tmp".to_owned()))
    }

    /// `CS_DEADLINE`, default [`DEADLINE`].
    ///
    /// # Errors
    /// Names the variable and what is expected.
    pub fn deadline(&self) -> Result<Duration, BadVariable> {
        self.duration("CS_DEADLINE", DEADLINE)
    }

    /// `CS_PLACEMENT_GRACE`, default [`PLACEMENT_GRACE`].
    ///
    /// # Errors
    /// Names the variable and what is expected.
    pub fn placement_grace(&self) -> Result<Duration, BadVariable> {
        self.duration("CS_PLACEMENT_GRACE", PLACEMENT_GRACE)
    }

    /// `NATS_FLUSH_TIMEOUT`, default 5 s.
    ///
    /// # Errors
    /// Names the variable and what is expected.
    pub fn nats_flush_timeout(&self) -> Result<Duration, BadVariable> {
        self.duration("NATS_FLUSH_TIMEOUT", Duration::from_secs(5))
    }

    /// `CS_VAULT`: `on` (default) or `off`.
    ///
    /// # Errors
    /// Names the variable and what is expected.
    pub fn vault(&self) -> Result<bool, BadVariable> {
        match self.get("CS_VAULT").as_deref() {
            None | Some("on") => Ok(true),
            Some("off") => Ok(false),
            Some(_) => Err(BadVariable {
                name: "CS_VAULT",
                expected: "`on` or `off`",
            }),
        }
    }

    /// `CS_SERVICE_PROVIDER`: `consul` (default) or `nomad`.
    ///
    /// # Errors
    /// Names the variable and what is expected.
    pub fn service_provider(&self) -> Result<ServiceProvider, BadVariable> {
        match self.get("CS_SERVICE_PROVIDER").as_deref() {
            None | Some("consul") => Ok(ServiceProvider::Consul),
            Some("nomad") => Ok(ServiceProvider::Nomad),
            Some(_) => Err(BadVariable {
                name: "CS_SERVICE_PROVIDER",
                expected: "`consul` or `nomad`",
            }),
        }
    }

    /// Bounds of a source: `CS_SOURCE_MAX_MB`, the MiB that it may have once it is unpacked; default
    /// [`Limits::default`], 4096.
    ///
    /// # Errors
    /// Names the variable and what is expected.
    pub fn source_limits(&self) -> Result<Limits, BadVariable> {
        let limits = match self.get("CS_SOURCE_MAX_MB") {
            None => Limits::default(),
            Some(text) => text
                .parse::<u64>()
                .ok()
                .filter(|mib| (1..=Limits::MOST_MIB).contains(mib))
                .map(Limits::of_unpacked_mib)
                .ok_or(BadVariable {
                    name: "CS_SOURCE_MAX_MB",
                    expected: "a whole number of MiB from 1 to 1048576",
                })?,
        };
        Ok(Limits {
            egress: self.egress()?,
            ..limits
        })
    }

    /// Where addresses may lead that params, specs and servers name: `CS_EGRESS`, default `private`, with the exceptions of
    /// `CS_EGRESS_ALLOW` and the Git servers of `CS_GITHUB_URL` and its like.
    ///
    /// Commands that a person runs set the default to `local` ([`Environment::for_a_person`]).
    ///
    /// # Errors
    /// Names the variable and what is expected.
    pub fn egress(&self) -> Result<Egress, BadVariable> {
        let reach = match self.get("CS_EGRESS") {
            None => Reach::Private,
            Some(text) => text.parse().map_err(|()| BadVariable {
                name: "CS_EGRESS",
                expected: "`public`, `private`, `local` or `any`",
            })?,
        };
        let mut allow = self.get("CS_EGRESS_ALLOW").unwrap_or_default();
        // Who sets up the runner says where its Git servers are: these may be anywhere.
        for name in ["CS_GITHUB_URL", "CS_GITLAB_URL", "CS_BITBUCKET_URL"] {
            let url = self.get(name).and_then(|text| Url::parse(text.trim()).ok());
            if let Some(url) = url
                && let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default())
            {
                allow.push_str(&format!(",{host}:{port}"));
            }
        }
        let names = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];
        let proxies: Vec<String> = names
            .iter()
            .flat_map(|name| [self.get(name), self.get(&name.to_ascii_lowercase())])
            .flatten()
            .collect();
        Egress::new(reach, &allow, &proxies).map_err(|_| BadVariable {
            name: "CS_EGRESS_ALLOW",
            expected: "hosts, IP addresses or networks with commas between them, such as `git.internal`, `10.0.0.5:9000`",
        })
    }

    /// The rules for the cluster, the Vault and the backend that params name. The platform fills them in, so they may be on any
    /// machine, this one too; a metadata service is none of them.
    ///
    /// A variable that makes no sense leaves the rules without exceptions; [`egress`](Self::egress) tells of it.
    #[must_use]
    pub fn egress_of_the_platform(&self) -> Egress {
        self.egress().unwrap_or_default().at_least(Reach::Local)
    }

    /// The same for a command that a person runs: what he names may be on his own machine, unless `CS_EGRESS` says otherwise.
    #[must_use]
    pub fn for_a_person(mut self) -> Self {
        if self.get("CS_EGRESS").is_none() {
            self.0.insert("CS_EGRESS".to_owned(), "local".into());
        }
        self
    }

    fn duration(&self, name: &'static str, default: Duration) -> Result<Duration, BadVariable> {
        match self.get(name) {
            None => Ok(default),
            Some(text) => text
                .parse::<Span>()
                .map(|span| span.0)
                .ok()
                .filter(|time| !time.is_zero())
                .ok_or(BadVariable {
                    name,
                    expected: "a duration such as `30s` or `15m`",
                }),
        }
    }
}

/// An environment variable whose value makes no sense. The value itself is not repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {name}: expected {expected}")]
pub struct BadVariable {
    /// Its name.
    pub name: &'static str,
    /// What is expected.
    pub expected: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_directory_is_the_allocations_own_inside_nomad() {
        let inside = Environment::of_pairs([("NOMAD_ALLOC_DIR", "/alloc"), ("HOME", "/root")]);
        assert_eq!(inside.state_dir(), PathBuf::from("/alloc/cs"));
        let chosen =
            Environment::of_pairs([("NOMAD_ALLOC_DIR", "/alloc"), ("CS_STATE_DIR", "/state")]);
        assert_eq!(chosen.state_dir(), PathBuf::from("/state/"));
    }

    #[test]
    fn a_bad_value_names_the_variable_and_not_the_value() {
        let error = Environment::of_pairs([("CS_DEADLINE", "canary")])
            .deadline()
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "environment variable CS_DEADLINE: expected a duration such as `30s` or `15m`"
        );
        assert!(
            Environment::of_pairs([("CS_VAULT", "maybe")])
                .vault()
                .is_err()
        );
        assert_eq!(Environment::default().deadline(), Ok(DEADLINE));
    }

    #[test]
    fn addresses_of_others_lead_to_this_machine_for_people_alone() {
        let empty = Environment::default();
        assert_eq!(empty.egress(), Ok(Egress::of(Reach::Private)));
        assert_eq!(empty.for_a_person().egress(), Ok(Egress::of(Reach::Local)));
        let strict = Environment::of_pairs([("CS_EGRESS", "public")]);
        assert_eq!(
            strict.for_a_person().egress(),
            Ok(Egress::of(Reach::Public))
        );
        let own = Environment::of_pairs([("CS_GITHUB_URL", "http://127.0.0.1:3000/git")]);
        let judged = |text: &str| own.egress().unwrap().judge(&Url::parse(text).unwrap());
        assert!(judged("http://127.0.0.1:3000/o/n.git").is_ok());
        assert!(judged("http://127.0.0.1:4646/v1/jobs").is_err());
        for (name, value) in [("CS_EGRESS", "canary"), ("CS_EGRESS_ALLOW", "can ary")] {
            let error = Environment::of_pairs([(name, value)]).egress().unwrap_err();
            assert_eq!(error.name, name);
        }
    }

    #[test]
    fn the_bound_of_a_source_is_given_in_whole_mebibytes() {
        let limits = |text| Environment::of_pairs([("CS_SOURCE_MAX_MB", text)]).source_limits();
        let small = limits("100").unwrap();
        assert_eq!(small.unpacked_bytes, 100 << 20);
        assert_eq!(small.download_bytes, 64 << 20);
        assert_eq!(limits("8192").unwrap().download_bytes, 4096 << 20);
        assert_eq!(limits("1048576").unwrap().unpacked_bytes, 1 << 40);
        assert_eq!(limits("4096"), Environment::default().source_limits());
        for bad in ["0", "-1", "1.5", "1 GB", "1048577", "99999999999999999999"] {
            assert_eq!(
                limits(bad).unwrap_err().to_string(),
                "environment variable CS_SOURCE_MAX_MB: expected a whole number of MiB from 1 to 1048576",
                "{bad}"
            );
        }
    }
}
