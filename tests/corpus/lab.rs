//! A Nomad to write to: a simulator of its own, or the real one.
//!
//! Not the product's client, so that a defect there cannot hide one here.

use std::time::Duration;

use cs::simulator::{Options, Simulator};
use reqwest::Method;
use serde_json::{Value, json};

use super::CorpusJob;
use crate::support::nomad::RealNomad;

pub(crate) struct Lab {
    url: String,
    http: reqwest::Client,
    pub(crate) is_real: bool,
    _simulator: Option<Simulator>,
}

impl Lab {
    pub(crate) async fn simulator() -> Self {
        let simulator = Simulator::start(Options::default())
            .await
            .expect("the loopback has free ports");
        Self {
            url: simulator.url.clone(),
            http: client(),
            is_real: false,
            _simulator: Some(simulator),
        }
    }

    /// The one that all tests share; says so when there is none.
    pub(crate) fn real() -> Option<Self> {
        Some(Self {
            url: RealNomad::shared()?.address().to_owned(),
            http: client(),
            is_real: true,
            _simulator: None,
        })
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, String> {
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.url))
            .timeout(Duration::from_secs(60));
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        let reply = request.send().await.expect("Nomad answers");
        let status = reply.status();
        let text = reply.text().await.expect("Nomad answers to the end");
        if status.is_success() {
            Ok(serde_json::from_str(&text).unwrap_or_default())
        } else {
            Err(text)
        }
    }

    /// `/v1/jobs/parse`
    pub(crate) async fn parse(&self, text: &str, variables: &str) -> Result<Value, String> {
        let body = json!({"JobHCL": text, "Variables": variables});
        self.call(Method::PUT, "/v1/jobs/parse", Some(&body)).await
    }

    /// The job as a client would send it.
    pub(crate) async fn job(&self, job: &CorpusJob) -> Value {
        match job {
            CorpusJob::Job(job) => job.clone(),
            CorpusJob::Hcl { text, variables } => self
                .parse(text, variables)
                .await
                .unwrap_or_else(|error| panic!("{error}\n{text}")),
        }
    }

    /// Registers the job if its index is still this one; 0 when it must be new.
    pub(crate) async fn register(&self, job: &Value, index: u64) -> Result<Value, String> {
        let body = json!({"Job": job, "EnforceIndex": true, "JobModifyIndex": index});
        self.call(Method::PUT, "/v1/jobs", Some(&body)).await
    }

    pub(crate) async fn read(&self, id: &str) -> Value {
        self.call(Method::GET, &format!("/v1/job/{id}"), None)
            .await
            .unwrap_or_else(|error| panic!("{id}: {error}"))
    }

    pub(crate) async fn purge(&self, id: &str) {
        let path = format!("/v1/job/{id}?purge=true");
        self.call(Method::DELETE, &path, None)
            .await
            .expect("it can be purged");
    }
}

fn client() -> reqwest::Client {
    // Only the first caller in the process succeeds, and one is enough.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build();
    client.expect("a client without options from outside can be built")
}

/// `ID`, in whatever case it is written.
pub(crate) fn id_of(job: &Value) -> String {
    let members = job.as_object().expect("a job is an object");
    let id = members
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("id"));
    id.and_then(|(_, id)| id.as_str())
        .expect("a job has an id")
        .to_owned()
}
