//! Allocations and the states of their tasks.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::job::{Job, JobKey};
use super::json::text;
use super::placement::Metric;
use super::spec::{self, Group};
use super::time::{Nanos, timestamp};

/// Something that happened to a task.
#[derive(Debug, Clone)]
pub struct TaskEvent {
    /// `Started`, `Terminated`, `Driver Failure`, …
    pub kind: &'static str,
    /// When.
    pub time: Nanos,
    /// For people.
    pub display: String,
    /// For machines.
    pub details: BTreeMap<String, String>,
}

impl TaskEvent {
    /// As the API shows it, with the members that Nomad keeps for old clients.
    #[must_use]
    pub fn json(&self) -> Value {
        let detail = |name: &str| self.details.get(name).cloned().unwrap_or_default();
        let number = |name: &str| detail(name).parse::<i64>().unwrap_or(0);
        json!({
            "Type": self.kind,
            "Time": self.time,
            "DisplayMessage": self.display,
            "Details": self.details,
            "Message": detail("message"),
            "ExitCode": number("exit_code"),
            "Signal": number("signal"),
            "FailsTask": detail("fails_task") == "true",
            "DriverError": detail("driver_error"),
            "RestartReason": detail("restart_reason"),
            "KillError": "", "KillReason": detail("kill_reason"), "KillTimeout": number("kill_timeout"),
            "StartDelay": number("start_delay"),
            "DiskLimit": 0, "DownloadError": "", "DriverMessage": "", "FailedSibling": detail("failed_sibling"),
            "GenericSource": "", "SetupError": "", "TaskSignal": "", "TaskSignalReason": "",
            "ValidationError": "", "VaultError": "",
        })
    }
}

/// How many events of a task are kept.
pub const TASK_EVENTS: usize = 10;

/// A task's state, and where its run stands.
#[derive(Debug, Clone, Default)]
pub struct TaskState {
    /// `pending`, `running` or `dead`; empty counts as `pending`.
    pub state: &'static str,
    /// Ended in failure.
    pub failed: bool,
    /// Restarts so far.
    pub restarts: u64,
    /// Last restart.
    pub last_restart: Nanos,
    /// Last start.
    pub started_at: Nanos,
    /// End.
    pub finished_at: Nanos,
    /// The last ten events, oldest first.
    pub events: Vec<TaskEvent>,
    /// Counts steps that have been planned; an older timer is void.
    pub step: u64,
    /// Has been told to end.
    pub killing: bool,
    /// Failures in the current restart interval.
    pub window_count: u64,
    /// Start of that interval.
    pub window_start: Nanos,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

impl TaskState {
    /// Remembers an event.
    pub fn push(&mut self, event: TaskEvent) {
        self.events.push(event);
        if self.events.len() > TASK_EVENTS {
            self.events.remove(0);
        }
    }

    /// `pending`, `running` or `dead`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        if self.state.is_empty() {
            "pending"
        } else {
            self.state
        }
    }

    fn json(&self) -> Value {
        json!({
            "State": self.name(),
            "Failed": self.failed,
            "Restarts": self.restarts,
            "LastRestart": timestamp(self.last_restart),
            "StartedAt": timestamp(self.started_at),
            "FinishedAt": timestamp(self.finished_at),
            "Paused": "",
            "Events": self.events.iter().map(TaskEvent::json).collect::<Vec<_>>(),
        })
    }
}

/// An earlier attempt that an allocation replaces.
#[derive(Debug, Clone)]
pub struct RescheduleEvent {
    /// When it was replaced.
    pub time: Nanos,
    /// The allocation.
    pub previous: String,
    /// Its node.
    pub node: String,
    /// The wait before it.
    pub delay: Nanos,
}

/// Its part in a rollout.
#[derive(Debug, Clone, Default)]
pub struct Health {
    /// Unknown until decided.
    pub healthy: Option<bool>,
    /// When it was decided.
    pub at: Nanos,
    /// Is a canary that has not been promoted.
    pub canary: bool,
    /// Index of the decision.
    pub modify_index: u64,
}

/// An allocation.
#[derive(Debug, Clone)]
pub struct Alloc {
    /// Id.
    pub id: String,
    /// Name, e.g. `shop.web[0]`.
    pub name: String,
    /// Evaluation that placed it.
    pub eval_id: String,
    /// The version that it runs.
    pub job: Arc<Job>,
    /// Group.
    pub group: String,
    /// Node.
    pub node_id: String,
    /// Node's name.
    pub node_name: String,
    /// `run`, `stop` or `evict`.
    pub desired_status: &'static str,
    /// Why.
    pub desired_description: String,
    /// `pending`, `running`, `complete`, `failed`, `lost` or `unknown`.
    pub client_status: &'static str,
    /// Why.
    pub client_description: String,
    /// Task → state.
    pub tasks: BTreeMap<String, TaskState>,
    /// Rollout that placed it.
    pub deployment_id: String,
    /// Its part in that rollout.
    pub health: Option<Health>,
    /// Decided by the client, not yet reported.
    pub verdict: Option<bool>,
    /// Earlier attempts.
    pub attempts: Vec<RescheduleEvent>,
    /// Evaluation that will replace it.
    pub followup_eval: String,
    /// What it replaces.
    pub previous: String,
    /// What replaces it.
    pub next: String,
    /// Is to be moved elsewhere.
    pub migrate: bool,
    /// Is to be replaced at once, whatever its policy says.
    pub force_reschedule: bool,
    /// How it was placed.
    pub metric: Metric,
    /// Index of its creation.
    pub create_index: u64,
    /// Index of its last change.
    pub modify_index: u64,
    /// Index of its last change by the server.
    pub alloc_modify_index: u64,
    /// When it was placed.
    pub create_time: Nanos,
    /// When it was changed.
    pub modify_time: Nanos,
    /// A report of the client is on its way.
    pub report_due: bool,
    /// Counts health watches; an older timer is void.
    pub health_watch: u64,
    /// Ended because of `max_run_duration`.
    pub ran_too_long: bool,
}

impl Alloc {
    /// Namespace and id of its job.
    #[must_use]
    pub fn key(&self) -> JobKey {
        self.job.key()
    }

    /// Whether its tasks have ended for good.
    #[must_use]
    pub fn client_terminal(&self) -> bool {
        matches!(self.client_status, "complete" | "failed" | "lost")
    }

    /// Whether it has ended or is told to.
    #[must_use]
    pub fn terminal(&self) -> bool {
        self.desired_status != "run" || self.client_terminal()
    }

    /// The index in its name.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.name
            .rsplit_once('[')
            .and_then(|(_, rest)| rest.strip_suffix(']'))
            .and_then(|number| number.parse().ok())
            .unwrap_or(0)
    }

    /// Is a canary that has not been promoted.
    #[must_use]
    pub fn is_canary(&self) -> bool {
        self.health.as_ref().is_some_and(|health| health.canary)
    }

    /// What has been decided about its health.
    #[must_use]
    pub fn healthy(&self) -> Option<bool> {
        self.health.as_ref().and_then(|health| health.healthy)
    }

    /// The group that it runs.
    #[must_use]
    pub fn spec(&self) -> Option<Group> {
        spec::group_named(&self.job.spec, &self.group)
    }

    /// When its last task ended; its last change when that is unknown.
    #[must_use]
    pub fn ended_at(&self) -> Nanos {
        self.tasks
            .values()
            .map(|task| task.finished_at)
            .max()
            .filter(|at| *at > 0)
            .unwrap_or(self.modify_time)
    }

    /// As a list shows it.
    #[must_use]
    pub fn stub(&self) -> Value {
        let mut members = self.common();
        members.insert("JobType".to_owned(), json!(self.job.kind()));
        members.insert("JobVersion".to_owned(), json!(self.job.version));
        members.insert("NodeName".to_owned(), json!(self.node_name));
        Value::Object(members)
    }

    /// As `GET /v1/allocation/:id` shows it.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut value = self.without_job();
        value["Job"] = self.job.json();
        value
    }

    /// As the event stream shows it.
    #[must_use]
    pub fn without_job(&self) -> Value {
        let mut members = self.common();
        let (allocated, resources) = self.resources();
        let extra = json!({
            "NodeName": self.node_name,
            "DeploymentID": self.deployment_id,
            "PreviousAllocation": self.previous,
            "AllocModifyIndex": self.alloc_modify_index,
            "AllocatedResources": allocated,
            "Resources": resources,
            "Metrics": self.metric.json(),
        });
        if let Value::Object(extra) = extra {
            members.extend(extra);
        }
        Value::Object(members)
    }

    fn common(&self) -> Map<String, Value> {
        let tasks: Map<_, _> = self
            .tasks
            .iter()
            .map(|(name, task)| (name.clone(), task.json()))
            .collect();
        let common = json!({
            "ID": self.id,
            "EvalID": self.eval_id,
            "Name": self.name,
            "Namespace": self.job.namespace(),
            "NodeID": self.node_id,
            "JobID": self.job.id(),
            "TaskGroup": self.group,
            "DesiredStatus": self.desired_status,
            "DesiredDescription": self.desired_description,
            "DesiredTransition": {"ForceReschedule": null, "Migrate": if self.migrate { json!(true) } else { Value::Null },
                "MigrateDisablePlacement": null, "NoShutdownDelay": null, "Reschedule": null},
            "ClientStatus": self.client_status,
            "ClientDescription": self.client_description,
            "TaskStates": if tasks.is_empty() { Value::Null } else { Value::Object(tasks) },
            "DeploymentStatus": self.health_json(),
            "FollowupEvalID": self.followup_eval,
            "NextAllocation": self.next,
            "PreemptedAllocations": null,
            "PreemptedByAllocation": "",
            "RescheduleTracker": self.tracker(),
            "CreateIndex": self.create_index,
            "ModifyIndex": self.modify_index,
            "CreateTime": self.create_time,
            "ModifyTime": self.modify_time,
        });
        match common {
            Value::Object(members) => members,
            _ => Map::new(),
        }
    }

    fn health_json(&self) -> Value {
        match &self.health {
            None => Value::Null,
            Some(health) => json!({
                "Healthy": health.healthy,
                "Canary": health.canary,
                "Timestamp": timestamp(health.at),
                "ModifyIndex": health.modify_index,
            }),
        }
    }

    fn tracker(&self) -> Value {
        if self.attempts.is_empty() {
            return Value::Null;
        }
        let events: Vec<_> = self
            .attempts
            .iter()
            .map(|attempt| {
                json!({"RescheduleTime": attempt.time, "PrevAllocID": attempt.previous,
                    "PrevNodeID": attempt.node, "Delay": attempt.delay})
            })
            .collect();
        json!({"Events": events, "LastReschedule": ""})
    }

    fn resources(&self) -> (Value, Value) {
        let Some(group) = self.spec() else {
            return (Value::Null, Value::Null);
        };
        let mut tasks = Map::new();
        let (mut cpu, mut memory) = (0, 0);
        for task in &group.tasks {
            cpu += task.cpu;
            memory += task.memory;
            tasks.insert(
                task.name.clone(),
                json!({"Cpu": {"CpuShares": task.cpu, "ReservedCores": null},
                    "Memory": {"MemoryMB": task.memory, "MemoryMaxMB": task.resources["MemoryMaxMB"]},
                    "Networks": null, "Devices": null}),
            );
        }
        let allocated = json!({"Tasks": tasks, "Shared": {"DiskMB": group.disk, "Networks": null, "Ports": self.ports()}});
        (
            allocated,
            json!({"CPU": cpu, "MemoryMB": memory, "DiskMB": group.disk}),
        )
    }

    /// Labels with numbers: static ones as asked, others made from the allocation's position.
    #[must_use]
    pub fn ports(&self) -> Value {
        let Some(group) = spec::raw_group(&self.job.spec, &self.group) else {
            return Value::Null;
        };
        let mut ports = Vec::new();
        for network in super::json::list(group, "Networks") {
            for port in super::json::list(network, "ReservedPorts") {
                ports.push(json!({"Label": text(port, "Label"), "Value": port["Value"], "To": port["To"], "HostIP": "127.0.0.1"}));
            }
            for port in super::json::list(network, "DynamicPorts") {
                let number = 20_000 + (self.create_index * 7 + ports.len() as u64) % 12_000;
                ports.push(json!({"Label": text(port, "Label"), "Value": number, "To": port["To"], "HostIP": "127.0.0.1"}));
            }
        }
        if ports.is_empty() {
            Value::Null
        } else {
            Value::Array(ports)
        }
    }
}
