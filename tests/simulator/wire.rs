//! Headers, blocking queries, streams, limits, tokens, logs, time.

use std::time::Duration;

use cs::secret::Secret;
use cs::simulator::Options;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::lab::{Lab, service};

#[tokio::test]
async fn a_read_says_how_fresh_it_is_and_a_refusal_is_plain_text() {
    let lab = Lab::start(Options::default()).await;
    let found = lab.get("/v1/jobs").await;
    assert_eq!((found.status, found.text.as_str()), (200, "[]"));
    assert_eq!(
        (
            found.header("x-nomad-knownleader"),
            found.header("x-nomad-lastcontact")
        ),
        ("true", "0")
    );
    assert!(
        found
            .header("x-nomad-index")
            .parse::<u64>()
            .expect("a number")
            > 0
    );
    let missing = lab.get("/v1/job/none").await;
    assert_eq!(
        (missing.status, missing.text.as_str()),
        (404, "job not found")
    );
    assert_eq!(missing.header("content-type"), "text/plain; charset=utf-8");
}

#[tokio::test]
async fn a_blocking_query_returns_as_soon_as_its_object_changes() {
    let lab = Lab::start(Options::default()).await;
    lab.register(&service("x")).await;
    lab.until("/v1/job/x/deployment", |found| {
        found["Status"] == "successful"
    })
    .await;
    let job = lab.get("/v1/job/x").await;
    let index: u64 = job.header("x-nomad-index").parse().expect("a number");
    let path = format!("/v1/job/x?index={index}&wait=30s");
    let waiting = lab.get(&path);
    let change = async {
        let mut next = service("x");
        next["Priority"] = json!(60);
        lab.register(&next).await
    };
    let started = Instant::now();
    let (woken, _) = tokio::join!(waiting, change);
    assert!(
        woken
            .header("x-nomad-index")
            .parse::<u64>()
            .expect("a number")
            > index
    );
    assert_eq!(woken.json()["Priority"], 60);
    assert!(started.elapsed() < Duration::from_secs(15));
}

#[tokio::test]
async fn a_blocking_query_without_news_ends_after_its_wait() {
    let lab = Lab::start(Options::default()).await;
    let index = lab.get("/v1/jobs").await.header("x-nomad-index").to_owned();
    let started = Instant::now();
    let answer = lab.get(&format!("/v1/jobs?index={index}&wait=300ms")).await;
    assert!(started.elapsed() >= Duration::from_millis(300));
    assert_eq!(answer.header("x-nomad-index"), index);
}

#[tokio::test]
async fn the_event_stream_is_unframed_http_1_1_and_begins_with_an_empty_object() {
    let lab = Lab::with_faults(json!({"rules": [
        {"on": {"path": "/v1/event/stream"}, "effect": {"kind": "truncateStream", "lines": 3}},
    ]}))
    .await;
    lab.register(&service("x")).await;
    let answer = lab
        .raw("GET /v1/event/stream?topic=Job&topic=Evaluation HTTP/1.1\r\nHost: x\r\n\r\n")
        .await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    let head = head.to_ascii_lowercase();
    assert!(
        head.contains("connection: close")
            && !head.contains("transfer-encoding")
            && !head.contains("content-length"),
        "{head}"
    );
    let lines: Vec<Value> = body
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines[0], json!({}));
    assert_eq!(lines[1]["Events"][0]["Type"], "JobRegistered");
    assert_eq!(
        (
            &lines[1]["Events"][0]["Topic"],
            &lines[2]["Events"][0]["Topic"]
        ),
        (&json!("Job"), &json!("Evaluation"))
    );
    assert_eq!(lines[1]["Index"], lines[2]["Index"]);
}

#[tokio::test]
async fn a_connection_beyond_the_limit_gets_the_raw_429() {
    let lab = Lab::start(Options {
        max_connections: 1,
        ..Options::default()
    })
    .await;
    let held = tokio::net::TcpStream::connect(lab.simulator.addr)
        .await
        .expect("the first");
    let answer = lab.raw("").await;
    assert!(
        answer.starts_with("HTTP/1.1 429 Too Many Requests"),
        "{answer}"
    );
    assert!(answer.ends_with(
        "Your IP is issuing too many concurrent connections, please rate limit your calls\n"
    ));
    drop(held);
    let end = Instant::now() + Duration::from_secs(10);
    while lab
        .try_send(Method::GET, "/v1/jobs", None)
        .await
        .map_or(429, |answer| answer.status)
        == 429
    {
        assert!(Instant::now() < end, "the place is not given back");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_token_is_asked_for_where_nomad_asks() {
    let lab = Lab::start(Options {
        token: Some(Secret::from("letmein")),
        ..Options::default()
    })
    .await;
    let denied = lab.get("/v1/jobs").await;
    assert_eq!(
        (denied.status, denied.text.as_str()),
        (403, "Permission denied")
    );
    assert_eq!(lab.get("/v1/agent/health").await.status, 200);
    let stream = lab.get("/v1/event/stream").await;
    assert_eq!((stream.status, stream.text.as_str()), (200, ""));
    let url = format!("{}/v1/jobs", lab.simulator.url);
    let client = reqwest::Client::new();
    let own = client
        .get(&url)
        .header("X-Nomad-Token", "letmein")
        .send()
        .await
        .expect("an answer");
    let bearer = client
        .get(&url)
        .bearer_auth("letmein")
        .send()
        .await
        .expect("an answer");
    assert_eq!(
        (own.status().as_u16(), bearer.status().as_u16()),
        (200, 200)
    );
}

#[tokio::test]
async fn time_can_be_skipped() {
    let lab = Lab::start(Options::default()).await;
    let mut job = service("x");
    job["TaskGroups"][0]["Update"]["MinHealthyTime"] = json!(3_600_000_000_000_u64);
    job["TaskGroups"][0]["Update"]["HealthyDeadline"] = json!(7_200_000_000_000_u64);
    job["TaskGroups"][0]["Update"]["ProgressDeadline"] = json!(9_000_000_000_000_u64);
    lab.register(&job).await;
    lab.until("/v1/job/x/allocations", |found| {
        found[0]["ClientStatus"] == "running"
    })
    .await;
    assert_eq!(
        lab.get("/v1/job/x/deployment").await.json()["Status"],
        "running"
    );
    lab.simulator.skip(Duration::from_secs(3_700));
    lab.until("/v1/job/x/deployment", |found| {
        found["Status"] == "successful"
    })
    .await;
}

#[tokio::test]
async fn the_log_tells_writes_from_reads_and_names_the_index_that_was_enforced() {
    let lab = Lab::start(Options::default()).await;
    lab.get("/v1/jobs").await;
    let plan = json!({"Job": service("x"), "Diff": true});
    lab.put("/v1/job/x/plan", &plan).await;
    let register = json!({"Job": service("x"), "EnforceIndex": true, "JobModifyIndex": 0});
    lab.put("/v1/jobs?namespace=default", &register).await;
    lab.put("/v1/var/a/b?cas=0", &json!({"Items": {"k": "v"}}))
        .await;
    let writes = lab.simulator.writes();
    assert_eq!(lab.simulator.requests().len(), 4);
    assert_eq!(writes.len(), 2);
    assert_eq!(
        (
            writes[0].path.as_str(),
            writes[0].enforce_index,
            writes[0].status
        ),
        ("/v1/jobs", Some(0), 200)
    );
    assert_eq!(
        (writes[1].path.as_str(), writes[1].cas),
        ("/v1/var/a/b", Some(0))
    );
    assert!(
        lab.simulator
            .world()
            .job(&cs::simulator::world::JobKey::new("default", "x"))
            .is_some()
    );
}

#[tokio::test]
async fn a_followed_log_goes_on_beyond_its_task_and_ends_with_the_purge() {
    let lab = Lab::with_faults(json!({"workloads": [
        {"image": "shop:*", "stdout": ["one", "two"], "runFor": "2s", "exitCode": 3},
    ]}))
    .await;
    lab.register(&service("x")).await;
    let allocs = lab
        .until("/v1/job/x/allocations", |found| {
            found[0]["ClientStatus"] == "failed"
        })
        .await;
    let id = allocs[0]["ID"].as_str().expect("an id");
    let log = format!("/v1/client/fs/logs/{id}?task=t&type=stdout&plain=true&follow=true");
    let client = reqwest::Client::builder().no_proxy().build();
    let request = client
        .expect("a client")
        .get(format!("{}{log}", lab.simulator.url));
    let mut followed = request.send().await.expect("it answers");
    let first = followed.chunk().await.expect("a chunk").expect("output");
    assert_eq!(first, "one\ntwo\n");
    lab.try_send(Method::DELETE, "/v1/job/x?purge=true", None)
        .await
        .expect("it answers");
    let end = timeout(Duration::from_secs(15), followed.chunk()).await;
    assert_eq!(end.expect("it ends").expect("a clean end"), None);
}

#[tokio::test]
async fn hcl_becomes_a_job_that_can_be_registered() {
    let lab = Lab::start(Options::default()).await;
    let source = r#"
job "shop" {
  type = "service"
  group "web" {
    count = 2
    network {
      port "http" { to = 8080 }
    }
    restart {
      attempts = 0
      mode     = "fail"
    }
    task "app" {
      driver = "docker"
      config {
        image = "shop:1"
        ports = ["http"]
      }
      env { LOG_LEVEL = "info" }
      resources {
        cpu    = 200
        memory = 64
      }
      kill_timeout = "10s"
    }
  }
}"#;
    let parsed = lab.put("/v1/jobs/parse", &json!({"JobHCL": source})).await;
    assert_eq!(parsed.status, 200, "{}", parsed.text);
    let job = parsed.json();
    assert_eq!(
        job["TaskGroups"][0]["Networks"][0]["DynamicPorts"][0]["To"],
        8080
    );
    assert_eq!(
        job["TaskGroups"][0]["Tasks"][0]["KillTimeout"],
        10_000_000_000_u64
    );
    assert_eq!(job["TaskGroups"][0]["Tasks"][0]["Env"]["LOG_LEVEL"], "info");
    lab.register(&job).await;
    let unknown = lab
        .put(
            "/v1/jobs/parse",
            &json!({"JobHCL": "job \"x\" { type = var.kind }"}),
        )
        .await;
    assert_eq!(unknown.status, 400, "nobody declared the variable");
}

#[tokio::test]
async fn it_stops_when_it_is_dropped() {
    let lab = Lab::start(Options::default()).await;
    let address = lab.simulator.addr;
    lab.get("/v1/jobs").await;
    drop(lab);
    let end = Instant::now() + Duration::from_secs(10);
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        assert!(Instant::now() < end, "it still listens");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
