//! What users write: documents in YAML, folders with overlays, policies, plans that were kept.

use std::path::Path;

use cs::config::Environment;
use cs::ids::{Namespace, OwnerId};
use cs::manifests::{Request, load_local};
use cs::set::seal::SealedPlan;
use cs::spec::{Diagnostic, Resource};
use cs::validation::policy::{self, Policies};
use cs::validation::{Options, by_own_policies, check};
use tokio_util::sync::CancellationToken;

use super::{CUT, Target, dispatch, text};

const WORDS: &[&str] = &[
    "apiVersion: cloudstation.io/v1\n",
    "kind: Workload\n",
    "kind: NomadJob\n",
    "kind: Overlay\n",
    "kind: Policies\n",
    "metadata: {name: a}\n",
    "spec:\n",
    "source: {image: a}\n",
    "dependsOn: [{name: a}]",
    "hook: {phase: pre}",
    "count: 3",
    "env: {A: b}",
    "ports:\n",
    "- {name: http, port: 80}\n",
    "&a",
    "*a",
    "<<: *a",
    "!!str",
    "!!binary",
    "? ",
    ": ",
    "|\n",
    ">-\n",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "\"\\x00\"",
    "~",
    "1h",
    "-0",
    ".inf",
    "0x7fffffffffffffff",
    "{{{{{{{{",
    "[[[[[[[[",
    "\u{feff}",
    "\u{2028}",
    "\t",
    "\r\n",
];

/// A file of documents.
pub(super) const YAML: Target = Target {
    name: "yaml",
    run: yaml,
    words: WORDS,
};

/// A folder: `<path>` on the first line of each part, then its text.
pub(super) const FOLDER: Target = Target {
    name: "folder",
    run: folder,
    words: WORDS,
};

/// Policies, and the documents that they are asked about.
pub(super) const POLICIES: Target = Target {
    name: "policies",
    run: policies,
    words: &[
        "apiVersion: cloudstation.io/v1\nkind: Policies\npolicies:\n",
        "- name: a\n  message: b\n  expression: ",
        "spec.count",
        "job.TaskGroups",
        "has(",
        "all(x, ",
        "exists(x, ",
        ".map(x, x)",
        ".filter(x, true)",
        "matches('(a+)+$')",
        "size(",
        "'",
        "\"",
        " in ",
        " ? ",
        " : ",
        "&&",
        "||",
        "!",
        "-9223372036854775808",
        "9223372036854775807",
        "/ 0",
        "% 0",
        "duration('1h')",
        "timestamp('x')",
        "[1,2][9]",
        "{'a': 1}",
        "((((((((((",
        "not not not ",
    ],
};

/// A plan that was kept.
pub(super) const SEALED: Target = Target {
    name: "sealed",
    run: sealed,
    words: &[
        "\"jobs\"",
        "\"action\"",
        "\"prune\"",
        "\"digest\"",
        "\"index\"",
        "null",
        "-1",
        "{}",
        "[]",
    ],
};

/// Every finding stands in the text that it is about.
pub(super) fn stand_inside(findings: &[Diagnostic], text: &str) {
    // YAML ends a line with a carriage return too, HCL does not.
    let broken = text.replace("\r\n", "\n").replace('\r', "\n");
    for finding in findings {
        let is_yaml = !finding.file.ends_with(".hcl");
        let text = if is_yaml { &broken } else { text };
        let lines: Vec<&str> = text.split('\n').collect();
        let line = usize::try_from(finding.line).unwrap_or(usize::MAX);
        assert!(
            line <= lines.len(),
            "line {line} of {}: {finding:?}",
            lines.len()
        );
        let Some(found) = line.checked_sub(1).and_then(|at| lines.get(at)) else {
            continue;
        };
        let most = found.chars().count() as u64 + 1;
        assert!(
            finding.column <= most,
            "column {} of {most}: {finding:?}",
            finding.column
        );
    }
}

fn yaml(bytes: &[u8]) {
    let text = text(bytes);
    let documents = match cs::spec::parse("a.yaml", text) {
        Ok(documents) => documents,
        Err(findings) => {
            assert!(!findings.is_empty(), "refused without a reason");
            return stand_inside(&findings, text);
        }
    };
    for document in &documents {
        let (line, _) = document.locate("spec");
        assert!(line as usize <= text.split('\n').count());
        if let Resource::Workload(workload) = &document.resource {
            dispatch::renders(workload);
        }
    }
}

fn folder(bytes: &[u8]) {
    let root = tempfile::tempdir().expect("a temporary directory");
    let top = root.path().join("specs");
    std::fs::create_dir(&top).expect("a fresh directory");
    for part in text(bytes).split(CUT).take(8) {
        let (name, content) = part.split_once('\n').unwrap_or((part, ""));
        write(&top, name, content);
    }
    let environment = Environment::default();
    let sources = [top.to_str().expect("a temporary path is UTF-8").to_owned()];
    let request = Request::new(&sources, &[], Vec::new(), &environment).expect("a folder");
    let Ok(loaded) = load_local(&request, &CancellationToken::new()) else {
        return;
    };
    if loaded.exit_code() != 0 {
        assert!(!loaded.findings.is_empty());
    }
    let namespace: Namespace = "default".parse().expect("valid");
    let owner: OwnerId = "fuzz".parse().expect("valid");
    let _ = by_own_policies(&loaded, &namespace, &owner, &environment);
    let policies = Policies::default();
    let options = Options {
        default_namespace: namespace,
        owner,
        policies: &policies,
        environment: &environment,
        judges_native_jobs_later: false,
    };
    for finding in check(&loaded.manifests, &options)
        .iter()
        .chain(&loaded.findings)
    {
        if let Some(text) = loaded.texts.get(finding.file.as_str()) {
            stand_inside(std::slice::from_ref(finding), text);
        }
    }
}

/// Writes a file below the folder, if its name can stand there: what is fuzzed is what is in the files.
fn write(top: &Path, name: &str, content: &str) {
    let is_plain = |part: &str| {
        !part.is_empty() && part.len() < 64 && !part.starts_with("..") && !part.contains('\0')
    };
    if name.split('/').count() > 4 || !name.split('/').all(is_plain) {
        return;
    }
    let path = top.join(name);
    let made = std::fs::create_dir_all(path.parent().expect("it is below the folder"));
    if made.is_ok() {
        let _ = std::fs::write(path, content);
    }
}

fn policies(bytes: &[u8]) {
    let text = text(bytes);
    let (rules, about) = text.split_once(CUT).unwrap_or((text, SAMPLE));
    let mut policies = Policies::default();
    if let Err(findings) = policies.read("policies.yaml", rules) {
        stand_inside(&findings, rules);
    }
    let about = cs::spec::parse("a.yaml", about).or_else(|_| cs::spec::parse("a.yaml", SAMPLE));
    let documents = about.expect("the sample is valid");
    let asked: Vec<_> = documents.iter().map(|document| (document, None)).collect();
    let _ = policy::check(&policies, &asked, &"default".parse().expect("valid"));
}

const SAMPLE: &str = "apiVersion: cloudstation.io/v1\nkind: Workload\nmetadata: {name: shop}\nspec:\n  source: {image: 'shop:1'}\n";

fn sealed(bytes: &[u8]) {
    let Ok(plan) = SealedPlan::read(text(bytes)) else {
        return;
    };
    assert!(plan.moved(&plan).is_empty(), "a plan differs from itself");
}
