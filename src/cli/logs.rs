//! `cs logs`.

mod follow;
mod read;
mod writer;

use super::attend::namespace_flag;
use super::cluster::ClusterArgs;
use super::signals::Signals;
use super::table::now;
use super::{Context, answer, block_on, exit};
use crate::clients::nomad::calls::jobs::JobQuery;
use crate::clients::nomad::calls::log_stream::LogSource;
use crate::clients::nomad::calls::logs::LogKind;
use crate::clients::nomad::client::NomadClient;
use crate::clients::nomad::error::NomadError;
use crate::clients::nomad::types::{Allocation, JobRecord};
use crate::ids::JobId;
use crate::views::logs::{Chosen, NoLogs, Selection, choose, label, sources};
use crate::views::text::{age, list, short};
use crate::views::why::shell_word;
use writer::{Look, Writer};

/// Show or follow the log of the tasks of a job.
///
/// Of all allocations that run; when none runs, of the last ones. When there are several logs, each line begins with
/// allocation and task, then `|` for standard output or `!` for standard error. Nomad keeps no times with the lines, so
/// there is no way to ask for those since a moment.
///
/// With -f the log goes on until Ctrl-C, or until the job has ended: new allocations are followed as they appear, and a
/// node that goes away does not end it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cs logs shop\n  cs logs shop -f\n  cs logs shop --task app --stderr --tail 50\n  cs logs shop --alloc 1a2b3c4d --previous\n  cs logs shop --raw --prefix never > shop.log\n  cs logs shop -o json | jq -r .line"
)]
pub(super) struct Arguments {
    /// Job. Of a periodic or parameterized one: its last run.
    #[arg(value_name = "NAME")]
    name: JobId,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Go on with what is written from now on.
    #[arg(short, long)]
    follow: bool,
    /// Only of this task.
    #[arg(short, long)]
    task: Option<String>,
    /// Only of the allocation whose id begins so.
    #[arg(short, long, value_name = "ID")]
    alloc: Option<String>,
    /// Only of this group.
    #[arg(short, long)]
    group: Option<String>,
    /// Only standard output.
    #[arg(long, conflicts_with_all = ["stderr", "all"])]
    stdout: bool,
    /// Only standard error.
    #[arg(long, conflicts_with = "all")]
    stderr: bool,
    /// Standard output and standard error. The default.
    #[arg(long)]
    all: bool,
    /// Begin with the last N lines of each log, or with `all`. Default: all, with --follow 10.
    #[arg(long, value_name = "N")]
    tail: Option<TailArg>,
    /// Of the allocations before those that run, or of the one that --alloc replaced.
    #[arg(short, long, conflicts_with = "follow")]
    previous: bool,
    /// When lines begin with allocation and task. Auto: when there are, or may be, several.
    #[arg(long, value_enum, default_value = "auto")]
    prefix: When,
    /// Lines as they are. Without it, what steers a terminal is replaced, except colours where colours are used.
    #[arg(long)]
    raw: bool,
    /// How lines are shown. JSON is one object a line.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum When {
    Auto,
    Always,
    Never,
}

/// How much of what there is already is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TailArg {
    All,
    Lines(usize),
}

impl std::str::FromStr for TailArg {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "all" => Ok(Self::All),
            text => text
                .parse()
                .map(Self::Lines)
                .map_err(|_| "expected a number of lines, or `all`"),
        }
    }
}

/// Logs that are followed at the same time. Each holds a connection, of which an agent allows a hundred per address.
const MOST: usize = 40;

pub(super) fn run(context: &Context, arguments: Arguments) -> u8 {
    block_on(async {
        let nomad = match arguments.cluster.client(context) {
            Ok(nomad) => nomad,
            Err(code) => return code,
        };
        let mut signals = Signals::catch();
        // Cancel-safe: reads are dropped; what is queued is still written, as far as somebody reads it.
        tokio::select! {
            ended = logs(context, &nomad, &arguments) => match ended {
                Ok(code) | Err(code) => code,
            },
            // That is how following ends.
            () = signals.first() => if arguments.follow { 0 } else { 10 },
        }
    })
}

/// A job whose logs are shown, and its allocations.
struct Subject {
    job: JobRecord,
    id: JobId,
    allocations: Vec<Allocation>,
    /// Index of the list of allocations.
    index: u64,
}

impl Subject {
    /// Reads a job and its allocations; `None` when there is no such job.
    async fn read(nomad: &NomadClient, id: &JobId) -> Result<Option<Self>, NomadError> {
        let (job, allocations) = tokio::try_join!(
            nomad.job(id).into_future(),
            nomad.allocations(id, true).into_future(),
        )?;
        Ok(job.value.map(|job| Self {
            job,
            id: id.clone(),
            allocations: allocations.value,
            index: allocations.index,
        }))
    }

    /// Nothing of it runs, and nothing will.
    fn is_over(&self) -> bool {
        let head = &self.job.head;
        (head.stop || head.status == "dead") && self.allocations.iter().all(Allocation::is_terminal)
    }
}

async fn logs(context: &Context, nomad: &NomadClient, arguments: &Arguments) -> Result<u8, u8> {
    let read = Subject::read(nomad, &arguments.name).await;
    let Some(mut subject) = read.map_err(|error| answer::failed(&error))? else {
        return Err(answer::missing(nomad, &arguments.name).await);
    };
    if subject.job.head.periodic.is_some() || subject.job.head.parameterized_job.is_some() {
        subject = last_run(nomad, &subject.id).await?;
    }
    let selection = arguments.selection();
    let chosen = match choose(&subject.allocations, &selection) {
        Ok(chosen) => chosen,
        Err(NoLogs::NoAllocations) if arguments.follow && !subject.is_over() => Chosen::default(),
        Err(none) => return Err(refused(nomad, &subject.id, &none)),
    };
    if chosen.is_past {
        say_past(&subject, &chosen);
    }
    let kinds = arguments.kinds();
    let task = arguments.task.as_deref();
    let logs: Vec<LogSource> = chosen
        .allocations
        .iter()
        .flat_map(|allocation| sources(allocation, task, &kinds))
        .collect();
    let writer = Writer::start(arguments.look(context, &logs));
    let is_followed = arguments.follow && !subject.is_over();
    if logs.is_empty() && !is_followed {
        return Err(not_started(nomad, &subject.id));
    }
    if is_followed && logs.len() > MOST {
        return Err(too_many(&logs));
    }
    let code = if is_followed {
        follow::follow(nomad, arguments, subject, &writer).await
    } else {
        read::read(
            nomad,
            &logs,
            arguments.tail.unwrap_or(TailArg::All),
            &writer,
        )
        .await
    };
    writer.finish().await;
    Ok(code)
}

/// The newest run of a job that starts others.
async fn last_run(nomad: &NomadClient, id: &JobId) -> Result<Subject, u8> {
    let query = JobQuery {
        prefix: Some(format!("{id}/")),
        ..JobQuery::default()
    };
    let read = nomad.jobs(&query).await;
    let children = read.map_err(|error| answer::failed(&error))?.value;
    let newest = children
        .iter()
        .filter(|child| child.parent_id == id.as_str())
        .max_by_key(|child| (child.submit_time, child.id.clone()));
    let Some(child) = newest.and_then(|child| child.id.parse::<JobId>().ok()) else {
        exit::complain(
            &format!("job {id} starts others, and has not started one that Nomad still knows"),
            Some(&format!("cs why {id} tells when it does")),
        );
        return Err(1);
    };
    tracing::info!("the last run of {id} is {child}");
    let read = Subject::read(nomad, &child).await;
    match read.map_err(|error| answer::failed(&error))? {
        Some(subject) => Ok(subject),
        None => Err(answer::missing(nomad, &child).await),
    }
}

impl Arguments {
    fn selection(&self) -> Selection {
        Selection {
            allocation: self.alloc.clone(),
            group: self.group.clone(),
            task: self.task.clone(),
            previous: self.previous,
        }
    }

    fn kinds(&self) -> Vec<LogKind> {
        match (self.stdout, self.stderr) {
            (true, _) => vec![LogKind::Stdout],
            (_, true) => vec![LogKind::Stderr],
            _ => vec![LogKind::Stdout, LogKind::Stderr],
        }
    }

    fn look(&self, context: &Context, logs: &[LogSource]) -> Look {
        let mut labels: Vec<String> = logs.iter().map(label).collect();
        labels.sort();
        labels.dedup();
        let has_prefix = match self.prefix {
            When::Always => true,
            When::Never => false,
            // Allocations that appear later would be mistaken for this one.
            When::Auto => labels.len() > 1 || self.follow && self.alloc.is_none(),
        };
        let width = labels.iter().map(|label| label.chars().count()).max();
        Look {
            json: self.output == Format::Json,
            raw: self.raw,
            prefix: has_prefix.then(|| width.unwrap_or(0)),
            paint: context.paint,
        }
    }
}

fn say_past(subject: &Subject, chosen: &Chosen<'_>) {
    let now = now();
    let told: Vec<String> = chosen
        .allocations
        .iter()
        .map(|allocation| {
            let when = age(allocation.modify_time, now);
            format!(
                "{} ({} {when} ago)",
                short(&allocation.id),
                allocation.client_status
            )
        })
        .collect();
    tracing::info!(
        "nothing of {} runs; this is what ran last: {}",
        subject.id,
        list(&told)
    );
}

fn refused(nomad: &NomadClient, id: &JobId, none: &NoLogs) -> u8 {
    let help = match none {
        NoLogs::NoAllocations => format!(
            "cs why {}{} tells why nothing runs",
            shell_word(id.as_str()),
            namespace_flag(nomad)
        ),
        NoLogs::NoPrevious => "leave out --previous".to_owned(),
        NoLogs::Ambiguous { .. } => "give more of the id".to_owned(),
        NoLogs::NoSuchAllocation { .. }
        | NoLogs::NoSuchGroup { .. }
        | NoLogs::NoSuchTask { .. } => "leave the flag out to see all".to_owned(),
    };
    exit::complain(&format!("no log of job {id}: {none}"), Some(&help));
    1
}

fn not_started(nomad: &NomadClient, id: &JobId) -> u8 {
    exit::complain(
        &format!("no log of job {id}: no task of it has started yet"),
        Some(&format!(
            "cs why {}{} tells what it waits for; -f waits for the first line",
            shell_word(id.as_str()),
            namespace_flag(nomad)
        )),
    );
    1
}

fn too_many(logs: &[LogSource]) -> u8 {
    exit::usage(
        format!(
            "{} logs are more than the {MOST} that can be followed at a time",
            logs.len()
        ),
        "narrow them with --alloc, --group, --task, --stdout or --stderr",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_is_a_number_of_lines_or_all() {
        assert_eq!("all".parse(), Ok(TailArg::All));
        assert_eq!("10".parse(), Ok(TailArg::Lines(10)));
        assert!("-1".parse::<TailArg>().is_err());
        assert!("ten".parse::<TailArg>().is_err());
    }
}
