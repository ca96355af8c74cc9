//! Uploaded archives: a gzip tar at an address, streamed into files.
//!
//! [`download`] reads the network, [`stream`] decompresses and counts, [`unpack`] reads entries, [`place`] writes them.
//! The archive itself is never on the disk, and never in memory but for a few pieces. Source: contract 4.2.

mod download;
mod error;
mod gauge;
mod links;
mod name;
mod place;
mod sniff;
mod stream;
mod unpack;

use std::path::Path;

use tokio::sync::mpsc::channel;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_util::sync::CancellationToken;

pub use error::ArchiveError;

use super::Limits;
use super::text::size;
use crate::artifact::output::Output;
use crate::secret::Secret;

/// Pieces of a download that wait for the disk. One has up to some 400 KiB.
const PIECES: usize = 8;

/// Bytes that are handed over at a time of an archive that is at hand.
const PIECE: usize = 16 << 10;

/// Where an archive is, and what it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveRequest {
    /// Address of a gzip tar, http or https, usually presigned. A user in it is sent as basic credentials to its own host.
    pub url: Secret,
    /// Digest of the file in hexadecimal digits, in any case, with or without `sha256:` in front.
    pub sha256: Option<String>,
}

/// What came of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpacked {
    /// Regular files, hard links included.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Digest of the archive as it was downloaded: 64 hexadecimal digits in lower case.
    pub sha256: String,
}

/// Downloads an archive and unpacks it into `into`, a directory that is made or empty, below a private one.
///
/// Directories, regular files, symbolic and hard links are made, with their permissions, files with the time of their last
/// change; the rest is skipped with a warning. A folder that everything stands in is kept. Nothing leaves
/// `into`, nothing in it leads out, and the bounds hold whatever the archive says about itself.
///
/// # Errors
/// Whatever is wrong first. `into` may then hold a part of the archive, which the caller removes with its directory.
/// [`ArchiveError::Stopped`] once `stop` is cancelled; nothing is writing any more then.
///
/// # Cancel safety
/// When dropped, the writing thread ends by itself within moments.
pub async fn fetch(
    request: &ArchiveRequest,
    into: &Path,
    limits: &Limits,
    output: &Output,
    stop: &CancellationToken,
) -> Result<Unpacked, ArchiveError> {
    let expected = request.sha256.as_deref().map(digest).transpose()?;
    let download = or_stopped(stop, download::open(&request.url, limits)).await?;

    let halt = stop.child_token();
    let _halted_when_dropped = halt.clone().drop_guard();
    let (sender, receiver) = channel(PIECES);
    let unpacking = spawn_blocking({
        let (into, limits, halt) = (into.to_owned(), limits.clone(), halt.clone());
        move || unpack::unpack(receiver, &into, limits, halt)
    });
    let fed = or_stopped(stop, download.feed(sender, output)).await;
    if fed.is_err() {
        halt.cancel();
    }
    // Waited for in every case: afterwards nobody writes.
    let result = joined(unpacking).await;
    fed?;
    let unpack::Report { unpacked, skipped } = result?;

    if let Some(expected) = expected.filter(|expected| *expected != unpacked.sha256) {
        let actual = unpacked.sha256;
        return Err(ArchiveError::WrongDigest { expected, actual });
    }
    or_stopped(stop, async {
        tell(&unpacked, skipped, output).await;
        Ok(unpacked)
    })
    .await
}

/// Unpacks an archive that is at hand. Blocks.
///
/// # Errors
/// As of [`fetch`].
pub(crate) fn unpack_bytes(
    bytes: &[u8],
    into: &Path,
    limits: Limits,
) -> Result<Unpacked, ArchiveError> {
    let pieces = bytes.chunks(PIECE);
    let (sender, receiver) = channel(pieces.len() + 1);
    let sent = pieces.map(|piece| stream::Piece::Data(bytes::Bytes::copy_from_slice(piece)));
    for piece in sent.chain([stream::Piece::End]) {
        sender.try_send(piece).expect("there is room for all");
    }
    let report = unpack::unpack(receiver, into, limits, CancellationToken::new())?;
    Ok(report.unpacked)
}

async fn tell(unpacked: &Unpacked, skipped: u64, output: &Output) {
    if skipped > 0 {
        let text = format!(
            "Skipped {skipped} of the archive's entries: they are no files, directories or links (e.g. devices or pipes)"
        );
        output.complain(&text).await;
    }
    let (files, bytes) = (unpacked.files, size(unpacked.bytes));
    let noun = if files == 1 { "file" } else { "files" };
    output
        .line(&format!("Unpacked {files} {noun}, {bytes}"))
        .await;
}

async fn or_stopped<T>(
    stop: &CancellationToken,
    work: impl Future<Output = Result<T, ArchiveError>>,
) -> Result<T, ArchiveError> {
    tokio::select! {
        biased;
        // Cancel-safe: nothing is lost, and all of the work may be dropped: its other half sees the channel close.
        () = stop.cancelled() => Err(ArchiveError::Stopped),
        result = work => result,
    }
}

async fn joined<T>(task: JoinHandle<Result<T, ArchiveError>>) -> Result<T, ArchiveError> {
    match task.await {
        Ok(result) => result,
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime goes down.
            Err(_) => Err(ArchiveError::Stopped),
        },
    }
}

/// The digits of a digest, in lower case.
fn digest(text: &str) -> Result<String, ArchiveError> {
    let text = text.trim().to_ascii_lowercase();
    let digits = text.strip_prefix("sha256:").unwrap_or(&text);
    if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(ArchiveError::BadDigest);
    }
    Ok(digits.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_taken_in_any_usual_form() {
        let digits = "0123456789abcdef".repeat(4);
        for text in [
            digits.clone(),
            digits.to_uppercase(),
            format!("sha256:{digits}"),
            format!(" SHA256:{} ", digits.to_uppercase()),
        ] {
            assert_eq!(digest(&text).unwrap(), digits, "{text}");
        }
        for bad in [
            "",
            "sha256:",
            "abc",
            &"g".repeat(64),
            &format!("sha512:{digits}"),
            &"é".repeat(32),
        ] {
            assert!(matches!(digest(bad), Err(ArchiveError::BadDigest)), "{bad}");
        }
    }
}
