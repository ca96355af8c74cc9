//! Which files a context has, and how they look to the real `tar`.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::Path;

use cs::artifact::build::BuildError;
use cs::artifact::build::Unbuildable;
use cs::artifact::build::context::{self, LONGEST_TEXT, Size};
use cs::artifact::source::OutOfTree;
use cs::clients::chain;
use tokio_util::sync::CancellationToken;

use super::{MODIFIED, Source, ask_tar, names, tar};

#[tokio::test]
async fn a_tar_holds_the_source_as_it_is() {
    let long = format!("{}/{}", "d".repeat(90), "f".repeat(200));
    let source = Source::of(&[
        ("Dockerfile", "FROM scratch\nCOPY . /\n"),
        ("app/run.sh", "#!/bin/sh\n"),
        ("app/empty", ""),
        ("cache/", ""),
        (&long, "long"),
        ("with space ü", "x"),
    ]);
    source.chmod("app/run.sh", 0o4755);
    source.chmod("app/empty", 0o600);
    source.chmod("cache", 0o2770);
    source.link("app/link", "./../missing//x/");
    source.link("absolute", "/etc/passwd");
    source.link("far", &"../x/".repeat(40));
    let _socket = UnixListener::bind(source.root().join("socket")).expect("a socket");

    let archive = source.tar().await;
    assert_eq!(
        names(&archive),
        [
            "Dockerfile",
            "absolute",
            "app/",
            "app/empty",
            "app/link",
            "app/run.sh",
            "cache/",
            &format!("{}/", "d".repeat(90)),
            &long,
            "far",
            "with space \\303\\274",
        ]
    );
    let listing = ask_tar(
        &["--list", "--verbose", "--numeric-owner"],
        &archive,
        Path::new("/"),
    );
    for line in listing.lines() {
        assert!(line.contains(" 0/0 "), "{line}");
        assert!(line.contains(" 2020-09-13 12:26 "), "{line}");
    }
    assert!(
        !archive.windows(4).any(|bytes| bytes == b"root"),
        "no owner names"
    );

    let out = tempfile::tempdir().expect("a temporary directory");
    ask_tar(
        &["--extract", "--preserve-permissions", "--no-same-owner"],
        &archive,
        out.path(),
    );
    let at = |path: &str| out.path().join(path);
    let mode = |path: &str| {
        fs::metadata(at(path))
            .expect("it is there")
            .permissions()
            .mode()
    };
    assert_eq!(mode("app/run.sh") & 0o7777, 0o4755);
    assert_eq!(mode("app/empty") & 0o7777, 0o600);
    assert_eq!(mode("cache") & 0o7777, 0o2770);
    assert_eq!(fs::read_to_string(at(&long)).unwrap(), "long");
    assert_eq!(fs::read_to_string(at("with space ü")).unwrap(), "x");
    let target = |path: &str| fs::read_link(at(path)).expect("a link").into_os_string();
    assert_eq!(target("app/link"), "./../missing//x/");
    assert_eq!(target("absolute"), "/etc/passwd");
    assert_eq!(target("far"), "../x/".repeat(40).as_str());
    assert_eq!(
        fs::metadata(at("app/run.sh")).unwrap().mtime(),
        i64::try_from(MODIFIED).unwrap()
    );
}

#[tokio::test]
async fn equal_sources_give_equal_bytes() {
    let files = [
        ("Dockerfile", "FROM scratch"),
        ("b/x", "1"),
        ("a/y", "2"),
        ("a.b", "3"),
        ("a-b/z", "4"),
    ];
    let mut reversed = files;
    reversed.reverse();
    let (one, other) = (Source::of(&files), Source::of(&reversed));
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1000);
    for path in ["b/x", "a/y"] {
        let file = fs::File::options()
            .write(true)
            .open(other.root().join(path))
            .unwrap();
        file.set_modified(old).unwrap();
    }
    let bytes = one.tar().await;
    assert!(bytes == other.tar().await);

    other.write("b/x", "!");
    assert!(bytes != other.tar().await, "the content is in it");
    let mut recipe = other.recipe("");
    recipe.modified = None;
    let kept = tar(context::plan(&recipe, "Dockerfile").unwrap()).await;
    let listing = ask_tar(&["--list", "--verbose"], &kept, Path::new("/"));
    let line = listing.lines().find(|line| line.ends_with("a/y")).unwrap();
    assert!(
        line.contains("1970-01-01 00:16"),
        "files keep their own times: {line}"
    );
}

#[tokio::test]
async fn what_is_ignored_is_left_out_and_exceptions_bring_their_directories() {
    let source = Source::of(&[
        ("Dockerfile", "FROM scratch"),
        (
            ".dockerignore",
            "# comment\n*\r\n!docs/*/keep.md\n!src\nsrc/**/*.log\n",
        ),
        ("docs/a/keep.md", ""),
        ("docs/a/drop.md", ""),
        ("docs/b/drop.md", ""),
        ("src/main.c", ""),
        ("src/x/y.log", ""),
        ("src/x/y.c", ""),
        ("node_modules/x/index.js", ""),
    ]);
    assert_eq!(
        names(&source.tar().await),
        [
            ".dockerignore",
            "Dockerfile",
            "docs/",
            "docs/a/",
            "docs/a/keep.md",
            "src/",
            "src/main.c",
            "src/x/",
            "src/x/y.c",
        ]
    );
}

#[tokio::test]
async fn a_dockerfiles_own_ignore_file_goes_first() {
    let source = Source::of(&[
        ("docker/Prod.Dockerfile", "FROM scratch"),
        ("docker/Prod.Dockerfile.dockerignore", "docker\nb\n"),
        (".dockerignore", "a\n"),
        ("a", ""),
        ("b", ""),
    ]);
    let plan = source.plan("", "docker/Prod.Dockerfile").unwrap();
    assert_eq!(plan.dockerfile(), "docker/Prod.Dockerfile");
    assert_eq!(
        names(&tar(plan).await),
        [".dockerignore", "a", "docker/", "docker/Prod.Dockerfile"]
    );
}

#[tokio::test]
async fn a_dockerfile_above_the_directory_gets_a_reserved_name() {
    let source = Source::of(&[
        ("Dockerfile", "FROM scratch"),
        ("app/main.c", ""),
        ("app/.dockerignore", "*\n!main.c"),
    ]);
    for name in ["../Dockerfile", "linked"] {
        if name == "linked" {
            source.link("app/linked", "../Dockerfile");
        }
        let plan = source.plan("app", name).unwrap();
        let reserved = plan.dockerfile().to_owned();
        assert!(reserved.starts_with(".dockerfile."), "{reserved}");
        let archive = tar(plan).await;
        assert_eq!(names(&archive), [&reserved, ".dockerignore", "main.c"]);
        let out = tempfile::tempdir().unwrap();
        ask_tar(&["--extract"], &archive, out.path());
        let text = fs::read_to_string(out.path().join(&reserved)).unwrap();
        assert_eq!(text, "FROM scratch");

        source.write(&format!("app/{reserved}"), "somebody else's");
        let other = source.plan("app", name).unwrap();
        assert_ne!(other.dockerfile(), reserved, "the name is free");
        fs::remove_file(source.root().join("app").join(&reserved)).unwrap();
    }
}

#[tokio::test]
async fn a_linked_dockerfile_is_named_by_where_it_is() {
    let source = Source::of(&[("docker/prod", "FROM scratch")]);
    source.link("Dockerfile", "docker/prod");
    let plan = source.plan("", "Dockerfile").unwrap();
    assert_eq!(plan.dockerfile(), "docker/prod");
    assert_eq!(
        names(&tar(plan).await),
        ["Dockerfile", "docker/", "docker/prod"]
    );
}

#[test]
fn a_dockerfile_or_an_ignore_file_outside_of_the_source_is_refused() {
    let source = Source::of(&[("app/Dockerfile", "FROM scratch")]);
    fs::write(source.beside("secret"), "FROM canary").unwrap();
    source.link("app/linked", "../../secret");
    let absolute = source.beside("secret");
    for name in [
        "../../secret",
        "linked",
        "../../missing",
        absolute.to_str().unwrap(),
    ] {
        let error = source.plan("app", name).unwrap_err();
        assert!(
            matches!(&error, BuildError::Source(OutOfTree::Path { path }) if path == name),
            "{name}: {error}"
        );
        assert!(!error.falls_back());
    }
    source.link("app/.dockerignore", "../../secret");
    let error = source.plan("app", "Dockerfile").unwrap_err();
    assert_eq!(
        error.to_string(),
        "`.dockerignore` leads out of the source: give a path inside it"
    );
}

#[test]
fn files_that_cannot_be_followed_are_named() {
    let source = Source::of(&[
        ("Dockerfile", "FROM scratch"),
        (".dockerignore", "a\n\n[b\n"),
    ]);
    let error = source.plan("", "Dockerfile").unwrap_err();
    assert_eq!(
        chain(&error),
        "`.dockerignore` cannot be followed: line 3 is no pattern: a `[` has no `]`"
    );
    assert!(!error.falls_back());

    source.write("Large", &"#".repeat(1 << 20));
    assert!(source.plan("", "Large.x").is_err());
    fs::remove_file(source.root().join(".dockerignore")).unwrap();
    assert!(source.plan("", "Large").is_ok());
    source.write("Large", &"#".repeat((1 << 20) + 1));
    assert!(matches!(
        source.plan("", "Large"),
        Err(BuildError::Unbuildable(Unbuildable::TooLarge {
            limit: LONGEST_TEXT,
            ..
        }))
    ));
}

#[test]
fn a_context_is_measured() {
    let source = Source::of(&[
        ("Dockerfile", "FROM scratch"),
        (".dockerignore", "drop"),
        ("a/x", "12345"),
        ("drop/y", "12345"),
    ]);
    let plan = source.plan("", "Dockerfile").unwrap();
    let stop = CancellationToken::new();
    let size = plan.measure(&stop).unwrap();
    assert_eq!(
        size,
        Size {
            bytes: 12 + 4 + 5,
            files: 3
        }
    );
    assert_eq!(size.to_string(), "21 B in 3 files");
    stop.cancel();
    assert!(plan.measure(&stop).is_err());
}
