//! Sources that are fetched: archives and Git. Nothing may be written outside of the directory that was named.

use std::path::Path;

use cs::artifact::source::Limits;

use super::Target;

/// A gzip tar. A first byte of 1 stands for a tar that is compressed here, so that mutations reach its inside.
pub(super) const ARCHIVE: Target = Target {
    name: "archive",
    run: archive,
    words: &[
        "../",
        "/etc/",
        "ustar\0",
        "ustar  \0",
        "././@LongLink",
        "\0",
        "path=",
        "linkpath=",
        "GNU.sparse.",
        "size=",
        "mtime=",
    ],
};

/// A pack. A first byte of 1: its trailer is put right first.
pub(super) const GIT_PACK: Target = Target {
    name: "git_pack",
    run: git_pack,
    words: &[
        "PACK",
        "\0\0\0\u{2}",
        "\0\0\0\u{1}",
        "tree ",
        "100644 ",
        "120000 ",
        "40000 ",
        ".git",
        ".gitattributes",
        "../a",
    ],
};

/// Frames of an answer of a Git server.
pub(super) const GIT_PACKETS: Target = Target {
    name: "git_packets",
    run: git_packets,
    words: &[
        "0000",
        "0001",
        "0002",
        "0004",
        "fff0",
        "ffff",
        "ERR ",
        "version 2\n",
        "# service=git-upload-pack\n",
        "\0",
    ],
};

fn limits() -> Limits {
    Limits {
        unpacked_bytes: 4 << 20,
        download_bytes: 4 << 20,
        entries: 1000,
        ..Limits::default()
    }
}

fn archive(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else {
        return;
    };
    let around = Around::new();
    let compressed = (*first == 1).then(|| gzip(rest));
    let _ = cs::fuzzing::archive(
        compressed.as_deref().unwrap_or(rest),
        &around.inside,
        limits(),
    );
    around.is_untouched();
}

fn git_pack(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else {
        return;
    };
    let around = Around::new();
    std::fs::create_dir(&around.inside).expect("a fresh directory");
    let mut pack = rest.to_vec();
    if *first == 1 && pack.len() > 32 {
        let end = pack.len() - 20;
        let sum = sha1(&pack[..end]);
        pack[end..].copy_from_slice(&sum);
    }
    let _ = cs::fuzzing::git_pack(&pack, &around.inside, &limits());
    around.is_untouched();
}

fn git_packets(bytes: &[u8]) {
    let frames = block_on(cs::fuzzing::git_packets(bytes));
    if let Ok(frames) = frames {
        let held: usize = frames.iter().flatten().map(|frame| frame.len()).sum();
        assert!(held <= bytes.len(), "more came out than went in");
    }
}

pub(super) fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    runtime.expect("a runtime without anything").block_on(work)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

fn sha1(bytes: &[u8]) -> [u8; 20] {
    sha1_smol::Sha1::from(bytes).digest().bytes()
}

/// A directory to write into, with a witness beside it.
struct Around {
    root: tempfile::TempDir,
    inside: std::path::PathBuf,
}

impl Around {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(root.path().join("witness"), "untouched").expect("a fresh directory");
        let inside = root.path().join("inside");
        Self { root, inside }
    }

    /// Nothing but the directory is there, the witness is as it was, and no link leads from inside to outside.
    fn is_untouched(&self) {
        let mut names: Vec<_> = std::fs::read_dir(self.root.path())
            .expect("it is there")
            .map(|entry| entry.expect("readable").file_name())
            .collect();
        names.sort();
        names.retain(|name| name != "inside");
        assert_eq!(names, ["witness"], "something stands beside the directory");
        let witness = std::fs::read_to_string(self.root.path().join("witness"));
        assert_eq!(witness.expect("it is there"), "untouched");
        open_up(&self.inside);
    }
}

/// Gives back the right to remove what an archive made unreadable, and follows no link.
fn open_up(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let Ok(about) = std::fs::symlink_metadata(path) else {
        return;
    };
    if !about.is_dir() {
        return;
    }
    let _ = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700));
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        open_up(&entry.path());
    }
}
