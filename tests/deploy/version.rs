//! `cs version`, against what Git and Nomad say.

use std::process::Command;

use serde_json::Value;

use super::{read, repository};
use crate::cli::lab::Lab;
use crate::support::env::{Ended, TestEnv};
use crate::support::nomad::RealNomad;
use crate::support::ports::CLOSED_PORT;

#[track_caller]
fn report(ended: &Ended) -> Value {
    let report = ended.document();
    let schema = read("schemas/reports/version.json");
    let schema = serde_json::from_str(&schema).expect("JSON");
    let validator = jsonschema::draft7::new(&schema).expect("a schema");
    let errors: Vec<String> = validator
        .iter_errors(&report)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?}\n{ended}");
    report
}

#[test]
fn the_report_tells_the_build_and_what_it_understands() {
    let env = TestEnv::new();
    let report = report(env.cs(["version", "-o", "json"]).run().assert_code(0));
    let build = &report["summary"];
    assert_eq!(build["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        build["profile"],
        if cfg!(debug_assertions) {
            "debug"
        } else {
            "release"
        }
    );
    assert!(
        build["target"]
            .as_str()
            .expect("a text")
            .starts_with(std::env::consts::ARCH),
        "{report}"
    );
    assert!(
        build["rustc"]
            .as_str()
            .expect("a text")
            .starts_with("rustc 1."),
        "{report}"
    );
    assert_eq!(build["server"], Value::Null);
    for kind in report["results"].as_array().expect("a list") {
        let file = format!("schemas/{}", kind["schema"].as_str().expect("a text"));
        assert!(repository(&file).is_file(), "{file}");
        assert_eq!(kind["apiVersion"], "cloudstation.io/v1");
    }
    assert_eq!(
        report["results"].as_array().map(Vec::len),
        Some(cs::spec::schema::KINDS.len())
    );
}

#[test]
fn text_and_yaml_say_the_same_and_the_first_line_is_that_of_the_flag() {
    let env = TestEnv::new();
    let json = env.cs(["version", "-o", "json"]).run().document();
    let yaml = env.cs(["version", "-o", "yaml"]).run();
    let yaml: Value = serde_saphyr::from_str(&yaml.stdout).expect("YAML");
    assert_eq!(yaml, json);
    let text = env.cs(["version"]).run();
    text.assert_code(0);
    let first = env.cs(["--version"]).run().stdout;
    assert!(text.stdout.starts_with(&first), "{text}");
    if let Some(commit) = json["summary"]["commit"].as_str() {
        assert!(text.stdout.contains(commit), "{text}");
        assert!(first.contains(&commit[..9]), "{first}");
    } else {
        assert!(first.ends_with("(no commit)\n"), "{first}");
    }
}

/// Where there is a checkout with Git; a source archive has neither.
#[test]
fn the_commit_is_one_of_this_repository_with_its_day() {
    let Some(commit) = cs::version::commit() else {
        let git = Command::new("git")
            .args(["rev-parse", "--show-prefix"])
            .current_dir(repository(""))
            .output();
        let is_checkout = git.is_ok_and(|output| output.status.success() && output.stdout == b"\n");
        assert!(
            !is_checkout,
            "this is a checkout, and the build says that it has no commit"
        );
        return;
    };
    let commit = commit.strip_suffix("-dirty").unwrap_or(commit);
    let shown = Command::new("git")
        .args([
            "show",
            "--no-patch",
            "--format=%cd",
            "--date=format-local:%Y-%m-%d",
            commit,
        ])
        .env("TZ", "UTC")
        .current_dir(repository(""))
        .output()
        .expect("git told the commit");
    assert!(shown.status.success(), "{commit} is not in this repository");
    let day = String::from_utf8_lossy(&shown.stdout);
    assert_eq!(cs::version::commit_date(), Some(day.trim()));
}

#[test]
fn nomad_is_asked_for_its_version_when_that_is_wanted() {
    let lab = Lab::new();
    for arguments in [vec!["--server"], vec!["--address", &lab.nomad.url]] {
        let ended = lab.env.cs(["version", "-o", "json"]).args(arguments).run();
        ended.assert_code(0);
        let server = report(&ended)["summary"]["server"].take();
        assert!(
            server["version"]
                .as_str()
                .is_some_and(|version| version.contains('.')),
            "{ended}"
        );
        assert!(
            server["address"]
                .as_str()
                .is_some_and(|address| lab.nomad.url.starts_with(address.trim_end_matches('/'))),
            "{ended}"
        );
    }
    let text = lab.env.cs(["version", "--server"]).run();
    assert!(text.stdout.contains("\nNomad "), "{text}");
    if let Some(real) = RealNomad::shared() {
        let text = lab.env.cs(["version", "--address", real.address()]).run();
        text.assert_code(0);
        assert!(text.stdout.contains("\nNomad "), "{text}");
    }
}

#[test]
fn a_nomad_that_is_away_leaves_the_own_version_and_an_error() {
    let mut env = TestEnv::new();
    env.set("NOMAD_ADDR", format!("http://127.0.0.1:{CLOSED_PORT}"));
    let ended = env.cs(["version", "--server", "-o", "json"]).run();
    ended.assert_code(1).assert_says("cannot reach Nomad");
    let report = report(&ended);
    assert_eq!(
        (&report["outcome"], &report["summary"]["server"]),
        (&"failed".into(), &Value::Null)
    );
    // Nobody is asked unasked.
    env.cs(["version"]).run().assert_code(0);
}
