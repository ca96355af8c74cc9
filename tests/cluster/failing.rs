//! `cs doctor` where something is broken: every failure is named, with a remedy, in time, and shows no secret.

use std::time::Duration;

use cs::simulator::{Effect, Matcher};
use jiff::Timestamp;

use super::server::Server;
use super::{assert_check, report};
use crate::cli::lab::{Lab, rule};
use crate::support::env::TestEnv;
use crate::support::ports::CLOSED_PORT;

/// What the doctor promises, and room for a slow machine.
const WHOLE: Duration = Duration::from_secs(15 + 5);

fn at(address: &str) -> serde_json::Value {
    let env = TestEnv::new();
    let ended = env
        .cs(["doctor", "-o", "json", "--address", address])
        .var("NOMAD_TOKEN", "canary-token")
        .run();
    ended.assert_hides("canary");
    assert!(ended.took < WHOLE, "{ended}");
    report(&ended)
}

#[test]
fn a_port_at_which_nobody_listens() {
    let found = at(&format!("http://127.0.0.1:{CLOSED_PORT}"));
    assert_check(
        &found,
        "address",
        "fail",
        "Connection refused",
        "correct --address, or start the agent",
    );
    assert_check(&found, "token", "skipped", "Nomad does not answer", "");
    assert_eq!(found["outcome"], "failed");
    assert_eq!(found["summary"]["exitCode"], 1);
}

#[test]
fn a_name_that_nobody_knows_and_a_socket_that_is_not_there() {
    let found = at("http://nomad.invalid:4646");
    assert_check(
        &found,
        "address",
        "fail",
        "the name nomad.invalid is not known",
        "getent hosts nomad.invalid",
    );
    let found = at("unix:///nonexistent/api.sock");
    assert_check(
        &found,
        "address",
        "fail",
        "No such file",
        "correct --address",
    );
}

#[test]
fn a_server_that_is_no_nomad() {
    for answer in [
        (|_| (404, "404 page not found")) as fn(&str) -> (u16, &'static str),
        |_| (200, "<html>hello</html>"),
        |_| (302, ""),
    ] {
        let server = Server::start(answer, None);
        let found = at(&server.url());
        assert_check(&found, "address", "ok", "accepts connections", "");
        assert_check(
            &found,
            "nomad",
            "fail",
            "something else than Nomad",
            "path prefix",
        );
        assert_check(&found, "namespace", "skipped", "does not answer", "");
    }
}

#[test]
fn an_agent_that_wants_https() {
    let server = Server::start(
        |_| (400, "Client sent an HTTP request to an HTTPS server.\n"),
        None,
    );
    assert_check(
        &at(&server.url()),
        "tls",
        "fail",
        "speaks TLS",
        "https:// instead of http:// in --address",
    );
    let found = at(&server.url().replace("http:", "https:"));
    assert_check(
        &found,
        "tls",
        "fail",
        "does not speak TLS",
        "http:// instead of https://",
    );
}

#[test]
fn servers_without_a_leader() {
    let effect = Effect::NoLeader { wait: None };
    let lab = Lab::with_faults(rule(Matcher::new("", "*"), effect));
    let ended = lab.env.cs(["doctor", "-o", "json"]).run();
    assert!(ended.took < WHOLE, "{ended}");
    assert_check(
        &report(&ended),
        "leader",
        "fail",
        "no leader",
        "nomad server members",
    );
    let server = Server::start(|_| (200, "\"\""), None);
    assert_check(
        &at(&server.url()),
        "leader",
        "fail",
        "no leader",
        "nomad server members",
    );
}

#[test]
fn an_agent_that_never_answers() {
    let lab = Lab::with_faults(rule(Matcher::new("", "*"), Effect::Hang));
    let ended = lab.env.cs(["doctor", "-o", "json"]).run();
    assert!(ended.took < WHOLE, "{ended}");
    assert_check(
        &report(&ended),
        "nomad",
        "fail",
        "did not answer within",
        "look at the agent",
    );
}

#[test]
fn an_agent_that_answers_the_first_call_alone() {
    let mut on = Matcher::new("", "*");
    on.skip = 1;
    let lab = Lab::with_faults(rule(on, Effect::Hang));
    let ended = lab.env.cs(["doctor", "-o", "json"]).run();
    assert!(ended.took < WHOLE, "{ended}");
    let found = report(&ended);
    assert_check(&found, "leader", "ok", "", "");
    for name in ["version", "namespace", "nodes", "scheduler", "list-jobs"] {
        assert_check(&found, name, "skipped", "no answer within", "");
    }
}

#[test]
fn a_clock_that_is_off() {
    const LEADER: fn(&str) -> (u16, &'static str) = |path| match path {
        "/v1/status/leader" => (200, "\"127.0.0.1:4647\""),
        _ => (500, "No cluster leader"),
    };
    let served = |shift: i64| {
        let time = Timestamp::from_second(Timestamp::now().as_second() + shift).unwrap();
        let date = time.to_zoned(jiff::tz::TimeZone::UTC);
        let date = date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let server = Server::start(LEADER, Some(date));
        at(&server.url())
    };
    assert_check(&served(0), "clock", "ok", "agrees", "");
    let message = "times in reports";
    let ahead = served(3600);
    assert_check(
        &ahead,
        "clock",
        "warn",
        "s behind the server",
        "timedatectl set-ntp true",
    );
    assert_check(&ahead, "clock", "warn", message, "");
    assert_check(
        &served(-3600),
        "clock",
        "warn",
        "s ahead of the server",
        "timedatectl",
    );
    let silent = Server::start(LEADER, None);
    assert_check(&at(&silent.url()), "clock", "skipped", "does not tell", "");
}

#[test]
fn a_token_that_nomad_does_not_know() {
    let lab = Lab::with_options(|options| options.token = Some("right".into()));
    let ended = lab
        .env
        .cs(["doctor", "-o", "json"])
        .var("NOMAD_TOKEN", "canary-wrong")
        .run();
    ended.assert_hides("canary");
    let found = report(&ended);
    assert_check(
        &found,
        "token",
        "fail",
        "does not know the token",
        "nomad login",
    );
    assert_check(&found, "namespace", "skipped", "the token comes first", "");
}

#[test]
fn a_namespace_and_a_region_that_are_not_there() {
    let lab = Lab::new();
    let found = report(&lab.env.cs(["doctor", "-o", "json", "-n", "moon"]).run());
    assert_check(
        &found,
        "namespace",
        "fail",
        "there is no namespace `moon`",
        "nomad namespace apply moon",
    );
    let found = report(
        &lab.env
            .cs(["doctor", "-o", "json", "--region", "mars"])
            .run(),
    );
    assert_check(
        &found,
        "nomad",
        "fail",
        "no such region",
        "nomad server members",
    );
}

#[test]
fn versions_that_are_too_old_or_too_new() {
    for (version, status, message) in [
        ("1.6.9", "fail", "older than 1.7"),
        ("1.7.0", "ok", "Nomad 1.7.0"),
        ("3.0.0", "warn", "newer than this `cs`"),
    ] {
        let body = format!(r#"{{"config": {{"Version": {{"Version": "{version}"}}}}}}"#);
        let effect = Effect::Error { status: 200, body };
        let lab = Lab::with_faults(rule(Matcher::new("GET", "/v1/agent/self"), effect));
        assert_check(
            &report(&lab.env.cs(["doctor", "-o", "json"]).run()),
            "version",
            status,
            message,
            "",
        );
    }
}

#[test]
fn surroundings_that_are_away() {
    let lab = Lab::new();
    let closed = format!("127.0.0.1:{CLOSED_PORT}");
    let seed = nkeys::KeyPair::new_user().seed().unwrap();
    lab.env.file("file", "");
    let ended = lab
        .env
        .cs(["doctor", "-o", "json", "--all"])
        .var("NATS_SERVERS", format!("nats://me:canary@{closed}"))
        .var("NATS_CLIENT_PRIVATE_KEY", &seed)
        .var("BACKEND_URL", format!("http://{closed}/?t=canary"))
        .var("REGISTRY_URL", "https://me:canary@registry.example")
        .var("DOCKER_HOST", "unix:///nonexistent/docker.sock")
        .var("CS_STATE_DIR", lab.env.root().join("file/state"))
        .run();
    ended.assert_hides("canary").assert_hides(&seed);
    let found = report(&ended);
    assert_check(
        &found,
        "nats",
        "fail",
        "cannot reach NATS",
        "correct NATS_SERVERS",
    );
    assert_check(
        &found,
        "backend",
        "warn",
        "Connection refused",
        "BACKEND_URL",
    );
    assert_check(
        &found,
        "registry",
        "warn",
        "no credentials for registry.example",
        "docker login registry.example",
    );
    assert_check(
        &found,
        "docker",
        "fail",
        "cannot reach the Docker engine",
        "DOCKER_HOST",
    );
    assert_check(
        &found,
        "state-dir",
        "fail",
        "cannot be written",
        "CS_STATE_DIR",
    );
}

#[test]
fn wishes_of_the_environment_that_the_nodes_do_not_grant() {
    let node = r#"{"ID": "n", "Name": "bare", "Status": "ready", "Attributes": {}}"#;
    let effect = Effect::Error {
        status: 200,
        body: node.to_owned(),
    };
    let lab = Lab::with_faults(rule(Matcher::new("GET", "/v1/node/*"), effect));
    let found = report(
        &lab.env
            .cs(["doctor", "-o", "json"])
            .var("CS_VAULT", "on")
            .var("CS_SERVICE_PROVIDER", "nomad")
            .run(),
    );
    assert_check(
        &found,
        "vault",
        "warn",
        "node bare sees no Vault",
        "CS_VAULT=off",
    );
    assert_check(&found, "consul", "skipped", "sees no Consul", "");
}
