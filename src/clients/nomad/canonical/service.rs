//! Defaults of a service and its checks.

use super::job::Inherited;
use super::{Object, SECOND, block, blocks_mut, default, default_text, inherit, number, text};

/// `task` is absent for services of the group.
pub(super) fn fill(service: &mut Object, job: &Inherited, group: &str, task: Option<&str>) {
    name(service, job, group, task);
    default_text(service, "AddressMode", "auto");
    default_text(service, "OnUpdate", "require_healthy");
    default_text(service, "Provider", "consul");
    default_text(service, "Cluster", "default");
    if let Some(task) = task {
        default_text(service, "TaskName", task);
    }
    let namespace = match text(service, "Provider") {
        "consul" => "default",
        "nomad" => &job.namespace,
        _ => "",
    };
    service.insert("Namespace".to_owned(), namespace.into());
    if let Some(weights) = block(service, "Weights") {
        for side in ["Passing", "Warning"] {
            if number(weights, side).unwrap_or_default() <= 0 {
                weights.insert(side.to_owned(), 1.into());
            }
        }
    }
    checks(service, task.is_some());
}

fn name(service: &mut Object, job: &Inherited, group: &str, task: Option<&str>) {
    let default_name = match task {
        Some(task) => format!("{}-{group}-{task}", job.name),
        None => format!("{}-{group}", job.name),
    };
    default_text(service, "Name", &default_name);
    let written = text(service, "Name");
    if written.contains("${") {
        let task = task.unwrap_or("group");
        let name = written
            .replace("${BASE}", &format!("{}-{group}-{task}", job.name))
            .replace("${JOB}", &job.name)
            .replace("${TASKGROUP}", group)
            .replace("${TASK}", task);
        service.insert("Name".to_owned(), name.into());
    }
}

fn checks(service: &mut Object, of_task: bool) {
    let default_name = format!("service: {:?} check", text(service, "Name"));
    let task = text(service, "TaskName").to_owned();
    let on_update = text(service, "OnUpdate").to_owned();
    // Checks inherit it; the service does not keep it.
    let restart = service.remove("CheckRestart");
    for check in blocks_mut(service, "Checks") {
        if of_task {
            // A check of a task's service runs in that task.
            check.remove("TaskName");
        }
        default_text(check, "Name", &default_name);
        default_text(check, "TaskName", &task);
        default_text(check, "OnUpdate", &on_update);
        if let Some(inherited) = &restart {
            inherit_restart(check, inherited.as_object());
        }
        if let Some(restart) = block(check, "CheckRestart") {
            default(restart, "Grace", SECOND);
        }
        for bound in [
            "SuccessBeforePassing",
            "FailuresBeforeCritical",
            "FailuresBeforeWarning",
        ] {
            if number(check, bound).is_some_and(|times| times < 0) {
                check.remove(bound);
            }
        }
    }
}

/// Source: `api.CheckRestart.Merge`: zero and false do not override.
fn inherit_restart(check: &mut Object, inherited: Option<&Object>) {
    let (Some(inherited), Some(own)) = (inherited, super::block_or_new(check, "CheckRestart"))
    else {
        return;
    };
    own.retain(|member, value| {
        member == "Grace"
            || (value.as_bool() != Some(false) && value.as_i64().is_none_or(|n| n > 0))
    });
    inherit(own, inherited);
}

/// Consul's identities are named after the service, whose name must have got its last form.
pub(super) fn identify(service: &mut Object) {
    if text(service, "Provider") != "consul" {
        return;
    }
    let name = text(service, "Name").to_owned();
    let port = text(service, "PortLabel");
    let unique = match text(service, "TaskName") {
        "" => format!("consul-service_{name}-{port}"),
        task => format!("consul-service_{task}-{name}-{port}"),
    };
    if let Some(identity) = block(service, "Identity") {
        identity.insert("Name".to_owned(), unique.into());
        identity.insert("ServiceName".to_owned(), name.into());
    }
}
