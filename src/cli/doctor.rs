//! `cs doctor`: what stands between this machine and a deployment that works.

use super::cluster::ClusterArgs;
use super::report::doctor::DoctorReport;
use super::{Context, block_on, output};
use crate::clients::chain;
use crate::clients::nomad::{ConnectionConfig, NomadClient};
use crate::config::cluster::{self, Choice, ChoiceError, Flags};
use crate::config::location::{self, Loaded, LocationError};
use crate::doctor::gather::{self, Questions, config_facts};
use crate::doctor::judge;
use crate::ids::OwnerId;

/// Check the connection, rights and surroundings, each with a remedy.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cs doctor
  cs doctor --context prod
  cs doctor --all -o json | jq '.results[] | select(.status != \"ok\")'

Nothing is changed. Takes at most 15 s. Exit code: 0 when nothing fails (warnings are no failure), else 1.")]
pub(super) struct Arguments {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Whose inventory is looked for. Default: `CS_OWNER`, else the owner of the context, else `cs`.
    #[arg(long, value_name = "NAME")]
    owner: Option<OwnerId>,
    /// Do not ask for rights to plan, register and write: for a token that is only to look.
    #[arg(long)]
    read_only: bool,
    /// Also check what only builds need: the Docker engine.
    #[arg(long)]
    all: bool,
    /// How it is written.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

pub(super) fn run(context: &Context, arguments: Arguments) -> u8 {
    let flags = match arguments.cluster.flags() {
        Ok(flags) => flags,
        Err(code) => return code,
    };
    let settings = Settings::read(context, &flags);
    let owner = arguments.owner.unwrap_or_else(|| settings.owner());
    let questions = Questions {
        config: config_facts(
            &settings.loaded,
            settings.choice.as_ref(),
            settings.connection.as_ref(),
            &context.environment,
            settings.broken,
        ),
        connection: settings.connection,
        owner: &owner,
        environment: &context.environment,
        all: arguments.all,
        read_only: arguments.read_only,
    };
    block_on(async {
        let report = DoctorReport::new(&judge::judge(&gather::gather(questions).await));
        match arguments.output {
            Format::Text => output::raw(&report.text(context.paint)),
            Format::Json => output::json(&report.line()),
        }
        report.exit_code()
    })
}

/// As much of the settings as can be used.
#[derive(Default)]
struct Settings {
    loaded: Loaded,
    choice: Option<Choice>,
    connection: Option<ConnectionConfig>,
    /// Why not more, and what to do.
    broken: Option<(String, String)>,
}

impl Settings {
    fn read(context: &Context, flags: &Flags) -> Self {
        let environment = &context.environment;
        let loaded = match location::load(environment) {
            Ok(loaded) => loaded,
            Err(error) => {
                let path = location::path(environment);
                return Self {
                    loaded: Loaded {
                        path,
                        ..Loaded::default()
                    },
                    broken: Some(misplaced(&error)),
                    ..Self::default()
                };
            }
        };
        let choice = match cluster::choose(flags, environment, &loaded) {
            Ok(choice) => choice,
            Err(error) => {
                return Self {
                    loaded,
                    broken: Some(refused(&error)),
                    ..Self::default()
                };
            }
        };
        let connection = choice.connection(environment).and_then(|config| {
            // Reads the files of TLS, so that what is wrong with them is told by the name that the user knows.
            NomadClient::new(config.clone()).map_err(|error| choice.explained(error))?;
            Ok(config)
        });
        let (connection, broken) = match connection {
            Ok(connection) => (Some(connection), None),
            Err(error) => (None, Some(refused(&error))),
        };
        Self {
            loaded,
            choice: Some(choice),
            connection,
            broken,
        }
    }

    fn owner(&self) -> OwnerId {
        match &self.choice {
            Some(choice) => choice.owner.0.clone(),
            None => cluster::DEFAULT_OWNER.parse().expect("a valid owner"),
        }
    }
}

fn misplaced(error: &LocationError) -> (String, String) {
    match error {
        LocationError::Invalid { findings } => {
            let first = findings.first();
            let help = first.and_then(|finding| finding.help.clone());
            let told: Vec<String> = findings.iter().map(ToString::to_string).collect();
            (
                told.join("; "),
                help.unwrap_or_else(|| {
                    "correct the file; docs/configuration.md describes it".to_owned()
                }),
            )
        }
        error => (
            chain(error),
            "correct CS_CONFIG, or make the file: `cs context set NAME --address ADDRESS`"
                .to_owned(),
        ),
    }
}

fn refused(error: &ChoiceError) -> (String, String) {
    let help = match error {
        ChoiceError::UnknownContext { help, .. } => help.clone(),
        _ => "`cs context show` tells where every setting comes from".to_owned(),
    };
    (chain(error), help)
}
