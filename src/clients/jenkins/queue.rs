//! The queue: from an item to the number of a build.

use super::client::Jenkins;
use super::error::JenkinsError;
use crate::bridge::machine::BuildNumber;

/// Where an item of the queue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queued {
    /// Still in the queue.
    Waiting,
    /// Its build has begun.
    Started(BuildNumber),
    /// It was taken out without a build.
    Cancelled,
    /// Jenkins has forgotten it: some five minutes after it left the queue.
    Forgotten,
}

#[derive(serde::Deserialize)]
struct Item {
    #[serde(default)]
    cancelled: bool,
    executable: Option<Executable>,
}

#[derive(serde::Deserialize)]
struct Executable {
    number: BuildNumber,
}

impl Jenkins {
    /// Where an item of the queue is.
    ///
    /// # Errors
    /// It cannot be said; asking changes nothing.
    pub async fn queue_item(&self, item: i64) -> Result<Queued, JenkinsError> {
        let number = item.to_string();
        let url = self
            .base
            .below(["queue", "item", number.as_str(), "api", "json"]);
        let Some(found) = self.ask::<Item>(url, "an item of the queue").await? else {
            return Ok(Queued::Forgotten);
        };
        Ok(match found {
            Item {
                executable: Some(build),
                ..
            } if build.number > 0 => Queued::Started(build.number),
            Item {
                cancelled: true, ..
            } => Queued::Cancelled,
            Item { .. } => Queued::Waiting,
        })
    }
}
