//! What a Dockerfile asks for, as far as it decides what is handed to the engine and what people are told.
//!
//! Not a checker: the engine reads the same file and says what is wrong with it.

mod instruction;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use instruction::{Instruction, instructions};

/// A Dockerfile that has been read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dockerfile {
    /// Its stages, in order.
    pub stages: Vec<Stage>,
    /// Build arguments that it declares, with the first line that does.
    pub args: BTreeMap<String, usize>,
    /// Ids of the secrets that it mounts.
    pub secret_ids: BTreeSet<String>,
    /// What only BuildKit can do, in order.
    pub buildkit: Vec<Feature>,
    /// Whether it copies or mounts a `.git`. `COPY . .` alone does not count: most who write it do not mean it.
    pub needs_git: bool,
    /// TCP ports that its last stage exposes, as far as they are plain numbers, in order, each once.
    pub exposed: Vec<u16>,
}

/// A `FROM`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// As written, variables included: an image, an earlier stage or `scratch`.
    pub base: String,
    /// `--platform`, as written.
    pub platform: Option<String>,
    /// `AS`.
    pub name: Option<String>,
}

/// Something that the classic builder does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feature {
    /// From 1.
    pub line: usize,
    /// E.g. `RUN --mount`.
    pub what: String,
}

/// Flags that need BuildKit, by instruction. Source: Docker, `daemon/builder/dockerfile` (what the classic one accepts).
const BUILDKIT_FLAGS: [(&str, &[&str]); 3] = [
    ("RUN", &["--mount", "--network", "--security", "--device"]),
    ("COPY", &["--chmod", "--link", "--parents", "--exclude"]),
    (
        "ADD",
        &[
            "--chmod",
            "--link",
            "--exclude",
            "--checksum",
            "--keep-git-dir",
            "--unpack",
        ],
    ),
];

impl Dockerfile {
    /// Reads a text. Any text is taken: what the engine will refuse is left out.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut dockerfile = Self::default();
        for instruction in instructions(text) {
            dockerfile.add(&instruction);
        }
        dockerfile
    }

    /// Images that are not built here and not empty, as written, in order.
    #[must_use]
    pub fn base_images(&self) -> Vec<&str> {
        let is_stage = |before: &[Stage], base: &str| {
            before
                .iter()
                .filter_map(|stage| stage.name.as_deref())
                .any(|name| name.eq_ignore_ascii_case(base))
        };
        self.stages
            .iter()
            .enumerate()
            .filter(|(index, stage)| {
                stage.base != "scratch" && !is_stage(&self.stages[..*index], &stage.base)
            })
            .map(|(_, stage)| stage.base.as_str())
            .collect()
    }

    /// A warning for each secret that it expects as a build argument.
    #[must_use]
    pub fn secrets_declared_as_args<'a>(
        &self,
        secrets: impl IntoIterator<Item = &'a str>,
    ) -> Vec<String> {
        secrets
            .into_iter()
            .filter(|name| !self.secret_ids.contains(*name))
            .filter_map(|name| Some((name, self.args.get(name)?)))
            .map(|(name, line)| {
                format!(
                    "line {line} declares the secret `{name}` as a build argument, which it no longer is: it would \
                     stay in the image's history; write `RUN --mount=type=secret,id={name} …` and read \
                     /run/secrets/{name}"
                )
            })
            .collect()
    }

    fn add(&mut self, instruction: &Instruction) {
        match instruction.keyword.as_str() {
            "FROM" => {
                self.stages.extend(stage(instruction));
                self.exposed.clear();
            }
            "EXPOSE" => {
                for port in instruction.words().iter().filter_map(|word| tcp_port(word)) {
                    if !self.exposed.contains(&port) {
                        self.exposed.push(port);
                    }
                }
            }
            "ARG" => {
                for word in instruction.words() {
                    let name = word.split('=').next().unwrap_or_default();
                    self.args.entry(name.to_owned()).or_insert(instruction.line);
                }
            }
            "RUN" => {
                for mount in instruction.flag("--mount").map(Mount::read) {
                    self.secret_ids.extend(mount.secret_id());
                    self.needs_git |= mount.is_of_git();
                }
            }
            "COPY" | "ADD" => self.needs_git |= copies_git(instruction),
            _ => {}
        }
        self.add_features(instruction);
    }

    fn add_features(&mut self, instruction: &Instruction) {
        let keyword = instruction.keyword.as_str();
        let mut add = |what: &str| {
            self.buildkit.push(Feature {
                line: instruction.line,
                what: format!("{keyword} {what}"),
            });
        };
        let known = BUILDKIT_FLAGS.iter().find(|(name, _)| *name == keyword);
        for flag in &instruction.flags {
            let name = flag.split('=').next().unwrap_or_default();
            if known.is_some_and(|(_, flags)| flags.contains(&name)) {
                add(name);
            }
        }
        if instruction.heredoc {
            add("with a here-document");
        }
    }
}

/// `8080` or `8080/tcp`.
fn tcp_port(word: &str) -> Option<u16> {
    let (number, protocol) = word.split_once('/').unwrap_or((word, "tcp"));
    let port = number.parse().ok().filter(|port| *port > 0)?;
    protocol.eq_ignore_ascii_case("tcp").then_some(port)
}

fn stage(instruction: &Instruction) -> Option<Stage> {
    let words = instruction.words();
    let name = match words.get(1..) {
        Some([word, name, ..]) if word.eq_ignore_ascii_case("as") => Some(name.clone()),
        _ => None,
    };
    Some(Stage {
        base: words.first()?.clone(),
        platform: instruction.flag("--platform").next().map(str::to_owned),
        name,
    })
}

/// The fields of a `--mount` that matter here. Source: BuildKit, `instructions.parseMount`.
#[derive(Default)]
struct Mount<'a> {
    /// Empty for `bind`, the default.
    kind: &'a str,
    from: &'a str,
    id: &'a str,
    source: &'a str,
    target: &'a str,
}

impl<'a> Mount<'a> {
    fn read(text: &'a str) -> Self {
        let mut mount = Self::default();
        for (key, value) in text.split(',').filter_map(|field| field.split_once('=')) {
            match key.to_ascii_lowercase().as_str() {
                "type" => mount.kind = value,
                "from" => mount.from = value,
                "id" => mount.id = value,
                "source" | "src" => mount.source = value,
                "target" | "dst" | "destination" => mount.target = value,
                _ => {}
            }
        }
        mount
    }

    /// Without an id its source names it, else the last part of where it is mounted.
    fn secret_id(&self) -> Option<String> {
        let file_name = self.target.rsplit('/').next().unwrap_or_default();
        [self.source, self.id, file_name]
            .into_iter()
            .find(|id| !id.is_empty())
            .filter(|_| self.kind.eq_ignore_ascii_case("secret"))
            .map(str::to_owned)
    }

    fn is_of_git(&self) -> bool {
        let is_bind = self.kind.is_empty() || self.kind.eq_ignore_ascii_case("bind");
        is_bind && self.from.is_empty() && is_git(self.source)
    }
}

fn copies_git(instruction: &Instruction) -> bool {
    let words = instruction.words();
    let sources = words.split_last().map_or(&[][..], |(_, sources)| sources);
    instruction.flag("--from").next().is_none() && sources.iter().any(|source| is_git(source))
}

/// Whether a path is or is below a `.git`, or is a pattern that was written for one, e.g. `.git*`.
fn is_git(path: &str) -> bool {
    let is_address = path.contains("://");
    !is_address
        && path.split('/').any(|part| {
            let tail = part.strip_prefix(".git");
            tail.is_some_and(|tail| tail.chars().all(|c| c == '*'))
        })
}
