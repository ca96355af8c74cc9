//! Members that no golden case shows.

use cs::compile::compile;
use cs::desired::{Desired, DesiredParameterized, DesiredRestart, DesiredVolume};
use cs::spec::Span;
use cs::spec::workload::{JobType, Payload, RestartMode};
use serde_json::{Value, json};

use super::golden::any;

fn job(change: impl FnOnce(&mut Desired)) -> Value {
    let mut desired = any();
    change(&mut desired);
    compile(&desired).to_value()
}

#[test]
fn only_services_carry_update_and_migrate() {
    for (job_type, rolls) in [
        (JobType::Service, true),
        (JobType::Batch, false),
        (JobType::System, false),
        (JobType::Sysbatch, false),
    ] {
        let job = job(|it| it.job_type = job_type);
        assert_eq!(job["Type"], job_type.as_str());
        assert_eq!(
            (job["Update"].is_object(), job["Migrate"].is_object()),
            (rolls, rolls),
            "{job_type:?}"
        );
    }
}

#[test]
fn the_count_of_system_jobs_is_left_to_the_nodes() {
    let count = |job_type| {
        let job = job(|it| (it.job_type, it.replicas) = (job_type, 3));
        job["TaskGroups"][0]["Count"].clone()
    };
    assert_eq!(count(JobType::Batch), json!(3));
    assert_eq!(count(JobType::System), Value::Null);
    assert_eq!(count(JobType::Sysbatch), Value::Null);
}

#[test]
fn meta_carries_only_what_never_changes_after_creation_and_the_deployment() {
    let plain = job(|it| (it.pack_meta, it.run_uuid) = (false, None));
    assert_eq!(
        plain["Meta"],
        json!({"cs.managed-by": "cs", "cs.owner": "dispatch"})
    );
    let platform = job(|_| ());
    assert_eq!(
        platform["Meta"],
        json!({
            "cs.managed-by": "cs", "cs.owner": "dispatch",
            "run_uuid": "6b1e4a8e-64a5-5e0b-b8d0-3f0f4f9f2a11",
            "pack.name": "cloudstation", "pack.deployment_name": "cst-any-a1b2c3d4", "pack.job": "cst-any-a1b2c3d4",
            "pack.path": "cs", "pack.registry": "<<local folder>>", "pack.version": "<<none>>",
        })
    );
}

#[test]
fn what_is_not_wanted_is_not_written() {
    let job = job(|it| {
        it.ports.clear();
        it.vault = None;
        it.pull_vault_path = None;
        it.node_pool = None;
        it.user = None;
        it.labels.clear();
        it.restart = None;
    });
    let absent = |value: &Value, names: &[&str]| {
        for name in names {
            assert!(value.get(name).is_none(), "{name}");
        }
    };
    absent(
        &job,
        &[
            "Namespace",
            "Region",
            "Datacenters",
            "NodePool",
            "Constraints",
            "Periodic",
            "ParameterizedJob",
        ],
    );
    let group = &job["TaskGroups"][0];
    absent(group, &["Volumes", "Networks", "Services", "RestartPolicy"]);
    let task = &group["Tasks"][0];
    absent(task, &["User", "Env", "Vault", "Templates", "VolumeMounts"]);
    absent(
        &task["Config"],
        &[
            "auth",
            "entrypoint",
            "command",
            "args",
            "ports",
            "volumes",
            "labels",
        ],
    );
    absent(&task["Resources"], &["Devices"]);
}

#[test]
fn placement_starts_on_request_and_restarts_are_written_as_wanted() {
    let job = job(|it| {
        it.job_type = JobType::Batch;
        it.namespace = Some("shop".parse().unwrap());
        it.region = Some("eu".to_owned());
        it.datacenters = vec!["dc1".to_owned(), "dc2".to_owned()];
        it.node_classes = vec!["frparis".to_owned(), "fr-gra".to_owned()];
        it.parameterized = Some(DesiredParameterized {
            payload: Payload::Required,
            meta_required: vec!["A".to_owned()],
            meta_optional: vec!["B".to_owned()],
        });
        it.restart = Some(DesiredRestart {
            attempts: 0,
            interval: Span::minutes(1),
            delay: Span::seconds(1),
            mode: RestartMode::Fail,
        });
    });
    assert_eq!(job["Namespace"], "shop");
    assert_eq!(job["Region"], "eu");
    assert_eq!(job["Datacenters"], json!(["dc1", "dc2"]));
    assert_eq!(
        job["Constraints"],
        json!([{"LTarget": "${node.class}", "Operand": "set_contains_any", "RTarget": "frparis,fr-gra"}])
    );
    assert_eq!(
        job["ParameterizedJob"],
        json!({"Payload": "required", "MetaRequired": ["A"], "MetaOptional": ["B"]})
    );
    assert_eq!(
        job["TaskGroups"][0]["RestartPolicy"],
        json!({"Attempts": 0, "Interval": 60_000_000_000_i64, "Delay": 1_000_000_000_i64, "Mode": "fail"})
    );
}

#[test]
fn every_volume_is_asked_for_and_mounted() {
    let volume = |id: &str, mounts: &[&str]| DesiredVolume {
        id: id.to_owned(),
        mounts: mounts.iter().map(|&mount| mount.to_owned()).collect(),
    };
    let job = job(|it| it.volumes = vec![volume("vol_b", &["/b", "/c"]), volume("vol_a", &["/a"])]);
    let group = &job["TaskGroups"][0];
    let names: Vec<&String> = group["Volumes"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["vol_a", "vol_b"]);
    let mounts = group["Tasks"][0]["VolumeMounts"].as_array().unwrap();
    let mounts: Vec<String> = mounts
        .iter()
        .map(|mount| {
            format!(
                "{}{}",
                mount["Volume"].as_str().unwrap(),
                mount["Destination"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(mounts, ["vol_b/b", "vol_b/c", "vol_a/a"]);
}

#[test]
fn the_same_workload_always_compiles_to_the_same_job() {
    assert_eq!(compile(&any()), compile(&any()));
}
