//! A child process of a builder: heard while it works, bounded in memory, and gone when nobody waits for it any more.
//!
//! A [`Program`] is a path, arguments, a directory and a whole environment; no shell is involved and nothing of our own
//! environment is inherited. It leads a process group of its own, and the group ends with it: when it ends by itself, when
//! the run is stopped (`TERM`, a short grace, `KILL`) and when the future is dropped (`KILL`). Only a process that leaves
//! the group on purpose (`setsid`) gets away; it keeps nobody waiting.

mod group;
mod text;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Mutex;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_util::sync::CancellationToken;

use super::BuildError;
use super::programs::Surroundings;
use crate::artifact::output::Output;
use crate::events::LogStream;
use group::Group;
use text::{Escapes, Tail};

/// Bytes that one read of a pipe takes at most: what a pipe holds.
const READ_BYTES: usize = 64 << 10;

/// How long a pipe may stay silent after its program has ended, before it is left.
///
/// What was said before the end lies in the pipe and is read at once; only a process that left the group could say more.
const SILENCE: Duration = Duration::from_millis(300);

/// A program that is about to run.
#[derive(Debug, Clone)]
pub struct Program {
    /// Absolute.
    pub path: PathBuf,
    /// Without the name. Anybody on the machine can read them: no secrets.
    pub arguments: Vec<OsString>,
    /// Where it works.
    pub directory: PathBuf,
    /// Its whole environment.
    pub surroundings: Surroundings,
}

/// What becomes of the standard output. Diagnostics always reach the listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stdout {
    /// It is handed to the listener, and its first bytes are kept.
    Shown {
        /// Bytes that are kept at most.
        keep: usize,
    },
    /// It is kept for the caller alone.
    Hidden {
        /// Bytes that are kept at most; the rest is read and dropped.
        keep: usize,
    },
}

/// A program that has ended by itself.
#[derive(Debug)]
pub struct Finished {
    /// How.
    pub status: ExitStatus,
    /// The first bytes of its standard output, as many as were to be kept.
    pub stdout: Vec<u8>,
    /// The last lines of what was shown, of both streams as they came, oldest first: at most 20, each of bounded length.
    pub tail: Vec<String>,
}

impl Finished {
    /// How it ended, e.g. `exit code 3` or `signal 9`.
    #[must_use]
    pub fn ending(&self) -> String {
        use std::os::unix::process::ExitStatusExt as _;
        match (self.status.code(), self.status.signal()) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => self.status.to_string(),
        }
    }
}

/// Runs a program to its end and hands on what it says, without terminal escapes, as it says it. A listener that is slow
/// slows the program.
///
/// # Errors
/// [`BuildError::Io`] when it cannot be started or heard, [`BuildError::Stopped`] once `stop` is cancelled. A program that
/// fails is not an error here: see [`Finished::status`].
///
/// # Cancel safety
/// Dropping the future kills the program and its group.
pub async fn run(
    program: &Program,
    stdout: Stdout,
    output: &Output,
    stop: &CancellationToken,
) -> Result<Finished, BuildError> {
    let mut group = Group::start(program).map_err(|source| io("start", &program.path, source))?;
    let (mut out, mut err) = group.pipes();
    let heard = Mutex::new(Heard::default());
    let gone = CancellationToken::new();
    let hearing = Hearing {
        output,
        heard: &heard,
        gone: &gone,
    };
    let work = async {
        let life = async {
            group.leader_ended().await?;
            // Before the leader is reaped: until then its number cannot become another group's.
            group.kill();
            gone.cancel();
            Ok(())
        };
        tokio::try_join!(
            life,
            hearing.listen(&mut out, LogStream::Stdout, stdout),
            hearing.listen(&mut err, LogStream::Stderr, Stdout::Shown { keep: 0 }),
        )
    };
    let worked = tokio::select! {
        biased;
        // Cancel-safe: nothing more is wanted of the program.
        () = stop.cancelled() => {
            // Heard no more, yet not cut off: a program that tidies up may say so.
            tokio::select! {
                () = group.end() => {}
                () = ignore(&mut out, &mut err) => {}
            }
            return Err(BuildError::Stopped);
        }
        worked = work => worked,
    };
    worked.map_err(|source| io("hear", &program.path, source))?;
    let status = group.reap().await;
    let status = status.map_err(|source| io("wait for", &program.path, source))?;
    let heard = heard
        .into_inner()
        .expect("nothing panics while it is locked");
    Ok(Finished {
        status,
        stdout: heard.kept,
        tail: heard.tail.into_lines(),
    })
}

/// Reads two pipes for as long as it is polled; never returns.
async fn ignore(out: &mut (impl AsyncRead + Unpin), err: &mut (impl AsyncRead + Unpin)) {
    let (mut nobody, mut either) = (tokio::io::sink(), tokio::io::sink());
    // What cannot be read any more was not wanted either.
    let _ = tokio::join!(
        tokio::io::copy(out, &mut nobody),
        tokio::io::copy(err, &mut either),
    );
    std::future::pending().await
}

fn io(what: &str, path: &Path, source: std::io::Error) -> BuildError {
    BuildError::Io {
        what: format!("{what} `{}`", path.display()),
        source,
    }
}

/// What is kept of what was said.
#[derive(Default)]
struct Heard {
    kept: Vec<u8>,
    tail: Tail,
}

#[derive(Clone, Copy)]
struct Hearing<'a> {
    output: &'a Output,
    heard: &'a Mutex<Heard>,
    /// Cancelled once the program has ended.
    gone: &'a CancellationToken,
}

impl Hearing<'_> {
    async fn listen(
        self,
        mut pipe: impl AsyncRead + Unpin,
        stream: LogStream,
        mode: Stdout,
    ) -> std::io::Result<()> {
        let mut buffer = BytesMut::new();
        let mut escapes = Escapes::default();
        loop {
            buffer.reserve(READ_BYTES);
            let read = tokio::select! {
                // Cancel-safe: what is not read stays in the pipe.
                read = pipe.read_buf(&mut buffer) => read?,
                () = self.silence() => 0,
            };
            if read == 0 {
                return Ok(());
            }
            let said = buffer.split().freeze();
            match mode {
                Stdout::Shown { keep } => {
                    let said = escapes.strip(said);
                    self.keep(&said, keep);
                    self.heard().tail.hear(stream, &said);
                    if !said.is_empty() {
                        self.output.write(stream, said).await;
                    }
                }
                Stdout::Hidden { keep } => self.keep(&said, keep),
            }
        }
    }

    /// Ends when the program has ended and has said nothing since for [`SILENCE`].
    async fn silence(self) {
        self.gone.cancelled().await;
        tokio::time::sleep(SILENCE).await;
    }

    fn keep(self, said: &[u8], limit: usize) {
        let mut heard = self.heard();
        let room = limit.saturating_sub(heard.kept.len());
        heard.kept.extend_from_slice(&said[..said.len().min(room)]);
    }

    fn heard(&self) -> std::sync::MutexGuard<'_, Heard> {
        self.heard
            .lock()
            .expect("nothing panics while it is locked")
    }
}

/// What is left of a program's output that comes in pieces of this size, without terminal escapes.
pub(crate) fn without_escapes(bytes: &[u8], piece: usize) -> Vec<u8> {
    let mut escapes = Escapes::default();
    let pieces = bytes.chunks(piece.max(1));
    pieces
        .flat_map(|piece| escapes.strip(bytes::Bytes::copy_from_slice(piece)))
        .collect()
}
