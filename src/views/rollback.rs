//! Which version to go back to, and what that changes.

use std::fmt;
use std::str::FromStr;

use crate::clients::nomad::types::JobRecord;
use crate::reconcile::diff::{DiffOptions, Drift, diff};

use super::text::list;

/// Where to go back to, as people name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A version by its number.
    Version(u64),
    /// A version by the name that somebody gave it.
    Tag(String),
}

/// A text that names no version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected the number of a version, or its tag")]
pub struct InvalidTarget;

impl FromStr for Target {
    type Err = InvalidTarget;

    fn from_str(text: &str) -> Result<Self, InvalidTarget> {
        match text.parse() {
            Ok(version) => Ok(Self::Version(version)),
            Err(_) if text.trim().is_empty() => Err(InvalidTarget),
            Err(_) => Ok(Self::Tag(text.to_owned())),
        }
    }
}

/// Going back: from where, to where, and what it changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Rollback {
    /// The current version.
    pub from: u64,
    /// The version whose specification becomes the newest.
    pub to: u64,
    /// Nomad saw that version healthy.
    pub is_stable: bool,
    /// What changes.
    pub drift: Drift,
    /// The job is stopped now, and runs afterwards.
    pub starts: bool,
}

/// Why there is nothing to go back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoRollback {
    /// The current version is the one that was named, or the same as it.
    IsCurrent {
        /// The version that was named.
        named: u64,
        /// The current version.
        current: u64,
    },
    /// Nomad has no such version, or no longer.
    NoSuchVersion {
        /// What was named.
        named: Target,
        /// Versions that there are.
        known: Vec<u64>,
    },
    /// No older version was healthy and is different.
    NoneStable {
        /// The current version.
        current: u64,
        /// Older versions that there are.
        older: Vec<u64>,
    },
}

impl fmt::Display for NoRollback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IsCurrent { named, current } if named == current => {
                write!(f, "version {named} is the current one")
            }
            Self::IsCurrent { named, current } => {
                write!(
                    f,
                    "version {named} is the same as the current version {current}"
                )
            }
            Self::NoSuchVersion { named, known } => {
                match named {
                    Target::Version(version) => write!(f, "Nomad has no version {version} of it")?,
                    Target::Tag(tag) => {
                        write!(f, "Nomad has no version of it with the tag `{tag}`")?;
                    }
                }
                write!(f, "; it keeps {}", versions(known))
            }
            Self::NoneStable { current, older } if older.is_empty() => {
                write!(f, "version {current} is the only one that Nomad has")
            }
            Self::NoneStable { current, older } => write!(
                f,
                "no version before {current} was ever healthy and is different from it; Nomad keeps {}",
                versions(older)
            ),
        }
    }
}

fn versions(versions: &[u64]) -> String {
    let texts: Vec<String> = versions.iter().map(u64::to_string).collect();
    match texts.len() {
        1 => format!("version {}", texts[0]),
        _ => format!("versions {}", list(&texts)),
    }
}

impl NoRollback {
    /// Nothing has to be done: it is as wanted.
    #[must_use]
    pub const fn is_no_trouble(&self) -> bool {
        matches!(self, Self::IsCurrent { .. })
    }
}

/// Chooses the version: the named one, else the newest that Nomad saw healthy before the current one and that is not the
/// same as it. An automatic rollback made the current version equal to an older one; going back to that changes nothing.
///
/// `versions` are newest first, as Nomad lists them, the current one among them.
///
/// # Errors
/// There is none.
pub fn rollback(versions: &[JobRecord], target: Option<&Target>) -> Result<Rollback, NoRollback> {
    let Some(current) = versions.first() else {
        return Err(NoRollback::NoneStable {
            current: 0,
            older: Vec::new(),
        });
    };
    let older = &versions[1..];
    let numbers = |versions: &[JobRecord]| versions.iter().map(|it| it.head.version).collect();
    let chosen = match target {
        Some(target) => {
            let found = versions.iter().find(|version| match target {
                Target::Version(number) => version.head.version == *number,
                Target::Tag(tag) => {
                    let named = version.head.version_tag.as_ref();
                    named.is_some_and(|named| named.name == *tag)
                }
            });
            found.ok_or_else(|| NoRollback::NoSuchVersion {
                named: target.clone(),
                known: numbers(versions),
            })?
        }
        None => older
            .iter()
            .filter(|version| version.head.stable && !version.head.stop)
            .find(|version| current.head.stop || !changes(version, current).is_empty())
            .ok_or_else(|| NoRollback::NoneStable {
                current: current.head.version,
                older: numbers(older),
            })?,
    };
    let drift = changes(chosen, current);
    let starts = current.head.stop && !chosen.head.stop;
    // Nomad makes no version of what is the same.
    if chosen.head.version == current.head.version || drift.is_empty() && !starts {
        return Err(NoRollback::IsCurrent {
            named: chosen.head.version,
            current: current.head.version,
        });
    }
    Ok(Rollback {
        from: current.head.version,
        to: chosen.head.version,
        is_stable: chosen.head.stable,
        drift,
        starts,
    })
}

fn changes(wanted: &JobRecord, current: &JobRecord) -> Drift {
    diff(&wanted.spec, &current.spec, &DiffOptions::default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn version(number: u64, image: &str, stable: bool) -> JobRecord {
        serde_json::from_value(json!({
            "ID": "shop", "Namespace": "default", "Type": "service", "Version": number, "Stable": stable,
            "VersionTag": if number == 1 { json!({"Name": "golden"}) } else { json!(null) },
            "TaskGroups": [{"Name": "web", "Count": 1, "Tasks": [
                {"Name": "app", "Driver": "docker", "Config": {"image": image}}]}],
        }))
        .unwrap()
    }

    fn chosen(versions: &[JobRecord], target: Option<&str>) -> Result<u64, String> {
        let target = target.map(|text| text.parse::<Target>().unwrap());
        rollback(versions, target.as_ref())
            .map(|found| found.to)
            .map_err(|none| none.to_string())
    }

    #[test]
    fn it_goes_back_to_the_newest_version_that_was_healthy_and_is_different() {
        let versions = [
            version(4, "shop:4", true),
            version(3, "shop:3", false),
            version(2, "shop:2", true),
            version(1, "shop:1", true),
        ];
        assert_eq!(chosen(&versions, None), Ok(2));
        let drift = rollback(&versions, None).unwrap().drift;
        assert_eq!(
            drift.to_string(),
            "~ TaskGroups[web].Tasks[app].Config.image: \"shop:4\" -> \"shop:2\"\n"
        );
    }

    #[test]
    fn after_an_automatic_rollback_it_does_not_go_back_to_the_same() {
        let versions = [
            version(2, "shop:0", true),
            version(1, "shop:1", false),
            version(0, "shop:0", true),
        ];
        assert_eq!(
            chosen(&versions, None).unwrap_err(),
            "no version before 2 was ever healthy and is different from it; Nomad keeps versions 1 and 0"
        );
        assert_eq!(chosen(&versions, Some("1")), Ok(1), "by name it may be any");
        assert_eq!(
            chosen(&versions, Some("0")).unwrap_err(),
            "version 0 is the same as the current version 2"
        );
    }

    #[test]
    fn a_version_may_be_named_by_number_or_tag_and_must_be_there() {
        let versions = [version(2, "shop:2", false), version(1, "shop:1", false)];
        assert_eq!(chosen(&versions, Some("golden")), Ok(1));
        assert_eq!(
            chosen(&versions, Some("7")).unwrap_err(),
            "Nomad has no version 7 of it; it keeps versions 2 and 1"
        );
        assert_eq!(
            chosen(&versions, Some("silver")).unwrap_err(),
            "Nomad has no version of it with the tag `silver`; it keeps versions 2 and 1"
        );
        assert_eq!(
            chosen(&versions, Some("2")).unwrap_err(),
            "version 2 is the current one"
        );
        assert_eq!(
            chosen(&versions[..1], None).unwrap_err(),
            "version 2 is the only one that Nomad has"
        );
    }

    #[test]
    fn a_stopped_job_is_started_again_by_its_last_healthy_version() {
        let mut stopped = version(2, "shop:1", false);
        stopped.head.stop = true;
        stopped.spec["Stop"] = json!(true);
        let versions = [stopped, version(1, "shop:1", true)];
        let found = rollback(&versions, None).unwrap();
        assert!(found.starts);
        assert_eq!(found.to, 1);
    }
}
