//! Events: stored with what they tell of, read by whoever looks on, and on NATS at least once, whatever happens between.

use std::collections::BTreeMap;

use serde_json::json;

use super::lab::{API_TOKEN, Bridge, Database};
use super::on_both;
use crate::support::env::eventually;
use crate::support::http::{Asked, Sse};

on_both! {
    fn whoever_looks_on_sees_every_event_as_it_happens(bridge: &mut Bridge) {
        let events = Sse::open(bridge.address(), &Asked::get("/events").bearer(API_TOKEN));
        eventually("the reader is heard", || events.text().contains(": connected"));
        let (id, job) = bridge.create();
        bridge.run(&id).assert_status(202);
        bridge.webhook(&job, "SUCCESS", 1).assert_status(200);
        eventually("all were told", || events.names().len() == 2);
        assert!(events.text().contains("text/event-stream"));
        let told = events.events();
        assert_eq!(told[0].1, "DEPLOYMENT_RUN_START");
        assert_eq!(told[1].1, "DEPLOYMENT_STATUS_UPDATE");
        assert_eq!(
            told[1].2,
            json!({"deploymentId": id, "status": "completed", "jobId": job, "buildNumber": "1"})
        );
    }

    fn a_reader_that_comes_back_misses_nothing_and_sees_nothing_twice(bridge: &mut Bridge) {
        let (_, job) = bridge.create();
        for build in 1..=3 {
            bridge.webhook(&job, "SUCCESS", build).assert_status(200);
        }
        let first = bridge.events();
        eventually("three were told", || first.names().len() == 3);
        let last = first.events()[1].0;
        drop(first);
        bridge.webhook(&job, "SUCCESS", 4).assert_status(200);
        bridge.kill();
        bridge.start();
        let resume = |header: bool| {
            let asked = if header {
                Asked::get("/events").header("Last-Event-ID", last.to_string())
            } else {
                Asked::get(format!("/events?lastEventId={last}"))
            };
            Sse::open(bridge.address(), &asked.bearer(API_TOKEN))
        };
        for events in [resume(true), resume(false)] {
            eventually("the rest was told", || events.names().len() == 2);
            let builds: Vec<_> = events.events().iter().map(|(_, _, payload)| payload["buildNumber"].clone()).collect();
            assert_eq!(builds, [json!("3"), json!("4")]);
        }
        let events = resume(true);
        eventually("it goes on", || events.names().len() == 2);
        bridge.webhook(&job, "SUCCESS", 5).assert_status(200);
        eventually("the next one follows", || events.names().len() == 3);
        let ids: Vec<i64> = events.events().iter().map(|(id, _, _)| *id).collect();
        assert!(ids.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{ids:?}");
    }

    fn what_happened_while_nats_was_away_is_sent_when_it_is_back_and_once(bridge: &mut Bridge) {
        let mut nats = bridge.lab.nats();
        bridge.stop();
        bridge.start();
        let (_, job) = bridge.create();
        bridge.webhook(&job, "RUNNING", 1).assert_status(200);
        let stored = || {
            let stored = bridge.lab.stored(&nats);
            let known: BTreeMap<String, String> =
                stored.iter().map(|one| (one.id.clone(), one.payload.clone())).collect();
            assert_eq!(known.len(), stored.len(), "an id was stored twice");
            stored
        };
        eventually("the first is there", || stored().len() == 1);
        assert_eq!(stored()[0].subject, "cs.cicd.DEPLOYMENT_STATUS_UPDATE");
        nats.down();
        for build in 2..=5 {
            bridge.webhook(&job, "SUCCESS", build).assert_status(200);
        }
        bridge.send(&Asked::get("/readyz")).assert_status(200);
        eventually("it is seen to be away", || {
            bridge.send(&Asked::get("/readyz")).json()["nats"] == "away"
        });
        // Not even the end of the process loses them.
        bridge.kill();
        bridge.lab.runtime.block_on(nats.up());
        bridge.start();
        let stored = || bridge.lab.stored(&nats);
        eventually("all are there", || stored().len() == 5);
        let builds: Vec<String> = stored().iter().map(|one| {
            let payload: serde_json::Value = serde_json::from_str(&one.payload).expect("JSON");
            payload["buildNumber"].as_str().expect("a text").to_owned()
        }).collect();
        assert_eq!(builds, ["1", "2", "3", "4", "5"]);
        eventually("nothing waits", || {
            bridge.get("/metrics").body.contains("\ncs_bridge_events_unpublished 0\n")
        });
        assert_eq!(stored().len(), 5);
    }
}

#[test]
fn readers_are_bounded_and_let_go_at_the_end() {
    let mut bridge = Bridge::on_sqlite();
    let asked = Asked::get("/events").bearer(API_TOKEN);
    let readers: Vec<Sse> = (0..64)
        .map(|_| Sse::open(bridge.address(), &asked))
        .collect();
    eventually("all are heard", || {
        readers
            .iter()
            .all(|reader| reader.text().contains(": connected"))
    });
    bridge.send(&asked).assert_problem(503, "too-many-readers");
    drop(readers);
    eventually("there is room again", || {
        let reader = Sse::open(bridge.address(), &asked);
        eventually("it is answered", || reader.text().contains("\r\n\r\n"));
        reader.text().starts_with("HTTP/1.1 200")
    });
    let last = Sse::open(bridge.address(), &asked);
    eventually("it is heard", || last.text().contains(": connected"));
    let ended = bridge.stop();
    assert!(ended.took.as_secs() < 60, "{ended}");
}

#[test]
fn a_reader_that_comes_back_too_late_is_told_that_events_are_gone() {
    use sqlx::{Connection as _, Executor as _};
    let mut bridge = Bridge::on_sqlite();
    let (_, job) = bridge.create();
    for build in 1..=4 {
        bridge.webhook(&job, "SUCCESS", build).assert_status(200);
    }
    bridge.stop();
    let file = format!("sqlite:{}", bridge.sqlite_file().display());
    bridge.lab.runtime.block_on(async {
        let mut other = sqlx::SqliteConnection::connect(&file)
            .await
            .expect("the file is there");
        let old = "DELETE FROM bridge_events WHERE seq <= 3";
        other.execute(old).await.expect("the table is there");
        other.close().await.expect("it is ours");
    });
    bridge.start();
    let resumed = |last: &str| {
        let asked = Asked::get("/events")
            .bearer(API_TOKEN)
            .header("Last-Event-ID", last);
        Sse::open(bridge.address(), &asked)
    };
    let late = resumed("1");
    eventually("it is told", || {
        late.names() == ["GAP", "DEPLOYMENT_STATUS_UPDATE"]
    });
    let last = resumed("99");
    eventually("it is heard", || last.text().contains(": connected"));
    bridge.webhook(&job, "SUCCESS", 5).assert_status(200);
    eventually("what is new follows", || {
        last.names() == ["DEPLOYMENT_STATUS_UPDATE"]
    });
}

#[test]
fn without_nats_nothing_waits_for_it() {
    let mut bridge = Bridge::on_sqlite();
    let (_, job) = bridge.create();
    bridge.webhook(&job, "SUCCESS", 1).assert_status(200);
    // Configured later, it is not told what happened long before.
    let nats = bridge.lab.nats();
    bridge.stop();
    bridge.start();
    bridge.webhook(&job, "SUCCESS", 2).assert_status(200);
    eventually("the new one is there", || {
        bridge.lab.stored(&nats).len() == 1
    });
}

#[test]
fn a_wrong_key_for_nats_is_said_and_nothing_is_lost() {
    let mut bridge = Bridge::stopped(Database::Sqlite);
    let nats = bridge.lab.nats();
    let stranger = nkeys::KeyPair::new_user().seed().expect("a seed");
    bridge.lab.env.set("NATS_CLIENT_PRIVATE_KEY", &stranger);
    bridge.start();
    let (_, job) = bridge.create();
    bridge.webhook(&job, "SUCCESS", 1).assert_status(200);
    eventually("it is said", || {
        bridge.log().contains("events wait in the database")
    });
    bridge.stop().assert_hides(&stranger);
    bridge.lab.use_nats(&nats);
    bridge.start();
    eventually("it is there", || bridge.lab.stored(&nats).len() == 1);
}
