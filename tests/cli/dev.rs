//! `cs dev` and `cs demo`: the embedded Nomad for people without a cluster.

use std::net::TcpListener;
use std::time::Duration;

use serde_json::{Value, json};

use super::lab::image;
use crate::support::env::{Running, TestEnv};

fn env() -> TestEnv {
    let mut env = TestEnv::new();
    env.set("CS_VAULT", "off")
        .set("CS_SERVICE_PROVIDER", "nomad")
        .set("CS_DEADLINE", "50s");
    env
}

/// Starts it on a free port and returns its address.
fn dev(env: &TestEnv, arguments: &[&str]) -> (Running, String) {
    let mut running = env
        .cs(["dev", "--listen", "127.0.0.1:0", "--speed", "50"])
        .args(arguments)
        .start();
    running.until("it says where it listens", |run| {
        run.stdout().contains('\n')
    });
    let line = running.stdout();
    let address = line
        .lines()
        .next()
        .unwrap()
        .strip_prefix("NOMAD_ADDR=")
        .map(str::to_owned);
    (running, address.unwrap_or(line))
}

fn deploy(env: &TestEnv, address: &str) -> crate::support::env::Ended {
    env.cs(["reconcile", "--task", "deploy-image", "--params", "-"])
        .stdin(image().to_string())
        .var("NOMAD_ADDR", address)
        .run()
}

#[test]
fn the_first_line_is_its_address_and_a_signal_ends_it_well() {
    for signal in ["TERM", "INT"] {
        let env = env();
        let (running, address) = dev(&env, &[]);
        assert!(address.starts_with("http://127.0.0.1:"), "{address}");
        deploy(&env, &address).assert_code(0);
        running.signal(signal);
        let ended = running.wait();
        ended.assert_code(0);
        assert_eq!(ended.stdout, format!("NOMAD_ADDR={address}\n"));
    }
}

#[test]
fn its_address_as_json() {
    let env = env();
    let (running, line) = dev(&env, &["-o", "json"]);
    let value: Value = serde_json::from_str(&line).unwrap();
    assert!(
        value["nomadAddr"].as_str().unwrap().starts_with("http://"),
        "{value}"
    );
    running.signal("TERM");
    running.wait().assert_code(0);
}

#[test]
fn an_open_stream_does_not_hold_up_its_end() {
    use std::io::{Read as _, Write as _};
    let env = env();
    let (running, address) = dev(&env, &[]);
    let mut stream = std::net::TcpStream::connect(address.trim_start_matches("http://")).unwrap();
    write!(stream, "GET /v1/event/stream HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    stream.read_exact(&mut [0; 12]).unwrap();
    running.signal("TERM");
    let ended = running.wait();
    ended.assert_code(0);
}

#[test]
fn faults_of_a_yaml_file_happen() {
    let env = env();
    let faults = env.file(
        "faults.yaml",
        "rules:\n  - on: {method: GET, path: /v1/job/*, count: 1}\n    effect: {kind: error, status: 500, body: No cluster leader}\n\
         workloads:\n  - image: '*:1.0'\n    exitCode: 4\n    stderr: [it broke]\n",
    );
    let (running, address) = dev(&env, &["--faults", faults.to_str().unwrap()]);
    let ended = deploy(&env, &address);
    ended.assert_code(5).assert_says("no leader");
    assert!(ended.stdout.contains("it broke"), "{ended}");
    running.signal("TERM");
    running.wait().assert_code(0);
}

#[test]
fn faults_that_cannot_be_read_are_named() {
    let env = env();
    let file = env.file("faults.yaml", "rule: []\n");
    let ended = env
        .cs(["dev", "--listen", "127.0.0.1:0", "--faults"])
        .arg(file)
        .run();
    ended.assert_code(2).assert_says("faults.yaml");
    let ended = env.cs(["dev", "--faults", "nowhere.yaml"]).run();
    ended.assert_code(2).assert_says("nowhere.yaml");
}

#[test]
fn a_port_that_is_taken_is_named_with_what_to_do() {
    let env = env();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = env.cs(["dev", "--listen", &address]).run();
    ended
        .assert_code(1)
        .assert_says(&address)
        .assert_says("--listen");
}

#[test]
fn several_nodes_and_namespaces() {
    let env = env();
    let (_running, address) = dev(&env, &["--nodes", "3", "--namespace", "team"]);
    let ended = env
        .cs(["reconcile", "--task", "deploy-image", "--params", "-"])
        .stdin(image().to_string())
        .var("NOMAD_ADDR", &address)
        .var("NOMAD_NAMESPACE", "team")
        .args(["-o", "json"])
        .run();
    ended.assert_code(0);
    for wrong in [
        ["--nodes", "0"],
        ["--speed", "0"],
        ["--speed", "fast"],
        ["--listen", "here"],
    ] {
        env.cs(["dev"]).args(wrong).run().assert_code(2);
    }
}

#[test]
fn the_demo_shows_the_loop_and_needs_nothing() {
    let env = TestEnv::new();
    let ended = env.cs(["demo"]).run();
    ended.assert_code(0);
    for text in [
        "plan: create job shop",
        "plan: update job shop",
        "fatal: DATABASE_URL is not set",
        "not healthy: ",
        "exit code 5",
        "converged and healthy",
        "nothing to write",
        "stopped and purged",
        "cs.deployment.status.changed, cs.deployment.failed, cs.build.log.end.demo-1",
        "cs.deployment.succeeded",
        "cs.job.destroyed",
    ] {
        assert!(ended.stdout.contains(text), "`{text}` is missing\n{ended}");
    }
    assert!(ended.took < Duration::from_secs(15), "{ended}");
    assert_eq!(ended.stderr, "");
    assert!(
        !ended.stdout.contains('\u{1b}'),
        "colours in a pipe\n{ended}"
    );
    let left: Vec<_> = std::fs::read_dir(env.root().join("tmp")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(!env.state().exists(), "the demo keeps nothing");
}

#[test]
fn the_demo_is_as_fast_as_it_is_told_to_be() {
    let env = TestEnv::new();
    let ended = env.cs(["demo", "--speed", "40", "--color", "always"]).run();
    ended.assert_code(0);
    assert!(ended.stdout.contains('\u{1b}'), "{ended}");
    for speed in ["0", "-1", "NaN", "fast"] {
        env.cs(["demo", &format!("--speed={speed}")])
            .run()
            .assert_code(2);
    }
}

#[test]
fn faults_can_be_changed_while_it_runs() {
    let env = env();
    let (_running, address) = dev(&env, &[]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let faults = json!({"rules": [{"on": {"path": "/v1/*"}, "effect": {"kind": "forbidden"}}]});
    let put = reqwest::Client::builder().no_proxy().build().unwrap();
    let put = put
        .put(format!("{address}/_cs/faults"))
        .body(faults.to_string());
    let answer = runtime.block_on(put.send()).unwrap();
    assert!(answer.status().is_success());
    deploy(&env, &address)
        .assert_code(1)
        .assert_says("Nomad does not allow");
}
