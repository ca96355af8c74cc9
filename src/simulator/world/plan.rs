//! `PUT /job/:id/plan`: what a register would do. Writes nothing.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::World;
use super::diff;
use super::job::{Job, JobKey};
use super::json::text;
use super::refusal::Refusal;
use super::register::adopt_scaling;
use super::time::timestamp;
use super::validate;

/// The answer to a plan request.
#[derive(Debug, Clone)]
pub struct Planned {
    /// As the API shows it.
    pub body: Value,
    /// For the header.
    pub index: u64,
}

impl World {
    /// What a register of this job would do.
    ///
    /// # Errors
    /// As for a register; but it accepts changes of type that a register refuses.
    pub fn plan(
        &self,
        raw: &Value,
        namespace: Option<&str>,
        with_diff: bool,
    ) -> Result<Planned, Refusal> {
        let mut spec = self.prepare_job(raw, namespace)?;
        self.check_job(&spec)?;
        let key = JobKey::new(text(&spec, "Namespace"), text(&spec, "ID"));
        let existing = self.job(&key).cloned();
        if let Some(existing) = &existing {
            spec["NomadTokenID"] = existing.spec["NomadTokenID"].clone();
            adopt_scaling(&mut spec, &existing.spec);
        }
        let changed = existing
            .as_ref()
            .is_none_or(|existing| *existing.spec != spec);
        let index = self.index + 1;
        let proposed = Arc::new(Job {
            spec: Arc::new(spec),
            version: match &existing {
                Some(existing) if changed => existing.version + 1,
                Some(existing) => existing.version,
                None => 0,
            },
            create_index: existing
                .as_ref()
                .map_or(index, |existing| existing.create_index),
            modify_index: index,
            job_modify_index: match &existing {
                Some(existing) if !changed => existing.job_modify_index,
                _ => index,
            },
            submit_time: self.now,
            status: "pending",
            stable: false,
        });
        let mut decision = self.decide(&key, Some(proposed.clone()));
        if proposed.is_parent() && !proposed.stopped() {
            // A parent places nothing, yet Nomad plans as if it did.
        } else if proposed.kind() == "system" {
            for updates in decision
                .updates
                .values_mut()
                .filter(|updates| updates.ignore + updates.in_place > 0)
            {
                updates.place += 1;
            }
        }
        let failed: Map<_, _> = decision
            .failed
            .iter()
            .map(|(group, metric)| (group.clone(), metric.json()))
            .collect();
        let job_modify_index = existing
            .as_ref()
            .map_or(0, |existing| existing.job_modify_index);
        let diff = if with_diff {
            diff::job(existing.as_deref(), &proposed, &decision.updates)
        } else {
            Value::Null
        };
        let next = super::periodic::next_launch(&proposed.spec, self.now);
        let body = json!({
            "Annotations": decision.annotations(),
            "CreatedEvals": null,
            "Diff": diff,
            "FailedTGAllocs": if failed.is_empty() { Value::Null } else { Value::Object(failed) },
            "Index": existing.as_ref().map_or(0, |existing| existing.modify_index),
            "JobModifyIndex": job_modify_index,
            "NextPeriodicLaunch": next.map_or(Value::Null, timestamp),
            "Warnings": validate::warnings(&proposed.spec),
        });
        Ok(Planned {
            body,
            index: self.index,
        })
    }
}
