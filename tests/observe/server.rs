//! `cs serve`: a request continues the trace of whoever sends it, down to Jenkins and to the rollout.

use serde_json::{Value, json};

use super::{PARENT, SPAN, TRACE};
use crate::bridge::lab::{API_TOKEN, Bridge, Database};
use crate::support::collector::Collector;
use crate::support::env::eventually;
use crate::support::http::Asked;

fn workload() -> Value {
    json!({
        "apiVersion": "cloudstation.io/v1", "kind": "Workload", "metadata": {"name": "shop"},
        "spec": {
            "source": {"image": "example/shop:b{{buildNumber}}"},
            "service": {"provider": "nomad"},
            "rollout": {"canary": 0, "minHealthyTime": "1s", "healthyDeadline": "10s", "progressDeadline": "12s"},
        },
    })
}

fn bridge() -> (Bridge, Collector) {
    let mut bridge = Bridge::stopped(Database::Sqlite);
    let collector = Collector::start();
    bridge
        .lab
        .env
        .set("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url())
        .set("OTEL_BSP_SCHEDULE_DELAY", "50");
    bridge.start();
    (bridge, collector)
}

fn run(bridge: &Bridge, id: &str) -> Asked {
    let asked = Asked::post(format!("/api/v1/deployments/{id}/run"), Vec::new());
    let _ = bridge;
    asked.bearer(API_TOKEN).header("traceparent", PARENT)
}

#[test]
fn a_run_continues_to_jenkins_and_to_the_rollout_of_its_build() {
    let (mut bridge, collector) = bridge();
    let (id, job) = bridge.create_with(json!({"workload": workload()}));
    bridge.send(&run(&bridge, &id)).assert_status(202);
    const ROUTE: &str = "POST /api/v1/deployments/{id}/run";
    eventually("the request was told", || {
        !collector.named(ROUTE).is_empty()
    });
    let request = collector.only(ROUTE);
    assert_eq!(
        (
            request.trace.as_str(),
            request.parent.as_str(),
            request.kind
        ),
        (TRACE, SPAN, 2)
    );
    assert_eq!(request.text("http.response.status_code"), "202");
    eventually("the start was told", || {
        !collector.named("POST /{path}").is_empty()
    });
    let start = collector.only("POST /{path}");
    assert_eq!(
        (start.trace.as_str(), start.text("peer.service")),
        (TRACE, "jenkins")
    );
    assert!(
        bridge
            .jenkins
            .world()
            .raw
            .contains(&format!("00-{TRACE}-{}-01", start.id))
    );
    bridge.until_status(&id, "running");
    eventually("its build is known", || {
        bridge.show(&id)["buildNumber"] == "1"
    });
    bridge.webhook(&job, "SUCCESS", 1).assert_status(200);
    eventually("it is rolled out", || {
        bridge.show(&id)["lastRollout"]["state"] == "converged"
    });
    eventually("the rollout was told", || {
        collector
            .spans()
            .iter()
            .any(|span| span.name == "rollout" && span.parent == request.id)
    });
    let rollout = collector
        .spans()
        .into_iter()
        .find(|span| span.parent == request.id && span.name == "rollout");
    let rollout = rollout.expect("just seen");
    assert_eq!(
        (rollout.trace.as_str(), rollout.text("cs.outcome")),
        (TRACE, "converged")
    );
    let webhook = collector.only("POST /{locale}/{tenant}/deployment/webhooks/jenkins");
    assert_eq!(rollout.links, [(webhook.trace.clone(), webhook.id.clone())]);
    assert!(
        collector
            .spans()
            .iter()
            .any(|span| span.name == "register" && span.trace == TRACE)
    );
    bridge.stop();
    assert!(
        !collector.raw().contains("Cnry"),
        "a secret reached the collector"
    );
}

#[test]
fn looking_after_the_server_makes_no_spans_and_what_is_invalid_begins_a_trace() {
    let (mut bridge, collector) = bridge();
    bridge.get("/healthz").assert_status(200);
    bridge.get("/metrics").assert_status(200);
    let list = Asked::get("/api/v1/deployments").bearer(API_TOKEN);
    bridge
        .send(&list.header("traceparent", "00-nonsense"))
        .assert_status(200);
    bridge
        .send(&Asked::get("/api/v1/deployments").header("traceparent", PARENT))
        .assert_status(401);
    bridge.stop();
    let spans = collector.spans();
    let requests: Vec<_> = spans.iter().filter(|span| span.kind == 2).collect();
    assert_eq!(requests.len(), 2, "{requests:?}");
    assert_eq!(requests[0].parent, "");
    assert_eq!(requests[1].trace, TRACE);
}
