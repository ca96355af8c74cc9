//! `cs version`: what this build is, and what it understands.

use super::cluster::ClusterArgs;
use super::report::version::{ServerVersion, VersionReport};
use super::{Context, block_on, exit, output};
use crate::clients::chain;
use crate::clients::nomad::NomadClient;

/// Show version, commit and target of this build, and the kinds it understands.
///
/// `cs --version` prints the first line of it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cs version
  cs version -o json | jq -r .summary.commit
  cs version --server                    # and the version of Nomad

Exit code: 0; with --server 1 when Nomad does not tell its version.")]
pub(super) struct Arguments {
    /// Ask Nomad for its version, too. So does naming a cluster by --address or --context.
    #[arg(long)]
    server: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// How it is written.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
    Yaml,
}

pub(super) fn run(context: &Context, arguments: Arguments) -> u8 {
    if !arguments.server && !arguments.cluster.is_named() {
        print(&VersionReport::new(), arguments.output);
        return 0;
    }
    let nomad = match arguments.cluster.client(context) {
        Ok(nomad) => nomad,
        Err(code) => return code,
    };
    block_on(async {
        // The own version is known whatever becomes of the other.
        match asked(&nomad).await {
            Ok(server) => {
                print(&VersionReport::with_server(server), arguments.output);
                0
            }
            Err((complaint, help)) => {
                print(&VersionReport::without_answer(), arguments.output);
                exit::complain(&complaint, Some(&help));
                1
            }
        }
    })
}

fn print(report: &VersionReport, format: Format) {
    match format {
        Format::Text => output::raw(&report.text()),
        Format::Json => output::json(&report.line()),
        Format::Yaml => output::data(&report.yaml()),
    }
}

async fn asked(nomad: &NomadClient) -> Result<ServerVersion, (String, String)> {
    let agent = nomad.agent_self().await;
    let agent = agent.map_err(|error| (chain(&error), error.help().to_owned()))?;
    let version = agent.value.version().ok_or_else(|| {
        (
            format!("the agent at {} does not tell its version", nomad.address()),
            "check that this is the address of a Nomad agent".to_owned(),
        )
    })?;
    Ok(ServerVersion {
        version: version.to_owned(),
        address: nomad.address().to_string(),
    })
}
