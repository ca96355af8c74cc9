//! The text of native jobs: inline, or in the files that a document names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::budget::Budget;
use super::{Native, NativeFormat, bare, content, file, walk};
use crate::artifact::source::{OutOfTree, SourceTree};
use crate::spec::nomad_job::NomadJobSpec;
use crate::spec::{Diagnostic, Document, Resource};

/// Values of HCL variables that flags give.
#[derive(Debug, Default)]
pub(super) struct Variables {
    pub(super) flags: Vec<(String, String)>,
    /// Name as it is shown, text.
    pub(super) files: Vec<(Arc<str>, Arc<str>)>,
}

impl Variables {
    /// The value of a variable, when it is plain text.
    pub(super) fn plain(&self, name: &str) -> Option<String> {
        let mut flags = self.flags.iter().rev();
        if let Some((_, value)) = flags.find(|(own, _)| own == name) {
            return Some(value.clone());
        }
        let mut files = self.files.iter().rev();
        files.find_map(|(file, text)| bare::value_in(name, file, text))
    }
}

/// Where files are that documents stand in, by the name that findings give them.
#[derive(Debug, Default)]
pub(super) struct Homes(BTreeMap<Arc<str>, Home>);

#[derive(Debug)]
struct Home {
    path: PathBuf,
    /// The named folder that it was met in.
    folder: Option<PathBuf>,
    confined_to: Option<PathBuf>,
}

impl Homes {
    pub(super) fn add(
        &mut self,
        name: &Arc<str>,
        path: &Path,
        folder: Option<&Path>,
        confined_to: Option<&Path>,
    ) {
        self.0.entry(Arc::clone(name)).or_insert_with(|| Home {
            path: path.to_owned(),
            folder: folder.map(Path::to_owned),
            confined_to: confined_to.map(Path::to_owned),
        });
    }
}

/// The tree that nothing in a folder may lead out of: the Git work tree around the folder, else the folder itself.
///
/// The work tree, so that a file means the same whether it is named alone, as a commit hook does it, or with its folder.
pub(super) fn tree_around(folder: &Path) -> PathBuf {
    let mut above = folder.ancestors();
    above
        .find(|above| std::fs::symlink_metadata(above.join(".git")).is_ok())
        .unwrap_or(folder)
        .to_owned()
}

/// The specification of a native job; `None` for other kinds.
pub(super) fn of(
    document: &Document,
    variables: &Variables,
    homes: &Homes,
    budget: &Budget,
) -> Result<Option<Native>, Vec<Diagnostic>> {
    let Resource::NomadJob(job) = &document.resource else {
        return Ok(None);
    };
    let reader = Reader {
        document,
        homes,
        budget,
    };
    let mut findings = Vec::new();
    let specification = reader.specification(&job.spec);
    let mut files = Vec::new();
    for (index, name) in job.spec.variable_files.iter().enumerate() {
        let path = format!("spec.variableFiles[{index}]");
        match reader.file(&path, name) {
            Ok(read) => files.push(read),
            Err(finding) => findings.push(finding),
        }
    }
    files.extend(variables.files.iter().cloned());
    match specification {
        Ok((file, text, format)) if findings.is_empty() => Ok(Some(Native {
            file,
            text,
            format,
            variable_files: files,
            variable_flags: variables.flags.clone(),
        })),
        Ok(_) => Err(findings),
        Err(finding) => {
            findings.insert(0, finding);
            Err(findings)
        }
    }
}

struct Reader<'r> {
    document: &'r Document,
    homes: &'r Homes,
    budget: &'r Budget,
}

type Named = (Arc<str>, Arc<str>);

impl Reader<'_> {
    fn specification(
        &self,
        spec: &NomadJobSpec,
    ) -> Result<(Arc<str>, Arc<str>, NativeFormat), Diagnostic> {
        let here = |path: &str| -> Arc<str> { self.document.location(path).file.into() };
        match (&spec.hcl, &spec.path, &spec.job) {
            (Some(text), None, None) => {
                Ok((here("spec.hcl"), text.as_str().into(), NativeFormat::Hcl))
            }
            (None, None, Some(job)) => {
                Ok((here("spec.job"), job.to_string().into(), NativeFormat::Json))
            }
            _ if self.document.is_whole_file() => {
                let path = spec.path.as_deref().unwrap_or_default();
                let text = self.document.text();
                let format = content::native_format(path, text);
                Ok((self.document.file().into(), text.into(), format))
            }
            (None, Some(name), None) => {
                let (file, text) = self.file("spec.path", name)?;
                let format = content::native_format(name, &text);
                Ok((file, text, format))
            }
            _ => Err(self.finding(
                "native-source",
                "spec",
                "a NomadJob has exactly one of `hcl`, `path` and `job`".to_owned(),
                "give the job's text in `hcl`, a file with it in `path`, or its JSON in `job`",
            )),
        }
    }

    /// Reads a file that the document names at a path.
    fn file(&self, at: &str, name: &str) -> Result<Named, Diagnostic> {
        let from = self.document.location(at).file;
        let Some(home) = self.homes.0.get(from) else {
            return Err(self.finding(
                "file-outside",
                at,
                "a document from standard input has no folder whose files it could name".to_owned(),
                "name the spec file instead of piping it, or put the text into the document",
            ));
        };
        if name.starts_with('/') {
            return Err(self.outside(at));
        }
        let tree = |error: std::io::Error| self.unreadable(at, error.kind());
        let real = std::fs::canonicalize(&home.path).map_err(tree)?;
        let folder = real.parent().unwrap_or(Path::new("/"));
        let root = match (&home.confined_to, &home.folder) {
            (Some(root), _) => root.canonicalize().map_err(tree)?,
            (None, named) => {
                let named = named.as_deref().and_then(|named| named.canonicalize().ok());
                // A link inside of the named folder may have led elsewhere in it.
                let named = named.filter(|named| folder.starts_with(named));
                tree_around(named.as_deref().unwrap_or(folder))
            }
        };
        let found = SourceTree::new(root).file(folder, name);
        let path = found.map_err(|error| match error {
            OutOfTree::Missing { .. } => self.finding(
                "file-not-found",
                at,
                "there is no such file".to_owned(),
                "paths are relative to the file that they stand in; check upper and lower case too",
            ),
            OutOfTree::Unreadable { reason, .. } => self.unreadable(at, reason),
            _ => self.outside(at),
        })?;
        let shown = match from.rsplit_once('/') {
            Some((folder, _)) => walk::tidy(&format!("{folder}/{name}")),
            None => walk::tidy(name),
        };
        let text = file::read(&path, &shown, self.budget, &mut Vec::new())?;
        Ok((shown.into(), text.text))
    }

    fn outside(&self, at: &str) -> Diagnostic {
        self.finding(
            "file-outside",
            at,
            "the path leads out of the sources".to_owned(),
            "name a file of the same Git work tree or, without one, of the same folder, relative to this file",
        )
    }

    fn unreadable(&self, at: &str, reason: std::io::ErrorKind) -> Diagnostic {
        let message = format!("the file cannot be read: {reason}");
        self.document.diagnostic("unreadable", at, message, None)
    }

    fn finding(&self, code: &'static str, at: &str, message: String, help: &str) -> Diagnostic {
        let help = Some(help.to_owned());
        self.document.diagnostic(code, at, message, help)
    }
}
