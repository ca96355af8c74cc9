//! Role id, secret id, token and values are in no error, `Debug` or log line, whatever a server answers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cs::clients::chain;
use cs::clients::vault::{VaultLogin, read};
use cs::secret::Secret;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::support::logs::Logs;
use crate::support::vault::{LOGIN, REVOKE, ROLE_ID, Reply, SECRET_ID, TOKEN, VaultDouble};

const PATH: &str = "kv/data/shop";
const READ: &str = "/v1/kv/data/shop";
const VALUE: &str = "Cnry+vault-value/8fq=Z";

/// Every secret, in the forms in which a text gives it away.
fn forms() -> Vec<String> {
    [ROLE_ID, SECRET_ID, TOKEN, VALUE]
        .into_iter()
        .flat_map(|secret| {
            let in_url: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            let encoded = STANDARD.encode(secret);
            [secret.to_owned(), in_url, encoded[..20].to_owned()]
        })
        .collect()
}

/// Texts of a server that repeats all that it knows.
fn echoes() -> Vec<String> {
    let token = format!("{TOKEN}1");
    [ROLE_ID, SECRET_ID, &token]
        .into_iter()
        .flat_map(|secret| {
            let in_url: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            [
                format!("invalid id {secret:?}"),
                format!("no handler for ?id={in_url}"),
                format!("{}{secret}", "x ".repeat(500)),
                format!("begins with {}", &secret[..12]),
            ]
        })
        .collect()
}

async fn failure(login: &VaultLogin) -> String {
    match read(login, PATH, &CancellationToken::new()).await {
        Ok(secrets) => format!("{secrets:?}"),
        Err(error) => format!("{} {error:?}", chain(&error)),
    }
}

fn assert_clean(shown: &str) {
    for form in forms() {
        assert!(!shown.contains(&form), "{form} in {shown}");
    }
    // A beginning gives a part away.
    assert!(!shown.contains("Cnry+vault"), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_repeats_secrets_does_not_get_them_shown() {
    let logs = Logs::capture();
    let mut shown = String::new();
    for text in echoes() {
        for (path, status) in [
            (LOGIN, 400),
            (LOGIN, 500),
            (READ, 403),
            (READ, 404),
            (READ, 418),
        ] {
            let vault = VaultDouble::start_here().await;
            let body = json!({"errors": [text], "warnings": [text], "data": null}).to_string();
            vault.script(path, usize::MAX, Reply::Body(status, body));
            vault.script(
                REVOKE,
                1,
                Reply::Body(400, json!({"errors": [text]}).to_string()),
            );
            shown += &failure(&vault.login()).await;
        }
    }
    for (status, secret) in [(307, ROLE_ID), (302, SECRET_ID)] {
        let vault = VaultDouble::start_here().await;
        let host: String = secret.chars().filter(char::is_ascii_alphanumeric).collect();
        let to = format!("http://vault-secret.{host}.example/{secret}?x={secret}");
        vault.script(LOGIN, 1, Reply::Redirect(status, to));
        let told = failure(&vault.login()).await;
        assert!(told.contains("Redirected"), "{told}");
        shown += &told;
    }
    shown += &logs.text();
    assert_clean(&shown);
    assert!(shown.contains("Vault is called again"), "the log was kept");
    assert!(shown.contains("was not revoked"), "the log was kept");
}

#[tokio::test(start_paused = true)]
async fn neither_success_nor_garbage_shows_a_value() {
    let logs = Logs::capture();
    let vault = VaultDouble::start_here().await;
    vault.secret(
        PATH,
        json!({"A": VALUE, "B": 8, "C": [VALUE], "D": {"x": VALUE}}),
    );
    let mut shown = format!("{:?}", vault.login());
    shown += &failure(&vault.login()).await;
    assert!(shown.contains("skipped: [\"C\", \"D\"]"), "{shown}");
    for body in [
        format!(r#"{{"data": {{"A": "{VALUE}""#),
        format!(r#"{{"data": "{VALUE}"}}"#),
        format!(r#"{{"data": null, "x": "{VALUE}"}}"#),
        VALUE.to_owned(),
    ] {
        for status in [200, 404, 502] {
            vault.script(READ, 4, Reply::Body(status, body.clone()));
            shown += &failure(&vault.login()).await;
        }
        vault.script(LOGIN, 1, Reply::Body(200, body.clone()));
        shown += &failure(&vault.login()).await;
    }
    let token = json!({"auth": {"client_token": format!("{TOKEN}\n")}}).to_string();
    vault.script(LOGIN, 1, Reply::Body(200, token));
    let told = failure(&vault.login()).await;
    assert!(told.contains("unusable token"), "{told}");
    shown += &told;
    shown += &logs.text();
    assert_clean(&shown);
}

#[tokio::test(start_paused = true)]
async fn connections_that_fail_show_nothing() {
    let logs = Logs::capture();
    let vault = VaultDouble::start_here().await;
    vault.script(LOGIN, 4, Reply::Hang);
    let mut shown = failure(&vault.login()).await;
    let port = crate::support::ports::CLOSED_PORT;
    let mut absent = crate::support::vault::login(&format!("http://127.0.0.1:{port}"));
    absent.secret_id = Secret::new(format!("{SECRET_ID}\r\nx: y"));
    shown += &failure(&absent).await;
    shown += &logs.text();
    assert_clean(&shown);
    assert!(shown.contains("Connection refused"), "{shown}");
}
