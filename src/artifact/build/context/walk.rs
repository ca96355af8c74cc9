//! Which files a context has, in a fixed order, one after the other.
//!
//! Holds the names of the directories on the way down, never the whole tree.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use super::dockerignore::Verdict;
use super::{ContextPlan, GIT};

/// Something that a context has: a directory, a regular file or a symbolic link.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Where it is in the context.
    pub(super) name: PathBuf,
    /// Where it is.
    pub(super) path: PathBuf,
    /// Of itself, not of what a link points to.
    pub(super) metadata: Metadata,
}

/// How much a context is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// Bytes of the regular files together.
    pub bytes: u64,
    /// How many these are.
    pub files: u64,
}

impl fmt::Display for Size {
    /// E.g. `12.3 MiB in 345 files`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 3] = ["KiB", "MiB", "GiB"];
        let Self { bytes, files } = self;
        // Exact enough up to some petabytes.
        let mut amount = *bytes as f64;
        let mut unit = "B";
        for larger in UNITS {
            if amount < 1024.0 {
                break;
            }
            amount /= 1024.0;
            unit = larger;
        }
        let digits = usize::from(unit != "B");
        let noun = if *files == 1 { "file" } else { "files" };
        write!(f, "{amount:.digits$} {unit} in {files} {noun}")
    }
}

impl ContextPlan {
    /// Adds up what the context has, for people. Blocks.
    ///
    /// # Errors
    /// A directory cannot be read, or `stop` was cancelled.
    pub fn measure(&self, stop: &CancellationToken) -> io::Result<Size> {
        let mut size = Size::default();
        for entry in self.walk()? {
            if stop.is_cancelled() {
                return Err(super::tar::stopped());
            }
            let metadata = entry?.metadata;
            if metadata.is_file() {
                size.bytes += metadata.len();
                size.files += 1;
            }
        }
        Ok(size)
    }

    /// All entries; a directory comes before what is in it, names come in the order of their bytes.
    pub(super) fn walk(&self) -> io::Result<Walk<'_>> {
        let mut names = names(&self.directory).map_err(|error| about(Path::new("."), error))?;
        names.extend(self.grafts.keys().cloned());
        last_first(&mut names);
        Ok(Walk {
            plan: self,
            levels: vec![Level {
                path: self.directory.clone(),
                name: PathBuf::new(),
                text: String::new(),
                names,
                verdict: Verdict::default(),
                withheld: None,
            }],
            ready: VecDeque::new(),
        })
    }
}

/// See [`ContextPlan::walk`].
pub(super) struct Walk<'a> {
    plan: &'a ContextPlan,
    /// The directories on the way down.
    levels: Vec<Level>,
    /// What comes next.
    ready: VecDeque<Entry>,
}

/// A directory whose entries come.
struct Level {
    path: PathBuf,
    /// In the context.
    name: PathBuf,
    /// The same as the ignore file knows it: with a slash at the end unless it is the top.
    text: String,
    /// What is still to come, the next one last.
    names: Vec<OsString>,
    verdict: Verdict,
    /// The directory itself while it is ignored: it is there as soon as something in it is.
    withheld: Option<Entry>,
}

impl Iterator for Walk<'_> {
    type Item = io::Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                return Some(Ok(entry));
            }
            let Some(name) = self.levels.last_mut()?.names.pop() else {
                self.levels.pop();
                continue;
            };
            if let Err(error) = self.visit(&name) {
                self.levels.clear();
                return Some(Err(error));
            }
        }
    }
}

impl Walk<'_> {
    /// Looks at one name of the current directory.
    fn visit(&mut self, name: &OsStr) -> io::Result<()> {
        let level = self.levels.last().expect("the name is of this directory");
        if name == GIT && !self.plan.text.needs_git {
            return Ok(());
        }
        let graft = match self.levels.len() {
            1 => self.plan.grafts.get(name),
            _ => None,
        };
        let path = graft.cloned().unwrap_or_else(|| level.path.join(name));
        let text = format!("{}{}", level.text, name.to_string_lossy());
        let verdict = self.plan.ignore.judge(&text, &level.verdict);
        if verdict.ignored && !self.plan.ignore.may_keep_below(&text) {
            return Ok(());
        }
        let metadata =
            fs::symlink_metadata(&path).map_err(|error| about(Path::new(&text), error))?;
        let kind = metadata.file_type();
        let entry = Entry {
            name: level.name.join(name),
            path,
            metadata,
        };
        if kind.is_dir() {
            self.descend(entry, text, verdict)
        } else {
            if !verdict.ignored && (kind.is_file() || kind.is_symlink()) {
                self.release(entry);
            }
            Ok(())
        }
    }

    fn descend(&mut self, entry: Entry, text: String, verdict: Verdict) -> io::Result<()> {
        let mut level = Level {
            names: names(&entry.path).map_err(|error| about(&entry.name, error))?,
            path: entry.path.clone(),
            name: entry.name.clone(),
            text: text + "/",
            withheld: None,
            verdict,
        };
        if level.verdict.ignored {
            level.withheld = Some(entry);
        } else {
            self.release(entry);
        }
        self.levels.push(level);
        Ok(())
    }

    /// Lets an entry come, after the directories that it is in.
    fn release(&mut self, entry: Entry) {
        let above = self.levels.iter_mut();
        self.ready
            .extend(above.filter_map(|level| level.withheld.take()));
        self.ready.push_back(entry);
    }
}

/// The names in a directory, in the order of [`last_first`].
fn names(directory: &Path) -> io::Result<Vec<OsString>> {
    let entries = fs::read_dir(directory)?;
    let mut names = entries
        .map(|entry| Ok(entry?.file_name()))
        .collect::<io::Result<Vec<_>>>()?;
    last_first(&mut names);
    Ok(names)
}

/// Sorts names so that they can be popped in the order of their bytes, each once.
fn last_first(names: &mut Vec<OsString>) {
    names.sort_unstable_by(|left, right| right.cmp(left));
    names.dedup();
}

/// An error with the name that its file has in the context.
pub(super) fn about(name: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("`{}`: {error}", name.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_shown_for_people() {
        for (bytes, files, shown) in [
            (0, 0, "0 B in 0 files"),
            (1023, 1, "1023 B in 1 file"),
            (1536, 2, "1.5 KiB in 2 files"),
            (12_897_485, 345, "12.3 MiB in 345 files"),
            (5 << 40, 9, "5120.0 GiB in 9 files"),
        ] {
            assert_eq!(Size { bytes, files }.to_string(), shown);
        }
    }
}
