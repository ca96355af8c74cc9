//! What is sent when all is well.

use cs::clients::backend::{CallOutcome, DeploymentType, Step, StepStatus};
use serde_json::{Value, json};

use super::{ASK, STEP, UPDATE, UPDATE_SLASH, client, update};
use crate::support::backend::{RecordingBackend, Reply};

#[tokio::test]
async fn asking_for_a_domain_sends_the_token_first_and_no_body() {
    let server = RecordingBackend::start_here().await;
    let domain = client(&server).ask_domain("img 1").await;
    assert_eq!(domain.as_deref(), Some("allocated"));
    let [request] = &server.requests()[..] else {
        panic!("one request")
    };
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("GET", ASK)
    );
    assert_eq!(
        request.query,
        "accessToken=canary+token%26%2B&serviceId=img+1"
    );
    assert_eq!(request.body, Value::Null);
    assert!(!request.headers.contains_key("authorization"));
}

#[tokio::test]
async fn a_service_update_is_put_to_the_path_with_the_slash() {
    let server = RecordingBackend::start_here().await;
    assert_eq!(
        client(&server).service_update(&update()).await,
        CallOutcome::Done
    );
    let [request] = &server.requests()[..] else {
        panic!("one request")
    };
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("PUT", UPDATE_SLASH)
    );
    assert_eq!(request.query, "accessToken=canary+token%26%2B");
    assert_eq!(request.headers["content-type"], "application/json");
    assert_eq!(
        request.body,
        json!({
            "serviceId": "img_1",
            "network": [{
                "port": 8080, "type": "http", "public": true, "domain": "shop.cluster.example",
                "has_health_check": "http",
                "health_check": {"type": "http", "path": "/", "interval": "30s", "timeout": "30s", "port": 8080},
            }],
            "cmd": "serve",
        })
    );
}

#[tokio::test]
async fn a_router_without_the_slash_is_found_and_remembered() {
    for unknown in [
        Reply::Status(404),
        Reply::Redirect(307, "/elsewhere".to_owned()),
    ] {
        let server = RecordingBackend::start_here().await;
        server.script(UPDATE_SLASH, usize::MAX, unknown);
        let client = client(&server);
        assert_eq!(client.service_update(&update()).await, CallOutcome::Done);
        assert_eq!(client.service_update(&update()).await, CallOutcome::Done);
        let paths: Vec<String> = server.requests().into_iter().map(|r| r.path).collect();
        assert_eq!(paths, [UPDATE_SLASH, UPDATE, UPDATE]);
    }
}

#[tokio::test]
async fn a_backend_that_knows_neither_path_fails_after_two_calls() {
    let server = RecordingBackend::start_here().await;
    server.script("", usize::MAX, Reply::Status(404));
    assert_eq!(
        client(&server).service_update(&update()).await,
        CallOutcome::Failed
    );
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_failed_step_carries_its_error() {
    let server = RecordingBackend::start_here().await;
    let outcome = client(&server)
        .step(
            "gdeployment_1",
            DeploymentType::Git,
            Step::HealthCheck,
            StepStatus::Failed(Some("exit code 1".to_owned())),
        )
        .await;
    assert_eq!(outcome, CallOutcome::Done);
    let [request] = &server.requests()[..] else {
        panic!("one request")
    };
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("PUT", STEP)
    );
    assert_eq!(
        request.body,
        json!({"deploymentId": "gdeployment_1", "deployment_type": "git", "step": "healthCheck",
               "status": "failed", "error": "exit code 1"})
    );
}

#[tokio::test]
async fn created_is_success_for_a_put_and_not_for_a_question() {
    let server = RecordingBackend::start_here().await;
    server.script(
        "",
        usize::MAX,
        Reply::Body(201, r#"{"domain":"x"}"#.to_owned()),
    );
    let client = client(&server);
    assert_eq!(client.service_update(&update()).await, CallOutcome::Done);
    assert_eq!(client.ask_domain("img_1").await, None);
}

#[tokio::test]
async fn empty_ids_are_not_sent() {
    let server = RecordingBackend::start_here().await;
    let client = client(&server);
    assert_eq!(client.ask_domain("").await, None);
    let nobody = cs::clients::backend::ServiceUpdate {
        service_id: String::new(),
        ..update()
    };
    assert_eq!(client.service_update(&nobody).await, CallOutcome::Skipped);
    let step = client.step("", DeploymentType::App, Step::Deploy, StepStatus::Completed);
    assert_eq!(step.await, CallOutcome::Skipped);
    assert!(server.requests().is_empty());
}

#[test]
fn the_recording_backend_serves_a_test_without_a_runtime() {
    let server = RecordingBackend::start();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let domain = runtime.block_on(client(&server).ask_domain("img_1"));
    assert_eq!(domain.as_deref(), Some("allocated"));
    assert_eq!(server.requests_to(ASK).len(), 1);
}
