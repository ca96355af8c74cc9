//! Which cluster is meant, the config file, and what the doctor finds: the real binary.

mod contexts;
mod doctor;
mod failing;
mod real;
mod server;
mod settings;
mod tls;

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::env::{Ended, TestEnv};

/// The place of the config file in the home of `env`.
fn config_path(env: &TestEnv) -> PathBuf {
    env.root().join("home/.config/cs/config.yaml")
}

/// Writes the config file, for its owner alone.
fn write_config(env: &TestEnv, text: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let path = config_path(env);
    std::fs::create_dir_all(path.parent().expect("it has one")).expect("the home is ours");
    std::fs::write(&path, text).expect("the home is ours");
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&path, mode).expect("the file is ours");
    path
}

/// Standard output with the temporary directory written as `ROOT`.
fn shown(env: &TestEnv, text: &str) -> String {
    text.replace(&env.root().display().to_string(), "ROOT")
}

/// One check of a report of the doctor.
#[track_caller]
fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    let checks = report["results"].as_array().expect("a list");
    let found = checks.iter().find(|check| check["name"] == name);
    found.unwrap_or_else(|| panic!("there is no check `{name}`\n{report:#}"))
}

/// Fails unless a check ended so, with a message and a remedy that contain these texts.
#[track_caller]
fn assert_check(report: &Value, name: &str, status: &str, message: &str, remedy: &str) {
    let check = check(report, name);
    assert_eq!(check["status"], status, "{report:#}");
    let text = |key: &str| check[key].as_str().unwrap_or_default().to_owned();
    assert!(text("message").contains(message), "{check:#}");
    assert!(text("remedy").contains(remedy), "{check:#}");
    let wants_remedy = matches!(status, "warn" | "fail");
    assert!(!wants_remedy || !text("remedy").is_empty(), "{check:#}");
}

/// The report of a run of the doctor, after a look at its shape.
#[track_caller]
fn report(ended: &Ended) -> Value {
    let report = ended.document();
    assert_fits(&report, "doctor");
    let failed = report["summary"]["fail"].as_u64().expect("a count") > 0;
    assert_eq!(ended.code, Some(i32::from(failed)), "{ended}");
    report
}

/// Fails unless a report is what its committed schema says.
#[track_caller]
fn assert_fits(report: &Value, schema: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("schemas/reports/{schema}.json"));
    let schema = std::fs::read_to_string(path).expect("it is committed");
    let schema = serde_json::from_str(&schema).expect("JSON");
    let validator = jsonschema::draft7::new(&schema).expect("a schema");
    let errors: Vec<String> = validator
        .iter_errors(report)
        .map(|e| e.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?}\n{report:#}");
}

#[test]
fn the_committed_schemas_are_those_of_this_build() {
    let env = TestEnv::new();
    for (kind, file) in [
        ("doctor-report", "doctor"),
        ("ContextReport", "context"),
        ("connection-report", "connection"),
    ] {
        let ended = env.cs(["schema", kind]).run();
        ended.assert_code(0);
        let path = format!("{}/schemas/reports/{file}.json", env!("CARGO_MANIFEST_DIR"));
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == ended.stdout,
            "run `cargo run -- schema {kind} > schemas/reports/{file}.json`"
        );
    }
}

/// Names in calls that look a variable up.
fn variables_of(source: &str) -> Vec<String> {
    let calls = [
        "get(\"",
        "secret(\"",
        "bytes(\"",
        "duration(\"",
        "env = \"",
        "below(\"",
    ];
    let mut names = Vec::new();
    for call in calls {
        for rest in source.split(call).skip(1) {
            let name = rest.split('"').next().unwrap_or_default();
            let is_name = |c: char| c.is_ascii_uppercase() || c == '_';
            if name.contains('_') && name.chars().all(is_name) {
                names.push(name.to_owned());
            }
        }
    }
    names
}

#[test]
fn every_variable_and_every_flag_of_the_connection_is_documented() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = std::fs::read_to_string(root.join("docs/configuration.md")).expect("it is there");
    let mut folders = vec![root.join("src")];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let source = std::fs::read_to_string(&path).unwrap_or_default();
            let code = source.split("#[cfg(test)]").next().unwrap_or_default();
            for name in variables_of(code) {
                seen += 1;
                assert!(
                    docs.contains(&format!("`{name}`")),
                    "{name} of {} is not in docs",
                    path.display()
                );
            }
        }
    }
    assert!(seen > 30, "only {seen} were found");
    let help = TestEnv::new()
        .cs(["context", "show", "--help"])
        .run()
        .stdout;
    let connection = help
        .split("Connection:")
        .nth(1)
        .expect("a heading of its own");
    let flags = connection
        .split_whitespace()
        .filter(|word| word.starts_with("--"));
    let flags: Vec<&str> = flags.map(|word| word.trim_end_matches(',')).collect();
    assert!(flags.len() >= 11, "{flags:?}");
    for flag in flags {
        assert!(docs.contains(&format!("`{flag}`")), "{flag} is not in docs");
    }
}
