//! Spec files → documents: files, folders, globs, standard input, Git; overlays; the files that a document names.
//!
//! Reads and never decides: what is wrong becomes a [`Diagnostic`], and whoever prunes asks [`Loaded::is_complete`] first.
//!
//! What is passed over without a word cannot be told from what was removed, and what was removed is pruned. So only these
//! are passed over: hidden files, files that a `.csignore` names, files whose name is no spec's, files of YAML or JSON that
//! clearly belong to another tool, and folders that are overlays of their own (which are listed). Whatever else cannot be
//! read to its end is a finding: a file that is no YAML, one without any text, a link that leads out of the folder or to
//! nothing, a folder that may not be entered.
#![expect(
    clippy::result_large_err,
    reason = "findings are made seldom and are the result, not a way out"
)]

mod bare;
mod budget;
mod content;
mod error;
mod file;
mod findings;
mod git;
mod glob;
mod ignore;
mod load;
mod native;
mod overlay;
mod request;
mod walk;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::spec::{Diagnostic, Document, Severity};

pub use error::LoadError;
pub use request::Request;

/// What was read.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Every document that could be read, in the order of the sources and, within a folder, of the names.
    pub manifests: Vec<Manifest>,
    /// Everything that is wrong, in the same order.
    pub findings: Vec<Diagnostic>,
    /// Every source was found, read and parsed to its end. Otherwise nothing may be concluded from what is missing.
    pub is_complete: bool,
    /// Where the documents come from, when all come from one Git repository.
    pub revision: Option<Revision>,
    /// Folders below the named ones that are overlays, as they are shown. Each is a set of its own: what it describes is
    /// not among the documents unless it is named itself.
    pub overlays: Vec<String>,
    /// Files of kind `Policies` among the specs, by the name that `texts` has them under.
    pub policies: Vec<Arc<str>>,
    /// How many files of other tools were passed over.
    pub passed_over: usize,
    /// The text of every file that was read, by the name that findings give it.
    pub texts: BTreeMap<Arc<str>, Arc<str>>,
}

impl Loaded {
    /// The exit code that the findings ask for: 0 without errors, 2 when something cannot be read at all, 3 when something
    /// that was read is wrong.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        let errors = self
            .findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error);
        errors
            .map(|error| if findings::is_unreadable(error) { 2 } else { 3 })
            .min()
            .unwrap_or(0)
    }
}

/// A document with the files that it names.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// The document.
    pub document: Document,
    /// The job specification, for kind `NomadJob`.
    pub native: Option<Native>,
}

/// The text of a native job and of its variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Native {
    /// File in which the specification stands, as it is shown.
    pub file: Arc<str>,
    /// The specification.
    pub text: Arc<str>,
    /// In which language.
    pub format: NativeFormat,
    /// Variable files, the later ones win: name as it is shown, text. First those of the document, then those of flags.
    pub variable_files: Vec<(Arc<str>, Arc<str>)>,
    /// Values of flags, as NAME and text; they win over everything else.
    pub variable_flags: Vec<(String, String)>,
}

/// The language of a native job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NativeFormat {
    /// HCL 2.
    Hcl,
    /// JSON, with or without the outer `Job`.
    Json,
}

/// Where specs come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Address without credentials.
    pub repository: String,
    /// Commit, 40 hexadecimal digits.
    pub commit: String,
    /// Folder inside; empty for the top.
    pub path: String,
}

/// Reads all sources of a request.
///
/// Files are read on threads of their own, at most one a processor; sources in Git are fetched into a work directory that
/// is gone when this returns.
///
/// # Errors
/// Nothing can be said about the sources: a Git repository cannot be had, or `stop` was cancelled. What is wrong with files
/// is no error but a finding.
///
/// # Cancel safety
/// When it is dropped, its threads end with the file that they are at; a work directory is removed with it.
pub async fn load(request: &Request, stop: &CancellationToken) -> Result<Loaded, LoadError> {
    git::load(request, stop).await
}

/// The same without a runtime, for requests without a source in Git ([`Request::needs_network`]). Blocks.
///
/// # Errors
/// A source is in Git, or `stop` was cancelled.
pub fn load_local(request: &Request, stop: &CancellationToken) -> Result<Loaded, LoadError> {
    let sources = request.local_sources()?;
    load::load(request, &sources, stop)
}
