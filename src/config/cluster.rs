//! Which cluster is meant: flags over environment over config file, setting by setting, and where each one came from.
//!
//! Two rules keep a command from going to the wrong place. A context that is named by `--context` counts as a flag: what
//! it says wins over the environment. And what proves who we are and whom we trust (token, credentials of a proxy,
//! everything about TLS) leaves a context only towards the address of that context.

mod layers;
mod setting;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use layers::{Layers, OfContext};
use setting::Value;
pub use setting::{Key, Origin, Setting};

use super::Environment;
use super::credential::{Credential, CredentialError, resolved};
use super::file::ContextName;
use super::location::Loaded;
use crate::clients::nomad::connection::{
    Address, ConnectionConfig, ConnectionError, DEFAULT_ADDRESS,
};
use crate::ids::{Namespace, OwnerId};
use crate::secret::Secret;

/// Owner when nobody says another.
pub const DEFAULT_OWNER: &str = "cs";

/// What the command line says.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--address`; may hold a user and a password.
    pub address: Option<Secret>,
    /// `--region`.
    pub region: Option<String>,
    /// `--namespace`.
    pub namespace: Option<Namespace>,
    /// `--context`.
    pub context: Option<ContextName>,
    /// `--token-file`.
    pub token_file: Option<PathBuf>,
    /// `--ca-cert`.
    pub ca_cert: Option<PathBuf>,
    /// `--ca-path`.
    pub ca_path: Option<PathBuf>,
    /// `--client-cert`.
    pub client_cert: Option<PathBuf>,
    /// `--client-key`.
    pub client_key: Option<PathBuf>,
    /// `--tls-server-name`.
    pub tls_server_name: Option<String>,
    /// `--tls-skip-verify`.
    pub tls_skip_verify: bool,
}

/// A context in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChosenContext {
    /// Its name.
    pub name: ContextName,
    /// What named it.
    pub origin: Origin,
}

/// Why there is no cluster to talk to. A person has to change something.
#[derive(Debug, thiserror::Error)]
pub enum ChoiceError {
    /// The context is not in the file.
    #[error("there is no context `{name}` ({origin})")]
    UnknownContext {
        /// Which was wanted.
        name: String,
        /// What named it.
        origin: Origin,
        /// What to do.
        help: String,
    },
    /// A secret cannot be had.
    #[error("{origin} cannot be used")]
    Credential {
        /// What refers to it.
        origin: Origin,
        /// Why.
        #[source]
        source: CredentialError,
    },
    /// A value or a file cannot be used.
    #[error("{message}")]
    Connection {
        /// What is wrong, in the names that the user chose.
        message: String,
        /// Why.
        #[source]
        source: ConnectionCause,
    },
    /// `CS_OWNER` is no name.
    #[error("CS_OWNER {rule}")]
    Owner {
        /// What it must be.
        rule: &'static str,
    },
}

/// The causes of a [`ConnectionError`], without its own text.
#[derive(Debug)]
pub struct ConnectionCause(ConnectionError);

impl fmt::Display for ConnectionCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::error::Error::source(&self.0) {
            Some(source) => f.write_str(&crate::clients::chain(source)),
            // Nothing that was not said: `chain` leaves it out.
            None => Ok(()),
        }
    }
}

impl std::error::Error for ConnectionCause {}

/// Everything that is known about the cluster that is meant. No secret of the config file has been read yet.
#[derive(Debug, Clone)]
pub struct Choice {
    /// The context in use.
    pub context: Option<ChosenContext>,
    /// What was set by anybody.
    pub settings: BTreeMap<Key, Setting>,
    /// What the context says and the environment or a flag says otherwise.
    pub overridden: Vec<Key>,
    /// What the context says and is not sent, because the address is another one.
    pub withheld: Vec<Key>,
    /// On whose behalf jobs are applied, and who says so.
    pub owner: (OwnerId, Origin),
    /// The config file, if others may write it: no program is run for it.
    exposed: Option<PathBuf>,
}

/// Decides which cluster is meant.
///
/// # Errors
/// The context is not there, or `CS_OWNER` is no name.
pub fn choose(
    flags: &Flags,
    environment: &Environment,
    loaded: &Loaded,
) -> Result<Choice, ChoiceError> {
    let context = chosen_context(flags, environment, loaded)?;
    let layers = Layers {
        flags,
        environment,
        context: context
            .as_ref()
            .map(|chosen| OfContext::new(chosen, loaded)),
    };
    let (mut settings, mut overridden, mut withheld) = (BTreeMap::new(), Vec::new(), Vec::new());
    let address = layers.best(Key::Address);
    let is_home = layers.is_home(address.as_ref());
    for key in Key::ALL {
        let of_context = layers.context.as_ref().and_then(|context| context.get(key));
        match layers.best(key) {
            None => {}
            Some(setting) if !matches!(setting.origin, Origin::File { .. }) => {
                let same =
                    of_context.as_ref() == Some(&setting.value) || key == Key::Address && is_home;
                if of_context.is_some() && !same {
                    overridden.push(key);
                }
                settings.insert(key, setting);
            }
            Some(_) if key.is_bound() && !is_home => {
                withheld.push(key);
                if let Some(setting) = layers.in_environment(key) {
                    settings.insert(key, setting);
                }
            }
            Some(setting) => {
                settings.insert(key, setting);
            }
        }
    }
    // Credentials that stand in a flag are meant for this very call.
    if matches!(&address, Some(Setting { value: Value::Text(text), origin: Origin::Flag(_) })
        if matches!(Address::parse(text.expose()), Ok((_, Some(_)))))
    {
        settings.remove(&Key::HttpAuth);
    }
    Ok(Choice {
        owner: layers.owner()?,
        context,
        settings,
        overridden,
        withheld,
        exposed: loaded.exposed.as_ref().and(loaded.path.clone()),
    })
}

fn chosen_context(
    flags: &Flags,
    environment: &Environment,
    loaded: &Loaded,
) -> Result<Option<ChosenContext>, ChoiceError> {
    let current = || {
        let file = loaded.file.as_ref()?;
        let name = file.contents().current_context.as_ref()?;
        let member = "currentContext".to_owned();
        let origin = Origin::File {
            line: file.line(&member),
            member,
            file: file.path.clone(),
        };
        Some((name.as_str().to_owned(), origin))
    };
    let by_flag = flags.context.as_ref();
    let chosen = by_flag
        .map(|name| (name.as_str().to_owned(), Origin::Flag("--context")))
        .or_else(|| {
            let text = environment.get("CS_CONTEXT")?;
            Some((text.trim().to_owned(), Origin::Variable("CS_CONTEXT")))
        })
        .or_else(current);
    let Some((text, origin)) = chosen else {
        return Ok(None);
    };
    match loaded.names().find(|name| name.as_str() == text) {
        Some(name) => Ok(Some(ChosenContext {
            name: name.clone(),
            origin,
        })),
        None => Err(ChoiceError::UnknownContext {
            help: loaded.help_with_context(&text),
            name: text
                .chars()
                .take(128)
                .flat_map(char::escape_debug)
                .collect(),
            origin,
        }),
    }
}

impl Choice {
    /// What a setting is, fit to be shown: no secret, no credentials. `None` when nobody set it.
    #[must_use]
    pub fn shown(&self, key: Key) -> Option<String> {
        let setting = self.settings.get(&key)?;
        Some(match (&setting.value, key) {
            (Value::Kept(kept, _), _) => kept.to_string(),
            (Value::Text(_), Key::Token | Key::HttpAuth) => "set".to_owned(),
            (Value::Text(text), Key::Address) => Address::parse(text.expose()).map_or_else(
                |_| "not an address".to_owned(),
                |(found, _)| found.to_string(),
            ),
            (Value::Text(text), _) => text.expose().to_owned(),
        })
    }

    /// The file with the token, when it is kept in one.
    #[must_use]
    pub fn token_file(&self, environment: &Environment) -> Option<PathBuf> {
        match &self.settings.get(&Key::Token)?.value {
            Value::Kept(Credential::File(path), base) => Some(resolved(path, base, environment)),
            _ => None,
        }
    }

    /// Where a setting came from.
    #[must_use]
    pub fn origin(&self, key: Key) -> Option<&Origin> {
        self.settings.get(&key).map(|setting| &setting.origin)
    }

    /// Settings of the connection, secrets included. Blocks where a context refers to a file or a program.
    ///
    /// # Errors
    /// A value or a secret cannot be used; the text calls it by the name that the user gave it.
    pub fn connection(&self, environment: &Environment) -> Result<ConnectionConfig, ChoiceError> {
        let mut texts = BTreeMap::new();
        for (key, setting) in &self.settings {
            texts.insert(key.variable(), self.text(setting, environment)?);
        }
        let lookup = |name: &str| texts.get(name).map(|text| text.expose().to_owned());
        let config = ConnectionConfig::from_vars(&lookup).map_err(|error| self.explained(error))?;
        Ok(config)
    }

    fn text(&self, setting: &Setting, environment: &Environment) -> Result<Secret, ChoiceError> {
        let (kept, base) = match &setting.value {
            Value::Text(text) => return Ok(text.clone()),
            Value::Kept(kept, base) => (kept, base),
        };
        let read = match (kept, &self.exposed) {
            (Credential::Command(words), Some(path)) => Err(CredentialError::Exposed {
                program: words.first().cloned().unwrap_or_default(),
                path: path.clone(),
            }),
            _ => kept.read(environment, base),
        };
        read.map_err(|source| ChoiceError::Credential {
            origin: setting.origin.clone(),
            source,
        })
    }

    /// An error of the connection in the names that the user chose.
    #[must_use]
    pub fn explained(&self, error: ConnectionError) -> ChoiceError {
        let name = |variable: &'static str| {
            let key = Key::ALL.into_iter().find(|key| key.variable() == variable);
            key.and_then(|key| self.origin(key))
                .map_or_else(|| variable.to_owned(), ToString::to_string)
        };
        ChoiceError::Connection {
            message: error.told(&name),
            source: ConnectionCause(error),
        }
    }

    /// The address as text, the default one included; without credentials.
    #[must_use]
    pub fn address(&self) -> String {
        self.shown(Key::Address)
            .unwrap_or_else(|| DEFAULT_ADDRESS.to_owned())
    }
}

#[cfg(test)]
mod tests;
