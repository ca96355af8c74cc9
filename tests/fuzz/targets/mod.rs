//! What is fuzzed: everything that reads bytes which somebody else wrote, and what must hold whatever they are.
//!
//! A target takes any bytes and panics when an invariant does not hold; that nothing else panics, runs out of stack, time or
//! memory is checked by whoever calls it: the suite (`fuzz::`), and libFuzzer (`fuzz_targets/`). Only public items of the
//! library are used, so that both can share this folder.

mod bridge;
mod dispatch;
mod images;
mod nomad;
mod projects;
mod sources;
mod specs;
mod state;
mod texts;

/// One target.
pub(crate) struct Target {
    /// Also the name of its corpus.
    pub(crate) name: &'static str,
    /// Panics when an invariant does not hold.
    pub(crate) run: fn(&[u8]),
    /// Words of its language, for mutations.
    pub(crate) words: &'static [&'static str],
}

/// All of them.
pub(crate) const TARGETS: &[Target] = &[
    dispatch::PARAMS,
    specs::YAML,
    specs::FOLDER,
    specs::POLICIES,
    specs::SEALED,
    projects::PROJECT,
    projects::JOBSPEC,
    sources::ARCHIVE,
    sources::GIT_PACK,
    sources::GIT_PACKETS,
    images::DOCKERFILE,
    images::DOCKERIGNORE,
    images::REGISTRY,
    bridge::WEBHOOK,
    nomad::ANSWERS,
    nomad::STREAMS,
    state::OUTBOX,
    state::INVENTORY,
    state::CONFIG,
    texts::NAMES,
    texts::ESCAPES,
];

/// The target of a name.
pub(crate) fn named(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Separates the parts of an input that has several, on a line of its own.
pub(crate) const CUT: &str = "\n=====\n";

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_else(|error| {
        std::str::from_utf8(&bytes[..error.valid_up_to()]).expect("it is valid up to there")
    })
}
