//! `cs runner status`: what waits, who works on what, what was given up.

use super::super::report::runner::StatusReport;
use super::super::{Context, exit, output};
use super::{Format, reach};
use crate::agent::status::{Status, status};
use crate::clients::chain;

/// Show what waits, who works on what, and what was given up.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cs runner status
  cs runner status -o json | jq .summary")]
pub(super) struct Arguments {
    /// How it is written.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> u8 {
    let fleet = match reach(&context.environment).await {
        Ok(fleet) => fleet,
        Err(error) => return error.complain(),
    };
    let status = match status(&fleet).await {
        Ok(status) => status,
        Err(error) => {
            exit::complain(&chain(&error), None);
            return 1;
        }
    };
    match arguments.output {
        Format::Json => output::json(&StatusReport::new(&status).line()),
        Format::Text => show(&status),
    }
    0
}

fn show(status: &Status) {
    output::line(&format!(
        "{} pending, {} in progress ({} of them not for the first time), {} dead",
        status.pending, status.in_progress, status.redelivered, status.dead
    ));
    for agent in &status.agents {
        let state = if agent.is_draining { ", draining" } else { "" };
        output::line(&format!(
            "agent {}: {} of {} slots{state}",
            agent.agent,
            agent.tasks.len(),
            agent.slots
        ));
        for task in &agent.tasks {
            output::line(&format!(
                "  no. {} {} {} try {} since {}",
                task.sequence,
                task.task,
                task.deployment_id.as_deref().unwrap_or("-"),
                task.tries,
                task.since
            ));
        }
    }
    for letter in &status.letters {
        output::line(&format!(
            "dead no. {} {} {} at {} after {} tries: {}",
            letter.sequence,
            letter.task,
            letter.deployment_id.as_deref().unwrap_or("-"),
            letter.at,
            letter.tries,
            letter.reason
        ));
    }
}
