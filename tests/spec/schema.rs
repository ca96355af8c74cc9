//! The schemas of this build agree with the reader and with validation: what the reader refuses they refuse, what
//! validation takes they take. (That the committed ones are not stale is checked in `help`.)

use cs::desired::{Options, validate};
use cs::reference::Field;
use cs::spec::schema::{self, KINDS, KindSchema};
use cs::spec::{Resource, parse};
use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{files, options, repository};

fn validator() -> Validator {
    jsonschema::draft7::new(&schema::document_schema()).expect("the schema is one")
}

/// The documents of a file as JSON, read by the same library as specs.
fn json(text: &str) -> Vec<Value> {
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_multiple_with_options(text, options).unwrap_or_default()
}

fn errors(validator: &Validator, document: &Value) -> Vec<String> {
    validator
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

#[test]
fn the_schemas_are_valid_draft_7() {
    let documents = KINDS.iter().map(KindSchema::schema);
    for schema in documents.chain([schema::document_schema()]) {
        assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
        jsonschema::draft7::meta::validate(&schema).expect("the schema is one");
    }
}

#[test]
fn every_example_is_valid_against_the_schema() {
    let validator = validator();
    for path in files("specs", ".yaml") {
        for document in json(&std::fs::read_to_string(&path).unwrap()) {
            let errors = errors(&validator, &document);
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

/// Findings about the structure, which is all that a schema can know.
const STRUCTURE: [&str; 7] = [
    "unknown-field",
    "missing-field",
    "unknown-value",
    "wrong-type",
    "wrong-value",
    "unknown-kind",
    "unknown-api-version",
];

#[test]
fn what_the_reader_refuses_in_the_fixtures_the_schema_refuses() {
    let validator = validator();
    let mut compared = 0;
    for path in files("tests/fixtures/invalid", ".yaml") {
        let text = std::fs::read_to_string(&path).unwrap();
        let Err(found) = parse("f.yaml", &text) else {
            continue;
        };
        if found.iter().all(|one| STRUCTURE.contains(&one.code)) {
            compared += 1;
            let documents = json(&text);
            let refused = documents
                .iter()
                .any(|document| !validator.is_valid(document));
            assert!(refused, "{path:?}");
        }
    }
    assert!(compared >= 4, "only {compared} files");
}

#[test]
fn what_the_reader_refuses_in_a_nomad_job_the_schema_refuses() {
    let validator = validator();
    let head = "apiVersion: cloudstation.io/v1\nkind: NomadJob\nmetadata: {name: a}\n";
    for spec in [
        "spec: {hcl: 5}",
        "spec: {hcl: x, image: nginx}",
        "spec: {path: [a]}",
        "spec: {hcl: x, variables: [a]}",
        "spec: {hcl: x, variableFiles: a}",
        "spec: {hcl: x, dependsOn: [{kind: Workload}]}",
        "spec: {hcl: x, dependsOn: [{name: a, kind: Nomad}]}",
        "spec: {hcl: x, dependsOn: [{name: a, until: ready}]}",
        "spec: {hcl: x, hook: {for: [a]}}",
        "spec: {hcl: x, hook: {phase: before}}",
        "spec: {hcl: x, onFailure: revertSet}",
        "spec: {hcl: x, ignoreFields: /a}",
        "spec: x",
        "sepc: {}",
    ] {
        let text = format!("{head}{spec}\n");
        assert!(parse("f.yaml", &text).is_err(), "{spec}");
        assert!(!validator.is_valid(&json(&text)[0]), "{spec}");
    }
}

#[test]
fn a_nomad_job_of_any_source_is_valid_with_exactly_one_of_them() {
    let validator = validator();
    let head = "apiVersion: cloudstation.io/v1\nkind: NomadJob\nmetadata: {name: a}\n";
    for (spec, valid) in [
        ("{hcl: 'job \"a\" {}'}", true),
        (
            "{path: a.nomad.hcl, variables: {count: 3, on: true, zones: [a, b]}}",
            true,
        ),
        (
            "{job: {ID: a}, hcl: null, hook: {phase: onFailure, for: [b]}}",
            true,
        ),
        (
            "{job: {ID: a}, dependsOn: [{name: b, kind: NomadJob, until: passing, service: b}]}",
            true,
        ),
        ("{hcl: x, path: y}", false),
        ("{hcl: x, job: {}}", false),
        ("{hcl: null}", false),
        ("{}", false),
    ] {
        let text = format!("{head}spec: {spec}\n");
        assert!(parse("f.yaml", &text).is_ok(), "{spec}");
        let errors = errors(&validator, &json(&text)[0]);
        assert_eq!(errors.is_empty(), valid, "{spec}: {errors:?}");
    }
}

#[test]
fn a_complaint_is_about_the_field_and_not_about_the_other_kinds() {
    let text = "apiVersion: cloudstation.io/v1\nkind: Workload\nmetadata: {name: a}\nspec: {source: {image: x}, rolout: {}}\n";
    let errors = errors(&validator(), &json(text)[0]);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(
        errors[0].starts_with("/spec: ") && errors[0].contains("rolout"),
        "{errors:?}"
    );
}

#[test]
fn members_without_a_value_count_as_absent_for_both() {
    let text = "apiVersion: cloudstation.io/v1\nkind: Workload\nmetadata: {name: a, labels: }\nspec:\n  source: {image: nginx, git: }\n  \
        env:\n  ports:\n  rollout:\n  replicas:\n  type:\n  secrets:\n";
    assert!(parse("a.yaml", text).is_ok());
    assert!(validator().is_valid(&json(text)[0]));
}

fn offline() -> Options {
    Options {
        offline: true,
        image: Some("registry.example.com/built:1".to_owned()),
        ..options()
    }
}

/// What a workload needs before a field of it can take its default: parents that are there, a type that allows it.
fn surroundings(path: &str) -> Value {
    let mut spec = match path {
        path if path.starts_with("spec.source.git") => {
            json!({"source": {"git": {"repository": "o/n", "revision": "main"}}})
        }
        _ => json!({"source": {"image": "nginx"}}),
    };
    let more = match path.split('.').nth(1).unwrap_or_default() {
        "ports[]" => json!({"ports": [{"port": 80, "check": {}}]}),
        "links[]" => json!({"links": [{"variable": "A", "service": "b-80"}]}),
        "schedule" => json!({"type": "batch", "schedule": {"cron": "@daily"}}),
        "parameterized" => json!({"type": "batch", "parameterized": {}}),
        "secrets" => json!({"secrets": {"vault": {"env": ["/kv/data/a"]}}}),
        "build" => json!({"build": {"push": {}}}),
        // Named, because its default depends on `memory`.
        "resources" => match path {
            "spec.resources.memory" => json!({"resources": {"memoryMax": 2000}}),
            _ => json!({}),
        },
        "pull" => json!({"pull": {}}),
        "platform" => json!({"platform": {}}),
        _ => json!({}),
    };
    for (name, value) in more.as_object().unwrap() {
        spec[name] = value.clone();
    }
    json!({"apiVersion": "cloudstation.io/v1", "kind": "Workload", "metadata": {"name": "a"}, "spec": spec})
}

/// Writes a value to a path in which `[]` is the first element.
fn set(document: &mut Value, path: &str, value: Value) {
    let mut place = document;
    for step in path.split('.') {
        place = match step.strip_suffix("[]") {
            Some(name) => &mut place[name][0],
            None => &mut place[step],
        };
    }
    assert!(place.is_null(), "{path} is set already");
    *place = value;
}

/// A default of the reference as a value, when it is one.
fn written(default: &str) -> Option<Value> {
    if let Some(text) = default.strip_prefix('`') {
        let text = text.strip_suffix('`').filter(|text| !text.contains('`'))?;
        return Some(json!(text));
    }
    serde_json::from_str(default).ok()
}

#[test]
fn the_defaults_that_the_reference_names_are_those_that_validation_fills_in() {
    let desired = |document: &Value| {
        let documents = parse("d.yaml", &document.to_string()).unwrap();
        validate(documents[0].workload().unwrap(), &offline())
    };
    let mut checked = Vec::new();
    Field::of_kind(KindSchema::named("Workload").unwrap()).walk(&mut |field| {
        let Some(value) = field.default.as_deref().and_then(written) else {
            return;
        };
        // A list of one.
        let value = match field.type_name.starts_with("[]") {
            true => json!([value]),
            false => value,
        };
        let mut document = surroundings(&field.path);
        if field.path.starts_with("spec.volumes[]") {
            document["spec"]["volumes"] = json!([{"csi": "v"}]);
        }
        let without =
            desired(&document).unwrap_or_else(|issues| panic!("{}: {issues:?}", field.path));
        set(&mut document, &field.path, value);
        let with = desired(&document).unwrap_or_else(|issues| panic!("{}: {issues:?}", field.path));
        assert_eq!(with, without, "{}", field.path);
        checked.push(field.path.clone());
    });
    for path in [
        "spec.replicas",
        "spec.resources.cpu",
        "spec.rollout.progressDeadline",
        "spec.restart.interval",
        "spec.ports[].check.timeout",
        "spec.schedule.timeZone",
        "spec.volumes[].mounts",
        "spec.pull.timeout",
    ] {
        assert!(
            checked.iter().any(|done| done == path),
            "{path} is not among {checked:?}"
        );
    }
}

/// Documents that are valid: the examples, and one with every field.
fn valid() -> Vec<Value> {
    let mut documents: Vec<Value> = files("specs", ".yaml")
        .iter()
        .flat_map(|path| json(&std::fs::read_to_string(path).unwrap()))
        .collect();
    documents.push(json!({"apiVersion": "cloudstation.io/v1", "kind": "NomadJob", "metadata": {"name": "native"}, "spec": {
        "path": "a.nomad.hcl", "variables": {"a": 1}, "variableFiles": ["b.hcl"], "dependsOn": [{"name": "x"}],
        "hook": {"phase": "pre", "for": ["y"]}, "onFailure": "revert-set", "ignoreFields": ["/TaskGroups/web/Count"]}}));
    documents.push(json!({"apiVersion": "cloudstation.io/v1", "kind": "Workload", "metadata": {"name": "built"}, "spec": {
        "source": {"git": {"repository": "o/n", "revision": "main", "token": {"fromEnv": "TOKEN"}}},
        "build": {"builder": "csdocker", "args": {"A": "b"}, "push": {"disabled": true}, "vault": {
            "address": "https://vault.example.com", "roleId": {"fromEnv": "A"}, "secretId": {"fromFile": "/b"}, "path": "s/data/a"}},
        "type": "batch", "parameterized": {"payload": "required", "metaRequired": ["a"]}, "hook": {"phase": "post"},
        "onFailure": "revert", "platform": {"deploymentId": "d1", "userId": 5, "packMeta": false},
        "cluster": {"address": "http://127.0.0.1:4646", "token": {"fromEnv": "B"}}}}));
    documents
}

/// Every place of a document, as the pointer to it.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let name = name.replace('~', "~0").replace('/', "~1");
                places(member, &format!("{at}/{name}"), found);
            }
        }
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                places(element, &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

/// What may be put in the place of something. No number with a fraction of zero: `2.0` is an integer for JSON Schema, and
/// none for the reader.
fn replacement() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        prop_oneof![
            Just(0_i64),
            Just(-1),
            Just(1),
            Just(9),
            Just(10),
            Just(65_535),
            Just(65_536),
            Just(4_294_967_295),
            Just(4_294_967_296)
        ]
        .prop_map(Value::from),
        Just(json!(1.5)),
        prop::sample::select(vec![
            "", "a", "30s", "1h30m", "15", "service", "batch", "http", "consul", "keep", "passing",
            "a/b#c"
        ])
        .prop_map(Value::from),
        Just(json!([])),
        Just(json!(["a"])),
        Just(json!([{}])),
        Just(json!({})),
        Just(json!({"fromEnv": "A"})),
        Just(json!({"fromEnv": "A", "fromFile": "b"})),
        Just(json!({"fromEnv": "A", "fromFile": null})),
        Just(json!({"A": "b"})),
        Just(json!({"name": "a"})),
    ]
}

/// A valid document with one or two places changed: replaced, removed, or given a member more.
fn changed() -> impl Strategy<Value = Value> {
    let change = (any::<prop::sample::Index>(), 0_u8..6, replacement());
    (
        prop::sample::select(valid()),
        prop::collection::vec(change, 1..3),
    )
        .prop_map(|(mut document, changes)| {
            for (index, how, value) in changes {
                let mut found = Vec::new();
                places(&document, "", &mut found);
                let place = &found[index.index(found.len())];
                match (how, place.rsplit_once('/')) {
                    (0, Some((parent, name))) => {
                        if let Some(Value::Object(members)) = document.pointer_mut(parent) {
                            members.remove(name);
                        }
                    }
                    (1, _) => {
                        if let Some(Value::Object(members)) = document.pointer_mut(place) {
                            members.insert("nope".to_owned(), value);
                        }
                    }
                    _ => *document.pointer_mut(place).expect("found above") = value,
                }
            }
            document
        })
}

/// Whether the rules beyond the structure take it, too.
fn is_taken(resource: &Resource) -> bool {
    match resource {
        Resource::Workload(workload) => {
            validate(workload, &offline()).is_ok() && has_whole_references(workload)
        }
        Resource::NomadJob(job) => {
            let given = [
                job.spec.hcl.is_some(),
                job.spec.path.is_some(),
                job.spec.job.is_some(),
            ];
            given.into_iter().filter(|given| *given).count() == 1
        }
        #[allow(
            unreachable_patterns,
            reason = "kinds that are added bring tests of their own"
        )]
        _ => false,
    }
}

/// Validation leaves these to what uses them.
fn has_whole_references(workload: &cs::spec::Workload) -> bool {
    let platform = workload.spec.platform.as_ref();
    let backend = platform.and_then(|platform| platform.backend.as_ref());
    let cluster = workload.spec.cluster.as_ref();
    let references = [
        backend.map(|backend| &backend.token),
        cluster.and_then(|cluster| cluster.token.as_ref()),
    ];
    references.into_iter().flatten().all(|reference| {
        let given = [
            &reference.from_env,
            &reference.from_file,
            &reference.from_vault,
            &reference.from_variable,
        ];
        given.into_iter().flatten().count() == 1
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn the_schema_refuses_what_the_reader_refuses_and_takes_what_validation_takes(document in changed()) {
        thread_local! {
            static VALIDATOR: Validator = validator();
        }
        let errors = VALIDATOR.with(|validator| errors(validator, &document));
        match parse("c.yaml", &document.to_string()) {
            Err(found) => prop_assert!(!errors.is_empty(), "only the reader refuses it: {found:?}"),
            // Nothing at all is an empty file, and no document.
            Ok(documents) if documents.is_empty() => {}
            Ok(documents) if documents.iter().all(|document| is_taken(&document.resource)) => {
                prop_assert!(errors.is_empty(), "only the schema refuses it: {errors:?}");
            }
            Ok(_) => {}
        }
    }

    /// The schema of a kind and that of every document say the same about documents of that kind.
    #[test]
    fn the_schema_of_a_kind_agrees_with_that_of_every_document(document in changed()) {
        thread_local! {
            static VALIDATORS: (Validator, Vec<(&'static str, Validator)>) = (
                validator(),
                KINDS.iter().map(|kind| (kind.name, jsonschema::draft7::new(&kind.schema()).unwrap())).collect(),
            );
        }
        VALIDATORS.with(|(every, kinds)| {
            let named = kinds.iter().find(|(name, _)| document["kind"] == *name);
            let own = named.is_some_and(|(_, own)| own.is_valid(&document));
            prop_assert_eq!(every.is_valid(&document), own);
            Ok(())
        })?;
    }
}

#[test]
fn the_committed_schema_of_every_document_is_where_modelines_look() {
    assert!(repository("schemas").join(schema::DOCUMENT_FILE).is_file());
}
