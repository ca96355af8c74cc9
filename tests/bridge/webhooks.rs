//! Webhooks: who may send them, what they change, and that their order, repeats and number do not matter.

use std::net::SocketAddr;

use futures::StreamExt as _;
use proptest::prelude::*;
use serde_json::json;

use super::lab::{API_TOKEN, Bridge, Database, WEBHOOK, message, signed};
use super::on_both;
use crate::support::http::{Answered, Asked, send};

on_both! {
    fn statuses_of_ci_become_statuses_of_the_deployment_in_any_case(bridge: &mut Bridge) {
        for (build, (word, status)) in (1..).zip([
            ("RUNNING", "running"),
            ("SUCCESS", "completed"),
            ("failure", "failed"),
            ("Success", "completed"),
            ("ABORTED", "pending"),
        ]) {
            let (id, job) = bridge.create();
            let answered = bridge.webhook(&job, word, build);
            answered.assert_status(200);
            assert_eq!(answered.json()["outcome"], "updated");
            let shown = bridge.show(&id);
            assert_eq!((&shown["status"], &shown["ciStatus"]), (&json!(status), &json!(word)));
            assert_eq!(shown["buildNumber"], build.to_string());
        }
    }

    fn the_log_says_it_in_the_words_of_the_contract(bridge: &mut Bridge) {
        let (id, job) = bridge.create();
        bridge.webhook(&job, "SUCCESS", 1).assert_status(200);
        bridge.send(&Asked::post(WEBHOOK, "{}")).assert_problem(401, "bad-signature");
        let log = bridge.stop().stderr;
        let lines: Vec<&str> = log.lines().map(str::trim).collect();
        for line in [
            format!("INFO [@webhook:jenkins] Received status update for job: {job}"),
            format!("INFO [@webhook:jenkins] Updating deployment status: {id} -> completed"),
            "ERROR [@webhook:jenkins] Error processing webhook: the header x-cs-signature is missing".to_owned(),
        ] {
            assert!(lines.contains(&line.as_str()), "{line}\n{log}");
        }
    }

    fn an_unmapped_job_is_no_error_of_the_sender(bridge: &mut Bridge) {
        let answered = bridge.webhook("job-of-nobody", "SUCCESS", 1);
        answered.assert_status(202);
        assert_eq!(answered.json()["outcome"], "unmapped");
        bridge.server().until("it is said", |server| {
            server.stderr().contains("No deployment is mapped to job: job-of-nobody")
        });
        assert_eq!(bridge.count("webhook_receipts"), 0);
    }

    fn a_replay_does_nothing_and_says_so(bridge: &mut Bridge) {
        let (id, job) = bridge.create();
        let old = signed(&message(&job, "SUCCESS", 1, 0));
        bridge.send(&old).assert_status(200);
        bridge.webhook(&job, "FAILURE", 2).assert_status(200);
        bridge.send(&old).assert_problem(409, "replayed");
        assert_eq!(bridge.status(&id), "failed");
        // Not forgotten with the process.
        bridge.kill();
        bridge.start();
        bridge.send(&old).assert_problem(409, "replayed");
        assert_eq!(bridge.status(&id), "failed");
        assert_eq!(bridge.history(&id).len(), 3);
    }

    fn the_same_news_twice_is_told_once(bridge: &mut Bridge) {
        let (id, job) = bridge.create();
        let body = message(&job, "SUCCESS", 4, 0);
        bridge.send(&signed(&body)).assert_status(200);
        // Another text, hence another signature, and the same news.
        let again = bridge.send(&signed(&body.replace(":\"4\"", ": \"4\"")));
        again.assert_status(200);
        assert_eq!(again.json()["outcome"], "unchanged");
        assert_eq!(bridge.history(&id).len(), 2);
        assert_eq!(bridge.count("bridge_events"), 1);
    }

    fn two_webhooks_for_one_job_end_the_same_in_either_order(bridge: &mut Bridge) {
        for order in [[0, 1], [1, 0]] {
            let (id, job) = bridge.create();
            let messages = [message(&job, "RUNNING", 3, 2), message(&job, "FAILURE", 3, 1)];
            for at in order {
                bridge.send(&signed(&messages[at])).assert_status(200);
            }
            assert_eq!(bridge.status(&id), "failed", "{order:?}");
        }
    }

    fn a_late_running_and_an_older_build_overwrite_nothing(bridge: &mut Bridge) {
        let (id, job) = bridge.create();
        bridge.webhook(&job, "SUCCESS", 7).assert_status(200);
        for (status, build) in [("RUNNING", 7), ("FAILURE", 6), ("ABORTED", 7)] {
            let answered = bridge.webhook(&job, status, build);
            answered.assert_status(200);
            assert_eq!(answered.json()["outcome"], "ignored", "{status}");
            assert_eq!(answered.json()["status"], "completed");
        }
        let shown = bridge.show(&id);
        assert_eq!((&shown["status"], &shown["ciStatus"]), (&json!("completed"), &json!("SUCCESS")));
        // Remembered as what did not count.
        let late: Vec<_> = bridge.history(&id).into_iter().filter(|(_, _, applied)| !applied).collect();
        assert_eq!(late.len(), 3);
    }

    fn a_thousand_webhooks_at_once_are_all_taken_and_end_in_one_state(bridge: &mut Bridge) {
        let (id, job) = bridge.create();
        let mut asked: Vec<Asked> = (1..=999).map(|build| signed(&message(&job, "FAILURE", build, 0))).collect();
        asked.push(signed(&message(&job, "SUCCESS", 1000, 0)));
        let answers = all_at_once(bridge, bridge.address(), &asked);
        for answer in &answers {
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        let shown = bridge.show(&id);
        assert_eq!((&shown["status"], &shown["buildNumber"]), (&json!("completed"), &json!("1000")));
        // One of each is remembered, whether it came in time or not.
        assert_eq!(bridge.count("deployment_transitions"), 1001);
    }

    fn a_large_body_is_refused_before_it_is_kept(bridge: &mut Bridge) {
        let (id, _) = bridge.create();
        for size in [65 << 10, 10 << 20] {
            bridge.send(&signed(&"x".repeat(size))).assert_problem(413, "too-large");
        }
        assert_eq!(bridge.status(&id), "pending");
    }
}

/// Connections at once: more than a listener of the library would hold, and few enough for the file descriptors that all
/// tests of this process share.
const AT_ONCE: usize = 250;

fn all_at_once(bridge: &Bridge, address: SocketAddr, asked: &[Asked]) -> Vec<Answered> {
    bridge.lab.runtime.block_on(async {
        let calls = futures::stream::iter(asked).map(|asked| send(address, asked));
        let answers: Vec<Option<Answered>> = calls.buffer_unordered(AT_ONCE).collect().await;
        answers
            .into_iter()
            .map(|answer| answer.expect("an answer"))
            .collect()
    })
}

#[test]
fn a_wrong_an_old_and_a_missing_signature_are_refused() {
    let bridge = Bridge::on_sqlite();
    let (id, job) = bridge.create();
    let body = message(&job, "SUCCESS", 1, 0);
    let right = signed(&body);
    let with = |value: String| Asked::post(WEBHOOK, body.clone()).header("X-CS-Signature", value);
    let value = right.headers[0].1.clone();
    for wrong in [
        Asked::post(WEBHOOK, body.clone()),
        with(String::new()),
        with(value.replace("sha256=", "sha1=")),
        with(format!("{value}00")),
        with(format!("sha256={}", "0".repeat(64))),
        Asked {
            body: body.replace("SUCCESS", "FAILURE").into_bytes(),
            ..right.clone()
        },
        // The token of the API is no signature.
        Asked::post(WEBHOOK, body.clone()).bearer(API_TOKEN),
    ] {
        bridge.send(&wrong).assert_problem(401, "bad-signature");
    }
    for age in [-600, 600, 3_000_000] {
        bridge
            .send(&signed(&message(&job, "SUCCESS", 1, age)))
            .assert_problem(401, "old-signature");
    }
    for (bad, status, code) in [
        ("", 400, "bad-body"),
        ("{}", 400, "bad-body"),
        ("[1]", 400, "bad-body"),
        (
            r#"{"jobId":1,"status":"SUCCESS","buildNumber":"1","timestamp":"x"}"#,
            400,
            "bad-body",
        ),
        (
            r#"{"jobId":"j","status":"SUCCESS","buildNumber":"1","timestamp":"x"}"#,
            422,
            "bad-member",
        ),
    ] {
        bridge.send(&signed(bad)).assert_problem(status, code);
    }
    let elsewhere = Asked {
        path: "/e%20n/ac'me/deployment/webhooks/jenkins".to_owned(),
        ..right.clone()
    };
    bridge.send(&elsewhere).assert_problem(404, "not-found");
    assert_eq!(bridge.status(&id), "pending");
    bridge.send(&right).assert_status(200);
}

#[test]
fn the_header_of_the_signature_and_the_window_can_be_chosen() {
    let mut bridge = Bridge::stopped(Database::Sqlite);
    let more = [
        "--signature-header",
        "X-Hub-Signature-256",
        "--webhook-tolerance",
        "2h",
    ];
    bridge.arguments.extend(more.map(str::to_owned));
    bridge.start();
    let (_, job) = bridge.create();
    let mut asked = signed(&message(&job, "SUCCESS", 1, 3600));
    bridge.send(&asked).assert_problem(401, "bad-signature");
    asked.headers[0].0 = "X-Hub-Signature-256".to_owned();
    bridge.send(&asked).assert_status(200);
}

#[test]
fn one_sender_with_a_thousand_webhooks_is_slowed_down_and_another_is_not() {
    let mut bridge = Bridge::stopped(Database::Sqlite);
    bridge.arguments = [
        "--webhook-burst",
        "50",
        "--webhook-rate",
        "1",
        "--trusted-proxy",
        "127.0.0.0/8",
    ]
    .map(str::to_owned)
    .to_vec();
    bridge.start();
    let (id, job) = bridge.create();
    let from = |sender: &str, build| {
        signed(&message(&job, "RUNNING", build, 0)).header("X-Forwarded-For", sender)
    };
    let asked: Vec<Asked> = (1..=1000).map(|build| from("192.0.2.1", build)).collect();
    let answers = all_at_once(&bridge, bridge.address(), &asked);
    let (taken, refused): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status == 200);
    assert!(
        (50..500).contains(&taken.len()),
        "{} were taken",
        taken.len()
    );
    for answer in refused {
        answer.assert_problem(429, "too-many");
        assert!(answer.header("retry-after").is_some());
    }
    // Nothing of what was refused is half written.
    assert_eq!(
        bridge.count("deployment_transitions"),
        1 + taken.len() as i64
    );
    bridge.send(&from("192.0.2.2", 2000)).assert_status(200);
    assert_eq!(bridge.show(&id)["buildNumber"], "2000");
}

/// The order of messages does not matter, through the whole server and its database.
#[test]
fn any_order_of_webhooks_ends_in_the_same_state() {
    let bridge = Bridge::on_sqlite();
    let words = prop::sample::select(vec!["SUCCESS", "FAILURE", "RUNNING", "ABORTED"]);
    let messages = prop::collection::vec((1..4_u64, words, 0..5_i64), 1..7);
    let shuffled =
        messages.prop_flat_map(|messages| (Just(messages.clone()), Just(messages).prop_shuffle()));
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(12)
    });
    let base = jiff::Timestamp::now();
    let end = |messages: &[(u64, &str, i64)]| {
        let (id, job) = bridge.create();
        for (build, status, age) in messages {
            let at = base - jiff::SignedDuration::from_secs(*age);
            let body = json!({"jobId": job, "status": status, "buildNumber": build.to_string(), "timestamp": at.to_string()});
            let answered = bridge.send(&signed(&body.to_string()));
            // The very same message twice is a replay.
            assert!(matches!(answered.status, 200 | 409), "{answered:?}");
        }
        let shown = bridge.show(&id);
        (
            shown["status"].clone(),
            shown["ciStatus"].clone(),
            shown["buildNumber"].clone(),
        )
    };
    runner
        .run(&shuffled, |(one, other)| {
            prop_assert_eq!(end(&one), end(&other));
            Ok(())
        })
        .unwrap();
}
