//! The forms in which findings are printed, by the real binary.

use serde_json::Value;

use super::{put, read, validate, workload};
use crate::support::env::TestEnv;

/// A set with an error and a warning, and one without either.
fn env() -> TestEnv {
    let env = TestEnv::new();
    put(&env, "specs/good.yaml", workload("good"));
    put(
        &env,
        "specs/shop.yaml",
        workload("shop").replace(":1.27", "")
            + "  ports:\n    - port: 80\n    - port: 80\n  dependsOn: [{name: good}]\n",
    );
    env
}

#[test]
fn text_is_a_line_that_can_be_searched_an_excerpt_and_a_remedy() {
    let ended = validate(&env(), "specs");
    ended.assert_code(3);
    assert_eq!(
        ended.stdout,
        "specs/shop.yaml:5:19: warning[image-tag]: the image has no tag, so it is whatever `latest` is when a node \
         pulls it (`spec.source.image`)\n \
         5 │   source: {image: \"nginx\"}\n   \
           ·                   ───────\n  \
         help: name a version or a digest, so that a rollback brings the old one back\n\
         specs/shop.yaml:8:13: error[port-twice]: port 80 stands here a second time (`spec.ports[1].port`)\n \
         8 │     - port: 80\n   \
           ·             ──\n"
    );
    assert_eq!(
        ended.stderr,
        "checked 2 files, 2 resources: 1 error, 1 warning\n"
    );
}

#[test]
fn colours_are_only_decoration() {
    let env = env();
    let plain = validate(&env, "specs").stdout;
    let coloured = validate(&env, "specs --color always").stdout;
    assert!(coloured.contains('\u{1b}'));
    let mut bare = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        bare.push_str(before);
        rest = after.split_once('m').expect("an escape ends").1;
    }
    assert_eq!(bare + rest, plain);
}

#[test]
fn json_is_a_report_that_its_schema_describes() {
    let schema: Value = serde_json::from_str(&read("schemas/reports/validation.json")).unwrap();
    let validator = jsonschema::draft7::new(&schema).unwrap();
    let env = env();
    for (arguments, outcome, errors) in [
        ("specs -o json", "invalid", 1),
        ("specs/good.yaml -o json", "valid", 0),
        ("gone specs/good.yaml -o json", "incomplete", 1),
    ] {
        let ended = validate(&env, arguments);
        let report = ended.document();
        let faults: Vec<String> = validator
            .iter_errors(&report)
            .map(|e| e.to_string())
            .collect();
        assert!(faults.is_empty(), "{faults:?}\n{ended}");
        assert_eq!(report["outcome"], outcome, "{ended}");
        assert_eq!(report["summary"]["errors"], errors, "{ended}");
        assert_eq!(
            report["summary"]["exitCode"],
            ended.code.unwrap(),
            "{ended}"
        );
    }
    let report = validate(&env, "specs -o json").document();
    assert_eq!(
        report["results"][1],
        serde_json::json!({
            "code": "port-twice", "severity": "error", "file": "specs/shop.yaml", "line": 8, "column": 13,
            "path": "spec.ports[1].port", "message": "port 80 stands here a second time", "help": null,
        })
    );
}

#[test]
fn sarif_is_what_the_standard_says() {
    let mut schema: Value = serde_json::from_str(&read("tests/fixtures/sarif-2.1.0.json")).unwrap();
    // As it was published, with an unescaped bracket that not every engine reads.
    for object in ["run", "toolComponent"] {
        let language = &mut schema["definitions"][object]["properties"]["language"];
        language["pattern"] = "^[a-zA-Z]{2}".into();
    }
    let validator = jsonschema::draft7::new(&schema).unwrap();
    assert!(!validator.is_valid(&serde_json::json!({"version": "2.1.0", "runs": [{}]})));
    let env = env();
    for arguments in [
        "specs -o sarif",
        "specs/good.yaml -o sarif",
        "gone -o sarif",
        "specs --strict -o sarif",
    ] {
        let ended = validate(&env, arguments);
        let log = ended.document();
        let faults: Vec<String> = validator.iter_errors(&log).map(|e| e.to_string()).collect();
        assert!(faults.is_empty(), "{faults:?}\n{ended}");
    }
    let run = &validate(&env, "specs -o sarif").document()["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    for result in results {
        let number = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        let rule = &rules[number];
        assert_eq!(rule["id"], result["ruleId"]);
        for text in ["shortDescription", "help"] {
            assert!(
                rule[text]["text"]
                    .as_str()
                    .is_some_and(|text| text.ends_with('.')),
                "{rule}"
            );
        }
    }
    let place = &results[1]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "specs/shop.yaml");
    assert_eq!(
        place["region"],
        serde_json::json!({"startLine": 8, "startColumn": 13})
    );
}

#[test]
fn github_gets_one_command_a_finding() {
    let ended = validate(&env(), "./specs -o github");
    ended.assert_code(3);
    assert_eq!(
        ended.stdout,
        "::warning file=specs/shop.yaml,line=5,col=19,title=image-tag::the image has no tag, so it is whatever \
         `latest` is when a node pulls it (`spec.source.image`)%0Ahelp: name a version or a digest, so that a rollback \
         brings the old one back\n\
         ::error file=specs/shop.yaml,line=8,col=13,title=port-twice::port 80 stands here a second time \
         (`spec.ports[1].port`)\n"
    );
}

#[test]
fn junit_has_a_case_for_every_file_and_is_well_formed() {
    let env = env();
    put(&env, "specs/odd.yaml", "a: \"\u{1b}<&>'\n");
    let ended = validate(&env, "specs -o junit");
    ended.assert_code(3);
    let elements = elements(&ended.stdout);
    let cases: Vec<&str> = elements
        .iter()
        .filter(|(name, _)| name == "testcase")
        .map(|(_, attributes)| attribute(attributes, "name"))
        .collect();
    assert_eq!(
        cases,
        ["specs/good.yaml", "specs/odd.yaml", "specs/shop.yaml"]
    );
    let failures = elements
        .iter()
        .filter(|(name, _)| name == "failure")
        .count();
    assert_eq!(failures, 2, "{ended}");
    assert!(
        ended
            .stdout
            .contains("tests=\"3\" failures=\"2\" errors=\"0\""),
        "{ended}"
    );
}

fn attribute<'a>(attributes: &'a str, name: &str) -> &'a str {
    let start = attributes
        .find(&format!(" {name}=\""))
        .expect("it is there")
        + name.len()
        + 3;
    let rest = &attributes[start..];
    &rest[..rest.find('"').expect("it ends")]
}

/// Names and attributes of all elements. Fails unless every element is closed, every `&` begins an entity, and no
/// character stands there that XML cannot write.
fn elements(xml: &str) -> Vec<(String, String)> {
    let is_writable = |c: char| !c.is_control() || c == '\n';
    assert!(xml.chars().all(is_writable), "{xml:?}");
    let rest = xml
        .strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>")
        .expect("a declaration");
    for entity in rest.split('&').skip(1) {
        let name = entity.split(';').next().unwrap();
        assert!(
            ["amp", "lt", "gt", "quot", "apos", "#10", "#9"].contains(&name),
            "&{name}"
        );
    }
    let mut open: Vec<String> = Vec::new();
    let mut found = Vec::new();
    for part in rest.split('<').skip(1) {
        let (tag, text) = part.split_once('>').expect("a tag ends");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name));
            continue;
        }
        let name = tag.split([' ', '/']).next().unwrap().to_owned();
        if !tag.ends_with('/') {
            open.push(name.clone());
        }
        assert!(open.len() > 1 || text.trim().is_empty(), "{text}");
        found.push((name, tag.to_owned()));
    }
    assert!(open.is_empty(), "{open:?}");
    found
}
