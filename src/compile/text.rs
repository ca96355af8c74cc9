//! Text for consul-template, built so that no text of a user can become an action.
//!
//! Code is `&'static str` and user text is always quoted, so pasting one where the other belongs does not compile.

/// Text for consul-template under construction.
#[derive(Debug, Default)]
pub(super) struct Text(String);

/// Part of an action.
#[derive(Debug, Clone, Copy)]
pub(super) enum Word<'a> {
    /// Code of ours.
    Code(&'static str),
    /// A string constant.
    Quoted(&'a str),
    /// `$NAME`.
    Variable(Name<'a>),
    /// The field of that name of a KV v2 secret in the current context.
    SecretKey(Name<'a>),
}

/// A name that the template language reads as one word: ASCII letters, digits and `_`, no digit in front.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name<'a>(&'a str);

impl<'a> Name<'a> {
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let valid = text.chars().all(word) && !text.starts_with(|c: char| c.is_ascii_digit());
        (valid && !text.is_empty()).then_some(Self(text))
    }
}

impl Text {
    /// Adds what comes out as it is.
    pub(super) fn literal(mut self, text: &str) -> Self {
        if text.contains('{') {
            return self.action(&[Word::Quoted(text)]);
        }
        self.0.push_str(text);
        self
    }

    /// Adds `{{ … }}`.
    pub(super) fn action(mut self, words: &[Word<'_>]) -> Self {
        self.0.push_str("{{");
        for word in words {
            self.0.push(' ');
            match word {
                Word::Code(code) => self.0.push_str(code),
                Word::Quoted(text) => self.quote(text),
                Word::Variable(name) => self.0.extend(["$", name.0]),
                Word::SecretKey(name) => self.0.extend([".Data.data.", name.0]),
            }
        }
        self.0.push_str(" }}");
        self
    }

    /// Adds an action that is code only.
    pub(super) fn code(self, code: &'static str) -> Self {
        self.action(&[Word::Code(code)])
    }

    /// Adds `{{ end }}` so many times.
    pub(super) fn end(self, times: usize) -> Self {
        (0..times).fold(self, |text, _| text.code("end"))
    }

    pub(super) fn finish(self) -> String {
        self.0
    }

    /// Adds a Go string constant. Braces are escaped too, so not even a careless reader finds a delimiter in it.
    fn quote(&mut self, text: &str) {
        self.0.push('"');
        for c in text.chars() {
            match c {
                '"' => self.0.push_str("\\\""),
                '\\' => self.0.push_str("\\\\"),
                '\n' => self.0.push_str("\\n"),
                c if c.is_control() || matches!(c, '{' | '}') => {
                    self.0.push_str("\\u");
                    self.0.push_str(&hex4(c));
                }
                c => self.0.push(c),
            }
        }
        self.0.push('"');
    }
}

/// Four hexadecimal digits, as `\\u` wants them in Go, HCL and JSON alike; for characters below U+10000.
pub(super) fn hex4(c: char) -> String {
    let code = u32::from(c);
    [12, 8, 4, 0]
        .map(|shift| {
            char::from_digit((code >> shift) & 0xf, 16).expect("a nibble is one hex digit")
        })
        .iter()
        .collect()
}

/// Part of a connection's pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Text that comes out as it is.
    Text(&'a str),
    /// `{{ $NAME }}`.
    Secret(Name<'a>),
    /// `{{ .Address }}`.
    Address,
    /// `{{ .Port }}`.
    Port,
}

/// Splits a pattern. Only the three actions are actions; everything else between braces is text.
pub(super) fn pieces(pattern: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut start, mut at) = (0, 0);
    while let Some(open) = pattern[at..].find("{{").map(|found| at + found) {
        if let Some((piece, after)) = action_at(pattern, open) {
            if start < open {
                pieces.push(Piece::Text(&pattern[start..open]));
            }
            pieces.push(piece);
            (start, at) = (after, after);
        } else {
            at = open + 1;
        }
    }
    if start < pattern.len() {
        pieces.push(Piece::Text(&pattern[start..]));
    }
    pieces
}

/// The action that begins at `open`, and where it ends.
fn action_at(pattern: &str, open: usize) -> Option<(Piece<'_>, usize)> {
    let inner = open + 2;
    let close = inner + pattern[inner..].find("}}")?;
    let piece = match pattern[inner..close].trim() {
        ".Address" => Piece::Address,
        ".Port" => Piece::Port,
        word => Piece::Secret(Name::parse(word.strip_prefix('$')?)?),
    };
    Some((piece, close + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_can_leave_its_quotes() {
        let text = Text::default()
            .action(&[
                Word::Code("secret"),
                Word::Quoted("a\" }}{{ key \"x\\\n\u{7f}é"),
            ])
            .finish();
        assert_eq!(
            text,
            r#"{{ secret "a\" \u007d\u007d\u007b\u007b key \"x\\\n\u007fé" }}"#
        );
    }

    #[test]
    fn a_literal_with_braces_is_no_action() {
        assert_eq!(Text::default().literal("a=").finish(), "a=");
        assert_eq!(
            Text::default().literal("{{ env }}").finish(),
            r#"{{ "\u007b\u007b env \u007d\u007d" }}"#
        );
    }

    #[test]
    fn only_three_actions_are_found_in_a_pattern() {
        let secret = |name| Piece::Secret(Name::parse(name).unwrap());
        for (pattern, want) in [
            ("", vec![]),
            ("plain", vec![Piece::Text("plain")]),
            (
                "m://{{ $U }}:{{$P_1}}@{{ .Address }}:{{.Port}}/x",
                vec![
                    Piece::Text("m://"),
                    secret("U"),
                    Piece::Text(":"),
                    secret("P_1"),
                    Piece::Text("@"),
                    Piece::Address,
                    Piece::Text(":"),
                    Piece::Port,
                    Piece::Text("/x"),
                ],
            ),
            ("{{{ .Port }}", vec![Piece::Text("{"), Piece::Port]),
            (
                "{{ key {{ .Port }}}}",
                vec![Piece::Text("{{ key "), Piece::Port, Piece::Text("}}")],
            ),
            (
                "{{ env \"X\" }}{{ $1 }}{{ $ }}{{ $a | b }}{{ .Port",
                vec![Piece::Text(
                    "{{ env \"X\" }}{{ $1 }}{{ $ }}{{ $a | b }}{{ .Port",
                )],
            ),
        ] {
            assert_eq!(pieces(pattern), want, "{pattern}");
        }
    }
}
