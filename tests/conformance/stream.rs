//! X: the event stream.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::case::cases;
use super::jobs::service;
use super::run::{Run, Stop};

cases! {
    "X1-2" Api head: "a stream begins with an empty object, and a bad index is refused",
    "X3-6" Mock lifecycle: "a job's life arrives as lines of one index each, in order",
}

/// Lines of an event stream, as they arrive.
pub(super) struct Lines {
    response: reqwest::Response,
    rest: Vec<u8>,
}

impl Lines {
    pub(super) async fn open(run: &Run, query: &str) -> Result<Self, Stop> {
        let response = run.open(&format!("/v1/event/stream?{query}")).await?;
        Ok(Self {
            response,
            rest: Vec::new(),
        })
    }

    /// The next line with its line feed.
    pub(super) async fn next(&mut self) -> Result<String, Stop> {
        let deadline = Instant::now() + Duration::from_secs(45);
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line = self.rest.drain(..=end).collect();
                return String::from_utf8(line)
                    .map_err(|error| Stop(format!("a line is no text: {error}")));
            }
            let chunk = tokio::time::timeout_at(deadline, self.response.chunk())
                .await
                .map_err(|_| Stop("no further line within 45 s".to_owned()))??;
            let Some(chunk) = chunk else {
                return Err(Stop("the stream ended".to_owned()));
            };
            self.rest.extend_from_slice(&chunk);
        }
    }

    /// The next line that is not a heartbeat.
    pub(super) async fn next_event(&mut self) -> Result<Value, Stop> {
        loop {
            let line = self.next().await?;
            if line != "{}\n" {
                return serde_json::from_str(&line)
                    .map_err(|error| Stop(format!("a line is no JSON: {error}: {line}")));
            }
        }
    }

    /// Collects lines up to the one with the event.
    async fn collect(
        &mut self,
        seen: &mut Vec<Value>,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<(), Stop> {
        loop {
            let line = self.next_event().await?;
            let found = events(&line).any(&wanted);
            seen.push(line);
            if found {
                return Ok(());
            }
        }
    }
}

/// The events of a line.
pub(super) fn events(line: &Value) -> impl Iterator<Item = &Value> {
    line["Events"].as_array().into_iter().flatten()
}

fn is(event: &Value, topic: &str, kind: &str) -> bool {
    event["Topic"] == topic && event["Type"] == kind
}

async fn head(run: &Run) -> Result<(), Stop> {
    let mut lines = Lines::open(run, "topic=Nonsense").await?;
    run.same("X1", "status", lines.response.status().as_u16(), 200);
    let connection = lines
        .response
        .headers()
        .get("Connection")
        .and_then(|it| it.to_str().ok());
    run.same("X1", "Connection", connection, Some("close"));
    run.same("X1", "first line", lines.next().await?, "{}\n");
    let reply = run.get("/v1/event/stream?index=abc").await?;
    run.mentions("X2", &reply, 400, "Unable to parse index: ");
    Ok(())
}

async fn lifecycle(run: &Run) -> Result<(), Stop> {
    let id = run.id("life");
    let query = format!("topic=Job:{id}&topic=Evaluation:{id}&topic=Deployment:{id}&namespace=*");
    let mut lines = Lines::open(run, &query).await?;
    run.same("X6", "first line", lines.next().await?, "{}\n");
    let mut seen = Vec::new();
    run.register(&service(&id)).await?;
    lines
        .collect(&mut seen, |it| is(it, "Deployment", "PlanResult"))
        .await?;
    lines
        .collect(&mut seen, |it| is(it, "Evaluation", "EvaluationUpdated"))
        .await?;
    run.delete(&format!("/v1/job/{id}")).await?;
    lines
        .collect(&mut seen, |it| is(it, "Job", "JobDeregistered"))
        .await?;
    let stopped = seen.last().cloned().unwrap_or_default();
    run.delete(&format!("/v1/job/{id}?purge=true")).await?;
    lines
        .collect(&mut seen, |it| {
            is(it, "Job", "JobDeregistered") && it["Payload"]["Deleted"] == true
        })
        .await?;

    let all: Vec<&Value> = seen.iter().flat_map(events).collect();
    for (topic, kind) in [
        ("Job", "JobRegistered"),
        ("Evaluation", "JobRegistered"),
        ("Deployment", "PlanResult"),
        ("Evaluation", "EvaluationUpdated"),
        ("Job", "JobDeregistered"),
    ] {
        let there = all.iter().any(|it| is(it, topic, kind));
        let kinds: Vec<_> = all.iter().map(|it| (&it["Topic"], &it["Type"])).collect();
        run.holds("X3", &format!("{topic}/{kind} was seen"), there, kinds);
    }
    let stop = events(&stopped)
        .find(|it| is(it, "Job", "JobDeregistered"))
        .cloned()
        .unwrap_or_default();
    run.at("X4", &stop, "/Payload/Deleted", Value::Null);
    run.at("X4", &stop, "/Payload/Job/Stop", true);
    let indexes: Vec<u64> = seen
        .iter()
        .filter_map(|line| line["Index"].as_u64())
        .collect();
    run.holds("X5", "indexes do not fall", indexes.is_sorted(), &indexes);
    run.holds(
        "X5",
        "job and evaluation share an index",
        indexes[0] == indexes[1],
        &indexes,
    );
    for line in &seen {
        let members: Vec<&String> = line
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name)
            .collect();
        run.same("X6", "members of a line", members, ["Events", "Index"]);
    }
    Ok(())
}
