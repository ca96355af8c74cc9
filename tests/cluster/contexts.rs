//! `cs context`.

use super::{assert_fits, config_path, shown, write_config};
use crate::support::env::TestEnv;

#[test]
fn contexts_are_made_listed_chosen_renamed_and_forgotten() {
    let env = TestEnv::new();
    let run = |line: &str| env.cs(line.split(' ')).run();
    let none = run("context");
    none.assert_code(0)
        .assert_says("`cs context set NAME --address ADDRESS` makes one");
    assert_eq!(none.stdout, "");

    run("context set prod --address https://nomad.example:4646 -n shop --owner me --token-file ~/prod.token")
        .assert_code(0)
        .assert_says("context `prod` made in")
        .assert_says("the current one now");
    run("context set dev --address http://127.0.0.1:4646 --token-env DEV_TOKEN --tls-skip-verify")
        .assert_code(0);
    assert_eq!(
        run("contexts").stdout,
        [
            "   NAME  ADDRESS                     REGION  NAMESPACE  OWNER  TOKEN\n",
            "   dev   http://127.0.0.1:4646                                 variable DEV_TOKEN\n",
            "*  prod  https://nomad.example:4646          shop       me     file ~/prod.token\n",
        ]
        .concat()
    );
    run("context use dv")
        .assert_code(2)
        .assert_says("did you mean `dev`?");
    run("context use dev")
        .assert_code(0)
        .assert_says("context `dev` is the current one now");
    run("context rename dev prod")
        .assert_code(2)
        .assert_says("there is a context `prod` already");
    run("context rename dev lab/1").assert_code(0);
    run("context set lab/1 --address http://127.0.0.1:1")
        .assert_code(0)
        .assert_says("changed in");
    run("context delete prod").assert_code(0);
    assert_eq!(
        std::fs::read_to_string(config_path(&env)).unwrap(),
        "currentContext: lab/1\ncontexts:\n  lab/1:\n    address: http://127.0.0.1:1\n    token: {fromEnv: DEV_TOKEN}\n    \
         tlsSkipVerify: true\n"
    );
    run("context rm lab/1")
        .assert_code(0)
        .assert_says("it was the current one");
    run("context show").assert_code(0);
}

#[test]
fn a_change_keeps_comments_and_permissions_are_for_the_owner() {
    use std::os::unix::fs::PermissionsExt as _;
    let env = TestEnv::new();
    let text = "# mine\ncurrentContext: a\ncontexts:\n  a: # first\n    address: http://127.0.0.1:1 # here\n";
    let path = write_config(&env, text);
    env.cs([
        "context",
        "set",
        "a",
        "--address",
        "http://127.0.0.1:2",
        "--region",
        "eu",
    ])
    .run()
    .assert_code(0);
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        text.replace(":1 # here\n", ":2 # here\n    region: eu\n")
    );
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    write_config(&env, "# mine\ncontexts: {a: {}, b: {}}\n");
    env.cs(["context", "set", "a", "--owner", "x"])
        .run()
        .assert_code(1)
        .assert_says("without losing its comments: change it by hand");
}

#[test]
fn a_token_is_never_an_argument_or_a_value() {
    let env = TestEnv::new();
    for line in [
        "context set a --token canary",
        "context show --token canary",
        "context show --token=canary",
        "doctor --token canary",
    ] {
        let ended = env.cs(line.split(' ')).run();
        ended
            .assert_code(2)
            .assert_says("there is no `--token`")
            .assert_hides("canary");
    }
    let ended = env
        .cs(["context", "set", "a", "--address", "http://me:canary@h:1"])
        .run();
    ended
        .assert_code(2)
        .assert_says("--address must not hold")
        .assert_hides("canary");
    write_config(&env, "contexts:\n  a:\n    token: canary\n");
    let ended = env.cs(["context"]).run();
    ended
        .assert_code(2)
        .assert_says("must not be the secret itself")
        .assert_hides("canary");
}

#[test]
fn what_is_wrong_with_the_file_is_told_with_line_and_column() {
    let env = TestEnv::new();
    write_config(
        &env,
        "contexts:\n  prod:\n    adress: x\n    namespace: a_b\n  dev: 1\n",
    );
    let ended = env.cs(["context", "show"]).run();
    ended.assert_code(2);
    assert_eq!(
        shown(&env, &ended.stderr),
        "ROOT/home/.config/cs/config.yaml:3:5: error[unknown-field]: unknown field `adress` (`contexts.prod.adress`)\n  \
           help: did you mean `address`?\n\
         ROOT/home/.config/cs/config.yaml:4:16: error[wrong-value]: namespace must be 1 to 128 letters, digits or hyphens \
         (`contexts.prod.namespace`)\n\
         ROOT/home/.config/cs/config.yaml:5:8: error[wrong-type]: expected a mapping, found a number (`contexts.dev`)\n"
    );
    write_config(&env, "contexts:\n\tprod: {}\n");
    env.cs(["context"])
        .run()
        .assert_code(2)
        .assert_says("config.yaml:2:");
    env.cs(["context"])
        .var("CS_CONFIG", "/nonexistent/c.yaml")
        .run()
        .assert_code(2)
        .assert_says("CS_CONFIG names /nonexistent/c.yaml, which does not exist");
}

#[test]
fn a_file_that_others_may_write_is_warned_of_and_starts_no_program() {
    use std::os::unix::fs::PermissionsExt as _;
    let env = TestEnv::new();
    let mark = env.root().join("mark");
    let path = write_config(
        &env,
        &format!(
            "currentContext: a\ncontexts:\n  a:\n    address: http://127.0.0.1:1\n    token: {{fromCommand: [sh, -c, 'touch {}; \
             echo t']}}\n",
            mark.display()
        ),
    );
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
    env.cs(["context"])
        .run()
        .assert_code(0)
        .assert_says("others than you may write");
    let ended = env.cs(["doctor"]).run();
    ended.assert_code(1);
    assert!(ended.stdout.contains("`sh` is not run"), "{ended}");
    assert!(!mark.exists());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    env.cs(["doctor"]).run().assert_code(1);
    assert!(mark.exists());
}

#[test]
fn reports_are_json_as_their_schemas_say() {
    let env = TestEnv::new();
    write_config(
        &env,
        "currentContext: a\ncontexts:\n  a: {address: 'http://127.0.0.1:1', token: {fromFile: t}}\n  b: {}\n",
    );
    let list = env.cs(["context", "list", "-o", "json"]).run().document();
    assert_fits(&list, "context");
    assert_eq!(list["summary"]["current"], "a");
    assert_eq!(list["results"][0]["token"], "file t");
    let show = env
        .cs(["context", "show", "b", "-o", "json"])
        .run()
        .document();
    assert_fits(&show, "connection");
    assert_eq!(show["summary"]["context"], "b");
    assert_eq!(show["results"][0]["from"]["name"], "--context");
}

#[test]
fn help_has_examples() {
    let env = TestEnv::new();
    for command in [&["context"][..], &["context", "set"], &["doctor"]] {
        let ended = env.cs(command).arg("--help").run();
        ended.assert_code(0);
        assert!(ended.stdout.contains("Examples:\n  cs "), "{ended}");
    }
}
