//! From sources on this machine to documents.
//!
//! First everything that is to be read is listed, then all files are read and parsed on a few threads, then each source is
//! put together in its order.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio_util::sync::CancellationToken;

use super::budget::Budget;
use super::content::{Content, Met};
use super::error::LoadError;
use super::file::{self, Identity};
use super::findings::{about, unreadable};
use super::native::{self, Homes, Variables};
use super::request::{LocalPlace, LocalSource, Request};
use super::walk::{self, Candidate};
use super::{Loaded, Manifest, glob, overlay};
use crate::spec::parse::File;
use crate::spec::{Diagnostic, Document};

/// Threads that read and parse at most. More than processors are of no use, and each needs memory of its own.
const MOST_THREADS: usize = 8;

/// So many files are worth another thread.
const FILES_FOR_A_THREAD: usize = 32;

/// Reads sources. Blocks.
pub(super) fn load(
    request: &Request,
    sources: &[LocalSource],
    stop: &CancellationToken,
) -> Result<Loaded, LoadError> {
    let mut loading = Loading {
        loaded: Loaded::default(),
        homes: Homes::default(),
        seen: BTreeSet::new(),
        overlays: BTreeSet::new(),
        variables: Variables::default(),
        budget: Budget::default(),
        stop,
    };
    loading.variables = loading.read_variables(request);
    let mut listed = Vec::new();
    for source in sources {
        listed.extend(loading.list(source)?);
    }
    let contents = loading.read(&listed)?;
    let mut contents = contents.into_iter();
    for unit in listed {
        let contents = contents.by_ref().take(unit.files.len()).collect();
        loading.assemble(unit, contents)?;
    }
    Ok(loading.finish())
}

/// What is gathered on the way.
pub(super) struct Loading<'l> {
    pub(super) loaded: Loaded,
    pub(super) homes: Homes,
    /// Files whose documents are taken already.
    seen: BTreeSet<Identity>,
    /// Overlays that are taken already, by their real path.
    overlays: BTreeSet<PathBuf>,
    pub(super) variables: Variables,
    pub(super) budget: Budget,
    pub(super) stop: &'l CancellationToken,
}

/// A source, or one of the things that a glob names.
struct Unit {
    shown: String,
    /// The folder, when it is one.
    folder: Option<PathBuf>,
    confined_to: Option<PathBuf>,
    files: Vec<Candidate>,
    findings: Vec<Diagnostic>,
}

/// A file that was read.
struct FileRead {
    file: Option<Arc<File>>,
    identity: Option<Identity>,
    content: Content,
}

impl Loading<'_> {
    fn read_variables(&mut self, request: &Request) -> Variables {
        let mut variables = Variables {
            flags: request.variable_flags.clone(),
            files: Vec::new(),
        };
        for path in &request.variable_files {
            let shown = super::findings::shown(path);
            match file::read(path, &shown, &self.budget, &mut Vec::new()) {
                Ok(text) => {
                    let name: Arc<str> = shown.into();
                    self.loaded
                        .texts
                        .insert(Arc::clone(&name), Arc::clone(&text.text));
                    variables.files.push((name, text.text));
                }
                Err(finding) => self.loaded.findings.push(finding),
            }
        }
        variables
    }

    /// Finds out which files a source stands for.
    fn list(&mut self, source: &LocalSource) -> Result<Vec<Unit>, LoadError> {
        let confined_to = &source.confined_to;
        match &source.place {
            LocalPlace::StandardInput => Ok(vec![Unit {
                shown: source.shown.clone(),
                folder: None,
                confined_to: None,
                files: vec![Candidate {
                    path: PathBuf::new(),
                    shown: source.shown.clone(),
                    met: Met::Named,
                }],
                findings: Vec::new(),
            }]),
            LocalPlace::Path(path) => Ok(vec![self.unit(
                path,
                &source.shown,
                Met::Named,
                confined_to,
            )?]),
            LocalPlace::Glob(pattern) => match glob::expand(pattern) {
                Err(finding) => {
                    self.loaded.findings.push(finding);
                    Ok(Vec::new())
                }
                Ok(paths) => paths
                    .iter()
                    .map(|path| {
                        let shown = super::findings::shown(path);
                        self.unit(path, &shown, Met::Globbed, confined_to)
                    })
                    .collect(),
            },
        }
    }

    fn unit(
        &self,
        path: &Path,
        called: &str,
        met: Met,
        confined_to: &Option<PathBuf>,
    ) -> Result<Unit, LoadError> {
        let mut unit = Unit {
            shown: called.to_owned(),
            folder: None,
            confined_to: confined_to.clone(),
            files: Vec::new(),
            findings: Vec::new(),
        };
        // A glob may name the folder that it begins in.
        let path = match path.as_os_str().is_empty() {
            true => Path::new("."),
            false => path,
        };
        match std::fs::metadata(path) {
            Err(error) => unit.findings.push(unreadable(called, &error)),
            Ok(metadata) if metadata.is_dir() => {
                let walked = walk::walk(path, called, &self.budget, self.stop)?;
                unit.folder = Some(path.to_owned());
                unit.files = walked.files;
                unit.findings = walked.findings;
            }
            Ok(_) => {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                if met.takes(&name) && self.budget.file() {
                    unit.files.push(Candidate {
                        path: path.to_owned(),
                        shown: called.to_owned(),
                        met,
                    });
                }
            }
        }
        Ok(unit)
    }

    /// Reads and parses all files, in their order.
    fn read(&self, units: &[Unit]) -> Result<Vec<FileRead>, LoadError> {
        let files: Vec<&Candidate> = units.iter().flat_map(|unit| &unit.files).collect();
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = processors
            .min(MOST_THREADS)
            .min(files.len().div_ceil(FILES_FOR_A_THREAD));
        if threads <= 1 {
            let mut buffer = Vec::new();
            return files
                .into_iter()
                .map(|file| self.read_one(file, &mut buffer))
                .collect();
        }
        let next = AtomicUsize::new(0);
        let work = || -> Result<Vec<(usize, FileRead)>, LoadError> {
            let mut buffer = Vec::new();
            let mut done = Vec::with_capacity(files.len() / threads);
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(file) = files.get(index) else {
                    return Ok(done);
                };
                done.push((index, self.read_one(file, &mut buffer)?));
            }
        };
        let mut all: Vec<(usize, FileRead)> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            let joined = workers
                .into_iter()
                .map(|worker| worker.join().expect("reading does not panic"));
            joined.collect::<Result<Vec<_>, _>>()
        })?
        .into_iter()
        .flatten()
        .collect();
        all.sort_unstable_by_key(|(index, _)| *index);
        Ok(all.into_iter().map(|(_, read)| read).collect())
    }

    fn read_one(&self, candidate: &Candidate, buffer: &mut Vec<u8>) -> Result<FileRead, LoadError> {
        if self.stop.is_cancelled() {
            return Err(LoadError::Stopped);
        }
        let Candidate { path, shown, met } = candidate;
        let path = Some(path.as_path()).filter(|path| !path.as_os_str().is_empty());
        let text = match path {
            Some(path) => file::read(path, shown, &self.budget, buffer),
            None => file::read_standard_input(shown, &self.budget),
        };
        Ok(match text {
            Err(finding) => FileRead {
                file: None,
                identity: None,
                content: Content {
                    findings: vec![finding],
                    ..Content::default()
                },
            },
            Ok(text) => {
                let file = Arc::new(File {
                    name: shown.as_str().into(),
                    text: text.text,
                });
                let content = Content::of(&file, path, *met, &|name| self.variables.plain(name));
                FileRead {
                    file: Some(file),
                    identity: text.identity,
                    content,
                }
            }
        })
    }

    /// Puts a source together.
    fn assemble(&mut self, mut unit: Unit, contents: Vec<FileRead>) -> Result<(), LoadError> {
        let overlays = overlay_folders(&unit.files, &contents);
        if let Some(folder) = &unit.folder
            && overlays.contains(folder.as_path())
        {
            let real = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.clone());
            // Named twice, as files may be.
            if self.overlays.insert(real) {
                overlay::load(self, folder, &unit.shown, unit.confined_to.as_deref())?;
            }
            return Ok(());
        }
        self.leave_out(&unit, &overlays);
        let before = self.loaded.findings.len();
        let policies_before = self.loaded.policies.len();
        self.loaded.findings.append(&mut unit.findings);
        let mut holds_something = false;
        for (candidate, read) in unit.files.iter().zip(contents) {
            if candidate
                .path
                .ancestors()
                .skip(1)
                .any(|folder| overlays.contains(folder))
            {
                continue;
            }
            holds_something |= !read.content.documents.is_empty();
            let path = Some(candidate.path.as_path()).filter(|path| !path.as_os_str().is_empty());
            self.take(
                read,
                path,
                unit.folder.as_deref(),
                unit.confined_to.as_deref(),
            );
        }
        // A glob names many files, of which some may be foreign.
        let is_globbed_file = unit.files.iter().any(|file| file.met == Met::Globbed)
            || (unit.files.is_empty() && unit.folder.is_none());
        if !holds_something && self.loaded.findings.len() == before && !is_globbed_file {
            let has_policies = self.loaded.policies.len() > policies_before;
            let finding = no_documents(&unit, &overlays, has_policies);
            self.loaded.findings.push(finding);
        }
        Ok(())
    }

    /// Notes the overlays below a folder, the topmost of those inside each other.
    fn leave_out(&mut self, unit: &Unit, overlays: &BTreeSet<&Path>) {
        let Some(top) = &unit.folder else {
            return;
        };
        for folder in overlays {
            let is_inside_another = folder
                .ancestors()
                .skip(1)
                .any(|above| overlays.contains(above));
            let Ok(relative) = folder.strip_prefix(top) else {
                continue;
            };
            if !is_inside_another {
                let shown = walk::joined(&unit.shown, &relative.to_string_lossy());
                tracing::debug!(folder = %shown, "an overlay is a set of its own and not read here");
                self.loaded.overlays.push(shown);
            }
        }
    }

    fn take(
        &mut self,
        read: FileRead,
        path: Option<&Path>,
        folder: Option<&Path>,
        confined_to: Option<&Path>,
    ) {
        let FileRead {
            file,
            identity,
            content,
        } = read;
        if let Some(file) = &file {
            if content.is_foreign {
                self.loaded.passed_over += 1;
                tracing::debug!(file = %file.name, "the file belongs to another tool and is passed over");
                return;
            }
            if identity.is_some_and(|identity| !self.seen.insert(identity)) {
                return;
            }
            self.note(file);
            if content.has_policies {
                self.loaded.policies.push(Arc::clone(&file.name));
            }
            let has_natives = content.documents.iter().any(|d| d.workload().is_none());
            if let (true, Some(path)) = (has_natives, path) {
                self.homes.add(&file.name, path, folder, confined_to);
            }
        }
        self.loaded.findings.extend(content.findings);
        for document in content.documents {
            self.manifest(document);
        }
    }

    /// Keeps the text of a file for those who show it.
    pub(super) fn note(&mut self, file: &File) {
        let name = Arc::clone(&file.name);
        self.loaded.texts.insert(name, Arc::clone(&file.text));
    }

    /// Adds a document with the files that it names.
    pub(super) fn manifest(&mut self, document: Document) {
        let native = match native::of(&document, &self.variables, &self.homes, &self.budget) {
            Ok(native) => native,
            Err(findings) => {
                self.loaded.findings.extend(findings);
                None
            }
        };
        if let Some(native) = &native {
            let specification = (Arc::clone(&native.file), Arc::clone(&native.text));
            let files = native.variable_files.iter().cloned();
            for (name, text) in files.chain([specification]) {
                // Text that stands in the document itself has the document's file.
                self.loaded.texts.entry(name).or_insert(text);
            }
        }
        self.loaded.manifests.push(Manifest { document, native });
    }

    fn finish(self) -> Loaded {
        let mut loaded = self.loaded;
        loaded.is_complete = loaded.exit_code() == 0;
        loaded
    }
}

/// The folders that documents make overlays.
fn overlay_folders<'f>(files: &'f [Candidate], contents: &[FileRead]) -> BTreeSet<&'f Path> {
    let pairs = files.iter().zip(contents);
    pairs
        .filter(|(file, read)| read.content.has_overlay && file.met == Met::Found)
        .filter_map(|(file, _)| file.path.parent())
        .collect()
}

fn no_documents(unit: &Unit, overlays: &BTreeSet<&Path>, has_policies: bool) -> Diagnostic {
    let message = match has_policies {
        true => format!("{} holds policies and no document", unit.shown),
        false => format!("{} holds no document", unit.shown),
    };
    let help = match overlays.first() {
        _ if has_policies => "name the specs that they are about as well",
        Some(_) => "it holds overlays; name the folder of one",
        None if unit.folder.is_some() => {
            "a folder is read for *.yaml, *.yml, *.nomad.hcl, *.nomad and *.nomad.json"
        }
        None => "write `apiVersion: cloudstation.io/v1` and `kind: Workload`",
    };
    about(&*unit.shown, "no-documents", message, Some(help))
}
