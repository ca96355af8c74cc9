//! Every text of a user reaches the job as data, and every secret reaches the task as it is.

use std::collections::BTreeMap;

use cs::compile::compile;
use cs::desired::{
    Desired, DesiredCertificate, DesiredEnv, DesiredFile, DesiredLink, RenderedEnv, SecretOrigin,
    VaultEnvFile,
};
use cs::secret::Secret;
use cs::spec::workload::{ChangeMode, LinkValue, ServiceProvider};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::envfile;
use super::golden::{any, connection};
use super::render::{World, render};

/// Texts that HCL, Go templates, nomad-pack or a shell would read as something else.
pub(super) fn nasty() -> Vec<String> {
    let mut texts: Vec<String> = [
        "\"quoted\" and 'single'",
        "${NOMAD_ALLOC_ID} ${env(\"HOME\")} $${X} $HOME %{ if true } %%{x} a ${b} $${c} $$${d}",
        "[[ env \"X\" ]] {{ key \"x\" }} }} {{ {{{",
        "line\nbreak\ttab\r\nback\\slash \\n \\\" \\u0041",
        "\" }}{{ secret \"other\" }}{{ \"",
        "# not a comment = x",
        "  blanks at both ends  ",
        "é 漢 😀 \u{2028} \u{1} \u{7f}",
        "",
    ]
    .map(str::to_owned)
    .into();
    texts.push("0123456789".repeat(1000));
    texts
}

/// The parts of the only task.
fn task(desired: &Desired) -> Value {
    compile(desired).to_value()["TaskGroups"][0]["Tasks"][0].take()
}

/// What the task's environment becomes from its templates, and what they read.
fn rendered_env(desired: &Desired, world: &World) -> BTreeMap<String, String> {
    let templates = task(desired)["Templates"].take();
    let mut env = BTreeMap::new();
    for template in templates.as_array().into_iter().flatten() {
        if template["Envvars"] == true {
            let text = render(template["EmbeddedTmpl"].as_str().unwrap(), world);
            env.extend(envfile::parse(&text).unwrap());
        }
    }
    env
}

/// A workload whose templates are only those that a test adds.
fn bare() -> Desired {
    let mut desired = any();
    desired.vault.as_mut().unwrap().env.clear();
    desired.pull_vault_path = None;
    desired
}

#[test]
fn every_text_reaches_the_job_unchanged() {
    for text in nasty() {
        let mut desired = any();
        desired.image = text.clone();
        desired.user = Some(text.clone());
        desired.command = Some(text.clone());
        desired.entrypoint = vec![text.clone(), text.clone()];
        desired.args = vec![text.clone()];
        desired.ports[0].check.path = Some(text.clone());
        desired.env = [("A".to_owned(), DesiredEnv::Text(text.clone()))].into();
        desired.labels = [("a".to_owned(), text.clone())].into();
        desired.task_name = text.clone();
        let job = compile(&desired).to_value();
        let task = &job["TaskGroups"][0]["Tasks"][0];
        let path = &job["TaskGroups"][0]["Services"][0]["Checks"][0]["Path"];
        let found = json!([
            task["Name"],
            task["User"],
            task["Env"]["A"],
            path,
            task["Config"]["image"],
            task["Config"]["command"],
            task["Config"]["entrypoint"][1],
            task["Config"]["args"][0],
            task["Config"]["labels"][0]["a"],
        ]);
        assert_eq!(found, json!(vec![text; 9]));
    }
}

#[test]
fn a_secret_of_the_environment_is_sent_and_never_shown() {
    let mut desired = any();
    let secret = DesiredEnv::Secret(Secret::from("t0ken-value"));
    desired.env = [("TOKEN".to_owned(), secret)].into();
    let job = compile(&desired);
    assert_eq!(
        job.to_value()["TaskGroups"][0]["Tasks"][0]["Env"]["TOKEN"],
        "t0ken-value"
    );
    let shown = format!("{job:?} {job:#?} {:?}", job.task_groups);
    assert!(!shown.contains("t0ken-value"), "{shown}");
}

#[test]
fn every_value_of_a_secret_survives_the_environment_file() {
    for text in nasty() {
        let world = World::new(1, &[("A", text.as_str()), ("B", "after")]);
        let env = rendered_env(&any(), &world);
        assert_eq!(env["A"], text);
        assert_eq!(env["B"], "after");
    }
}

#[test]
fn a_path_cannot_leave_its_quotes() {
    for text in nasty()
        .into_iter()
        .filter(|text| !text.trim_matches('/').is_empty())
    {
        let mut desired = bare();
        desired.vault.as_mut().unwrap().env = vec![VaultEnvFile {
            path: text.clone(),
            destination: "secrets/file.env".to_owned(),
            change_mode: ChangeMode::Noop,
        }];
        let world = World::new(1, &[("A", "value")]);
        let env = rendered_env(&desired, &world);
        assert_eq!(env["A"], "value");
        let reads: Vec<String> = world.reads.take().into_iter().collect();
        assert_eq!(reads, [format!("secret {}", text.trim_matches('/'))]);
    }
}

#[test]
fn a_pattern_is_literal_but_for_its_three_actions() {
    for text in nasty() {
        let mut desired = bare();
        let pattern = format!("{text} {{{{$U}}}}@{{{{ .Address }}}}:{{{{.Port}}}} {text}");
        desired.connections = vec![connection("URL", &pattern, "pg-5432", "pg")];
        let world = World::new(1, &[("U", text.as_str())]);
        let want = format!("{text} {text}@0.pg-5432:20000 {text}");
        assert_eq!(rendered_env(&desired, &world)["URL"], want);
        assert_eq!(
            world.reads.take().into_iter().collect::<Vec<_>>(),
            [
                "secret kv/data/prj_8f6f2f6e-51c1-4a53-a1cb-90d4a7f0a111/pg",
                "service pg-5432"
            ]
        );
    }
}

#[test]
fn single_secrets_are_rendered_by_key_and_absent_keys_set_nothing() {
    let single = |variable: &str, origin, path: &str, key: &str| RenderedEnv {
        variable: variable.to_owned(),
        origin,
        path: path.to_owned(),
        key: key.to_owned(),
    };
    let mut desired = bare();
    desired.rendered_env = vec![
        single("FROM_VAULT", SecretOrigin::Vault, "kv/data/shop", "k-1"),
        single(
            "FROM_VARIABLE",
            SecretOrigin::Variable,
            "nomad/jobs/shop",
            "k-1",
        ),
        single("MISSING", SecretOrigin::Variable, "nomad/jobs/shop", "k\"2"),
    ];
    for text in nasty() {
        let env = rendered_env(&desired, &World::new(1, &[("k-1", text.as_str())]));
        let want = [("FROM_VAULT", &text), ("FROM_VARIABLE", &text)];
        assert_eq!(env, want.map(|(k, v)| (k.to_owned(), v.clone())).into());
    }
}

#[test]
fn services_of_nomad_are_looked_up_in_nomad() {
    let mut desired = bare();
    desired.service_provider = ServiceProvider::Nomad;
    desired.links = vec![DesiredLink {
        variable: "DB".to_owned(),
        service: "pg-5432".to_owned(),
        value: LinkValue::Address,
    }];
    desired.connections = vec![connection("URL", "x://{{ .Address }}", "pg-5432", "pg")];
    let world = World::new(2, &[]);
    let env = rendered_env(&desired, &world);
    assert_eq!(
        (&*env["DB"], &*env["URL"]),
        ("0.pg-5432:20000", "x://0.pg-5432")
    );
    assert!(world.reads.take().contains("nomadService pg-5432"));
    assert_eq!(rendered_env(&desired, &World::new(0, &[])), BTreeMap::new());
    let job = compile(&desired).to_value();
    assert_eq!(job["TaskGroups"][0]["Services"][0]["Provider"], "nomad");
}

#[test]
fn a_later_source_of_a_variable_overrides_an_earlier_one() {
    let mut desired = any();
    desired.links = vec![DesiredLink {
        variable: "A".to_owned(),
        service: "pg-5432".to_owned(),
        value: LinkValue::Host,
    }];
    let world = World::new(1, &[("A", "@"), ("B", "@")]);
    let env = rendered_env(&desired, &world);
    assert_eq!((&*env["A"], &*env["B"]), ("0.pg-5432", "acr/data/registry"));
}

#[test]
fn a_file_keeps_every_byte_and_appears_at_its_path() {
    for text in nasty() {
        let mut desired = bare();
        desired.files = vec![DesiredFile {
            path: "etc/app.conf".to_owned(),
            content: text.clone().into_bytes(),
        }];
        let task = task(&desired);
        let template = &task["Templates"][0];
        let rendered = render(
            template["EmbeddedTmpl"].as_str().unwrap(),
            &World::new(0, &[]),
        );
        assert_eq!(rendered, text);
        assert_eq!(template["DestPath"], "local/etc/app.conf");
        assert_eq!(template["ChangeMode"], "restart");
        assert_eq!(
            task["Config"]["volumes"],
            json!(["local/etc/app.conf:/etc/app.conf"])
        );
    }
}

#[test]
fn certificate_and_key_are_of_one_pair() {
    let mut desired = bare();
    desired.certificates = vec![DesiredCertificate {
        pki_path: "pki/issue/shop".to_owned(),
        common_name: "shop.example".to_owned(),
        ttl: "24h".to_owned(),
        cert_path: "secrets/tls.crt".to_owned(),
        key_path: "secrets/tls.key".to_owned(),
    }];
    let world = World::new(0, &[]);
    let templates = task(&desired)["Templates"].take();
    let files = [0, 1].map(|n| {
        let text = render(templates[n]["EmbeddedTmpl"].as_str().unwrap(), &world);
        (templates[n]["DestPath"].as_str().unwrap().to_owned(), text)
    });
    let read = "secret pki/issue/shop common_name=shop.example ttl=24h";
    assert_eq!(
        files,
        [
            (
                "secrets/tls.crt".to_owned(),
                format!("certificate of {read}\n")
            ),
            ("secrets/tls.key".to_owned(), format!("key of {read}\n")),
        ]
    );
    assert_eq!(world.reads.take().len(), 1, "one read for both");
}

proptest! {
    /// No text at all can change what a template reads, or arrive as another text.
    #[test]
    fn any_text_is_data_wherever_it_stands(text in "\\PC*|[{}$%\"\\\\\n#.A-Z ]{0,40}") {
        let mut desired = bare();
        desired.connections = vec![connection("URL", &format!("{text}|{{{{ $U }}}}"), "pg-5432", "pg")];
        let value = text.replace('@', "");
        let world = World::new(1, &[("U", value.as_str())]);
        let env = rendered_env(&desired, &world);
        let literal = !text.contains("{{");
        if literal {
            prop_assert_eq!(&env["URL"], &format!("{text}|{value}"));
        }
        prop_assert_eq!(env.len(), 1);
        prop_assert_eq!(world.reads.take().len(), 2);
    }
}
