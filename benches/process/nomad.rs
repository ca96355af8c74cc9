//! A stand-in for Nomad: answers the calls of one deployment at once and healthy, and notes when a register arrives.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// What is called at every call that arrives.
pub(crate) type Witness = Box<dyn FnMut() + Send>;

#[derive(Clone, Default)]
pub(crate) struct Nomad {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    jobs: HashMap<String, (Value, u64)>,
    index: u64,
    calls: usize,
    registered: Option<Instant>,
    witness: Option<Witness>,
}

impl Nomad {
    /// Starts it on a port of its own; returns its address. It ends with the runtime.
    pub(crate) fn start(&self, runtime: &Runtime) -> String {
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .expect("the loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        let router = Router::new().fallback(answer).with_state(self.clone());
        runtime.spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}")
    }

    pub(crate) fn set_witness(&self, witness: Option<Witness>) {
        self.lock().witness = witness;
    }

    /// Calls since the last time, and when the first register among them arrived.
    pub(crate) fn take(&self) -> (usize, Option<Instant>) {
        let mut inner = self.lock();
        (std::mem::take(&mut inner.calls), inner.registered.take())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().expect("nobody panics while holding it")
    }
}

async fn answer(State(nomad): State<Nomad>, method: Method, uri: Uri, body: Bytes) -> Response {
    let arrived = Instant::now();
    let mut inner = nomad.lock();
    inner.calls += 1;
    if method == Method::PUT && uri.path() == "/v1/jobs" {
        inner.registered.get_or_insert(arrived);
    }
    if let Some(witness) = &mut inner.witness {
        witness();
    }
    let body: Bytes = match (method, uri.path()) {
        (Method::PUT, "/v1/jobs") => inner.register(&body).to_string().into(),
        (Method::GET, path) => match inner.read(path) {
            Some(value) => value.to_string().into(),
            None => return (StatusCode::NOT_FOUND, "job not found").into_response(),
        },
        (method, path) => panic!("the stand-in does not know {method} {path}"),
    };
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers.insert("x-nomad-index", (inner.index + 1).into());
    headers.insert("x-nomad-knownleader", HeaderValue::from_static("true"));
    headers.insert("x-nomad-lastcontact", HeaderValue::from_static("0"));
    response
}

impl Inner {
    fn register(&mut self, body: &[u8]) -> Value {
        let body: Value = serde_json::from_slice(body).expect("a register body");
        let job = body["Job"].clone();
        let id = job["ID"].as_str().expect("a job has an id").to_owned();
        self.index += 10;
        self.jobs.insert(id, (job, self.index));
        json!({
            "EvalID": "e1", "EvalCreateIndex": self.index, "JobModifyIndex": self.index, "Index": self.index,
            "Warnings": "", "KnownLeader": true, "LastContact": 0,
        })
    }

    /// `/v1/job/:id` and what stands below it.
    fn read(&self, path: &str) -> Option<Value> {
        let mut parts = path.strip_prefix("/v1/job/")?.splitn(2, '/');
        let id = parts.next()?;
        let Some((job, index)) = self.jobs.get(id) else {
            return match parts.next() {
                None => None,
                Some("deployment") => Some(Value::Null),
                Some(_) => Some(json!([])),
            };
        };
        let group = job["TaskGroups"][0]["Name"].as_str()?;
        let count = job["TaskGroups"][0]["Count"].as_u64().unwrap_or(1);
        Some(match parts.next() {
            None => stored(job, *index),
            Some("deployment") => json!({
                "ID": "r1", "JobID": id, "JobVersion": 0, "JobSpecModifyIndex": index, "JobCreateIndex": index,
                "Status": "successful", "StatusDescription": "Deployment completed successfully",
                "CreateIndex": index, "TaskGroups": {group: {
                    "DesiredTotal": count, "PlacedAllocs": count, "HealthyAllocs": count, "UnhealthyAllocs": 0,
                }},
            }),
            Some("evaluations") => json!([{
                "ID": "e1", "JobID": id, "Status": "complete", "TriggeredBy": "job-register",
                "JobModifyIndex": index, "DeploymentID": "r1", "CreateIndex": index, "ModifyIndex": index,
            }]),
            Some("allocations") => (0..count)
                .map(|number| allocation(id, group, number, *index))
                .collect(),
            Some(_) => return None,
        })
    }
}

fn stored(job: &Value, index: u64) -> Value {
    let mut job = job.clone();
    let members = [
        ("Version", json!(0)),
        ("Stop", json!(false)),
        ("Status", json!("running")),
        ("CreateIndex", json!(index)),
        ("ModifyIndex", json!(index)),
        ("JobModifyIndex", json!(index)),
    ];
    for (name, value) in members {
        job[name] = value;
    }
    job
}

fn allocation(id: &str, group: &str, number: u64, index: u64) -> Value {
    json!({
        "ID": format!("a{number}"), "Name": format!("{id}.{group}[{number}]"), "JobID": id, "JobVersion": 0,
        "TaskGroup": group, "EvalID": "e1", "DeploymentID": "r1", "NodeID": "n1", "DesiredStatus": "run",
        "ClientStatus": "running", "DeploymentStatus": {"Healthy": true}, "CreateIndex": index, "ModifyIndex": index,
        "TaskStates": {},
    })
}
