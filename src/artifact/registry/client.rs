//! The door: connections, and the bound of a whole look.

use std::sync::OnceLock;
use std::time::Duration;

use url::Url;

use super::auth::Credentials;
use super::error::RegistryError;
use super::manifest::ImageFacts;
use super::reference::ImageReference;
use super::session::Session;
use crate::clients::tls;

/// Longest look at one image: a deployment waits for it.
const WHOLE: Duration = Duration::from_secs(10);

/// Reads facts of images from their registries. Shares its connections between images.
#[derive(Debug)]
pub struct Registry {
    /// For registries on this machine.
    plain: reqwest::Client,
    /// Built at the first call that needs it, because that reads the system's certificates.
    tls: OnceLock<reqwest::Client>,
}

impl Registry {
    /// Prepares connections; nothing is sent or read.
    ///
    /// A proxy of the environment is used for registries elsewhere, never for those on this machine.
    ///
    /// # Errors
    /// The HTTP client cannot be built.
    pub fn new() -> Result<Self, RegistryError> {
        let plain = client_builder(tls::no_trust())?
            .no_proxy()
            .build()
            .map_err(|error| RegistryError::Http(error.without_url()))?;
        Ok(Self {
            plain,
            tls: OnceLock::new(),
        })
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
    pub(super) fn client_for(&self, address: &Url) -> Result<&reqwest::Client, RegistryError> {
        if address.scheme() == "http" {
            return Ok(&self.plain);
        }
        if let Some(client) = self.tls.get() {
            return Ok(client);
        }
        let built = client_builder(tls::system_trust())?
            .build()
            .map_err(|error| RegistryError::Http(error.without_url()))?;
        Ok(self.tls.get_or_init(|| built))
    }
}

fn client_builder(
    tls: Result<rustls::ClientConfig, rustls::Error>,
) -> Result<reqwest::ClientBuilder, RegistryError> {
    Ok(reqwest::Client::builder()
        .tls_backend_preconfigured(tls.map_err(RegistryError::Tls)?)
        .user_agent(concat!("cs/", env!("CARGO_PKG_VERSION")))
        // Redirects are followed here, one by one, because credentials must not follow them.
        .redirect(reqwest::redirect::Policy::none())
        .no_gzip())
}
