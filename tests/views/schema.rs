//! Every report is what its committed schema says.

use serde_json::Value;

use super::jobs::service;
use super::stage::Stage;

#[track_caller]
fn assert_valid(file: &str, document: &Value) {
    let path = format!("{}/schemas/reports/{file}", env!("CARGO_MANIFEST_DIR"));
    let schema = std::fs::read_to_string(path).expect("it is committed");
    let schema = serde_json::from_str(&schema).expect("JSON");
    let validator = jsonschema::draft7::new(&schema).expect("a schema");
    let errors: Vec<String> = validator
        .iter_errors(document)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?}\n{document}");
}

#[test]
fn reports_are_what_their_schema_says() {
    let stage = Stage::fleet();
    for line in [
        "status",
        "why crash",
        "why plan9",
        "why backup",
        "why shop",
        "history revert",
        "wait shop",
        "wait crash",
        "rollback canary --to 0 --no-wait",
    ] {
        let ended = stage.cs(&format!("{line} -o json")).run();
        assert_valid("status.json", &ended.document());
    }
    let mut unknown = stage.cs("status -o json").run().document();
    unknown["results"][0]["surprise"] = Value::Bool(true);
    let refused = std::panic::catch_unwind(|| assert_valid("status.json", &unknown));
    assert!(refused.is_err(), "the schema allows anything");
}

#[test]
fn yaml_says_the_same_as_json() {
    let stage = Stage::new();
    stage.rolled_out(&service("shop", "ok:1", 1));
    let json = stage.cs("status -o json").run().document();
    let yaml = stage.cs("status -o yaml").run();
    let read: Value = serde_saphyr::from_str(&yaml.stdout).unwrap();
    assert_eq!(read, json);
}

#[test]
fn a_line_of_a_log_is_what_its_schema_says() {
    let stage = Stage::new();
    stage.rolled_out(&service("shop", "talk:1", 1));
    let ended = stage.cs("logs shop -o json").run();
    assert_eq!(ended.stdout.lines().count(), 5, "{ended}");
    for line in ended.stdout.lines() {
        assert_valid("log-line.json", &serde_json::from_str(line).unwrap());
    }
}
