//! What people and editors do to YAML, each with the exact finding.

use super::{Tree, spec};

/// The findings of a file, and the help of the first.
#[track_caller]
fn found(text: impl AsRef<[u8]>) -> (Vec<String>, Option<String>) {
    let tree = Tree::new();
    tree.file("a.yaml", text);
    let outcome = tree.load(&["a.yaml"]);
    let help = outcome
        .loaded
        .findings
        .first()
        .and_then(|finding| finding.help.clone());
    (outcome.findings(), help)
}

const HEAD: &str = "apiVersion: cloudstation.io/v1\nkind: Workload\nmetadata: {name: a}\n";

#[track_caller]
fn one(text: &str) -> (String, String) {
    let (findings, help) = found(text);
    assert_eq!(findings.len(), 1, "{findings:?}");
    (findings[0].clone(), help.unwrap_or_default())
}

#[test]
fn tabs() {
    let tab = "error[tab-indentation]: YAML does not allow tabs for indentation";
    for (body, place) in [
        ("spec:\n\tsource: {image: nginx}\n", "5:1"),
        ("spec:\n  source:\n\t\timage: nginx\n", "6:1"),
        ("spec:\n  source: {image: nginx}\n\treplicas: 2\n", "6:1"),
        ("spec:\n  source: {image: nginx}\n  \treplicas: 2\n", "6:3"),
    ] {
        let (finding, help) = one(&format!("{HEAD}{body}"));
        assert_eq!(finding, format!("a.yaml:{place}: {tab}"), "{body:?}");
        assert_eq!(help, "put spaces in their place");
    }
}

#[test]
fn a_byte_order_mark_and_foreign_line_ends_are_fine() {
    let text = format!("\u{feff}{}", spec("a")).replace('\n', "\r\n");
    assert_eq!(found(text).0, Vec::<String>::new());
}

#[test]
fn anchors_and_merge_keys_are_obeyed() {
    let text = format!(
        "{HEAD}spec:\n  source: {{image: nginx}}\n  ports:\n    - &web {{port: 80, check: &c {{interval: 5s}}}}\n    - {{<<: *web, port: 81}}\n    - {{port: 82, check: *c}}\n"
    );
    let tree = Tree::new();
    tree.file("a.yaml", text);
    let outcome = tree.load(&["a.yaml"]);
    outcome.good();
    let workload = outcome.loaded.manifests[0]
        .document
        .workload()
        .unwrap()
        .clone();
    let checks = workload.spec.ports.iter().map(|port| {
        let interval = port.check.as_ref().unwrap().interval;
        (port.port, interval.unwrap().to_string())
    });
    let wanted = [(80, "5s"), (81, "5s"), (82, "5s")].map(|(port, text)| (port, text.to_owned()));
    assert_eq!(checks.collect::<Vec<_>>(), wanted);
}

#[test]
fn an_alias_bomb() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for i in 1..12 {
        let aliases = vec![format!("*a{}", i - 1); 10].join(", ");
        bomb.push_str(&format!("a{i}: &a{i} [{aliases}]\n"));
    }
    let (finding, _) = one(&bomb);
    assert!(
        finding.ends_with(
            "error[too-complex]: the file has more nesting, nodes or aliases than a spec may have"
        ),
        "{finding}"
    );
}

#[test]
fn duplicate_keys() {
    let (finding, _) = one(&format!(
        "{HEAD}spec:\n  source: {{image: a}}\n  replicas: 1\n  replicas: 2\n"
    ));
    assert_eq!(
        finding,
        "a.yaml:7:3: error[duplicate-key]: the key `replicas` stands here a second time"
    );
    let (finding, _) = one(&format!(
        "{HEAD}spec: {{env: {{A: x, B: y, \"A\": z}}, source: {{image: a}}}}\n"
    ));
    assert_eq!(
        finding,
        "a.yaml:4:26: error[duplicate-key]: the key `A` stands here a second time"
    );
}

#[test]
fn words_that_are_booleans_elsewhere() {
    for word in ["on", "off", "yes", "no", "On", "NO"] {
        let text = format!(
            "{HEAD}spec:\n  source: {{image: nginx}}\n  env: {{A: {word}, B: \"{word}\"}}\n"
        );
        let (finding, help) = one(&text);
        assert_eq!(
            finding,
            "a.yaml:6:12: error[ambiguous-value]: `on`, `off`, `yes` and `no` are text here, and true or false for other \
             readers of YAML (`spec.env.A`)"
        );
        assert_eq!(help, "put the value in quotes");
    }
    let text = format!("{HEAD}spec:\n  source: {{image: nginx}}\n  detectPorts: yes\n");
    let (finding, help) = one(&text);
    assert_eq!(
        finding,
        "a.yaml:6:16: error[wrong-type]: expected `true` or `false`, found text (`spec.detectPorts`)"
    );
    assert_eq!(help, "write `true` or `false`, without quotes");
}

#[test]
fn numbers_that_begin_with_a_zero() {
    for (field, at, path) in [
        ("ports: [{port: 0800}]", "6:18", "spec.ports[0].port"),
        ("env: {CODE: 007}", "6:15", "spec.env.CODE"),
        ("replicas: 010", "6:13", "spec.replicas"),
    ] {
        let (finding, help) = one(&format!(
            "{HEAD}spec:\n  source: {{image: nginx}}\n  {field}\n"
        ));
        assert_eq!(
            finding,
            format!(
                "a.yaml:{at}: error[ambiguous-value]: a number that begins with 0 is octal for some readers of YAML and decimal \
                 for others (`{path}`)"
            )
        );
        assert_eq!(help, "put it in quotes if it is text, else leave the 0 out");
    }
}

#[test]
fn numbers_in_place_of_text() {
    let (finding, help) = one(&format!(
        "{HEAD}spec: {{source: {{image: nginx}}, container: {{user: 1000}}}}\n"
    ));
    assert_eq!(
        finding,
        "a.yaml:4:50: error[wrong-type]: expected text, found a number (`spec.container.user`)"
    );
    assert_eq!(help, "put the value in quotes");
    assert_eq!(
        found(format!(
            "{HEAD}spec: {{source: {{image: nginx}}, container: {{user: \"1000\"}}}}\n"
        ))
        .0,
        Vec::<String>::new()
    );
}

#[test]
fn a_large_file_is_refused_by_its_size() {
    let tree = Tree::new();
    let file = std::fs::File::create(tree.at("large.yaml")).unwrap();
    // Sparse: fifty megabytes that nobody could have read in this time.
    file.set_len(50 << 20).unwrap();
    tree.file("good.yaml", spec("good"));
    let outcome = tree.load(&["."]);
    assert_eq!(
        outcome.bad(2),
        ["large.yaml: error[too-large]: has 52428800 bytes or more; at most 4194304 are read"]
    );
    assert_eq!(outcome.documents(), ["good.yaml: good"]);
}

#[test]
fn what_is_not_utf8() {
    assert_eq!(
        found(b"# one\nname: caf\xe9\n").0,
        ["a.yaml:2: error[not-utf8]: is not UTF-8"]
    );
    let utf16: Vec<u8> = spec("a")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert!(!found(utf16).0.is_empty());
}

#[test]
fn tags_of_other_tools() {
    let (finding, help) = one(&format!("{HEAD}spec: {{source: {{image: !Ref nginx}}}}\n"));
    assert_eq!(
        finding,
        "a.yaml:4:24: error[yaml-tag]: a tag such as `!name` has no meaning in a spec"
    );
    assert_eq!(
        help,
        "remove the tag; put the value in quotes if it begins with `!`"
    );
}

#[test]
fn what_is_no_yaml_at_all_is_a_finding_in_a_folder_too() {
    let tree = Tree::of([
        ("s/a.yaml", &*spec("a")),
        ("s/template.yaml", "{{ if .Values.x }}\na: b\n{{ end }}\n"),
    ]);
    let findings = tree.load(&["s"]).bad(3);
    assert_eq!(findings.len(), 1);
    assert!(findings[0].starts_with("s/template.yaml:"), "{findings:?}");
    assert!(findings[0].contains("error[yaml-syntax]"), "{findings:?}");
}
