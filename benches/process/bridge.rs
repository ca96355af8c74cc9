//! Webhooks to `cs serve`: signed, each in a transaction of its own, one after the other and many at once.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use cs::bridge::signature::sign;
use cs::secret::Secret;
use futures::StreamExt as _;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::measure::Samples;
use crate::report::Report;
use crate::support::postgres::Postgres;

const TOKEN: &str = "a token of this measurement";
const SECRET: &str = "a secret of this measurement";
const WARM_UP: i64 = 200;
const ONE_BY_ONE: i64 = 2_000;
const AT_ONCE: i64 = 5_000;
/// Connections of the second part.
const SENDERS: usize = 32;

pub(crate) fn measure(binary: &Path, runtime: &Runtime, report: &mut Report) {
    on("SQLite", binary, None, runtime, report);
    if Postgres::is_installed() {
        let postgres = Postgres::start();
        let url = postgres.url(&postgres.database());
        on(
            "PostgreSQL (fsync off)",
            binary,
            Some(&url),
            runtime,
            report,
        );
    }
}

/// The server; ended when dropped.
struct Server {
    child: Child,
    url: String,
    _home: tempfile::TempDir,
}

impl Server {
    fn start(binary: &Path, database: Option<&str>) -> Self {
        let home = tempfile::tempdir().expect("a temporary directory");
        let mut command = Command::new(binary);
        command
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--webhook-rate",
                "0",
                "--log-level",
                "error",
            ])
            .env_clear()
            .env("HOME", home.path())
            .env("CS_STATE_DIR", home.path())
            .env("CS_API_TOKEN", TOKEN)
            .env("CS_WEBHOOK_SECRET", SECRET)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        if let Some(database) = database {
            command.env("CS_DATABASE", database);
        }
        let mut child = command.spawn().expect("the binary was built");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped above"))
            .read_line(&mut line)
            .expect("it says where it listens");
        let url = line.trim().trim_start_matches("CS_SERVER_URL=").to_owned();
        assert!(url.starts_with("http"), "the server did not start: {line}");
        Self {
            child,
            url,
            _home: home,
        }
    }

    fn peak_mb(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .expect("the server runs");
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
        kib.expect("a number of KiB") * 1024.0 / 1e6
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn on(name: &str, binary: &Path, database: Option<&str>, runtime: &Runtime, report: &mut Report) {
    let server = Server::start(binary, database);
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    runtime.block_on(async {
        let job = create(&client, &server.url).await;
        let mut samples = Samples::default();
        for build in 1..=WARM_UP + ONE_BY_ONE {
            let took = webhook(&client, &server.url, &job, build).await;
            if build > WARM_UP {
                samples.push_ms(took);
            }
        }
        report.row(
            &format!("webhook to `cs serve` on {name}, one after the other, ms"),
            spread(&samples),
            "",
        );
        let began = Instant::now();
        let first = WARM_UP + ONE_BY_ONE + 1;
        let mut samples = Samples::default();
        let mut all = futures::stream::iter(first..first + AT_ONCE)
            .map(|build| webhook(&client, &server.url, &job, build))
            .buffer_unordered(SENDERS);
        while let Some(took) = all.next().await {
            samples.push_ms(took);
        }
        let rate = AT_ONCE as f64 / began.elapsed().as_secs_f64();
        report.row(
            &format!("the same, {SENDERS} at once, ms"),
            format!("{}; {rate:.0} a second", spread(&samples)),
            "",
        );
    });
    report.row(
        &format!("peak memory of `cs serve` on {name}, MB"),
        format!("{:.1}", server.peak_mb()),
        "≤ 64",
    );
}

fn spread(samples: &Samples) -> String {
    let (middle, most) = (samples.median(), samples.percentile(0.99));
    format!("p50 {middle:.2}, p99 {most:.2}")
}

async fn create(client: &reqwest::Client, url: &str) -> String {
    let body = json!({"name": "measured", "provider": "jenkins", "job": "measured"});
    let made = client
        .post(format!("{url}/api/v1/deployments"))
        .bearer_auth(TOKEN)
        .body(body.to_string())
        .send()
        .await
        .expect("the server answers");
    let made: Value = made.json().await.expect("JSON");
    made["cicdJobId"].as_str().expect("a text").to_owned()
}

async fn webhook(
    client: &reqwest::Client,
    url: &str,
    job: &str,
    build: i64,
) -> std::time::Duration {
    let body = json!({
        "jobId": job, "status": "SUCCESS", "buildNumber": build.to_string(),
        "timestamp": jiff::Timestamp::now().to_string(),
    })
    .to_string();
    let signature = sign(&Secret::new(SECRET), body.as_bytes());
    let request = client
        .post(format!("{url}/en/acme/deployment/webhooks/jenkins"))
        .header("X-CS-Signature", signature)
        .body(body);
    let began = Instant::now();
    let answer = request.send().await.expect("the server answers");
    assert!(answer.status().is_success(), "{}", answer.status());
    answer.bytes().await.expect("a whole answer");
    began.elapsed()
}
