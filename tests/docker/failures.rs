//! Sources that do not build: the step, the reason, the last lines.

use std::collections::BTreeMap;

use cs::clients::docker::EngineError;

use super::{build, build_files, named};
use crate::support::docker::DockerEngine;

#[tokio::test]
async fn the_third_step_that_fails_is_named_with_its_last_lines() {
    let Some(engine) = DockerEngine::shared() else {
        return;
    };
    let base = engine.base_image();
    let ended = build(
        &engine.client(),
        &named("cs-test-third:1"),
        &format!(
            "FROM {base}\nRUN echo fine\nRUN (seq 1 100; echo the cause) >&2; exit 42\nRUN echo never\n"
        ),
    )
    .await;
    let failure = ended.failure();
    let step = failure.step.as_deref().unwrap();
    assert!(step.contains("3/4] RUN (seq 1 100"), "{step}");
    assert_eq!(failure.reason, "exit code: 42");
    assert_eq!(failure.tail.len(), 20, "{:?}", failure.tail);
    assert_eq!(failure.tail[18..], ["100", "the cause"]);
    assert!(
        ended.stderr.contains("ERROR: exit code: 42"),
        "{}",
        ended.said()
    );
    assert!(!engine.has_image("cs-test-third:1"));
}

#[tokio::test]
async fn of_steps_that_run_side_by_side_the_one_that_failed_is_named() {
    let Some(engine) = DockerEngine::shared() else {
        return;
    };
    let base = engine.base_image();
    let ended = build(
        &engine.client(),
        &named("cs-test-sides:1"),
        &format!(
            "FROM {base} AS slow\nRUN echo slow; sleep 3017\nFROM {base} AS wrong\nRUN echo wrong; exit 3\n\
             FROM {base}\nCOPY --from=slow /etc /a\nCOPY --from=wrong /etc /b\n"
        ),
    )
    .await;
    let failure = ended.failure();
    assert!(
        failure.step.as_deref().unwrap().contains("[wrong 2/2]"),
        "{failure:?}"
    );
    assert_eq!(failure.tail, ["wrong"]);
}

#[tokio::test]
async fn a_dockerfile_that_is_none_is_the_sources_fault() {
    let Some(engine) = DockerEngine::shared() else {
        return;
    };
    let base = engine.base_image();
    let client = engine.client();
    let wanted = named("cs-test-syntax:1");
    let ended = build(&client, &wanted, &format!("FROM {base}\n\nRUNN echo x\n")).await;
    let reason = &ended.failure().reason;
    assert!(reason.contains("RUNN"), "{reason}");
    assert!(!reason.contains("failed to solve"), "{reason}");
    let absent = build_files(&client, &wanted, &[("other", "x")]).await;
    let reason = &absent.failure().reason;
    assert!(reason.contains("Dockerfile"), "{reason}");
    let copy = build(&client, &wanted, "FROM scratch\nCOPY nothing /x\n").await;
    let failure = copy.failure();
    assert!(format!("{failure}").contains("nothing"), "{failure}");
}

#[tokio::test]
async fn a_base_image_that_is_nowhere_is_named() {
    let Some(engine) = DockerEngine::shared() else {
        return;
    };
    let nobody = crate::support::ports::CLOSED_PORT;
    let image = format!("127.0.0.1:{nobody}/base:1");
    let ended = build(
        &engine.client(),
        &named("cs-test-nowhere:1"),
        &format!("FROM {image}\nRUN true\n"),
    )
    .await;
    let failure = ended.failure();
    assert!(failure.to_string().contains(&image), "{failure}");
}

#[tokio::test]
async fn a_name_that_is_none_is_refused_by_the_engine() {
    let Some(engine) = DockerEngine::shared() else {
        return;
    };
    let ended = build(&engine.client(), &named("Not A Name"), "FROM scratch\n").await;
    let Err(error) = &ended.result else {
        panic!("built");
    };
    assert!(matches!(error, EngineError::Refused { .. }), "{error:?}");
}

#[tokio::test]
async fn arguments_that_nobody_wants_are_no_failure() {
    let Some(engine) = DockerEngine::shared() else {
        return;
    };
    let mut wanted = named("cs-test-unwanted:1");
    wanted.args = BTreeMap::from([("NOBODY".to_owned(), "x".to_owned())]);
    let dockerfile = "FROM scratch\nCOPY Dockerfile /unwanted\n";
    build(&engine.client(), &wanted, dockerfile).await.built();
}
