//! Files of a source that are named by its users.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::{BuildError, OutOfTree, SourceTree};

/// The real path of a regular file, links followed; `None` when no regular file stands there.
///
/// `name` is relative to `directory`, which is inside the source; it may climb as long as it stays there too.
///
/// # Errors
/// The name or a link on the way leads out of the source; nothing outside is looked at for the name's sake.
pub(super) fn file(
    tree: &SourceTree,
    directory: &Path,
    name: &str,
) -> Result<Option<PathBuf>, BuildError> {
    let outside = || OutOfTree::Path {
        path: name.to_owned(),
    };
    let root = real(tree.root())?;
    let directory = real(directory)?;
    let below = directory.strip_prefix(&root).map_err(|_| outside())?;
    if !stays_inside(&below.join(name)) {
        return Err(outside().into());
    }
    let path = match directory.join(name).canonicalize() {
        Ok(path) => path,
        Err(error) if is_absence(&error) => return Ok(None),
        Err(source) => return Err(unreadable(name, source)),
    };
    if !path.starts_with(&root) {
        return Err(outside().into());
    }
    let is_file = fs::metadata(&path)
        .map_err(|source| unreadable(name, source))?
        .is_file();
    Ok(is_file.then_some(path))
}

/// A directory's path without links.
pub(super) fn real(directory: &Path) -> Result<PathBuf, BuildError> {
    directory
        .canonicalize()
        .map_err(|source| unreadable(&directory.to_string_lossy(), source))
}

/// By its text alone.
fn stays_inside(relative: &Path) -> bool {
    let mut depth = 0_usize;
    relative.components().all(|part| match part {
        Component::Normal(_) => {
            depth += 1;
            true
        }
        Component::CurDir => true,
        Component::ParentDir => match depth.checked_sub(1) {
            Some(up) => {
                depth = up;
                true
            }
            None => false,
        },
        Component::RootDir | Component::Prefix(_) => false,
    })
}

fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn unreadable(name: &str, source: io::Error) -> BuildError {
    BuildError::Io {
        what: format!("look for `{name}`"),
        source,
    }
}
