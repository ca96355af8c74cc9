//! Defaults of the job itself.

use serde_json::{Value, json};

use super::{
    Object, SECOND, block, blocks_mut, default, default_number, default_text, default_weights,
    group, implied, inherit, number, text,
};

/// What groups, tasks and services take from their job.
pub(super) struct Inherited {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) region: String,
    pub(super) meta: Object,
    pub(super) job_type: String,
    pub(super) vault_namespace: String,
    pub(super) consul_namespace: String,
    pub(super) update: Option<Object>,
    pub(super) reschedule: Option<Object>,
    pub(super) migrate: Option<Object>,
}

pub(super) fn fill(job: &mut Object, region: &str) {
    identity(job, region);
    start(job);
    default_weights(job);
    let inherited = take_inherited(job);
    for group in blocks_mut(job, "TaskGroups") {
        group::fill(group, &inherited);
    }
    job.insert(
        "Update".to_owned(),
        stored_update(inherited.update.as_ref()),
    );
    implied::add(job);
}

fn identity(job: &mut Object, region: &str) {
    let id = text(job, "ID").to_owned();
    default(job, "Name", id);
    default(job, "Type", "service");
    default_number(job, "Priority", 50);
    default_text(job, "Namespace", "default");
    default_text(job, "NodePool", "default");
    if matches!(text(job, "Region"), "" | "global") && !job.contains_key("Multiregion") {
        job.insert("Region".to_owned(), region.into());
    }
    if job.get("Datacenters").is_none_or(|list| list == &json!([])) {
        job.insert("Datacenters".to_owned(), json!(["*"]));
    }
    // A registration sets these anew, whatever the client wrote.
    for member in [
        "DispatchIdempotencyToken",
        "Dispatched",
        "NomadTokenID",
        "ParentID",
    ] {
        job.remove(member);
    }
}

/// When it starts: by the clock or on request.
fn start(job: &mut Object) {
    if let Some(periodic) = block(job, "Periodic") {
        default(periodic, "Enabled", true);
        default(periodic, "Specs", json!([]));
        default(periodic, "SpecType", "cron");
        default_text(periodic, "TimeZone", "UTC");
    }
    if let Some(parameterized) = block(job, "ParameterizedJob") {
        default_text(parameterized, "Payload", "optional");
    }
}

fn take_inherited(job: &mut Object) -> Inherited {
    let mut update = take(job, "Update");
    let job_type = text(job, "Type").to_owned();
    if update.is_none() && matches!(job_type.as_str(), "service" | "system") {
        update = Some(Object::new());
    }
    if let Some(update) = &mut update {
        fill_update(update);
    }
    let consul_namespace = take_text(job, "ConsulNamespace");
    Inherited {
        id: text(job, "ID").to_owned(),
        name: text(job, "Name").to_owned(),
        namespace: text(job, "Namespace").to_owned(),
        region: text(job, "Region").to_owned(),
        meta: job
            .get("Meta")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default(),
        job_type,
        vault_namespace: text(job, "VaultNamespace").to_owned(),
        consul_namespace,
        update,
        // Groups keep these, the job does not.
        reschedule: take(job, "Reschedule"),
        migrate: take(job, "Migrate"),
    }
}

fn take(job: &mut Object, member: &str) -> Option<Object> {
    match job.remove(member) {
        Some(Value::Object(object)) => Some(object),
        _ => None,
    }
}

fn take_text(job: &mut Object, member: &str) -> String {
    match job.remove(member) {
        Some(Value::String(text)) => text,
        _ => String::new(),
    }
}

/// Nomad's default rollout. Source: `api.DefaultUpdateStrategy`.
pub(super) fn fill_update(update: &mut Object) {
    default(update, "Stagger", 30 * SECOND);
    default(update, "MaxParallel", 1);
    default(update, "HealthCheck", "checks");
    default(update, "MinHealthyTime", 10 * SECOND);
    default(update, "HealthyDeadline", 300 * SECOND);
    default(update, "ProgressDeadline", 600 * SECOND);
    default(update, "Canary", 0);
    default(update, "AutoRevert", false);
    default(update, "AutoPromote", false);
}

/// The policy is pushed down into the groups; the job keeps two numbers of it, unless rollouts are off.
fn stored_update(update: Option<&Object>) -> Value {
    let mut stored = Object::new();
    if let Some(update) = update
        && number(update, "MaxParallel").unwrap_or_default() > 0
    {
        let kept = ["Stagger", "MaxParallel"];
        inherit(&mut stored, update);
        stored.retain(|member, _| kept.contains(&member.as_str()));
    }
    Value::Object(stored)
}
