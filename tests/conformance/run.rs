//! What a case works with: requests, waits with a deadline, and checks that record instead of panicking.

use std::collections::BTreeSet;
use std::fmt::{self, Debug, Display};
use std::sync::Mutex;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

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

/// A row that does not hold.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    row: String,
    what: String,
    expected: String,
    got: String,
}

impl Finding {
    pub(super) fn new(
        row: &str,
        what: &str,
        expected: impl Into<String>,
        got: impl Into<String>,
    ) -> Self {
        Self {
            row: row.to_owned(),
            what: what.to_owned(),
            expected: expected.into(),
            got: got.into(),
        }
    }
}

impl Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            row,
            what,
            expected,
            got,
        } = self;
        write!(
            f,
            "{row}: {what}\n      expected {expected}\n      got      {got}"
        )
    }
}

/// One run of one case. Everything it creates carries its own prefix and is removed afterwards.
pub(super) struct Run {
    client: Client,
    prefix: String,
    namespaces: Mutex<Vec<String>>,
    checked: Mutex<BTreeSet<String>>,
    findings: Mutex<Vec<Finding>>,
}

impl Run {
    pub(super) fn new(target: &Target) -> Self {
        let unique = uuid::Uuid::new_v4().simple().to_string();
        Self {
            client: Client::new(&target.url),
            prefix: format!("cf-{}", &unique[..10]),
            namespaces: Mutex::default(),
            checked: Mutex::default(),
            findings: Mutex::default(),
        }
    }

    // Names.

    /// An id that nobody else uses.
    pub(super) fn id(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    /// Creates a namespace of its own and waits until it is there.
    pub(super) async fn namespace(&self, name: &str) -> Result<String, Stop> {
        let id = self.id(name);
        self.namespaces
            .lock()
            .expect("no check panics")
            .push(id.clone());
        self.put(&format!("/v1/namespace/{id}"), &json!({"Name": id}))
            .await?;
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

    // Checks.

    /// Both are equal.
    pub(super) fn same<T: PartialEq<U> + Debug, U: Debug>(
        &self,
        row: &str,
        what: &str,
        got: T,
        expected: U,
    ) {
        self.mark(row);
        if got != expected {
            self.found(Finding::new(
                row,
                what,
                shortened(&format!("{expected:?}")),
                shortened(&format!("{got:?}")),
            ));
        }
    }

    /// The condition holds; `got` is shown when it does not.
    pub(super) fn holds(&self, row: &str, what: &str, condition: bool, got: impl Debug) {
        self.mark(row);
        if !condition {
            self.found(Finding::new(
                row,
                what,
                "it holds",
                shortened(&format!("{got:?}")),
            ));
        }
    }

    /// The member at a JSON pointer has the value; absent counts as `null`.
    pub(super) fn at(&self, row: &str, value: &Value, pointer: &str, expected: impl Into<Value>) {
        let (got, expected) = (
            value.pointer(pointer).cloned().unwrap_or_default(),
            expected.into(),
        );
        self.mark(row);
        if got != expected {
            self.found(Finding::new(
                row,
                pointer,
                expected.to_string(),
                shortened(&got.to_string()),
            ));
        }
    }

    /// The answer is this status with exactly this text. Followers and client-only agents put `rpc error: ` before errors
    /// without a code of their own, so that prefix does not count.
    pub(super) fn answers(&self, row: &str, reply: &Reply, status: u16, text: &str) {
        self.mark(row);
        let got = reply
            .text
            .strip_prefix("rpc error: ")
            .unwrap_or(&reply.text);
        if (reply.status, got) != (status, text) {
            let got = shortened(&format!("{} {got:?}", reply.status));
            self.found(Finding::new(
                row,
                "answer",
                format!("{status} {text:?}"),
                got,
            ));
        }
    }

    /// The answer is this status and its text contains `part`.
    pub(super) fn mentions(&self, row: &str, reply: &Reply, status: u16, part: &str) {
        let condition = reply.status == status && reply.text.contains(part);
        self.holds(
            row,
            &format!("{status} with {part:?}"),
            condition,
            (reply.status, &reply.text),
        );
    }

    fn mark(&self, row: &str) {
        self.checked
            .lock()
            .expect("no check panics")
            .insert(row.to_owned());
    }

    fn found(&self, finding: Finding) {
        self.findings.lock().expect("no check panics").push(finding);
    }

    pub(super) fn checked(&self) -> BTreeSet<String> {
        self.checked.lock().expect("no check panics").clone()
    }

    pub(super) fn findings(&self) -> Vec<Finding> {
        self.findings.lock().expect("no check panics").clone()
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

fn shortened(text: &str) -> String {
    const LONGEST: usize = 900;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
