//! Calls to Jenkins.

use std::collections::BTreeMap;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use reqwest::header::{COOKIE, HeaderName, HeaderValue, LOCATION, SET_COOKIE};
use reqwest::{Method, Response, StatusCode};
use serde::de::DeserializeOwned;
use url::Url;

use super::address::{JenkinsUrl, queue_item};
use super::error::JenkinsError;
use crate::clients::tls;
use crate::observe::{self, HttpCall, Peer};
use crate::secret::Secret;

/// Longest wait for one answer.
const ATTEMPT: Duration = Duration::from_secs(10);

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(3);

/// Longest answer that is read. A queue of a thousand items has some 100 KiB of what we ask for.
const ANSWER_LIMIT: usize = 2 * 1024 * 1024;

/// As much of an error page is looked at, to tell one 400 from another.
const PAGE_LIMIT: usize = 16 * 1024;

/// How often what certainly did not arrive is sent again.
const RETRIES: usize = 2;

/// As whom Jenkins is asked.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Name of the user.
    pub user: String,
    /// An API token of theirs.
    pub token: Secret,
}

/// A Jenkins. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Jenkins {
    pub(super) base: JenkinsUrl,
    credentials: Credentials,
    http: reqwest::Client,
}

/// Protection against forged requests: a header and the session that it belongs to.
#[derive(Debug)]
struct Crumb {
    name: HeaderName,
    value: HeaderValue,
    cookie: Option<HeaderValue>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct CrumbAnswer {
    crumb: Secret,
    crumb_request_field: String,
}

impl Jenkins {
    /// A client. Nothing is sent yet.
    ///
    /// # Errors
    /// The TLS configuration cannot be made.
    pub fn new(base: JenkinsUrl, credentials: Credentials) -> Result<Self, String> {
        let tls = if base.url().scheme() == "https" {
            tls::system_trust()
        } else {
            tls::no_trust()
        };
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.map_err(|error| error.to_string())?)
            // A redirect would carry the credentials to wherever it points.
            .redirect(reqwest::redirect::Policy::none())
            .no_gzip()
            .pool_max_idle_per_host(4)
            .connect_timeout(CONNECT);
        if base.url().host_str().is_some_and(tls::is_loopback) {
            builder = builder.no_proxy();
        }
        let http = builder
            .build()
            .map_err(|error| error.without_url().to_string())?;
        Ok(Self {
            base,
            credentials,
            http,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> String {
        self.base.to_string()
    }

    /// Starts a job and returns the number of its queue item.
    ///
    /// # Errors
    /// It did not start, or nobody knows ([`JenkinsError::is_unclear`]).
    ///
    /// # Cancel safety
    /// When it is dropped nobody knows whether the job was started.
    pub async fn trigger(
        &self,
        job: &str,
        parameters: &BTreeMap<String, Secret>,
    ) -> Result<i64, JenkinsError> {
        let mut waits = backoff(RETRIES).build();
        loop {
            match self.trigger_once(job, parameters).await {
                Err(error) if error.may_pass() && !error.is_unclear() => match waits.next() {
                    Some(wait) => {
                        tracing::debug!(error = %crate::clients::chain(&error), "Jenkins is asked again");
                        observe::retry("jenkins");
                        tokio::time::sleep(wait).await;
                    }
                    None => return Err(error),
                },
                ended => return ended,
            }
        }
    }

    async fn trigger_once(
        &self,
        job: &str,
        parameters: &BTreeMap<String, Secret>,
    ) -> Result<i64, JenkinsError> {
        let crumb = self.crumb().await?;
        let url = self.base.of_job(job, ["buildWithParameters"]);
        let response = self.post(url, crumb.as_ref(), parameters).await?;
        let status = response.status();
        if !is_about_parameters(status) {
            return started(job, &response);
        }
        if !says(response, "not parameterized").await {
            return Err(refused(job, "starting a job", status, None));
        }
        // A job without parameters is started another way. It does not learn the ids that webhooks name.
        tracing::warn!("job `{job}` takes no parameters: it is started without any");
        let url = self.base.of_job(job, ["build"]);
        let response = self.post(url, crumb.as_ref(), &BTreeMap::new()).await?;
        started(job, &response)
    }

    async fn post(
        &self,
        url: Url,
        crumb: Option<&Crumb>,
        parameters: &BTreeMap<String, Secret>,
    ) -> Result<Response, JenkinsError> {
        let form: Vec<(&str, &str)> = parameters
            .iter()
            .map(|(name, value)| (name.as_str(), value.expose()))
            .collect();
        // In the body: what stands in an address is written into access logs.
        let mut request = self.request(Method::POST, url).form(&form);
        if let Some(crumb) = crumb {
            request = request.header(crumb.name.clone(), crumb.value.clone());
            if let Some(cookie) = &crumb.cookie {
                request = request.header(COOKIE, cookie.clone());
            }
        }
        self.send(Method::POST, request, "starting a job").await
    }

    /// The crumb, or none where the server has no such protection.
    async fn crumb(&self) -> Result<Option<Crumb>, JenkinsError> {
        const OPERATION: &str = "the crumb";
        let url = self.base.below(["crumbIssuer", "api", "json"]);
        let request = self.request(Method::GET, url);
        // Nothing has been started yet: whatever goes wrong here is certain.
        let response = self.send(Method::GET, request, OPERATION).await;
        let response = response.map_err(not_begun)?;
        match response.status() {
            StatusCode::NOT_FOUND => return Ok(None),
            StatusCode::OK => {}
            status => return Err(refused("", OPERATION, status, location(&response))),
        }
        let cookie = session(&response);
        let answer: CrumbAnswer = json(response, OPERATION).await?;
        let bad = |what| JenkinsError::Unintelligible {
            operation: OPERATION,
            what,
        };
        let name = HeaderName::from_bytes(answer.crumb_request_field.as_bytes())
            .map_err(|_| bad("its field is no header"))?;
        let mut value = HeaderValue::from_str(answer.crumb.expose())
            .map_err(|_| bad("its value is no header"))?;
        value.set_sensitive(true);
        Ok(Some(Crumb {
            name,
            value,
            cookie,
        }))
    }

    /// Asks a question. 404 is `None`.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        url: Url,
        operation: &'static str,
    ) -> Result<Option<T>, JenkinsError> {
        let request = self.request(Method::GET, url);
        let response = self.send(Method::GET, request, operation).await?;
        match response.status() {
            StatusCode::OK => Ok(Some(json(response, operation).await?)),
            StatusCode::NOT_FOUND => Ok(None),
            status => Err(refused("", operation, status, location(&response))),
        }
    }

    fn request(&self, method: Method, url: Url) -> reqwest::RequestBuilder {
        self.http
            .request(method, url)
            .basic_auth(
                &self.credentials.user,
                Some(self.credentials.token.expose()),
            )
            .timeout(ATTEMPT)
    }

    async fn send(
        &self,
        method: Method,
        request: reqwest::RequestBuilder,
        operation: &'static str,
    ) -> Result<Response, JenkinsError> {
        let counted = HttpCall::begin(Peer::Jenkins, &method, self.base.url(), "/{path}");
        let answer = counted.sign(request).send().await;
        counted.ended(&answer);
        answer.map_err(|error| {
            if error.is_connect() {
                JenkinsError::Unreachable {
                    address: self.base.to_string(),
                    source: error.without_url(),
                }
            } else {
                JenkinsError::NoAnswer {
                    address: self.base.to_string(),
                    operation,
                    limit: ATTEMPT,
                }
            }
        })
    }
}

/// A question without an answer has started nothing, whatever became of it.
fn not_begun(error: JenkinsError) -> JenkinsError {
    match error {
        JenkinsError::NoAnswer { operation, .. } => JenkinsError::Busy {
            operation,
            status: 503,
        },
        other => other,
    }
}

/// Waits between attempts: a quarter of a second, doubled up to five seconds, with jitter.
pub(super) fn backoff(times: usize) -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(250))
        .with_max_delay(Duration::from_secs(5))
        .with_max_times(times)
        .with_jitter()
}

fn started(job: &str, response: &Response) -> Result<i64, JenkinsError> {
    const OPERATION: &str = "starting a job";
    let status = response.status();
    if !status.is_success() {
        return Err(refused(job, OPERATION, status, location(response)));
    }
    location(response)
        .and_then(queue_item)
        .ok_or(JenkinsError::Unintelligible {
            operation: OPERATION,
            what: "it names no queue item",
        })
}

fn location(response: &Response) -> Option<&str> {
    response.headers().get(LOCATION)?.to_str().ok()
}

/// The session of an answer: name and value of each cookie, without its attributes.
fn session(response: &Response) -> Option<HeaderValue> {
    let cookies: Vec<&str> = response
        .headers()
        .get_all(SET_COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok()?.split(';').next())
        .collect();
    let mut value = HeaderValue::from_str(&cookies.join("; ")).ok()?;
    value.set_sensitive(true);
    (!cookies.is_empty()).then_some(value)
}

fn is_about_parameters(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_REQUEST | StatusCode::INTERNAL_SERVER_ERROR
    )
}

/// Whether the beginning of a page says something.
async fn says(response: Response, text: &str) -> bool {
    let page = read(response, PAGE_LIMIT).await.unwrap_or_default();
    String::from_utf8_lossy(&page).contains(text)
}

async fn json<T: DeserializeOwned>(
    response: Response,
    operation: &'static str,
) -> Result<T, JenkinsError> {
    let body = read(response, ANSWER_LIMIT)
        .await
        .ok_or(JenkinsError::Unintelligible {
            operation,
            what: "it ends too soon",
        })?;
    serde_json::from_slice(&body).map_err(|_| JenkinsError::Unintelligible {
        operation,
        what: "it is not the JSON that was asked for",
    })
}

/// At most so much of a body; `None` when it breaks off.
async fn read(mut response: Response, limit: usize) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while body.len() < limit {
        let Some(chunk) = response.chunk().await.ok()? else {
            break;
        };
        let room = limit - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
    }
    Some(body)
}

/// What a status that is no success means.
pub(super) fn refused(
    job: &str,
    operation: &'static str,
    status: StatusCode,
    location: Option<&str>,
) -> JenkinsError {
    let job = job.to_owned();
    let code = status.as_u16();
    match code {
        401 => JenkinsError::Unauthorized,
        403 => JenkinsError::Forbidden { operation },
        404 => JenkinsError::NoSuchJob { job },
        409 => JenkinsError::Disabled { job },
        300..=399 => JenkinsError::Redirected {
            operation,
            to: location
                .and_then(|location| Url::parse(location).ok())
                .and_then(|url| url.host_str().map(str::to_owned))
                .unwrap_or_else(|| "another path".to_owned()),
            status: code,
        },
        429 | 500..=599 => JenkinsError::Busy {
            operation,
            status: code,
        },
        _ => JenkinsError::Unexpected {
            operation,
            status: code,
        },
    }
}
