//! What a release says it consists of, and the binary that it ships.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::{limit, read, repository, static_binary};

#[allow(
    dead_code,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a program of its own, which reads the environment and prints"
)]
#[path = "../../deploy/sbom.rs"]
mod sbom;

const TARGET: &str = "x86_64-unknown-linux-musl";

fn inventory() -> sbom::Inventory {
    sbom::Inventory::read(&repository(""), TARGET).expect("Cargo knows what it built")
}

/// What the schema of CycloneDX 1.5 asks of the parts that are used here.
fn essentials() -> Value {
    let component = json!({
        "type": "object", "required": ["type", "name", "version", "bom-ref", "purl", "licenses"],
        "properties": {
            "type": {"enum": ["application", "library"]},
            "bom-ref": {"type": "string", "minLength": 1},
            "name": {"type": "string", "minLength": 1}, "version": {"type": "string", "minLength": 1},
            "hashes": {"items": {"required": ["alg", "content"], "properties": {
                "alg": {"const": "SHA-256"}, "content": {"pattern": "^[a-f0-9]{64}$"}}}},
            "licenses": {"type": "array", "minItems": 1, "maxItems": 1, "items": {
                "required": ["expression"], "additionalProperties": false,
                "properties": {"expression": {"type": "string", "minLength": 1}}}},
            "purl": {"pattern": "^pkg:(cargo|generic)/[^@]+@[^@]+$"},
            "externalReferences": {"items": {"required": ["type", "url"], "properties": {
                "type": {"const": "vcs"}, "url": {"pattern": "^https://"}}}},
        },
        "additionalProperties": false,
    });
    json!({
        "type": "object", "additionalProperties": false,
        "required": ["bomFormat", "specVersion", "version", "metadata", "components", "dependencies"],
        "properties": {
            "$schema": {"const": "http://cyclonedx.org/schema/bom-1.5.schema.json"},
            "bomFormat": {"const": "CycloneDX"}, "specVersion": {"const": "1.5"}, "version": {"const": 1},
            "metadata": {"type": "object", "required": ["component"], "additionalProperties": false,
                "properties": {"component": component}},
            "components": {"type": "array", "uniqueItems": true, "items": component},
            "dependencies": {"type": "array", "items": {"required": ["ref", "dependsOn"],
                "additionalProperties": false, "properties": {
                    "ref": {"type": "string"}, "dependsOn": {"uniqueItems": true, "items": {"type": "string"}}}}},
        },
    })
}

#[test]
fn the_bill_of_materials_is_what_cyclonedx_asks_for_and_every_reference_has_its_part() {
    let bill: Value = serde_json::from_str(&inventory().cyclonedx()).expect("JSON");
    let validator = jsonschema::draft7::new(&essentials()).expect("a schema");
    let errors: Vec<String> = validator
        .iter_errors(&bill)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let components = bill["components"].as_array().expect("a list");
    let mut parts: BTreeSet<String> = components
        .iter()
        .map(|part| text(&part["bom-ref"]))
        .collect();
    assert_eq!(parts.len(), components.len(), "every reference is its own");
    assert!(parts.insert(text(&bill["metadata"]["component"]["bom-ref"])));
    let dependencies = bill["dependencies"].as_array().expect("a list");
    assert_eq!(dependencies.len(), parts.len());
    for dependency in dependencies {
        assert!(parts.contains(&text(&dependency["ref"])), "{dependency}");
        for needed in dependency["dependsOn"].as_array().expect("a list") {
            assert!(parts.contains(&text(needed)), "{dependency}");
        }
    }
}

#[test]
fn it_holds_what_is_linked_and_nothing_of_tests_and_builds() {
    let inventory = inventory();
    let names: BTreeSet<&str> = inventory
        .parts
        .keys()
        .map(|(name, _)| name.as_str())
        .collect();
    for linked in [
        "cs",
        "serde",
        "ring",
        "git2",
        "libgit2",
        "sqlite",
        "libsqlite3-sys",
        "tokio",
    ] {
        assert!(names.contains(linked), "{linked}");
    }
    for other in [
        "criterion",
        "proptest",
        "tempfile",
        "jsonschema",
        "cc",
        "serde_derive",
        "syn",
    ] {
        assert!(!names.contains(other), "{other}");
    }
    let is_needed = |id| inventory.parts.values().any(|part| part.needs.contains(id));
    for (id, part) in &inventory.parts {
        assert!(*id == inventory.root || is_needed(id), "{id:?} is nobody's");
        // What was downloaded has the checksum under which it was.
        let is_ours = ["cs", "cs-yaml"].contains(&id.0.as_str());
        let is_crate = part.purl.starts_with("pkg:cargo/") && !is_ours;
        assert_eq!(part.checksum.is_some(), is_crate, "{id:?}");
    }
}

#[test]
fn the_same_sources_give_the_same_bytes() {
    assert_eq!(inventory().cyclonedx(), inventory().cyclonedx());
    let bill = inventory().cyclonedx();
    assert!(!bill.contains("timestamp") && !bill.contains("serialNumber"));
    assert!(
        !bill.contains(env!("CARGO_MANIFEST_DIR")),
        "a path of this machine"
    );
}

#[test]
fn the_licences_name_every_part_and_hold_the_texts_that_must_go_along() {
    let inventory = inventory();
    let text = inventory.licenses().expect("all files can be read");
    for ((name, version), part) in &inventory.parts {
        let line = format!("\n{name} {version}  {}", part.license);
        assert!(text.contains(&line), "{line}");
    }
    for wanted in [
        "Permission is hereby granted, free of charge",
        "TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION",
        // libgit2: what lets it be linked.
        "unlimited permission to link the compiled",
    ] {
        assert!(text.contains(wanted), "{wanted}");
    }
    assert!(
        !text.contains(env!("CARGO_MANIFEST_DIR")),
        "a path of this machine"
    );
}

/// Made by `.ci/run` before the tests.
#[test]
fn the_shipped_binary_is_static_small_and_in_its_checksums() {
    let Some(binary) = static_binary() else {
        return;
    };
    let bytes = std::fs::read(&binary).expect("CS_TEST_STATIC_BINARY names a file");
    assert!(bytes.starts_with(b"\x7fELF"));
    // A dynamic program names its loader.
    let holds = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    assert!(
        !holds(b"/lib64/ld-linux") && !holds(b"/lib/ld-musl"),
        "it is dynamic"
    );
    assert!(
        bytes.len() as u64 <= limit("max_binary_bytes"),
        "{} bytes",
        bytes.len()
    );
    assert!(
        !holds(env!("CARGO_MANIFEST_DIR").as_bytes()),
        "a path of this machine is in it"
    );
    let said = Command::new(&binary)
        .arg("version")
        .output()
        .expect("it runs here");
    assert!(
        String::from_utf8_lossy(&said.stdout).contains(TARGET),
        "{said:?}"
    );
    let folder = binary.parent().expect("a file has a folder");
    if folder.join("SHA256SUMS").is_file() {
        let checked = Command::new("sha256sum")
            .args(["--check", "--strict", "SHA256SUMS"])
            .current_dir(folder)
            .output();
        let checked = checked.expect("sha256sum is everywhere");
        assert!(checked.status.success(), "{checked:?}");
        let version = env!("CARGO_PKG_VERSION");
        let bill = std::fs::read_to_string(folder.join(format!("cs-{version}.cdx.json")))
            .expect("it is shipped");
        assert_eq!(bill, inventory().cyclonedx());
    }
}

#[test]
fn the_scripts_are_sound_and_say_how_they_are_used() {
    for script in ["deploy/release", "deploy/image"] {
        let path = repository(script);
        let read_only = Command::new("bash")
            .arg("-n")
            .arg(&path)
            .output()
            .expect("bash is there");
        assert!(read_only.status.success(), "{read_only:?}");
        assert!(read(script).contains("\nset -euo pipefail\n"));
        let wrong = Command::new(&path)
            .arg("--no-such")
            .current_dir(Path::new("/"))
            .output();
        let wrong = wrong.expect("it may be executed");
        assert_eq!(wrong.status.code(), Some(2));
        assert!(
            String::from_utf8_lossy(&wrong.stderr).starts_with("usage: deploy/"),
            "{wrong:?}"
        );
    }
    assert!(limit("max_binary_bytes") < limit("max_image_bytes"));
}
