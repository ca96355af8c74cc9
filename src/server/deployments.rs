//! Deployments over HTTP: made, run, shown, listed.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;

use super::flow::create::{self, told};
use super::flow::run::{self, Asked};
use super::problem::Problem;
use super::router::Stop;
use super::runs::{self, NotTaken};
use super::state::Shared;
use super::{body, rollouts};
use crate::bridge::api::{CreateDeployment, DeploymentList, History, RunAnswer, RunDeployment};
use crate::bridge::webhook::is_id;
use crate::observe;
use crate::store::Page;

/// Largest body of a call of the API.
const LIMIT: usize = 512 * 1024;

/// How long a request waits for Jenkins before it answers that it is still being asked.
const TRIGGER: Duration = Duration::from_secs(25);

/// Entries of a page without `limit`, and at most.
const PAGE: (i64, i64) = (50, 200);

/// `POST /api/v1/deployments`
pub(super) async fn create(
    State(shared): State<Arc<Shared>>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, content) = request.into_parts();
    let key = idempotency_key(&parts.headers)?;
    let bytes = body::read(&parts.headers, content, LIMIT).await?;
    let wanted: CreateDeployment = read_json(&bytes)?;
    wanted
        .check()
        .map_err(|bad| Problem::unprocessable("bad-member", bad.to_string()))?;
    if let Some(workload) = &wanted.workload {
        // With a number as it will have one, and forgotten again: only whether it makes sense is of interest.
        rollouts::set(&shared.cluster, workload, 1)
            .map_err(|bad| Problem::unprocessable("bad-workload", format!("`workload`: {bad}")))?;
    }
    let created = create::create(&shared, &wanted, &bytes, key.as_deref()).await?;
    let status = if created.repeated {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    let mut response = shown(&shared, &created.id, status).await?;
    let place = format!("/api/v1/deployments/{}", created.id);
    if let Ok(place) = HeaderValue::from_str(&place) {
        response.headers_mut().insert(LOCATION, place);
    }
    Ok(response)
}

/// `GET /api/v1/deployments/{id}`
pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    shown(&shared, &id, StatusCode::OK).await
}

async fn shown(shared: &Shared, id: &str, status: StatusCode) -> Result<Response, Problem> {
    known(id)?;
    let found = shared.store.deployment(id).await;
    let found = found.map_err(|error| told(&error))?;
    let deployment = found.ok_or_else(|| Problem::not_found("deployment"))?;
    Ok(body::json(status, &deployment))
}

/// An id that cannot be one is one of nothing.
fn known(id: &str) -> Result<(), Problem> {
    is_id(id)
        .then_some(())
        .ok_or_else(|| Problem::not_found("deployment"))
}

/// `GET /api/v1/deployments`
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    request: Request,
) -> Result<Response, Problem> {
    let query = Query::of(&request);
    let limit = query.limit()?;
    let status = match query.get("status") {
        None => None,
        Some(word) => Some(word.parse().map_err(
            |unknown: crate::bridge::status::UnknownWord| {
                Problem::unprocessable("bad-query", format!("`status`: {unknown}"))
            },
        )?),
    };
    let after = match query.get("after") {
        None => None,
        Some(text) => Some(cursor(&text).ok_or_else(|| bad_cursor("after"))?),
    };
    let page = Page {
        status,
        after,
        limit: limit + 1,
    };
    let found = shared.store.deployments(&page).await;
    let mut found = found.map_err(|error| told(&error))?;
    let more = found.len() > usize::try_from(limit).expect("a small number");
    if more {
        found.pop();
    }
    let next = found.last().filter(|_| more);
    let next = next.map(|(at, last)| format!("{at}~{}", last.deployment_id));
    let list = DeploymentList {
        deployments: found
            .into_iter()
            .map(|(_, deployment)| deployment)
            .collect(),
        next,
    };
    Ok(body::json(StatusCode::OK, &list))
}

/// `GET /api/v1/deployments/{id}/history`
pub(super) async fn history(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    known(&id)?;
    let query = Query::of(&request);
    let limit = query.limit()?;
    let before = match query.get("before") {
        None => i64::MAX,
        Some(text) => text.parse().map_err(|_| bad_cursor("before"))?,
    };
    let exists = shared.store.deployment(&id).await;
    if exists.map_err(|error| told(&error))?.is_none() {
        return Err(Problem::not_found("deployment"));
    }
    let found = shared.store.history(&id, before, limit + 1).await;
    let mut found = found.map_err(|error| told(&error))?;
    let more = found.len() > usize::try_from(limit).expect("a small number");
    if more {
        found.pop();
    }
    let next = found.last().filter(|_| more).map(|(id, _)| id.to_string());
    let history = History {
        transitions: found
            .into_iter()
            .map(|(_, transition)| transition)
            .collect(),
        next,
    };
    Ok(body::json(StatusCode::OK, &history))
}

fn bad_cursor(name: &str) -> Problem {
    Problem::unprocessable(
        "bad-query",
        format!("`{name}`: expected the `next` of the page before"),
    )
}

fn cursor(text: &str) -> Option<(i64, String)> {
    let (at, id) = text.split_once('~')?;
    is_id(id).then(|| Some((at.parse().ok()?, id.to_owned())))?
}

/// `POST /api/v1/deployments/{id}/run`
pub(super) async fn run(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Stop(stop): Stop,
    request: Request,
) -> Result<Response, Problem> {
    known(&id)?;
    let (parts, content) = request.into_parts();
    let key = idempotency_key(&parts.headers)?;
    let bytes = body::read(&parts.headers, content, LIMIT).await?;
    let wanted: RunDeployment = if bytes.trim_ascii().is_empty() {
        RunDeployment::default()
    } else {
        read_json(&bytes)?
    };
    if stop.is_cancelled() {
        return Err(Problem::timeout());
    }
    let asked = run::ask(&shared, &id, key.as_deref(), wanted.force).await;
    match asked.map_err(|error| told(&error))? {
        Asked::Absent => Err(Problem::not_found("deployment")),
        Asked::Repeated(answer) => Ok(body::json(StatusCode::OK, &answer)),
        Asked::Begun(answer) => begun(&shared, answer, stop).await,
    }
}

/// Jenkins is asked by a task of its own: a client that goes away must not leave a run half begun.
async fn begun(
    shared: &Arc<Shared>,
    answer: RunAnswer,
    stop: tokio_util::sync::CancellationToken,
) -> Result<Response, Problem> {
    let run = answer.run.run_id.clone();
    let work = runs::begin(Arc::clone(shared), run.clone(), stop);
    shared.traces.asked(&answer.deployment_id);
    let task = shared.tasks.spawn(observe::handed_on(work));
    // Otherwise it is told as far as it is known: it began, or it is still being asked.
    if let Ok(Ok(Err(not_taken))) = tokio::time::timeout(TRIGGER, task).await {
        return Err(refused(&not_taken));
    }
    let now = run::look(shared, &answer.deployment_id, &run).await;
    let answer = match now {
        Ok(Some(now)) => now,
        // It began all the same.
        Ok(None) | Err(_) => answer,
    };
    Ok(body::json(StatusCode::ACCEPTED, &answer))
}

fn refused(not_taken: &NotTaken) -> Problem {
    let status = match not_taken {
        NotTaken::Jenkins(error) => error.status(),
        NotTaken::NotConfigured => 503,
        NotTaken::Unknown => 502,
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let problem = Problem::new(
        status,
        not_taken.code(),
        format!("the job was not started: {}", not_taken.message()),
        not_taken.help(),
    );
    match not_taken {
        NotTaken::Jenkins(error) if error.may_pass() => problem.after(Duration::from_secs(10)),
        _ => problem,
    }
}

/// The header `Idempotency-Key`.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let text = value.to_str().ok().filter(|text| is_id(text));
    text.map(|text| Some(text.to_owned())).ok_or_else(|| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "bad-idempotency-key",
            "the Idempotency-Key is not 1 to 128 letters, digits, `.`, `_`, `:`, `/` or `-`",
            "send a UUID",
        )
    })
}

/// Reads a body. What is wrong is told by its place; no value is repeated.
fn read_json<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        match error.classify() {
            serde_json::error::Category::Data => Problem::unprocessable(
                "bad-member",
                format!("a member is missing, unknown, or of another type ({place})"),
            ),
            _ => Problem::new(
                StatusCode::BAD_REQUEST,
                "not-json",
                format!("the body is no JSON ({place})"),
                "send a JSON object; GET /openapi.json describes it",
            ),
        }
    })
}

struct Query(Vec<(String, String)>);

impl Query {
    fn of(request: &Request) -> Self {
        let text = request.uri().query().unwrap_or_default();
        let pairs = url::form_urlencoded::parse(text.as_bytes());
        Self(pairs.into_owned().collect())
    }

    fn get(&self, name: &str) -> Option<String> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.clone())
    }

    fn limit(&self) -> Result<i64, Problem> {
        let Some(text) = self.get("limit") else {
            return Ok(PAGE.0);
        };
        let number = text.parse().ok();
        number
            .filter(|number| (1..=PAGE.1).contains(number))
            .ok_or_else(|| {
                Problem::unprocessable("bad-query", "`limit`: expected a number from 1 to 200")
            })
    }
}
