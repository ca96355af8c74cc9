//! Whether two jobs mean the same: each is brought into one form, then compared member by member.
//!
//! Defaults are filled in, what has no order is sorted, templates are replaced by their effect.

use serde_json::{Map, Value, json};

use super::envfile;
use super::render::{World, render};

/// Where two jobs differ, one line a place; empty when they mean the same.
pub(super) fn differences(left: &Value, right: &Value) -> Vec<String> {
    let mut found = Vec::new();
    diff("Job", &canonical(left), &canonical(right), &mut found);
    found
}

fn diff(at: &str, left: &Value, right: &Value, found: &mut Vec<String>) {
    match (left, right) {
        (Value::Object(a), Value::Object(b)) => {
            let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let next = format!("{at}.{key}");
                diff(&next, &left[key.as_str()], &right[key.as_str()], found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                diff(&format!("{at}[{index}]"), a, b, found);
            }
        }
        _ if left == right => {}
        _ => found.push(format!("{at}: {left} ≠ {right}")),
    }
}

fn canonical(job: &Value) -> Value {
    let mut job = job.clone();
    let kind = job["Type"].as_str().unwrap_or("service").to_owned();
    defaults(
        &mut job,
        &json!({
            "Region": "global", "Namespace": "default", "Type": "service", "Priority": 50,
            "NodePool": "default", "Datacenters": ["*"],
        }),
    );
    let update = job.as_object_mut().unwrap().remove("Update");
    let migrate = job.as_object_mut().unwrap().remove("Migrate");
    meta(&mut job["Meta"]);
    sort(&mut job["Constraints"]);
    if job["Periodic"].is_object() {
        let base = json!({"Enabled": true, "SpecType": "cron", "TimeZone": "UTC"});
        defaults(&mut job["Periodic"], &base);
    }
    if job["ParameterizedJob"].is_object() {
        defaults(
            &mut job["ParameterizedJob"],
            &json!({"Payload": "optional"}),
        );
        sort(&mut job["ParameterizedJob"]["MetaRequired"]);
    }
    for group in list(&mut job["TaskGroups"]) {
        let layers = [update.clone(), Some(group["Update"].take())];
        group["Update"] = effective(&kind, UPDATE, layers);
        let layers = [migrate.clone(), Some(group["Migrate"].take())];
        group["Migrate"] = effective(&kind, MIGRATE, layers);
        canonical_group(group, &kind);
    }
    prune(&mut job);
    job
}

const UPDATE: &str = r#"{"MaxParallel": 1, "HealthCheck": "checks", "MinHealthyTime": 10000000000,
    "HealthyDeadline": 300000000000, "ProgressDeadline": 600000000000, "Stagger": 30000000000}"#;
const MIGRATE: &str = r#"{"MaxParallel": 1, "HealthCheck": "checks", "MinHealthyTime": 10000000000,
    "HealthyDeadline": 300000000000}"#;

/// A block of service jobs: defaults, then the job's, then the group's.
fn effective(kind: &str, base: &str, layers: [Option<Value>; 2]) -> Value {
    if kind != "service" {
        let present = |layer: &Value| !layer.is_null();
        return layers.into_iter().flatten().filter(present).collect();
    }
    let mut block: Value = serde_json::from_str(base).unwrap();
    for layer in layers.into_iter().flatten() {
        if let Value::Object(members) = layer {
            block.as_object_mut().unwrap().extend(members);
        }
    }
    block
}

fn canonical_group(group: &mut Value, kind: &str) {
    let runs = matches!(kind, "service" | "system");
    let restart = match runs {
        true => {
            json!({"Attempts": 2, "Interval": 1_800_000_000_000_i64, "Delay": 15_000_000_000_i64, "Mode": "fail"})
        }
        false => {
            json!({"Attempts": 3, "Interval": 86_400_000_000_000_i64, "Delay": 15_000_000_000_i64, "Mode": "fail"})
        }
    };
    let reschedule = match kind {
        "service" => {
            json!({"Unlimited": true, "Delay": 30_000_000_000_i64, "DelayFunction": "exponential", "MaxDelay": 3_600_000_000_000_i64})
        }
        "batch" => {
            json!({"Attempts": 1, "Interval": 86_400_000_000_000_i64, "Delay": 5_000_000_000_i64, "DelayFunction": "constant"})
        }
        _ => Value::Null,
    };
    defaults(
        group,
        &json!({"Count": 1, "EphemeralDisk": {"SizeMB": 300}, "ReschedulePolicy": reschedule}),
    );
    if group["RestartPolicy"].is_null() {
        group["RestartPolicy"] = json!({});
    }
    defaults(&mut group["RestartPolicy"], &restart);
    for network in list(&mut group["Networks"]) {
        sort(&mut network["DynamicPorts"]);
    }
    for service in list(&mut group["Services"]) {
        canonical_service(service);
    }
    sort(&mut group["Services"]);
    let restart = group["RestartPolicy"].clone();
    for task in list(&mut group["Tasks"]) {
        canonical_task(task, &restart);
    }
}

fn canonical_service(service: &mut Value) {
    let base = json!({"Provider": "consul", "AddressMode": "auto", "OnUpdate": "require_healthy"});
    defaults(service, &base);
    if service["Provider"] == "consul" {
        defaults(service, &json!({"Cluster": "default"}));
    }
    let update = json!({"OnUpdate": service["OnUpdate"]});
    for check in list(&mut service["Checks"]) {
        defaults(check, &update);
    }
    for unordered in ["Tags", "CanaryTags", "Checks"] {
        sort(&mut service[unordered]);
    }
}

fn canonical_task(task: &mut Value, restart: &Value) {
    let base = json!({
        "KillTimeout": 5_000_000_000_i64, "LogConfig": {"MaxFiles": 10, "MaxFileSizeMB": 10},
        "RestartPolicy": restart, "Resources": {"CPU": 100, "MemoryMB": 300},
    });
    defaults(task, &base);
    let config = &mut task["Config"];
    sort(&mut config["ports"]);
    sort(&mut config["volumes"]);
    for block in ["labels", "auth"] {
        if let Some([one]) = config[block].as_array().map(Vec::as_slice) {
            config[block] = one.clone();
        }
    }
    if task["Vault"].is_object() {
        let base = json!({"Cluster": "default", "Env": true, "ChangeMode": "restart"});
        defaults(&mut task["Vault"], &base);
        if task["Vault"]["ChangeMode"] != "signal" {
            task["Vault"]["ChangeSignal"] = Value::Null;
        }
        sort(&mut task["Vault"]["Policies"]);
    }
    for mount in list(&mut task["VolumeMounts"]) {
        defaults(mount, &json!({"PropagationMode": "private"}));
    }
    sort(&mut task["VolumeMounts"]);
    let templates = task["Templates"].take();
    task["Templates"] = effects(templates.as_array().map_or(&[], Vec::as_slice));
}

/// Environment templates keep their order, files are known by their path.
fn effects(templates: &[Value]) -> Value {
    let (env, files): (Vec<_>, Vec<_>) = templates.iter().partition(|t| t["Envvars"] == true);
    let files = files.into_iter().map(|template| {
        let path = template["DestPath"].as_str().unwrap().to_owned();
        (path, effect(template))
    });
    json!({
        "env": env.into_iter().map(effect).collect::<Vec<_>>(),
        "files": files.collect::<Map<_, _>>(),
    })
}

/// The template with its text replaced by what comes of it, with every service twice and with none.
fn effect(template: &Value) -> Value {
    let mut template = template.clone();
    let base = json!({
        "Splay": 5_000_000_000_i64, "Perms": "0644", "ChangeMode": "restart", "LeftDelim": "{{",
        "RightDelim": "}}",
    });
    defaults(&mut template, &base);
    let text = template["EmbeddedTmpl"].take();
    let text = text.as_str().unwrap();
    template["effect"] = [2, 0]
        .map(|instances| outcome(&template, text, instances))
        .into();
    template
}

fn outcome(template: &Value, text: &str, instances: usize) -> Value {
    let keys = [
        "MYSQL_PASSWORD",
        "MYSQL_USER",
        "RABBIT_USER",
        "registry_username",
    ];
    let world = World::new(instances, &keys.map(|key| (key, "value-at-@")));
    let rendered = render(text, &world);
    let result = if template["Envvars"] == true {
        json!(envfile::parse(&rendered).expect("Nomad reads the file"))
    } else {
        rendered.trim_end_matches('\n').into()
    };
    json!({"result": result, "reads": world.reads.take()})
}

fn meta(meta: &mut Value) {
    let Some(members) = meta.as_object_mut() else {
        return;
    };
    members.retain(|key, _| key == "run_uuid" || key.starts_with("pack."));
    for any_text in ["run_uuid", "pack.path"] {
        if let Some(value) = members.get_mut(any_text) {
            *value = value.as_str().is_some_and(|text| !text.is_empty()).into();
        }
    }
}

fn defaults(value: &mut Value, base: &Value) {
    for (key, default) in base.as_object().unwrap() {
        let member = &mut value[key.as_str()];
        // Nomad takes an empty text for an absent one.
        if member.is_null() || *member == "" {
            *member = default.clone();
        }
    }
}

fn list(value: &mut Value) -> impl Iterator<Item = &mut Value> {
    value.as_array_mut().into_iter().flatten()
}

fn sort(value: &mut Value) {
    if let Some(items) = value.as_array_mut() {
        items.iter_mut().for_each(prune);
        items.sort_by_key(Value::to_string);
    }
}

/// Leaves out what is null, "", 0, false, [] or {}: after the defaults, that is the same as absent.
fn prune(value: &mut Value) {
    let empty = |value: &Value| {
        matches!(value, Value::Null | Value::Bool(false))
            || [json!(""), json!(0), json!([]), json!({})].contains(value)
    };
    match value {
        Value::Object(members) => {
            members.values_mut().for_each(prune);
            members.retain(|_, member| !empty(member));
        }
        Value::Array(items) => items.iter_mut().for_each(prune),
        _ => {}
    }
}

#[test]
fn jobs_that_mean_the_same_have_no_difference() {
    let job = super::golden::want("image-typical");
    let mut same = job.clone();
    let group = &mut same["TaskGroups"][0];
    group["Services"][0]["Tags"]
        .as_array_mut()
        .unwrap()
        .reverse();
    group["Tasks"][0]["RestartPolicy"] = Value::Null;
    group["EphemeralDisk"] = json!(null);
    let labels = group["Tasks"][0]["Config"]["labels"][0].take();
    group["Tasks"][0]["Config"]["labels"] = labels;
    same["Priority"] = json!(null);
    same["Update"]["MaxParallel"] = json!(null);
    same["Update"]
        .as_object_mut()
        .unwrap()
        .remove("MaxParallel");
    same["Meta"]["run_uuid"] = "x".into();
    same["Meta"]["cs.owner"] = "x".into();
    same["TaskGroups"][0]["Tasks"][0]["Templates"][0]["EmbeddedTmpl"] =
        "{{with secret \"kv/data/prj_8f6f2f6e-51c1-4a53-a1cb-90d4a7f0a111/img_00016f0e-2b11-4c9a-8e55-aa0b1c2d3e4f\"}}{{range $k, $v := .Data.data}}{{$k}}={{$v | toJSON}}\n{{end}}{{end}}".into();
    assert_eq!(differences(&same, &job), [""; 0]);
}

#[test]
fn every_change_of_meaning_is_a_difference() {
    let job = super::golden::want("linked-services-and-templates");
    let changes: [(&str, Value); 17] = [
        ("/Priority", json!(51)),
        ("/Meta/run_uuid", json!("")),
        ("/Meta/pack.job", json!("x")),
        ("/TaskGroups/0/Migrate/MaxParallel", json!(3)),
        ("/TaskGroups/0/Update/AutoRevert", json!(false)),
        ("/TaskGroups/0/Count", json!(2)),
        ("/TaskGroups/0/RestartPolicy/Mode", json!("fail")),
        ("/TaskGroups/0/Services/0/Tags/0", json!("green")),
        ("/TaskGroups/0/Services/0/Checks/0/Path", json!("/x")),
        ("/TaskGroups/0/Tasks/0/Vault/Env", json!(false)),
        ("/TaskGroups/0/Tasks/0/Config/labels/0/job", json!("x")),
        ("/TaskGroups/0/Tasks/0/Resources/CPU", json!(201)),
        (
            "/TaskGroups/0/Tasks/0/Templates/0/ChangeMode",
            json!("restart"),
        ),
        (
            "/TaskGroups/0/Tasks/0/Templates/0/DestPath",
            json!("secrets/x"),
        ),
        (
            "/TaskGroups/0/Tasks/0/Templates/0/EmbeddedTmpl",
            json!("{{ with secret \"x\" }}{{ end }}"),
        ),
        (
            "/TaskGroups/0/Tasks/0/Templates/2/EmbeddedTmpl",
            json!("DB_HOST=0.cst-pg-nmoqgbye-5432"),
        ),
        ("/TaskGroups/0/Tasks/0/Templates/0/Perms", json!("0600")),
    ];
    for (pointer, value) in changes {
        let mut changed = job.clone();
        *changed.pointer_mut(pointer).expect(pointer) = value;
        assert!(!differences(&changed, &job).is_empty(), "{pointer}");
    }
}
