use serde_json::json;

use super::*;
use crate::spec::diagnostic::Severity;
use crate::spec::{Document, Resource, parse};

fn document(yaml: &str) -> Document {
    let mut documents = parse("jobs.yaml", yaml).unwrap_or_else(|found| panic!("{found:?}"));
    assert_eq!(documents.len(), 1);
    documents.remove(0)
}

fn job_of(document: &Document) -> &NomadJob {
    match &document.resource {
        Resource::NomadJob(job) => job,
        Resource::Workload(_) => panic!("no native job"),
    }
}

/// A document that names a file, and the file.
fn with_file(text: &str, format: NativeFormat, rest: &str) -> (Document, Native) {
    let path = if format == NativeFormat::Hcl {
        "a.nomad.hcl"
    } else {
        "a.json"
    };
    let yaml = format!(
        "apiVersion: cloudstation.io/v1\nkind: NomadJob\nmetadata: {{name: a, namespace: prod}}\nspec:\n  path: {path}\n{rest}"
    );
    let native = Native {
        file: path.into(),
        text: text.into(),
        format,
        variable_files: Vec::new(),
        variable_flags: Vec::new(),
    };
    (document(&yaml), native)
}

fn nothing(_: &str) -> Option<String> {
    None
}

/// Findings as `file:line:column: severity[code]: message`.
fn findings(document: &Document, native: Option<&Native>, lookup: Lookup<'_>) -> Vec<String> {
    check(job_of(document), native, lookup)
        .into_iter()
        .map(|issue| issue.into_diagnostic(document).to_string())
        .collect()
}

fn hcl_findings(text: &str) -> Vec<String> {
    let (document, native) = with_file(text, NativeFormat::Hcl, "");
    findings(&document, Some(&native), &nothing)
}

fn json_findings(text: &str) -> Vec<String> {
    let (document, native) = with_file(text, NativeFormat::Json, "");
    findings(&document, Some(&native), &nothing)
}

fn hcl_inputs(document: &Document, native: Option<&Native>, lookup: Lookup<'_>) -> HclInputs {
    match inputs(job_of(document), native, lookup) {
        Ok(Inputs::Hcl(inputs)) => inputs,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_specification_without_a_flaw_has_no_findings() {
    let text = r#"
variable "image" { type = string }
variable "ports" {
  type    = list(number)
  default = [80, 443]
}
variables { region = "eu" }
locals { name = "a-${var.image}" }
job "a" {
  namespace = "prod"
  type      = "service"
  group "g" {
    dynamic "network" {
      for_each = var.ports
      content {
        port "p" { to = network.value }
      }
    }
    task "t" {
      driver = "docker"
      config { image = upper(var.image) }
      template {
        data = <<-EOT
          {{ env "X" }} $${literal} ${local.name}
        EOT
        destination = "local/x"
      }
    }
  }
}
"#;
    let (document, mut native) = with_file(text, NativeFormat::Hcl, "");
    native.variable_flags = vec![("image".into(), "nginx:1".into())];
    assert_eq!(findings(&document, Some(&native), &nothing), [""; 0]);
}

#[test]
fn exactly_one_source_is_wanted() {
    let start = "apiVersion: cloudstation.io/v1\nkind: NomadJob\nmetadata: {name: a}\nspec:";
    for (spec, count) in [
        (" {}", 1),
        (" {hcl: 'job \"a\" {}', path: a.hcl}", 1),
        (" {hcl: 'job \"a\" {}', job: {ID: a}}", 1),
        (" {job: {ID: a}}", 0),
        (" {hcl: 'job \"a\" {}'}", 0),
    ] {
        let document = document(&format!("{start}{spec}"));
        let found = findings(&document, None, &nothing);
        assert_eq!(found.len(), count, "{spec}: {found:?}");
        if count == 1 {
            assert_eq!(
                found[0],
                "jobs.yaml:4:1: error[native-source]: must have exactly one of `hcl`, `path` and `job` (`spec`)"
            );
        }
    }
}

#[test]
fn syntax_is_placed_in_the_file() {
    assert_eq!(
        hcl_findings("job \"a\" {\n  type = \n}\n"),
        [
            "a.nomad.hcl:2:10: error[hcl-syntax]: not HCL: invalid expression; expected `\"`, `[`, `{`, `-`, `!`, `(`, `_`, `<`, letter or digit"
        ]
    );
}

#[test]
fn there_is_one_job_and_it_is_the_documents() {
    for (text, wanted) in [
        (
            "",
            "a.nomad.hcl:1:1: error[job-block]: there is no `job` block",
        ),
        (
            "job \"a\" {}\njob \"b\" {}",
            "a.nomad.hcl:2:1: error[job-block]: a second `job` block: a specification describes one job",
        ),
        (
            "job \"a\" \"b\" {}",
            "a.nomad.hcl:1:1: error[job-block]: a `job` block has exactly one label, the name of the job",
        ),
        (
            "job \"b\" {}",
            "a.nomad.hcl:1:5: error[job-name]: the job is called `b`, the document `a`",
        ),
        (
            "job \"a\" {\n  id = \"c\"\n}",
            "a.nomad.hcl:2:8: error[job-name]: the job is called `c`, the document `a`",
        ),
        (
            "job \"a\" {\n  namespace = \"dev\"\n}",
            "a.nomad.hcl:2:15: error[job-namespace]: the job names namespace `dev`, the document `prod`",
        ),
        (
            "jobs \"a\" {}\njob \"a\" {}",
            "a.nomad.hcl:1:1: error[hcl-block]: a job specification has no block `jobs` outside of the job",
        ),
        (
            "region = \"eu\"\njob \"a\" {}",
            "a.nomad.hcl:1:1: error[hcl-block]: `region` stands outside of every block",
        ),
    ] {
        assert_eq!(hcl_findings(text), [wanted], "{text}");
    }
    // What only evaluation shows is asked later.
    assert_eq!(
        hcl_findings("job \"b\" {\n  id = format(\"%s\", \"a\")\n  namespace = \"p${1}\"\n}"),
        [""; 0]
    );
}

#[test]
fn functions_that_cannot_work_are_named() {
    let text = "job \"a\" {\n  meta = {\n    x = file(\"a.txt\")\n    y = upper(uuidv4())\n  }\n}";
    assert_eq!(
        hcl_findings(text),
        [
            "a.nomad.hcl:3:9: error[hcl-file-function]: `file` works on files, which Nomad's servers refuse to do",
            "a.nomad.hcl:4:15: warning[hcl-unstable-function]: `uuidv4` gives another value each time, so the job \
             differs from itself whenever it is looked at",
        ]
    );
}

const VARIABLES: &str = r#"
variable "region" {}
variable "count" { type = number }
variable "debug" {
  type    = bool
  default = "nope"
}
variable "zones" {
  type    = list(string)
  default = []
}
job "a" {}
"#;

#[test]
fn variables_without_a_value_and_slips_of_type_are_found() {
    assert_eq!(
        hcl_findings(VARIABLES),
        [
            "a.nomad.hcl:6:13: error[variable-type]: the default of variable `debug` must be `true` or `false`",
            "a.nomad.hcl:3:10: error[variable-missing]: variable `count` has no default and no value",
            "a.nomad.hcl:2:10: error[variable-missing]: variable `region` has no default and no value",
        ]
    );
    let text = VARIABLES.replace("\"nope\"", "false");
    let rest = "  variables: {count: many, zones: {a: b}, regoin: eu}\n";
    let (document, mut native) = with_file(&text, NativeFormat::Hcl, rest);
    native.variable_files = vec![(
        "vars.hcl".into(),
        "region = upper(\"eu\")\nzone = 1\ndebug = yes\nx {}\n".into(),
    )];
    native.variable_flags = vec![("zones".into(), "a b".into()), ("debgu".into(), "1".into())];
    assert_eq!(
        findings(&document, Some(&native), &nothing),
        [
            "vars.hcl:1:1: error[variable-value]: variable `region` may use neither variables nor functions",
            "vars.hcl:2:1: warning[variable-unknown]: `zone`: the specification declares no such variable",
            "vars.hcl:3:1: error[variable-value]: variable `debug` may use neither variables nor functions",
            "vars.hcl:4:1: error[variable-file]: a variable file holds values (`name = value`), no blocks",
            "jobs.yaml:6:22: error[variable-type]: variable `count` must be a number (`spec.variables.count`)",
            "jobs.yaml:6:51: error[variable-unknown]: `regoin`: the specification declares no such variable \
             (`spec.variables.regoin`)",
            "jobs.yaml:6:28: error[variable-type]: variable `zones` must be a list (`spec.variables.zones`)",
            "a.nomad.hcl:8:10: error[variable-syntax]: `--var zones` is not HCL",
            "a.nomad.hcl: warning[variable-unknown]: `--var debgu`: the specification declares no such variable",
        ]
    );
    let issues = check(job_of(&document), Some(&native), &nothing);
    let helps: Vec<&str> = issues
        .iter()
        .filter_map(|issue| issue.help.as_deref())
        .collect();
    for help in [
        "did you mean `zones`?",
        "did you mean `region`?",
        "did you mean `debug`?",
    ] {
        assert!(helps.contains(&help), "{helps:?}");
    }
}

#[test]
fn later_values_win_one_by_one() {
    let text = r#"
variable "a" {}
variable "b" {}
variable "c" {}
variable "d" {}
variable "e" { default = "" }
job "a" {}
"#;
    let rest = "  variables: {c: from-spec, d: from-spec}\n";
    let (document, mut native) = with_file(text, NativeFormat::Hcl, rest);
    let file = |text: &str| text.into();
    native.variable_files = vec![
        (
            "1.hcl".into(),
            file("b = \"from-1\"\nc = \"from-1\"\nd = \"from-1\"\n"),
        ),
        ("2.json".into(), file("{\"b\": \"from-2\"}")),
    ];
    native.variable_flags = vec![("d".into(), "x".into()), ("d".into(), "from-flag".into())];
    let lookup = |name: &str| {
        let known = ["NOMAD_VAR_a", "NOMAD_VAR_b", "NOMAD_VAR_c", "NOMAD_VAR_d"];
        known.contains(&name).then(|| "from-env".to_owned())
    };
    let inputs = hcl_inputs(&document, Some(&native), &lookup);
    assert_eq!(
        inputs.variables(),
        "a = \"from-env\"\nb = \"from-2\"\nc = \"from-spec\"\nd = \"from-flag\"\n"
    );
}

#[test]
fn words_are_texts_or_expressions_as_the_type_wants_it() {
    let text = r#"
variable "s" { type = string }
variable "n" { type = number }
variable "b" { type = bool }
variable "l" { type = list(string) }
variable "m" { type = map(number) }
variable "untyped" {}
variable "like_list" { default = [] }
variable "like_text" { default = "x" }
variable "like_bool" { default = false }
job "a" {}
"#;
    let (document, mut native) = with_file(text, NativeFormat::Hcl, "");
    native.variable_flags = [
        ("s", "[\"${x}\"]\n"),
        ("n", "5"),
        ("b", " true"),
        ("l", "[\"a\", \"b$${c}\"]"),
        ("m", "{a = 1, \"b c\" = -2}"),
        ("untyped", "[1]"),
        ("like_list", "[for n in [1, 2]: n * 2]"),
        ("like_text", "{"),
        ("like_bool", "true"),
    ]
    .map(|(name, words)| (name.to_owned(), words.to_owned()))
    .to_vec();
    let inputs = hcl_inputs(&document, Some(&native), &nothing);
    let wanted = r#"b = true
l = [
  "a",
  "b$${c}"
]
like_bool = true
like_list = [for n in [1, 2]: n * 2]
like_text = "{"
m = {
  "a" = 1
  "b c" = -2
}
n = "5"
s = "[\"$${x}\"]\n"
untyped = "[1]"
"#;
    assert_eq!(inputs.variables(), wanted);
    assert_eq!(inputs.plain_values(), None, "one needs evaluation");
}

#[test]
fn what_is_wrong_inside_the_document_is_placed_in_its_lines() {
    let yaml = "apiVersion: cloudstation.io/v1\nkind: NomadJob\nmetadata: {name: a}\nspec:\n  hcl: |\n    job \"a\" {\n\n      type = \"batch\"\n      x = file(\"y\")\n    }\n";
    assert_eq!(
        findings(&document(yaml), None, &nothing),
        [
            "jobs.yaml:9:11: error[hcl-file-function]: `file` works on files, which Nomad's servers refuse to do (`spec.hcl`)"
        ]
    );
    let folded = yaml.replace("hcl: |", "hcl: >");
    assert_eq!(
        findings(&document(&folded), None, &nothing).len(),
        1,
        "a text that stands there otherwise is found, too"
    );
    let quoted = "apiVersion: cloudstation.io/v1\nkind: NomadJob\nmetadata: {name: a}\nspec:\n  hcl: \"job \\\"a\\\" {\\n x = file(1)\\n}\"\n";
    assert_eq!(
        findings(&document(quoted), None, &nothing),
        [
            "jobs.yaml:5:8: error[hcl-file-function]: line 2, column 6 of the text: `file` works on files, which Nomad's servers refuse to do (`spec.hcl`)"
        ]
    );
}

#[test]
fn a_json_job_is_checked_where_it_stands() {
    let text = r#"{"Job": {
  "ID": "b", "Namespace": "dev",
  "TaskGroups": [{"Name": "g",
    "RestartPolicy": {"Delay": "15s", "interval": 1.5},
    "Scaling": {"Max": 3, "Policy": {"Interval": "1m"}},
    "Tasks": [{"Name": "t", "Config": {"timeout": "5s"}, "Templates": [{"Wait": {"Min": "5s"}}]}]}]
}}"#;
    assert_eq!(
        json_findings(text),
        [
            "a.json:2:3: error[job-name]: the job is called `b`, the document `a` (`Job.ID`)",
            "a.json:2:14: error[job-namespace]: the job names namespace `dev`, the document `prod` (`Job.Namespace`)",
            "a.json:4:23: error[json-duration]: `Delay` must be a whole number of nanoseconds (`Job.TaskGroups[0].RestartPolicy.Delay`)",
            "a.json:4:39: error[json-duration]: `interval` must be a whole number of nanoseconds (`Job.TaskGroups[0].RestartPolicy.interval`)",
            "a.json:6:82: error[json-duration]: `Min` must be a whole number of nanoseconds (`Job.TaskGroups[0].Tasks[0].Templates[0].Wait.Min`)",
        ]
    );
    for (text, wanted) in [
        (
            "{",
            "a.json:1:1: error[json-syntax]: not JSON: EOF while parsing an object",
        ),
        (
            "[]",
            "a.json:1:1: error[json-job]: a job is a JSON object, with or without `Job` around it",
        ),
        ("{}", "a.json:1:1: error[job-name]: the job has no `ID`"),
        (
            "{\"ID\": \"a\", \"ParentID\": \"p\"}",
            "a.json:1:13: error[json-child]: this is a run of another job, started by the clock or on request (`ParentID`)",
        ),
    ] {
        assert_eq!(json_findings(text), [wanted], "{text}");
    }
    assert_eq!(
        json_findings(r#"{"id": "a", "ParentID": "", "status": "dead", "stagger": null}"#),
        [
            "a.json:1:47: warning[json-unknown]: Nomad knows no such member and overlooks it (`stagger`)"
        ]
    );
}

#[test]
fn a_job_in_the_document_is_placed_there() {
    let yaml = "apiVersion: cloudstation.io/v1\nkind: NomadJob\nmetadata: {name: a}\nspec:\n  variables: {x: 1}\n  job:\n    ID: a\n    TaskGroups:\n      - Name: g\n        ShutdownDelay: 5s\n";
    assert_eq!(
        findings(&document(yaml), None, &nothing),
        [
            "jobs.yaml:5:3: error[json-variables]: a JSON job has no variables (`spec.variables`)",
            "jobs.yaml:10:24: error[json-duration]: `ShutdownDelay` must be a whole number of nanoseconds (`spec.job.TaskGroups[0].ShutdownDelay`)",
        ]
    );
}

#[test]
fn a_name_that_nomad_cannot_address_is_refused() {
    let yaml = "apiVersion: cloudstation.io/v1\nkind: NomadJob\nmetadata: {name: a b, namespace: x_y}\nspec: {job: {ID: a b}}\n";
    assert_eq!(
        findings(&document(yaml), None, &nothing),
        [
            "jobs.yaml:3:18: error[name]: job id must not contain white space (`metadata.name`)",
            "jobs.yaml:3:34: error[namespace]: namespace must be 1 to 128 letters, digits or hyphens (`metadata.namespace`)",
        ]
    );
}

#[test]
fn a_specification_says_who_it_is() {
    let of = |name: &str, namespace: Option<&str>, job_type: Option<&str>| Identity {
        name: Some(name.to_owned()),
        namespace: namespace.map(str::to_owned),
        job_type: job_type.map(str::to_owned),
    };
    for (text, wanted) in [
        (
            "job \"a\" {\n type = \"batch\"\n namespace = \"x\"\n}",
            of("a", Some("x"), Some("batch")),
        ),
        ("job \"a\" { id = \"b\" }", of("b", None, None)),
        ("job \"a\" { id = var.x }", Identity::default()),
        ("job {", Identity::default()),
    ] {
        assert_eq!(identity(text, NativeFormat::Hcl), wanted, "{text}");
    }
    assert_eq!(
        identity(
            "{\"job\": {\"id\": \"a\", \"Type\": \"system\"}}",
            NativeFormat::Json
        ),
        of("a", None, Some("system"))
    );
    let (document, native) = with_file("job \"a\" { namespace = \"x\" }", NativeFormat::Hcl, "");
    assert_eq!(
        identity_of(job_of(&document), Some(&native)),
        of("a", Some("prod"), None),
        "the metadata's namespace comes first"
    );
}

fn finished(parsed: Value) -> Result<Value, String> {
    let (document, _) = with_file("", NativeFormat::Json, "");
    let owner = "team".parse().unwrap();
    finish(parsed, job_of(&document), &"prod".parse().unwrap(), &owner)
        .map_err(|issue| issue.message)
}

#[test]
fn finishing_adds_the_namespace_and_the_owner_and_nothing_else() {
    assert_eq!(
        finished(json!({"ID": "a", "Namespace": null, "Meta": null, "X": [1.0, null]})),
        Ok(json!({"ID": "a", "Namespace": "prod", "X": [1.0, null],
            "Meta": {"cs.managed-by": "cs", "cs.owner": "team"}}))
    );
    assert_eq!(
        finished(json!({"id": "a", "namespace": "prod", "meta": {"k": "v", "cs.owner": "x"}})),
        Ok(json!({"id": "a", "namespace": "prod",
            "meta": {"k": "v", "cs.managed-by": "cs", "cs.owner": "team"}}))
    );
    assert_eq!(
        finished(json!({"ID": "b"})),
        Err("the job is called `b`, the document `a`".to_owned())
    );
    assert_eq!(
        finished(json!({"ID": "a", "Namespace": "dev"})),
        Err("the job names namespace `dev`, the document `prod`".to_owned())
    );
    assert!(finished(json!([])).is_err());
}

#[test]
fn any_change_of_an_input_gives_another_digest() {
    let text = "variable \"v\" {}\njob \"a\" {}";
    let (document, mut native) = with_file(text, NativeFormat::Hcl, "");
    let job = job_of(&document).clone();
    native.variable_flags = vec![("v".into(), "1".into())];
    let (here, me) = ("prod".parse().unwrap(), "me".parse().unwrap());
    let of = |job: &NomadJob, native: &Native| {
        digest(
            &inputs(job, Some(native), &nothing).unwrap(),
            job,
            &here,
            &me,
        )
    };
    let mut seen = vec![of(&job, &native)];
    assert_eq!(seen[0].0.len(), 64);
    assert_eq!(seen[0], of(&job.clone(), &native.clone()));
    let mut other = native.clone();
    other.text = format!("{text}\n# comment").into();
    seen.push(of(&job, &other));
    let mut other = native.clone();
    other.variable_flags[0].1 = "2".into();
    seen.push(of(&job, &other));
    let mut other = job.clone();
    other.spec.ignore_fields = vec!["/Meta".into()];
    seen.push(of(&other, &native));
    let read = inputs(&job, Some(&native), &nothing).unwrap();
    seen.push(digest(&read, &job, &"dev".parse().unwrap(), &me));
    seen.push(digest(&read, &job, &here, &"you".parse().unwrap()));
    seen.push(digest(&Inputs::Json(json!({"ID": "a"})), &job, &here, &me));
    seen.push(digest(
        &Inputs::Json(json!({"ID": "a", "Priority": 1})),
        &job,
        &here,
        &me,
    ));
    let count = seen.len();
    seen.sort_by(|a, b| a.0.cmp(&b.0));
    seen.dedup();
    assert_eq!(seen.len(), count);
    // Values of variables that other jobs declare are no inputs of this one.
    let mut other = native.clone();
    other.variable_flags.push(("w".into(), "1".into()));
    assert_eq!(of(&job, &other), of(&job, &native));
}

#[test]
fn a_submission_is_what_nomads_command_line_would_record_without_secrets() {
    let text = r#"
variable "tag" {}
variable "count" { type = number }
variable "zones" { type = list(string) }
variable "db_password" {}
variable "login" { type = object({user = string, Token = string}) }
variable "size" { default = 1 }
job "a" {}
"#;
    let rest = "  variables: {login: {user: u, Token: canary-1}, size: 5}\n";
    let (document, mut native) = with_file(text, NativeFormat::Hcl, rest);
    native.variable_flags = [
        ("tag", "1.0"),
        ("count", "2"),
        ("zones", "[\"a\"]"),
        ("db_password", "canary-2"),
    ]
    .map(|(name, words)| (name.to_owned(), words.to_owned()))
    .to_vec();
    let inputs = inputs(job_of(&document), Some(&native), &nothing).unwrap();
    let ours = BTreeMap::from([("cs_digest".to_owned(), "d".to_owned())]);
    let submission = submission(&inputs, ours);
    assert_eq!(
        (submission.source.as_str(), submission.format.as_str()),
        (text, "hcl2")
    );
    assert_eq!(submission.variables, "size = 5\nzones = [\n  \"a\"\n]\n");
    let flags: Vec<(&str, &str)> = submission
        .variable_flags
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(flags, [("count", "2"), ("cs_digest", "d"), ("tag", "1.0")]);
    assert!(!format!("{inputs:?}").contains("canary"));
}

#[test]
fn a_json_submission_is_the_job_and_a_long_one_only_our_flags() {
    let of = |value: Value| {
        submission(
            &Inputs::Json(value),
            [("cs_digest".into(), "d".into())].into(),
        )
    };
    let short = of(json!({"ID": "a"}));
    assert_eq!(
        (short.source.as_str(), short.format.as_str()),
        ("{\n  \"ID\": \"a\"\n}", "json")
    );
    let long = of(json!({"ID": "x".repeat(LONG)}));
    assert_eq!(long.source, "");
    assert_eq!(long.variable_flags["cs_digest"], "d");
}

const LONG: usize = 1_000_001;

#[test]
fn what_nomad_refuses_is_placed_where_it_was_written() {
    let text = "variable \"v\" {}\nvariable \"w\" {}\njob \"a\" {}";
    let rest = "  variables:\n    w: 5\n";
    let (document, mut native) = with_file(text, NativeFormat::Hcl, rest);
    native.variable_files = vec![("vars.hcl".into(), "\n\nv = [\n  1,\n]\n".into())];
    let job = job_of(&document);
    let inputs = hcl_inputs(&document, Some(&native), &nothing);
    let fault = |in_variables, line| ParseFault {
        in_variables,
        line,
        column: 3,
        message: "m".to_owned(),
    };
    let faults = [
        fault(false, Some(2)),
        fault(true, Some(2)),
        fault(true, Some(4)),
        fault(true, Some(99)),
        fault(false, None),
    ];
    let found: Vec<String> = refused(&faults, job, Some(&native), &inputs)
        .into_iter()
        .map(|issue| issue.into_diagnostic(&document).to_string())
        .collect();
    assert_eq!(
        found,
        [
            "a.nomad.hcl:2:3: error[nomad-parse]: m",
            "vars.hcl:3:1: error[nomad-parse]: m",
            "jobs.yaml:7:8: error[nomad-parse]: m (`spec.variables.w`)",
            "a.nomad.hcl: error[nomad-parse]: m",
            "a.nomad.hcl: error[nomad-parse]: m",
        ]
    );
}

#[test]
fn a_warning_stays_one() {
    let (document, mut native) = with_file("job \"a\" {}", NativeFormat::Hcl, "");
    native.variable_flags = vec![("x".into(), "1".into())];
    let issues = check(job_of(&document), Some(&native), &nothing);
    assert_eq!(issues.len(), 1);
    assert_eq!(issues[0].severity, Severity::Warning);
    assert!(inputs(job_of(&document), Some(&native), &nothing).is_ok());
}

#[test]
fn a_text_of_nothing_but_slips_is_told_in_bounds() {
    let (document, mut native) = with_file("job \"a\" {}", NativeFormat::Hcl, "");
    let slips: String = (0..10_000).map(|n| format!("v{n} = {n}\n")).collect();
    native.variable_files = vec![("v.hcl".into(), slips.into())];
    let found = findings(&document, Some(&native), &nothing);
    assert_eq!(found.len(), MOST + 1);
    assert_eq!(
        found[MOST],
        "jobs.yaml:1:1: warning[too-many]: 9900 more findings are not shown"
    );
    let job = json!({"ID": "a", "TaskGroups": (0..200).map(|n| json!({"ShutdownDelay": "x", "nope": n})).collect::<Vec<_>>()});
    let found = json_findings(&job.to_string());
    assert_eq!(found.len(), MOST + 1);
    assert!(
        found[MOST].contains("warning[too-many]: 100 more"),
        "{}",
        found[MOST]
    );
}
