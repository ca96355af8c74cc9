//! Progress of a set: a live tree where standard error is a terminal, one log line a note elsewhere.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

use super::progress::{log, style, tree};
use super::signals::Signals;
use super::{Context, exit};
use crate::controller::Note;
use crate::controller::set::apply::SetNote;
use crate::ids::JobKey;
use crate::plain;

/// Lines of jobs that are under way at once; more only scroll the screen.
const MOST_LINES: usize = 16;

/// Shows work on a set to its end. A first signal cancels the token, a second one drops the work: `None`.
///
/// `work` owns the sender of `notes`; `jobs` is how many it is about.
pub(super) async fn attend<T>(
    context: &Context,
    notes: UnboundedReceiver<SetNote>,
    jobs: usize,
    cancel: &CancellationToken,
    work: impl Future<Output = T>,
) -> Option<T> {
    let mut signals = Signals::catch();
    let shown = show(notes, context.interactive, jobs);
    let both = async { tokio::join!(work, shown).0 };
    let stop = async {
        signals.first().await;
        tracing::warn!(
            "stopping: nothing new is begun, what Nomad has begun goes on (once more to stop at once)"
        );
        cancel.cancel();
        signals.first().await;
    };
    // Cancel-safe: a second signal means to drop what is under way.
    tokio::select! {
        biased;
        done = both => Some(done),
        () = stop => {
            exit::complain(
                "stopped at once; what was written so far may not be remembered yet",
                Some("repeat the same command: what stands already is found to stand"),
            );
            None
        }
    }
}

/// Shows notes until their senders are gone.
async fn show(mut notes: UnboundedReceiver<SetNote>, interactive: bool, jobs: usize) {
    let mut live = interactive.then(|| Live::new(jobs));
    while let Some(note) = notes.recv().await {
        match &mut live {
            Some(live) => live.show(&note),
            None => log(&note.note),
        }
    }
    if let Some(live) = live {
        live.finish();
    }
}

struct Live {
    bars: MultiProgress,
    total: ProgressBar,
    lines: HashMap<JobKey, ProgressBar>,
    jobs: usize,
    ended: usize,
}

impl Live {
    fn new(jobs: usize) -> Self {
        let bars = tree();
        let total = bars.add(ProgressBar::new_spinner());
        total.set_style(style("{spinner} {wide_msg} {elapsed}"));
        total.enable_steady_tick(Duration::from_millis(100));
        let live = Self {
            bars,
            total,
            lines: HashMap::new(),
            jobs,
            ended: 0,
        };
        live.count();
        live
    }

    fn count(&self) {
        self.total
            .set_message(format!("{} of {} done", self.ended, self.jobs));
    }

    fn show(&mut self, note: &SetNote) {
        let message = match &note.note {
            Note::Planned { is_new: true, .. } => "creating".to_owned(),
            Note::Planned { changes, .. } => format!("updating, {} change(s)", changes.len()),
            Note::Unchanged { .. } => "as wanted".to_owned(),
            Note::Registered { index, .. } => format!("registered at index {index}"),
            Note::Stopped { .. } => "stopped".to_owned(),
            Note::Purged { .. } => "purged".to_owned(),
            Note::Reverted { version, .. } => format!("going back to version {version}"),
            Note::Waiting { progress, .. } => format!("waiting until {progress}"),
            Note::Retrying { reason, .. } => reason.clone(),
            Note::Finished { outcome, .. } => {
                let mark = if outcome.is_success() { "✓" } else { "✗" };
                self.end(
                    &note.key,
                    &format!("{mark} {}  {}", note.key, outcome.message()),
                );
                return;
            }
            Note::Warning(_) | Note::LogTail { .. } => {
                log(&note.note);
                return;
            }
            Note::Deploying { .. } | Note::Destroying { .. } | Note::Began(_) | Note::Ended(..) => {
                return;
            }
        };
        if let Some(line) = self.line(&note.key) {
            line.set_message(plain::line(&message).into_owned());
        }
    }

    fn line(&mut self, key: &JobKey) -> Option<&ProgressBar> {
        if !self.lines.contains_key(key) {
            if self.lines.len() >= MOST_LINES {
                return None;
            }
            let line = self
                .bars
                .insert_before(&self.total, ProgressBar::new_spinner());
            line.set_style(style("{spinner} {prefix}  {wide_msg}"));
            line.set_prefix(plain::line(&key.to_string()).into_owned());
            line.enable_steady_tick(Duration::from_millis(100));
            self.lines.insert(key.clone(), line);
        }
        self.lines.get(key)
    }

    fn end(&mut self, key: &JobKey, text: &str) {
        if let Some(line) = self.lines.remove(key) {
            line.finish_and_clear();
        }
        // Nobody is told when the terminal has gone.
        let _ = self.bars.println(plain::text(text));
        self.ended += 1;
        self.count();
    }

    fn finish(self) {
        for line in self.lines.values() {
            line.finish_and_clear();
        }
        self.total.finish_and_clear();
        let _ = io::stderr().flush();
        self.bars.set_draw_target(ProgressDrawTarget::hidden());
    }
}
