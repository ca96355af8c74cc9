//! Repositories that are larger than they may be.

use super::{Desk, request};
use crate::support::git_server::GitServer;

#[tokio::test]
async fn a_download_has_a_bound() {
    let Some(server) = GitServer::start(None) else {
        return;
    };
    let noise: Vec<u8> = (0..200_000_u32)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    server.repository("o/n").file("noise", noise).commit();
    let request = request(&server.url("o/n"), "main");
    let desk = Desk::new().limits(|limits| limits.download_bytes = 100_000);
    let error = desk.fetch(&request).await.error();
    assert!(
        error.contains("its download is more than 100000 bytes"),
        "{error}"
    );
}

#[tokio::test]
async fn a_checkout_has_a_bound_before_anything_is_written() {
    let Some(server) = GitServer::start(None) else {
        return;
    };
    let repository = server.repository("o/n");
    for copy in 0..10 {
        // One object, ten files.
        repository.file(&format!("copy{copy}"), "x".repeat(100_000));
    }
    repository.commit();
    let request = request(&server.url("o/n"), "main");
    for (limit, works) in [(1_000_000, true), (999_999, false)] {
        let desk = Desk::new().limits(|limits| limits.unpacked_bytes = limit);
        let fetched = desk.fetch(&request).await;
        if works {
            assert_eq!(fetched.checkout().bytes, 1_000_000);
        } else {
            let error = fetched.error();
            assert!(
                error.contains("its checkout is more than 999999 bytes"),
                "{error}"
            );
            assert!(!fetched.work_tree().exists());
        }
    }
}

#[tokio::test]
async fn files_and_directories_are_counted() {
    let Some(server) = GitServer::start(None) else {
        return;
    };
    server
        .repository("o/n")
        .file("a/b/one", "1")
        .file("a/two", "2")
        .link("three", "a")
        .commit();
    let request = request(&server.url("o/n"), "main");
    for (limit, works) in [(5, true), (4, false)] {
        let desk = Desk::new().limits(|limits| limits.entries = limit);
        let fetched = desk.fetch(&request).await;
        if works {
            fetched.checkout();
        } else {
            let error = fetched.error();
            assert!(
                error.contains("it has more than 4 files and directories"),
                "{error}"
            );
        }
    }
}

#[tokio::test]
async fn a_tree_that_contains_the_same_tree_again_and_again_is_stopped() {
    let Some(server) = GitServer::start(None) else {
        return;
    };
    let repository = server.repository("o/n");
    repository.file("a", "a").commit();
    let mut tree = repository.git(["rev-parse", "HEAD^{tree}"]);
    // Ten to the power of nine files, in ten trees.
    for _ in 0..9 {
        let entries: String = (0..10)
            .map(|copy| format!("040000 tree {tree}\td{copy}\n"))
            .collect();
        tree = super::forged::made(repository.git_dir(), &["mktree"], entries.as_bytes());
    }
    let commit = repository.git(["commit-tree", "-m", "bomb", &tree]);
    repository.git(["update-ref", "refs/heads/main", &commit]);
    let desk = Desk::new().limits(|limits| limits.entries = 20_000);
    let fetched = desk.fetch(&request(&server.url("o/n"), "main")).await;
    let error = fetched.error();
    assert!(
        error.contains("it has more than 20000 files and directories"),
        "{error}"
    );
    assert!(!fetched.work_tree().exists());
}
