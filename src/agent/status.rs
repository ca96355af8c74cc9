//! What the queue looks like from outside: how much waits, who works on what, what was given up.

use std::time::Duration;

use futures::StreamExt;

use super::fleet::{DeadLetter, Fleet, FleetError};
use super::pull::RollCall;
use crate::clients::chain;

/// How long agents get to answer: every one that lives answers within milliseconds.
const PATIENCE: Duration = Duration::from_millis(500);

/// Most dead letters that are shown.
pub const MOST_DEAD: usize = 20;

/// The queue at one moment.
#[derive(Debug, Clone)]
pub struct Status {
    /// Tasks that wait for an agent.
    pub pending: u64,
    /// Tasks that were handed out and are not done with: worked on, or waiting for their next try.
    pub in_progress: usize,
    /// Tasks among these that were handed out more than once.
    pub redelivered: usize,
    /// Agents that answered, by id.
    pub agents: Vec<RollCall>,
    /// How many dead letters there are.
    pub dead: u64,
    /// The latest ones, newest first, at most [`MOST_DEAD`].
    pub letters: Vec<DeadLetter>,
}

/// Looks at the queue and asks the agents.
///
/// # Errors
/// The queue is not set up, or NATS does not answer.
pub async fn status(fleet: &Fleet) -> Result<Status, FleetError> {
    let mut place = fleet.place().await?;
    let info = place.consumer.info().await;
    let info = info.map_err(|error| FleetError::Call {
        doing: "looking at the consumer",
        why: chain(&error),
    })?;
    let (pending, in_progress, redelivered) =
        (info.num_pending, info.num_ack_pending, info.num_redelivered);
    let (dead, letters) = fleet.dead(MOST_DEAD).await?;
    let agents = roll_call(fleet).await?;
    Ok(Status {
        pending,
        in_progress,
        redelivered,
        agents,
        dead,
        letters,
    })
}

/// Asks all agents what they are doing.
async fn roll_call(fleet: &Fleet) -> Result<Vec<RollCall>, FleetError> {
    let failed = |why: String| FleetError::Call {
        doing: "calling the agents",
        why,
    };
    let client = fleet.client();
    let inbox = client.new_inbox();
    let answers = client.subscribe(inbox.clone()).await;
    let mut answers = answers.map_err(|error| failed(chain(&error)))?;
    client
        .publish_with_reply(fleet.names().roll_call(), inbox, "".into())
        .await
        .map_err(|error| failed(chain(&error)))?;
    let mut agents: Vec<RollCall> = Vec::new();
    let collected = async {
        // Also ends with "no responders": a message without a payload.
        while let Some(answer) = answers.next().await {
            agents.extend(serde_json::from_slice::<RollCall>(&answer.payload).ok());
        }
    };
    // The time is up when everybody who lives has answered; nobody says how many those are.
    let _ = tokio::time::timeout(PATIENCE, collected).await;
    agents.sort_by(|a, b| a.agent.cmp(&b.agent));
    Ok(agents)
}
