//! Archives that were made to do harm, and archives that look odd and are fine.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use tar::{EntryType, Header};
use tempfile::TempDir;

use super::*;
use crate::artifact::source::{OutOfTree, SourceTree};
use crate::clients::chain;

/// Bytes that one piece of a download has.
const PIECE: usize = 4096;

/// An archive in the making: what no packer would write, too.
#[derive(Default)]
struct Tar(Vec<u8>);

impl Tar {
    fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        let padding = self.0.len().next_multiple_of(512) - self.0.len();
        self.0.extend(std::iter::repeat_n(0, padding));
        self
    }

    fn entry(self, kind: u8, name: &str, target: &str, content: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        let old = header.as_old_mut();
        old.name[..name.len()].copy_from_slice(name.as_bytes());
        old.linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_entry_type(EntryType::new(kind));
        header.set_mode(0o644);
        header.set_mtime(1_700_000_000);
        header.set_size(content.len() as u64);
        self.header(header, content)
    }

    fn header(self, mut header: Header, content: &[u8]) -> Self {
        header.set_cksum();
        self.raw(header.as_bytes()).raw(content)
    }

    fn file(self, name: &str, content: &str) -> Self {
        self.entry(b'0', name, "", content.as_bytes())
    }

    fn dir(self, name: &str) -> Self {
        self.entry(b'5', name, "", b"")
    }

    fn link(self, name: &str, target: &str) -> Self {
        self.entry(b'2', name, target, b"")
    }

    fn hard(self, name: &str, target: &str) -> Self {
        self.entry(b'1', name, target, b"")
    }

    fn pax(self, fields: &[(&str, &str)]) -> Self {
        let mut content = String::new();
        for (key, value) in fields {
            let rest = key.len() + value.len() + 3;
            let length = (1..6).map(|digits| rest + digits);
            let length = length
                .into_iter()
                .find(|l| l - rest == l.to_string().len())
                .unwrap();
            content.push_str(&format!("{length} {key}={value}\n"));
        }
        self.entry(b'x', "pax", "", content.as_bytes())
    }

    fn end(self) -> Vec<u8> {
        self.raw(&[0; 1024]).0
    }

    fn gz(self) -> Vec<u8> {
        gzip(&self.end())
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Where an archive is unpacked, beside a file that must stay as it is.
struct Lab {
    home: TempDir,
    limits: Limits,
}

impl Lab {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("outside"), "untouched").unwrap();
        Self {
            home,
            limits: Limits::default(),
        }
    }

    fn root(&self) -> PathBuf {
        self.home.path().join("source")
    }

    fn at(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap()
    }

    /// Unpacks what a download would bring.
    fn unpack(&self, download: &[u8]) -> Result<Report, ArchiveError> {
        let pieces = download
            .chunks(PIECE)
            .map(|piece| Piece::Data(piece.to_vec().into()));
        let pieces: Vec<Piece> = pieces.chain([Piece::End]).collect();
        let (sender, receiver) = tokio::sync::mpsc::channel(pieces.len());
        for piece in pieces {
            sender.try_send(piece).unwrap();
        }
        let limits = self.limits.clone();
        let result = unpack(receiver, &self.root(), limits, CancellationToken::new());
        let outside = fs::read_to_string(self.home.path().join("outside")).unwrap();
        assert_eq!(outside, "untouched");
        assert_eq!(
            fs::read_dir(self.home.path()).unwrap().count(),
            1 + usize::from(self.root().exists())
        );
        result
    }

    #[track_caller]
    fn refused(&self, download: &[u8]) -> ArchiveError {
        match self.unpack(download) {
            Ok(report) => panic!("unpacked: {report:?}"),
            Err(error) => error,
        }
    }
}

/// The error of an archive in a place of its own.
#[track_caller]
fn refused(tar: Tar) -> ArchiveError {
    Lab::new().refused(&tar.gz())
}

#[test]
fn files_directories_and_links_are_unpacked() {
    let lab = Lab::new();
    let tar = Tar::default()
        .dir("./")
        .dir("app/")
        .file("app/main.go", "package main\n");
    let tar = tar
        .file("implied/deep/file", "x")
        .link("app/link", "main.go")
        .hard("app/same", "app/main.go");
    let report = lab.unpack(&tar.gz()).unwrap();
    assert_eq!(report.skipped, 0);
    assert_eq!((report.unpacked.files, report.unpacked.bytes), (3, 14));
    assert_eq!(lab.read("app/link"), "package main\n");
    assert_eq!(lab.read("implied/deep/file"), "x");
    let (one, other) = (lab.at("app/same"), lab.at("app/main.go"));
    assert_eq!(
        fs::metadata(one).unwrap().ino(),
        fs::metadata(&other).unwrap().ino()
    );
    assert_eq!(fs::metadata(&other).unwrap().mtime(), 1_700_000_000);
    assert_eq!(
        fs::metadata(lab.at("implied"))
            .unwrap()
            .permissions()
            .mode()
            & 0o7777,
        0o755
    );
}

#[test]
fn the_digest_is_one_of_all_that_was_downloaded() {
    let mut download = Tar::default().file("a", "x").gz();
    download.extend_from_slice(b"trailing");
    let report = Lab::new().unpack(&download).unwrap();
    let hash: String = <sha2::Sha256 as sha2::Digest>::digest(&download)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(report.unpacked.sha256, hash);
}

#[test]
fn modes_lose_what_is_dangerous_and_keep_the_owner_in() {
    let lab = Lab::new();
    let mut tar = Tar::default();
    for (kind, name, mode) in [
        (b'0', "suid", 0o6755),
        (b'0', "none", 0),
        (b'5', "fixed", 0o1555),
        (b'0', "fixed/file", 0o444),
    ] {
        let mut header = Header::new_gnu();
        header.set_path(name).unwrap();
        header.set_entry_type(EntryType::new(kind));
        header.set_mode(mode);
        header.set_size(0);
        tar = tar.header(header, b"");
    }
    lab.unpack(&tar.gz()).unwrap();
    for (name, mode) in [
        ("suid", 0o755),
        ("none", 0o400),
        ("fixed", 0o755),
        ("fixed/file", 0o444),
    ] {
        assert_eq!(
            fs::metadata(lab.at(name)).unwrap().permissions().mode() & 0o7777,
            mode,
            "{name}"
        );
    }
}

#[test]
fn names_that_reach_elsewhere_are_refused_with_their_name() {
    for name in [
        "../outside",
        "/etc/passwd",
        "a/../../outside",
        "./..",
        "//x",
        "a/..",
    ] {
        for kind in *b"0521" {
            let error = refused(Tar::default().file("b", "x").entry(kind, name, "b", b""));
            assert!(
                matches!(&error, ArchiveError::Name { name: told, .. } if told == name),
                "{error}"
            );
        }
    }
}

#[test]
fn a_name_in_a_long_header_is_checked_all_the_same() {
    for name in ["../outside", "/etc/passwd", "a\0b", ""] {
        let error = refused(
            Tar::default()
                .entry(b'L', "././@LongLink", "", name.as_bytes())
                .file("fine", "x"),
        );
        assert!(
            matches!(error, ArchiveError::Name { .. }),
            "{name:?}: {error}"
        );
    }
    for name in ["../outside", "/etc/passwd", "a\0b"] {
        let error = refused(Tar::default().pax(&[("path", name)]).file("fine", "x"));
        assert!(
            matches!(error, ArchiveError::Name { .. }),
            "{name:?}: {error}"
        );
    }
}

#[test]
fn nothing_is_written_through_a_link() {
    for (link, target, through) in [
        ("a", "..", "a/outside"),
        ("a", "/", "a/etc/hosts"),
        ("d/a", "../..", "d/a/outside"),
        // Even one that stays inside: what it means would depend on the order.
        ("a", ".", "a/b"),
    ] {
        for kind in *b"0512" {
            let tar = Tar::default()
                .file("file", "x")
                .link(link, target)
                .entry(kind, through, "file", b"");
            let error = refused(tar);
            assert!(
                matches!(error, ArchiveError::ThroughLink { .. }),
                "{link} {through}: {error}"
            );
        }
    }
}

#[test]
fn a_link_in_the_place_of_a_directory_does_not_catch_what_was_in_it() {
    // If `a` became a link with `a/l` still to be made, `l` would be made where `a` points.
    let error = refused(Tar::default().dir("a").link("a/l", "x").link("a", ".."));
    assert!(matches!(error, ArchiveError::Conflict { .. }), "{error}");
    let error = refused(Tar::default().dir("a").link("a/l", "x").file("a", "x"));
    assert!(matches!(error, ArchiveError::Conflict { .. }), "{error}");
}

#[test]
fn links_that_lead_out_are_refused() {
    for (links, first) in [
        (&[("a", "/etc/passwd")][..], "a"),
        (&[("a", "../outside")], "a"),
        (&[("d/a", "../../outside")], "d/a"),
        // Chains, each link harmless by its text.
        (&[("b", ".."), ("a", "b")], "a"),
        (&[("d/e/up", ".."), ("z", "d/e/up/../../outside")], "z"),
        (&[("d/top", ".."), ("d/a", "top/../outside")], "d/a"),
    ] {
        let tar = links
            .iter()
            .fold(Tar::default().dir("d/e"), |tar, (name, target)| {
                tar.link(name, target)
            });
        match refused(tar) {
            ArchiveError::Tree(OutOfTree::Link { link, .. }) => {
                assert_eq!(link, first, "{links:?}")
            }
            other => panic!("{links:?}: {other}"),
        }
    }
}

#[test]
fn links_that_lead_nowhere_are_fine() {
    let lab = Lab::new();
    let tar = Tar::default()
        .link("a", "a")
        .link("b", "nothing")
        .link("c/d", "../b")
        .dir("e")
        .link("e/top", "..");
    let report = lab.unpack(&tar.gz()).unwrap();
    assert_eq!(report.unpacked.files, 0);
    assert_eq!(fs::read_link(lab.at("c/d")).unwrap(), PathBuf::from("../b"));
}

#[test]
fn a_link_is_replaced_and_not_followed_by_what_comes_later() {
    let lab = Lab::new();
    let tar = Tar::default()
        .link("a", "/etc/passwd")
        .file("a", "mine")
        .link("b", "/")
        .dir("b")
        .file("b/c", "x");
    lab.unpack(&tar.link("d", "/etc").link("d", "a").gz())
        .unwrap();
    assert_eq!(lab.read("a"), "mine");
    assert!(fs::symlink_metadata(lab.at("b")).unwrap().is_dir());
    assert_eq!(lab.read("d"), "mine");
}

#[test]
fn hard_links_reach_only_files_that_came_before() {
    for target in [
        "/etc/passwd",
        "../outside",
        "a/../../outside",
        "later",
        "dir",
        "",
        ".",
    ] {
        let tar = Tar::default()
            .dir("dir")
            .hard("h", target)
            .file("later", "x");
        let error = refused(tar);
        assert!(
            matches!(error, ArchiveError::HardLink { .. }),
            "{target}: {error}"
        );
    }
    // Below a link there is nothing.
    let error = refused(Tar::default().link("l", "/etc").hard("h", "l/passwd"));
    assert!(matches!(error, ArchiveError::HardLink { .. }), "{error}");
}

#[test]
fn a_hard_link_to_a_symbolic_link_is_that_link_and_checked_as_one() {
    let lab = Lab::new();
    let tar = Tar::default()
        .dir("d")
        .file("d/f", "x")
        .link("d/l", "f")
        .hard("d/h", "d/l");
    lab.unpack(&tar.gz()).unwrap();
    assert_eq!(fs::read_link(lab.at("d/h")).unwrap(), PathBuf::from("f"));
    // Inside by its first place, outside by its second.
    let error = refused(Tar::default().dir("d").link("d/l", "../x").hard("h", "d/l"));
    assert!(
        matches!(error, ArchiveError::Tree(OutOfTree::Link { .. })),
        "{error}"
    );
    // A file through it is still refused.
    let error = refused(
        Tar::default()
            .link("l", "..")
            .hard("h", "l")
            .file("h/outside", "x"),
    );
    assert!(matches!(error, ArchiveError::ThroughLink { .. }), "{error}");
}

#[test]
fn a_file_that_replaces_a_hard_link_leaves_the_other_name_alone() {
    let lab = Lab::new();
    let tar = Tar::default()
        .file("a", "one")
        .hard("b", "a")
        .file("b", "two")
        .hard("a", "a");
    lab.unpack(&tar.gz()).unwrap();
    assert_eq!((lab.read("a"), lab.read("b")), ("one".into(), "two".into()));
}

#[test]
fn what_comes_later_wins_except_over_a_directory_with_content() {
    let lab = Lab::new();
    let tar = Tar::default()
        .file("a", "one")
        .file("a", "two")
        .dir("b")
        .file("b", "file")
        .file("c", "x")
        .dir("c");
    lab.unpack(&tar.file("c/d", "x").dir("c").file("A", "other").gz())
        .unwrap();
    assert_eq!(
        (lab.read("a"), lab.read("b"), lab.read("A")),
        ("two".into(), "file".into(), "other".into())
    );
    assert_eq!(lab.read("c/d"), "x");
    for tar in [
        Tar::default().file("a/b", "x").file("a", "x"),
        Tar::default().file("a/b", "x").link("a", "x"),
        Tar::default()
            .file("c", "x")
            .file("a/b", "x")
            .hard("a", "c"),
        Tar::default().file("a", "x").file("a/b", "x"),
        Tar::default().file("a", "x").dir("a/b"),
        Tar::default().file(".", "x"),
        Tar::default().link("./", "x"),
    ] {
        let error = refused(tar);
        assert!(matches!(error, ArchiveError::Conflict { .. }), "{error}");
    }
}

#[test]
fn what_is_no_file_is_skipped_and_counted() {
    let lab = Lab::new();
    let tar = ["3", "4", "6", "Z"]
        .iter()
        .fold(Tar::default(), |tar, kind| {
            tar.entry(kind.as_bytes()[0], "dev", "", b"content")
        });
    let tar = tar.entry(
        b'g',
        "pax_global_header",
        "",
        b"52 comment=0123456789012345678901234567890123456789\n",
    );
    let report = lab
        .unpack(&tar.entry(b'V', "label", "", b"").file("a", "x").gz())
        .unwrap();
    assert_eq!((report.skipped, report.unpacked.files), (4, 1));
    assert_eq!(fs::read_dir(lab.root()).unwrap().count(), 1);
}

#[test]
fn old_headers_and_odd_kinds_are_understood() {
    let lab = Lab::new();
    let mut old = Header::new_old();
    old.as_old_mut().name[..4].copy_from_slice(b"old/");
    old.set_size(0);
    let tar = Tar::default()
        .header(old, b"")
        .entry(b'\0', "old/file", "", b"x");
    let tar = tar
        .entry(b'7', "contiguous", "", b"x")
        .entry(b'D', "dump", "", b"Yfile\0\0");
    lab.unpack(&tar.gz()).unwrap();
    assert!(lab.at("old").is_dir() && lab.at("dump").is_dir());
    assert_eq!(lab.read("old/file") + &lab.read("contiguous"), "xx");
}

#[test]
fn extended_headers_tell_names_and_times() {
    let lab = Lab::new();
    let long = format!("{}/ü", "d".repeat(200));
    let tar = Tar::default()
        .pax(&[("path", &long), ("mtime", "1600000000.25")])
        .file("short", "x");
    let tar = tar
        .pax(&[("linkpath", &long), ("SCHILY.xattr.user.x", "y")])
        .link("l", "short");
    lab.unpack(&tar.pax(&[("mtime", "-5.5")]).file("early", "").gz())
        .unwrap();
    let metadata = fs::metadata(lab.at("l")).unwrap();
    assert_eq!(
        (metadata.mtime(), metadata.mtime_nsec()),
        (1_600_000_000, 250_000_000)
    );
}

#[test]
fn extended_headers_that_are_not_understood_are_refused() {
    // A name with a line feed, which the reader of these headers takes for two fields.
    let error = refused(Tar::default().pax(&[("path", "a\nb")]).file("a", "x"));
    assert!(
        matches!(error, ArchiveError::Tar { number: 1, .. }),
        "{error}"
    );
    let error = refused(
        Tar::default()
            .pax(&[("GNU.sparse.major", "1")])
            .file("a", "x"),
    );
    assert!(matches!(error, ArchiveError::Sparse { .. }), "{error}");
}

#[test]
fn names_keep_their_bytes() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let lab = Lab::new();
    let mut header = Header::new_ustar();
    header.as_old_mut().name[..4].copy_from_slice(b"\xff\n\\x");
    header.set_mode(0o644);
    header.set_size(0);
    lab.unpack(&Tar::default().header(header, b"").gz())
        .unwrap();
    assert!(lab.root().join(OsStr::from_bytes(b"\xff\n\\x")).exists());
}

#[test]
fn a_bomb_by_size_is_stopped_at_the_bound() {
    let mut lab = Lab::new();
    lab.limits.unpacked_bytes = 100_000;
    let tar = || {
        Tar::default()
            .entry(b'0', "a", "", &[b'x'; 60_000])
            .entry(b'0', "b", "", &[b'y'; 60_000])
    };
    let error = lab.refused(&tar().gz());
    assert!(
        matches!(error, ArchiveError::UnpackedTooLarge { limit: 100_000 }),
        "{error}"
    );
    let on_disk =
        fs::metadata(lab.at("a")).unwrap().len() + fs::metadata(lab.at("b")).unwrap().len();
    assert!(on_disk <= 100_000, "{on_disk}");
    let mut lab = Lab::new();
    lab.limits.unpacked_bytes = 120_000;
    lab.unpack(&tar().gz()).unwrap();
}

#[test]
fn what_is_skipped_or_follows_the_end_counts_too() {
    for tar in [
        Tar::default().entry(b'3', "device", "", &[0; 400_000]),
        Tar::default().file("a", "x").raw(&[0; 400_000]),
    ] {
        let mut lab = Lab::new();
        lab.limits.unpacked_bytes = 1000;
        lab.limits.entries = 100;
        let error = lab.refused(&tar.gz());
        assert!(
            matches!(error, ArchiveError::UnpackedTooLarge { .. }),
            "{error}"
        );
    }
}

/// The map of a file that is nearly all hole: a header of one kilobyte for terabytes of zeros.
fn sparse(size: u64, data: &[u8]) -> Tar {
    let mut header = Header::new_gnu();
    header.set_path("holes").unwrap();
    header.set_entry_type(EntryType::GNUSparse);
    header.set_mode(0o644);
    header.set_size(data.len() as u64);
    let gnu = header.as_gnu_mut().unwrap();
    let octal = |field: &mut [u8; 12], value: u64| {
        field.copy_from_slice(format!("{value:011o}\0").as_bytes());
    };
    octal(&mut gnu.realsize, size);
    octal(&mut gnu.sparse[0].offset, size - data.len() as u64);
    octal(&mut gnu.sparse[0].numbytes, data.len() as u64);
    Tar::default().header(header, data)
}

#[test]
fn a_sparse_file_is_unpacked_and_its_holes_count() {
    let lab = Lab::new();
    let report = lab.unpack(&sparse(100_000, b"end").gz()).unwrap();
    assert_eq!(report.unpacked.bytes, 100_000);
    let mut content = Vec::new();
    fs::File::open(lab.at("holes"))
        .unwrap()
        .read_to_end(&mut content)
        .unwrap();
    assert!(content.ends_with(b"\0end") && content.len() == 100_000);
    let mut lab = Lab::new();
    lab.limits.unpacked_bytes = 1 << 20;
    let error = lab.refused(&sparse(7 << 30, b"end").gz());
    assert!(
        matches!(error, ArchiveError::UnpackedTooLarge { .. }),
        "{error}"
    );
}

#[test]
fn a_bomb_by_count_is_stopped_however_it_counts() {
    let many = |one: &dyn Fn(Tar, String) -> Tar| {
        (0..30).fold(Tar::default(), |tar, n| one(tar, n.to_string()))
    };
    for tar in [
        many(&|tar, n| tar.file(&n, "")),
        many(&|tar, n| tar.dir(&n)),
        many(&|tar, n| tar.link(&n, "x")),
        // The same name again and again.
        many(&|tar, _| tar.file("a", "")),
        // Nothing that stands on the disk in the end.
        many(&|tar, n| tar.entry(b'3', &n, "", b"")),
        many(&|tar, n| tar.entry(b'g', &n, "", b"11 a=bcdef\n")),
        // Directories that are only implied.
        Tar::default().file(&"d/".repeat(25).replacen("d/", "e/d/", 5), ""),
    ] {
        let mut lab = Lab::new();
        lab.limits.entries = 20;
        let error = lab.refused(&tar.gz());
        assert!(
            matches!(error, ArchiveError::TooManyEntries { limit: 20 }),
            "{error}"
        );
    }
}

#[test]
fn a_bomb_by_ratio_is_stopped_once_it_is_large_enough_to_matter() {
    let zeros = vec![0; 80 << 20];
    let lab = Lab::new();
    let error = lab.refused(&Tar::default().entry(b'0', "zeros", "", &zeros).gz());
    assert!(
        matches!(error, ArchiveError::Bomb { ratio: 200 }),
        "{error}"
    );
    let written = fs::metadata(lab.at("zeros")).unwrap().len();
    assert!(written <= Limits::RATIO_FREE_BYTES, "{written}");
    let below = &zeros[..60 << 20];
    Lab::new()
        .unpack(&Tar::default().entry(b'0', "zeros", "", below).gz())
        .unwrap();
}

#[test]
fn headers_have_a_bound_of_their_own_because_they_are_held_in_memory() {
    let name = vec![b'x'; 300 << 10];
    for kind in *b"LKx" {
        let tar = Tar::default()
            .file("a", "")
            .entry(kind, "long", "", &name)
            .file("b", "");
        let error = refused(tar);
        assert!(
            matches!(error, ArchiveError::HeaderTooLarge { number: 2, .. }),
            "{error}"
        );
    }
    // Not so for what is not held: the next header has its own bound.
    Lab::new()
        .unpack(
            &Tar::default()
                .entry(b'3', "device", "", &name)
                .file("b", "")
                .gz(),
        )
        .unwrap();
}

/// As many blocks of a sparse file's map as fit into the bound make no work without end.
#[test]
fn the_largest_map_of_a_sparse_file_is_read_in_time() {
    let mut header = Header::new_gnu();
    header.set_path("holes").unwrap();
    header.set_entry_type(EntryType::GNUSparse);
    let octal = |value: u64| format!("{value:011o}\0").into_bytes();
    let blocks = (super::super::gauge::HEADERS / 512) as usize - 2;
    let mut map = Vec::new();
    let mut offset = 0;
    for block in 0..blocks {
        let mut extended = [0; 512];
        for entry in extended[..21 * 24].chunks_mut(24) {
            offset += 1;
            entry[..12].copy_from_slice(&octal(offset));
            entry[12..].copy_from_slice(&octal(0));
        }
        extended[504] = u8::from(block + 1 < blocks);
        map.extend_from_slice(&extended);
    }
    let gnu = header.as_gnu_mut().unwrap();
    gnu.isextended[0] = 1;
    gnu.realsize.copy_from_slice(&octal(offset));
    header.set_size(0);
    let start = std::time::Instant::now();
    Lab::new()
        .unpack(&Tar::default().header(header, b"").raw(&map).gz())
        .unwrap();
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn what_is_no_gzip_tar_is_named() {
    for (download, found) in [
        (&b""[..], "nothing: the file is empty"),
        (b"PK\x03\x04rest", "a ZIP archive"),
        (b"<!DOCTYPE html><html>", "an HTML page"),
        (
            &Tar::default().file("a", "x").end(),
            "a plain tar archive: compress it with gzip",
        ),
    ] {
        let error = Lab::new().refused(download);
        let text = format!("expected a gzip tar (`.tar.gz`), got {found}");
        assert_eq!(error.to_string(), text);
    }
    for content in [&b"hello"[..], &[b'x'; 2000]] {
        assert!(matches!(
            Lab::new().refused(&gzip(content)),
            ArchiveError::NotTar
        ));
    }
    for content in [&b""[..], &[0; 10_240]] {
        assert!(matches!(
            Lab::new().refused(&gzip(content)),
            ArchiveError::Empty
        ));
    }
}

#[test]
fn an_archive_that_ends_early_is_called_cut_off_wherever_it_ends() {
    let content: Vec<u8> = (0..3000_u32)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    let tar = || {
        Tar::default()
            .file("a", "x")
            .pax(&[("path", "long")])
            .entry(b'0', "b", "", &content)
            .file("c", "x")
    };
    let download = tar().gz();
    // gzip data: in its header, at its start, in the middle, in its checksum.
    for end in [
        3,
        9,
        10,
        11,
        600,
        download.len() / 2,
        download.len() - 9,
        download.len() - 8,
        download.len() - 1,
    ] {
        let error = Lab::new().refused(&download[..end]);
        assert!(
            matches!(error, ArchiveError::Truncated { what: "gzip data" }),
            "{end}: {error}"
        );
    }
    // tar data: in a header, between a long name and its entry, in a content, in its padding.
    let tar = tar().end();
    for end in [
        1100,
        1024 + 512,
        2048,
        2048 + 300,
        2048 + 512 + 5000,
        2048 + 512 + 12_000 + 10,
    ] {
        let error = Lab::new().refused(&gzip(&tar[..end]));
        assert!(
            matches!(error, ArchiveError::Truncated { what: "tar data" }),
            "{end}: {error}"
        );
    }
    // Between two entries there is nothing to be missed, and some packers write no end.
    Lab::new().unpack(&gzip(&tar[..1024])).unwrap();
}

#[test]
fn damage_is_told_from_an_early_end() {
    let good = Tar::default().file("a", "x").file("b", "y").gz();
    let mut download = good.clone();
    let crc = download.len() - 8;
    download[crc] ^= 1;
    assert!(matches!(
        Lab::new().refused(&download),
        ArchiveError::Gzip(_)
    ));
    let mut download = good;
    download[10] = 0xff;
    assert!(matches!(
        Lab::new().refused(&download),
        ArchiveError::Gzip(_)
    ));
    let mut tar = Tar::default().file("a", "x").file("b", "y").end();
    tar[1030] ^= 1;
    let error = Lab::new().refused(&gzip(&tar));
    assert!(
        matches!(error, ArchiveError::Tar { number: 2, .. }),
        "{error}"
    );
    assert_eq!(
        chain(&error),
        "the archive is damaged: entry 2 cannot be read; upload it again: archive header checksum mismatch"
    );
}

#[test]
fn gzip_data_may_have_several_members_and_something_after_them() {
    let tar = Tar::default()
        .file("a", "x")
        .entry(b'0', "b", "", &[b'y'; 5000])
        .end();
    let mut download = Vec::new();
    for part in tar.chunks(700) {
        download.extend(gzip(part));
    }
    download.extend_from_slice(&[0; 100]);
    let lab = Lab::new();
    assert_eq!(lab.unpack(&download).unwrap().unpacked.files, 2);
    assert_eq!(lab.read("b").len(), 5000);
    // One member more that is damaged is damage.
    let mut download = gzip(&tar);
    download.extend_from_slice(b"\x1f\x8brest");
    assert!(matches!(
        Lab::new().refused(&download),
        ArchiveError::Gzip(_) | ArchiveError::Truncated { .. }
    ));
}

#[test]
fn pieces_of_any_size_give_the_same_tree() {
    let download = Tar::default()
        .file("a", "x")
        .entry(b'0', "b", "", &[b'y'; 5000])
        .gz();
    for size in [1, 2, 3, 511, 512, 513] {
        let lab = Lab::new();
        let (sender, receiver) = tokio::sync::mpsc::channel(download.len() + 1);
        for piece in download.chunks(size) {
            sender.try_send(Piece::Data(piece.to_vec().into())).unwrap();
        }
        sender.try_send(Piece::End).unwrap();
        let report = unpack(
            receiver,
            &lab.root(),
            Limits::default(),
            CancellationToken::new(),
        );
        assert_eq!(report.unwrap().unpacked.files, 2, "{size}");
    }
}

#[test]
fn a_channel_that_closes_early_and_a_halt_stop_the_work() {
    let download = Tar::default().file("a", "x").gz();
    for (whole, halted) in [(false, false), (true, true)] {
        let lab = Lab::new();
        let (sender, receiver) = tokio::sync::mpsc::channel(2);
        sender
            .try_send(Piece::Data(download.clone().into()))
            .unwrap();
        if whole {
            sender.try_send(Piece::End).unwrap();
        }
        drop(sender);
        let halt = CancellationToken::new();
        if halted {
            halt.cancel();
        }
        let result = unpack(receiver, &lab.root(), Limits::default(), halt);
        assert!(matches!(result, Err(ArchiveError::Stopped)));
    }
}

#[test]
fn a_directory_with_content_is_not_unpacked_into() {
    let lab = Lab::new();
    fs::create_dir(lab.root()).unwrap();
    let download = Tar::default().file("a/outside", "x").gz();
    lab.unpack(&download).unwrap();
    let error = lab.refused(&download);
    assert!(
        matches!(
            error,
            ArchiveError::Io {
                what: "unpack into",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn names_in_errors_cannot_steer_a_terminal() {
    let error = refused(Tar::default().file("../\u{1b}[2J\n", "x"));
    let text = error.to_string();
    assert!(text.contains(r"`../\u{1b}[2J\n`"), "{text}");
}

/// `/dev/full` stands for a full disk: it is a device, so only the kind of error is shown to be understood.
#[test]
fn a_full_disk_is_named_with_the_way_out() {
    let home = tempfile::tempdir().unwrap();
    let gauge = Gauge::new(Limits::default(), CancellationToken::new());
    let error = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .and_then(|mut full| full.write_all(b"x"));
    let root = home.path().join("source");
    let place = Place::new(&root, &gauge).unwrap();
    let error = place.io("write", &root, error.unwrap_err());
    let text = chain(&error);
    assert!(
        text.contains("the disk is full at `") && text.contains("TMPDIR"),
        "{text}"
    );
    assert!(text.contains(&root.display().to_string()), "{text}");
}

#[test]
fn times_are_read_as_pax_writes_them() {
    for (text, wanted) in [
        ("0", Some((0, 0))),
        ("1600000000", Some((1_600_000_000, 0))),
        ("1600000000.25", Some((1_600_000_000, 250_000_000))),
        ("1.0000000019", Some((1, 1))),
        ("-1", None),
        ("", None),
        ("1.x", None),
        ("99999999999999999999", None),
        ("18446744073709551615", None),
    ] {
        let since = time(text).map(|time| time.duration_since(SystemTime::UNIX_EPOCH).unwrap());
        assert_eq!(
            since.map(|since| (since.as_secs(), since.subsec_nanos())),
            wanted,
            "{text}"
        );
    }
}

fn hostile_names() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "a",
        "a/",
        "b",
        "a/b",
        "a/b/c",
        "b/a",
        "./a/b",
        "c",
        ".",
        "..",
        "../outside",
        "/",
        "a/..",
    ])
}

fn hostile_targets() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        ".",
        "..",
        "a",
        "b",
        "a/b",
        "../a",
        "a/..",
        "b/../..",
        "../outside",
        "../../outside",
        "/",
        "c",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Whatever entries come in whatever order: nothing outside changes, and what is accepted does not lead out.
    #[test]
    fn no_order_of_entries_gets_out(
        entries in prop::collection::vec(
            (prop::sample::select(b"0001222255".to_vec()), hostile_names(), hostile_targets()), 1..12),
    ) {
        let lab = Lab::new();
        let tar = entries.iter().fold(Tar::default(), |tar, (kind, name, target)| {
            let content: &[u8] = if *kind == b'0' { b"harm" } else { b"" };
            tar.entry(*kind, name, target, content)
        });
        if lab.unpack(&tar.gz()).is_ok() {
            prop_assert_eq!(SourceTree::new(lab.root()).check_links(), Ok(()));
        }
    }

    /// Damage at any place is an error or harmless, never a panic.
    #[test]
    fn no_damage_gets_out(place in 0_usize..3500, value in any::<u8>(), repaired in any::<bool>()) {
        let tar = Tar::default().pax(&[("path", "long/name")]).file("a", "x").link("l", "a");
        let mut tar = tar.hard("h", "long/name").end();
        if let Some(byte) = tar.get_mut(place) {
            *byte = value;
        }
        if repaired {
            for block in tar.chunks_mut(512).filter(|block| block[257..262] == *b"ustar") {
                let mut header = Header::new_gnu();
                header.as_mut_bytes().copy_from_slice(block);
                header.set_cksum();
                block.copy_from_slice(header.as_bytes());
            }
        }
        let lab = Lab::new();
        if lab.unpack(&gzip(&tar)).is_ok() {
            prop_assert_eq!(SourceTree::new(lab.root()).check_links(), Ok(()));
        }
    }
}
