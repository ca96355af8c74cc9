//! Which commit the sources are, as far as that can be told. Shared by the build script and by the tests of the library.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a binary is made of, below the root of the repository. A change anywhere else leaves the binary as it is.
pub(crate) const INPUTS: [&str; 7] = [
    ".cargo/config.toml",
    "Cargo.lock",
    "Cargo.toml",
    "deploy/static.ld",
    "schemas",
    "specs",
    "src",
];

/// The commit of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Commit {
    /// All 40 digits where git was asked; as given otherwise. Ends with `-dirty` when the inputs differ from the commit.
    pub(crate) id: String,
    /// When it was committed, UTC, `2026-11-21`; empty when that is not known.
    pub(crate) date: String,
}

impl Commit {
    /// The one that somebody names who builds without a checkout.
    ///
    /// # Errors
    /// It is no commit, or no date: in words.
    pub(crate) fn given(id: &str, date: &str) -> Result<Self, String> {
        let digits = id.strip_suffix("-dirty").unwrap_or(id);
        let is_hex = digits
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !is_hex || !(7..=64).contains(&digits.len()) {
            return Err(format!(
                "CS_COMMIT is `{id}`: expected 7 to 64 lower-case hexadecimal digits"
            ));
        }
        let is_date = date.len() == 10
            && date.bytes().enumerate().all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        if !date.is_empty() && !is_date {
            return Err(format!(
                "CS_COMMIT_DATE is `{date}`: expected a date such as 2026-11-21"
            ));
        }
        Ok(Self {
            id: id.to_owned(),
            date: date.to_owned(),
        })
    }

    /// The one that is checked out in `root`. `None`: no checkout, no `git`, or no commit yet.
    ///
    /// A folder inside of a foreign checkout, where a source archive was unpacked, has none.
    pub(crate) fn checked_out(root: &Path) -> Option<Self> {
        if !git(root, &["rev-parse", "--show-prefix"])?.is_empty() {
            return None;
        }
        let told = git(
            root,
            &[
                "log",
                "-1",
                "--format=%H %cd",
                "--date=format-local:%Y-%m-%d",
            ],
        )?;
        let (id, date) = told.split_once(' ')?;
        let mut status = vec!["status", "--porcelain", "--"];
        status.extend(INPUTS);
        let dirty = match git(root, &status)?.as_str() {
            "" => "",
            _ => "-dirty",
        };
        Some(Self {
            id: format!("{id}{dirty}"),
            date: date.to_owned(),
        })
    }

    /// As it stands behind the version: `abc123456 2026-11-21`.
    pub(crate) fn label(&self) -> String {
        // Git's own abbreviation grows with the clone; that of a reproducible build must not.
        let (digits, dirty) = match self.id.strip_suffix("-dirty") {
            Some(digits) => (digits, "-dirty"),
            None => (self.id.as_str(), ""),
        };
        let short = &digits[..digits.len().min(9)];
        format!("{short}{dirty} {}", self.date).trim().to_owned()
    }
}

/// The files that change when another commit is checked out in `root`. Only those that are there: Cargo takes a missing file
/// for a changed one.
pub(crate) fn moving_files(root: &Path) -> Vec<PathBuf> {
    let path = |name: &str| git(root, &["rev-parse", "--git-path", name]);
    let branch = git(root, &["symbolic-ref", "--quiet", "HEAD"]);
    // The log of HEAD tells of commits on a branch that stands in `packed-refs` only.
    let names = ["HEAD", "logs/HEAD", "packed-refs"].into_iter();
    names
        .chain(branch.as_deref())
        .filter_map(path)
        .map(|path| root.join(path))
        .filter(|path| path.is_file())
        .collect()
}

/// What `git` says, without the end of the line; `None` when it fails. It writes nothing, not even its index: that would make
/// the next build stale.
fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let output = program(root)
        .arg("--no-optional-locks")
        .args(arguments)
        .env("TZ", "UTC")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim_end().to_owned())
}

/// `git` in `root`, also when Cargo runs inside of a hook, where Git's variables name another place.
fn program(root: &Path) -> Command {
    let mut program = Command::new("git");
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
        program.env_remove(name);
    }
    program.arg("-C").arg(root);
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A repository with one commit of the year 2026.
    fn repository() -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("src")).unwrap();
        write(&home, "src/main.rs", "fn main() {}\n");
        write(&home, "README.md", "one\n");
        run(home.path(), &["init", "--quiet", "--initial-branch=main"]);
        commit(home.path());
        home
    }

    fn write(home: &tempfile::TempDir, name: &str, text: &str) {
        std::fs::write(home.path().join(name), text).unwrap();
    }

    fn commit(root: &Path) {
        run(root, &["add", "--all"]);
        run(root, &["commit", "--quiet", "--message=one"]);
    }

    fn run(root: &Path, arguments: &[&str]) {
        let status = program(root)
            .args(["-c", "user.name=a", "-c", "user.email=a@example.com"])
            .args(arguments)
            // In the evening of the west it is tomorrow in UTC.
            .env("GIT_COMMITTER_DATE", "2026-11-21T23:30:00-05:00")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap();
        assert!(status.status.success(), "{arguments:?}: {status:?}");
    }

    #[test]
    fn a_clean_checkout_is_its_commit_and_the_day_in_utc() {
        let home = repository();
        let found = Commit::checked_out(home.path()).unwrap();
        let head = git(home.path(), &["rev-parse", "HEAD"]).unwrap();
        assert_eq!(
            (found.id.as_str(), found.date.as_str()),
            (head.as_str(), "2026-11-22")
        );
        assert_eq!(found.label(), format!("{} 2026-11-22", &head[..9]));
    }

    #[test]
    fn changed_and_new_inputs_are_told_and_other_files_are_not() {
        let home = repository();
        write(&home, "README.md", "two\n");
        assert!(
            !Commit::checked_out(home.path())
                .unwrap()
                .id
                .ends_with("-dirty")
        );
        write(&home, "src/new.rs", "");
        let found = Commit::checked_out(home.path()).unwrap();
        assert!(found.id.ends_with("-dirty"), "{found:?}");
        assert!(
            found.label().ends_with("-dirty 2026-11-22"),
            "{}",
            found.label()
        );
        std::fs::remove_file(home.path().join("src/new.rs")).unwrap();
        write(&home, "src/main.rs", "fn main() { }\n");
        assert!(
            Commit::checked_out(home.path())
                .unwrap()
                .id
                .ends_with("-dirty")
        );
    }

    #[test]
    fn without_a_checkout_of_its_own_there_is_no_commit() {
        let bare = tempfile::tempdir().unwrap();
        assert_eq!(Commit::checked_out(bare.path()), None);
        assert_eq!(moving_files(bare.path()), Vec::<PathBuf>::new());
        let home = repository();
        let archive = home.path().join("vendor/cs");
        std::fs::create_dir_all(&archive).unwrap();
        assert_eq!(Commit::checked_out(&archive), None);
        let empty = tempfile::tempdir().unwrap();
        run(empty.path(), &["init", "--quiet"]);
        assert_eq!(Commit::checked_out(empty.path()), None);
    }

    /// What Cargo looks at: the youngest of the files.
    fn moved(root: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        let files = moving_files(root).into_iter();
        files
            .map(|path| (path.clone(), std::fs::read(path).unwrap()))
            .collect()
    }

    #[test]
    fn a_new_commit_shows_in_the_watched_files_in_worktrees_and_with_packed_refs_too() {
        let home = repository();
        let tree = home.path().join("tree");
        run(
            home.path(),
            &["worktree", "add", "--quiet", "-b", "other", "tree"],
        );
        run(home.path(), &["pack-refs", "--all"]);
        for root in [home.path(), tree.as_path()] {
            let before = moved(root);
            assert!(before.len() >= 2, "{before:?}");
            std::fs::write(root.join("src/main.rs"), "fn main() { let _ = 1; }\n").unwrap();
            assert_eq!(moved(root), before);
            commit(root);
            assert_ne!(moved(root), before);
            assert!(!Commit::checked_out(root).unwrap().id.ends_with("-dirty"));
        }
    }

    #[test]
    fn looking_leaves_the_repository_untouched() {
        let home = repository();
        write(&home, "src/main.rs", "fn main() {}\n");
        let index = home.path().join(".git/index");
        let before = std::fs::read(&index).unwrap();
        Commit::checked_out(home.path()).unwrap();
        assert_eq!(std::fs::read(&index).unwrap(), before);
    }

    #[test]
    fn a_commit_that_is_given_must_be_one() {
        let given = Commit::given("0123456789abcdef", "2026-11-21").unwrap();
        assert_eq!(given.label(), "012345678 2026-11-21");
        assert_eq!(
            Commit::given("0123456-dirty", "").unwrap().label(),
            "0123456-dirty"
        );
        for (id, date) in [
            ("", ""),
            ("012345", ""),
            ("v1.0.0-rc", ""),
            ("0123456\n", ""),
            ("0123456", "yesterday"),
            ("0123456", "2026-11-2x"),
        ] {
            assert!(Commit::given(id, date).is_err(), "{id} {date}");
        }
    }
}
