//! Sources of every sort, from what is typed to documents and findings.

mod bad_input;
mod command;
mod folders;
mod git;
mod links;
mod native;
mod overlays;
mod properties;

use std::path::{Path, PathBuf};

use cs::config::Environment;
use cs::manifests::{LoadError, Loaded, Request, load_local};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// Files below a directory of their own. Even what is beside it is nobody else's: a link to `..` must not lead to whatever
/// this machine keeps with its temporary files.
struct Tree {
    _home: TempDir,
    top: PathBuf,
}

impl Tree {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a temporary directory");
        let top = home.path().join("tree");
        std::fs::create_dir(&top).unwrap();
        Self { _home: home, top }
    }

    fn of<const N: usize>(files: [(&str, &str); N]) -> Self {
        let tree = Self::new();
        for (path, content) in files {
            tree.file(path, content);
        }
        tree
    }

    fn file(&self, path: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.at(path);
        std::fs::create_dir_all(path.parent().expect("it is below the top")).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    fn link(&self, path: &str, target: &str) -> &Self {
        let path = self.at(path);
        std::fs::create_dir_all(path.parent().expect("it is below the top")).unwrap();
        std::os::unix::fs::symlink(target, path).unwrap();
        self
    }

    fn at(&self, path: &str) -> PathBuf {
        self.top.join(path)
    }

    fn path(&self) -> &Path {
        &self.top
    }

    /// Reads sources that are given relative to the tree.
    #[track_caller]
    fn load(&self, sources: &[&str]) -> Outcome {
        self.load_with(sources, &[], &[])
    }

    #[track_caller]
    fn load_with(&self, sources: &[&str], variables: &[&str], files: &[&str]) -> Outcome {
        let loaded = self.try_load(sources, variables, files);
        Outcome {
            loaded: loaded.expect("nothing but files is read"),
            top: format!("{}/", self.path().display()),
        }
    }

    fn try_load(
        &self,
        sources: &[&str],
        variables: &[&str],
        files: &[&str],
    ) -> Result<Loaded, LoadError> {
        let sources: Vec<String> = sources
            .iter()
            .map(|&source| match source {
                "." => self.path().display().to_string(),
                source => self.at(source).display().to_string(),
            })
            .collect();
        let variables: Vec<String> = variables.iter().map(|&flag| flag.to_owned()).collect();
        let files = files.iter().map(|file| self.at(file)).collect();
        let request = Request::new(&sources, &variables, files, &Environment::default())?;
        load_local(&request, &CancellationToken::new())
    }
}

/// What was read, with names relative to the tree.
struct Outcome {
    loaded: Loaded,
    top: String,
}

impl Outcome {
    fn short(&self, text: &str) -> String {
        let folder = self.top.trim_end_matches('/');
        text.replace(&self.top, "").replace(folder, ".")
    }

    /// `file: namespace/name` of every document.
    fn documents(&self) -> Vec<String> {
        let manifests = self.loaded.manifests.iter();
        manifests
            .map(|manifest| {
                let metadata = manifest.document.resource.metadata();
                let namespace = metadata.namespace.as_deref();
                let namespace = namespace.map(|name| format!("{name}/")).unwrap_or_default();
                let file = self.short(manifest.document.file());
                format!("{file}: {namespace}{}", metadata.name)
            })
            .collect()
    }

    fn findings(&self) -> Vec<String> {
        let findings = self.loaded.findings.iter();
        findings
            .map(|finding| self.short(&finding.to_string()))
            .collect()
    }

    /// The documents, when nothing is wrong.
    #[track_caller]
    fn good(&self) -> Vec<String> {
        assert_eq!(self.findings(), Vec::<String>::new());
        assert!(self.loaded.is_complete);
        assert_eq!(self.loaded.exit_code(), 0);
        self.documents()
    }

    /// The findings, which make the whole incomplete.
    #[track_caller]
    fn bad(&self, exit_code: u8) -> Vec<String> {
        assert!(!self.loaded.is_complete);
        assert_eq!(self.loaded.exit_code(), exit_code, "{:?}", self.findings());
        self.findings()
    }

    fn overlays(&self) -> Vec<String> {
        let overlays = self.loaded.overlays.iter();
        overlays.map(|folder| self.short(folder)).collect()
    }
}

/// A workload of that name.
fn spec(name: &str) -> String {
    format!(
        "apiVersion: cloudstation.io/v1\nkind: Workload\nmetadata: {{name: {name}}}\nspec: {{source: {{image: nginx}}}}\n"
    )
}
