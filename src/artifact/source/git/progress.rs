//! How far a fetch is: counted on one thread, said on another, at most once a second.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::address::GitRequest;
use crate::artifact::output::Output;

/// How often is said how far it is.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);

/// Longest line of a server that is shown, in bytes.
const LONGEST_LINE: usize = 1000;

/// Done so far, of how many. Zero of zero is not begun.
#[derive(Debug, Default)]
pub(super) struct Count {
    done: AtomicU64,
    total: AtomicU64,
}

impl Count {
    pub(super) fn expect(&self, total: u64) {
        self.total.store(total, Ordering::Relaxed);
    }

    pub(super) fn advance(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    fn read(&self) -> (u64, u64) {
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        (read(&self.done), read(&self.total))
    }
}

/// Counted by the thread that unpacks.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) objects: Count,
    pub(super) deltas: Count,
    pub(super) files: Count,
    /// Bytes of the pack.
    pub(super) received: AtomicU64,
}

/// Remembers what was said.
#[derive(Debug, Default)]
pub(super) struct Reporter {
    said: [Option<u64>; 3],
}

impl Reporter {
    /// Lines about everything that has moved since the last call.
    pub(super) fn news(&mut self, progress: &Progress) -> Vec<String> {
        let phases = [
            ("Receiving objects", &progress.objects),
            ("Resolving deltas", &progress.deltas),
            ("Checking out files", &progress.files),
        ];
        let mut news = Vec::new();
        for ((phase, count), said) in phases.into_iter().zip(&mut self.said) {
            let (done, total) = count.read();
            if total == 0 || *said == Some(done) {
                continue;
            }
            *said = Some(done);
            let percent = done * 100 / total;
            let mut line = format!("{phase}: {percent}% ({done}/{total})");
            if phase.starts_with("Receiving") {
                line.push_str(&format!(
                    ", {}",
                    size(progress.received.load(Ordering::Relaxed))
                ));
            }
            if done == total {
                line.push_str(", done");
            }
            news.push(line);
        }
        news
    }

    /// Says the news.
    pub(super) async fn report(&mut self, progress: &Progress, output: &Output) {
        for line in self.news(progress) {
            output.line(&line).await;
        }
    }
}

/// `12.3 MiB`.
pub(super) fn size(bytes: u64) -> String {
    let tenths = bytes * 10 / (1 << 20);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

/// What the server says beside the pack, cut into lines. It overwrites its own lines by carriage returns: only what stays
/// in the end is shown.
#[derive(Debug, Default)]
pub(super) struct Chatter {
    line: Vec<u8>,
    /// The next character overwrites the line.
    is_over: bool,
}

impl Chatter {
    /// Takes what was said and gives the lines that are complete.
    pub(super) fn hear(&mut self, bytes: &[u8], request: &GitRequest) -> Vec<String> {
        let mut lines = Vec::new();
        for &byte in bytes {
            match byte {
                b'\n' => lines.extend(self.finish(request)),
                b'\r' => self.is_over = true,
                _ => {
                    if std::mem::take(&mut self.is_over) {
                        self.line.clear();
                    }
                    if self.line.len() < LONGEST_LINE {
                        self.line.push(byte);
                    }
                }
            }
        }
        lines
    }

    /// The line that was begun.
    pub(super) fn finish(&mut self, request: &GitRequest) -> Option<String> {
        self.is_over = false;
        let line = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&line);
        let text: String = text.chars().filter(|c| !crate::plain::steers(*c)).collect();
        let text = text.trim_end();
        (!text.is_empty()).then(|| format!("remote: {}", request.scrub(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::source::git::Providers;
    use crate::spec::workload::GitSource;

    fn request() -> GitRequest {
        let source = GitSource {
            repository: "o/n".to_owned(),
            revision: "main".to_owned(),
            ..GitSource::default()
        };
        GitRequest::new(&source, Some("canary".into()), &Providers::default()).unwrap()
    }

    fn heard(pieces: &[&str]) -> Vec<String> {
        let mut chatter = Chatter::default();
        let mut lines = Vec::new();
        for piece in pieces {
            lines.extend(chatter.hear(piece.as_bytes(), &request()));
        }
        lines.extend(chatter.finish(&request()));
        lines
    }

    #[test]
    fn only_what_stays_of_an_overwritten_line_is_shown() {
        assert_eq!(
            heard(&[
                "Counting: 1%\rCounting: 50%\rCounting: 100%, done.\nCompr",
                "essing: 3%\r",
                "Compressing: 9%\n"
            ]),
            ["remote: Counting: 100%, done.", "remote: Compressing: 9%"]
        );
        assert_eq!(heard(&["a\r\n\n", "tail"]), ["remote: a", "remote: tail"]);
    }

    #[test]
    fn a_server_cannot_steer_the_terminal_nor_repeat_the_token() {
        assert_eq!(
            heard(&["\x1b[31mred\x07 canary\n"]),
            ["remote: [31mred [redacted]"]
        );
        let long = "x".repeat(5000);
        assert_eq!(heard(&[&long])[0].len(), "remote: ".len() + LONGEST_LINE);
    }

    #[test]
    fn only_news_are_said() {
        let progress = Progress::default();
        let mut reporter = Reporter::default();
        assert!(reporter.news(&progress).is_empty());
        progress.objects.expect(4);
        progress.objects.advance();
        progress.received.store(13_000_000, Ordering::Relaxed);
        assert_eq!(
            reporter.news(&progress),
            ["Receiving objects: 25% (1/4), 12.3 MiB"]
        );
        assert!(reporter.news(&progress).is_empty());
        (0..3).for_each(|_| progress.objects.advance());
        progress.files.expect(2);
        assert_eq!(
            reporter.news(&progress),
            [
                "Receiving objects: 100% (4/4), 12.3 MiB, done",
                "Checking out files: 0% (0/2)"
            ]
        );
    }
}
