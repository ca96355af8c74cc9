//! Where Vault is, and who asks.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::error::VaultError;
use crate::clients::tls::is_loopback;
use crate::secret::{SafeUrl, Secret};

/// An AppRole of one Vault, and how to talk to it.
#[derive(Debug, Clone)]
pub struct VaultLogin {
    address: SafeUrl,
    /// Which role.
    pub role_id: Secret,
    /// Its password.
    pub secret_id: Secret,
    /// Namespace of Vault Enterprise or OpenBao, e.g. `team/a`; the root one by default.
    pub namespace: Option<String>,
    /// Accept any certificate. Whoever sits between then reads everything; off by default.
    pub tls_skip_verify: bool,
    /// A PEM file with certificates that are trusted besides the system's.
    pub ca_cert: Option<PathBuf>,
    /// Longest attempt of one call, from connecting to the end of the answer. 30 s by default. Source: contract 1.8.
    pub timeout: Duration,
    /// Attempts of one call after the first: 3 by default, 10 at most. Source: contract 1.8.
    pub max_retries: u32,
}

impl VaultLogin {
    /// A login with the defaults.
    ///
    /// `address` is `http` or `https`, and may carry a path, for a Vault behind a proxy that serves several things.
    ///
    /// # Errors
    /// The address cannot be used: a person has to correct it. The error does not repeat it.
    pub fn new(address: &str, role_id: Secret, secret_id: Secret) -> Result<Self, VaultError> {
        Ok(Self {
            address: usable(address)?.into(),
            role_id,
            secret_id,
            namespace: None,
            tls_skip_verify: false,
            ca_cert: None,
            timeout: Duration::from_secs(30),
            max_retries: 3,
        })
    }

    /// Where Vault is.
    #[must_use]
    pub fn address(&self) -> &SafeUrl {
        &self.address
    }

    pub(super) fn is_https(&self) -> bool {
        self.address.expose().scheme() == "https"
    }

    /// Whether Vault runs on this machine.
    pub(super) fn is_here(&self) -> bool {
        self.address.expose().host_str().is_some_and(is_loopback)
    }
}

fn usable(address: &str) -> Result<Url, VaultError> {
    let bad = |rule| VaultError::Address { rule };
    let url = Url::parse(address.trim()).map_err(|_| bad("is not an absolute URL"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad("begins with neither `http://` nor `https://`"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("carries a user name or a password"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(bad("carries a query or a fragment"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unusable_address_is_refused_without_repeating_it() {
        for bad in [
            "",
            "canary",
            "canary.example:8200",
            "ftp://canary.example",
            "unix:///canary",
            "https://",
            "https://canary@vault.example",
            "https://u:canary@vault.example",
            "https://vault.example/?canary=1",
            "https://vault.example/#canary",
        ] {
            let error = VaultLogin::new(bad, "r".into(), "s".into()).unwrap_err();
            assert!(matches!(error, VaultError::Address { .. }), "{bad}");
            assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
        }
    }

    #[test]
    fn the_defaults_are_four_attempts_of_thirty_seconds_with_verified_certificates() {
        let login = VaultLogin::new(" https://vault.example:8200/x/ ", "r".into(), "s".into());
        let login = login.unwrap();
        assert_eq!(login.address().to_string(), "https://vault.example:8200/x/");
        assert_eq!((login.timeout.as_secs(), login.max_retries), (30, 3));
        assert!(!login.tls_skip_verify && login.is_https() && !login.is_here());
    }

    #[test]
    fn debug_shows_neither_role_id_nor_secret_id() {
        let login = VaultLogin::new("http://127.0.0.1", "canary".into(), "canary".into()).unwrap();
        assert!(!format!("{login:?}").contains("canary"));
    }
}
