//! `cs status --watch`.

use std::io::IsTerminal as _;
use std::time::Duration;

use super::super::report::status::StatusReport;
use super::super::signals::Signals;
use super::super::table::{now, terminal_width};
use super::super::{Context, exit, output};
use super::{Arguments, Format, look, refused, summary, table};
use crate::clients::chain;
use crate::clients::nomad::calls::jobs::JobQuery;
use crate::clients::nomad::client::{NomadClient, next_index};
use crate::clients::nomad::error::Disposition;
use crate::plain;
use crate::views::fleet::Row;

/// Least time between two looks of a watch.
const MIN_TURN: Duration = Duration::from_secs(1);
/// After so long a watch looks anyway: the health of an allocation changes no list of jobs.
const RESYNC: Duration = Duration::from_secs(5);

/// Shows the fleet again and again. On a terminal the screen is drawn anew, elsewhere rows that changed are added.
pub(super) async fn watch(context: &Context, nomad: &NomadClient, arguments: &Arguments) -> u8 {
    let mut signals = Signals::catch();
    let mut screen = Screen {
        redraws: std::io::stdout().is_terminal(),
        shown: Vec::new(),
        is_first: true,
    };
    let work = async {
        let mut index = 0;
        loop {
            let began = tokio::time::Instant::now();
            match look(context, nomad, arguments).await {
                Ok(look) => {
                    if screen.show(context, arguments, &look.rows).is_err() {
                        // Nobody reads any more.
                        return 0;
                    }
                    index = next_index(index, look.index);
                    changed(nomad, arguments, index).await;
                }
                Err(error) if matches!(error.disposition(), Disposition::Backoff { .. }) => {
                    exit::warn(&format!("{}; looking again", chain(&error)));
                    tokio::time::sleep(RESYNC).await;
                }
                Err(error) => return refused(&error),
            }
            tokio::time::sleep_until(began + MIN_TURN).await;
        }
    };
    // Cancel-safe: nothing is written by halves that anybody keeps.
    tokio::select! {
        code = work => code,
        () = signals.first() => 0,
    }
}

/// Waits until the list of jobs has changed, or a few seconds. What fails shows in the next look.
async fn changed(nomad: &NomadClient, arguments: &Arguments, index: u64) {
    let query = JobQuery {
        per_page: Some(1),
        all_namespaces: arguments.all_namespaces,
        ..JobQuery::default()
    };
    let _ = nomad.jobs(&query).after(index, RESYNC).await;
}

/// What a watch has shown so far.
struct Screen {
    redraws: bool,
    shown: Vec<Row>,
    is_first: bool,
}

impl Screen {
    fn show(
        &mut self,
        context: &Context,
        arguments: &Arguments,
        rows: &[Row],
    ) -> std::io::Result<()> {
        let is_same = !self.is_first && self.shown == rows;
        let text = match arguments.output {
            Format::Json | Format::Yaml if is_same => return Ok(()),
            Format::Json => {
                let line = StatusReport::of_fleet(rows, summary(rows)).line();
                format!("{}\n", plain::json(&line))
            }
            Format::Yaml => format!(
                "---\n{}",
                StatusReport::of_fleet(rows, summary(rows)).yaml()
            ),
            Format::Table | Format::Wide if self.redraws => {
                let table = table(rows, arguments.output == Format::Wide, now());
                let table = table.render(context.paint, terminal_width());
                format!("{table}\n{}\n", summary(rows))
            }
            Format::Table | Format::Wide if is_same => return Ok(()),
            Format::Table | Format::Wide => self.added(context, arguments, rows),
        };
        self.shown = rows.to_vec();
        self.is_first = false;
        let is_data = matches!(arguments.output, Format::Json | Format::Yaml);
        match is_data && !std::io::stdout().is_terminal() {
            true => output::try_bytes(text.as_bytes()),
            false => output::try_screen(&text, self.redraws && !is_data),
        }
    }

    /// Rows that are new or different; the headers before the first ones.
    fn added(&self, context: &Context, arguments: &Arguments, rows: &[Row]) -> String {
        let is_new = |row: &&Row| !self.shown.contains(row);
        let changed: Vec<Row> = rows.iter().filter(is_new).cloned().collect();
        let gone = self.shown.iter().filter(|before| {
            !rows
                .iter()
                .any(|row| (&row.namespace, &row.job) == (&before.namespace, &before.job))
        });
        let wide = arguments.output == Format::Wide;
        let text = table(&changed, wide, now()).render(context.paint, None);
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        if !self.is_first {
            lines.remove(0);
        }
        lines.extend(
            gone.map(|row| format!("{} is gone from namespace {}", row.job, row.namespace)),
        );
        lines.into_iter().map(|line| line + "\n").collect()
    }
}
