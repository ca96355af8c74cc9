//! What follows a failure: the hooks for it, then the way back.
//!
//! Hooks of phase `onFailure` come first: they often look at what has failed. Then whatever says `revert`, or everything
//! that this run has changed when one of the failed says `revert-set`, goes back to the version that stood before; what
//! did not exist before is stopped. Nomad's own `auto_revert` may have done so already.

use tokio::time::Instant;

use super::apply::{AFTERMATH, Ending, SetResult, SetRun, with_notes};
use super::observe::Pending;
use super::remember::Remember;
use crate::clients::chain;
use crate::clients::nomad::NomadClient;
use crate::clients::nomad::types::{JobHead, JobRecord};
use crate::controller::act::act;
use crate::controller::converge::{Converge, Until};
use crate::controller::hub::Hub;
use crate::controller::note::{Note, Notes};
use crate::ids::JobKey;
use crate::reconcile::Outcome;
use crate::reconcile::diff::{DiffOptions, diff};
use crate::reconcile::plan::{Action, Goal, Memory};
use crate::set::rollback::{Candidate, reverts};

/// A job that is back where it was.
struct Back {
    /// For people.
    text: String,
    /// As the last look found it.
    seen: Option<JobHead>,
}

impl SetRun<'_> {
    /// Runs what follows failures; nothing when there was none.
    pub(super) async fn after_failures(
        &self,
        result: &mut SetResult,
        remember: &mut Remember,
        hub: Option<&Hub>,
    ) {
        let failed: Vec<usize> = (0..result.items.len())
            .filter(|place| has_failed(&result.items[*place].ending))
            .collect();
        if failed.is_empty() {
            return;
        }
        self.failure_hooks(&failed, result, remember, hub).await;
        for place in self.to_revert(&failed, result) {
            let text = match self.revert(place).await {
                Ok(back) => {
                    let word = match &result.items[place].ending {
                        Ending::Ended(outcome) if !outcome.is_success() => outcome.word(),
                        _ => "reverted with its set",
                    };
                    if let Some(head) = &back.seen {
                        remember.reverted(&result.items[place].key, word, head);
                    }
                    back.text
                }
                Err(text) => format!("could not go back: {text}"),
            };
            result.items[place].aftermath = Some(text);
        }
    }

    async fn failure_hooks(
        &self,
        failed: &[usize],
        result: &mut SetResult,
        remember: &mut Remember,
        hub: Option<&Hub>,
    ) {
        let hooks: std::collections::BTreeSet<usize> = failed
            .iter()
            .flat_map(|place| self.set.graph.failure_hooks(self.at(*place)))
            .copied()
            .collect();
        for at in hooks {
            let Some(place) = self.planned.positions.iter().position(|found| *found == at) else {
                continue;
            };
            let key = &self.items()[place].key;
            let generation = self.set.generation(at);
            let entry = remember.inventory().entries.get(key);
            if entry.and_then(|entry| entry.hook.as_ref()) == generation.as_ref() {
                result.items[place].aftermath =
                    Some("it has run for this generation already".to_owned());
                continue;
            }
            let ending = self.run_hook(at, key, remember, hub).await;
            result.items[place].ending = Ending::Ended(ending);
        }
    }

    async fn run_hook(
        &self,
        at: usize,
        key: &JobKey,
        remember: &mut Remember,
        hub: Option<&Hub>,
    ) -> Outcome {
        let client = self.nomad.in_namespace(&key.namespace);
        let body = match self.set.body(at, &client).await {
            Ok(body) => body,
            Err(text) => return Outcome::Invalid(text),
        };
        let pending = Pending::new(body, None);
        let goal = self.goal(at, &pending);
        let ended = with_notes(&self.notes, key, async |notes| {
            let mut converge = self.converge(&client, &notes, hub, Some(&pending.submission));
            converge.deadline = self.aftermath_deadline();
            let ended = converge.run_on(&goal, Memory::default(), &mut || {}).await;
            notes.send(Note::Finished {
                job: key.job.clone(),
                outcome: ended.outcome.clone(),
            });
            ended
        })
        .await;
        remember.ended(
            self.set,
            at,
            Some(&pending),
            &Ending::Ended(ended.outcome.clone()),
            ended.seen.as_ref(),
            Until::Healthy,
        );
        ended.outcome
    }

    fn aftermath_deadline(&self) -> Instant {
        self.options.deadline.max(Instant::now() + AFTERMATH)
    }

    /// Places that go back, what was written last first.
    fn to_revert(&self, failed: &[usize], result: &SetResult) -> Vec<usize> {
        let candidates: Vec<Candidate> = self
            .items()
            .iter()
            .zip(&result.items)
            .enumerate()
            .map(|(place, (item, result))| {
                let was_begun = !matches!(result.ending, Ending::Blocked(_) | Ending::NotBegun);
                Candidate {
                    was_written: item.change.writes() && was_begun && item.hook.is_none(),
                    has_failed: failed.contains(&place),
                    policy: self.set.wanted[self.at(place)].on_failure,
                }
            })
            .collect();
        reverts(&candidates)
    }

    async fn revert(&self, place: usize) -> Result<Back, String> {
        let item = &self.items()[place];
        let client = self.nomad.in_namespace(&item.key.namespace);
        let before = self.planned.pending[&self.at(place)].before();
        let read = client
            .job(&item.key.job)
            .await
            .map_err(|error| chain(&error))?;
        let Some(now) = read.value.filter(|_| read.known_leader) else {
            return Ok(Back {
                text: "nothing of it is there".to_owned(),
                seen: None,
            });
        };
        with_notes(&self.notes, &item.key, async |notes| {
            match before.as_ref().filter(|before| !before.head.stop) {
                None => self.stop_again(&client, &item.key, &notes).await,
                Some(before) => self.go_back(&client, before, &now, &item.key, &notes).await,
            }
        })
        .await
    }

    async fn stop_again(
        &self,
        client: &NomadClient,
        key: &JobKey,
        notes: &Notes,
    ) -> Result<Back, String> {
        let ended = self
            .until_the_end(client, notes)
            .run_on(&Goal::Stop(key.job.clone()), Memory::default(), &mut || {})
            .await;
        if ended.outcome.is_success() {
            Ok(Back {
                text: "stopped, as nothing ran before".to_owned(),
                seen: ended.seen,
            })
        } else {
            Err(ended.outcome.message())
        }
    }

    async fn go_back(
        &self,
        client: &NomadClient,
        before: &JobRecord,
        now: &JobRecord,
        key: &JobKey,
        notes: &Notes,
    ) -> Result<Back, String> {
        let version = before.head.version;
        let options = DiffOptions::default();
        let stands =
            now.head.version == version || diff(&before.spec, &now.spec, &options).is_empty();
        if !stands {
            let action = Action::Revert {
                job: key.job.clone(),
                version,
                current: now.head.version,
            };
            act(client, &key.job, &action, None, notes)
                .await
                .map_err(|error| chain(&error))?;
        }
        let ended = self
            .until_the_end(client, notes)
            .run_on(&Goal::Watch(key.job.clone()), Memory::default(), &mut || {})
            .await;
        let by = if stands { " by Nomad itself" } else { "" };
        let what = format!("went back to version {version}{by}");
        match ended.outcome {
            Outcome::Converged => Ok(Back {
                text: what,
                seen: ended.seen,
            }),
            other => Err(format!("{what}, which is {}", other.message())),
        }
    }

    fn until_the_end<'c>(&'c self, client: &'c NomadClient, notes: &'c Notes) -> Converge<'c> {
        let mut converge = self.converge(client, notes, None, None);
        converge.deadline = self.aftermath_deadline();
        converge.until = Until::Healthy;
        converge
    }
}

/// Whether something was tried, and did not become what it should.
fn has_failed(ending: &Ending) -> bool {
    match ending {
        Ending::Ended(outcome) => {
            !outcome.is_success()
                && !matches!(outcome, Outcome::Refused(_) | Outcome::Cancelled { .. })
        }
        Ending::Unchanged | Ending::Registered(_) | Ending::Blocked(_) | Ending::NotBegun => false,
    }
}
