//! Whatever the text, reading and validating end with a value, never with a panic.

use cs::desired::validate;
use cs::spec::parse;
use cs::spec::workload::Workload;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::options;

fn read_and_validate(text: &str) {
    match parse("any.yaml", text) {
        Ok(documents) => {
            for document in documents {
                for issue in validate(document.workload().unwrap(), &options())
                    .err()
                    .unwrap_or_default()
                {
                    let found = issue.into_diagnostic(&document);
                    assert!(found.line > 0 && found.column > 0, "{found}");
                }
            }
        }
        Err(found) => assert!(!found.is_empty()),
    }
}

/// Text that looks like YAML more often than random characters do.
fn yaml_like() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("apiVersion: cloudstation.io/v1\n"),
        Just("kind: Workload\n"),
        Just("metadata: {name: a}\n"),
        Just("spec:\n"),
        Just("  source: {image: nginx}\n"),
        Just("  ports:\n"),
        Just("    - port: 80\n"),
        Just("  env: {A: b}\n"),
        Just("---\n"),
        Just("- "),
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just(": "),
        Just("&a "),
        Just("*a "),
        Just("<<: *a\n"),
        Just("!!binary "),
        Just("|\n"),
        Just("\""),
        Just("'"),
        Just("\n"),
        Just("  "),
        Just("\t"),
        Just("0x1F"),
        Just(".nan"),
        Just("~"),
        Just("? "),
        Just("%YAML 1.2\n"),
        Just("é"),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// Values of the sorts that a field may have, right and wrong ones.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0_u32..70_000).prop_map(Value::from),
        Just(json!("")),
        Just(json!("a")),
        Just(json!("30s")),
        Just(json!("service")),
        Just(json!("system")),
        Just(json!("a\u{0}b")),
        Just(json!("../x")),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    let name = prop::sample::select(vec![
        "image",
        "port",
        "protocol",
        "check",
        "interval",
        "path",
        "content",
        "csi",
        "mounts",
        "cpu",
        "memory",
        "gpu",
        "count",
        "attempts",
        "cron",
        "canary",
        "name",
        "service",
        "vault",
        "env",
        "fromEnv",
        "fromVault",
        "variable",
        "startCommand",
        "exports",
        "value",
        "domain",
        "nope",
    ]);
    leaf.prop_recursive(3, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name.clone().prop_map(str::to_owned), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn document() -> impl Strategy<Value = Value> {
    let field = prop::sample::select(vec![
        "type",
        "replicas",
        "container",
        "resources",
        "placement",
        "service",
        "ports",
        "env",
        "secrets",
        "links",
        "connections",
        "certificates",
        "files",
        "volumes",
        "rollout",
        "restart",
        "schedule",
        "parameterized",
        "dependsOn",
        "platform",
        "build",
        "pull",
    ]);
    prop::collection::btree_map(field.prop_map(str::to_owned), value(), 0..6).prop_map(|fields| {
        let mut spec: serde_json::Map<String, Value> = fields.into_iter().collect();
        spec.insert("source".to_owned(), json!({"image": "nginx"}));
        json!({"apiVersion": "cloudstation.io/v1", "kind": "Workload", "metadata": {"name": "a"}, "spec": spec})
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
        read_and_validate(&text);
    }

    #[test]
    fn anything_like_yaml_is_read_or_refused(text in yaml_like()) {
        read_and_validate(&text);
    }

    /// JSON is YAML, so documents are handed over as JSON.
    #[test]
    fn any_document_is_read_or_refused(document in document()) {
        read_and_validate(&document.to_string());
    }

    /// What the reader takes, it gives back: nothing is lost on the way through a file.
    #[test]
    fn a_workload_survives_being_written_and_read_again(document in document()) {
        if let Ok(documents) = parse("a.yaml", &document.to_string()) {
            let workload = documents[0].workload().unwrap();
            let json = serde_json::to_string(workload).unwrap();
            let again: Workload = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(&again, workload);
            let from_yaml = parse("b.yaml", &json).unwrap();
            prop_assert_eq!(from_yaml[0].workload().unwrap(), workload);
        }
    }
}
