//! Which builders are tried, and with which Dockerfile. Source: contract 5.2.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::Path;

use super::unbuildable::Unbuildable;
use super::{BuildError, Builder, SourceTree};

/// What a Dockerfile may be called, in the order of preference.
const DOCKERFILES: [&str; 6] = [
    DEFAULT_DOCKERFILE,
    "dockerfile",
    "Dockerfile.prod",
    "Dockerfile.production",
    "Dockerfile.dev",
    "Dockerfile.development",
];

/// The platform fills it in where its user said nothing.
const DEFAULT_DOCKERFILE: &str = "Dockerfile";

/// Files that tell the language of a source; only for people to read.
const SIGNALS: [&str; 13] = [
    "go.mod",
    "go.work",
    "package.json",
    "requirements.txt",
    "pyproject.toml",
    "Pipfile",
    "Gemfile",
    "Cargo.toml",
    "pom.xml",
    "build.gradle",
    "composer.json",
    "mix.exs",
    "Procfile",
];

/// What a directory looks like.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Detected {
    /// Its Dockerfile, relative to the directory.
    pub dockerfile: Option<String>,
    /// Files that tell its language, for a log line.
    pub signals: Vec<&'static str>,
}

/// Looks at the directory that is built, not below it.
///
/// A link to a regular file counts as one: repositories with several services share a Dockerfile that way. Whether the link
/// stays inside the source is checked where it is followed.
///
/// # Errors
/// The directory is none, or cannot be entered.
pub fn detect(directory: &Path) -> io::Result<Detected> {
    // Fails unless names in it can be looked up; then only dangling links fail below, which are no files.
    fs::metadata(directory.join("."))?;
    let is_file = |name: &&str| fs::metadata(directory.join(name)).is_ok_and(|it| it.is_file());
    Ok(Detected {
        dockerfile: DOCKERFILES
            .into_iter()
            .find(|name| is_file(name))
            .map(str::to_owned),
        signals: SIGNALS.into_iter().filter(is_file).collect(),
    })
}

/// The same, with the Dockerfile that the user named before what would be detected.
///
/// A name that is not there is an error, with two exceptions: the builder that was named does not need it, or the name is
/// `Dockerfile`, which the platform fills in by itself. Then the directory decides.
///
/// # Errors
/// The Dockerfile that was named is not there, or outside of the source; the directory cannot be read.
pub fn survey(
    tree: &SourceTree,
    directory: &Path,
    builder: Option<Builder>,
    dockerfile: Option<&str>,
) -> Result<Detected, BuildError> {
    let mut detected = detect(directory).map_err(|source| BuildError::Io {
        what: format!("look into `{}`", directory.display()),
        source,
    })?;
    let Some(named) = dockerfile else {
        return Ok(detected);
    };
    let named = named.trim_start_matches('/');
    let needed = matches!(builder, None | Some(Builder::CsDocker)) && named != DEFAULT_DOCKERFILE;
    match tree.optional_file(directory, named)? {
        Some(_) => detected.dockerfile = Some(named.to_owned()),
        None if needed => {
            return Err(Unbuildable::NoDockerfile {
                path: named.to_owned(),
                near: dockerfiles_near(tree, directory),
            }
            .into());
        }
        None => {}
    }
    Ok(detected)
}

/// The builders to try, in order, each once. Source: contract 5.2.
#[must_use]
pub fn chain(named: Option<Builder>, has_dockerfile: bool) -> Vec<Builder> {
    let detected: &[Builder] = if has_dockerfile {
        &[Builder::CsDocker, Builder::Railpack, Builder::Nixpacks]
    } else {
        &[Builder::Railpack, Builder::Nixpacks]
    };
    let others = detected.iter().copied();
    named
        .into_iter()
        .chain(others.filter(|other| Some(*other) != named))
        .collect()
}

/// Dockerfiles that a wrong name may have meant, relative to the directory: at most [`NEAR`], those above it with `../`.
#[must_use]
pub fn dockerfiles_near(tree: &SourceTree, directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    search_below(directory, &mut found);
    let mut prefix = String::from("../");
    let above = directory.ancestors().skip(1);
    for parent in above.take_while(|parent| parent.starts_with(tree.root())) {
        let (files, _) = listing(parent);
        found.extend(named_like_dockerfiles(files).map(|name| format!("{prefix}{name}")));
        prefix.push_str("../");
    }
    found.truncate(NEAR);
    found
}

/// Most Dockerfiles that a message names.
pub const NEAR: usize = 5;

/// A Dockerfile seldom stands deeper.
const DEPTH: usize = 3;

/// Directories that are looked into for a message.
const DIRECTORIES: usize = 200;

/// Breadth first: what is near comes first.
fn search_below(directory: &Path, found: &mut Vec<String>) {
    let mut queue = VecDeque::from([(directory.to_owned(), String::new(), 0)]);
    let mut seen = 0;
    while let Some((path, prefix, depth)) = queue.pop_front() {
        seen += 1;
        if seen > DIRECTORIES || found.len() >= NEAR {
            return;
        }
        let (files, folders) = listing(&path);
        found.extend(named_like_dockerfiles(files).map(|name| format!("{prefix}{name}")));
        if depth < DEPTH {
            let worth_it = |name: &String| !matches!(name.as_str(), ".git" | "node_modules");
            queue.extend(
                folders
                    .into_iter()
                    .filter(worth_it)
                    .map(|name| (path.join(&name), format!("{prefix}{name}/"), depth + 1)),
            );
        }
    }
}

/// Names of the files and of the directories in a directory, sorted. Empty when it cannot be read.
fn listing(directory: &Path) -> (Vec<String>, Vec<String>) {
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let (Ok(name), Ok(kind)) = (entry.file_name().into_string(), entry.file_type()) else {
            continue;
        };
        match kind {
            kind if kind.is_file() => files.push(name),
            kind if kind.is_dir() => folders.push(name),
            _ => {}
        }
    }
    files.sort();
    folders.sort();
    (files, folders)
}

fn named_like_dockerfiles(files: Vec<String>) -> impl Iterator<Item = String> {
    files.into_iter().filter(|name| {
        let name = name.to_ascii_lowercase();
        let is_one = matches!(name.as_str(), "dockerfile" | "containerfile");
        let is_variant = name.starts_with("dockerfile.") || name.ends_with(".dockerfile");
        is_one || is_variant && !name.ends_with(".dockerignore")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_named_builder_goes_first_and_each_is_tried_once() {
        use Builder::{CsDocker, Nixpacks, Noop, Railpack};
        for (named, has_dockerfile, wanted) in [
            (None, true, &[CsDocker, Railpack, Nixpacks][..]),
            (None, false, &[Railpack, Nixpacks]),
            (Some(Nixpacks), true, &[Nixpacks, CsDocker, Railpack]),
            (Some(Nixpacks), false, &[Nixpacks, Railpack]),
            (Some(CsDocker), true, &[CsDocker, Railpack, Nixpacks]),
            (Some(CsDocker), false, &[CsDocker, Railpack, Nixpacks]),
            (Some(Railpack), true, &[Railpack, CsDocker, Nixpacks]),
            (Some(Noop), false, &[Noop, Railpack, Nixpacks]),
            (Some(Noop), true, &[Noop, CsDocker, Railpack, Nixpacks]),
        ] {
            assert_eq!(chain(named, has_dockerfile), wanted, "{named:?}");
        }
    }
}
