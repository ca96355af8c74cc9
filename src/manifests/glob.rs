//! Globs: which files and folders a pattern names.
//!
//! For patterns that no shell has expanded. `*`, `?` and `[a-z]` stay inside a name, `**` as a whole part stands for any
//! folders, hidden names are matched only by a part that begins with a dot, and links to folders are followed only by a
//! part that matches them, never by `**`: what a shell does.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::budget::{MOST_DEPTH, MOST_FILES};
use super::findings::{about, shown, unreadable};
use crate::artifact::build::context::pattern::Pattern;
use crate::spec::Diagnostic;

/// Whether a text has a character that means something in a pattern.
pub(super) fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// The files and folders that a pattern names, in the order of their names.
pub(super) fn expand(pattern: &str) -> Result<Vec<PathBuf>, Diagnostic> {
    let mut steps = Vec::new();
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        let step = Step::parse(part).map_err(|problem| {
            about(
                shown(pattern.as_ref()),
                "bad-glob",
                format!("is no pattern: {problem}"),
                None,
            )
        })?;
        if !(matches!(step, Step::Folders) && matches!(steps.last(), Some(Step::Folders))) {
            steps.push(step);
        }
    }
    let start = if pattern.starts_with('/') { "/" } else { "" };
    let mut search = Search::default();
    search.below(Path::new(start), &steps, 0);
    if let Some(failure) = search.failure {
        return Err(failure);
    }
    if search.found.is_empty() {
        let help = Some("check the pattern, and put it in quotes");
        let message = "no file or folder has such a name";
        return Err(about(shown(pattern.as_ref()), "no-match", message, help));
    }
    Ok(search.found.into_iter().collect())
}

enum Step {
    /// A name without anything special.
    Name(String),
    Pattern {
        pattern: Pattern,
        is_hidden: bool,
    },
    /// `**`
    Folders,
}

impl Step {
    fn parse(part: &str) -> Result<Self, &'static str> {
        Ok(if part == "**" {
            Self::Folders
        } else if is_glob(part) {
            Self::Pattern {
                pattern: Pattern::parse(&part.replace("[!", "[^"))?,
                is_hidden: part.starts_with('.'),
            }
        } else {
            Self::Name(part.to_owned())
        })
    }
}

#[derive(Default)]
struct Search {
    found: BTreeSet<PathBuf>,
    entries: usize,
    failure: Option<Diagnostic>,
}

impl Search {
    fn below(&mut self, folder: &Path, steps: &[Step], depth: usize) {
        if self.failure.is_some() {
            return;
        }
        let Some((step, rest)) = steps.split_first() else {
            self.found.insert(folder.to_owned());
            return;
        };
        match step {
            Step::Name(name) => {
                let path = folder.join(name);
                if std::fs::symlink_metadata(&path).is_ok() {
                    self.below(&path, rest, depth + 1);
                }
            }
            Step::Pattern { pattern, is_hidden } => {
                for (name, path, _) in self.entries(folder, depth) {
                    if name.starts_with('.') == *is_hidden && pattern.matches(&name) {
                        self.below(&path, rest, depth + 1);
                    }
                }
            }
            // At the end, the folder itself stands for all that is in it.
            Step::Folders if rest.is_empty() => self.below(folder, rest, depth),
            Step::Folders => {
                self.below(folder, rest, depth);
                for (name, path, is_folder) in self.entries(folder, depth) {
                    if is_folder && !name.starts_with('.') {
                        self.below(&path, steps, depth + 1);
                    }
                }
            }
        }
    }

    /// Names, paths and whether they are folders, links not counted.
    fn entries(&mut self, folder: &Path, depth: usize) -> Vec<(String, PathBuf, bool)> {
        let read = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        if depth > MOST_DEPTH {
            self.fail(about(shown(read), "too-deep", too_deep(), None));
            return Vec::new();
        }
        let entries = match std::fs::read_dir(read) {
            Ok(entries) => entries,
            // A name that is no folder has nothing below it.
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => return Vec::new(),
            Err(error) => {
                self.fail(unreadable(&shown(read), &error));
                return Vec::new();
            }
        };
        let mut found = Vec::new();
        for entry in entries {
            self.entries += 1;
            match entry {
                Ok(_) if self.entries > 10 * MOST_FILES => {
                    let message =
                        format!("more than {} names had to be looked at", 10 * MOST_FILES);
                    self.fail(about(shown(read), "too-many-files", message, None));
                    return Vec::new();
                }
                Ok(entry) => {
                    let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                    let name = entry.file_name();
                    found.push((
                        name.to_string_lossy().into_owned(),
                        folder.join(name),
                        is_folder,
                    ));
                }
                Err(error) => self.fail(unreadable(&shown(read), &error)),
            }
        }
        found
    }

    fn fail(&mut self, finding: Diagnostic) {
        self.failure.get_or_insert(finding);
    }
}

/// What is said about a folder too many.
pub(super) fn too_deep() -> String {
    format!("folders are nested deeper than {MOST_DEPTH}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_what_a_shell_would_name() {
        let home = tempfile::tempdir().unwrap();
        for path in [
            "a.yaml",
            "b.yaml",
            "c.yml",
            ".hidden.yaml",
            "d/a.yaml",
            "d/e/a.yaml",
            "d/e/b.yml",
            ".git/a.yaml",
            "f[1].yaml",
        ] {
            let path = home.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        std::os::unix::fs::symlink("..", home.path().join("d/up")).unwrap();
        let expand = |pattern: &str| -> Vec<String> {
            let whole = format!("{}/{pattern}", home.path().display());
            let found = super::expand(&whole).map_err(|finding| finding.code);
            let found = match found {
                Ok(found) => found,
                Err(code) => return vec![code.to_owned()],
            };
            let relative = |path: PathBuf| path.strip_prefix(home.path()).unwrap().to_owned();
            found
                .into_iter()
                .map(|path| relative(path).display().to_string())
                .collect()
        };
        assert_eq!(expand("*.yaml"), ["a.yaml", "b.yaml", "f[1].yaml"]);
        assert_eq!(expand("[ab].y*ml"), ["a.yaml", "b.yaml"]);
        assert_eq!(expand("[!a].yaml"), ["b.yaml"]);
        assert_eq!(expand("**/a.yaml"), ["a.yaml", "d/a.yaml", "d/e/a.yaml"]);
        assert_eq!(expand("d/**/**/*.yml"), ["d/e/b.yml"]);
        assert_eq!(expand("**"), [""]);
        assert_eq!(expand("*/e"), ["d/e"]);
        assert_eq!(expand(".h*"), [".hidden.yaml"]);
        assert_eq!(expand("d/*/c.yml"), ["d/up/c.yml"]);
        assert_eq!(expand("?"), ["d"]);
        assert_eq!(expand("x*"), ["no-match"]);
        assert_eq!(expand("nothing/*"), ["no-match"]);
        assert_eq!(expand("a.yaml/*"), ["no-match"]);
        assert_eq!(expand("[a"), ["bad-glob"]);
    }
}
