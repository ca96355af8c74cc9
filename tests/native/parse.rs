//! What Nomad makes of HCL, with variables as `cs` hands them over.

use cs::clients::nomad::calls::parse::{ParseFault, ParseReply};
use cs::desired::native::{self, HclInputs, Inputs, check};
use cs::manifests::{Native, NativeFormat};
use cs::spec::{NomadJob, Resource, parse};
use serde_json::{Value, json};

use super::stage::Stage;

/// Names with values or texts.
type Pairs = &'static [(&'static str, &'static str)];

fn document(rest: &str) -> NomadJob {
    let yaml = format!(
        "apiVersion: cloudstation.io/v1\nkind: NomadJob\nmetadata: {{name: shop}}\nspec:\n  path: shop.nomad.hcl\n{rest}"
    );
    let read = parse("shop.yaml", &yaml).expect("a document").remove(0);
    match read.resource {
        Resource::NomadJob(job) => *job,
        Resource::Workload(_) => panic!("no native job"),
    }
}

fn file(text: &str, flags: &[(&str, &str)], files: &[(&str, &str)]) -> Native {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Native {
        file: "shop.nomad.hcl".into(),
        text: text.into(),
        format: NativeFormat::Hcl,
        variable_files: files
            .iter()
            .map(|(name, text)| ((*name).into(), (*text).into()))
            .collect(),
        variable_flags: flags.iter().map(pair).collect(),
    }
}

fn hcl_inputs(job: &NomadJob, native: &Native) -> HclInputs {
    match native::inputs(job, Some(native), &|_| None) {
        Ok(Inputs::Hcl(inputs)) => inputs,
        other => panic!("{other:?}"),
    }
}

/// A job whose meta is `meta`, given as HCL.
fn with_meta(head: &str, meta: &str) -> String {
    format!(
        "{head}\njob \"shop\" {{\n  meta = {meta}\n  group \"g\" {{\n    task \"t\" {{\n      driver = \"raw_exec\"\n    }}\n  }}\n}}\n"
    )
}

fn refused(stage: &Stage, hcl: &str, variables: &str) -> Vec<ParseFault> {
    match stage.runtime.block_on(stage.client.parse(hcl, variables)) {
        Ok(ParseReply::Refused(faults)) => faults,
        other => panic!("{other:?}"),
    }
}

/// Plain jobs are read by both, to the same end.
fn a_plain_job_is_parsed(stage: &Stage) {
    let text = "job \"shop\" {\n  type = \"batch\"\n  group \"g\" {\n    count = 3\n    task \"t\" {\n      driver = \"raw_exec\"\n      config {\n        command = \"true\"\n      }\n    }\n  }\n}\n";
    let native = file(text, &[], &[]);
    let document = document("");
    let inputs = hcl_inputs(&document, &native);
    let job = stage.parsed(&inputs.text, &inputs.variables());
    assert_eq!(job["ID"], "shop");
    assert_eq!(job["TaskGroups"][0]["Count"], 3);
    let owner = "team".parse().unwrap();
    let finished = native::finish(job, &document, &"default".parse().unwrap(), &owner).unwrap();
    assert_eq!(finished["Namespace"], "default");
    assert_eq!(
        finished["Meta"],
        json!({"cs.managed-by": "cs", "cs.owner": "team"})
    );
}

fn what_is_no_specification_is_refused(stage: &Stage) {
    for text in ["", "group \"g\" {}", "job \"a\" {"] {
        let faults = refused(stage, text, "");
        assert!(!faults[0].message.is_empty(), "{text}: {faults:?}");
        assert!(
            !faults[0].message.contains("Failed to parse job"),
            "{faults:?}"
        );
    }
}

#[test]
fn the_simulator_parses_plain_jobs() {
    let stage = Stage::simulator();
    a_plain_job_is_parsed(&stage);
    what_is_no_specification_is_refused(&stage);
}

#[test]
fn a_real_nomad_parses_plain_jobs() {
    let Some(stage) = Stage::real() else { return };
    a_plain_job_is_parsed(&stage);
    what_is_no_specification_is_refused(&stage);
}

/// Values of all types and origins arrive as they were meant; each case is accepted by `check`, too.
#[test]
fn a_real_nomad_evaluates_values_as_they_were_given() {
    let Some(stage) = Stage::real() else { return };
    const TEXT: &str = "variable \"v\" {}";
    const LIST: &str = "variable \"v\" { type = list(string) }";
    const NUMBER: &str = "variable \"v\" { type = number }";
    const BOOL: &str = "variable \"v\" { type = bool }";
    const MAP: &str = "variable \"v\" { type = map(string) }";
    let v = "{ x = var.v }";
    const ODD: &str = "a\"b\\c\n\t${d}$${e}%{f}%%{g} é\u{7f}";
    let cases: [(&str, &str, Pairs, Pairs, &str, Value); 17] = [
        (TEXT, v, &[("v", ODD)], &[], "", json!(ODD)),
        (TEXT, v, &[("v", "[1]")], &[], "", json!("[1]")),
        (NUMBER, v, &[("v", "1.50")], &[], "", json!("1.5")),
        (BOOL, v, &[("v", "true")], &[], "", json!("true")),
        (
            LIST,
            "{ x = join(\"|\", var.v) }",
            &[("v", "[\"a\", \"$${b}\"]")],
            &[],
            "",
            json!("a|${b}"),
        ),
        (
            LIST,
            "{ x = join(\"|\", var.v) }",
            &[("v", "[for n in [1, 2] : \"n${n}\"]")],
            &[],
            "",
            json!("n1|n2"),
        ),
        (
            MAP,
            "{ x = var.v[\"k k\"] }",
            &[("v", "{ \"k k\" = 5 }")],
            &[],
            "",
            json!("5"),
        ),
        (
            MAP,
            "{ x = var.v.k }",
            &[],
            &[],
            "  variables: {v: {k: 'a${b}'}}\n",
            json!("a${b}"),
        ),
        (NUMBER, v, &[], &[], "  variables: {v: 12}\n", json!("12")),
        (
            TEXT,
            v,
            &[],
            &[("a.hcl", "v = <<EOT\nline \"1\"\n  $${two}\nEOT\n")],
            "",
            json!("line \"1\"\n  ${two}\n"),
        ),
        (
            TEXT,
            v,
            &[],
            &[("a.hcl", "v = <<-EOT\n    x\n      y\n    EOT\n")],
            "",
            json!("x\n  y\n"),
        ),
        (
            NUMBER,
            v,
            &[],
            &[("a.hcl", "v = 12345678901234567890123 # long\n")],
            "",
            json!("12345678901234567890123"),
        ),
        (
            NUMBER,
            v,
            &[],
            &[("a.hcl", "v = 2 * (3 + 4)\n")],
            "",
            json!("14"),
        ),
        (
            TEXT,
            v,
            &[],
            &[("a.json", "{\"v\": \"${x}\"}")],
            "",
            json!("${x}"),
        ),
        (
            TEXT,
            v,
            &[("v", "flag")],
            &[("a.hcl", "v = \"file\"\n")],
            "  variables: {v: spec}\n",
            json!("flag"),
        ),
        (
            TEXT,
            v,
            &[],
            &[("a.hcl", "v = \"file\"\n")],
            "  variables: {v: spec}\n",
            json!("spec"),
        ),
        (
            TEXT,
            v,
            &[],
            &[("a.hcl", "v = \"1\"\n"), ("b.hcl", "\u{feff}v = \"2\"\n")],
            "",
            json!("2"),
        ),
    ];
    for (head, meta, flags, files, rest, wanted) in cases {
        let text = with_meta(head, meta);
        let (document, native) = (document(rest), file(&text, flags, files));
        assert_eq!(check(&document, Some(&native), &|_| None), [], "{text}");
        let inputs = hcl_inputs(&document, &native);
        let job = stage.parsed(&inputs.text, &inputs.variables());
        assert_eq!(job["Meta"]["x"], wanted, "{}", inputs.variables());
    }
}

/// What only an evaluator can know is Nomad's, and `check` does not stand in its way.
#[test]
fn a_real_nomad_evaluates_functions_locals_and_dynamic_blocks() {
    let Some(stage) = Stage::real() else { return };
    let text = r#"
variable "zones" {
  type    = list(string)
  default = ["a", "b"]
}
variable "size" {
  type    = number
  default = 2
  validation {
    condition     = var.size < 5
    error_message = "Too large."
  }
}
locals {
  name   = upper("web-${var.size}")
  labels = { for z in var.zones : z => strlen(z) }
}
job "shop" {
  id   = format("%s", "shop")
  type = var.size > 1 ? "service" : "batch"
  meta {
    name    = local.name
    escaped = "$${NOMAD_ALLOC_ID}"
    runtime = "${node.unique.name}"
    json    = jsonencode(local.labels)
  }
  group "g" {
    count = var.size
    dynamic "constraint" {
      for_each = var.zones
      content {
        attribute = "${meta.zone}"
        value     = constraint.value
        operator  = "!="
      }
    }
    task "t" {
      driver = "raw_exec"
      template {
        destination = "local/x"
        data        = <<-EOT
          {{ key "a" }} ${local.name} $${HOME}
          %{ for z in var.zones ~}
          ${z}
          %{ endfor ~}
        EOT
      }
    }
  }
}
"#;
    let (document, native) = (document(""), file(text, &[], &[]));
    assert_eq!(check(&document, Some(&native), &|_| None), []);
    let inputs = hcl_inputs(&document, &native);
    let job = stage.parsed(&inputs.text, &inputs.variables());
    assert_eq!(job["ID"], "shop");
    assert_eq!(job["Type"], "service");
    assert_eq!(
        job["Meta"],
        json!({"name": "WEB-2", "escaped": "${NOMAD_ALLOC_ID}", "runtime": "${node.unique.name}",
            "json": "{\"a\":1,\"b\":1}"})
    );
    let group = &job["TaskGroups"][0];
    assert_eq!(group["Constraints"].as_array().map(Vec::len), Some(2));
    let rendered = group["Tasks"][0]["Templates"][0]["EmbeddedTmpl"]
        .as_str()
        .unwrap();
    assert!(
        rendered.contains("{{ key \"a\" }} WEB-2 ${HOME}"),
        "{rendered}"
    );
}

/// A refusal of Nomad's stands where the mistake was written, whichever text that is.
#[test]
fn a_real_nomads_refusals_are_placed() {
    let Some(stage) = Stage::real() else { return };
    let placed = |text: &str, rest: &str, files: &[(&str, &str)]| {
        let yaml = format!(
            "apiVersion: cloudstation.io/v1\nkind: NomadJob\nmetadata: {{name: shop}}\nspec:\n  path: shop.nomad.hcl\n{rest}"
        );
        let read = parse("shop.yaml", &yaml).expect("a document").remove(0);
        let (document, native) = (document(rest), file(text, &[], files));
        let inputs = hcl_inputs(&document, &native);
        let faults = refused(&stage, &inputs.text, &inputs.variables());
        native::refused(&faults, &document, Some(&native), &inputs)
            .into_iter()
            .map(|issue| issue.into_diagnostic(&read).to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        placed(
            "job \"shop\" {\n  group \"g\" {\n    cuont = 1\n  }\n}\n",
            "",
            &[]
        ),
        [
            "shop.nomad.hcl:3:5: error[nomad-parse]: Unsupported argument: An argument named \"cuont\" is not expected \
          here. Did you mean \"count\"?"
        ]
    );
    let limited = with_meta(
        "variable \"v\" {\n  validation {\n    condition = strlen(var.v) < 3\n    error_message = \"Too long.\"\n  }\n}\nvariable \"w\" {}",
        "{ x = var.v }",
    );
    assert_eq!(
        placed(&limited, "  variables:\n    w: ok\n    v: abcd\n", &[]),
        [
            "shop.yaml:8:8: error[nomad-parse]: Invalid value for varfile variable: Too long. This was checked by the \
          validation rule at input.hcl:2,3-13 (`spec.variables.v`)"
        ]
    );
    let typed = with_meta("variable \"v\" { type = number }", "{ x = var.v }");
    assert_eq!(
        placed(&typed, "", &[("v.hcl", "# first\nv = <<EOT\nx\nEOT\n")]),
        [
            "v.hcl:2:1: error[nomad-parse]: Invalid value for variable: The value for v is not compatible with the \
          variable's type constraint: a number is required"
        ]
    );
}

/// The digest needs no parse call and tells every change that Nomad would see.
#[test]
fn a_submission_can_be_run_again_by_a_real_nomad() {
    let Some(stage) = Stage::real() else { return };
    let text = with_meta(
        "variable \"tag\" {}\nvariable \"zones\" { type = list(string) }",
        "{ x = \"${var.tag}-${join(\"|\", var.zones)}\" }",
    );
    let native = file(&text, &[("tag", "1\"0"), ("zones", "[\"a\", \"b\"]")], &[]);
    let document = document("");
    let inputs = native::inputs(&document, Some(&native), &|_| None).unwrap();
    let flags = [("cs_digest".to_owned(), "d".to_owned())].into();
    let submission = native::submission(&inputs, flags);
    // As the web interface does it: flags as texts, then the variables.
    let mut variables = String::new();
    for (name, value) in &submission.variable_flags {
        variables.push_str(&format!("{name}={}\n", json!(value)));
    }
    variables.push_str(&submission.variables);
    let job = stage.parsed(&submission.source, &variables);
    assert_eq!(job["Meta"]["x"], "1\"0-a|b");
}
