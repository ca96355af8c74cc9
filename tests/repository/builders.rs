//! Which builder builds what, and what reaches it.

use serde_json::{Value, json};

use super::stage::Stage;
use crate::cli::lab::{JOB, last_line};
use crate::support::collector::{Collector, Span};
use crate::support::env::Ended;
use crate::support::vault::{ROLE_ID, SECRET_ID, VaultDouble};

fn builder(ended: &Ended) -> Value {
    last_line(ended)["results"][0]["image"]["builder"].clone()
}

#[test]
fn the_dockerfile_that_was_found_inside_the_root_directory_is_the_one_used() {
    let Some(stage) = Stage::open() else { return };
    stage.repository(&[
        ("Dockerfile", "FROM scratch\nCOPY nothing /\n"),
        (
            "services/api/Dockerfile.prod",
            &stage.dockerfile("COPY hello.txt /\nEXPOSE 7001\n"),
        ),
        ("services/api/hello.txt", "hello"),
    ]);
    let params = stage.params_with(json!({"build": {"rootDirectory": "/services/api/"}}));
    stage.deploy(&params).run().assert_code(0);
    let port = &stage.lab.job(JOB).unwrap()["TaskGroups"][0]["Networks"][0]["DynamicPorts"][0];
    assert_eq!(port["To"], 7001);
}

#[test]
fn a_dockerfile_above_the_root_directory_is_used_when_it_is_named() {
    let Some(stage) = Stage::open() else { return };
    stage.repository(&[
        (
            "docker/Api.Dockerfile",
            &stage.dockerfile("COPY only-here.txt /\nEXPOSE 7002\n"),
        ),
        ("services/api/only-here.txt", "hello"),
    ]);
    let params = stage.params_with(json!({"build": {
        "rootDirectory": "services/api", "dockerfilePath": "../../docker/Api.Dockerfile",
    }}));
    stage.deploy(&params).run().assert_code(0);
    let port = &stage.lab.job(JOB).unwrap()["TaskGroups"][0]["Networks"][0]["DynamicPorts"][0];
    assert_eq!(port["To"], 7002);
}

#[test]
fn arguments_environment_mounts_and_ignored_files_are_as_docker_has_them() {
    let Some(stage) = Stage::open() else { return };
    stage.repository(&[
        (
            "Dockerfile",
            &stage.dockerfile(
                "ARG COLOR\nARG MODE\nRUN --mount=type=cache,target=/cache echo \"color=$COLOR mode=$MODE\" && touch /cache/x\n\
                 COPY . /app\nRUN ls -A /app\n",
            ),
        ),
        (".dockerignore", "secret.txt\n*.log\n"),
        ("secret.txt", "x"),
        ("a.log", "x"),
        ("kept.txt", "x"),
    ]);
    let params = stage.params_with(json!({"build": {
        "buildArgs": {"COLOR": "red; echo $HOME"}, "staticBuildEnv": {"MODE": "fast", "COLOR": "blue"},
    }}));
    let ended = stage.deploy(&params).run();
    ended.assert_code(0);
    assert!(
        ended.stdout.contains("color=red; echo $HOME mode=fast"),
        "{ended}"
    );
    let file = |path: &str| stage.engine.file(&stage.reference(), path);
    assert!(file("app/kept.txt").is_some());
    for absent in ["app/secret.txt", "app/a.log", "app/.git/HEAD"] {
        assert!(file(absent).is_none(), "{absent}");
    }
}

#[test]
fn the_repository_is_in_the_context_when_the_dockerfile_copies_it() {
    let Some(stage) = Stage::open() else { return };
    stage.repository(&[("Dockerfile", &stage.dockerfile("COPY .git /app/.git\n"))]);
    stage.deploy(&stage.params()).run().assert_code(0);
    let config = stage
        .engine
        .file(&stage.reference(), "app/.git/config")
        .expect("it was copied");
    let config = String::from_utf8_lossy(&config).into_owned();
    assert!(!config.contains("canary"), "{config}");
    assert!(
        stage
            .engine
            .file(&stage.reference(), "app/.git/HEAD")
            .is_some()
    );
}

#[test]
fn nothing_is_built_by_noop_and_the_job_runs_the_image_as_it_was_named() {
    let Some(mut stage) = Stage::open() else {
        return;
    };
    stage.plain_repository();
    // No registry is needed, and none is put in front.
    stage.lab.env.set("REGISTRY_URL", stage.registry.host());
    let params =
        stage.params_with(json!({"imageName": "acme/ready", "build": {"builder": "noop"}}));
    let ended = stage.deploy(&params).args(["-o", "json"]).run();
    ended.assert_code(0);
    assert_eq!(builder(&ended), "noop");
    assert_eq!(stage.deployed().as_deref(), Some("acme/ready:1.0"));
    assert_eq!(stage.tags(), Vec::<String>::new());
    assert_eq!(stage.git.calls().len(), 0);

    let nameless = stage.params_with(json!({"imageName": "", "build": {"builder": "noop"}}));
    let ended = stage.deploy(&nameless).run();
    ended.assert_code(3).assert_says("imageName");
}

#[test]
fn an_image_that_is_not_pushed_stays_in_the_engine() {
    let Some(stage) = Stage::open() else { return };
    stage.plain_repository();
    let params =
        stage.params_with(json!({"imageName": stage.image, "build": {"disablePush": true}}));
    let ended = stage.deploy(&params).run();
    ended.assert_code(0).assert_says("disablePush");
    assert_eq!(stage.deployed(), Some(format!("{}:1.0", stage.image)));
    assert_eq!(stage.tags(), Vec::<String>::new());
    assert!(stage.engine.has_image(&format!("{}:1.0", stage.image)));
}

#[test]
fn what_is_pushed_is_what_the_job_refers_to_whoever_names_the_registry() {
    let Some(mut stage) = Stage::open() else {
        return;
    };
    stage.plain_repository();
    let host = stage.registry.host();
    let given = stage.params_with(
        json!({"imageName": stage.image, "build": {"registryUrl": format!("https://{host}/")}}),
    );
    stage.deploy(&given).run().assert_code(0);
    assert_eq!(stage.deployed(), Some(stage.reference()));

    stage.lab.env.set("REGISTRY_URL", &host);
    let of_environment = stage
        .params_with(json!({"imageName": stage.image, "imageTag": "2.0", "deploymentId": "dep-2"}));
    stage.deploy(&of_environment).run().assert_code(0);
    assert_eq!(stage.deployed(), Some(format!("{}:2.0", stage.name())));

    stage
        .lab
        .env
        .set("REGISTRY_NAMESPACE", format!("{}-shared", stage.image));
    let shared = stage.params_with(json!({"imageTag": "3.0", "deploymentId": "dep-3"}));
    stage.deploy(&shared).run().assert_code(0);
    let deployed = stage.deployed().unwrap();
    let expected = format!("{}-shared:3.0@sha256:", stage.name());
    assert!(deployed.starts_with(&expected), "{deployed}");
}

#[test]
fn without_a_dockerfile_and_without_programs_it_is_said_what_is_missing() {
    let Some(stage) = Stage::open() else { return };
    stage.repository(&[("package.json", "{}")]);
    let ended = stage.deploy(&stage.params()).run();
    stage.assert_fails(&ended, 1, "nixpacks");
    ended.assert_says("railpack").assert_says("Dockerfile");
}

#[test]
fn a_failing_dockerfile_falls_back_to_a_program_that_is_there() {
    let Some(stage) = Stage::open() else { return };
    stage.repository(&[
        ("Dockerfile", &stage.dockerfile("RUN false\n")),
        ("package.json", "{}"),
    ]);
    stage.fake_nixpacks("");
    let ended = stage.deploy(&stage.params()).args(["-o", "json"]).run();
    ended.assert_code(0);
    assert_eq!(builder(&ended), "nixpacks");
}

#[test]
fn when_all_fail_the_cause_is_the_builder_that_was_meant() {
    let Some(stage) = Stage::open() else { return };
    stage.repository(&[(
        "Dockerfile",
        &stage.dockerfile("RUN echo the-real-reason && false\n"),
    )]);
    stage.fake_nixpacks("echo 'nixpacks was unable to generate a build plan' >&2; exit 1");
    let ended = stage.deploy(&stage.params()).run();
    stage.assert_fails(&ended, 1, "csdocker failed");
    assert!(
        ended.stdout.contains("unable to generate a build plan"),
        "{ended}"
    );
}

#[test]
fn a_start_command_belongs_to_the_image_of_nixpacks_and_to_the_container_of_a_dockerfile() {
    let Some(stage) = Stage::open() else { return };
    stage.repository(&[("package.json", "{}")]);
    stage.fake_nixpacks("");
    let build = json!({"startCommand": "npm start", "buildCommand": "npm run build"});
    stage
        .deploy(&stage.params_with(json!({"build": build})))
        .run()
        .assert_code(0);
    let config = stage.lab.job(JOB).unwrap()["TaskGroups"][0]["Tasks"][0]["Config"].clone();
    assert_eq!(config.get("args"), None, "{config}");

    stage.plain_repository();
    let later =
        stage.params_with(json!({"deploymentId": "dep-2", "imageTag": "2.0", "build": build}));
    stage.deploy(&later).run().assert_code(0);
    let config = stage.lab.job(JOB).unwrap()["TaskGroups"][0]["Tasks"][0]["Config"].clone();
    assert_eq!(config["args"], json!(["npm start"]));
}

#[test]
fn secrets_of_vault_reach_a_step_and_stay_out_of_the_image() {
    let Some(stage) = Stage::open() else { return };
    stage.repository(&[(
        "Dockerfile",
        &stage.dockerfile(
            "ARG NPM_TOKEN\nRUN --mount=type=secret,id=DEPLOY_KEY wc -c </run/secrets/DEPLOY_KEY && \
             echo \"argument=[$NPM_TOKEN]\"\n",
        ),
    )]);
    let vault = VaultDouble::start();
    vault.secret(
        "secret/data/shop",
        json!({"NPM_TOKEN": "canary-npm", "DEPLOY_KEY": "canary-deploy-key"}),
    );
    let params = stage.params_with(json!({
        "vaultAddress": vault.address(), "roleId": ROLE_ID, "secretId": SECRET_ID, "secretsPath": "secret/data/shop",
    }));
    let ended = stage.deploy(&params).run();
    ended
        .assert_code(0)
        .assert_hides("canary-npm")
        .assert_hides("canary-deploy-key");
    ended.assert_hides(ROLE_ID).assert_hides(SECRET_ID);
    assert!(ended.stdout.contains("argument=[]"), "{ended}");
    assert!(
        ended.stdout.contains("--mount=type=secret,id=NPM_TOKEN"),
        "no advice\n{ended}"
    );
    assert!(
        ended
            .stdout
            .contains(&format!("{}", "canary-deploy-key".len())),
        "{ended}"
    );
    for canary in ["canary-npm", "canary-deploy-key"] {
        assert!(
            !stage.engine.image_holds(&stage.reference(), canary),
            "{canary}"
        );
    }
    assert_eq!(vault.live_tokens(), 0, "the token was not revoked");

    // The same version of the secret is not built again, another one is.
    let again = stage.deploy(&params).args(["-o", "json"]).run();
    assert_eq!(
        last_line(again.assert_code(0))["results"][0]["image"]["foundIn"],
        "registry"
    );
    vault.secret("secret/data/shop", json!({"NPM_TOKEN": "canary-npm-2"}));
    let changed = stage.deploy(&params).args(["-o", "json"]).run();
    assert_eq!(
        last_line(&changed)["results"][0]["image"]["foundIn"],
        Value::Null,
        "{changed}"
    );
}

#[test]
fn calls_to_the_servers_of_source_secrets_and_image_are_spans_and_tell_no_path() {
    let Some(mut stage) = Stage::open() else {
        return;
    };
    stage.plain_repository();
    let vault = VaultDouble::start();
    vault.secret("secret/data/shop", json!({"KEY": "canary-key-value"}));
    let collector = Collector::start();
    let traces = "OTEL_EXPORTER_OTLP_ENDPOINT";
    stage.lab.env.set(traces, collector.url());
    let params = stage.params_with(json!({
        "vaultAddress": vault.address(), "roleId": ROLE_ID, "secretId": SECRET_ID, "secretsPath": "secret/data/shop",
    }));
    stage.deploy(&params).run().assert_code(0);
    let (clone, spans) = (collector.only("clone"), collector.spans());
    let calls = |peer: &str| -> Vec<_> {
        let is_call = |span: &&Span| {
            span.attributes
                .get("peer.service")
                .is_some_and(|it| it == peer)
        };
        spans.iter().filter(is_call).collect()
    };
    assert!(calls("git").len() >= 2, "{:?}", collector.names());
    assert!(calls("git").iter().all(|call| call.parent == clone.id));
    assert!(calls("vault").len() >= 2 && !calls("registry").is_empty());
    assert!(
        calls("vault")
            .iter()
            .any(|call| call.name == "GET /v1/{path}")
    );
    for hidden in ["canary", "acme/shop.git", "secret/data", ROLE_ID] {
        assert!(!collector.raw().contains(hidden), "{hidden}");
    }
}

#[test]
fn a_step_that_prints_its_secret_does_not_show_it() {
    let Some(stage) = Stage::open() else { return };
    stage.repository(&[(
        "Dockerfile",
        &stage.dockerfile(
            "RUN --mount=type=secret,id=KEY echo \"the key is $(cat /run/secrets/KEY)\" && cat /run/secrets/KEY >&2 && false\n",
        ),
    )]);
    let vault = VaultDouble::start();
    vault.secret("secret/data/shop", json!({"KEY": "canary-key-value"}));
    let params = stage.params_with(json!({
        "vaultAddress": vault.address(), "roleId": ROLE_ID, "secretId": SECRET_ID, "secretsPath": "secret/data/shop",
    }));
    let ended = stage.deploy(&params).args(["-o", "json"]).run();
    stage.assert_fails(&ended, 1, "csdocker failed");
    ended.assert_hides("canary-key-value");
    assert!(ended.stdout.contains("the key is [redacted]"), "{ended}");
}

#[test]
fn a_vault_that_refuses_fails_the_build_and_tries_no_other_builder() {
    let Some(mut stage) = Stage::open() else {
        return;
    };
    stage.plain_repository();
    let vault = VaultDouble::start();
    vault.deny("secret/data/shop");
    let backend = stage.lab.backend();
    let params = stage.params_with(json!({
        "vaultAddress": vault.address(), "roleId": ROLE_ID, "secretId": SECRET_ID, "secretsPath": "secret/data/shop",
    }));
    let ended = stage.deploy(&params).run();
    stage.assert_fails(&ended, 1, "secret/data/shop");
    assert_eq!(
        backend.steps(),
        [
            "clone in_progress",
            "clone completed",
            "build in_progress",
            "build failed"
        ]
    );
    assert!(!ended.stdout.contains("Building with"), "{ended}");
}
