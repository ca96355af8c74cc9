//! The build context: what of a source is handed to the engine, and how.
//!
//! [`plan`] reads the Dockerfile and the ignore file and decides; [`stream`] then sends the files as one tar, made while
//! it is read. Nothing outside of the source gets in: names are confined, links are sent as links. A `.git` stays out unless
//! the Dockerfile asks for it, because layers that contain it change with every commit, and it may hold credentials.

mod dockerignore;
pub(crate) mod pattern;
mod tar;
mod walk;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

pub use dockerignore::{DockerIgnore, InvalidPattern, Verdict};
pub use tar::stream;
pub use walk::Size;

use super::dockerfile::Dockerfile;
use super::unbuildable::Unbuildable;
use super::{BuildError, OutOfTree, Recipe, SourceTree};

/// Bytes of the longest Dockerfile and ignore file: 1 MiB. Real ones have some thousand.
pub const LONGEST_TEXT: u64 = 1 << 20;

/// The repository, and what it is called in a context.
const GIT: &str = ".git";

/// What is handed to the engine.
#[derive(Debug, Clone)]
pub struct ContextPlan {
    /// The directory that is built, without links.
    directory: PathBuf,
    /// Name in the context, for the engine.
    dockerfile: String,
    text: Dockerfile,
    ignore: DockerIgnore,
    /// Files and directories from elsewhere, by their name at the top of the context. They hide what is there.
    grafts: BTreeMap<OsString, PathBuf>,
    /// Modification time of everything, in seconds since 1970; `None` keeps the files' own.
    modified: Option<u64>,
}

impl ContextPlan {
    /// What the Dockerfile is called in the context: its path, or a reserved name if it stands outside.
    #[must_use]
    pub fn dockerfile(&self) -> &str {
        &self.dockerfile
    }

    /// What the Dockerfile asks for.
    #[must_use]
    pub fn text(&self) -> &Dockerfile {
        &self.text
    }
}

/// Decides what is handed to the engine. Reads two small files; blocks.
///
/// `dockerfile` is relative to the recipe's directory and may stand above it, inside the source. An ignore file
/// `<dockerfile>.dockerignore` goes before `.dockerignore`. Dockerfile and ignore file are sent even if they are ignored;
/// the engine needs them.
///
/// # Errors
/// The Dockerfile is not there, leads out of the source or is too long; the ignore file has a line that is no pattern.
pub fn plan(recipe: &Recipe, dockerfile: &str) -> Result<ContextPlan, BuildError> {
    if Path::new(dockerfile).is_absolute() {
        // Whoever reads settings takes slashes in front away; what still has one means another place.
        let path = dockerfile.to_owned();
        return Err(OutOfTree::Path { path }.into());
    }
    let directory = recipe.directory.clone();
    let found = recipe.tree.optional_file(&directory, dockerfile)?;
    let path = found.ok_or_else(|| Unbuildable::NoDockerfile {
        path: dockerfile.to_owned(),
        near: super::detect::dockerfiles_near(&recipe.tree, &directory),
    })?;
    let text = read(&path, dockerfile)?;
    let parsed = Dockerfile::parse(&text);
    let mut ignore = ignore_file(&recipe.tree, &directory, dockerfile)?;

    let mut grafts = BTreeMap::new();
    let name = match path.strip_prefix(&directory).map(Path::to_str) {
        Ok(Some(below)) => below.to_owned(),
        // Outside of the directory, or with a name that is no text.
        _ => {
            let name = reserved_name(&directory, &text);
            grafts.insert(OsString::from(&name), path);
            name
        }
    };
    ignore.keep(&name);
    if parsed.needs_git
        && let Some(repository) = &recipe.git_dir
    {
        grafts.insert(OsString::from(GIT), repository.clone());
    }
    Ok(ContextPlan {
        directory,
        dockerfile: name,
        text: parsed,
        ignore,
        grafts,
        modified: recipe.modified,
    })
}

/// The ignore file of a Dockerfile, else the directory's, else one that ignores nothing. It keeps itself.
fn ignore_file(
    tree: &SourceTree,
    directory: &Path,
    dockerfile: &str,
) -> Result<DockerIgnore, BuildError> {
    const COMMON: &str = ".dockerignore";
    for name in [&format!("{dockerfile}{COMMON}"), COMMON] {
        let Some(path) = tree.optional_file(directory, name)? else {
            continue;
        };
        let text = read(&path, name)?;
        let mut ignore = DockerIgnore::parse(&text).map_err(|source| Unbuildable::Ignore {
            path: name.to_owned(),
            source,
        })?;
        ignore.keep(COMMON);
        return Ok(ignore);
    }
    Ok(DockerIgnore::default())
}

/// A file of at most [`LONGEST_TEXT`]. Bytes that are no text are replaced.
fn read(path: &Path, name: &str) -> Result<String, BuildError> {
    let unreadable = |source: io::Error| BuildError::Io {
        what: format!("read `{name}`"),
        source,
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    let mut limited = file.take(LONGEST_TEXT + 1);
    limited.read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LONGEST_TEXT {
        return Err(Unbuildable::TooLarge {
            path: name.to_owned(),
            limit: LONGEST_TEXT,
        }
        .into());
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A name for a Dockerfile from elsewhere that nothing in the directory has. The same text gets the same name, so that
/// layers that contain it do not change.
fn reserved_name(directory: &Path, text: &str) -> String {
    let hash = format!("{:x}", Sha256::digest(text));
    let mut name = format!(".dockerfile.{}", &hash[..16]);
    while directory.join(&name).symlink_metadata().is_ok() {
        name.push('_');
    }
    name
}
