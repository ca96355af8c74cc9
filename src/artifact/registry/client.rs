//! The door: connections, and the bound of a whole look.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use url::Url;

use super::auth::Credentials;
use super::error::RegistryError;
use super::manifest::ImageFacts;
use super::reference::ImageReference;
use super::session::Session;
use crate::clients::egress::Egress;
use crate::clients::tls;
use crate::config::Environment;

/// Longest look at one image: a deployment waits for it.
const WHOLE: Duration = Duration::from_secs(10);

/// Clients that are kept. A registry has one, and one each for its token server and its store of blobs.
const KEPT: usize = 8;

/// Reads facts of images from their registries. Shares its connections between images.
#[derive(Debug)]
pub struct Registry {
    /// Where registries, their token servers and their redirects may be.
    egress: Egress,
    /// Read at the first call that needs it, because that reads the system's certificates.
    tls: OnceLock<rustls::ClientConfig>,
    /// By scheme, host and port: what a name stands for is judged for one of them.
    clients: Mutex<BTreeMap<String, reqwest::Client>>,
}

impl Registry {
    /// Prepares nothing: connections are made by the first call that needs them.
    ///
    /// A proxy of the environment is used for registries elsewhere, never for those on this machine.
    #[must_use]
    pub fn new(egress: Egress) -> Self {
        Self {
            egress,
            tls: OnceLock::new(),
            clients: Mutex::default(),
        }
    }

    /// The same with the rules of the environment: `CS_EGRESS`, `CS_EGRESS_ALLOW`.
    ///
    /// # Errors
    /// One of the two makes no sense.
    pub fn from_environment(environment: &Environment) -> Result<Self, RegistryError> {
        Ok(Self::new(environment.egress()?))
    }

    /// Reads what an image says about itself. Takes at most 10 s.
    ///
    /// Without credentials, or when the registry asks for none, it is read anonymously.
    ///
    /// # Errors
    /// The facts cannot be had; the caller warns and goes on without. None of the errors shows a credential.
    ///
    /// # Cancel safety
    /// Can be dropped at any time: nothing is written.
    pub async fn image_facts(
        &self,
        image: &ImageReference,
        credentials: Option<&Credentials>,
    ) -> Result<ImageFacts, RegistryError> {
        let origin = Url::parse(&image.origin()).map_err(|_| RegistryError::Malformed {
            host: image.host().to_owned(),
            what: "host name",
        })?;
        let session = Session::new(self, image, credentials, origin);
        tokio::time::timeout(WHOLE, session.facts())
            .await
            .unwrap_or_else(|_| {
                Err(RegistryError::TimedOut {
                    host: image.host().to_owned(),
                    after: WHOLE,
                })
            })
    }

    /// The client for an address: plain HTTP, or TLS with the system's certificates.
    ///
    /// # Errors
    /// The address must not be called, or the client cannot be built.
    pub(super) fn client_for(&self, address: &Url) -> Result<reqwest::Client, RegistryError> {
        let origin = address.origin().ascii_serialization();
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&origin) {
            return Ok(client.clone());
        }
        let client = self.built(address)?;
        // Others name the addresses, so there may be any number of them.
        if clients.len() >= KEPT {
            clients.clear();
        }
        clients.insert(origin, client.clone());
        Ok(client)
    }

    fn built(&self, address: &Url) -> Result<reqwest::Client, RegistryError> {
        let is_plain = address.scheme() == "http";
        let tls = match is_plain {
            true => tls::no_trust().map_err(RegistryError::Tls)?,
            false => self.trust()?.clone(),
        };
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(concat!("cs/", env!("CARGO_PKG_VERSION")))
            // Redirects are followed here, one by one, because credentials must not follow them.
            .redirect(reqwest::redirect::Policy::none())
            .no_gzip();
        builder = self.egress.guard(builder, address)?;
        if is_plain {
            builder = builder.no_proxy();
        }
        builder
            .build()
            .map_err(|error| RegistryError::Http(error.without_url()))
    }

    fn trust(&self) -> Result<&rustls::ClientConfig, RegistryError> {
        if let Some(trust) = self.tls.get() {
            return Ok(trust);
        }
        let trust = tls::system_trust().map_err(RegistryError::Tls)?;
        Ok(self.tls.get_or_init(|| trust))
    }
}
