//! One resource of the set, ready to be compared: who it is, a fingerprint of what is wanted, how it takes part.
//!
//! The compiled job is not among it. Ten thousand of them would fill the memory; it is made when a look needs it.

use crate::clients::nomad::types::JobHead;
use crate::desired::Digest;
use crate::ids::JobKey;
use crate::reconcile::diff::DiffOptions;
use crate::reconcile::plan::{META_MANAGED_BY, META_OWNER};
use crate::spec::Kind;
use crate::spec::relations::{Hook, OnFailure};

/// Label that protects a job from being pruned, in `metadata.labels` or in the job's own meta: `cs.prune: disabled`.
pub const PRUNE_LABEL: &str = "cs.prune";
/// Value of [`PRUNE_LABEL`].
pub const PRUNE_DISABLED: &str = "disabled";

/// One resource of the set.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The job that it becomes.
    pub key: JobKey,
    /// In which terms it is described.
    pub kind: Kind,
    /// Fingerprint of everything that decides about the job: same digest, same job.
    pub digest: Digest,
    /// Whether and when it runs as a hook.
    pub hook: Option<Hook>,
    /// What follows when it does not become healthy.
    pub on_failure: OnFailure,
    /// Its label protects it from being pruned later.
    pub keep: bool,
    /// What the comparator leaves alone, and what is not shown.
    pub options: DiffOptions,
}

impl Wanted {
    /// How it is compared with the job in the cluster.
    ///
    /// A job that carries no owner was taken over, or will be. Its meta stays as it is: adding to it would restart every
    /// task (nomad-api.md, trap 8), and the inventory knows whose it is.
    #[must_use]
    pub fn options_against(&self, head: &JobHead) -> DiffOptions {
        let mut options = self.options.clone();
        if !head.meta.contains_key(META_OWNER) {
            let ours = [META_OWNER, META_MANAGED_BY].map(|key| {
                format!("/Meta/{key}")
                    .parse()
                    .expect("a place that starts with a slash")
            });
            options.ignore.extend(ours);
        }
        options
    }
}
