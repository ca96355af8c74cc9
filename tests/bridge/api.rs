//! Deployments: made, shown, listed; whoever may not, may not; nothing that is sent is more than a value.

use serde_json::{Value, json};

use super::lab::{API_TOKEN, Bridge};
use super::on_both;
use crate::support::http::Asked;

on_both! {
    fn a_deployment_is_made_with_its_job_and_their_mapping(bridge: &mut Bridge) {
        let (id, job) = bridge.create();
        let shown = bridge.show(&id);
        assert_eq!(shown["cicdJobId"], job);
        assert_eq!(shown["status"], "pending");
        assert_eq!(shown["job"], "team/shop");
        assert_eq!(shown["parameterNames"], json!(["VERSION"]));
        for table in ["deployments", "cicd_jobs", "deployment_cicd_mappings"] {
            assert_eq!(bridge.count(table), 1, "{table}");
        }
        assert_eq!(bridge.history(&id), [("created".to_owned(), "pending".to_owned(), true)]);
    }

    fn the_same_key_makes_the_same_deployment(bridge: &mut Bridge) {
        let body = json!({"name": "a", "provider": "jenkins", "job": "j"}).to_string();
        let ask = |body: &str| {
            let asked = Asked::post("/api/v1/deployments", body).bearer(API_TOKEN);
            bridge.send(&asked.header("Idempotency-Key", "key-1"))
        };
        let first = ask(&body);
        first.assert_status(201);
        let again = ask(&body);
        again.assert_status(200);
        assert_eq!(first.json()["deploymentId"], again.json()["deploymentId"]);
        ask(&body.replace("\"a\"", "\"b\"")).assert_problem(409, "idempotency-key-reused");
        assert_eq!(bridge.count("deployments"), 1);
        assert_eq!(bridge.count("cicd_jobs"), 1);
    }

    fn many_requests_with_one_key_at_once_make_one_deployment(bridge: &mut Bridge) {
        let body = json!({"name": "a", "provider": "jenkins", "job": "j"}).to_string();
        let asked = Asked::post("/api/v1/deployments", body)
            .bearer(API_TOKEN)
            .header("Idempotency-Key", "key-1");
        let address = bridge.address();
        let answers = bridge.lab.runtime.block_on(async {
            let calls = (0..20).map(|_| crate::support::http::send(address, &asked));
            futures::future::join_all(calls).await
        });
        let ids: std::collections::BTreeSet<String> = answers
            .into_iter()
            .map(|answer| {
                let answer = answer.expect("an answer");
                assert!(matches!(answer.status, 200 | 201), "{answer:?}");
                answer.json()["deploymentId"].to_string()
            })
            .collect();
        assert_eq!(ids.len(), 1);
        assert_eq!(bridge.count("deployments"), 1);
    }

    fn a_list_has_pages_and_every_deployment_once(bridge: &mut Bridge) {
        let mut made: Vec<String> = (0..7).map(|_| bridge.create().0).collect();
        let mut seen = Vec::new();
        let mut path = "/api/v1/deployments?limit=3".to_owned();
        loop {
            let page = bridge.get(&path).json();
            for one in page["deployments"].as_array().expect("a list") {
                seen.push(one["deploymentId"].as_str().expect("a text").to_owned());
            }
            let Some(next) = page["next"].as_str() else { break };
            path = format!("/api/v1/deployments?limit=3&after={next}");
        }
        made.sort();
        seen.sort();
        assert_eq!(made, seen);
        let none = bridge.get("/api/v1/deployments?status=failed").json();
        assert_eq!(none["deployments"], json!([]));
    }

    /// What would be SQL, a path or a control character somewhere is a value, or is refused; the tables stand.
    fn sql_in_every_text_is_only_a_text(bridge: &mut Bridge) {
        let evil = "x'); DROP TABLE deployments; --";
        let (id, job) = bridge.create_with(json!({
            "name": evil, "job": evil.replace('\'', "\""), "parameters": {"A": evil},
        }));
        assert_eq!(bridge.show(&id)["name"], evil);
        bridge.run(&id).assert_status(202);
        let sent = bridge.jenkins.world().items[0].parameters["A"].clone();
        assert_eq!(sent, evil);
        let encoded = percent_encoding::utf8_percent_encode(evil, percent_encoding::NON_ALPHANUMERIC).to_string();
        for path in [
            format!("/api/v1/deployments/{encoded}"),
            format!("/api/v1/deployments/{encoded}/history"),
        ] {
            bridge.get(&path).assert_problem(404, "not-found");
        }
        bridge.post(&format!("/api/v1/deployments/{encoded}/run"), &Value::Null).assert_problem(404, "not-found");
        for query in ["status", "limit", "after"] {
            bridge.get(&format!("/api/v1/deployments?{query}={encoded}")).assert_problem(422, "bad-query");
        }
        bridge.get(&format!("/api/v1/deployments/{id}/history?before={encoded}")).assert_problem(422, "bad-query");
        let keyed = Asked::post("/api/v1/deployments", "{}").bearer(API_TOKEN).header("Idempotency-Key", evil);
        bridge.send(&keyed).assert_problem(400, "bad-idempotency-key");
        let resumed = Asked::get("/events").bearer(API_TOKEN).header("Last-Event-ID", evil);
        bridge.send(&resumed).assert_problem(400, "bad-event-id");
        for (status, build) in [(evil, 1), ("SUCCESS", 1)] {
            bridge.webhook(if build == 1 && status == evil { &job } else { evil }, status, build).assert_problem(422, "bad-member");
        }
        assert_eq!(bridge.count("deployments"), 1);
        assert_eq!(bridge.webhook(&job, "SUCCESS", 9).status, 200);
    }
}

#[test]
fn every_call_but_health_and_webhooks_needs_the_token() {
    let bridge = Bridge::on_sqlite();
    let (id, _) = bridge.create();
    let calls = [
        Asked::get("/api/v1/deployments"),
        Asked::post("/api/v1/deployments", "{}"),
        Asked::get(format!("/api/v1/deployments/{id}")),
        Asked::get(format!("/api/v1/deployments/{id}/history")),
        Asked::post(format!("/api/v1/deployments/{id}/run"), ""),
        Asked::get("/events"),
        Asked::get("/metrics"),
        Asked::get("/openapi.json"),
    ];
    for call in calls {
        for wrong in [
            call.clone(),
            call.clone().bearer("wrong"),
            call.clone().bearer(""),
            call.clone().bearer(&API_TOKEN[1..]),
            call.clone()
                .header("Authorization", format!("Basic {API_TOKEN}")),
        ] {
            let answered = bridge.send(&wrong);
            answered.assert_problem(401, "unauthorized");
            assert_eq!(
                answered.header("www-authenticate").as_deref(),
                Some("Bearer")
            );
        }
    }
    assert_eq!(bridge.jenkins.asked_to_start(), 0);
    for open in ["/healthz", "/readyz"] {
        bridge.send(&Asked::get(open)).assert_status(200);
    }
}

#[test]
fn what_makes_no_sense_is_told_by_a_problem_and_nothing_is_written() {
    let bridge = Bridge::on_sqlite();
    let path = "/api/v1/deployments";
    let raw = |body: &str| bridge.send(&Asked::post(path, body).bearer(API_TOKEN));
    raw("").assert_problem(400, "not-json");
    raw("{").assert_problem(400, "not-json");
    raw("[]").assert_problem(422, "bad-member");
    for body in [
        json!({"provider": "jenkins", "job": "j"}),
        json!({"name": "a", "provider": "gitlab", "job": "j"}),
        json!({"name": "a", "provider": "jenkins", "job": "../x"}),
        json!({"name": "a", "provider": "jenkins", "job": "j", "extra": 1}),
        json!({"name": "a\u{0}", "provider": "jenkins", "job": "j"}),
        json!({"name": "a", "provider": "jenkins", "job": "j", "parameters": {"CS_RUN_ID": "x"}}),
        json!({"name": "a", "provider": "jenkins", "job": "j", "parameters": {"A": {}}}),
    ] {
        bridge.post(path, &body).assert_problem(422, "bad-member");
    }
    let large = json!({"name": "a".repeat(1 << 20)}).to_string();
    raw(&large).assert_problem(413, "too-large");
    bridge.get("/nowhere").assert_problem(404, "not-found");
    bridge
        .get("/api/v1/deployments/nobody")
        .assert_problem(404, "not-found");
    bridge
        .send(
            &Asked {
                method: "DELETE",
                path: path.to_owned(),
                ..Asked::default()
            }
            .bearer(API_TOKEN),
        )
        .assert_problem(405, "method-not-allowed");
    assert_eq!(bridge.count("deployments"), 0);
}

#[test]
fn metrics_follow_the_conventions() {
    let bridge = Bridge::on_sqlite();
    let (_, job) = bridge.create();
    bridge.webhook(&job, "RUNNING", 1).assert_status(200);
    bridge
        .webhook("job-unknown", "RUNNING", 1)
        .assert_status(202);
    let metrics = bridge.get("/metrics");
    metrics.assert_status(200);
    assert!(
        metrics
            .header("content-type")
            .unwrap()
            .starts_with("text/plain; version=0.0.4")
    );
    for line in [
        "cs_bridge_webhooks_total{outcome=\"updated\"} 1",
        "cs_bridge_webhooks_total{outcome=\"unmapped\"} 1",
        "cs_bridge_database_up 1",
        "cs_bridge_http_requests_total{route=\"/api/v1/deployments\",method=\"POST\",status=\"201\"} 1",
    ] {
        assert!(metrics.body.contains(line), "{line}\n{}", metrics.body);
    }
}
