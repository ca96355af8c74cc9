//! Progress of a run: a live tree where standard error is a terminal, one log line a note elsewhere.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::OnceLock;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::sync::mpsc::UnboundedReceiver;
use tracing_subscriber::fmt::MakeWriter;

use crate::controller::{Note, Phase};
use crate::reconcile::health::Progress;

/// The tree that is on the screen, so that log lines are written above it and not into it.
static TREE: OnceLock<MultiProgress> = OnceLock::new();

/// Standard error for log lines; steps aside for the live tree.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match TREE.get() {
            Some(tree) => tree.suspend(|| io::stderr().write(line)),
            None => io::stderr().write(line),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

/// Shows notes until their sender is gone.
pub(super) async fn show(
    mut notes: UnboundedReceiver<Note>,
    interactive: bool,
    mut each: impl FnMut(&Note),
) {
    let mut tree = interactive.then(Tree::new);
    while let Some(note) = notes.recv().await {
        each(&note);
        match &mut tree {
            Some(tree) => tree.show(&note),
            None => log(&note),
        }
    }
    if let Some(tree) = tree {
        tree.finish();
    }
}

/// One log line a note.
fn log(note: &Note) {
    match note {
        Note::Began(phase) => tracing::debug!(step = phase.name(), "begins"),
        Note::Ended(phase, Ok(())) => tracing::debug!(step = phase.name(), "done"),
        // The end of the run says it again, with what to do about it.
        Note::Ended(phase, Err(text)) => tracing::debug!(step = phase.name(), "failed: {text}"),
        Note::Planned {
            job, is_new: true, ..
        } => tracing::info!(%job, "plan: create job {job}"),
        Note::Planned { job, changes, .. } => {
            tracing::info!(%job, "plan: update job {job}, {} change(s)", changes.len());
            for change in changes {
                tracing::info!(%job, "  {change}");
            }
        }
        Note::Unchanged { job } => {
            tracing::info!(%job, "plan: job {job} is as wanted, nothing to write")
        }
        Note::Registered {
            job,
            index,
            warnings,
        } => {
            tracing::info!(%job, index = index.0, "registered job {job} at index {index}");
            if !warnings.is_empty() {
                tracing::warn!(%job, "Nomad remarks: {}", crate::reconcile::cause::one_line(warnings));
            }
        }
        Note::Stopped { job } => tracing::info!(%job, "stopped job {job}"),
        Note::Purged { job } => tracing::info!(%job, "purged job {job}"),
        Note::Waiting { job, progress } => tracing::info!(%job, "job {job}: {}", waiting(progress)),
        Note::Retrying { reason, pause } if pause.is_zero() => {
            tracing::warn!("looking again: {reason}")
        }
        Note::Retrying { reason, pause } => {
            tracing::warn!("trying again in {:.1} s: {reason}", pause.as_secs_f64())
        }
        Note::Warning(text) => tracing::warn!("{text}"),
        Note::LogTail { task, lines } => {
            for line in lines {
                tracing::debug!(task, "log of {task}: {line}");
            }
        }
        Note::Finished { job, outcome } if outcome.is_success() => {
            tracing::info!(%job, "job {job}: {}", outcome.message())
        }
        Note::Finished { job, outcome } => {
            tracing::debug!(%job, "job {job}: {}", outcome.message())
        }
    }
}

/// `waiting until allocations become healthy (1 of 2); so far: exit code 3 …`
fn waiting(progress: &Progress) -> String {
    let mut text = format!("waiting until {}", progress.waiting_for);
    if progress.desired > 0 {
        text.push_str(&format!(" ({} of {})", progress.healthy, progress.desired));
    }
    if let Some(trouble) = &progress.trouble {
        text.push_str(&format!("; so far: {trouble}"));
    }
    text
}

/// The live tree: one line a step, the last one moving.
struct Tree {
    bars: MultiProgress,
    steps: HashMap<Phase, ProgressBar>,
    current: Option<Phase>,
}

impl Tree {
    fn new() -> Self {
        let bars = TREE.get_or_init(MultiProgress::new).clone();
        Self {
            bars,
            steps: HashMap::new(),
            current: None,
        }
    }

    fn step(&mut self, phase: Phase) -> &ProgressBar {
        let bars = &self.bars;
        self.steps.entry(phase).or_insert_with(|| {
            let bar = bars.add(ProgressBar::new_spinner());
            bar.set_style(style("{spinner} {prefix:<15} {elapsed:>5}  {wide_msg}"));
            bar.set_prefix(phase.name());
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        })
    }

    fn show(&mut self, note: &Note) {
        match note {
            Note::Began(phase) => {
                self.current = Some(*phase);
                self.step(*phase);
            }
            Note::Ended(phase, ended) => {
                let bar = self.step(*phase).clone();
                let (mark, message) = match ended {
                    Ok(()) => ("✓", bar.message()),
                    Err(text) => ("✗", text.clone()),
                };
                bar.set_style(style(&format!(
                    "{mark} {{prefix:<15}} {{elapsed:>5}}  {{wide_msg}}"
                )));
                bar.finish_with_message(message);
            }
            Note::Planned { is_new: true, .. } => self.say("new job".to_owned()),
            Note::Planned { changes, .. } => self.say(format!("{} change(s)", changes.len())),
            Note::Unchanged { .. } => self.say("as wanted, nothing to write".to_owned()),
            Note::Registered { index, .. } => self.say(format!("registered at index {index}")),
            Note::Stopped { job } => self.say(format!("stopped {job}")),
            Note::Purged { job } => self.say(format!("purged {job}")),
            Note::Waiting { progress, .. } => self.say(waiting(progress)),
            Note::Retrying { .. }
            | Note::Warning(_)
            | Note::LogTail { .. }
            | Note::Finished { .. } => log(note),
        }
    }

    fn say(&mut self, message: String) {
        if let Some(phase) = self.current {
            self.step(phase).set_message(message);
        }
    }

    fn finish(self) {
        for bar in self.steps.values().filter(|bar| !bar.is_finished()) {
            bar.abandon();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates above are valid")
}
