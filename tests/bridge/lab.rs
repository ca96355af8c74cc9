//! The server with everything around it.

use std::net::SocketAddr;

use cs::bridge::signature::sign;
use cs::secret::Secret;
use serde_json::{Value, json};
use sqlx::{Connection as _, Row as _};

use crate::cli::lab::Lab;
use crate::support::env::{Running, eventually};
use crate::support::http::{Answered, Asked, Sse, send};
use crate::support::jenkins::{JenkinsDouble, TOKEN, USER};
use crate::support::postgres::Postgres;

/// The token of the API.
pub(crate) const API_TOKEN: &str = "Cnry+api-token/8fq=Z";

/// What webhooks are signed with.
pub(crate) const WEBHOOK_SECRET: &str = "Cnry+webhook/8fq=Z";

/// Where webhooks go.
pub(crate) const WEBHOOK: &str = "/en/acme/deployment/webhooks/jenkins";

pub(crate) enum Database {
    Sqlite,
    Shared(String),
    Own(Postgres, String),
}

/// A server and its surroundings.
pub(crate) struct Bridge {
    pub(crate) lab: Lab,
    pub(crate) jenkins: JenkinsDouble,
    pub(crate) database: Database,
    /// Arguments of the next start.
    pub(crate) arguments: Vec<String>,
    server: Option<Running>,
    address: SocketAddr,
}

impl Bridge {
    pub(crate) fn on_sqlite() -> Self {
        let mut bridge = Self::stopped(Database::Sqlite);
        bridge.start();
        bridge
    }

    pub(crate) fn on_postgres() -> Self {
        let name = Postgres::shared().database();
        let mut bridge = Self::stopped(Database::Shared(name));
        bridge.start();
        bridge
    }

    /// With a PostgreSQL that may go away.
    pub(crate) fn on_own_postgres() -> Self {
        let postgres = Postgres::start();
        let name = postgres.database();
        let mut bridge = Self::stopped(Database::Own(postgres, name));
        bridge.start();
        bridge
    }

    /// Nothing has been started.
    pub(crate) fn stopped(database: Database) -> Self {
        let mut lab = Lab::new();
        let jenkins = JenkinsDouble::start();
        lab.env
            .set("CS_API_TOKEN", API_TOKEN)
            .set("CS_WEBHOOK_SECRET", WEBHOOK_SECRET)
            .set("CS_JENKINS_URL", jenkins.url())
            .set("CS_JENKINS_USER", USER)
            .set("CS_JENKINS_TOKEN", TOKEN)
            .set("CS_LOG_LEVEL", "debug");
        match &database {
            Database::Sqlite => {}
            Database::Shared(name) => {
                lab.env.set("CS_DATABASE", Postgres::shared().url(name));
            }
            Database::Own(postgres, name) => {
                lab.env.set("CS_DATABASE", postgres.url(name));
            }
        }
        Self {
            lab,
            jenkins,
            database,
            // Limits are a matter of their own tests.
            arguments: vec!["--webhook-rate".to_owned(), "0".to_owned()],
            server: None,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
        }
    }

    /// Starts the server, again on the same database, and waits until it listens.
    #[track_caller]
    pub(crate) fn start(&mut self) {
        let invocation = self.lab.env.cs(["serve", "--listen", "127.0.0.1:0"]);
        let limit = std::time::Duration::from_secs(300);
        let mut server = invocation.args(&self.arguments).limit(limit).start();
        server.until("it listens", |server| server.stdout().contains('\n'));
        let line = server.stdout();
        let address = line
            .trim()
            .rsplit('/')
            .next()
            .expect("it ends with an address");
        self.address = address.parse().expect("an address");
        self.server = Some(server);
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn server(&mut self) -> &mut Running {
        self.server.as_mut().expect("it was started")
    }

    /// Kills it as nobody may expect.
    pub(crate) fn kill(&mut self) {
        // Dropping kills.
        self.server = None;
    }

    /// Stops it as it should be stopped. What it said.
    #[track_caller]
    pub(crate) fn stop(&mut self) -> crate::support::env::Ended {
        let server = self.server.take().expect("it was started");
        server.signal("TERM");
        let ended = server.wait();
        ended.assert_code(0);
        ended
    }

    /// What it has logged since its last start.
    pub(crate) fn log(&self) -> String {
        self.server.as_ref().expect("it was started").stderr()
    }

    #[track_caller]
    pub(crate) fn send(&self, asked: &Asked) -> Answered {
        let answered = self.lab.runtime.block_on(send(self.address, asked));
        answered.unwrap_or_else(|| panic!("no answer to {asked:?}\n{}", self.log()))
    }

    /// A call of the API.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answered {
        self.send(&Asked::get(path).bearer(API_TOKEN))
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> Answered {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.send(&Asked::post(path, body).bearer(API_TOKEN))
    }

    /// Makes a deployment. Its id and that of its job.
    #[track_caller]
    pub(crate) fn create(&self) -> (String, String) {
        self.create_with(json!({}))
    }

    #[track_caller]
    pub(crate) fn create_with(&self, more: Value) -> (String, String) {
        let mut body = json!({"name": "Shop", "provider": "jenkins", "job": "team/shop", "parameters": {"VERSION": "1.2"}});
        for (name, value) in more.as_object().expect("an object") {
            body[name] = value.clone();
        }
        let made = self.post("/api/v1/deployments", &body);
        made.assert_status(201);
        let made = made.json();
        let text = |name: &str| made[name].as_str().expect("a text").to_owned();
        (text("deploymentId"), text("cicdJobId"))
    }

    #[track_caller]
    pub(crate) fn run(&self, id: &str) -> Answered {
        self.post(&format!("/api/v1/deployments/{id}/run"), &Value::Null)
    }

    #[track_caller]
    pub(crate) fn show(&self, id: &str) -> Value {
        let shown = self.get(&format!("/api/v1/deployments/{id}"));
        shown.assert_status(200);
        shown.json()
    }

    #[track_caller]
    pub(crate) fn status(&self, id: &str) -> String {
        self.show(id)["status"].as_str().expect("a text").to_owned()
    }

    /// What happened to a deployment, oldest first: kind, status after, whether it counted.
    #[track_caller]
    pub(crate) fn history(&self, id: &str) -> Vec<(String, String, bool)> {
        let history = self
            .get(&format!("/api/v1/deployments/{id}/history?limit=200"))
            .json();
        let transitions = history["transitions"].as_array().expect("a list").clone();
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        transitions
            .iter()
            .rev()
            .map(|one| (text(&one["kind"]), text(&one["to"]), one["applied"] == true))
            .collect()
    }

    /// Sends a signed webhook of this moment.
    #[track_caller]
    pub(crate) fn webhook(&self, job: &str, status: &str, build: u64) -> Answered {
        self.send(&signed(&message(job, status, build, 0)))
    }

    /// Events from the beginning.
    pub(crate) fn events(&self) -> Sse {
        let asked = Asked::get("/events")
            .bearer(API_TOKEN)
            .header("Last-Event-ID", "0");
        Sse::open(self.address, &asked)
    }

    /// Waits until a deployment has this status.
    #[track_caller]
    pub(crate) fn until_status(&self, id: &str, status: &str) {
        eventually(&format!("{id} is {status}"), || self.status(id) == status);
    }

    /// Rows of a table.
    pub(crate) fn count(&self, table: &str) -> i64 {
        let text = format!("SELECT COUNT(*) AS many FROM {table}");
        self.lab.runtime.block_on(async {
            match &self.database {
                Database::Sqlite => {
                    let path = self.sqlite_file();
                    let mut connection =
                        sqlx::SqliteConnection::connect(&format!("sqlite:{}", path.display()))
                            .await
                            .expect("the file is there");
                    let row = sqlx::query(&text).fetch_one(&mut connection).await;
                    row.expect("the table is there").get("many")
                }
                Database::Shared(name) => {
                    let mut connection = Postgres::shared().connection(name).await;
                    let row = sqlx::query(&text).fetch_one(&mut connection).await;
                    row.expect("the table is there").get("many")
                }
                Database::Own(postgres, name) => {
                    let mut connection = postgres.connection(name).await;
                    let row = sqlx::query(&text).fetch_one(&mut connection).await;
                    row.expect("the table is there").get("many")
                }
            }
        })
    }

    pub(crate) fn sqlite_file(&self) -> std::path::PathBuf {
        self.lab.env.state().join("bridge.db")
    }
}

/// The body of a webhook, `age` seconds old.
pub(crate) fn message(job: &str, status: &str, build: u64, age: i64) -> String {
    let at = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(age);
    json!({"jobId": job, "status": status, "buildNumber": build.to_string(), "timestamp": at.to_string()})
        .to_string()
}

/// A webhook with its signature.
pub(crate) fn signed(body: &str) -> Asked {
    let signature = sign(&Secret::new(WEBHOOK_SECRET), body.as_bytes());
    Asked::post(WEBHOOK, body).header("X-CS-Signature", signature)
}
