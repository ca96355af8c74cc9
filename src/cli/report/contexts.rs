//! The reports of `cs context`: the contexts of the config file, and the settings that a command would use.

use schemars::JsonSchema;
use serde::Serialize;

use super::table::columns;
use crate::cli::paint::Paint;
use crate::config::cluster::{Choice, Key, Origin};
use crate::config::location::Loaded;
use crate::spec::schema;
use crate::spec::workload::ApiVersion;

/// The contexts of the config file.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::cli) struct ContextsReport {
    /// `cloudstation.io/v1`.
    api_version: ApiVersion,
    /// `ContextReport`.
    kind: ContextReportKind,
    /// `ok`.
    outcome: &'static str,
    /// The file as a whole.
    summary: ContextsSummary,
    /// One entry a context, sorted by name.
    pub(in crate::cli) results: Vec<ContextRow>,
}

#[derive(Debug, Serialize, JsonSchema)]
enum ContextReportKind {
    ContextReport,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ContextsSummary {
    /// The config file, whether or not it is there.
    config_file: Option<String>,
    /// The context that commands use.
    current: Option<String>,
}

/// A context, without secrets.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::cli) struct ContextRow {
    /// Its name.
    name: String,
    /// Whether commands use it.
    current: bool,
    /// Where an agent listens.
    address: Option<String>,
    /// Region.
    region: Option<String>,
    /// Namespace.
    namespace: Option<String>,
    /// On whose behalf jobs are applied.
    owner: Option<String>,
    /// Where the token is kept.
    token: Option<String>,
}

impl ContextsReport {
    /// The report of a file; `chosen` is `CS_CONTEXT`.
    pub(in crate::cli) fn new(loaded: &Loaded, chosen: Option<&str>) -> Self {
        let contents = loaded.file.as_ref().map(|file| file.contents());
        let in_file = contents.and_then(|contents| contents.current_context.as_ref());
        let current = chosen.or(in_file.map(|name| name.as_str()));
        let contexts = contents.into_iter().flat_map(|contents| &contents.contexts);
        let results = contexts.map(|(name, entry)| ContextRow {
            name: name.to_string(),
            current: current == Some(name.as_str()),
            address: entry.address.as_ref().map(ToString::to_string),
            region: entry.region.clone(),
            namespace: entry.namespace.as_ref().map(ToString::to_string),
            owner: entry.owner.as_ref().map(ToString::to_string),
            token: entry.token.as_ref().map(ToString::to_string),
        });
        Self {
            api_version: ApiVersion::V1,
            kind: ContextReportKind::ContextReport,
            outcome: "ok",
            summary: ContextsSummary {
                config_file: loaded.path.as_ref().map(|path| path.display().to_string()),
                current: current.map(str::to_owned),
            },
            results: results.collect(),
        }
    }

    pub(in crate::cli) fn line(&self) -> String {
        serde_json::to_string(self).expect("plain data with text keys")
    }

    pub(in crate::cli) fn table(&self, paint: Paint) -> String {
        let heads = [
            "",
            "NAME",
            "ADDRESS",
            "REGION",
            "NAMESPACE",
            "OWNER",
            "TOKEN",
        ];
        let mut rows = vec![heads.map(|head| paint.bold(head))];
        rows.extend(self.results.iter().map(|row| {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            [
                if row.current { "*" } else { "" }.to_owned(),
                row.name.clone(),
                text(&row.address),
                text(&row.region),
                text(&row.namespace),
                text(&row.owner),
                text(&row.token),
            ]
        }));
        lines(&columns(&rows))
    }
}

fn lines(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Every setting of the connection that a command would use, and who says so.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::cli) struct SettingsReport {
    /// `cloudstation.io/v1`.
    api_version: ApiVersion,
    /// `ConnectionReport`.
    kind: ConnectionReportKind,
    /// `ok`.
    outcome: &'static str,
    /// The cluster.
    summary: SettingsSummary,
    /// One entry a setting.
    results: Vec<SettingRow>,
}

#[derive(Debug, Serialize, JsonSchema)]
enum ConnectionReportKind {
    ConnectionReport,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SettingsSummary {
    /// Where calls go, without credentials.
    address: String,
    /// The context in use.
    context: Option<String>,
}

/// A setting.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SettingRow {
    /// Its name: `context`, `owner`, or that of a context's member, e.g. `address`.
    setting: &'static str,
    /// What it is; of a secret only where it is kept, or `set`.
    value: Option<String>,
    /// Who says so.
    from: Option<Source>,
    /// Why what the context says does not count: `overridden` by a flag or a variable, or `withheld` because calls go to
    /// another address than the context's.
    of_context: Option<&'static str>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Source {
    /// `flag`, `environment`, `file` or `default`.
    kind: &'static str,
    /// The flag, the variable, or the member of the file, e.g. `contexts.prod.address`.
    name: Option<String>,
    /// The file.
    file: Option<String>,
    /// The line in it.
    line: Option<u64>,
}

impl From<&Origin> for Source {
    fn from(origin: &Origin) -> Self {
        let (kind, name, file, line) = match origin {
            Origin::Flag(name) => ("flag", Some((*name).to_owned()), None, None),
            Origin::Variable(name) => ("environment", Some((*name).to_owned()), None, None),
            Origin::File { member, file, line } => {
                let file = file.display().to_string();
                ("file", Some(member.clone()), Some(file), Some(*line))
            }
            Origin::Default => ("default", None, None, None),
        };
        Self {
            kind,
            name,
            file,
            line,
        }
    }
}

impl SettingsReport {
    pub(in crate::cli) fn new(choice: &Choice) -> Self {
        let mut results = vec![SettingRow {
            setting: "context",
            value: choice.context.as_ref().map(|it| it.name.to_string()),
            from: choice.context.as_ref().map(|it| Source::from(&it.origin)),
            of_context: None,
        }];
        results.extend(Key::ALL.map(|key| row(choice, key)));
        results.push(SettingRow {
            setting: "owner",
            value: Some(choice.owner.0.to_string()),
            from: Some(Source::from(&choice.owner.1)),
            of_context: None,
        });
        Self {
            api_version: ApiVersion::V1,
            kind: ConnectionReportKind::ConnectionReport,
            outcome: "ok",
            summary: SettingsSummary {
                address: choice.address(),
                context: choice.context.as_ref().map(|it| it.name.to_string()),
            },
            results,
        }
    }

    pub(in crate::cli) fn line(&self) -> String {
        serde_json::to_string(self).expect("plain data with text keys")
    }

    /// Settings that somebody said something about.
    pub(in crate::cli) fn table(&self, paint: Paint) -> String {
        let mut rows = vec![["SETTING", "VALUE", "FROM"].map(|head| paint.bold(head))];
        let told = self
            .results
            .iter()
            .filter(|row| row.value.is_some() || row.of_context.is_some());
        rows.extend(told.map(|row| {
            let from = row.from.as_ref().map_or_else(String::new, Source::text);
            let note = match row.of_context {
                Some("withheld") => "the context's is kept from another address than its own",
                Some("overridden") => "wins over the context's",
                _ => "",
            };
            let from = [from.as_str(), note]
                .into_iter()
                .filter(|text| !text.is_empty());
            [
                row.setting.to_owned(),
                row.value.clone().unwrap_or_else(|| "-".to_owned()),
                from.collect::<Vec<_>>().join(", "),
            ]
        }));
        lines(&columns(&rows))
    }
}

impl Source {
    fn text(&self) -> String {
        match (&self.name, &self.file, self.line) {
            (Some(name), Some(file), Some(line)) => format!("{name} ({file}:{line})"),
            (Some(name), _, _) => name.clone(),
            (None, _, _) => self.kind.to_owned(),
        }
    }
}

fn row(choice: &Choice, key: Key) -> SettingRow {
    let value = choice.shown(key);
    let origin = choice.origin(key);
    let (value, origin) = match (key, value) {
        (Key::Address, None) => (Some(choice.address()), Some(&Origin::Default)),
        (Key::Namespace, None) => (Some("default".to_owned()), Some(&Origin::Default)),
        (_, value) => (value, origin),
    };
    SettingRow {
        setting: key.member(),
        value,
        from: origin.map(Source::from),
        of_context: if choice.withheld.contains(&key) {
            Some("withheld")
        } else if choice.overridden.contains(&key) {
            Some("overridden")
        } else {
            None
        },
    }
}

/// The JSON Schema of [`ContextsReport`], as it is committed under `schemas/reports/`.
pub(in crate::cli) fn contexts_schema() -> String {
    schema::rendered_output::<ContextsReport>(
        "https://cloudstation.io/schemas/reports/context.json",
        "Report of cs context",
    )
}

/// The JSON Schema of [`SettingsReport`], as it is committed under `schemas/reports/`.
pub(in crate::cli) fn settings_schema() -> String {
    schema::rendered_output::<SettingsReport>(
        "https://cloudstation.io/schemas/reports/connection.json",
        "Report of cs context show",
    )
}
