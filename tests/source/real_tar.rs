//! Trees that a real `tar` packs come out as they were.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::collection::vec;
use proptest::prelude::*;

use super::Lab;
use crate::support::files_server::{Answer, FilesServer};

/// Something in a tree. What has no place is left out when the tree is made.
#[derive(Debug, Clone)]
enum Node {
    Directory(u32),
    File(u32, usize),
    /// Nearly all of it is a hole.
    Sparse(usize),
    Link(&'static str),
    /// To the file made last.
    Same,
}

#[derive(Debug, Clone)]
struct Packing {
    format: &'static str,
    sparse: bool,
    /// As `.`, so that names begin with `./`; else one name after the other.
    from_top: bool,
}

fn part(long: bool) -> BoxedStrategy<Vec<u8>> {
    let short = prop_oneof![
        8 => "[a-c]{1,2}".prop_map(String::into_bytes),
        1 => Just("ü é".as_bytes().to_vec()),
        1 => Just(b"\xff\xfe".to_vec()),
        1 => Just(b"a\\b *?'\"$x".to_vec()),
        1 => Just(b"x..".to_vec()),
    ];
    if long {
        let long = (90_usize..250).prop_map(|length| vec![b'l'; length]);
        prop_oneof![4 => short, 1 => long].boxed()
    } else {
        short.boxed()
    }
}

fn node() -> impl Strategy<Value = Node> {
    let mode = 0_u32..0o1000;
    let size = prop_oneof![
        Just(0_usize),
        Just(511),
        Just(512),
        Just(513),
        Just(10_240),
        0_usize..3000,
        Just(70_000),
    ];
    prop_oneof![
        2 => mode.clone().prop_map(|mode| Node::Directory(mode | 0o700)),
        4 => (mode, size).prop_map(|(mode, size)| Node::File(mode | 0o400, size)),
        1 => (20_000_usize..200_000).prop_map(Node::Sparse),
        2 => prop_oneof![Just("a"), Just("."), Just("b/../a"), Just("nothing"), Just("./a//b")].prop_map(Node::Link),
        1 => Just(Node::Same),
    ]
}

type Tree = Vec<(Vec<Vec<u8>>, Node)>;

fn cases() -> impl Strategy<Value = (Packing, Tree)> {
    let formats = prop_oneof![Just("gnu"), Just("oldgnu"), Just("pax"), Just("ustar")];
    (formats, any::<bool>(), any::<bool>()).prop_flat_map(|(format, sparse, from_top)| {
        // `ustar` has no long names, and pax keeps sparse files in a way that is refused.
        let (long, sparse) = (format != "ustar", sparse && format.ends_with("gnu"));
        let packing = Packing {
            format,
            sparse,
            from_top,
        };
        let tree = vec((vec(part(long), 1..4), node()), 0..25);
        (Just(packing), tree)
    })
}

fn path_of(root: &Path, parts: &[Vec<u8>]) -> PathBuf {
    parts.iter().fold(root.to_owned(), |path, part| {
        path.join(OsStr::from_bytes(part))
    })
}

fn make(root: &Path, tree: &Tree) {
    let mut last = None;
    for (parts, node) in tree {
        let path = path_of(root, parts);
        // A link or a file may stand in the way.
        let parents_are_real = (1..parts.len()).all(|depth| {
            let parent = path_of(root, &parts[..depth]);
            fs::symlink_metadata(&parent).map_or(true, |metadata| metadata.is_dir())
        });
        if !parents_are_real || fs::symlink_metadata(&path).is_ok() {
            continue;
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match node {
            Node::Directory(mode) => {
                fs::create_dir(&path).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
            }
            Node::File(mode, size) => {
                let content: Vec<u8> = (0..*size).map(|n| (n * 31 % 251) as u8).collect();
                fs::write(&path, content).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
                last = Some(path);
            }
            Node::Sparse(size) => {
                fs::write(&path, "start").unwrap();
                fs::OpenOptions::new()
                    .write(true)
                    .open(&path)
                    .unwrap()
                    .set_len(*size as u64)
                    .unwrap();
            }
            Node::Link(target) => symlink(target, &path).unwrap(),
            Node::Same => {
                if let Some(last) = &last {
                    fs::hard_link(last, &path).unwrap();
                }
            }
        }
    }
}

fn pack(root: &Path, packing: &Packing) -> Vec<u8> {
    let mut tar = Command::new("tar");
    tar.arg("-C")
        .arg(root)
        .arg(format!("--format={}", packing.format));
    if packing.sparse {
        tar.arg("--sparse");
    }
    tar.args(["-czf", "-"]);
    let names: Vec<_> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    if packing.from_top || names.is_empty() {
        tar.arg(".");
    } else {
        // Backslashes in names are meant.
        tar.args(["--no-unquote", "--"]).args(names);
    }
    let packed = tar.output().unwrap();
    assert!(
        packed.status.success(),
        "{}",
        String::from_utf8_lossy(&packed.stderr)
    );
    packed.stdout
}

/// What stands at each path: kind and mode, content or target, names of the same file, time of the last change.
type Seen = BTreeMap<PathBuf, (u32, Vec<u8>, u64, i64)>;

fn look(root: &Path) -> Seen {
    let mut seen = Seen::new();
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let (content, names, time) = if metadata.is_dir() {
                pending.push(path.clone());
                (Vec::new(), 0, 0)
            } else if metadata.is_symlink() {
                (
                    fs::read_link(&path)
                        .unwrap()
                        .as_os_str()
                        .as_bytes()
                        .to_vec(),
                    0,
                    0,
                )
            } else {
                (fs::read(&path).unwrap(), metadata.nlink(), metadata.mtime())
            };
            let name = path.strip_prefix(root).unwrap().to_owned();
            seen.insert(name, (metadata.mode(), content, names, time));
        }
    }
    seen
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// Content, permissions, links, shared files and times, in every format that `tar` writes.
    #[test]
    fn any_tree_that_tar_packs_comes_out_as_it_was((packing, tree) in cases()) {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("packed");
        fs::create_dir(&root).unwrap();
        make(&root, &tree);
        let archive = pack(&root, &packing);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let lab = Lab::new();
        let unpacked = runtime.block_on(async {
            let server = FilesServer::with(Answer::file(archive)).await;
            lab.fetch(&server.url("/source.tar.gz")).await
        });
        let (was, is) = (look(&root), look(&lab.root()));
        let files = was.values().filter(|(mode, ..)| mode & 0o170_000 == 0o100_000);
        prop_assert_eq!(unpacked.unwrap().files, files.count() as u64);
        prop_assert_eq!(is, was);
    }
}

#[tokio::test]
async fn a_single_folder_at_the_top_is_kept() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir_all(home.path().join("shop-1a2b3c/app")).unwrap();
    fs::write(
        home.path().join("shop-1a2b3c/app/Dockerfile"),
        "FROM scratch\n",
    )
    .unwrap();
    let packing = Packing {
        format: "pax",
        sparse: false,
        from_top: false,
    };
    let server = FilesServer::with(Answer::file(pack(home.path(), &packing))).await;
    let lab = Lab::new();
    lab.fetch(&server.url("/a")).await.unwrap();
    assert!(lab.root().join("shop-1a2b3c/app/Dockerfile").exists());
}

#[tokio::test]
async fn what_tar_makes_of_a_link_out_of_the_tree_is_refused() {
    let home = tempfile::tempdir().unwrap();
    symlink("../../etc", home.path().join("away")).unwrap();
    let packing = Packing {
        format: "gnu",
        sparse: false,
        from_top: true,
    };
    let server = FilesServer::with(Answer::file(pack(home.path(), &packing))).await;
    let text = Lab::new()
        .fetch(&server.url("/a"))
        .await
        .unwrap_err()
        .to_string();
    assert!(text.contains("`away` -> `../../etc`"), "{text}");
}
