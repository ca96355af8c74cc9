//! Jobs in Nomad's own words: bare files, and documents that name files.

use cs::manifests::{Native, NativeFormat};
use cs::spec::Resource;

use super::{Outcome, Tree, spec};

const JOB: &str = "job \"web\" {\n  group \"g\" {}\n}\n";

fn native(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: cloudstation.io/v1\nkind: NomadJob\nmetadata: {{name: {name}}}\nspec: {spec}\n"
    )
}

fn natives(outcome: &Outcome) -> Vec<&Native> {
    let manifests = outcome.loaded.manifests.iter();
    manifests
        .filter_map(|manifest| manifest.native.as_ref())
        .collect()
}

fn named(
    outcome: &Outcome,
    files: &[(std::sync::Arc<str>, std::sync::Arc<str>)],
) -> Vec<(String, String)> {
    let files = files.iter();
    files
        .map(|(name, text)| (outcome.short(name), text.to_string()))
        .collect()
}

#[test]
fn bare_jobs_are_documents_of_their_own_name_and_namespace() {
    let tree = Tree::of([
        ("a.nomad.hcl", JOB),
        (
            "b.nomad",
            "job \"db\" {\n  id = \"pg\"\n  namespace = \"prod\"\n}\n",
        ),
        (
            "c.nomad.json",
            r#"{"Job": {"ID": "cron", "Namespace": "ops"}}"#,
        ),
        ("d.hcl", "region = \"eu\"\n"),
        ("e.json", "{\"ID\": \"e\"}"),
    ]);
    let outcome = tree.load(&["."]);
    assert_eq!(
        outcome.good(),
        [
            "a.nomad.hcl: web",
            "b.nomad: prod/pg",
            "c.nomad.json: ops/cron"
        ]
    );
    let found = natives(&outcome);
    assert_eq!(found.len(), 3);
    assert_eq!((&*found[0].text, found[0].format), (JOB, NativeFormat::Hcl));
    assert_eq!(found[2].format, NativeFormat::Json);
    let document = &outcome.loaded.manifests[0].document;
    assert!(document.is_whole_file());
    assert_eq!(document.locate("spec.path"), (1, 1));
    let Resource::NomadJob(job) = &document.resource else {
        panic!("{document:?}")
    };
    assert_eq!(job.spec.path.as_deref(), Some("a.nomad.hcl"));
    assert_eq!(tree.load(&["e.json"]).good(), ["e.json: e"]);
}

#[test]
fn flags_give_variables_to_every_job_and_can_tell_its_namespace() {
    let tree = Tree::of([
        (
            "a.nomad.hcl",
            "variable \"ns\" {}\njob \"web\" {\n  namespace = var.ns\n}\n",
        ),
        ("prod.hcl", "ns = \"prod\"\n"),
        ("dev.hcl", "ns = \"dev\"\n"),
    ]);
    let outcome = tree.load_with(&["a.nomad.hcl"], &["x=1"], &["prod.hcl", "dev.hcl"]);
    assert_eq!(outcome.good(), ["a.nomad.hcl: dev/web"]);
    let native = natives(&outcome)[0];
    assert_eq!(native.variable_flags, [("x".to_owned(), "1".to_owned())]);
    assert_eq!(
        named(&outcome, &native.variable_files),
        [
            ("prod.hcl".to_owned(), "ns = \"prod\"\n".to_owned()),
            ("dev.hcl".to_owned(), "ns = \"dev\"\n".to_owned())
        ]
    );
    let outcome = tree.load_with(&["a.nomad.hcl"], &["ns=test"], &["prod.hcl"]);
    assert_eq!(outcome.good(), ["a.nomad.hcl: test/web"]);
    assert_eq!(
        tree.load(&["a.nomad.hcl"]).bad(3),
        [
            "a.nomad.hcl:3:3: error[job-not-literal]: the job's `namespace` is not known before Nomad has evaluated it"
        ]
    );
    assert_eq!(
        tree.load_with(&["a.nomad.hcl"], &["ns=a"], &["none.hcl"])
            .bad(2),
        ["none.hcl: error[not-found]: there is no such file or folder"]
    );
}

#[test]
fn broken_jobs_are_told_with_their_place() {
    for (name, text, finding) in [
        (
            "a.nomad.hcl",
            "locals {}\n",
            "a.nomad.hcl:1:1: error[no-job]: there is no `job` block in it",
        ),
        (
            "a.nomad",
            "job \"a\" {}\njob \"b\" {}\n",
            "a.nomad:2:1: error[several-jobs]: this is a second job; a file describes one",
        ),
        (
            "a.nomad.json",
            "{\"ID\": }",
            "a.nomad.json:1:8: error[json-syntax]: not JSON: expected value",
        ),
        (
            "a.nomad.json",
            "{\"name\": \"x\"}",
            "a.nomad.json: error[no-job]: is neither a Nomad job (with `ID`, or with it inside of `Job`) nor a spec (with \
             `apiVersion`)",
        ),
    ] {
        let tree = Tree::of([("good.yaml", &*spec("good")), (name, text)]);
        let outcome = tree.load(&["."]);
        assert_eq!(outcome.bad(3), [finding]);
        assert_eq!(outcome.documents(), ["good.yaml: good"]);
    }
    let tree = Tree::of([("a.nomad.hcl", "job \"a\" {\n  type = \"service\n}\n")]);
    let findings = tree.load(&["."]).bad(3);
    assert!(findings[0].starts_with("a.nomad.hcl:2:"), "{findings:?}");
    assert!(
        findings[0].contains("error[hcl-syntax]: not HCL: "),
        "{findings:?}"
    );
}

#[test]
fn a_spec_may_be_written_in_json() {
    let text = "{\n\t\"apiVersion\": \"cloudstation.io/v1\",\n\t\"kind\": \"Workload\",\n\t\"metadata\": {\"name\": \"a\"},\n\t\
        \"spec\": {\"source\": {\"image\": \"nginx\"}}\n}\n";
    let tree = Tree::of([("a.json", text), ("b.json", "[1]")]);
    assert_eq!(tree.load(&["a.json"]).good(), ["a.json: a"]);
    assert_eq!(tree.load(&["*.json"]).good(), ["a.json: a"]);
    let findings = tree.load(&["b.json"]).bad(3);
    assert!(findings[0].contains("error[no-job]"), "{findings:?}");
}

#[test]
fn a_document_carries_its_job_or_names_the_file() {
    let tree = Tree::new();
    tree.file("d/inline.yaml", native("a", "{hcl: 'job \"a\" {}'}"));
    tree.file("d/json.yaml", native("b", "{job: {ID: b}}"));
    tree.file(
        "d/path.yaml",
        native(
            "web",
            "{path: jobs/web.hcl, variableFiles: [vars/a.hcl, vars/../vars/b.hcl]}",
        ),
    );
    tree.file("d/jobs/web.hcl", JOB);
    tree.file("d/vars/a.hcl", "a = 1\n")
        .file("d/vars/b.hcl", "b = 1\n")
        .file("c.hcl", "c = 1\n");
    let outcome = tree.load_with(&["d"], &["f=x"], &["c.hcl"]);
    assert_eq!(outcome.good().len(), 3);
    let found = natives(&outcome);
    assert_eq!(
        (outcome.short(&found[0].file), &*found[0].text),
        ("d/inline.yaml".to_owned(), "job \"a\" {}")
    );
    assert_eq!(
        (&*found[1].text, found[1].format),
        ("{\"ID\":\"b\"}", NativeFormat::Json)
    );
    assert_eq!(
        (outcome.short(&found[2].file), &*found[2].text),
        ("d/jobs/web.hcl".to_owned(), JOB)
    );
    let files = named(&outcome, &found[2].variable_files);
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["d/vars/a.hcl", "d/vars/b.hcl", "c.hcl"]);
    assert!(
        outcome
            .loaded
            .texts
            .keys()
            .any(|name| name.ends_with("d/jobs/web.hcl"))
    );
}

#[test]
fn files_outside_of_the_sources_are_not_read() {
    let tree = Tree::of([
        ("secret.hcl", JOB),
        ("d/inside.hcl", JOB),
        ("d/e/x.hcl", JOB),
    ]);
    tree.link("d/link.hcl", "../secret.hcl")
        .link("d/fine.hcl", "inside.hcl");
    let outside = "error[file-outside]: the path leads out of the sources (`spec.path`)";
    for (path, wanted) in [
        ("../secret.hcl", Some(outside)),
        ("/etc/hostname", Some(outside)),
        ("e/../../secret.hcl", Some(outside)),
        ("link.hcl", Some(outside)),
        (
            "nothing.hcl",
            Some("error[file-not-found]: there is no such file (`spec.path`)"),
        ),
        (
            "e",
            Some("error[file-not-found]: there is no such file (`spec.path`)"),
        ),
        ("fine.hcl", None),
        ("e/../inside.hcl", None),
    ] {
        tree.file("d/a.yaml", native("web", &format!("{{path: {path}}}")));
        let outcome = tree.load(&["d"]);
        match wanted {
            Some(finding) => assert_eq!(
                outcome.bad(3),
                [format!("d/a.yaml:4:14: {finding}")],
                "{path}"
            ),
            None => assert_eq!(outcome.good(), ["d/a.yaml: web"], "{path}"),
        }
    }
}

/// A commit hook names files one by one; they must mean the same as with their folder.
#[test]
fn inside_a_git_work_tree_files_may_be_shared_between_folders() {
    let tree = Tree::of([("shared/web.hcl", JOB), (".git/HEAD", "ref: x\n")]);
    tree.file("d/a.yaml", native("web", "{path: ../shared/web.hcl}"));
    assert_eq!(tree.load(&["d"]).good(), ["d/a.yaml: web"]);
    assert_eq!(tree.load(&["d/a.yaml"]).good(), ["d/a.yaml: web"]);
    tree.file("d/a.yaml", native("web", "{path: ../../x.hcl}"));
    let findings = tree.load(&["d"]).bad(3);
    assert!(findings[0].contains("error[file-outside]"), "{findings:?}");
}

#[test]
fn a_document_has_exactly_one_job() {
    let tree = Tree::new();
    for spec in ["{}", "{hcl: x, job: {}}", "{hcl: x, path: a.hcl}"] {
        tree.file("a.yaml", native("web", spec));
        assert_eq!(
            tree.load(&["."]).bad(3),
            [
                "a.yaml:4:1: error[native-source]: a NomadJob has exactly one of `hcl`, `path` and `job` (`spec`)"
            ]
        );
    }
}
