//! Every secret of a repository task has a canary; all that leaves the process is searched, the image included.

use std::path::Path;

use serde_json::json;

use super::stage::{Stage, TOKEN};
use crate::support::registry::PASSWORD;
use crate::support::vault::{ROLE_ID, SECRET_ID, VaultDouble};

const VALUE: &str = "canary-vault-value";

fn canaries() -> [&'static str; 5] {
    [TOKEN, PASSWORD, ROLE_ID, SECRET_ID, VALUE]
}

#[track_caller]
fn assert_clean(place: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for canary in canaries() {
        assert!(!text.contains(canary), "{canary} in {place}");
    }
}

fn files(directory: &Path, visit: &mut impl FnMut(&Path)) {
    for entry in std::fs::read_dir(directory).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            files(&path, visit);
        } else {
            visit(&path);
        }
    }
}

#[test]
fn no_secret_is_in_the_image_the_events_the_files_or_the_job() {
    let Some(mut stage) = Stage::open() else {
        return;
    };
    // A Dockerfile that takes whatever it can get.
    stage.repository(&[(
        "Dockerfile",
        &stage.dockerfile(
            "COPY . /all\nCOPY .git /git\nRUN env && cat /proc/self/cmdline && ls -R /all /git\n",
        ),
    )]);
    let vault = VaultDouble::start();
    vault.secret("secret/data/shop", json!({"KEY": VALUE}));
    let nats = stage.lab.nats();
    let backend = stage.lab.backend();
    let params = stage.params_with(json!({
        "vaultAddress": vault.address(), "roleId": ROLE_ID, "secretId": SECRET_ID, "secretsPath": "secret/data/shop",
        "build": {"registryUsername": crate::support::registry::USER, "registryPassword": PASSWORD},
    }));
    let ended = stage.deploy(&params).arg("--log-level").arg("trace").run();
    ended.assert_code(0);
    assert_clean("standard output", ended.stdout.as_bytes());
    assert_clean("standard error", ended.stderr.as_bytes());
    for message in stage.lab.stored(&nats) {
        assert_clean(&message.subject, message.payload.as_bytes());
    }
    for request in backend.requests() {
        assert_clean("a body to the backend", request.body.to_string().as_bytes());
    }
    let job = stage.lab.job(crate::cli::lab::JOB).unwrap();
    assert_clean("the job", job.to_string().as_bytes());
    let submission = stage.lab.get("/v1/job/shop/submission?version=0").unwrap();
    assert_clean("the submission", submission.to_string().as_bytes());
    assert_clean(
        "the history",
        stage
            .engine
            .history(&stage.reference())
            .to_string()
            .as_bytes(),
    );
    for layer in stage.engine.layers(&stage.reference()) {
        assert_clean("a layer", &layer);
    }
    for layer in stage
        .lab
        .runtime
        .block_on(stage.registry.unpacked_layers(&stage.image, "1.0"))
    {
        assert_clean("a pushed layer", &layer);
    }
    files(stage.lab.env.root(), &mut |path| {
        assert_clean(
            &path.display().to_string(),
            &std::fs::read(path).expect("readable"),
        );
    });
    stage.assert_nothing_left(&ended);
}
