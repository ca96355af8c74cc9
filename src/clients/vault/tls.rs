//! The HTTP client of one reading.

use std::path::Path;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::error::VaultError;
use super::login::VaultLogin;
use crate::clients::tls;

/// Longest wait for a connection. A host that drops packets must not take the whole attempt.
const CONNECT: Duration = Duration::from_secs(5);

/// Builds the client that `login` asks for. Reads certificates from disk where TLS is wanted, so it may block.
///
/// A proxy of the environment is used, except for a Vault on this machine.
pub(super) fn http_client(login: &VaultLogin) -> Result<reqwest::Client, VaultError> {
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(trust(login)?)
        .user_agent(concat!("cs/", env!("CARGO_PKG_VERSION")))
        // Redirects are followed by the session, one by one, because credentials must not go everywhere.
        .redirect(reqwest::redirect::Policy::none())
        // An answer may not unfold to more than was read.
        .no_gzip()
        .connect_timeout(CONNECT);
    if login.is_here() {
        builder = builder.no_proxy();
    }
    builder
        .build()
        .map_err(|error| VaultError::Http(error.without_url()))
}

fn trust(login: &VaultLogin) -> Result<ClientConfig, VaultError> {
    if !login.is_https() {
        // Nothing leads from http to https: see the session's redirects.
        return tls::no_trust().map_err(VaultError::Tls);
    }
    if login.tls_skip_verify {
        return tls::any_trust().map_err(VaultError::Tls);
    }
    let extra = match &login.ca_cert {
        Some(file) => certificates(file)?,
        None => Vec::new(),
    };
    tls::system_trust_and(extra).map_err(VaultError::Tls)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, VaultError> {
    let bad = || VaultError::BadCa {
        path: path.to_owned(),
    };
    let pem = std::fs::read(path).map_err(|source| VaultError::ReadCa {
        path: path.to_owned(),
        source,
    })?;
    // The parser's own errors quote lines of the file, which may be a key: they are dropped.
    let found: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|_| bad())?;
    let mut usable = RootCertStore::empty();
    for certificate in &found {
        usable.add(certificate.clone()).map_err(|_| bad())?;
    }
    if usable.is_empty() {
        return Err(bad());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(address: &str, contents: Option<&str>) -> Result<reqwest::Client, VaultError> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ca.pem");
        if let Some(contents) = contents {
            std::fs::write(&file, contents).unwrap();
        }
        let mut login = VaultLogin::new(address, "r".into(), "s".into()).unwrap();
        login.ca_cert = Some(file);
        http_client(&login)
    }

    #[test]
    fn an_unusable_ca_file_is_named_without_its_contents() {
        let error = outcome("https://vault.example", None).unwrap_err();
        assert!(matches!(error, VaultError::ReadCa { .. }), "{error:?}");
        for contents in [
            "",
            "canary",
            "-----BEGIN PRIVATE KEY-----\ncanary\n",
            "-----BEGIN CERTIFICATE-----\ncanary!\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\nY2FuYXJ5\n-----END CERTIFICATE-----\n",
        ] {
            let error = outcome("https://vault.example", Some(contents)).unwrap_err();
            assert!(matches!(error, VaultError::BadCa { .. }), "{error:?}");
            let shown = format!("{error} {error:?}");
            assert!(
                shown.contains("ca.pem") && !shown.contains("canary"),
                "{shown}"
            );
        }
    }

    #[test]
    fn nothing_is_read_for_an_address_without_tls() {
        assert!(outcome("http://vault.example", None).is_ok());
    }
}
