//! What the classic builder says: its output as it is, its steps, and the last lines of the step that runs.

use super::{Telling, reason};
use crate::clients::docker::engine::BuilderKind;
use crate::clients::docker::error::BuildFailure;
use crate::clients::docker::layers::Layers;
use crate::clients::docker::lines::{LineBuffer, Lines, Tail};
use crate::clients::docker::messages::Message;
use crate::events::LogStream;

/// Around diagnostics. Source: Docker, `streamformatter.NewStderrWriter` and its callers.
const RED: &str = "\u{1b}[91m";
const PLAIN: &str = "\u{1b}[0m";

/// How the builder's own lines begin, which are none of a step.
const OWN: [&str; 2] = [" ---> ", "Removing intermediate container "];

/// What is known about a build so far.
#[derive(Debug, Default)]
pub(super) struct Classic {
    step: Option<String>,
    tail: Tail,
    layers: Layers,
    stdout: LineBuffer,
    stderr: LineBuffer,
    warnings: Vec<String>,
}

impl Telling for Classic {
    const KIND: BuilderKind = BuilderKind::Classic;

    fn hear(&mut self, message: &Message) -> Option<Lines> {
        let mut lines = Lines::default();
        if let Some(text) = &message.stream {
            self.say(text, &mut lines);
        }
        if let Some(line) = self.layers.line(message) {
            lines.text(LogStream::Stdout, &line);
        }
        Some(lines)
    }

    fn finish(&mut self) -> Lines {
        let mut lines = Lines::default();
        let tail = &mut self.tail;
        for (buffer, stream) in [
            (&mut self.stdout, LogStream::Stdout),
            (&mut self.stderr, LogStream::Stderr),
        ] {
            buffer.flush(|line| {
                lines.push(stream, line);
                tail.push(line);
            });
        }
        lines
    }

    fn failure(&mut self, text: &str) -> BuildFailure {
        BuildFailure {
            step: self.step.clone(),
            reason: reason::of(text),
            tail: self.tail.take(),
        }
    }

    fn warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }
}

impl Classic {
    fn say(&mut self, text: &str, lines: &mut Lines) {
        let (text, stream, buffer) = match text.strip_prefix(RED) {
            Some(text) => (
                text.strip_suffix(PLAIN).unwrap_or(text),
                LogStream::Stderr,
                &mut self.stderr,
            ),
            None => (text, LogStream::Stdout, &mut self.stdout),
        };
        let (step, tail, warnings) = (&mut self.step, &mut self.tail, &mut self.warnings);
        buffer.feed(text.as_bytes(), |line| {
            lines.push(stream, line);
            let shown = String::from_utf8_lossy(line);
            if let Some(begun) = step_of(&shown) {
                *step = Some(begun);
                tail.clear();
            } else if let Some(warning) = shown.strip_prefix("[Warning] ") {
                warnings.push(warning.to_owned());
            } else if !OWN.iter().any(|own| shown.starts_with(own)) {
                tail.push(line);
            }
        });
    }
}

/// `[3/4] RUN make` of `Step 3/4 : RUN make`.
fn step_of(line: &str) -> Option<String> {
    let (number, instruction) = line.strip_prefix("Step ")?.split_once(" : ")?;
    let is_number = number.bytes().all(|b| b.is_ascii_digit() || b == b'/');
    (is_number && number.contains('/')).then(|| format!("[{number}] {instruction}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(classic: &mut Classic, texts: &[&str]) -> String {
        let mut shown = String::new();
        for text in texts {
            let message = Message {
                stream: Some((*text).to_owned()),
                ..Message::default()
            };
            shown.push_str(&classic.hear(&message).unwrap().shown());
        }
        shown + &classic.finish().shown()
    }

    #[test]
    fn the_step_that_fails_comes_with_its_own_last_lines() {
        let mut classic = Classic::default();
        let shown = said(
            &mut classic,
            &[
                "Step 1/2 : FROM x",
                "\n",
                " ---\u{3e} 4329949ab92b\n",
                "earlier\n",
                "Step 2/2 : RUN echo hi \u{26}\u{26} false",
                "\n",
                " ---\u{3e} Running in 483c027b39b4\n",
                "h",
                "i\n",
                "\u{1b}[91mbad\n\u{1b}[0m",
                "Removing intermediate container 483c027b39b4\n",
            ],
        );
        assert!(shown.contains("hi\n! bad\nRemoving"), "{shown}");
        assert!(shown.starts_with("Step 1/2 : FROM x\n ---> 4329949ab92b\n"));
        let failure = classic.failure("The command '/bin/sh -c x' returned a non-zero code: 3");
        assert_eq!(failure.step.as_deref(), Some("[2/2] RUN echo hi && false"));
        assert_eq!(failure.reason, "exit code: 3");
        assert_eq!(failure.tail, ["hi", "bad"]);
    }

    #[test]
    fn warnings_are_kept() {
        let mut classic = Classic::default();
        said(
            &mut classic,
            &["[Warning] One or more build-args [X] were not consumed\n"],
        );
        assert_eq!(
            classic.warnings(),
            ["One or more build-args [X] were not consumed"]
        );
    }

    #[test]
    fn only_the_builders_own_words_begin_a_step() {
        assert_eq!(
            step_of("Step 10/12 : COPY . ."),
            Some("[10/12] COPY . .".to_owned())
        );
        for other in ["Step one : x", "Step 3 : x", "step 3/4 : x", "Step 3/4: x"] {
            assert_eq!(step_of(other), None, "{other}");
        }
    }
}
