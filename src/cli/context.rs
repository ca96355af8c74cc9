//! `cs context`: the clusters of the config file.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::cluster::{ClusterArgs, load, misplaced};
use super::report::contexts::{ContextsReport, SettingsReport};
use super::{Context, exit, output};
use crate::clients::chain;
use crate::config::credential::Credential;
use crate::config::edit::{self, Change, EditError};
use crate::config::file::{self, ContextName, Entry};
use crate::config::location::{self, Loaded, LocationError};
use crate::ids::{Namespace, OwnerId};
use crate::secret::Secret;

/// Show, choose and edit the clusters of the config file.
#[derive(Debug, clap::Args)]
#[command(
    visible_alias = "contexts",
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  cs context set prod --address https://nomad.example.com:4646 --token-file ~/.config/cs/prod.token
  cs context set dev --address http://127.0.0.1:4646 --namespace playground
  cs context use prod
  cs context                      # all of them
  cs context show                 # what a command would use now, and who says so

The file is CS_CONFIG, else $XDG_CONFIG_HOME/cs/config.yaml, else ~/.config/cs/config.yaml."
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    list: ListArguments,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List all contexts; `*` marks the current one.
    List(ListArguments),
    /// Show every setting of the connection and where it comes from.
    Show(Box<ShowArguments>),
    /// Make a context the current one.
    Use {
        /// Its name.
        name: ContextName,
    },
    /// Make a context, or change what is given of it. The first one becomes the current one.
    Set(Box<SetArguments>),
    /// Forget a context.
    #[command(visible_alias = "rm")]
    Delete {
        /// Its name.
        name: ContextName,
    },
    /// Give a context another name.
    Rename {
        /// Its name.
        name: ContextName,
        /// The new one.
        to: ContextName,
    },
}

#[derive(Debug, Args)]
struct ListArguments {
    /// How it is written.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Format,
}

#[derive(Debug, Args)]
struct ShowArguments {
    /// Another context than the current one; the same as `--context NAME`.
    name: Option<ContextName>,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// How it is written.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Table,
    Json,
}

#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("kept").multiple(false),
    after_help = "Examples:
  cs context set prod --address https://nomad.example.com:4646 --token-env PROD_TOKEN --use
  cs context set prod --ca-cert prod-ca.pem --tls-server-name server.eu.nomad
  cs context set prod --token-command pass show nomad/prod

A token never stands in the file, only where it is kept."
)]
struct SetArguments {
    /// Its name: letters, digits, `.`, `_`, `-`, `/`, `@` or `:`.
    name: ContextName,
    /// Address of an agent: http://…, https://… or unix:///….
    #[arg(long, value_name = "ADDRESS")]
    address: Option<Secret>,
    /// Region.
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// Namespace.
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<Namespace>,
    /// On whose behalf jobs are applied.
    #[arg(long, value_name = "NAME")]
    owner: Option<OwnerId>,
    /// File with the ACL token.
    #[arg(long, value_name = "FILE", group = "kept")]
    token_file: Option<String>,
    /// Environment variable with the ACL token.
    #[arg(long, value_name = "NAME", group = "kept")]
    token_env: Option<String>,
    /// Program that prints the ACL token, and its arguments: everything that follows.
    #[arg(long, value_name = "PROGRAM", num_args = 1.., allow_hyphen_values = true, group = "kept")]
    token_command: Option<Vec<String>>,
    /// Refused: an argument list is public.
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "")]
    token: Option<Secret>,
    /// Environment variable with `user:password` for a proxy in front of Nomad.
    #[arg(long, value_name = "NAME")]
    http_auth_env: Option<String>,
    /// The only CA certificates to trust (PEM).
    #[arg(long, value_name = "FILE")]
    ca_cert: Option<PathBuf>,
    /// Directory of such files.
    #[arg(long, value_name = "DIR")]
    ca_path: Option<PathBuf>,
    /// Certificate of this client (PEM).
    #[arg(long, value_name = "FILE")]
    client_cert: Option<PathBuf>,
    /// Its private key (PEM).
    #[arg(long, value_name = "FILE")]
    client_key: Option<PathBuf>,
    /// Name to expect in the server's certificate.
    #[arg(long, value_name = "NAME")]
    tls_server_name: Option<String>,
    /// Accept any certificate: whoever sits on the way can read the token.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    tls_skip_verify: Option<bool>,
    /// Make it the current one.
    #[arg(long = "use")]
    make_current: bool,
}

pub(super) fn run(context: &Context, arguments: Arguments) -> u8 {
    let done = match arguments.action {
        None => list(context, &arguments.list),
        Some(Action::List(arguments)) => list(context, &arguments),
        Some(Action::Show(arguments)) => show(context, *arguments),
        Some(Action::Use { name }) => choose(context, name),
        Some(Action::Set(arguments)) => set(context, *arguments),
        Some(Action::Delete { name }) => delete(context, name),
        Some(Action::Rename { name, to }) => rename(context, name, to),
    };
    done.err().unwrap_or(0)
}

fn list(context: &Context, arguments: &ListArguments) -> Result<(), u8> {
    let loaded = load(context)?;
    let report = ContextsReport::new(&loaded, context.environment.get("CS_CONTEXT").as_deref());
    match arguments.output {
        Format::Json => output::json(&report.line()),
        Format::Table if report.results.is_empty() => {
            let place = loaded
                .path
                .as_deref()
                .map(|path| path.display().to_string());
            exit::note(&format!(
                "no contexts in {}; `cs context set NAME --address ADDRESS` makes one",
                place.as_deref().unwrap_or("the config file")
            ));
        }
        Format::Table => output::raw(&report.table(context.paint)),
    }
    Ok(())
}

fn show(context: &Context, arguments: ShowArguments) -> Result<(), u8> {
    let choice = arguments.cluster.named(arguments.name).choice(context)?;
    let report = SettingsReport::new(&choice);
    match arguments.output {
        Format::Json => output::json(&report.line()),
        Format::Table => output::raw(&report.table(context.paint)),
    }
    Ok(())
}

fn choose(context: &Context, name: ContextName) -> Result<(), u8> {
    let loaded = load(context)?;
    known(&loaded, &name)?;
    apply(&loaded, &Change::Use(name.clone()))?;
    exit::note(&format!("context `{name}` is the current one now"));
    tell_what_wins(context, &loaded, &name);
    Ok(())
}

/// Says which variables would keep the new current context from being used.
fn tell_what_wins(context: &Context, loaded: &Loaded, name: &ContextName) {
    if let Some(other) = context.environment.get("CS_CONTEXT") {
        if other != name.as_str() {
            exit::warn("CS_CONTEXT names another context, and wins");
        }
        return;
    }
    let entry = loaded.file.as_ref().map(|file| &file.contents().contexts);
    let has_address = entry
        .and_then(|contexts| contexts.get(name))
        .is_some_and(|entry| entry.address.is_some());
    let variable = ["NOMAD_ADDR", "NOMAD_UNIX_ADDR"]
        .into_iter()
        .find(|name| context.environment.get(name).is_some());
    if let (true, Some(variable)) = (has_address, variable) {
        exit::warn(&format!(
            "{variable} is set and wins over the context's address: unset it, or give --context {name}"
        ));
    }
}

fn set(context: &Context, arguments: SetArguments) -> Result<(), u8> {
    if arguments.token.is_some() {
        return Err(exit::usage(
            "there is no `--token`: a token never stands in the config file, and arguments are shown to everybody on this \
             machine",
            "refer to it: --token-file FILE, --token-env NAME or --token-command PROGRAM",
        ));
    }
    let (name, make_current) = (arguments.name.clone(), arguments.make_current);
    let entry = entry(arguments)?;
    if entry == Entry::default() && !make_current {
        return Err(exit::usage(
            "nothing to set",
            "give at least --address ADDRESS; `cs context set --help` shows all",
        ));
    }
    let loaded = load_or_make(context)?;
    let contents = loaded.file.as_ref().map(|file| file.contents());
    let is_first = contents.is_none_or(|contents| contents.contexts.is_empty());
    let becomes_current = make_current || is_first;
    let is_new = contents.is_none_or(|contents| !contents.contexts.contains_key(&name));
    apply(&loaded, &Change::Set(name.clone(), Box::new(entry)))?;
    if becomes_current {
        apply(&loaded, &Change::Use(name.clone()))?;
    }
    let made = if is_new { "made" } else { "changed" };
    let place = loaded
        .path
        .as_deref()
        .map(|path| path.display().to_string());
    exit::note(&format!(
        "context `{name}` {made} in {}{}",
        place.unwrap_or_default(),
        if becomes_current {
            ", and the current one now"
        } else {
            ""
        }
    ));
    Ok(())
}

/// What is given of a context.
fn entry(arguments: SetArguments) -> Result<Entry, u8> {
    let refuse = |flag: &str, rule: &str| exit::usage(format!("{flag} {rule}"), "");
    let address = match &arguments.address {
        Some(text) => {
            Some(file::check_address(text.expose()).map_err(|rule| refuse("--address", rule))?)
        }
        None => None,
    };
    if let Some(region) = &arguments.region {
        file::check_word(region).map_err(|rule| refuse("--region", rule))?;
    }
    if let Some(name) = &arguments.tls_server_name {
        file::check_server_name(name).map_err(|rule| refuse("--tls-server-name", rule))?;
    }
    let here = |path: Option<PathBuf>| path.map(absolute).transpose();
    let token_file = arguments.token_file.map(PathBuf::from);
    let token = match (token_file, arguments.token_env, arguments.token_command) {
        (Some(path), _, _) => Some(Credential::File(absolute(path)?)),
        (_, Some(name), _) => Some(Credential::Env(name)),
        (_, _, Some(words)) => Some(Credential::Command(words)),
        (None, None, None) => None,
    };
    Ok(Entry {
        address,
        region: arguments.region,
        namespace: arguments.namespace,
        owner: arguments.owner,
        token,
        http_auth: arguments.http_auth_env.map(Credential::Env),
        ca_cert: here(arguments.ca_cert)?,
        ca_path: here(arguments.ca_path)?,
        client_cert: here(arguments.client_cert)?,
        client_key: here(arguments.client_key)?,
        tls_server_name: arguments.tls_server_name,
        tls_skip_verify: arguments.tls_skip_verify,
    })
}

/// A path as it is meant where the command was typed: inside the file, relative ones start at the file.
fn absolute(path: PathBuf) -> Result<String, u8> {
    // What a shell left alone is left alone.
    let path = if path.starts_with("~") {
        path
    } else {
        std::path::absolute(&path)
            .map_err(|error| exit::usage(format!("{}: {error}", path.display()), ""))?
    };
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| exit::usage(format!("{} is not UTF-8", path.display()), ""))
}

fn delete(context: &Context, name: ContextName) -> Result<(), u8> {
    let loaded = load(context)?;
    known(&loaded, &name)?;
    let current = loaded
        .file
        .as_ref()
        .and_then(|file| file.contents().current_context.clone());
    apply(&loaded, &Change::Delete(name.clone()))?;
    exit::note(&format!("context `{name}` is gone"));
    if current == Some(name) {
        exit::warn("it was the current one: `cs context use NAME` chooses another");
    }
    Ok(())
}

fn rename(context: &Context, name: ContextName, to: ContextName) -> Result<(), u8> {
    let loaded = load(context)?;
    known(&loaded, &name)?;
    let contexts = loaded.file.as_ref().map(|file| &file.contents().contexts);
    if contexts.is_some_and(|contexts| contexts.contains_key(&to)) {
        return Err(exit::usage(
            format!("there is a context `{to}` already"),
            &format!("choose another name, or `cs context delete {to}` first"),
        ));
    }
    apply(&loaded, &Change::Rename(name.clone(), to.clone()))?;
    exit::note(&format!("context `{name}` is called `{to}` now"));
    Ok(())
}

/// Refuses a context that is not in the file.
fn known(loaded: &Loaded, name: &ContextName) -> Result<(), u8> {
    let contexts = loaded.file.as_ref().map(|file| &file.contents().contexts);
    if contexts.is_some_and(|contexts| contexts.contains_key(name)) {
        return Ok(());
    }
    Err(exit::usage(
        format!("there is no context `{name}`"),
        &loaded.help_with_context(name.as_str()),
    ))
}

/// As [`load`], but a file that `CS_CONFIG` names and that is not there yet is fine.
fn load_or_make(context: &Context) -> Result<Loaded, u8> {
    let place = location::path(&context.environment);
    match place {
        None => Err(misplaced(&LocationError::Nowhere)),
        Some(path) if !path.exists() => Ok(Loaded {
            path: Some(path),
            ..Loaded::default()
        }),
        Some(_) => load(context),
    }
}

fn apply(loaded: &Loaded, change: &Change) -> Result<(), u8> {
    let Some(path) = &loaded.path else {
        return Err(misplaced(&LocationError::Nowhere));
    };
    edit::apply(path, change).map_err(|error| match error {
        EditError::Location(error) => misplaced(&error),
        error => {
            exit::complain(&chain(&error), None);
            1
        }
    })
}
