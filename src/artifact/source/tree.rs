//! A directory whose paths cannot lead out of it, neither by name nor through links.
//!
//! Paths are followed here, component by component, instead of by the system: the system would follow a link out of the
//! tree before anybody could object. All of this blocks on the disk; async callers use `spawn_blocking`.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use super::text::shown;

/// Links that one path may pass. Linux gives up at 40, Go's `filepath.EvalSymlinks` at 255: what needs more leads nowhere.
const MOST_LINKS: usize = 255;

/// Directories inside each other that are walked. Each costs an open file; real sources stay below 50.
const MOST_DEPTH: usize = 256;

/// A fetched source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceTree {
    root: PathBuf,
}

/// A path or a link that leads out of the source, or to nothing. Paths in it are safe to print.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutOfTree {
    /// A path with `..` that climbs too far, or that passes a link to the outside.
    #[error("`{path}` leads out of the source: give a path inside it")]
    Path {
        /// As given.
        path: String,
    },
    /// A link in the source.
    #[error(
        "the source has a symbolic link that leads out of it: `{link}` -> `{target}`; remove it, or put there what it points to"
    )]
    Link {
        /// Relative to the source.
        link: String,
        /// Where it points.
        target: String,
    },
    /// Nothing stands there, or something else.
    #[error("the source has no {what} `{path}`: check its name, upper and lower case too")]
    Missing {
        /// `directory` or `file`.
        what: &'static str,
        /// As given.
        path: String,
    },
    /// The disk does not say what stands there, so nothing can be said about it.
    #[error("cannot look at `{path}` in the source: {reason}")]
    Unreadable {
        /// Relative to the source.
        path: String,
        /// Why.
        reason: io::ErrorKind,
    },
    /// Directories inside each other without a sensible end.
    #[error("the source is nested deeper than {MOST_DEPTH} directories: `{path}`")]
    TooDeep {
        /// Relative to the source.
        path: String,
    },
}

/// Why a path has no place in the tree.
enum Astray {
    /// It leaves the tree.
    Out,
    /// Links lead to each other.
    Loop,
    /// The disk does not answer for this path.
    Unreadable(PathBuf, io::ErrorKind),
}

impl SourceTree {
    /// Takes a directory as a source.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Its top.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns a directory of the source; without a path, or with an empty one, its top.
    ///
    /// Slashes at both ends, repeated ones and `.` mean nothing; `..` and links are followed inside the tree only. Source:
    /// contract 4.4.
    ///
    /// # Errors
    /// The path leads out, or there is no directory: the user's setting is to be corrected.
    pub fn directory(&self, relative: Option<&str>) -> Result<PathBuf, OutOfTree> {
        let path = relative.unwrap_or_default();
        self.find(Path::new(""), path, "directory", |kind| kind.is_dir())
    }

    /// Returns a regular file of the source, given relative to `base`, a directory that [`SourceTree::directory`] returned.
    ///
    /// `..` may climb above `base`, not out of the source. A slash in front means nothing: `/Dockerfile` is the one in
    /// `base`. Source: contract 4.4.
    ///
    /// # Errors
    /// The path leads out, or there is no such file: the user's setting is to be corrected.
    pub fn file(&self, base: &Path, relative: &str) -> Result<PathBuf, OutOfTree> {
        let Ok(base) = base.strip_prefix(&self.root) else {
            return Err(OutOfTree::Path {
                path: shown(relative),
            });
        };
        self.find(base, relative, "file", |kind| kind.is_file())
    }

    /// The same for a file that need not be there: `None` where no regular file stands.
    ///
    /// # Errors
    /// The path leads out, or the disk does not answer.
    pub fn optional_file(&self, base: &Path, relative: &str) -> Result<Option<PathBuf>, OutOfTree> {
        match self.file(base, relative) {
            Ok(path) => Ok(Some(path)),
            Err(OutOfTree::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Refuses a source with a symbolic link that leads out: by an absolute target, by `..`, or through other links.
    ///
    /// Links to nothing inside the tree and links in a circle are fine. What does not exist counts as a directory, since a
    /// build may make one. Nothing is followed out of the tree to find out.
    ///
    /// # Errors
    /// The first such link in the order of paths, or a place that cannot be looked at.
    pub fn check_links(&self) -> Result<(), OutOfTree> {
        let mut first = None;
        self.walk(Path::new(""), 0, &mut first)?;
        match first {
            Some((_, finding)) => Err(finding),
            None => Ok(()),
        }
    }

    /// Refuses one link, given relative to the source, if it leads out.
    pub(super) fn check_link(&self, link: &Path) -> Result<(), OutOfTree> {
        let target = std::fs::read_link(self.root.join(link)).map_err(|e| unreadable(link, &e))?;
        let home = link.parent().unwrap_or(Path::new(""));
        match self.follow(home, &target) {
            Ok(_) | Err(Astray::Loop) => Ok(()),
            Err(Astray::Out) => Err(OutOfTree::Link {
                link: shown(link.as_os_str().as_bytes()),
                target: shown(target.as_os_str().as_bytes()),
            }),
            Err(Astray::Unreadable(path, reason)) => Err(OutOfTree::Unreadable {
                path: shown(path.as_os_str().as_bytes()),
                reason,
            }),
        }
    }

    /// Keeps the smallest finding rather than sorting what it reads: a directory may have very many entries.
    fn walk(
        &self,
        directory: &Path,
        depth: usize,
        first: &mut Option<(PathBuf, OutOfTree)>,
    ) -> Result<(), OutOfTree> {
        if depth > MOST_DEPTH {
            return Err(OutOfTree::TooDeep {
                path: shown(directory.as_os_str().as_bytes()),
            });
        }
        let failed = |error: io::Error| unreadable(directory, &error);
        for entry in std::fs::read_dir(self.root.join(directory)).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let kind = entry.file_type().map_err(failed)?;
            let path = directory.join(entry.file_name());
            if kind.is_dir() {
                self.walk(&path, depth + 1, first)?;
            } else if kind.is_symlink()
                && first.as_ref().is_none_or(|(found, _)| path < *found)
                && let Err(finding) = self.check_link(&path)
            {
                *first = Some((path, finding));
            }
        }
        Ok(())
    }

    fn find(
        &self,
        base: &Path,
        path: &str,
        what: &'static str,
        fits: impl Fn(std::fs::FileType) -> bool,
    ) -> Result<PathBuf, OutOfTree> {
        let relative = Path::new(path.trim_start_matches('/'));
        let missing = || OutOfTree::Missing {
            what,
            path: shown(path),
        };
        let found = self.follow(base, relative).map_err(|astray| match astray {
            Astray::Out => OutOfTree::Path { path: shown(path) },
            Astray::Loop => missing(),
            Astray::Unreadable(path, reason) => OutOfTree::Unreadable {
                path: shown(path.as_os_str().as_bytes()),
                reason,
            },
        })?;
        let whole = if found.as_os_str().is_empty() {
            self.root.clone()
        } else {
            self.root.join(found)
        };
        match std::fs::symlink_metadata(&whole) {
            Ok(metadata) if fits(metadata.file_type()) => Ok(whole),
            _ => Err(missing()),
        }
    }

    /// Follows `path` from `base`, both relative to the source; `base` passes no link. The result passes none either, and
    /// may not exist.
    fn follow(&self, base: &Path, path: &Path) -> Result<PathBuf, Astray> {
        let mut at = base.to_owned();
        let mut links = 0;
        // The next part is the last one.
        let mut parts = Vec::new();
        queue(&mut parts, path)?;
        while let Some(part) = parts.pop() {
            if part == ".." {
                if !at.pop() {
                    return Err(Astray::Out);
                }
                continue;
            }
            at.push(part);
            if let Some(target) = self.link_at(&at)? {
                links += 1;
                if links > MOST_LINKS {
                    return Err(Astray::Loop);
                }
                at.pop();
                queue(&mut parts, &target)?;
            }
        }
        Ok(at)
    }

    /// Where the link at `path` points, if one stands there.
    fn link_at(&self, path: &Path) -> Result<Option<PathBuf>, Astray> {
        use io::ErrorKind::{InvalidFilename, InvalidInput, NotADirectory, NotFound};
        let whole = self.root.join(path);
        let target = match std::fs::symlink_metadata(&whole) {
            Ok(metadata) if metadata.is_symlink() => std::fs::read_link(&whole).map(Some),
            Ok(_) => Ok(None),
            Err(error) => Err(error),
        };
        match target {
            Ok(target) => Ok(target),
            // Nothing stands there, or nothing can, e.g. because the name has a NUL or is too long.
            Err(e)
                if [NotFound, NotADirectory, InvalidFilename, InvalidInput].contains(&e.kind()) =>
            {
                Ok(None)
            }
            Err(e) => Err(Astray::Unreadable(path.to_owned(), e.kind())),
        }
    }
}

/// Puts the parts of a path in front of the queue, which is read from its end.
fn queue(parts: &mut Vec<OsString>, path: &Path) -> Result<(), Astray> {
    for component in path.components().rev() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => parts.push("..".into()),
            Component::Normal(name) => parts.push(name.to_owned()),
            Component::RootDir | Component::Prefix(_) => return Err(Astray::Out),
        }
    }
    Ok(())
}

fn unreadable(path: &Path, error: &io::Error) -> OutOfTree {
    OutOfTree::Unreadable {
        path: shown(path.as_os_str().as_bytes()),
        reason: error.kind(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    /// A tree beside a directory that is none of its business.
    struct Lab {
        home: TempDir,
        tree: SourceTree,
    }

    impl Lab {
        fn new() -> Self {
            let home = tempfile::tempdir().unwrap();
            fs::create_dir_all(home.path().join("outside")).unwrap();
            fs::write(home.path().join("outside/secret"), "x").unwrap();
            let root = home.path().join("source");
            fs::create_dir_all(root.join("app/client")).unwrap();
            fs::write(root.join("Dockerfile"), "FROM scratch\n").unwrap();
            fs::write(root.join("app/Dockerfile"), "FROM scratch\n").unwrap();
            Self {
                home,
                tree: SourceTree::new(root),
            }
        }

        fn link(&self, name: &str, target: &str) -> &Self {
            symlink(target, self.tree.root().join(name)).unwrap();
            self
        }

        fn at(&self, path: &str) -> PathBuf {
            self.tree.root().join(path)
        }

        fn finding(&self) -> Option<(String, String)> {
            match self.tree.check_links() {
                Ok(()) => None,
                Err(OutOfTree::Link { link, target }) => Some((link, target)),
                Err(other) => panic!("{other}"),
            }
        }
    }

    fn out(path: &str) -> OutOfTree {
        OutOfTree::Path { path: path.into() }
    }

    fn no(what: &'static str, path: &str) -> OutOfTree {
        let path = path.into();
        OutOfTree::Missing { what, path }
    }

    #[test]
    fn a_root_directory_is_cleaned_and_found() {
        let lab = Lab::new();
        for path in [
            None,
            Some(""),
            Some("."),
            Some("/"),
            Some("/./"),
            Some("app/.."),
        ] {
            assert_eq!(
                lab.tree.directory(path).unwrap(),
                lab.tree.root(),
                "{path:?}"
            );
        }
        for path in [
            "app/client",
            "/app/client",
            "///app//client///",
            "./app/./client/.",
        ] {
            let found = lab.tree.directory(Some(path)).unwrap();
            assert_eq!(found, lab.at("app/client"), "{path}");
        }
    }

    #[test]
    fn a_root_directory_does_not_lead_out_by_name() {
        let lab = Lab::new();
        for path in [
            "..",
            "../source",
            "app/../../outside",
            "/../outside",
            "app/client/../../..",
        ] {
            assert_eq!(lab.tree.directory(Some(path)), Err(out(path)), "{path}");
        }
    }

    #[test]
    fn a_root_directory_is_found_through_links_that_stay_inside_only() {
        let lab = Lab::new();
        lab.link("inside", "app")
            .link("app/up", "..")
            .link("loop", "loop");
        lab.link("away", "../outside")
            .link("hop", "app/up/../outside");
        lab.link("root", "/").link("round", "../source/app");
        assert_eq!(
            lab.tree.directory(Some("inside/client")).unwrap(),
            lab.at("app/client")
        );
        assert_eq!(
            lab.tree.directory(Some("app/up/app")).unwrap(),
            lab.at("app")
        );
        // `..` after a link starts where the link leads, as in the system.
        assert_eq!(
            lab.tree.directory(Some("app/up/app/client/..")).unwrap(),
            lab.at("app")
        );
        for path in [
            "away",
            "hop",
            "root",
            "root/etc",
            "round",
            "inside/../../outside",
        ] {
            assert_eq!(lab.tree.directory(Some(path)), Err(out(path)), "{path}");
        }
        assert_eq!(
            lab.tree.directory(Some("loop")),
            Err(no("directory", "loop"))
        );
    }

    #[test]
    fn what_is_no_directory_is_not_one() {
        let lab = Lab::new();
        for path in ["nothing", "Dockerfile", "Dockerfile/x", "a\0b"] {
            let path_shown = shown(path);
            assert_eq!(
                lab.tree.directory(Some(path)),
                Err(no("directory", &path_shown)),
                "{path}"
            );
        }
        let error = lab.tree.directory(Some("APP")).unwrap_err().to_string();
        assert_eq!(
            error,
            "the source has no directory `APP`: check its name, upper and lower case too"
        );
    }

    #[test]
    fn a_dockerfile_may_stand_above_its_base_but_not_outside() {
        let lab = Lab::new();
        lab.link("app/borrowed", "../Dockerfile")
            .link("app/stolen", "../../outside/secret");
        let base = lab.tree.directory(Some("app")).unwrap();
        for (path, wanted) in [
            ("Dockerfile", "app/Dockerfile"),
            ("/Dockerfile", "app/Dockerfile"),
            ("./client/../Dockerfile", "app/Dockerfile"),
            ("../Dockerfile", "Dockerfile"),
            ("borrowed", "Dockerfile"),
        ] {
            assert_eq!(
                lab.tree.file(&base, path).unwrap(),
                lab.at(wanted),
                "{path}"
            );
        }
        for path in ["../../outside/secret", "stolen", "../../source/Dockerfile"] {
            assert_eq!(lab.tree.file(&base, path), Err(out(path)), "{path}");
        }
        for path in ["", ".", "client", "Dockerfile.prod", "Dockerfile/x"] {
            assert_eq!(lab.tree.file(&base, path), Err(no("file", path)), "{path}");
        }
        let elsewhere = lab.home.path().join("outside");
        assert_eq!(lab.tree.file(&elsewhere, "secret"), Err(out("secret")));
    }

    #[test]
    fn a_pipe_is_no_file() {
        let lab = Lab::new();
        let made = std::process::Command::new("mkfifo")
            .arg(lab.at("pipe"))
            .status();
        assert!(made.unwrap().success());
        assert_eq!(
            lab.tree.file(lab.tree.root(), "pipe"),
            Err(no("file", "pipe"))
        );
        assert_eq!(lab.finding(), None);
    }

    #[test]
    fn links_that_stay_inside_or_lead_nowhere_are_fine() {
        let lab = Lab::new();
        lab.link("a", "app")
            .link("app/top", "..")
            .link("app/client/far", "../../Dockerfile");
        lab.link("dangling", "nothing/here")
            .link("self", "self")
            .link("x", "y")
            .link("y", "x");
        lab.link("dot", ".")
            .link("through", "a/top/app/top/Dockerfile");
        lab.link("under", "Dockerfile/../app");
        assert_eq!(lab.finding(), None);
    }

    #[test]
    fn a_link_that_leads_out_is_named() {
        for (link, target) in [
            ("l", "/etc/passwd"),
            ("l", "/"),
            ("l", ".."),
            ("l", "../outside/secret"),
            ("app/l", "../../outside"),
            ("app/client/l", "../../../source/Dockerfile"),
            ("l", "nothing/../../outside"),
            ("l", "app/nothing/../../../outside"),
            ("l", "Dockerfile/../../outside"),
            ("l", "./././..//outside"),
        ] {
            let lab = Lab::new();
            lab.link(link, target);
            assert_eq!(
                lab.finding(),
                Some((link.into(), target.into())),
                "{link} -> {target}"
            );
        }
    }

    #[test]
    fn a_chain_of_links_that_gets_out_is_found() {
        // Each link's text stays inside; together they do not.
        let lab = Lab::new();
        lab.link("app/a", "client").link("b", "app/a/../../..");
        assert_eq!(lab.finding(), Some(("b".into(), "app/a/../../..".into())));
        let lab = Lab::new();
        lab.link("app/client/up", "..")
            .link("c", "app/client/up/up2/..");
        lab.link("app/up2", "..").link("d", "c/..");
        assert_eq!(
            lab.finding(),
            Some(("c".into(), "app/client/up/up2/..".into()))
        );
        // By text `app/top/..` is `app`, on disk it is above the top.
        let lab = Lab::new();
        lab.link("app/top", "..").link("app/sly", "top/..");
        assert_eq!(lab.finding(), Some(("app/sly".into(), "top/..".into())));
    }

    #[test]
    fn a_long_chain_does_not_hide_its_end() {
        let lab = Lab::new();
        for step in 0..60 {
            lab.link(&format!("l{step:02}"), &format!("l{:02}", step + 1));
        }
        lab.link("l60", "..");
        assert_eq!(lab.finding(), Some(("l00".into(), "l01".into())));
    }

    #[test]
    fn the_first_finding_in_the_order_of_paths_is_told_whatever_the_disk_says_first() {
        let lab = Lab::new();
        for name in ["z", "app/m", "app/b", "app/client/a", "c"] {
            lab.link(name, "/x");
        }
        assert_eq!(lab.finding(), Some(("app/b".into(), "/x".into())));
    }

    #[test]
    fn a_finding_cannot_steer_a_terminal() {
        let lab = Lab::new();
        lab.link("a\u{1b}[31m\n", "/\u{7}");
        let text = lab.tree.check_links().unwrap_err().to_string();
        assert_eq!(
            text,
            "the source has a symbolic link that leads out of it: `a\\u{1b}[31m\\n` -> `/\\u{7}`; \
             remove it, or put there what it points to"
        );
    }

    #[test]
    fn a_tree_without_a_sensible_end_is_refused() {
        let lab = Lab::new();
        fs::create_dir_all(lab.at(&"d/".repeat(MOST_DEPTH))).unwrap();
        assert_eq!(lab.finding(), None);
        fs::create_dir(lab.at(&"d/".repeat(MOST_DEPTH + 1))).unwrap();
        assert!(matches!(
            lab.tree.check_links(),
            Err(OutOfTree::TooDeep { .. })
        ));
    }

    #[test]
    fn a_source_that_is_not_there_is_not_called_clean() {
        let lab = Lab::new();
        fs::remove_dir_all(lab.tree.root()).unwrap();
        assert!(matches!(
            lab.tree.check_links(),
            Err(OutOfTree::Unreadable { .. })
        ));
    }
}
