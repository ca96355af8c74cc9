//! Git repositories over HTTP: one branch, tag or commit, without its history, into a work tree.
//!
//! [`resolve`] asks what a name stands for, [`fetch`] brings it. Both speak Git's smart HTTP protocol themselves, over the
//! one HTTP client of this program: so every wait has a bound, the token travels in a header alone (never in an address,
//! a file or an argument), and redirects do not carry it away.
//!
//! The pack is checked, indexed and unpacked here as well, object by object with reads and writes. libgit2 would map it
//! into memory: 524 MB of pack took 523 MB of memory to check out, and 107 MB with deltas 114 MB to index, against the
//! 64 MB this program may use. libgit2 hashes the objects (it knows the forged collisions of SHA-1) and interprets
//! `.gitattributes`. Nothing of the machine's or the user's Git configuration is read, no hook and no filter is run.

mod address;
mod attributes;
mod checkout;
mod convert;
mod download;
mod error;
mod fault;
mod gitdir;
mod index;
mod pack;
mod packets;
mod progress;
mod refs;
mod remote;
mod tree;
mod wire;
mod worker;

use std::path::Path;

use tokio_util::sync::CancellationToken;

pub use address::{GitRequest, Providers};
pub use error::GitError;
pub use refs::Resolved;

use std::sync::Arc;

use tokio::sync::mpsc::channel;

use super::Limits;
use crate::artifact::output::Output;
use checkout::Survey;
use fault::Fault;
use pack::{Bounds, Incoming, Spool, write_index};
use packets::Packets;
use remote::Body;
use tree::Commit;

/// Where a repository goes. Both are created, and belong into a directory that is private and removed at the end.
#[derive(Debug, Clone, Copy)]
pub struct Places<'a> {
    /// The files.
    pub work_tree: &'a Path,
    /// What would be `.git` inside of them: a complete shallow repository without credentials, which can be copied there.
    /// On the same file system as the files.
    pub git_dir: &'a Path,
}

/// What was checked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkout {
    /// Its 40 hexadecimal digits.
    pub commit: String,
    /// When it was committed: seconds since 1970, UTC.
    pub committed_at: i64,
    /// Directories that are submodules and hence empty. At most [`Checkout::NAMED`], in the order of the tree.
    pub submodules: Vec<String>,
    /// Files that are pointers of Git LFS instead of their content. At most [`Checkout::NAMED`], in the order of the tree.
    pub lfs: Vec<String>,
    /// Files, symbolic links included.
    pub files: u64,
    /// Their size together, in bytes.
    pub bytes: u64,
}

impl Checkout {
    /// How many submodules and pointers are named at most.
    pub const NAMED: usize = 100;
}

/// Asks the server what the revision of a request stands for. Small: two or three short calls, nothing is written.
///
/// # Errors
/// The server cannot be reached, refuses, or has no such revision; [`GitError::Stopped`] when `stop` is cancelled.
///
/// # Cancel safety
/// Can be dropped at any time.
pub async fn resolve(
    request: &GitRequest,
    limits: &Limits,
    stop: &CancellationToken,
) -> Result<Resolved, GitError> {
    stop.run_until_cancelled(refs::resolve(request, limits))
        .await
        .unwrap_or(Err(GitError::Stopped))
}

/// Fetches what was resolved and checks it out. Says on `output` how far it is, and what is missing in the end:
/// submodules and the content of Git LFS pointers are not fetched.
///
/// `.gitattributes` are obeyed as far as line ends (`text`, `eol`) and `ident` go. Files that are larger than 4 MiB stay
/// as they are. Links are made as they are in the repository, wherever they lead.
///
/// # Errors
/// The server cannot be reached, refuses, or sends something unusable; something is larger than `limits`; the disk is
/// full; [`GitError::Stopped`] when `stop` is cancelled. The places are left as they are then, for the caller to remove:
/// nothing writes to them any more.
///
/// # Cancel safety
/// When it is dropped, its thread ends within a moment, but not at once.
pub async fn fetch(
    resolved: &Resolved,
    places: Places<'_>,
    limits: &Limits,
    output: &Output,
    stop: &CancellationToken,
) -> Result<Checkout, GitError> {
    download::fetch(resolved, places, limits, output, stop).await
}

/// Unpacks a pack that is at hand below an empty directory, and checks out the first commit in it. Returns how many objects
/// it has. Blocks.
///
/// # Errors
/// As of [`fetch`].
pub(crate) fn unpack_bytes(bytes: &[u8], below: &Path, limits: &Limits) -> Result<usize, GitError> {
    check_out_first(bytes, below, limits).map_err(|fault| fault.into_error("memory"))
}

fn check_out_first(bytes: &[u8], below: &Path, limits: &Limits) -> Result<usize, Fault> {
    let (git_dir, work_tree) = (below.join("git"), below.join("tree"));
    gitdir::create(&git_dir)?;
    let halt = CancellationToken::new();
    let (sender, pieces) = channel(1);
    let whole = bytes::Bytes::copy_from_slice(bytes);
    sender.try_send(whole).expect("there is room for one");
    drop(sender);
    let spool = Spool::new(git_dir.join("spool"), halt.clone())?;
    let path = git_dir.join("objects/pack/incoming.pack");
    let incoming = Incoming::new(pieces, path.clone(), Arc::default(), halt)?;
    let bounds = Bounds {
        entries: limits.entries,
        objects: limits.entries,
        unpacked_bytes: limits.unpacked_bytes,
        bytes: limits.unpacked_bytes,
    };
    let mut objects = pack::unpack(incoming, spool, &bounds)?;
    write_index(&objects, &path.with_extension("idx"))?;
    let ids = objects.ids();
    let found = ids
        .iter()
        .find_map(|id| Commit::find(&mut objects, *id).ok());
    if let Some(commit) = found {
        let survey = Survey::of(&mut objects, commit.tree, limits)?;
        std::fs::create_dir(&work_tree).map_err(Fault::disk(&work_tree))?;
        checkout::write(&mut objects, commit.tree, &survey, &work_tree, &git_dir)?;
    }
    Ok(ids.len())
}

/// The frames of an answer that is at hand; `None` for the end of a list or a section.
///
/// # Errors
/// It is not made of frames, or ends within one.
pub(crate) async fn packets_of(bytes: &[u8]) -> Result<Vec<Option<bytes::Bytes>>, GitError> {
    let mut packets = Packets::new(Body::at_hand(bytes));
    let mut frames = Vec::new();
    while !packets.is_over().await? {
        frames.push(packets.line().await?);
    }
    Ok(frames)
}
