//! Which cluster a command talks to: flag over environment over config file.

use std::path::PathBuf;

use super::{Context, exit};
use crate::clients::chain;
use crate::clients::nomad::NomadClient;
use crate::clients::nomad::connection::ConnectionConfig;
use crate::config::cluster::{self, Choice, ChoiceError, Flags};
use crate::config::file::ContextName;
use crate::config::location::{self, Loaded, LocationError};
use crate::ids::{Namespace, OwnerId};
use crate::secret::Secret;

/// Where the help shows them. Named at every flag: a heading of the group would go on behind it.
const HEADING: &str = "Connection";

/// Flags of every command that talks to a cluster.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct ClusterArgs {
    /// Namespace. Default: `NOMAD_NAMESPACE`, else that of the context, else `default`.
    #[arg(short, long, help_heading = HEADING, value_name = "NAMESPACE")]
    pub(super) namespace: Option<Namespace>,
    /// Context of the config file. Default: `CS_CONTEXT`, else the file's `currentContext`. What it says wins over
    /// `NOMAD_*`.
    #[arg(long, help_heading = HEADING, value_name = "NAME")]
    context: Option<ContextName>,
    /// Address of an agent: http://…, https://… or unix:///…. Default: `NOMAD_ADDR`, else that of the context, else
    /// http://127.0.0.1:4646.
    #[arg(long, help_heading = HEADING, value_name = "ADDRESS")]
    address: Option<Secret>,
    /// Region. Default: `NOMAD_REGION`, else that of the context, else the agent's.
    #[arg(long, help_heading = HEADING, value_name = "REGION")]
    region: Option<String>,
    /// File with the ACL token. Default: the token in `NOMAD_TOKEN`, else that of the context.
    #[arg(long, help_heading = HEADING, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Refused: an argument list is public.
    #[arg(long, help_heading = HEADING, hide = true, num_args = 0..=1, default_missing_value = "")]
    token: Option<Secret>,
    /// The only CA certificates to trust (PEM). Default: `NOMAD_CACERT`, else those of the context, else the system's.
    #[arg(long, help_heading = HEADING, value_name = "FILE")]
    ca_cert: Option<PathBuf>,
    /// Directory of such files. Default: `NOMAD_CAPATH`, else that of the context.
    #[arg(long, help_heading = HEADING, value_name = "DIR")]
    ca_path: Option<PathBuf>,
    /// Certificate of this client (PEM). Default: `NOMAD_CLIENT_CERT`, else that of the context.
    #[arg(long, help_heading = HEADING, value_name = "FILE")]
    client_cert: Option<PathBuf>,
    /// Its private key (PEM). Default: `NOMAD_CLIENT_KEY`, else that of the context.
    #[arg(long, help_heading = HEADING, value_name = "FILE")]
    client_key: Option<PathBuf>,
    /// Name to expect in the server's certificate, often server.REGION.nomad. Default: `NOMAD_TLS_SERVER_NAME`, else that
    /// of the context.
    #[arg(long, help_heading = HEADING, value_name = "NAME")]
    tls_server_name: Option<String>,
    /// Accept any certificate: whoever sits on the way can read the token. Also `NOMAD_SKIP_VERIFY`.
    #[arg(long, help_heading = HEADING)]
    tls_skip_verify: bool,
}

impl ClusterArgs {
    /// The settings of the connection. Reads the config file, and the token where that says so.
    ///
    /// # Errors
    /// What cannot be used has been printed; the exit code.
    pub(super) fn config(&self, context: &Context) -> Result<ConnectionConfig, u8> {
        let choice = self.choice(context)?;
        connection(&choice, context)
    }

    /// Whether the command line itself says which cluster is meant.
    pub(super) const fn is_named(&self) -> bool {
        self.address.is_some() || self.context.is_some()
    }

    /// The cluster in one line.
    pub(super) fn described(&self, nomad: &NomadClient) -> String {
        format!("{} namespace {}", nomad.address(), nomad.namespace())
    }

    /// A client of the cluster. Nothing is sent yet.
    ///
    /// # Errors
    /// What cannot be used has been printed; the exit code.
    pub(super) fn client(&self, context: &Context) -> Result<NomadClient, u8> {
        let choice = self.choice(context)?;
        let config = connection(&choice, context)?;
        NomadClient::new(config).map_err(|error| refuse(&choice.explained(error)))
    }

    /// On whose behalf jobs are applied: `given` (a command's `--owner`), else `CS_OWNER`, else the owner of the context,
    /// else `cs`.
    ///
    /// # Errors
    /// What cannot be used has been printed; the exit code.
    pub(super) fn owner(&self, context: &Context, given: Option<&OwnerId>) -> Result<OwnerId, u8> {
        match given {
            Some(owner) => Ok(owner.clone()),
            None => Ok(self.choice(context)?.owner.0),
        }
    }

    /// Which cluster is meant, and who says so. No secret has been read yet.
    ///
    /// # Errors
    /// What cannot be used has been printed; the exit code.
    pub(super) fn choice(&self, context: &Context) -> Result<Choice, u8> {
        let flags = self.flags()?;
        let loaded = load(context)?;
        cluster::choose(&flags, &context.environment, &loaded).map_err(|error| refuse(&error))
    }

    /// The same with a context that was named otherwise.
    pub(super) fn named(mut self, context: Option<ContextName>) -> Self {
        self.context = context.or(self.context);
        self
    }

    /// What the flags say.
    ///
    /// # Errors
    /// `--token` has been refused; the exit code.
    pub(super) fn flags(&self) -> Result<Flags, u8> {
        if self.token.is_some() {
            return Err(exit::usage(
                "there is no `--token`: the arguments of a process are shown to everybody on this machine",
                "set NOMAD_TOKEN, give --token-file FILE, or refer to it in a context: \
                 `cs context set NAME --token-env VARIABLE`",
            ));
        }
        Ok(Flags {
            address: self.address.clone(),
            region: self.region.clone(),
            namespace: self.namespace.clone(),
            context: self.context.clone(),
            token_file: self.token_file.clone(),
            ca_cert: self.ca_cert.clone(),
            ca_path: self.ca_path.clone(),
            client_cert: self.client_cert.clone(),
            client_key: self.client_key.clone(),
            tls_server_name: self.tls_server_name.clone(),
            tls_skip_verify: self.tls_skip_verify,
        })
    }
}

/// Reads the config file; warns of one that others may write.
///
/// # Errors
/// What is wrong with it has been printed; the exit code.
pub(super) fn load(context: &Context) -> Result<Loaded, u8> {
    let loaded = location::load(&context.environment).map_err(|error| misplaced(&error))?;
    if let (Some(path), Some(remedy)) = (&loaded.path, &loaded.exposed) {
        exit::warn(&format!(
            "others than you may write {}: `{remedy}`",
            path.display()
        ));
    }
    Ok(loaded)
}

/// Prints what is wrong with the config file.
pub(super) fn misplaced(error: &LocationError) -> u8 {
    match error {
        LocationError::Invalid { findings } => {
            findings.iter().for_each(exit::finding);
            2
        }
        LocationError::Missing { .. } => exit::usage(
            chain(error),
            "correct or unset CS_CONFIG, or make the file: `cs context set NAME --address ADDRESS`",
        ),
        LocationError::Read { .. } | LocationError::Nowhere => exit::usage(chain(error), ""),
    }
}

fn connection(choice: &Choice, context: &Context) -> Result<ConnectionConfig, u8> {
    choice
        .connection(&context.environment)
        .map_err(|error| refuse(&error))
}

fn refuse(error: &ChoiceError) -> u8 {
    let help = match error {
        ChoiceError::UnknownContext { help, .. } => help,
        ChoiceError::Credential { .. }
        | ChoiceError::Connection { .. }
        | ChoiceError::Owner { .. } => "`cs context show` tells where every setting comes from",
    };
    exit::usage(chain(error), help)
}
