//! The TLS configuration of a connection, with ring named explicitly: no process-wide provider is needed.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::connection::{ConnectionConfig, ConnectionError};
use crate::clients::tls::AcceptAny;

/// Builds the configuration that `config` asks for. For addresses without TLS nothing is read from disk.
pub(super) fn client_config(config: &ConnectionConfig) -> Result<ClientConfig, ConnectionError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(tls_error)?;
    if !config.address.is_https() {
        return Ok(builder
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth());
    }
    let builder = builder
        .dangerous()
        .with_custom_certificate_verifier(verifier(config, provider)?);
    let (Some(cert), Some(key)) = (&config.client_cert, &config.client_key) else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = certificates("NOMAD_CLIENT_CERT", cert)?;
    builder
        .with_client_auth_cert(chain, private_key(key)?)
        .map_err(tls_error)
}

fn verifier(
    config: &ConnectionConfig,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, ConnectionError> {
    if config.skip_verify {
        return Ok(Arc::new(AcceptAny(provider)));
    }
    if config.ca_cert.is_none() && config.ca_path.is_none() {
        let system = rustls_platform_verifier::Verifier::new(provider).map_err(tls_error)?;
        return Ok(Arc::new(system));
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots(config)?), provider)
        .build()
        .map_err(|error| tls_error(rustls::Error::General(error.to_string())))?;
    Ok(verifier)
}

fn tls_error(source: rustls::Error) -> ConnectionError {
    ConnectionError::Tls { source }
}

fn roots(config: &ConnectionConfig) -> Result<RootCertStore, ConnectionError> {
    let mut roots = RootCertStore::empty();
    let mut add = |variable, path: &Path| {
        for certificate in certificates(variable, path)? {
            roots
                .add(certificate)
                .map_err(|_| bad_pem(variable, path, "certificate"))?;
        }
        Ok::<_, ConnectionError>(())
    };
    if let Some(file) = &config.ca_cert {
        add("NOMAD_CACERT", file)?;
    }
    if let Some(directory) = &config.ca_path {
        for file in files_in("NOMAD_CAPATH", directory)? {
            add("NOMAD_CAPATH", &file)?;
        }
    }
    Ok(roots)
}

/// Regular files of a directory, sorted. As Nomad's own client, every one of them must hold certificates.
fn files_in(variable: &'static str, directory: &Path) -> Result<Vec<PathBuf>, ConnectionError> {
    let read = || -> std::io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(directory)? {
            let path = entry?.path();
            if path.is_file() {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    };
    let files = read().map_err(|source| read_file(variable, directory, source))?;
    if files.is_empty() {
        return Err(bad_pem(variable, directory, "certificate"));
    }
    Ok(files)
}

fn certificates(
    variable: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, ConnectionError> {
    let pem = std::fs::read(path).map_err(|source| read_file(variable, path, source))?;
    // The parser's own errors quote lines of the file, which may be a key: they are dropped.
    let found: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|_| bad_pem(variable, path, "certificate"))?;
    if found.is_empty() {
        return Err(bad_pem(variable, path, "certificate"));
    }
    Ok(found)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, ConnectionError> {
    const VARIABLE: &str = "NOMAD_CLIENT_KEY";
    let pem = std::fs::read(path).map_err(|source| read_file(VARIABLE, path, source))?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|_| bad_pem(VARIABLE, path, "private key"))
}

fn read_file(variable: &'static str, path: &Path, source: std::io::Error) -> ConnectionError {
    ConnectionError::ReadFile {
        variable,
        path: path.to_owned(),
        source,
    }
}

fn bad_pem(variable: &'static str, path: &Path, wanted: &'static str) -> ConnectionError {
    ConnectionError::BadPem {
        variable,
        path: path.to_owned(),
        wanted,
    }
}

/// Resolves every name to the addresses of one host.
///
/// The TLS library takes the name to expect from the URL, so with `NOMAD_TLS_SERVER_NAME` the URL carries that name and
/// this points it to the host that was meant.
#[derive(Debug)]
pub(super) struct Pinned {
    /// Host that is really contacted: a name or an IP address without brackets.
    pub(super) host: String,
}

impl Resolve for Pinned {
    fn resolve(&self, _name: Name) -> Resolving {
        let host = self.host.clone();
        Box::pin(async move {
            // Port 0 stands for the URL's own port.
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host, 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}
