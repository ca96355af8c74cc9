//! The transfer: the server's answer is taken apart here, the pack in it goes to a thread that may block.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc::{Sender, channel};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::error::GitError;
use super::packets::{Packet, Packets};
use super::progress::{Chatter, INTERVAL, Progress, Reporter};
use super::refs::Resolved;
use super::worker::{Made, Worker};
use super::{Checkout, Places};
use crate::artifact::output::Output;
use crate::artifact::source::Limits;

/// Pieces of the pack, of up to 64 KiB, that may wait for the disk.
const WAITING: usize = 16;

pub(super) async fn fetch(
    resolved: &Resolved,
    places: Places<'_>,
    limits: &Limits,
    output: &Output,
    stop: &CancellationToken,
) -> Result<Checkout, GitError> {
    let progress = Arc::new(Progress::default());
    let halt = CancellationToken::new();
    // The thread ends when this call is dropped.
    let _guard = halt.clone().drop_guard();
    let worker = Worker {
        resolved: resolved.clone(),
        work_tree: places.work_tree.to_owned(),
        git_dir: places.git_dir.to_owned(),
        limits: limits.clone(),
        progress: Arc::clone(&progress),
        halt: halt.clone(),
    };
    let (pieces, waiting) = channel(WAITING);
    let mut thread = tokio::task::spawn_blocking(move || worker.run(waiting));
    let mut reporter = Reporter::default();
    let ended = tokio::select! {
        biased;
        // Cancel-safe: nothing of the transfer is used afterwards.
        () = stop.cancelled() => Err(GitError::Stopped),
        ended = async {
            announce(resolved, output).await;
            transfer(resolved, pieces, output).await?;
            Ok((&mut thread).await)
        } => ended,
        // Cancel-safe: at worst a line about the progress is lost.
        () = keep_reporting(&mut reporter, &progress, output) => unreachable!("it has no end"),
    };
    let made = match ended {
        Ok(Ok(made)) => made.map_err(|fault| fault.into_error(&resolved.remote.repository()))?,
        Ok(Err(panic)) => std::panic::resume_unwind(panic.into_panic()),
        Err(error) => {
            halt.cancel();
            // Its result does not matter, its end does: the caller may remove the places now.
            let _ = thread.await;
            return Err(error);
        }
    };
    let said = async {
        reporter.report(&progress, output).await;
        conclude(&made, output).await;
    };
    match stop.run_until_cancelled(said).await {
        Some(()) => Ok(made.checkout),
        None => Err(GitError::Stopped),
    }
}

async fn announce(resolved: &Resolved, output: &Output) {
    let request = resolved.remote.request();
    let what = match resolved.name.strip_prefix("refs/") {
        Some(_) => format!("{} ({})", resolved.name, short(&resolved.commit)),
        None => resolved.commit.clone(),
    };
    output
        .line(&format!("Cloning {} at {what}", request.address()))
        .await;
    if request.is_exposed() {
        output
            .complain("warning: The token (gitPass) travels unencrypted, because the address is http: use https.")
            .await;
    }
    if resolved.remote.is_token_refused() {
        output
            .complain(
                "warning: The server does not accept the token (gitPass), but the repository is public: it is fetched without.",
            )
            .await;
    }
}

async fn conclude(made: &Made, output: &Output) {
    for warning in &made.warnings {
        output.complain(&format!("warning: {warning}")).await;
    }
    let checkout = &made.checkout;
    let (commit, files) = (short(&checkout.commit), checkout.files);
    let plural = if files == 1 { "" } else { "s" };
    output
        .line(&format!("Checked out {commit} ({files} file{plural})"))
        .await;
}

fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}

async fn keep_reporting(reporter: &mut Reporter, progress: &Progress, output: &Output) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        reporter.report(progress, output).await;
    }
}

/// Hands the pack on, piece by piece. Ends early when nobody takes them: then the thread tells why.
async fn transfer(
    resolved: &Resolved,
    pieces: Sender<Bytes>,
    output: &Output,
) -> Result<(), GitError> {
    let (remote, abilities) = (&resolved.remote, &resolved.abilities);
    if !abilities.sideband {
        return Err(
            remote.malformed("it lacks `side-band-64k`, which every server has had since 2006")
        );
    }
    let mut packets = remote.post(abilities.fetch(&resolved.object)).await?;
    find_pack(resolved, &mut packets).await?;
    let mut chatter = Chatter::default();
    loop {
        let data = match packets.next().await? {
            Packet::Data(data) => data,
            Packet::Flush => break,
            Packet::Delimiter => return Err(packets.malformed("a section begins in the pack")),
        };
        match data.first() {
            None => {}
            Some(1) => {
                let is_sign_of_life = data.len() == 1;
                let is_taken = is_sign_of_life || pieces.send(data.slice(1..)).await.is_ok();
                if !is_taken {
                    return Ok(());
                }
            }
            Some(2) => {
                for line in chatter.hear(&data[1..], remote.request()) {
                    output.line(&line).await;
                }
            }
            Some(3) => return Err(refusal(resolved, &data[1..])),
            Some(_) => return Err(packets.malformed("the pack is not where it should be")),
        }
    }
    if let Some(line) = chatter.finish(remote.request()) {
        output.line(&line).await;
    }
    Ok(())
}

/// Goes to where the pack begins.
async fn find_pack(resolved: &Resolved, packets: &mut Packets) -> Result<(), GitError> {
    let is_v2 = resolved.abilities.is_v2;
    loop {
        let data = match packets.next().await? {
            Packet::Data(data) => data,
            Packet::Flush if is_v2 => return Err(packets.malformed("there is no pack in it")),
            // The end of a section: about the depth, mostly.
            Packet::Flush | Packet::Delimiter => continue,
        };
        let line = data.strip_suffix(b"\n").unwrap_or(&data);
        if let Some(message) = line.strip_prefix(b"ERR ") {
            return Err(refusal(resolved, message));
        }
        let is_start = if is_v2 {
            line == b"packfile"
        } else {
            line == b"NAK" || line.starts_with(b"ACK ")
        };
        if is_start {
            return Ok(());
        }
    }
}

/// The server's words, or what they mean when a commit was asked for by its hash.
fn refusal(resolved: &Resolved, message: &[u8]) -> GitError {
    let text = String::from_utf8_lossy(message);
    let is_unknown = ["not our ref", "unadvertised object"]
        .iter()
        .any(|words| text.contains(words));
    if is_unknown && resolved.name == resolved.commit {
        return GitError::CommitRefused {
            repository: resolved.remote.repository(),
            commit: resolved.commit.clone(),
        };
    }
    resolved.remote.refusal(message)
}
