//! `cs runner setup`: makes the queue and says what it changed.

use super::super::report::runner::SetupReport;
use super::super::{Context, exit, output};
use super::{Format, reach};
use crate::agent::settings::Wishes;
use crate::agent::setup::{Change, Done, setup};
use crate::clients::chain;
use crate::spec::Span;

/// Make the queue, or bring it to the settings that are wanted.
///
/// Repeating it changes nothing. Tasks that wait stay. What NATS never changes is refused, with the name of the setting.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cs runner setup
  cs runner setup --replicas 3 --ack-wait 1m
  cs runner setup -o json")]
pub(super) struct Arguments {
    /// Copies of every stream in a cluster of NATS servers.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=5))]
    replicas: u8,
    /// How long an agent may be silent before its task is given to another one.
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    ack_wait: Span,
    /// Most tasks that may wait; one more is refused.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    max_tasks: u32,
    /// Most tasks that all agents together work on at a time.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    max_in_progress: u32,
    /// How it is written.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> u8 {
    let ack_wait = arguments.ack_wait.0;
    if ack_wait.as_secs() == 0 {
        return exit::usage("--ack-wait must be at least 1s", "");
    }
    let wishes = Wishes {
        replicas: usize::from(arguments.replicas),
        ack_wait,
        max_tasks: arguments.max_tasks.into(),
        max_in_progress: arguments.max_in_progress.into(),
    };
    let fleet = match reach(&context.environment).await {
        Ok(fleet) => fleet,
        Err(error) => return error.complain(),
    };
    let done = match setup(&fleet, &wishes).await {
        Ok(done) => done,
        Err(error) => {
            exit::complain(&chain(&error), None);
            return 1;
        }
    };
    match arguments.output {
        Format::Json => output::json(&SetupReport::new(&done).line()),
        Format::Text => done.iter().for_each(show),
    }
    0
}

fn show(done: &Done) {
    let what = &done.what;
    match &done.change {
        Change::Made => output::line(&format!("made       {what}")),
        Change::Unchanged => output::line(&format!("unchanged  {what}")),
        Change::Changed(differences) => {
            let texts: Vec<String> = differences.iter().map(ToString::to_string).collect();
            output::line(&format!("changed    {what}: {}", texts.join(", ")));
        }
    }
}
