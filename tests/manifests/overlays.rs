//! Folders that are laid over others.

use super::{Tree, spec};

fn overlay(spec: &str) -> String {
    format!("apiVersion: cloudstation.io/v1\nkind: Overlay\nspec: {spec}\n")
}

fn patch(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: cloudstation.io/v1\nkind: Workload\nmetadata: {{name: {name}}}\nspec: {spec}\n"
    )
}

/// A base with two workloads, and an overlay that changes one of them and adds a third.
fn shop() -> Tree {
    let tree = Tree::new();
    tree.file(
        "base/web.yaml",
        patch(
            "web",
            "{source: {image: nginx}, replicas: 1, ports: [{port: 80}, {port: 81}]}",
        ),
    );
    tree.file("base/db.yaml", spec("db"));
    tree.file(
        "overlays/prod/overlay.yaml",
        overlay("{bases: [../../base], namespace: prod, labels: {env: prod}}"),
    );
    tree.file(
        "overlays/prod/web.yaml",
        patch(
            "web",
            "{replicas: 5, ports: [{port: 81, $patch: delete}, {port: 80, public: true}]}",
        ),
    );
    tree.file("overlays/prod/extra.yaml", spec("extra"));
    tree
}

#[test]
fn an_overlay_is_its_bases_with_changes_and_additions() {
    let outcome = shop().load(&["overlays/prod"]);
    assert_eq!(
        outcome.good(),
        [
            "base/db.yaml: prod/db",
            "base/web.yaml: prod/web",
            "overlays/prod/extra.yaml: prod/extra"
        ]
    );
    let web = outcome.loaded.manifests[1].document.workload().unwrap();
    assert_eq!(web.spec.replicas, Some(5));
    assert_eq!(web.spec.ports.len(), 1);
    assert!(web.spec.ports[0].public);
    assert_eq!(web.metadata.labels["env"], "prod");
    assert_eq!(web.spec.source.image.as_deref(), Some("nginx"));
}

#[test]
fn every_part_is_placed_in_the_file_that_it_comes_from() {
    let outcome = shop().load(&["overlays/prod"]);
    let document = &outcome.loaded.manifests[1].document;
    for (path, file, line, column) in [
        ("spec.replicas", "overlays/prod/web.yaml", 4, 18),
        ("spec.source.image", "base/web.yaml", 4, 24),
        ("spec.ports[0].port", "base/web.yaml", 4, 60),
        ("spec.ports[0].public", "overlays/prod/web.yaml", 4, 76),
        ("metadata.namespace", "overlays/prod/overlay.yaml", 3, 40),
        ("metadata.labels.env", "overlays/prod/overlay.yaml", 3, 60),
        ("spec.rollout.canary", "base/web.yaml", 4, 1),
    ] {
        let location = document.location(path);
        let found = (outcome.short(location.file), location.line, location.column);
        assert_eq!(found, (file.to_owned(), line, column), "{path}");
        assert!(location.text.starts_with("apiVersion"));
    }
    let finding = document.diagnostic("x", "spec.replicas", "y".to_owned(), None);
    assert!(finding.file.ends_with("overlays/prod/web.yaml"));
}

#[test]
fn what_is_wrong_with_the_result_is_placed_in_the_patch() {
    let tree = shop();
    tree.file(
        "overlays/prod/web.yaml",
        patch("web", "{replicas: many, sorce: x}"),
    );
    assert_eq!(
        tree.load(&["overlays/prod"]).bad(3),
        [
            "overlays/prod/web.yaml:4:18: error[wrong-type]: expected a whole number from 0 to 4294967295, found text \
             (`spec.replicas`)",
            "overlays/prod/web.yaml:4:24: error[unknown-field]: unknown field `sorce` (`spec.sorce`)",
        ]
    );
}

#[test]
fn a_patch_that_finds_nothing_to_change_says_so() {
    let tree = shop();
    tree.file("overlays/prod/web.yaml", patch("wbe", "{replicas: 5}"));
    let outcome = tree.load(&["overlays/prod"]);
    assert_eq!(
        outcome.bad(3),
        [
            "overlays/prod/web.yaml:3:18: error[patch-without-target]: no base has a Workload of this name, and as a new one it \
             is not whole (`metadata.name`)",
            "overlays/prod/web.yaml:4:1: error[missing-field]: `source` is missing (`spec`)",
        ]
    );
    assert_eq!(
        outcome.loaded.findings[0].help.as_deref(),
        Some("did you mean `web`?")
    );
    tree.file("overlays/prod/web.yaml", patch("other", "{replicas: 5}"));
    let outcome = tree.load(&["overlays/prod"]);
    assert_eq!(
        outcome.loaded.findings[0].help.as_deref(),
        Some("the bases have `db`, `web`")
    );
}

/// Else it would describe the same jobs a second time.
#[test]
fn an_overlay_below_a_named_folder_is_left_out_and_listed() {
    let tree = shop();
    tree.file(
        "overlays/dev/overlay.yaml",
        overlay("{bases: [../../base]}"),
    );
    tree.file("overlays/prod/deep/a.yaml", patch("web", "{replicas: 1}"));
    tree.file(
        "overlays/prod/deeper/overlay.yaml",
        overlay("{bases: [..]}"),
    );
    tree.file("overlays/shared.yaml", spec("shared"));
    let outcome = tree.load(&["."]);
    assert_eq!(
        outcome.good(),
        [
            "base/db.yaml: db",
            "base/web.yaml: web",
            "overlays/shared.yaml: shared"
        ]
    );
    assert_eq!(outcome.overlays(), ["overlays/dev", "overlays/prod"]);
    // Each of them is a set of its own; a folder below it belongs to it, unless it is an overlay itself.
    let outcome = tree.load(&["overlays/prod"]);
    let web = outcome.loaded.manifests[1].document.workload().unwrap();
    assert_eq!(web.spec.replicas, Some(5));
    assert_eq!(tree.load(&["overlays/*"]).documents().len(), 6);
    let outcome = tree.load(&["overlays/prod/deeper"]);
    assert_eq!(outcome.good().len(), 3);
}

#[test]
fn a_folder_of_overlays_alone_says_what_to_name() {
    let outcome = shop().load(&["overlays"]);
    assert_eq!(
        outcome.bad(3),
        ["overlays: error[no-documents]: overlays holds no document"]
    );
    assert_eq!(
        outcome.loaded.findings[0].help.as_deref(),
        Some("it holds overlays; name the folder of one")
    );
}

#[test]
fn an_overlay_is_named_by_its_folder() {
    let tree = shop();
    assert_eq!(
        tree.load(&["overlays/prod/overlay.yaml"]).bad(3),
        [
            "overlays/prod/overlay.yaml:1:1: error[overlay-alone]: an `Overlay` describes its folder, not a job"
        ]
    );
}

#[test]
fn overlays_may_lie_on_overlays() {
    let tree = shop();
    tree.file(
        "eu/overlay.yaml",
        overlay("{bases: [../overlays/prod], labels: {env: eu, region: eu}}"),
    );
    tree.file("eu/web.yaml", patch("web", "{replicas: 7, ports: null}"));
    let outcome = tree.load(&["eu"]);
    assert_eq!(outcome.good().len(), 3);
    let web = outcome.loaded.manifests[1].document.workload().unwrap();
    assert_eq!((web.spec.replicas, web.spec.ports.len()), (Some(7), 0));
    assert_eq!(web.metadata.namespace.as_deref(), Some("prod"));
    assert_eq!(
        (
            &*web.metadata.labels["env"],
            &*web.metadata.labels["region"]
        ),
        ("eu", "eu")
    );
}

#[test]
fn documents_of_the_overlay_win_over_its_namespace_and_labels() {
    let tree = shop();
    let text = spec("extra").replace(
        "{name: extra}",
        "{name: extra, namespace: ops, labels: {env: none}}",
    );
    tree.file("overlays/prod/extra.yaml", text);
    tree.file("overlays/prod/db.yaml", "apiVersion: cloudstation.io/v1\nkind: Workload\nmetadata: {name: db, namespace: data, labels: {env: null}}\n");
    let outcome = tree.load(&["overlays/prod"]);
    assert_eq!(
        outcome.good(),
        [
            "base/db.yaml: data/db",
            "base/web.yaml: prod/web",
            "overlays/prod/extra.yaml: ops/extra"
        ]
    );
    assert!(
        outcome.loaded.manifests[0]
            .document
            .resource
            .metadata()
            .labels
            .is_empty()
    );
}

#[test]
fn resources_of_one_name_are_told_apart_by_the_namespace_of_the_base() {
    let tree = Tree::new();
    let named = |namespace: &str| {
        spec("web").replace(
            "{name: web}",
            &format!("{{name: web, namespace: {namespace}}}"),
        )
    };
    tree.file("base/a.yaml", named("a"))
        .file("base/b.yaml", named("b"));
    tree.file("o/overlay.yaml", overlay("{bases: [../base]}"));
    tree.file("o/web.yaml", patch("web", "{replicas: 2}"));
    assert_eq!(
        tree.load(&["o"]).bad(3),
        [
            "o/web.yaml:3:18: error[patch-ambiguous]: the bases have several Workload `web`, in different namespaces (`metadata.name`)"
        ]
    );
    let text = patch("web", "{replicas: 2}").replace("{name: web}", "{name: web, namespace: b}");
    tree.file("o/web.yaml", text);
    let outcome = tree.load(&["o"]);
    outcome.good();
    let replicas = |index: usize| {
        let document: &cs::spec::Document = &outcome.loaded.manifests[index].document;
        document.workload().unwrap().spec.replicas
    };
    assert_eq!((replicas(0), replicas(1)), (None, Some(2)));
}

#[test]
fn a_base_may_be_partial_as_long_as_the_overlay_makes_it_whole() {
    let tree = Tree::new();
    tree.file("base/web.yaml", patch("web", "{replicas: 2}"));
    tree.file("o/overlay.yaml", overlay("{bases: [../base/web.yaml]}"));
    tree.file("o/web.yaml", patch("web", "{source: {image: nginx}}"));
    assert_eq!(tree.load(&["o"]).good(), ["base/web.yaml: web"]);
    tree.file("o/web.yaml", patch("web", "{detectPorts: true}"));
    assert_eq!(
        tree.load(&["o"]).bad(3),
        ["base/web.yaml:4:1: error[missing-field]: `source` is missing (`spec`)"]
    );
}

#[test]
fn native_jobs_take_part() {
    let tree = Tree::of([
        ("base/a.nomad.hcl", "job \"web\" {}\n"),
        ("base/shared/b.hcl", "job \"db\" {}\n"),
        (
            "base/b.yaml",
            "apiVersion: cloudstation.io/v1\nkind: NomadJob\nmetadata: {name: db}\nspec: {path: shared/b.hcl}\n",
        ),
        ("o/prod.hcl", "x = 1\n"),
        (
            "o/web.yaml",
            "apiVersion: cloudstation.io/v1\nkind: NomadJob\nmetadata: {name: web}\nspec: {variableFiles: [prod.hcl], dependsOn: [{name: db}]}\n",
        ),
    ]);
    tree.file(
        "o/overlay.yaml",
        overlay("{bases: [../base], namespace: prod}"),
    );
    let outcome = tree.load(&["o"]);
    assert_eq!(
        outcome.good(),
        ["base/a.nomad.hcl: prod/web", "base/b.yaml: prod/db"]
    );
    let web = outcome.loaded.manifests[0].native.as_ref().unwrap();
    assert_eq!(
        (outcome.short(&web.file), &*web.text),
        ("base/a.nomad.hcl".to_owned(), "job \"web\" {}\n")
    );
    assert_eq!(outcome.short(&web.variable_files[0].0), "o/prod.hcl");
    let db = outcome.loaded.manifests[1].native.as_ref().unwrap();
    assert_eq!(&*db.text, "job \"db\" {}\n");
}

#[test]
fn a_cycle_is_refused_with_its_path() {
    let tree = Tree::new();
    tree.file("a/overlay.yaml", overlay("{bases: [../b]}"));
    tree.file("b/overlay.yaml", overlay("{bases: [../c]}"));
    tree.file("c/overlay.yaml", overlay("{bases: [../b]}"));
    assert_eq!(
        tree.load(&["a"]).bad(3)[0],
        "c/overlay.yaml:3:16: error[overlay-cycle]: these overlays are laid over each other: b → c → b (`spec.bases[0]`)"
    );
    tree.file("a/overlay.yaml", overlay("{bases: [.]}"));
    assert_eq!(
        tree.load(&["a"]).bad(3),
        [
            "a/overlay.yaml:3:16: error[overlay-cycle]: these overlays are laid over each other: a → a (`spec.bases[0]`)"
        ]
    );
}

#[test]
fn a_pile_of_overlays_has_an_end() {
    let tree = Tree::of([("l0/a.yaml", &*spec("a"))]);
    for layer in 1..=9 {
        tree.file(
            &format!("l{layer}/overlay.yaml"),
            overlay(&format!("{{bases: [../l{}]}}", layer - 1)),
        );
    }
    assert_eq!(tree.load(&["l8"]).good(), ["l0/a.yaml: a"]);
    assert_eq!(
        tree.load(&["l9"]).bad(3),
        [
            "l1/overlay.yaml:3:16: error[overlay-too-deep]: more than 8 overlays lie on top of each other (`spec.bases[0]`)"
        ]
    );
}

#[test]
fn bases_that_cannot_be_are_told() {
    let tree = shop();
    tree.file("empty/README.md", "x");
    for (base, finding) in [
        (
            "../nothing",
            "error[base-not-found]: there is no such folder or file (`spec.bases[0]`)",
        ),
        (
            "/etc",
            "error[base-outside]: the base is outside of the sources (`spec.bases[0]`)",
        ),
        (
            "../../empty",
            "error[no-documents]: the base holds no document (`spec.bases[0]`)",
        ),
    ] {
        tree.file(
            "overlays/x/overlay.yaml",
            overlay(&format!("{{bases: [{base}]}}")),
        );
        assert_eq!(
            tree.load(&["overlays/x"]).bad(3),
            [format!("overlays/x/overlay.yaml:3:16: {finding}")]
        );
    }
    tree.file("overlays/x/overlay.yaml", overlay("{bases: []}"));
    assert_eq!(
        tree.load(&["overlays/x"]).bad(3),
        [
            "overlays/x/overlay.yaml:3:8: error[no-base]: an overlay needs something to be laid over (`spec.bases`)"
        ]
    );
    tree.file(
        "overlays/x/overlay.yaml",
        overlay("{bases: [../../base], nmaespace: x}"),
    );
    assert_eq!(
        tree.load(&["overlays/x"]).bad(3),
        [
            "overlays/x/overlay.yaml:3:29: error[unknown-field]: unknown field `nmaespace` (`spec.nmaespace`)"
        ]
    );
}

#[test]
fn a_work_tree_of_git_bounds_the_bases() {
    let tree = Tree::of([
        ("base/a.yaml", &*spec("a")),
        ("repo/.git/HEAD", "x"),
        ("repo/base/b.yaml", &*spec("b")),
    ]);
    tree.file("repo/o/overlay.yaml", overlay("{bases: [../../base]}"));
    let findings = tree.load(&["repo/o"]).bad(3);
    assert!(findings[0].contains("error[base-outside]"), "{findings:?}");
    tree.file("repo/o/overlay.yaml", overlay("{bases: [../base]}"));
    assert_eq!(tree.load(&["repo/o"]).good(), ["repo/base/b.yaml: b"]);
}

#[test]
fn a_folder_is_one_overlay() {
    let tree = shop();
    tree.file(
        "overlays/prod/second.yaml",
        overlay("{bases: [../../base]}"),
    );
    assert_eq!(
        tree.load(&["overlays/prod"]).bad(3),
        [
            "overlays/prod/second.yaml:1:1: error[several-overlays]: overlays/prod/overlay.yaml is the overlay of this folder already"
        ]
    );
}

#[test]
fn an_instruction_that_does_nothing_is_told() {
    let tree = shop();
    tree.file(
        "overlays/prod/web.yaml",
        patch("web", "{ports: [{port: 99, $patch: delete}]}"),
    );
    assert_eq!(
        tree.load(&["overlays/prod"]).bad(3),
        [
            "overlays/prod/web.yaml:4:16: error[patch-without-target]: no entry of this list has this `port`, so none is removed \
             (`spec.ports[0]`)"
        ]
    );
}
