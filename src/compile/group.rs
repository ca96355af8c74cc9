//! The one group: count, restart policy, and what its task shares.

use super::{network, task, volume};
use crate::clients::nomad::job::{RestartPolicy, TaskGroup};
use crate::desired::{Desired, DesiredRestart};
use crate::spec::workload::{JobType, RestartMode};

pub(super) fn group(desired: &Desired) -> TaskGroup {
    TaskGroup {
        name: desired.service_name.clone(),
        count: count(desired),
        volumes: volume::requests(&desired.volumes),
        networks: network::network(&desired.ports).into_iter().collect(),
        services: network::services(desired),
        restart_policy: desired.restart.as_ref().map(restart_policy),
        tasks: vec![task::task(desired)],
    }
}

/// The node decides how many `system` and `sysbatch` allocations there are; Nomad refuses a count above 1.
fn count(desired: &Desired) -> Option<u32> {
    match desired.job_type {
        JobType::Service | JobType::Batch => Some(desired.replicas),
        JobType::System | JobType::Sysbatch => None,
    }
}

fn restart_policy(restart: &DesiredRestart) -> RestartPolicy {
    RestartPolicy {
        attempts: restart.attempts,
        interval: restart.interval.nanos(),
        delay: restart.delay.nanos(),
        mode: match restart.mode {
            RestartMode::Delay => "delay",
            RestartMode::Fail => "fail",
        },
    }
}
