//! Trees that Git itself would not make.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use super::fetched;
use crate::support::git_server::{GitServer, Repository, bare_git};

/// Runs `git` with some input on a repository that has no work tree, and returns what it prints.
pub(super) fn made(git_dir: &Path, arguments: &[&str], input: &[u8]) -> String {
    let mut child = bare_git()
        .env("GIT_DIR", git_dir)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success(), "{arguments:?}");
    String::from_utf8(ended.stdout)
        .unwrap()
        .trim_end()
        .to_owned()
}

/// An object of any kind, unchecked. Its id.
fn object(repository: &Repository, kind: &str, content: &[u8]) -> String {
    let arguments = ["hash-object", "-t", kind, "-w", "--literally", "--stdin"];
    made(repository.git_dir(), &arguments, content)
}

/// A tree of entries `(mode, name, id)`, unchecked. Its id.
fn tree(repository: &Repository, entries: &[(&str, &str, &str)]) -> String {
    let mut content = Vec::new();
    for (mode, name, id) in entries {
        content.extend_from_slice(format!("{mode} {name}\0").as_bytes());
        let digits = id.as_bytes().chunks(2);
        content.extend(
            digits.map(|two| u8::from_str_radix(str::from_utf8(two).unwrap(), 16).unwrap()),
        );
    }
    object(repository, "tree", &content)
}

/// Fetches a tree as a commit and gives the error.
async fn refusal(server: &GitServer, repository: &Repository, tree: &str) -> String {
    let commit = repository.git(["commit-tree", "-m", "forged", tree]);
    repository.git(["update-ref", "refs/heads/main", &commit]);
    let fetched = fetched(&server.url("o/n"), "main").await;
    // Nothing may appear beside the two places.
    let beside = std::fs::read_dir(fetched.home.path()).unwrap();
    for entry in beside {
        let name = entry.unwrap().file_name();
        assert!(name == "files" || name == "git", "{name:?}");
    }
    fetched.error()
}

#[tokio::test]
async fn names_that_lead_out_or_into_gits_own_directory_are_refused() {
    let Some(server) = GitServer::start(None) else {
        return;
    };
    let repository = server.repository("o/n");
    let blob = object(&repository, "blob", b"content");
    let inner = tree(&repository, &[("100755", "post-checkout", &blob)]);
    for name in [".git", ".GIT", "..", "."] {
        for (mode, id) in [("40000", &inner), ("100644", &blob), ("160000", &blob)] {
            let forged = tree(&repository, &[(mode, name, id)]);
            let error = refusal(&server, &repository, &forged).await;
            assert!(
                error.contains("cannot be checked out"),
                "{mode} {name:?}: {error}"
            );
        }
    }
    let forged = tree(&repository, &[("100644", "../escaped", &blob)]);
    let error = refusal(&server, &repository, &forged).await;
    assert!(error.contains("a tree cannot be read"), "{error}");
}

#[tokio::test]
async fn nothing_is_written_through_a_link_of_the_same_name() {
    let Some(server) = GitServer::start(None) else {
        return;
    };
    let repository = server.repository("o/n");
    let outside = object(&repository, "blob", b"..");
    let blob = object(&repository, "blob", b"content");
    let inner = tree(&repository, &[("100644", "escaped", &blob)]);
    for entries in [
        [("120000", "a", &outside), ("40000", "a", &inner)],
        [("40000", "a", &inner), ("120000", "a", &outside)],
        [("100644", "a", &blob), ("100755", "a", &blob)],
    ] {
        let entries = entries.map(|(mode, name, id)| (mode, name, id.as_str()));
        let forged = tree(&repository, &entries);
        let error = refusal(&server, &repository, &forged).await;
        assert!(error.contains("`a`: it is there twice"), "{error}");
    }
}

#[tokio::test]
async fn odd_links_and_names_are_named() {
    let Some(server) = GitServer::start(None) else {
        return;
    };
    let repository = server.repository("o/n");
    let blob = object(&repository, "blob", b"content");
    let empty = object(&repository, "blob", b"");
    let long = object(&repository, "blob", &[b'x'; 5000]);
    let long_name = "n".repeat(300);
    for (mode, name, id, why) in [
        (
            "120000",
            "link",
            &empty,
            "the target of the link is no path",
        ),
        (
            "120000",
            "link",
            &long,
            "the target of the link is too long",
        ),
        ("100644", &long_name, &blob, "its name is too long"),
    ] {
        let forged = tree(&repository, &[(mode, name, id)]);
        let error = refusal(&server, &repository, &forged).await;
        assert!(error.contains(why), "{why:?} in {error:?}");
    }
}
