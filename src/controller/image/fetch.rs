//! Where the source is, and its way into the work directory.

use std::path::{Path, PathBuf};

use super::{ImageWork, NoImage};
use crate::artifact::build::inputs::Revision;
use crate::artifact::source::archive::{self, ArchiveRequest};
use crate::artifact::source::git::{self, GitRequest, Places, Providers, Resolved};
use crate::artifact::source::{Limits, SourceTree};
use crate::events::Phase as LogPhase;
use crate::reconcile::Outcome;

/// A source that can be reached.
pub(super) enum Located {
    Git(Box<Resolved>),
    Archive(ArchiveRequest),
    /// A folder of this machine, which is built where it stands.
    Folder(PathBuf),
}

impl Located {
    /// What identifies its content, as far as that is known before it is fetched.
    pub(super) fn revision(&self) -> Option<Revision> {
        match self {
            Self::Git(resolved) => Some(Revision::Commit(resolved.commit.clone())),
            Self::Archive(request) => request.sha256.clone().map(Revision::Archive),
            Self::Folder(_) => Some(Revision::Folder),
        }
    }
}

/// A source that is here.
pub(super) struct Fetched {
    pub(super) tree: SourceTree,
    pub(super) git_dir: Option<PathBuf>,
    pub(super) revision: Revision,
    /// When the commit was made, in seconds since 1970; an archive has no such time.
    pub(super) committed_at: Option<u64>,
}

impl ImageWork<'_> {
    /// Finds out what is to be fetched; of a Git repository, which commit.
    pub(super) async fn locate(&self) -> Result<Located, NoImage> {
        let source = self.source;
        if let Some(folder) = &source.path {
            return Ok(Located::Folder(PathBuf::from(folder)));
        }
        if let Some(archive) = &source.archive {
            let url = self
                .resolve(Some(&archive.url))
                .ok_or_else(|| Outcome::Invalid("source.archive.url has no value".to_owned()))?;
            return Ok(Located::Archive(ArchiveRequest {
                url,
                sha256: archive.sha256.clone(),
            }));
        }
        let Some(git) = &source.git else {
            let text = "the source is neither a folder, a Git repository nor an archive".to_owned();
            return Err(Outcome::Invalid(text).into());
        };
        let invalid =
            |error: &dyn std::error::Error| Outcome::Invalid(crate::clients::chain(error));
        let providers =
            Providers::from_environment(self.environment).map_err(|error| invalid(&error))?;
        let token = self.resolve(git.token.as_ref());
        let request = GitRequest::new(git, token, &providers).map_err(|error| invalid(&error))?;
        let limits = self.limits()?;
        let resolved = self
            .bounds
            .run(&format!("looking for {}", git.revision), |stop| {
                let request = &request;
                let limits = &limits;
                async move { git::resolve(request, limits, &stop).await }
            })
            .await?
            .map_err(|error| NoImage::failed(&error))?;
        let text = format!(
            "Repository {} at {}: commit {}",
            git.repository, resolved.name, resolved.commit
        );
        self.say(LogPhase::Clone, &text).await;
        Ok(Located::Git(Box::new(resolved)))
    }

    /// Brings the source into the work directory and looks for links that lead out of it.
    pub(super) async fn fetch(&self, located: Located, into: &Path) -> Result<Fetched, NoImage> {
        let limits = self.limits()?;
        let root = into.join("source");
        let fetched = match located {
            Located::Git(resolved) => {
                self.clone_repository(&resolved, root, into.join("git"), &limits)
                    .await?
            }
            Located::Archive(request) => self.unpack(request, root, &limits).await?,
            // Its own user builds it: what its links lead to is theirs already.
            Located::Folder(folder) => return Ok(in_place(folder)),
        };
        let tree = fetched.tree.clone();
        let look = tokio::task::spawn_blocking(move || tree.check_links());
        self.bounds
            .ask("looking at the links of the source", look)
            .await?
            .expect("looking at links does not panic")
            .map_err(|error| NoImage::failed(&error))?;
        Ok(fetched)
    }

    async fn clone_repository(
        &self,
        resolved: &Resolved,
        root: PathBuf,
        git_dir: PathBuf,
        limits: &Limits,
    ) -> Result<Fetched, NoImage> {
        let (work_tree, repository) = (&root, &git_dir);
        let checkout = self
            .phase(
                "cloning",
                LogPhase::Clone,
                self.mask([]),
                |output, stop| async move {
                    let places = Places {
                        work_tree,
                        git_dir: repository,
                    };
                    git::fetch(resolved, places, limits, &output, &stop).await
                },
            )
            .await?
            .map_err(|error| NoImage::failed(&error))?;
        Ok(Fetched {
            tree: SourceTree::new(root),
            git_dir: Some(git_dir),
            revision: Revision::Commit(checkout.commit),
            committed_at: u64::try_from(checkout.committed_at).ok(),
        })
    }

    async fn unpack(
        &self,
        request: ArchiveRequest,
        root: PathBuf,
        limits: &Limits,
    ) -> Result<Fetched, NoImage> {
        let into = &root;
        let unpacked = self
            .phase(
                "unpacking the archive",
                LogPhase::Clone,
                self.mask([]),
                |output, stop| async move {
                    archive::fetch(&request, into, limits, &output, &stop).await
                },
            )
            .await?
            .map_err(|error| NoImage::failed(&error))?;
        Ok(Fetched {
            tree: SourceTree::new(root),
            git_dir: None,
            revision: Revision::Archive(unpacked.sha256),
            committed_at: None,
        })
    }

    fn limits(&self) -> Result<Limits, NoImage> {
        self.environment
            .source_limits()
            .map_err(|error| Outcome::Usage(error.to_string()).into())
    }
}

/// A folder as it stands. A repository in it is handed to Dockerfiles that ask for `.git`.
fn in_place(folder: PathBuf) -> Fetched {
    let git_dir = folder.join(".git");
    Fetched {
        git_dir: git_dir.is_dir().then_some(git_dir),
        tree: SourceTree::new(folder),
        revision: Revision::Folder,
        committed_at: None,
    }
}
