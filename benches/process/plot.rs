//! Drawings of a table of figures, as SVG: what stands in `docs/PERFORMANCE.md` is what is drawn.
//!
//! Three pictures: every figure against its bound, `cs` beside its peers, and fleets as they grow.

use std::fmt::Write as _;
use std::path::Path;

/// One figure of the table.
#[derive(Debug, Clone, PartialEq)]
struct Figure {
    what: String,
    median: f64,
    /// Tenth and ninetieth percentile, where they were taken.
    spread: Option<(f64, f64)>,
    bound: Option<Bound>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

/// Draws the tables of the Markdown file `table` into the folder `into`.
pub(crate) fn draw(table: &Path, into: &Path) {
    let text = std::fs::read_to_string(table).expect("the table can be read");
    let figures: Vec<Figure> = text.lines().filter_map(figure).collect();
    std::fs::create_dir_all(into).expect("the folder of the drawings can be made");
    for (name, drawing) in [
        ("bounds.svg", bounds(&figures)),
        ("peers.svg", peers(&figures)),
        ("fleet.svg", fleet(&figures)),
    ] {
        std::fs::write(into.join(name), drawing).expect("the drawing can be written");
    }
}

/// A row such as `| what | 1.23 (1.10–1.90, n=40) | ≤ 2 ms |`. Rows without a number are none.
fn figure(line: &str) -> Option<Figure> {
    let cells: Vec<&str> = line
        .strip_prefix('|')?
        .strip_suffix('|')?
        .split('|')
        .collect();
    let [what, value, bound] = cells[..] else {
        return None;
    };
    let value = value.replace('*', "");
    let median = number(value.trim())?;
    let spread = value.split_once('(').and_then(|(_, rest)| {
        let (low, high) = rest.split_once('–')?;
        Some((number(low)?, number(high)?))
    });
    let bound = bound.trim();
    let bound = match bound.chars().next() {
        Some('≤') => number(bound.trim_start_matches('≤').trim()).map(Bound::AtMost),
        Some('≥') => number(bound.trim_start_matches('≥').trim()).map(Bound::AtLeast),
        _ => None,
    };
    Some(Figure {
        what: what.trim().replace('`', ""),
        median,
        spread,
        bound,
    })
}

/// The number at the beginning of a text; thousands have commas.
fn number(text: &str) -> Option<f64> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',')
        .unwrap_or(text.len());
    text[..end]
        .trim_end_matches(',')
        .replace(',', "")
        .parse()
        .ok()
}

/// Share of the bound that is used: 1 is the bound itself, less is better.
fn used(value: f64, bound: Bound) -> f64 {
    match bound {
        Bound::AtMost(most) => value / most,
        Bound::AtLeast(least) => least / value,
    }
}

fn bounds(figures: &[Figure]) -> String {
    let bars: Vec<Bar> = figures
        .iter()
        .filter_map(|figure| {
            let bound = figure.bound?;
            Some(Bar {
                label: figure.what.clone(),
                length: used(figure.median, bound),
                spread: figure
                    .spread
                    .map(|(low, high)| (used(low, bound), used(high, bound))),
                is_peer: false,
                value: format!("{:.0} % of the bound", used(figure.median, bound) * 100.0),
            })
        })
        .collect();
    chart(
        "Figures and their bounds (less is better)",
        &bars,
        Some(1.0),
    )
}

/// Which row of `cs` stands beside which row of a peer.
const PEERS: [(&str, &str, &str); 5] = [
    (
        "start of the process, ms",
        "cs --version, wall",
        "nomad version, wall",
    ),
    (
        "memory of a start, MB",
        "cs --version, peak",
        "nomad version, peak",
    ),
    (
        "an event acknowledged, ms",
        "event, cs::events",
        "event, bare async-nats",
    ),
    (
        "files validated a second",
        "cs validate of 6000 files: files",
        "kubeconform, the same files",
    ),
    (
        "memory of validation, MB",
        "cs validate of 6000 files, peak",
        "kubeconform, peak",
    ),
];

fn peers(figures: &[Figure]) -> String {
    let find = |start: &str| {
        figures.iter().find(|figure| {
            figure
                .what
                .replace(',', "")
                .starts_with(&start.replace(',', ""))
        })
    };
    let mut bars = Vec::new();
    for (title, ours, theirs) in PEERS {
        let (Some(ours), Some(theirs)) = (find(ours), find(theirs)) else {
            continue;
        };
        let most = ours.median.max(theirs.median);
        for (figure, is_peer) in [(ours, false), (theirs, true)] {
            let name = figure.what.split([',', ':']).next().unwrap_or_default();
            let name = name.split(" of ").next().unwrap_or(name);
            bars.push(Bar {
                label: format!("{title}: {name}"),
                length: figure.median / most,
                spread: figure.spread.map(|(low, high)| (low / most, high / most)),
                is_peer,
                value: figure.median.to_string(),
            });
        }
    }
    chart(
        "cs and its peers, measured in turns in one run",
        &bars,
        None,
    )
}

struct Bar {
    label: String,
    /// In units of the widest bar or of the bound.
    length: f64,
    spread: Option<(f64, f64)>,
    is_peer: bool,
    value: String,
}

const LABELS: f64 = 470.0;
const WIDTH: f64 = 420.0;
const ROW: f64 = 22.0;
const TOP: f64 = 44.0;

/// Horizontal bars with their spread, and a line at `mark`.
fn chart(title: &str, bars: &[Bar], mark: Option<f64>) -> String {
    let longest = bars
        .iter()
        .map(|bar| {
            bar.spread
                .map_or(bar.length, |(low, high)| low.max(high).max(bar.length))
        })
        .chain(mark)
        .fold(f64::EPSILON, f64::max);
    let at = |length: f64| LABELS + length / longest * WIDTH;
    let height = TOP + count(bars.len()) * ROW + 12.0;
    let mut svg = opened(title, LABELS + WIDTH + 170.0, height);
    for (place, bar) in bars.iter().enumerate() {
        let y = TOP + count(place) * ROW;
        let colour = if bar.is_peer { "#b0b7c3" } else { "#2f6fde" };
        text(&mut svg, LABELS - 8.0, y + 12.0, "end", &bar.label);
        let _ = writeln!(
            svg,
            r#"<rect x="{LABELS}" y="{y:.1}" width="{:.1}" height="14" fill="{colour}"/>"#,
            at(bar.length) - LABELS
        );
        let mut end = bar.length;
        if let Some((low, high)) = bar.spread {
            end = end.max(low).max(high);
            let middle = y + 7.0;
            let _ = writeln!(
                svg,
                r##"<path d="M{:.1} {middle:.1}H{:.1}" stroke="#1b2430" stroke-width="2"/>"##,
                at(low),
                at(high)
            );
        }
        text(&mut svg, at(end) + 6.0, y + 12.0, "start", &bar.value);
    }
    if let Some(mark) = mark {
        let _ = writeln!(
            svg,
            r##"<path d="M{0:.1} {1:.1}V{2:.1}" stroke="#c8372d" stroke-width="2"/>"##,
            at(mark),
            TOP - 6.0,
            height - 8.0
        );
    }
    svg + "</svg>\n"
}

/// Time of an unchanged fleet by its size, both axes logarithmic: a straight line of slope one is linear growth.
fn fleet(figures: &[Figure]) -> String {
    let lines = [
        (
            "unchanged, ms",
            "unchanged specs, cs plan, embedded Nomad, ms",
            "#2f6fde",
        ),
        (
            "unchanged, MB",
            "unchanged specs, cs plan, embedded Nomad, peak memory, MB",
            "#7aa7f0",
        ),
        (
            "changed, ms",
            "changed specs, cs apply --no-wait, embedded Nomad, ms",
            "#c8372d",
        ),
        (
            "changed, MB",
            "changed specs, cs apply --no-wait, embedded Nomad, peak memory, MB",
            "#e89a94",
        ),
    ];
    let (left, top, width, height) = (70.0, 50.0, 520.0, 320.0);
    let (from, to) = (10f64, 100_000f64);
    let x = |size: f64| left + (size / 100.0).log10() / 2.0 * width;
    let y = |value: f64| top + height - (value / from).log10() / (to / from).log10() * height;
    let mut svg = opened(
        "Fleets: time and memory by number of specs (both axes logarithmic)",
        800.0,
        420.0,
    );
    for value in [10.0, 100.0, 1_000.0, 10_000.0, 100_000.0] {
        let _ = writeln!(
            svg,
            r##"<path d="M{left} {0:.1}H{1:.1}" stroke="#dde1e7"/>"##,
            y(value),
            left + width
        );
        text(
            &mut svg,
            left - 8.0,
            y(value) + 4.0,
            "end",
            &value.to_string(),
        );
    }
    for size in [100.0, 1_000.0, 10_000.0] {
        let _ = writeln!(
            svg,
            r##"<path d="M{0:.1} {top}V{1:.1}" stroke="#dde1e7"/>"##,
            x(size),
            top + height
        );
        text(
            &mut svg,
            x(size),
            top + height + 18.0,
            "middle",
            &size.to_string(),
        );
    }
    for (name, ending, colour) in lines {
        let mut points: Vec<(f64, f64)> = figures
            .iter()
            .filter(|figure| figure.what.ends_with(ending))
            .filter_map(|figure| Some((number(&figure.what)?, figure.median)))
            .collect();
        points.sort_by(|one, other| one.0.total_cmp(&other.0));
        let path: Vec<String> = points
            .iter()
            .map(|(size, value)| format!("{:.1} {:.1}", x(*size), y(*value)))
            .collect();
        let Some((size, value)) = points.last() else {
            continue;
        };
        let _ = writeln!(
            svg,
            r#"<path d="M{}" fill="none" stroke="{colour}" stroke-width="2"/>"#,
            path.join("L")
        );
        text(&mut svg, x(*size) + 8.0, y(*value) + 4.0, "start", name);
    }
    svg + "</svg>\n"
}

fn opened(title: &str, width: f64, height: f64) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    let _ = writeln!(
        svg,
        r##"<text x="12" y="22" font-size="15" fill="#1b2430">{}</text>"##,
        escaped(title)
    );
    svg
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, words: &str) {
    let words = escaped(words);
    let _ = writeln!(
        svg,
        r##"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" fill="#1b2430">{words}</text>"##
    );
}

fn escaped(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;")
}

#[expect(clippy::cast_precision_loss, reason = "some dozens")]
fn count(number: usize) -> f64 {
    number as f64
}
