//! Sources that cannot be used: a named cause, the failed step, one `deployment.failed`, nothing left.

use serde_json::json;

use super::stage::{Stage, TOKEN};
use crate::support::files_server::{Answer, FilesServer};
use crate::support::git_server::{GitServer, Shown, Stage as GitStage, Trouble};

#[test]
fn a_branch_that_is_not_there_is_named_with_those_that_are() {
    let Some(mut stage) = Stage::open() else {
        return;
    };
    stage.plain_repository();
    let backend = stage.lab.backend();
    let params = stage.params_with(json!({"branch": "mian"}));
    let ended = stage.deploy(&params).run();
    stage.assert_fails(&ended, 1, "mian");
    ended.assert_says("acme/shop").assert_says("main");
    assert!(ended.stdout.contains("ERROR [clone]: "), "{ended}");
    assert_eq!(backend.steps(), ["clone in_progress", "clone failed"]);
}

#[test]
fn an_empty_repository_is_called_empty() {
    let Some(stage) = Stage::open() else { return };
    stage.git.repository("acme/shop");
    let ended = stage.deploy(&stage.params()).run();
    stage.assert_fails(&ended, 1, "empty");
}

#[test]
fn a_wrong_token_is_one_clear_line_without_the_token() {
    let Some(stage) = Stage::open() else { return };
    stage.plain_repository();
    let params = stage.params_with(json!({"gitPass": "canary-wrong-token"}));
    let ended = stage.deploy(&params).run();
    stage.assert_fails(&ended, 1, "gitPass");
    ended.assert_hides("canary-wrong-token");
}

#[test]
fn credentials_do_not_follow_a_redirect_to_another_host() {
    let Some(stage) = Stage::open() else { return };
    stage.plain_repository();
    let Some(other) = GitServer::start(None) else {
        return;
    };
    stage
        .git
        .trouble(GitStage::Refs, Trouble::Redirect(other.base()));
    let ended = stage.deploy(&stage.params()).run();
    assert_ne!(ended.code, Some(0), "{ended}");
    ended.assert_hides(TOKEN);
    assert!(!other.calls().is_empty(), "nobody followed\n{ended}");
    assert!(
        other
            .calls()
            .iter()
            .all(|request| request.credentials == Shown::Nothing),
        "{ended}"
    );
    stage.assert_nothing_left(&ended);
}

#[test]
fn a_link_out_of_the_source_is_named_and_nothing_is_built() {
    let Some(stage) = Stage::open() else { return };
    stage
        .git
        .repository("acme/shop")
        .file("Dockerfile", stage.dockerfile("COPY . /app\n"))
        .link("config/passwd", "/etc/passwd")
        .commit();
    let ended = stage.deploy(&stage.params()).run();
    stage.assert_fails(&ended, 1, "config/passwd");
    ended.assert_says("/etc/passwd").assert_says("leads out");
}

#[test]
fn a_root_directory_that_is_not_there_is_named() {
    let Some(stage) = Stage::open() else { return };
    stage.plain_repository();
    let params = stage.params_with(json!({"build": {"rootDirectory": "fronted"}}));
    let ended = stage.deploy(&params).run();
    stage.assert_fails(&ended, 1, "fronted");
}

#[test]
fn a_dockerfile_that_is_not_there_is_named_with_what_may_have_been_meant() {
    let Some(stage) = Stage::open() else { return };
    stage.plain_repository();
    let params = stage.params_with(json!({"build": {"dockerfilePath": "Dockerfle"}}));
    let ended = stage.deploy(&params).run();
    stage.assert_fails(&ended, 1, "did you mean `Dockerfile`?");
}

#[test]
fn an_archive_bomb_is_stopped() {
    let Some(mut stage) = Stage::open() else {
        return;
    };
    stage.lab.env.set("CS_SOURCE_MAX_MB", "16");
    let archive = stage.archive_of_zeros(64 << 20);
    let ended = stage.deploy(&stage.upload_params(&archive)).run();
    stage.assert_fails(&ended, 1, "CS_SOURCE_MAX_MB");
}

#[test]
fn an_archive_that_leads_out_is_refused() {
    let Some(stage) = Stage::open() else { return };
    let archive = stage.archive(&[("../escaped", "x")]);
    let ended = stage.deploy(&stage.upload_params(&archive)).run();
    stage.assert_fails(&ended, 1, "../escaped");
}

#[test]
fn an_expired_address_is_named_without_its_signature() {
    let Some(stage) = Stage::open() else { return };
    let expired = FilesServer::with(Answer::bare(403).header("Content-Length", "0"));
    let server = stage.lab.runtime.block_on(expired);
    let params = stage.upload_params_of(&server.url("/up.tar.gz?X-Signature=canary-signature"));
    let ended = stage.deploy(&params).run();
    stage.assert_fails(&ended, 1, "403");
    ended.assert_hides("canary-signature");
}

#[test]
fn an_image_without_a_registry_is_refused_before_anything_is_fetched() {
    let Some(stage) = Stage::open() else { return };
    stage.plain_repository();
    let params = stage.params_with(json!({"imageName": "acme/shop"}));
    let ended = stage.deploy(&params).run();
    stage.assert_fails(&ended, 3, "registry URL could not be determined");
    assert_eq!(stage.git.calls().len(), 0);
}

#[test]
fn a_server_that_hangs_is_named_when_time_is_up() {
    let Some(mut stage) = Stage::open() else {
        return;
    };
    stage.plain_repository();
    stage.git.trouble(GitStage::Refs, Trouble::Hang);
    stage.lab.env.set("CS_DEADLINE", "2s");
    let ended = stage.deploy(&stage.params()).run();
    stage.assert_fails(&ended, 4, "out of time while looking for main");
}
