//! Directories and files that only their owner may enter or read, whatever the umask says.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

/// Creates a directory, and those above it, that only its owner may enter; takes everybody else's rights from an existing one.
///
/// # Errors
/// It cannot be made, or somebody else put it where everybody may write.
pub fn directory(path: &Path) -> io::Result<()> {
    create(path)?;
    if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(path, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Creates a directory and those above it, closed to others, and leaves an existing one as it is.
///
/// # Errors
/// It cannot be made, or somebody else put it where everybody may write.
pub fn create(path: &Path) -> io::Result<()> {
    // Before, so that nothing is made in the place of somebody else; and after, in case he was in between.
    path.ancestors().try_for_each(is_trusted)?;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)?;
    path.ancestors().try_for_each(is_trusted)
}

/// Takes everybody else's rights from a file. What is no file, such as a pipe, keeps them.
///
/// # Errors
/// It belongs to somebody else.
pub fn close(file: &File) -> io::Result<()> {
    let metadata = file.metadata()?;
    if metadata.is_file() && metadata.mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(())
}

/// In a directory where everybody may write, such as `/tmp`, anybody can put a link or a directory of his own in the place of
/// ours, and lead us to change modes and files elsewhere.
fn is_trusted(path: &Path) -> io::Result<()> {
    let Some(parent) = path.parent().filter(|path| !path.as_os_str().is_empty()) else {
        return Ok(());
    };
    let found = match (fs::metadata(parent), fs::symlink_metadata(path)) {
        (Ok(parent), Ok(found)) if parent.mode() & 0o002 != 0 => found,
        // Nobody else can put anything there, or nothing is there yet; what cannot be looked at cannot be made either.
        _ => return Ok(()),
    };
    let own = rustix::process::geteuid().as_raw();
    // What root put there is as good as the system itself.
    if matches!(found.uid(), uid if uid == own || uid == 0) {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!(
            "{} belongs to somebody else, in a directory where everybody may write; set CS_STATE_DIR to one of your own",
            path.display()
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{chown, symlink};

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn directories_are_closed_and_closed_again() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a/b");
        directory(&path).unwrap();
        assert_eq!((mode(&path), mode(&home.path().join("a"))), (0o700, 0o700));
        fs::set_permissions(&path, Permissions::from_mode(0o777)).unwrap();
        directory(&path).unwrap();
        assert_eq!(mode(&path), 0o700);
    }

    #[test]
    fn a_file_that_was_open_to_others_is_closed() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("plan");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        close(&File::options().write(true).open(&path).unwrap()).unwrap();
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn what_somebody_else_put_where_everybody_may_write_is_not_followed() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("SKIPPED: only root can play somebody else");
            return;
        }
        let home = tempfile::tempdir().unwrap();
        let (everybodys, precious) = (home.path().join("tmp"), home.path().join("precious"));
        for path in [&everybodys, &precious] {
            fs::create_dir(path).unwrap();
        }
        fs::set_permissions(&precious, Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(&everybodys, Permissions::from_mode(0o1777)).unwrap();
        let link = everybodys.join("cs-state");
        symlink(&precious, &link).unwrap();
        std::os::unix::fs::lchown(&link, Some(1234), None).unwrap();
        for path in [link.clone(), link.join("outbox")] {
            assert!(!precious.join("outbox").exists());
            assert!(directory(&path).is_err(), "{}", path.display());
        }
        assert_eq!(mode(&precious), 0o755);
        let taken = everybodys.join("taken");
        fs::create_dir(&taken).unwrap();
        chown(&taken, Some(1234), None).unwrap();
        assert!(directory(&taken).is_err());
        assert!(directory(&everybodys.join("ours")).is_ok());
    }
}
