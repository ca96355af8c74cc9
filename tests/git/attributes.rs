//! `.gitattributes`, and whose are not obeyed.

use super::fetched;
use crate::support::git_server::GitServer;

#[tokio::test]
async fn line_ends_and_ident_are_those_of_the_attributes() {
    let Some(server) = GitServer::start(None) else {
        return;
    };
    let repository = server.repository("o/n");
    repository
        .file(".gitattributes", "*.bat text eol=crlf\n*.id ident\n")
        // Sorts before its attributes.
        .file("dir/!first.bat", "a\nb\n")
        .file("dir/.gitattributes", "kept.bat -text\n")
        .file("dir/kept.bat", "a\nb\n")
        .file("x.id", "$Id$\n")
        .file("plain.txt", "a\nb\n")
        .link("zz/.gitattributes", "/dev/zero")
        .file("zz/last.bat", "a\n")
        .commit();
    let fetched = fetched(&server.url("o/n"), "main").await;
    fetched.checkout();
    assert_eq!(fetched.read("dir/!first.bat"), "a\r\nb\r\n");
    assert_eq!(fetched.read("dir/kept.bat"), "a\nb\n");
    assert_eq!(fetched.read("zz/last.bat"), "a\r\n");
    assert_eq!(fetched.read("plain.txt"), "a\nb\n");
    let blob = repository.git(["rev-parse", "HEAD:x.id"]);
    assert_eq!(fetched.read("x.id"), format!("$Id: {blob} $\n"));
    assert_eq!(fetched.git(["status", "--porcelain"]), "");
    assert!(!fetched.git_dir().join("attributes.config").exists());
}

#[tokio::test]
async fn attributes_may_apply_to_themselves() {
    let Some(server) = GitServer::start(None) else {
        return;
    };
    server
        .repository("o/n")
        .file(".gitattributes", "* text eol=crlf\n")
        .file("a", "a\n")
        .commit();
    let fetched = fetched(&server.url("o/n"), "main").await;
    fetched.checkout();
    assert_eq!(fetched.read(".gitattributes"), "* text eol=crlf\r\n");
    assert_eq!(fetched.read("a"), "a\r\n");
}

#[tokio::test]
async fn what_is_not_done_is_said() {
    let Some(server) = GitServer::start(None) else {
        return;
    };
    let large = "a\n".repeat((4 << 20) / 2 + 1);
    server
        .repository("o/n")
        .file(
            ".gitattributes",
            "*.txt text eol=crlf\n*.utf working-tree-encoding=UTF-16\n",
        )
        .file("large.txt", &large)
        .commit();
    server
        .repository("o/many")
        .file(
            ".gitattributes",
            "# a comment\n".repeat(100_000) + "*.txt eol=crlf\n",
        )
        .file("a.txt", "a\n")
        .commit();
    let large_file = fetched(&server.url("o/n"), "main").await;
    large_file.checkout();
    let said = &large_file.said;
    assert!(
        said.contains("1 files larger than 4 MiB keep the line ends"),
        "{said}"
    );
    assert!(
        said.contains("`working-tree-encoding` in .gitattributes is not applied"),
        "{said}"
    );
    assert!(large_file.read("large.txt") == large);
    let many_rules = fetched(&server.url("o/many"), "main").await;
    many_rules.checkout();
    let said = &many_rules.said;
    assert!(
        said.contains("`.gitattributes` is larger than 1 MiB"),
        "{said}"
    );
    assert_eq!(many_rules.read("a.txt"), "a\n");
}
