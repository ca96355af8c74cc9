//! Whether the canaries of a rollout may be promoted, and what stands in the way.

use std::fmt;

use crate::clients::nomad::types::{JobRecord, Rollout, RolloutGroup};
use crate::spec::suggest::closest;

use super::text::{list, short};

/// Which canaries to promote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promotion {
    /// Id of the rollout.
    pub rollout: String,
    /// Version that it brings.
    pub version: u64,
    /// Groups whose canaries are promoted.
    pub groups: Vec<String>,
    /// Groups whose canaries still wait afterwards.
    pub left: Vec<String>,
    /// How many canaries that are.
    pub canaries: u64,
    /// How many allocations the groups will have of the new version, canaries included.
    pub desired: u64,
}

/// Why there is nothing to promote, or not yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoPromotion {
    /// The job has no rollout.
    NoRollout,
    /// The latest rollout is over.
    Over {
        /// Version that it brought.
        version: u64,
        /// `successful`, `failed`, `cancelled`.
        status: String,
        /// Nomad's sentence.
        description: String,
    },
    /// No group of it has canaries.
    NoCanaries {
        /// Version that it brings.
        version: u64,
    },
    /// They were promoted before.
    Promoted {
        /// Version that it brings.
        version: u64,
        /// It still goes on.
        goes_on: bool,
    },
    /// Not all of them are healthy yet.
    NotHealthy {
        /// Version that it brings.
        version: u64,
        /// Group, healthy and wanted canaries.
        groups: Vec<(String, u64, u64)>,
    },
    /// The rollout has no such group.
    NoSuchGroup {
        /// The name that was given.
        group: String,
        /// Groups with canaries.
        known: Vec<String>,
    },
}

/// Whether all canaries are healthy and a person has to decide.
#[must_use]
pub fn awaits_promotion(rollout: &Rollout) -> bool {
    let open: Vec<&RolloutGroup> = rollout
        .task_groups
        .values()
        .filter(|group| has_open_canaries(group))
        .collect();
    is_active(rollout)
        && open.iter().any(|group| !group.auto_promote)
        && open.iter().all(|group| is_ready(group))
}

fn is_active(rollout: &Rollout) -> bool {
    !matches!(
        rollout.status.as_str(),
        "successful" | "failed" | "cancelled"
    )
}

const fn has_open_canaries(group: &RolloutGroup) -> bool {
    group.desired_canaries > 0 && !group.promoted
}

const fn is_ready(group: &RolloutGroup) -> bool {
    group.healthy_allocs >= group.desired_canaries
}

/// Decides what is promoted. Without `groups`, every group that has canaries.
///
/// # Errors
/// What stands in the way.
pub fn promotion(
    job: &JobRecord,
    rollout: Option<&Rollout>,
    groups: &[String],
) -> Result<Promotion, NoPromotion> {
    let rollout = rollout
        .filter(|rollout| rollout.job_create_index == job.head.create_index)
        .ok_or(NoPromotion::NoRollout)?;
    let version = rollout.job_version;
    let with_canaries: Vec<(&String, &RolloutGroup)> = rollout
        .task_groups
        .iter()
        .filter(|(_, group)| group.desired_canaries > 0)
        .collect();
    let known = || with_canaries.iter().map(|(name, _)| (*name).clone());
    if let Some(group) = groups
        .iter()
        .find(|name| !with_canaries.iter().any(|(known, _)| known == name))
        .filter(|_| !with_canaries.is_empty())
    {
        return Err(NoPromotion::NoSuchGroup {
            group: group.clone(),
            known: known().collect(),
        });
    }
    let chosen: Vec<(&String, &RolloutGroup)> = with_canaries
        .iter()
        .copied()
        .filter(|(name, _)| groups.is_empty() || groups.contains(name))
        .collect();
    let open: Vec<(&String, &RolloutGroup)> = chosen
        .iter()
        .copied()
        .filter(|(_, group)| !group.promoted)
        .collect();
    if open.is_empty() && !chosen.is_empty() && (is_active(rollout) || is_success(rollout)) {
        let goes_on = is_active(rollout);
        return Err(NoPromotion::Promoted { version, goes_on });
    }
    if !is_active(rollout) {
        return Err(NoPromotion::Over {
            version,
            status: rollout.status.clone(),
            description: rollout.status_description.clone(),
        });
    }
    if open.is_empty() {
        return Err(NoPromotion::NoCanaries { version });
    }
    let waiting: Vec<(String, u64, u64)> = open
        .iter()
        .filter(|(_, group)| !is_ready(group))
        .map(|(name, group)| {
            (
                (*name).clone(),
                group.healthy_allocs,
                group.desired_canaries,
            )
        })
        .collect();
    if !waiting.is_empty() {
        let groups = waiting;
        return Err(NoPromotion::NotHealthy { version, groups });
    }
    Ok(Promotion {
        rollout: rollout.id.clone(),
        version,
        groups: open.iter().map(|(name, _)| (*name).clone()).collect(),
        left: with_canaries
            .iter()
            .filter(|(name, group)| !group.promoted && !open.iter().any(|(open, _)| open == name))
            .map(|(name, _)| (*name).clone())
            .collect(),
        canaries: open.iter().map(|(_, group)| group.desired_canaries).sum(),
        desired: open.iter().map(|(_, group)| group.desired_total).sum(),
    })
}

fn is_success(rollout: &Rollout) -> bool {
    rollout.status == "successful"
}

impl fmt::Display for NoPromotion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRollout => f.write_str("it has no rollout, so there is nothing to promote"),
            Self::Over {
                version,
                status,
                description,
            } => write!(
                f,
                "the rollout of version {version} is over ({status}: {description}): there is nothing to promote"
            ),
            Self::NoCanaries { version } => {
                write!(f, "the rollout of version {version} has no canaries")
            }
            Self::Promoted { version, .. } => {
                write!(f, "the canaries of version {version} are promoted already")
            }
            Self::NotHealthy { version, groups } => {
                let groups: Vec<String> = groups
                    .iter()
                    .map(|(name, healthy, wanted)| format!("{healthy} of {wanted} in group {name}"))
                    .collect();
                write!(
                    f,
                    "the canaries of version {version} are not all healthy yet: {}",
                    list(&groups)
                )
            }
            Self::NoSuchGroup { group, known } => {
                write!(f, "no group `{group}` has canaries; known: {}", list(known))?;
                match closest(group, known.iter().map(String::as_str)) {
                    Some(meant) => write!(f, "; did you mean `{meant}`?"),
                    None => Ok(()),
                }
            }
        }
    }
}

impl fmt::Display for Promotion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "version {}, rollout {}: {} of {} allocations run it as canaries (group {})",
            self.version,
            short(&self.rollout),
            self.canaries,
            self.desired,
            list(&self.groups)
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn job() -> JobRecord {
        let spec =
            serde_json::json!({"ID": "shop", "Version": 3, "CreateIndex": 10, "TaskGroups": []});
        serde_json::from_value(spec).unwrap()
    }

    fn rollout(status: &str, groups: &[(&str, RolloutGroup)]) -> Rollout {
        Rollout {
            id: "d1f2a3b4-0000".into(),
            job_version: 3,
            job_create_index: 10,
            status: status.into(),
            status_description: "words".into(),
            task_groups: groups
                .iter()
                .map(|(name, group)| ((*name).to_owned(), group.clone()))
                .collect::<BTreeMap<_, _>>(),
            ..Rollout::default()
        }
    }

    fn canaries(wanted: u64, healthy: u64, promoted: bool) -> RolloutGroup {
        RolloutGroup {
            desired_total: 3,
            desired_canaries: wanted,
            healthy_allocs: healthy,
            promoted,
            ..RolloutGroup::default()
        }
    }

    #[test]
    fn healthy_canaries_of_all_or_of_named_groups_are_promoted() {
        let plain = RolloutGroup::default();
        let running = rollout(
            "running",
            &[
                ("api", canaries(1, 1, false)),
                ("db", plain),
                ("web", canaries(2, 2, false)),
            ],
        );
        let all = promotion(&job(), Some(&running), &[]).unwrap();
        assert_eq!((all.canaries, all.desired), (3, 6));
        assert_eq!(all.groups, ["api", "web"]);
        assert!(awaits_promotion(&running));
        let web = promotion(&job(), Some(&running), &["web".to_owned()]).unwrap();
        assert_eq!((web.groups, web.canaries), (vec!["web".to_owned()], 2));
        assert_eq!((all.left, web.left), (vec![], vec!["api".to_owned()]));
    }

    #[test]
    fn what_stands_in_the_way_is_said_with_counts() {
        let why = |rollout: Option<Rollout>, groups: &[&str]| {
            let groups: Vec<String> = groups.iter().map(|name| (*name).to_owned()).collect();
            promotion(&job(), rollout.as_ref(), &groups)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            why(None, &[]),
            "it has no rollout, so there is nothing to promote"
        );
        let other = Rollout {
            job_create_index: 4,
            ..rollout("running", &[("web", canaries(1, 1, false))])
        };
        assert!(
            why(Some(other), &[]).contains("no rollout"),
            "it belongs to an earlier incarnation"
        );
        let none = rollout("running", &[("web", RolloutGroup::default())]);
        assert_eq!(
            why(Some(none), &[]),
            "the rollout of version 3 has no canaries"
        );
        let early = rollout("running", &[("web", canaries(2, 1, false))]);
        assert!(!awaits_promotion(&early));
        assert_eq!(
            why(Some(early.clone()), &[]),
            "the canaries of version 3 are not all healthy yet: 1 of 2 in group web"
        );
        assert_eq!(
            why(Some(early), &["wbe"]),
            "no group `wbe` has canaries; known: web; did you mean `web`?"
        );
        let before = rollout("running", &[("web", canaries(2, 2, true))]);
        assert_eq!(
            why(Some(before), &[]),
            "the canaries of version 3 are promoted already"
        );
        let failed = rollout("failed", &[("web", canaries(2, 0, false))]);
        assert_eq!(
            why(Some(failed), &[]),
            "the rollout of version 3 is over (failed: words): there is nothing to promote"
        );
    }
}
