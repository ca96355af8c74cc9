//! An engine whose owner chose the builder that came before BuildKit.

use std::collections::BTreeMap;

use cs::clients::docker::BuilderKind;
use cs::secret::Secret;

use super::{build, credentials, named};
use crate::support::docker::DockerEngine;
use crate::support::registry::DockerRegistry;

#[tokio::test]
async fn it_builds_and_says_what_is_missing() {
    let Some(engine) = DockerEngine::shared() else {
        return;
    };
    let base = engine.base_image();
    let proxy = engine.classic();
    let client = proxy.client();
    assert_eq!(client.ping().await.unwrap().builder, BuilderKind::Classic);
    let mut wanted = named("cs-test-classic:1");
    wanted.secrets = BTreeMap::from([("TOKEN".to_owned(), Secret::new("canary"))]);
    wanted.args = BTreeMap::from([("WHO".to_owned(), "x".to_owned())]);
    wanted.labels = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
    let dockerfile = format!("FROM {base}\nARG WHO\nRUN echo said $WHO; echo wrong >&2\n");
    let ended = build(&client, &wanted, &dockerfile).await;
    assert_eq!(ended.built().builder, BuilderKind::Classic);
    let warning = ended.stderr.lines().next().unwrap();
    assert!(
        warning.contains("without BuildKit") && warning.contains("1 secrets"),
        "{warning}"
    );
    assert!(ended.stdout.contains("said x\n"), "{}", ended.said());
    assert!(ended.stderr.contains("wrong\n"), "{}", ended.said());
    assert!(!ended.said().contains('\u{1b}'), "{}", ended.said());
    let image = client.inspect("cs-test-classic:1").await.unwrap().unwrap();
    assert_eq!(image.id, ended.built().image_id);
    assert_eq!(image.facts.labels["a"], "b");
    assert!(!engine.image_holds("cs-test-classic:1", "canary"));
}

#[tokio::test]
async fn its_failures_have_a_step_too() {
    let Some(engine) = DockerEngine::shared() else {
        return;
    };
    let base = engine.base_image();
    let proxy = engine.classic();
    let client = proxy.client();
    let wanted = named("cs-test-classic-failing:1");
    let dockerfile = format!("FROM {base}\nRUN echo fine\nRUN echo the cause; exit 42\nRUN true\n");
    let ended = build(&client, &wanted, &dockerfile).await;
    let failure = ended.failure();
    assert_eq!(
        failure.step.as_deref(),
        Some("[3/4] RUN echo the cause; exit 42")
    );
    assert_eq!(failure.reason, "exit code: 42");
    assert_eq!(failure.tail, ["the cause"]);
    for wrong in [
        format!("FROM {base}\nRUN --mount=type=secret,id=x true\n"),
        format!("FROM {base}\nRUNN x\n"),
    ] {
        let ended = build(&client, &wanted, &wrong).await;
        assert!(!ended.failure().reason.is_empty());
    }
}

#[tokio::test]
async fn it_is_given_the_credentials_of_base_images() {
    let (Some(engine), Some(registry)) = (DockerEngine::shared(), DockerRegistry::start().await)
    else {
        return;
    };
    let config = serde_json::json!({"architecture": "amd64", "os": "linux", "config": {"User": "7"},
        "rootfs": {"type": "layers", "diff_ids": []}});
    registry.push_image("classic/base", "1", &config).await;
    let proxy = engine.classic();
    let mut wanted = named("cs-test-classic-base:1");
    let dockerfile = format!(
        "FROM {}/classic/base:1\nCOPY Dockerfile /x\n",
        registry.host()
    );
    let refused = build(&proxy.client(), &wanted, &dockerfile).await;
    assert!(refused.failure().to_string().contains("classic/base"));
    wanted.registries = BTreeMap::from([(
        registry.host(),
        credentials(crate::support::registry::PASSWORD),
    )]);
    let ended = build(&proxy.client(), &wanted, &dockerfile).await;
    ended.built();
    assert!(!ended.shown().contains("canary"), "{}", ended.shown());
}
