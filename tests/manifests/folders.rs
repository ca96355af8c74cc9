//! Folders, globs and files: what is read, what is passed over, in which order.

use tokio_util::sync::CancellationToken;

use cs::config::Environment;
use cs::manifests::{LoadError, Request, load_local};

use super::{Tree, spec};

fn many(names: &[&str]) -> Tree {
    let tree = Tree::new();
    for name in names {
        let stem = name.rsplit('/').next().unwrap().split('.').next().unwrap();
        tree.file(name, spec(stem));
    }
    tree
}

#[test]
fn a_folder_is_read_with_all_below_in_the_order_of_names() {
    let tree = many(&[
        "b.yaml",
        "a/z.yml",
        "a/b/y.yaml",
        "c/x.yaml",
        "a.yaml",
        "B.yaml",
    ]);
    assert_eq!(
        tree.load(&["."]).good(),
        [
            "B.yaml: B",
            "a/b/y.yaml: y",
            "a/z.yml: z",
            "a.yaml: a",
            "b.yaml: b",
            "c/x.yaml: x"
        ]
    );
}

#[test]
fn files_that_are_no_specs_by_name_are_passed_over_unless_they_are_named() {
    let tree = many(&["a.yaml", "b.json", "c.txt", "d.hcl", "README.md"]);
    tree.file("e.json", r#"{"ID": "e"}"#);
    tree.file("f.hcl", "job \"f\" {}\n");
    assert_eq!(tree.load(&["."]).good(), ["a.yaml: a"]);
    assert_eq!(
        tree.load(&["c.txt", "e.json", "f.hcl"]).good(),
        ["c.txt: c", "e.json: e", "f.hcl: f"]
    );
}

#[test]
fn hidden_names_are_not_read() {
    let tree = many(&["a.yaml", ".git/c.yaml", ".github/workflows/d.yaml"]);
    tree.file(".b.yaml", spec("b"));
    assert_eq!(tree.load(&["."]).good(), ["a.yaml: a"]);
    assert_eq!(tree.load(&[".b.yaml"]).good(), [".b.yaml: b"]);
}

#[test]
fn several_documents_of_a_file_keep_their_order() {
    let tree = Tree::new();
    tree.file(
        "a.yaml",
        format!(
            "{}---\n{}---\n# nothing\n---\n{}",
            spec("z"),
            spec("a"),
            spec("m")
        ),
    );
    assert_eq!(
        tree.load(&["."]).good(),
        ["a.yaml: z", "a.yaml: a", "a.yaml: m"]
    );
}

#[test]
fn sources_keep_their_order_and_a_file_that_is_named_twice_is_read_once() {
    let tree = many(&["d/a.yaml", "d/b.yaml", "e.yaml"]);
    assert_eq!(
        tree.load(&["e.yaml", "d/b.yaml", "d", "d/a.yaml", "e.yaml"])
            .good(),
        ["e.yaml: e", "d/b.yaml: b", "d/a.yaml: a"]
    );
}

#[test]
fn globs_name_files_and_folders() {
    let tree = many(&["a.yaml", "b.yml", "d/c.yaml", "d/e/f.yaml", "README.md"]);
    tree.file("compose.yaml", "services: {}\n");
    let outcome = tree.load(&["*.yaml"]);
    assert_eq!(outcome.good(), ["a.yaml: a"]);
    assert_eq!(outcome.loaded.passed_over, 1);
    assert_eq!(tree.load(&["**/*.yaml"]).documents().len(), 3);
    assert_eq!(tree.load(&["*"]).good().len(), 4);
    assert_eq!(tree.load(&["d*"]).good(), ["d/c.yaml: c", "d/e/f.yaml: f"]);
    // A file of that very name is meant before a pattern.
    tree.file("x[1].yaml", spec("x"));
    assert_eq!(tree.load(&["x[1].yaml"]).good(), ["x[1].yaml: x"]);
}

#[test]
fn a_source_that_is_not_there_is_named_and_the_others_are_read() {
    let tree = many(&["a.yaml"]);
    let outcome = tree.load(&["nothing.yaml", "a.yaml", "x*.yaml", "a.yaml/b"]);
    assert_eq!(
        outcome.bad(2),
        [
            "x*.yaml: error[no-match]: no file or folder has such a name",
            "nothing.yaml: error[not-found]: there is no such file or folder",
            "a.yaml/b: error[not-found]: there is no such file or folder",
        ]
    );
    assert_eq!(outcome.documents(), ["a.yaml: a"]);
}

#[test]
fn a_source_without_any_document_is_a_finding() {
    let tree = Tree::of([
        ("d/README.md", "x"),
        ("e.yaml", "# nothing\n"),
        ("f/g.yaml", "services: {}\n"),
    ]);
    for (source, name) in [("d", "d"), ("e.yaml", "e.yaml"), ("f", "f")] {
        let finding = format!("{name}: error[no-documents]: {name} holds no document");
        assert_eq!(tree.load(&[source]).bad(3), [finding]);
    }
}

#[test]
fn files_of_other_tools_are_passed_over_in_folders_and_refused_by_name() {
    let foreign = [
        ("docker-compose.yml", "services:\n  web: {image: nginx}\n"),
        (
            "deployment.yaml",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n",
        ),
        (
            "other.yaml",
            "apiVersion: carto.run/v1\nkind: Workload\nmetadata: {name: x}\n",
        ),
        ("workflow.yaml", "on: [push]\njobs: {a: {runs-on: x}}\n"),
        ("list.yaml", "- a\n- b\n"),
        ("text.yaml", "hello\n"),
    ];
    let tree = many(&["a.yaml"]);
    for (name, text) in foreign {
        tree.file(name, text);
    }
    let outcome = tree.load(&["."]);
    assert_eq!(outcome.good(), ["a.yaml: a"]);
    assert_eq!(outcome.loaded.passed_over, foreign.len());
    for (name, _) in foreign {
        assert!(!tree.load(&[name]).bad(3).is_empty(), "{name}");
    }
}

/// What is passed over would be pruned, so a slip must not make a spec look foreign.
#[test]
fn a_slip_in_its_first_lines_does_not_make_a_spec_foreign() {
    let good = spec("a");
    for (from, to, code) in [
        (
            "apiVersion: cloudstation.io/v1",
            "apiVersion: cloudstation.io/v2",
            "unknown-api-version",
        ),
        (
            "apiVersion: cloudstation.io/v1",
            "apiVersion: cloudstaton.io/v1",
            "unknown-api-version",
        ),
        (
            "apiVersion: cloudstation.io/v1",
            "apiVersoin: cloudstation.io/v1",
            "missing-field",
        ),
        ("apiVersion: cloudstation.io/v1\n", "", "missing-field"),
        ("kind: Workload\n", "", "missing-field"),
        ("kind: Workload", "kind: workload", "unknown-kind"),
        (
            "apiVersion: cloudstation.io/v1\nkind: Workload\n",
            "# yaml-language-server: $schema=../cloudstation.io_v1.json\n",
            "missing-field",
        ),
    ] {
        let text = good.replace(from, to);
        assert_ne!(text, good);
        let tree = many(&["good.yaml"]);
        tree.file("a.yaml", &text);
        let outcome = tree.load(&["."]);
        let findings = outcome.bad(3);
        assert!(findings[0].starts_with("a.yaml:"), "{findings:?}");
        assert!(
            findings[0].contains(&format!("error[{code}]")),
            "{findings:?}"
        );
        assert_eq!(outcome.documents(), ["good.yaml: good"]);
    }
}

/// One document of ours makes all documents of its file count.
#[test]
fn a_document_without_its_first_lines_is_not_overlooked_beside_a_good_one() {
    let tree = Tree::new();
    tree.file(
        "a.yaml",
        format!("{}---\nmetadata: {{name: b}}\n", spec("a")),
    );
    let outcome = tree.load(&["."]);
    assert_eq!(
        outcome.bad(3),
        [
            "a.yaml:6:1: error[missing-field]: `apiVersion` is missing",
            "a.yaml:6:1: error[missing-field]: `kind` is missing",
        ]
    );
    assert_eq!(outcome.documents(), ["a.yaml: a"]);
}

#[test]
fn ignore_files_keep_files_out_folder_by_folder() {
    let tree = many(&[
        "a.yaml",
        "b.yaml",
        "drafts/c.yaml",
        "e/drafts/d.yaml",
        "e/f.yaml",
        "e/g.yaml",
        "e/h/g.yaml",
    ]);
    tree.file(".csignore", "# not yet\ndrafts/\n/b.yaml\ng.yaml\n");
    tree.file("e/.csignore", "!g.yaml\nf.yaml\n");
    assert_eq!(
        tree.load(&["."]).good(),
        ["a.yaml: a", "e/g.yaml: g", "e/h/g.yaml: g"]
    );
    // What is named is read, whatever is ignored; rules above a named folder do not count.
    assert_eq!(tree.load(&["b.yaml"]).good(), ["b.yaml: b"]);
    assert_eq!(tree.load(&["drafts"]).good(), ["drafts/c.yaml: c"]);
}

#[test]
fn a_broken_ignore_file_makes_the_set_incomplete() {
    let tree = many(&["a.yaml"]);
    tree.file(".csignore", "ok\n[a\n");
    assert_eq!(
        tree.load(&["."]).bad(3),
        [".csignore:2:1: error[bad-pattern]: the line is no pattern: a `[` has no `]`"]
    );
}

#[test]
fn a_broken_file_among_good_ones_does_not_hide_them() {
    let tree = many(&["a.yaml", "c.yaml"]);
    tree.file("b.yaml", "apiVersion: cloudstation.io/v1\nkind: [\n");
    tree.file("d.yaml", spec("d").replace("image", "imagee"));
    let outcome = tree.load(&["."]);
    let findings = outcome.bad(3);
    assert_eq!(findings.len(), 2);
    assert!(
        findings[0].starts_with("b.yaml:2:7: error[yaml-syntax]"),
        "{findings:?}"
    );
    assert!(
        findings[1].starts_with("d.yaml:4:17: error[unknown-field]"),
        "{findings:?}"
    );
    assert_eq!(outcome.documents(), ["a.yaml: a", "c.yaml: c"]);
    assert!(
        outcome
            .loaded
            .texts
            .keys()
            .any(|name| name.ends_with("/b.yaml"))
    );
}

/// A file that lost its content is no file that was removed.
#[test]
fn an_empty_file_in_a_folder_is_a_finding_and_one_of_comments_is_not() {
    let tree = many(&["a.yaml"]);
    tree.file("b.yaml", "# switched off for now\n")
        .file("c.yml", "");
    tree.file("d.nomad.hcl", " \n\n");
    assert_eq!(
        tree.load(&["."]).bad(3),
        [
            "c.yml: error[empty-file]: the file is empty",
            "d.nomad.hcl: error[empty-file]: the file is empty"
        ]
    );
}

#[test]
fn folders_that_are_nested_too_deeply_are_refused() {
    let tree = many(&["a.yaml"]);
    tree.file(&format!("{}b.yaml", "d/".repeat(64)), spec("b"));
    assert_eq!(tree.load(&["."]).good().len(), 2);
    tree.file(&format!("{}c.yaml", "d/".repeat(65)), spec("c"));
    let findings = tree.load(&["."]).bad(2);
    assert!(
        findings[0].ends_with("error[too-deep]: folders are nested deeper than 64"),
        "{findings:?}"
    );
}

#[test]
fn thousands_of_files_are_read_in_order() {
    let tree = Tree::new();
    let names: Vec<String> = (0..1500).map(|number| format!("{number:05}")).collect();
    for name in &names {
        tree.file(&format!("{name}.yaml"), spec(&format!("s{name}")));
    }
    let wanted: Vec<String> = names
        .iter()
        .map(|name| format!("{name}.yaml: s{name}"))
        .collect();
    assert_eq!(tree.load(&["."]).good(), wanted);
}

#[test]
fn a_stop_ends_reading() {
    let tree = many(&["a.yaml"]);
    let source = tree.path().display().to_string();
    let request = Request::new(&[source], &[], Vec::new(), &Environment::default()).unwrap();
    let stop = CancellationToken::new();
    stop.cancel();
    let error = load_local(&request, &stop).unwrap_err();
    assert!(matches!(error, LoadError::Stopped));
    assert_eq!(error.exit_code(), 10);
}

#[test]
fn names_cannot_steer_a_terminal() {
    let tree = Tree::new();
    tree.file("a\u{1b}[31m\n.yaml", "a: [\n");
    let findings = tree.load(&["."]).bad(3);
    assert!(
        !findings[0].contains('\u{1b}') && !findings[0].contains('\n'),
        "{findings:?}"
    );
}
