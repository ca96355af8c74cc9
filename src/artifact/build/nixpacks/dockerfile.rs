//! The Dockerfile that nixpacks writes, changed so that secrets neither become arguments nor environment of the image.
//!
//! nixpacks knows one kind of variable, and makes each of them an `ARG` and an `ENV`. Secrets are taken out of these lines;
//! every command of a phase gets them instead from a file that BuildKit mounts for that command alone, a list of `export`s
//! that the shell reads first. A file of exports rather than one file for each secret: quoting keeps every value as it is,
//! line feeds at its end included, which `$(cat …)` would drop; and the front end built into Docker 20.10 has no `env=`.
//!
//! Pure text work. The shape of what nixpacks 1.41 writes is spelled out here; anything else is refused, because a line
//! that is not understood might be where a secret would have been needed. Variables that are not secret stay as they are.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::secret::Secret;

/// Where commands find the secrets.
const MOUNTED: &str = "/run/secrets/cs-build-env";

/// Instructions that nixpacks writes.
const KNOWN: [&str; 9] = [
    "FROM",
    "ENTRYPOINT",
    "WORKDIR",
    "COPY",
    "RUN",
    "ARG",
    "ENV",
    "USER",
    "CMD",
];

/// What follows `RUN` in nixpacks' own lines for the search path; commands of phases have one more blank, or flags.
const PROFILE: &str = r" printf '\nPATH=";

/// A Dockerfile that does not look as nixpacks writes them. Tells where and what, without repeating values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the Dockerfile that nixpacks wrote {problem}")]
pub(super) struct Unexpected {
    line: usize,
    problem: &'static str,
}

/// The file of exports, and its name for the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exports {
    /// The name by which the engine asks for it.
    pub(super) id: String,
    /// A shell script.
    pub(super) script: Secret,
}

impl Exports {
    /// Names must be names of shell variables.
    ///
    /// The name changes with the content, because BuildKit does not look at the content of a secret when it decides whether
    /// a layer can be reused: a front end that was built with the old address of an interface would stay.
    ///
    /// The name is seen: in the build's log, and in the copy of the Dockerfile that nixpacks puts into its images. So it has
    /// 16 bits only, of a digest over all secrets together. That tells next to nothing about any of them, and one change in
    /// 65,536 that goes unnoticed where layers of just that other build are still there is cheap.
    pub(super) fn of(secrets: &BTreeMap<String, Secret>) -> Self {
        let script: String = secrets
            .iter()
            .map(|(name, value)| format!("export {name}={}\n", quoted(value.expose())))
            .collect();
        let digest = Sha256::digest(&script);
        let short: String = digest[..2]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Self {
            id: format!("cs-build-env-{short}"),
            script: Secret::new(script),
        }
    }
}

/// One word of a POSIX shell.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

/// Which part of the file a line belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Packages of the system; runs before any variable is set.
    Setup,
    /// What providers and users run.
    Phases,
    /// The image that is started.
    Start,
}

/// Takes the secrets out of `ARG` and `ENV`, and gives their file to the commands of all phases.
///
/// # Errors
/// The file does not have the shape that is expected.
pub(super) fn with_secrets(
    dockerfile: &str,
    secrets: &BTreeMap<String, Secret>,
    exports: &Exports,
) -> Result<String, Unexpected> {
    let mut changed = String::with_capacity(dockerfile.len() + 1024);
    let mut part = Part::Setup;
    let mut stages = 0;
    for (line, text) in statements(dockerfile) {
        let unexpected = |problem| Unexpected { line, problem };
        let trimmed = text.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            part = part.after(trimmed);
            changed.push_str(text);
            continue;
        }
        let (keyword, rest) = split_word(text.trim_start());
        stages += usize::from(keyword == "FROM");
        match keyword {
            "ARG" => changed.push_str(&list("ARG", rest, secrets, Some).map_err(unexpected)?),
            // Each phase's paths; refers to itself and to nothing else.
            "ENV" if rest.trim_start().starts_with("NIXPACKS_PATH=") => changed.push_str(text),
            "ENV" => changed.push_str(&list("ENV", rest, secrets, own_name).map_err(unexpected)?),
            "RUN" if part == Part::Phases && !rest.starts_with(PROFILE) => {
                changed.push_str(&run(rest, exports).map_err(unexpected)?);
            }
            "FROM" if stages > 1 && part != Part::Start => {
                return Err(unexpected("begins a stage before the start section"));
            }
            _ if KNOWN.contains(&keyword) => changed.push_str(text),
            _ => {
                return Err(unexpected(
                    "has an instruction that nixpacks does not write",
                ));
            }
        }
    }
    if part == Part::Setup {
        let problem = "begins no phase, and neither does any other";
        return Err(Unexpected { line: 1, problem });
    }
    Ok(changed)
}

impl Part {
    /// Where a comment leads.
    fn after(self, comment: &str) -> Self {
        match self {
            Self::Setup | Self::Phases if comment == "# start" => Self::Start,
            Self::Setup if comment.starts_with("# ") && comment.ends_with(" phase") => Self::Phases,
            Self::Setup | Self::Phases | Self::Start => self,
        }
    }
}

/// A list of variables without the secrets; nothing at all when none is left.
fn list<'a>(
    keyword: &str,
    rest: &'a str,
    secrets: &BTreeMap<String, Secret>,
    name_of: impl Fn(&'a str) -> Option<&'a str>,
) -> Result<String, &'static str> {
    let mut kept = Vec::new();
    for word in rest.split_whitespace() {
        let name = name_of(word)
            .filter(|name| !name.is_empty() && !name.contains(['=', '$', '"', '\'', '\\']))
            .ok_or("lists variables in an unusual way")?;
        if !secrets.contains_key(name) {
            kept.push(word);
        }
    }
    if kept.is_empty() {
        return Ok(String::new());
    }
    Ok(format!("{keyword} {}\n", kept.join(" ")))
}

/// `NAME` of `NAME=$NAME`.
fn own_name(word: &str) -> Option<&str> {
    let (name, value) = word.split_once('=')?;
    (value.strip_prefix('$') == Some(name)).then_some(name)
}

/// A `RUN` whose command finds the secrets in its environment.
fn run(rest: &str, exports: &Exports) -> Result<String, &'static str> {
    let (flags, command) = flags(rest);
    check(command)?;
    let id = &exports.id;
    let mount = format!("--mount=type=secret,id={id},target={MOUNTED},required=true,mode=0444");
    Ok(format!("RUN {flags}{mount} . {MOUNTED}; {command}"))
}

/// The flags of a `RUN`, each with a blank after it, and its command.
fn flags(rest: &str) -> (String, &str) {
    let mut flags = String::new();
    let mut rest = rest.trim_start();
    while rest.starts_with("--") {
        let (flag, after) = split_word(rest);
        flags.push_str(flag);
        flags.push(' ');
        rest = after.trim_start();
    }
    (flags, rest)
}

/// Whether a line put before a command does what it should.
fn check(command: &str) -> Result<(), &'static str> {
    if serde_json::from_str::<Vec<String>>(command.trim()).is_ok() {
        return Err("runs a command without a shell, which cannot be given secrets");
    }
    let here = |word: &str| {
        let word = word.trim_start_matches(|digit: char| digit.is_ascii_digit());
        word.starts_with("<<") && !word.starts_with("<<<")
    };
    if command.split_whitespace().any(here) {
        return Err("has a here-document");
    }
    Ok(())
}

fn split_word(text: &str) -> (&str, &str) {
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    text.split_at(end)
}

/// The statements of a Dockerfile, each whole with its line feeds, and the number of its first line: an instruction with
/// the lines that continue it, a comment, or an empty line.
fn statements(dockerfile: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let (mut begin, mut end, mut first) = (0, 0, 1);
    let mut continued = false;
    for (index, line) in dockerfile.split_inclusive('\n').enumerate() {
        end += line.len();
        let trimmed = line.trim();
        let skipped = trimmed.is_empty() || trimmed.starts_with('#');
        // Inside an instruction the engine passes over comments and empty lines.
        continued = if skipped {
            continued
        } else {
            trimmed.ends_with('\\')
        };
        if !continued {
            found.push((first, &dockerfile[begin..end]));
            (begin, first) = (end, index + 2);
        }
    }
    if begin < end {
        found.push((first, &dockerfile[begin..end]));
    }
    found
}

/// Writes the start command as it was given: nixpacks quotes the quotes in it, and forgets backslashes and line feeds.
pub(super) fn with_start(dockerfile: &str, start: &str) -> String {
    let written = format!("\nCMD [\"{}\"]", start.replace('"', "\\\""));
    match dockerfile.rfind(&written) {
        Some(at) => {
            let meant = serde_json::json!([start]);
            let (before, after) = (&dockerfile[..at], &dockerfile[at + written.len()..]);
            format!("{before}\nCMD {meant}{after}")
        }
        None => dockerfile.to_owned(),
    }
}

#[cfg(test)]
mod tests;
