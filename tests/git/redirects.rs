//! Redirects are followed, credentials are not.

use super::{Desk, TOKEN, request_with_token};
use crate::support::git_server::{GitServer, Shown, Stage, Trouble};

#[tokio::test]
async fn credentials_do_not_follow_to_another_origin() {
    let Some(front) = GitServer::start(Some(TOKEN)) else {
        return;
    };
    let Some(other) = GitServer::start(None) else {
        return;
    };
    other.repository("o/n").file("a", "elsewhere").commit();
    front.trouble(Stage::Refs, Trouble::Redirect(other.base()));
    let request = request_with_token(&front.url("o/n"), "main", TOKEN);
    let fetched = Desk::new().fetch(&request).await;
    fetched.checkout();
    assert_eq!(fetched.read("a"), "elsewhere");
    let first: Vec<Shown> = front.calls().iter().map(|call| call.credentials).collect();
    assert_eq!(first, [Shown::Right]);
    let calls = other.calls();
    let stages: Vec<Stage> = calls.iter().map(|call| call.stage).collect();
    assert_eq!(stages, [Stage::Refs, Stage::List, Stage::Pack]);
    assert!(
        calls.iter().all(|call| call.credentials == Shown::Nothing),
        "{calls:?}"
    );
}

#[tokio::test]
async fn a_private_repository_behind_a_redirect_is_named_as_that() {
    let Some(front) = GitServer::start(Some(TOKEN)) else {
        return;
    };
    let Some(other) = GitServer::start(Some(TOKEN)) else {
        return;
    };
    other.repository("o/n").file("a", "a").commit();
    front.trouble(Stage::Refs, Trouble::Redirect(other.base()));
    let request = request_with_token(&front.url("o/n"), "main", TOKEN);
    let error = Desk::new().fetch(&request).await.error();
    assert!(
        error.contains("redirects to another host, where the token (gitPass) is not sent"),
        "{error}"
    );
    assert!(
        other
            .calls()
            .iter()
            .all(|call| call.credentials == Shown::Nothing)
    );
}

#[tokio::test]
async fn a_renamed_repository_is_followed_with_credentials_on_the_same_origin() {
    let Some(server) = GitServer::start(Some(TOKEN)) else {
        return;
    };
    server.repository("o/new").file("a", "a").commit();
    server.trouble(Stage::Refs, Trouble::Rename("o/old", "o/new"));
    let request = request_with_token(&server.url("o/old"), "main", TOKEN);
    Desk::new().fetch(&request).await.checkout();
    let calls = server.calls();
    assert!(
        calls.iter().all(|call| call.credentials == Shown::Right),
        "{calls:?}"
    );
    let last = calls.last().unwrap();
    assert_eq!(
        (last.stage, &last.path[..]),
        (Stage::Pack, "/o/new.git/git-upload-pack")
    );
}

#[tokio::test]
async fn redirects_without_end_or_to_a_page_are_refused() {
    let Some(server) = GitServer::start(None) else {
        return;
    };
    let address = server.url("o/n");
    for (target, why) in [
        (
            format!("{address}/info/refs?service=git-upload-pack"),
            "too many redirects",
        ),
        (
            format!("{}/users/sign_in", server.base()),
            "no repository is there",
        ),
        ("file:///etc/passwd".to_owned(), "only http and https are"),
    ] {
        server.recover();
        server.trouble(Stage::Refs, Trouble::RedirectTo(target));
        let error = super::fetched(&address, "main").await.error();
        assert!(error.contains(why), "{error}");
    }
}

#[tokio::test]
async fn later_calls_are_not_redirected() {
    let Some(server) = GitServer::start(None) else {
        return;
    };
    server.repository("o/n").file("a", "a").commit();
    server.trouble(Stage::Pack, Trouble::Redirect(server.base()));
    let error = super::fetched(&server.url("o/n"), "main").await.error();
    assert!(
        error.contains("no Git repository at this address"),
        "{error}"
    );
}
