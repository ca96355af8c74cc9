//! Who works on what: decided from records that all agents share, without a clock.
//!
//! JetStream already gives each message to one agent at a time and counts its deliveries; a message is in the stream until
//! it is done with. So a record needs no lease and no time: the higher delivery count of the same message wins (the
//! agent with the lower one is dead, or too slow and must not speak any more), and another message stands in the way only
//! for as long as it is in the stream. Every write is a compare-and-set, so two agents never both win.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::names::Order;

/// What is known of a task: who works on it, how often it was begun, what was announced, how it ended.
///
/// Kept in the ledger under the deployment, or under the message where there is none. Holds nothing secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskRecord {
    /// The message that is worked on, or was last.
    pub order: Order,
    /// Which delivery of it.
    pub delivery: u64,
    /// Which agent got it.
    pub agent: String,
    /// How often the work was begun and not given back.
    pub tries: u32,
    /// Ids of the events that were acknowledged.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub announced: BTreeSet<String>,
    /// How it ends. From here on nothing else is announced, whoever goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided: Option<Decided>,
    /// Everything is announced. The message may still be in the stream, but nothing is left to do for it.
    #[serde(default)]
    pub is_over: bool,
}

/// How a task ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decided {
    /// The outcome's word, e.g. `converged`.
    pub outcome: String,
    /// Whether everything that was wanted is so.
    pub is_success: bool,
    /// What went wrong, in one line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// It is a dead letter: given up, not failed for good.
    #[serde(default)]
    pub is_dead: bool,
}

/// One delivery of a message to an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The message.
    pub order: Order,
    /// Counted from 1 by NATS.
    pub number: u64,
    /// The agent that got it.
    pub agent: String,
    /// This agent is already working on this message: NATS lost patience while it could not be reached.
    pub is_running_here: bool,
}

/// What to do with a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// Write the record where the old one was; if that works, do the work.
    Take(TaskRecord, Work),
    /// It is over: acknowledge.
    Over,
    /// Another message of the same task is worked on: give it back for later.
    Busy(Order),
    /// A later delivery of the same message is with somebody: leave it alone.
    Outdated,
    /// First find out whether that message is still in the stream.
    Ask(Order),
}

/// What is left to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// All of it.
    Run,
    /// Only to announce what was decided.
    Announce(Decided),
    /// Nothing more: it was begun as often as it may be.
    GiveUp,
    /// Go on: it is the message that is worked on here.
    GoOn,
}

/// Decides about a delivery. `is_gone` is the answer to [`Claim::Ask`], `tries` how often a task may be begun.
#[must_use]
pub fn claim(
    found: Option<&TaskRecord>,
    delivery: &Delivery,
    is_gone: Option<bool>,
    tries: u32,
) -> Claim {
    let Some(record) = found else {
        return Claim::Take(fresh(delivery), Work::Run);
    };
    if record.is_over {
        return Claim::Over;
    }
    if record.order != delivery.order {
        match is_gone {
            None => return Claim::Ask(record.order),
            Some(false) => return Claim::Busy(record.order),
            Some(true) => {}
        }
    } else if record.delivery > delivery.number
        || (record.delivery == delivery.number && record.agent != delivery.agent)
    {
        return Claim::Outdated;
    }
    let mut next = TaskRecord {
        order: delivery.order,
        delivery: delivery.number,
        agent: delivery.agent.clone(),
        ..record.clone()
    };
    if delivery.is_running_here && record.order == delivery.order && record.agent == delivery.agent
    {
        return Claim::Take(next, Work::GoOn);
    }
    if let Some(decided) = &record.decided {
        return Claim::Take(next.clone(), Work::Announce(decided.clone()));
    }
    // The answer to the write of this very claim got lost: it is not another try.
    if record.order == delivery.order && record.delivery == delivery.number {
        return Claim::Take(next, Work::Run);
    }
    if record.tries >= tries {
        return Claim::Take(next, Work::GiveUp);
    }
    next.tries += 1;
    Claim::Take(next, Work::Run)
}

fn fresh(delivery: &Delivery) -> TaskRecord {
    TaskRecord {
        order: delivery.order,
        delivery: delivery.number,
        agent: delivery.agent.clone(),
        tries: 1,
        announced: BTreeSet::new(),
        decided: None,
        is_over: false,
    }
}

impl TaskRecord {
    /// Whether it says that this delivery is worked on by this agent.
    #[must_use]
    pub fn is_held_by(&self, delivery: &Delivery) -> bool {
        self.order == delivery.order
            && self.delivery == delivery.number
            && self.agent == delivery.agent
    }
}

/// Which task a job belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobRecord {
    /// The latest task that wants the job: every earlier one makes way.
    pub newest: Order,
    /// What that task is called.
    pub by: String,
    /// The task that may be working on the job.
    pub holder: Order,
}

/// What to do about a job before the work begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hold {
    /// Write the record; if that works, the job is held.
    Take(JobRecord),
    /// It is held already.
    Held,
    /// Write the record, which tells the holder to make way, then look again.
    Mark(JobRecord),
    /// First find out whether the holder's message is still in the stream.
    Ask(Order),
    /// The holder makes way: give the task back for later.
    Busy,
    /// A later task wants the job.
    Superseded(String),
}

/// Decides about a job. The latest task wins; it waits until the one before has let go, so that an old version is never
/// written over a new one. Only later tasks wait for earlier ones, so nobody waits in a circle.
#[must_use]
pub fn hold(found: Option<&JobRecord>, me: Order, by: &str, is_gone: Option<bool>) -> Hold {
    let mine = |holder| JobRecord {
        newest: me,
        by: by.to_owned(),
        holder,
    };
    let Some(record) = found else {
        return Hold::Take(mine(me));
    };
    if record.newest > me {
        return Hold::Superseded(record.by.clone());
    }
    if record.holder == me && record.newest == me {
        return Hold::Held;
    }
    match is_gone {
        _ if record.newest < me => Hold::Mark(mine(record.holder)),
        None => Hold::Ask(record.holder),
        Some(true) => Hold::Take(mine(me)),
        Some(false) => Hold::Busy,
    }
}

#[cfg(test)]
mod tests;
