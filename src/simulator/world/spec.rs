//! The parts of a job that the scheduler and the client act on, read from its JSON tree.

use serde_json::Value;

use super::json::{count, flag, int, list, object, present, text, texts};
use super::time::Nanos;

/// A constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraint {
    /// Left side, e.g. `${attr.kernel.name}`.
    pub left: String,
    /// Operator.
    pub operand: String,
    /// Right side.
    pub right: String,
}

impl Constraint {
    /// As Nomad names it in `ConstraintFiltered`.
    #[must_use]
    pub fn name(&self) -> String {
        match self.operand.as_str() {
            "distinct_hosts" => "distinct_hosts".to_owned(),
            operand => format!("{} {operand} {}", self.left, self.right),
        }
    }
}

/// Reads the constraints of a job, group or task.
#[must_use]
pub fn constraints(of: &Value) -> Vec<Constraint> {
    list(of, "Constraints")
        .iter()
        .map(|constraint| Constraint {
            left: text(constraint, "LTarget").to_owned(),
            operand: match text(constraint, "Operand") {
                "" => "=".to_owned(),
                operand => operand.to_owned(),
            },
            right: text(constraint, "RTarget").to_owned(),
        })
        .collect()
}

/// How a group is rolled out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// Allocations replaced at a time; above 0.
    pub max_parallel: u64,
    /// Canaries.
    pub canary: u64,
    /// Promote canaries when all are healthy.
    pub auto_promote: bool,
    /// Go back on failure.
    pub auto_revert: bool,
    /// How long an allocation must run before it counts as healthy.
    pub min_healthy: Nanos,
    /// How long it may take to become healthy.
    pub healthy_deadline: Nanos,
    /// How long nothing may become healthy; 0 fails at the first unhealthy allocation.
    pub progress_deadline: Nanos,
}

/// How often a task is restarted in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restart {
    /// Restarts in an interval.
    pub attempts: u64,
    /// The interval.
    pub interval: Nanos,
    /// Wait before each.
    pub delay: Nanos,
    /// `mode = "delay"`: wait for the next interval instead of failing.
    pub delays: bool,
}

/// How a failed allocation is replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reschedule {
    /// Replacements in an interval.
    pub attempts: u64,
    /// The interval.
    pub interval: Nanos,
    /// First wait.
    pub delay: Nanos,
    /// `constant`, `exponential` or `fibonacci`.
    pub function: String,
    /// Longest wait.
    pub max_delay: Nanos,
    /// No limit.
    pub unlimited: bool,
}

impl Reschedule {
    /// Whether it ever replaces.
    #[must_use]
    pub fn enabled(&self) -> bool {
        self.unlimited || (self.attempts > 0 && self.interval > 0)
    }

    /// The wait before the replacement that follows `done` earlier ones.
    #[must_use]
    pub fn wait(&self, done: usize) -> Nanos {
        let wait = match self.function.as_str() {
            "exponential" => self.delay.saturating_mul(1 << done.min(30)),
            "fibonacci" => {
                let (mut this, mut next) = (self.delay, self.delay);
                for _ in 0..done.min(60) {
                    (this, next) = (next, this.saturating_add(next));
                }
                this
            }
            _ => self.delay,
        };
        if self.max_delay > 0 {
            wait.min(self.max_delay)
        } else {
            wait
        }
    }
}

/// A task.
#[derive(Debug, Clone)]
pub struct Task {
    /// Name.
    pub name: String,
    /// Driver.
    pub driver: String,
    /// Driver's configuration.
    pub config: Value,
    /// `prestart`, `poststart`, `poststop` or `""` for a main task.
    pub hook: String,
    /// Runs beside the main tasks.
    pub sidecar: bool,
    /// The others end with it.
    pub leader: bool,
    /// Restarts.
    pub restart: Restart,
    /// Time between the polite and the rude signal.
    pub kill_timeout: Nanos,
    /// MHz.
    pub cpu: i64,
    /// MiB.
    pub memory: i64,
    /// Its constraints.
    pub constraints: Vec<Constraint>,
    /// Devices: name and count.
    pub devices: Vec<(String, u64)>,
    /// The whole `Resources`.
    pub resources: Value,
}

impl Task {
    /// Must end before the main tasks start.
    #[must_use]
    pub fn is_prestart(&self) -> bool {
        self.hook == "prestart" && !self.sidecar
    }

    /// Starts when the main tasks have ended.
    #[must_use]
    pub fn is_poststop(&self) -> bool {
        self.hook == "poststop"
    }
}

/// A task group.
#[derive(Debug, Clone)]
pub struct Group {
    /// Name.
    pub name: String,
    /// Allocations wanted.
    pub count: u64,
    /// Rollouts; `None` when they are off.
    pub update: Option<Update>,
    /// Replacement of failed allocations; `None` for system and sysbatch.
    pub reschedule: Option<Reschedule>,
    /// Tasks.
    pub tasks: Vec<Task>,
    /// Its constraints.
    pub constraints: Vec<Constraint>,
    /// Names of host volumes it needs.
    pub host_volumes: Vec<String>,
    /// Stops an allocation after this long.
    pub max_run: Option<Nanos>,
    /// Has a `disconnect` block: survives a lost node for this long.
    pub lost_after: Option<Nanos>,
    /// MiB of disk.
    pub disk: i64,
}

/// Reads the groups of a canonical job.
#[must_use]
pub fn groups(job: &Value) -> Vec<Group> {
    list(job, "TaskGroups").iter().map(group).collect()
}

/// Reads one group, by name.
#[must_use]
pub fn group_named(job: &Value, name: &str) -> Option<Group> {
    raw_group(job, name).map(group)
}

/// One group as JSON, by name.
#[must_use]
pub fn raw_group<'a>(job: &'a Value, name: &str) -> Option<&'a Value> {
    list(job, "TaskGroups")
        .iter()
        .find(|group| text(group, "Name") == name)
}

fn group(value: &Value) -> Group {
    Group {
        name: text(value, "Name").to_owned(),
        count: count(value, "Count"),
        update: update(&value["Update"]),
        reschedule: reschedule(&value["ReschedulePolicy"]),
        tasks: list(value, "Tasks").iter().map(task).collect(),
        constraints: constraints(value),
        host_volumes: object(value, "Volumes")
            .into_iter()
            .flat_map(|volumes| volumes.values())
            .filter(|volume| text(volume, "Type") == "host")
            .map(|volume| text(volume, "Source").to_owned())
            .collect(),
        max_run: present(value, "MaxRunDuration").then(|| int(value, "MaxRunDuration")),
        lost_after: present(value, "Disconnect").then(|| int(&value["Disconnect"], "LostAfter")),
        disk: int(&value["EphemeralDisk"], "SizeMB"),
    }
}

fn update(value: &Value) -> Option<Update> {
    let max_parallel = count(value, "MaxParallel");
    (max_parallel > 0).then(|| Update {
        max_parallel,
        canary: count(value, "Canary"),
        auto_promote: flag(value, "AutoPromote"),
        auto_revert: flag(value, "AutoRevert"),
        min_healthy: int(value, "MinHealthyTime"),
        healthy_deadline: int(value, "HealthyDeadline"),
        progress_deadline: int(value, "ProgressDeadline"),
    })
}

fn reschedule(value: &Value) -> Option<Reschedule> {
    value.is_object().then(|| Reschedule {
        attempts: count(value, "Attempts"),
        interval: int(value, "Interval"),
        delay: int(value, "Delay"),
        function: text(value, "DelayFunction").to_owned(),
        max_delay: int(value, "MaxDelay"),
        unlimited: flag(value, "Unlimited"),
    })
}

fn task(value: &Value) -> Task {
    let restart = &value["RestartPolicy"];
    let lifecycle = &value["Lifecycle"];
    Task {
        name: text(value, "Name").to_owned(),
        driver: text(value, "Driver").to_owned(),
        config: value["Config"].clone(),
        hook: text(lifecycle, "Hook").to_owned(),
        sidecar: flag(lifecycle, "Sidecar"),
        leader: flag(value, "Leader"),
        restart: Restart {
            attempts: count(restart, "Attempts"),
            interval: int(restart, "Interval"),
            delay: int(restart, "Delay"),
            delays: text(restart, "Mode") == "delay",
        },
        kill_timeout: int(value, "KillTimeout"),
        cpu: int(&value["Resources"], "CPU"),
        memory: int(&value["Resources"], "MemoryMB"),
        constraints: constraints(value),
        devices: list(&value["Resources"], "Devices")
            .iter()
            .map(|device| {
                (
                    text(device, "Name").to_owned(),
                    count(device, "Count").max(1),
                )
            })
            .collect(),
        resources: value["Resources"].clone(),
    }
}

/// The datacenters in which a job may run; patterns with `*`.
#[must_use]
pub fn datacenters(job: &Value) -> Vec<String> {
    texts(job, "Datacenters")
}

#[cfg(test)]
mod tests {
    use super::super::time::SECOND;
    use super::*;

    fn policy(function: &str) -> Reschedule {
        Reschedule {
            attempts: 0,
            interval: 0,
            delay: 5 * SECOND,
            function: function.to_owned(),
            max_delay: 30 * SECOND,
            unlimited: true,
        }
    }

    #[test]
    fn waits_grow_as_their_function_says_and_stop_at_the_maximum() {
        let waits = |function| {
            (0..5)
                .map(|n| policy(function).wait(n) / SECOND)
                .collect::<Vec<_>>()
        };
        assert_eq!(waits("constant"), [5, 5, 5, 5, 5]);
        assert_eq!(waits("exponential"), [5, 10, 20, 30, 30]);
        assert_eq!(waits("fibonacci"), [5, 5, 10, 15, 25]);
    }
}
