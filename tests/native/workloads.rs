//! Jobs that `cs` made of a Workload become one again.

use std::collections::BTreeMap;

use cs::compile::compile;
use cs::desired::{Options, references, validate};
use cs::secret::Secret;
use cs::spec::workload::EnvValue;
use cs::spec::{Workload, parse};
use serde_json::{Value, json};

use super::stage::{Stage, documents};

fn workload(yaml: &str) -> Workload {
    let read = parse("w.yaml", yaml).unwrap_or_else(|found| panic!("{found:?}\n{yaml}"));
    read[0].workload().expect("a workload").clone()
}

fn job_of(workload: &Workload) -> Value {
    let mut options = Options::new("team".parse().expect("a valid owner"));
    for reference in references(workload) {
        options
            .secrets
            .insert(reference.clone(), Secret::new("canary-reference"));
    }
    let desired = validate(workload, &options).unwrap_or_else(|issues| panic!("{issues:?}"));
    compile(&desired).to_value()
}

/// Every example whose job has one shape; with connections and certificates it has none that can be read back.
fn examples() -> Vec<Workload> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/specs");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("there are examples")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .collect();
    files.sort();
    let documents = files.iter().flat_map(|file| {
        let text = std::fs::read_to_string(file).expect("a file");
        parse("example.yaml", &text).expect("examples are valid")
    });
    documents
        .filter_map(|document| document.workload().cloned())
        .filter(|workload| {
            workload.spec.connections.is_empty() && workload.spec.certificates.is_empty()
        })
        .collect()
}

/// The platform's own jobs have everything that a workload can say.
const FULL: &str = r#"
apiVersion: cloudstation.io/v1
kind: Workload
metadata: {name: orders}
spec:
  type: service
  replicas: 3
  source: {image: "registry.example.com/orders:2"}
  pull: {vaultPath: /kv/data/registry, authenticate: true, timeout: 5m}
  container: {user: "1000", startCommand: "exec ./orders --a \"$B\"", taskName: main}
  resources: {cpu: 300, memory: 512, memoryMax: 700}
  placement: {nodePool: minions, nodeClasses: [a, b], datacenters: [dc1]}
  service: {name: orders-api, provider: nomad, clusterDomain: example.org}
  ports:
    - {port: 8080, public: true, domain: orders, customDomain: orders.example.com, check: {path: /ok, interval: 5s}}
    - {port: 9000, protocol: tcp, check: {timeout: 3s}}
    - {port: 9001, protocol: none, public: true, domain: raw}
  env: {LOG_LEVEL: info, KEY: {fromVariable: "nomad/jobs/orders#key"}, VAULTED: {fromVault: "/kv/data/x#y z"}}
  secrets: {vault: {role: r, env: [/kv/data/a, /kv/data/b], changeMode: restart}}
  links: [{variable: DB_HOST, service: pg-5432, value: host}, {variable: CACHE, service: redis-6379}]
  files: [{path: etc/a.conf, content: "x: {{ y }}\n"}, {path: bin/b, contentBase64: "/wA="}]
  rollout: {canary: 0, minHealthyTime: 5s, maxParallel: 2, autoRevert: false}
  restart: {attempts: 2, interval: 1m, delay: 5s, mode: fail}
"#;

const PLATFORM: &str = r#"
apiVersion: cloudstation.io/v1
kind: Workload
metadata: {name: site}
spec:
  source: {image: "nginx:1"}
  ports: [{port: 80, protocol: grpc}]
  volumes: [{csi: vol1}, {csi: vol2, mounts: [/a, /b]}]
  container: {entrypoint: [/run], args: [a, "b c"], command: x}
  platform: {deploymentId: dep-1, serviceId: svc-1, projectId: prj-1, ownerId: u-1, packMeta: true}
"#;

const BATCH: &str = r#"
apiVersion: cloudstation.io/v1
kind: Workload
metadata: {name: night}
spec:
  type: batch
  replicas: 2
  source: {image: "busybox:1"}
  resources: {gpu: {count: 2, model: L4}}
  schedule: {cron: "0 3 * * *", timeZone: Europe/Paris, prohibitOverlap: false}
"#;

const ON_REQUEST: &str = r#"
apiVersion: cloudstation.io/v1
kind: Workload
metadata: {name: resize}
spec:
  type: sysbatch
  source: {image: "busybox:1"}
  parameterized: {payload: required, metaRequired: [id], metaOptional: [size]}
"#;

#[test]
fn a_workload_comes_back_exactly() {
    let mut all = examples();
    assert!(all.len() >= 6);
    all.extend([FULL, PLATFORM, BATCH, ON_REQUEST].map(workload));
    for wanted in all {
        let job = job_of(&wanted);
        let found = cs::importing::workload::workload(&job)
            .unwrap_or_else(|reasons| panic!("{}: {reasons:?}", wanted.metadata.name));
        let drift = cs::importing::workload::drift_of(&found, &job);
        assert!(drift.is_empty(), "{drift}");
    }
    let found = cs::importing::workload::workload(&job_of(&workload(FULL))).expect("it is exact");
    let mut wanted = workload(FULL);
    // The connection's, read back from the job.
    wanted.metadata.namespace = Some("default".to_owned());
    assert_eq!(found, wanted);
}

#[test]
fn a_job_of_another_shape_is_no_workload() {
    let of = |change: fn(&mut Value)| {
        let mut job = job_of(&workload(BATCH));
        change(&mut job);
        cs::importing::workload::workload(&job)
            .unwrap_err()
            .join("; ")
    };
    for (found, wanted) in [
        (
            of(|job| job["TaskGroups"] = json!([{"Name": "a"}, {"Name": "b"}])),
            "a workload has one group, this job has 2",
        ),
        (
            of(|job| job["TaskGroups"][0]["Tasks"][0]["Driver"] = "exec".into()),
            "a workload runs in the `docker` driver",
        ),
        (
            of(|job| job["Priority"] = 70.into()),
            "Priority would change",
        ),
        (
            of(|job| {
                job["TaskGroups"][0]["Tasks"][0]["Templates"] =
                    json!([{"DestPath": "local/x", "EmbeddedTmpl": "y"}])
            }),
            "template `local/x` is none of those that can be said in a workload",
        ),
        (
            of(|job| job["Meta"]["other"] = "canary".into()),
            "Meta.other would change",
        ),
    ] {
        assert_eq!(found, wanted);
    }
}

fn imported(stage: &Stage, arguments: &str) -> (Workload, String) {
    let ended = stage.import(arguments).run();
    ended.assert_code(0);
    (workload(&ended.stdout), ended.stderr)
}

#[test]
fn a_job_of_a_workload_is_imported_as_one_with_references() {
    let stage = Stage::simulator();
    let mut wanted = workload(FULL);
    wanted.spec.files.clear();
    stage.register(&job_of(&wanted)).expect("it is taken");
    let (found, stderr) = imported(&stage, "orders");
    let env: BTreeMap<String, Value> = found
        .spec
        .env
        .iter()
        .map(|(name, value)| (name.clone(), serde_json::to_value(value).expect("JSON")))
        .collect();
    assert_eq!(env["LOG_LEVEL"], json!({"fromEnv": "LOG_LEVEL"}));
    assert_eq!(env["KEY"], json!({"fromVariable": "nomad/jobs/orders#key"}));
    assert!(
        stderr.contains("takes these values from the environment of `cs`: LOG_LEVEL"),
        "{stderr}"
    );
    let (found, _) = imported(&stage, "orders --include-secrets");
    assert_eq!(
        found.spec.env["LOG_LEVEL"],
        EnvValue::Text("info".to_owned())
    );
    let native = stage
        .import("orders --kind NomadJob --include-secrets")
        .run();
    assert!(stage.plan(&documents(&native.stdout)[0]).is_empty());
}

#[test]
fn files_of_a_workload_are_secrets_like_any_other() {
    let stage = Stage::simulator();
    stage
        .register(&job_of(&workload(FULL)))
        .expect("it is taken");
    stage
        .import("orders")
        .run()
        .assert_code(9)
        .assert_says("the file etc/a.conf, the file bin/b");
    let (found, stderr) = imported(&stage, "orders --leave-secrets");
    assert!(
        stderr.contains("3 value(s) of `orders` stay in the cluster only"),
        "{stderr}"
    );
    assert_eq!(found.spec.files[0].content, None);
    assert_eq!(
        found.spec.ignore_fields,
        [
            "/TaskGroups/orders-api/Tasks/main/Env/LOG_LEVEL",
            "/TaskGroups/orders-api/Tasks/main/Templates/local~1etc~1a.conf/EmbeddedTmpl",
            "/TaskGroups/orders-api/Tasks/main/Templates/local~1bin~1b/EmbeddedTmpl",
        ]
    );
}

#[test]
fn who_insists_on_a_workload_is_told_what_it_cannot_say() {
    let stage = Stage::simulator();
    let mut job = job_of(&workload(BATCH));
    job["Priority"] = 70.into();
    stage.register(&job).expect("it is taken");
    let ended = stage.import("night --kind Workload").run();
    ended.assert_code(0).assert_says(
        "job `night` cannot be said as a Workload, a NomadJob is written: Priority would change",
    );
    assert_eq!(documents(&ended.stdout).len(), 1);
}
