//! How a server starts, or says why it does not; TLS; limits of connections.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use super::lab::{API_TOKEN, Bridge, Database, WEBHOOK_SECRET};
use crate::support::env::{TestEnv, eventually};
use crate::support::http::Asked;

#[test]
fn a_server_without_its_secrets_does_not_start_and_says_what_to_set() {
    let mut env = TestEnv::new();
    env.cs(["serve", "--listen", "127.0.0.1:0"])
        .run()
        .assert_code(2)
        .assert_says("CS_API_TOKEN is not set")
        .assert_says("openssl rand");
    env.set("CS_API_TOKEN", API_TOKEN);
    env.cs(["serve"])
        .run()
        .assert_code(2)
        .assert_says("CS_WEBHOOK_SECRET is not set");
    let file = env.file("secret", "Cnry+twice/8fq=Z\n");
    env.set("CS_API_TOKEN_FILE", &file);
    env.cs(["serve"])
        .run()
        .assert_code(2)
        .assert_says("both set")
        .assert_hides("Cnry");
    let absent = env.root().join("nowhere");
    env.set("CS_API_TOKEN_FILE", "")
        .set("CS_WEBHOOK_SECRET_FILE", absent);
    env.cs(["serve"])
        .run()
        .assert_code(2)
        .assert_says("CS_WEBHOOK_SECRET_FILE")
        .assert_says("cannot read");
    env.set("CS_WEBHOOK_SECRET_FILE", "")
        .set("CS_WEBHOOK_SECRET", WEBHOOK_SECRET);
    env.set("CS_JENKINS_URL", "https://u:Cnry@h");
    env.cs(["serve"])
        .run()
        .assert_code(2)
        .assert_says("CS_JENKINS_URL")
        .assert_hides("Cnry");
    env.set("CS_JENKINS_URL", "https://h");
    env.cs(["serve"])
        .run()
        .assert_code(2)
        .assert_says("CS_JENKINS_USER");
    env.set("CS_JENKINS_URL", "");
    env.cs(["serve", "--database", "mysql://u:Cnry@h/d"])
        .run()
        .assert_code(2)
        .assert_says("the database")
        .assert_hides("Cnry");
    env.cs([
        "serve",
        "--database",
        "postgres://u:Cnry@127.0.0.1:1/d",
        "--listen",
        "127.0.0.1:0",
    ])
    .run()
    .assert_code(1)
    .assert_says("cannot use the database")
    .assert_says("arguments of a process are public")
    .assert_hides("Cnry");
    env.cs(["serve", "--tls-cert", "none.pem", "--tls-key", "none.pem"])
        .run()
        .assert_code(2)
        .assert_says("none.pem");
}

#[test]
fn secrets_may_stand_in_files_and_the_database_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut bridge = Bridge::stopped(Database::Sqlite);
    for (name, value) in [
        ("CS_API_TOKEN", API_TOKEN),
        ("CS_WEBHOOK_SECRET", WEBHOOK_SECRET),
    ] {
        let file = bridge.lab.env.file(name, format!("{value}\n"));
        bridge
            .lab
            .env
            .set(name, "")
            .set(&format!("{name}_FILE"), file);
    }
    bridge.start();
    let (_, job) = bridge.create();
    bridge.webhook(&job, "SUCCESS", 1).assert_status(200);
    for file in std::fs::read_dir(bridge.lab.env.state()).expect("it was made") {
        let file = file.expect("it is readable");
        let mode = file.metadata().expect("it is there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?} {mode:o}", file.path());
    }
}

#[test]
fn an_address_that_is_taken_is_said() {
    let bridge = Bridge::on_sqlite();
    let mut other = Bridge::stopped(Database::Sqlite);
    other.arguments.clear();
    let address = bridge.address().to_string();
    let ended = other.lab.env.cs(["serve", "--listen", &address]).run();
    ended
        .assert_code(1)
        .assert_says("cannot listen")
        .assert_says("--listen");
}

fn certificate(bridge: &Bridge, name: &str) -> (std::path::PathBuf, std::path::PathBuf) {
    let (cert, key) = (
        bridge.lab.env.root().join(format!("{name}.pem")),
        bridge.lab.env.root().join("key.pem"),
    );
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "1",
        ])
        .args([
            "-subj",
            &format!("/CN={name}"),
            "-addext",
            "subjectAltName=IP:127.0.0.1",
        ])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&cert)
        .output()
        .expect("openssl is on PATH");
    assert!(made.status.success(), "{made:?}");
    (cert, key)
}

/// Asks over TLS, trusting one certificate.
fn over_tls(address: SocketAddr, trusted: &std::path::Path) -> String {
    let mut client = Command::new("openssl")
        .args([
            "s_client",
            "-quiet",
            "-verify_return_error",
            "-connect",
            &address.to_string(),
            "-CAfile",
        ])
        .arg(trusted)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl is on PATH");
    let mut input = client.stdin.take().expect("piped above");
    let _ = input.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let output = client.wait_with_output().expect("it ends");
    drop(input);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn tls_by_file_is_read_again_at_a_signal() {
    let mut bridge = Bridge::stopped(Database::Sqlite);
    let (cert, key) = certificate(&bridge, "first");
    let text = |path: &std::path::Path| path.to_str().expect("UTF-8").to_owned();
    bridge.arguments.extend([
        "--tls-cert".to_owned(),
        text(&cert),
        "--tls-key".to_owned(),
        text(&key),
    ]);
    bridge.start();
    assert!(bridge.server().stdout().contains("https://"));
    assert!(over_tls(bridge.address(), &cert).starts_with("HTTP/1.1 200"));
    let (newer, _) = certificate(&bridge, "second");
    assert!(!over_tls(bridge.address(), &newer).contains("200 OK"));
    std::fs::copy(&newer, &cert).expect("the directory is ours");
    bridge.server().signal("HUP");
    eventually("the new one is used", || {
        over_tls(bridge.address(), &newer).starts_with("HTTP/1.1 200")
    });
    // What cannot be read leaves the old one.
    std::fs::write(&cert, "nothing").expect("the directory is ours");
    bridge.server().signal("HUP");
    eventually("it is said", || {
        bridge.log().contains("the old certificate stays")
    });
    assert!(over_tls(bridge.address(), &newer).starts_with("HTTP/1.1 200"));
}

#[test]
fn a_request_with_too_many_headers_is_refused_and_the_next_one_is_not() {
    let bridge = Bridge::on_sqlite();
    let mut many = Asked::get("/healthz");
    for number in 0..200 {
        many = many.header(&format!("X-{number}"), "x");
    }
    bridge.send(&many).assert_status(431);
    let large = Asked::get("/healthz").header("X-Large", "x".repeat(64 << 10));
    bridge.send(&large).assert_status(431);
    bridge.send(&Asked::get("/healthz")).assert_status(200);
}

#[test]
fn connections_beyond_the_bound_wait_for_their_turn() {
    let mut bridge = Bridge::stopped(Database::Sqlite);
    bridge
        .arguments
        .extend(["--max-connections".to_owned(), "2".to_owned()]);
    bridge.start();
    let idle: Vec<std::net::TcpStream> = (0..2)
        .map(|_| std::net::TcpStream::connect(bridge.address()).expect("it listens"))
        .collect();
    let asked = Asked::get("/healthz");
    let address = bridge.address();
    let waiting = bridge
        .lab
        .runtime
        .spawn(async move { crate::support::http::send(address, &asked).await });
    assert!(!waiting.is_finished());
    drop(idle);
    let answered = bridge
        .lab
        .runtime
        .block_on(waiting)
        .expect("it does not panic");
    assert_eq!(answered.expect("an answer").status, 200);
}

#[test]
fn a_sigterm_lets_a_request_that_is_under_way_finish() {
    let mut bridge = Bridge::on_sqlite();
    let (id, _) = bridge.create();
    // The first answer is lost: the run is looked for, which takes a moment.
    bridge
        .jenkins
        .next_start(crate::support::jenkins::Start::Refuse(502, "gateway"));
    let asked = Asked::post(format!("/api/v1/deployments/{id}/run"), "").bearer(API_TOKEN);
    let address = bridge.address();
    let run = bridge
        .lab
        .runtime
        .spawn(async move { crate::support::http::send(address, &asked).await });
    eventually("Jenkins is asked", || bridge.jenkins.asked_to_start() == 1);
    bridge.stop();
    let answered = bridge.lab.runtime.block_on(run).expect("it does not panic");
    assert_eq!(answered.expect("an answer").status, 503);
}
