//! No error and no `Debug` shows a credential, even when a server echoes it.

use std::collections::BTreeMap;

use cs::clients::nomad::calls::jobs::Submission;
use cs::clients::nomad::{ConnectionConfig, NomadClient, NomadError};
use cs::ids::ModifyIndex;
use cs::secret::Secret;
use serde_json::json;

use super::fake::{Fake, Step, answer, json as ok, text};
use super::{chain, job, quick};
use crate::support::ports::CLOSED_PORT;

const TOKEN: &str = "canary-token-1";
const PASSWORD: &str = "canary-password-2";
/// `user:canary-password-2`, as the header carries it.
const PAIR: &str = "dXNlcjpjYW5hcnktcGFzc3dvcmQtMg==";

fn with_credentials(address: &str) -> NomadClient {
    let address = address.replace("http://", &format!("http://user:{PASSWORD}@"));
    let mut config = ConnectionConfig::new(&address).unwrap();
    config.token = Some(Secret::new(TOKEN));
    config.timeouts = quick();
    assert_clean(&format!("{config:?}"));
    NomadClient::new(config).unwrap()
}

fn assert_clean(shown: &str) {
    for secret in ["canary", PAIR] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

fn assert_error_clean(error: &NomadError) {
    assert_clean(&format!("{} {error:?} {error:#?}", chain(error)));
}

#[tokio::test]
async fn no_failure_shows_a_credential() {
    let echo =
        format!("got X-Nomad-Token: {TOKEN}, Authorization: Basic {PAIR}, password {PASSWORD}");
    let mut steps: Vec<Step> = [301, 400, 401, 403, 404, 409, 418, 429, 500, 502, 503]
        .map(|status| text(status, &echo))
        .into();
    steps.extend([
        text(500, &format!("Enforcing job modify index 1: {echo}")),
        text(500, &format!("1 error occurred:\n\t* {echo}")),
        ok(&format!("\"{TOKEN}\"")),
        Step::Drop,
        Step::Hang,
        Step::AnswerAndClose(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{".to_vec()),
        Step::AnswerAndClose(b"nonsense\r\n\r\n".to_vec()),
    ]);
    for step in steps {
        let fake = Fake::start(vec![step.clone()]).await;
        let client = with_credentials(&fake.address);
        assert_clean(&format!("{client:?} {}", client.address()));
        assert_error_clean(&client.job(&job("x")).await.unwrap_err());
        let spec = json!({"ID": "x", "Env": {"A": "canary"}});
        assert_error_clean(
            &client
                .register(&spec, ModifyIndex(1), None)
                .await
                .unwrap_err(),
        );
        assert!(
            fake.requests()[0].contains(TOKEN),
            "the credential was really sent"
        );
    }
    let nobody = with_credentials(&format!("http://127.0.0.1:{}", CLOSED_PORT));
    assert_error_clean(&nobody.job(&job("x")).await.unwrap_err());
}

#[tokio::test]
async fn a_variables_items_show_neither_in_conflicts_nor_in_debug() {
    let body = r#"{"Path":"a","ModifyIndex":9,"Items":{"k":"canary"}}"#;
    let conflict = Step::Answer(answer(409, "Content-Type: text/plain\r\n", body));
    let fake = Fake::start(vec![conflict.clone(), conflict, ok(body)]).await;
    let client = with_credentials(&fake.address);
    let path = "a".parse().unwrap();
    let items = BTreeMap::from([("k".to_owned(), "canary".to_owned())]);
    let error = client
        .put_variable(&path, &items, ModifyIndex(3))
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            NomadError::Conflict {
                expected: ModifyIndex(3),
                ..
            }
        ),
        "{error:?}"
    );
    assert!(chain(&error).contains("index 9"), "{}", chain(&error));
    assert_error_clean(&error);
    assert_error_clean(
        &client
            .delete_variable(&path, ModifyIndex(3))
            .await
            .unwrap_err(),
    );
    let variable = client.variable(&path).await.unwrap().value.unwrap();
    assert_eq!(variable.items["k"], "canary");
    assert_clean(&format!("{variable:?}"));
}

#[test]
fn a_submission_shows_sizes_only() {
    let submission = Submission {
        source: "canary".into(),
        variables: "canary".into(),
        ..Submission::default()
    };
    assert_clean(&format!("{submission:?}"));
}
