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
                job.status == "dead"
                    && (job.stopped() || matches!(job.kind(), "batch" | "sysbatch"))
                    && !(job.is_parent() && !job.stopped())
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
