//! Whoever wants no more gets an end soon, with nobody left working.

use std::path::Path;
use std::time::{Duration, Instant};

use cs::artifact::output::Output;
use cs::artifact::source::git::{GitError, Places, fetch, resolve};
use tokio_util::sync::CancellationToken;

use super::{Desk, request};
use crate::support::git_server::{GitServer, Stage, Trouble};

/// Soon, on a machine that does much else.
const SOON: Duration = Duration::from_secs(5);

fn server() -> Option<GitServer> {
    let server = GitServer::start(None)?;
    let noise: Vec<u8> = (0..500_000_u32)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).rotate_left(7).to_le_bytes())
        .collect();
    server.repository("o/n").file("noise", noise).commit();
    Some(server)
}

/// Waits until the pack has begun to arrive.
async fn arrives(git_dir: &Path) {
    let deadline = Instant::now() + Duration::from_secs(30);
    let pack = git_dir.join("objects/pack/incoming.pack");
    while !pack.exists() {
        assert!(Instant::now() < deadline, "nothing arrives");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_stop_in_the_middle_of_the_pack_ends_everything() {
    let Some(server) = server() else { return };
    server.trouble(Stage::Pack, Trouble::Stall(200_000));
    let desk = Desk::new();
    let request = request(&server.url("o/n"), "main");
    let stop = desk.stop.clone();
    let git_dir = desk.git_dir();
    let (result, stopped) = tokio::join!(desk.run(&request), async {
        arrives(&git_dir).await;
        stop.cancel();
        Instant::now()
    });
    assert!(stopped.elapsed() < SOON, "{:?}", stopped.elapsed());
    assert!(matches!(result, Err(GitError::Stopped)), "{result:?}");
    // Nobody writes there any more.
    std::fs::remove_dir_all(desk.git_dir()).unwrap();
}

#[test]
fn a_dropped_fetch_leaves_no_thread_working() {
    let Some(server) = server() else { return };
    server.trouble(Stage::Pack, Trouble::Stall(200_000));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let desk = Desk::new();
        let request = request(&server.url("o/n"), "main");
        let git_dir = desk.git_dir();
        tokio::select! {
            result = desk.run(&request) => panic!("it ends: {result:?}"),
            () = arrives(&git_dir) => {}
        }
    });
    let began = Instant::now();
    // Waits for the threads that may block.
    runtime.shutdown_timeout(Duration::from_secs(60));
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_stop_reaches_a_server_that_hangs() {
    let Some(server) = server() else { return };
    for stage in [Stage::Refs, Stage::List, Stage::Pack] {
        server.recover();
        server.trouble(stage, Trouble::Hang);
        let desk = Desk::new();
        let request = request(&server.url("o/n"), "main");
        let stop = desk.stop.clone();
        let before = server.calls().len();
        let (result, stopped) = tokio::join!(desk.run(&request), async {
            while !server.calls()[before..]
                .iter()
                .any(|call| call.stage == stage)
            {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            stop.cancel();
            Instant::now()
        });
        assert!(matches!(result, Err(GitError::Stopped)), "{result:?}");
        assert!(stopped.elapsed() < SOON, "{:?}", stopped.elapsed());
    }
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_listener_that_does_not_listen() {
    let Some(server) = server() else { return };
    let (output, _nobody_reads) = Output::channel();
    // Fills what may wait.
    while tokio::time::timeout(Duration::from_millis(50), output.line("x"))
        .await
        .is_ok()
    {}
    let (limits, stop) = (crate::support::egress::limits(), CancellationToken::new());
    let request = request(&server.url("o/n"), "main");
    let resolved = resolve(&request, &limits, &stop).await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let (work_tree, git_dir) = (home.path().join("files"), home.path().join("git"));
    let places = Places {
        work_tree: &work_tree,
        git_dir: &git_dir,
    };
    let (result, stopped) =
        tokio::join!(fetch(&resolved, places, &limits, &output, &stop), async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            stop.cancel();
            Instant::now()
        });
    assert!(matches!(result, Err(GitError::Stopped)), "{result:?}");
    assert!(stopped.elapsed() < SOON, "{:?}", stopped.elapsed());
}

#[tokio::test]
async fn nothing_is_asked_after_a_stop() {
    let Some(server) = server() else { return };
    let desk = Desk::new();
    desk.stop.cancel();
    let result = desk.run(&request(&server.url("o/n"), "main")).await;
    assert!(matches!(result, Err(GitError::Stopped)), "{result:?}");
    assert!(server.calls().is_empty());
}
