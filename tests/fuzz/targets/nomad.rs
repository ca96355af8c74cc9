//! What a Nomad may answer: objects, lists, event streams, logs.

use std::sync::Arc;

use cs::clients::nomad::calls::log_stream::{LogFrom, LogSource};
use cs::clients::nomad::calls::logs::LogKind;
use cs::clients::nomad::stream::{EventQuery, StreamItem};
use cs::clients::nomad::types::{
    Allocation, Evaluation, JobRecord, JobStub, JobVersions, PlanReply, Rollout, Variable,
};
use cs::clients::nomad::{Carrier, Carry, ConnectionConfig, NomadClient};
use cs::reconcile::cause::first_cause;
use cs::reconcile::diff::{DiffOptions, diff};
use cs::reconcile::judge;
use cs::reconcile::observed::Activity;
use futures::future::BoxFuture;
use serde::de::DeserializeOwned;

use super::Target;
use super::sources::block_on;

/// An answer to every question.
pub(super) const ANSWERS: Target = Target {
    name: "nomad_answers",
    run: answers,
    words: &[
        "\"ID\"",
        "\"JobModifyIndex\"",
        "\"TaskGroups\"",
        "\"Tasks\"",
        "\"TaskStates\"",
        "\"Events\"",
        "\"Status\"",
        "\"ClientStatus\"",
        "\"failed\"",
        "\"DeploymentStatus\"",
        "\"Healthy\"",
        "\"FailedTGAllocs\"",
        "\"Version\"",
        "\"Meta\"",
        "\"Update\"",
        "18446744073709551615",
        "-1",
        "1e30",
        "null",
        "{}",
        "[]",
        "\"\\ud800\"",
    ],
};

/// An event stream, or a log that is followed.
pub(super) const STREAMS: Target = Target {
    name: "nomad_streams",
    run: streams,
    words: &[
        "{}\n",
        "{}",
        "{\"Index\":1,\"Events\":[",
        "{\"Data\":\"YQ==\",\"File\":\"a.stdout.0\",\"Offset\":1}",
        "\"Topic\":\"Job\"",
        "\"Payload\":null",
        "\n",
        "}{",
    ],
};

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes).ok()
}

fn answers(bytes: &[u8]) {
    let allocations: Vec<Allocation> = read(bytes)
        .or_else(|| Some(vec![read(bytes)?]))
        .unwrap_or_default();
    let evaluations: Vec<Evaluation> = read(bytes)
        .or_else(|| Some(vec![read(bytes)?]))
        .unwrap_or_default();
    let rollout: Option<Rollout> = read(bytes);
    let _ = read::<Vec<JobStub>>(bytes);
    let _ = read::<JobVersions>(bytes);
    let _ = read::<PlanReply>(bytes);
    let _ = read::<Variable>(bytes);
    if let Some(cause) = first_cause(&allocations) {
        assert!(!cause.text.is_empty(), "a cause without words");
    }
    if let Some(job) = read::<JobRecord>(bytes) {
        let activity = Activity {
            evaluations,
            rollout,
            allocations,
        };
        let _ = judge(&job, &activity);
        let drift = diff(&job.spec, &job.spec, &DiffOptions::default());
        assert!(drift.is_empty(), "a job differs from itself: {drift:?}");
    }
}

/// Answers every request with the same bytes.
struct Said(Vec<u8>);

impl Carry for Said {
    fn carry(&self, _: reqwest::Request) -> BoxFuture<'static, reqwest::Result<reqwest::Response>> {
        let mut answer = axum::http::Response::new(self.0.clone());
        let headers = answer.headers_mut();
        headers.insert("x-nomad-index", axum::http::HeaderValue::from_static("7"));
        headers.insert(
            "x-nomad-knownleader",
            axum::http::HeaderValue::from_static("true"),
        );
        Box::pin(std::future::ready(Ok(answer.into())))
    }
}

fn streams(bytes: &[u8]) {
    let mut config = ConnectionConfig::new("http://nomad.invalid:4646").expect("an address");
    config.carrier = Some(Carrier(Arc::new(Said(bytes.to_vec()))));
    let nomad = NomadClient::new(config).expect("no TLS is needed");
    block_on(async {
        let query = EventQuery {
            topics: vec!["Job".to_owned()],
            resume: None,
            all_namespaces: false,
        };
        if let Ok(mut stream) = nomad.events(&query).await {
            let mut most = bytes.len() + 1;
            while let Ok(item) = stream.next().await {
                if let StreamItem::Events(batch) = item {
                    assert_eq!(stream.resume_from(), Some(batch.index));
                }
                most = most.checked_sub(1).expect("more lines than bytes");
            }
        }
        let source = LogSource {
            allocation: "a".to_owned(),
            task: "t".to_owned(),
            kind: LogKind::Stdout,
        };
        if let Ok(mut log) = nomad.log_stream(&source, LogFrom::Start(0), true).await {
            let mut most = bytes.len() + 1;
            while let Ok(Some(_)) = log.next().await {
                most = most.checked_sub(1).expect("more frames than bytes");
            }
        }
        let job = "shop".parse().expect("a valid id");
        let _ = nomad.job(&job).await;
        let _ = nomad.job_versions(&job).await;
        let _ = nomad.allocations(&job, true).await;
        let _ = nomad.allocation_checks("a").await;
    });
}
