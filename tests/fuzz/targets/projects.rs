//! HCL: `cloudstation.hcl` and native jobs.

use cs::desired::native::identity;
use cs::dispatch::ConvertOptions;
use cs::manifests::NativeFormat;
use cs::project::{Input, read};

use super::{CUT, Target, dispatch, specs, text};

const WORDS: &[&str] = &[
    "project = \"a\"\n",
    "app \"a\" {\n}\n",
    "build {\n}\n",
    "deploy {\n}\n",
    "use \"docker\" {\n}\n",
    "variable \"a\" {\n}\n",
    "job \"a\" {\n}\n",
    "group \"a\" {\n}\n",
    "task \"a\" {\n}\n",
    "config {\n}\n",
    "template {\n}\n",
    "service {\n}\n",
    "dynamic \"a\" {\n}\n",
    "locals {\n}\n",
    "default = ",
    "for_each = ",
    "content {\n}\n",
    "<<EOF\nx\nEOF\n",
    "<<-EOF\n  x\n  EOF\n",
    "${",
    "%{",
    "%{ for x in y }",
    "%{ endfor }",
    "%{ if true }",
    "[for x in y : x]",
    "{for k, v in y : k => v}",
    "...",
    "var.a",
    "local.a",
    "abs(",
    "format(",
    "regex(",
    "jsondecode(",
    "range(",
    "((((((((",
    "? 1 : 2",
    "1e400",
    "0.1",
    "-",
    "!",
    "\"",
    "\\",
    "#",
    "/*",
    "*/",
    "count = 1e9\n",
    "= null\n",
];

/// A project file and, after a cut, a file of values.
pub(super) const PROJECT: Target = Target {
    name: "project",
    run: project,
    words: WORDS,
};

/// A native job and, after a cut, values of its variables.
pub(super) const JOBSPEC: Target = Target {
    name: "jobspec",
    run: jobspec,
    words: WORDS,
};

fn project(bytes: &[u8]) {
    let text = text(bytes);
    let (file, values) = text.split_once(CUT).unwrap_or((text, ""));
    let variable_files = [("values.hcl".to_owned(), values.to_owned())];
    let input = Input {
        name: "cloudstation.hcl",
        text: file,
        flags: &[],
        variable_files: if values.is_empty() {
            &[]
        } else {
            &variable_files
        },
        environment: &|_| None,
        read: &|_| Ok("text".to_owned()),
        options: &ConvertOptions::default(),
    };
    match read(&input) {
        Ok(project) => {
            assert!(!project.apps.is_empty(), "a project without apps");
            for app in &project.apps {
                if let Some(workload) = app.document.workload() {
                    dispatch::renders(workload);
                }
            }
        }
        Err(findings) => {
            assert!(!findings.is_empty(), "refused without a reason");
            for finding in &findings {
                let text = if finding.file == "values.hcl" {
                    values
                } else {
                    file
                };
                specs::stand_inside(std::slice::from_ref(finding), text);
            }
        }
    }
}

fn jobspec(bytes: &[u8]) {
    let text = text(bytes);
    let (file, values) = text.split_once(CUT).unwrap_or((text, ""));
    for format in [NativeFormat::Hcl, NativeFormat::Json] {
        let _ = identity(file, format);
    }
    // What the embedded Nomad makes of it is one job, or a reason.
    match cs::fuzzing::jobspec(file, values) {
        Ok(job) => assert!(job.is_object()),
        Err(problem) => assert!(!problem.is_empty()),
    }
}
