//! For people: each finding on a line that `grep` and editors understand, then the line of the file, then what to do.

use std::fmt;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents,
    Severity as Level, SourceCode, SourceSpan, SpanContents,
};

use super::Validated;
use crate::cli::paint::Paint;
use crate::spec::{self, Diagnostic, Severity};
use crate::validation::secret_values;

/// So much of a line is shown, in characters.
const WIDTH: usize = 120;

/// So many of them stand in front of the place, when the line is longer.
const LEAD: usize = 40;

/// What stands in place of a value that looks secret.
const HIDDEN: char = '…';

/// All findings with excerpts.
pub(in crate::cli) fn excerpts(validated: &Validated, paint: Paint) -> String {
    let mut text = String::new();
    for finding in &validated.findings {
        let line = validated
            .texts
            .get(finding.file.as_str())
            .and_then(|text| Excerpt::of(finding, text));
        text.push_str(&head(finding, paint));
        text.push('\n');
        if let Some(line) = line {
            text.push_str(&line.drawn(paint));
        }
        if let Some(help) = &finding.help {
            text.push_str(&format!("  {} {help}\n", paint.cyan("help:")));
        }
    }
    text
}

fn head(finding: &Diagnostic, paint: Paint) -> String {
    let plain = finding.to_string();
    let label = match finding.severity {
        Severity::Error => format!("error[{}]", finding.code),
        Severity::Warning => format!("warning[{}]", finding.code),
    };
    let Some((place, message)) = plain.split_once(&format!(": {label}: ")) else {
        return plain;
    };
    let label = match finding.severity {
        Severity::Error => paint.red(&label),
        Severity::Warning => paint.yellow(&label),
    };
    format!("{}: {label}: {message}", paint.bold(place))
}

/// The line of a finding, as far as it is shown.
#[derive(Debug)]
struct Excerpt {
    text: String,
    /// From 1.
    line: usize,
    severity: Severity,
    span: SourceSpan,
}

impl Excerpt {
    fn of(finding: &Diagnostic, text: &str) -> Option<Self> {
        let line = usize::try_from(finding.line).ok()?;
        let text = text.trim_start_matches('\u{feff}');
        let at = line.checked_sub(1)?;
        let raw = if finding.file.ends_with(".hcl") {
            text.lines().nth(at)?
        } else {
            spec::lines(text).nth(at)?
        };
        let column = usize::try_from(finding.column).ok()?;
        let (characters, origins): (Vec<char>, Vec<usize>) = visible(raw)
            .into_iter()
            .map(|(c, origin)| (shown(c), origin))
            .unzip();
        if characters.iter().all(|c| c.is_whitespace()) {
            return None;
        }
        let start = origins.partition_point(|origin| *origin < column.saturating_sub(1));
        let start = start.min(characters.len() - 1);
        let length = if column == 0 {
            characters.len()
        } else {
            token(&characters[start..])
        };
        let cut = if characters.len() > WIDTH {
            start.saturating_sub(LEAD)
        } else {
            0
        };
        let visible = &characters[cut..characters.len().min(cut + WIDTH)];
        let start = start - cut;
        let end = visible.len().min(start + length);
        let bytes = |characters: &[char]| characters.iter().map(|c| c.len_utf8()).sum::<usize>();
        let offset = bytes(&visible[..start]);
        Some(Self {
            text: visible.iter().collect(),
            line,
            severity: finding.severity,
            span: (offset, bytes(&visible[start..end])).into(),
        })
    }

    fn drawn(&self, paint: Paint) -> String {
        let theme = if paint.is_coloured() {
            GraphicalTheme::unicode()
        } else {
            GraphicalTheme::unicode_nocolor()
        };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_links(false)
            .tab_width(2);
        let mut drawn = String::new();
        if handler.render_report(&mut drawn, self).is_err() {
            return String::new();
        }
        // The message stands in the line above, so the handler is given none; its frame would only be in the way.
        let is_content = |line: &&str| line.contains('│') || line.contains('·');
        drawn
            .lines()
            .filter(is_content)
            .map(|line| format!("{}\n", line.trim_end()))
            .collect()
    }
}

/// A character that a terminal does not act upon.
fn shown(c: char) -> char {
    if crate::plain::steers(c) && c != '\t' {
        char::REPLACEMENT_CHARACTER
    } else {
        c
    }
}

/// The characters of a line with the values of secrets hidden, each with its position in the line.
fn visible(line: &str) -> Vec<(char, usize)> {
    let mut hidden = secret_values(line).into_iter().peekable();
    let mut visible = Vec::new();
    for (position, (byte, c)) in line.char_indices().enumerate() {
        while hidden.next_if(|value| value.end <= byte).is_some() {}
        match hidden.peek() {
            Some(value) if value.start == byte => visible.push((HIDDEN, position)),
            Some(value) if value.start < byte => {}
            _ => visible.push((c, position)),
        }
    }
    visible
}

/// How many characters the word at a place has.
fn token(rest: &[char]) -> usize {
    let quote = rest.first().filter(|c| matches!(c, '"' | '\''));
    let length = match quote {
        Some(quote) => 1 + rest[1..].iter().take_while(|c| *c != quote).count() + 1,
        None => rest
            .iter()
            .take_while(|c| !c.is_whitespace() && !matches!(c, ',' | '}' | ']' | '{' | '['))
            .count(),
    };
    length.clamp(1, rest.len().max(1))
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        _: &SourceSpan,
        _: usize,
        _: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let all = (0, self.text.len()).into();
        let contents = MietteSpanContents::new(self.text.as_bytes(), all, self.line - 1, 0, 1);
        Ok(Box::new(contents))
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

impl std::error::Error for Excerpt {}

impl miette::Diagnostic for Excerpt {
    fn severity(&self) -> Option<Level> {
        Some(match self.severity {
            Severity::Error => Level::Error,
            Severity::Warning => Level::Warning,
        })
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(std::iter::once(LabeledSpan::underline(self.span))))
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{finding, validated};
    use super::*;

    fn drawn(text: &str, line: u64, column: u64) -> String {
        let mut one = finding("a.yaml", line, "is wrong");
        one.column = column;
        let mut validated = validated(vec![one]);
        validated.texts.insert("a.yaml".into(), text.into());
        excerpts(&validated, Paint::new(false))
    }

    #[test]
    fn a_finding_is_a_plain_line_then_the_excerpt_then_the_help() {
        assert_eq!(
            drawn("a: 1\nports: [{port: 80}, {port: 80}]\n", 2, 28),
            "a.yaml:2:28: error[port-twice]: is wrong (`spec.ports[1].port`)\n 2 │ ports: [{port: 80}, {port: 80}]\n   \
             ·                            ──\n  help: remove one\n"
        );
    }

    #[test]
    fn a_place_that_the_file_does_not_have_gets_no_excerpt() {
        for (line, column) in [(0, 0), (7, 1), (2, 1)] {
            let text = drawn("a: 1\n   \n", line, column);
            assert_eq!(text.lines().count(), 2, "{text}");
        }
    }

    #[test]
    fn the_excerpt_is_the_line_that_yaml_counts() {
        let text = drawn("a: 1\rb: 2\r\nc: wrong\n", 3, 4);
        assert!(text.contains(" 3 │ c: wrong\n"), "{text}");
        let text = drawn("a: 1\rb: wrong", 2, 4);
        assert!(text.contains(" 2 │ b: wrong\n"), "{text}");
    }

    #[test]
    fn long_lines_are_cut_around_the_place_and_wide_letters_kept() {
        let line = format!("{}: é😀 wrong {}", "x".repeat(5_000), "y".repeat(5_000));
        let text = drawn(&line, 1, 5_006);
        let excerpt: Vec<&str> = text.lines().collect();
        assert!(excerpt[1].chars().count() < 140, "{text}");
        assert!(excerpt[1].contains("é😀 wrong"), "{text}");
        let start = excerpt[2].chars().position(|c| c == '─').unwrap();
        assert_eq!(excerpt[2].matches('─').count(), 5, "{text}");
        // One of the letters before it takes two columns.
        assert_eq!(
            excerpt[1]
                .chars()
                .skip(start - 1)
                .take(5)
                .collect::<String>(),
            "wrong"
        );
    }

    #[test]
    fn values_of_secrets_and_control_characters_are_not_shown() {
        let text = drawn("env: {DB_PASSWORD: hunter2, A: b\u{1b}[31m}\n", 1, 7);
        assert!(
            !text.contains("hunter2") && !text.contains('\u{1b}'),
            "{text}"
        );
        assert!(text.contains("{DB_PASSWORD: …, A: b"), "{text}");
    }

    #[test]
    fn colours_are_used_when_asked_for_and_leave_the_words_as_they_are() {
        let mut validated = validated(vec![finding("a.yaml", 1, "is wrong")]);
        validated.texts.insert("a.yaml".into(), "ports: 1\n".into());
        let coloured = excerpts(&validated, Paint::new(true));
        assert!(
            coloured.contains("\u{1b}[31merror[port-twice]\u{1b}[0m"),
            "{coloured:?}"
        );
        assert!(!excerpts(&validated, Paint::new(false)).contains('\u{1b}'));
    }
}
