//! `cs new`: first specs that every other command takes.

use std::path::PathBuf;

use cs::spec::schema;
use serde_json::Value;

use super::assert_snapshot;
use crate::support::env::{Ended, TestEnv};

/// The document that was printed, checked against the schema.
#[track_caller]
fn document(text: &str) -> Value {
    let validator = jsonschema::draft7::new(&schema::document_schema()).expect("a schema");
    let mut documents: Vec<Value> = serde_saphyr::from_multiple(text).expect("YAML");
    assert_eq!(documents.len(), 1, "{text}");
    let document = documents.remove(0);
    let errors: Vec<String> = validator
        .iter_errors(&document)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?}\n{text}");
    document
}

fn modeline(text: &str) -> &str {
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("# yaml-language-server: $schema=")
        .unwrap_or_else(|| panic!("no modeline: {text}"))
}

#[test]
fn first_specs_look_like_this() {
    let env = TestEnv::new();
    for (name, arguments) in [
        ("new-workload", &["new", "workload", "shop"][..]),
        (
            "new-workload-with-port",
            &[
                "new",
                "workload",
                "shop",
                "--image",
                "nginx:1.27",
                "--port",
                "80",
            ],
        ),
        ("new-nomadjob", &["new", "nomadjob", "import"]),
    ] {
        assert_snapshot(name, &env.cs(arguments).run());
    }
}

#[test]
fn what_is_printed_is_valid_and_means_what_was_asked() {
    let env = TestEnv::new();
    let ended = env
        .cs([
            "new",
            "workload",
            "on",
            "--image",
            "registry:5000/a/b@sha256:0f",
            "--port",
            "8080",
        ])
        .run();
    ended.assert_code(0);
    let spec = document(&ended.stdout);
    assert_eq!(spec["metadata"]["name"], "on");
    assert_eq!(
        spec["spec"]["source"]["image"],
        "registry:5000/a/b@sha256:0f"
    );
    assert_eq!(spec["spec"]["ports"][0]["port"], 8080);
    let rendered = env.cs(["render", "-f", "-"]).stdin(&ended.stdout).run();
    rendered.assert_code(0);
    assert_eq!(rendered.document()["Job"]["ID"], "on");
    let native = env.cs(["new", "nomadjob", "import"]).run();
    let native = document(&native.stdout);
    assert_eq!(native["kind"], "NomadJob");
    assert!(
        native["spec"]["hcl"]
            .as_str()
            .unwrap()
            .starts_with("job \"import\" {")
    );
}

#[test]
fn what_makes_no_valid_spec_is_refused_before_anything_is_written() {
    let env = TestEnv::new();
    let out = env.root().join("x.yaml");
    for (arguments, says) in [
        (&["new", "workload", "two words"][..], "job id"),
        (
            &["new", "workload", "shop", "--image", "two words"],
            "white space",
        ),
        (&["new", "workload", "shop", "--port", "0"], "port"),
        (
            &["new", "workload", "a_b", "--port", "80"],
            "spec.service.name",
        ),
        (&["new", "nomadjob", "a${b}"], "choose another name"),
        (&["new", "nomadjob", "shop", "--port", "80"], "--port"),
        (&["new", "moon", "shop"], "moon"),
    ] {
        let ended = env.cs(arguments).arg("--out").arg(&out).run();
        ended.assert_code(2).assert_says(says);
        assert!(!out.exists(), "{ended}");
    }
}

#[test]
fn a_file_that_is_there_stays_unless_it_is_forced() {
    let env = TestEnv::new();
    let file = env.file("shop.yaml", "mine");
    let write = |more: &[&str]| -> Ended {
        env.cs(["new", "workload", "shop", "--out"])
            .arg(&file)
            .args(more)
            .run()
    };
    let content = || std::fs::read_to_string(&file).unwrap();
    write(&[]).assert_code(2).assert_says("--force");
    assert_eq!(content(), "mine");
    let forced = write(&["--force"]);
    forced.assert_code(0);
    assert_eq!(forced.stdout, "");
    assert_eq!(document(&content())["metadata"]["name"], "shop");
    let nowhere = env
        .cs(["new", "workload", "shop", "--out"])
        .arg(file.join("folder.yaml"))
        .run();
    nowhere.assert_code(2).assert_says("cannot make the folder");
}

#[test]
fn the_modeline_names_the_nearest_schema_or_says_how_to_make_one() {
    let env = TestEnv::new();
    let folder = |path: &str| {
        let folder: PathBuf = env.root().join(path);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    };
    let deep = folder("repository/specs/shop");
    let written = |out: PathBuf| {
        let ended = env.cs(["new", "workload", "shop", "--out"]).arg(&out).run();
        ended.assert_code(0);
        (
            modeline(&std::fs::read_to_string(out).unwrap()).to_owned(),
            ended,
        )
    };
    let (address, ended) = written(deep.join("a.yaml"));
    assert_eq!(address, "schemas/cloudstation.io_v1.json");
    let made = deep.join("schemas/cloudstation.io_v1.json");
    ended.assert_says(&format!("cs schema > {}", made.display()));
    // With one at the top of the repository.
    let schemas = folder("repository/schemas");
    let schema = env.cs(["schema"]).run().stdout;
    std::fs::write(schemas.join("cloudstation.io_v1.json"), schema).unwrap();
    let (address, ended) = written(deep.join("b.yaml"));
    assert_eq!(address, "../../schemas/cloudstation.io_v1.json");
    assert!(deep.join(address).is_file());
    assert_eq!(ended.stderr, "");
    let ended = env
        .cs([
            "new",
            "workload",
            "shop",
            "--schema",
            "https://example.com/s.json",
        ])
        .run();
    assert_eq!(modeline(&ended.stdout), "https://example.com/s.json");
}

#[test]
fn the_folder_of_a_first_spec_is_made() {
    let env = TestEnv::new();
    let folder = env.root().join("specs/base");
    let file = folder.join("shop.yaml");
    let ended = env
        .cs(["new", "workload", "shop", "--out"])
        .arg(&file)
        .run();
    ended.assert_code(0);
    assert!(std::fs::read_to_string(&file).is_ok(), "{ended}");
    // What is in the way is said, not removed.
    let under_a_file = file.join("shop.yaml");
    let ended = env
        .cs(["new", "workload", "shop", "--out"])
        .arg(&under_a_file)
        .run();
    ended.assert_code(2).assert_says("cannot make the folder");
}
