//! What becomes of a delivery after its work: kept as a dead letter, noted, acknowledged, or put back.

use std::time::Duration;

use async_nats::jetstream::{AckKind, Message};
use tokio_util::sync::CancellationToken;

use super::attend::{Agent, LATER, SHORTEST, shown};
use super::claim::Decided;
use super::fleet::DeadLetter;
use super::held::{Written, patiently};
use super::parcel::Parcel;
use super::running::Running;
use super::verdict::pause;

/// How long an acknowledgement is tried. Without it the task comes again, is known to be over, and is acknowledged then.
const ACKNOWLEDGING: Duration = Duration::from_secs(5);

/// How a claim ended.
pub(super) enum Ended {
    /// Announced. With the outcome's word.
    Over(Decided),
    /// Not announced; to be tried again after so long.
    Again(&'static str, Duration),
    /// Not announced; to be tried again at once, by another agent.
    GivenBack,
    /// Another agent has it.
    Lost,
}

impl Agent {
    /// Notes what was acknowledged, so that the next try announces the rest.
    pub(super) async fn unannounced(
        &self,
        running: &Running,
        ids: Vec<String>,
        reason: Option<&str>,
    ) -> Ended {
        tracing::warn!(
            "not all events were acknowledged{}; they are announced again later",
            reason.map_or_else(String::new, |reason| format!(" ({reason})"))
        );
        let mut held = running.held.lock().await;
        let written = held
            .write(&self.fleet, &self.abandon, |record| {
                record.announced.extend(ids.iter().cloned());
            })
            .await;
        match written {
            Written::Lost => Ended::Lost,
            Written::Yes | Written::Unknown => {
                Ended::Again("unannounced", pause(running.shown.tries.max(2)))
            }
        }
    }

    pub(super) async fn settle(&self, parcel: &Parcel, running: &Running, ended: Ended) {
        match ended {
            Ended::Over(decided) => self.conclude(parcel, running, &decided).await,
            Ended::Again(why, after) => {
                tracing::warn!(
                    "{} is tried again in {} s ({why})",
                    parcel.title(),
                    after.as_secs()
                );
                self.health.put_back.inc([why]);
                put_back(&running.message(), after).await;
            }
            Ended::GivenBack => {
                tracing::info!("{} is given back to the queue", parcel.title());
                let mut held = running.held.lock().await;
                // Not a try that failed. Best effort: without it the task has one try less.
                let stop = CancellationToken::new();
                let write = held.write(&self.fleet, &stop, |record| {
                    record.tries = record.tries.saturating_sub(1);
                });
                let _ = tokio::time::timeout(LATER, write).await;
                self.health.put_back.inc(["draining"]);
                put_back(&running.message(), Duration::ZERO).await;
            }
            Ended::Lost => self.lost(parcel),
        }
    }

    fn lost(&self, parcel: &Parcel) {
        tracing::warn!(
            "{} was taken over by another agent after NATS had lost patience with this one, which \
             is silent about it now",
            parcel.title()
        );
        self.health.put_back.inc(["lost"]);
    }

    /// Everything is announced: kept if it is dead, noted, acknowledged.
    async fn conclude(&self, parcel: &Parcel, running: &Running, decided: &Decided) {
        if decided.is_dead {
            let letter = DeadLetter {
                task: shown(&parcel.task),
                deployment_id: parcel.deployment.clone(),
                sequence: parcel.order.sequence,
                message_id: parcel.message_id.clone(),
                tries: running.shown.tries,
                reason: decided.reason.clone(),
                params_bytes: parcel.message.payload.len(),
                agent: self.id.clone(),
                at: jiff::Timestamp::now().to_string(),
            };
            let buried = patiently(&self.abandon, "the stream of dead letters", || {
                self.fleet.bury(&letter, parcel.order)
            });
            if buried.await.is_none() {
                return put_back(&running.message(), Duration::ZERO).await;
            }
            self.health.dead_letters.inc([]);
        }
        let mut held = running.held.lock().await;
        let written = held
            .write(&self.fleet, &self.abandon, |record| {
                record.decided = Some(decided.clone());
                record.is_over = true;
            })
            .await;
        drop(held);
        match written {
            Written::Yes => {}
            Written::Lost => return self.lost(parcel),
            // Whoever gets it announces the same once more, which the stream of the events drops by its id.
            Written::Unknown => return put_back(&running.message(), Duration::ZERO).await,
        }
        let kind = match decided.is_dead {
            true => AckKind::Term,
            false => AckKind::Ack,
        };
        self.acknowledge(&running.message(), kind).await;
        let word = match decided.is_dead {
            true => "dead",
            false => decided.outcome.as_str(),
        };
        self.health.tasks.inc([word]);
        tracing::info!("{} ended: {word}", parcel.title());
    }

    /// Acknowledges and waits until NATS has heard it.
    pub(super) async fn acknowledge(&self, message: &Message, kind: AckKind) {
        let heard = async {
            while let Err(error) = message.double_ack_with(kind).await {
                tracing::debug!("NATS did not hear the acknowledgement: {error}");
                tokio::time::sleep(SHORTEST).await;
            }
        };
        if tokio::time::timeout(ACKNOWLEDGING, heard).await.is_err() {
            tracing::warn!(
                "NATS did not hear that the task is over; it comes again and is known then"
            );
        }
    }
}

/// Gives a delivery back, to be delivered again after a while.
pub(super) async fn put_back(message: &Message, after: Duration) {
    let after = (!after.is_zero()).then_some(after);
    if let Err(error) = message.ack_with(AckKind::Nak(after)).await {
        tracing::debug!("NATS was not told to deliver the task again; it will by itself: {error}");
    }
}
