//! A stream that events go to: it fails, loses acknowledgements and gets messages twice; and what its consumer sees.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cs::events::{EventSink, Message, NatsError, PublishFailure, SinkError};
use cs::simulator::Within;

use super::betray::Betrayal;
use super::case::below;
use super::trace::{Moment, Shared};
use super::wire::Dice;

/// How long the stream knows a message id. Source: JetStream's default.
const WINDOW: i64 = 120_000_000_000;

const TRIP: Duration = Duration::from_millis(1);

/// What a consumer sees: everything that was stored, in order.
#[derive(Default)]
pub(super) struct Stream {
    stored: Mutex<Vec<Stored>>,
}

#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) id: String,
    pub(super) subject: String,
    at: i64,
}

impl Stream {
    fn store(&self, message: &Message, now: i64) {
        let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = |one: &Stored| one.id == message.id && now - one.at < WINDOW;
        if !message.id.is_empty() && stored.iter().any(is_known) {
            return;
        }
        stored.push(Stored {
            id: message.id.clone(),
            subject: message.subject.as_str().to_owned(),
            at: now,
        });
    }

    /// A line of the log that this message is the end of.
    fn store_line_after(&self, message: &Message, now: i64) {
        let subject = message.subject.as_str();
        if subject.starts_with("cs.build.log.end.") {
            let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
            stored.push(Stored {
                id: String::new(),
                subject: subject.replace(".end.", "."),
                at: now,
            });
        }
    }

    pub(super) fn all(&self) -> Vec<Stored> {
        self.stored
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// The way of one process to the stream.
pub(super) struct Sink {
    pub(super) stream: Arc<Stream>,
    pub(super) world: Within,
    pub(super) trace: Shared,
    pub(super) dice: Arc<Mutex<Dice>>,
    pub(super) betrayal: Option<Betrayal>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Lost,
    NoAcknowledgement,
    Twice,
    Late,
}

impl Fault {
    const fn name(self) -> &'static str {
        match self {
            Self::Lost => "event not stored",
            Self::NoAcknowledgement => "event's acknowledgement lost",
            Self::Twice => "event stored twice",
            Self::Late => "event's acknowledgement late",
        }
    }
}

impl Sink {
    fn roll(&self) -> Option<Fault> {
        let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
        let strikes = dice.strikes();
        let all = [
            Fault::Lost,
            Fault::NoAcknowledgement,
            Fault::Twice,
            Fault::Late,
        ];
        let place = below(&mut dice.random, 4);
        strikes.then(|| all[usize::try_from(place).expect("few")])
    }

    async fn send(&self, message: &Message) -> Result<(), SinkError> {
        if !is_event(message.subject.as_str()) {
            // Lines may be lost, and whether one is sent before or after an event is a matter of how fast the disk is: they
            // take no time here, and nothing happens to them.
            self.trace.count("log lines sent");
            self.stream.store(message, self.world.world().now);
            return Ok(());
        }
        let subject = message.subject.as_str();
        let is_end = subject.ends_with(".succeeded") || subject.ends_with(".failed");
        if self.betrayal == Some(Betrayal::Silent) && is_end {
            return Ok(());
        }
        let moment = self.trace.call(&self.world).await;
        self.trace.count("events sent");
        let fault = self.roll();
        if let Some(fault) = fault {
            self.trace.count(&format!("fault {}", fault.name()));
        }
        let shown = fault.map_or_else(String::new, |fault| format!("  !! {}", fault.name()));
        let last = if moment == Moment::Last { "  †" } else { "" };
        self.trace.line(
            &self.world,
            &format!("→ {}{shown}{last}", message.subject.as_str()),
        );
        tokio::time::sleep(TRIP).await;
        let now = self.world.world().now;
        if fault != Some(Fault::Lost) {
            self.stream.store(message, now);
        }
        if fault == Some(Fault::Twice) {
            self.stream.store(message, now);
        }
        if self.betrayal == Some(Betrayal::Repeating) {
            self.stream.store(message, now + WINDOW);
        }
        if self.betrayal == Some(Betrayal::Talkative) {
            self.stream.store_line_after(message, now);
        }
        if moment == Moment::Last {
            self.trace.die().await;
        }
        match fault {
            Some(Fault::Lost | Fault::NoAcknowledgement) => {
                let subject = message.subject.clone();
                Err(SinkError::Nats(NatsError::NotAcknowledged {
                    subject,
                    complaint: None,
                }))
            }
            Some(Fault::Late) => {
                tokio::time::sleep(Duration::from_secs(2)).await;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// What is no log line.
pub(super) fn is_event(subject: &str) -> bool {
    !subject.starts_with("cs.build.log.") || subject.starts_with("cs.build.log.end.")
}

impl EventSink for Sink {
    async fn open(&mut self) -> Result<(), SinkError> {
        tokio::time::sleep(TRIP).await;
        Ok(())
    }

    async fn publish(&mut self, messages: &[Message]) -> Result<(), PublishFailure> {
        for (acknowledged, message) in messages.iter().enumerate() {
            self.send(message).await.map_err(|error| PublishFailure {
                acknowledged,
                error,
            })?;
        }
        Ok(())
    }

    async fn close(&mut self) {}
}
