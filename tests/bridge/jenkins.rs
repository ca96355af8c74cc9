//! Runs: Jenkins is asked once, followed to a build, and when it does not do what it should, that is told and nothing is
//! left half done.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::lab::{API_TOKEN, Bridge};
use super::on_both;
use crate::support::env::eventually;
use crate::support::http::Asked;
use crate::support::jenkins::Start;
use crate::support::ports::CLOSED_PORT;

fn until_started(bridge: &Bridge, id: &str) {
    eventually("the build has a number", || {
        bridge.show(id)["lastRun"]["state"] == "started"
    });
}

on_both! {
    fn a_run_starts_the_job_and_follows_it_to_its_build(bridge: &mut Bridge) {
        bridge.jenkins.world().next_build = 42;
        bridge.jenkins.world().builds = false;
        let (id, job) = bridge.create();
        let run = bridge.run(&id);
        run.assert_status(202);
        let run = run.json();
        assert_eq!((&run["status"], &run["state"]), (&json!("running"), &json!("queued")));
        {
            let world = bridge.jenkins.world();
            let item = &world.items[0];
            assert_eq!(item.job, "team/job/shop");
            assert_eq!(item.parameters["VERSION"], "1.2");
            assert_eq!(item.parameters["CS_JOB_ID"], job);
            assert_eq!(item.parameters["CS_DEPLOYMENT_ID"], id);
            assert_eq!(item.parameters["CS_RUN_ID"], run["runId"].as_str().unwrap());
            assert!(world.calls.iter().all(|(_, known)| *known), "{:?}", world.calls);
        }
        assert_eq!(bridge.status(&id), "running");
        bridge.jenkins.world().builds = true;
        until_started(bridge, &id);
        let shown = bridge.show(&id);
        assert_eq!(shown["buildNumber"], "42");
        assert_eq!(shown["lastRun"]["buildNumber"], "42");
        bridge.webhook(&job, "SUCCESS", 42).assert_status(200);
        assert_eq!(bridge.status(&id), "completed");
        let kinds: Vec<String> = bridge.history(&id).into_iter().map(|(kind, _, _)| kind).collect();
        assert_eq!(kinds, ["created", "run", "build", "webhook"]);
    }

    fn repeats_start_nothing_and_a_run_after_the_end_does(bridge: &mut Bridge) {
        let (id, job) = bridge.create();
        let first = bridge.run(&id);
        first.assert_status(202);
        for _ in 0..3 {
            let again = bridge.run(&id);
            again.assert_status(200);
            assert_eq!(again.json()["runId"], first.json()["runId"]);
            assert_eq!(again.json()["repeated"], true);
        }
        until_started(bridge, &id);
        bridge.run(&id).assert_status(200);
        assert_eq!(bridge.jenkins.asked_to_start(), 1);
        bridge.webhook(&job, "FAILURE", 1).assert_status(200);
        bridge.run(&id).assert_status(202);
        assert_eq!(bridge.jenkins.asked_to_start(), 2);
        // What the first build says late is past.
        assert_eq!(bridge.webhook(&job, "SUCCESS", 1).json()["outcome"], "ignored");
        assert_eq!(bridge.status(&id), "running");
        let forced = bridge.post(&format!("/api/v1/deployments/{id}/run"), &json!({"force": true}));
        forced.assert_status(202);
        assert_eq!(bridge.jenkins.asked_to_start(), 3);
    }

    fn the_same_key_is_the_same_run_even_after_its_end(bridge: &mut Bridge) {
        let (id, job) = bridge.create();
        let asked = Asked::post(format!("/api/v1/deployments/{id}/run"), "")
            .bearer(API_TOKEN)
            .header("Idempotency-Key", "run-1");
        let first = bridge.send(&asked);
        first.assert_status(202);
        until_started(bridge, &id);
        bridge.webhook(&job, "SUCCESS", 1).assert_status(200);
        let again = bridge.send(&asked);
        again.assert_status(200);
        assert_eq!(again.json()["runId"], first.json()["runId"]);
        assert_eq!(bridge.jenkins.asked_to_start(), 1);
    }

    fn the_same_key_tries_again_what_jenkins_did_not_take(bridge: &mut Bridge) {
        let (id, _) = bridge.create();
        let asked = Asked::post(format!("/api/v1/deployments/{id}/run"), "")
            .bearer(API_TOKEN)
            .header("Idempotency-Key", "run-1");
        bridge.jenkins.next_start(Start::Refuse(409, "disabled"));
        bridge.send(&asked).assert_problem(502, "jenkins-job-disabled");
        let second = bridge.send(&asked);
        second.assert_status(202);
        let third = bridge.send(&asked);
        third.assert_status(200);
        assert_eq!(third.json()["runId"], second.json()["runId"]);
    }

    fn many_runs_at_once_start_one_build(bridge: &mut Bridge) {
        let (id, _) = bridge.create();
        let asked = Asked::post(format!("/api/v1/deployments/{id}/run"), "").bearer(API_TOKEN);
        let address = bridge.address();
        let answers = bridge.lab.runtime.block_on(async {
            let calls = (0..20).map(|_| crate::support::http::send(address, &asked));
            futures::future::join_all(calls).await
        });
        for answer in answers {
            let answer = answer.expect("an answer");
            assert!(matches!(answer.status, 200 | 202), "{answer:?}");
        }
        assert_eq!(bridge.jenkins.asked_to_start(), 1);
        assert_eq!(bridge.count("deployment_runs"), 1);
    }

    fn what_jenkins_refuses_is_told_and_the_deployment_stays_as_it_was(bridge: &mut Bridge) {
        let cases = [
            (Start::Refuse(401, "no"), 502, "jenkins-unauthorized"),
            (Start::Refuse(403, "no"), 502, "jenkins-forbidden"),
            (Start::Refuse(404, "no"), 502, "jenkins-no-such-job"),
            (Start::Refuse(409, "no"), 502, "jenkins-job-disabled"),
            (Start::Refuse(418, "no"), 502, "jenkins-unexpected-answer"),
            (Start::Redirect(302, "http://login.invalid/?from=x".to_owned()), 502, "jenkins-redirected"),
        ];
        let (id, _) = bridge.create();
        let count = cases.len();
        for (start, status, code) in cases {
            bridge.jenkins.next_start(start);
            bridge.run(&id).assert_problem(status, code);
            let shown = bridge.show(&id);
            assert_eq!(shown["status"], "pending", "{code}");
            assert_eq!(shown["lastRun"]["state"], "failed");
            assert_eq!(shown["lastRun"]["error"]["code"], code);
        }
        let events = bridge.events();
        eventually("every failure was announced", || events.names().len() == count);
        assert!(events.names().iter().all(|name| name == "DEPLOYMENT_RUN_FAILURE"), "{}", events.text());
        // It is well again, and so is the deployment.
        bridge.run(&id).assert_status(202);
        assert_eq!(bridge.status(&id), "running");
    }

    fn a_job_that_leaves_the_queue_unbuilt_is_a_failed_run(bridge: &mut Bridge) {
        bridge.jenkins.world().builds = false;
        let (id, _) = bridge.create();
        bridge.run(&id).assert_status(202);
        bridge.jenkins.world().items[0].cancelled = true;
        bridge.until_status(&id, "pending");
        let shown = bridge.show(&id);
        assert_eq!(shown["lastRun"]["error"]["code"], "jenkins-cancelled");
        let events = bridge.events();
        eventually("it was announced", || events.names() == ["DEPLOYMENT_RUN_START", "DEPLOYMENT_RUN_FAILURE"]);
    }
}

#[test]
fn credentials_go_to_no_other_host() {
    let bridge = Bridge::on_sqlite();
    let stranger = crate::support::jenkins::JenkinsDouble::start();
    let (id, _) = bridge.create();
    for status in [301, 302, 303, 307, 308] {
        bridge.jenkins.next_start(Start::Redirect(
            status,
            format!("{}/job/x/", stranger.url()),
        ));
        bridge.run(&id).assert_problem(502, "jenkins-redirected");
    }
    // The address of the queue item names another host, and is asked at ours.
    bridge.run(&id).assert_status(202);
    until_started(&bridge, &id);
    assert_eq!(stranger.world().calls, []);
}

#[test]
fn jenkins_away_is_told_and_a_later_run_goes_well() {
    let mut bridge = Bridge::on_sqlite();
    let (id, _) = bridge.create();
    let url = bridge.jenkins.url();
    bridge.stop();
    bridge.lab.env.set(
        "CS_JENKINS_URL",
        format!("http://127.0.0.1:{}", CLOSED_PORT),
    );
    bridge.start();
    let answered = bridge.run(&id);
    answered.assert_problem(503, "jenkins-unreachable");
    assert!(answered.header("retry-after").is_some());
    assert_eq!(bridge.status(&id), "pending");
    bridge.stop();
    bridge.lab.env.set("CS_JENKINS_URL", url);
    bridge.start();
    bridge.run(&id).assert_status(202);
}

#[test]
fn jenkins_that_starts_up_is_asked_again() {
    let bridge = Bridge::on_sqlite();
    let (id, _) = bridge.create();
    bridge
        .jenkins
        .next_start(Start::Refuse(503, "Jenkins is getting ready to work"));
    bridge.run(&id).assert_status(202);
    assert_eq!(bridge.jenkins.asked_to_start(), 2);
}

#[test]
fn a_job_without_parameters_is_started_without_any_and_one_without_crumbs_without_crumb() {
    let bridge = Bridge::on_sqlite();
    let (id, _) = bridge.create();
    bridge.jenkins.world().crumbs = false;
    bridge
        .jenkins
        .next_start(Start::Refuse(400, "shop is not parameterized"));
    bridge.run(&id).assert_status(202);
    let world = bridge.jenkins.world();
    assert!(
        world
            .calls
            .iter()
            .any(|(call, _)| call == "POST /job/team/job/shop/build"),
        "{:?}",
        world.calls
    );
}

#[test]
fn a_start_whose_answer_is_lost_is_found_and_not_repeated() {
    let bridge = Bridge::on_sqlite();
    bridge.jenkins.world().builds = false;
    bridge.jenkins.next_start(Start::QueueAndHang);
    let (id, _) = bridge.create();
    bridge.run(&id).assert_status(202);
    assert_eq!(bridge.jenkins.asked_to_start(), 1);
    assert_eq!(bridge.jenkins.world().items.len(), 1);
    assert_eq!(bridge.status(&id), "running");
}

#[test]
fn a_start_without_an_answer_that_left_no_trace_is_told_in_time() {
    let bridge = Bridge::on_sqlite();
    bridge.jenkins.next_start(Start::Hang);
    let (id, _) = bridge.create();
    let began = Instant::now();
    bridge.run(&id).assert_problem(504, "jenkins-timeout");
    assert!(began.elapsed() < Duration::from_secs(28));
    assert_eq!(bridge.status(&id), "pending");
    assert_eq!(
        bridge.jenkins.asked_to_start(),
        1,
        "what may have arrived is not sent again"
    );
}

#[test]
fn an_item_that_jenkins_has_forgotten_is_found_among_the_builds() {
    let bridge = Bridge::on_sqlite();
    bridge.jenkins.world().forgets = true;
    bridge.jenkins.world().next_build = 9;
    let (id, _) = bridge.create();
    bridge.run(&id).assert_status(202);
    until_started(&bridge, &id);
    assert_eq!(bridge.show(&id)["buildNumber"], "9");
}

#[test]
fn without_jenkins_everything_but_runs_works() {
    let mut bridge = Bridge::on_sqlite();
    bridge.stop();
    for name in ["CS_JENKINS_URL", "CS_JENKINS_USER", "CS_JENKINS_TOKEN"] {
        bridge.lab.env.set(name, "");
    }
    bridge.start();
    let (id, job) = bridge.create();
    bridge
        .run(&id)
        .assert_problem(503, "jenkins-not-configured");
    bridge.webhook(&job, "SUCCESS", 1).assert_status(200);
    let shown: Value = bridge.show(&id);
    assert_eq!(shown["status"], "completed");
}
