//! Images of the engine: what they say about themselves, their names.

use reqwest::{Method, StatusCode};
use serde::Deserialize;

use super::engine::Engine;
use super::error::EngineError;
use crate::artifact::registry::{ImageConfig, ImageFacts, ImageReference};

/// An image in the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalImage {
    /// Id, e.g. `sha256:…`: the digest of its configuration, or of its manifest where the engine keeps images in
    /// containerd.
    pub id: String,
    /// What it says about itself. The digest is absent: an engine knows it only per repository.
    pub facts: ImageFacts,
    /// `repository@sha256:…` of each registry that it was pushed to or pulled from.
    pub repo_digests: Vec<String>,
    /// Bytes on the engine's disk.
    pub size: u64,
}

impl Engine {
    /// Looks at an image, by name or id. `None`: there is no such image.
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn inspect(&self, image: &str) -> Result<Option<LocalImage>, EngineError> {
        const OPERATION: &str = "inspect an image";
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Inspected {
            id: String,
            config: Option<ImageConfig>,
            repo_digests: Option<Vec<String>>,
            #[serde(default)]
            size: u64,
        }
        let Some(path) = path(image, "/json") else {
            return Ok(None);
        };
        let request = self.request(Method::GET, &path).await?;
        let response = self.transport().call(OPERATION, request).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let response = self.transport().accepted(OPERATION, response).await?;
        let found: Inspected = self
            .transport()
            .document(OPERATION, response, "description of an image")
            .await?;
        Ok(Some(LocalImage {
            id: found.id,
            facts: found.config.unwrap_or_default().facts(None),
            repo_digests: found.repo_digests.unwrap_or_default(),
            size: found.size,
        }))
    }

    /// Gives an image one more name. A name that is another image's is taken from it.
    ///
    /// # Errors
    /// There is no such image, or the engine does not answer. A target with a digest is no name.
    pub async fn tag(&self, image: &str, target: &ImageReference) -> Result<(), EngineError> {
        const OPERATION: &str = "name an image";
        let path = path(image, "/tag").ok_or_else(|| absent(image))?;
        let (repository, tag) = name_and_tag(target)?;
        let request = self.request(Method::POST, &path).await?;
        let request = request.query(&[("repo", repository.as_str()), ("tag", tag)]);
        let response = self.transport().call(OPERATION, request).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Err(absent(image));
        }
        self.transport().accepted(OPERATION, response).await?;
        Ok(())
    }

    /// Takes a name from its image, and removes the image with its last name. An absent one is fine.
    ///
    /// # Errors
    /// The image is in use, or the engine does not answer.
    pub async fn remove(&self, image: &str) -> Result<(), EngineError> {
        const OPERATION: &str = "remove an image";
        let Some(path) = path(image, "") else {
            return Ok(());
        };
        let request = self.request(Method::DELETE, &path).await?;
        let response = self.transport().call(OPERATION, request).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(());
        }
        self.transport().accepted(OPERATION, response).await?;
        Ok(())
    }
}

/// The path of an image in the API. `None` for a text that names no image, and could lead to another path.
fn path(image: &str, tail: &str) -> Option<String> {
    let fits = image
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"._-/:@[]".contains(&b));
    let parts = image
        .split('/')
        .all(|part| !part.is_empty() && !part.starts_with('.'));
    (fits && parts).then(|| format!("/images/{image}{tail}"))
}

pub(super) fn absent(image: &str) -> EngineError {
    EngineError::NoSuchImage {
        image: image.to_owned(),
    }
}

/// A name without its tag, and the tag.
pub(super) fn name_and_tag(target: &ImageReference) -> Result<(String, &str), EngineError> {
    if target.digest().is_some() {
        return Err(EngineError::Refused {
            operation: "name an image",
            status: StatusCode::BAD_REQUEST.as_u16(),
            message: format!("`{target}` has a digest, which only a registry gives"),
        });
    }
    let repository = format!("{}/{}", target.host(), target.repository());
    Ok((repository, target.selector()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_or_an_id_becomes_a_path() {
        assert_eq!(
            path("127.0.0.1:5000/a/b:1", "/json").as_deref(),
            Some("/images/127.0.0.1:5000/a/b:1/json")
        );
        assert_eq!(path("sha256:ab", "").as_deref(), Some("/images/sha256:ab"));
        for bad in [
            "",
            "/",
            "a/",
            "../containers/x",
            "a/../b",
            "a?force=1",
            "a#b",
            "a b",
            "a%2f",
        ] {
            assert_eq!(path(bad, ""), None, "{bad:?}");
        }
    }
}
