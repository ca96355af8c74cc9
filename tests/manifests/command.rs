//! The binary: standard input, exit codes, what is said where.

use super::{Tree, spec};
use crate::support::env::TestEnv;

#[test]
fn standard_input_is_a_source_in_every_language() {
    let env = TestEnv::new();
    let two = format!("{}---\n{}", spec("a"), spec("b"));
    let ended = env.cs(["render", "-f", "-"]).stdin(two).run();
    ended.assert_code(0);
    assert_eq!(ended.stdout.lines().count(), 2);
    let ended = env
        .cs(["render", "-f", "-"])
        .stdin("job \"web\" {}\n")
        .run();
    ended
        .assert_code(0)
        .assert_says("`web` is a job in Nomad's own words");
    let ended = env.cs(["render", "-f", "-"]).stdin("# nothing\n").run();
    ended.assert_code(3).assert_says("- holds no document");
    let native = "apiVersion: cloudstation.io/v1\nkind: NomadJob\nmetadata: {name: a}\nspec: {path: a.hcl}\n";
    let ended = env.cs(["render", "-f", "-"]).stdin(native).run();
    ended
        .assert_code(3)
        .assert_says("-:4:14: error[file-outside]: a document from standard input has no folder");
    let ended = env.cs(["render", "-f", "-", "-f", "-"]).run();
    ended
        .assert_code(2)
        .assert_says("standard input can be read only once");
}

#[test]
fn folders_and_globs_are_rendered_in_order() {
    let env = TestEnv::new();
    let tree = Tree::of([
        ("s/b.yaml", &*spec("b")),
        ("s/a.yaml", &*spec("a")),
        ("s/x.nomad", "job \"x\" {}\n"),
    ]);
    for source in ["s", "s/*"] {
        let ended = env.cs(["render", "-f"]).arg(tree.at(source)).run();
        ended.assert_code(0);
        let ids: Vec<String> = ended
            .stdout
            .lines()
            .map(|line| {
                serde_json::from_str::<serde_json::Value>(line).unwrap()["Job"]["ID"].to_string()
            })
            .collect();
        assert_eq!(ids, ["\"a\"", "\"b\""]);
    }
}

#[test]
fn an_overlay_renders_what_it_makes_and_warns_about_those_it_leaves_out() {
    let env = TestEnv::new();
    let tree = Tree::of([
        ("base/a.yaml", &*spec("a")),
        (
            "prod/overlay.yaml",
            "apiVersion: cloudstation.io/v1\nkind: Overlay\nspec: {bases: [../base], namespace: prod}\n",
        ),
    ]);
    let ended = env.cs(["render", "-f"]).arg(tree.at("prod")).run();
    ended.assert_code(0);
    assert_eq!(ended.document()["Job"]["Namespace"], "prod");
    let ended = env.cs(["render", "-f"]).arg(tree.path()).run();
    ended
        .assert_code(0)
        .assert_says("prod is an overlay and a set of its own; name it to read it");
    assert_eq!(ended.stdout.lines().count(), 1);
}

#[test]
fn sources_that_cannot_be_read_end_with_two_and_wrong_ones_with_three() {
    let env = TestEnv::new();
    let tree = Tree::of([
        ("good.yaml", &*spec("good")),
        ("bad.yaml", "kind: Workload\n"),
    ]);
    for (source, code, said) in [
        (
            "nothing.yaml",
            2,
            "error[not-found]: there is no such file or folder",
        ),
        (
            "x*.yaml",
            2,
            "error[no-match]: no file or folder has such a name",
        ),
        (
            "bad.yaml",
            3,
            "bad.yaml:1:1: error[missing-field]: `apiVersion` is missing",
        ),
    ] {
        let ended = env
            .cs(["render", "-f"])
            .arg(tree.at("good.yaml"))
            .arg(tree.at(source))
            .run();
        ended.assert_code(code).assert_says(said);
        assert_eq!(ended.stdout, "", "{ended}");
    }
    for source in ["git@host:o/n.git", "ssh://git@host/o/n.git//specs"] {
        let ended = env.cs(["render", "-f", source]).run();
        ended
            .assert_code(2)
            .assert_says("ssh is not supported; write the https address");
    }
    let ended = env.cs(["render", "-f", ".", "--var", "x"]).run();
    ended.assert_code(2).assert_says("`--var x` has no `=`");
}

/// A file that another program writes while it is read has no size.
#[test]
fn a_pipe_that_is_named_is_read() {
    let env = TestEnv::new();
    let tree = Tree::new();
    let pipe = tree.at("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let running = env.cs(["render", "-f"]).arg(&pipe).start();
    std::fs::write(&pipe, spec("a")).unwrap();
    let ended = running.wait();
    ended.assert_code(0);
    assert_eq!(ended.document()["Job"]["ID"], "a");
}
