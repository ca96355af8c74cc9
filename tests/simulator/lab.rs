//! A simulator with a client, and the jobs that the tests give it.

use std::time::Duration;

use cs::simulator::{Faults, Options, Simulator};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Longest wait for a condition; generous, the machine may be busy.
const DEADLINE: Duration = Duration::from_secs(20);

pub(super) struct Lab {
    pub(super) simulator: Simulator,
    client: reqwest::Client,
}

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) text: String,
    pub(super) headers: reqwest::header::HeaderMap,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("readable"))
    }
}

impl Lab {
    pub(super) async fn start(options: Options) -> Self {
        // Somebody else in this process may have chosen the provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            simulator: Simulator::start(options).await.expect("a free port"),
            client: reqwest::Client::new(),
        }
    }

    /// With faults, at twenty times the usual speed.
    pub(super) async fn with_faults(faults: Value) -> Self {
        let faults: Faults = serde_json::from_value(faults).expect("valid faults");
        Self::start(Options {
            faults,
            speed: 20.0,
            ..Options::default()
        })
        .await
    }

    pub(super) async fn try_send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> reqwest::Result<Answer> {
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.simulator.url))
            .timeout(DEADLINE);
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        let response: Response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Answer {
            status,
            headers,
            text: response.text().await?,
        })
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.try_send(Method::GET, path, None)
            .await
            .expect("an answer")
    }

    pub(super) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.try_send(Method::PUT, path, Some(body))
            .await
            .expect("an answer")
    }

    pub(super) async fn register(&self, job: &Value) -> Answer {
        let answer = self.put("/v1/jobs", &json!({"Job": job})).await;
        assert_eq!(answer.status, StatusCode::OK.as_u16(), "{}", answer.text);
        answer
    }

    /// Asks until the answer satisfies a condition.
    pub(super) async fn until(&self, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let end = tokio::time::Instant::now() + DEADLINE;
        loop {
            let answer = self.get(path).await.json();
            if holds(&answer) {
                return answer;
            }
            assert!(
                tokio::time::Instant::now() < end,
                "{path} stayed at {answer}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Sends bytes and returns all that comes back until the connection ends.
    pub(super) async fn raw(&self, request: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect(self.simulator.addr)
            .await
            .expect("a connection");
        stream
            .write_all(request.as_bytes())
            .await
            .expect("it listens");
        let mut answer = Vec::new();
        let read = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut answer));
        read.await.expect("the connection ends").expect("readable");
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// A service of one task, healthy after a second.
pub(super) fn service(id: &str) -> Value {
    json!({"ID": id, "Datacenters": ["dc1"], "TaskGroups": [{
        "Name": "g",
        "RestartPolicy": {"Attempts": 0, "Mode": "fail"},
        "ReschedulePolicy": {"Attempts": 0, "Unlimited": false},
        "Update": {"HealthCheck": "task_states", "MinHealthyTime": 1_000_000_000_u64, "HealthyDeadline": 3_000_000_000_u64,
            "ProgressDeadline": 6_000_000_000_u64},
        "Tasks": [{"Name": "t", "Driver": "docker", "Config": {"image": "shop:1"}}],
    }]})
}
