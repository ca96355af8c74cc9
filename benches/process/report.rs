//! The table.

/// Rows in the order in which they were measured.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    what: String,
    figure: String,
    bound: String,
}

impl Report {
    /// Adds a figure, with the bound that design section 8 sets for it, if it sets one.
    pub(crate) fn row(&mut self, what: &str, figure: impl ToString, bound: &str) {
        let figure = figure.to_string();
        progress(&format!("{what}: {figure}"));
        self.rows.push(Row {
            what: what.to_owned(),
            figure,
            bound: bound.to_owned(),
        });
    }

    pub(crate) fn print(&self, machine: &[String]) {
        for line in machine {
            say(&format!("- {line}"));
        }
        say("\n| What | Median (p10–p90, n) | Bound |\n|---|---|---|");
        for Row {
            what,
            figure,
            bound,
        } in &self.rows
        {
            say(&format!("| {what} | {figure} | {bound} |"));
        }
    }
}

#[expect(clippy::print_stdout, reason = "the table is the product")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}

#[expect(clippy::print_stderr, reason = "a run takes a minute")]
fn progress(line: &str) {
    eprintln!("{line}");
}
