//! The door: which engine, which version of its API, which builder.

use std::sync::Arc;

use reqwest::{Method, RequestBuilder};
use serde::Deserialize;
use tokio::sync::OnceCell;

use super::address::{Door, EngineAddress};
use super::error::EngineError;
use super::transport::Transport;
use super::version::ApiVersion;
use crate::config::Environment;

/// A Docker engine. Cheap to clone; clones share what was negotiated.
#[derive(Debug, Clone)]
pub struct Engine(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    transport: Transport,
    /// `DOCKER_API_VERSION`.
    fixed: Option<ApiVersion>,
    /// Once the engine was asked.
    info: OnceCell<EngineInfo>,
}

/// What an engine says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineInfo {
    /// Its version, e.g. `20.10.24`.
    pub version: String,
    /// The version of the API that is spoken with it.
    pub api: ApiVersion,
    /// What builds there.
    pub builder: BuilderKind,
    /// E.g. `linux`.
    pub os: String,
    /// E.g. `amd64`.
    pub arch: String,
}

/// What builds in an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuilderKind {
    /// Knows mounts of caches and secrets, here-documents, and caches in registries.
    BuildKit,
    /// The builder that BuildKit replaced.
    Classic,
}

impl Engine {
    /// The engine that `DOCKER_HOST`, `DOCKER_TLS_VERIFY`, `DOCKER_CERT_PATH` and `DOCKER_API_VERSION` name, default
    /// `unix:///var/run/docker.sock`. Nothing is sent; the files of TLS are read.
    ///
    /// # Errors
    /// A variable or a file cannot be used: a person has to correct it.
    pub fn from_environment(environment: &Environment) -> Result<Self, EngineError> {
        let fixed = match environment.get("DOCKER_API_VERSION") {
            None => None,
            Some(text) => Some(fixed(&text)?),
        };
        Ok(Self(Arc::new(Inner {
            transport: Transport::new(Door::from_environment(environment)?)?,
            fixed,
            info: OnceCell::new(),
        })))
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> &EngineAddress {
        self.transport().address()
    }

    /// Asks the engine who it is. Takes at most half a minute.
    ///
    /// # Errors
    /// Nobody answers, or it is no engine that this program can talk to.
    pub async fn ping(&self) -> Result<EngineInfo, EngineError> {
        let info = self.ask().await?;
        // What was negotiated first stays: clones may be in the middle of something.
        let _ = self.0.info.set(info.clone());
        Ok(info)
    }

    /// What the engine said when it was asked first.
    pub(super) async fn info(&self) -> Result<&EngineInfo, EngineError> {
        self.0.info.get_or_try_init(|| self.ask()).await
    }

    pub(super) fn transport(&self) -> &Transport {
        &self.0.transport
    }

    /// A request in the version that was negotiated.
    pub(super) async fn request(
        &self,
        method: Method,
        path: &str,
    ) -> Result<RequestBuilder, EngineError> {
        let api = self.info().await?.api;
        Ok(self.transport().request(method, Some(api), path))
    }

    async fn ask(&self) -> Result<EngineInfo, EngineError> {
        const OPERATION: &str = "say who it is";
        let transport = self.transport();
        let ping = transport.ask(OPERATION, "/_ping").await?;
        let headers = ping.headers().clone();
        let version = transport.ask(OPERATION, "/version").await?;
        let said: Said = transport.document(OPERATION, version, "version").await?;
        let newest = said.api_version.as_deref().unwrap_or_default();
        let newest: ApiVersion = newest
            .parse()
            .map_err(|_| transport.malformed("version of its API"))?;
        let oldest = said.min_api_version.and_then(|text| text.parse().ok());
        let api = spoken(self.0.fixed, oldest, newest)?;
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        Ok(EngineInfo {
            builder: builder(
                header("builder-version"),
                headers.contains_key("libpod-api-version"),
                api,
                &said.os,
            ),
            version: said.version,
            api,
            os: said.os,
            arch: said.arch,
        })
    }
}

/// The answer to `/version`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Said {
    #[serde(default)]
    version: String,
    api_version: Option<String>,
    /// Engines before 17.06 do not say.
    #[serde(rename = "MinAPIVersion")]
    min_api_version: Option<String>,
    #[serde(default)]
    os: String,
    #[serde(default)]
    arch: String,
}

fn fixed(text: &str) -> Result<ApiVersion, EngineError> {
    let version: ApiVersion = text.parse().map_err(|_| EngineError::BadVersion {
        rule: "not a version such as `1.41`".to_owned(),
    })?;
    if (ApiVersion::OLDEST..=ApiVersion::NEWEST).contains(&version) {
        return Ok(version);
    }
    Err(EngineError::BadVersion {
        rule: format!(
            "{version}, and this program speaks {} to {}",
            ApiVersion::OLDEST,
            ApiVersion::NEWEST
        ),
    })
}

/// The version of the API to speak.
fn spoken(
    fixed: Option<ApiVersion>,
    oldest: Option<ApiVersion>,
    newest: ApiVersion,
) -> Result<ApiVersion, EngineError> {
    let Some(fixed) = fixed else {
        return ApiVersion::common(oldest, newest).ok_or_else(|| EngineError::Version {
            oldest: oldest.map_or("?".to_owned(), |oldest| oldest.to_string()),
            newest: newest.to_string(),
        });
    };
    if fixed <= newest && oldest.is_none_or(|oldest| fixed >= oldest) {
        return Ok(fixed);
    }
    Err(EngineError::BadVersion {
        rule: format!("{fixed}, which the Docker engine does not speak: unset it"),
    })
}

/// Which builder to use.
///
/// An engine says which one its owner prefers: always since 23.0, before that only when the owner chose. One that says
/// nothing has BuildKit since 18.09, except on Windows. Podman speaks the same API, but has no sessions.
fn builder(said: Option<&str>, is_podman: bool, api: ApiVersion, os: &str) -> BuilderKind {
    let able = api >= ApiVersion::BUILDKIT && !is_podman && !os.eq_ignore_ascii_case("windows");
    match said {
        Some("2") | None if able => BuilderKind::BuildKit,
        _ => BuilderKind::Classic,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> ApiVersion {
        text.parse().unwrap()
    }

    #[test]
    fn the_owner_of_an_engine_chooses_the_builder() {
        let new = version("1.41");
        for (said, podman, api, os, expected) in [
            (None, false, new, "linux", BuilderKind::BuildKit),
            (Some("2"), false, new, "linux", BuilderKind::BuildKit),
            (Some("1"), false, new, "linux", BuilderKind::Classic),
            (None, false, version("1.38"), "linux", BuilderKind::Classic),
            (None, false, new, "windows", BuilderKind::Classic),
            (Some(""), true, new, "linux", BuilderKind::Classic),
            (Some("2"), true, new, "linux", BuilderKind::Classic),
        ] {
            assert_eq!(builder(said, podman, api, os), expected, "{said:?} {api}");
        }
    }

    #[test]
    fn a_version_that_is_set_is_spoken_or_refused() {
        let (oldest, newest) = (Some(version("1.24")), version("1.41"));
        let api = spoken(Some(version("1.35")), oldest, newest).unwrap();
        assert_eq!(api.to_string(), "1.35");
        let refused = spoken(Some(version("1.45")), oldest, newest).unwrap_err();
        assert!(
            refused.to_string().contains("DOCKER_API_VERSION"),
            "{refused}"
        );
        for bad in ["canary", "1.10", "1.99"] {
            assert!(
                matches!(fixed(bad), Err(EngineError::BadVersion { .. })),
                "{bad}"
            );
        }
        let too_new = spoken(None, Some(version("1.60")), version("1.70")).unwrap_err();
        assert!(too_new.to_string().contains("1.60 to 1.70"), "{too_new}");
    }
}
