//! Logs as they are now, one after another.

use super::super::{answer, exit};
use super::TailArg;
use super::writer::{Closed, Pen, Writer};
use crate::clients::chain;
use crate::clients::nomad::calls::log_stream::{LogFrom, LogItem, LogPlace, LogSource};
use crate::clients::nomad::client::NomadClient;
use crate::clients::nomad::error::NomadError;
use crate::views::logs::{Lines, TAIL_BYTES, Tail, label};

/// Bytes that are read at first for each of the last lines.
const BYTES_A_LINE: u64 = 256;
/// Least and most bytes that are read for the last lines.
const READ: (u64, u64) = (64 * 1024, TAIL_BYTES as u64);

/// Shows logs and returns the exit code.
pub(super) async fn read(
    nomad: &NomadClient,
    logs: &[LogSource],
    tail: TailArg,
    writer: &Writer,
) -> u8 {
    let mut code = 0;
    let pen = writer.pen();
    for source in logs {
        match show(nomad, source, tail, Open::Shown, &pen).await {
            Ok(Ok(_)) => {}
            // Nobody reads any more: that is no failure.
            Ok(Err(Closed)) => return 0,
            Err(error) => code = not_read(source, &error),
        }
    }
    code
}

/// Prints why a log cannot be read, and returns the exit code.
fn not_read(source: &LogSource, error: &NomadError) -> u8 {
    if let NomadError::NotFound { .. } = error {
        exit::complain(
            &format!("the log of {} is gone: {}", label(source), chain(error)),
            Some("Nomad removes logs with their allocation"),
        );
        return 1;
    }
    answer::failed(error)
}

/// What becomes of a last line that has no end yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Open {
    /// It is shown as it is.
    Shown,
    /// It is left to whoever reads on.
    Left,
}

/// Shows what there is of a log, and returns where it ends.
pub(super) async fn show(
    nomad: &NomadClient,
    source: &LogSource,
    tail: TailArg,
    open: Open,
    pen: &Pen,
) -> Result<Result<Option<LogPlace>, Closed>, NomadError> {
    match tail {
        TailArg::All => show_all(nomad, source, pen).await,
        TailArg::Lines(keep) => {
            let (lines, place) = last_lines(nomad, source, keep, open).await?;
            Ok(pen.lines(source, &lines).await.map(|()| place))
        }
    }
}

async fn show_all(
    nomad: &NomadClient,
    source: &LogSource,
    pen: &Pen,
) -> Result<Result<Option<LogPlace>, Closed>, NomadError> {
    let mut stream = nomad.log_stream(source, LogFrom::Start(0), false).await?;
    let (mut lines, mut end) = (Lines::default(), None);
    while let Some(item) = stream.next().await? {
        let LogItem::Data { data, place } = item else {
            continue;
        };
        end = place.or(end);
        let mut whole = Vec::new();
        lines.push(&data, |line| whole.push(line));
        if let Err(Closed) = pen.lines(source, &whole).await {
            return Ok(Err(Closed));
        }
    }
    let rest: Vec<Vec<u8>> = lines.finish().into_iter().collect();
    Ok(pen.lines(source, &rest).await.map(|()| end))
}

/// The last lines of a log, and where it ends. Reads more until there are enough, or as much as is sensible.
async fn last_lines(
    nomad: &NomadClient,
    source: &LogSource,
    keep: usize,
    open: Open,
) -> Result<(Vec<Vec<u8>>, Option<LogPlace>), NomadError> {
    let (least, most) = READ;
    let mut bytes = (keep as u64)
        .saturating_mul(BYTES_A_LINE)
        .clamp(least, most);
    loop {
        let mut stream = nomad.log_stream(source, LogFrom::End(bytes), false).await?;
        let (mut lines, mut end, mut length) = (Lines::default(), None, 0);
        // One more: the first may be cut.
        let mut tail = Tail::new(keep.saturating_add(1));
        let mut seen = 0;
        while let Some(item) = stream.next().await? {
            let LogItem::Data { data, place } = item else {
                continue;
            };
            end = place.or(end);
            length += data.len() as u64;
            lines.push(&data, |line| {
                seen += 1;
                tail.push(line);
            });
        }
        match (lines.finish(), &mut end) {
            (Some(rest), Some(end)) if open == Open::Left && end.offset >= rest.len() as u64 => {
                end.offset -= rest.len() as u64;
            }
            (Some(rest), _) => {
                seen += 1;
                tail.push(rest);
            }
            (None, _) => {}
        }
        let is_whole = length < bytes;
        if seen > keep || is_whole || bytes >= most {
            let mut lines = tail.into_lines();
            let surplus = lines.len().saturating_sub(keep);
            // What is shown from the middle of the log begins with the piece of a line.
            let cut = usize::from(!is_whole && seen == lines.len());
            lines.drain(..surplus.max(cut).min(lines.len()));
            if lines.len() < keep && !is_whole {
                tracing::warn!(
                    "only the last {} lines of {}: more are not kept in memory; --tail all shows everything",
                    lines.len(),
                    label(source)
                );
            }
            return Ok((lines, end));
        }
        bytes = (bytes * 8).min(most);
    }
}
