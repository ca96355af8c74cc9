//! The calls of an inventory, made: [`Call`](super::recorder::Call) in, [`Reply`](super::recorder::Reply) out.

use std::time::Duration;

use futures::StreamExt as _;
use tokio::time::Instant;
use uuid::Uuid;

use super::InventoryError;
use super::recorder::{Call, Recorder, Reply, Step};
use super::tree::{self, Tree};
use crate::clients::nomad::retry::retrying;
use crate::clients::nomad::{NomadClient, NomadError};
use crate::ids::ModifyIndex;

/// Calls at once. Leaves some of the client's connections to others.
const PARALLEL: usize = 16;

/// How long changes are tried to be recorded: longer than an election, shorter than the patience of whoever waits.
const PATIENCE: Duration = Duration::from_secs(30);

/// Longest pause after a conflict.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Reads every page. Returns whether the token may.
pub(super) async fn read_all(nomad: &NomadClient, tree: &mut Tree) -> Result<bool, InventoryError> {
    loop {
        let unread = tree.unread();
        if unread.is_empty() {
            return Ok(true);
        }
        let mut reads = futures::stream::iter(unread)
            .map(|place| async move {
                let found = nomad.variable(&place.path).await;
                (place, found)
            })
            .buffer_unordered(PARALLEL);
        while let Some((place, found)) = reads.next().await {
            match found {
                Ok(read) => {
                    let found = read
                        .value
                        .map(|found| (ModifyIndex(found.modify_index), found.items));
                    tree.read(&place, found)?;
                }
                Err(NomadError::Forbidden { .. }) if place.path == tree.root => return Ok(false),
                Err(source @ NomadError::Forbidden { .. }) => {
                    return Err(InventoryError::Hidden {
                        root: tree.root.clone(),
                        part: place.path,
                        source,
                    });
                }
                Err(error) => return Err(InventoryError::Read(error)),
            }
        }
    }
}

/// Makes every call of a recorder until it is done.
///
/// # Errors
/// A call failed for another reason than that somebody was faster, or others were faster for too long.
pub(super) async fn carry_out(
    nomad: &NomadClient,
    recorder: &mut Recorder,
) -> Result<(), InventoryError> {
    let deadline = Instant::now() + PATIENCE;
    let mut conflicts = 0;
    while let Step::Calls(calls) = recorder.step()? {
        let mut replies = futures::stream::iter(calls)
            .map(|call| async move {
                let reply = make_call(nomad, &call, deadline).await;
                (call, reply)
            })
            .buffer_unordered(PARALLEL);
        while let Some((call, reply)) = replies.next().await {
            recorder.answer(&call, reply?)?;
        }
        if recorder.conflicts() == conflicts {
            continue;
        }
        conflicts = recorder.conflicts();
        if Instant::now() >= deadline {
            let waiting = recorder.waiting();
            return Err(InventoryError::Contended { waiting });
        }
        tokio::time::sleep(pause(conflicts)).await;
    }
    Ok(())
}

/// Makes one call. What surely had no effect is tried again until the deadline.
async fn make_call(
    nomad: &NomadClient,
    call: &Call,
    deadline: Instant,
) -> Result<Reply, InventoryError> {
    match call {
        Call::Read(tree::Place { path, .. }) | Call::Check(path) => {
            match retrying(deadline, || nomad.variable(path).into_future()).await {
                Ok(read) => Ok(read.value.map_or(Reply::Absent, |found| Reply::Found {
                    index: ModifyIndex(found.modify_index),
                    items: found.items,
                })),
                Err(NomadError::Forbidden { .. }) => Ok(Reply::Forbidden),
                Err(error) => Err(InventoryError::Read(error)),
            }
        }
        Call::Write {
            path,
            items,
            expected,
        } => {
            let write = || nomad.put_variable(path, items, *expected);
            let written = retrying(deadline, write).await;
            outcome(written.map(|variable| Reply::Written(ModifyIndex(variable.modify_index))))
        }
        Call::Delete { path, expected } => {
            let delete = || nomad.delete_variable(path, *expected);
            let deleted = retrying(deadline, delete).await;
            match outcome(deleted.map(|()| Reply::Deleted)) {
                // Only rubbish is deleted: it may as well stay.
                Err(error) => {
                    tracing::debug!("variable `{path}` stays: {error}");
                    Ok(Reply::Unknown)
                }
                reply => reply,
            }
        }
    }
}

fn outcome(written: Result<Reply, NomadError>) -> Result<Reply, InventoryError> {
    match written {
        Ok(reply) => Ok(reply),
        Err(NomadError::Conflict { .. }) => Ok(Reply::Conflict),
        Err(NomadError::ReplyLost { .. }) => Ok(Reply::Unknown),
        Err(NomadError::Forbidden { .. }) => Ok(Reply::Forbidden),
        Err(error) => Err(InventoryError::Write(error)),
    }
}

/// Twelve random hex digits.
pub(super) fn tag() -> String {
    let mut text = Uuid::new_v4().simple().to_string();
    text.truncate(12);
    text
}

/// Longer after every conflict, and never the same for two who wait.
fn pause(conflicts: u32) -> Duration {
    let bound = Duration::from_millis(10)
        .saturating_mul(1 << conflicts.min(6))
        .min(LONGEST_PAUSE);
    bound.mul_f64(fastrand::f64())
}
