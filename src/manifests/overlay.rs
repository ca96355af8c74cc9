//! Overlays: which folder is laid over which. How, is `spec::overlay`'s business.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::content::{self, Met};
use super::error::LoadError;
use super::load::Loading;
use super::walk::{self, Candidate};
use super::{file, native};
use crate::artifact::source::{OutOfTree, SourceTree};
use crate::spec::Diagnostic;
use crate::spec::overlay::{Contents, Files, Piece, Pieces, Sheet};
use crate::spec::parse::File;

/// Overlays on top of each other.
const MOST_LAYERS: usize = 8;

/// Reads the overlay in a folder, and all that it is laid over.
pub(super) fn load(
    loading: &mut Loading<'_>,
    folder: &Path,
    called: &str,
    confined_to: Option<&Path>,
) -> Result<(), LoadError> {
    let mut stack = Stack {
        loading,
        files: Files::default(),
        findings: Vec::new(),
        layers: Vec::new(),
        confined_to,
    };
    let real = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let pieces = stack.folder(folder, real, called)?;
    let Stack {
        files, findings, ..
    } = stack;
    let (documents, wrong) = Pieces { pieces, findings }.into_documents(files);
    loading.loaded.findings.extend(wrong);
    for document in documents {
        loading.manifest(document);
    }
    Ok(())
}

struct Stack<'s, 'l> {
    loading: &'s mut Loading<'l>,
    files: Files,
    findings: Vec<Diagnostic>,
    /// The overlays that are being read, each laid over the next: real path, name.
    layers: Vec<(PathBuf, String)>,
    confined_to: Option<&'s Path>,
}

/// A file of a folder, as trees.
struct FileTrees {
    candidate: Candidate,
    contents: Contents,
}

impl Stack<'_, '_> {
    /// The resources that a folder describes, whether it is an overlay or not.
    fn folder(
        &mut self,
        path: &Path,
        real: PathBuf,
        called: &str,
    ) -> Result<Vec<Piece>, LoadError> {
        let walked = walk::walk(path, called, &self.loading.budget, self.loading.stop)?;
        self.findings.extend(walked.findings);
        let mut read = Vec::with_capacity(walked.files.len());
        for candidate in walked.files {
            let contents = self.trees(&candidate, path)?;
            read.push(FileTrees {
                candidate,
                contents,
            });
        }
        let overlays: Vec<PathBuf> = read
            .iter()
            .filter(|file| file.contents.has_overlay)
            .filter_map(|file| file.candidate.path.parent().map(Path::to_owned))
            .collect();
        let is_overlay = overlays.iter().any(|folder| folder == path);
        let mut sheets = Vec::new();
        let mut pieces = Vec::new();
        for FileTrees {
            candidate,
            contents,
        } in read
        {
            // Overlays below are sets of their own, here as everywhere.
            let mut folders = candidate.path.ancestors().skip(1);
            if folders.any(|folder| folder != path && overlays.iter().any(|other| other == folder))
            {
                continue;
            }
            sheets.extend(contents.sheets);
            pieces.extend(contents.pieces);
            self.findings.extend(contents.findings);
        }
        if !is_overlay {
            return Ok(pieces);
        }
        self.layers.push((real, called.to_owned()));
        let laid = self.lay(sheets, pieces, called)?;
        self.layers.pop();
        Ok(laid)
    }

    fn trees(&mut self, candidate: &Candidate, folder: &Path) -> Result<Contents, LoadError> {
        if self.loading.stop.is_cancelled() {
            return Err(LoadError::Stopped);
        }
        let Candidate { path, shown, met } = candidate;
        let text = match file::read(path, shown, &self.loading.budget, &mut Vec::new()) {
            Ok(text) => text.text,
            Err(finding) => {
                return Ok(Contents {
                    findings: vec![finding],
                    ..Contents::default()
                });
            }
        };
        let file = Arc::new(File {
            name: shown.as_str().into(),
            text,
        });
        let variables = &self.loading.variables;
        let values = |name: &str| variables.plain(name);
        let contents = content::trees(&mut self.files, &file, path, *met, &values);
        if contents.is_foreign {
            self.loading.loaded.passed_over += 1;
        } else {
            self.loading.note(&file);
            if contents.has_policies {
                self.loading.loaded.policies.push(Arc::clone(&file.name));
            }
            let homes = &mut self.loading.homes;
            homes.add(&file.name, path, Some(folder), self.confined_to);
        }
        Ok(contents)
    }

    fn lay(
        &mut self,
        sheets: Vec<Sheet>,
        changes: Vec<Piece>,
        called: &str,
    ) -> Result<Vec<Piece>, LoadError> {
        let mut sheets = sheets.into_iter();
        let Some(sheet) = sheets.next() else {
            // What is wrong with it has been told.
            return Ok(Vec::new());
        };
        for second in sheets {
            let message = format!(
                "{} is the overlay of this folder already",
                sheet.name(&self.files)
            );
            let help = Some("a folder is one overlay".to_owned());
            self.findings.push(second.diagnostic(
                &self.files,
                "several-overlays",
                "",
                message,
                help,
            ));
        }
        let mut bases = Vec::new();
        for index in 0..sheet.overlay.spec.bases.len() {
            bases.extend(self.base(&sheet, index, called)?);
        }
        if sheet.overlay.spec.bases.is_empty() {
            let message = "an overlay needs something to be laid over".to_owned();
            let help = Some("name a folder, e.g. `bases: [../../base]`".to_owned());
            self.findings.push(sheet.diagnostic(
                &self.files,
                "no-base",
                "spec.bases",
                message,
                help,
            ));
        }
        let laid = sheet.lay(&self.files, bases, changes);
        self.findings.extend(laid.findings);
        Ok(laid.pieces)
    }

    fn base(&mut self, sheet: &Sheet, index: usize, called: &str) -> Result<Vec<Piece>, LoadError> {
        let at = format!("spec.bases[{index}]");
        let name = &sheet.overlay.spec.bases[index];
        let found = match self.find_base(name) {
            Ok(found) => found,
            Err((code, message, help)) => {
                let help = Some(help.to_owned()).filter(|help| !help.is_empty());
                self.findings
                    .push(sheet.diagnostic(&self.files, code, &at, message, help));
                return Ok(Vec::new());
            }
        };
        let before = self.findings.len();
        let called = walk::tidy(&format!("{called}/{name}"));
        let pieces = if found.is_dir() {
            self.folder(&found.clone(), found, called.trim_end_matches('/'))?
        } else {
            let folder = found.parent().unwrap_or(Path::new("/")).to_owned();
            let candidate = Candidate {
                path: found,
                shown: called,
                met: Met::Named,
            };
            let contents = self.trees(&candidate, &folder)?;
            self.findings.extend(contents.findings);
            contents.pieces
        };
        if pieces.is_empty() && self.findings.len() == before {
            let message = "the base holds no document".to_owned();
            self.findings
                .push(sheet.diagnostic(&self.files, "no-documents", &at, message, None));
        }
        Ok(pieces)
    }

    /// The real path of a base of the innermost overlay.
    fn find_base(&self, name: &str) -> Result<PathBuf, (&'static str, String, &'static str)> {
        let (folder, _) = self.layers.last().expect("bases are those of an overlay");
        let outside = || {
            (
                "base-outside",
                "the base is outside of the sources".to_owned(),
                "name a folder of the same Git work tree, relative to this one",
            )
        };
        if name.starts_with('/') {
            return Err(outside());
        }
        let root = match self.confined_to {
            Some(root) => std::fs::canonicalize(root).unwrap_or_else(|_| root.to_owned()),
            None => {
                let around = native::tree_around(folder);
                // Without a work tree there is no bound that would leave room for `../../base`.
                if around.join(".git").exists() {
                    around
                } else {
                    PathBuf::from("/")
                }
            }
        };
        let relative = folder.strip_prefix(&root).map_err(|_| outside())?;
        let relative = relative.join(name);
        let tree = SourceTree::new(root);
        let relative = relative.to_string_lossy();
        let found = tree
            .directory(Some(&relative))
            .or_else(|error| match error {
                OutOfTree::Missing { .. } => tree.file(tree.root(), &relative),
                other => Err(other),
            });
        let found = found.map_err(|error| match error {
            OutOfTree::Missing { .. } => (
                "base-not-found",
                "there is no such folder or file".to_owned(),
                "bases are relative to the folder of the overlay; check upper and lower case too",
            ),
            OutOfTree::Unreadable { reason, .. } => (
                "unreadable",
                format!("the base cannot be read: {reason}"),
                "",
            ),
            _ => outside(),
        })?;
        if let Some(from) = self.layers.iter().position(|(layer, _)| *layer == found) {
            let around = self.layers[from..].iter().chain(&self.layers[from..=from]);
            let names: Vec<&str> = around.map(|(_, name)| name.as_str()).collect();
            let message = format!(
                "these overlays are laid over each other: {}",
                names.join(" → ")
            );
            return Err(("overlay-cycle", message, "take one of the bases out"));
        }
        if self.layers.len() > MOST_LAYERS {
            let message = format!("more than {MOST_LAYERS} overlays lie on top of each other");
            return Err(("overlay-too-deep", message, ""));
        }
        Ok(found)
    }
}
