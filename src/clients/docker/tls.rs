//! The TLS configuration for an engine: its own files, or the system's trust.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::address::Door;
use super::error::EngineError;
use crate::clients::tls::{no_trust, system_trust};

/// Builds the configuration for a door. Without TLS nothing is read from disk.
pub(super) fn client_config(door: &Door) -> Result<ClientConfig, EngineError> {
    match (&door.certificates, door.address.is_https()) {
        (_, false) => no_trust().map_err(EngineError::Tls),
        (None, true) => system_trust().map_err(EngineError::Tls),
        (Some(directory), true) => of_files(directory),
    }
}

fn of_files(directory: &Path) -> Result<ClientConfig, EngineError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    let ca = directory.join("ca.pem");
    for certificate in certificates(&ca)? {
        roots
            .add(certificate)
            .map_err(|_| bad(&ca, "certificate"))?;
    }
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(|_| bad(&ca, "certificate"))?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(EngineError::Tls)?
        .with_webpki_verifier(verifier);
    let (cert, key) = (directory.join("cert.pem"), directory.join("key.pem"));
    // Without both the engine is trusted, but not told who we are: some ask for nothing more.
    if !cert.exists() && !key.exists() {
        return Ok(builder.with_no_client_auth());
    }
    builder
        .with_client_auth_cert(certificates(&cert)?, private_key(&key)?)
        .map_err(EngineError::Tls)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, EngineError> {
    let pem = std::fs::read(path).map_err(|source| unreadable(path, source))?;
    // The parser's own errors quote lines of the file: they are dropped.
    let found: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|_| bad(path, "certificate"))?;
    if found.is_empty() {
        return Err(bad(path, "certificate"));
    }
    Ok(found)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, EngineError> {
    let pem = std::fs::read(path).map_err(|source| unreadable(path, source))?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|_| bad(path, "private key"))
}

fn unreadable(path: &Path, source: io::Error) -> EngineError {
    EngineError::TlsFile {
        path: path.to_owned(),
        source,
    }
}

fn bad(path: &Path, wanted: &'static str) -> EngineError {
    EngineError::BadPem {
        path: path.to_owned(),
        wanted,
    }
}
