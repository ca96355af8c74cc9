//! A double of Jenkins' remote API that checks user, token, crumb and session, records what it is asked, and fails when it
//! is told to.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Whom it knows.
pub(crate) const USER: &str = "deployer";
/// Their API token.
pub(crate) const TOKEN: &str = "Cnry+jenkins/8fq=Z";
const CRUMB: &str = "Cnry+crumb/8fq=Z";
const SESSION: &str = "JSESSIONID.1=Cnry+session/8fq=Z";

/// What happens to a call that starts a job.
#[derive(Debug, Clone)]
pub(crate) enum Start {
    /// It goes into the queue.
    Queue,
    /// Status and body.
    Refuse(u16, &'static str),
    /// Status and `Location`.
    Redirect(u16, String),
    /// It goes into the queue, and the answer never comes.
    QueueAndHang,
    /// Nothing happens, and no answer ever comes.
    Hang,
}

/// An item of the queue, and the build that it became.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) id: i64,
    pub(crate) job: String,
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) build: Option<i64>,
    pub(crate) cancelled: bool,
}

/// Everything about it.
pub(crate) struct World {
    pub(crate) items: Vec<Item>,
    /// What the next calls that start a job come to; then [`Start::Queue`].
    pub(crate) starts: Vec<Start>,
    /// Builds begin as soon as somebody looks.
    pub(crate) builds: bool,
    /// The job keeps parameter `CS_RUN_ID`.
    pub(crate) keeps_run_id: bool,
    /// Protection against forged requests is on.
    pub(crate) crumbs: bool,
    /// Items that left the queue are forgotten.
    pub(crate) forgets: bool,
    pub(crate) next_build: i64,
    /// `METHOD path` of every call, and whether it came with the right credentials.
    pub(crate) calls: Vec<(String, bool)>,
    /// Everything that was sent, to look for secrets.
    pub(crate) raw: String,
}

/// Stops when dropped.
pub(crate) struct JenkinsDouble {
    address: SocketAddr,
    world: Arc<Mutex<World>>,
    _stop: oneshot::Sender<()>,
}

impl JenkinsDouble {
    /// On a thread of its own.
    pub(crate) fn start() -> Self {
        let world = Arc::new(Mutex::new(World {
            items: Vec::new(),
            starts: Vec::new(),
            builds: true,
            keeps_run_id: true,
            crumbs: true,
            forgets: false,
            next_build: 1,
            calls: Vec::new(),
            raw: String::new(),
        }));
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, address) = mpsc::channel();
        let shared = Arc::clone(&world);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
                    .await
                    .expect("the loopback has free ports");
                ready.send(listener.local_addr().expect("bound")).expect("the test waits");
                let router = Router::new().fallback(answer).with_state(shared);
                tokio::select! {
                    // Both may be dropped at any time: the test is over.
                    _ = stopped => {}
                    served = std::future::IntoFuture::into_future(axum::serve(listener, router)) => {
                        served.expect("the double serves");
                    }
                }
            });
        });
        Self {
            address: address.recv().expect("the thread runs"),
            world,
            _stop: stop,
        }
    }

    /// With a path, as behind a proxy.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/ci", self.address)
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the next call that starts a job comes to.
    pub(crate) fn next_start(&self, start: Start) {
        self.world().starts.push(start);
    }

    /// How often a job was asked to start.
    pub(crate) fn asked_to_start(&self) -> usize {
        let world = self.world();
        let calls = world.calls.iter();
        calls
            .filter(|(call, _)| call.starts_with("POST ") && call.contains("/build"))
            .count()
    }
}

async fn answer(State(world): State<Arc<Mutex<World>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap_or_default();
    let path = parts
        .uri
        .path()
        .strip_prefix("/ci")
        .unwrap_or("")
        .to_owned();
    let known = is_known(&parts.headers);
    {
        let mut world = world.lock().unwrap();
        world
            .calls
            .push((format!("{} {path}", parts.method), known));
        let sent = format!(
            "{:?} {:?} {}\n",
            parts.uri,
            parts.headers,
            String::from_utf8_lossy(&body)
        );
        world.raw.push_str(&sent);
    }
    if !known {
        return (StatusCode::UNAUTHORIZED, format!("<html>no {TOKEN}</html>")).into_response();
    }
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    match segments.as_slice() {
        ["crumbIssuer", "api", "json"] => crumb(&world),
        ["queue", "item", id, "api", "json"] => item(&world, id),
        ["queue", "api", "json"] => queue(&world),
        ["job", .., "buildWithParameters" | "build"] => {
            start(&world, &path, &parts.headers, &body).await
        }
        ["job", job @ .., "api", "json"] => builds(&world, &job.join("/")),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

fn is_known(headers: &HeaderMap) -> bool {
    let expected = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{TOKEN}"));
    headers
        .get("authorization")
        .is_some_and(|value| value.as_bytes() == format!("Basic {expected}").as_bytes())
}

fn crumb(world: &Mutex<World>) -> Response {
    if !world.lock().unwrap().crumbs {
        return StatusCode::NOT_FOUND.into_response();
    }
    let body = json!({"crumb": CRUMB, "crumbRequestField": "Jenkins-Crumb"}).to_string();
    ([(SET_COOKIE, format!("{SESSION}; Path=/; HttpOnly"))], body).into_response()
}

async fn start(world: &Mutex<World>, path: &str, headers: &HeaderMap, body: &[u8]) -> Response {
    let is = |name: &str, expected: &str| headers.get(name).is_some_and(|value| value == expected);
    let (start, crumbs) = {
        let mut world = world.lock().unwrap();
        let start = (!world.starts.is_empty()).then(|| world.starts.remove(0));
        (start.unwrap_or(Start::Queue), world.crumbs)
    };
    if crumbs && !(is("jenkins-crumb", CRUMB) && is("cookie", SESSION)) {
        return (
            StatusCode::FORBIDDEN,
            "No valid crumb was included in the request",
        )
            .into_response();
    }
    match start {
        Start::Refuse(status, page) => {
            let status = StatusCode::from_u16(status).expect("a status");
            return (status, format!("<html>{page} {TOKEN}</html>")).into_response();
        }
        Start::Redirect(status, to) => {
            let status = StatusCode::from_u16(status).expect("a status");
            return (status, [(LOCATION, to)]).into_response();
        }
        Start::Hang => return std::future::pending().await,
        Start::Queue | Start::QueueAndHang => {}
    }
    let id = {
        let mut world = world.lock().unwrap();
        let id = 100 + world.items.len() as i64;
        let job = path.trim_matches('/').trim_start_matches("job/");
        let job = job.rsplit_once('/').expect("it ends with what to do").0;
        world.items.push(Item {
            id,
            job: job.to_owned(),
            parameters: url::form_urlencoded::parse(body).into_owned().collect(),
            build: None,
            cancelled: false,
        });
        id
    };
    if matches!(start, Start::QueueAndHang) {
        return std::future::pending().await;
    }
    // As a Jenkins that does not know its own name: nobody is at that address.
    let place = format!("http://jenkins.invalid/ci/queue/item/{id}/");
    (StatusCode::CREATED, [(LOCATION, place)]).into_response()
}

fn item(world: &Mutex<World>, id: &str) -> Response {
    let mut world = world.lock().unwrap();
    if world.forgets {
        build_all(&mut world);
        return StatusCode::NOT_FOUND.into_response();
    }
    if world.builds {
        build_all(&mut world);
    }
    let Some(item) = world.items.iter().find(|item| item.id.to_string() == id) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let answer = match (item.build, item.cancelled) {
        (Some(number), _) => {
            json!({"id": item.id, "executable": {"number": number, "url": "http://x/"}})
        }
        (None, true) => json!({"id": item.id, "cancelled": true}),
        (None, false) => json!({"id": item.id, "why": "Waiting for next available executor"}),
    };
    answer.to_string().into_response()
}

fn build_all(world: &mut World) {
    for at in 0..world.items.len() {
        if world.items[at].build.is_none() && !world.items[at].cancelled {
            world.items[at].build = Some(world.next_build);
            world.next_build += 1;
        }
    }
}

fn actions(item: &Item, keeps: bool) -> Value {
    let shown = item
        .parameters
        .iter()
        .filter(|(name, _)| keeps || *name != "CS_RUN_ID");
    let parameters: Vec<Value> = shown
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    json!([{}, {"parameters": parameters}])
}

fn queue(world: &Mutex<World>) -> Response {
    let world = world.lock().unwrap();
    let waiting = world
        .items
        .iter()
        .filter(|item| item.build.is_none() && !item.cancelled);
    let items: Vec<Value> = waiting
        .map(|item| json!({"id": item.id, "actions": actions(item, world.keeps_run_id)}))
        .collect();
    json!({"items": items}).to_string().into_response()
}

fn builds(world: &Mutex<World>, job: &str) -> Response {
    let world = world.lock().unwrap();
    let of_job = world.items.iter().filter(|item| item.job == job);
    let builds: Vec<Value> = of_job
        .filter_map(|item| {
            let number = item.build?;
            Some(json!({"number": number, "queueId": item.id, "actions": actions(item, world.keeps_run_id)}))
        })
        .collect();
    let definitions = if world.keeps_run_id {
        json!([{"name": "CS_RUN_ID"}])
    } else {
        json!([])
    };
    json!({"builds": builds, "property": [{}, {"parameterDefinitions": definitions}]})
        .to_string()
        .into_response()
}
