//! The requests that begin a build.

use std::collections::BTreeMap;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder};

use super::ImageBuild;
use crate::clients::docker::engine::Engine;
use crate::clients::docker::error::EngineError;
use crate::clients::docker::push::configuration;

/// The argument by which BuildKit is told to put the cache into the image.
const INLINE_CACHE: &str = "BUILDKIT_INLINE_CACHE";

/// A build by BuildKit. Secrets and credentials are not in it: those are the session's.
pub(super) async fn buildkit(
    engine: &Engine,
    build: &ImageBuild,
    session: &str,
) -> Result<RequestBuilder, EngineError> {
    let mut args = build.args.clone();
    if build.inline_cache {
        args.insert(INLINE_CACHE.to_owned(), "1".to_owned());
    }
    let request = begin(engine, build, &args).await?;
    Ok(request.query(&[("version", "2"), ("session", session)]))
}

/// A build by the classic builder, which is given all credentials at once.
pub(super) async fn classic(
    engine: &Engine,
    build: &ImageBuild,
) -> Result<RequestBuilder, EngineError> {
    let request = begin(engine, build, &build.args).await?;
    let registries = configuration(build.registries.iter());
    Ok(request.header("x-registry-config", registries))
}

async fn begin(
    engine: &Engine,
    build: &ImageBuild,
    args: &BTreeMap<String, String>,
) -> Result<RequestBuilder, EngineError> {
    let json = |value: Result<String, _>| value.expect("texts become JSON");
    let mut query = vec![
        ("dockerfile", build.dockerfile.clone()),
        // Containers of steps go, those of failed steps too.
        ("rm", "1".to_owned()),
        ("forcerm", "1".to_owned()),
    ];
    query.extend(build.tags.iter().map(|tag| ("t", tag.clone())));
    if !args.is_empty() {
        query.push(("buildargs", json(serde_json::to_string(args))));
    }
    if !build.labels.is_empty() {
        query.push(("labels", json(serde_json::to_string(&build.labels))));
    }
    if !build.cache_from.is_empty() {
        query.push(("cachefrom", json(serde_json::to_string(&build.cache_from))));
    }
    if let Some(target) = &build.target {
        query.push(("target", target.clone()));
    }
    if build.no_cache {
        query.push(("nocache", "1".to_owned()));
    }
    let request = engine.request(Method::POST, "/build").await?;
    Ok(request
        .query(&query)
        .header(CONTENT_TYPE, "application/x-tar"))
}
