//! Every text that Nomad or something before it answers leads to the right disposition, for reads and for writes.

use std::time::Duration;

use cs::clients::nomad::error::{Disposition, NomadError};
use cs::ids::ModifyIndex;
use serde_json::json;

use super::fake::{Fake, Step, answer, text};
use super::{chain, client, job, quick};

const BACKOFF: Disposition = Disposition::Backoff { after: None };
const AGAIN: Disposition = Disposition::ObserveAgain;
const STALL: Disposition = Disposition::Stall;

fn variant(error: &NomadError) -> String {
    let debug = format!("{error:?}");
    debug.split([' ', '{']).next().unwrap().to_owned()
}

/// Status, body, variant and disposition for a read, the same for a write.
type Row = (
    u16,
    &'static str,
    (&'static str, Disposition),
    (&'static str, Disposition),
);

const fn both(status: u16, body: &'static str, variant: &'static str, what: Disposition) -> Row {
    (status, body, (variant, what), (variant, what))
}

const ROWS: &[Row] = &[
    both(500, "No cluster leader", "NoLeader", BACKOFF),
    both(500, "rpc error: No cluster leader", "NoLeader", BACKOFF),
    both(
        500,
        "Not ready to serve consistent reads",
        "NoLeader",
        BACKOFF,
    ),
    both(
        500,
        "rpc error: Not ready to serve consistent reads",
        "NoLeader",
        BACKOFF,
    ),
    both(500, "node is not the leader", "NoLeader", BACKOFF),
    both(500, "leadership transfer in progress", "NoLeader", BACKOFF),
    (
        500,
        "leadership lost while committing log",
        ("NoLeader", BACKOFF),
        ("ReplyLost", AGAIN),
    ),
    both(500, "rpc error: no servers", "Unavailable", BACKOFF),
    both(
        500,
        "rpc error: failed to get conn: dial tcp: connection refused",
        "Unavailable",
        BACKOFF,
    ),
    (
        500,
        "rpc error: EOF",
        ("Unavailable", BACKOFF),
        ("ReplyLost", AGAIN),
    ),
    (
        500,
        "read tcp 1.2.3.4: connection reset by peer",
        ("Unavailable", BACKOFF),
        ("ReplyLost", AGAIN),
    ),
    (
        500,
        "rpc error: write: broken pipe",
        ("Unavailable", BACKOFF),
        ("ReplyLost", AGAIN),
    ),
    (
        500,
        "rpc error: i/o timeout",
        ("Unavailable", BACKOFF),
        ("ReplyLost", AGAIN),
    ),
    (
        500,
        "rpc error: i/o deadline reached",
        ("Unavailable", BACKOFF),
        ("ReplyLost", AGAIN),
    ),
    (
        500,
        "rpc error: session shutdown",
        ("Unavailable", BACKOFF),
        ("ReplyLost", AGAIN),
    ),
    (
        500,
        "rpc error: stream closed",
        ("Unavailable", BACKOFF),
        ("ReplyLost", AGAIN),
    ),
    (
        500,
        "context deadline exceeded",
        ("Unavailable", BACKOFF),
        ("ReplyLost", AGAIN),
    ),
    both(
        429,
        "Your IP is issuing too many concurrent connections",
        "Throttled",
        BACKOFF,
    ),
    both(503, "", "Unavailable", BACKOFF),
    (
        502,
        "bad gateway",
        ("Unavailable", BACKOFF),
        ("ReplyLost", AGAIN),
    ),
    (504, "", ("Unavailable", BACKOFF), ("ReplyLost", AGAIN)),
    (520, "", ("Unavailable", BACKOFF), ("ReplyLost", AGAIN)),
    (408, "", ("Unavailable", BACKOFF), ("ReplyLost", AGAIN)),
    both(
        500,
        "Enforcing job modify index 0: job already exists",
        "Conflict",
        AGAIN,
    ),
    both(
        500,
        "rpc error: Enforcing job modify index 5: job does not exist",
        "Conflict",
        AGAIN,
    ),
    both(
        500,
        "Current job has version 4; enforcing version 3",
        "Conflict",
        AGAIN,
    ),
    both(500, "can't promote terminal deployment", "Outdated", AGAIN),
    both(
        400,
        "job scaling blocked due to active deployment",
        "Outdated",
        AGAIN,
    ),
    both(
        500,
        "1 error occurred:\n\t* Task group \"g\" has 0/1 healthy allocations\n\n",
        "Outdated",
        AGAIN,
    ),
    both(409, "locked", "Outdated", AGAIN),
    both(500, "job \"x\" not found", "NotFound", AGAIN),
    both(500, "rpc error: deployment not found", "NotFound", AGAIN),
    both(404, "job \"x\" not found", "NotFound", AGAIN),
    both(404, "node pool not found", "NotFound", AGAIN),
    both(403, "Permission denied", "Forbidden", STALL),
    both(500, "rpc error: Permission denied", "Forbidden", STALL),
    both(401, "Unauthorized", "Forbidden", STALL),
    both(403, "<html>", "Forbidden", STALL),
    both(
        500,
        "Server error authenticating request\n",
        "Forbidden",
        STALL,
    ),
    both(
        500,
        "x: failed to parse signed token: y",
        "Forbidden",
        STALL,
    ),
    both(500, "rpc error: ACL token not found", "Forbidden", STALL),
    both(500, "ACL token expired", "Forbidden", STALL),
    both(
        403,
        "Job registration, dispatch, and scale are disabled by the scheduler configuration",
        "RegistrationDisabled",
        STALL,
    ),
    both(500, "No path to region", "NoSuchRegion", STALL),
    both(
        500,
        "1 error occurred:\n\t* job \"x\" is in nonexistent namespace \"n\"\n\n",
        "NoSuchNamespace",
        STALL,
    ),
    both(
        500,
        "rpc error: 1 error occurred:\n\t* job \"x\" is in nonexistent node pool \"p\"\n\n",
        "NoSuchNodePool",
        STALL,
    ),
    both(
        500,
        "1 error occurred:\n\t* Missing job task groups\n\n",
        "Refused",
        STALL,
    ),
    // A mistake may quote anything, also our own needles.
    both(
        500,
        "2 errors occurred:\n\t* Task No cluster leader: Permission denied\n\n",
        "Refused",
        STALL,
    ),
    both(
        500,
        "cannot update job from type \"service\" to \"batch\"",
        "Refused",
        STALL,
    ),
    both(500, "something never seen before", "Refused", STALL),
    both(400, "Job must be specified", "Refused", STALL),
    both(501, "Nomad Enterprise only endpoint", "Refused", STALL),
    both(413, "", "Refused", STALL),
    both(
        400,
        "Client sent an HTTP request to an HTTPS server.\n",
        "NotNomad",
        STALL,
    ),
    both(404, "", "NotNomad", STALL),
    both(405, "Invalid method", "NotNomad", STALL),
    both(301, "", "NotNomad", STALL),
];

#[tokio::test]
async fn every_answer_leads_to_its_disposition() {
    for (status, body, for_read, for_write) in ROWS {
        let fake = Fake::start(vec![text(*status, body)]).await;
        let client = client(&fake.address, quick());
        let read = client.evaluations(&job("x")).await.unwrap_err();
        let write = client
            .register(&json!({"ID": "x"}), ModifyIndex(5), None)
            .await
            .unwrap_err();
        for (error, (name, disposition)) in [(&read, for_read), (&write, for_write)] {
            let row = format!("{status} {body:?}: {}", chain(error));
            assert_eq!(variant(error), *name, "{row}");
            assert_eq!(error.disposition(), *disposition, "{row}");
            assert!(chain(error).contains(&fake.address), "{row}");
            assert!(
                chain(error).contains('x') && !chain(error).contains('\n'),
                "{row}"
            );
            assert!(!error.help().is_empty());
        }
    }
}

#[tokio::test]
async fn a_conflict_names_the_index_that_was_expected() {
    let fake = Fake::start(vec![text(
        500,
        "Enforcing job modify index 5: job does not exist",
    )])
    .await;
    let error = client(&fake.address, quick())
        .register(&json!({"ID": "x"}), ModifyIndex(5), None)
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            NomadError::Conflict {
                expected: ModifyIndex(5),
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_error_page_is_never_taken_for_nomads_word() {
    let page = |status| {
        Step::Answer(answer(
            status,
            "Content-Type: text/html\r\n",
            "<p>job not found</p>",
        ))
    };
    for (status, name) in [(404, "NotNomad"), (500, "Unavailable"), (418, "NotNomad")] {
        let fake = Fake::start(vec![page(status)]).await;
        let error = client(&fake.address, quick())
            .job(&job("x"))
            .await
            .unwrap_err();
        assert_eq!(variant(&error), name);
    }
}

#[tokio::test]
async fn the_servers_own_pause_is_respected() {
    let step = Step::Answer(answer(503, "Retry-After: 7\r\n", ""));
    let fake = Fake::start(vec![step]).await;
    let error = client(&fake.address, quick())
        .job(&job("x"))
        .await
        .unwrap_err();
    assert_eq!(
        error.disposition(),
        Disposition::Backoff {
            after: Some(Duration::from_secs(7))
        }
    );
}

#[tokio::test]
async fn only_nomads_own_404_means_absent() {
    let fake = Fake::start(vec![
        text(404, "job not found"),
        text(404, ""),
        text(404, "page not found"),
    ])
    .await;
    let client = client(&fake.address, quick());
    assert_eq!(client.job(&job("x")).await.unwrap().value, None);
    assert!(client.job(&job("x")).await.is_err());
    assert!(client.job(&job("x")).await.is_err());
}

#[tokio::test]
async fn a_404_of_a_server_without_leader_is_not_an_absence() {
    let step = Step::Answer(answer(
        404,
        "X-Nomad-Knownleader: false\r\n",
        "job not found",
    ));
    let fake = Fake::start(vec![step]).await;
    let error = client(&fake.address, quick())
        .job(&job("x"))
        .await
        .unwrap_err();
    assert_eq!(error.disposition(), BACKOFF);
}

#[tokio::test]
async fn a_missing_rollout_is_null_and_missing_logs_are_none() {
    use cs::clients::nomad::calls::logs::LogKind;
    let fake = Fake::start(vec![
        text(200, "null"),
        text(404, "Unknown allocation \"u\""),
        text(404, "task \"t\" not started yet. No logs available"),
        text(400, "unknown task name \"t\""),
    ])
    .await;
    let client = client(&fake.address, quick());
    assert_eq!(client.latest_rollout(&job("x")).await.unwrap().value, None);
    for _ in 0..2 {
        assert_eq!(
            client
                .log_tail("u", "t", LogKind::Stdout, 10)
                .await
                .unwrap(),
            None
        );
    }
    let error = client
        .log_tail("u", "t", LogKind::Stdout, 10)
        .await
        .unwrap_err();
    assert!(matches!(error, NomadError::Refused { .. }), "{error:?}");
}
