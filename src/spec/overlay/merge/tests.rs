use proptest::prelude::*;

use super::*;
use crate::spec::tree::documents;

fn tree(text: &str, file: u32) -> Node<'static> {
    let mut documents = documents(text).unwrap();
    documents.remove(0).into_owned(file)
}

/// A tree as text, with the file of every scalar when wanted.
fn shown(node: &Node<'_>, with_files: bool) -> String {
    let list = |parts: Vec<String>| parts.join(", ");
    match &node.value {
        Value::List(nodes) => {
            format!(
                "[{}]",
                list(nodes.iter().map(|node| shown(node, with_files)).collect())
            )
        }
        Value::Map(members) => {
            let members = members.iter();
            let members = members
                .map(|member| format!("{}: {}", member.key, shown(&member.node, with_files)));
            format!("{{{}}}", list(members.collect()))
        }
        Value::Text(text) if with_files => format!("{text}@{}", node.place.file),
        Value::Int(number) if with_files => format!("{number}@{}", node.place.file),
        Value::Text(text) => text.to_string(),
        Value::Int(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}

#[track_caller]
fn merged(base: &str, patch: &str) -> Node<'static> {
    let mut misfits = Vec::new();
    let node = merge(tree(base, 0), tree(patch, 1), &mut misfits);
    assert_eq!(misfits, vec![]);
    node
}

#[track_caller]
fn text(base: &str, patch: &str) -> String {
    shown(&merged(base, patch), false)
}

#[test]
fn members_are_changed_added_and_removed() {
    assert_eq!(
        text(
            "{a: 1, b: {c: 2, d: 3}, e: 4}",
            "{b: {d: 5, f: 6}, e: null, g: {h: null, i: 7}, j: null}"
        ),
        "{a: 1, b: {c: 2, d: 5, f: 6}, g: {i: 7}}"
    );
    assert_eq!(text("{a: {b: 1}}", "{a: x}"), "{a: x}");
    assert_eq!(text("{a: x}", "{a: {b: 1}}"), "{a: {b: 1}}");
}

#[test]
fn lists_are_replaced() {
    assert_eq!(
        text("{spec: {args: [1, 2]}}", "{spec: {args: [3]}}"),
        "{spec: {args: [3]}}"
    );
    // Not the list of ports of a workload, but somebody's own member.
    assert_eq!(
        text("{ports: [{port: 1}]}", "{ports: [{port: 2}]}"),
        "{ports: [{port: 2}]}"
    );
}

#[test]
fn entries_of_lists_with_names_are_merged_by_name() {
    for (list, key) in KEYED {
        let nested = |entries: &str| {
            let mut text = entries.to_owned();
            for step in list.rsplit('.') {
                text = format!("{{{step}: {text}}}");
            }
            text
        };
        let base = nested(&format!(
            "[{{{key}: a, x: 1, y: 2}}, {{{key}: b}}, {{{key}: c}}]"
        ));
        let patch = nested(&format!(
            "[{{{key}: d, x: 4}}, {{{key}: a, x: 3, y: null}}, {{{key}: b, $patch: delete}}]"
        ));
        let wanted = nested(&format!(
            "[{{{key}: a, x: 3}}, {{{key}: c}}, {{{key}: d, x: 4}}]"
        ));
        assert_eq!(
            text(&base, &patch),
            shown(&tree(&wanted, 0), false),
            "{list}"
        );
    }
}

#[test]
fn every_part_knows_the_file_that_it_came_from() {
    let node = merged(
        "{a: x, b: {c: y, d: z}, spec: {ports: [{port: 1, domain: old, protocol: tcp}]}}",
        "{a: x, b: {d: w}, spec: {ports: [{port: 1, domain: new}, {port: 2}]}, e: v}",
    );
    assert_eq!(
        shown(&node, true),
        "{a: x@0, b: {c: y@0, d: w@1}, \
         spec: {ports: [{port: 1@0, domain: new@1, protocol: tcp@0}, {port: 2@1}]}, e: v@1}"
    );
    assert_eq!(node.get("b").unwrap().key_place.file, 0);
    let replaced = merged("{a: [1]}", "{a: [2]}");
    assert_eq!(replaced.get("a").unwrap().key_place.file, 1);
}

#[test]
fn instructions_that_do_nothing_are_told() {
    for (base, patch, code, path) in [
        (
            "{spec: {ports: [{port: 1}]}}",
            "{spec: {ports: [{port: 2, $patch: delete}]}}",
            "patch-without-target",
            "spec.ports[0]",
        ),
        (
            "{spec: {ports: [{port: 1}]}}",
            "{spec: {ports: [{$patch: delete}]}}",
            "patch-without-target",
            "spec.ports[0]",
        ),
        (
            "{spec: {ports: [{port: 1}]}}",
            "{spec: {ports: [{port: 1, $patch: remove}]}}",
            "patch-directive",
            "spec.ports[0][\"$patch\"]",
        ),
        (
            "{a: {b: 1}}",
            "{a: {$patch: delete}}",
            "patch-directive",
            "a[\"$patch\"]",
        ),
        (
            "{}",
            "{a: [{$patch: delete}]}",
            "patch-directive",
            "a[0][\"$patch\"]",
        ),
    ] {
        let mut misfits = Vec::new();
        merge(tree(base, 0), tree(patch, 1), &mut misfits);
        assert_eq!(misfits.len(), 1, "{patch}");
        assert_eq!((misfits[0].code, &*misfits[0].path), (code, path));
        assert_eq!(misfits[0].place.file, 1);
    }
}

/// Documents as an overlay may meet them.
fn any_tree() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::{Value, json};
    let leaf = prop_oneof![
        Just(json!(1)),
        Just(json!("a")),
        Just(json!(true)),
        Just(json!(null))
    ];
    let name = prop::sample::select(vec![
        "a",
        "spec",
        "ports",
        "port",
        "dependsOn",
        "name",
        "env",
    ]);
    leaf.prop_recursive(4, 40, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name.clone().prop_map(str::to_owned), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// The smallest patch says only what it is about.
    #[test]
    fn an_empty_patch_changes_nothing_not_even_a_place(spec in any_tree()) {
        let base = format!("{{kind: Workload, metadata: {{name: a, labels: {{b: c}}}}, spec: {spec}}}");
        let before = tree(&base, 0);
        for patch in ["{kind: Workload, metadata: {name: a}}", "{}"] {
            let mut misfits = Vec::new();
            let after = merge(before.clone(), tree(patch, 1), &mut misfits);
            prop_assert_eq!(&after, &before);
            prop_assert_eq!(misfits, vec![]);
        }
    }

    #[test]
    fn what_a_patch_says_once_it_says_again_without_effect(base in any_tree(), patch in any_tree()) {
        let wrap = |tree: &serde_json::Value| format!("{{spec: {tree}}}");
        let mut misfits = Vec::new();
        let once = merge(tree(&wrap(&base), 0), tree(&wrap(&patch), 1), &mut misfits);
        let twice = merge(once.clone(), tree(&wrap(&patch), 1), &mut misfits);
        // Entries without a name are added each time.
        if !patch.to_string().contains("ports") && !patch.to_string().contains("dependsOn") {
            prop_assert_eq!(shown(&twice, false), shown(&once, false));
        }
    }
}
