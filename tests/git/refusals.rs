//! What the server does not have, or does not give.

use super::{Desk, TOKEN, fetched, request_with_token};
use crate::support::git_server::{GitServer, Shown, Stage, Trouble};

async fn is_refused(server: &GitServer, revision: &str, expected: &str) {
    let error = fetched(&server.url("o/n"), revision).await.error();
    assert!(error.contains(expected), "{expected:?} in {error:?}");
    assert!(error.contains(&server.url("o/n")), "{error}");
}

#[tokio::test]
async fn a_missing_branch_is_named_with_those_that_exist() {
    let Some(server) = GitServer::start(None) else {
        return;
    };
    let repository = server.repository("o/n");
    repository.file("a", "a").commit();
    for branch in ["dev", "feature/x"] {
        repository.git(["branch", branch]);
    }
    for _ in 0..2 {
        let expected = "has no branch or tag `mian`; it has `dev`, `feature/x`, `main`";
        is_refused(&server, "mian", expected).await;
        server.forget_version_2();
    }
}

#[tokio::test]
async fn an_empty_repository_is_named_so() {
    let Some(server) = GitServer::start(None) else {
        return;
    };
    server.repository("o/n");
    for _ in 0..2 {
        is_refused(&server, "main", "is empty: push a commit first").await;
        server.forget_version_2();
    }
}

#[tokio::test]
async fn a_part_of_a_commit_is_no_name() {
    let Some(server) = GitServer::start(None) else {
        return;
    };
    let commit = server.repository("o/n").file("a", "a").commit();
    is_refused(&server, &commit[..12], "give all 40 characters of it").await;
}

#[tokio::test]
async fn a_commit_that_the_server_does_not_give_is_explained() {
    let Some(server) = GitServer::start(None) else {
        return;
    };
    let repository = server.repository("o/n");
    repository.file("a", "a").commit();
    let hidden = repository.git(["commit-tree", "-m", "on no branch", "HEAD^{tree}"]);
    let expected = "does not exist there, or no branch leads to it; name a branch or tag";
    is_refused(&server, &"1".repeat(40), expected).await;
    // The old protocol gives only what a branch or tag leads to.
    server.forget_version_2();
    is_refused(&server, &hidden, expected).await;
}

#[tokio::test]
async fn a_name_that_stands_for_no_commit_is_refused() {
    let Some(server) = GitServer::start(None) else {
        return;
    };
    let repository = server.repository("o/n");
    repository.file("a", "a").commit();
    repository.git(["tag", "file", "HEAD:a"]);
    is_refused(&server, "file", "does not stand for a commit").await;
}

#[tokio::test]
async fn repositories_of_the_newer_object_format_are_named() {
    let Some(server) = GitServer::start(None) else {
        return;
    };
    server
        .repository_of_format("o/n", "sha256")
        .file("a", "a")
        .commit();
    for _ in 0..2 {
        is_refused(
            &server,
            "main",
            "uses SHA-256 object names, which are not supported",
        )
        .await;
        server.forget_version_2();
    }
}

#[tokio::test]
async fn a_wrong_or_missing_token_is_one_clear_line() {
    let Some(server) = GitServer::start(Some("right")) else {
        return;
    };
    server.repository("o/n").file("a", "a").commit();
    let address = server.url("o/n");
    let without = fetched(&address, "main").await.error();
    assert_eq!(
        without,
        format!(
            "Git repository `{address}` was not found, or it is private: no token (gitPass) was given (status 401)"
        )
    );
    let wrong = Desk::new()
        .fetch(&request_with_token(&address, "main", TOKEN))
        .await
        .error();
    assert_eq!(
        wrong,
        format!(
            "Git repository `{address}` was not found, or the token (gitPass) has no access to it (status 401)"
        )
    );
}

#[tokio::test]
async fn a_repository_that_does_not_exist_is_not_found() {
    let Some(server) = GitServer::start(None) else {
        return;
    };
    let error = fetched(&server.url("o/none"), "main").await.error();
    assert!(
        error.contains("was not found") && error.contains("(status 404)"),
        "{error}"
    );
}

#[tokio::test]
async fn a_token_that_has_expired_still_opens_public_repositories() {
    let Some(server) = GitServer::start(None) else {
        return;
    };
    server.repository("o/n").file("a", "a").commit();
    for stage in [Stage::Refs, Stage::List, Stage::Pack] {
        server.trouble(stage, Trouble::RefuseCredentials);
    }
    let request = request_with_token(&server.url("o/n"), "main", TOKEN);
    let fetched = Desk::new().fetch(&request).await;
    fetched.checkout();
    assert!(
        fetched.said.contains("does not accept the token"),
        "{}",
        fetched.said
    );
    let shown: Vec<Shown> = server.calls().iter().map(|call| call.credentials).collect();
    assert_eq!(
        shown,
        [Shown::Wrong, Shown::Nothing, Shown::Nothing, Shown::Nothing]
    );
}
