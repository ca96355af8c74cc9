//! Params of a dispatched task: the door that the platform uses.

use cs::compile::{compile, hcl::to_hcl};
use cs::config::Environment;
use cs::controller::run;
use cs::desired::{Options, validate};
use cs::dispatch::{ConvertOptions, Params, Task, convert, parse, readable_ids, to_yaml};
use cs::reconcile::diff::{DiffOptions, diff};
use cs::spec::Workload;

use super::Target;

/// The first byte chooses the task, the rest is `NOMAD_META_PARAMS`.
pub(super) const PARAMS: Target = Target {
    name: "params",
    run: params,
    words: &[
        "\"jobId\"",
        "\"deploymentId\"",
        "\"imageName\"",
        "\"imageTag\"",
        "\"replicaCount\"",
        "\"networks\"",
        "\"portNumber\"",
        "\"portType\"",
        "\"cpu\"",
        "\"ram\"",
        "\"vaultLinkedSecrets\"",
        "\"templateStringVariables\"",
        "\"update\"",
        "\"restartMode\"",
        "\"configFiles\"",
        "\"csiVolumes\"",
        "\"build\"",
        "\"jobs\"",
        "\"reason\"",
        "\"command\"",
        "\"entrypoint\"",
        "null",
        "true",
        "-1",
        "1e999",
        "\"\"",
        "\"${x}\"",
        "\"{{ x }}\"",
        "\"%{ x }\"",
        "\"\\u0000\"",
        "[]",
        "{}",
    ],
};

fn params(bytes: &[u8]) {
    let Some((first, text)) = bytes.split_first() else {
        return;
    };
    let task = Task::ALL[usize::from(*first) % Task::ALL.len()];
    let _ = readable_ids(text);
    let options = ConvertOptions::default();
    let _ = run::check(task.as_str(), text, &options, &Environment::default());
    let Ok(Params::Deploy(params)) = parse(task, text) else {
        return;
    };
    let Ok(converted) = convert(&params, &options) else {
        return;
    };
    survives_yaml(&converted.workload);
    renders(&converted.workload);
}

/// What was converted can be written down and is read as the same.
fn survives_yaml(workload: &Workload) {
    let yaml = to_yaml(workload);
    // A document of its own reader has bounds that params have not; what it takes must be the same.
    if let Ok(documents) = cs::spec::parse("params.yaml", &yaml) {
        assert_eq!(documents.len(), 1, "one workload became several:\n{yaml}");
        assert_eq!(documents[0].workload(), Some(workload), "{yaml}");
    }
}

/// A valid workload compiles, and its HCL means the same job as its JSON.
pub(super) fn renders(workload: &Workload) {
    let mut options = Options::new("fuzz".parse().expect("a valid owner"));
    options.image = Some("example/image:1".to_owned());
    let Ok(desired) = validate(workload, &options) else {
        return;
    };
    let job = compile(&desired);
    let value = job.to_value();
    let json = value.to_string();
    let back: serde_json::Value = serde_json::from_str(&json).expect("our JSON is JSON");
    assert_eq!(back, value, "JSON does not come back as it was");
    let hcl = to_hcl(&job);
    let parsed = match cs::fuzzing::jobspec(&hcl, "") {
        Ok(parsed) => parsed,
        Err(problem) => panic!("our HCL is refused: {problem}\n{hcl}"),
    };
    let drift = diff(&value, &parsed, &DiffOptions::default());
    assert!(drift.is_empty(), "HCL and JSON differ: {drift:?}\n{hcl}");
}
