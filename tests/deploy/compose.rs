//! The compose file: read as it is, and carried out as processes, because nothing can be pulled.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use async_nats::ConnectOptions;
use async_nats::jetstream::{self, stream::Config};
use serde_json::{Value, json};

use super::{assert_accepted, assert_documented, read, repository};
use crate::cli::lab::image_with;
use crate::support::env::{Invocation, Running, TestEnv, eventually};
use crate::support::http::{Asked, send};
use crate::support::ports::free_port;
use crate::support::postgres::Postgres;

const FILE: &str = "deploy/compose.yml";

/// The file with its variables' defaults, as compose reads it where none of them is set.
fn document() -> Value {
    let mut text = read(FILE);
    while let Some(start) = text.find("${") {
        let end = start + text[start..].find('}').expect("a variable ends");
        let (_, default) = text[start..end]
            .split_once(":-")
            .expect("every variable has a default");
        let default = default.to_owned();
        text.replace_range(start..=end, &default);
    }
    serde_saphyr::from_str(&text).expect("YAML")
}

fn services() -> BTreeMap<String, Value> {
    let document = document();
    let services = document["services"].as_object().expect("services").clone();
    services.into_iter().collect()
}

fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.map(|text| text.as_str().expect("a text").to_owned())
        .collect()
}

fn environment(service: &Value) -> BTreeMap<String, String> {
    let variables = service["environment"].as_object().into_iter().flatten();
    variables
        .map(|(name, value)| (name.clone(), value.as_str().expect("a text").to_owned()))
        .collect()
}

#[test]
fn what_it_starts_of_cs_is_what_the_binary_takes_with_variables_that_it_knows() {
    let services = services();
    let ours: Vec<&Value> = services
        .values()
        .filter(|service| service["image"] == "cs")
        .collect();
    assert_eq!(ours.len(), 4, "{services:?}");
    for service in ours {
        assert_accepted(&texts(&service["command"]));
        for name in environment(service).keys() {
            assert_documented(name);
        }
        assert_eq!(service["read_only"], true);
        assert_eq!(service["cap_drop"], json!(["ALL"]));
    }
    let probe = texts(&services["cluster"]["healthcheck"]["test"]);
    assert_eq!(&probe[..2], ["CMD", "cs"]);
    assert_accepted(&probe[2..]);
}

#[test]
fn everybody_waits_for_what_can_be_waited_for_and_nothing_listens_outside() {
    let services = services();
    for (name, service) in &services {
        for (needed, how) in service["depends_on"].as_object().into_iter().flatten() {
            let needed = services
                .get(needed)
                .unwrap_or_else(|| panic!("{name} needs {needed}"));
            match how["condition"].as_str() {
                Some("service_healthy") => assert!(needed["healthcheck"].is_object(), "{name}"),
                Some("service_completed_successfully") => {
                    assert!(needed["restart"].is_null(), "{name}")
                }
                other => panic!("{name}: {other:?}"),
            }
        }
        for port in texts(&service["ports"]) {
            assert!(port.starts_with("127.0.0.1:"), "{name}: {port}");
        }
        assert!(
            !service["privileged"].as_bool().unwrap_or_default(),
            "{name}"
        );
        let image = service["image"].as_str().expect("a text");
        assert!(
            !image.split('/').next().expect("a first part").contains('.'),
            "{name}: {image} names a registry"
        );
    }
}

/// Where there is one. It resolves anchors and variables by its own rules.
#[test]
fn compose_itself_reads_it() {
    let known = Command::new("docker").args(["compose", "version"]).output();
    if !known.is_ok_and(|output| output.status.success()) {
        #[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
        {
            eprintln!("NO DOCKER COMPOSE: the compose file is not read by it");
        }
        return;
    }
    let read = Command::new("docker")
        .args(["compose", "--file"])
        .arg(repository(FILE))
        .args(["config", "--quiet"])
        .output()
        .expect("it ran just before");
    assert!(read.status.success(), "{read:?}");
}

/// Killed when dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The services as processes on the loopback: each name of a service is an address of its own port.
struct Trial {
    services: BTreeMap<String, Value>,
    env: TestEnv,
    /// What stands in the file, and what takes its place.
    places: Vec<(String, String)>,
    nats: String,
}

impl Trial {
    fn new() -> Self {
        let port = |_| format!("127.0.0.1:{}", free_port());
        let [cluster, nats, serve, agent] = [(); 4].map(port);
        let env = TestEnv::new();
        let database = Postgres::shared().url(&Postgres::shared().database());
        let pairs = [
            (
                "postgres://cs:trial@postgres:5432/cs?sslmode=disable",
                database,
            ),
            ("cluster:4646", cluster.clone()),
            ("0.0.0.0:4646", cluster),
            ("nats:4222", nats.clone()),
            ("0.0.0.0:8080", serve),
            ("0.0.0.0:9464", agent),
            ("/tmp/cs", env.state().display().to_string()),
        ];
        let pairs = pairs.map(|(from, to)| (from.to_owned(), to));
        let (services, places) = (services(), pairs.into());
        Self {
            services,
            env,
            places,
            nats,
        }
    }

    fn placed(&self, text: &str) -> String {
        let places = self.places.iter();
        places.fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    }

    fn address(&self, inside: &str) -> SocketAddr {
        self.placed(inside).parse().expect("an address")
    }

    /// A service of ours, with its own command and variables.
    fn service(&self, name: &str) -> Invocation {
        self.run_in(name, &texts(&self.services[name]["command"]))
    }

    /// Another command where a service is: `docker compose run`.
    fn run_in(&self, name: &str, command: &[String]) -> Invocation {
        let command = command.iter().map(|text| self.placed(text));
        let invocation = self
            .env
            .cs(command)
            .limit(std::time::Duration::from_secs(180));
        environment(&self.services[name])
            .into_iter()
            .fold(invocation, |invocation, (name, value)| {
                invocation.var(&name, self.placed(&value))
            })
    }

    #[track_caller]
    fn start(&self, name: &str, first_line: &str) -> Running {
        let mut running = self.service(name).start();
        running.until("it listens", |running| {
            running.stdout().contains(first_line)
        });
        running
    }

    /// NATS with the configuration of its service.
    fn start_nats(&self) -> Process {
        assert_eq!(
            texts(&self.services["nats"]["command"]),
            ["--config", "/trial.conf"]
        );
        let store = self.env.root().join("nats").display().to_string();
        let config = document()["configs"]["nats"]["content"].take();
        let config = config.as_str().expect("a text").replace("/data", &store);
        let config = config.replace("8222", &free_port().to_string());
        let config = self.env.file("trial.conf", config);
        let (_, port) = self.nats.split_once(':').expect("an address");
        let child = Command::new("nats-server")
            .arg("--config")
            .arg(config)
            .args(["--addr", "127.0.0.1", "--port", port])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let process = Process(child.expect("nats-server is on PATH"));
        eventually("NATS listens", || TcpStream::connect(&self.nats).is_ok());
        process
    }

    /// The stream of events, with name and subjects of its service.
    async fn make_stream(&self) -> jetstream::Context {
        let command = texts(&self.services["events"]["command"]);
        let after = |word: &str| {
            let at = command
                .iter()
                .position(|text| text == word)
                .expect("it is there");
            command[at + 1].clone()
        };
        let options = ConnectOptions::with_user_and_password(after("--user"), after("--password"));
        let client = options.connect(&self.nats).await.expect("NATS answers");
        let context = jetstream::new(client);
        let config = Config {
            name: after("add"),
            subjects: vec![after("--subjects")],
            ..Config::default()
        };
        context.create_stream(config).await.expect("a fresh stream");
        context
    }
}

#[test]
fn a_task_goes_from_submit_to_its_event_and_the_bridge_answers() {
    let trial = Trial::new();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    let _nats = trial.start_nats();
    let _cluster = trial.start("cluster", "NOMAD_ADDR=");
    let probe = texts(&trial.services["cluster"]["healthcheck"]["test"]);
    let inside = format!("http://{}", trial.placed("cluster:4646"));
    let probe: Vec<String> = probe[2..]
        .iter()
        .map(|text| text.replace("http://127.0.0.1:4646", &inside))
        .collect();
    trial.run_in("cluster", &probe).run().assert_code(0);
    let context = runtime.block_on(trial.make_stream());
    trial.service("setup").run().assert_code(0);

    let agent = trial.start("agent", "CS_RUNNER_HEALTH=");
    let submit = [
        "runner",
        "submit",
        "--task",
        "deploy-image",
        "--params",
        "-",
    ]
    .map(str::to_owned);
    let params = image_with(json!({"nomadAddress": null}));
    trial
        .run_in("agent", &submit)
        .stdin(params.to_string())
        .run()
        .assert_code(0);
    let stream = runtime
        .block_on(context.get_stream("trial_cloudstation"))
        .expect("made above");
    let last = |subject: &str| {
        runtime
            .block_on(stream.get_last_raw_message_by_subject(subject))
            .ok()
    };
    crate::support::env::eventually_within(
        std::time::Duration::from_secs(90),
        "the task has ended",
        || last("trial.build.log.end.dep-1").is_some(),
    );
    assert!(
        last("trial.deployment.succeeded").is_some(),
        "{}",
        agent.stderr()
    );

    let serve = trial.start("serve", "CS_SERVER_URL=");
    let token = &environment(&trial.services["serve"])["CS_API_TOKEN"];
    let body = json!({"name": "Shop", "provider": "jenkins", "job": "team/shop", "parameters": {}});
    let asked = Asked::post("/api/v1/deployments", body.to_string()).bearer(token);
    let at = trial.address("0.0.0.0:8080");
    let made = runtime
        .block_on(send(at, &asked))
        .unwrap_or_else(|| panic!("{}", serve.stderr()));
    made.assert_status(201);
    let ready = runtime
        .block_on(send(at, &Asked::get("/readyz")))
        .expect("it answers");
    ready.assert_status(200);
    for running in [agent, serve] {
        running.signal("TERM");
        running.wait().assert_code(0);
    }
}
