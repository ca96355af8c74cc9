//! The token appears in no log line and no `Debug`.

use cs::clients::backend::{DeploymentType, Step, StepStatus};

use super::{ASK, UPDATE, client, client_of, update};
use crate::support::backend::{RecordingBackend, Reply};
use crate::support::logs::Logs;
use crate::support::ports::CLOSED_PORT;

#[tokio::test(start_paused = true)]
async fn no_failure_shows_the_token() {
    let logs = Logs::capture();
    let server = RecordingBackend::start_here().await;
    let echo = r#"{"message":["refused canary token&+", "or canary+token%26%2B", "line\nbreak"]}"#;
    server.script(ASK, 1, Reply::Body(422, echo.to_owned()));
    server.script(
        ASK,
        1,
        Reply::Body(401, r#"{"message":"bad canary"}"#.to_owned()),
    );
    server.script(
        ASK,
        1,
        Reply::Redirect(302, format!("{}/x?accessToken=canary", server.url())),
    );
    server.script(ASK, 1, Reply::Body(200, "canary".to_owned()));
    let backend = client(&server);
    for _ in 0..4 {
        assert_eq!(backend.ask_domain("img_1").await, None);
    }
    server.script("", 4, Reply::Status(500));
    backend.service_update(&update()).await;
    assert!(
        !server
            .requests()
            .iter()
            .any(|request| request.path == UPDATE)
    );

    let dead = format!("http://user:canary@127.0.0.1:{}", CLOSED_PORT);
    let dead = client_of(&dead, "canary token&+");
    dead.step(
        "gd_1",
        DeploymentType::Git,
        Step::Build,
        StepStatus::InProgress,
    )
    .await;

    let shown = format!("{} {backend:?} {dead:?}", logs.text());
    assert!(!shown.contains("canary"), "{shown}");
    assert_eq!(
        logs.warnings("answered 422 "),
        1,
        "the message stays in one line: {shown}"
    );
    assert!(
        shown.contains("refused [redacted]; or [redacted]; line break"),
        "{shown}"
    );
    assert!(
        shown.contains("Connection refused"),
        "the cause is told: {shown}"
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let server = RecordingBackend::start_here().await;
    let other = RecordingBackend::start_here().await;
    server.script(
        ASK,
        1,
        Reply::Redirect(307, format!("{}{ASK}", other.url())),
    );
    assert_eq!(client(&server).ask_domain("img_1").await, None);
    assert!(other.requests().is_empty());
}
