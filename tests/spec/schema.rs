//! The committed schema is the one of this build and agrees with the reader.

use cs::spec::{parse, schema};
use serde_json::Value;

use super::{files, repository};

fn validator() -> jsonschema::Validator {
    jsonschema::draft7::new(&schema::workload_schema()).expect("the schema is one")
}

/// The documents of a file as JSON, read by the same library as specs.
fn json(text: &str) -> Vec<Value> {
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_multiple_with_options(text, options).unwrap_or_default()
}

#[test]
fn the_committed_schema_is_not_stale() {
    let committed = std::fs::read_to_string(repository("schemas/cloudstation.io_v1.json"));
    assert!(
        committed.is_ok_and(|committed| committed == schema::rendered()),
        "run `cargo run -- schema > schemas/cloudstation.io_v1.json`"
    );
}

#[test]
fn every_example_is_valid_against_the_schema() {
    let validator = validator();
    for path in files("specs", ".yaml") {
        for document in json(&std::fs::read_to_string(&path).unwrap()) {
            let errors: Vec<String> = validator
                .iter_errors(&document)
                .map(|e| e.to_string())
                .collect();
            assert!(errors.is_empty(), "{path:?}: {errors:?}");
        }
    }
}

#[test]
fn the_example_of_the_design_fits_reader_and_schema() {
    let text = r#"
apiVersion: cloudstation.io/v1
kind: Workload
metadata: {name: shop, namespace: default, labels: {team: storefront}}
spec:
  type: service
  replicas: 2
  source:
    image: registry.example.com/shop:1.4.2
  container: {user: "1000", command: null, entrypoint: [], args: []}
  resources: {cpu: 500, memory: 1024, memoryMax: 2048, gpu: {count: 0}}
  placement: {nodePool: minions, nodeClasses: [frparis, fr-gra], datacenters: ["*"]}
  service: {name: shop, provider: consul}
  ports:
    - {port: 8080, protocol: http, public: true, domain: shop, customDomain: shop.example.com,
       check: {type: http, path: /healthz, interval: 15s, timeout: 5s}}
  env: {LOG_LEVEL: info}
  secrets:
    vault: {policies: [prj_3333, acr], env: [/kv/data/prj_3333/prj_integ_2222], changeMode: noop}
  links: [{variable: DB_HOST, service: pg-main-5432, value: host}]
  files: [{path: etc/shop/app.yaml, content: "level: info\n"}]
  volumes: [{csi: vol_abc123, mounts: [/data]}]
  rollout: {canary: 1, autoPromote: true, autoRevert: true, minHealthyTime: 15s, healthyDeadline: 40m, progressDeadline: 1h, maxParallel: 1}
  restart: {attempts: 5, interval: 3m, delay: 15s, mode: delay}
  dependsOn: [{kind: Workload, name: pg-main}]
"#;
    assert_eq!(parse("design.yaml", text).unwrap().len(), 1);
    assert!(validator().is_valid(&json(text)[0]));
}

#[test]
fn what_the_reader_refuses_the_schema_refuses() {
    let validator = validator();
    for name in ["unknown-fields", "wrong-types", "missing-fields"] {
        let path = repository("tests/fixtures/invalid").join(format!("{name}.yaml"));
        let text = std::fs::read_to_string(path).unwrap();
        assert!(parse(name, &text).is_err(), "{name}");
        assert!(!validator.is_valid(&json(&text)[0]), "{name}");
    }
}

#[test]
fn members_without_a_value_count_as_absent_for_both() {
    let text = "apiVersion: cloudstation.io/v1\nkind: Workload\nmetadata: {name: a, labels: }\nspec:\n  source: {image: nginx}\n  \
        env:\n  ports:\n  rollout:\n  replicas:\n  type:\n  secrets:\n";
    assert!(parse("a.yaml", text).is_ok());
    assert!(validator().is_valid(&json(text)[0]));
}
