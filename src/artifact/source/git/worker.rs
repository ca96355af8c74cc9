//! What happens on the thread that may block: a pack comes in, a repository and its files come out.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

use super::Checkout;
use super::checkout::{Findings, Survey, write};
use super::fault::Fault;
use super::gitdir;
use super::pack::{Bounds, Incoming, Spool, unpack, write_index};
use super::progress::Progress;
use super::refs::Resolved;
use super::tree::Commit;
use crate::artifact::source::Limits;

/// Objects that a pack may have beside those that become files and directories: the commit and its tags.
const OTHER_OBJECTS: u64 = 100;

/// Bytes that they, and the lists of files, may have: 256 MiB.
const OTHER_BYTES: u64 = 256 << 20;

pub(super) struct Worker {
    pub(super) resolved: Resolved,
    pub(super) work_tree: PathBuf,
    pub(super) git_dir: PathBuf,
    pub(super) limits: Limits,
    pub(super) progress: Arc<Progress>,
    pub(super) halt: CancellationToken,
}

/// A checkout, and what people should know about it.
pub(super) struct Made {
    pub(super) checkout: Checkout,
    pub(super) warnings: Vec<String>,
}

impl Worker {
    /// Runs until everything is written. Whatever goes wrong after `halt` was cancelled is [`Fault::Stopped`].
    pub(super) fn run(self, pieces: Receiver<Bytes>) -> Result<Made, Fault> {
        let halt = self.halt.clone();
        self.make(pieces).map_err(|fault| {
            if halt.is_cancelled() {
                Fault::Stopped
            } else {
                fault
            }
        })
    }

    fn make(self, pieces: Receiver<Bytes>) -> Result<Made, Fault> {
        gitdir::create(&self.git_dir)?;
        let packs = self.git_dir.join("objects/pack");
        let path = packs.join("incoming.pack");
        let spool = Spool::new(self.git_dir.join("spool"), self.halt.clone())?;
        let incoming = Incoming::new(pieces, path.clone(), self.progress, self.halt)?;
        let bounds = Bounds {
            entries: self.limits.entries,
            objects: self.limits.entries.saturating_add(OTHER_OBJECTS),
            unpacked_bytes: self.limits.unpacked_bytes,
            bytes: self.limits.unpacked_bytes.saturating_add(OTHER_BYTES),
        };
        let mut objects = unpack(incoming, spool, &bounds)?;
        let name = packs.join(format!("pack-{}", objects.name()));
        write_index(&objects, &name.with_extension("idx"))?;
        std::fs::rename(&path, name.with_extension("pack")).map_err(Fault::disk(&path))?;

        let commit = Commit::find(&mut objects, self.resolved.object)?;
        let survey = Survey::of(&mut objects, commit.tree, &self.limits)?;
        std::fs::create_dir(&self.work_tree).map_err(Fault::disk(&self.work_tree))?;
        let findings = write(
            &mut objects,
            commit.tree,
            &survey,
            &self.work_tree,
            &self.git_dir,
        )?;
        let is_shallow = commit.parents.iter().any(|id| objects.find(*id).is_none());
        gitdir::finish(&self.git_dir, &self.resolved, &commit, is_shallow)?;
        objects.close()?;
        Ok(made(&commit, survey, findings))
    }
}

fn made(commit: &Commit, survey: Survey, findings: Findings) -> Made {
    let warnings = warnings(&survey, &findings);
    Made {
        checkout: Checkout {
            commit: commit.id.to_string(),
            committed_at: commit.committed_at,
            submodules: survey.named_submodules,
            lfs: findings.named_pointers,
            files: survey.files,
            bytes: survey.bytes,
        },
        warnings,
    }
}

fn warnings(survey: &Survey, findings: &Findings) -> Vec<String> {
    let mut warnings = Vec::new();
    if survey.submodules > 0 {
        let names = listed(&survey.named_submodules, survey.submodules);
        warnings.push(format!(
            "Submodules are not fetched, their directories stay empty: {names}. A build that needs them fails: add their files to the repository itself."
        ));
    }
    if findings.pointers > 0 {
        let names = listed(&findings.named_pointers, findings.pointers);
        warnings.push(format!(
            "Git LFS content is not fetched, the build sees small pointer files instead: {names}. Keep what the build needs in the repository itself, or download it in the build."
        ));
    }
    if survey.encodes {
        warnings.push(
            "`working-tree-encoding` in .gitattributes is not applied: files stay in UTF-8."
                .to_owned(),
        );
    }
    if let Some(path) = &survey.large_attributes {
        warnings.push(format!(
            "`{path}` is larger than 1 MiB: attributes are not applied, line ends stay as they are in the repository."
        ));
    }
    if findings.unconverted > 0 {
        warnings.push(format!(
            "{} files larger than 4 MiB keep the line ends that they have in the repository, although .gitattributes ask for others.",
            findings.unconverted
        ));
    }
    warnings
}

/// The first few names, and how many more there are.
fn listed(names: &[String], count: u64) -> String {
    const SHOWN: usize = 5;
    let shown = names.iter().take(SHOWN).cloned().collect::<Vec<_>>();
    let more = count - shown.len() as u64;
    match more {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
