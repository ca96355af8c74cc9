//! What mutations begin with: the committed corpus, and documents that stand elsewhere in the repository.

use std::fs;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use std::io::Write as _;

use super::targets::CUT;

/// FNV-1a: names files and seeds, the same everywhere.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// Every input that a target begins with.
pub(super) fn of(target: &str) -> Vec<Vec<u8>> {
    let mut found = files(&super::folder("corpus").join(target), &[""]);
    found.extend(match target {
        "params" => params(),
        "yaml" => specs(),
        "folder" => folders(),
        "policies" => policies(),
        "project" => below("tests/fixtures/project", &["hcl"]),
        "jobspec" => below("tests/fixtures/corpus", &["hcl", "json"]),
        "nomad_answers" => below("tests/fixtures/canonical", &["json"]),
        "archive" => vec![tar(), [&[0], gzip(&tar()[1..]).as_slice()].concat()],
        "git_pack" => vec![pack()],
        "outbox" => {
            vec![b"id-1\nid-2\n\x1e00000001.event\n{\"version\":1}\x1e00000002.event\n".to_vec()]
        }
        "sealed" => sealed(),
        "dockerignore" => texts(&[
            "*\n!src\nsrc/**/test\n# x\n",
            "**/node_modules\n!a/[b-d]?.txt\n\\!x",
        ]),
        _ => Vec::new(),
    });
    found
}

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn below(folder: &str, endings: &[&str]) -> Vec<Vec<u8>> {
    files(&root().join(folder), endings)
}

/// Files of a folder and of those below it, in the order of their names; none where it is not there.
fn files(folder: &Path, endings: &[&str]) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            found.extend(files(&path, endings));
        } else if endings
            .iter()
            .any(|ending| path.to_string_lossy().ends_with(ending))
        {
            let bytes = fs::read(&path).expect("a file of the repository");
            if bytes.len() <= super::mutate::LONGEST {
                found.push(bytes);
            }
        }
    }
    found
}

/// The task is the first byte.
fn params() -> Vec<Vec<u8>> {
    let with = |task: u8| {
        let all = below("tests/fixtures/params", &["params.json"]);
        all.into_iter()
            .map(move |text| [&[task], text.as_slice()].concat())
    };
    let destroy = br#"{"jobs":[{"jobId":"shop","serviceId":"img_shop"}],"reason":"delete"}"#;
    let last = u8::try_from(cs::dispatch::Task::ALL.len() - 1).expect("few");
    (0..=last)
        .flat_map(with)
        .chain([[&[last], destroy.as_slice()].concat()])
        .collect()
}

fn specs() -> Vec<Vec<u8>> {
    let mut all = below("specs", &["yaml"]);
    all.extend(below("tests/fixtures/invalid", &["yaml"]));
    all
}

fn folders() -> Vec<Vec<u8>> {
    let overlay = "base/a.yaml\napiVersion: cloudstation.io/v1\nkind: Workload\nmetadata: {name: a}\nspec:\n  source: {image: 'a:1'}\n";
    let over = "prod/cs.yaml\napiVersion: cloudstation.io/v1\nkind: Overlay\nmetadata: {name: prod}\nspec:\n  bases: [../base]\n  patches:\n    - target: {name: a}\n      patch: {spec: {count: 2}}\n";
    let native = "jobs/a.nomad.hcl\njob \"a\" {\n  group \"g\" {\n    task \"t\" {\n      driver = \"docker\"\n    }\n  }\n}\n";
    let ignored = ".csignore\n*.md\n!a\n";
    let first = [overlay, over, native, ignored].join(CUT).into_bytes();
    let named = specs()
        .into_iter()
        .map(|spec| [b"a.yaml\n", spec.as_slice()].concat());
    std::iter::once(first).chain(named).collect()
}

fn policies() -> Vec<Vec<u8>> {
    let head = "apiVersion: cloudstation.io/v1\nkind: Policies\npolicies:\n  - name: p\n    message: no\n    expression: ";
    let expressions = [
        "spec.count <= 3",
        "has(spec.source.image) && !spec.source.image.endsWith(':latest')",
        "spec.env.all(name, name.matches('^[A-Z_]+$'))",
        "size(metadata.name) > 2 ? true : 'a' in ['a', 'b']",
        "job.TaskGroups.exists(g, g.Count > 1)",
    ];
    expressions
        .iter()
        .map(|expression| format!("{head}\"{expression}\"\n").into_bytes())
        .collect()
}

/// A plan of this version, whose seal is wrong, and the same with a head that is not ours.
fn sealed() -> Vec<Vec<u8>> {
    let body = r#""created":"2024-01-01T00:00:00Z","owner":"cs","cluster":"http://a:4646","sources":["a"],"variables":"","flags":{"adopt":false,"prune":true,"retryFailed":false},"jobs":{"default/a":{"action":"create","digest":"x","index":0}},"seal":"00""#;
    let version = env!("CARGO_PKG_VERSION");
    texts(&[
        &format!("{{\"format\":\"cs-plan-1 {version}\",{body}}}"),
        &format!("{{\"format\":\"cs-plan-2 {version}\",{body}}}"),
    ])
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

/// A tar with every kind of entry, behind the byte that says that it is not compressed.
fn tar() -> Vec<u8> {
    let mut builder = tar::Builder::new(vec![1]);
    let mut add = |kind: tar::EntryType, name: &str, target: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        if !target.is_empty() {
            header.set_link_name(target).expect("a short name");
        }
        builder
            .append_data(&mut header, name, content)
            .expect("memory takes all");
    };
    add(tar::EntryType::Directory, "app/", "", b"");
    add(
        tar::EntryType::Regular,
        "app/main.js",
        "",
        b"console.log(1)\n",
    );
    add(tar::EntryType::Symlink, "app/link", "main.js", b"");
    add(tar::EntryType::Link, "app/hard", "app/main.js", b"");
    add(tar::EntryType::Regular, &"deep/".repeat(40), "", b"");
    add(tar::EntryType::Fifo, "app/pipe", "", b"");
    builder.into_inner().expect("memory takes all")
}

/// A commit with a tree with a file and a link, and a difference, behind the byte that has its checksum put right.
fn pack() -> Vec<u8> {
    let blob = b"hello\n";
    let id = |kind: &str, content: &[u8]| {
        let head = format!("{kind} {}\0", content.len());
        sha1_smol::Sha1::from([head.as_bytes(), content].concat())
            .digest()
            .bytes()
    };
    let tree = [
        b"100644 file\0".as_slice(),
        &id("blob", blob),
        b"120000 link\0",
        &id("blob", blob),
    ]
    .concat();
    let tree_id: String = id("tree", &tree)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let commit = format!(
        "tree {tree_id}\nauthor a <a@b> 1700000000 +0000\ncommitter a <a@b> 1700000000 +0000\n\nfirst\n"
    );
    let delta = [&[6, 6, 0x90, 6][..]].concat();
    let mut pack = b"\x01PACK\0\0\0\x02\0\0\0\x04".to_vec();
    for (kind, content) in [(1, commit.as_bytes()), (2, &tree), (3, blob)] {
        entry(&mut pack, kind, &[], content);
    }
    entry(&mut pack, 7, &id("blob", blob), &delta);
    pack.extend_from_slice(&[0; 20]);
    pack
}

fn entry(pack: &mut Vec<u8>, kind: u8, before: &[u8], content: &[u8]) {
    let mut rest = content.len() >> 4;
    let mut byte = (kind << 4) | u8::try_from(content.len() & 0x0f).expect("four bits");
    while rest > 0 {
        pack.push(byte | 0x80);
        byte = u8::try_from(rest & 0x7f).expect("seven bits");
        rest >>= 7;
    }
    pack.push(byte);
    pack.extend_from_slice(before);
    let mut zlib = ZlibEncoder::new(&mut *pack, Compression::fast());
    zlib.write_all(content).expect("memory takes all");
    zlib.finish().expect("memory takes all");
}
