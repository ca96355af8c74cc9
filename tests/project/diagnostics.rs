//! Every file under `tests/fixtures/project/invalid` gives exactly the findings of its `.expected` file. With
//! `CS_RENEW_SNAPSHOTS` set, they are written there.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use cs::desired::validate;
use cs::project::Deploy;
use cs::spec::{Diagnostic, Severity};
use proptest::prelude::*;

use super::{Around, project};

/// What is wrong with a project, or with the jobs that it stands for.
fn findings(text: &str) -> Vec<Diagnostic> {
    let read = match project(text, &Around::default()) {
        Ok(read) => read,
        Err(findings) => return findings,
    };
    let mut found = read.warnings;
    for app in &read.apps {
        if !matches!(app.deploy, Deploy::Job { .. }) {
            continue;
        }
        let mut options = cs::desired::Options::new("test".parse().unwrap());
        options.offline = true;
        options.image = Some("built:1".to_owned());
        let issues = validate(app.workload(), &options).err().unwrap_or_default();
        let placed = issues.into_iter();
        found.extend(placed.map(|issue| issue.into_diagnostic(&app.document)));
    }
    found
}

fn shown(findings: &[Diagnostic]) -> String {
    let mut text = String::new();
    for finding in findings {
        writeln!(text, "{finding}").unwrap();
        if let Some(help) = &finding.help {
            writeln!(text, "  help: {help}").unwrap();
        }
    }
    text
}

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/project/invalid");
    let files = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = files
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "hcl"))
        .collect();
    files.sort();
    assert!(files.len() > 10, "{files:?}");
    files
}

#[test]
fn every_invalid_project_gives_its_findings_with_line_and_column() {
    #[expect(
        clippy::disallowed_methods,
        reason = "the switch of whoever renews them"
    )]
    let renews = std::env::var_os("CS_RENEW_SNAPSHOTS").is_some();
    let mut wrong = Vec::new();
    for path in fixtures() {
        let found = shown(&findings(&std::fs::read_to_string(&path).unwrap()));
        let expected = path.with_extension("expected");
        if renews {
            std::fs::write(&expected, &found).unwrap();
        }
        let wanted = std::fs::read_to_string(&expected).unwrap_or_default();
        if found.is_empty() || found != wanted {
            wrong.push(format!("=== {}\n{found}", path.display()));
        }
    }
    assert!(
        wrong.is_empty(),
        "these files give other findings; if they should: CS_RENEW_SNAPSHOTS=1\n{}",
        wrong.concat()
    );
}

#[test]
fn the_words_of_the_contract_are_all_there() {
    let all: String = fixtures()
        .iter()
        .map(|path| shown(&findings(&std::fs::read_to_string(path).unwrap())))
        .collect();
    for words in [
        "project name is required",
        "project name must contain only alphanumeric characters, hyphens, and underscores",
        "at least one app must be defined",
        "app name is required",
        "app name must contain only alphanumeric characters, hyphens, and underscores",
        "build configuration is required",
        "deploy configuration is required",
        "build plugin 'use' field is required",
        "registry plugin 'use' field is required",
        "deploy plugin 'use' field is required",
        "release plugin 'use' field is required",
        "invalid build plugin name",
        "invalid registry plugin name",
        "invalid deploy plugin name",
        "invalid release plugin name",
        "duplicate app name",
    ] {
        assert!(all.contains(words), "{words}\n{all}");
    }
}

#[test]
fn findings_never_repeat_a_secret() {
    let text = r#"
        project = "shop"
        variable "p" {
          sensitive = true
          type      = number
          default   = "canary-default"
        }
        app "web" {
          build {
            use = "docker"
            tag = var.p
          }
          registry {
            use      = "docker"
            password = { a = "canary-map" }
            username = ["canary-list"]
          }
          deploy {
            use         = "nomad-pack"
            nomad_token = ["canary-token"]
            variables   = { count = "canary-count" }
          }
        }"#;
    let found = shown(&findings(text));
    assert!(found.contains("variable-type"), "{found}");
    assert!(!found.contains("canary"), "{found}");
}

#[test]
fn a_huge_file_and_a_deep_one_are_refused_at_once() {
    let long = format!("project = \"a\" # {}", "x".repeat(2 << 20));
    let deep = format!("project = {}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let blocks = "a {\n".repeat(50_000);
    for (text, code) in [
        (long, "too-large"),
        (deep, "hcl-syntax"),
        (blocks, "hcl-syntax"),
    ] {
        let began = std::time::Instant::now();
        let found = findings(&text);
        assert_eq!(found[0].code, code, "{:?}", found[0]);
        assert!(began.elapsed().as_secs() < 10, "{code}");
    }
}

#[test]
fn many_findings_are_cut_short_and_say_so() {
    let text = format!("project = \"a\"\n{}", "x \"y\" {}\n".repeat(5_000));
    let found = findings(&text);
    assert!(found.len() <= 101, "{}", found.len());
    assert_eq!(found.last().unwrap().code, "too-many");
}

#[test]
fn a_long_row_of_variables_is_no_trouble_and_doubling_has_an_end() {
    let mut row = String::from("project = var.v19999\nvariable \"v0\" { default = \"a\" }\n");
    for number in 1..20_000 {
        let before = number - 1;
        writeln!(row, "variable \"v{number}\" {{ default = var.v{before} }}").unwrap();
    }
    row.push_str("app \"a\" { \n build { use = \"noop\" }\n deploy { use = \"noop\" }\n }\n");
    let read = project(&row, &Around::default()).unwrap();
    assert_eq!(read.name, "a");

    let mut doubling =
        String::from("project = var.v40\nvariable \"v0\" { default = \"aaaaaaaa\" }\n");
    for number in 1..=40 {
        let before = number - 1;
        writeln!(
            doubling,
            "variable \"v{number}\" {{ default = concat(var.v{before}, var.v{before}) }}"
        )
        .unwrap();
    }
    let found = project(&doubling, &Around::default()).unwrap_err();
    assert!(found.iter().any(|one| one.code == "too-large"), "{found:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever stands in a file, reading it ends, and ends with places inside of it.
    #[test]
    fn any_text_is_read_or_refused(text in any_text()) {
        let lines = text.lines().count() as u64 + 1;
        if let Err(found) = project(&text, &Around::default()) {
            prop_assert!(found.iter().any(|one| one.severity == Severity::Error));
            for one in found {
                prop_assert!(one.line <= lines, "{one} in {text:?}");
            }
        }
    }
}

/// Pieces of project files in any order.
fn any_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("project = \"a\"\n"),
        Just("app \"a\" {\n"),
        Just("}\n"),
        Just("build {\n"),
        Just("use \"docker\" {\n"),
        Just("use = \"noop\"\n"),
        Just("deploy { use = \"nomad-pack\" }\n"),
        Just("variable \"a\" { default = var.b }\n"),
        Just("variable \"b\" { default = var.a }\n"),
        Just("x = \"${var.a}-${env(\"X\")}\"\n"),
        Just("variables = { count = "),
        Just("network = [{ port = 1 }]"),
        Just("é\u{feff}\0"),
        Just("\"$X ${"),
        Just("<<-EOT\n"),
        Just("EOT\n"),
    ];
    prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}
