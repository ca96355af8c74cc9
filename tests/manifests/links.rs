//! Symbolic links in folders.

use super::{Tree, spec};

#[test]
fn a_link_to_what_is_read_anyway_changes_nothing() {
    let tree = Tree::of([("s/a.yaml", &*spec("a")), ("s/d/b.yaml", &*spec("b"))]);
    tree.link("s/again.yaml", "a.yaml")
        .link("s/c", "d")
        .link("s/d/up.yaml", "../a.yaml");
    assert_eq!(tree.load(&["s"]).good(), ["s/a.yaml: a", "s/d/b.yaml: b"]);
}

/// As Kubernetes mounts a configuration map.
#[test]
fn links_to_hidden_places_inside_are_followed() {
    let tree = Tree::of([
        ("s/..2026/a.yaml", &*spec("a")),
        ("s/..2026/d/b.yaml", &*spec("b")),
    ]);
    tree.link("s/..data", "..2026")
        .link("s/a.yaml", "..data/a.yaml")
        .link("s/d", "..data/d");
    assert_eq!(tree.load(&["s"]).good(), ["s/a.yaml: a", "s/d/b.yaml: b"]);
}

#[test]
fn a_loop_is_a_finding_and_the_rest_is_read() {
    let tree = Tree::of([("s/a.yaml", &*spec("a")), ("s/d/b.yaml", &*spec("b"))]);
    tree.link("s/d/loop", "..")
        .link("s/here", ".")
        .link("s/self.yaml", "self.yaml")
        .link("s/x", "y")
        .link("s/y", "x");
    let outcome = tree.load(&["s"]);
    assert_eq!(
        outcome.bad(2),
        [
            "s/d/loop: error[link-loop]: is a link to a folder that it stands in itself",
            "s/here: error[link-loop]: is a link to a folder that it stands in itself",
            "s/self.yaml: error[link-loop]: is a link that leads back to itself",
            "s/x: error[link-loop]: is a link that leads back to itself",
            "s/y: error[link-loop]: is a link that leads back to itself",
        ]
    );
    assert_eq!(outcome.documents(), ["s/a.yaml: a", "s/d/b.yaml: b"]);
}

#[test]
fn folders_that_link_to_each_other_are_read_once() {
    let tree = Tree::of([("s/a/a.yaml", &*spec("a")), ("s/b/b.yaml", &*spec("b"))]);
    tree.link("s/a/b", "../b").link("s/b/a", "../a");
    assert_eq!(tree.load(&["s"]).good(), ["s/a/a.yaml: a", "s/b/b.yaml: b"]);
}

#[test]
fn a_link_out_of_the_folder_is_a_finding_when_a_spec_may_be_behind_it() {
    let tree = Tree::of([
        ("s/a.yaml", &*spec("a")),
        ("out/b.yaml", &*spec("b")),
        ("README.md", "x"),
    ]);
    tree.link("s/b.yaml", "../out/b.yaml")
        .link("s/out", "../out")
        .link("s/README.md", "../README.md");
    let outcome = tree.load(&["s"]);
    assert_eq!(
        outcome.bad(2),
        [
            "s/b.yaml: error[link-outside]: is a link that leads out of the folder",
            "s/out: error[link-outside]: is a link that leads out of the folder",
        ]
    );
    assert_eq!(outcome.documents(), ["s/a.yaml: a"]);
    tree.file("s/.csignore", "out\nb.yaml\n");
    assert_eq!(tree.load(&["s"]).good(), ["s/a.yaml: a"]);
    // What is named may lead anywhere.
    assert_eq!(tree.load(&["s/b.yaml", "s/out"]).good(), ["s/b.yaml: b"]);
}

#[test]
fn a_link_to_nothing_may_have_been_a_folder_of_specs() {
    let tree = Tree::of([("s/a.yaml", &*spec("a"))]);
    tree.link("s/team", "../not-mounted");
    assert_eq!(
        tree.load(&["s"]).bad(2),
        ["s/team: error[link-broken]: is a link to nothing"]
    );
}

#[test]
fn a_pipe_in_a_folder_is_not_waited_for() {
    let tree = Tree::of([("s/a.yaml", &*spec("a"))]);
    let made = std::process::Command::new("mkfifo")
        .arg(tree.at("s/pipe.yaml"))
        .status();
    assert!(made.unwrap().success());
    tree.link("s/link.yaml", "pipe.yaml");
    assert_eq!(
        tree.load(&["s"]).bad(2),
        [
            "s/pipe.yaml: error[not-a-file]: is no regular file",
            "s/link.yaml: error[not-a-file]: is no regular file"
        ]
    );
}
