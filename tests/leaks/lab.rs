//! A place where the real binary runs with a canary in every secret, and where all that it leaves is searched.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cs::simulator::{Faults, Options, Simulator};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use super::canary::{Canary, canary, in_url};
use crate::crash::proxy::Proxy;
use crate::support::backend::{Recorded, RecordingBackend};
use crate::support::collector::Collector;
use crate::support::nats::NatsServer;

/// Secrets that come in params.
const PARAMS: [&str; 12] = [
    "nomadToken",
    "nomadAddressPassword",
    "accessToken",
    "gitPass",
    "roleId",
    "secretId",
    "registryPassword",
    "registryToken",
    "registryUsername",
    "sourceUrl",
    "presignedSignature",
    "repositoryPassword",
];
/// Secrets that come in the environment or in a file.
const SURROUNDINGS: [&str; 9] = [
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "NOMAD_TOKEN",
    "NOMAD_HTTP_AUTH",
    "NATS_PASSWORD",
    "ACCESS_TOKEN",
    "REGISTRY_PASSWORD",
    "dockerConfig",
    "BACKEND_URL",
];

/// Longest run of one process.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Lab<'a> {
    _simulator: Simulator,
    pub(super) backend: RecordingBackend,
    pub(super) registry: RecordingBackend,
    pub(super) collector: Collector,
    nats: &'a NatsServer,
    to_nomad: Proxy,
    to_nats: Proxy,
    /// HOME, TMPDIR and state; everything in it was left by the program.
    left: TempDir,
    /// Params and Docker's configuration.
    given: TempDir,
    canaries: Vec<Canary>,
    environment: BTreeMap<String, String>,
}

impl<'a> Lab<'a> {
    pub(super) async fn open(nats: &'a NatsServer, faults: Faults) -> Self {
        let options = Options {
            speed: 20.0,
            faults,
            ..Options::default()
                .with_nodes(1)
                .with_shared_pools(["minions".to_owned()])
        };
        let simulator = Simulator::start(options).await.expect("a free port");
        let address = |text: &str| -> SocketAddr { text.parse().expect("an address") };
        let to_nomad = Proxy::http(simulator.addr).await;
        let to_nats = Proxy::chunks(address(&nats.address())).await;
        let (backend, registry) = (RecordingBackend::start(), RecordingBackend::start());
        let left = tempfile::tempdir().expect("a temporary directory");
        let given = tempfile::tempdir().expect("a temporary directory");
        for name in ["home", "tmp"] {
            let made = std::fs::DirBuilder::new()
                .mode(0o700)
                .create(left.path().join(name));
            made.expect("the directory is ours");
        }
        let mut canaries: Vec<Canary> = PARAMS
            .iter()
            .chain(&SURROUNDINGS)
            .map(|place| Canary::new(place, &canary(place)))
            .collect();
        canaries.push(Canary::new("NATS_CLIENT_PRIVATE_KEY", &nats.seed()));
        let mut lab = Self {
            _simulator: simulator,
            backend,
            registry,
            collector: Collector::start(),
            nats,
            to_nomad,
            to_nats,
            left,
            given,
            canaries,
            environment: BTreeMap::new(),
        };
        lab.furnish();
        lab
    }

    /// The environment with all its secrets.
    fn furnish(&mut self) {
        let host = self.registry_host();
        self.log_in_to(&host);
        let path = |dir: &Path| dir.display().to_string();
        let left = self.left.path();
        let pairs = [
            ("HOME", path(&left.join("home"))),
            ("TMPDIR", path(&left.join("tmp"))),
            ("CS_STATE_DIR", path(&left.join("state"))),
            ("DOCKER_CONFIG", path(self.given.path())),
            ("CS_VAULT", "off".to_owned()),
            ("CS_EGRESS", crate::support::egress::LOCAL.to_owned()),
            ("CS_SERVICE_PROVIDER", "nomad".to_owned()),
            ("CS_DEADLINE", "20s".to_owned()),
            ("NOMAD_ADDR", format!("http://{}", self.to_nomad.address())),
            ("NOMAD_TOKEN", canary("NOMAD_TOKEN")),
            (
                "NOMAD_HTTP_AUTH",
                format!("user:{}", canary("NOMAD_HTTP_AUTH")),
            ),
            (
                "NATS_SERVERS",
                format!(
                    "nats://user:{}@{}",
                    in_url("NATS_PASSWORD"),
                    self.to_nats.address()
                ),
            ),
            ("NATS_CLIENT_PRIVATE_KEY", self.nats.seed()),
            ("NATS_STREAM_PREFIX", "leaks".to_owned()),
            (
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                self.collector.url().replace(
                    "://",
                    &format!("://user:{}@", in_url("OTEL_EXPORTER_OTLP_ENDPOINT")),
                ),
            ),
            (
                "OTEL_EXPORTER_OTLP_HEADERS",
                format!("api-key={}", in_url("OTEL_EXPORTER_OTLP_HEADERS")),
            ),
            ("BACKEND_URL", self.backend.url()),
            ("ACCESS_TOKEN", canary("ACCESS_TOKEN")),
            ("REGISTRY_USERNAME", "user".to_owned()),
            ("REGISTRY_PASSWORD", canary("REGISTRY_PASSWORD")),
        ];
        for (name, value) in pairs {
            self.set(name, &value);
        }
    }

    /// Writes Docker's configuration with credentials for a registry.
    pub(super) fn log_in_to(&self, host: &str) {
        let auth = STANDARD.encode(format!("user:{}", canary("dockerConfig")));
        let docker = json!({"auths": {host: {"auth": auth}}});
        let file = self.given.path().join("config.json");
        std::fs::write(file, docker.to_string()).expect("the directory is ours");
    }

    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    pub(super) fn unset(&mut self, name: &str) {
        self.environment.remove(name);
    }

    /// One more value that must not be seen.
    pub(super) fn seek(&mut self, place: &str, value: &str) {
        self.canaries.push(Canary::new(place, value));
    }

    pub(super) fn registry_host(&self) -> String {
        self.registry.url().trim_start_matches("http://").to_owned()
    }

    /// Params of a deployment with a canary in every secret field.
    pub(super) fn deployment(&self) -> Value {
        json!({
            "jobId": "shop", "deploymentId": "dep-1", "deploymentJobId": 42, "serviceId": "img_shop",
            "projectId": "prj_shop", "ownerId": "team_shop", "imageName": format!("{}/shop", self.registry_host()),
            "imageTag": "1.0", "cpu": 200, "ram": 256,
            "networks": [{"portNumber": 8080, "portType": "http", "public": true}],
            "restartMode": "fail", "restartAttempts": 1,
            "update": {"minHealthyTime": "1s", "healthyDeadline": "5s", "progressDeadline": "6s", "canary": 0},
            "nomadToken": canary("nomadToken"),
            "nomadAddress": format!("http://user:{}@{}", in_url("nomadAddressPassword"), self.to_nomad.address()),
            "accessToken": canary("accessToken"), "backendUrl": self.backend.url(), "gitPass": canary("gitPass"),
            "vaultAddress": "http://127.0.0.1:1", "secretsPath": "p/data/x",
            "roleId": canary("roleId"), "secretId": canary("secretId"),
            "registry": {"pack": "cloudstation", "useEmbedded": true, "registryToken": canary("registryToken")},
            "build": {"registryUsername": canary("registryUsername"), "registryPassword": canary("registryPassword")},
            "sourceUrl": format!(
                "http://127.0.0.1:1/{}?X-Amz-Signature={}", in_url("sourceUrl"), in_url("presignedSignature")
            ),
            "repository": format!("http://user:{}@127.0.0.1:1/acme/shop", in_url("repositoryPassword")),
            "branch": "main",
        })
    }

    pub(super) fn destroy(&self) -> Value {
        json!({"reason": "delete", "jobs": [{"jobId": "shop", "serviceId": "img_shop",
            "nomadToken": canary("nomadToken"),
            "nomadAddress": format!("http://user:{}@{}", in_url("nomadAddressPassword"), self.to_nomad.address())}]})
    }

    /// Writes params where a command can read them.
    pub(super) fn file(&self, text: &str) -> String {
        let path = self.given.path().join("params");
        std::fs::write(&path, text).expect("the directory is ours");
        path.display().to_string()
    }

    /// Runs the binary and searches all that comes of it. Returns what it printed, for more questions.
    pub(super) async fn run(&self, what: &str, arguments: &[&str]) -> Output {
        let child = Command::new(env!("CARGO_BIN_EXE_cs"))
            .args(arguments)
            .args(["--log-level", "trace"])
            .env_clear()
            .envs(&self.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the binary runs");
        let id = child.id().expect("it was not waited for");
        let output = async {
            let ended = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
            ended.expect("the run ends").expect("a child of ours")
        };
        let (output, lines) = tokio::join!(output, command_lines(id));
        let at = format!("{what}: {arguments:?}");
        self.search(&at, "the command line", &lines);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.search(&at, "standard output", &text(&output.stdout));
        self.search(&at, "standard error", &text(&output.stderr));
        assert!(
            !text(&output.stderr).contains("panicked"),
            "{at}: {}",
            text(&output.stderr)
        );
        self.search_messages(&at);
        self.search_files(&at);
        output
    }

    fn search(&self, at: &str, place: &str, text: &str) {
        for canary in &self.canaries {
            if let Some(form) = canary.found_in(text) {
                let line = text.lines().find(|line| line.contains(form));
                panic!(
                    "{at}: {place} shows {} as `{form}`: {}",
                    canary.place,
                    line.unwrap_or_default()
                );
            }
        }
    }

    /// All that went over the wire, except for the one place where each secret belongs.
    fn search_messages(&self, at: &str) {
        let is_theirs = |line: &&str| {
            let line = line.to_ascii_lowercase();
            !line.starts_with("x-nomad-token:") && !line.starts_with("authorization:")
        };
        let said = self.to_nomad.said();
        let to_nomad: Vec<&str> = said.lines().filter(is_theirs).collect();
        self.search(at, "a request to Nomad", &to_nomad.join("\n"));
        self.search(at, "a message to NATS", &self.to_nats.said());
        self.search(at, "a span", &self.collector.raw());
        for request in self.backend.requests() {
            let pairs: Vec<&str> = request
                .query
                .split('&')
                .filter(|pair| !pair.starts_with("accessToken="))
                .collect();
            self.search_request(at, "a call to the backend", &request, &pairs.join("&"));
        }
        for mut request in self.registry.requests() {
            request.headers.remove("authorization");
            self.search_request(at, "a call to the registry", &request, &request.query);
        }
    }

    fn search_request(&self, at: &str, place: &str, request: &Recorded, query: &str) {
        let Recorded {
            method,
            path,
            headers,
            body,
            ..
        } = request;
        let text = format!("{method} {path} {query}\n{headers:?}\n{body}");
        self.search(at, place, &text);
    }

    /// Every file and directory that was left: without secrets, and closed to others.
    fn search_files(&self, at: &str) {
        for path in below(self.left.path()) {
            let place = path.display().to_string();
            let kind = std::fs::metadata(&path).expect("it was just listed");
            let mode = kind.permissions().mode() & 0o777;
            let closed = if kind.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(mode, closed, "{at}: {place} has mode {mode:o}");
            self.search(at, "a file name", &place);
            if kind.is_file() {
                let bytes = std::fs::read(&path).expect("it is ours");
                self.search(at, &place, &String::from_utf8_lossy(&bytes));
            }
        }
    }

    /// All that was said to Nomad, secrets included: a test in which none arrived would show nothing.
    pub(super) fn said_to_nomad(&self) -> String {
        self.to_nomad.said()
    }

    pub(super) fn said_to_nats(&self) -> String {
        self.to_nats.said()
    }
}

/// The command lines of a process while it runs.
async fn command_lines(id: u32) -> String {
    let mut seen = String::new();
    // Empty once it has ended, until it is waited for; absent afterwards.
    while let Ok(bytes @ [_, ..]) = std::fs::read(format!("/proc/{id}/cmdline")).as_deref() {
        let line = String::from_utf8_lossy(bytes).replace('\0', " ");
        if !seen.contains(&line) {
            seen.push_str(&line);
            seen.push('\n');
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    seen
}

/// Everything below a directory.
pub(super) fn below(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).expect("the directory is ours");
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.expect("the directory stays").path();
        if path.is_dir() {
            found.extend(below(&path));
        }
        found.push(path);
    }
    found
}
