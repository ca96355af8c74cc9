//! docs/demo.svg is what `cs demo` prints, drawn as a terminal.

use super::{assert_fresh, repository};
use crate::support::env::TestEnv;

/// Columns of the picture; longer lines end with an ellipsis.
const COLUMNS: usize = 104;

/// Pixels of a line and of a character.
const LINE: usize = 19;
const CHARACTER: f32 = 8.1;

#[test]
fn the_picture_of_the_demo_is_what_the_demo_prints() {
    let env = TestEnv::new();
    let committed = std::fs::read_to_string(repository("docs/demo.svg")).unwrap_or_default();
    let mut drawn = String::new();
    // On a machine that stands still for seconds the embedded Nomad gets further between two looks at it.
    for _ in 0..3 {
        let ended = env.cs(["demo", "--color", "always", "--speed", "10"]).run();
        ended.assert_code(0);
        drawn = draw(&settled(&ended.stdout));
        if drawn == committed {
            return;
        }
    }
    assert_fresh("docs/demo.svg", &drawn, "picture");
}

/// Without what differs from run to run: ports, indices, how often a wait was told.
fn settled(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let mut line = digits_after(line, "http://127.0.0.1:", "4646");
        line = digits_after(&line, "at index ", "…");
        line = digits_after(&line, "until allocations become healthy (", "0");
        if let Some((before, rest)) = line.split_once(", and ")
            && rest.ends_with(" log lines")
        {
            line = format!("{before}, and the log");
        }
        // The process that ends begins again as often as there was time.
        if line.trim_start().starts_with("[demo-") && lines.contains(&line) {
            continue;
        }
        // A wait is told as often as something about it changes.
        let is_wait = |line: &str| line.trim_start().starts_with("job shop: waiting");
        if is_wait(&line) && lines.last().is_some_and(|last| is_wait(last)) {
            continue;
        }
        lines.push(line);
    }
    while lines.first().is_some_and(|line| line.is_empty()) {
        lines.remove(0);
    }
    lines.insert(0, "$ cs demo".to_owned());
    lines
}

/// The text with other digits behind every `mark`.
fn digits_after(text: &str, mark: &str, digits: &str) -> String {
    let mut parts = text.split(mark);
    let mut settled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        settled.push_str(mark);
        settled.push_str(digits);
        settled.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    settled
}

fn draw(lines: &[String]) -> String {
    let height = lines.len() * LINE + 40;
    let width = (COLUMNS as f32 * CHARACTER) as usize + 40;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\" aria-label=\"Output of cs demo\">\n\
         <style>text{{font:13.5px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#d4d8dd;white-space:pre}}\
         .b{{font-weight:bold;fill:#fff}}.g{{fill:#7ec87e;font-weight:bold}}.r{{fill:#ec7b7b;font-weight:bold}}\
         .d{{fill:#8b949e}}</style>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#16191d\"/>\n"
    );
    for (index, line) in lines.iter().enumerate() {
        if line.is_empty() {
            continue;
        }
        let y = 20 + LINE * index + 13;
        svg.push_str(&format!(
            "<text x=\"20\" y=\"{y}\" xml:space=\"preserve\">{}</text>\n",
            spans(line)
        ));
    }
    svg.push_str("</svg>\n");
    svg
}

/// A line with the colours of a terminal as classes, cut at the width.
fn spans(line: &str) -> String {
    let mut text = String::new();
    let mut left = COLUMNS;
    for part in line.split('\u{1b}') {
        let coded = part.strip_prefix('[').and_then(|rest| rest.split_once('m'));
        let (code, part) = coded.unwrap_or(("", part));
        let class = match code {
            "1" => "b",
            "31" => "r",
            "32" => "g",
            _ if line.starts_with("   ") && left == COLUMNS => "d",
            _ => "",
        };
        let count = part.chars().count();
        let shown: String = match count > left {
            true => part
                .chars()
                .take(left.saturating_sub(1))
                .chain(['…'])
                .collect(),
            false => part.to_owned(),
        };
        left = left.saturating_sub(count);
        let escaped = shown
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        match class {
            _ if escaped.is_empty() => {}
            "" => text.push_str(&escaped),
            class => text.push_str(&format!("<tspan class=\"{class}\">{escaped}</tspan>")),
        }
        if left == 0 {
            break;
        }
    }
    text
}

#[test]
fn colours_become_classes_and_long_lines_are_cut() {
    assert_eq!(
        spans(" \u{1b}[32m✓\u{1b}[0m a < b"),
        " <tspan class=\"g\">✓</tspan> a &lt; b"
    );
    let cut = spans(&"x".repeat(COLUMNS + 5));
    assert!(
        cut.ends_with('…') && cut.chars().count() == COLUMNS,
        "{cut}"
    );
    assert_eq!(
        settled(
            "at http://127.0.0.1:40979\nregistered job shop at index 17; x\nevents: a, and 8 log lines"
        ),
        [
            "$ cs demo",
            "at http://127.0.0.1:4646",
            "registered job shop at index …; x",
            "events: a, and the log"
        ]
    );
}
