//! `--server`: what Nomad itself says of the jobs. Asks only; a few questions at a time.

use std::collections::BTreeSet;

use futures::StreamExt;
use futures::stream;
use serde_json::Value;

use crate::cli::{block_on, exit};
use crate::clients::chain;
use crate::clients::nomad::calls::parse::ParseReply;
use crate::clients::nomad::connection::ConnectionConfig;
use crate::clients::nomad::{NomadClient, NomadError};
use crate::desired::native::{self, Inputs, NativeIssue};
use crate::ids::Namespace;
use crate::manifests::Manifest;
use crate::spec::{Diagnostic, Document, NomadJob, Resource, Severity};
use crate::validation::policy;
use crate::validation::{Options, offline_job};

/// Questions at a time: enough to keep a server busy, few enough to leave it to others.
const AT_A_TIME: usize = 8;

/// Asks about every document without errors.
///
/// # Errors
/// The cluster cannot be asked. Why has been printed; the exit code.
pub(super) fn ask(
    config: ConnectionConfig,
    manifests: &[Manifest],
    findings: &[Diagnostic],
    options: &Options<'_>,
) -> Result<Vec<Diagnostic>, u8> {
    let client = NomadClient::new(config).map_err(|error| exit::usage(chain(&error), ""))?;
    let broken: BTreeSet<&str> = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| finding.file.as_str())
        .collect();
    // A workload tells by itself whether it can become a job.
    let sound = manifests.iter().filter(|manifest| {
        let document = &manifest.document;
        document.workload().is_some() || !broken.contains(document.file())
    });
    let mut answers = Ok(Vec::new());
    let code = block_on(async {
        let questions = stream::iter(sound.map(|manifest| one(&client, manifest, options)));
        let mut asked = questions.buffered(AT_A_TIME);
        let mut found = Vec::new();
        while let Some(answer) = asked.next().await {
            match answer {
                Ok(findings) => found.extend(findings),
                Err(error) => {
                    answers = Err(error);
                    return 0;
                }
            }
        }
        answers = Ok(found);
        0
    });
    match answers {
        Ok(found) if code == 0 => Ok(found),
        Ok(_) => Err(code),
        Err(error) => Err(exit::usage(
            chain(&error),
            "the files were checked without the cluster; `cs doctor` checks the connection",
        )),
    }
}

async fn one(
    client: &NomadClient,
    manifest: &Manifest,
    options: &Options<'_>,
) -> Result<Vec<Diagnostic>, NomadError> {
    let document = &manifest.document;
    let (job, mut findings) = match &document.resource {
        Resource::Workload(workload) => {
            let job = offline_job(workload, &options.owner);
            (job.map(|job| job.to_value()), Vec::new())
        }
        Resource::NomadJob(job) => match parsed(client, manifest, job, options).await? {
            Ok(job) => {
                let findings =
                    policy::check_job(options.policies, document, &job, &options.default_namespace);
                (Some(job), findings)
            }
            Err(findings) => (None, findings),
        },
    };
    if let Some(job) = job {
        let client = client.in_namespace(&namespace(document, &job, options));
        let reply = client.validate(&job).await?;
        let errors = reply.validation_errors.iter();
        findings.extend(errors.map(|text| said(document, "nomad-refused", text)));
        let warnings = reply.warnings.trim();
        if !warnings.is_empty() {
            findings.push(Diagnostic {
                severity: Severity::Warning,
                ..said(document, "nomad-warning", warnings)
            });
        }
    }
    Ok(findings)
}

fn namespace(document: &Document, job: &Value, options: &Options<'_>) -> Namespace {
    let metadata = document.resource.metadata();
    let of_job = || job.get("Namespace").and_then(Value::as_str);
    metadata
        .namespace
        .as_deref()
        .or_else(of_job)
        .and_then(|name| name.parse().ok())
        .unwrap_or_else(|| options.default_namespace.clone())
}

/// The job of a specification, parsed by Nomad where it is HCL.
async fn parsed(
    client: &NomadClient,
    manifest: &Manifest,
    job: &NomadJob,
    options: &Options<'_>,
) -> Result<Result<Value, Vec<Diagnostic>>, NomadError> {
    let document = &manifest.document;
    let texts = manifest.native.as_ref();
    let placed = |issues: Vec<NativeIssue>| {
        let issues = issues.into_iter();
        issues
            .map(|issue| issue.into_diagnostic(document))
            .collect::<Vec<_>>()
    };
    let environment = |name: &str| options.environment.get(name);
    let hcl = match native::inputs(job, texts, &environment) {
        Ok(Inputs::Json(job)) => return Ok(Ok(job)),
        Ok(Inputs::Hcl(hcl)) => hcl,
        Err(issues) => return Ok(Err(placed(issues))),
    };
    Ok(match client.parse(&hcl.text, &hcl.variables()).await? {
        ParseReply::Job(job) => Ok(job),
        ParseReply::Refused(faults) => Err(placed(native::refused(&faults, job, texts, &hcl))),
    })
}

fn said(document: &Document, code: &'static str, text: &str) -> Diagnostic {
    let words: Vec<&str> = text.split_whitespace().collect();
    let message = format!("Nomad says: {}", words.join(" "));
    document.diagnostic(code, "metadata.name", message, None)
}
