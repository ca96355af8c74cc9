//! From the pieces of a download to files. Blocks: runs in a thread for that.

use std::io;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

use super::error::ArchiveError;
use super::gauge::Gauge;
use super::name::Name;
use super::place::{Facts, Place};
use super::stream::{Gunzip, Piece, Pieces};
use super::{Unpacked, sniff};
use crate::artifact::source::Limits;
use crate::artifact::source::text::shown;

/// A directory with a list of its content, as GNU tar writes it for incremental backups.
const GNU_DIRECTORY: u8 = b'D';

/// The label of an archive, as GNU tar writes it.
const GNU_LABEL: u8 = b'V';

/// Permissions where a header has none that can be read.
const FILE_MODE: u32 = 0o644;
const DIRECTORY_MODE: u32 = 0o755;

/// What came of an archive.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) unpacked: Unpacked,
    /// Entries that are neither files nor directories nor links.
    pub(super) skipped: u64,
}

/// Unpacks what comes through the channel into a directory, which is made.
///
/// # Errors
/// Whatever is wrong first; the directory then holds a part of the archive. When the channel closes early or `halt` is
/// cancelled it is [`ArchiveError::Stopped`].
pub(super) fn unpack(
    receiver: Receiver<Piece>,
    into: &Path,
    limits: Limits,
    halt: CancellationToken,
) -> Result<Report, ArchiveError> {
    let gauge = Rc::new(Gauge::new(limits, halt));
    let mut pieces = Pieces::new(receiver, Rc::clone(&gauge));
    let start = pieces.peek(sniff::WANTED).map_err(|e| gauge.reason(e))?;
    if let Some(found) = sniff::other_than_gzip(start) {
        return Err(ArchiveError::NotGzip { found });
    }
    let mut archive = tar::Archive::new(Gunzip::new(pieces, Rc::clone(&gauge)));
    let mut place = Place::new(into, &gauge)?;
    let skipped = entries(&mut archive, &mut place, &gauge)?;
    // The checksum comes last, and the digest covers all that was downloaded.
    let rest = archive.into_inner().finish();
    let sha256 = rest.and_then(Pieces::finish).map_err(|e| gauge.reason(e))?;
    let files = place.files();
    place.finish()?;
    Ok(Report {
        unpacked: Unpacked {
            files,
            bytes: gauge.written(),
            sha256,
        },
        skipped,
    })
}

/// Returns how many entries were skipped.
fn entries(
    archive: &mut tar::Archive<Gunzip>,
    place: &mut Place<'_>,
    gauge: &Gauge,
) -> Result<u64, ArchiveError> {
    let (mut any, mut skipped) = (false, 0);
    let mut entries = archive.entries().map_err(|e| gauge.reason(e))?;
    loop {
        gauge.headers();
        let Some(entry) = entries.next() else {
            break;
        };
        let mut entry = entry.map_err(|e| gauge.reason(e))?;
        gauge.content();
        gauge.entry()?;
        any = true;
        skipped += u64::from(!put(&mut entry, place, gauge)?);
        // Whatever was not of use, so that the bound on headers is for headers alone.
        io::copy(&mut entry, &mut io::sink()).map_err(|e| gauge.reason(e))?;
    }
    gauge.content();
    if any {
        Ok(skipped)
    } else {
        Err(ArchiveError::Empty)
    }
}

/// Puts an entry in its place. Returns whether there is a place for its kind.
fn put(
    entry: &mut tar::Entry<'_, Gunzip>,
    place: &mut Place<'_>,
    gauge: &Gauge,
) -> Result<bool, ArchiveError> {
    let kind = entry.header().entry_type();
    // Remarks about the archive, e.g. the commit that `git archive` notes.
    if kind.is_pax_global_extensions() || kind.as_byte() == GNU_LABEL {
        return Ok(true);
    }
    let modified = modified(entry, gauge)?;
    let bytes = entry.path_bytes().into_owned();
    let mode = entry.header().mode().ok();
    // In old archives only the slash tells directories from files.
    let slash = bytes.ends_with(b"/");
    let is_file = kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse();
    if kind.is_dir() || kind.as_byte() == GNU_DIRECTORY || (is_file && slash) {
        place.directory(&Name::of_entry(&bytes)?, mode.unwrap_or(DIRECTORY_MODE))?;
    } else if is_file {
        let facts = Facts {
            mode: mode.unwrap_or(FILE_MODE),
            modified,
            size: entry.size(),
        };
        place.file(&Name::of_entry(&bytes)?, &facts, entry)?;
    } else if kind.is_symlink() || kind.is_hard_link() {
        let name = Name::of_entry(&bytes)?;
        let target = entry.link_name_bytes().unwrap_or_default().into_owned();
        if kind.is_symlink() {
            place.link(&name, &target)?;
        } else {
            place.hard_link(&name, &target)?;
        }
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// When the entry was changed last, if that is said and can be. Refuses extended headers that are not understood: a name or
/// a size may be in them.
fn modified(
    entry: &mut tar::Entry<'_, Gunzip>,
    gauge: &Gauge,
) -> Result<Option<SystemTime>, ArchiveError> {
    let name = entry.path_bytes().into_owned();
    let mut exact = None;
    for field in entry
        .pax_extensions()
        .map_err(|e| gauge.reason(e))?
        .into_iter()
        .flatten()
    {
        let field = field.map_err(|e| gauge.reason(e))?;
        if field.key_bytes().starts_with(b"GNU.sparse.") {
            return Err(ArchiveError::Sparse { name: shown(name) });
        }
        if field.key_bytes() == b"mtime" {
            exact = field.value().ok().and_then(time);
        }
    }
    let seconds = entry.header().mtime().ok().map(Duration::from_secs);
    let coarse = seconds.and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since));
    Ok(exact.or(coarse))
}

/// Seconds since 1970 with a fraction, as pax writes them: `1700000000.25`.
fn time(text: &str) -> Option<SystemTime> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let nanoseconds: String = fraction
        .chars()
        .chain("000000000".chars())
        .take(9)
        .collect();
    let since = Duration::new(seconds.parse().ok()?, nanoseconds.parse().ok()?);
    SystemTime::UNIX_EPOCH.checked_add(since)
}

#[cfg(test)]
mod tests;
