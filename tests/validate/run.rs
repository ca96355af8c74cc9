//! What is read, and how it ends.

use super::{put, validate, workload};
use crate::support::env::TestEnv;

#[test]
fn valid_files_end_with_0_and_say_how_many_they_are() {
    let env = TestEnv::new();
    put(&env, "specs/a.yaml", workload("a"));
    put(
        &env,
        "specs/deep/b.yml",
        workload("b") + "---\n" + &workload("c"),
    );
    put(&env, "specs/notes.txt", "none of ours");
    for arguments in ["specs", "-f specs", "specs/a.yaml -f specs/deep"] {
        let ended = validate(&env, arguments);
        ended.assert_code(0);
        assert_eq!(ended.stdout, "", "{ended}");
        assert_eq!(
            ended.stderr,
            "checked 2 files, 3 resources: nothing wrong\n"
        );
    }
}

#[test]
fn nothing_to_check_is_bad_usage() {
    let ended = TestEnv::new().cs(["validate"]).run();
    ended.assert_code(2).assert_says("<PATH>");
}

#[test]
fn help_has_examples_and_every_exit_code() {
    let ended = TestEnv::new().cs(["validate", "--help"]).run();
    ended.assert_code(0);
    for part in [
        "Examples:",
        "cs validate specs/ --strict",
        "Exit codes: 0 valid, 3 something is wrong, 2",
    ] {
        assert!(ended.stdout.contains(part), "{part}\n{ended}");
    }
}

#[test]
fn standard_input_is_checked_like_a_file() {
    let env = TestEnv::new();
    let ended = env.cs(["validate", "-"]).stdin(workload("a")).run();
    ended.assert_code(0);
    let broken = workload("a").replace("image", "imgae");
    let ended = env.cs(["validate", "-"]).stdin(broken).run();
    ended.assert_code(3);
    assert_eq!(
        ended.stdout,
        "-:5:12: error[unknown-field]: unknown field `imgae` (`spec.source.imgae`)\n \
         5 │   source: {imgae: \"nginx:1.27\"}\n   \
           ·            ──────\n  \
         help: did you mean `image`?\n"
    );
}

#[test]
fn an_empty_folder_is_an_error() {
    let env = TestEnv::new();
    std::fs::create_dir(env.root().join("empty")).unwrap();
    let ended = validate(&env, "empty");
    ended.assert_code(3);
    let expected = "empty: error[no-documents]: empty holds no document\n";
    assert!(ended.stdout.starts_with(expected), "{ended}");
}

#[test]
fn one_broken_file_among_good_ones_does_not_hide_the_others() {
    let env = TestEnv::new();
    put(&env, "specs/a.yaml", workload("a") + "  replicas: many\n");
    put(&env, "specs/b.yaml", "a:\n\tb: 1\n");
    put(
        &env,
        "specs/c.yaml",
        workload("c") + "  resources: {memory: 20, memoryMax: 10}\n",
    );
    put(&env, "specs/d.yaml", workload("d"));
    let ended = validate(&env, "specs");
    ended.assert_code(3);
    let heads: Vec<&str> = ended
        .stdout
        .lines()
        .filter(|line| line.starts_with("specs/"))
        .map(|line| line.split("]:").next().unwrap())
        .collect();
    assert_eq!(
        heads,
        [
            "specs/a.yaml:6:13: error[wrong-type",
            "specs/b.yaml:2:1: error[tab-indentation",
            "specs/c.yaml:6:38: error[memory-max",
        ]
    );
    assert_eq!(ended.stderr, "checked 4 files, 2 resources: 3 errors\n");
}

#[test]
fn what_cannot_be_read_ends_with_2() {
    let env = TestEnv::new();
    put(&env, "specs/a.yaml", workload("a"));
    let ended = validate(&env, "specs gone.yaml");
    ended.assert_code(2);
    assert!(ended.stdout.starts_with("gone.yaml"), "{ended}");
    put(&env, "specs/b.yaml", b"a: \xff\n");
    let ended = validate(&env, "specs");
    assert!(ended.stdout.contains("error[not-utf8]"), "{ended}");
    assert!(ended.code.is_some_and(|code| code > 1), "{ended}");
}

#[test]
fn strict_takes_warnings_for_errors() {
    let env = TestEnv::new();
    put(&env, "a.yaml", workload("a").replace(":1.27", ":latest"));
    let ended = validate(&env, "a.yaml");
    ended.assert_code(0).assert_says("1 warning");
    let ended = validate(&env, "a.yaml --strict");
    ended.assert_code(3).assert_says("1 error");
    assert!(ended.stdout.contains("error[image-tag]"), "{ended}");
}

#[test]
fn secrets_of_files_are_not_shown_in_excerpts() {
    let env = TestEnv::new();
    let env_block = "  env: {DB_PASSWORD: s3cr3t-word, URL: \"postgres://u:s3cr3t-url@db/x\", TOKEN: s3cr3t-token}\n";
    put(&env, "a.yaml", workload("a") + env_block);
    for format in ["text", "json", "sarif", "junit", "github"] {
        let ended = validate(&env, &format!("a.yaml -o {format}"));
        ended.assert_code(0).assert_hides("s3cr3t");
        assert!(
            ended.stdout.matches("literal-secret").count() >= 3,
            "{ended}"
        );
    }
}

#[test]
fn the_namespace_of_the_connection_is_where_nameless_resources_live() {
    let env = TestEnv::new();
    let elsewhere = workload("a").replace("{name: a}", "{name: a, namespace: prod}");
    put(&env, "set.yaml", workload("a") + "---\n" + &elsewhere);
    validate(&env, "set.yaml").assert_code(0);
    for ended in [
        validate(&env, "set.yaml -n prod"),
        env.cs(["validate", "set.yaml"])
            .var("NOMAD_NAMESPACE", "prod")
            .run(),
    ] {
        ended.assert_code(3);
        assert!(ended.stdout.contains("error[duplicate-id]"), "{ended}");
        assert!(
            ended
                .stdout
                .contains("help: the other one stands at set.yaml:3:18\n"),
            "{ended}"
        );
    }
}

#[test]
fn a_thousand_files_are_all_checked_and_told_in_their_order() {
    let env = TestEnv::new();
    for number in 0..1_000 {
        let mut text = workload(&format!("w{number:04}"));
        if number % 100 == 7 {
            text.push_str("  replicas: -1\n");
        }
        put(&env, &format!("specs/{number:04}.yaml"), text);
    }
    let ended = validate(&env, "specs");
    ended
        .assert_code(3)
        .assert_says("checked 1000 files, 990 resources: 10 errors");
    let files: Vec<&str> = ended
        .stdout
        .lines()
        .filter_map(|line| line.strip_prefix("specs/")?.split(".yaml:").next())
        .collect();
    assert!(files.is_sorted() && files.len() == 10, "{files:?}");
}
