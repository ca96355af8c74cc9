//! The last lines that a task wrote.

use crate::clients::nomad::client::{NomadClient, ReadCall, segment};
use crate::clients::nomad::error::NomadError;

/// Which output of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogKind {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl LogKind {
    /// Nomad's name for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }

    /// What follows the task's name in the name of a file of this output.
    pub(super) const fn suffix(self) -> &'static str {
        match self {
            Self::Stdout => ".stdout",
            Self::Stderr => ".stderr",
        }
    }
}

impl NomadClient {
    /// Reads at most the last `bytes` of a task's output; `None` when there is none yet or no longer (never started,
    /// purged, collected).
    ///
    /// The first line may be cut. The text is the workload's own: do not trust it, do not log it as ours.
    ///
    /// # Errors
    /// See [`NomadError`]; an unknown task is [`NomadError::Refused`].
    ///
    /// # Cancel safety
    /// A read: dropping it changes nothing.
    pub async fn log_tail(
        &self,
        allocation: &str,
        task: &str,
        kind: LogKind,
        bytes: usize,
    ) -> Result<Option<String>, NomadError> {
        let subject = format!(
            "{} of task `{}` in allocation `{allocation}`",
            kind.as_str(),
            task.escape_debug()
        );
        let path = format!("client/fs/logs/{}", segment(allocation));
        let call: ReadCall<()> = self
            .read("read", subject, path)
            .query("task", task)
            .query("type", kind.as_str())
            .query("plain", "true")
            .query("follow", "false")
            .query("origin", "end")
            .query("offset", bytes.to_string())
            // More may be written between the seek and the end of the answer.
            .limited(bytes.saturating_mul(2).max(1 << 20));
        match call.bytes().await {
            Ok(read) => {
                let from = read.value.len().saturating_sub(bytes);
                Ok(Some(
                    String::from_utf8_lossy(&read.value[from..]).into_owned(),
                ))
            }
            Err(NomadError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
