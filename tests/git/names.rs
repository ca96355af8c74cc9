//! Branches, tags and commits, in both protocols.

use cs::artifact::source::git::Providers;
use url::Url;

use super::{Desk, TOKEN, fetched, request, request_at};
use crate::support::git_server::{COMMITTED_AT, GitServer, Repository, Shown, Stage};

/// Two commits: the first one has two tags, the second one a branch of its own.
fn history(repository: &Repository) -> (String, String) {
    let first = repository.file("version", "1").commit();
    repository.tag("light").annotated_tag("heavy");
    repository.branch("feature/next");
    let second = repository.file("version", "2").commit();
    (first, second)
}

async fn names_are_found_and_checked_out(server: GitServer) {
    let (first, second) = history(&server.repository("o/n"));
    for (revision, name, commit, version) in [
        ("main", "refs/heads/main", &first, "1"),
        ("feature/next", "refs/heads/feature/next", &second, "2"),
        (
            "refs/heads/feature/next",
            "refs/heads/feature/next",
            &second,
            "2",
        ),
        ("light", "refs/tags/light", &first, "1"),
        ("heavy", "refs/tags/heavy", &first, "1"),
        ("refs/tags/heavy", "refs/tags/heavy", &first, "1"),
        (&second, &second, &second, "2"),
        (&second.to_uppercase(), &second, &second, "2"),
    ] {
        let desk = Desk::new();
        let request = request(&server.url("o/n"), revision);
        let resolved = desk.resolve(&request).await.unwrap();
        assert_eq!(
            (&resolved.name[..], &resolved.commit),
            (name, commit),
            "{revision}"
        );
        let fetched = desk.fetch(&request).await;
        assert_eq!(&fetched.checkout().commit, commit, "{revision}");
        assert_eq!(fetched.checkout().committed_at, COMMITTED_AT);
        assert_eq!(fetched.read("version"), version, "{revision}");
        assert_eq!(fetched.git(["rev-parse", "HEAD"]), *commit);
        assert_eq!(
            fetched.git(["rev-list", "--count", "HEAD"]),
            "1",
            "no history"
        );
        assert_eq!(fetched.git(["status", "--porcelain"]), "", "{revision}");
    }
}

#[tokio::test]
async fn branches_tags_and_commits_are_found_in_the_new_protocol() {
    let Some(server) = GitServer::start(None) else {
        return;
    };
    names_are_found_and_checked_out(server).await;
}

#[tokio::test]
async fn branches_tags_and_commits_are_found_in_the_old_protocol() {
    let Some(server) = GitServer::start(None) else {
        return;
    };
    server.forget_version_2();
    names_are_found_and_checked_out(server).await;
}

#[tokio::test]
async fn the_new_protocol_is_used_where_it_is_known() {
    let Some(server) = GitServer::start(None) else {
        return;
    };
    server.repository("o/n").file("a", "a").commit();
    fetched(&server.url("o/n"), "main").await.checkout();
    let stages: Vec<Stage> = server.calls().iter().map(|call| call.stage).collect();
    assert_eq!(stages, [Stage::Refs, Stage::List, Stage::Pack]);
}

#[tokio::test]
async fn a_branch_is_preferred_to_a_tag_and_to_a_commit_of_the_same_name() {
    let Some(server) = GitServer::start(None) else {
        return;
    };
    let repository = server.repository("o/n");
    let first = repository.file("version", "tag").commit();
    repository.tag("both");
    repository.branch("both");
    repository.file("version", "branch").commit();
    // A branch that is called like another commit.
    repository.git(["update-ref", &format!("refs/heads/{first}"), "HEAD"]);
    for revision in ["both", &first] {
        let fetched = fetched(&server.url("o/n"), revision).await;
        fetched.checkout();
        assert_eq!(fetched.read("version"), "branch", "{revision}");
    }
}

#[tokio::test]
async fn the_git_directory_knows_its_branch_and_tags_like_a_shallow_clone() {
    let Some(server) = GitServer::start(Some(TOKEN)) else {
        return;
    };
    let repository = server.repository("o/n");
    let (_, second) = history(&repository);
    let (address, token) = (server.url("o/n"), Some(TOKEN));
    let fetch = async |revision| {
        let request = request_at(&Providers::default(), &address, revision, token).unwrap();
        Desk::new().fetch(&request).await
    };
    let branch = fetch("feature/next").await;
    branch.checkout();
    assert_eq!(
        branch.git(["symbolic-ref", "HEAD"]),
        "refs/heads/feature/next"
    );
    assert_eq!(branch.git(["rev-parse", "origin/feature/next"]), second);
    assert_eq!(branch.git(["rev-parse", "--is-shallow-repository"]), "true");
    assert_eq!(
        branch.git(["log", "--format=%H %s"]),
        format!("{second} a commit")
    );
    assert_eq!(branch.git(["fsck", "--strict"]), "");
    assert_eq!(branch.git(["remote", "get-url", "origin"]), address);
    let tag = fetch("heavy").await;
    tag.checkout();
    assert_eq!(tag.git(["describe"]), "heavy");
    let light = fetch("light").await;
    light.checkout();
    assert_eq!(light.git(["describe", "--tags"]), "light");
    for (path, _) in files_of(&light.git_dir()) {
        assert!(
            !path.ends_with("lock") && !path.contains("incoming"),
            "{path}"
        );
    }
    for fetched in [branch, tag, light] {
        for (path, content) in files_of(fetched.home.path()) {
            let text = String::from_utf8_lossy(&content);
            assert!(!text.contains(TOKEN), "{path}");
        }
    }
}

fn files_of(directory: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else {
                found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
            }
        }
    }
    found
}

#[tokio::test]
async fn a_copied_git_directory_works_inside_the_files() {
    let Some(server) = GitServer::start(None) else {
        return;
    };
    let commit = server.repository("o/n").file("a/b", "c").commit();
    let fetched = fetched(&server.url("o/n"), "main").await;
    fetched.checkout();
    let inside = fetched.work_tree().join(".git");
    std::fs::rename(fetched.git_dir(), &inside).unwrap();
    let told = crate::support::git_server::bare_git()
        .current_dir(fetched.work_tree().join("a"))
        .args(["log", "-1", "--format=%H"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&told.stdout).trim_end(), commit);
}

#[tokio::test]
async fn a_first_commit_has_no_missing_history() {
    let Some(server) = GitServer::start(None) else {
        return;
    };
    server.repository("o/n").file("a", "a").commit();
    let fetched = fetched(&server.url("o/n"), "main").await;
    fetched.checkout();
    assert_eq!(
        fetched.git(["rev-parse", "--is-shallow-repository"]),
        "false"
    );
    assert_eq!(fetched.git(["fsck"]), "");
}

#[tokio::test]
async fn a_name_is_looked_up_at_the_configured_provider_with_the_token() {
    let Some(server) = GitServer::start(Some(TOKEN)) else {
        return;
    };
    server.repository("group/sub/name").file("a", "a").commit();
    let providers = Providers {
        github: Url::parse(&server.base()).unwrap(),
        ..Providers::default()
    };
    for name in ["group/sub/name", "group/sub/name.git"] {
        let request = request_at(&providers, name, "main", Some(TOKEN)).unwrap();
        Desk::new().fetch(&request).await.checkout();
    }
    for call in server.calls() {
        assert_eq!(call.credentials, Shown::Right, "{call:?}");
        assert_eq!(call.user, "x-access-token");
        assert!(call.path.starts_with("/group/sub/name.git/"), "{call:?}");
    }
}

#[tokio::test]
async fn an_encoded_token_is_decoded_and_colons_are_kept() {
    let Some(server) = GitServer::start(Some("a:b%c")) else {
        return;
    };
    server.repository("o/n").file("a", "a").commit();
    for token in ["a:b%c", "a%3Ab%25c"] {
        let request = super::request_with_token(&server.url("o/n"), "main", token);
        Desk::new().fetch(&request).await.checkout();
    }
}
