//! Layers that come from a registry instead of being built.

use std::collections::BTreeMap;

use cs::artifact::output::Output;
use tokio_util::sync::CancellationToken;

use super::{build, credentials, named};
use crate::support::docker::DockerEngine;
use crate::support::registry::{DockerRegistry, PASSWORD};

#[tokio::test]
async fn a_layer_is_taken_from_the_registry_with_the_right_credentials_only() {
    let (Some(engine), Some(registry)) = (DockerEngine::own(), DockerRegistry::start().await)
    else {
        return;
    };
    let base = engine.base_image();
    let client = engine.client();
    let name = format!("{}/cache/app:1", registry.host());
    let mut wanted = named(&name);
    wanted.inline_cache = true;
    let dockerfile = format!("FROM {base}\nRUN cat /proc/sys/kernel/random/uuid > /once\n");
    build(&client, &wanted, &dockerfile).await.built();
    let once = engine.file(&name, "once").unwrap();
    let (output, _) = Output::channel();
    let user = credentials(PASSWORD);
    let stop = CancellationToken::new();
    let target = name.parse().unwrap();
    client
        .push(&target, Some(&user), &output, &stop)
        .await
        .unwrap();

    let forget = async || {
        client.remove(&name).await.unwrap();
        engine.prune_cache();
    };
    forget().await;
    wanted.cache_from = vec![name.clone()];
    wanted.registries = BTreeMap::from([(registry.host(), user)]);
    let cached = build(&client, &wanted, &dockerfile).await;
    cached.built();
    assert!(!cached.shown().contains("canary"), "{}", cached.shown());
    assert_eq!(
        engine.file(&name, "once").unwrap(),
        once,
        "{}",
        cached.said()
    );

    forget().await;
    let elsewhere = format!("localhost:{}", registry.host().rsplit(':').next().unwrap());
    wanted.registries = BTreeMap::from([(elsewhere, credentials(PASSWORD))]);
    let afresh = build(&client, &wanted, &dockerfile).await;
    afresh.built();
    assert_ne!(
        engine.file(&name, "once").unwrap(),
        once,
        "{}",
        afresh.said()
    );
}

#[tokio::test]
async fn a_base_image_is_pulled_with_its_registrys_credentials() {
    let (Some(engine), Some(registry)) = (DockerEngine::shared(), DockerRegistry::start().await)
    else {
        return;
    };
    let config = serde_json::json!({"architecture": "amd64", "os": "linux", "config": {"User": "7"},
        "rootfs": {"type": "layers", "diff_ids": []}});
    registry.push_image("private/base", "1", &config).await;
    let client = engine.client();
    let dockerfile = format!(
        "FROM {}/private/base:1\nCOPY Dockerfile /x\n",
        registry.host()
    );
    let mut wanted = named("cs-test-private:1");
    let refused = build(&client, &wanted, &dockerfile).await;
    assert!(
        refused.failure().to_string().contains("private/base"),
        "{}",
        refused.failure()
    );
    wanted.registries = BTreeMap::from([(registry.host(), credentials("canary-wrong"))]);
    let wrong = build(&client, &wanted, &dockerfile).await;
    wrong.failure();
    assert!(!wrong.shown().contains("canary"), "{}", wrong.shown());
    wanted.registries = BTreeMap::from([(registry.host(), credentials(PASSWORD))]);
    build(&client, &wanted, &dockerfile).await.built();
    let image = client.inspect("cs-test-private:1").await.unwrap().unwrap();
    assert_eq!(image.facts.user.as_deref(), Some("7"));
}
