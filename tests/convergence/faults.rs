//! The way to Nomad breaks, or Nomad says no.

use std::time::Duration;

use cs::clients::nomad::{ConnectionConfig, NomadClient};
use cs::reconcile::Outcome;
use serde_json::json;
use tokio::net::TcpListener;

use super::lab::{Ended, Lab};
use super::proxy::{Fate, Proxy, Request};
use super::specs::{service, with, with_env};
use crate::support::ports::free_port;

/// The loop, through a proxy whose first requests of a kind meet a fate; it converges all the same.
async fn converges_through(
    lab: &Lab,
    times: usize,
    meets: fn(&Request) -> bool,
    fate: Fate,
) -> (Ended, Proxy) {
    let proxy = Proxy::first(lab, times, meets, fate.clone()).await;
    let goal = lab.goal(service(lab));
    let ended = lab.run().through(&proxy.address).reach(&goal).await;
    assert_eq!(
        ended.outcome,
        Outcome::Converged,
        "{fate:?}: {:#?}",
        ended.notes
    );
    assert_eq!(lab.versions().await, [0], "{fate:?}");
    (ended, proxy)
}

async fn purge(lab: &Lab) {
    let purged = lab.nomad.deregister(&lab.id, true).await;
    purged.expect("Nomad answers");
}

pub(super) async fn a_lost_reply_to_a_register_makes_no_second_version(lab: Lab) {
    let (_, proxy) = converges_through(&lab, 1, Request::is_register, Fate::LosesItsReply).await;
    assert_eq!(proxy.writes(), 1);
}

pub(super) async fn a_lost_reply_to_an_update_makes_no_second_version(lab: Lab) {
    lab.converge(&lab.goal(service(&lab))).await;
    let proxy = Proxy::first(&lab, 1, Request::is_register, Fate::IsCutAfter(40)).await;
    let goal = lab.goal(with_env(service(&lab), "hello"));
    let ended = lab.run().through(&proxy.address).reach(&goal).await;
    assert_eq!(ended.outcome, Outcome::Converged, "{:#?}", ended.notes);
    assert_eq!(proxy.writes(), 1);
    assert_eq!(lab.versions().await, [1, 0]);
}

pub(super) async fn a_register_that_never_arrives_is_sent_again(lab: Lab) {
    // More often than a job may change under our writes before that is called a conflict.
    let (ended, proxy) = converges_through(&lab, 6, Request::is_register, Fate::IsLost).await;
    assert_eq!(proxy.writes(), 7);
    assert_eq!(ended.registers(), 1);
}

pub(super) async fn reads_that_fail_for_a_while_are_repeated(lab: Lab) {
    let fates = [
        Fate::IsLost,
        Fate::IsAnswered(429, "too many connections"),
        Fate::IsAnswered(500, "No cluster leader"),
        Fate::IsAnswered(500, "rpc error: Not ready to serve consistent reads"),
        Fate::IsAnswered(502, "<html>bad gateway</html>"),
        Fate::IsAnswered(503, "no servers"),
    ];
    for fate in fates {
        let is_read = |request: &Request| request.method == "GET" && !request.is_blocking();
        let (ended, _) = converges_through(&lab, 3, is_read, fate).await;
        assert!(ended.retries() > 0, "{:#?}", ended.notes);
        purge(&lab).await;
    }
}

pub(super) async fn writes_that_are_turned_away_for_a_while_are_repeated(lab: Lab) {
    let fates = [
        Fate::IsAnswered(429, "too many connections"),
        Fate::IsAnswered(500, "No cluster leader"),
        Fate::IsAnswered(500, "rpc error: leadership lost while committing log"),
        Fate::IsAnswered(502, "bad gateway"),
        Fate::IsAnswered(503, "no servers"),
    ];
    for fate in fates {
        let (ended, proxy) = converges_through(&lab, 3, Request::is_register, fate).await;
        assert_eq!(proxy.writes(), 4);
        assert_eq!(ended.retries(), 3, "{:#?}", ended.notes);
        purge(&lab).await;
    }
}

pub(super) async fn an_answer_cut_in_the_middle_is_no_answer(lab: Lab) {
    lab.converge(&lab.goal(service(&lab))).await;
    // A head and the beginning of a list: what is missing must not pass for what is not there.
    let is_read = |request: &Request| request.method == "GET" && !request.is_blocking();
    for length in [0, 15, 120, 400] {
        let (ended, proxy) = converges_through(&lab, 4, is_read, Fate::IsCutAfter(length)).await;
        assert!(ended.retries() > 0, "{:#?}", ended.notes);
        assert_eq!(proxy.writes(), 0);
    }
}

pub(super) async fn a_server_without_a_leader_is_not_believed(lab: Lab) {
    lab.converge(&lab.goal(service(&lab))).await;
    let is_read = |request: &Request| request.method == "GET" && !request.is_blocking();
    let (ended, proxy) = converges_through(&lab, 5, is_read, Fate::IsAnsweredByAFollower).await;
    assert!(ended.retries() > 0, "{:#?}", ended.notes);
    assert_eq!(proxy.writes(), 0);
}

fn assert_fails_at_once(ended: &Ended, texts: &[&str]) {
    let Outcome::Failed(message) = &ended.outcome else {
        panic!("{ended:#?}");
    };
    for text in texts {
        assert!(message.contains(text), "{text} is missing in: {message}");
    }
    assert_eq!(ended.retries(), 0, "{:#?}", ended.notes);
    assert!(ended.took < Duration::from_secs(10), "{:?}", ended.took);
}

pub(super) async fn a_missing_right_fails_at_once(lab: Lab) {
    let denied = Fate::IsAnswered(403, "Permission denied");
    let proxy = Proxy::first(&lab, usize::MAX, |_| true, denied).await;
    for goal in [lab.goal(service(&lab)), lab.gone()] {
        let ended = lab.run().through(&proxy.address).reach(&goal).await;
        assert_fails_at_once(
            &ended,
            &["Permission denied", "NOMAD_TOKEN", &proxy.address],
        );
    }
    assert_eq!(proxy.writes(), 0);
}

pub(super) async fn a_missing_right_to_write_fails_at_once(lab: Lab) {
    let denied = Fate::IsAnswered(403, "Permission denied");
    let proxy = Proxy::first(&lab, usize::MAX, Request::is_write, denied).await;
    let goal = lab.goal(service(&lab));
    let ended = lab.run().through(&proxy.address).reach(&goal).await;
    assert_fails_at_once(&ended, &["Permission denied", "NOMAD_TOKEN", "register"]);
    assert_eq!(proxy.writes(), 1);
}

pub(super) async fn an_unknown_namespace_fails_with_its_name(lab: Lab) {
    let mut config = ConnectionConfig::new(&lab.address).expect("valid");
    config.namespace = Some("nobodys".parse().expect("valid"));
    let nomad = NomadClient::new(config).expect("valid");
    let goal = lab.goal(service(&lab));
    let ended = lab.run().with(nomad).reach(&goal).await;
    assert_fails_at_once(&ended, &["nobodys", "nomad namespace apply"]);
    assert_eq!(lab.find().await, None);
}

pub(super) async fn a_refused_job_fails_at_once_with_the_reason(lab: Lab) {
    let goal = lab.goal(with(service(&lab), "Priority", json!(101)));
    let ended = lab.reach(&goal).await;
    assert_fails_at_once(&ended, &["priority must be between [1, 100]"]);
    assert_eq!(lab.find().await, None);
}

pub(super) async fn a_nomad_that_comes_back_is_gone_on_with(lab: Lab) {
    let port = free_port();
    let away = format!("http://127.0.0.1:{port}");
    let run = lab.run().through(&away);
    let goal = lab.goal(service(&lab));
    let retrying = run.retrying.clone();
    let (ended, _proxy) = tokio::join!(run.reach(&goal), async {
        retrying.notified().await;
        let listener = TcpListener::bind(("127.0.0.1", port)).await;
        let listener = listener.expect("the port was free a moment ago");
        Proxy::on(listener, &lab, |_| std::future::ready(Fate::Passes))
    });
    assert_eq!(ended.outcome, Outcome::Converged, "{:#?}", ended.notes);
    assert!(ended.retries() > 0, "{:#?}", ended.notes);
}
