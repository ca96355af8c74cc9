//! The database goes away in the middle, or the process does: nothing is half written, nothing that was answered is lost.

use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _};

use super::lab::{API_TOKEN, Bridge, Database, message, signed};
use super::on_both;
use crate::support::env::eventually;
use crate::support::http::{Asked, send};
use crate::support::jenkins::Start;

/// Each table says the same of every deployment.
#[track_caller]
fn assert_consistent(bridge: &Bridge) {
    let deployments = bridge.count("deployments");
    assert_eq!(deployments, bridge.count("cicd_jobs"));
    assert_eq!(deployments, bridge.count("deployment_cicd_mappings"));
    let wrong = bridge.count(
        "deployments d JOIN deployment_cicd_mappings m ON m.deployment_id = d.id JOIN cicd_jobs j ON j.id = m.cicd_job_id
         WHERE d.status <> CASE lower(j.status) WHEN 'success' THEN 'completed' WHEN 'failure' THEN 'failed'
                                WHEN 'running' THEN 'running' ELSE 'pending' END",
    );
    assert_eq!(wrong, 0, "a job and its deployment say different things");
    let created = bridge.count("deployment_transitions WHERE kind = 'created'");
    assert_eq!(created, deployments);
    let told = bridge.count("bridge_events WHERE name = 'DEPLOYMENT_STATUS_UPDATE'");
    assert_eq!(
        told,
        bridge.count("deployment_transitions WHERE kind = 'webhook' AND applied = 1")
    );
}

#[test]
fn postgresql_away_in_the_middle_is_told_and_passes() {
    let mut bridge = Bridge::on_own_postgres();
    let (id, job) = bridge.create();
    bridge.webhook(&job, "RUNNING", 1).assert_status(200);
    let Database::Own(postgres, _) = &mut bridge.database else {
        unreachable!("it is ours");
    };
    postgres.down();
    let body = message(&job, "SUCCESS", 1, 0);
    let calls = [
        signed(&body),
        Asked::get(format!("/api/v1/deployments/{id}")).bearer(API_TOKEN),
        Asked::post(
            "/api/v1/deployments",
            r#"{"name":"a","provider":"jenkins","job":"j"}"#,
        )
        .bearer(API_TOKEN),
        Asked::post(format!("/api/v1/deployments/{id}/run"), r#"{"force":true}"#).bearer(API_TOKEN),
    ];
    for call in &calls {
        let answered = bridge.send(call);
        answered.assert_problem(503, "database-away");
        assert!(answered.header("retry-after").is_some());
    }
    bridge.send(&Asked::get("/healthz")).assert_status(200);
    bridge.send(&Asked::get("/readyz")).assert_status(503);
    assert_eq!(
        bridge.jenkins.asked_to_start(),
        0,
        "nothing is begun that cannot be written down"
    );
    let Database::Own(postgres, _) = &mut bridge.database else {
        unreachable!("it is ours");
    };
    postgres.up();
    eventually("it is ready again", || {
        bridge.send(&Asked::get("/readyz")).status == 200
    });
    // The very same message: it was not taken before.
    bridge.send(&calls[0]).assert_status(200);
    assert_eq!(bridge.status(&id), "completed");
    assert_consistent(&bridge);
}

#[test]
fn a_database_that_goes_away_while_jenkins_is_asked_gets_to_know_it_later() {
    let mut bridge = Bridge::on_own_postgres();
    let (id, _) = bridge.create();
    bridge.jenkins.world().builds = false;
    // Jenkins has it and does not answer, and the database goes away meanwhile.
    bridge.jenkins.next_start(Start::QueueAndHang);
    let asked = Asked::post(format!("/api/v1/deployments/{id}/run"), "").bearer(API_TOKEN);
    let run = asked_in_background(&bridge, &asked);
    eventually("Jenkins is asked", || bridge.jenkins.asked_to_start() == 1);
    let Database::Own(postgres, _) = &mut bridge.database else {
        unreachable!("it is ours");
    };
    postgres.down();
    postgres.up();
    let _ = bridge.lab.runtime.block_on(run);
    bridge.until_status(&id, "running");
    assert_eq!(bridge.jenkins.world().items.len(), 1, "started twice");
}

on_both! {
    fn what_was_answered_survives_a_kill_in_the_middle_of_many(bridge: &mut Bridge) {
        let made: Vec<(String, String)> = (0..40).map(|_| bridge.create()).collect();
        let address = bridge.address();
        let handle = bridge.lab.runtime.handle().clone();
        let messages: Vec<Asked> = made.iter().map(|(_, job)| signed(&message(job, "SUCCESS", 1, 0))).collect();
        let calls = handle.spawn(async move {
            let mut answered = Vec::new();
            for call in &messages {
                answered.push(send(address, call).await.map(|answer| answer.status));
            }
            answered
        });
        eventually("some are taken", || bridge.count("webhook_receipts") >= 10);
        bridge.kill();
        let answered = bridge.lab.runtime.block_on(calls).expect("it does not panic");
        bridge.start();
        assert_consistent(bridge);
        for ((id, job), status) in made.iter().zip(answered) {
            if status == Some(200) {
                assert_eq!(bridge.status(id), "completed", "an answer was given for nothing");
            } else {
                let again = bridge.webhook(job, "SUCCESS", 1);
                again.assert_status(200);
            }
        }
        assert!(made.iter().all(|(id, _)| bridge.status(id) == "completed"));
        assert_consistent(bridge);
    }

    fn a_run_that_reached_jenkins_before_the_process_died_is_found_and_not_repeated(bridge: &mut Bridge) {
        let (id, _) = bridge.create();
        bridge.jenkins.world().builds = false;
        bridge.jenkins.next_start(Start::QueueAndHang);
        let asked = Asked::post(format!("/api/v1/deployments/{id}/run"), "").bearer(API_TOKEN);
        let run = asked_in_background(bridge, &asked);
        eventually("Jenkins has it", || bridge.jenkins.world().items.len() == 1);
        bridge.kill();
        drop(run);
        bridge.start();
        bridge.until_status(&id, "running");
        assert_eq!(bridge.jenkins.asked_to_start(), 1, "started twice");
        bridge.jenkins.world().builds = true;
        eventually("its build is known", || bridge.show(&id)["lastRun"]["state"] == "started");
    }

    fn a_run_that_did_not_reach_jenkins_before_the_process_died_is_started(bridge: &mut Bridge) {
        let (id, _) = bridge.create();
        bridge.jenkins.next_start(Start::Hang);
        let asked = Asked::post(format!("/api/v1/deployments/{id}/run"), "").bearer(API_TOKEN);
        let run = asked_in_background(bridge, &asked);
        eventually("Jenkins is asked", || bridge.jenkins.asked_to_start() == 1);
        bridge.kill();
        drop(run);
        bridge.start();
        bridge.until_status(&id, "running");
        assert_eq!(bridge.jenkins.world().items.len(), 1);
    }
}

#[test]
fn a_run_that_jenkins_cannot_tell_apart_is_said_to_be_unknown_and_not_repeated() {
    let mut bridge = Bridge::on_sqlite();
    let (id, _) = bridge.create();
    bridge.jenkins.world().keeps_run_id = false;
    bridge.jenkins.next_start(Start::Hang);
    let asked = Asked::post(format!("/api/v1/deployments/{id}/run"), "").bearer(API_TOKEN);
    let run = asked_in_background(&bridge, &asked);
    eventually("Jenkins is asked", || bridge.jenkins.asked_to_start() == 1);
    bridge.kill();
    drop(run);
    bridge.start();
    eventually("it is given up", || {
        bridge.show(&id)["lastRun"]["state"] == "failed"
    });
    assert_eq!(bridge.show(&id)["lastRun"]["error"]["code"], "run-unknown");
    assert_eq!(bridge.jenkins.asked_to_start(), 1);
    assert_eq!(bridge.status(&id), "pending");
}

fn asked_in_background(bridge: &Bridge, asked: &Asked) -> tokio::task::JoinHandle<Option<u16>> {
    let (address, asked) = (bridge.address(), asked.clone());
    bridge
        .lab
        .runtime
        .spawn(async move { Some(send(address, &asked).await?.status) })
}

#[test]
fn sqlite_that_is_locked_by_somebody_else_is_told_and_passes() {
    let bridge = Bridge::on_sqlite();
    let (id, job) = bridge.create();
    let asked = signed(&message(&job, "SUCCESS", 1, 0));
    let file = format!("sqlite:{}", bridge.sqlite_file().display());
    bridge.lab.runtime.block_on(async {
        let mut other = sqlx::SqliteConnection::connect(&file)
            .await
            .expect("the file is there");
        other
            .execute("BEGIN IMMEDIATE")
            .await
            .expect("nobody writes");
        let answered = send(bridge.address(), &asked).await.expect("an answer");
        answered.assert_problem(503, "database-away");
        assert!(answered.header("retry-after").is_some());
        other.execute("ROLLBACK").await.expect("it was begun");
        other.close().await.expect("it is ours");
    });
    assert_eq!(bridge.status(&id), "pending");
    bridge.send(&asked).assert_status(200);
    assert_consistent(&bridge);
}

#[test]
fn a_database_of_a_newer_cs_is_not_touched() {
    let mut bridge = Bridge::on_sqlite();
    bridge.stop();
    let file = format!("sqlite:{}", bridge.sqlite_file().display());
    bridge.lab.runtime.block_on(async {
        let mut other = sqlx::SqliteConnection::connect(&file)
            .await
            .expect("the file is there");
        let newer = "INSERT INTO bridge_schema (version, applied_at) VALUES (99, 0)";
        other.execute(newer).await.expect("the table is there");
        other.close().await.expect("it is ours");
    });
    let ended = bridge
        .lab
        .env
        .cs(["serve", "--listen", "127.0.0.1:0"])
        .run();
    ended
        .assert_code(1)
        .assert_says("newer cs")
        .assert_says("99");
}

#[test]
fn two_servers_on_one_postgresql_share_work_and_events() {
    let mut one = Bridge::on_postgres();
    let Database::Shared(name) = &one.database else {
        unreachable!("it was asked for");
    };
    let mut two = Bridge::stopped(Database::Shared(name.clone()));
    two.start();
    let (id, job) = one.create();
    let events = two.events();
    one.webhook(&job, "SUCCESS", 1).assert_status(200);
    assert_eq!(two.status(&id), "completed");
    eventually("the other server tells of it", || {
        events.names() == ["DEPLOYMENT_STATUS_UPDATE"]
    });
    // What one takes the other knows.
    let asked = signed(&message(&job, "FAILURE", 2, 0));
    two.send(&asked).assert_status(200);
    one.send(&asked).assert_problem(409, "replayed");
    one.stop();
    let answered: Value = two.show(&id);
    assert_eq!(answered["status"], json!("failed"));
}
