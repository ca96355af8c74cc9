//! Generations: when a hook runs.
//!
//! A hook runs once for each generation of what it serves. A generation is a fingerprint of everything that is wanted of
//! the hook and of the resources that it serves, so it moves exactly when one of the specs does; a job that somebody
//! changed by hand is brought back without running the hook again.
//!
//! The generation stands in the meta of the hook's job ([`META_GENERATION`]). A new one is a new version, which makes Nomad
//! run a batch job that has ended once more, and a run that was cut off finds out from it that the hook was started already.

use sha2::{Digest as _, Sha256};

use crate::desired::Digest;
use crate::ids::JobKey;

/// Job meta key of hooks: the generation for which the job runs.
pub const META_GENERATION: &str = "cs.generation";

/// The generation of a hook, as 32 hexadecimal digits; `served` in any order.
#[must_use]
pub fn generation<'a>(
    hook: &Digest,
    served: impl IntoIterator<Item = (&'a JobKey, &'a Digest)>,
) -> String {
    let mut served: Vec<_> = served.into_iter().collect();
    served.sort_by_key(|(key, _)| *key);
    let mut sink = Sha256::new();
    sink.update(b"cs generation 1");
    let mut feed = |text: &str| {
        sink.update((text.len() as u64).to_be_bytes());
        sink.update(text);
    };
    feed(&hook.0);
    for (key, digest) in served {
        feed(&key.to_string());
        feed(&digest.0);
    }
    let mut text = format!("{:x}", sink.finalize());
    text.truncate(32);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(job: &str) -> JobKey {
        JobKey {
            namespace: "default".parse().unwrap(),
            job: job.parse().unwrap(),
        }
    }

    #[test]
    fn a_generation_moves_with_the_hook_and_with_each_that_it_serves_and_with_nothing_else() {
        let digest = |text: &str| Digest(text.to_owned());
        let (a, b) = (key("a"), key("b"));
        let first = generation(&digest("h"), [(&a, &digest("1")), (&b, &digest("2"))]);
        assert_eq!(first.len(), 32);
        assert_eq!(
            generation(&digest("h"), [(&b, &digest("2")), (&a, &digest("1"))]),
            first
        );
        for other in [
            generation(&digest("i"), [(&a, &digest("1")), (&b, &digest("2"))]),
            generation(&digest("h"), [(&a, &digest("1")), (&b, &digest("3"))]),
            generation(&digest("h"), [(&a, &digest("1"))]),
            generation(&digest("h"), [(&a, &digest("2")), (&b, &digest("1"))]),
        ] {
            assert_ne!(other, first);
        }
    }
}
