//! A context as a tar that is made while it is read.
//!
//! A thread walks the files and hands on chunks through a short queue, so memory does not grow with the context and a slow
//! engine slows the thread. The same files give the same bytes: fixed order, owner 0, no owner names, and one modification
//! time if the recipe has one.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use ::tar::{Builder, EntryType, Header};
use bytes::Bytes;
use futures::Stream;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::ContextPlan;
use super::walk::{Entry, about};

/// Bytes of a chunk.
const CHUNK: usize = 64 << 10;

/// Chunks that may wait.
const IN_FLIGHT: usize = 4;

/// Longest target of a link that fits a tar header.
const LINK_NAME: usize = 100;

/// The context as an uncompressed tar.
///
/// It ends after an error, in particular when a file cannot be read or changes its length meanwhile, and when `stop` is
/// cancelled. Before it yields that error its thread is gone. When it is dropped the thread ends at the next entry or chunk.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn stream(
    plan: ContextPlan,
    stop: CancellationToken,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let (sender, receiver) = channel(IN_FLIGHT);
    let thread_stop = stop.child_token();
    let chunks = Chunks {
        runtime: Handle::current(),
        sender,
        stop: thread_stop.clone(),
        filled: Vec::with_capacity(CHUNK),
    };
    let guard = thread_stop.drop_guard();
    let thread = tokio::task::spawn_blocking(move || write(&plan, chunks));
    let running = Running {
        receiver,
        thread,
        stop,
        _guard: guard,
    };
    futures::stream::unfold(Some(running), async |running| running?.next().await)
}

/// What is read while the thread writes.
struct Running {
    receiver: Receiver<Bytes>,
    thread: JoinHandle<io::Result<()>>,
    stop: CancellationToken,
    /// Ends the thread when the stream is dropped.
    _guard: DropGuard,
}

impl Running {
    async fn next(mut self) -> Option<(io::Result<Bytes>, Option<Self>)> {
        let chunk = tokio::select! {
            biased;
            // Cancel-safe: a token stays cancelled.
            () = self.stop.cancelled() => None,
            // Cancel-safe: a chunk that was not received waits.
            chunk = self.receiver.recv() => chunk,
        };
        if let Some(chunk) = chunk {
            return Some((Ok(chunk), Some(self)));
        }
        // A thread that waits for room wakes up.
        drop(self.receiver);
        let ended = self.thread.await.unwrap_or_else(|error| Err(error.into()));
        // Whatever the thread made of it, and even if it had just ended.
        let whole = match self.stop.is_cancelled() {
            true => Err(stopped()),
            false => ended,
        };
        Some((Err(whole.err()?), None))
    }
}

/// The error of a stream that was told to stop. Not `Interrupted`, after which readers try again.
pub(super) fn stopped() -> io::Error {
    io::Error::other("it was stopped")
}

fn write(plan: &ContextPlan, chunks: Chunks) -> io::Result<()> {
    let mut tar = Builder::new(chunks);
    for entry in plan.walk()? {
        let entry = entry?;
        if tar.get_ref().stop.is_cancelled() {
            return Err(stopped());
        }
        append(&mut tar, &entry, plan.modified).map_err(|error| about(&entry.name, error))?;
    }
    tar.into_inner()?.flush()
}

fn append(tar: &mut Builder<Chunks>, entry: &Entry, modified: Option<u64>) -> io::Result<()> {
    let metadata = &entry.metadata;
    let mut header = Header::new_gnu();
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    // Times before 1970 do not fit.
    let own = u64::try_from(metadata.mtime()).unwrap_or(0);
    header.set_mtime(modified.unwrap_or(own));
    header.set_mode(metadata.permissions().mode() & 0o7777);

    let kind = metadata.file_type();
    if kind.is_dir() {
        header.set_entry_type(EntryType::Directory);
        // With a slash at its end.
        tar.append_data(&mut header, entry.name.join(""), io::empty())
    } else if kind.is_symlink() {
        header.set_entry_type(EntryType::Symlink);
        append_link(tar, header, entry)
    } else {
        header.set_entry_type(EntryType::Regular);
        header.set_size(metadata.len());
        let file = File::open(&entry.path)?;
        let data = Exactly {
            file,
            left: metadata.len(),
        };
        tar.append_data(&mut header, &entry.name, data)
    }
}

fn append_link(tar: &mut Builder<Chunks>, mut header: Header, entry: &Entry) -> io::Result<()> {
    let target = fs::read_link(&entry.path)?;
    if target.as_os_str().len() < LINK_NAME {
        // The other way would tidy it up.
        header.set_link_name_literal(target.as_os_str().as_encoded_bytes())?;
        tar.append_data(&mut header, &entry.name, io::empty())
    } else {
        tar.append_link(&mut header, &entry.name, target)
    }
}

/// A file that must have the length that its header tells.
struct Exactly {
    file: File,
    left: u64,
}

impl Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX);
        let changed = || io::Error::other("the file changed while it was read");
        if wanted == 0 {
            return match self.file.read(&mut [0])? {
                0 => Ok(0),
                _ => Err(changed()),
            };
        }
        let room = buffer.len().min(wanted);
        let read = self.file.read(&mut buffer[..room])?;
        if read == 0 && room > 0 {
            return Err(changed());
        }
        self.left -= read as u64;
        Ok(read)
    }
}

/// Collects what is written into chunks and hands them on.
struct Chunks {
    runtime: Handle,
    sender: Sender<Bytes>,
    stop: CancellationToken,
    filled: Vec<u8>,
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = CHUNK - self.filled.len();
        let taken = &bytes[..bytes.len().min(room)];
        self.filled.extend_from_slice(taken);
        if self.filled.len() == CHUNK {
            self.flush()?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.filled.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.filled, Vec::with_capacity(CHUNK));
        self.runtime.block_on(async {
            tokio::select! {
                // Cancel-safe: what is not sent is not wanted.
                () = self.stop.cancelled() => Err(stopped()),
                sent = self.sender.send(chunk.into()) => sent.map_err(|_| stopped()),
            }
        })
    }
}
