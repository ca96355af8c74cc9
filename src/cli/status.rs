//! `cs status`.

mod watch;

use std::collections::BTreeMap;

use super::attend::namespace_flag;
use super::cluster::ClusterArgs;
use super::report::status::StatusReport;
use super::table::{Cell, Table, Tone, now, terminal_width};
use super::{Context, answer, block_on, exit, output};
use crate::clients::chain;
use crate::clients::nomad::calls::jobs::JobQuery;
use crate::clients::nomad::client::NomadClient;
use crate::clients::nomad::error::NomadError;
use crate::clients::nomad::types::JobStub;
use crate::ids::{JobId, JobKey, OwnerId};
use crate::inventory::{self, Entry, State, Store};
use crate::views::fleet::{Drift, Row, rows};
use crate::views::text::{Nanos, age, count};
use crate::views::{Condition, fleet::Remembered};

/// Show owner, health, drift and revision of jobs.
///
/// Health is how a job is now: healthy, completed, progressing, awaits-promotion, degraded (fewer run than wanted),
/// blocked (no node fits), unhealthy, rolled-back, stopped, missing (cs wrote it and it is gone). Drift is whether
/// somebody else wrote it since cs did: none, changed, failed (the last version that cs wrote failed), gone, or - when cs
/// did not write it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cs status\n  cs status shop -o wide\n  cs status -A --owner storefront\n  cs status --watch\n  cs status -o json --exit-code"
)]
pub(super) struct Arguments {
    /// Jobs. Default: all.
    #[arg(value_name = "NAME")]
    names: Vec<JobId>,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// In every namespace that the token may see.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
    /// Only jobs of this owner.
    #[arg(long, value_name = "OWNER")]
    owner: Option<OwnerId>,
    /// How it is shown.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Format,
    /// Show it again whenever something changes, until interrupted.
    #[arg(short, long)]
    watch: bool,
    /// Exit with 5 when a job needs attention: degraded, blocked, unhealthy, rolled back or missing.
    #[arg(long, conflicts_with = "watch")]
    exit_code: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Table,
    Wide,
    Json,
    Yaml,
}

pub(super) fn run(context: &Context, arguments: Arguments) -> u8 {
    block_on(async {
        let nomad = match arguments.cluster.client(context) {
            Ok(nomad) => nomad,
            Err(code) => return code,
        };
        if arguments.watch {
            return watch::watch(context, &nomad, &arguments).await;
        }
        match look(context, &nomad, &arguments).await {
            Ok(look) => show(context, &nomad, &arguments, &look).await,
            Err(error) => refused(&error),
        }
    })
}

/// What one look found.
struct Look {
    rows: Vec<Row>,
    /// Index of the list of jobs.
    index: u64,
}

/// Two calls, whatever the number of jobs.
async fn look(
    context: &Context,
    nomad: &NomadClient,
    arguments: &Arguments,
) -> Result<Look, NomadError> {
    let query = JobQuery {
        meta: true,
        all_namespaces: arguments.all_namespaces,
        filter: filter(&arguments.names),
        ..JobQuery::default()
    };
    let (stubs, statuses) = if arguments.names.is_empty() {
        let (stubs, statuses) = tokio::try_join!(
            nomad.jobs(&query).into_future(),
            nomad.statuses(arguments.all_namespaces).into_future(),
        )?;
        (stubs, statuses.value)
    } else {
        let mut stubs = nomad.jobs(&query).await?;
        let is_named = |id: &str| arguments.names.iter().any(|name| name.as_str() == id);
        stubs.value.retain(|stub| is_named(&stub.id));
        let keys: Vec<JobKey> = stubs.value.iter().filter_map(key).collect();
        // Without a name in it the call would answer with all jobs.
        let statuses = match keys.is_empty() {
            true => Vec::new(),
            false => nomad.statuses_of(&keys).await?.value,
        };
        (stubs, statuses)
    };
    let remembered = remembered(context, nomad, arguments.owner.as_ref()).await;
    let mut rows = rows(&stubs.value, &statuses, &remembered);
    // What is remembered knows of more jobs than were asked for.
    let is_here =
        |row: &Row| arguments.all_namespaces || row.namespace == nomad.namespace().as_str();
    let is_named = |row: &Row| {
        arguments.names.is_empty() || arguments.names.iter().any(|name| name.as_str() == row.job)
    };
    rows.retain(|row| is_here(row) && is_named(row));
    if let Some(owner) = &arguments.owner {
        rows.retain(|row| row.owner.as_deref() == Some(owner.as_str()));
    }
    Ok(Look {
        rows,
        index: stubs.index,
    })
}

/// What is remembered of jobs, of one owner or of all. Only a part of the picture: what cannot be read is left out.
async fn remembered(
    context: &Context,
    nomad: &NomadClient,
    owner: Option<&OwnerId>,
) -> BTreeMap<JobKey, Remembered> {
    let owners = match owner {
        Some(owner) => Ok(vec![owner.clone()]),
        None => inventory::owners(nomad).await,
    };
    let owners = owners.unwrap_or_else(|error| {
        tracing::debug!("inventories are left out: {}", chain(&error));
        Vec::new()
    });
    let state_dir = context.environment.state_dir();
    let mut remembered = BTreeMap::new();
    for owner in owners {
        match Store::open(nomad, &owner, &state_dir).await {
            Ok((_, inventory)) => {
                let entries = inventory.entries.into_iter();
                remembered.extend(entries.map(|(key, entry)| (key, recalled(&owner, entry))));
            }
            Err(error) => tracing::debug!("{owner}'s inventory is left out: {}", chain(&error)),
        }
    }
    remembered
}

fn recalled(owner: &OwnerId, entry: Entry) -> Remembered {
    Remembered {
        owner: owner.clone(),
        index: entry.index,
        failed: entry.failed.is_some(),
        finished: entry.state == State::Completed,
        revision: entry.revision,
        written: i64::try_from(entry.written.as_nanosecond()).ok(),
    }
}

/// The name of a job that can be addressed.
fn key(stub: &JobStub) -> Option<JobKey> {
    Some(JobKey {
        namespace: stub.namespace.parse().ok()?,
        job: stub.id.parse().ok()?,
    })
}

/// Has Nomad send the named jobs only; `None` when a name would need quoting that filters do not have.
fn filter(names: &[JobId]) -> Option<String> {
    let is_tame = |name: &JobId| !name.as_str().contains(['"', '\\', '`']);
    if names.is_empty() || !names.iter().all(is_tame) {
        return None;
    }
    let terms: Vec<String> = names
        .iter()
        .map(|name| format!("ID == \"{name}\""))
        .collect();
    Some(terms.join(" or "))
}

fn refused(error: &NomadError) -> u8 {
    let is_unknown = matches!(
        error,
        NomadError::NotNomad { .. } | NomadError::NotFound { .. }
    ) && error.site().subject.starts_with("what jobs do");
    if is_unknown {
        exit::complain(
            &format!(
                "this Nomad cannot tell how all its jobs are: {}",
                chain(error)
            ),
            Some("cs status needs Nomad 1.8 or newer; cs why NAME works with older ones"),
        );
        return 1;
    }
    answer::failed(error)
}

async fn show(context: &Context, nomad: &NomadClient, arguments: &Arguments, look: &Look) -> u8 {
    let rows = &look.rows;
    let message = summary(rows);
    match arguments.output {
        Format::Json => output::json(&StatusReport::of_fleet(rows, message).json()),
        Format::Yaml => output::data(&StatusReport::of_fleet(rows, message).yaml()),
        Format::Table | Format::Wide if rows.is_empty() => nothing(nomad, arguments),
        Format::Table | Format::Wide => {
            let table = table(rows, arguments.output == Format::Wide, now());
            output::raw(&table.render(context.paint, terminal_width()));
            hint(nomad, arguments, rows);
        }
    }
    let mut code = match rows.iter().any(|row| row.condition.is_trouble()) {
        true if arguments.exit_code => 5,
        _ => 0,
    };
    // With an owner, a name may have been left out because it is somebody else's.
    for name in &arguments.names {
        if !rows.iter().any(|row| row.job == name.as_str()) {
            code = match &arguments.owner {
                None => answer::missing(nomad, name).await,
                Some(owner) => {
                    exit::complain(
                        &format!("{owner} has no job {name}"),
                        Some("leave out --owner"),
                    );
                    1
                }
            };
        }
    }
    code
}

fn nothing(nomad: &NomadClient, arguments: &Arguments) {
    if !arguments.names.is_empty() {
        return;
    }
    let place = match arguments.all_namespaces {
        true => "in any namespace".to_owned(),
        false => format!("in namespace {}", nomad.namespace()),
    };
    match &arguments.owner {
        Some(owner) => output::say(&format!("{owner} has no jobs {place}")),
        None => output::say(&format!("there are no jobs {place}")),
    }
}

/// What to type next, once for all.
fn hint(nomad: &NomadClient, arguments: &Arguments, rows: &[Row]) {
    let Some(first) = rows.iter().find(|row| row.condition.is_trouble()) else {
        return;
    };
    let job = crate::views::why::shell_word(&first.job);
    let namespace = match arguments.all_namespaces {
        true => format!(" -n {}", first.namespace),
        false => namespace_flag(nomad),
    };
    output::say(&format!("{}: cs why {job}{namespace}", summary(rows)));
}

fn summary(rows: &[Row]) -> String {
    let troubled = rows.iter().filter(|row| row.condition.is_trouble()).count() as u64;
    let all = count(rows.len() as u64, "job");
    match (rows.len(), troubled) {
        (0, _) => "no jobs".to_owned(),
        (_, 0) => format!("{all}, none needs attention"),
        (_, 1) => format!("1 of {all} needs attention"),
        _ => format!("{troubled} of {all} need attention"),
    }
}

fn table(rows: &[Row], wide: bool, now: Nanos) -> Table {
    let mut headers = vec![
        "NAME",
        "NAMESPACE",
        "TYPE",
        "OWNER",
        "HEALTH",
        "READY",
        "DRIFT",
        "VERSION",
        "REVISION",
        "AGE",
    ];
    if wide {
        headers.extend(["INDEX", "MESSAGE"]);
    }
    let mut table = Table::new(headers);
    for row in rows {
        table.row(cells(row, wide, now));
    }
    table
}

fn cells(row: &Row, wide: bool, now: Nanos) -> Vec<Cell> {
    let drift = match row.drift {
        Drift::Unknown | Drift::None => Tone::Plain,
        Drift::Changed => Tone::Warning,
        Drift::Failed | Drift::Gone => Tone::Bad,
    };
    let ready = match row.desired {
        Some(desired) => format!("{}/{desired}", row.ready),
        None => row.ready.to_string(),
    };
    let revision = row.revision.as_deref().map(|revision| {
        // A commit is known by its beginning.
        let is_hash = revision.len() == 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hash { &revision[..8] } else { revision }
    });
    let mut cells = vec![
        Cell::new(&row.job),
        Cell::new(&row.namespace),
        Cell::new(&row.kind),
        row.owner.clone().into(),
        Cell::toned(row.condition.word(), tone(row.condition)),
        ready.into(),
        Cell::toned(row.drift.word(), drift),
        row.version.map(|version| version.to_string()).into(),
        Cell::new(revision.unwrap_or_default()),
        age(row.submitted, now).into(),
    ];
    if wide {
        cells.extend([row.index.to_string().into(), Cell::new(&row.message)]);
    }
    cells
}

/// The colour of a condition.
pub(super) const fn tone(condition: Condition) -> Tone {
    match condition {
        Condition::Healthy | Condition::Completed => Tone::Good,
        Condition::Progressing | Condition::AwaitsPromotion => Tone::Warning,
        Condition::Stopped => Tone::Dim,
        Condition::Degraded
        | Condition::Blocked
        | Condition::Unhealthy
        | Condition::RolledBack
        | Condition::Missing => Tone::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_a_filter_unless_they_would_need_quoting() {
        let names = |texts: &[&str]| -> Vec<JobId> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        assert_eq!(filter(&[]), None);
        assert_eq!(
            filter(&names(&["shop", "a/b"])).unwrap(),
            "ID == \"shop\" or ID == \"a/b\""
        );
        assert_eq!(filter(&names(&["a\"b"])), None);
    }
}
