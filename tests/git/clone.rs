//! The same files as `git clone` gives, whatever the repository.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{fetched, listed};
use crate::support::git_server::{GitServer, bare_git};

/// What a file may be.
#[derive(Debug, Clone)]
enum Thing {
    File(Vec<u8>),
    Executable(Vec<u8>),
    Link(String),
}

fn names() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        "[a-z]{1,3}",
        "[a-z .]{0,3}[a-z]",
        Just("ä ö ü".to_owned()),
        Just("日本".to_owned()),
        Just("-x".to_owned()),
        Just("a\"b\\c".to_owned()),
    ];
    prop::collection::vec(name, 1..5).prop_map(|parts| parts.join("/"))
}

fn contents() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(Vec::new()),
        prop::collection::vec(any::<u8>(), 0..300),
        "([a-z ]{0,10}\r?\n){0,20}".prop_map(String::into_bytes),
        "[a-z ]{0,5}\\$Id(: [a-z]{0,3})?\\$\n".prop_map(String::into_bytes),
    ]
}

fn things() -> impl Strategy<Value = Thing> {
    prop_oneof![
        4 => contents().prop_map(Thing::File),
        1 => contents().prop_map(Thing::Executable),
        1 => "[a-z./]{1,10}".prop_map(Thing::Link),
    ]
}

/// Rules that may stand in `.gitattributes`.
fn rules() -> impl Strategy<Value = String> {
    let rule = prop_oneof![
        Just("* text=auto eol=crlf\n"),
        Just("*a* eol=crlf\n"),
        Just("[b-m]* text eol=crlf\n"),
        Just("*b -text\n"),
        Just("* ident\n"),
        Just("c binary\n"),
        Just("d/** !eol\n"),
        Just("# nothing\n"),
    ];
    prop::collection::vec(rule, 0..4).prop_map(|rules| rules.concat())
}

/// A set of files in which no file is another one's directory.
fn trees() -> impl Strategy<Value = BTreeMap<String, Thing>> {
    let files = prop::collection::vec((names(), things()), 1..25);
    (files, rules(), rules()).prop_map(|(files, top, below)| {
        let mut tree: BTreeMap<String, Thing> = BTreeMap::new();
        for (path, thing) in files {
            let clashes = |other: &String| {
                other.starts_with(&format!("{path}/")) || path.starts_with(&format!("{other}/"))
            };
            let odd = path.split('/').any(|part| matches!(part, "." | ".."));
            if !odd && !tree.keys().any(clashes) {
                tree.insert(path, thing);
            }
        }
        tree.insert(".gitattributes".to_owned(), Thing::File(top.into_bytes()));
        if tree.keys().any(|path| path.starts_with("a/")) {
            tree.insert(
                "a/.gitattributes".to_owned(),
                Thing::File(below.into_bytes()),
            );
        }
        tree
    })
}

#[test]
fn a_checkout_has_the_same_files_as_a_clone() {
    let Some(server) = GitServer::start(None) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut runner = TestRunner::new(Config {
        // Each needs a dozen processes.
        cases: 12,
        max_shrink_iters: 60,
        failure_persistence: None,
        ..Config::default()
    });
    let number = std::cell::Cell::new(0);
    let result = runner.run(&trees(), |tree| {
        number.set(number.get() + 1);
        let name = format!("o/n{}", number.get());
        let repository = server.repository(&name);
        for (path, thing) in &tree {
            match thing {
                Thing::File(content) => repository.file(path, content),
                Thing::Executable(content) => repository.executable(path, content),
                Thing::Link(target) => repository.link(path, target),
            };
        }
        repository.commit();
        let home = tempfile::tempdir().unwrap();
        let cloned = home.path().join("cloned");
        let source = format!("file://{}", repository.git_dir().display());
        let status = bare_git()
            .args(["clone", "-q", "--depth=1", &source])
            .arg(&cloned)
            .status()
            .unwrap();
        assert!(status.success());
        std::fs::remove_dir_all(cloned.join(".git")).unwrap();
        let fetched = runtime.block_on(fetched(&server.url(&name), "main"));
        fetched.checkout();
        prop_assert_eq!(listed(&fetched.work_tree()), listed(&cloned));
        prop_assert_eq!(
            fetched.git(["ls-files", "-s"]),
            repository.git(["ls-files", "-s"])
        );
        Ok(())
    });
    result.unwrap();
}
