//! What a Dockerfile becomes.

use std::collections::BTreeMap;

use cs::clients::docker::BuilderKind;

use super::{build, build_files, named};
use crate::support::docker::DockerEngine;

#[tokio::test]
async fn the_engine_says_who_it_is() {
    let Some(engine) = DockerEngine::shared() else {
        return;
    };
    let info = engine.client().ping().await.unwrap();
    assert_eq!(info.builder, BuilderKind::BuildKit);
    assert_eq!(info.os, "linux");
    assert!(
        !info.version.is_empty() && !info.arch.is_empty(),
        "{info:?}"
    );
}

#[tokio::test]
async fn an_image_from_scratch_is_built_and_known() {
    let Some(engine) = DockerEngine::shared() else {
        return;
    };
    let dockerfile = "FROM scratch\nCOPY app /app\nEXPOSE 8080 70/tcp 53/udp\nUSER 1000\nENTRYPOINT [\"/app\"]\nCMD [\"serve\"]\n";
    let client = engine.client();
    let mut wanted = named("cs-test-scratch:1");
    wanted.labels = BTreeMap::from([("cs.commit".to_owned(), "a\"b".to_owned())]);
    let files = [("Dockerfile", dockerfile), ("app", "the app")];
    let ended = build_files(&client, &wanted, &files).await;
    assert_eq!(ended.built().builder, BuilderKind::BuildKit);
    let image = client.inspect("cs-test-scratch:1").await.unwrap().unwrap();
    assert_eq!(image.id, ended.built().image_id);
    assert_eq!(image.facts.exposed_ports, [70, 8080]);
    assert_eq!(image.facts.user.as_deref(), Some("1000"));
    assert_eq!(image.facts.cmd, ["serve"]);
    assert_eq!(image.facts.entrypoint, ["/app"]);
    assert_eq!(image.facts.labels["cs.commit"], "a\"b");
    let content = engine.file("cs-test-scratch:1", "/app").unwrap();
    assert_eq!(content, b"the app");
    assert_eq!(client.inspect("cs-test-none:1").await.unwrap(), None);
}

#[tokio::test]
async fn steps_run_with_arguments_and_their_output_is_told() {
    // Beside the builds of other tests the engine has been seen to do a step again that it had.
    let Some(engine) = DockerEngine::own() else {
        return;
    };
    let base = engine.base_image();
    let dockerfile = format!(
        "FROM {base}\nARG WHO=nobody\nRUN echo hello $WHO > /who; echo said $WHO; echo wrong >&2\n"
    );
    let mut wanted = named("cs-test-args:1");
    wanted.args = BTreeMap::from([("WHO".to_owned(), "a b&c=d".to_owned())]);
    let client = engine.client();
    let ended = build(&client, &wanted, &dockerfile).await;
    ended.built();
    let who = engine.file("cs-test-args:1", "who").unwrap();
    assert_eq!(who, b"hello a b&c=d\n");
    let line = |text: &str, said: &str| said.lines().any(|line| line.ends_with(text));
    assert!(line("said a b&c=d", &ended.stdout), "{}", ended.said());
    assert!(line("wrong", &ended.stderr), "{}", ended.said());
    assert!(ended.stdout.contains("RUN echo hello"), "{}", ended.said());
    assert!(ended.stdout.contains(" DONE "), "{}", ended.said());
    let again = build(&client, &wanted, &dockerfile).await;
    assert!(again.stdout.contains(" CACHED"), "{}", again.said());
    assert!(!line("said a b&c=d", &again.stdout), "{}", again.said());
    let (one, other) = (ended.built(), again.built());
    assert_eq!(one.image_id, other.image_id, "{}", again.said());
    wanted.no_cache = true;
    let afresh = build(&client, &wanted, &dockerfile).await;
    assert!(line("said a b&c=d", &afresh.stdout), "{}", afresh.said());
}

#[tokio::test]
async fn a_cache_mount_stays_from_build_to_build() {
    let Some(engine) = DockerEngine::shared() else {
        return;
    };
    let base = engine.base_image();
    let client = engine.client();
    let mut wanted = named("cs-test-mount:1");
    for (round, expected) in [("1", "kept nothing"), ("2", "kept 1")] {
        wanted.args = BTreeMap::from([("ROUND".to_owned(), round.to_owned())]);
        let ended = build(
            &client,
            &wanted,
            &format!(
                "FROM {base}\nARG ROUND\nRUN --mount=type=cache,id=cs-test-mount,target=/kept \
                 echo kept $(cat /kept/round || echo nothing); echo $ROUND > /kept/round\n"
            ),
        )
        .await;
        ended.built();
        assert!(ended.stdout.contains(expected), "{}", ended.said());
    }
    assert_eq!(engine.file("cs-test-mount:1", "kept/round"), None);
}

#[tokio::test]
async fn the_stage_and_the_dockerfile_are_chosen() {
    let Some(engine) = DockerEngine::shared() else {
        return;
    };
    let mut wanted = named("cs-test-stage:1");
    wanted.dockerfile = "deploy/Dockerfile.prod".to_owned();
    wanted.target = Some("first".to_owned());
    let files = [
        (
            "deploy/Dockerfile.prod",
            "FROM scratch AS first\nCOPY a /a\nFROM first\nCOPY b /b\n",
        ),
        ("a", "1"),
        ("b", "2"),
    ];
    build_files(&engine.client(), &wanted, &files).await.built();
    assert!(engine.file("cs-test-stage:1", "a").is_some());
    assert!(engine.file("cs-test-stage:1", "b").is_none());
}

#[tokio::test]
async fn many_lines_come_in_order_and_none_is_lost() {
    let Some(engine) = DockerEngine::shared() else {
        return;
    };
    let base = engine.base_image();
    let ended = build(
        &engine.client(),
        &named("cs-test-lines:1"),
        &format!("FROM {base}\nRUN seq 1 50000 | sed 's/^/line /;s/$/./'\n"),
    )
    .await;
    ended.built();
    let numbers = ended.stdout.lines().filter_map(|line| {
        let (_, rest) = line.split_once(" line ")?;
        rest.strip_suffix('.')?.parse::<u32>().ok()
    });
    assert!(numbers.eq(1..=50_000), "{}", ended.stdout.len());
}

#[tokio::test]
async fn names_are_given_and_taken() {
    let Some(engine) = DockerEngine::shared() else {
        return;
    };
    let client = engine.client();
    let files = [("Dockerfile", "FROM scratch\nCOPY Dockerfile /names\n")];
    let wanted = named("cs-test-names:1");
    build_files(&client, &wanted, &files).await.built();
    let other = "registry.example:5000/cs/test-names:2";
    client
        .tag("cs-test-names:1", &other.parse().unwrap())
        .await
        .unwrap();
    assert!(
        engine.images().contains(&other.to_owned()),
        "{:?}",
        engine.images()
    );
    client.remove(other).await.unwrap();
    client.remove(other).await.unwrap();
    assert!(!engine.has_image(other));
    assert!(engine.has_image("cs-test-names:1"));
    client.remove("cs-test-names:1").await.unwrap();
    assert!(!engine.has_image("cs-test-names:1"));
    let gone = client.tag("cs-test-names:1", &other.parse().unwrap()).await;
    assert!(gone.unwrap_err().to_string().contains("has no image"));
}
