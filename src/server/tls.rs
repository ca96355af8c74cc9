//! Certificate and key of the server, from files that may be replaced while it runs.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Why certificate and key cannot be used. Never repeats them.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is no PEM of the kind.
    #[error("{path} is not a {what} in PEM that can be read")]
    File {
        /// Which.
        path: PathBuf,
        /// What it should be.
        what: &'static str,
    },
    /// They do not fit together.
    #[error("certificate and key cannot be used together")]
    Pair(#[source] rustls::Error),
}

/// Certificate and key. Cheap to clone; clones are the same.
#[derive(Debug, Clone)]
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    current: Arc<RwLock<Arc<ServerConfig>>>,
}

impl Tls {
    /// Reads both files.
    ///
    /// # Errors
    /// They cannot be used.
    pub fn load(certificate: PathBuf, key: PathBuf) -> Result<Self, TlsError> {
        let config = Arc::new(config(&certificate, &key)?);
        Ok(Self {
            certificate,
            key,
            current: Arc::new(RwLock::new(config)),
        })
    }

    /// Reads them again, for new connections. When that fails the old ones stay.
    ///
    /// # Errors
    /// They cannot be used.
    pub fn reload(&self) -> Result<(), TlsError> {
        let config = Arc::new(config(&self.certificate, &self.key)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    pub(super) fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn config(certificate: &Path, key: &Path) -> Result<ServerConfig, TlsError> {
    let unreadable = |path: &Path, what| TlsError::File {
        path: path.to_owned(),
        what,
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|_| unreadable(certificate, "certificate"))?;
    if chain.is_empty() {
        return Err(unreadable(certificate, "certificate"));
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(|_| unreadable(key, "private key"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Pair)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(TlsError::Pair)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
