//! A disk without room, for real.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Unmounted when dropped.
pub(crate) struct SmallDisk {
    path: PathBuf,
    _home: TempDir,
}

impl SmallDisk {
    /// `None`, with a line that says so, where this user may not mount anything.
    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    pub(crate) fn mount(options: &str) -> Option<Self> {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("disk");
        std::fs::create_dir(&path).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(&path)
            .output();
        if !mounted.is_ok_and(|mounted| mounted.status.success()) {
            eprintln!("SKIPPED: a small file system cannot be mounted");
            return None;
        }
        Some(Self { path, _home: home })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.path).status();
    }
}
