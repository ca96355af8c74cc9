use super::*;

const FILE: &str = "\
# My clusters.
currentContext: prod # the real one

contexts:
  # Ask before you touch it.
  prod:
    address: \"https://n.example:4646\"  # load balancer
    token:
      fromFile: prod.token
    # one namespace a team
    namespace: shop

  dev:
    address: http://127.0.0.1:4646
";

fn name(text: &str) -> ContextName {
    text.parse().unwrap()
}

fn contents(text: &str) -> Contents {
    let file = ConfigFile::parse(Path::new("c.yaml"), text).unwrap();
    file.map(|file| file.contents().clone()).unwrap_or_default()
}

#[track_caller]
fn after(text: &str, change: &Change) -> Option<String> {
    let changed = changed(Path::new("c.yaml"), text, &contents(text), change);
    if let Some(changed) = &changed {
        assert_eq!(contents(changed), change.on(&contents(text)), "{changed}");
    }
    changed
}

fn entry(text: &str) -> Box<Entry> {
    let text = format!("contexts: {{x: {text}}}");
    Box::new(contents(&text).contexts[&name("x")].clone())
}

#[test]
fn another_current_context_changes_one_word() {
    let expected = FILE.replace("currentContext: prod #", "currentContext: dev #");
    assert_eq!(after(FILE, &Change::Use(name("dev"))).unwrap(), expected);
}

#[test]
fn a_member_is_changed_in_its_place_and_a_new_one_comes_last() {
    let given = entry("{address: 'https://m.example', token: {fromEnv: T}, owner: me}");
    let expected = FILE
        .replace("\"https://n.example:4646\"  #", "https://m.example  #")
        .replace(
            "    token:\n      fromFile: prod.token\n",
            "    token: {fromEnv: T}\n",
        )
        .replace(
            "    namespace: shop\n",
            "    namespace: shop\n    owner: me\n",
        );
    assert_eq!(
        after(FILE, &Change::Set(name("prod"), given)).unwrap(),
        expected
    );
}

#[test]
fn a_new_context_comes_behind_the_others() {
    let given = entry("{address: 'http://127.0.0.1:1', token: {fromCommand: [pass, a b]}}");
    let expected = format!(
        "{FILE}  a/b:\n    address: http://127.0.0.1:1\n    token: {{fromCommand: [pass, \"a b\"]}}\n"
    );
    assert_eq!(
        after(FILE, &Change::Set(name("a/b"), given.clone())).unwrap(),
        expected
    );
    let first = after("", &Change::Set(name("yes"), given)).unwrap();
    assert!(first.starts_with("contexts:\n  \"yes\":\n"), "{first}");
}

#[test]
fn a_context_goes_with_its_lines_and_as_the_current_one() {
    let deleted = after(FILE, &Change::Delete(name("prod"))).unwrap();
    assert!(deleted.contains("# My clusters.\n"), "{deleted}");
    assert!(!deleted.contains("currentContext"), "{deleted}");
    let deleted = after(FILE, &Change::Delete(name("dev"))).unwrap();
    assert!(deleted.contains("currentContext: prod # the real one"));
}

#[test]
fn a_context_keeps_everything_but_its_name() {
    let expected = FILE
        .replace("currentContext: prod", "currentContext: live:eu")
        .replace("  prod:\n", "  \"live:eu\":\n")
        .replace("currentContext: live:eu", "currentContext: \"live:eu\"");
    let renamed = after(FILE, &Change::Rename(name("prod"), name("live:eu"))).unwrap();
    assert_eq!(
        renamed
            .replace("live:eu:\n", "\"live:eu\":\n")
            .replace(": live:eu #", ": \"live:eu\" #"),
        expected
    );
}

#[test]
fn a_file_in_another_style_is_written_anew_unless_that_loses_comments() {
    let flow = "{currentContext: a, contexts: {a: {address: 'http://h:1'}, b: &b {}, c: *b}}\n";
    let written = after(flow, &Change::Use(name("b"))).unwrap();
    assert_eq!(
        written,
        "currentContext: b\ncontexts:\n  a:\n    address: http://h:1\n  b: {}\n  c: {}\n"
    );
    let commented = format!("# mine\n{flow}");
    assert_eq!(after(&commented, &Change::Use(name("b"))), None);
    // What already is so needs no change.
    assert_eq!(
        after(
            "contexts:\n  a: {}  # empty\n",
            &Change::Set(name("a"), entry("{owner: x}"))
        ),
        None
    );
}

#[test]
fn every_text_is_written_so_that_it_is_read_as_that_text() {
    for text in [
        "a",
        "true",
        "No",
        "1",
        "0x1",
        "1.5",
        "~",
        "null",
        "a b",
        "a: b",
        "a #b",
        "#a",
        "- a",
        "é",
        "\"",
        "'",
        "a\\b",
        "{a}",
        "[a]",
        "a,b",
        "*a",
        "&a",
        "!a",
        "|",
        ">",
        "@a",
        "`a",
        "%a",
        "a:",
        "a:b",
        "C:\\x",
        "http://h:1/x",
        "https://h",
        "2026-01-01",
        "12:30:45",
        "a\nb",
        ".",
        "..",
        "-",
        "=",
    ] {
        let given = Box::new(Entry {
            ca_cert: Some(text.to_owned()),
            token: Some(Credential::Command(vec![text.to_owned(), text.to_owned()])),
            ..Entry::default()
        });
        if text.trim().is_empty() {
            continue;
        }
        let written = after(FILE, &Change::Set(name("new"), given.clone())).unwrap();
        assert_eq!(
            contents(&written).contexts[&name("new")],
            *given,
            "{written}"
        );
        assert!(written.starts_with("# My clusters."), "{text}");
    }
}

#[test]
fn a_file_is_replaced_as_a_whole_and_a_link_stays_one() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deep/er/config.yaml");
    let set = |text: &str| Change::Set(name("a"), entry(text));
    apply(&path, &set("{address: 'http://h:1'}")).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    let link = directory.path().join("link.yaml");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    apply(&link, &Change::Use(name("a"))).unwrap();
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        text,
        "currentContext: a\ncontexts:\n  a:\n    address: http://h:1\n"
    );
    let names = std::fs::read_dir(path.parent().unwrap()).unwrap();
    assert_eq!(names.count(), 1);
}

#[test]
fn a_file_that_cannot_be_read_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c.yaml");
    std::fs::write(&path, "contexts: [").unwrap();
    let error = apply(&path, &Change::Use(name("a"))).unwrap_err();
    assert!(matches!(error, EditError::Location(_)), "{error:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "contexts: [");
}
