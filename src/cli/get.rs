//! `cs get`.

use futures::StreamExt;
use serde_json::Value;

use super::cluster::ClusterArgs;
use super::table::{Cell, Table, Tone, now, terminal_width};
use super::{Context, answer, block_on, exit, output};
use crate::clients::nomad::calls::jobs::JobQuery;
use crate::clients::nomad::client::NomadClient;
use crate::clients::nomad::error::NomadError;
use crate::clients::nomad::types::JobStub;
use crate::ids::{JobId, JobKey};
use crate::reconcile::plan::META_OWNER;
use crate::views::job::{Depth, shown, source_without_secrets};
use crate::views::text::{Nanos, age};

/// Show jobs as Nomad has them.
///
/// Without a name: a list. With names: the whole job, without what the server added and without secrets; what is left
/// could be registered again and would change nothing. -o hcl shows the source that was submitted, where that was HCL.
/// cs import writes a spec file of a job.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cs get\n  cs get -A -o name\n  cs get shop\n  cs get shop -o json | jq .TaskGroups[0].Count\n  cs get shop --raw --show-secrets"
)]
pub(super) struct Arguments {
    /// Jobs. Default: a list of all.
    #[arg(value_name = "NAME")]
    names: Vec<JobId>,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// In every namespace that the token may see.
    #[arg(short = 'A', long, conflicts_with_all = ["namespace", "names"])]
    all_namespaces: bool,
    /// How they are shown. Default: table without a name, yaml with one. JSON is one object for one name, else a list.
    #[arg(short, long, value_enum)]
    output: Option<Format>,
    /// Keep what the server added: indexes, state, members without a value.
    #[arg(long)]
    raw: bool,
    /// Show environments, rendered files and credentials.
    #[arg(long)]
    show_secrets: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Table,
    Yaml,
    Json,
    Hcl,
    Name,
}

/// Jobs that are read at the same time.
const PARALLEL: usize = 8;

pub(super) fn run(context: &Context, arguments: Arguments) -> u8 {
    block_on(async {
        let nomad = match arguments.cluster.client(context) {
            Ok(nomad) => nomad,
            Err(code) => return code,
        };
        match get(context, &nomad, &arguments).await {
            Ok(code) | Err(code) => code,
        }
    })
}

async fn get(context: &Context, nomad: &NomadClient, arguments: &Arguments) -> Result<u8, u8> {
    let by_default = match arguments.names.is_empty() {
        true => Format::Table,
        false => Format::Yaml,
    };
    let format = arguments.output.unwrap_or(by_default);
    let is_list = matches!(format, Format::Table | Format::Name);
    if is_list || arguments.names.is_empty() {
        let (stubs, code) = listed(nomad, arguments).await?;
        if is_list {
            list(context, nomad, arguments, format, &stubs);
            return Ok(code);
        }
        let keys = stubs.iter().filter_map(key).collect();
        return whole(nomad, arguments, format, keys).await;
    }
    let keys = arguments.names.iter().map(|name| JobKey {
        namespace: nomad.namespace().clone(),
        job: name.clone(),
    });
    whole(nomad, arguments, format, keys.collect()).await
}

fn key(stub: &JobStub) -> Option<JobKey> {
    Some(JobKey {
        namespace: stub.namespace.parse().ok()?,
        job: stub.id.parse().ok()?,
    })
}

/// The jobs that are asked for, without the runs of others unless they are named; and the exit code for those that are
/// not there.
async fn listed(nomad: &NomadClient, arguments: &Arguments) -> Result<(Vec<JobStub>, u8), u8> {
    let query = JobQuery {
        meta: true,
        all_namespaces: arguments.all_namespaces,
        ..JobQuery::default()
    };
    let read = nomad.jobs(&query).await;
    let mut stubs = read.map_err(|error| answer::failed(&error))?.value;
    let is_named = |stub: &JobStub| arguments.names.iter().any(|name| name.as_str() == stub.id);
    stubs.retain(|stub| match arguments.names.is_empty() {
        true => stub.parent_id.is_empty(),
        false => is_named(stub),
    });
    stubs.sort_by(|one, other| (&one.namespace, &one.id).cmp(&(&other.namespace, &other.id)));
    let mut code = 0;
    for name in &arguments.names {
        if !stubs.iter().any(|stub| stub.id == name.as_str()) {
            code = answer::missing(nomad, name).await;
        }
    }
    Ok((stubs, code))
}

fn list(
    context: &Context,
    nomad: &NomadClient,
    arguments: &Arguments,
    format: Format,
    stubs: &[JobStub],
) {
    if format == Format::Name {
        stubs.iter().for_each(|stub| output::line(&stub.id));
        return;
    }
    if stubs.is_empty() {
        if arguments.names.is_empty() {
            say_empty(nomad, arguments);
        }
        return;
    }
    output::raw(&table(stubs, now()).render(context.paint, terminal_width()));
}

fn say_empty(nomad: &NomadClient, arguments: &Arguments) {
    match arguments.all_namespaces {
        true => output::say("there are no jobs in any namespace"),
        false => output::say(&format!(
            "there are no jobs in namespace {}",
            nomad.namespace()
        )),
    }
}

fn table(stubs: &[JobStub], now: Nanos) -> Table {
    let mut table = Table::new(["NAME", "NAMESPACE", "TYPE", "STATUS", "OWNER", "AGE"]);
    for stub in stubs {
        let status = match stub.stop {
            true => Cell::toned("stopped", Tone::Dim),
            false => Cell::new(&stub.status),
        };
        table.row([
            Cell::new(&stub.id),
            Cell::new(&stub.namespace),
            Cell::new(&stub.job_type),
            status,
            stub.meta.get(META_OWNER).cloned().into(),
            age(stub.submit_time, now).into(),
        ]);
    }
    table
}

/// One job as it is printed.
enum Read {
    Text(String),
    Missing(JobKey),
    NoSource(JobKey),
}

/// Prints whole jobs one after another, as they arrive: a large cluster does not have to fit into memory.
async fn whole(
    nomad: &NomadClient,
    arguments: &Arguments,
    format: Format,
    keys: Vec<JobKey>,
) -> Result<u8, u8> {
    let is_one = arguments.names.len() == 1;
    let mut reads = futures::stream::iter(keys)
        .map(|key| read(nomad, arguments, format, key))
        .buffered(PARALLEL);
    let mut code = 0;
    let mut printed = 0;
    if format == Format::Json && !is_one {
        output::raw("[");
    }
    while let Some(read) = reads.next().await {
        match read.map_err(|error| answer::failed(&error))? {
            Read::Text(text) => {
                output::raw(separator(format, is_one, printed));
                match format {
                    Format::Json => output::raw_json(&text),
                    _ => output::data(&text),
                }
                printed += 1;
            }
            Read::Missing(key) => {
                let nomad = nomad.in_namespace(&key.namespace);
                // A job of a list that has gone meanwhile is just not there any more.
                if !arguments.names.is_empty() {
                    code = answer::missing(&nomad, &key.job).await;
                }
            }
            Read::NoSource(key) => code = no_source(&key),
        }
    }
    if format == Format::Json && !is_one {
        output::raw("\n]\n");
    }
    Ok(code)
}

const fn separator(format: Format, is_one: bool, printed: usize) -> &'static str {
    match (format, printed) {
        (Format::Json, 0) if is_one => "",
        (Format::Json, 0) => "\n",
        (Format::Json, _) => ",\n",
        (Format::Yaml, 1..) => "---\n",
        _ => "",
    }
}

async fn read(
    nomad: &NomadClient,
    arguments: &Arguments,
    format: Format,
    key: JobKey,
) -> Result<Read, NomadError> {
    let nomad = nomad.in_namespace(&key.namespace);
    let Some(job) = nomad.job(&key.job).await?.value else {
        return Ok(Read::Missing(key));
    };
    let depth = Depth {
        raw: arguments.raw,
        secrets: arguments.show_secrets,
    };
    let spec = || shown(&job.spec, depth);
    Ok(match format {
        Format::Json => Read::Text(json(&spec(), arguments.names.len() == 1)),
        Format::Yaml | Format::Table | Format::Name => {
            Read::Text(serde_saphyr::to_string(&spec()).expect("JSON is YAML"))
        }
        Format::Hcl => match source(&nomad, &key, job.head.version, depth).await? {
            Some(source) => Read::Text(source),
            None => Read::NoSource(key),
        },
    })
}

fn json(spec: &Value, is_one: bool) -> String {
    let text = serde_json::to_string_pretty(spec).expect("it came as JSON");
    if is_one { format!("{text}\n") } else { text }
}

/// The source as it was submitted, when that was HCL.
async fn source(
    nomad: &NomadClient,
    key: &JobKey,
    version: u64,
    depth: Depth,
) -> Result<Option<String>, NomadError> {
    let Some(submission) = nomad.submission(&key.job, version).await?.value else {
        return Ok(None);
    };
    if !submission.format.starts_with("hcl") {
        return Ok(None);
    }
    if depth.secrets {
        return Ok(Some(submission.source));
    }
    Ok(source_without_secrets(&submission.source))
}

fn no_source(key: &JobKey) -> u8 {
    exit::complain(
        &format!(
            "job {} was not submitted as HCL, so there is no HCL to show",
            key.job
        ),
        Some("show it with -o yaml or -o json, or write a spec of it with cs import"),
    );
    1
}
