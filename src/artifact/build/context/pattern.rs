//! One pattern of a `.dockerignore`.
//!
//! The rules of one part of a path are those of Go's `filepath.Match`: `*` and `?` stop at a slash, `[a-z]` and `[^a]` are
//! sets, `\` takes the next character as it is. `**` crosses slashes. Matching takes time in proportion to pattern times
//! path, whatever the pattern: it comes from strangers.
//!
//! Docker translates patterns into regular expressions without quoting all of it, so that `\d`, `^`, `|` and `{2}` have a
//! meaning there that no document mentions. Here they are the characters that they look like.
//! Source: `moby/patternmatcher`, `Pattern.compile`.

/// A pattern that is well formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// What every match begins with.
    literal_start: String,
    shape: Shape,
}

/// The frequent cases are compared as texts.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Shape {
    Exact(String),
    /// `a/**`, `a**`
    Prefix(String),
    /// `**/a`, `**a`, `**`
    Suffix(String),
    Glob(Vec<Token>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Char(char),
    /// `?`
    NotSlash,
    /// `[a-z]`, `[^a]`. As in Go, a slash may be in it.
    Set {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
    /// `*`
    Name,
    /// `**/` or `**` before something: nothing, or any folders with their slash.
    Folders,
    /// `**` at the end.
    Rest,
}

/// The broken rule.
pub(crate) type Malformed = &'static str;

impl Pattern {
    /// Reads a pattern whose path is clean already.
    pub(crate) fn parse(text: &str) -> Result<Self, Malformed> {
        let tokens = tokens(text)?;
        let literal_start = literal(&tokens).0;
        let shape = match tokens.as_slice() {
            // `**a` matches `xa`, unlike `**a*` and `**\a`: Docker compares only the ends of the texts then.
            [Token::Folders | Token::Rest, plain @ ..]
                if is_plain(plain) && !text.contains('\\') =>
            {
                Shape::Suffix(text["**".len()..].to_owned())
            }
            [plain @ .., Token::Rest] if is_plain(plain) => Shape::Prefix(literal_start.clone()),
            plain if is_plain(plain) => Shape::Exact(literal_start.clone()),
            _ => Shape::Glob(tokens),
        };
        Ok(Self {
            literal_start,
            shape,
        })
    }

    /// A pattern for one path, taken as it is.
    pub(super) fn exactly(path: &str) -> Self {
        Self {
            literal_start: path.to_owned(),
            shape: Shape::Exact(path.to_owned()),
        }
    }

    /// Whether it matches a path, without regard to what is above the path.
    pub(crate) fn matches(&self, path: &str) -> bool {
        match &self.shape {
            Shape::Exact(exact) => path == exact,
            Shape::Prefix(prefix) => path.starts_with(prefix),
            Shape::Suffix(suffix) => {
                path.ends_with(suffix) || suffix.strip_prefix('/').is_some_and(|name| path == name)
            }
            Shape::Glob(tokens) => matches(tokens, path),
        }
    }

    /// Whether it may match something below a directory. Never wrong when it says no.
    pub(super) fn may_match_below(&self, directory: &str) -> bool {
        let below = format!("{directory}/");
        let is_exact = matches!(self.shape, Shape::Exact(_));
        self.literal_start.starts_with(&below)
            || (!is_exact && below.starts_with(&self.literal_start))
    }
}

fn is_plain(tokens: &[Token]) -> bool {
    literal(tokens).1 == tokens.len()
}

/// The characters that stand before everything else, and how many they are.
fn literal(tokens: &[Token]) -> (String, usize) {
    let plain = |token: &Token| match token {
        Token::Char(c) => Some(*c),
        _ => None,
    };
    let text: String = tokens.iter().map_while(plain).collect();
    let count = text.chars().count();
    (text, count)
}

fn tokens(text: &str) -> Result<Vec<Token>, Malformed> {
    let mut rest = text.chars().peekable();
    let mut tokens = Vec::new();
    while let Some(c) = rest.next() {
        tokens.push(match c {
            '*' if rest.next_if_eq(&'*').is_some() => {
                rest.next_if_eq(&'/');
                match rest.peek() {
                    Some(_) => Token::Folders,
                    None => Token::Rest,
                }
            }
            '*' => Token::Name,
            '?' => Token::NotSlash,
            '[' => set(&mut rest)?,
            '\\' => Token::Char(rest.next().ok_or("a `\\` stands at its end")?),
            other => Token::Char(other),
        });
    }
    Ok(tokens)
}

type Rest<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// What follows a `[`.
fn set(rest: &mut Rest<'_>) -> Result<Token, Malformed> {
    let negated = rest.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    while ranges.is_empty() || rest.next_if_eq(&']').is_none() {
        let from = member(rest)?;
        let to = match rest.next_if_eq(&'-') {
            Some(_) => member(rest)?,
            None => from,
        };
        if from > to {
            return Err("a range in its `[…]` runs backwards");
        }
        ranges.push((from, to));
    }
    Ok(Token::Set { negated, ranges })
}

fn member(rest: &mut Rest<'_>) -> Result<char, Malformed> {
    const OPEN: Malformed = "a `[` has no `]`";
    match rest.next().ok_or(OPEN)? {
        '\\' => rest.next().ok_or(OPEN),
        '-' | ']' => Err("`-` and `]` in `[…]` need a `\\` before them"),
        other => Ok(other),
    }
}

/// Follows all ways through the tokens at once.
fn matches(tokens: &[Token], path: &str) -> bool {
    let mut here = Places::new(tokens.len());
    here.arrive(tokens, 0);
    for c in path.chars() {
        let mut next = Places::new(tokens.len());
        for (index, token) in tokens.iter().enumerate() {
            let arrived = here.before[index];
            match token {
                Token::Folders if arrived || here.within[index] => {
                    next.enter(index);
                    if c == '/' {
                        next.arrive(tokens, index + 1);
                    }
                }
                Token::Rest if arrived => next.arrive(tokens, index),
                Token::Name if arrived && c != '/' => next.arrive(tokens, index),
                single if arrived && single.takes(c) => next.arrive(tokens, index + 1),
                _ => {}
            }
        }
        if !next.any {
            return false;
        }
        here = next;
    }
    here.before[tokens.len()]
}

impl Token {
    /// Whether it stands for this one character.
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Char(own) => *own == c,
            Self::NotSlash => c != '/',
            Self::Set { negated, ranges } => {
                ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) != *negated
            }
            Self::Name | Self::Folders | Self::Rest => false,
        }
    }
}

/// Where in a pattern a text may have got to.
struct Places {
    /// Before a token; the last one is the end.
    before: Vec<bool>,
    /// Inside the folders that a [`Token::Folders`] stands for.
    within: Vec<bool>,
    /// Whether anything above is set.
    any: bool,
}

impl Places {
    fn new(tokens: usize) -> Self {
        Self {
            before: vec![false; tokens + 1],
            within: vec![false; tokens],
            any: false,
        }
    }

    fn enter(&mut self, index: usize) {
        self.any = true;
        self.within[index] = true;
    }

    /// Also behind all tokens that may stand for nothing.
    fn arrive(&mut self, tokens: &[Token], index: usize) {
        self.any = true;
        let optional = |token: &&Token| matches!(token, Token::Name | Token::Folders | Token::Rest);
        let skipped = tokens[index..].iter().take_while(optional).count();
        self.before[index..=index + skipped].fill(true);
    }
}
