//! Which files of a folder are read.
//!
//! First all that really stands in the folder is walked, then the links. A link to something that is read anyway changes
//! nothing, so nothing is read twice; one to a hidden or ignored place inside the folder is followed (a mounted
//! configuration map of Kubernetes looks like this). A link out of the folder, to nothing, or to a folder that the link
//! itself stands in is a finding, when a spec could be behind it.

use std::collections::BTreeSet;
use std::fs::FileType;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use tokio_util::sync::CancellationToken;

use super::budget::{Budget, MOST_DEPTH, MOST_FILES};
use super::content::Met;
use super::error::LoadError;
use super::file;
use super::findings::{about, at, shown, unreadable};
use super::glob::too_deep;
use super::ignore::{self, Ignore};
use crate::spec::Diagnostic;

/// A file that is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) path: PathBuf,
    /// What it is called in findings.
    pub(super) shown: String,
    pub(super) met: Met,
}

/// What a folder holds.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// In the order of names, folder by folder.
    pub(super) files: Vec<Candidate>,
    pub(super) findings: Vec<Diagnostic>,
}

/// Walks a folder.
pub(super) fn walk(
    folder: &Path,
    called: &str,
    budget: &Budget,
    stop: &CancellationToken,
) -> Result<Walked, LoadError> {
    let mut walk = Walk {
        walked: Walked::default(),
        links: Vec::new(),
        folders: BTreeSet::new(),
        is_full: false,
        budget,
        stop,
    };
    let root = match std::fs::canonicalize(folder) {
        Ok(root) => root,
        Err(error) => {
            walk.walked.findings.push(unreadable(called, &error));
            return Ok(walk.walked);
        }
    };
    let top = Folder {
        path: folder.to_owned(),
        real: root.clone(),
        shown: called.to_owned(),
        depth: 0,
        ignores: None,
    };
    walk.enter(&top)?;
    walk.follow(&root)?;
    Ok(walk.walked)
}

struct Walk<'w> {
    walked: Walked,
    links: Vec<Link>,
    /// Real paths of the folders that were entered.
    folders: BTreeSet<PathBuf>,
    is_full: bool,
    budget: &'w Budget,
    stop: &'w CancellationToken,
}

/// A folder on the way.
struct Folder {
    /// As it was reached.
    path: PathBuf,
    /// Without links.
    real: PathBuf,
    shown: String,
    depth: usize,
    ignores: Option<Rc<Level>>,
}

/// The rules of one ignore file, and of those above it.
struct Level {
    ignore: Ignore,
    folder: PathBuf,
    above: Option<Rc<Level>>,
}

struct Link {
    path: PathBuf,
    real_folder: PathBuf,
    shown: String,
    depth: usize,
    is_spec: bool,
    /// What the rules say if it turns out to be a file, and if a folder.
    ignored: (bool, bool),
    ignores: Option<Rc<Level>>,
}

impl Walk<'_> {
    fn enter(&mut self, folder: &Folder) -> Result<(), LoadError> {
        if self.stop.is_cancelled() {
            return Err(LoadError::Stopped);
        }
        if folder.depth > MOST_DEPTH {
            self.find(about(&*folder.shown, "too-deep", too_deep(), None));
            return Ok(());
        }
        if !self.folders.insert(folder.real.clone()) {
            return Ok(());
        }
        let entries = match entries(&folder.path) {
            Ok(entries) => entries,
            Err(error) => {
                self.find(unreadable(&folder.shown, &error));
                return Ok(());
            }
        };
        let ignores = if entries.iter().any(|(name, _)| name == ignore::NAME) {
            self.read_ignore(folder)
        } else {
            folder.ignores.clone()
        };
        for (name, kind) in entries {
            if self.is_full {
                break;
            }
            if !name.starts_with('.') {
                self.take(folder, &name, kind, ignores.as_ref())?;
            }
        }
        Ok(())
    }

    fn take(
        &mut self,
        folder: &Folder,
        name: &str,
        kind: FileType,
        ignores: Option<&Rc<Level>>,
    ) -> Result<(), LoadError> {
        let path = folder.path.join(name);
        let is_spec = Met::Found.takes(name);
        if kind.is_dir() {
            if is_ignored(ignores, &path, true) {
                return Ok(());
            }
            return self.enter(&Folder {
                shown: joined(&folder.shown, name),
                real: folder.real.join(name),
                depth: folder.depth + 1,
                ignores: ignores.cloned(),
                path,
            });
        }
        if kind.is_symlink() {
            self.links.push(Link {
                shown: joined(&folder.shown, name),
                real_folder: folder.real.clone(),
                depth: folder.depth + 1,
                is_spec,
                ignored: (
                    is_ignored(ignores, &path, false),
                    is_ignored(ignores, &path, true),
                ),
                ignores: ignores.cloned(),
                path,
            });
        } else if is_spec && !is_ignored(ignores, &path, false) {
            let called = joined(&folder.shown, name);
            if kind.is_file() {
                self.push(path, called);
            } else {
                self.find(about(called, "not-a-file", "is no regular file", None));
            }
        }
        Ok(())
    }

    fn push(&mut self, path: PathBuf, called: String) {
        if self.budget.file() {
            self.walked.files.push(Candidate {
                path,
                shown: called,
                met: Met::Found,
            });
        } else if !self.is_full {
            self.is_full = true;
            let message = format!("more than {MOST_FILES} files are to be read");
            self.find(about(called, "too-many-files", message, None));
        }
    }

    fn find(&mut self, finding: Diagnostic) {
        self.walked.findings.push(finding);
    }

    fn read_ignore(&mut self, folder: &Folder) -> Option<Rc<Level>> {
        let called = joined(&folder.shown, ignore::NAME);
        let path = folder.path.join(ignore::NAME);
        let ignore = file::read(&path, &called, self.budget, &mut Vec::new()).and_then(|text| {
            Ignore::parse(&text.text).map_err(|bad| {
                let message = format!("the line is no pattern: {}", bad.problem);
                at(&called, (bad.line, 1), "bad-pattern", message, None)
            })
        });
        match ignore {
            Ok(ignore) => Some(Rc::new(Level {
                ignore,
                folder: folder.path.clone(),
                above: folder.ignores.clone(),
            })),
            Err(finding) => {
                self.find(finding);
                folder.ignores.clone()
            }
        }
    }

    /// Looks behind the links, also those that are met on the way.
    fn follow(&mut self, root: &Path) -> Result<(), LoadError> {
        if self.links.is_empty() {
            return Ok(());
        }
        let files = self.walked.files.iter();
        let mut known: BTreeSet<PathBuf> = files
            .filter_map(|file| std::fs::canonicalize(&file.path).ok())
            .collect();
        let before = self.walked.files.len();
        self.links.reverse();
        while let Some(link) = self.links.pop() {
            self.follow_one(&link, root, &mut known)?;
        }
        if self.walked.files.len() > before {
            self.walked.files.sort_by(|a, b| a.path.cmp(&b.path));
        }
        Ok(())
    }

    fn follow_one(
        &mut self,
        link: &Link,
        root: &Path,
        known: &mut BTreeSet<PathBuf>,
    ) -> Result<(), LoadError> {
        let (ignored_as_file, ignored_as_folder) = link.ignored;
        if ignored_as_file && ignored_as_folder {
            return Ok(());
        }
        let target = std::fs::canonicalize(&link.path);
        let target = target.and_then(|target| Ok((std::fs::metadata(&target)?, target)));
        let (metadata, target) = match target {
            Ok(found) => found,
            Err(error) => {
                self.find(broken_link(&link.shown, &error));
                return Ok(());
            }
        };
        let (is_folder, is_ignored) = match metadata.is_dir() {
            true => (true, ignored_as_folder),
            false => (false, ignored_as_file),
        };
        if is_ignored || !(is_folder || link.is_spec) {
            return Ok(());
        }
        if !target.starts_with(root) {
            let help = "name what it points to as a source of its own, or list it in .csignore";
            let message = "is a link that leads out of the folder";
            self.find(about(&*link.shown, "link-outside", message, Some(help)));
        } else if is_folder && link.real_folder.starts_with(&target) {
            let message = "is a link to a folder that it stands in itself";
            self.find(about(
                &*link.shown,
                "link-loop",
                message,
                Some("remove the link"),
            ));
        } else if is_folder {
            self.enter(&Folder {
                path: link.path.clone(),
                real: target,
                shown: link.shown.clone(),
                depth: link.depth,
                ignores: link.ignores.clone(),
            })?;
        } else if !metadata.is_file() {
            self.find(about(
                &*link.shown,
                "not-a-file",
                "is no regular file",
                None,
            ));
        } else if known.insert(target) {
            self.push(link.path.clone(), link.shown.clone());
        }
        Ok(())
    }
}

/// Names and kinds, in the order of the names.
fn entries(folder: &Path) -> io::Result<Vec<(String, FileType)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        // A name that is no text is no spec's, but a folder may have one.
        match entry.file_name().into_string() {
            Ok(name) => found.push((name, entry.file_type()?)),
            Err(_) if entry.file_type()?.is_dir() => {
                let kind = io::ErrorKind::InvalidFilename;
                return Err(io::Error::from(kind));
            }
            Err(_) => {}
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

fn is_ignored(level: Option<&Rc<Level>>, path: &Path, is_folder: bool) -> bool {
    let mut level = level;
    while let Some(here) = level {
        let relative = path.strip_prefix(&here.folder);
        let relative = relative.map(Path::to_string_lossy).unwrap_or_default();
        if let Some(said) = here.ignore.says(&relative, is_folder) {
            return said;
        }
        level = here.above.as_ref();
    }
    false
}

fn broken_link(called: &str, error: &io::Error) -> Diagnostic {
    let is_loop = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
    if is_loop {
        let message = "is a link that leads back to itself";
        return about(called, "link-loop", message, Some("remove the link"));
    }
    if error.kind() == io::ErrorKind::NotFound {
        let help = "remove it, or put there what it points to; specs may be missing";
        return about(called, "link-broken", "is a link to nothing", Some(help));
    }
    unreadable(called, error)
}

/// The name of something in a folder, as it is shown.
pub(super) fn joined(folder: &str, name: &str) -> String {
    let name = shown(Path::new(name));
    match folder {
        "" | "." => name,
        _ => format!("{}/{name}", folder.trim_end_matches('/')),
    }
}

/// A path for people, without what leads nowhere: `specs/prod/../base` is `specs/base`. Of addresses the scheme stays.
pub(super) fn tidy(path: &str) -> String {
    let text = shown(Path::new(path));
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), text.as_str()),
    };
    let root = if rest.starts_with('/') { "/" } else { "" };
    let mut parts: Vec<&str> = Vec::new();
    for part in rest.trim_start_matches('/').split('/') {
        match part {
            "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            // Twice a slash separates a repository from what is in it.
            other => parts.push(other),
        }
    }
    let tidied = format!("{scheme}{root}{}", parts.join("/"));
    match tidied.is_empty() {
        true => ".".to_owned(),
        false => tidied,
    }
}
