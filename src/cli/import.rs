//! `cs import`: jobs that run already → specs whose plan is empty.

use super::cluster::ClusterArgs;
use super::{Context, block_on, exit, output};
use crate::clients::chain;
use crate::clients::nomad::calls::jobs::JobQuery;
use crate::clients::nomad::{NomadClient, NomadError};
use crate::ids::JobId;
use crate::importing::yaml;
use crate::spec::suggest::closest;

mod job;

use job::{Imported, Refusal, Secrets, Wanted};

/// Writes the spec of a job that runs already.
///
/// Applying that spec changes nothing. A job that `cs` made of a Workload becomes one again where that is exact; any other
/// becomes a NomadJob: the HCL that Nomad keeps beside it, if it still says what runs, else the job itself without
/// defaults.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cs import shop > specs/shop.yaml
  cs import shop -n prod --kind NomadJob --leave-secrets
  cs import --all --include-secrets -o json
  cs import shop -o hcl --include-secrets > shop.nomad.hcl")]
#[command(group = clap::ArgGroup::new("which").required(true).multiple(false))]
pub(super) struct Arguments {
    /// Ids of the jobs.
    #[arg(value_name = "JOB", group = "which")]
    jobs: Vec<JobId>,
    /// Every job of the namespace.
    #[arg(long, group = "which")]
    all: bool,
    /// Every job of the namespace whose id begins so.
    #[arg(long, value_name = "TEXT", group = "which")]
    prefix: Option<String>,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// The kind to write. Default: Workload where that is exact, else NomadJob.
    #[arg(long, value_enum, value_name = "KIND")]
    kind: Option<Kind>,
    /// Write values that may be secrets: environments, templates, credentials.
    #[arg(long, conflicts_with = "leave_secrets")]
    include_secrets: bool,
    /// Leave such values in the cluster: the spec names their places in `ignoreFields` and never touches them.
    #[arg(long)]
    leave_secrets: bool,
    /// How it is written. HCL is the source that Nomad keeps, for one job.
    #[arg(short, long, value_enum, default_value = "yaml")]
    output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    #[value(name = "Workload", alias = "workload")]
    Workload,
    #[value(name = "NomadJob", alias = "nomadjob")]
    NomadJob,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Yaml,
    Json,
    Hcl,
}

pub(super) fn run(context: &Context, arguments: Arguments) -> u8 {
    let client = match arguments.cluster.client(context) {
        Ok(client) => client,
        Err(code) => return code,
    };
    if arguments.output == Format::Hcl && arguments.kind == Some(Kind::Workload) {
        return exit::usage("HCL is the source of a NomadJob", "leave `--kind` out");
    }
    block_on(import(&client, &arguments))
}

async fn import(client: &NomadClient, arguments: &Arguments) -> u8 {
    let jobs = match ids(client, arguments).await {
        Ok(jobs) => jobs,
        Err(code) => return code,
    };
    if arguments.output == Format::Hcl && jobs.len() != 1 {
        let message = format!("HCL describes one job a file, and these are {}", jobs.len());
        return exit::usage(message, "name one job, or use `-o yaml`");
    }
    let wanted = Wanted {
        workload: arguments.output != Format::Hcl && arguments.kind != Some(Kind::NomadJob),
        insists: arguments.kind == Some(Kind::Workload),
        source_only: arguments.output == Format::Hcl,
        secrets: match (arguments.include_secrets, arguments.leave_secrets) {
            (true, _) => Secrets::Include,
            (false, true) => Secrets::Leave,
            (false, false) => Secrets::Refuse,
        },
    };
    let mut documents = Vec::with_capacity(jobs.len());
    let mut worst = 0;
    for id in &jobs {
        match job::import(client, id, &wanted).await {
            Ok(imported) => documents.push(imported),
            Err(refusal) => worst = worst.max(complain(client, id, refusal).await),
        }
    }
    // Half of what was asked for would be taken for all of it.
    if worst == 0 {
        write(&documents, arguments.output);
    }
    worst
}

/// The jobs that are meant, runs of others left out.
async fn ids(client: &NomadClient, arguments: &Arguments) -> Result<Vec<JobId>, u8> {
    if !arguments.all && arguments.prefix.is_none() {
        return Ok(arguments.jobs.clone());
    }
    let query = JobQuery {
        prefix: arguments.prefix.clone(),
        ..JobQuery::default()
    };
    let listed = client.jobs(&query).await.map_err(|error| unread(&error))?;
    let parents = listed
        .value
        .into_iter()
        .filter(|job| job.parent_id.is_empty());
    let jobs: Vec<JobId> = parents.filter_map(|job| job.id.parse().ok()).collect();
    if jobs.is_empty() {
        let namespace = client.namespace();
        exit::complain(
            &format!("there is no such job in namespace `{namespace}`"),
            None,
        );
        return Err(1);
    }
    Ok(jobs)
}

fn unread(error: &NomadError) -> u8 {
    exit::complain(&chain(error), None);
    1
}

async fn complain(client: &NomadClient, id: &JobId, refusal: Refusal) -> u8 {
    match refusal {
        Refusal::Nomad(error) => unread(&error),
        Refusal::Absent => {
            let namespace = client.namespace();
            let help = similar(client, id).await;
            exit::complain(
                &format!("there is no job `{id}` in namespace `{namespace}`"),
                help.as_deref(),
            );
            1
        }
        Refusal::Child(parent) => exit::usage(
            format!("job `{id}` is a run of `{}`", parent.escape_debug()),
            "import the job that starts it",
        ),
        Refusal::NoSource(why) => {
            let help = "use `-o yaml`, which writes the job itself";
            exit::complain(&format!("job `{id}`: {why}"), Some(help));
            1
        }
        Refusal::Secrets(paths) => {
            let count = paths.len();
            exit::complain(
                &format!(
                    "job `{id}` holds {count} value(s) that may be secrets: {}",
                    paths.join(", ")
                ),
                Some(
                    "`--leave-secrets` leaves them in the cluster and out of the file, `--include-secrets` writes them",
                ),
            );
            9
        }
        Refusal::Unnamed(paths) => {
            exit::complain(
                &format!(
                    "job `{id}`: these values cannot be left in the cluster, because no place names them: {}",
                    paths.join(", ")
                ),
                Some("use `--include-secrets`"),
            );
            9
        }
        Refusal::Drift(drift) => {
            exit::complain(
                &format!("job `{id}`: no spec was found whose plan is empty:\n{drift}"),
                Some("this is a mistake of `cs`; please report it"),
            );
            1
        }
    }
}

/// A job of that namespace that may have been meant.
async fn similar(client: &NomadClient, id: &JobId) -> Option<String> {
    let listed = client.jobs(&JobQuery::default()).await.ok()?.value;
    let names = listed.iter().map(|job| job.id.as_str());
    closest(id.as_str(), names).map(|meant| format!("did you mean `{}`?", meant.escape_debug()))
}

fn write(documents: &[Imported], format: Format) {
    match format {
        Format::Yaml => {
            let texts: Vec<String> = documents.iter().map(Imported::to_yaml).collect();
            let text = texts.join(yaml::SEPARATOR);
            output::data(&[yaml::MODELINE, &text].concat());
        }
        Format::Json => match documents {
            [one] => output::json(&format!("{:#}", one.to_json())),
            several => several
                .iter()
                .for_each(|document| output::json(&document.to_json().to_string())),
        },
        Format::Hcl => {
            for document in documents {
                output::data(document.source().unwrap_or_default());
            }
        }
    }
}
