//! The first mistake in a text that is no HCL, in Nomad's words.
//!
//! Follows the structure as HCL's own parser does, and stops at the first thing out of place. What it does not know it
//! passes over: then the parser's own message stands.

mod expression;

use std::ops::Range;

use super::tokens::{Kind, Token, tokens};
use crate::simulator::jobspec::problem::{Problem, Source};

/// Nothing when no mistake is found.
pub(super) fn first_mistake(source: Source<'_>) -> Option<Problem> {
    let mut look = Look {
        source,
        tokens: tokens(source.text),
        at: 0,
        depth: 0,
    };
    look.body(None).err()
}

type Found = Result<(), Problem>;

struct Look<'a> {
    source: Source<'a>,
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

/// Deeper than this nobody looks.
const DEEPEST: usize = 100;

const WANTED: &str = "Argument or block definition required";
const BLOCK: &str = "Invalid block definition";
const ONE_LINE: &str = "Invalid single-argument block definition";

impl Look<'_> {
    fn peek(&self) -> &Token {
        // The last token ends the text and is never stepped over.
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn kind(&self) -> Kind {
        self.peek().kind.clone()
    }

    fn step(&mut self) -> Range<usize> {
        let at = self.peek().at.clone();
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
        at
    }

    fn skip_lines(&mut self) {
        while self.kind() == Kind::NewLine {
            self.step();
        }
    }

    /// Where the next token begins to be one: of a text that is its quote.
    fn here(&self) -> Range<usize> {
        let token = self.peek();
        match token.kind {
            Kind::Text(_) => token.at.start..token.at.start + 1,
            _ => token.at.clone(),
        }
    }

    fn wrong(&self, summary: &str, detail: impl Into<String>) -> Found {
        Err(self.source.problem(self.here(), summary, detail))
    }

    /// Goes one level deeper; too deep, the rest is passed over.
    fn deeper(&mut self, look: impl FnOnce(&mut Self) -> Found) -> Found {
        if self.depth == DEEPEST {
            self.at = self.tokens.len() - 1;
            return Ok(());
        }
        self.depth += 1;
        let found = look(self);
        self.depth -= 1;
        found
    }

    /// `brace` opened the block whose content this is.
    fn body(&mut self, brace: Option<Range<usize>>) -> Found {
        let mut seen: Vec<(String, Range<usize>)> = Vec::new();
        loop {
            self.skip_lines();
            match (self.kind(), &brace) {
                (Kind::End, None) => return Ok(()),
                (Kind::End, Some(_)) if self.depth == DEEPEST => return Ok(()),
                (Kind::End, Some(brace)) => return Err(self.unclosed(brace)),
                (Kind::Close(b'}'), Some(_)) => {
                    self.step();
                    return Ok(());
                }
                (Kind::Text(None), _) => {
                    return self.wrong(
                        "Invalid argument name",
                        "Argument names must not be quoted.",
                    );
                }
                (Kind::Word, _) => self.item(&mut seen)?,
                _ => {
                    return self.wrong(WANTED, "An argument or block definition is required here.");
                }
            }
        }
    }

    fn unclosed(&self, brace: &Range<usize>) -> Problem {
        self.source.problem(
            brace.clone(),
            "Unclosed configuration block",
            "There is no closing brace for this block before the end of the file. This may be caused by incorrect brace nesting elsewhere in this file.",
        )
    }

    fn item(&mut self, seen: &mut Vec<(String, Range<usize>)>) -> Found {
        let name = self.step();
        match self.kind() {
            Kind::Equals => {
                self.step();
                self.expression(false)?;
                self.end_of_argument()?;
                self.only_once(name, seen)
            }
            Kind::Word | Kind::Text(_) | Kind::Open(b'{') => self.block(),
            _ => self.wrong(
                WANTED,
                "An argument or block definition is required here. To set an argument, use the equals sign \"=\" to introduce the argument value.",
            ),
        }
    }

    fn only_once(&self, name: Range<usize>, seen: &mut Vec<(String, Range<usize>)>) -> Found {
        let text = self.source.slice(name.clone()).to_owned();
        if let Some((_, first)) = seen.iter().find(|(known, _)| *known == text) {
            let first = self.source.place(first.clone());
            let detail = format!(
                "The argument {text:?} was already set at {first}. Each argument may be set only once."
            );
            return Err(self.source.problem(name, "Attribute redefined", detail));
        }
        seen.push((text, name));
        Ok(())
    }

    fn end_of_argument(&mut self) -> Found {
        match self.kind() {
            Kind::NewLine | Kind::End => Ok(()),
            Kind::Comma => self.wrong(
                "Unexpected comma after argument",
                "Argument definitions must be separated by newlines, not commas. An argument definition must end with a newline.",
            ),
            _ => self.wrong(
                "Missing newline after argument",
                "An argument definition must end with a newline.",
            ),
        }
    }

    fn block(&mut self) -> Found {
        loop {
            match self.kind() {
                Kind::Word => {
                    self.step();
                }
                Kind::Text(mistake) => self.text(mistake)?,
                Kind::Open(b'{') => break,
                Kind::Equals => {
                    return self.wrong(BLOCK, "The equals sign \"=\" indicates an argument definition, and must not be used when defining a block.");
                }
                Kind::NewLine => {
                    return self.wrong(BLOCK, "A block definition must have block content delimited by \"{\" and \"}\", starting on the same line as the block header.");
                }
                _ => {
                    return self.wrong(BLOCK, "Either a quoted string block label or an opening brace (\"{\") is expected here.");
                }
            }
        }
        let brace = self.step();
        match self.kind() {
            Kind::Close(b'}') => {
                self.step();
            }
            Kind::Word => self.one_line(&brace)?,
            _ => self.deeper(|look| look.body(Some(brace)))?,
        }
        match self.kind() {
            Kind::NewLine | Kind::End => Ok(()),
            _ => self.wrong(
                "Missing newline after block definition",
                "A block definition must end with a newline.",
            ),
        }
    }

    /// `{ name = value }`
    fn one_line(&mut self, brace: &Range<usize>) -> Found {
        let name = self.step();
        if self.kind() != Kind::Equals {
            let text = self.source.slice(name.clone());
            let detail = format!(
                "A single-line block definition can contain only a single argument. If you meant to define argument {text:?}, use an equals sign to assign it a value. To define a nested block, place it on a line of its own within its parent block."
            );
            let whole = name.start..self.here().end;
            return Err(self
                .source
                .problem(whole, "Argument definition required", detail));
        }
        self.step();
        self.expression(false)?;
        match self.kind() {
            Kind::Close(b'}') => {
                self.step();
                Ok(())
            }
            Kind::Comma => self.wrong(ONE_LINE, "Single-line block syntax can include only one argument definition. To define multiple arguments, use the multi-line block syntax with one argument definition per line."),
            Kind::NewLine => self.wrong(ONE_LINE, "An argument definition on the same line as its containing block creates a single-line block definition, which must also be closed on the same line. Place the block's closing brace immediately after the argument definition."),
            Kind::End => Err(self.unclosed(brace)),
            _ => self.wrong(ONE_LINE, "A single-line block definition must end with a closing brace immediately after its single argument definition."),
        }
    }
}
