//! `cs validate`: whether spec files can be applied, said before anybody applies them.

mod load;
mod server;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::cluster::ClusterArgs;
use super::report::validation::{self, Validated};
use super::sources::SourceArgs;
use super::{Context, exit, input, output};
use crate::ids::{Namespace, OwnerId};
use crate::manifests::Loaded;
use crate::spec::{Diagnostic, Severity};
use crate::validation::policy::Policies;
use crate::validation::{Options, check, rules, sorted};

/// Check spec files without a cluster: fields, sense, references, policies.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cs validate specs/
  cs validate specs/ --strict --policy policies.yaml
  cs validate specs/ -o sarif > cs.sarif
  git diff --name-only --diff-filter=d main -- 'specs/*.yaml' | xargs cs validate
  cs validate specs/ --server

Exit codes: 0 valid, 3 something is wrong, 2 something cannot be read.")]
pub(super) struct Arguments {
    /// Files, folders, globs, `-` for standard input, or a Git address; the same as with `-f`.
    #[arg(value_name = "PATH", required_unless_present = "file")]
    paths: Vec<String>,
    #[command(flatten)]
    sources: SourceArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// How findings are written. `text` is for people, the others for pipelines.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
    /// Take warnings for errors.
    #[arg(long)]
    strict: bool,
    /// File with policies in CEL that every document must hold to. May be repeated.
    #[arg(long, value_name = "FILE")]
    policy: Vec<PathBuf>,
    /// Ask a cluster as well: its own parser of HCL and its own validation of jobs. Nothing is written.
    #[arg(long)]
    server: bool,
    /// On whose behalf the jobs are; policies can see it in `job`.
    #[arg(long, env = "CS_OWNER", default_value = "cs", value_name = "NAME")]
    owner: OwnerId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
    Sarif,
    Junit,
    Github,
}

pub(super) fn run(context: &Context, arguments: Arguments) -> u8 {
    let Arguments {
        paths,
        mut sources,
        cluster,
        output: format,
        strict,
        policy,
        server,
        owner,
    } = arguments;
    sources.file.splice(0..0, paths);
    let config = match server.then(|| cluster.config(context)).transpose() {
        Ok(config) => config,
        Err(code) => return code,
    };
    let loaded = match sources.load_now(context) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    let mut texts = loaded.texts.clone();
    let mut policies = Policies::default();
    let mut findings = read_policies(&policy, &mut policies, &mut texts);
    let given: Vec<String> = policy
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    findings.extend(policies.read_among(&loaded, |file| given.iter().any(|one| one == file)));
    let mut options = Options {
        default_namespace: namespace(&cluster, context),
        owner,
        policies: &policies,
        environment: &context.environment,
        judges_native_jobs_later: config.is_some(),
    };
    if let Some(namespace) = config.as_ref().and_then(|config| config.namespace.as_ref()) {
        options.default_namespace = namespace.clone();
    }
    findings.extend(check(&loaded.manifests, &options));
    findings.extend_from_slice(&loaded.findings);
    // An overlay describes the jobs of its bases once more, so it is a set by itself.
    let mut overlaid = 0;
    for folder in &loaded.overlays {
        let of_overlay = SourceArgs {
            file: vec![folder.clone()],
            ..sources.clone()
        };
        let overlay = match of_overlay.load_now(context) {
            Ok(overlay) => overlay,
            Err(code) => return code,
        };
        findings.extend(check(&overlay.manifests, &options));
        findings.extend(overlay.findings);
        texts.extend(overlay.texts);
        overlaid += overlay.manifests.len();
    }
    let mut reached = Ok(());
    if let Some(config) = config {
        match server::ask(config, &loaded.manifests, &findings, &options) {
            Ok(found) => findings.extend(found),
            Err(code) => reached = Err(code),
        }
    }
    let validated = validated(&loaded, findings, texts, strict, &policies);
    let validated = Validated {
        resources: validated.resources + overlaid,
        exit_code: reached.err().unwrap_or(validated.exit_code),
        ..validated
    };
    print(context, format, &validated);
    validated.exit_code
}

fn namespace(cluster: &ClusterArgs, context: &Context) -> Namespace {
    let of_environment = || {
        let name = context.environment.get("NOMAD_NAMESPACE")?;
        name.parse().ok()
    };
    cluster
        .namespace
        .clone()
        .or_else(of_environment)
        .unwrap_or_else(|| "default".parse().expect("Nomad's own name"))
}

fn read_policies(files: &[PathBuf], policies: &mut Policies, texts: &mut Texts) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for path in files {
        let file = path.display().to_string();
        match input::read(path) {
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => {
                    findings.extend(policies.read(&file, &text).err().unwrap_or_default());
                    texts.insert(file.into(), text.into());
                }
                Err(_) => findings.push(load::not_utf8(&file)),
            },
            Err(error) => findings.push(load::unreadable(&file, &error.to_string())),
        }
    }
    findings
}

/// Texts of files by the name that findings give them.
type Texts = BTreeMap<Arc<str>, Arc<str>>;

fn validated(
    loaded: &Loaded,
    mut findings: Vec<Diagnostic>,
    texts: Texts,
    strict: bool,
    policies: &Policies,
) -> Validated {
    if strict {
        for finding in &mut findings {
            finding.severity = Severity::Error;
        }
    }
    let findings = sorted(findings);
    let documents = loaded.manifests.iter();
    let files = documents
        .map(|manifest| manifest.document.file())
        .chain(findings.iter().map(|finding| finding.file.as_str()))
        .map(Arc::from)
        .chain(texts.keys().cloned())
        .collect();
    let is_unreadable = findings.iter().any(|one| rules::is_unreadable(one.code));
    let is_wrong = findings.iter().any(|one| one.severity == Severity::Error);
    Validated {
        files,
        resources: loaded.manifests.len(),
        policies: policies.len(),
        texts,
        exit_code: if is_unreadable {
            2
        } else if is_wrong {
            3
        } else {
            0
        },
        findings,
    }
}

fn print(context: &Context, format: Format, validated: &Validated) {
    match format {
        Format::Text => output::raw(&validation::excerpts(validated, context.paint)),
        Format::Json => output::json(&validation::json(validated)),
        Format::Sarif => output::json(&validation::log(validated)),
        Format::Junit => output::raw(&validation::suites(validated)),
        Format::Github => output::raw(&validation::annotations(validated)),
    }
    exit::say(&validated.summary());
}
