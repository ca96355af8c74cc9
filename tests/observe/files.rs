//! `--summary` and `--metrics-file`: whole, valid, and written however a run ends.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;

use super::{PARENT, TRACE};
use crate::cli::lab::{JOB, Lab, assert_valid_report, image, image_with};
use crate::set::lab::Specs;
use crate::support::collector::{Collector, Reply};

#[track_caller]
fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).expect("it is written");
    let report = serde_json::from_str(&text).expect("JSON");
    assert_valid_report(&report);
    report
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path)
        .expect("it is there")
        .permissions()
        .mode()
        & 0o777
}

/// Fails unless a page is what Prometheus reads: every sample after the head of its family, nothing twice, no time stamps.
#[track_caller]
fn assert_page(path: &Path) -> String {
    let text = std::fs::read_to_string(path).expect("it is written");
    assert!(text.ends_with('\n'));
    let (mut family, mut seen) = (String::new(), std::collections::BTreeSet::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            family = rest.split(' ').next().unwrap().to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            assert_eq!(rest, format!("{family} gauge"));
        } else {
            let (series, value) = line.rsplit_once(' ').expect("a sample");
            assert!(series.starts_with(&format!("{family}{{")), "{line}");
            assert!(series.ends_with('}'), "{line}");
            value.parse::<f64>().expect("a number");
            assert!(seen.insert(series.to_owned()), "{series} twice");
        }
    }
    text
}

/// Value of the sample whose name and labels begin so.
#[track_caller]
fn sample(page: &str, begins: &str) -> f64 {
    let line = page.lines().find(|line| line.starts_with(begins));
    let line = line.unwrap_or_else(|| panic!("no {begins}\n{page}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_run_leaves_its_steps_calls_events_and_versions() {
    let mut lab = Lab::new();
    let (_nats, _backend) = (lab.nats(), lab.backend());
    let (summary, metrics) = (
        lab.env.root().join("s.json"),
        lab.env.root().join("shop.prom"),
    );
    let run = lab
        .deploy(&image())
        .var("TRACEPARENT", PARENT)
        .arg("--summary")
        .arg(&summary);
    run.arg("--metrics-file").arg(&metrics).run().assert_code(0);
    let report = read(&summary);
    assert_eq!(
        (&report["kind"], &report["outcome"]),
        (&"RunReport".into(), &"converged".into())
    );
    let told = &report["summary"];
    assert_eq!(
        (&told["command"], &told["exitCode"]),
        (&"reconcile".into(), &0.into())
    );
    assert_eq!(told["task"], "deploy-image");
    let steps: Vec<&str> = told["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["name"].as_str().unwrap())
        .collect();
    assert_eq!(steps, ["image_download", "sync", "deploy", "healthCheck"]);
    assert_eq!(
        told["steps"][0]["success"], false,
        "nobody listens at its registry"
    );
    assert_eq!(told["events"]["sent"], 3);
    assert_eq!(told["traceId"], TRACE);
    assert_eq!(told["versions"]["cs"], env!("CARGO_PKG_VERSION"));
    assert!(told["versions"]["nomad"].is_string(), "{told}");
    let calls = told["calls"].as_array().unwrap();
    assert!(
        calls
            .iter()
            .any(|call| call["peer"] == "nomad" && call["answer"] == "200"),
        "{calls:?}"
    );
    assert!(
        calls
            .iter()
            .any(|call| call["peer"] == "backend" && call["answer"] == "200"),
        "{calls:?}"
    );
    let (began, ended) = (
        told["startedAt"].as_str().unwrap(),
        told["endedAt"].as_str().unwrap(),
    );
    assert!(began.parse::<jiff::Timestamp>().unwrap() <= ended.parse().unwrap());
    let job = &report["results"][0];
    assert_eq!((&job["job"], &job["version"]), (&JOB.into(), &0.into()));
    assert!(job["index"].as_u64().unwrap() > 0);
    assert_eq!((mode(&summary), mode(&metrics)), (0o600, 0o644));

    let page = assert_page(&metrics);
    let labels = "{run=\"shop\",command=\"reconcile\"";
    assert_eq!(sample(&page, &format!("cs_run_success{labels}}}")), 1.0);
    assert_eq!(
        sample(&page, &format!("cs_run_events{labels},state=\"published\"")),
        3.0
    );
    assert!(
        sample(
            &page,
            &format!("cs_run_step_duration_seconds{labels},step=\"healthCheck\"")
        ) > 0.0
    );
    assert!(sample(&page, &format!("cs_run_memory_peak_bytes{labels}}}")) > 1e6);
    assert!(
        sample(
            &page,
            &format!("cs_run_published_bytes{labels},kind=\"event\"")
        ) > 100.0
    );
}

#[test]
fn a_run_that_fails_before_it_begins_leaves_them_too() {
    let lab = Lab::new();
    let (summary, metrics) = (lab.env.root().join("s.json"), lab.env.root().join("m.prom"));
    let ended = lab
        .env
        .cs([
            "reconcile",
            "--task",
            "deploy-image",
            "--params",
            "/nowhere",
        ])
        .arg("--summary");
    let ended = ended.arg(&summary).var("CS_METRICS_FILE", &metrics).run();
    ended.assert_code(2);
    let report = read(&summary);
    assert_eq!(
        (&report["outcome"], &report["summary"]["exitCode"]),
        (&"usage".into(), &2.into())
    );
    assert!(
        report["summary"]["message"]
            .as_str()
            .unwrap()
            .contains("/nowhere"),
        "{report}"
    );
    let page = assert_page(&metrics);
    assert_eq!(sample(&page, "cs_run_success{"), 0.0);
    assert!(page.contains("outcome=\"usage\"} 1"));
}

#[test]
fn a_run_that_is_stopped_or_unhealthy_leaves_its_outcome() {
    let lab = Lab::new();
    let summary = lab.env.root().join("s.json");
    let params = image_with(serde_json::json!({"ram": 3_000_000}));
    lab.deploy(&params)
        .arg("--summary")
        .arg(&summary)
        .run()
        .assert_code(7);
    assert_eq!(read(&summary)["outcome"], "unplaceable");
    lab.hold();
    let mut run = lab.deploy(&image()).arg("--summary").arg(&summary).start();
    run.until("the job is registered", |_| lab.registrations() == 2);
    run.signal("TERM");
    run.wait().assert_code(10);
    assert_eq!(read(&summary)["outcome"], "cancelled");
}

#[test]
fn a_signal_in_a_command_that_does_not_hear_it_yet_leaves_them_too() {
    let lab = Lab::new();
    let summary = lab.env.root().join("s.json");
    // A Nomad that never answers: the files are read, the cluster is asked.
    let hole = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", hole.local_addr().unwrap());
    let mut run = lab
        .env
        .cs(["wait", "shop"])
        .arg("--summary")
        .arg(&summary)
        .var("NOMAD_ADDR", address)
        .start();
    hole.set_nonblocking(true).unwrap();
    let mut asked = None;
    run.until("Nomad is asked", |_| {
        asked = asked.take().or_else(|| hole.accept().ok());
        asked.is_some()
    });
    run.signal("INT");
    let ended = run.wait();
    ended.assert_code(10);
    assert_eq!(read(&summary)["outcome"], "cancelled");
}

#[test]
fn a_set_leaves_one_entry_a_job() {
    let set = Specs::new();
    let summary = set.lab.env.root().join("s.json");
    set.service("web", "example/web:1", "")
        .service("api", "example/api:1", "");
    set.apply()
        .arg("--summary")
        .arg(&summary)
        .run()
        .assert_code(0);
    let report = read(&summary);
    assert_eq!(report["summary"]["command"], "apply");
    let jobs: Vec<&str> = report["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| job["job"].as_str().unwrap())
        .collect();
    assert_eq!(jobs, ["api", "web"]);
    assert!(
        report["results"]
            .as_array()
            .unwrap()
            .iter()
            .all(|job| job["outcome"] == "converged")
    );
    let deleted = set
        .cs(["delete", "web", "--yes"])
        .arg("--summary")
        .arg(&summary)
        .run();
    deleted.assert_code(0);
    let report = read(&summary);
    assert_eq!(
        (&report["outcome"], &report["results"][0]["job"]),
        (&"destroyed".into(), &"web".into())
    );
    let missing = set
        .cs(["wait", "nothing", "--timeout", "1s"])
        .arg("--summary")
        .arg(&summary)
        .run();
    missing.assert_code(1);
    let report = read(&summary);
    assert!(
        report["summary"]["message"]
            .as_str()
            .unwrap()
            .contains("nothing"),
        "{report}"
    );
    let back = set
        .cs(["rollback", "nothing", "--yes"])
        .arg("--summary")
        .arg(&summary)
        .run();
    back.assert_code(1);
    assert_eq!(read(&summary)["summary"]["command"], "rollback");
}

#[test]
fn a_file_that_cannot_be_written_ends_a_run_before_it_begins() {
    let lab = Lab::new();
    for flag in ["--summary", "--metrics-file"] {
        for bad in ["/nowhere/s.json", "-", "/"] {
            let ended = lab.deploy(&image()).args([flag, bad]).run();
            ended.assert_code(2).assert_says(flag);
        }
    }
    let same = lab.env.root().join("x");
    let ended = lab
        .deploy(&image())
        .arg("--summary")
        .arg(&same)
        .arg("--metrics-file")
        .arg(&same)
        .run();
    ended.assert_code(2).assert_says("the same file");
    assert_eq!(lab.registrations(), 0);
}

#[test]
fn spans_that_are_lost_are_among_the_metrics() {
    let mut lab = Lab::new();
    let collector = Collector::start();
    collector.always(Reply::Status(400));
    let metrics = lab.env.root().join("m.prom");
    lab.env.set("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url());
    lab.deploy(&image())
        .arg("--metrics-file")
        .arg(&metrics)
        .run()
        .assert_code(0);
    assert!(sample(&assert_page(&metrics), "cs_run_lost_spans{") > 5.0);
}
