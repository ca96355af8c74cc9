//! Which resources go back when some have failed.

use crate::spec::relations::OnFailure;

/// What is known of one resource after a run. Hooks are never written for this purpose: what they did cannot be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// This run has written it, and it is no hook.
    pub was_written: bool,
    /// It did not become what it should.
    pub has_failed: bool,
    /// What its spec says about that.
    pub policy: OnFailure,
}

/// Positions of the resources that go back, the last one first: what depends on others before them.
#[must_use]
pub fn reverts(candidates: &[Candidate]) -> Vec<usize> {
    let is_set = candidates
        .iter()
        .any(|one| one.has_failed && one.policy == OnFailure::RevertSet);
    let goes_back = |one: &Candidate| {
        one.was_written && (is_set || one.has_failed && one.policy == OnFailure::Revert)
    };
    (0..candidates.len())
        .rev()
        .filter(|at| goes_back(&candidates[*at]))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn candidates() -> impl Strategy<Value = Vec<Candidate>> {
        let policy = prop_oneof![
            Just(OnFailure::Keep),
            Just(OnFailure::Revert),
            Just(OnFailure::RevertSet)
        ];
        let one = (any::<bool>(), any::<bool>(), policy).prop_map(|(written, failed, policy)| {
            Candidate {
                was_written: written,
                has_failed: failed,
                policy,
            }
        });
        prop::collection::vec(one, 0..12)
    }

    proptest! {
        #[test]
        fn only_what_was_written_goes_back_in_reverse_and_all_of_it_where_a_set_says_so(candidates in candidates()) {
            let back = reverts(&candidates);
            prop_assert!(back.windows(2).all(|pair| pair[0] > pair[1]));
            prop_assert!(back.iter().all(|at| candidates[*at].was_written));
            let failed = |policy| candidates.iter().any(|one| one.has_failed && one.policy == policy);
            let written = candidates.iter().filter(|one| one.was_written).count();
            if failed(OnFailure::RevertSet) {
                prop_assert_eq!(back.len(), written);
            } else {
                let revert = |at: &usize| candidates[*at].has_failed && candidates[*at].policy == OnFailure::Revert;
                prop_assert!(back.iter().all(revert));
            }
            if !candidates.iter().any(|one| one.has_failed) {
                prop_assert_eq!(back, Vec::<usize>::new());
            }
        }
    }
}
