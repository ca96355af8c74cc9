//! Builds and pushes that go wrong: a named cause, the failed step, one `deployment.failed`, nothing left.

use std::time::Duration;

use serde_json::json;

use super::stage::{Stage, log_lines};
use crate::cli::lab::last_line;
use crate::support::fault_registry::{Fault, FaultRegistry, Rule};

#[test]
fn a_dockerfile_that_fails_at_its_third_step_names_the_step_and_its_last_lines() {
    let Some(mut stage) = Stage::open() else {
        return;
    };
    stage.repository(&[(
        "Dockerfile",
        &stage.dockerfile("RUN true\nRUN echo the-reason-is-this >&2 && exit 7\nRUN true\n"),
    )]);
    let backend = stage.lab.backend();
    let ended = stage.deploy(&stage.params()).args(["-o", "json"]).run();
    stage.assert_fails(&ended, 1, "3/4");
    ended.assert_says("exit 7");
    let report = last_line(&ended);
    assert_eq!(report["results"][0]["failedIn"], "build");
    let tail = report["results"][0]["logTail"].to_string();
    assert!(tail.contains("the-reason-is-this"), "{tail}");
    let told = backend.requests_to("/api/local/deployment-step/update");
    let last = &told.last().unwrap().body;
    assert_eq!(
        (&last["step"], &last["status"]),
        (&json!("build"), &json!("failed"))
    );
    assert!(last["error"].as_str().unwrap().contains("3/4"), "{last}");
}

#[test]
fn a_step_that_is_killed_is_named() {
    let Some(stage) = Stage::open() else { return };
    stage.repository(&[(
        "Dockerfile",
        &stage.dockerfile("RUN sh -c 'kill -9 $$' || exit $?\n"),
    )]);
    let ended = stage.deploy(&stage.params()).run();
    stage.assert_fails(&ended, 1, "137");
}

#[test]
fn an_engine_that_is_away_is_named_with_what_to_check() {
    let Some(mut stage) = Stage::open() else {
        return;
    };
    stage.plain_repository();
    let nowhere = stage.lab.env.root().join("no.sock");
    stage
        .lab
        .env
        .set("DOCKER_HOST", format!("unix://{}", nowhere.display()));
    let ended = stage.deploy(&stage.params()).run();
    stage.assert_fails(&ended, 1, "DOCKER_HOST");
    assert!(ended.stdout.contains("ERROR [build]: "), "{ended}");
}

#[test]
fn an_engine_that_goes_away_in_mid_build_is_named() {
    let Some(mut stage) = Stage::open() else {
        return;
    };
    stage.repository(&[(
        "Dockerfile",
        &stage.dockerfile("RUN echo still-here && sleep 600\n"),
    )]);
    let proxy = stage.engine.proxy();
    stage.lab.env.set("DOCKER_HOST", proxy.host());
    let mut run = stage.deploy(&stage.params()).start();
    run.until("the step runs", |run| run.stdout().contains("still-here"));
    proxy.cut();
    let ended = run.wait();
    stage.assert_fails(&ended, 1, "lost the Docker engine");
}

#[test]
fn an_engine_without_buildkit_builds_with_a_warning() {
    let Some(mut stage) = Stage::open() else {
        return;
    };
    stage.repository(&[(
        "Dockerfile",
        &stage.dockerfile("RUN echo classic-step\nEXPOSE 8080\n"),
    )]);
    let proxy = stage.engine.classic();
    stage.lab.env.set("DOCKER_HOST", proxy.host());
    let ended = stage.deploy(&stage.params()).run();
    ended.assert_code(0);
    assert!(ended.stdout.contains("classic-step"), "{ended}");
    assert!(ended.stdout.contains("BuildKit"), "{ended}");
    assert_eq!(stage.deployed(), Some(stage.reference()));
}

/// What a registry does in the middle of a push, and what is said about it.
#[test]
fn a_registry_that_refuses_a_push_is_named_by_the_way_it_refuses() {
    let Some(stage) = Stage::open() else { return };
    // Layers that no other push has mounted already.
    stage.repository(&[(
        "Dockerfile",
        &stage.dockerfile("RUN head -c 3000000 /dev/urandom >/layer\n"),
    )]);
    let rows = [
        // The first one: later ones find the layers there.
        (Rule::in_blob(100_000, Fault::Status(413)), "too large"),
        (
            Rule::on("PUT", "/manifests/1.0", Fault::Status(401)),
            "refuses the credentials",
        ),
        (
            Rule::on("PUT", "/manifests/1.0", Fault::Status(403)),
            "refuses the credentials",
        ),
        (
            Rule::on("PUT", "/manifests/1.0", Fault::Status(500)),
            "fails by itself",
        ),
    ];
    for (rule, says) in rows {
        let proxy = FaultRegistry::start(&stage.registry);
        let name = format!("{}/{}", proxy.host(), stage.image);
        proxy.fail(Rule {
            times: usize::MAX,
            ..rule
        });
        let ended = stage
            .deploy(&stage.params_with(json!({"imageName": name})))
            .run();
        stage.assert_fails(&ended, 1, says);
        assert!(ended.stdout.contains("ERROR [registry]: "), "{ended}");
    }
}

#[test]
fn a_registry_that_fails_for_a_moment_gets_the_image_all_the_same() {
    let Some(stage) = Stage::open() else { return };
    stage.repository(&[(
        "Dockerfile",
        &stage.dockerfile("RUN head -c 3000000 /dev/urandom >/layer\n"),
    )]);
    let proxy = FaultRegistry::start(&stage.registry);
    let name = format!("{}/{}", proxy.host(), stage.image);
    proxy.fail(Rule {
        times: 1,
        ..Rule::in_blob(100_000, Fault::Cut)
    });
    let ended = stage
        .deploy(&stage.params_with(json!({"imageName": name})))
        .run();
    ended.assert_code(0);
    assert!(stage.tags().contains(&"1.0".to_owned()));
}

#[test]
fn a_reader_of_standard_output_that_hangs_does_not_hold_up_the_run() {
    let Some(mut stage) = Stage::open() else {
        return;
    };
    stage.repository(&[(
        "Dockerfile",
        &stage.dockerfile(
            "RUN i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo line-$i-of-a-log-that-fills-a-pipe-of-64-KiB; done\n",
        ),
    )]);
    let nats = stage.lab.nats();
    let ended = stage.deploy(&stage.params()).unread().run();
    ended
        .assert_code(0)
        .assert_says("nobody reads standard output");
    let lines = log_lines(&stage.lab, &nats);
    assert!(
        lines.iter().any(|(_, line)| line.contains("line-3000-of")),
        "{ended}"
    );
    let last = stage.lab.stored(&nats).pop().expect("there are messages");
    assert_eq!(last.subject, "cs.build.log.end.dep-1");
}

#[test]
fn a_line_is_on_its_way_while_the_build_runs() {
    let Some(mut stage) = Stage::open() else {
        return;
    };
    stage.repository(&[(
        "Dockerfile",
        &stage.dockerfile("RUN echo still-building && sleep 600\n"),
    )]);
    let nats = stage.lab.nats();
    let mut run = stage.deploy(&stage.params()).start();
    run.until("the line is in the stream", |_| {
        let lines = log_lines(&stage.lab, &nats);
        lines
            .iter()
            .any(|(phase, line)| phase == "build" && line.contains(" still-building"))
    });
    run.signal("TERM");
    run.wait().assert_code(10);
}

/// The engine tries a layer five times, with pauses of 5 to 20 s, before it gives up.
#[test]
fn a_registry_that_keeps_failing_in_the_middle_of_a_layer_is_named() {
    let Some(mut stage) = Stage::open() else {
        return;
    };
    stage.repository(&[(
        "Dockerfile",
        &stage.dockerfile("RUN head -c 3000000 /dev/urandom >/layer\n"),
    )]);
    stage.lab.env.set("CS_DEADLINE", "3m");
    let proxy = FaultRegistry::start(&stage.registry);
    let name = format!("{}/{}", proxy.host(), stage.image);
    proxy.fail(Rule {
        times: usize::MAX,
        ..Rule::in_blob(100_000, Fault::Status(500))
    });
    let run = stage.deploy(&stage.params_with(json!({"imageName": name})));
    let ended = run.limit(Duration::from_secs(180)).run();
    stage.assert_fails(&ended, 1, "cannot push");
    ended.assert_hides("_state=");
}

#[test]
fn credentials_that_are_missing_are_named_with_where_they_come_from() {
    let Some(mut stage) = Stage::open() else {
        return;
    };
    stage.plain_repository();
    stage
        .lab
        .env
        .set("REGISTRY_USERNAME", "")
        .set("REGISTRY_PASSWORD", "");
    let ended = stage.deploy(&stage.params()).run();
    stage.assert_fails(&ended, 1, "REGISTRY_USERNAME");
}

#[test]
fn a_full_disk_is_named_with_the_directory() {
    let Some(stage) = Stage::open() else { return };
    let big = "0123456789abcdef".repeat(1 << 18);
    stage.repository(&[
        ("Dockerfile", &stage.dockerfile("COPY . /\n")),
        ("big", &big),
    ]);
    let Some(ended) = stage.run_on_a_small_disk(&stage.params()) else {
        return;
    };
    stage.assert_fails(&ended, 1, "TMPDIR");
    ended.assert_says("the disk is full");
}
