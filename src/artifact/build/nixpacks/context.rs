//! The directory from which the engine builds what nixpacks planned: the source, and the files that were generated for it.
//!
//! nixpacks writes its files only. The source is not touched, because the next builder of the chain may get it, and not
//! copied either: its files are linked, which costs neither time nor space.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

/// Longest `.dockerignore` that is read: 1 MiB.
const IGNORE_BYTES: u64 = 1 << 20;

/// Brings everything in `source` into `context`. What stands there already stays: generated files win.
///
/// Blocks. Gives up soon after `stop` is cancelled, with [`ErrorKind::Interrupted`].
pub(super) fn join(source: &Path, context: &Path, stop: &CancellationToken) -> io::Result<()> {
    let mut left = vec![(source.to_owned(), context.to_owned())];
    // Set when all is in place: a directory may forbid its owner to write.
    let mut modes = vec![(context.to_owned(), std::fs::metadata(source)?.permissions())];
    while let Some((from, to)) = left.pop() {
        for entry in std::fs::read_dir(&from)? {
            if stop.is_cancelled() {
                return Err(ErrorKind::Interrupted.into());
            }
            let entry = entry?;
            let (path, target) = (entry.path(), to.join(entry.file_name()));
            let kind = entry.file_type()?;
            if kind.is_dir() {
                if directory(&target)? {
                    modes.push((target.clone(), entry.metadata()?.permissions()));
                    left.push((path, target));
                }
            } else if kind.is_symlink() {
                unless_there(std::os::unix::fs::symlink(
                    std::fs::read_link(&path)?,
                    &target,
                ))?;
            } else if kind.is_file() {
                unless_there(link(&path, &target))?;
            }
        }
    }
    for (directory, mode) in modes.into_iter().rev() {
        std::fs::set_permissions(directory, mode)?;
    }
    keep_generated(source, context)
}

/// Makes a directory; `false` when something else stands in its place.
fn directory(target: &Path) -> io::Result<bool> {
    match std::fs::create_dir(target) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Ok(std::fs::symlink_metadata(target)?.is_dir())
        }
        Err(error) => Err(error),
    }
}

/// Links a file, or copies it where it cannot be linked: another file system, too many links.
fn link(path: &PathBuf, target: &PathBuf) -> io::Result<()> {
    match std::fs::hard_link(path, target) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            std::fs::copy(path, target).map(|_| ())
        }
        linked => linked,
    }
}

fn unless_there(made: io::Result<()>) -> io::Result<()> {
    match made {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Makes sure that the source's `.dockerignore` does not keep the generated files from the engine: patterns such as `.*`
/// would.
fn keep_generated(source: &Path, context: &Path) -> io::Result<()> {
    let theirs = source.join(".dockerignore");
    match std::fs::metadata(&theirs) {
        Ok(found) if found.is_file() && found.len() <= IGNORE_BYTES => {}
        _ => return Ok(()),
    }
    let mut patterns = std::fs::read(&theirs)?;
    patterns.extend_from_slice(b"\n!.nixpacks\n");
    let ours = context.join(".dockerignore");
    // Written anew: what stands there is the source's own file.
    std::fs::remove_file(&ours)?;
    std::fs::write(&ours, patterns)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt, symlink};

    use super::*;

    fn write(path: PathBuf, text: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn joined(prepare: impl FnOnce(&Path, &Path)) -> (tempfile::TempDir, PathBuf) {
        let top = tempfile::tempdir().unwrap();
        let (source, context) = (top.path().join("source"), top.path().join("context"));
        std::fs::create_dir(&source).unwrap();
        std::fs::create_dir(&context).unwrap();
        prepare(&source, &context);
        join(&source, &context, &CancellationToken::new()).unwrap();
        (top, context)
    }

    #[test]
    fn files_are_linked_links_are_kept_and_modes_stay() {
        let (top, context) = joined(|source, _| {
            write(source.join("a/b/deep"), "deep");
            std::fs::set_permissions(source.join("a/b"), PermissionsExt::from_mode(0o555)).unwrap();
            symlink("a/b/deep", source.join("link")).unwrap();
            symlink("nowhere", source.join("dangling")).unwrap();
        });
        let deep = context.join("a/b/deep");
        assert_eq!(std::fs::read_to_string(&deep).unwrap(), "deep");
        assert_eq!(std::fs::metadata(&deep).unwrap().nlink(), 2);
        assert_eq!(
            std::fs::metadata(context.join("a/b")).unwrap().mode() & 0o777,
            0o555
        );
        assert_eq!(
            std::fs::read_link(context.join("link")).unwrap(),
            Path::new("a/b/deep")
        );
        assert_eq!(
            std::fs::read_link(context.join("dangling")).unwrap(),
            Path::new("nowhere")
        );
        drop(top);
    }

    #[test]
    fn generated_files_win_and_the_source_is_not_written_through() {
        let (top, context) = joined(|source, context| {
            write(source.join(".nixpacks/Dockerfile"), "theirs");
            write(source.join(".nixpacks/extra.nix"), "theirs");
            write(context.join(".nixpacks/Dockerfile"), "ours");
        });
        let read = |path: &str| std::fs::read_to_string(context.join(path)).unwrap();
        assert_eq!(read(".nixpacks/Dockerfile"), "ours");
        assert_eq!(read(".nixpacks/extra.nix"), "theirs");
        let source = top.path().join("source/.nixpacks/Dockerfile");
        assert_eq!(std::fs::read_to_string(source).unwrap(), "theirs");
    }

    #[test]
    fn a_link_or_a_file_in_place_of_the_generated_directory_loses() {
        let (top, context) = joined(|source, context| {
            write(source.join("elsewhere/Dockerfile"), "theirs");
            symlink("elsewhere", source.join(".nixpacks")).unwrap();
            write(context.join(".nixpacks/Dockerfile"), "ours");
        });
        assert!(
            context
                .join(".nixpacks")
                .symlink_metadata()
                .unwrap()
                .is_dir()
        );
        let theirs = top.path().join("source/elsewhere/Dockerfile");
        assert_eq!(std::fs::read_to_string(theirs).unwrap(), "theirs");
    }

    #[test]
    fn an_ignore_file_cannot_hide_what_was_generated() {
        let (top, context) = joined(|source, _| write(source.join(".dockerignore"), ".*\n*"));
        let read = |path: PathBuf| std::fs::read_to_string(path).unwrap();
        assert_eq!(read(context.join(".dockerignore")), ".*\n*\n!.nixpacks\n");
        assert_eq!(read(top.path().join("source/.dockerignore")), ".*\n*");
        let (_top, context) = joined(|_, _| {});
        assert!(!context.join(".dockerignore").exists());
    }

    #[test]
    fn a_stopped_run_stops_linking() {
        let top = tempfile::tempdir().unwrap();
        write(top.path().join("source/a"), "");
        std::fs::create_dir(top.path().join("context")).unwrap();
        let stop = CancellationToken::new();
        stop.cancel();
        let error = join(
            &top.path().join("source"),
            &top.path().join("context"),
            &stop,
        );
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Interrupted);
        assert!(!top.path().join("context/a").exists());
    }
}
