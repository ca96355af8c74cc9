//! Expressions, as far as brackets, separators and texts go.

use super::{Found, Look};
use crate::simulator::jobspec::syntax::tokens::{Kind, Mistake};

impl Look<'_> {
    /// Operands with operators between them. `lines`: a new line ends nothing here.
    pub(super) fn expression(&mut self, lines: bool) -> Found {
        self.deeper(|look| look.operands(lines))
    }

    fn operands(&mut self, lines: bool) -> Found {
        loop {
            self.operand(lines)?;
            if lines {
                self.skip_lines();
            }
            match self.kind() {
                Kind::Operator | Kind::Question => {
                    self.step();
                }
                // The other side of a condition.
                Kind::Colon if !lines => {
                    self.step();
                }
                _ => return Ok(()),
            }
        }
    }

    fn operand(&mut self, lines: bool) -> Found {
        if lines {
            self.skip_lines();
        }
        while self.kind() == Kind::Not || self.is_minus() {
            self.step();
        }
        match self.kind() {
            Kind::Word => {
                self.step();
                if self.kind() == Kind::Open(b'(') {
                    self.step();
                    self.arguments()?;
                }
            }
            Kind::Number => {
                self.step();
            }
            Kind::Text(mistake) => self.text(mistake)?,
            Kind::Heredoc(true) => {
                self.step();
            }
            Kind::Heredoc(false) => {
                let end = self.source.text.len();
                return Err(self.source.problem(
                    end..end,
                    "Unterminated template string",
                    "No closing marker was found for the string.",
                ));
            }
            Kind::Open(b'[') => {
                self.step();
                self.list()?;
            }
            // Maps and what stands in parentheses are passed over.
            Kind::Open(_) => self.skip_group()?,
            Kind::End => {
                return self.wrong(
                    "Missing expression",
                    "Expected the start of an expression, but found the end of the file.",
                );
            }
            _ => {
                return self.wrong(
                    "Invalid expression",
                    "Expected the start of an expression, but found an invalid expression token.",
                );
            }
        }
        self.steps_behind()
    }

    fn is_minus(&self) -> bool {
        self.kind() == Kind::Operator && self.source.slice(self.peek().at.clone()) == "-"
    }

    /// `.name`, `[index]`, `.*`
    fn steps_behind(&mut self) -> Found {
        loop {
            match self.kind() {
                Kind::Dot => {
                    self.step();
                    self.step();
                }
                Kind::Open(b'[') => self.skip_group()?,
                _ => return Ok(()),
            }
        }
    }

    pub(super) fn text(&mut self, mistake: Option<Mistake>) -> Found {
        match mistake {
            None => {
                self.step();
                Ok(())
            }
            Some(Mistake::Line(at)) => Err(self.source.problem(
                at,
                "Invalid multi-line string",
                "Quoted strings may not be split over multiple lines. To produce a multi-line string, either use the \\n escape to represent a newline character or use the \"heredoc\" multi-line template syntax.",
            )),
            Some(Mistake::Directive { word, opening, end }) => {
                let opening = self.source.place(opening);
                let detail = format!(
                    "The {word} directive at {opening} is missing its corresponding end{word} directive."
                );
                Err(self.source.problem(end, "Unexpected end of template", detail))
            }
            Some(Mistake::Escape(at)) => {
                let symbol = self.source.slice(at.start + 1..at.end);
                let detail = format!("The symbol {symbol:?} is not a valid escape sequence selector.");
                Err(self.source.problem(at, "Invalid escape sequence", detail))
            }
        }
    }

    fn list(&mut self) -> Found {
        self.skip_lines();
        if self.kind() == Kind::Word && self.source.slice(self.peek().at.clone()) == "for" {
            return self.skip_to_close();
        }
        self.items(
            b']',
            "Missing item separator",
            "Expected a comma to mark the beginning of the next item.",
        )
    }

    fn arguments(&mut self) -> Found {
        self.items(
            b')',
            "Missing argument separator",
            "A comma is required to separate each function argument from the next.",
        )
    }

    fn items(&mut self, close: u8, summary: &str, detail: &str) -> Found {
        loop {
            self.skip_lines();
            if self.kind() == Kind::Close(close) {
                self.step();
                return Ok(());
            }
            self.expression(true)?;
            self.skip_lines();
            match self.kind() {
                Kind::Comma | Kind::Dots => {
                    self.step();
                }
                Kind::Close(found) if found == close => {}
                // A condition, whose sides are not told apart here.
                Kind::Colon => {
                    self.step();
                    self.expression(true)?;
                }
                _ => return self.wrong(summary, detail),
            }
        }
    }

    /// From an opening bracket to behind the one that closes it.
    fn skip_group(&mut self) -> Found {
        self.step();
        self.skip_to_close()
    }

    fn skip_to_close(&mut self) -> Found {
        let mut depth = 1_usize;
        while depth > 0 {
            match self.kind() {
                Kind::Open(_) => depth += 1,
                Kind::Close(_) => depth -= 1,
                Kind::End => return Ok(()),
                Kind::Text(Some(mistake)) => return self.text(Some(mistake)),
                _ => {}
            }
            self.step();
        }
        Ok(())
    }
}
