//! A Dockerfile as a list of instructions: continuations joined, comments and here-documents taken out.
//!
//! Follows BuildKit's `frontend/dockerfile/parser`, quirks included, except that nothing is an error: what the engine will
//! refuse is the engine's to say.

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Instruction {
    /// Where it starts, from 1.
    pub(super) line: usize,
    /// In upper case.
    pub(super) keyword: String,
    /// The `--…` words that follow the keyword, without quotes.
    pub(super) flags: Vec<String>,
    /// The rest, as written.
    pub(super) arguments: String,
    /// Whether here-documents follow it.
    pub(super) heredoc: bool,
}

impl Instruction {
    /// The values of a flag, e.g. of `--mount`.
    pub(super) fn flag<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.flags
            .iter()
            .filter_map(move |flag| flag.strip_prefix(name)?.strip_prefix('='))
    }

    /// The arguments as words: of a JSON list, else between white space.
    pub(super) fn words(&self) -> Vec<String> {
        json(&self.arguments).unwrap_or_else(|| {
            self.arguments
                .split_ascii_whitespace()
                .map(str::to_owned)
                .collect()
        })
    }
}

/// Reads all instructions.
pub(super) fn instructions(text: &str) -> Vec<Instruction> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.lines().zip(1..).peekable();
    let escape = escape_directive(text);
    let mut found = Vec::new();
    while let Some((first, line)) = lines.next() {
        if is_comment(first) {
            continue;
        }
        let (mut whole, mut continues) = cut_continuation(first.trim_start(), escape);
        while continues && let Some((next, _)) = lines.next() {
            if is_comment(next) || next.trim_start().is_empty() {
                continue;
            }
            let (part, more) = cut_continuation(next, escape);
            whole.push_str(&part);
            continues = more;
        }
        let Some(mut instruction) = Instruction::read(&whole, line, escape) else {
            continue;
        };
        for heredoc in heredocs(&instruction, &whole, escape) {
            instruction.heredoc = true;
            let is_end = |line: &str| heredoc.ends_with(line);
            lines.by_ref().find(|(line, _)| is_end(line));
        }
        found.push(instruction);
    }
    found
}

impl Instruction {
    /// `None` for an empty line.
    fn read(whole: &str, line: usize, escape: char) -> Option<Self> {
        let whole = whole.trim();
        let (keyword, rest) = whole.split_once(is_blank).unwrap_or((whole, ""));
        let (flags, arguments) = split_flags(rest, escape);
        (!keyword.is_empty()).then(|| Self {
            line,
            keyword: keyword.to_ascii_uppercase(),
            flags,
            arguments: arguments.trim().to_owned(),
            heredoc: false,
        })
    }
}

fn is_blank(c: char) -> bool {
    matches!(c, '\t' | '\u{b}' | '\u{c}' | '\r' | ' ')
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

/// The character that continues lines: `\`, or a backtick if one of the directives at the top says so.
fn escape_directive(text: &str) -> char {
    let directives = text.lines().map_while(|line| {
        let (key, value) = line.trim_start().strip_prefix('#')?.split_once('=')?;
        let key = key.trim().to_ascii_lowercase();
        matches!(key.as_str(), "syntax" | "escape" | "check").then_some((key, value.trim()))
    });
    match directives.into_iter().find(|(key, _)| key == "escape") {
        Some((_, "`")) => '`',
        _ => '\\',
    }
}

/// The line without its continuation, and whether it had one. A doubled escape character continues nothing.
fn cut_continuation(line: &str, escape: char) -> (String, bool) {
    let line = line.trim_end_matches('\r');
    match line.trim_end_matches([' ', '\t']).strip_suffix(escape) {
        Some(cut) if !cut.ends_with(escape) => (cut.to_owned(), true),
        _ => (line.to_owned(), false),
    }
}

/// The leading words that start with `--`, and what follows them.
fn split_flags(text: &str, escape: char) -> (Vec<String>, &str) {
    let mut flags = Vec::new();
    let mut rest = text.trim_start();
    while rest.starts_with("--") {
        let (flag, length) = flag(rest, escape);
        rest = rest[length..].trim_start();
        if flag == "--" {
            break;
        }
        flags.push(flag);
    }
    (flags, rest)
}

/// The first word without its quotes, and how many bytes it takes.
fn flag(text: &str, escape: char) -> (String, usize) {
    let mut word = String::new();
    let mut quote = None;
    let mut rest = text.char_indices();
    while let Some((at, c)) = rest.next() {
        match (c, quote) {
            (c, None) if c.is_whitespace() => return (word, at),
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (c, _) if c == escape => word.extend(rest.next().map(|(_, c)| c)),
            (c, _) => word.push(c),
        }
    }
    (word, text.len())
}

fn json(text: &str) -> Option<Vec<String>> {
    serde_json::from_str(text.trim_start()).ok()
}

/// The line that ends a here-document.
struct Heredoc {
    name: String,
    /// `<<-`: the line may be indented with tabs.
    indented: bool,
}

impl Heredoc {
    fn ends_with(&self, line: &str) -> bool {
        let line = line.trim_end_matches('\r');
        let line = if self.indented {
            line.trim_start_matches('\t')
        } else {
            line
        };
        line == self.name
    }

    /// Reads a word such as `<<EOF`, `<<-'EOF'` or `3<<EOF`.
    fn read(word: &str) -> Option<Self> {
        let rest = word
            .trim_start_matches(|c: char| c.is_ascii_digit())
            .strip_prefix("<<")?;
        let (rest, indented) = match rest.strip_prefix('-') {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        let name = unquoted(rest);
        (!name.is_empty() && !rest.contains('<')).then_some(Self { name, indented })
    }
}

fn heredocs(instruction: &Instruction, whole: &str, escape: char) -> Vec<Heredoc> {
    let may_have = |keyword: &str| matches!(keyword, "RUN" | "COPY" | "ADD");
    let inner = (instruction.keyword == "ONBUILD")
        .then(|| Instruction::read(&instruction.arguments, 0, escape))
        .flatten();
    let inner = inner.as_ref().unwrap_or(instruction);
    if !may_have(&inner.keyword) || json(&inner.arguments).is_some() || !whole.contains("<<") {
        return Vec::new();
    }
    let words = shell_words(whole).unwrap_or_default();
    words.into_iter().filter_map(Heredoc::read).collect()
}

/// Words as a shell separates them, quotes kept; `None` when a quote is not closed.
fn shell_words(text: &str) -> Option<Vec<&str>> {
    let mut words = Vec::new();
    let mut start = None;
    let mut quote = None;
    let mut rest = text.char_indices();
    while let Some((at, c)) = rest.next() {
        if quote.is_none() && c.is_whitespace() {
            words.extend(start.take().map(|start| &text[start..at]));
            continue;
        }
        start = start.or(Some(at));
        match (c, quote) {
            ('\\', None | Some('"')) => drop(rest.next()),
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            _ => {}
        }
    }
    words.extend(start.map(|start| &text[start..]));
    quote.is_none().then_some(words)
}

fn unquoted(word: &str) -> String {
    let mut plain = String::new();
    let mut quote = None;
    let mut rest = word.chars();
    while let Some(c) = rest.next() {
        match (c, quote) {
            ('\\', None | Some('"')) => plain.extend(rest.next()),
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            _ => plain.push(c),
        }
    }
    plain
}
