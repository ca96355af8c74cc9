//! What `cs convert` writes is what it converted: every text survives YAML letter by letter.

use cs::dispatch::{ConvertOptions, Params, Task, convert, parse, to_yaml};
use cs::spec::Workload;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{fixtures, image, image_params, parsed, repository_params};

fn reread(workload: &Workload) -> Workload {
    let yaml = to_yaml(workload);
    serde_saphyr::from_str(&yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"))
}

#[test]
fn every_recorded_case_survives_yaml() {
    for (name, task, text) in fixtures::cases() {
        let Ok(Params::Deploy(params)) = parse(task, &text) else {
            panic!("{name} does not parse");
        };
        let workload = convert(&params, &ConvertOptions::default())
            .unwrap()
            .workload;
        assert_eq!(reread(&workload), workload, "{name}");
    }
}

#[test]
fn awkward_texts_arrive_as_data() {
    for text in [
        "say \"hi\" 'there' \\n \\\" \\d",
        "${NOMAD_PORT_http} ${X} $${Y} %{z} $X",
        "[[ .x ]] {{ $y }} {{- range -}}",
        "two\nlines\r\nand\ttabs\n",
        "nul \0 and bell \u{7} and escape \u{1b}",
        "  leading and trailing  ",
        "\n\n",
        "yes",
        "null",
        "~",
        "0x1F",
        "1e3",
        ".inf",
        "- a: b # c",
        "&anchor *alias !tag",
        "\u{feff}bom \u{85} \u{2028} \u{2029} \u{a0}",
        "😀 é ٣",
        "---",
        "...",
        "%YAML 1.2",
    ] {
        let workload = image(json!({
            "command": text, "entrypoint": [text], "build": {"startCommand": text},
            "vaultLinkedSecrets": [{"secret": text, "template": text}],
            "templateStringVariables": [{"name": text, "pattern": text, "linkedVars": [text]}],
            "networks": [{"portNumber": 80, "domain": text}],
        }))
        .workload;
        let container = &workload.spec.container;
        assert_eq!(container.command.as_deref(), Some(text));
        assert_eq!(container.entrypoint, [text]);
        assert_eq!(container.start_command.as_deref(), Some(text));
        assert_eq!(container.exports[0].value, text);
        assert_eq!(workload.spec.ports[0].domain.as_deref(), Some(text));
        assert_eq!(reread(&workload), workload, "{text:?}");
    }
    let long = "x y\"$".repeat(2_000);
    let workload = image(json!({"command": long})).workload;
    assert_eq!(
        workload.spec.container.command.as_deref(),
        Some(long.as_str())
    );
    assert_eq!(reread(&workload), workload);
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[ \\n\\t#:'\"\\\\{}\\[\\]$%&*!|>?@`,~-]{0,12}",
        "[a-z]{1,3}(\\n[ a-z]{0,3}){0,3}",
        "[a-z ]{70,120}",
    ]
}

/// Params of any texts in the fields that go through unchanged.
fn params() -> impl Strategy<Value = (Task, Value)> {
    let texts = prop::collection::vec(text(), 1..4);
    (text(), text(), texts, any::<u16>(), any::<bool>(), any::<Option<u16>>()).prop_map(
        |(a, b, list, port, repository, number)| {
            let extra = json!({
                "command": a, "entrypoint": list, "docker_user": b, "teamId": a, "ownerId": b, "projectId": a,
                "imageName": format!("i{b}"), "regions": a, "gpu_model": b, "gpu": number.map(|n| n % 3),
                "cpu": number, "ram": number, "replicaCount": number, "clusterDomain": b,
                "networks": [{"portNumber": port, "portType": b, "public": repository, "domain": a, "custom_domain": b,
                    "health_check": {"path": a, "type": "http", "interval": number.map(|n| n.to_string()), "port": port}}],
                "vaultLinkedSecrets": [{"secret": a, "template": b}],
                "consul": {"serviceName": b, "linkedServices": [{"variableName": a, "consulServiceName": b}]},
                "templateStringVariables": [{"name": a, "pattern": b, "serviceName": a, "linkedVars": list}],
                "csiVolume": [{"id": a, "mountPaths": list}],
                "update": {"canary": number, "autoPromote": repository},
                "build": {"startCommand": a, "buildCommand": b, "buildArgs": {"k": a, b.clone(): a}, "staticBuildEnv": {a.clone(): b}},
                "tls": {"cert_path": a, "common_name": b},
                "nomadAddress": a,
            });
            if repository {
                (Task::RedeployRepository, repository_params(extra))
            } else {
                (Task::DeployImage, image_params(extra))
            }
        },
    )
}

proptest! {
    #[test]
    fn any_converted_workload_survives_yaml((task, params) in params()) {
        let workload = convert(&parsed(task, &params), &ConvertOptions::default()).unwrap().workload;
        prop_assert_eq!(reread(&workload), workload);
    }
}
