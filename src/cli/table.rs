//! Tables for people: aligned columns, as wide as their text is on a terminal.

use std::io::IsTerminal;
use std::os::fd::AsFd;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::paint::Paint;
use crate::plain;
use crate::views::text::Nanos;

/// Between two columns.
const GAP: &str = "   ";

/// How a cell is coloured. Its text alone says the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Tone {
    #[default]
    Plain,
    Good,
    Warning,
    Bad,
    Dim,
}

impl Tone {
    pub(super) fn paint(self, paint: Paint, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Good => paint.green(text),
            Self::Warning => paint.yellow(text),
            Self::Bad => paint.red(text),
            Self::Dim => paint.dim(text),
        }
    }
}

/// A text in a table, without control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// Absent and empty texts become `-`, so that columns can be counted.
    pub(super) fn new(text: impl AsRef<str>) -> Self {
        let text = match text.as_ref() {
            "" => "-".to_owned(),
            text => plain::line(text).into_owned(),
        };
        Self {
            text,
            tone: Tone::Plain,
        }
    }

    pub(super) fn toned(text: impl AsRef<str>, tone: Tone) -> Self {
        Self {
            tone,
            ..Self::new(text)
        }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<Option<String>> for Cell {
    fn from(text: Option<String>) -> Self {
        Self::new(text.unwrap_or_default())
    }
}

/// A table with a line of headers.
#[derive(Debug, Clone)]
pub(super) struct Table {
    headers: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(super) fn new(headers: impl IntoIterator<Item = &'static str>) -> Self {
        Self {
            headers: headers.into_iter().collect(),
            rows: Vec::new(),
        }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The table as text, each line with a line break. Lines longer than `width` columns are cut.
    pub(super) fn render(&self, paint: Paint, width: Option<usize>) -> String {
        let widths = self.widths();
        let headers: Vec<Cell> = self.headers.iter().map(Cell::new).collect();
        let mut text = String::new();
        for (cells, is_header) in
            std::iter::once((&headers, true)).chain(self.rows.iter().map(|row| (row, false)))
        {
            let mut left = width.unwrap_or(usize::MAX);
            let mut line = String::new();
            for (place, cell) in cells.iter().enumerate() {
                let is_last = place + 1 == cells.len();
                let shown = cut(&cell.text, left);
                let used = shown.width();
                line.push_str(&match is_header {
                    true => paint.bold(&shown),
                    false => cell.tone.paint(paint, &shown),
                });
                left -= used;
                if !is_last && left > 0 {
                    let pad = (widths[place] - used + GAP.len()).min(left);
                    line.push_str(&" ".repeat(pad));
                    left -= pad;
                }
                if left == 0 {
                    break;
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self.headers.iter().map(|text| text.width()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.text.width());
            }
        }
        widths
    }
}

/// As much of a text as fits; what is cut ends with `…`.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut left = width.saturating_sub(1);
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if wide > left {
            break;
        }
        left -= wide;
        kept.push(c);
    }
    if width > 0 {
        kept.push('…');
    }
    kept
}

/// The present, for ages.
pub(super) fn now() -> Nanos {
    i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX)
}

/// Columns of standard output; `None` when it is no terminal: then nothing is cut.
pub(super) fn terminal_width() -> Option<usize> {
    let stdout = std::io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(stdout.as_fd()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["NAME", "HEALTH", "AGE"]);
        table.row([
            Cell::new("shop"),
            Cell::toned("healthy", Tone::Good),
            "3d".into(),
        ]);
        table.row([
            Cell::new("店舗\x1b"),
            Cell::toned("unhealthy", Tone::Bad),
            "".into(),
        ]);
        table
    }

    #[test]
    fn columns_are_aligned_also_below_wide_characters() {
        assert_eq!(
            table().render(Paint::new(false), None),
            "\
NAME    HEALTH      AGE
shop    healthy     3d
店舗�   unhealthy   -
"
        );
    }

    #[test]
    fn colours_move_no_column() {
        let coloured = table().render(Paint::new(true), None);
        let mut plain = coloured;
        for code in ["\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[0m"] {
            assert!(plain.contains(code), "{code:?}");
            plain = plain.replace(code, "");
        }
        assert_eq!(plain, table().render(Paint::new(false), None));
    }

    #[test]
    fn a_line_is_cut_to_the_terminal() {
        assert_eq!(
            table().render(Paint::new(false), Some(13)),
            "\
NAME    HEAL…
shop    heal…
店舗�   unhe…
"
        );
        assert_eq!(cut("店舗", 2), "…", "half a wide character is none");
        assert_eq!(cut("店舗", 3), "店…");
        assert_eq!(cut("ab", 0), "");
    }
}
