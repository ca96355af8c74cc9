//! Flags over environment over config file, seen from outside: where a command goes, with which token.

use std::sync::Mutex;

use super::server::Server;
use super::{assert_check, check, report, shown, write_config};
use crate::cli::lab::Lab;
use crate::support::env::TestEnv;

#[test]
fn every_setting_is_shown_with_who_said_it() {
    let env = TestEnv::new();
    write_config(
        &env,
        "currentContext: prod\ncontexts:\n  prod:\n    address: https://prod.example:4646\n    namespace: shop\n    \
         token: {fromFile: prod.token}\n    caCert: ca.pem\n    owner: store\n",
    );
    let show = |line: &str, vars: &[(&str, &str)]| {
        let mut run = env.cs(line.split(' '));
        for (name, value) in vars {
            run = run.var(name, value);
        }
        let ended = run.run();
        ended.assert_code(0);
        narrow(&shown(&env, &ended.stdout))
    };
    assert_eq!(
        show("context show", &[]),
        "SETTING  VALUE  FROM\n\
         context  prod  currentContext (ROOT/home/.config/cs/config.yaml:1)\n\
         address  https://prod.example:4646  contexts.prod.address (ROOT/home/.config/cs/config.yaml:4)\n\
         namespace  shop  contexts.prod.namespace (ROOT/home/.config/cs/config.yaml:5)\n\
         token  file prod.token  contexts.prod.token (ROOT/home/.config/cs/config.yaml:6)\n\
         caCert  ROOT/home/.config/cs/ca.pem  contexts.prod.caCert (ROOT/home/.config/cs/config.yaml:7)\n\
         owner  store  contexts.prod.owner (ROOT/home/.config/cs/config.yaml:8)\n"
    );
    assert_eq!(
        show(
            "context show --region us",
            &[
                ("NOMAD_ADDR", "http://me:canary@h:1"),
                ("NOMAD_NAMESPACE", "env")
            ]
        ),
        "SETTING  VALUE  FROM\n\
         context  prod  currentContext (ROOT/home/.config/cs/config.yaml:1)\n\
         address  http://h:1  NOMAD_ADDR, wins over the context's\n\
         region  us  --region\n\
         namespace  env  NOMAD_NAMESPACE, wins over the context's\n\
         token  -  the context's is kept from another address than its own\n\
         caCert  -  the context's is kept from another address than its own\n\
         owner  store  contexts.prod.owner (ROOT/home/.config/cs/config.yaml:8)\n"
    );
}

/// Columns two spaces apart, however wide the temporary directory makes them.
fn narrow(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let cells = line
            .split("  ")
            .map(str::trim)
            .filter(|cell| !cell.is_empty());
        cells.collect::<Vec<_>>().join("  ") + "\n"
    });
    lines.collect()
}

/// Paths and tokens of the last requests.
static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[test]
fn the_token_of_a_context_reaches_its_own_address_and_no_other() {
    let lab = Lab::with_options(|options| options.token = Some("canary-prod".into()));
    let other = Server::start(
        |path| {
            SEEN.lock().unwrap().push(path.to_owned());
            (403, "Permission denied")
        },
        None,
    );
    let env = TestEnv::new();
    write_config(
        &env,
        &format!(
            "currentContext: prod\ncontexts:\n  prod:\n    address: {}\n    token: {{fromCommand: [printf, canary-prod]}}\n",
            lab.nomad.url
        ),
    );
    let home = report(&env.cs(["doctor", "-o", "json"]).run());
    assert_check(&home, "token", "ok", "no ACLs", "");
    assert_check(&home, "context", "ok", "`prod`", "");
    // Whatever is listed there proves that the token was taken along: without it the answer is 403.
    assert_check(&home, "nodes", "ok", "2 of 2 ready", "");

    let away = env
        .cs(["doctor", "-o", "json"])
        .var("NOMAD_ADDR", other.url())
        .run();
    away.assert_hides("canary");
    let away = report(&away);
    assert_check(
        &away,
        "context",
        "warn",
        "token are kept from there",
        "unset NOMAD_ADDR",
    );
    assert!(!SEEN.lock().unwrap().is_empty());
    // The same with the context named: it wins over the variable.
    let named = env
        .cs(["doctor", "-o", "json", "--context", "prod"])
        .var("NOMAD_ADDR", other.url())
        .run();
    assert_check(&report(&named), "context", "ok", "`prod` (--context)", "");
}

#[test]
fn a_bad_value_is_called_what_the_user_called_it() {
    let env = TestEnv::new();
    let doctor = |line: &str, vars: &[(&str, &str)]| {
        let mut run = env.cs(line.split(' '));
        for (name, value) in vars {
            run = run.var(name, value);
        }
        let ended = run.args(["-o", "json"]).run();
        ended.assert_hides("canary");
        let report = report(&ended);
        let message = check(&report, "settings")["message"]
            .as_str()
            .unwrap()
            .to_owned();
        shown(&env, &message)
    };
    assert!(doctor("doctor --address canary", &[]).starts_with("--address must be an address"));
    assert!(
        doctor("doctor", &[("NOMAD_ADDR", "canary")]).starts_with("NOMAD_ADDR must be an address")
    );
    assert!(
        doctor("doctor --token-file /none", &[])
            .starts_with("--token-file cannot be used: cannot read /none: No such file")
    );
    assert!(
        doctor("doctor --address https://127.0.0.1:1 --ca-cert /none", &[])
            .starts_with("--ca-cert names /none, which cannot be read")
    );
    write_config(
        &env,
        "currentContext: a\ncontexts:\n  a:\n    address: https://127.0.0.1:1\n    caCert: none.pem\n",
    );
    assert!(
        doctor("doctor", &[]).starts_with(
            "contexts.a.caCert (ROOT/home/.config/cs/config.yaml:5) names ROOT/home/.config/cs/none.pem, which cannot"
        ),
    );
    assert!(doctor("doctor --context b", &[]).starts_with("there is no context `b` (--context)"));
    write_config(&env, "contexts:\n  a: {adress: x}\n");
    assert!(doctor("doctor", &[]).contains("config.yaml:2:7: error[unknown-field]"));
}
