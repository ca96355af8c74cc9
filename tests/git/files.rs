//! What ends up on disk, and what is said about what does not.

use std::os::unix::fs::PermissionsExt as _;

use super::{fetched, listed};
use crate::support::git_server::GitServer;

#[tokio::test]
async fn permissions_links_and_odd_names_come_as_they_are() {
    let Some(server) = GitServer::start(None) else {
        return;
    };
    let repository = server.repository("o/n");
    repository
        .executable("run.sh", "#!/bin/sh\n")
        .file("plain", "text")
        .file("empty", "")
        .file("a/very/deep/directory/with a space/ä ö.txt", "deep")
        .link("link", "plain")
        .link("dangling", "nowhere/at all")
        .link("out", "/etc/passwd")
        .commit();
    let fetched = fetched(&server.url("o/n"), "main").await;
    let checkout = fetched.checkout();
    assert_eq!(
        (checkout.files, checkout.bytes),
        (7, 10 + 4 + 4 + 5 + 14 + 11)
    );
    let mode = |name| {
        let about = std::fs::metadata(fetched.work_tree().join(name)).unwrap();
        about.permissions().mode() & 0o111 != 0
    };
    assert!(mode("run.sh") && !mode("plain"));
    let link = |name| std::fs::read_link(fetched.work_tree().join(name)).unwrap();
    assert_eq!(link("link").to_str(), Some("plain"));
    assert_eq!(link("out").to_str(), Some("/etc/passwd"));
    assert_eq!(
        fetched.read("a/very/deep/directory/with a space/ä ö.txt"),
        "deep"
    );
    assert_eq!(fetched.read("empty"), "");
    assert_eq!(fetched.git(["status", "--porcelain"]), "");
    assert_eq!(checkout.submodules, Vec::<String>::new());
    assert_eq!(checkout.lfs, Vec::<String>::new());
}

#[tokio::test]
async fn progress_and_result_are_said() {
    let Some(server) = GitServer::start(None) else {
        return;
    };
    let repository = server.repository("o/n");
    let commit = repository.file("a", "a").file("b", "b").commit();
    let fetched = fetched(&server.url("o/n"), "main").await;
    fetched.checkout();
    let (address, short) = (server.url("o/n"), &commit[..10]);
    for line in [
        format!("Cloning {address} at refs/heads/main ({short})\n"),
        "Receiving objects: 100% (4/4), 0.0 MiB, done\n".to_owned(),
        "Checking out files: 100% (2/2), done\n".to_owned(),
        format!("Checked out {short} (2 files)\n"),
    ] {
        assert!(
            fetched.said.contains(&line),
            "{line:?} in {:?}",
            fetched.said
        );
    }
    assert!(
        fetched.said.contains("remote: Enumerating objects"),
        "{}",
        fetched.said
    );
    assert!(!fetched.said.contains('\r'));
}

#[tokio::test]
async fn submodules_are_named_and_not_fetched() {
    let Some(server) = GitServer::start(None) else {
        return;
    };
    let repository = server.repository("o/n");
    repository.file("a", "a").file(
        ".gitmodules",
        "[submodule \"x\"]\n\tpath = libs/x\n\turl = https://example.com/x\n",
    );
    repository
        .add()
        .submodule("libs/x")
        .submodule("libs/y")
        .commit_added();
    let fetched = fetched(&server.url("o/n"), "main").await;
    assert_eq!(fetched.checkout().submodules, ["libs/x", "libs/y"]);
    assert_eq!(fetched.checkout().files, 2);
    assert!(
        fetched
            .said
            .contains("Submodules are not fetched, their directories stay empty: libs/x, libs/y."),
        "{}",
        fetched.said
    );
    let empty = std::fs::read_dir(fetched.work_tree().join("libs/x")).unwrap();
    assert_eq!(empty.count(), 0);
    assert_eq!(fetched.git(["status", "--porcelain"]), "");
}

#[tokio::test]
async fn pointers_of_git_lfs_are_named_and_not_followed() {
    let Some(server) = GitServer::start(None) else {
        return;
    };
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
    server
        .repository("o/n")
        .file(
            ".gitattributes",
            "*.bin filter=lfs diff=lfs merge=lfs -text\n",
        )
        .file("model.bin", pointer)
        .file("real.bin", "content that was committed as it is")
        .file(
            "about.txt",
            "version https://git-lfs.github.com/spec/v1 is a format",
        )
        .commit();
    let fetched = fetched(&server.url("o/n"), "main").await;
    assert_eq!(fetched.checkout().lfs, ["model.bin"]);
    assert_eq!(fetched.read("model.bin"), pointer);
    assert!(
        fetched.said.contains("Git LFS content is not fetched")
            && fetched.said.contains(": model.bin."),
        "{}",
        fetched.said
    );
}

/// Random enough not to be compressed, the same each time.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

#[tokio::test]
async fn differences_are_worked_out_for_small_and_large_files() {
    let Some(server) = GitServer::start(None) else {
        return;
    };
    let repository = server.repository("o/n");
    // Larger than what is held in memory, and kept as differences to each other.
    let large = noise(1, 5 << 20);
    for version in 0..3_u8 {
        let mut own = large.clone();
        own.insert(1000 * usize::from(version), version);
        repository.executable(&format!("large{version}.bin"), &own);
    }
    repository.file(
        "same/large1.bin",
        std::fs::read(work(&repository, "large1.bin")).unwrap(),
    );
    let small = noise(2, 20_000);
    for version in 0..30_u8 {
        let mut own = small.clone();
        own[usize::from(version) * 100] ^= 1;
        repository.file(&format!("small/{version}.bin"), &own);
    }
    repository.commit();
    repository.git(["repack", "-adfq", "--depth=50", "--window=50"]);
    let fetched = fetched(&server.url("o/n"), "main").await;
    assert_eq!(fetched.checkout().files, 34);
    assert!(
        fetched.said.contains("Resolving deltas: 100%"),
        "{}",
        fetched.said
    );
    let mut expected = listed(&work(&repository, ""));
    let mut found = listed(&fetched.work_tree());
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    assert_eq!(fetched.git(["status", "--porcelain"]), "");
    assert_eq!(fetched.git(["fsck", "--strict"]), "");
    fetched.git(["verify-pack", &pack_of(&fetched.git_dir())]);
    assert!(!fetched.git_dir().join("spool").exists());
}

fn pack_of(git_dir: &std::path::Path) -> String {
    let packs = std::fs::read_dir(git_dir.join("objects/pack")).unwrap();
    let mut names = packs.map(|entry| entry.unwrap().path().display().to_string());
    names
        .find(|name| name.ends_with(".idx"))
        .expect("there is an index")
}

fn work(repository: &crate::support::git_server::Repository, path: &str) -> std::path::PathBuf {
    repository.work_tree().join(path)
}

#[tokio::test]
async fn two_fetches_at_once_do_not_disturb_each_other() {
    let Some(server) = GitServer::start(None) else {
        return;
    };
    for name in ["o/one", "o/two"] {
        server
            .repository(name)
            .file("name", name)
            .file("d/large", noise(3, 1 << 20))
            .commit();
    }
    let (one, two) = (server.url("o/one"), server.url("o/two"));
    let before = std::env::current_dir().unwrap();
    let (one, two) = tokio::join!(fetched(&one, "main"), fetched(&two, "main"));
    assert_eq!(
        (one.read("name"), two.read("name")),
        ("o/one".into(), "o/two".into())
    );
    assert_eq!(one.checkout().files, 2);
    assert_eq!(two.checkout().files, 2);
    assert_eq!(std::env::current_dir().unwrap(), before);
}
