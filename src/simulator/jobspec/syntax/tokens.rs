//! The text as a row of tokens, as far as explaining a mistake needs it.

use std::ops::Range;

/// A piece of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) at: Range<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name.
    Word,
    Number,
    /// A text in quotes, with the first mistake in it.
    Text(Option<Mistake>),
    /// A heredoc; whether it ends.
    Heredoc(bool),
    /// `(`, `[` or `{`.
    Open(u8),
    /// `)`, `]` or `}`.
    Close(u8),
    Equals,
    Comma,
    Colon,
    Question,
    Dot,
    /// An operator with something on both sides, `-` among them.
    Operator,
    /// `!`
    Not,
    /// `...`
    Dots,
    NewLine,
    End,
    /// Anything else.
    Odd,
}

/// What is wrong inside a text in quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mistake {
    /// The line ends before it.
    Line(Range<usize>),
    /// An escape that does not exist.
    Escape(Range<usize>),
    /// A directive, `if` or `for`, without its end.
    Directive {
        word: &'static str,
        opening: Range<usize>,
        end: Range<usize>,
    },
}

/// The tokens of a text. The last one is [`Kind::End`].
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer {
        text,
        bytes: text.as_bytes(),
        at: 0,
        depth: 0,
    };
    let mut tokens = Vec::new();
    loop {
        let token = lexer.next();
        let ends = token.kind == Kind::End;
        tokens.push(token);
        if ends {
            return tokens;
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// Texts inside references inside texts.
    depth: usize,
}

/// Deeper than this everything is one text.
const DEEPEST: usize = 100;

const OPERATORS: &[&str] = &[
    "==", "!=", "<=", ">=", "&&", "||", "=>", "+", "-", "*", "/", "%", "<", ">",
];

impl Lexer<'_> {
    fn next(&mut self) -> Token {
        self.skip_blanks();
        let start = self.at;
        let kind = self.kind();
        Token {
            kind,
            at: start..self.at,
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_blanks(&mut self) {
        loop {
            let rest = self.rest();
            if rest.starts_with([' ', '\t', '\r', '\u{feff}']) {
                self.at += rest.chars().next().map_or(1, char::len_utf8);
            } else if rest.starts_with('#') || rest.starts_with("//") {
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else if rest.starts_with("/*") {
                self.at += rest.find("*/").map_or(rest.len(), |end| end + 2);
            } else {
                return;
            }
        }
    }

    fn kind(&mut self) -> Kind {
        let Some(byte) = self.peek() else {
            return Kind::End;
        };
        let rest = self.rest();
        if rest.starts_with("...") {
            self.at += 3;
            return Kind::Dots;
        }
        if rest.starts_with("<<") {
            return self.heredoc();
        }
        let letter = rest.chars().next().unwrap_or(' ');
        if letter.is_alphabetic() || letter == '_' {
            let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
            self.at += rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            return Kind::Word;
        }
        if letter.is_ascii_digit() {
            let is_part = |c: char| c.is_ascii_alphanumeric() || c == '.';
            self.at += rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            return Kind::Number;
        }
        if letter == '"' {
            self.at += 1;
            return Kind::Text(self.quoted());
        }
        if let Some(operator) = OPERATORS
            .iter()
            .find(|operator| rest.starts_with(**operator))
        {
            self.at += operator.len();
            return Kind::Operator;
        }
        self.at += letter.len_utf8();
        match byte {
            b'(' | b'[' | b'{' => Kind::Open(byte),
            b')' | b']' | b'}' => Kind::Close(byte),
            b'=' => Kind::Equals,
            b',' => Kind::Comma,
            b':' => Kind::Colon,
            b'?' => Kind::Question,
            b'.' => Kind::Dot,
            b'!' => Kind::Not,
            b'\n' => Kind::NewLine,
            _ => Kind::Odd,
        }
    }

    /// The rest of a text whose opening quote is behind.
    fn quoted(&mut self) -> Option<Mistake> {
        if self.depth == DEEPEST {
            self.at = self.bytes.len();
            return None;
        }
        self.depth += 1;
        let mistake = self.quoted_inside();
        self.depth -= 1;
        mistake
    }

    fn quoted_inside(&mut self) -> Option<Mistake> {
        let mut open: Vec<(&'static str, Range<usize>)> = Vec::new();
        while let Some(byte) = self.peek() {
            let rest = self.rest();
            if rest.starts_with("$${") || rest.starts_with("%%{") {
                self.at += 3;
            } else if rest.starts_with("${") || rest.starts_with("%{") {
                let start = self.at;
                let directive = directive(rest);
                self.at += 2;
                if let Some(mistake) = self.interpolated() {
                    return Some(mistake);
                }
                match directive {
                    Some((word, true)) => open.push((word, start..self.at)),
                    Some((_, false)) => drop(open.pop()),
                    None => {}
                }
            } else if byte == b'"' {
                self.at += 1;
                let (word, opening) = open.pop()?;
                return Some(Mistake::Directive {
                    word,
                    opening,
                    end: self.at - 1..self.at,
                });
            } else if byte == b'\n' {
                return Some(Mistake::Line(self.at..self.at + 1));
            } else if byte == b'\\' {
                let selector = rest[1..].chars().next().unwrap_or(' ');
                let end = self.at + 1 + selector.len_utf8();
                if !matches!(selector, 'n' | 'r' | 't' | '"' | '\\' | 'u' | 'U') {
                    return Some(Mistake::Escape(self.at..end));
                }
                self.at = end;
            } else {
                self.at += rest.chars().next().map_or(1, char::len_utf8);
            }
        }
        Some(Mistake::Line(self.at..self.at))
    }

    /// Up to the brace that closes a reference.
    fn interpolated(&mut self) -> Option<Mistake> {
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'{' => depth += 1,
                b'}' if depth == 0 => return None,
                b'}' => depth -= 1,
                b'"' => {
                    if let Some(mistake) = self.quoted() {
                        return Some(mistake);
                    }
                }
                _ => {}
            }
        }
        Some(Mistake::Line(self.at..self.at))
    }

    fn heredoc(&mut self) -> Kind {
        let rest = self.rest();
        let mut lines = rest.split_inclusive('\n');
        let first = lines.next().unwrap_or_default();
        let marker = first[2..].trim_start_matches('-').trim_end();
        let mut length = first.len();
        for line in lines {
            if line.trim() == marker {
                // The line's end is a token of its own.
                self.at += length + line.trim_end_matches(['\r', '\n']).len();
                return Kind::Heredoc(true);
            }
            length += line.len();
        }
        self.at += rest.len();
        Kind::Heredoc(false)
    }
}

/// The word of a directive that begins here, and whether it opens one.
fn directive(text: &str) -> Option<(&'static str, bool)> {
    let text = text.strip_prefix("%{")?;
    let text = text.strip_prefix('~').unwrap_or(text).trim_start();
    let word = &text[..text
        .find(|c: char| !c.is_alphabetic())
        .unwrap_or(text.len())];
    match word {
        "if" => Some(("if", true)),
        "for" => Some(("for", true)),
        "endif" => Some(("if", false)),
        "endfor" => Some(("for", false)),
        _ => None,
    }
}
