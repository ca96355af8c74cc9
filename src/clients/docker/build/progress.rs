//! What BuildKit reports, as the lines of `docker build --progress=plain`.
//!
//! A build is a graph of steps that run side by side. Each gets a number when it first has something to say, and every
//! line of it begins with that number, so lines of several steps may mix.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message as _;
use serde_json::Value;

use super::proto::{StatusResponse, Timestamp, Vertex, VertexLog, VertexStatus, VertexWarning};
use super::{Telling, reason};
use crate::clients::docker::engine::BuilderKind;
use crate::clients::docker::error::BuildFailure;
use crate::clients::docker::layers::size;
use crate::clients::docker::lines::{LineBuffer, Lines, Tail};
use crate::clients::docker::messages::{Message, TRACE};
use crate::clients::docker::transport::one_line;
use crate::events::LogStream;

/// Parts of steps that are followed at once: layers on their way.
const PARTS: usize = 2048;

/// Seconds between two lines about the same part.
const PART_PAUSE: f64 = 5.0;

/// Warnings that are kept.
const WARNINGS: usize = 50;

/// Longest name of a step, in characters; a here-document may be long.
const NAME: usize = 1000;

/// Failed steps that are kept.
const FAILED: usize = 16;

/// What the step is called that looks for layers in a registry. That it fails ends no build.
const CACHE: &str = "importing cache manifest";

/// What is known about a build so far.
#[derive(Debug, Default)]
pub(super) struct Progress {
    steps: BTreeMap<String, Step>,
    numbers: usize,
    /// By step and id: when it was last told.
    parts: BTreeMap<(String, String), Timestamp>,
    warnings: Vec<String>,
    /// Steps that failed, with the engine's own words.
    failed: Vec<(String, BuildFailure)>,
}

#[derive(Debug, Default)]
struct Step {
    name: String,
    /// Once it had something to say.
    number: Option<usize>,
    started: Option<Timestamp>,
    /// Seconds of the times that it ran before.
    ran: f64,
    /// When it ended, as it was told last.
    ended: Option<Timestamp>,
    /// Whether there is something to tell that no end was told after.
    is_open: bool,
    stdout: LineBuffer,
    stderr: LineBuffer,
    /// Seconds after its start at which it said the unfinished line.
    said: f64,
    tail: Tail,
}

impl Telling for Progress {
    const KIND: BuilderKind = BuilderKind::BuildKit;

    fn hear(&mut self, message: &Message) -> Option<Lines> {
        let (Some(TRACE), Some(Value::String(trace))) = (message.id.as_deref(), &message.aux)
        else {
            return Some(Lines::default());
        };
        let trace = STANDARD.decode(trace).ok()?;
        Some(self.report(StatusResponse::decode(trace.as_slice()).ok()?))
    }

    fn finish(&mut self) -> Lines {
        let mut lines = Lines::default();
        for step in self.steps.values_mut() {
            step.flush(&mut lines);
        }
        lines
    }

    fn failure(&mut self, text: &str) -> BuildFailure {
        // The engine's last word names the step that ended the build, if not letter by letter.
        let named = self
            .failed
            .iter()
            .rposition(|(error, _)| text.contains(error.as_str()));
        let is_cause = |failure: &BuildFailure| {
            let step = failure.step.as_deref();
            step.is_some_and(|step| !step.starts_with(CACHE))
        };
        let last = || {
            self.failed
                .iter()
                .rposition(|(_, failure)| is_cause(failure))
        };
        match named.or_else(last) {
            Some(place) => self.failed.swap_remove(place).1,
            None => BuildFailure {
                step: None,
                reason: reason::of(text),
                tail: Vec::new(),
            },
        }
    }

    fn warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }
}

impl Progress {
    /// Lines of a report. What a step said comes before its end, which is reported first.
    fn report(&mut self, report: StatusResponse) -> Lines {
        let mut lines = Lines::default();
        for vertex in &report.vertexes {
            self.begin(vertex, &mut lines);
        }
        for status in report.statuses {
            self.part(status, &mut lines);
        }
        for warning in &report.warnings {
            self.warn(warning, &mut lines);
        }
        for log in &report.logs {
            self.log(log, &mut lines);
        }
        for vertex in &report.vertexes {
            self.end(vertex, &mut lines);
        }
        lines
    }

    fn begin(&mut self, vertex: &Vertex, lines: &mut Lines) {
        let step = self.steps.entry(vertex.digest.clone()).or_default();
        if step.name.is_empty() {
            step.name = one_line(&vertex.name).chars().take(NAME).collect();
        }
        if let Some(started) = vertex.started
            && step.started != Some(started)
        {
            step.started = Some(started);
            if step.number.is_none() {
                step.number(&mut self.numbers, lines);
            }
        }
    }

    fn part(&mut self, status: VertexStatus, lines: &mut Lines) {
        let Some(step) = self.steps.get_mut(&status.vertex) else {
            return;
        };
        let key = (status.vertex.clone(), status.id.clone());
        let now = status.timestamp.unwrap_or_default();
        let last = self.parts.get(&key);
        let is_done = status.completed.is_some();
        if !is_done {
            let is_due = last.is_none_or(|last| now.since(*last) >= PART_PAUSE);
            if !is_due || (last.is_none() && self.parts.len() >= PARTS) {
                return;
            }
            self.parts.insert(key, now);
        } else {
            self.parts.remove(&key);
        }
        step.say(&mut self.numbers, lines, LogStream::Stdout, &shown(&status));
    }

    fn warn(&mut self, warning: &VertexWarning, lines: &mut Lines) {
        let text = one_line(&String::from_utf8_lossy(&warning.short));
        if let Some(step) = self.steps.get_mut(&warning.vertex) {
            let line = format!("WARN: {text}");
            step.say(&mut self.numbers, lines, LogStream::Stderr, &line);
        }
        if self.warnings.len() < WARNINGS {
            self.warnings.push(text);
        }
    }

    fn log(&mut self, log: &VertexLog, lines: &mut Lines) {
        let Some(step) = self.steps.get_mut(&log.vertex) else {
            return;
        };
        step.number(&mut self.numbers, lines);
        step.hear(log, lines);
    }

    fn end(&mut self, vertex: &Vertex, lines: &mut Lines) {
        let Some(completed) = vertex.completed else {
            return;
        };
        let step = self
            .steps
            .get_mut(&vertex.digest)
            .expect("every step of a report was begun");
        let is_known = step.ended == Some(completed);
        if is_known && vertex.error.is_empty() {
            return;
        }
        step.flush(lines);
        if !is_known {
            step.ended = Some(completed);
            step.ran += vertex.started.map_or(0.0, |begun| completed.since(begun));
        }
        if vertex.error.is_empty() {
            step.succeed(&mut self.numbers, lines, vertex.cached);
        } else if let Some(failure) = step.fail(&mut self.numbers, lines, &vertex.error)
            && self.failed.len() < FAILED
        {
            self.failed.push((vertex.error.clone(), failure));
        }
    }
}

impl Step {
    /// Its number; the first time, its name is told.
    fn number(&mut self, numbers: &mut usize, lines: &mut Lines) -> usize {
        self.is_open = true;
        if let Some(number) = self.number {
            return number;
        }
        *numbers += 1;
        self.number = Some(*numbers);
        lines.text(LogStream::Stdout, &format!("#{numbers} {}", self.name));
        *numbers
    }

    fn say(&mut self, numbers: &mut usize, lines: &mut Lines, stream: LogStream, text: &str) {
        let number = self.number(numbers, lines);
        lines.text(stream, &format!("#{number} {text}"));
    }

    /// Tells its end, unless nothing was told since the last one.
    fn succeed(&mut self, numbers: &mut usize, lines: &mut Lines, is_cached: bool) {
        self.tail.clear();
        if self.number.is_some() && !self.is_open {
            return;
        }
        let end = match is_cached {
            true => "CACHED".to_owned(),
            false => format!("DONE {:.1}s", self.ran),
        };
        self.say(numbers, lines, LogStream::Stdout, &end);
        self.is_open = false;
    }

    /// Tells its error. `None`: it is not at fault, another one's failure ended it.
    fn fail(
        &mut self,
        numbers: &mut usize,
        lines: &mut Lines,
        error: &str,
    ) -> Option<BuildFailure> {
        if error.ends_with("context canceled") {
            self.say(numbers, lines, LogStream::Stdout, "CANCELED");
            return None;
        }
        let reason = reason::of(error);
        let line = format!("ERROR: {reason}");
        self.say(numbers, lines, LogStream::Stderr, &line);
        Some(BuildFailure {
            step: Some(self.name.clone()),
            reason,
            tail: self.tail.take(),
        })
    }

    /// Takes what it said, which may be several lines or a part of one.
    fn hear(&mut self, log: &VertexLog, lines: &mut Lines) {
        let (Some(begun), Some(now)) = (self.started, log.timestamp) else {
            return self.take(log, 0.0, lines);
        };
        self.take(log, now.since(begun), lines);
    }

    fn take(&mut self, log: &VertexLog, said: f64, lines: &mut Lines) {
        self.said = said;
        let prefix = self.prefix();
        let (buffer, stream) = match log.stream {
            2 => (&mut self.stderr, LogStream::Stderr),
            _ => (&mut self.stdout, LogStream::Stdout),
        };
        let tail = &mut self.tail;
        buffer.feed(&log.msg, |line| tell(lines, tail, stream, &prefix, line));
    }

    /// Tells the lines that it did not finish.
    fn flush(&mut self, lines: &mut Lines) {
        let prefix = self.prefix();
        let tail = &mut self.tail;
        for (buffer, stream) in [
            (&mut self.stdout, LogStream::Stdout),
            (&mut self.stderr, LogStream::Stderr),
        ] {
            buffer.flush(|line| tell(lines, tail, stream, &prefix, line));
        }
    }

    fn prefix(&self) -> String {
        format!("#{} {:.3} ", self.number.unwrap_or_default(), self.said)
    }
}

fn tell(lines: &mut Lines, tail: &mut Tail, stream: LogStream, prefix: &str, line: &[u8]) {
    lines.push(stream, &[prefix.as_bytes(), line].concat());
    tail.push(line);
}

/// A part of a step: `sha256:… 1.20MB / 3.40MB 0.3s done`.
fn shown(status: &VertexStatus) -> String {
    let bytes = |value: i64| size(value.try_into().unwrap_or(0));
    let mut text = one_line(&status.id);
    if status.total != 0 {
        text.push_str(&format!(
            " {} / {}",
            bytes(status.current),
            bytes(status.total)
        ));
    } else if status.current != 0 {
        text.push_str(&format!(" {}", bytes(status.current)));
    }
    if let (Some(started), Some(now)) = (status.started, status.completed.or(status.timestamp)) {
        let lasted = now.since(started);
        if lasted >= 0.05 {
            text.push_str(&format!(" {lasted:.1}s"));
        }
    }
    if status.completed.is_some() {
        text.push_str(" done");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Option<Timestamp> {
        Some(Timestamp { seconds, nanos: 0 })
    }

    fn vertex(digest: &str, started: Option<i64>, completed: Option<i64>) -> Vertex {
        Vertex {
            digest: digest.to_owned(),
            name: format!("[{digest}] RUN x"),
            started: started.and_then(at),
            completed: completed.and_then(at),
            ..Vertex::default()
        }
    }

    fn steps(vertexes: Vec<Vertex>) -> StatusResponse {
        StatusResponse {
            vertexes,
            ..StatusResponse::default()
        }
    }

    fn log(digest: &str, stream: i64, text: &'static str) -> VertexLog {
        VertexLog {
            vertex: digest.to_owned(),
            timestamp: Some(Timestamp {
                seconds: 10,
                nanos: 312_000_000,
            }),
            stream,
            msg: text.into(),
        }
    }

    fn told(progress: &mut Progress, reports: Vec<StatusResponse>) -> String {
        let told = reports.into_iter().map(|report| progress.report(report));
        told.map(|lines| lines.shown()).collect()
    }

    #[test]
    fn a_cache_that_is_not_there_is_not_the_cause_of_a_failure() {
        let failed = |digest: &str, name: &str, error: &str| {
            let mut vertex = vertex(digest, Some(1), Some(2));
            vertex.name = name.to_owned();
            vertex.error = error.to_owned();
            vertex
        };
        let report = || {
            steps(vec![
                failed(
                    "a",
                    "importing cache manifest from x:cs-cache",
                    "x:cs-cache: not found",
                ),
                failed(
                    "b",
                    "[2/2] RUN false",
                    "process \"false\" did not complete: exit code: 1",
                ),
            ])
        };
        for last_word in [
            "failed to solve: process \"false\" did not complete: exit code: 1",
            "failed to solve: in other words",
        ] {
            let mut progress = Progress::default();
            told(&mut progress, vec![report()]);
            let step = progress.failure(last_word).step;
            assert_eq!(step.as_deref(), Some("[2/2] RUN false"), "{last_word}");
        }
    }

    #[test]
    fn a_step_is_told_as_docker_tells_it() {
        let mut progress = Progress::default();
        let mut said = steps(vec![vertex("a", Some(10), Some(12))]);
        said.logs = vec![
            log("a", 1, "one\ntw"),
            log("a", 2, "bad\n"),
            log("a", 1, "o"),
        ];
        let mut cached = vertex("b", Some(12), Some(12));
        cached.cached = true;
        let shown = told(
            &mut progress,
            vec![
                steps(vec![vertex("a", None, None), vertex("b", None, None)]),
                steps(vec![vertex("a", Some(10), None)]),
                said,
                steps(vec![cached.clone()]),
                steps(vec![cached]),
            ],
        );
        assert_eq!(
            shown,
            "#1 [a] RUN x\n#1 0.312 one\n! #1 0.312 bad\n#1 0.312 two\n#1 DONE 2.0s\n#2 [b] RUN x\n#2 CACHED\n"
        );
    }

    #[test]
    fn the_step_at_fault_is_the_one_that_was_not_cancelled() {
        let mut progress = Progress::default();
        let mut other = vertex("a", Some(1), Some(2));
        other.error = "x: context canceled".to_owned();
        let mut failed = steps(vec![other, vertex("b", Some(1), Some(2))]);
        failed.vertexes[1].error = "executor failed running [x]: exit code: 7".to_owned();
        failed.logs = vec![log("b", 2, "why\n")];
        let shown = told(&mut progress, vec![failed]);
        assert!(shown.contains("#1 CANCELED"), "{shown}");
        assert!(shown.contains("! #2 ERROR: exit code: 7"), "{shown}");
        assert_eq!(
            progress.failure("failed to solve: x"),
            BuildFailure {
                step: Some("[b] RUN x".to_owned()),
                reason: "exit code: 7".to_owned(),
                tail: vec!["why".to_owned()],
            }
        );
    }

    #[test]
    fn a_failure_without_a_step_has_the_engines_words() {
        let failure = Progress::default().failure("failed to solve: dockerfile parse error");
        assert_eq!(failure.step, None);
        assert_eq!(failure.reason, "dockerfile parse error");
    }

    #[test]
    fn a_part_is_told_at_its_begin_its_end_and_seldom_between() {
        let mut progress = Progress::default();
        let part = |now: i64, current: i64, done: bool| StatusResponse {
            statuses: vec![VertexStatus {
                id: "sha256:ab".to_owned(),
                vertex: "a".to_owned(),
                current,
                total: 9_000_000,
                timestamp: at(now),
                started: at(0),
                completed: at(now).filter(|_| done),
            }],
            ..StatusResponse::default()
        };
        told(&mut progress, vec![steps(vec![vertex("a", Some(0), None)])]);
        let reports = (0..12).map(|now| part(now, now * 1000, false));
        let reports = reports.chain([part(12, 9_000_000, true)]);
        assert_eq!(
            told(&mut progress, reports.collect()),
            "#1 sha256:ab 0B / 9.00MB\n#1 sha256:ab 5.00kB / 9.00MB 5.0s\n#1 sha256:ab 10.00kB / 9.00MB 10.0s\n\
             #1 sha256:ab 9.00MB / 9.00MB 12.0s done\n"
        );
    }

    #[test]
    fn a_step_that_runs_again_sums_its_times_and_ends_again_if_it_said_something() {
        let mut progress = Progress::default();
        let mut last = steps(vec![vertex("a", Some(20), Some(24))]);
        last.logs = vec![log("a", 1, "x\n")];
        let reports = vec![
            steps(vec![vertex("a", Some(0), Some(1))]),
            steps(vec![vertex("a", Some(5), Some(7))]),
            last,
        ];
        assert_eq!(
            told(&mut progress, reports),
            "#1 [a] RUN x\n#1 DONE 1.0s\n#1 0.000 x\n#1 DONE 7.0s\n"
        );
    }

    #[test]
    fn warnings_are_told_and_kept_within_a_bound() {
        let mut progress = Progress::default();
        let warning = VertexWarning {
            vertex: "a".to_owned(),
            short: "old syntax".into(),
        };
        let mut report = steps(vec![vertex("a", Some(0), None)]);
        report.warnings = vec![warning; 100];
        let shown = told(&mut progress, vec![report]);
        assert!(shown.contains("! #1 WARN: old syntax"), "{shown}");
        assert_eq!(progress.warnings().len(), WARNINGS);
    }

    #[test]
    fn a_trace_that_is_none_is_not_understood() {
        let mut progress = Progress::default();
        let mut hear = |aux: &str| {
            let text = format!(r#"{{"id":"moby.buildkit.trace","aux":{aux}}}"#);
            progress
                .hear(&serde_json::from_str(&text).unwrap())
                .is_some()
        };
        assert!(hear(r#""""#));
        assert!(!hear(r#""!!""#));
        assert!(!hear(r#""/////w==""#));
    }
}
