//! An image is deployed: what reaches Nomad, the stream, the backend and standard output.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::lab::{FAILED, JOB, Lab, SUCCEEDED, image, image_with};
use crate::support::backend::RecordingBackend;
use crate::support::env::is_log_line;
use crate::support::registry::{DockerRegistry, PASSWORD, USER};

/// Every request as `<what> <detail>`.
fn told(backend: &RecordingBackend) -> Vec<String> {
    let requests = backend.requests().into_iter();
    requests
        .map(|request| match request.path.as_str() {
            "/api/local/deployment-step/update" => {
                let text = |name: &str| request.body[name].as_str().unwrap_or("?").to_owned();
                format!("{} {}", text("step"), text("status"))
            }
            path => path
                .trim_start_matches("/api/local/")
                .trim_end_matches('/')
                .to_owned(),
        })
        .collect()
}

/// Where `have` differs from what `want` says; what `want` leaves open may be anything.
fn differences(at: &str, want: &Value, have: &Value) -> Vec<String> {
    match (want, have) {
        (Value::Null, _) => Vec::new(),
        (Value::Object(want), _) => want
            .iter()
            .flat_map(|(name, value)| differences(&format!("{at}/{name}"), value, &have[name]))
            .collect(),
        (Value::Array(want), Value::Null) if want.is_empty() => Vec::new(),
        (Value::Array(want), Value::Array(have)) if want.len() == have.len() => want
            .iter()
            .zip(have)
            .enumerate()
            .flat_map(|(place, (want, have))| differences(&format!("{at}/{place}"), want, have))
            .collect(),
        (want, have) if want == have => Vec::new(),
        (want, have) => vec![format!("{at}: {want} became {have}")],
    }
}

#[test]
fn the_stream_holds_started_log_lines_succeeded_and_the_end_with_the_contracts_bytes() {
    let mut lab = Lab::new();
    let server = lab.nats();
    let ended = lab.deploy(&image()).run();
    ended.assert_code(0);
    assert_eq!(ended.events(), []);
    let stored = lab.stored(&server);
    let (lines, events): (Vec<_>, Vec<_>) = stored
        .iter()
        .partition(|message| is_log_line(&message.subject));
    let seen: Vec<_> = events
        .iter()
        .map(|event| {
            (
                event.subject.as_str(),
                event.id.as_str(),
                event.payload.as_str(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            (
                "cs.deployment.status.changed",
                "cs.dep-1.started",
                r#"{"jobId":456,"status":"IN_PROGRESS"}"#
            ),
            (
                "cs.deployment.succeeded",
                "cs.dep-1.succeeded",
                r#"{"jobId":456,"type":"image","deploymentId":"dep-1","serviceId":"svc-1","teamId":"team-1","userId":"7","ownerId":"owner-1"}"#
            ),
            (
                "cs.build.log.end.dep-1",
                "cs.dep-1.log-end.success",
                r#"{"deploymentId":"dep-1","jobId":456,"status":"success"}"#
            ),
        ]
    );
    // Banner lines come before the started event (contract 2.8), all others between it and the outcome.
    let place = |id: &str| stored.iter().position(|message| message.id == id).unwrap();
    assert!(place("cs.dep-1.started") <= 1, "{stored:?}");
    assert_eq!(place("cs.dep-1.log-end.success"), stored.len() - 1);
    assert_eq!(place("cs.dep-1.succeeded"), stored.len() - 2);
    assert!(lines.len() >= 4, "{lines:?}");
    let mut next = std::collections::BTreeMap::from([("stdout", 1), ("stderr", 1)]);
    for line in &lines {
        assert_eq!(line.subject, "cs.build.log.dep-1");
        assert!(line.id.starts_with("cs.dep-1.log."), "{line:?}");
        let payload: Value = serde_json::from_str(&line.payload).unwrap();
        let keys: Vec<&String> = payload.as_object().unwrap().keys().collect();
        assert_eq!(keys.len(), 9, "{payload}");
        assert_eq!(payload["deploymentId"], "dep-1");
        assert_eq!(payload["jobId"], 456);
        assert_eq!(payload["serviceId"], "svc-1");
        assert_eq!(payload["ownerId"], "owner-1");
        assert!(payload["timestamp"].as_i64().unwrap() > 1_700_000_000_000);
        assert!(payload["content"].as_str().unwrap().ends_with('\n'));
        let expected = next
            .get_mut(payload["logOutput"].as_str().unwrap())
            .unwrap();
        assert_eq!(payload["sequence"], *expected);
        *expected += 1;
    }
}

#[test]
fn absent_ids_are_null_or_left_out_and_no_prefix_leaves_no_dot() {
    let lab = Lab::new();
    let mut params = image_with(json!({"userId": 0, "deploymentJobId": "12"}));
    for name in ["teamId", "ownerId"] {
        params.as_object_mut().unwrap().remove(name);
    }
    let ended = lab.deploy(&params).without("NATS_STREAM_PREFIX").run();
    ended.assert_code(0);
    let events = ended.events();
    let outcome = events
        .iter()
        .find(|event| event.subject == "deployment.succeeded")
        .unwrap();
    assert_eq!(outcome.id, "dep-1.succeeded");
    assert_eq!(
        outcome.payload,
        json!({"jobId": 12, "type": "image", "deploymentId": "dep-1", "serviceId": "svc-1", "userId": null, "ownerId": ""})
    );
}

#[test]
fn without_nats_the_events_are_lines_between_the_markers_of_standard_output() {
    let lab = Lab::new();
    let ended = lab.deploy(&image()).run();
    ended.assert_code(0);
    assert_eq!(ended.subjects(), SUCCEEDED);
    let lines = ended.stdout.lines();
    let markers: Vec<&str> = lines.filter(|line| !line.starts_with('{')).collect();
    let starts = [
        "=== Dispatch Execution Started ===",
        "Task: deploy-image",
        "Start time: 2",
        concat!("Orchestrator version: ", env!("CARGO_PKG_VERSION")),
        "Deployment ID: dep-1, Job ID: 456",
        "=== Phase: Deploy ===",
        "=== Phase: Health ===",
        "=== Deployment completed successfully ===",
        "=== Dispatch Execution Completed ===",
        "Duration: ",
    ];
    assert_eq!(markers.len(), starts.len(), "{ended}");
    for (line, start) in markers.iter().zip(starts) {
        assert!(line.starts_with(start), "{line} is not {start}…");
    }
    let start_time = markers[2].trim_start_matches("Start time: ");
    assert!(
        start_time.parse::<jiff::Timestamp>().is_ok(),
        "{start_time}"
    );
}

#[test]
fn the_job_in_nomad_is_the_one_that_render_prints() {
    let lab = Lab::new();
    let params =
        image_with(json!({"command": "node server.js", "docker_user": "1000", "replicaCount": 2}));
    lab.deploy(&params).run().assert_code(0);
    let rendered = lab
        .env
        .cs(["render", "--params", "-"])
        .stdin(params.to_string())
        .run();
    rendered.assert_code(0);
    let mut want = rendered.document()["Job"].take();
    let have = lab.job(JOB).unwrap();
    // Nomad moves these from the job to its groups.
    let group = &have["TaskGroups"][0];
    for (name, kept) in [("Update", &group["Update"]), ("Migrate", &group["Migrate"])] {
        let moved = want
            .as_object_mut()
            .unwrap()
            .remove(name)
            .unwrap_or_default();
        assert_eq!(differences(name, &moved, kept), [""; 0]);
    }
    assert_eq!(differences("", &want, &have), [""; 0]);
    assert_eq!(have["TaskGroups"][0]["Tasks"][0]["Name"], "dep-1");
    assert_eq!(lab.registrations(), 1);
}

#[test]
fn the_backend_is_told_every_step_in_order_and_only_a_public_port_without_domain_is_asked_for() {
    let mut lab = Lab::new();
    let backend = lab.backend();
    let params = image_with(json!({
        "clusterDomain": "cluster.example",
        "networks": [
            {"portNumber": 8080, "portType": "http", "public": true},
            {"portNumber": 9090, "portType": "http", "public": false},
            {"portNumber": 7070, "portType": "http", "public": true, "domain": "mine"},
        ],
    }));
    let ended = lab.deploy(&params).run();
    ended.assert_code(0).assert_hides("canary-access");
    // The registry of these params is away: the step says so, and the run goes on.
    assert_eq!(
        told(&backend),
        [
            "image_download in_progress",
            "image_download failed",
            "ask-domain",
            "service-update",
            "deploy in_progress",
            "deploy completed",
            "healthCheck in_progress",
            "healthCheck completed",
        ]
    );
    let asked = &backend.requests_to("/api/local/ask-domain")[0];
    assert_eq!(asked.query, "accessToken=canary-access&serviceId=svc-1");
    let update = &backend.requests_to("/api/local/service-update/")[0];
    assert_eq!(
        (update.method.as_str(), update.query.as_str()),
        ("PUT", "accessToken=canary-access")
    );
    let domains: Vec<(&Value, &Value)> = update.body["network"]
        .as_array()
        .unwrap()
        .iter()
        .map(|network| (&network["port"], &network["domain"]))
        .collect();
    assert_eq!(
        domains,
        [
            (&json!(8080), &json!("allocated.cluster.example")),
            (&json!(9090), &json!("")),
            (&json!(7070), &json!("mine")),
        ]
    );
    for step in backend.requests_to("/api/local/deployment-step/update") {
        assert_eq!(step.body["deploymentId"], "dep-1");
        assert_eq!(step.body["deployment_type"], "app");
    }
    let job = lab.job(JOB).unwrap().to_string();
    assert!(job.contains("allocated.cluster.example"), "{job}");
    assert!(!job.contains("cluster.example.cluster.example"), "{job}");
}

#[test]
fn ports_user_and_command_come_from_the_image_when_params_have_none() {
    let mut lab = Lab::new();
    let Some(registry) = lab.runtime.block_on(DockerRegistry::start()) else {
        return;
    };
    let config = json!({
        "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []},
        "config": {"ExposedPorts": {"8000/tcp": {}}, "User": "app", "Cmd": ["serve", "now"], "Entrypoint": ["/entry"]},
    });
    lab.runtime
        .block_on(registry.push_image("acme/shop", "1.0", &config));
    lab.env
        .set("REGISTRY_USERNAME", USER)
        .set("REGISTRY_PASSWORD", PASSWORD);
    let backend = lab.backend();
    let mut params = image_with(json!({"imageName": format!("{}/acme/shop", registry.host())}));
    params.as_object_mut().unwrap().remove("networks");
    let ended = lab.deploy(&params).run();
    ended.assert_code(0).assert_hides(PASSWORD);
    assert_eq!(
        told(&backend)[..4],
        [
            "image_download in_progress",
            "image_download completed",
            "ask-domain",
            "service-update",
        ]
    );
    let update = &backend.requests_to("/api/local/service-update/")[0].body;
    assert_eq!(update["network"][0]["port"], 8000);
    assert_eq!(update["network"][0]["type"], "http");
    assert_eq!(update["docker_user"], "app");
    assert_eq!(update["cmd"], "serve now");
    assert_eq!(update["entrypoint"], "/entry");
    let job = lab.job(JOB).unwrap();
    assert_eq!(
        job["TaskGroups"][0]["Networks"][0]["DynamicPorts"][0]["To"],
        8000
    );
}

#[test]
fn the_image_is_not_read_when_nobody_needs_it() {
    let lab = Lab::new();
    let ended = lab.deploy(&image()).run();
    ended.assert_code(0);
    assert!(!ended.stdout.contains("=== Phase: Image ==="), "{ended}");
    assert!(!ended.stderr.contains("manifest"), "{ended}");
}

#[test]
fn an_image_that_cannot_be_read_gets_port_3000_and_a_warning() {
    let lab = Lab::new();
    let mut params = image();
    params.as_object_mut().unwrap().remove("networks");
    let ended = lab.deploy(&params).run();
    ended
        .assert_code(0)
        .assert_says("cannot read the image's manifest");
    let job = lab.job(JOB).unwrap();
    assert_eq!(
        job["TaskGroups"][0]["Networks"][0]["DynamicPorts"][0]["To"],
        3000
    );
}

#[test]
fn params_are_read_raw_and_as_base64_of_three_alphabets_from_variable_file_and_standard_input() {
    let lab = Lab::new();
    // `~~?>>>ÿ` makes the alphabets differ.
    let text = image_with(json!({"teamId": "~~?>>>ÿ"})).to_string();
    let forms = [
        text.clone(),
        STANDARD.encode(&text),
        STANDARD_NO_PAD.encode(&text),
        URL_SAFE.encode(&text),
        URL_SAFE_NO_PAD.encode(&text),
    ];
    assert_ne!(forms[1], forms[3], "the sample must tell alphabets apart");
    for form in forms {
        let file = lab.env.file("params", &form);
        let path = file.to_str().unwrap();
        let by_file = ["reconcile", "--task", "deploy-image", "--params"];
        for invocation in [
            lab.raw("deploy-image", &form),
            lab.env.cs(by_file).arg(path),
            lab.env.cs(by_file).arg("-").stdin(&form),
        ] {
            let ended = invocation.run();
            ended.assert_code(0);
            assert!(ended.stdout.contains("~~?>>>ÿ"), "{ended}");
        }
    }
    assert_eq!(lab.registrations(), 1);
}

#[test]
fn flags_win_over_variables() {
    let lab = Lab::new();
    let ended = lab
        .raw("destroy-job-pack", "{}")
        .args(["--task", "deploy-image", "--params", "-"])
        .stdin(image().to_string())
        .run();
    ended.assert_code(0);
    assert!(lab.job(JOB).is_some());
}

#[test]
fn the_address_and_the_token_of_the_params_win_over_the_environment() {
    let mut lab = Lab::with_options(|options| {
        options.token = Some(cs::secret::Secret::new("canary-token-of-the-params"));
    });
    let params = image_with(
        json!({"nomadAddress": lab.nomad.url, "nomadToken": "canary-token-of-the-params"}),
    );
    lab.env
        .set("NOMAD_ADDR", "http://127.0.0.1:1")
        .set("NOMAD_TOKEN", "canary-token-of-the-environment");
    let ended = lab.deploy(&params).args(["--log-level", "trace"]).run();
    ended
        .assert_code(0)
        .assert_hides("canary-token-of-the-params")
        .assert_hides("canary-token-of-the-environment");
}

#[test]
fn the_noop_platform_succeeds_without_a_job() {
    let lab = Lab::new();
    let ended = lab.deploy(&image_with(json!({"deploy": "noop"}))).run();
    ended.assert_code(0);
    assert_eq!(ended.subjects(), SUCCEEDED);
    assert_eq!(lab.job(JOB), None);
    assert_eq!(lab.nomad.writes(), []);
}

#[test]
fn a_repository_that_cannot_be_reached_ends_with_a_clear_word_and_a_failure_event() {
    let mut lab = Lab::new();
    lab.env.set("CS_GITHUB_URL", "http://127.0.0.1:1");
    for task in ["deploy-repository", "redeploy-repository"] {
        let params = image_with(json!({"repository": "acme/shop", "branch": "main"}));
        let ended = lab.task(task, &params).run();
        ended.assert_code(1).assert_says("127.0.0.1:1");
        assert_eq!(ended.subjects(), FAILED, "{task}");
        let outcome = &ended
            .events()
            .into_iter()
            .find(|event| event.subject == FAILED[1])
            .unwrap();
        assert_eq!(outcome.payload["type"], "git_repo");
        assert!(ended.stdout.contains("ERROR [clone]: "), "{ended}");
    }
    assert_eq!(lab.nomad.writes(), []);
}
