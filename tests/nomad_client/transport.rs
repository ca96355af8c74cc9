//! Connections that hang, break, flood and refuse.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cs::clients::nomad::calls::jobs::JobQuery;
use cs::clients::nomad::connection::Timeouts;
use cs::clients::nomad::error::{Disposition, NomadError};
use cs::clients::nomad::retry::retrying;
use cs::clients::nomad::{ConnectionConfig, NomadClient};
use cs::ids::ModifyIndex;
use cs::secret::Secret;
use serde_json::json;
use tokio::time::Instant;

use super::fake::{Fake, Step, answer, json, text};
use super::{chain, client, job, quick};
use crate::support::ports::CLOSED_PORT;

fn backoff(error: &NomadError) -> bool {
    matches!(error.disposition(), Disposition::Backoff { .. })
}

async fn write(client: &NomadClient) -> NomadError {
    client
        .register(&json!({"ID": "x"}), ModifyIndex(5), None)
        .await
        .unwrap_err()
}

#[tokio::test]
async fn nothing_was_sent_when_nobody_listens() {
    let client = client(&format!("http://127.0.0.1:{}", CLOSED_PORT), quick());
    let read = client.job(&job("x")).await.unwrap_err();
    assert!(
        matches!(read, NomadError::Connect { .. }) && backoff(&read),
        "{read:?}"
    );
    let write = write(&client).await;
    assert!(matches!(write, NomadError::Connect { .. }), "{write:?}");
}

#[tokio::test]
async fn a_read_that_breaks_is_tried_again_and_a_write_is_looked_at() {
    let half = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"ID\":".to_vec();
    for step in [Step::Drop, Step::AnswerAndClose(half), Step::Hang] {
        let fake = Fake::start(vec![step.clone()]).await;
        let client = client(&fake.address, quick());
        let read = client.job(&job("x")).await.unwrap_err();
        assert!(backoff(&read), "{step:?}: {read:?}");
        let write = write(&client).await;
        assert!(
            matches!(write, NomadError::ReplyLost { .. }),
            "{step:?}: {write:?}"
        );
        assert_eq!(write.disposition(), Disposition::ObserveAgain);
    }
}

#[tokio::test]
async fn a_write_is_sent_once_even_when_its_connection_breaks() {
    let fake = Fake::start(vec![json("{}"), Step::Drop]).await;
    let client = client(&fake.address, quick());
    client
        .register(&json!({"ID": "x"}), ModifyIndex(5), None)
        .await
        .unwrap();
    write(&client).await;
    assert_eq!(fake.requests().len(), 2);
}

#[tokio::test]
async fn a_full_agent_is_waited_out_by_reads() {
    let full = answer(
        429,
        "Connection: close\r\n",
        "Your IP is issuing too many concurrent connections",
    );
    let fake = Fake::start(vec![Step::AtAccept(full), json("[]")]).await;
    let client = client(&fake.address, quick());
    let deadline = Instant::now() + Duration::from_secs(10);
    let read = retrying(deadline, || async { client.evaluations(&job("x")).await })
        .await
        .unwrap();
    assert_eq!(read.value, []);
}

#[tokio::test]
async fn an_answer_longer_than_its_bound_is_not_held() {
    let flood = vec![b'x'; 1 << 20];
    let mut parts = vec![b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n".to_vec()];
    parts.extend(std::iter::repeat_n(flood, 17));
    let fake = Fake::start(vec![Step::Slowly(parts, Duration::ZERO)]).await;
    let patient = Timeouts {
        read: Duration::from_secs(20),
        write: Duration::from_secs(20),
        ..quick()
    };
    let client = client(&fake.address, patient);
    let read = client.job(&job("x")).await.unwrap_err();
    assert!(matches!(read, NomadError::TooLarge { .. }), "{read:?}");
    let write = write(&client).await;
    assert!(matches!(write, NomadError::ReplyLost { .. }), "{write:?}");
}

#[tokio::test]
async fn a_long_error_is_cut_to_one_short_line() {
    let fake = Fake::start(vec![text(500, &"line\n".repeat(100_000))]).await;
    let error = client(&fake.address, quick())
        .job(&job("x"))
        .await
        .unwrap_err();
    let shown = chain(&error);
    assert!(
        shown.len() < 1000 && !shown.contains('\n'),
        "{}",
        shown.len()
    );
}

#[tokio::test]
async fn a_slow_answer_within_its_bound_is_an_answer() {
    let body = answer(200, "X-Nomad-Index: 9\r\nX-Nomad-Lastcontact: 12\r\n", "[]");
    let parts = body.chunks(10).map(<[u8]>::to_vec).collect();
    let fake = Fake::start(vec![Step::Slowly(parts, Duration::from_millis(5))]).await;
    let patient = Timeouts {
        read: Duration::from_secs(10),
        ..quick()
    };
    let read = client(&fake.address, patient)
        .evaluations(&job("x"))
        .await
        .unwrap();
    assert_eq!(
        (read.index, read.known_leader, read.last_contact),
        (9, true, Duration::from_millis(12))
    );
}

#[tokio::test]
async fn nonsense_is_malformed_for_a_read_and_unknown_for_a_write() {
    let fake = Fake::start(vec![json("{\"ID\": 5 canary")]).await;
    let client = client(&fake.address, quick());
    let read = client.job(&job("x")).await.unwrap_err();
    assert!(matches!(read, NomadError::Malformed { .. }), "{read:?}");
    assert!(!chain(&read).contains("canary"));
    assert_eq!(
        write(&client).await.disposition(),
        Disposition::ObserveAgain
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed_so_no_token_leaves_for_another_host() {
    let other = Fake::start(vec![json("{}")]).await;
    let away = Step::Answer(answer(
        307,
        &format!("Location: {}/v1/job/x\r\n", other.address),
        "",
    ));
    let fake = Fake::start(vec![away]).await;
    let error = client(&fake.address, quick())
        .job(&job("x"))
        .await
        .unwrap_err();
    assert!(matches!(error, NomadError::NotNomad { .. }), "{error:?}");
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn credentials_scope_and_encoding_are_on_the_wire() {
    let fake = Fake::start(vec![json("[]")]).await;
    let mut config =
        ConnectionConfig::new(&fake.address.replace("http://", "http://user:pass@")).unwrap();
    config.token = Some(Secret::new("canary-token"));
    config.region = Some("eu & us".into());
    config.namespace = Some("team".parse().unwrap());
    let client = NomadClient::new(config).unwrap();
    client.evaluations(&job("a/b-é")).await.unwrap();
    client
        .in_namespace(&"other".parse().unwrap())
        .evaluations(&job("x"))
        .await
        .unwrap();
    let query = JobQuery {
        all_namespaces: true,
        meta: true,
        prefix: Some("p&q".into()),
        ..JobQuery::default()
    };
    client.jobs(&query).await.unwrap();
    let requests = fake.requests();
    let lines: Vec<_> = requests
        .iter()
        .map(|request| request.lines().next().unwrap())
        .collect();
    assert_eq!(
        lines,
        [
            "GET /v1/job/a%2Fb-%C3%A9/evaluations?namespace=team&region=eu+%26+us HTTP/1.1",
            "GET /v1/job/x/evaluations?namespace=other&region=eu+%26+us HTTP/1.1",
            "GET /v1/jobs?region=eu+%26+us&namespace=*&meta=true&prefix=p%26q HTTP/1.1",
        ]
    );
    let head = requests[0].to_ascii_lowercase();
    assert!(head.contains("x-nomad-token: canary-token"), "{head}");
    assert!(head.contains("authorization: basic dxnlcjpwyxnz"), "{head}");
    assert!(head.contains("accept-encoding: gzip"), "{head}");
}

#[tokio::test]
async fn a_job_of_another_namespace_is_not_sent() {
    let fake = Fake::start(vec![json("{}")]).await;
    let client = client(&fake.address, quick());
    let spec = json!({"ID": "x", "Namespace": "team"});
    let error = client
        .register(&spec, ModifyIndex(1), None)
        .await
        .unwrap_err();
    assert!(
        matches!(error, NomadError::WrongNamespace { .. }),
        "{error:?}"
    );
    assert!(client.plan(&spec).await.is_err());
    assert!(fake.requests().is_empty());
    client
        .in_namespace(&"team".parse().unwrap())
        .register(&spec, ModifyIndex(1), None)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_register_always_names_the_index_it_saw() {
    let fake = Fake::start(vec![json("{}")]).await;
    let client = client(&fake.address, quick());
    client
        .register(&json!({"ID": "x"}), ModifyIndex::MUST_BE_NEW, None)
        .await
        .unwrap();
    let request = fake.requests().remove(0);
    assert!(
        request.ends_with(r#"{"Job":{"ID":"x"},"EnforceIndex":true,"JobModifyIndex":0}"#),
        "{request}"
    );
}

#[tokio::test]
async fn a_unix_socket_is_spoken_to_and_named_in_errors() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("api.sock");
    let fake = Fake::start_unix(&path, vec![json("[]"), text(500, "No cluster leader")]).await;
    let client = client(&fake.address, quick());
    assert_eq!(client.evaluations(&job("x")).await.unwrap().value, []);
    let error = client.evaluations(&job("x")).await.unwrap_err();
    assert!(
        chain(&error).contains(&path.display().to_string()),
        "{}",
        chain(&error)
    );
    drop(fake);
    std::fs::remove_file(&path).unwrap();
    let gone =
        NomadClient::new(ConnectionConfig::new(&format!("unix://{}", path.display())).unwrap())
            .unwrap();
    let error = gone.evaluations(&job("x")).await.unwrap_err();
    assert!(matches!(error, NomadError::Connect { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn only_what_may_pass_is_tried_again_and_only_until_the_deadline() {
    let calls = AtomicUsize::new(0);
    let fail = |text: &'static str| {
        let calls = &calls;
        move || async move {
            calls.fetch_add(1, Ordering::Relaxed);
            Err::<(), _>(error_of(text))
        }
    };
    let begun = Instant::now();
    let deadline = begun + Duration::from_secs(60);
    assert!(retrying(deadline, fail("timeout")).await.is_err());
    assert!(calls.swap(0, Ordering::Relaxed) > 8);
    let used = begun.elapsed();
    assert!(
        used < Duration::from_secs(60) && used > Duration::from_secs(45),
        "{used:?}"
    );
    assert!(
        retrying(Instant::now() + Duration::from_secs(60), fail("large"))
            .await
            .is_err()
    );
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

fn error_of(text: &str) -> NomadError {
    let site = Box::new(cs::clients::nomad::error::CallSite {
        operation: "read",
        subject: "a job".into(),
        address: "http://h".into(),
    });
    match text {
        "timeout" => NomadError::Timeout {
            site,
            after: Duration::from_secs(1),
        },
        _ => NomadError::TooLarge { site, limit: 1 },
    }
}
