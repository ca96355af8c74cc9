//! Whose a job is.

use std::collections::BTreeMap;

use super::Entry;
use crate::ids::OwnerId;
use crate::reconcile::plan::META_OWNER;

/// Whose a job is, seen from one owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ownership {
    /// This owner's: it may be written and, if the inventory names it, pruned.
    Ours,
    /// It names no owner, and this one does not know it: only to be taken over (`--adopt`).
    Nobodys,
    /// It names another owner.
    Foreign(OwnerId),
    /// It names no owner, and stands where a job of this owner once was: that one was purged, somebody made another.
    Recreated,
}

/// Says whose a job is: what its meta names, else what the inventory knows of this very incarnation.
///
/// `meta` and `created` (its `CreateIndex`) are those of the job as it is now. An entry without a known incarnation
/// proves nothing about a job that does not name us.
#[must_use]
pub fn ownership(
    entry: Option<&Entry>,
    meta: &BTreeMap<String, String>,
    created: u64,
    owner: &OwnerId,
) -> Ownership {
    match (named(meta), entry) {
        (Some(named), _) if named == *owner => Ownership::Ours,
        (Some(named), _) => Ownership::Foreign(named),
        (None, None) => Ownership::Nobodys,
        (None, Some(entry)) if entry.created == created && created != 0 => Ownership::Ours,
        (None, Some(_)) => Ownership::Recreated,
    }
}

/// The owner that a job names. A blank name is none; control characters, which no owner of `cs` has, are replaced.
fn named(meta: &BTreeMap<String, String>) -> Option<OwnerId> {
    let text = meta.get(META_OWNER)?;
    crate::plain::line(text).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::codec::tests::plain;
    use super::*;

    fn web() -> OwnerId {
        "web".parse().unwrap()
    }

    fn meta(owner: Option<&str>) -> BTreeMap<String, String> {
        let owner = owner.map(|owner| (META_OWNER.to_owned(), owner.to_owned()));
        owner
            .into_iter()
            .chain([("team".to_owned(), "web".to_owned())])
            .collect()
    }

    /// Of a job that was created at index 12.
    fn judged(entry: Option<u64>, named: Option<&str>) -> Ownership {
        let entry = entry.map(|created| Entry { created, ..plain() });
        ownership(entry.as_ref(), &meta(named), 12, &web())
    }

    #[test]
    fn the_owner_that_a_job_names_decides() {
        for entry in [None, Some(12), Some(7), Some(0)] {
            assert_eq!(judged(entry, Some("web")), Ownership::Ours);
            let other = "web2".parse().unwrap();
            assert_eq!(judged(entry, Some("web2")), Ownership::Foreign(other));
        }
    }

    #[test]
    fn a_job_that_names_nobody_is_ours_only_as_the_incarnation_that_we_know() {
        assert_eq!(judged(Some(12), None), Ownership::Ours);
        assert_eq!(judged(None, None), Ownership::Nobodys);
        assert_eq!(judged(Some(7), None), Ownership::Recreated);
        assert_eq!(judged(Some(0), None), Ownership::Recreated);
        let unknown = Entry {
            created: 0,
            ..plain()
        };
        let found = ownership(Some(&unknown), &meta(None), 0, &web());
        assert_eq!(found, Ownership::Recreated);
    }

    #[test]
    fn a_name_that_no_owner_can_have_is_never_taken_for_ours() {
        assert_eq!(judged(None, Some("  ")), Ownership::Nobodys);
        let shown = "we\u{fffd}b".parse().unwrap();
        assert_eq!(judged(Some(12), Some("we\nb")), Ownership::Foreign(shown));
    }
}
