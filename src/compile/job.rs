//! Members of the job itself: identity, placement, meta, starts by the clock and on request.

use std::collections::BTreeMap;

use super::{group, update};
use crate::clients::nomad::job::{Constraint, Job, Parameterized, Periodic};
use crate::desired::{Desired, DesiredParameterized, DesiredSchedule};
use crate::ids::Namespace;
use crate::spec::workload::{JobType, Payload};

pub(super) fn job(desired: &Desired) -> Job {
    // Nomad refuses `update` for batch jobs and fills in its own for `system`, as it did for the replaced runner.
    let rolls = desired.job_type == JobType::Service;
    Job {
        id: desired.id.as_str().to_owned(),
        name: desired.id.as_str().to_owned(),
        job_type: desired.job_type.as_str(),
        namespace: desired.namespace.as_ref().map(Namespace::to_string),
        region: desired.region.clone(),
        datacenters: desired.datacenters.clone(),
        node_pool: desired.node_pool.clone(),
        constraints: node_class(&desired.node_classes).into_iter().collect(),
        update: rolls.then(|| update::update(&desired.rollout)),
        migrate: rolls.then(|| update::migrate(&desired.rollout)),
        periodic: desired.schedule.as_ref().map(periodic),
        parameterized: desired.parameterized.as_ref().map(parameterized),
        meta: meta(desired),
        task_groups: vec![group::group(desired)],
    }
}

fn node_class(classes: &[String]) -> Option<Constraint> {
    (!classes.is_empty()).then(|| Constraint {
        left: "${node.class}".to_owned(),
        operand: "set_contains_any",
        right: classes.join(","),
    })
}

/// Only what never changes after creation, because a change of meta restarts every task (nomad-api.md, trap 8).
/// `run_uuid` changes with the platform's deployment, and there a restart is wanted.
fn meta(desired: &Desired) -> BTreeMap<String, String> {
    let mut meta = BTreeMap::from([
        ("cs.managed-by".to_owned(), "cs".to_owned()),
        ("cs.owner".to_owned(), desired.owner.as_str().to_owned()),
    ]);
    if let Some(run) = &desired.run_uuid {
        meta.insert("run_uuid".to_owned(), run.to_string());
    }
    if desired.pack_meta {
        meta.extend(pack_meta(desired.id.as_str()));
    }
    meta
}

/// What nomad-pack writes. It refuses to touch a job whose `pack.deployment_name` is another, so without these
/// keys there is no way back to the replaced runner (contract 6.1).
fn pack_meta(id: &str) -> impl Iterator<Item = (String, String)> {
    [
        ("pack.name", "cloudstation"),
        ("pack.deployment_name", id),
        ("pack.job", id),
        ("pack.path", "cs"),
        ("pack.registry", "<<local folder>>"),
        ("pack.version", "<<none>>"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into_iter()
}

fn periodic(schedule: &DesiredSchedule) -> Periodic {
    Periodic {
        enabled: true,
        spec_type: "cron",
        spec: schedule.cron.clone(),
        prohibit_overlap: schedule.prohibit_overlap,
        time_zone: schedule.time_zone.clone(),
    }
}

fn parameterized(on_request: &DesiredParameterized) -> Parameterized {
    Parameterized {
        payload: match on_request.payload {
            Payload::Optional => "optional",
            Payload::Required => "required",
            Payload::Forbidden => "forbidden",
        },
        meta_required: on_request.meta_required.clone(),
        meta_optional: on_request.meta_optional.clone(),
    }
}
