//! What a run may still do when others may repeat it: announce its end, or make way for a newer one.
//!
//! A run of `cs reconcile` is the only one of its dispatch and may do everything. A task of a queue is carried out by one
//! agent of many, may be taken over by another, and may be tried again: whoever handed it out decides whether an end
//! counts, and keeps the [`Overseer`] for that.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};

use crate::ids::JobId;
use crate::reconcile::Outcome;

/// What a run asks before its end is announced. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Warrant(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    occasion: String,
    asks: mpsc::Sender<Ask>,
    newer: Newer,
}

type Newer = Arc<Mutex<BTreeMap<JobId, String>>>;

/// A question whether a run may announce that it ended like this.
#[derive(Debug)]
pub struct Ask {
    /// How it ended.
    pub outcome: Outcome,
    /// Takes the answer. Dropped without one: no.
    pub answer: oneshot::Sender<bool>,
}

/// The other side of a [`Warrant`].
#[derive(Debug)]
pub struct Overseer {
    asks: mpsc::Receiver<Ask>,
    newer: Newer,
}

impl Warrant {
    /// Of a run that nobody else repeats.
    #[must_use]
    pub const fn unshared() -> Self {
        Self(None)
    }

    /// Of a task that several may carry out. `occasion` is the same for every try of it and for no other task.
    #[must_use]
    pub fn shared(occasion: String) -> (Self, Overseer) {
        let (sender, asks) = mpsc::channel(1);
        let newer = Newer::default();
        let shared = Shared {
            occasion,
            asks: sender,
            newer: Arc::clone(&newer),
        };
        (Self(Some(Arc::new(shared))), Overseer { asks, newer })
    }

    /// What all tries of this task have in common, and no other task.
    #[must_use]
    pub fn occasion(&self) -> Option<&str> {
        self.0.as_ref().map(|shared| shared.occasion.as_str())
    }

    /// The outcome of a run whose job was taken over by a newer task; `None` while it was not.
    #[must_use]
    pub fn superseded(&self, job: &JobId) -> Option<Outcome> {
        let shared = self.0.as_ref()?;
        let newer = shared.newer.lock().unwrap_or_else(PoisonError::into_inner);
        newer.get(job).cloned().map(Outcome::Superseded)
    }

    /// Whether this end may be announced. Waits for as long as that cannot be told.
    ///
    /// # Cancel safety
    /// May be dropped; the answer is then lost, and a later question gets the same one.
    pub async fn may_end(&self, outcome: &Outcome) -> bool {
        let Some(shared) = &self.0 else { return true };
        let (answer, answered) = oneshot::channel();
        let ask = Ask {
            outcome: outcome.clone(),
            answer,
        };
        // Nobody who could allow it: then it is not allowed.
        shared.asks.send(ask).await.is_ok() && answered.await.unwrap_or(false)
    }
}

impl Overseer {
    /// The next question; none once the run is over.
    ///
    /// # Cancel safety
    /// No question is lost.
    pub async fn next(&mut self) -> Option<Ask> {
        self.asks.recv().await
    }

    /// Notes that a newer task has taken over a job. To be called before the run is told to stop.
    pub fn supersede(&self, job: &JobId, why: &str) {
        let mut newer = self.newer.lock().unwrap_or_else(PoisonError::into_inner);
        newer.insert(job.clone(), why.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_run_of_its_own_may_always_end() {
        assert!(Warrant::unshared().may_end(&Outcome::Converged).await);
        assert_eq!(
            Warrant::unshared().superseded(&"shop".parse().unwrap()),
            None
        );
    }

    #[tokio::test]
    async fn a_shared_run_ends_when_its_overseer_says_so_and_never_without_one() {
        let (warrant, mut overseer) = Warrant::shared("7".to_owned());
        let says = async {
            let ask = overseer.next().await.unwrap();
            assert_eq!(ask.outcome, Outcome::Converged);
            ask.answer.send(true).unwrap();
        };
        let (may, ()) = tokio::join!(warrant.may_end(&Outcome::Converged), says);
        assert!(may);
        drop(overseer);
        assert!(!warrant.may_end(&Outcome::Converged).await);
    }

    #[test]
    fn only_the_job_that_was_taken_over_is_superseded() {
        let (warrant, overseer) = Warrant::shared("7".to_owned());
        let (shop, other) = ("shop".parse().unwrap(), "other".parse().unwrap());
        overseer.supersede(&shop, "dep-2 took over");
        assert_eq!(
            warrant.superseded(&shop),
            Some(Outcome::Superseded("dep-2 took over".to_owned()))
        );
        assert_eq!(warrant.superseded(&other), None);
    }
}
