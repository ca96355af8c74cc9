//! `cs schema`: the JSON Schemas of the kinds and of the reports.

use serde_json::json;

use super::{Context, exit, output, report};
use crate::committed::{self, in_debug};
use crate::spec::schema::{self, KINDS, KindSchema};
use crate::spec::suggest::closest;

/// Print the JSON Schema of a kind or of a report.
///
/// Without a name it is the schema of a document of any kind, which is what the modelines of spec files name.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cs schema > schemas/cloudstation.io_v1.json   # what modelines name, for editors
  cs schema workload                            # one kind only
  cs schema run-report                          # what `cs reconcile -o json` prints
  cs schema openapi                             # the API of `cs serve`
  cs schema --list")]
pub(super) struct Arguments {
    /// Name of a kind or of a report, as `--list` shows it. Default: `document`, any kind.
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Show which schemas there are, and in which file below `schemas/` each is committed.
    #[arg(long, conflicts_with = "name")]
    list: bool,
    /// How the list is written; a schema is always JSON.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A table.
    Text,
    /// A JSON document.
    Json,
}

/// A report and its schema.
struct ReportSchema {
    name: &'static str,
    about: &'static str,
    /// Below `schemas/reports/`.
    file: &'static str,
    make: Option<fn() -> String>,
}

impl ReportSchema {
    /// Below `schemas/`.
    fn file(&self) -> String {
        format!("reports/{}", self.file)
    }
}

/// Every report that commands print as JSON.
static REPORTS: &[ReportSchema] = &[
    ReportSchema {
        name: "run-report",
        about: "what `cs reconcile -o json` prints",
        file: "run.json",
        make: in_debug(report::run::run_schema),
    },
    ReportSchema {
        name: "runner-setup-report",
        about: "what `cs runner setup -o json` prints",
        file: "runner-setup.json",
        make: in_debug(report::runner::setup_schema),
    },
    ReportSchema {
        name: "runner-submit-report",
        about: "what `cs runner submit -o json` prints",
        file: "runner-submit.json",
        make: in_debug(report::runner::submit_schema),
    },
    ReportSchema {
        name: "runner-status-report",
        about: "what `cs runner status -o json` prints",
        file: "runner-status.json",
        make: in_debug(report::runner::status_schema),
    },
    ReportSchema {
        name: "plan-report",
        about: "what `cs plan` and `cs diff -o json` print",
        file: "plan.json",
        make: in_debug(report::plan::plan_schema),
    },
    ReportSchema {
        name: "apply-report",
        about: "what `cs apply -o json` prints",
        file: "apply.json",
        make: in_debug(report::apply::apply_schema),
    },
    ReportSchema {
        name: "build-report",
        about: "what `cs build -o json` prints",
        file: "build.json",
        make: in_debug(report::image::build_schema),
    },
    ReportSchema {
        name: "deploy-report",
        about: "what `cs deploy` and `cs up -o json` print",
        file: "deploy.json",
        make: in_debug(report::image::deploy_schema),
    },
    ReportSchema {
        name: "init-report",
        about: "what `cs init -o json` prints",
        file: "init.json",
        make: in_debug(report::init::init_schema),
    },
    ReportSchema {
        name: "validation-report",
        about: "what `cs validate -o json` prints",
        file: "validation.json",
        make: in_debug(report::validation::validation_schema),
    },
    ReportSchema {
        name: "status-report",
        about: "what `cs status`, `cs why`, `cs wait` and their like print",
        file: "status.json",
        make: in_debug(report::status::status_schema),
    },
    ReportSchema {
        name: "log-line",
        about: "a line of `cs logs -o json`",
        file: "log-line.json",
        make: in_debug(report::status::log_line_schema),
    },
    ReportSchema {
        name: "context-report",
        about: "what `cs context list -o json` prints",
        file: "context.json",
        make: in_debug(report::contexts::contexts_schema),
    },
    ReportSchema {
        name: "connection-report",
        about: "what `cs context show -o json` prints",
        file: "connection.json",
        make: in_debug(report::contexts::settings_schema),
    },
    ReportSchema {
        name: "doctor-report",
        about: "what `cs doctor -o json` prints",
        file: "doctor.json",
        make: in_debug(report::doctor::doctor_schema),
    },
    ReportSchema {
        name: "version-report",
        about: "what `cs version -o json` prints",
        file: "version.json",
        make: in_debug(report::version::version_schema),
    },
];

/// Name of the schema of any document.
const DOCUMENT: &str = "document";

/// Name of the description of the API of `cs serve`.
const OPENAPI: &str = "openapi";

/// One line of the list.
struct Entry {
    name: String,
    file: String,
    about: String,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> u8 {
    if arguments.list {
        list(context, arguments.output);
        return 0;
    }
    let name = arguments.name.as_deref().unwrap_or(DOCUMENT);
    match render(name) {
        Some(text) => {
            output::raw(&text);
            0
        }
        None => unknown(name),
    }
}

fn render(name: &str) -> Option<String> {
    if name.eq_ignore_ascii_case(DOCUMENT) {
        return Some(schema::rendered(&schema::document_schema()));
    }
    if name.eq_ignore_ascii_case(OPENAPI) {
        return Some(crate::server::openapi::document());
    }
    if let Some(kind) = KindSchema::named(name) {
        return Some(kind.text());
    }
    let plain = |name: &str| name.replace('-', "").to_ascii_lowercase();
    let report = REPORTS
        .iter()
        .find(|report| plain(report.name) == plain(name))?;
    match report.make {
        Some(make) => Some(make()),
        None => committed::text(&report.file()),
    }
}

fn unknown(name: &str) -> u8 {
    let entries = entries();
    let names = || entries.iter().map(|entry| entry.name.as_str());
    let known = format!("known: {}", names().collect::<Vec<_>>().join(", "));
    let help = closest(name, names()).map_or_else(
        || known.clone(),
        |meant| format!("did you mean `{meant}`? {known}"),
    );
    exit::usage(
        format!("there is no schema `{}`", name.escape_debug()),
        &help,
    )
}

fn entries() -> Vec<Entry> {
    let document = Entry {
        name: DOCUMENT.to_owned(),
        file: schema::DOCUMENT_FILE.to_owned(),
        about: "a document of any kind; what modelines name".to_owned(),
    };
    let kinds = KINDS.iter().map(|kind| Entry {
        name: kind.word(),
        file: kind.file(),
        about: format!("a document of kind {}", kind.name),
    });
    let reports = REPORTS.iter().map(|report| Entry {
        name: report.name.to_owned(),
        file: report.file(),
        about: report.about.to_owned(),
    });
    let openapi = Entry {
        name: OPENAPI.to_owned(),
        file: "openapi.json".to_owned(),
        about: "the API of `cs serve`, as OpenAPI 3.1".to_owned(),
    };
    std::iter::once(document)
        .chain(kinds)
        .chain(reports)
        .chain([openapi])
        .collect()
}

fn list(context: &Context, format: Format) {
    let entries = entries();
    if format == Format::Json {
        let schemas: Vec<_> = entries
            .iter()
            .map(|entry| json!({ "name": entry.name, "file": entry.file, "about": entry.about }))
            .collect();
        output::json(&json!({ "schemas": schemas }).to_string());
        return;
    }
    let width = |of: fn(&Entry) -> &str| {
        let lengths = entries.iter().map(|entry| of(entry).len());
        lengths.max().unwrap_or_default()
    };
    let (names, files) = (width(|entry| &entry.name), width(|entry| &entry.file));
    let heading = format!("{:names$}  {:files$}  ABOUT", "NAME", "FILE");
    output::line(&context.paint.bold(&heading));
    for entry in &entries {
        output::line(&format!(
            "{:names$}  {:files$}  {}",
            entry.name, entry.file, entry.about
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_is_committed_under_its_name() {
        for entry in entries() {
            let committed = committed::text(&entry.file);
            let made = render(&entry.name).unwrap();
            assert!(
                committed.as_deref() == Some(&*made),
                "schemas/{} is stale: cargo run -- schema {} > schemas/{0}",
                entry.file,
                entry.name
            );
        }
    }
}
