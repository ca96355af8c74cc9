//! What a workload gets where its spec is silent, each value with its argument.
//!
//! "The pack" is the job template of the runner that `cs` replaces. Every job on the platform runs with its values
//! today, so a spec without them must give the same job (contract 6.3, 6.4). Changing one changes every job that
//! does not name it, and most of them restart.

use crate::spec::Span;
use crate::spec::workload::{CheckType, PortProtocol, RestartMode, ServiceProvider};

/// Allocations of a group: one, as in Nomad and the pack.
pub const REPLICAS: u32 = 1;

/// MHz of a task that names none. Source: the pack; Nomad itself gives 100.
pub const CPU_MHZ: u32 = 200;

/// MB of a task that names none. Source: the pack; Nomad itself gives 300.
pub const MEMORY_MB: u32 = 200;

/// Most MB of a task that names no memory at all: generous, because nobody has thought about its size.
/// Source: the pack.
pub const MEMORY_MAX_MB: u32 = 2000;

/// Least headroom of a task that names its memory: runtimes need a burst at start even in the smallest service.
/// Source: the replaced runner, which sends `max(2 × ram, 512)`.
pub const LEAST_MEMORY_MAX_MB: u32 = 512;

/// Most MB for a given memory: twice, at least 512; 2000 when no memory was given.
#[must_use]
pub fn memory_max_mb(memory: Option<u32>) -> u32 {
    memory.map_or(MEMORY_MAX_MB, |memory| {
        memory.saturating_mul(2).max(LEAST_MEMORY_MAX_MB)
    })
}

/// Node pool of everything that wants a graphics processor, whatever pool the spec names: only there are the devices.
/// Source: contract 6.2.
pub const GPU_NODE_POOL: &str = "gpu-minions";

/// Longest pull of an image. Nomad's own 5 min fail for large images on a cold node. Source: the pack.
pub const IMAGE_PULL_TIMEOUT: Span = Span::minutes(30);

/// What runs a start command: an image's own entrypoint would take it for an argument. Source: the pack.
pub const SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// Suffix of the route tags of public ports. Source: the pack.
pub const CLUSTER_DOMAIN: &str = "cloud-station.app";

/// Port of a workload that names none, asks for detection, and whose image exposes none. Source: contract 5.7.
pub const DETECTED_PORT: u16 = 3000;

/// Path of an http check. Source: contract 1.5.
pub const CHECK_PATH: &str = "/";

/// Time between two checks. Source: contract 1.5.
pub const CHECK_INTERVAL: Span = Span::seconds(30);

/// Longest answer to a check. Source: contract 1.5.
pub const CHECK_TIMEOUT: Span = Span::seconds(30);

/// How a port is checked that does not say: as it is spoken, and by a plain connection where nothing is known.
///
/// Nomad's own service discovery has no gRPC check (Nomad: "must be one of tcp, http"), so there gRPC ports are
/// checked by a connection, too.
#[must_use]
pub fn check_type(protocol: PortProtocol, provider: ServiceProvider) -> CheckType {
    match (protocol, provider) {
        (PortProtocol::Http, _) => CheckType::Http,
        (PortProtocol::Grpc, ServiceProvider::Consul) => CheckType::Grpc,
        (PortProtocol::Grpc, ServiceProvider::Nomad)
        | (PortProtocol::Tcp | PortProtocol::None, _) => CheckType::Tcp,
    }
}

/// Where a volume is mounted. Source: the pack.
pub const MOUNT: &str = "/data";

/// Allocations that prove a new version first: one, so that a bad version never replaces a good one; none with
/// volumes, because the running allocation holds the volume that the canary would need. Source: the pack.
#[must_use]
pub fn canary(has_volumes: bool) -> u32 {
    u32::from(!has_volumes)
}

/// Go back to the last stable version when a rollout fails. Source: the pack; Nomad's own default is not to.
pub const AUTO_REVERT: bool = true;

/// How long an allocation must be healthy. Source: the pack; Nomad's own is 10 s.
pub const MIN_HEALTHY_TIME: Span = Span::seconds(15);

/// Until when an allocation must be healthy. Longer than [`IMAGE_PULL_TIMEOUT`], which counts into it.
/// Source: the pack; Nomad's own 5 min would fail before the pull may.
pub const HEALTHY_DEADLINE: Span = Span::minutes(40);

/// Longest wait for the next healthy allocation; must exceed [`HEALTHY_DEADLINE`]. Source: the pack.
pub const PROGRESS_DEADLINE: Span = Span::minutes(60);

/// How many allocations are replaced at a time. Source: Nomad's own default, which the pack leaves.
pub const MAX_PARALLEL: u32 = 1;

/// Restarts per interval. Source: the pack, as the next three.
pub const RESTART_ATTEMPTS: u32 = 5;

/// Interval in which restarts are counted. Holds the attempts with their delays: 5 × 15 s < 3 min.
pub const RESTART_INTERVAL: Span = Span::minutes(3);

/// Pause before a restart.
pub const RESTART_DELAY: Span = Span::seconds(15);

/// What follows when the attempts are used up: wait for the next interval. Without attempts Nomad has nothing to wait
/// for and refuses `delay`, so there it is `fail`.
#[must_use]
pub fn restart_mode(attempts: u32) -> RestartMode {
    if attempts == 0 {
        RestartMode::Fail
    } else {
        RestartMode::Delay
    }
}

/// Time zone of a schedule. Source: Nomad's own default.
pub const TIME_ZONE: &str = "UTC";

/// Whether a start is skipped while the last run goes on. Source: the replaced runner forces it for batch jobs.
pub const PROHIBIT_OVERLAP: bool = true;

/// File in the task's directory to which the n-th Vault path (from 0) is rendered. The first two names are the pack's:
/// the service's own secrets and the shared ones. Source: contract 6.6.
#[must_use]
pub fn vault_env_destination(index: usize) -> String {
    match index {
        0 => "secrets/file.env".to_owned(),
        1 => "secrets/shared-secrets.env".to_owned(),
        other => format!("secrets/env-{}.env", other + 1),
    }
}

/// Files in the task's directory that a workload may not write itself, because the compiled job does:
/// pull credentials, links, connection strings, single secrets. Source: contract 6.6; `compile` for the last.
pub const RESERVED_DESTINATIONS: [&str; 4] = [
    "private_registry/file.env",
    "secrets/consul_services.env",
    "secrets/connection.env",
    "secrets/single.env",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_memory_is_twice_with_a_floor_and_never_overflows() {
        for (memory, most) in [
            (None, 2000),
            (Some(100), 512),
            (Some(256), 512),
            (Some(257), 514),
            (Some(u32::MAX), u32::MAX),
        ] {
            assert_eq!(memory_max_mb(memory), most, "{memory:?}");
        }
    }

    #[test]
    fn the_deadlines_fit_into_each_other() {
        assert!(MIN_HEALTHY_TIME < HEALTHY_DEADLINE && HEALTHY_DEADLINE < PROGRESS_DEADLINE);
        assert!(IMAGE_PULL_TIMEOUT < HEALTHY_DEADLINE);
        assert!(RESTART_DELAY.0 * RESTART_ATTEMPTS <= RESTART_INTERVAL.0);
    }

    #[test]
    fn every_vault_path_gets_a_file_of_its_own() {
        let files: Vec<String> = (0..4).map(vault_env_destination).collect();
        assert_eq!(
            files,
            [
                "secrets/file.env",
                "secrets/shared-secrets.env",
                "secrets/env-3.env",
                "secrets/env-4.env"
            ]
        );
    }
}
