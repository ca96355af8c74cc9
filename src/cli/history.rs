//! `cs history`.

use std::collections::BTreeMap;

use futures::StreamExt;

use super::cluster::ClusterArgs;
use super::report::status::{JobEntry, StatusReport, VersionReport};
use super::table::{Cell, Table, Tone, now, terminal_width};
use super::{Context, answer, block_on, output};
use crate::clients::nomad::calls::jobs::Submission;
use crate::clients::nomad::client::NomadClient;
use crate::clients::nomad::error::NomadError;
use crate::ids::JobId;
use crate::views::history::{Version, history};
use crate::views::text::{Nanos, age};

/// Show the versions of a job that Nomad has, and what each changed.
///
/// Nomad keeps six, besides those with a tag. CHANGE is what a version changed against the one before it, as the one
/// comparator of cs sees it; secrets are hidden.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cs history shop\n  cs history shop --diff\n  cs history shop -o json"
)]
pub(super) struct Arguments {
    /// Name of the job.
    #[arg(value_name = "NAME")]
    name: JobId,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Show every change of every version.
    #[arg(long)]
    diff: bool,
    /// How it is shown.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Table,
    Json,
    Yaml,
}

/// Sources that are read at the same time.
const PARALLEL: usize = 4;

pub(super) fn run(context: &Context, arguments: Arguments) -> u8 {
    block_on(async {
        let nomad = match arguments.cluster.client(context) {
            Ok(nomad) => nomad,
            Err(code) => return code,
        };
        let versions = match read(&nomad, &arguments.name).await {
            Ok(Some(versions)) => versions,
            Ok(None) => return answer::missing(&nomad, &arguments.name).await,
            Err(error) => return answer::failed(&error),
        };
        show(context, &nomad, &arguments, &versions);
        0
    })
}

/// `None` when there is no such job.
async fn read(nomad: &NomadClient, id: &JobId) -> Result<Option<Vec<Version>>, NomadError> {
    let (versions, rollouts) = tokio::try_join!(
        nomad.job_versions(id).into_future(),
        nomad.rollouts(id, false).into_future(),
    )?;
    let Some(versions) = versions.value else {
        return Ok(None);
    };
    let numbers = versions.versions.iter().map(|version| version.head.version);
    let submissions: BTreeMap<u64, Submission> = futures::stream::iter(numbers)
        .map(|version| async move {
            // A source may be gone, or not be readable for this token: the version is there all the same.
            let read = nomad.submission(id, version).await.ok()?;
            Some((version, read.value?))
        })
        .buffer_unordered(PARALLEL)
        .filter_map(std::future::ready)
        .collect()
        .await;
    Ok(Some(history(
        &versions.versions,
        &rollouts.value,
        &submissions,
    )))
}

fn show(context: &Context, nomad: &NomadClient, arguments: &Arguments, versions: &[Version]) {
    let report = || {
        let entry = JobEntry {
            job: arguments.name.to_string(),
            namespace: nomad.namespace().to_string(),
            versions: versions.iter().map(VersionReport::new).collect(),
            ..JobEntry::default()
        };
        let message = format!("Nomad has {} versions", versions.len());
        StatusReport::of_entries(vec![entry], message)
    };
    match arguments.output {
        Format::Json => output::json(&report().json()),
        Format::Yaml => output::data(&report().yaml()),
        Format::Table if arguments.diff => output::raw(&diffs(context, versions)),
        Format::Table => {
            let table = table(versions, now());
            output::raw(&table.render(context.paint, terminal_width()));
        }
    }
}

fn table(versions: &[Version], now: Nanos) -> Table {
    let mut table = Table::new([
        "VERSION", "STATE", "ROLLOUT", "AGE", "REVISION", "DIGEST", "TAG", "CHANGE",
    ]);
    for version in versions {
        let rollout = version.rollout.as_ref().map(|end| end.status.as_str());
        let rollout_tone = match rollout {
            Some("failed") => Tone::Bad,
            Some("running" | "paused") => Tone::Warning,
            Some("successful") => Tone::Good,
            _ => Tone::Plain,
        };
        let digest = version.digest.as_deref().unwrap_or_default();
        table.row([
            version.number.to_string().into(),
            state(version).into(),
            Cell::toned(rollout.unwrap_or_default(), rollout_tone),
            age(version.submitted, now).into(),
            version.revision.clone().into(),
            Cell::new(digest.get(..8).unwrap_or(digest)),
            version.tag.clone().into(),
            version.summary().into(),
        ]);
    }
    table
}

fn state(version: &Version) -> String {
    let words = [
        (version.is_current, "current"),
        (version.is_stable, "stable"),
        (version.is_stop, "stopped"),
    ];
    let words = words
        .iter()
        .filter(|(is_so, _)| *is_so)
        .map(|(_, word)| *word);
    words.collect::<Vec<_>>().join(", ")
}

fn diffs(context: &Context, versions: &[Version]) -> String {
    let mut text = String::new();
    for version in versions {
        let state = match state(version).as_str() {
            "" => String::new(),
            state => format!(" ({state})"),
        };
        let title = format!(
            "version {}{state}, submitted {} ago",
            version.number,
            age(version.submitted, now())
        );
        text.push_str(&format!("{}\n", context.paint.bold(&title)));
        match version.changes.as_deref() {
            Some([]) => text.push_str("  no change\n"),
            Some(changes) => changes
                .iter()
                .for_each(|change| text.push_str(&format!("  {}\n", change_line(context, change)))),
            None => text.push_str("  Nomad does not have the version before it\n"),
        }
    }
    text
}

/// A line of a difference, coloured by its sign.
pub(super) fn change_line(context: &Context, change: &str) -> String {
    let paint = context.paint;
    let change = crate::plain::line(change);
    match change.as_bytes().first() {
        Some(b'+') => paint.green(&change),
        Some(b'-') => paint.red(&change),
        _ => paint.yellow(&change),
    }
}
