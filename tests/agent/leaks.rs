//! Secrets of params, and the key, stand in the queue and nowhere else.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::lab::{Queue, deployment};

const SECRETS: [&str; 4] = [
    "canary-nomad-token-1f",
    "canary-access-token-2e",
    "canary-role-id-3d",
    "canary-secret-id-4c",
];

/// Everything below a directory, but for the stream of tasks itself.
fn below(directory: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.ends_with("cs_runner_tasks") || path.ends_with("server.conf") {
            continue;
        }
        if path.is_dir() {
            below(&path, found);
        } else if let Ok(bytes) = std::fs::read(&path) {
            found.push((path.display().to_string(), bytes));
        }
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

#[test]
fn params_and_keys_are_nowhere_but_in_the_queue() {
    let queue = Queue::new();
    let secrets = json!({
        "nomadToken": SECRETS[0], "accessToken": SECRETS[1], "backendUrl": "http://127.0.0.1:1",
        "vaultAddress": "http://127.0.0.1:1", "roleId": SECRETS[2], "secretId": SECRETS[3], "secretsPath": "kv/data/x",
    });
    let with_secrets = |number| {
        let mut params = deployment(number);
        for (name, value) in secrets.as_object().unwrap() {
            params[name] = value.clone();
        }
        params
    };
    let agent = queue.agent(["--listen", "127.0.0.1:0", "--log-level", "trace"]);
    let mut agent = super::lab::Agent::started(agent);
    agent.until_ready();
    // Well, invalid, unreadable, torn, unknown: every way in which params are spoken of.
    queue.deploy(&with_secrets(1));
    let mut invalid = with_secrets(2);
    invalid["networks"] = json!([{"portNumber": 80}, {"portNumber": 80}]);
    queue.deploy(&invalid);
    let mut misplaced = with_secrets(3);
    misplaced["cpu"] = json!(SECRETS[0]);
    queue.deploy(&misplaced);
    let torn = with_secrets(4).to_string();
    queue.publish("deploy-image", &torn[..torn.len() - 3]);
    queue.publish("deploy-moon", with_secrets(5).to_string());
    queue.until_idle();
    let (_, metrics) = agent.get("/metrics");
    let ended = agent.stop();
    ended.assert_code(0);
    let status = queue.runner(["status", "-o", "json"]).run();
    let submitted = queue
        .runner([
            "submit",
            "--task",
            "deploy-image",
            "--params",
            "-",
            "--log-level",
            "trace",
        ])
        .stdin(with_secrets(6).to_string())
        .run();
    submitted.assert_code(0);
    let mut all = vec![
        ("metrics".to_owned(), metrics.into_bytes()),
        ("agent".to_owned(), ended.to_string().into_bytes()),
        ("status".to_owned(), status.to_string().into_bytes()),
        ("submit".to_owned(), submitted.to_string().into_bytes()),
    ];
    below(queue.lab.env.root(), &mut all);
    below(queue.nats.home(), &mut all);
    assert!(
        all.iter()
            .any(|(name, _)| name.contains("cs_runner_ledger"))
    );
    assert!(all.iter().any(|(name, _)| name.contains("cs_runner_dead")));
    let seed = queue.nats.seed();
    for secret in SECRETS.into_iter().chain([seed.as_str()]) {
        let encoded = STANDARD.encode(secret);
        for (name, bytes) in &all {
            assert!(!contains(bytes, secret), "{secret} is in {name}");
            assert!(
                !contains(bytes, encoded.trim_end_matches('=')),
                "{secret} is in {name}"
            );
        }
    }
}
