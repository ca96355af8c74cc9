//! Texts of the params arrive in the job as data.

use serde_json::{Value, json};

use super::lab::{JOB, Lab, REFUSED, image_with};

const AWKWARD: [&str; 7] = [
    r#"say "hi" 'there' \n \" \d"#,
    "${NOMAD_PORT_8080} ${HOME} $${Y} %{z} $X",
    "[[ .x ]] {{ key \"secret\" }} {{- range -}}",
    "two\nlines\r\nand\ttabs\n",
    "`id` $(id) ; rm -rf / | cat",
    "😀 é \u{2028}",
    "  leading and trailing  ",
];

/// The whole job as the simulator has it.
fn deployed(lab: &Lab, changes: Value) -> Value {
    lab.deploy(&image_with(changes)).run().assert_code(0);
    lab.job(JOB).unwrap()
}

#[test]
fn quotes_templates_shell_and_newlines_stay_what_they_are() {
    let lab = Lab::new();
    for text in AWKWARD {
        let job = deployed(&lab, json!({"command": text, "entrypoint": [text, text]}));
        let config = &job["TaskGroups"][0]["Tasks"][0]["Config"];
        assert_eq!(config["command"], text);
        assert_eq!(config["entrypoint"], json!([text, text]));
    }
}

#[test]
fn ten_thousand_characters_arrive() {
    let lab = Lab::new();
    let long = "x y\"$é".repeat(2_000);
    let job = deployed(&lab, json!({"command": long}));
    assert_eq!(job["TaskGroups"][0]["Tasks"][0]["Config"]["command"], long);
}

#[test]
fn a_start_command_arrives_letter_by_letter() {
    let lab = Lab::new();
    for text in AWKWARD {
        let job = deployed(&lab, json!({"build": {"startCommand": text}}));
        let config = &job["TaskGroups"][0]["Tasks"][0]["Config"];
        assert_eq!(config["args"], json!([text]), "{config}");
    }
}

#[test]
fn what_the_runners_environment_holds_is_never_expanded() {
    let lab = Lab::new();
    let text = "$CANARY ${CANARY} ${env(\"CANARY\")} {{ env \"CANARY\" }}";
    let params = image_with(json!({"command": text}));
    lab.deploy(&params)
        .var("CANARY", "leaked-value")
        .run()
        .assert_code(0)
        .assert_hides("leaked-value");
    let job = lab.job(JOB).unwrap();
    assert_eq!(job["TaskGroups"][0]["Tasks"][0]["Config"]["command"], text);
    assert!(!job.to_string().contains("leaked-value"));
}

#[test]
fn nul_is_refused_by_name() {
    let lab = Lab::new();
    for changes in [
        json!({"command": "canary\u{0}"}),
        json!({"imageTag": "canary\u{0}"}),
        json!({"entrypoint": ["ok", "canary\u{0}"]}),
        json!({"jobId": "canary\u{0}"}),
    ] {
        let ended = lab.deploy(&image_with(changes.clone())).run();
        let field = changes.as_object().unwrap().keys().next().unwrap();
        ended.assert_code(3).assert_hides("canary");
        let named = match field.as_str() {
            "imageTag" => "image",
            name => name,
        };
        ended.assert_says(named);
        assert!(
            ended.subjects().contains(&REFUSED[0].to_owned()),
            "{changes}: {ended}"
        );
        assert_eq!(lab.nomad.writes(), []);
    }
}
