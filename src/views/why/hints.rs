//! Commands that would help, ready to be copied.

use crate::reconcile::CauseKind;

use super::super::condition::Condition;
use super::super::rollback::rollback;
use super::super::text::short;
use super::View;

/// A command and what it is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// To be copied.
    pub command: String,
    /// Why one would.
    pub what: &'static str,
}

/// A word as a shell takes it literally.
#[must_use]
pub fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._/-:@=+,".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

pub(super) fn hints(view: &View<'_>, namespace: Option<&str>) -> Vec<Hint> {
    let id = shell_word(&view.evidence.job.head.id);
    let namespace = namespace.map_or_else(String::new, |name| format!(" -n {}", shell_word(name)));
    let mut hints = Vec::new();
    let mut hint = |command: String, what: &'static str| hints.push(Hint { command, what });
    if let Some(at) = view.diagnosis.at().filter(|_| !view.closeup.log.is_empty()) {
        let task = shell_word(&at.task);
        let allocation = short(&at.allocation);
        hint(
            format!("cs logs {id}{namespace} --alloc {allocation} --task {task}"),
            "its whole log",
        );
    }
    let kind = view.diagnosis.first_cause().map(|cause| cause.kind);
    match kind {
        Some(CauseKind::Placement) => {
            hint(
                "nomad node status -verbose".to_owned(),
                "which nodes there are",
            );
            hint(
                format!("cs get {id}{namespace} -o yaml"),
                "what the job asks for",
            );
        }
        Some(CauseKind::Check) => {
            if let Some(at) = view.diagnosis.at() {
                let allocation = short(&at.allocation);
                hint(
                    format!(
                        "nomad alloc checks{} {allocation}",
                        nomad_namespace(&namespace)
                    ),
                    "what its checks say now",
                );
            }
        }
        Some(CauseKind::Pull | CauseKind::Driver | CauseKind::Setup | CauseKind::OutOfMemory) => {
            hint(
                format!("cs get {id}{namespace} -o yaml"),
                "image, command, resources and templates as Nomad has them",
            )
        }
        Some(CauseKind::Exit | CauseKind::Stuck) | None => {}
    }
    match view.diagnosis.condition {
        Condition::AwaitsPromotion => hint(
            format!("cs promote {id}{namespace}"),
            "the canaries take over",
        ),
        Condition::Unhealthy | Condition::Degraded | Condition::Stopped if can_go_back(view) => {
            hint(
                format!("cs rollback {id}{namespace}"),
                "back to the last version that was healthy",
            )
        }
        _ => {}
    }
    if view.diagnosis.condition == Condition::Stopped || view.diagnosis.rolled_back.is_some() {
        hint(
            format!("cs history {id}{namespace} --diff"),
            "what each version changed",
        );
    }
    if view.diagnosis.condition == Condition::Progressing {
        hint(
            format!(
                "cs wait {id}{namespace} --for {}",
                if view.is_batch() {
                    "completed"
                } else {
                    "healthy"
                }
            ),
            "wait for the end of it",
        );
    }
    hints
}

/// Nomad's own command line has its flags before the arguments, and others.
fn nomad_namespace(namespace: &str) -> String {
    namespace.replace(" -n ", " -namespace ")
}

fn can_go_back(view: &View<'_>) -> bool {
    rollback(&view.evidence.versions, None).is_ok()
}
