//! docs/operations.md names every metric that a real server and a real agent show, and rules name no other.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::codes::{rows, words};
use super::markdown::{Page, all};
use super::repository;
use super::variables::{product, sources};
use crate::support::env::{Running, TestEnv};
use crate::support::http::{Asked, send};
use crate::support::nats::NatsServer;

/// Name and type of every metric of a scrape.
type Metrics = BTreeSet<(String, String)>;

/// The address that a program prints at its start, as `NAME=http://…`.
#[track_caller]
fn address(running: &mut Running, name: &str) -> SocketAddr {
    let begins = format!("{name}=http://");
    running.until("it listens", |running| running.stdout().contains(&begins));
    let text = running.stdout();
    let line = text.lines().find_map(|line| line.strip_prefix(&begins));
    line.expect("waited for above").parse().expect("an address")
}

async fn scrape(address: SocketAddr) -> Metrics {
    let asked = Asked::get("/metrics").bearer("token");
    let answered = send(address, &asked).await.expect("an answer");
    answered.assert_status(200);
    let types = answered
        .body
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "));
    types
        .map(|line| line.split_once(' ').expect("name and type"))
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .collect()
}

async fn real() -> Metrics {
    let nats = NatsServer::start().await;
    let mut env = TestEnv::new();
    env.set("NATS_SERVERS", nats.address())
        .set("NATS_CLIENT_PRIVATE_KEY", nats.seed())
        .set("CS_API_TOKEN", "token")
        .set("CS_WEBHOOK_SECRET", "secret");
    env.cs(["runner", "setup"]).run().assert_code(0);
    let mut server = env.cs(["serve", "--listen", "127.0.0.1:0"]).start();
    let mut agent = env
        .cs(["runner", "agent", "--listen", "127.0.0.1:0"])
        .start();
    let mut metrics = scrape(address(&mut server, "CS_SERVER_URL")).await;
    metrics.extend(scrape(address(&mut agent, "CS_RUNNER_HEALTH")).await);
    metrics
}

/// Metrics that nobody scrapes: one-shot runs leave them in a file.
fn left_by_runs() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for path in sources(&repository("src")) {
        let text = std::fs::read_to_string(path).expect("part of the repository");
        for part in product(&text).split("\"cs_run_").skip(1) {
            let rest: String = part.chars().take_while(|c| *c != '"').collect();
            names.insert(format!("cs_run_{rest}"));
        }
    }
    names
}

/// The metrics that pages name in rules and queries, with the page.
fn asked_for() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for page in all() {
        for block in &page.blocks {
            let expressions: Vec<&str> = match block.language.as_str() {
                "promql" => block.text.lines().collect(),
                "yaml" if block.text.contains("expr:") => {
                    let lines = block.text.lines().map(str::trim_start);
                    lines
                        .filter_map(|line| line.trim_start_matches("- ").strip_prefix("expr:"))
                        .collect()
                }
                _ => continue,
            };
            for expression in expressions {
                let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let names = expression
                    .split(|c| !is_part(c))
                    .filter(|word| word.starts_with("cs_"));
                found.extend(names.map(|name| (name.to_owned(), page.place(block.line))));
            }
        }
    }
    found
}

#[tokio::test]
async fn the_page_names_every_metric_with_its_type_and_no_other() {
    let page = Page::read("docs/operations.md");
    let told: Metrics = rows(&page, "## Metrics")
        .iter()
        .flat_map(|row| {
            let name = |word: String| word.split('{').next().unwrap_or_default().to_owned();
            let names = words(&row[0]).into_iter().map(name);
            names.map(|name| (name, row[1].clone())).collect::<Vec<_>>()
        })
        .collect();
    let real = real().await;
    let missing: Vec<_> = real.difference(&told).collect();
    let unknown: Vec<_> = told.difference(&real).collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "docs/operations.md: missing {missing:?}; shown by nobody {unknown:?}"
    );
    let mut names: BTreeSet<String> = real.into_iter().map(|(name, _)| name).collect();
    names.extend(left_by_runs());
    let asked_for = asked_for();
    assert!(asked_for.len() >= 5, "{asked_for:?}");
    for (name, place) in asked_for {
        let bare = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| name.strip_suffix(end))
            .unwrap_or(&name);
        assert!(names.contains(bare), "{place}: nothing shows {name}");
    }
}

#[test]
fn every_alert_says_what_to_do() {
    let page = Page::read("docs/operations.md");
    let block = page
        .blocks
        .iter()
        .find(|block| block.attribute("file") == Some("alerts.yaml"))
        .expect("the rules stand on the page");
    let documents = super::data::documents(&block.text).expect("YAML");
    let groups = documents[0]["groups"].as_array().expect("groups");
    let mut seen = 0;
    for rule in groups
        .iter()
        .flat_map(|group| group["rules"].as_array().expect("rules"))
    {
        seen += 1;
        let name = rule["alert"].as_str().expect("a name");
        assert!(rule["expr"].is_string(), "{name}");
        assert!(rule["labels"]["severity"].is_string(), "{name}");
        for text in ["summary", "action"] {
            assert!(
                rule["annotations"][text].is_string(),
                "{name} has no {text}"
            );
        }
    }
    assert!(seen >= 5, "{seen}");
}
