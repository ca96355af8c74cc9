//! Others at the same time, answers that are lost, runs that die.

use std::time::Duration;

use cs::clients::nomad::{Disposition, NomadError};
use cs::inventory::InventoryError;
use cs::simulator::{Effect, Matcher};
use tokio::time::timeout;

use super::lab::{Lab, as_found, many, put};

/// Every second write from now on.
fn each_second(effect: Effect) -> [(Matcher, Effect); 1] {
    let on = Matcher {
        every: Some(2),
        ..Matcher::new("write", "/v1/var/*")
    };
    [(on, effect)]
}

#[tokio::test]
async fn many_who_write_at_once_lose_nothing_of_each_other() {
    let lab = Lab::start().await;
    let mut want = Vec::new();
    let mut runs = Vec::new();
    for run in 0..4 {
        // Together they split the root, and its parts again, while all of them write.
        let changes = many(run * 400..(run + 1) * 400);
        want.extend(changes.clone());
        let (mut store, _) = lab.open().await;
        runs.push(async move {
            for part in changes.chunks(80) {
                store.record(part.to_vec()).await.unwrap();
            }
        });
    }
    futures::future::join_all(runs).await;
    assert_eq!(lab.numbers().await, as_found(&want));
}

#[tokio::test]
async fn a_lost_answer_makes_no_difference_whether_the_write_was_carried_out_or_not() {
    for effect in [Effect::DropReply, Effect::ResetMidBody, Effect::Reset] {
        let lab = Lab::start().await;
        lab.fails(each_second(effect));
        let (mut store, _) = lab.open().await;
        let all = many(0..1500);
        for part in all.chunks(250) {
            store.record(part.to_vec()).await.unwrap();
        }
        lab.heals();
        assert_eq!(lab.numbers().await, as_found(&all));
    }
}

#[tokio::test]
async fn a_nomad_that_is_away_for_a_moment_is_waited_for() {
    let no_leader = Effect::NoLeader {
        wait: Some("5ms".to_owned()),
    };
    let busy = Effect::Error {
        status: 503,
        body: "busy".to_owned(),
    };
    for effect in [no_leader, Effect::NotReady, busy] {
        let lab = Lab::start().await;
        let (mut store, _) = lab.open().await;
        lab.fails([(Matcher::new("", "/v1/var/*").times(3), effect)]);
        store.record(vec![put("shop", 1)]).await.unwrap();
        assert_eq!(lab.numbers().await, as_found(&[put("shop", 1)]));
    }
}

#[tokio::test]
async fn a_run_that_dies_before_a_split_is_real_leaves_everything_as_it_was() {
    let lab = Lab::start().await;
    let before = many(0..600);
    lab.record(before.clone()).await;
    // The parts are made; the write that would name them is never answered, and never carried out.
    lab.fails([(
        Matcher::new("PUT", "/v1/var/cs/inventory/web"),
        Effect::Hang,
    )]);
    let (mut store, _) = lab.open().await;
    let recording = store.record(many(600..1200));
    timeout(Duration::from_secs(3), recording)
        .await
        .expect_err("it hangs");
    assert!(lab.paths().await.len() > 1, "parts stand");
    lab.heals();
    assert_eq!(lab.numbers().await, as_found(&before));

    // The same store can be used on, and so can a new one.
    store.record(many(600..700)).await.unwrap();
    assert_eq!(lab.numbers().await, as_found(&many(0..700)));
    lab.record(many(600..1200)).await;
    assert_eq!(lab.numbers().await, as_found(&many(0..1200)));
}

#[tokio::test]
async fn a_run_that_dies_after_a_split_was_carried_out_leaves_everything_recorded() {
    let lab = Lab::start().await;
    lab.record(many(0..600)).await;
    let (mut store, _) = lab.open().await;
    let at_root = Matcher::new("PUT", "/v1/var/cs/inventory/web");
    let reads = Matcher {
        skip: 0,
        ..Matcher::new("GET", "/v1/var/cs/inventory/web")
    };
    lab.fails([(at_root.times(1), Effect::DropReply), (reads, Effect::Hang)]);
    let recording = store.record(many(600..1200));
    timeout(Duration::from_secs(3), recording)
        .await
        .expect_err("it hangs");
    lab.heals();
    assert_eq!(lab.numbers().await, as_found(&many(0..1200)));
}

#[tokio::test]
async fn a_read_that_fails_is_an_error_and_never_an_empty_inventory() {
    let lab = Lab::start().await;
    lab.record(many(0..800)).await;
    let root = "/v1/var/cs/inventory/web";
    let no_leader = Effect::NoLeader {
        wait: Some("5ms".to_owned()),
    };
    let page = Effect::Error {
        status: 404,
        body: "<html>not found</html>".to_owned(),
    };
    for path in [root, "/v1/var/cs/inventory/web/*"] {
        for effect in [
            no_leader.clone(),
            Effect::Reset,
            Effect::ResetMidBody,
            page.clone(),
        ] {
            lab.fails([(Matcher::new("GET", path).times(1), effect.clone())]);
            let error = lab.try_open().await.unwrap_err();
            assert!(
                matches!(error, InventoryError::Read(_)),
                "{effect:?}: {error}"
            );
        }
    }
    lab.fails([(Matcher::new("GET", root).times(1), no_leader)]);
    let InventoryError::Read(error) = lab.try_open().await.unwrap_err() else {
        panic!("another error");
    };
    assert!(matches!(error, NomadError::NoLeader { .. }));
    assert!(matches!(error.disposition(), Disposition::Backoff { .. }));
    assert_eq!(lab.found().await.entries.len(), 800);
}

#[tokio::test]
async fn what_nomad_refuses_is_an_error_with_its_words() {
    let lab = Lab::start().await;
    let (mut store, _) = lab.open().await;
    let quota = Effect::Error {
        status: 500,
        body: "variable quota exhausted".to_owned(),
    };
    lab.fails([(Matcher::new("write", "/v1/var/*").times(1), quota)]);
    let error = store.record(vec![put("shop", 1)]).await.unwrap_err();
    assert!(matches!(error, InventoryError::Write(_)), "{error}");
    assert!(cs::clients::chain(&error).contains("variable quota exhausted"));
    store.record(vec![put("shop", 1)]).await.unwrap();
    assert_eq!(lab.numbers().await, as_found(&[put("shop", 1)]));
}
