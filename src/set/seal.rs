//! A plan that is kept in a file, and whether it still holds.
//!
//! The file holds no job and no value of a spec: fingerprints of what was wanted, the indexes at which the jobs stood, and
//! what was to be done. Applying it reads the same sources again, plans again, and compares: whatever moved in between is
//! named, and nothing is written. A seal over the whole shows an edited file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::plan::{Change, SetPlan};
use super::wanted::Wanted;
use crate::ids::{JobKey, ModifyIndex, OwnerId};

/// Form of the file. Another build may plan another way, so its files are refused.
pub(crate) const FORMAT: &str = concat!("cs-plan-1 ", env!("CARGO_PKG_VERSION"));

/// A kept plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SealedPlan {
    /// Form and build.
    pub format: String,
    /// When it was made.
    pub created: String,
    /// On whose behalf.
    pub owner: OwnerId,
    /// Address, region and namespace of the cluster.
    pub cluster: String,
    /// What was read, as it was typed.
    pub sources: Vec<String>,
    /// Fingerprint of the variables that were given by flags; their values are not kept.
    pub variables: String,
    /// The commit that was read, for sources in Git.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revision: Option<String>,
    /// Flags that change what is done.
    pub flags: SealedFlags,
    /// What is done, by `namespace/job`.
    pub jobs: BTreeMap<String, SealedJob>,
    /// SHA-256 over all of the above.
    pub seal: String,
}

/// Flags that change what is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SealedFlags {
    /// `--adopt`
    pub adopt: bool,
    /// `--prune`
    pub prune: bool,
    /// `--retry-failed`
    pub retry_failed: bool,
}

/// What was to be done about one job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SealedJob {
    /// `create`, `update`, `unchanged`, `prune`, …
    pub action: String,
    /// Fingerprint of what was wanted; absent for what is pruned.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub digest: Option<String>,
    /// Index at which the job's specification stood; 0 when there was none.
    pub index: ModifyIndex,
}

/// Why a file is no plan that can be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSeal {
    /// It is no such file.
    #[error("it is no plan: make one with `cs plan -f … --out FILE`")]
    NotAPlan,
    /// Another build made it.
    #[error("it was made by another version of cs ({0}); make it again with this one")]
    OtherBuild(String),
    /// Somebody changed it.
    #[error("it was changed after it was made; make it again")]
    Broken,
}

/// What a plan is about, besides the jobs.
#[derive(Debug, Clone)]
pub struct About {
    /// See [`SealedPlan::owner`].
    pub owner: OwnerId,
    /// See [`SealedPlan::cluster`].
    pub cluster: String,
    /// See [`SealedPlan::sources`].
    pub sources: Vec<String>,
    /// See [`SealedPlan::variables`].
    pub variables: String,
    /// See [`SealedPlan::revision`].
    pub revision: Option<String>,
    /// See [`SealedPlan::flags`].
    pub flags: SealedFlags,
}

impl SealedPlan {
    /// Seals a plan. `indexes` is where each job stood when it was looked at; `wanted` is in the order of the plan.
    #[must_use]
    pub fn new(
        about: About,
        created: String,
        plan: &SetPlan,
        wanted: &[&Wanted],
        indexes: &BTreeMap<JobKey, ModifyIndex>,
    ) -> Self {
        let index = |key: &JobKey| indexes.get(key).copied().unwrap_or_default();
        let mut jobs: BTreeMap<String, SealedJob> = plan
            .items
            .iter()
            .zip(wanted)
            .map(|(item, wanted)| {
                let job = SealedJob {
                    action: item.change.word().to_owned(),
                    digest: Some(wanted.digest.0.clone()),
                    index: match &item.change {
                        Change::Update { from, .. } => *from,
                        _ => index(&item.key),
                    },
                };
                (item.key.to_string(), job)
            })
            .collect();
        jobs.extend(plan.pruning.jobs.iter().map(|key| {
            let job = SealedJob {
                action: "prune".to_owned(),
                digest: None,
                index: index(key),
            };
            (key.to_string(), job)
        }));
        let mut sealed = Self {
            format: FORMAT.to_owned(),
            created,
            owner: about.owner,
            cluster: about.cluster,
            sources: about.sources,
            variables: about.variables,
            revision: about.revision,
            flags: about.flags,
            jobs,
            seal: String::new(),
        };
        sealed.seal = sealed.fingerprint();
        sealed
    }

    fn fingerprint(&self) -> String {
        let unsealed = Self {
            seal: String::new(),
            ..self.clone()
        };
        let text = serde_json::to_vec(&unsealed).expect("texts and numbers are JSON");
        format!("{:x}", Sha256::digest(text))
    }

    /// The text of the file.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("texts and numbers are JSON");
        text.push('\n');
        text
    }

    /// Reads a file.
    ///
    /// # Errors
    /// It is no plan of this build, or it was changed.
    pub fn read(text: &str) -> Result<Self, BadSeal> {
        #[derive(Deserialize)]
        struct Head {
            format: String,
        }
        let head: Head = serde_json::from_str(text).map_err(|_| BadSeal::NotAPlan)?;
        if !head.format.starts_with("cs-plan-") {
            return Err(BadSeal::NotAPlan);
        }
        if head.format != FORMAT {
            return Err(BadSeal::OtherBuild(head.format));
        }
        let sealed: Self = serde_json::from_str(text).map_err(|_| BadSeal::Broken)?;
        if sealed.seal != sealed.fingerprint() {
            return Err(BadSeal::Broken);
        }
        Ok(sealed)
    }

    /// What moved since this plan was made; `now` is the same plan made again. Empty when it still holds.
    #[must_use]
    pub fn moved(&self, now: &Self) -> Vec<String> {
        let mut moved = Vec::new();
        if self.cluster != now.cluster {
            moved.push(format!(
                "it was made for {}, and this is {}",
                self.cluster, now.cluster
            ));
        }
        if self.variables != now.variables {
            moved.push("the values of --var and --var-file are not the same".to_owned());
        }
        let keys: std::collections::BTreeSet<&String> =
            self.jobs.keys().chain(now.jobs.keys()).collect();
        for key in keys {
            moved.extend(difference(key, self.jobs.get(key), now.jobs.get(key)));
        }
        moved
    }
}

fn difference(key: &str, then: Option<&SealedJob>, now: Option<&SealedJob>) -> Option<String> {
    match (then, now) {
        (None, None) => None,
        (None, Some(now)) if now.action == "prune" => {
            Some(format!("{key} would be pruned, and was not to be"))
        }
        (None, Some(_)) => Some(format!("{key} is new among the files")),
        (Some(then), None) if then.action == "prune" => {
            Some(format!("{key} was to be pruned, and is not any more"))
        }
        (Some(_), None) => Some(format!("{key} is not among the files any more")),
        (Some(then), Some(now)) if then.digest != now.digest => {
            Some(format!("{key}: its spec was changed"))
        }
        (Some(then), Some(now)) if then.index != now.index => Some(format!(
            "{key}: the job was written since (index {} then, {} now)",
            then.index, now.index
        )),
        (Some(then), Some(now)) if then.action != now.action => Some(format!(
            "{key}: it was to be {} and is now {}",
            then.action, now.action
        )),
        _ => None,
    }
}
