//! Building, pushing and deploying with a real engine and a real registry.

use serde_json::Value;

use super::stage::{Workshop, images};
use crate::support::env::eventually;

#[test]
fn up_builds_an_image_that_stays_in_the_engine_under_a_name_that_follows_its_content() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    workshop.local_project();
    let stage = &workshop.stage;
    let ended = stage.on_project("up").run();
    ended.assert_code(0);
    let first = stage.image("web");
    assert!(
        first.starts_with(&format!("{}:cs-", workshop.image)),
        "{first}"
    );
    assert!(workshop.engine.has_image(&first));
    let port =
        &stage.lab.job("web").unwrap()["TaskGroups"][0]["Networks"][0]["DynamicPorts"][0]["To"];
    assert_eq!(port, &Value::from(8080), "seen in the image");
    // The same again is the same job.
    let again = stage.on_project("up").args(["-o", "json"]).run();
    again.assert_code(0);
    assert_eq!(stage.image("web"), first);
    assert_eq!(again.document()["results"][0]["outcome"], "unchanged");
    // A change is another image, and another version.
    stage.write("hello.txt", "changed\n");
    stage.on_project("up").run().assert_code(0);
    let second = stage.image("web");
    assert_ne!(second, first);
    let file = workshop.engine.file(&second, "hello.txt");
    assert_eq!(file.as_deref(), Some(&b"changed\n"[..]));
}

#[test]
fn up_pushes_and_the_job_names_what_was_pushed_by_its_digest() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    workshop.pushed_project();
    let stage = &workshop.stage;
    let ended = stage.on_project("up").args(["-o", "json"]).run();
    ended.assert_code(0);
    let report = ended.document();
    let image = &images(&report)[0];
    let digest = image["digest"].as_str().expect("it was pushed");
    let reference = format!("{}:1.0@{digest}", workshop.name());
    assert_eq!(image["image"], reference.as_str());
    assert_eq!(image["pushed"], format!("{}:1.0", workshop.name()));
    assert_eq!(image["builder"], "csdocker");
    assert_eq!(stage.image("web"), reference);
    let tags = stage
        .lab
        .runtime
        .block_on(workshop.registry.tags(&workshop.image));
    assert!(tags.contains(&"1.0".to_owned()), "{tags:?}");
    assert!(!format!("{ended:?}").contains(crate::support::registry::PASSWORD));
}

#[test]
fn build_stays_here_and_deploy_says_what_is_missing_until_it_is_pushed() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    workshop.pushed_project();
    let stage = &workshop.stage;
    let built = stage.on_project("build").run();
    built.assert_code(0);
    assert!(built.stdout.contains(&workshop.name()), "{}", built.stdout);
    let early = stage.on_project("deploy").run();
    early.assert_code(1);
    assert!(early.stderr.contains("cs build --push"), "{}", early.stderr);
    assert!(stage.lab.job("web").is_none());
    stage.on_project("build").arg("--push").run().assert_code(0);
    stage.on_project("deploy").run().assert_code(0);
    assert!(stage.image("web").contains("@sha256:"));
    // What is built and not pushed is not deployed, which is said.
    stage.write("hello.txt", "newer\n");
    stage.on_project("build").run().assert_code(0);
    let stale = stage.on_project("deploy").run();
    stale.assert_code(0);
    assert!(stale.stderr.contains("another image"), "{}", stale.stderr);
}

#[test]
fn flags_alone_build_and_deploy_a_folder() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    let stage = &workshop.stage;
    stage
        .on_project("build")
        .args(["--image", &format!("{}:dev", workshop.image)])
        .run()
        .assert_code(0);
    assert!(
        workshop
            .engine
            .has_image(&format!("{}:dev", workshop.image))
    );
    stage
        .on_project("up")
        .args(["--app", "alone", "--tag", "3"])
        .run()
        .assert_code(0);
    assert!(stage.image("alone").starts_with("alone:cs-"));
}

#[test]
fn a_spec_with_a_folder_is_built_and_deployed() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    let stage = &workshop.stage;
    stage.write(
        "shop.yaml",
        &format!(
            "apiVersion: cloudstation.io/v1\nkind: Workload\nmetadata: {{name: speced}}\nspec:\n  source: {{path: .}}\n  \
             build: {{image: {}}}\n  service: {{provider: nomad}}\n  detectPorts: true\n  rollout: {{minHealthyTime: 1s, healthyDeadline: 10s, progressDeadline: 12s}}\n",
            workshop.name()
        ),
    );
    stage.write("compose.yaml", "services: {}\n");
    stage.on_project("up").run().assert_code(0);
    assert!(stage.image("speced").contains("@sha256:"));
}

#[test]
fn a_build_that_fails_ends_the_command_with_the_last_lines_of_the_builder() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    workshop.local_project();
    workshop.dockerfile("RUN echo it-says-why && false\n");
    let stage = &workshop.stage;
    let ended = stage.on_project("up").args(["-o", "json"]).run();
    ended.assert_code(1);
    let report = ended.document();
    assert_eq!(report["outcome"], "failed");
    assert_eq!(images(&report)[0]["outcome"], "failed");
    assert!(
        images(&report)[0]["logTail"]
            .to_string()
            .contains("it-says-why")
    );
    assert!(stage.lab.job("web").is_none());
}

#[test]
fn an_engine_that_is_away_is_named_and_nothing_is_deployed() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    workshop.local_project();
    let stage = &workshop.stage;
    let ended = stage
        .on_project("up")
        .var("DOCKER_HOST", "unix:///nowhere/docker.sock")
        .run();
    ended.assert_code(1);
    assert!(ended.stderr.contains("Docker"), "{}", ended.stderr);
    assert!(stage.lab.job("web").is_none());
}

#[test]
fn a_signal_ends_a_build_soon_and_leaves_no_directory_behind() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    workshop.local_project();
    let marker = uuid::Uuid::new_v4().simple().to_string();
    workshop.dockerfile(&format!("RUN echo began-{marker}; sleep 600\n"));
    let stage = &workshop.stage;
    let mut running = stage.on_project("up").start();
    let began = format!("began-{marker}");
    running.until("the build runs", |running| {
        let said = running.stderr();
        said.matches(&began).count() > 1 || workshop.engine.runs(&format!("{began}; sleep"))
    });
    running.signal("TERM");
    let ended = running.wait();
    ended.assert_code(10);
    let tmp = stage.lab.env.root().join("tmp");
    eventually("the work directory is gone", || {
        std::fs::read_dir(&tmp).unwrap().next().is_none()
    });
}

#[test]
fn secrets_of_a_project_reach_neither_the_log_nor_the_image() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    let stage = &workshop.stage;
    stage.write(
        "cloudstation.hcl",
        &format!(
            "project = \"shop\"\nvariable \"user\" {{\n  env = [\"REG_USER\"]\n}}\nvariable \"password\" {{\n  sensitive = true\n  \
             env = [\"REG_PASSWORD\"]\n}}\nvariable \"key\" {{\n  sensitive = true\n  default = \"canary-key\"\n}}\napp \"web\" {{\n  \
             build {{\n    use = \"docker\"\n  }}\n  registry {{\n    use      = \"docker\"\n    image    = \"{}\"\n    \
             username = var.user\n    password = var.password\n  }}\n  deploy {{\n    use       = \"nomad-pack\"\n    \
             nomad_token = \"canary-token\"\n    variables = {{ update = {{ min_healthy_time = \"1s\" }} }}\n  }}\n  \
             config {{\n    env = {{ KEY = var.key }}\n  }}\n}}\n",
            workshop.name()
        ),
    );
    workshop.dockerfile("COPY . /src\nRUN env\n");
    stage.write(".dockerignore", "cloudstation.hcl\n");
    let ended = stage
        .on_project("up")
        .args(["--log-level", "trace"])
        .without("REGISTRY_USERNAME")
        .without("REGISTRY_PASSWORD")
        .var("REG_USER", crate::support::registry::USER)
        .var("REG_PASSWORD", crate::support::registry::PASSWORD)
        .run();
    ended.assert_code(0);
    let job = stage.lab.job("web").unwrap();
    assert_eq!(job["TaskGroups"][0]["Tasks"][0]["Env"]["KEY"], "canary-key");
    let said = format!("{ended:?}");
    assert!(!said.contains("canary"), "{said}");
    let image = format!("{}:latest", workshop.name());
    assert!(!workshop.engine.image_holds(&image, "canary"));
    let submission = stage.lab.get("/v1/job/web/submission?version=0");
    assert!(!format!("{submission:?}").contains("canary"));
}
