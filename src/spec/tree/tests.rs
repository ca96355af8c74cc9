use super::grow::{MOST_DOCUMENTS, MOST_NODES};
use super::*;

fn read(text: &str) -> Vec<Node<'_>> {
    documents(text).unwrap_or_else(|flaw| panic!("{flaw:?}\n{text}"))
}

fn flaw(text: &str) -> (u32, u32, &'static str, String) {
    let flaw = documents(text).unwrap_err();
    (flaw.place.line, flaw.place.column, flaw.code, flaw.message)
}

/// A tree as text: every value, no place.
fn shown(node: &Node<'_>) -> String {
    match &node.value {
        Value::List(nodes) => {
            let nodes: Vec<String> = nodes.iter().map(shown).collect();
            format!("[{}]", nodes.join(", "))
        }
        Value::Map(members) => {
            let members: Vec<String> = members
                .iter()
                .map(|member| format!("{}: {}", member.key, shown(&member.node)))
                .collect();
            format!("{{{}}}", members.join(", "))
        }
        Value::Text(text) => format!("{text:?}"),
        other => format!("{other:?}"),
    }
}

#[test]
fn places_are_those_of_keys_and_scalars_counted_from_one() {
    let found = read("a: 1\nb:\n  - x\n  - {c: \"2\"}\n---\nd: yes\n");
    let b = found[0].get("b").unwrap();
    assert_eq!((b.key_place.line, b.key_place.column), (2, 1));
    let Value::List(items) = &b.node.value else {
        panic!("{b:?}")
    };
    assert_eq!((items[0].place.line, items[0].place.column), (3, 5));
    let c = items[1].get("c").unwrap();
    assert_eq!(c.node.value, Value::Text("2".into()));
    assert_eq!((c.key_place.line, c.key_place.column), (4, 6));
    let d = found[1].get("d").unwrap();
    assert_eq!(d.node.value, Value::Switch("yes".into()));
    assert_eq!((d.key_place.line, d.key_place.column), (6, 1));
}

#[test]
fn columns_count_characters_and_a_byte_order_mark_has_none() {
    let text = "\u{feff}ä: ü, é\nb: {ö: 1, c: 2}\n";
    let found = read(text);
    assert_eq!(found[0].get("ä").unwrap().key_place.column, 1);
    let b = found[0].get("b").unwrap();
    assert_eq!(b.node.get("c").unwrap().key_place.column, 11);
    assert_eq!(shown(&read("a: 1\r\nb: x\r\n")[0]), "{a: Int(1), b: \"x\"}");
}

#[test]
fn aliases_and_merge_keys_are_resolved_and_own_members_win() {
    let text = "a: &x {b: [1, ~], c: 1}\nd: *x\ne:\n  c: 2\n  <<: *x\n\
        f: &y {c: 3, g: 4}\nh: {<<: [*x, *y], g: 5}\ni: [*x]\n\"<<\": j\n";
    assert_eq!(
        shown(&read(text)[0]),
        "{a: {b: [Int(1), Null], c: Int(1)}, d: {b: [Int(1), Null], c: Int(1)}, \
         e: {c: Int(2), b: [Int(1), Null]}, f: {c: Int(3), g: Int(4)}, \
         h: {g: Int(5), b: [Int(1), Null], c: Int(1)}, i: [{b: [Int(1), Null], c: Int(1)}], <<: \"j\"}"
    );
    let found = read(text);
    let alias = found[0].get("d").unwrap();
    assert_eq!((alias.node.place.line, alias.node.place.column), (2, 4));
    let inside = alias.node.get("b").unwrap();
    assert_eq!((inside.key_place.line, inside.key_place.column), (1, 8));
    assert_eq!(
        flaw("a: 1\nb: {<<: 2}\n"),
        (
            2,
            9,
            "yaml-syntax",
            "`<<` takes a mapping, mostly an alias such as `*defaults`".into()
        )
    );
}

#[test]
fn an_anchor_is_known_only_behind_it_and_in_its_own_document() {
    for text in ["a: *x\nb: &x 1\n", "a: &x 1\n---\nb: *x\n"] {
        assert_eq!(flaw(text).2, "yaml-syntax");
        assert!(flaw(text).3.contains("not defined above it"), "{text}");
    }
    assert!(flaw("a: &x [*x]\n").3.contains("inside its own anchor"));
}

#[test]
fn a_repeated_key_is_refused_where_it_stands_again() {
    let again = |text: &str| flaw(text);
    assert_eq!(
        again("a: 1\nb: {c: 1, \"c\": 2}\n"),
        (
            2,
            11,
            "duplicate-key",
            "the key `c` stands here a second time".into()
        )
    );
    let many: String = (0..100).map(|i| format!("k{i}: 1\n")).collect();
    assert_eq!(again(&format!("{many}k7: 1\nk3: 1\n")).0, 101);
    assert!(documents(&many).is_ok());
}

#[test]
fn tabs_are_told_apart_from_other_mistakes() {
    for text in [
        "a:\n\tb: 1\n",
        "a:\n  - b\n\t- c\n",
        "a:\n  b: 1\n\tc: 2\n",
        "a: |\n\tb\n",
        "a:\n  b:\n \t c: 1\n",
        "a: x\n\tb: 2\n",
        "a:\n  - b: 1\n  \t  c: 2\n",
    ] {
        let flaw = flaw(text);
        assert_eq!(flaw.2, "tab-indentation", "{text:?} {flaw:?}");
    }
    // Between words and inside of brackets they are allowed.
    assert_eq!(
        shown(&read("a:\t1\t# x\nb:\t[1,\n\t\t2]\n")[0]),
        "{a: Int(1), b: [Int(1), Int(2)]}"
    );
    let json = "{\n\t\"a\": [\n\t\t1,\n\t\t{\"b\": null}\n\t]\n}\n";
    assert_eq!(shown(&read(json)[0]), "{a: [Int(1), {b: Null}]}");
}

#[test]
fn tags_of_other_tools_are_refused_and_those_of_yaml_are_obeyed() {
    assert_eq!(
        shown(&read("a: !!str 1\nb: !!int \"2\"\nc: !!seq []\nd: !!map {}\n")[0]),
        "{a: \"1\", b: Int(2), c: [], d: {}}"
    );
    for text in [
        "a: !Ref b\n",
        "a: !Sub [b]\n",
        "a: !!binary aGk=\n",
        "a: !!set {b}\n",
    ] {
        assert_eq!(flaw(text).2, "yaml-tag", "{text}");
    }
    assert_eq!(flaw("a: !!int x\n").2, "yaml-syntax");
}

#[test]
fn keys_are_text() {
    assert_eq!(
        shown(&read("1: a\ntrue: b\n~: c\n? d\n")[0]),
        "{1: \"a\", true: \"b\", ~: \"c\", d: Null}"
    );
    for text in ["? [a]\n: b\n", "{[a]: b}\n", ": b\n", "a: &x [1]\n*x : b\n"] {
        assert_eq!(flaw(text).2, "yaml-syntax", "{text}");
    }
    assert_eq!(shown(&read("a: &x b\n*x : c\n")[0]), "{a: \"b\", b: \"c\"}");
}

#[test]
fn documents_without_content_are_left_out() {
    for text in ["", "# x\n", "---\n---\n", "---\n~\n...\n"] {
        assert_eq!(read(text), vec![], "{text:?}");
    }
    assert_eq!(read("---\na: 1\n---\n---\nb\n").len(), 2);
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for i in 1..12 {
        let refs = vec![format!("*a{}", i - 1); 10].join(", ");
        bomb.push_str(&format!("a{i}: &a{i} [{refs}]\n"));
    }
    assert_eq!(flaw(&bomb).2, "too-complex");
    let text = "x".repeat(1 << 20);
    let long = format!("a: &a {text}\nb: [{}]\n", vec!["*a"; 100].join(", "));
    assert_eq!(flaw(&long).2, "too-complex");
}

#[test]
fn deep_nesting_is_refused_also_when_aliases_hide_it() {
    for text in [
        format!("a: {}{}", "[".repeat(5_000), "]".repeat(5_000)),
        format!("a: {}1{}", "[".repeat(40), "]".repeat(40)),
        format!("a: {}1{}", "{b: ".repeat(40), "}".repeat(40)),
    ] {
        assert_eq!(flaw(&text).2, "too-complex");
    }
    let mut chain = "a0: &a0 [x]\n".to_owned();
    for i in 1..40 {
        chain.push_str(&format!("a{i}: &a{i} [*a{}]\n", i - 1));
    }
    assert_eq!(flaw(&chain).2, "too-complex");
    let deep = format!("a: {}1{}", "[".repeat(31), "]".repeat(31));
    assert!(documents(&deep).is_ok());
}

#[test]
fn too_many_nodes_and_documents_are_refused() {
    let nodes = format!("[{}]", "1,".repeat(MOST_NODES));
    assert_eq!(flaw(&nodes).2, "too-complex");
    let many = "--- a\n".repeat(MOST_DOCUMENTS + 1);
    assert_eq!(flaw(&many).2, "too-complex");
}

#[test]
fn a_tree_keeps_its_places_when_it_is_moved_into_another_file() {
    let text = "a: [1, x]\n".to_owned();
    let node = read(&text).remove(0);
    let before = node.clone();
    let moved = node.into_owned(7);
    drop(before);
    let a = moved.get("a").unwrap();
    assert_eq!(
        a.key_place,
        Place {
            line: 1,
            column: 1,
            file: 7
        }
    );
    let Value::List(items) = &a.node.value else {
        panic!()
    };
    assert_eq!(
        items[1].place,
        Place {
            line: 1,
            column: 8,
            file: 7
        }
    );
}
