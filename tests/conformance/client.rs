//! The smallest HTTP client that shows everything: status, headers, raw body. Not the product's client, so that a defect
//! there cannot hide a difference here.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::Value;

/// One answer, whatever its status.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Reply {
    /// A header as text, empty when absent.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// `X-Nomad-Index`, 0 when absent.
    pub(super) fn index(&self) -> u64 {
        self.header("X-Nomad-Index").parse().unwrap_or_default()
    }

    /// The body as JSON; `null` when it is none.
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}

/// Talks to one agent. Belongs to one runtime: connections live in it.
#[derive(Debug, Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    base: String,
}

impl Client {
    pub(super) fn new(base: &str) -> Self {
        // Only the first caller in the process succeeds, and one is enough.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            // Compressed answers can lack the type that plain ones have.
            .no_gzip()
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(16)
            .connect_timeout(Duration::from_secs(5))
            .build()
            .expect("a client without options from outside can be built");
        Self {
            http,
            base: base.trim_end_matches('/').to_owned(),
        }
    }

    /// Sends one request and reads the whole answer. `path` starts with `/v1`.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Result<Reply, reqwest::Error> {
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.base))
            .timeout(Duration::from_secs(40));
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = request.send().await?;
        Ok(Reply {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await?,
        })
    }

    /// Opens an answer that does not end, and returns once its head is there.
    pub(super) async fn open(&self, path: &str) -> Result<reqwest::Response, reqwest::Error> {
        self.http.get(format!("{}{path}", self.base)).send().await
    }
}
