//! `cs why`.

use std::time::Duration;

use super::cluster::ClusterArgs;
use super::report::status::{JobEntry, StatusReport};
use super::status::tone;
use super::table::now;
use super::{Context, answer, block_on, output};
use crate::clients::nomad::calls::jobs::JobQuery;
use crate::clients::nomad::client::NomadClient;
use crate::clients::nomad::error::NomadError;
use crate::controller::converge::log_tail;
use crate::controller::note::Notes;
use crate::ids::JobId;
use crate::reconcile::observed::Activity;
use crate::views::Condition;
use crate::views::why::{
    Closeup, Diagnosis, Evidence, Mark, Step, Story, diagnose, look_closer_at, story,
};

/// Explain what keeps a job from being healthy, first cause first.
///
/// Walks from the specification over evaluation, placement and rollout to the events, the log and the checks of the
/// allocation at fault, and ends with the commands that would help. Answers for healthy jobs as well.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cs why shop\n  cs why shop -n team\n  cs why backup            # a periodic job: its last run\n  cs why shop -o json"
)]
pub(super) struct Arguments {
    /// Name of the job.
    #[arg(value_name = "NAME")]
    name: JobId,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// How it is shown.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
    /// Exit with 5 (unhealthy, degraded), 6 (rolled back) or 7 (no node fits) when the job is so.
    #[arg(long)]
    exit_code: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
    Yaml,
}

/// How long a node may take for what is only nice to know: it may be away.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn run(context: &Context, arguments: Arguments) -> u8 {
    block_on(async {
        let nomad = match arguments.cluster.client(context) {
            Ok(nomad) => nomad,
            Err(code) => return code,
        };
        let told = match tell(&nomad, &arguments.name).await {
            Ok(Some(told)) => told,
            Ok(None) => return answer::missing(&nomad, &arguments.name).await,
            Err(error) => return answer::failed(&error),
        };
        let stories = std::slice::from_ref(&told);
        let entries = || vec![JobEntry::of_story(&told, nomad.namespace().as_str())];
        match arguments.output {
            Format::Json => output::json(&StatusReport::of_stories(entries(), stories).json()),
            Format::Yaml => output::data(&StatusReport::of_stories(entries(), stories).yaml()),
            Format::Text => output::raw(&text(context, &told)),
        }
        if arguments.exit_code {
            exit_code(told.condition)
        } else {
            0
        }
    })
}

const fn exit_code(condition: Condition) -> u8 {
    match condition {
        Condition::Unhealthy | Condition::Degraded | Condition::Missing => 5,
        Condition::RolledBack => 6,
        Condition::Blocked => 7,
        Condition::Healthy
        | Condition::Completed
        | Condition::Progressing
        | Condition::AwaitsPromotion
        | Condition::Stopped => 0,
    }
}

/// The story of a job, with that of its last run when it starts others; `None` when there is no such job.
async fn tell(nomad: &NomadClient, id: &JobId) -> Result<Option<Story>, NomadError> {
    let Some(evidence) = gather(nomad, id).await? else {
        return Ok(None);
    };
    let mut told = told(nomad, &evidence).await;
    let newest = evidence.children.iter().max_by_key(|child| {
        // Two may begin within one second.
        (child.submit_time, child.id.clone())
    });
    if let Some(child) = newest.and_then(|child| child.id.parse::<JobId>().ok())
        && let Some(evidence) = gather(nomad, &child).await?
    {
        told.child = Some(Box::new(self::told(nomad, &evidence).await));
    }
    Ok(Some(told))
}

async fn told(nomad: &NomadClient, evidence: &Evidence) -> Story {
    let diagnosis = diagnose(evidence);
    let closeup = closeup(nomad, evidence, &diagnosis).await;
    let namespace = nomad.namespace().as_str();
    let namespace = (namespace != "default").then_some(namespace);
    story(evidence, &diagnosis, &closeup, namespace, now())
}

/// What Nomad's servers know of a job.
async fn gather(nomad: &NomadClient, id: &JobId) -> Result<Option<Evidence>, NomadError> {
    // First: an evaluation that is over has left its mark on the allocations that are read after it.
    let evaluations = nomad.evaluations(id).await?.value;
    let (job, allocations, rollout, rollouts, versions) = tokio::try_join!(
        nomad.job(id).into_future(),
        nomad.allocations(id, true).into_future(),
        nomad.latest_rollout(id).into_future(),
        nomad.rollouts(id, false).into_future(),
        nomad.job_versions(id).into_future(),
    )?;
    let Some(job) = job.value else {
        return Ok(None);
    };
    let is_parent = job.head.periodic.is_some() || job.head.parameterized_job.is_some();
    let children = match is_parent {
        false => Vec::new(),
        true => {
            let query = JobQuery {
                prefix: Some(format!("{id}/")),
                ..JobQuery::default()
            };
            let mut children = nomad.jobs(&query).await?.value;
            children.retain(|child| child.parent_id == id.as_str());
            children
        }
    };
    Ok(Some(Evidence {
        job,
        activity: Activity {
            evaluations,
            rollout: rollout.value,
            allocations: allocations.value,
        },
        rollouts: rollouts.value,
        versions: versions.value.unwrap_or_default().versions,
        children,
    }))
}

/// What the node of the allocation at fault knows. Each question may go unanswered.
async fn closeup(nomad: &NomadClient, evidence: &Evidence, diagnosis: &Diagnosis) -> Closeup {
    let Some(allocation) = look_closer_at(evidence, diagnosis) else {
        return Closeup::default();
    };
    // The receiver is gone: the lines are wanted, not the note about them.
    let (notes, _) = Notes::channel();
    let log = async {
        match &diagnosis.first_cause() {
            Some(cause) => log_tail(nomad, cause, &notes).await,
            None => Vec::new(),
        }
    };
    let checks = async {
        let read = nomad.allocation_checks(&allocation.id).await;
        read.map(|read| read.value.into_values().collect())
            .unwrap_or_default()
    };
    let node = async {
        let read = nomad.node(&allocation.node_id).await;
        read.ok().and_then(|read| read.value)
    };
    let (log, checks, node) = tokio::join!(
        tokio::time::timeout(PATIENCE, log),
        tokio::time::timeout(PATIENCE, checks),
        tokio::time::timeout(PATIENCE, node),
    );
    Closeup {
        log: log.unwrap_or_default(),
        checks: checks.unwrap_or_default(),
        node: node.unwrap_or_default(),
    }
}

fn text(context: &Context, story: &Story) -> String {
    let paint = context.paint;
    let mut text = format!(
        "{}\n",
        tone(story.condition).paint(paint, &paint.bold(&story.headline))
    );
    if let Some(cause) = &story.cause {
        text.push_str(&format!("  help: {}\n", cause.kind.help()));
    }
    text.push('\n');
    for step in &story.steps {
        text.push_str(&step_text(context, step));
    }
    if !story.hints.is_empty() {
        text.push_str("\nNext\n");
        let width = story.hints.iter().map(|hint| hint.command.chars().count());
        let width = width.max().unwrap_or(0);
        for hint in &story.hints {
            let command = format!("{:<width$}", hint.command);
            let what = paint.dim(&format!("# {}", hint.what));
            text.push_str(&format!("  {}   {what}\n", paint.cyan(&command)));
        }
    }
    if let Some(child) = &story.child {
        text.push_str(&format!("\nLast run\n{}", self::text(context, child)));
    }
    text
}

fn step_text(context: &Context, step: &Step) -> String {
    let paint = context.paint;
    let mark = match step.mark {
        Mark::Good => paint.green("✓"),
        Mark::Bad => paint.red("✗"),
        Mark::Open => paint.yellow("…"),
        Mark::None => paint.dim("-"),
    };
    let mut text = format!("  {mark} {:<10}  {}\n", step.name, step.text);
    for line in &step.lines {
        text.push_str(&format!("      {line}\n"));
    }
    text
}
