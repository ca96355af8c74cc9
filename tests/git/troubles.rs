//! Servers and networks that fail.

use std::time::{Duration, Instant};

use cs::artifact::source::git::GitError;

use super::{Desk, TOKEN, fetched, request, request_with_token};
use crate::support::git_server::{GitServer, Stage, Trouble};
use crate::support::ports::CLOSED_PORT;

const STAGES: [Stage; 3] = [Stage::Refs, Stage::List, Stage::Pack];

fn server() -> Option<GitServer> {
    let server = GitServer::start(None)?;
    let repository = server.repository("o/n");
    for file in 0..50 {
        repository.file(&format!("file{file}"), format!("content {file}").repeat(50));
    }
    let noise = (0..50_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes());
    repository.file("noise", noise.collect::<Vec<u8>>());
    repository.commit();
    Some(server)
}

/// Fetches while the server has a trouble, and gives the error.
async fn in_trouble(server: &GitServer, stage: Stage, trouble: Trouble) -> String {
    server.recover();
    server.trouble(stage, trouble);
    let desk = Desk::new().limits(|limits| {
        limits.connect = Duration::from_secs(1);
        limits.silence = Duration::from_secs(1);
    });
    desk.fetch(&request(&server.url("o/n"), "main"))
        .await
        .error()
}

fn frame(text: &str) -> String {
    format!("{:04x}{text}", text.len() + 4)
}

#[tokio::test]
async fn odd_statuses_are_named() {
    let Some(server) = server() else { return };
    for stage in STAGES {
        let error = in_trouble(&server, stage, Trouble::Status(503)).await;
        assert!(error.contains("answered with status 503"), "{error}");
        let error = in_trouble(&server, stage, Trouble::Status(403)).await;
        assert!(error.contains("(status 403)"), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up() {
    let Some(server) = server() else { return };
    for stage in STAGES {
        let began = Instant::now();
        let error = in_trouble(&server, stage, Trouble::Hang).await;
        assert!(error.contains("did not answer within 1 s"), "{error}");
        let error = in_trouble(&server, stage, Trouble::Stall(30)).await;
        assert!(error.contains("sent nothing more within 1 s"), "{error}");
        assert!(began.elapsed() < Duration::from_secs(30));
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let address = format!("http://127.0.0.1:{}/o/n", CLOSED_PORT);
    let error = fetched(&address, "main").await.error();
    assert!(
        error.contains("cannot reach Git server `127.0.0.1:"),
        "{error}"
    );
}

#[tokio::test]
async fn answers_that_are_none_of_git_are_told_from_it() {
    let Some(server) = server() else { return };
    for stage in STAGES {
        for (trouble, why) in [
            (
                Trouble::Page("<html>Sign in</html>"),
                "no Git repository at this address",
            ),
            (
                Trouble::Say(b"<html>Sign in</html>".to_vec()),
                "not made of Git's frames",
            ),
            (Trouble::Say(b"0003".to_vec()), "a frame of an unknown kind"),
            (Trouble::Say(Vec::new()), "ended after 0 bytes"),
            (Trouble::Say(b"00ffshort".to_vec()), "ended after 9 bytes"),
        ] {
            let error = in_trouble(&server, stage, trouble).await;
            assert!(error.contains(why), "{stage:?}: {why:?} in {error:?}");
        }
    }
    for (stage, text, why) in [
        (
            Stage::Refs,
            frame("version 9\n") + "0000",
            "list of branches",
        ),
        (
            Stage::List,
            frame("nonsense\n") + "0000",
            "list of branches",
        ),
        (Stage::Pack, "0000".to_owned(), "there is no pack in it"),
        (
            Stage::Pack,
            frame("packfile\n") + &frame("\x07?"),
            "the pack is not where it should be",
        ),
        (
            Stage::Pack,
            frame("packfile\n") + &frame("\x01PACK") + "0001",
            "a section begins",
        ),
        (
            Stage::Pack,
            frame("packfile\n") + &frame("\x01nonsense and more") + "0000",
            "it is no pack",
        ),
        (
            Stage::Pack,
            frame("packfile\n") + "0000",
            "the pack ends early",
        ),
    ] {
        let error = in_trouble(&server, stage, Trouble::Say(text.into_bytes())).await;
        assert!(error.contains(why), "{why:?} in {error:?}");
    }
}

#[tokio::test]
async fn the_servers_own_words_are_shown_without_the_token() {
    let Some(server) = server() else { return };
    let words = format!("no \x1b[1maccess\nfor {TOKEN}");
    for (stage, text) in [
        (Stage::Refs, frame(&format!("ERR {words}"))),
        (Stage::List, frame(&format!("ERR {words}"))),
        (Stage::Pack, frame(&format!("ERR {words}"))),
        (
            Stage::Pack,
            frame("packfile\n") + &frame(&format!("\x03{words}")),
        ),
    ] {
        server.recover();
        server.trouble(stage, Trouble::Say(text.into_bytes()));
        let request = request_with_token(&server.url("o/n"), "main", TOKEN);
        let error = Desk::new().fetch(&request).await.error();
        assert!(
            error.contains("refuses: no [1maccessfor [redacted]"),
            "{error}"
        );
    }
    let chatter = format!("your token is {TOKEN}\n");
    let text = frame("packfile\n") + &frame(&format!("\x02{chatter}")) + &frame("\x03enough");
    server.recover();
    server.trouble(Stage::Pack, Trouble::Say(text.into_bytes()));
    let request = request_with_token(&server.url("o/n"), "main", TOKEN);
    let fetched = Desk::new().fetch(&request).await;
    assert!(
        fetched.said.contains("remote: your token is [redacted]\n"),
        "{}",
        fetched.said
    );
}

#[tokio::test]
async fn a_connection_that_is_cut_in_the_pack_is_named_so() {
    let Some(server) = server() else { return };
    for after in [0, 3, 10, 100, 20_000] {
        let error = in_trouble(&server, Stage::Pack, Trouble::Cut(after)).await;
        assert!(
            error.contains("the connection to Git server"),
            "{after}: {error}"
        );
        assert!(
            error.contains("of its answer; try again"),
            "{after}: {error}"
        );
    }
}

#[tokio::test]
async fn a_damaged_pack_is_refused() {
    let Some(server) = server() else { return };
    // Behind the messages of the server, inside of the objects.
    let error = in_trouble(&server, Stage::Pack, Trouble::Damage(20_000)).await;
    assert!(error.contains("arrived damaged"), "{error}");
}

#[tokio::test]
async fn nothing_is_left_locked_after_a_failure() {
    let Some(server) = server() else { return };
    server.trouble(Stage::Pack, Trouble::Cut(2000));
    let desk = Desk::new();
    let request = request(&server.url("o/n"), "main");
    assert!(matches!(
        desk.run(&request).await,
        Err(GitError::Cut { .. })
    ));
    std::fs::remove_dir_all(desk.git_dir()).unwrap();
    server.recover();
    desk.fetch(&request).await.checkout();
}
