//! Nomad's stored form of a job: every default written out (nomad-api.md 2.1).

use serde_json::{Map, Value, json};

use super::json::{int, list, present, text};
use super::schema::{self, JOB, UPDATE};
use super::time::{HOUR, MINUTE, SECOND};

/// Writes Nomad's defaults into a submitted job. Does nothing to a job that already has them.
pub fn canonicalize(job: &mut Value, region: &str) {
    default_text(job, "Region", region);
    default_text(job, "Namespace", "default");
    default_text(job, "NodePool", "default");
    default_text(job, "Type", "service");
    let id = text(job, "ID").to_owned();
    default_text(job, "Name", &id);
    if int(job, "Priority") == 0 {
        job["Priority"] = json!(50);
    }
    if list(job, "Datacenters").is_empty() {
        job["Datacenters"] = json!(["*"]);
    }
    if present(job, "Periodic") {
        if job["Periodic"]["Enabled"].is_null() {
            job["Periodic"]["Enabled"] = json!(true);
        }
        default_text(&mut job["Periodic"], "SpecType", "cron");
        default_text(&mut job["Periodic"], "TimeZone", "UTC");
    }
    if present(job, "ParameterizedJob") {
        default_text(&mut job["ParameterizedJob"], "Payload", "optional");
    }
    let kind = text(job, "Type").to_owned();
    let job_update = job["Update"].take();
    if let Some(groups) = job["TaskGroups"].as_array_mut() {
        for group in groups {
            canonicalize_group(group, &kind, &job_update);
        }
    }
    job["Update"] = stored_job_update(&job_update, &kind);
    schema::fill(job, JOB);
}

/// The job's own update block is only the source of its groups' ones; what remains stored of it is a stub.
fn stored_job_update(given: &Value, kind: &str) -> Value {
    let mut update = json!({});
    schema::fill(&mut update, UPDATE);
    if matches!(kind, "service" | "system") {
        let given_parallel = int(given, "MaxParallel");
        update["MaxParallel"] = json!(if given_parallel > 0 {
            given_parallel
        } else {
            1
        });
        update["Stagger"] = json!(match int(given, "Stagger") {
            0 => 30 * SECOND,
            given => given,
        });
    }
    update
}

fn default_text(value: &mut Value, name: &str, default: &str) {
    if text(value, name).is_empty() {
        value[name] = Value::from(default);
    }
}

fn canonicalize_group(group: &mut Value, kind: &str, job_update: &Value) {
    if group["Count"].is_null() {
        let minimum = int(&group["Scaling"], "Min");
        group["Count"] = json!(if minimum > 0 { minimum } else { 1 });
    }
    if group["EphemeralDisk"].is_null() {
        group["EphemeralDisk"] = json!({"Migrate": false, "SizeMB": 300, "Sticky": false});
    } else if int(&group["EphemeralDisk"], "SizeMB") == 0 {
        group["EphemeralDisk"]["SizeMB"] = json!(300);
    }
    merge(&mut group["RestartPolicy"], &restart_default(kind));
    group["ReschedulePolicy"] = reschedule(&group["ReschedulePolicy"], kind);
    if kind == "service" {
        let migrate = json!({"HealthCheck": "checks", "HealthyDeadline": 5 * MINUTE,
            "MaxParallel": 1, "MinHealthyTime": 10 * SECOND});
        merge_zero(&mut group["Migrate"], &migrate);
    } else {
        group["Migrate"] = Value::Null;
    }
    canonicalize_update(group, kind, job_update);
    canonicalize_scaling(group);
    let policy = group["RestartPolicy"].clone();
    if let Some(tasks) = group["Tasks"].as_array_mut() {
        for task in tasks {
            canonicalize_task(task, &policy);
        }
    }
}

fn canonicalize_update(group: &mut Value, kind: &str, job_update: &Value) {
    if !matches!(kind, "service" | "system") {
        group["Update"] = Value::Null;
        return;
    }
    merge(&mut group["Update"], job_update);
    let default = json!({"AutoPromote": false, "AutoRevert": false, "Canary": 0,
        "HealthCheck": "checks", "HealthyDeadline": 5 * MINUTE, "MaxParallel": 1,
        "MinHealthyTime": 10 * SECOND, "ProgressDeadline": 10 * MINUTE, "Stagger": 30 * SECOND});
    merge(&mut group["Update"], &default);
}

fn canonicalize_scaling(group: &mut Value) {
    if !present(group, "Scaling") {
        return;
    }
    default_text(&mut group["Scaling"], "Type", "horizontal");
    if int(&group["Scaling"], "Max") == 0 {
        group["Scaling"]["Max"] = group["Count"].clone();
    }
}

fn restart_default(kind: &str) -> Value {
    if matches!(kind, "batch" | "sysbatch") {
        json!({"Attempts": 3, "Delay": 15 * SECOND, "Interval": 24 * HOUR, "Mode": "fail", "RenderTemplates": false})
    } else {
        json!({"Attempts": 2, "Delay": 15 * SECOND, "Interval": 30 * MINUTE, "Mode": "fail", "RenderTemplates": false})
    }
}

fn reschedule(given: &Value, kind: &str) -> Value {
    let default = match kind {
        "service" => json!({"Attempts": 0, "Delay": 30 * SECOND, "DelayFunction": "exponential",
            "Interval": 0, "MaxDelay": HOUR, "Unlimited": true}),
        "batch" => json!({"Attempts": 1, "Delay": 5 * SECOND, "DelayFunction": "constant",
            "Interval": 24 * HOUR, "MaxDelay": 0, "Unlimited": false}),
        _ => return Value::Null,
    };
    if given.is_null() {
        return default;
    }
    let mut policy = given.clone();
    merge(&mut policy, &default);
    policy
}

fn canonicalize_task(task: &mut Value, policy: &Value) {
    merge(&mut task["RestartPolicy"], policy);
    let resources = json!({"CPU": 100, "MemoryMB": 300});
    if int(&task["Resources"], "Cores") > 0 {
        merge_zero(&mut task["Resources"], &json!({"MemoryMB": 300}));
    } else {
        merge_zero(&mut task["Resources"], &resources);
    }
    if int(task, "KillTimeout") == 0 {
        task["KillTimeout"] = json!(5 * SECOND);
    }
    merge_zero(
        &mut task["LogConfig"],
        &json!({"Disabled": false, "MaxFileSizeMB": 10, "MaxFiles": 10}),
    );
    if task["Identity"].is_null() {
        task["Identity"] = json!({"Audience": ["nomadproject.io"], "ChangeMode": "", "ChangeSignal": "",
            "Env": false, "ExtraClaims": null, "File": false, "Filepath": "", "Name": "default",
            "ServiceName": "", "TTL": 0});
    } else {
        default_text(&mut task["Identity"], "Name", "default");
        if list(&task["Identity"], "Audience").is_empty() {
            task["Identity"]["Audience"] = json!(["nomadproject.io"]);
        }
    }
    canonicalize_templates(task);
}

fn canonicalize_templates(task: &mut Value) {
    for template in task["Templates"].as_array_mut().into_iter().flatten() {
        default_text(template, "ChangeMode", "restart");
        default_text(template, "Perms", "0644");
        default_text(template, "LeftDelim", "{{");
        default_text(template, "RightDelim", "}}");
        if int(template, "Splay") == 0 {
            template["Splay"] = json!(5 * SECOND);
        }
    }
    if present(task, "Vault") {
        default_text(&mut task["Vault"], "ChangeMode", "restart");
        default_text(&mut task["Vault"], "Cluster", "default");
    }
}

/// Adds members that are missing.
fn merge(target: &mut Value, defaults: &Value) {
    merge_if(target, defaults, Value::is_null);
}

/// Adds members that are missing or zero.
fn merge_zero(target: &mut Value, defaults: &Value) {
    merge_if(target, defaults, |value| {
        value.is_null() || *value == json!(0) || *value == json!("")
    });
}

fn merge_if(target: &mut Value, defaults: &Value, replace: fn(&Value) -> bool) {
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let (Some(members), Some(defaults)) = (target.as_object_mut(), defaults.as_object()) else {
        return;
    };
    for (name, default) in defaults {
        let member = members.entry(name.clone()).or_insert(Value::Null);
        if replace(member) {
            *member = default.clone();
        }
    }
}
