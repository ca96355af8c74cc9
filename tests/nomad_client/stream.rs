//! The event stream against servers that stay silent, break off and flood; and wake-ups through failures.

use std::time::Duration;

use cs::clients::nomad::connection::Timeouts;
use cs::clients::nomad::error::{Disposition, NomadError};
use cs::clients::nomad::stream::{Continuity, EventQuery, OpenError, StreamEnd, StreamItem};
use cs::clients::nomad::watch::{Subject, Wake, Watched, Watcher};
use tokio::time::Instant;

use super::fake::{Fake, Step, answer, text};
use super::{client, job, quick};

const HEAD: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n";

fn stream(lines: &str) -> Vec<u8> {
    format!("{HEAD}{lines}").into_bytes()
}

fn event(index: u64, job: &str) -> String {
    format!(
        "{{\"Index\":{index},\"Events\":[{{\"Topic\":\"Job\",\"Type\":\"JobRegistered\",\"Key\":\"{job}\"}}]}}\n"
    )
}

#[tokio::test]
async fn a_stream_without_a_first_line_is_dropped() {
    for (step, closed) in [
        (Step::Slowly(vec![stream("")], Duration::ZERO), false),
        (Step::AnswerAndClose(stream("")), true),
    ] {
        let fake = Fake::start(vec![step]).await;
        let end = client(&fake.address, quick())
            .events(&EventQuery::default())
            .await
            .unwrap_err();
        match end {
            OpenError::Ended(StreamEnd::NoGreeting(_)) => assert!(!closed),
            OpenError::Ended(StreamEnd::Closed) => assert!(closed),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_refused_stream_is_an_error_like_any_other() {
    let fake = Fake::start(vec![text(400, "Invalid topic query: x")]).await;
    let end = client(&fake.address, quick())
        .events(&EventQuery::default())
        .await
        .unwrap_err();
    let OpenError::Call(error) = end else {
        panic!("{end:?}")
    };
    assert!(
        matches!(error, NomadError::Refused { .. }) && error.disposition() == Disposition::Stall
    );
}

#[tokio::test]
async fn lines_arrive_whole_however_they_are_cut_and_the_end_says_why() {
    let lines = format!("{{}}\n{}{}{{}}\n{{\"Ind", event(9, "a"), event(12, "b"));
    let parts = stream(&lines).chunks(13).map(<[u8]>::to_vec).collect();
    let fake = Fake::start(vec![Step::Slowly(parts, Duration::from_millis(1))]).await;
    let client = client(&fake.address, quick());
    let query = EventQuery {
        topics: vec!["Job".into(), "Deployment:*".into()],
        resume: Some(9),
        all_namespaces: true,
    };
    let mut stream = client.events(&query).await.unwrap();
    let mut seen = Vec::new();
    let end = loop {
        match stream.next().await {
            Ok(StreamItem::Events(batch)) => {
                seen.push((
                    batch.index,
                    batch.continuity,
                    batch.events[0].job_id.clone().unwrap(),
                ));
            }
            Ok(StreamItem::Heartbeat) => {}
            Err(end) => break end,
        }
    };
    let expected = [
        (9, Continuity::Contiguous, "a".to_owned()),
        (12, Continuity::Contiguous, "b".to_owned()),
    ];
    assert_eq!(seen, expected);
    assert!(matches!(end, StreamEnd::Silent(_)), "{end:?}");
    assert_eq!(stream.resume_from(), Some(12));
    let request = fake.requests().remove(0);
    assert!(
        request.contains("?namespace=*&topic=Job&topic=Deployment%3A*&index=9 "),
        "{request}"
    );
    assert!(
        request
            .to_ascii_lowercase()
            .contains("accept-encoding: identity"),
        "{request}"
    );
}

#[tokio::test]
async fn a_lost_entry_is_a_gap() {
    let lines = format!("{{}}\n{}", event(15, "a"));
    let fake = Fake::start(vec![Step::AnswerAndClose(stream(&lines))]).await;
    let query = EventQuery {
        resume: Some(9),
        ..EventQuery::default()
    };
    let mut stream = client(&fake.address, quick()).events(&query).await.unwrap();
    let Ok(StreamItem::Events(batch)) = stream.next().await else {
        panic!("no events")
    };
    assert_eq!(batch.continuity, Continuity::Gap);
    assert!(matches!(stream.next().await, Err(StreamEnd::Closed)));
}

#[tokio::test]
async fn a_cut_a_flood_and_nonsense_each_have_their_name() {
    let cases = [
        ("{}\n{\"Index\":".to_owned(), "Truncated"),
        ("{}\nnonsense\n".to_owned(), "Malformed"),
        (
            format!("{{}}\n{}", "x".repeat(17 * 1024 * 1024)),
            "LineTooLong",
        ),
    ];
    for (lines, name) in cases {
        let fake = Fake::start(vec![Step::AnswerAndClose(stream(&lines))]).await;
        let patient = Timeouts {
            stream_silence: Duration::from_secs(20),
            ..quick()
        };
        let mut stream = client(&fake.address, patient)
            .events(&EventQuery::default())
            .await
            .unwrap();
        let end = stream.next().await.unwrap_err();
        assert!(format!("{end:?}").starts_with(name), "{name}: {end:?}");
    }
}

#[tokio::test]
async fn a_line_survives_a_dropped_wait() {
    let line = event(9, "a");
    let (first, second) = line.split_at(20);
    let parts = vec![
        stream(&format!("{{}}\n{first}")),
        second.as_bytes().to_vec(),
    ];
    let fake = Fake::start(vec![Step::Slowly(parts, Duration::from_millis(200))]).await;
    let mut stream = client(&fake.address, quick())
        .events(&EventQuery::default())
        .await
        .unwrap();
    let dropped = tokio::time::timeout(Duration::from_millis(20), stream.next()).await;
    assert!(dropped.is_err());
    assert!(matches!(stream.next().await, Ok(StreamItem::Events(_))));
}

fn indexed(index: u64) -> Step {
    Step::Answer(answer(200, &format!("X-Nomad-Index: {index}\r\n"), "[]"))
}

#[tokio::test]
async fn a_watch_waits_out_failures_and_wakes_when_the_index_moves() {
    let steps = vec![
        text(500, "No cluster leader"),
        Step::Drop,
        indexed(7),
        indexed(9),
        Step::Hang,
    ];
    let fake = Fake::start(steps).await;
    let patient = Timeouts {
        blocking_slack: Duration::from_secs(30),
        ..quick()
    };
    let subject = Subject {
        what: Watched::Allocations(job("x")),
        index: 7,
    };
    let mut watcher = Watcher::start(&client(&fake.address, patient), vec![subject]);
    let woken = watcher
        .changed(Instant::now() + Duration::from_secs(20))
        .await
        .unwrap();
    assert_eq!(woken, Wake::Changed);
    assert_eq!(fake.requests().len(), 4, "index 7 again is no change");
    assert!(
        fake.requests()[3].contains("index=7&wait=30000ms"),
        "{}",
        fake.requests()[3]
    );
    let idle = watcher
        .changed(Instant::now() + Duration::from_millis(50))
        .await
        .unwrap();
    assert_eq!(idle, Wake::Elapsed);
}

#[tokio::test]
async fn a_watch_reports_what_waiting_does_not_cure() {
    let fake = Fake::start(vec![text(403, "Permission denied")]).await;
    let subject = Subject {
        what: Watched::Job(job("x")),
        index: 0,
    };
    let mut watcher = Watcher::start(&client(&fake.address, quick()), vec![subject]);
    let error = watcher
        .changed(Instant::now() + Duration::from_secs(10))
        .await
        .unwrap_err();
    assert!(matches!(error, NomadError::Forbidden { .. }), "{error:?}");
    let after = watcher
        .changed(Instant::now() + Duration::from_millis(20))
        .await
        .unwrap();
    assert_eq!(after, Wake::Elapsed);
}
