//! What is known about an image before it runs: read from its registry with the credentials that stand around.

use super::credentials::credentials;
use super::registry::{ImageFacts, ImageReference, InvalidImage, Registry, RegistryError};
use crate::config::Environment;

/// Why the facts of an image are not known.
#[derive(Debug, thiserror::Error)]
pub enum NoFacts {
    /// Its name is no name.
    #[error(transparent)]
    Name(#[from] InvalidImage),
    /// Its registry does not tell.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// Reads the facts of an image.
///
/// Credentials are those that stand around: see [`credentials`].
///
/// # Errors
/// The reference is no reference, or the registry does not give the manifest away.
pub async fn read(image: &str, environment: &Environment) -> Result<ImageFacts, NoFacts> {
    let reference: ImageReference = image.parse()?;
    let credentials = credentials(reference.host(), None, environment);
    let facts = Registry::from_environment(environment)?
        .image_facts(&reference, credentials.as_ref())
        .await?;
    Ok(facts)
}
