//! Rollout and drain: the blocks `update` and `migrate`.

use crate::clients::nomad::job::{Migrate, Update};
use crate::desired::DesiredRollout;
use crate::spec::Span;

/// Pause between the batches of a system job. Without effect on services, kept from the replaced runner.
const STAGGER: Span = Span::seconds(20);

/// How many allocations leave a draining node at a time, from the replaced runner's pack.
const MIGRATE_PARALLEL: u32 = 2;

/// Health is what the service checks say, not merely that the tasks run.
const HEALTH_CHECK: &str = "checks";

pub(super) fn update(rollout: &DesiredRollout) -> Update {
    Update {
        max_parallel: rollout.max_parallel,
        health_check: HEALTH_CHECK,
        min_healthy_time: rollout.min_healthy_time.nanos(),
        healthy_deadline: rollout.healthy_deadline.nanos(),
        progress_deadline: rollout.progress_deadline.nanos(),
        auto_revert: rollout.auto_revert,
        auto_promote: rollout.auto_promote,
        canary: rollout.canary,
        stagger: STAGGER.nanos(),
    }
}

/// A drained allocation is judged by the same two times as a new one.
pub(super) fn migrate(rollout: &DesiredRollout) -> Migrate {
    Migrate {
        max_parallel: MIGRATE_PARALLEL,
        health_check: HEALTH_CHECK,
        min_healthy_time: rollout.min_healthy_time.nanos(),
        healthy_deadline: rollout.healthy_deadline.nanos(),
    }
}
