//! What is known about an image before it runs: read from its registry with the credentials that stand around.

use std::path::PathBuf;

use super::registry::{
    Credentials, ImageFacts, ImageReference, InvalidImage, Registry, RegistryError,
    docker_config_credentials,
};
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
/// Credentials: `REGISTRY_USERNAME` and `REGISTRY_PASSWORD` (for `REGISTRY_URL`'s host, when that is set), else Docker's
/// configuration, else none.
///
/// # Errors
/// The reference is no reference, or the registry does not give the manifest away.
pub async fn read(image: &str, environment: &Environment) -> Result<ImageFacts, NoFacts> {
    let reference: ImageReference = image.parse()?;
    let credentials = credentials(reference.host(), environment);
    let facts = Registry::new()?
        .image_facts(&reference, credentials.as_ref())
        .await?;
    Ok(facts)
}

fn credentials(host: &str, environment: &Environment) -> Option<Credentials> {
    let given = || {
        let is_meant = environment
            .get("REGISTRY_URL")
            .is_none_or(|url| host_of(&url) == host);
        is_meant.then_some(Credentials {
            username: environment.get("REGISTRY_USERNAME")?,
            password: environment.secret("REGISTRY_PASSWORD")?,
        })
    };
    let configured = || {
        let dir = environment.get("DOCKER_CONFIG").map(PathBuf::from);
        let dir = dir.or_else(|| Some(PathBuf::from(environment.get("HOME")?).join(".docker")))?;
        docker_config_credentials(
            &std::fs::read_to_string(dir.join("config.json")).ok()?,
            host,
        )
    };
    given().or_else(configured)
}

/// The host of `https://host/path` or `host/path`.
fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}
