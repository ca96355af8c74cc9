//! The spans of a run, whose children they are, and what is handed on to others.

use std::collections::BTreeMap;

use serde_json::json;

use super::{OTHER, PARENT, SPAN, TRACE, collector};
use crate::cli::lab::{JOB, Lab, PREFIX, image, image_with, next_image};
use crate::set::lab::Specs;
use crate::support::backend::Reply;
use crate::support::collector::{Collector, Span};
use crate::support::files_server::{Answer, FilesServer};

/// Names of the spans below one, sorted.
fn below(collector: &Collector, parent: &Span) -> Vec<String> {
    let spans = collector.spans();
    let children = spans.iter().filter(|span| span.parent == parent.id);
    let mut names: Vec<String> = children.map(|span| span.name.clone()).collect();
    names.sort();
    names.dedup();
    names
}

/// Every span is of one trace, lies below another one of it, and within its time where it waits for it.
#[track_caller]
fn assert_one_tree(collector: &Collector, root: &str, parent: &str) {
    let spans = collector.spans();
    let ids: BTreeMap<&str, &Span> = spans.iter().map(|span| (span.id.as_str(), span)).collect();
    assert_eq!(ids.len(), spans.len(), "ids are unique");
    let top = collector.only(root);
    assert_eq!(top.parent, parent);
    for span in &spans {
        assert_eq!(span.trace, top.trace, "{span:?}");
        assert!(span.start <= span.end, "{span:?}");
        assert_eq!(span.flags & 1, 1);
        if span.id != top.id {
            let above = ids.get(span.parent.as_str());
            let above = above.unwrap_or_else(|| panic!("{span:?} hangs in the air"));
            assert!(above.start <= span.start, "{span:?} began before {above:?}");
        }
    }
}

#[test]
fn the_server_of_an_archive_is_called_in_a_span_and_not_told_of_the_trace() {
    let mut lab = Lab::new();
    let collector = collector(&mut lab);
    let server = lab.runtime.block_on(FilesServer::with(Answer::bare(404)));
    let params = image_with(json!({
        "traceparent": PARENT, "sourceType": "local_upload", "sourceUrl": server.url("/a.tar.gz?sig=canary"),
    }));
    let run = lab.task("deploy-repository", &params);
    run.var("CS_EGRESS", "local").run();
    let call = collector.only("GET /{path}");
    assert_eq!(call.text("peer.service"), "archive");
    assert_eq!(call.text("http.response.status_code"), "404");
    assert_eq!(call.parent, collector.only("clone").id);
    assert!(!collector.raw().contains("canary"));
    let asked = server.asked();
    assert!(asked.iter().all(|one| one.header("traceparent").is_none()));
    assert!(!asked.is_empty());
}

#[test]
fn a_deployment_is_one_tree_below_the_trace_of_its_params() {
    let mut lab = Lab::new();
    let (nats, backend) = (lab.nats(), lab.backend());
    let collector = collector(&mut lab);
    let params = image_with(json!({"traceparent": PARENT, "tracestate": "vendor=x"}));
    lab.deploy(&params)
        .var("TRACEPARENT", OTHER)
        .run()
        .assert_code(0);

    assert_one_tree(&collector, "cs reconcile", SPAN);
    let root = collector.only("cs reconcile");
    assert_eq!(
        (root.trace.as_str(), root.state.as_str(), root.kind),
        (TRACE, "vendor=x", 1)
    );
    assert_eq!(
        root.flags & 0x300,
        0x300,
        "its parent is of another program"
    );
    assert_eq!(root.text("cs.outcome"), "converged");
    assert_eq!(root.text("cs.deployment.id"), "dep-1");
    assert_eq!(root.text("nomad.job.id"), JOB);
    assert_eq!(root.status, 0);
    let steps = [
        "convert",
        "image_download",
        "sync",
        "deploy",
        "healthCheck",
        "announce",
    ];
    let found = below(&collector, &root);
    for step in steps {
        assert!(found.iter().any(|name| name == step), "{step} of {found:?}");
    }
    let deploy = collector.only("deploy");
    assert!(below(&collector, &deploy).contains(&"register".to_owned()));
    let register = collector.only("register");
    assert!(
        register
            .text("nomad.job.modify_index")
            .parse::<u64>()
            .unwrap()
            > 0
    );
    assert_eq!(below(&collector, &register), ["PUT /v1/jobs"]);
    let call = collector.only("PUT /v1/jobs");
    assert_eq!(call.kind, 3);
    assert_eq!(call.text("http.request.method"), "PUT");
    assert_eq!(call.text("http.response.status_code"), "200");
    assert_eq!(call.text("server.address"), "127.0.0.1");
    assert_eq!(collector.only("healthCheck").text("nomad.job.version"), "0");

    let sent = collector.only("send cs.deployment.succeeded");
    assert_eq!((sent.kind, sent.text("messaging.system")), (4, "nats"));
    assert_eq!(sent.text("messaging.message.id"), "cs.dep-1.succeeded");
    // What others got names the very span in which it was sent.
    let headers = lab.runtime.block_on(nats.headers(PREFIX, "traceparent"));
    let succeeded = headers.iter().find(|(id, _)| id == "cs.dep-1.succeeded");
    assert_eq!(succeeded.unwrap().1, format!("00-{TRACE}-{}-01", sent.id));
    assert!(
        headers.iter().all(|(_, value)| value.contains(TRACE)),
        "{headers:?}"
    );
    let states = lab.runtime.block_on(nats.headers(PREFIX, "tracestate"));
    assert!(
        states.iter().all(|(_, value)| value == "vendor=x"),
        "{states:?}"
    );
    let spans = collector.spans();
    for request in backend.requests() {
        let parent = request.headers["traceparent"].to_str().unwrap();
        let id = parent.split('-').nth(2).unwrap();
        let span = spans
            .iter()
            .find(|span| span.id == id)
            .expect("a span of ours");
        assert_eq!(span.text("url.template"), request.path);
        assert_eq!(request.headers["tracestate"], "vendor=x");
    }
    assert!(!backend.requests().is_empty());
}

#[test]
fn without_a_collector_what_came_in_is_handed_on_and_nothing_else_changes() {
    let mut lab = Lab::new();
    let (nats, backend) = (lab.nats(), lab.backend());
    lab.deploy(&image()).run().assert_code(0);
    let headers = lab.runtime.block_on(nats.headers(PREFIX, "traceparent"));
    assert!(
        headers.iter().all(|(_, value)| value.is_empty()),
        "{headers:?}"
    );
    assert!(
        backend
            .requests()
            .iter()
            .all(|request| !request.headers.contains_key("traceparent"))
    );
    let (seen, calls) = (headers.len(), backend.requests().len());
    let before = lab.stored(&nats);
    // The dispatch's own counts before that of the environment, and what is no context does not count.
    let again = lab
        .deploy(&next_image("1.1"))
        .var("NOMAD_META_TRACEPARENT", PARENT)
        .var("NOMAD_META_TRACESTATE", "a=1")
        .var("TRACEPARENT", OTHER);
    again.run().assert_code(0);
    let params =
        image_with(json!({"deploymentId": "dep-3", "imageTag": "1.2", "traceparent": "00-0-0-00"}));
    let mut third = lab
        .deploy(&params)
        .var("NOMAD_META_TRACEPARENT", "nonsense");
    third = third
        .var("TRACEPARENT", OTHER)
        .args(["--log-level", "debug"]);
    third
        .run()
        .assert_code(0)
        .assert_says("traceparent of the params is not valid");
    let headers = lab.runtime.block_on(nats.headers(PREFIX, "traceparent"));
    let of = |deployment: &str| {
        let mut found = headers[seen..].iter();
        let found: Vec<&String> = found
            .by_ref()
            .filter(|(id, _)| id.contains(deployment))
            .map(|(_, value)| value)
            .collect();
        assert!(!found.is_empty());
        found
    };
    assert!(of("dep-1-1").iter().all(|value| *value == PARENT));
    assert!(of("dep-3").iter().all(|value| *value == OTHER));
    let requests = backend.requests();
    let told = requests[calls..]
        .iter()
        .map(|request| request.headers["traceparent"].clone());
    let told: Vec<String> = told
        .map(|value| value.to_str().unwrap().to_owned())
        .collect();
    assert!(
        told.iter().any(|value| value == PARENT) && told.iter().any(|value| value == OTHER),
        "{told:?}"
    );
    assert_eq!(before, lab.stored(&nats)[..before.len()]);
}

#[test]
fn a_repeat_in_another_trace_sends_nothing_twice() {
    let mut lab = Lab::new();
    let nats = lab.nats();
    let first = lab.deploy(&image()).var("TRACEPARENT", PARENT);
    first.run().assert_code(0);
    let stored = lab.stored_ids(&nats);
    lab.deploy(&image())
        .var("TRACEPARENT", OTHER)
        .run()
        .assert_code(0);
    assert_eq!(lab.stored_ids(&nats), stored);
}

#[test]
fn an_event_that_had_to_wait_keeps_the_trace_that_it_belongs_to() {
    let mut lab = Lab::new();
    let mut nats = crate::support::nats::NatsServer::stopped();
    lab.use_nats(&nats);
    lab.deploy(&image())
        .var("TRACEPARENT", PARENT)
        .run()
        .assert_code(1);
    lab.runtime.block_on(async {
        nats.up().await;
        nats.create_stream(PREFIX).await;
    });
    lab.deploy(&next_image("1.1"))
        .var("TRACEPARENT", OTHER)
        .run()
        .assert_code(0);
    let headers = lab.runtime.block_on(nats.headers(PREFIX, "traceparent"));
    let of = |id: &str| {
        headers
            .iter()
            .find(|(found, _)| found == id)
            .unwrap()
            .1
            .clone()
    };
    assert_eq!(of("cs.dep-1.succeeded"), PARENT);
    assert_eq!(of("cs.dep-1-1.succeeded"), OTHER);
}

#[test]
fn a_run_that_fails_says_so_and_shows_what_was_tried_again() {
    let mut lab = Lab::new();
    let backend = lab.backend();
    backend.script("/api/local/deployment-step/update", 1, Reply::Status(503));
    let collector = collector(&mut lab);
    let params = image_with(json!({"ram": 3_000_000}));
    lab.deploy(&params).run().assert_code(7);
    assert_one_tree(&collector, "cs reconcile", "");
    let root = collector.only("cs reconcile");
    assert_eq!((root.status, root.text("error.type")), (2, "unplaceable"));
    assert_eq!(root.text("process.exit.code"), "7");
    assert!(
        collector
            .spans()
            .iter()
            .any(|span| span.events.contains(&"retry".to_owned()))
    );
    let refused = collector.named("PUT /api/local/deployment-step/update");
    assert!(
        refused
            .iter()
            .any(|span| span.status == 2 && span.text("http.response.status_code") == "503")
    );
}

#[test]
fn a_set_has_a_span_for_every_resource_with_its_register_and_rollout() {
    let mut set = Specs::new();
    let collector = collector(&mut set.lab);
    set.service("web", "example/web:1", "")
        .service("api", "example/api:1", "");
    set.apply().var("TRACEPARENT", PARENT).run().assert_code(0);
    assert_one_tree(&collector, "cs apply", SPAN);
    let root = collector.only("cs apply");
    let steps = below(&collector, &root);
    assert!(
        ["read", "plan", "apply"]
            .iter()
            .all(|step| steps.iter().any(|name| name == step)),
        "{steps:?}"
    );
    let resources = collector.named("resource");
    assert_eq!(resources.len(), 2);
    for resource in &resources {
        assert_eq!(resource.parent, collector.only("apply").id);
        assert_eq!(resource.text("cs.outcome"), "converged");
        let inner = below(&collector, resource);
        assert!(
            inner.contains(&"register".to_owned()) && inner.contains(&"rollout".to_owned()),
            "{inner:?}"
        );
    }
    let jobs: Vec<&str> = resources
        .iter()
        .map(|span| span.text("nomad.job.id"))
        .collect();
    assert!(jobs.contains(&"web") && jobs.contains(&"api"));
}

#[test]
fn a_trace_that_its_parent_does_not_record_is_not_sent_and_is_handed_on_as_that() {
    let mut lab = Lab::new();
    let nats = lab.nats();
    let collector = collector(&mut lab);
    let parent = PARENT.replace("-01", "-00");
    lab.deploy(&image())
        .var("TRACEPARENT", parent)
        .run()
        .assert_code(0);
    assert!(collector.requests().is_empty());
    let headers = lab.runtime.block_on(nats.headers(PREFIX, "traceparent"));
    let is_so = |value: &str| value.starts_with(&format!("00-{TRACE}-")) && value.ends_with("-00");
    assert!(headers.iter().all(|(_, value)| is_so(value)), "{headers:?}");
}

#[test]
fn nothing_that_is_secret_reaches_a_collector() {
    let mut lab = Lab::new();
    let _backend = lab.backend();
    let collector = collector(&mut lab);
    let token = "canary-nomad-token";
    lab.env
        .set("OTEL_EXPORTER_OTLP_HEADERS", "api-key=canary-otlp-key")
        .set("NOMAD_TOKEN", token);
    let params = image_with(json!({
        "variables": {"PASSWORD": "canary-variable"}, "traceparent": PARENT,
        "startCommand": "run --password canary-argument",
    }));
    let ended = lab.deploy(&params).args(["--log-level", "trace"]).run();
    ended.assert_code(0).assert_hides("canary-otlp-key");
    let raw = collector.raw();
    assert!(raw.contains("register"));
    assert!(!raw.contains("canary"), "{raw}");
    let headers = collector.requests();
    assert!(
        headers
            .iter()
            .all(|headers| headers["api-key"] == "canary-otlp-key")
    );
}
