//! Progress of a run: a live tree where standard error is a terminal, one log line a note elsewhere.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::OnceLock;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::mpsc::UnboundedReceiver;
use tracing_subscriber::fmt::MakeWriter;

use super::output;
use crate::controller::{Note, Phase};
use crate::plain;

/// The tree that is on the screen, so that log lines are written above it and not into it.
static TREE: OnceLock<MultiProgress> = OnceLock::new();

/// The tree that is on the screen from now on.
pub(super) fn tree() -> MultiProgress {
    TREE.get_or_init(MultiProgress::new).clone()
}

/// Writes while the live tree, if there is one, is off the screen.
pub(super) fn aside<T>(write: impl FnOnce() -> T) -> T {
    match TREE.get() {
        Some(tree) => tree.suspend(write),
        None => write(),
    }
}

/// Standard error for log lines; steps aside for the live tree.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        aside(|| io::stderr().write_all(output::record(line).as_bytes()))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Standard output for event lines; steps aside for the live tree.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct EventWriter;

impl Write for EventWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // Lines of JSON, each whole.
        let line_as_text = String::from_utf8_lossy(line);
        aside(|| io::stdout().write_all(plain::json(&line_as_text).as_bytes()))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
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

/// Log lines of a note. What the end of the run says again, with what to do about it, is for `debug`.
pub(super) fn log(note: &Note) {
    for line in note.lines() {
        match note {
            Note::Warning(_) | Note::Retrying { .. } => tracing::warn!("{line}"),
            Note::Deploying { .. }
            | Note::Destroying { .. }
            | Note::Began(_)
            | Note::Ended(..)
            | Note::LogTail { .. } => {
                tracing::debug!("{line}");
            }
            Note::Finished { outcome, .. } if !outcome.is_success() => tracing::debug!("{line}"),
            Note::Planned { job, .. }
            | Note::Unchanged { job }
            | Note::Registered { job, .. }
            | Note::Stopped { job }
            | Note::Purged { job }
            | Note::Reverted { job, .. }
            | Note::Waiting { job, .. }
            | Note::Finished { job, .. } => tracing::info!(job.id = %job, "{line}"),
        }
    }
}

/// The live tree: one line a step, the last one moving.
struct Tree {
    bars: MultiProgress,
    steps: HashMap<Phase, ProgressBar>,
    current: Option<Phase>,
}

impl Tree {
    fn new() -> Self {
        Self {
            bars: tree(),
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
                    Ok(()) if *phase == Phase::HealthCheck => ("✓", "healthy".to_owned()),
                    Ok(()) => ("✓", bar.message()),
                    Err(text) => ("✗", plain::line(text).into_owned()),
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
            Note::Reverted { version, .. } => self.say(format!("went back to version {version}")),
            Note::Waiting { progress, .. } => self.say(format!("waiting until {progress}")),
            Note::Deploying { .. } | Note::Destroying { .. } => {}
            Note::Retrying { .. }
            | Note::Warning(_)
            | Note::LogTail { .. }
            | Note::Finished { .. } => log(note),
        }
    }

    fn say(&mut self, message: String) {
        if let Some(phase) = self.current {
            self.step(phase)
                .set_message(plain::line(&message).into_owned());
        }
    }

    /// Leaves the tree on the screen as it stands.
    fn finish(self) {
        for bar in self.steps.values().filter(|bar| !bar.is_finished()) {
            bar.abandon();
        }
        if !self.steps.is_empty() {
            // The last bar leaves the cursor at its end. Nobody is told when the terminal has gone.
            let _ = writeln!(io::stderr());
        }
        self.bars.set_draw_target(ProgressDrawTarget::hidden());
    }
}

pub(super) fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates above are valid")
}
