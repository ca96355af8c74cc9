//! Memory over time, as SVG.

use std::fmt::Write as _;

use super::sample::Watched;

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 60.0;
const COLOURS: [&str; 4] = ["#2563eb", "#dc2626", "#16a34a", "#9333ea"];

/// One line a process.
pub(super) fn svg(watched: &[Watched]) -> String {
    let all = || watched.iter().flat_map(|process| &process.samples);
    let end = all().map(|sample| sample.at).fold(1.0, f64::max);
    let most = all()
        .map(|sample| sample.resident / 1024.0)
        .fold(1.0, f64::max)
        * 1.1;
    let x = |at: f64| LEFT + at / end * (WIDTH - LEFT - 20.0);
    let y = |mib: f64| HEIGHT - 40.0 - mib / most * (HEIGHT - 70.0);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n<text x=\"{LEFT}\" y=\"18\">Resident memory under load, MiB</text>\n"
    );
    for step in 0..=4 {
        let mib = most * f64::from(step) / 4.0;
        let at = y(mib);
        writeln!(
            text,
            "<line x1=\"{LEFT}\" x2=\"{:.0}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#ddd\"/><text x=\"8\" y=\"{:.1}\">{mib:.0}</text>",
            WIDTH - 20.0,
            at + 4.0
        )
        .expect("a text");
    }
    for (place, process) in watched.iter().enumerate() {
        let colour = COLOURS[place % COLOURS.len()];
        // At most a point a pixel.
        let every = (process.samples.len() / 800).max(1);
        let points: Vec<String> = process
            .samples
            .iter()
            .step_by(every)
            .map(|sample| format!("{:.1},{:.1}", x(sample.at), y(sample.resident / 1024.0)))
            .collect();
        writeln!(
            text,
            "<polyline fill=\"none\" stroke=\"{colour}\" points=\"{}\"/>",
            points.join(" ")
        )
        .expect("a text");
        let at = LEFT + 200.0 * f64::from(u32::try_from(place).expect("few"));
        writeln!(
            text,
            "<text x=\"{at}\" y=\"{}\" fill=\"{colour}\">{}</text>",
            HEIGHT - 8.0,
            process.name
        )
        .expect("a text");
    }
    writeln!(
        text,
        "<text x=\"{:.0}\" y=\"{}\">{:.0} min</text>\n</svg>",
        WIDTH - 70.0,
        HEIGHT - 24.0,
        end / 60.0
    )
    .expect("a text");
    text
}
