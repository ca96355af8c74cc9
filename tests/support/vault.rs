//! A Vault for tests: AppRole login, KV version 1 and 2, revocation of tokens, and every failure on demand.
//!
//! ```ignore
//! let vault = VaultDouble::start();
//! vault.secret("kv/data/prj_1/shop", json!({"API_KEY": "canary"}));
//! // … a run with vault.address(), ROLE_ID and SECRET_ID …
//! assert_eq!(vault.live_tokens(), 0);
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::header::{LOCATION, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use cs::clients::vault::VaultLogin;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// The one role that may log in.
pub(crate) const ROLE_ID: &str = "Cnry+vault-role/8fq=Z";
/// Its password.
pub(crate) const SECRET_ID: &str = "Cnry+vault-secret/8fq=Z";
/// What every token begins with; a number follows.
pub(crate) const TOKEN: &str = "Cnry+vault-token/8fq=Z-";

pub(crate) const LOGIN: &str = "/v1/auth/approle/login";
pub(crate) const REVOKE: &str = "/v1/auth/token/revoke-self";

/// One call, in the order of arrival.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: String,
    /// With `/v1`.
    pub(crate) path: String,
    /// As it was sent; empty when there is none.
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    /// `Null` when there is none.
    pub(crate) body: Value,
    /// `X-Vault-Token`, whether it is valid or not.
    pub(crate) token: Option<String>,
    /// Since the double started, by tokio's clock.
    pub(crate) at: Duration,
}

/// What a scripted call is answered.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Status(u16),
    /// Status and `Retry-After`.
    RetryAfter(u16, &'static str),
    /// Status and body.
    Body(u16, String),
    /// Status and `Location`.
    Redirect(u16, String),
    /// Never an answer.
    Hang,
}

struct Rule {
    path: String,
    left: usize,
    reply: Reply,
}

/// Versions of one path, the first at 0; a KV version 1 path has one.
type Versions = Vec<Stored>;

#[derive(Clone)]
struct Stored {
    data: Option<Value>,
    destroyed: bool,
}

struct World {
    start: tokio::time::Instant,
    calls: Vec<Call>,
    rules: Vec<Rule>,
    secrets: BTreeMap<String, Versions>,
    denied: BTreeSet<String>,
    tokens: BTreeSet<String>,
    issued: usize,
    sealed: bool,
    approle: bool,
}

/// Stops when dropped.
pub(crate) struct VaultDouble {
    address: SocketAddr,
    world: Arc<Mutex<World>>,
    _stop: oneshot::Sender<()>,
}

impl VaultDouble {
    /// A double on a thread of its own: for tests that start programs, with or without a runtime.
    pub(crate) fn start() -> Self {
        let (stop, stopped) = oneshot::channel();
        let (told, started) = mpsc::channel();
        std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime can be built")
                .block_on(async move {
                    let (listener, world) = listen().await;
                    let address = listener.local_addr().expect("it is bound");
                    told.send((address, Arc::clone(&world)))
                        .expect("the starter waits");
                    serve(listener, world, stopped).await;
                });
        });
        let (address, world) = started
            .recv_timeout(Duration::from_secs(10))
            .expect("the double starts");
        Self {
            address,
            world,
            _stop: stop,
        }
    }

    /// A double in the caller's runtime: for tests with a paused clock, which jumps only when both sides wait.
    pub(crate) async fn start_here() -> Self {
        let (stop, stopped) = oneshot::channel();
        let (listener, world) = listen().await;
        let address = listener.local_addr().expect("it is bound");
        tokio::spawn(serve(listener, Arc::clone(&world), stopped));
        Self {
            address,
            world,
            _stop: stop,
        }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// E.g. `http://127.0.0.1:34567`.
    pub(crate) fn address(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> SocketAddr {
        self.address
    }

    /// The login that it accepts.
    pub(crate) fn login(&self) -> VaultLogin {
        login(&self.address())
    }

    /// Writes a secret: a new version where the path has `/data/` after its mount (KV version 2), else in place.
    pub(crate) fn secret(&self, path: &str, data: Value) {
        let mut world = self.world();
        let versions = world.secrets.entry(path.to_owned()).or_default();
        if !path.contains("/data/") {
            versions.clear();
        }
        versions.push(Stored {
            data: Some(data),
            destroyed: false,
        });
    }

    /// Deletes the last version.
    pub(crate) fn delete(&self, path: &str) {
        self.last(path, |stored| stored.data = None);
    }

    /// Destroys the last version.
    pub(crate) fn destroy(&self, path: &str) {
        self.last(path, |stored| {
            stored.data = None;
            stored.destroyed = true;
        });
    }

    fn last(&self, path: &str, change: impl FnOnce(&mut Stored)) {
        let mut world = self.world();
        let versions = world.secrets.get_mut(path).expect("it was written");
        change(versions.last_mut().expect("it has a version"));
    }

    /// The role's policy does not allow this path.
    pub(crate) fn deny(&self, path: &str) {
        self.world().denied.insert(path.to_owned());
    }

    /// Every call is answered 503 from now on.
    pub(crate) fn seal(&self) {
        self.world().sealed = true;
    }

    /// AppRole is not enabled from now on.
    pub(crate) fn disable_approle(&self) {
        self.world().approle = false;
    }

    /// The next `times` calls whose path is `path` (with `/v1`; empty: any) get `reply`. Earlier rules go first.
    pub(crate) fn script(&self, path: &str, times: usize, reply: Reply) {
        self.world().rules.push(Rule {
            path: path.to_owned(),
            left: times,
            reply,
        });
    }

    /// Every call so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.world().calls.clone()
    }

    /// Calls so far to one path, with `/v1`.
    pub(crate) fn calls_to(&self, path: &str) -> Vec<Call> {
        let mut calls = self.calls();
        calls.retain(|call| call.path == path);
        calls
    }

    /// Tokens that were given and not revoked.
    pub(crate) fn live_tokens(&self) -> usize {
        self.world().tokens.len()
    }
}

/// A login with the double's role.
pub(crate) fn login(address: &str) -> VaultLogin {
    VaultLogin::new(address, ROLE_ID.into(), SECRET_ID.into()).expect("the address is fine")
}

async fn listen() -> (TcpListener, Arc<Mutex<World>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("the loopback has free ports");
    let world = World {
        start: tokio::time::Instant::now(),
        calls: Vec::new(),
        rules: Vec::new(),
        secrets: BTreeMap::new(),
        denied: BTreeSet::new(),
        tokens: BTreeSet::new(),
        issued: 0,
        sealed: false,
        approle: true,
    };
    (listener, Arc::new(Mutex::new(world)))
}

async fn serve(listener: TcpListener, world: Arc<Mutex<World>>, stopped: oneshot::Receiver<()>) {
    let router = Router::new().fallback(answer).with_state(world);
    tokio::select! {
        // Both may be dropped at any time: the test is over.
        _ = stopped => {}
        served = std::future::IntoFuture::into_future(axum::serve(listener, router)) => {
            served.expect("the double serves");
        }
    }
}

async fn answer(State(world): State<Arc<Mutex<World>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap_or_default();
    let reply = {
        let mut world = world.lock().unwrap();
        let token = parts.headers.get("x-vault-token");
        let call = Call {
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            body: serde_json::from_slice(&body).unwrap_or_default(),
            token: token.map(|token| token.to_str().unwrap_or_default().to_owned()),
            headers: parts.headers,
            at: world.start.elapsed(),
        };
        world.calls.push(call.clone());
        world
            .scripted(&call.path)
            .unwrap_or_else(|| world.usual(&call))
    };
    let status = |code| StatusCode::from_u16(code).expect("tests use real status codes");
    match reply {
        Reply::Status(code) => status(code).into_response(),
        Reply::RetryAfter(code, wait) => (status(code), [(RETRY_AFTER, wait)]).into_response(),
        Reply::Body(code, body) => (status(code), body).into_response(),
        Reply::Redirect(code, to) => (status(code), [(LOCATION, to)]).into_response(),
        Reply::Hang => pending().await,
    }
}

/// The texts and statuses are those of OpenBao 2.5.
impl World {
    fn scripted(&mut self, path: &str) -> Option<Reply> {
        let rule = self
            .rules
            .iter_mut()
            .find(|rule| rule.left > 0 && (rule.path.is_empty() || rule.path == path))?;
        rule.left -= 1;
        Some(rule.reply.clone())
    }

    fn usual(&mut self, call: &Call) -> Reply {
        let path = call.path.strip_prefix("/v1/").unwrap_or_default();
        if self.sealed {
            return refused(503, "Vault is sealed");
        }
        match (call.method.as_str(), path) {
            ("POST", "auth/approle/login") if self.approle => self.log_in(&call.body),
            _ if !self.knows(call) => refused(403, "permission denied"),
            ("POST", "auth/token/revoke-self") => {
                self.tokens
                    .remove(call.token.as_deref().unwrap_or_default());
                Reply::Status(204)
            }
            ("GET", _) if self.denied.contains(path) => {
                refused(403, "1 error occurred:\n\t* permission denied\n\n")
            }
            ("GET", _) => self.read(path, &call.query),
            _ => refused(405, "1 error occurred:\n\t* unsupported operation\n\n"),
        }
    }

    fn knows(&self, call: &Call) -> bool {
        let token = call.token.as_ref();
        token.is_some_and(|token| self.tokens.contains(token))
    }

    fn log_in(&mut self, body: &Value) -> Reply {
        if body["role_id"] != ROLE_ID || body["secret_id"] != SECRET_ID {
            return refused(400, "invalid role or secret ID");
        }
        self.issued += 1;
        let token = format!("{TOKEN}{}", self.issued);
        self.tokens.insert(token.clone());
        let auth = json!({"client_token": token, "token_type": "service", "renewable": true, "lease_duration": 1200});
        reply(
            200,
            &json!({"request_id": "1", "data": null, "warnings": null, "auth": auth}),
        )
    }

    fn read(&self, path: &str, query: &str) -> Reply {
        let Some(versions) = self.secrets.get(path) else {
            return self.nothing(path);
        };
        if !path.contains("/data/") {
            let data = &versions[0].data;
            return reply(200, &json!({"request_id": "1", "data": data, "auth": null}));
        }
        let last = versions.len();
        let asked = query
            .strip_prefix("version=")
            .map(|text| text.parse().unwrap_or(0));
        let number: usize = asked.filter(|number| *number > 0).unwrap_or(last);
        let Some(stored) = versions.get(number - 1) else {
            return self.nothing(path);
        };
        let metadata = json!({
            "created_time": format!("2026-03-01T00:00:{number:02}.123456789Z"), "custom_metadata": null,
            "deletion_time": if stored.data.is_none() && !stored.destroyed { "2026-03-02T00:00:00Z" } else { "" },
            "destroyed": stored.destroyed, "version": number,
        });
        let status = if stored.data.is_some() { 200 } else { 404 };
        let data = json!({"data": stored.data, "metadata": metadata});
        reply(
            status,
            &json!({"request_id": "1", "data": data, "auth": null}),
        )
    }

    fn nothing(&self, path: &str) -> Reply {
        let mount = path.split('/').next().unwrap_or_default();
        let versioned = self
            .secrets
            .keys()
            .any(|key| key.starts_with(&format!("{mount}/data/")));
        if versioned && !path.contains("/data/") {
            let warning = "Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API \
                endpoints to use. If using the OpenBao CLI, use 'bao kv get' for this operation.";
            return reply(
                404,
                &json!({"request_id": "1", "data": null, "warnings": [warning]}),
            );
        }
        reply(404, &json!({"errors": []}))
    }
}

fn refused(status: u16, text: &str) -> Reply {
    reply(status, &json!({"errors": [text]}))
}

fn reply(status: u16, body: &Value) -> Reply {
    Reply::Body(status, body.to_string())
}
