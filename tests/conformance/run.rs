//! What a case works with: names of its own, requests, and waits with a deadline. Its checks are in `checks`.

use std::sync::Mutex;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::checks::{Checks, shortened};
use super::client::{Client, Reply};
use super::target::Target;

/// Longest wait for a condition. Generous: a loaded machine must not look like a difference.
const DEADLINE: Duration = Duration::from_secs(45);

/// Between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(60);

/// Ends a case early: later checks would have nothing to look at.
#[derive(Debug)]
pub(super) struct Stop(pub(super) String);

impl From<reqwest::Error> for Stop {
    fn from(error: reqwest::Error) -> Self {
        Self(format!("no answer: {error:?}"))
    }
}

/// One run of one case. Everything it creates carries its own prefix and is removed afterwards.
pub(super) struct Run {
    client: Client,
    prefix: String,
    namespaces: Mutex<Vec<String>>,
    pub(super) checks: Checks,
}

impl Run {
    pub(super) fn new(target: &Target) -> Self {
        let unique = uuid::Uuid::new_v4().simple().to_string();
        Self {
            client: Client::new(&target.url),
            prefix: format!("cf-{}", &unique[..10]),
            namespaces: Mutex::default(),
            checks: Checks::default(),
        }
    }

    // Names.

    /// An id that nobody else uses.
    pub(super) fn id(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    /// Creates a namespace that nobody else uses.
    pub(super) async fn namespace(&self, name: &str) -> Result<String, Stop> {
        let id = self.id(name);
        let reply = self
            .put(&format!("/v1/namespace/{id}"), &json!({"Name": id}))
            .await?;
        succeeded("create a namespace", &reply)?;
        self.namespaces
            .lock()
            .expect("no check panics")
            .push(id.clone());
        Ok(id)
    }

    // Requests.

    pub(super) async fn get(&self, path: &str) -> Result<Reply, Stop> {
        Ok(self.client.send(Method::GET, path, None).await?)
    }

    pub(super) async fn put(&self, path: &str, body: &Value) -> Result<Reply, Stop> {
        self.send(Method::PUT, path, Some(body.to_string())).await
    }

    pub(super) async fn delete(&self, path: &str) -> Result<Reply, Stop> {
        self.send(Method::DELETE, path, None).await
    }

    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Result<Reply, Stop> {
        Ok(self.client.send(method, path, body).await?)
    }

    /// Opens an answer that does not end.
    pub(super) async fn open(&self, path: &str) -> Result<reqwest::Response, Stop> {
        Ok(self.client.open(path).await?)
    }

    /// Registers a job and expects that to work.
    pub(super) async fn register(&self, job: &Value) -> Result<Value, Stop> {
        let reply = self.put("/v1/jobs", &json!({"Job": job})).await?;
        succeeded("register", &reply)
    }

    /// Plans a job and expects that to work.
    pub(super) async fn plan(&self, job: &Value) -> Result<Value, Stop> {
        let path = format!("/v1/job/{}/plan", id_of(job));
        let reply = self.put(&path, &json!({"Job": job, "Diff": true})).await?;
        succeeded("plan", &reply)
    }

    /// The job as it stands now.
    pub(super) async fn job(&self, id: &str) -> Result<Value, Stop> {
        let reply = self.get(&format!("/v1/job/{}", path_segment(id))).await?;
        succeeded("read the job", &reply)
    }

    // Waits.

    /// Polls `path` until its JSON is as wanted.
    pub(super) async fn until(
        &self,
        what: &str,
        path: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value, Stop> {
        let reply = self
            .until_reply(what, path, |reply| {
                reply.status == 200 && wanted(&reply.json())
            })
            .await?;
        Ok(reply.json())
    }

    /// Polls `path` until the answer is as wanted.
    pub(super) async fn until_reply(
        &self,
        what: &str,
        path: &str,
        wanted: impl Fn(&Reply) -> bool,
    ) -> Result<Reply, Stop> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let reply = self.get(path).await?;
            if wanted(&reply) {
                return Ok(reply);
            }
            if Instant::now() > deadline {
                let last = shortened(&format!("{} {}", reply.status, reply.text));
                return Err(Stop(format!(
                    "waited {DEADLINE:?} for: {what}; last GET {path}: {last}"
                )));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Waits until an evaluation is over and returns it.
    pub(super) async fn evaluated(&self, written: &Value) -> Result<Value, Stop> {
        let id = written["EvalID"].as_str().unwrap_or_default();
        self.until(
            "evaluation complete",
            &format!("/v1/evaluation/{id}"),
            |eval| eval["Status"] == "complete",
        )
        .await
    }

    /// Waits until the newest deployment of a job is as wanted.
    pub(super) async fn deployment(
        &self,
        job: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value, Stop> {
        self.until("deployment", &format!("/v1/job/{job}/deployment"), |it| {
            !it.is_null() && wanted(it)
        })
        .await
    }

    /// Waits until a version of a job is fully rolled out, and returns its deployment.
    pub(super) async fn rolled_out(&self, job: &str, version: u64) -> Result<Value, Stop> {
        self.deployment(job, |it| {
            it["JobVersion"] == version && it["Status"] == "successful"
        })
        .await
    }

    /// Waits until a job's allocations are as wanted.
    pub(super) async fn allocations(
        &self,
        job: &str,
        wanted: impl Fn(&[Value]) -> bool,
    ) -> Result<Vec<Value>, Stop> {
        let path = format!("/v1/job/{}/allocations", path_segment(job));
        let list = self
            .until("allocations", &path, |it| {
                it.as_array().is_some_and(|list| wanted(list))
            })
            .await?;
        Ok(list.as_array().cloned().unwrap_or_default())
    }

    /// Waits until a job runs at least one task, and returns its allocations.
    pub(super) async fn running(&self, job: &str) -> Result<Vec<Value>, Stop> {
        self.allocations(job, |list| {
            list.iter().any(|it| it["ClientStatus"] == "running")
        })
        .await
    }

    /// Waits until a job has the status.
    pub(super) async fn status(&self, job: &str, status: &str) -> Result<Value, Stop> {
        self.until(status, &format!("/v1/job/{}", path_segment(job)), |it| {
            it["Status"] == status
        })
        .await
    }

    // Afterwards.

    /// Removes what the case made. A failure here would only hide the findings, so it is not reported.
    pub(super) async fn clean_up(&self) {
        let path = format!("/v1/jobs?namespace=*&prefix={}", self.prefix);
        let jobs = self
            .get(&path)
            .await
            .map(|reply| reply.json())
            .unwrap_or_default();
        for job in jobs.as_array().into_iter().flatten() {
            let (id, namespace) = (
                path_segment(id_of(job)),
                job["Namespace"].as_str().unwrap_or("default"),
            );
            let _ = self
                .delete(&format!("/v1/job/{id}?purge=true&namespace={namespace}"))
                .await;
        }
        let path = format!("/v1/vars?namespace=*&prefix={}", self.prefix);
        let variables = self
            .get(&path)
            .await
            .map(|reply| reply.json())
            .unwrap_or_default();
        for variable in variables.as_array().into_iter().flatten() {
            let path = variable["Path"].as_str().unwrap_or_default();
            let _ = self.delete(&format!("/v1/var/{path}")).await;
        }
        let namespaces = self.namespaces.lock().expect("no check panics").clone();
        for namespace in namespaces {
            let _ = self.delete(&format!("/v1/namespace/{namespace}")).await;
        }
    }
}

/// The id of a job or of a line about one.
pub(super) fn id_of(job: &Value) -> &str {
    job["ID"].as_str().unwrap_or_default()
}

/// An id as one segment of a path: ids of children contain a slash.
pub(super) fn path_segment(id: &str) -> String {
    utf8_percent_encode(id, NON_ALPHANUMERIC)
        .to_string()
        .replace("%2D", "-")
}

/// The JSON of an answer that must be 200.
pub(super) fn succeeded(what: &str, reply: &Reply) -> Result<Value, Stop> {
    if reply.status == 200 {
        return Ok(reply.json());
    }
    Err(Stop(format!(
        "cannot {what}: {} {}",
        reply.status,
        shortened(&reply.text)
    )))
}
