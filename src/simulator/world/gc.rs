//! Forgetting what has ended.

use super::World;
use super::job::JobKey;
use super::tables::Table;

impl World {
    /// `PUT /system/gc`: dead jobs that were stopped or are batch, ended rollouts, ended evaluations and allocations.
    pub fn collect_garbage(&mut self) {
        let dead: Vec<JobKey> = self
            .jobs
            .iter()
            .filter(|(_, entry)| {
                let job = &entry.job;
                let finished = matches!(job.kind(), "batch" | "sysbatch") && !job.is_parent();
                job.status == "dead" && (job.stopped() || finished)
            })
            .filter(|(key, _)| {
                self.allocs_of(key).all(super::Alloc::client_terminal)
                    && self.evals_of(key).all(super::Eval::terminal)
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in dead {
            self.forget_job(&key);
        }
        let gone: Vec<String> = self
            .evals
            .values()
            .filter(|eval| eval.terminal() && !self.jobs.contains_key(&eval.key))
            .map(|eval| eval.id.clone())
            .collect();
        for id in gone {
            if let Some(eval) = self.evals.remove(&id)
                && let Some(related) = self.related.get_mut(&eval.key)
            {
                related.evals.retain(|other| *other != id);
            }
        }
        self.collect_earlier_versions();
    }

    /// What services that live have left behind: rollouts that are over and of which nothing runs, their allocations, and
    /// evaluations of which no allocation is left. The newest rollout of a job stays, with all that belongs to it.
    ///
    /// Source: Nomad, `CoreScheduler` (`deploymentGC`, `evalGC`, `gcEval`).
    fn collect_earlier_versions(&mut self) {
        let live: Vec<JobKey> = self
            .jobs
            .iter()
            .filter(|(_, entry)| entry.job.kind() == "service")
            .map(|(key, _)| key.clone())
            .collect();
        for key in live {
            let newest = self
                .latest_deployment(&key)
                .map_or_else(String::new, |rollout| rollout.id.clone());
            let Some(related) = self.related.get_mut(&key) else {
                continue;
            };
            related.allocs.retain(|id| {
                let ended = self.allocs.get(id).is_some_and(|alloc| {
                    alloc.desired_status != "run"
                        && alloc.client_terminal()
                        && alloc.deployment_id != newest
                });
                if ended {
                    self.allocs.remove(id);
                }
                !ended
            });
            let left: Vec<&super::Alloc> = related
                .allocs
                .iter()
                .filter_map(|id| self.allocs.get(id))
                .collect();
            related.deployments.retain(|id| {
                let over = self
                    .deployments
                    .get(id)
                    .is_some_and(|rollout| !rollout.active());
                let ended =
                    over && *id != newest && !left.iter().any(|alloc| alloc.deployment_id == *id);
                if ended {
                    self.deployments.remove(id);
                }
                !ended
            });
            related.evals.retain(|id| {
                let ended = self
                    .evals
                    .get(id)
                    .is_some_and(|eval| eval.terminal() && eval.deployment_id != newest);
                let ended = ended && !left.iter().any(|alloc| alloc.eval_id == *id);
                if ended {
                    self.evals.remove(id);
                }
                !ended
            });
        }
    }

    /// Deletes one job as the garbage collection does, whatever its state.
    pub fn forget_job(&mut self, key: &JobKey) {
        let Some(job) = self.job(key).cloned() else {
            return;
        };
        let mut tx = self.begin("BatchJobDeregistered");
        self.purge(&mut tx, key, &job);
        self.touch(Table::Evals, &tx);
        self.commit(tx);
    }
}
