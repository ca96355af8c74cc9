//! What earlier runs left behind: the outbox, entries of the inventory, the config file. Torn files are read as far as they go.

use std::fs;
use std::path::Path;

use cs::config::file::ConfigFile;

use super::{CUT, Target, specs, text};

/// Files of one lane, in parts: `<name>` on the first line, then the content. `%FRESH%` stands for what a run writes.
pub(super) const OUTBOX: Target = Target {
    name: "outbox",
    run: outbox,
    words: &[
        "sent\n",
        "00000001.event\n",
        "00000002.event\n",
        "99999999999999999999.event\n",
        "00000001.partial\n",
        "{\"version\":1,",
        "\n",
        "\0",
    ],
};

/// An entry of the inventory.
pub(super) const INVENTORY: Target = Target {
    name: "inventory",
    run: inventory,
    words: &[
        "v1 ",
        "v2 ",
        " d=",
        " i=",
        " c=",
        " s=ok",
        " s=done",
        " t=",
        " k=NomadJob",
        " keep",
        " adopted",
        " f=",
        " h=",
        " r=",
        "%20",
        "%zz",
        ":",
    ],
};

/// The config file.
pub(super) const CONFIG: Target = Target {
    name: "config",
    run: config,
    words: &[
        "apiVersion: cloudstation.io/v1\n",
        "kind: Config\n",
        "currentContext: a\n",
        "contexts:\n",
        "- name: a\n",
        "  address: http://a:4646\n",
        "  namespace: a\n",
        "  token: {file: /a}\n",
        "  caCert: a\n",
        "  skipVerify: true\n",
    ],
};

/// Whatever lies in the lane, opening it takes it over, everything that is whole is sent once, and afterwards nothing waits.
fn outbox(bytes: &[u8]) {
    let state = tempfile::tempdir().expect("a temporary directory");
    let lane = state.path().join("outbox/lane");
    fs::create_dir_all(&lane).expect("a fresh directory");
    let mut first = true;
    for part in bytes.split(|byte| *byte == b'\x1e').take(8) {
        let end = part
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap_or(part.len());
        let name = if first { "sent" } else { text(&part[..end]) };
        let content = if first {
            part
        } else {
            part.get(end + 1..).unwrap_or_default()
        };
        first = false;
        put(&lane, name, content);
    }
    let taken = cs::fuzzing::outbox(state.path()).expect("a directory of ours can be used");
    let mut once = taken.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), taken.len(), "an event is sent twice: {taken:?}");
    let again = cs::fuzzing::outbox(state.path()).expect("a directory of ours can be used");
    assert!(
        again.is_empty(),
        "what was acknowledged waits again: {again:?}"
    );
}

fn put(lane: &Path, name: &str, content: &[u8]) {
    let is_name = !name.is_empty()
        && name.len() < 64
        && !name.contains(['/', '\0'])
        && name != "."
        && name != "..";
    if is_name {
        let _ = fs::write(lane.join(name), content);
    }
}

/// What is read is written in a form that is read as the same.
fn inventory(bytes: &[u8]) {
    if let Ok(written) = cs::fuzzing::inventory_entry(text(bytes)) {
        let again = cs::fuzzing::inventory_entry(&written);
        assert_eq!(
            again.as_deref(),
            Ok(written.as_str()),
            "it is read as something else"
        );
    }
}

fn config(bytes: &[u8]) {
    let text = text(bytes).split(CUT).next().unwrap_or_default();
    if let Err(findings) = ConfigFile::parse(Path::new("config.yaml"), text) {
        assert!(!findings.is_empty(), "refused without a reason");
        specs::stand_inside(&findings, text);
    }
}
