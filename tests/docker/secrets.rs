//! Secrets of a build reach the step that mounts them, and nothing else.

use std::collections::BTreeMap;

use cs::secret::Secret;

use super::{build, named};
use crate::support::docker::DockerEngine;
use crate::support::logs::Logs;
use crate::support::registry::sha256;

const CANARY: &str = "canary-Kx7\nwith two lines";

#[tokio::test]
async fn a_secret_reaches_its_step_and_is_seen_nowhere() {
    let Some(engine) = DockerEngine::shared() else {
        return;
    };
    let logs = Logs::capture();
    let base = engine.base_image();
    let mut wanted = named("cs-test-secret:1");
    wanted.secrets = BTreeMap::from([
        ("TOKEN".to_owned(), Secret::new(CANARY)),
        ("OTHER".to_owned(), Secret::new("canary-other")),
    ]);
    let dockerfile = format!(
        "FROM {base}\nRUN --mount=type=secret,id=TOKEN sha256sum < /run/secrets/TOKEN; ls /run/secrets\n"
    );
    let ended = build(&engine.client(), &wanted, &dockerfile).await;
    ended.built();
    let digest = sha256(CANARY.as_bytes());
    let digest = digest.trim_start_matches("sha256:");
    assert!(ended.stdout.contains(digest), "{}", ended.said());
    let others = ended.stdout.lines().filter(|line| line.ends_with("OTHER"));
    assert_eq!(others.count(), 0, "{}", ended.said());
    let seen = format!("{} {} {wanted:?}", ended.shown(), logs.text());
    assert!(!seen.contains("canary"), "{seen}");
    assert!(!engine.image_holds("cs-test-secret:1", "canary"));
}

#[tokio::test]
async fn a_failing_step_shows_no_secret() {
    let Some(engine) = DockerEngine::shared() else {
        return;
    };
    let base = engine.base_image();
    let mut wanted = named("cs-test-secret-failing:1");
    wanted.secrets = BTreeMap::from([("TOKEN".to_owned(), Secret::new(CANARY))]);
    let ended = build(
        &engine.client(),
        &wanted,
        &format!(
            "FROM {base}\nRUN --mount=type=secret,id=TOKEN test -s /run/secrets/TOKEN && exit 9\n"
        ),
    )
    .await;
    assert_eq!(ended.failure().reason, "exit code: 9");
    assert!(!ended.shown().contains("canary"), "{}", ended.shown());
}

#[tokio::test]
async fn a_required_secret_that_is_not_there_fails_its_step() {
    let Some(engine) = DockerEngine::shared() else {
        return;
    };
    let base = engine.base_image();
    let ended = build(
        &engine.client(),
        &named("cs-test-secret-missing:1"),
        &format!(
            "FROM {base}\nRUN --mount=type=secret,id=NOPE,required=true cat /run/secrets/NOPE\n"
        ),
    )
    .await;
    let failure = ended.failure();
    assert!(failure.reason.contains("NOPE"), "{failure:?}");
}
