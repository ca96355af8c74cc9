//! `cs doctor` where all is well, or nearly.

use std::time::Duration;

use cs::simulator::{Effect, Faults, Matcher, Rule};
use serde_json::json;

use super::{assert_check, report, shown, write_config};
use crate::cli::lab::{Lab, rule};

#[test]
fn a_cluster_in_order_is_told_on_one_page() {
    let lab = Lab::new();
    let address = lab.nomad.url.trim_start_matches("http://");
    let ended = lab
        .env
        .cs(["doctor"])
        .without("CS_VAULT")
        .without("CS_SERVICE_PROVIDER")
        .run();
    ended.assert_code(0);
    let text = shown(&lab.env, &ended.stdout).replace(address, "NOMAD");
    let free = text
        .lines()
        .find_map(|line| line.split("can be made, ").nth(1))
        .expect("free space");
    let text = text.replace(free, "FREE");
    assert_eq!(
        text,
        "\
configuration
  ok       config-file       none at ROOT/home/.config/cs/config.yaml; none is needed
  ok       context           none: http://NOMAD (NOMAD_ADDR)

connection
  ok       address           NOMAD accepts connections
  ok       nomad             answers
  ok       leader            127.0.0.1:4647
  ok       clock             agrees with the server's to within 5 s
  ok       version           Nomad 2.0.6

rights
  ok       token             none is needed: this cluster has no ACLs, everybody may do everything

cluster
  ok       namespace         `default` exists
  ok       nodes             2 of 2 ready (by pool: default 2)
  ok       oversubscription  memory is not oversubscribed: `memoryMax` has no effect (`nomad operator scheduler set-config -memory-oversubscription=true`)
  ok       vault             node client-1 sees Vault 1.18.0
  ok       consul            node client-1 sees Consul 1.20.0

surroundings
  ok       state-dir         ROOT/state can be made, FREE
  skipped  nats              NATS_SERVERS is not set: events are lines on standard output
  skipped  backend           BACKEND_URL is not set: params of the platform name their backend
  skipped  registry          REGISTRY_URL is not set: credentials come with the params or from Docker's configuration
  skipped  docker            only builds need an engine; --all asks for it

14 ok, 0 to look at, 0 failed, 4 skipped
"
    );
}

#[test]
fn nothing_is_written_anywhere() {
    let lab = Lab::new();
    let ended = lab.env.cs(["doctor", "-o", "json"]).run();
    report(&ended);
    assert_eq!(ended.stderr, "");
    assert!(lab.nomad.writes().is_empty());
    assert!(!lab.env.state().exists());
}

/// Faults that make the simulator look like a cluster with ACLs and a token of a client.
fn with_acls(token: &serde_json::Value, denied: &[(&str, &str)]) -> Faults {
    let answer = Effect::Error {
        status: 200,
        body: token.to_string(),
    };
    let mut rules = vec![Rule::new(Matcher::new("GET", "/v1/acl/token/self"), answer)];
    rules.extend(
        denied
            .iter()
            .map(|(method, path)| Rule::new(Matcher::new(method, path), Effect::Forbidden)),
    );
    Faults {
        rules,
        ..Faults::default()
    }
}

#[test]
fn rights_are_asked_for_by_writes_that_are_refused_for_their_index() {
    let token = json!({"AccessorID": "a", "Name": "ci", "Type": "client", "Policies": ["deploy"],
        "Roles": [{"ID": "1", "Name": "ops"}]});
    let lab = Lab::with_faults(with_acls(&token, &[]));
    let found = report(
        &lab.env
            .cs(["doctor", "-o", "json", "--owner", "shop"])
            .run(),
    );
    assert_check(&found, "token", "ok", "`ci` (deploy, role ops)", "");
    for right in ["list-jobs", "read-job", "plan-job", "register-job"] {
        assert_check(&found, right, "ok", "in namespace `default`", "");
    }
    assert_check(
        &found,
        "inventory",
        "ok",
        "may read and write the variable cs/inventory/shop",
        "",
    );
    assert_eq!(lab.get("/v1/jobs").unwrap(), json!([]));
    assert_eq!(lab.get("/v1/vars").unwrap(), json!([]));
    let writes = lab.nomad.writes();
    assert!(
        writes
            .iter()
            .all(|write| write.status != 200 || write.path.ends_with("/plan"))
    );

    let asked = lab.nomad.writes().len();
    let found = report(&lab.env.cs(["doctor", "-o", "json", "--read-only"]).run());
    assert_check(&found, "register-job", "skipped", "--read-only", "");
    assert_check(&found, "inventory", "ok", "may read the variable", "");
    assert_eq!(lab.nomad.writes().len(), asked);
}

#[test]
fn a_token_without_rights_is_told_what_it_lacks() {
    let token = json!({"AccessorID": "a", "Name": "ci", "Type": "client", "Policies": null});
    let lab = Lab::with_faults(with_acls(
        &token,
        &[
            ("GET", "/v1/jobs"),
            ("", "/v1/job/*"),
            ("write", "/v1/jobs"),
            ("", "/v1/var/*"),
            ("", "/v1/node*"),
            ("", "/v1/agent/self"),
            ("", "/v1/namespace/*"),
            ("", "/v1/operator/*"),
        ],
    ));
    let found = report(&lab.env.cs(["doctor", "-o", "json"]).run());
    assert_check(&found, "token", "ok", "`ci` (no policies)", "");
    assert_check(
        &found,
        "list-jobs",
        "fail",
        "may not list jobs",
        "capabilities = [\"list-jobs\"]",
    );
    assert_check(
        &found,
        "read-job",
        "fail",
        "may not read jobs",
        "capabilities = [\"read-job\"]",
    );
    assert_check(
        &found,
        "plan-job",
        "fail",
        "may not plan jobs",
        "\"submit-job\"",
    );
    assert_check(
        &found,
        "register-job",
        "fail",
        "may not register",
        "\"submit-job\", \"read-logs\"",
    );
    assert_check(
        &found,
        "inventory",
        "warn",
        "may neither read nor write",
        "cs/inventory/*",
    );
    assert_check(
        &found,
        "version",
        "skipped",
        "may not read it",
        "agent { policy = \"read\" }",
    );
    assert_check(
        &found,
        "nodes",
        "skipped",
        "may not list them",
        "node { policy = \"read\" }",
    );
    assert_check(
        &found,
        "namespace",
        "skipped",
        "has no right",
        "policy = \"read\"",
    );
    assert_check(&found, "scheduler", "skipped", "may not read", "operator");
}

#[test]
fn a_token_that_ends_soon_is_warned_of() {
    let soon = jiff::Timestamp::now() + Duration::from_secs(600);
    let token = json!({"AccessorID": "a", "Name": "ci", "Type": "management", "ExpirationTime": soon.to_string()});
    let lab = Lab::with_faults(with_acls(&token, &[]));
    let found = report(&lab.env.cs(["doctor", "-o", "json"]).run());
    assert_check(&found, "token", "warn", "ends in 9 min", "nomad login");
}

#[test]
fn the_scheduler_and_the_nodes_are_looked_at() {
    let lab = Lab::with_faults(rule(
        Matcher::new("GET", "/v1/operator/scheduler/configuration"),
        Effect::Error {
            status: 200,
            body: json!({"SchedulerConfig": {"MemoryOversubscriptionEnabled": true, "RejectJobRegistration": true,
                "PauseEvalBroker": true}})
            .to_string(),
        },
    ));
    let found = report(&lab.env.cs(["doctor", "-o", "json"]).run());
    assert_check(
        &found,
        "scheduler",
        "warn",
        "it is paused",
        "-pause-eval-broker=false",
    );
    assert_check(&found, "oversubscription", "ok", "has an effect", "");

    let lab = Lab::with_options(|options| *options = std::mem::take(options).with_nodes(0));
    let found = report(&lab.env.cs(["doctor", "-o", "json"]).run());
    assert_check(
        &found,
        "nodes",
        "warn",
        "none of 0 is ready",
        "nomad node status",
    );
    assert_eq!(found["outcome"], "warnings");
}

#[test]
fn nats_with_a_stream_is_in_order_and_without_one_it_is_not() {
    let mut lab = Lab::new();
    let server = lab.nats();
    let found = lab.env.cs(["doctor", "-o", "json"]).run();
    found.assert_hides(&server.seed());
    assert_check(
        &report(&found),
        "nats",
        "ok",
        "stores cs.deployment.succeeded",
        "",
    );
    let found = lab
        .env
        .cs(["doctor", "-o", "json"])
        .var("NATS_STREAM_PREFIX", "other")
        .run();
    assert_check(
        &report(&found),
        "nats",
        "fail",
        "no stream stores other.deployment",
        "'other.>'",
    );
    let stranger = nkeys::KeyPair::new_user().seed().unwrap();
    let found = lab
        .env
        .cs(["doctor", "-o", "json"])
        .var("NATS_CLIENT_PRIVATE_KEY", &stranger)
        .run();
    found.assert_hides(&stranger);
    assert_check(
        &report(&found),
        "nats",
        "fail",
        "refuses the key",
        "add the user",
    );
}

#[test]
fn what_else_a_run_uses_is_looked_at() {
    let mut lab = Lab::new();
    let backend = lab.backend();
    std::fs::create_dir_all(lab.env.state().join("outbox/lane")).unwrap();
    std::fs::write(lab.env.state().join("outbox/lane/00000001.event"), "{}").unwrap();
    lab.env
        .set("REGISTRY_URL", "https://registry.example/acme")
        .set("REGISTRY_USERNAME", "me")
        .set("REGISTRY_PASSWORD", "canary-password");
    let ended = lab.env.cs(["doctor", "-o", "json"]).run();
    ended.assert_hides("canary");
    let found = report(&ended);
    assert_check(&found, "backend", "ok", "answers", "");
    assert!(
        backend
            .requests()
            .iter()
            .all(|request| request.query.is_empty())
    );
    assert_check(
        &found,
        "registry",
        "ok",
        "credentials of `me` for registry.example",
        "",
    );
    assert_check(
        &found,
        "state-dir",
        "warn",
        "1 events of earlier runs wait",
        "cs reconcile",
    );
    assert_check(&found, "docker", "skipped", "--all", "");
}

#[test]
fn a_context_that_a_variable_wins_over_is_warned_of() {
    let lab = Lab::new();
    write_config(
        &lab.env,
        "currentContext: prod\ncontexts:\n  prod: {address: 'https://prod.example:4646'}\n",
    );
    let found = report(&lab.env.cs(["doctor", "-o", "json"]).run());
    assert_check(
        &found,
        "context",
        "warn",
        "NOMAD_ADDR sends calls to http://127.0.0.1",
        "--context prod",
    );
    let same = format!(
        "currentContext: prod\ncontexts:\n  prod: {{address: '{}'}}\n",
        lab.nomad.url
    );
    write_config(&lab.env, &same);
    let found = report(&lab.env.cs(["doctor", "-o", "json"]).run());
    assert_check(&found, "context", "ok", "`prod`", "");
}
