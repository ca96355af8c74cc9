//! Columns of text. Widths are those of the texts without their colours.

/// Rows of columns, each as wide as its widest text; the last one is not padded.
pub(in crate::cli) fn columns<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let mut widths = [0; N];
    for row in rows {
        for (width, text) in widths.iter_mut().zip(row) {
            *width = (*width).max(length(text));
        }
    }
    let lines = rows.iter().map(|row| {
        let mut line = String::new();
        for (text, width) in row.iter().zip(widths) {
            line.push_str(text);
            line.push_str(&" ".repeat(width - length(text) + 2));
        }
        line.trim_end().to_owned()
    });
    lines.collect()
}

/// Characters that are seen: escape sequences of colours are not.
fn length(text: &str) -> usize {
    let mut count = 0;
    let mut inside = false;
    for c in text.chars() {
        match (inside, c) {
            (false, '\u{1b}') => inside = true,
            (false, _) => count += 1,
            (true, 'm') => inside = false,
            (true, _) => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_do_not_widen_a_column() {
        let row = |a: &str, b: &str| [a.to_owned(), b.to_owned()];
        let lines = columns(&[
            row("\u{1b}[1mab\u{1b}[0m", "x"),
            row("a", ""),
            row("abc", "y"),
        ]);
        assert_eq!(lines, ["\u{1b}[1mab\u{1b}[0m   x", "a", "abc  y"]);
    }
}
