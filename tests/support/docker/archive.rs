//! Archives: the base image, and what stands in a saved one.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An archive with `/bin/busybox`, its applets as links to it, and the directories that programs expect.
pub(super) fn busybox() -> Vec<u8> {
    let program = Command::new("sh")
        .args(["-c", "command -v busybox"])
        .output();
    let program = program.expect("there is a shell").stdout;
    let program = PathBuf::from(String::from_utf8_lossy(&program).trim());
    let binary = std::fs::read(&program).expect("a static busybox is on PATH");
    let applets = Command::new(&program).arg("--list").output();
    let applets = String::from_utf8(applets.expect("busybox runs").stdout).expect("names");
    let mut archive = tar::Builder::new(Vec::new());
    for directory in ["bin", "etc", "root", "tmp"] {
        let mut header = header(tar::EntryType::Directory, 0);
        let data = std::io::empty();
        archive
            .append_data(&mut header, format!("{directory}/"), data)
            .unwrap();
    }
    let mut own = header(tar::EntryType::Regular, binary.len() as u64);
    archive
        .append_data(&mut own, "bin/busybox", binary.as_slice())
        .unwrap();
    for applet in applets.lines().filter(|name| *name != "busybox") {
        let mut link = header(tar::EntryType::Symlink, 0);
        archive
            .append_link(&mut link, format!("bin/{applet}"), "busybox")
            .unwrap();
    }
    archive.into_inner().unwrap()
}

fn header(kind: tar::EntryType, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o755);
    header
}

/// A file of an archive.
pub(super) fn entry(archive: &[u8], path: &str) -> Option<Vec<u8>> {
    let wanted = path.trim_start_matches('/');
    let mut archive = tar::Archive::new(archive);
    for entry in archive.entries().expect("an archive") {
        let mut entry = entry.expect("a whole archive");
        if entry.path().expect("a path") == Path::new(wanted) {
            let mut content = Vec::new();
            entry.read_to_end(&mut content).expect("a whole archive");
            return Some(content);
        }
    }
    None
}

/// Newer engines save layers compressed.
pub(super) fn unzipped(layer: Vec<u8>) -> Vec<u8> {
    if !layer.starts_with(&[0x1f, 0x8b]) {
        return layer;
    }
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(layer.as_slice())
        .read_to_end(&mut plain)
        .expect("a whole layer");
    plain
}

pub(super) fn holds(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}
