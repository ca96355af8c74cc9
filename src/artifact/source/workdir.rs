//! The directory of one run: private, and gone when the run is over.
//!
//! A run that is killed cannot clean up. So each directory holds a file that its run keeps locked: the system gives the
//! lock up when the process ends, however it ends, and the next run on the machine ([`WorkDir::sweep`]) finds the directory
//! abandoned. The Go program that `cs` replaces makes directories with the same beginning and without a lock, perhaps at
//! the same time on the same machine; theirs have no UUID in the name and are left alone.

use std::ffi::OsStr;
use std::fs::{DirBuilder, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

const PREFIX: &str = "cs-deploy-";

/// Locked as long as the run lives.
const LOCK: &str = ".lock";

/// A directory without a lock is abandoned after so long. Its run needs microseconds between the two.
const WITHOUT_LOCK: Duration = Duration::from_secs(60);

/// How often a directory that fills while it is removed is removed again, and how long the wait between is: threads and
/// children that were told to stop need up to a second to hear it.
const ATTEMPTS: u32 = 40;
const BETWEEN: Duration = Duration::from_millis(50);

/// The directory of one run. Removed when dropped; [`WorkDir::remove`] does the same and tells whether it worked.
///
/// What is fetched and what is generated goes into directories of their own below it: the top holds the lock, which is no
/// part of a source.
#[derive(Debug)]
pub struct WorkDir {
    path: PathBuf,
    removed: bool,
    _lock: File,
}

impl WorkDir {
    /// Makes a directory `cs-deploy-<uuid>` below `parent` that only its owner can enter.
    ///
    /// # Errors
    /// The directory cannot be made, e.g. because the disk is full or `parent` is not there.
    pub fn create(parent: &Path) -> io::Result<Self> {
        let path = parent.join(format!("{PREFIX}{}", uuid::Uuid::new_v4().simple()));
        DirBuilder::new().mode(0o700).create(&path)?;
        match lock(&path) {
            Ok(lock) => Ok(Self {
                path,
                removed: false,
                _lock: lock,
            }),
            Err(error) => {
                // The reason why it is of no use counts; the next sweep has another chance.
                let _ = std::fs::remove_dir_all(&path);
                Err(error)
            }
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it with everything in it, whatever the modes of what is in it; links are not followed.
    ///
    /// # Errors
    /// Something in it cannot be removed. The next [`WorkDir::sweep`] tries again.
    ///
    /// # Cancel safety
    /// When dropped it ends as the drop of the directory does.
    pub async fn remove(mut self) -> io::Result<()> {
        let mut attempt = 1;
        loop {
            let path = self.path.clone();
            let result = tokio::task::spawn_blocking(move || remove_tree(&path)).await;
            match result.map_err(io::Error::other)? {
                Ok(()) => {
                    self.removed = true;
                    return Ok(());
                }
                Err(error)
                    if error.kind() == ErrorKind::DirectoryNotEmpty && attempt < ATTEMPTS =>
                {
                    attempt += 1;
                    tokio::time::sleep(BETWEEN).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Removes the directories below `parent` whose runs are dead. Returns how many. Blocks on the disk.
    ///
    /// Only directories (not links) of this user with a name as [`WorkDir::create`] gives, and never one that a living
    /// process holds, in whatever container it runs. One that cannot be removed is left with a warning in the log.
    ///
    /// # Errors
    /// `parent` cannot be read.
    pub fn sweep(parent: &Path) -> io::Result<usize> {
        let user = rustix::process::geteuid().as_raw();
        let mut removed = 0;
        for entry in std::fs::read_dir(parent)? {
            let Ok(entry) = entry else { continue };
            if !is_work_dir(&entry.file_name()) {
                continue;
            }
            let path = entry.path();
            // Held until the directory is gone, so that two sweeps do not work on the same one.
            let Some(_claim) = claim(&path, user) else {
                continue;
            };
            match remove_tree(&path) {
                Ok(()) => removed += 1,
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "cannot remove a work directory that a dead run left");
                }
            }
        }
        Ok(removed)
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        if self.removed {
            return;
        }
        if let Err(error) = remove_tree(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the work directory");
        }
    }
}

/// Makes the lock under another name first: a lock that is there under its own name has been taken, so that a sweep at the
/// same moment cannot take it for an abandoned one.
fn lock(directory: &Path) -> io::Result<File> {
    let early = directory.join(".lock.new");
    let file = File::create_new(&early)?;
    file.try_lock()?;
    std::fs::rename(&early, directory.join(LOCK))?;
    Ok(file)
}

fn is_work_dir(name: &OsStr) -> bool {
    name.to_str()
        .and_then(|name| name.strip_prefix(PREFIX))
        .is_some_and(|id| {
            id.len() == 32 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        })
}

/// An abandoned directory, with its lock if it has one.
struct Claim {
    _lock: Option<File>,
}

fn claim(path: &Path, user: u32) -> Option<Claim> {
    let metadata = std::fs::symlink_metadata(path).ok()?;
    if !metadata.is_dir() || metadata.uid() != user {
        return None;
    }
    match File::open(path.join(LOCK)) {
        Ok(lock) => {
            lock.try_lock().ok()?;
            // Another sweep may have removed it, with the directory, since it was opened.
            let is_there = lock.metadata().ok()?.nlink() > 0;
            is_there.then_some(Claim { _lock: Some(lock) })
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            // A time in the future is no age: the clock was moved, and the next sweep will know better.
            let age = metadata.modified().ok()?.elapsed().ok()?;
            (age > WITHOUT_LOCK).then_some(Claim { _lock: None })
        }
        Err(_) => None,
    }
}

fn remove_tree(path: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound && !path.exists() => Ok(()),
        // E.g. a directory without permissions, which stops everybody but root, more levels than a process may have open
        // files, or somebody who is still writing.
        Err(_) => remove_by_force(path),
    }
}

/// Removes a directory from its leaves up, making each one writable first and holding none open.
fn remove_by_force(top: &Path) -> io::Result<()> {
    let mut pending = vec![top.to_owned()];
    while let Some(directory) = pending.last().cloned() {
        // Where this fails, the next line tells.
        let _ = std::fs::set_permissions(&directory, Permissions::from_mode(0o700));
        let known = pending.len();
        for entry in gone_is_fine(std::fs::read_dir(&directory))?
            .into_iter()
            .flatten()
        {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                pending.push(entry.path());
            } else {
                gone_is_fine(std::fs::remove_file(entry.path()))?;
            }
        }
        if pending.len() == known {
            gone_is_fine(std::fs::remove_dir(&directory))?;
            pending.pop();
        }
    }
    Ok(())
}

fn gone_is_fine<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::os::unix::process::CommandExt as _;
    use std::process::{Command, Stdio};
    use std::time::{Instant, SystemTime};

    use super::*;

    const UUID: &str = "0123456789abcdef0123456789abcdef";

    fn parent() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    fn count(directory: &Path) -> usize {
        fs::read_dir(directory).unwrap().count()
    }

    fn make_old(path: &Path) {
        let long_ago = SystemTime::now() - Duration::from_secs(3600);
        File::open(path).unwrap().set_modified(long_ago).unwrap();
    }

    /// A directory as a killed run leaves it: with a lock that nobody holds.
    fn abandoned(parent: &Path) -> PathBuf {
        let path = parent.join(format!("{PREFIX}{UUID}"));
        fs::create_dir_all(path.join("source/deep")).unwrap();
        fs::write(path.join(LOCK), "").unwrap();
        fs::write(path.join("source/deep/file"), "x").unwrap();
        path
    }

    #[test]
    fn a_work_directory_is_private_and_goes_with_its_guard() {
        let parent = parent();
        let work = WorkDir::create(parent.path()).unwrap();
        let metadata = fs::metadata(work.path()).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o700);
        assert!(is_work_dir(work.path().file_name().unwrap()));
        let other = WorkDir::create(parent.path()).unwrap();
        assert_ne!(work.path(), other.path());
        fs::create_dir(work.path().join("source")).unwrap();
        drop((work, other));
        assert_eq!(count(parent.path()), 0);
    }

    #[test]
    fn without_a_parent_there_is_an_error() {
        let parent = parent();
        let error = WorkDir::create(&parent.path().join("nothing")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn removal_does_not_follow_links() {
        let parent = parent();
        let kept = parent.path().join("kept");
        fs::create_dir(&kept).unwrap();
        fs::write(kept.join("file"), "x").unwrap();
        let work = WorkDir::create(parent.path()).unwrap();
        symlink(&kept, work.path().join("link")).unwrap();
        work.remove().await.unwrap();
        assert_eq!(count(parent.path()), 1);
        assert!(kept.join("file").exists());
    }

    /// Root may do everything, so this is run again as somebody else.
    #[test]
    fn directories_without_permissions_are_removed_too() {
        let again = "artifact::source::workdir::tests::modes_do_not_stop_a_removal_by_somebody";
        let parent = parent();
        fs::set_permissions(parent.path(), Permissions::from_mode(0o777)).unwrap();
        let mut test = Command::new(std::env::current_exe().unwrap());
        test.args(["--exact", again, "--ignored"])
            .env("TMPDIR", parent.path())
            .current_dir("/")
            .stdout(Stdio::piped());
        if rustix::process::geteuid().is_root() {
            test.uid(65_534).gid(65_534);
        }
        let ended = match test.output() {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                println!("SKIPPED: nobody may not run the test binary where it stands");
                return;
            }
            ended => ended.unwrap(),
        };
        let said = String::from_utf8_lossy(&ended.stdout);
        assert!(ended.status.success(), "{said}");
        assert!(said.contains("1 passed"), "{said}");
        assert_eq!(count(parent.path()), 0);
    }

    #[tokio::test]
    #[ignore = "run by the test above, as a user whom modes stop"]
    async fn modes_do_not_stop_a_removal_by_somebody() {
        let parent = parent();
        for asynchronously in [true, false] {
            let work = WorkDir::create(parent.path()).unwrap();
            for (name, mode) in [("closed", 0o000), ("fixed", 0o555), ("blind", 0o333)] {
                let path = work.path().join(name);
                fs::create_dir_all(path.join("inner")).unwrap();
                fs::write(path.join("inner/file"), "x").unwrap();
                for path in [path.join("inner"), path] {
                    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
                }
            }
            assert!(fs::read_dir(work.path().join("closed")).is_err());
            assert!(fs::remove_dir_all(work.path()).is_err());
            if asynchronously {
                work.remove().await.unwrap();
            } else {
                drop(work);
            }
            assert_eq!(count(parent.path()), 0);
        }
    }

    #[test]
    fn directories_deeper_than_open_files_allow_are_removed() {
        let parent = parent();
        let work = WorkDir::create(parent.path()).unwrap();
        fs::create_dir_all(work.path().join("d/".repeat(1900))).unwrap();
        drop(work);
        assert_eq!(count(parent.path()), 0);
    }

    #[tokio::test]
    async fn a_directory_that_still_fills_is_removed_once_that_ends() {
        let parent = parent();
        let work = WorkDir::create(parent.path()).unwrap();
        let source = work.path().join("source");
        fs::create_dir(&source).unwrap();
        let writer = std::thread::spawn(move || {
            let end = Instant::now() + Duration::from_millis(150);
            let mut number = 0;
            while Instant::now() < end {
                // Fails once the removal has won.
                let _ = fs::create_dir(&source);
                let _ = fs::write(source.join(number.to_string()), "");
                number += 1;
            }
        });
        work.remove().await.unwrap();
        writer.join().unwrap();
        assert_eq!(count(parent.path()), 0);
    }

    #[test]
    fn what_a_killed_run_left_is_swept_and_what_is_in_use_is_not() {
        let parent = parent();
        let work = WorkDir::create(parent.path()).unwrap();
        make_old(work.path());
        abandoned(parent.path());
        assert_eq!(WorkDir::sweep(parent.path()).unwrap(), 1);
        assert!(work.path().join(LOCK).exists());
        assert_eq!(count(parent.path()), 1);
        let path = work.path().to_owned();
        // As if the process had ended without a chance to clean up.
        fs::create_dir(path.join("source")).unwrap();
        let WorkDir { _lock: lock, .. } = &work;
        lock.unlock().unwrap();
        assert_eq!(WorkDir::sweep(parent.path()).unwrap(), 1);
        assert!(!path.exists());
    }

    #[test]
    fn a_killed_process_gives_its_directory_up() {
        let parent = parent();
        let path = abandoned(parent.path());
        // `flock` holds the lock as a run does, in another process.
        let mut holder = Command::new("flock")
            .arg(path.join(LOCK))
            .args(["sh", "-c", "echo held; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = [0; 5];
        io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut said).unwrap();
        assert_eq!(WorkDir::sweep(parent.path()).unwrap(), 0);
        // The child shares the lock and ends when its input does.
        holder.kill().unwrap();
        drop(holder.stdin.take());
        holder.wait().unwrap();
        let end = Instant::now() + Duration::from_secs(10);
        while WorkDir::sweep(parent.path()).unwrap() == 0 {
            assert!(Instant::now() < end, "the lock outlives its process");
            std::thread::yield_now();
        }
        assert!(!path.exists());
    }

    #[test]
    fn a_lock_that_another_sweep_has_removed_is_no_claim() {
        let parent = parent();
        for round in 0..200 {
            let path = abandoned(parent.path());
            let sweep = || WorkDir::sweep(parent.path()).unwrap();
            let removed = std::thread::scope(|scope| {
                let sweeps = [scope.spawn(sweep), scope.spawn(sweep), scope.spawn(sweep)];
                sweeps.map(|sweep| sweep.join().unwrap())
            });
            assert_eq!(removed.iter().sum::<usize>(), 1, "round {round}");
            assert!(!path.exists());
        }
    }

    #[test]
    fn a_directory_without_a_lock_is_left_alone_until_it_is_old() {
        let parent = parent();
        let path = abandoned(parent.path());
        fs::remove_file(path.join(LOCK)).unwrap();
        assert_eq!(WorkDir::sweep(parent.path()).unwrap(), 0);
        make_old(&path);
        assert_eq!(WorkDir::sweep(parent.path()).unwrap(), 1);
    }

    #[test]
    fn what_is_not_ours_is_not_swept() {
        let parent = parent();
        let at = |name: &str| parent.path().join(name);
        let target = at("target");
        fs::create_dir(&target).unwrap();
        fs::write(target.join(LOCK), "").unwrap();
        symlink(&target, at(&format!("{PREFIX}{UUID}"))).unwrap();
        // As the replaced program names its own.
        for name in [
            "cs-deploy-1234567890",
            "cs-deploy-image-12",
            "cs-deploy-",
            "other",
        ] {
            fs::create_dir(at(name)).unwrap();
            fs::write(at(name).join(LOCK), "").unwrap();
            make_old(&at(name));
        }
        fs::write(at(&format!("{PREFIX}{}", UUID.replace('0', "f"))), "").unwrap();
        assert_eq!(WorkDir::sweep(parent.path()).unwrap(), 0);
        assert_eq!(count(parent.path()), 7);
        assert!(WorkDir::sweep(&at("nothing")).is_err());
    }

    #[test]
    fn a_directory_of_somebody_else_is_not_swept() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let parent = parent();
        let path = abandoned(parent.path());
        std::os::unix::fs::chown(&path, Some(65_534), None).unwrap();
        assert_eq!(WorkDir::sweep(parent.path()).unwrap(), 0);
        std::os::unix::fs::chown(&path, Some(0), None).unwrap();
        assert_eq!(WorkDir::sweep(parent.path()).unwrap(), 1);
    }

    #[test]
    fn two_sweeps_at_once_do_not_disturb_each_other() {
        let parent = parent();
        for number in 0..20 {
            let left = abandoned(parent.path());
            let name = format!("{PREFIX}{number:032x}");
            fs::rename(left, parent.path().join(name)).unwrap();
        }
        let sweep = || WorkDir::sweep(parent.path()).unwrap();
        let removed = std::thread::scope(|scope| {
            let sweeps = [scope.spawn(sweep), scope.spawn(sweep)];
            sweeps.map(|sweep| sweep.join().unwrap())
        });
        assert_eq!(count(parent.path()), 0);
        assert_eq!(removed.iter().sum::<usize>(), 20);
    }
}
