//! Whatever the files, there are documents or findings, and never a panic.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Tree, spec};

#[derive(Debug, Clone)]
enum Thing {
    Text(String),
    Bytes(Vec<u8>),
    Link(String),
}

fn names() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("a"),
        Just("b"),
        Just("base"),
        Just("prod"),
        Just(".hidden"),
        Just("x y"),
        Just("ä"),
    ];
    let file = prop_oneof![
        3 => Just("a.yaml"),
        2 => Just("b.yml"),
        2 => Just("overlay.yaml"),
        1 => Just("c.nomad.hcl"),
        1 => Just("d.nomad.json"),
        1 => Just("e.json"),
        1 => Just("f.hcl"),
        1 => Just(".csignore"),
        1 => Just("README.md"),
        1 => Just("g"),
    ];
    (prop::collection::vec(part, 0..3), file).prop_map(|(folders, file)| {
        folders
            .into_iter()
            .chain([file])
            .collect::<Vec<_>>()
            .join("/")
    })
}

fn line() -> impl Strategy<Value = String> {
    let line = prop::sample::select(vec![
        "apiVersion: cloudstation.io/v1",
        "apiVersion: apps/v1",
        "kind: Workload",
        "kind: NomadJob",
        "kind: Overlay",
        "metadata: {name: a}",
        "metadata: {name: b, namespace: c}",
        "spec: {source: {image: nginx}}",
        "spec: {replicas: 2}",
        "spec: {bases: [../base]}",
        "spec: {bases: [.., a], namespace: x, labels: {a: b}}",
        "spec: {path: ../f.hcl}",
        "spec: {hcl: 'job \"a\" {}'}",
        "spec: {ports: [{port: 80, $patch: delete}]}",
        "---",
        "\tx: 1",
        "a: [",
        "{}",
        "- a",
        "a: &a [*a]",
        "job \"a\" {",
        "}",
        "\"ID\": \"x\"",
        "*.yaml",
        "!a",
        "b/",
        "[",
        "é",
        "",
    ]);
    line.prop_map(str::to_owned)
}

fn thing() -> impl Strategy<Value = Thing> {
    let target = prop::sample::select(vec![
        ".",
        "..",
        "a",
        "../a.yaml",
        "b.yml",
        "/etc",
        "nothing",
        "../base",
        ".hidden",
    ]);
    prop_oneof![
        4 => prop::collection::vec(line(), 0..8).prop_map(|lines| Thing::Text(lines.join("\n"))),
        3 => prop::sample::select(vec!["a", "b", "c"]).prop_map(|name| Thing::Text(spec(name))),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Thing::Bytes),
        1 => target.prop_map(|target| Thing::Link(target.to_owned())),
    ]
}

fn trees() -> impl Strategy<Value = BTreeMap<String, Thing>> {
    prop::collection::btree_map(names(), thing(), 0..10)
}

fn sources() -> impl Strategy<Value = Vec<&'static str>> {
    let source = prop::sample::select(vec![
        ".",
        "a",
        "base",
        "prod",
        "a.yaml",
        "*",
        "**/*.yaml",
        "*/overlay.yaml",
        "[",
        "c.nomad.hcl",
    ]);
    prop::collection::vec(source, 1..4)
}

/// Texts that mean something else without quotes, in one version of YAML or another.
fn treacherous() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "on",
            "No",
            "yes",
            "OFF",
            "y",
            "~",
            "null",
            "True",
            "0800",
            "007",
            "1_000",
            "0x1F",
            "0o17",
            "0b1",
            "1e3",
            ".5",
            ".inf",
            "-.NaN",
            "1:30",
            "2024-01-01",
            "<<",
            "=",
            "!x",
            "&x",
            "*x",
            "- x",
            "? x",
            ": x",
            "x: y",
            "x #y",
            "#x",
            "%x",
            "@x",
            "`x",
            "|",
            ">",
            "[",
            "{",
            "'",
            "\"",
            " x",
            "x ",
            "",
            "\n",
            "\tx",
            "x\n",
            "---",
            "...",
            "\u{feff}x",
            "\u{85}",
            "\u{2028}",
            "a\u{0}b",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
        "[-+0-9._eExob:]{1,6}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// What `cs convert` writes, it reads again.
    #[test]
    fn texts_survive_being_written_as_yaml(texts in prop::collection::vec(treacherous(), 1..6)) {
        use cs::spec::workload::{EnvValue, Workload};
        let mut workload: Workload = cs::spec::parse("a.yaml", &spec("a")).unwrap()[0].workload().unwrap().clone();
        for (index, text) in texts.iter().enumerate() {
            workload.spec.env.insert(format!("V{index}"), EnvValue::Text(text.clone()));
            workload.spec.env.insert(text.clone(), EnvValue::Text(String::new()));
            workload.spec.container.args.push(text.clone());
        }
        let yaml = serde_saphyr::to_string(&workload).unwrap();
        match cs::spec::parse("b.yaml", &yaml) {
            Ok(documents) => prop_assert_eq!(documents[0].workload().unwrap(), &workload, "{}", yaml),
            Err(findings) => prop_assert!(false, "{}\n{}", findings[0], yaml),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_gives_documents_or_findings(tree in trees(), sources in sources()) {
        let home = Tree::new();
        for (name, thing) in &tree {
            let path = home.at(name);
            // Something else may stand there already.
            let _ = std::fs::create_dir_all(path.parent().unwrap());
            let _ = match thing {
                Thing::Text(text) => std::fs::write(path, text),
                Thing::Bytes(bytes) => std::fs::write(path, bytes),
                Thing::Link(target) => std::os::unix::fs::symlink(target, path),
            };
        }
        let loaded = home.load(&sources).loaded;
        prop_assert_eq!(loaded.is_complete, loaded.findings.is_empty());
        prop_assert!(!loaded.manifests.is_empty() || !loaded.findings.is_empty() || sources.iter().any(|source| source.contains('*')));
        for manifest in &loaded.manifests {
            // A job that cannot be had is a finding.
            prop_assert!(manifest.document.workload().is_some() || manifest.native.is_some() || !loaded.is_complete);
            let location = manifest.document.location("metadata.name");
            prop_assert!(location.line > 0);
            prop_assert!(loaded.texts.contains_key(location.file));
        }
        let again = home.load(&sources).loaded;
        prop_assert_eq!(again.findings, loaded.findings);
        prop_assert_eq!(again.manifests.len(), loaded.manifests.len());
    }
}
