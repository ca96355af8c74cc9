//! Jobs as text: read back by hcl-rs always, and by Nomad's own parser where there is one.

use std::io::{ErrorKind, Write};
use std::process::{Command, Stdio};

use cs::compile::{compile, hcl::to_hcl};
use cs::desired::{Desired, DesiredEnv, DesiredParameterized, DesiredRestart};
use cs::spec::Span;
use cs::spec::workload::{JobType, Payload, RestartMode, ServiceProvider};
use serde_json::Value;

use super::equal::differences;
use super::golden::{CASES, any, desired, want};
use super::text_safety::nasty;

/// What Nomad's parser makes of a specification; `None` where there is no `nomad`.
#[expect(clippy::print_stderr, reason = "a skipped comparison must be seen")]
fn parsed_by_nomad(specification: &str) -> Option<Value> {
    let nomad = Command::new("nomad")
        .args(["job", "run", "-output", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut nomad = match nomad {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!(
                "SKIPPED: no `nomad` on PATH, so its parser has not read what `to_hcl` writes"
            );
            return None;
        }
        other => other.expect("nomad starts"),
    };
    let mut stdin = nomad.stdin.take().expect("piped");
    stdin
        .write_all(specification.as_bytes())
        .expect("nomad reads");
    drop(stdin);
    let output = nomad.wait_with_output().expect("nomad ends");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}\n{specification}");
    let mut request: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    Some(request["Job"].take())
}

/// A workload with every member that no golden case has, and with a nasty text wherever one may stand.
fn with_everything(text: &str) -> Desired {
    let mut it = any();
    it.job_type = JobType::Batch;
    it.namespace = Some("shop".parse().unwrap());
    it.region = Some("eu".to_owned());
    it.datacenters = vec!["dc1".to_owned()];
    it.service_provider = ServiceProvider::Nomad;
    it.parameterized = Some(DesiredParameterized {
        payload: Payload::Forbidden,
        meta_required: vec!["A".to_owned()],
        meta_optional: vec!["B".to_owned()],
    });
    it.restart = Some(DesiredRestart {
        attempts: 1,
        interval: Span::seconds(90),
        delay: Span(std::time::Duration::from_millis(1500)),
        mode: RestartMode::Fail,
    });
    it.command = Some(text.to_owned());
    it.args = vec![text.to_owned()];
    it.labels
        .insert("com.example/text".to_owned(), text.to_owned());
    it.env = [("TEXT".to_owned(), DesiredEnv::Text(text.to_owned()))].into();
    it.ports[0].check.path = Some(["/", text].concat());
    it.vault.as_mut().unwrap().role = Some("shop".to_owned());
    it.vault.as_mut().unwrap().env[0].path = text.to_owned();
    it
}

#[test]
fn nomad_parses_every_golden_job_back_from_its_text() {
    for name in CASES {
        let Some(parsed) = parsed_by_nomad(&to_hcl(&compile(&desired(name)))) else {
            return;
        };
        assert_eq!(differences(&parsed, &want(name)), [""; 0], "{name}");
    }
}

#[test]
fn nomad_parses_every_text_back_as_it_was() {
    for text in nasty().into_iter().filter(|text| !text.is_empty()) {
        let job = compile(&with_everything(&text));
        let Some(parsed) = parsed_by_nomad(&to_hcl(&job)) else {
            return;
        };
        assert_eq!(differences(&parsed, &job.to_value()), [""; 0], "{text}");
    }
}

#[test]
fn what_is_written_is_hcl() {
    for name in CASES {
        let job = compile(&desired(name));
        let body: hcl::Body = hcl::parse(&to_hcl(&job)).expect(name);
        let block = body.blocks().next().expect("one block");
        assert_eq!(block.identifier(), "job");
        assert_eq!(block.labels()[0].as_str(), job.id, "{name}");
        assert_eq!(body.blocks().count(), 1);
    }
}

#[test]
fn interpolation_of_nomad_is_written_escaped() {
    let text = to_hcl(&compile(&any()));
    assert!(
        text.contains(r#""alloc_id" = "$${NOMAD_ALLOC_ID}""#),
        "{text}"
    );
}
