//! Who is asked about a setting, and in which order.

use std::path::PathBuf;

use super::setting::{Key, Origin, Setting, Value};
use super::{ChoiceError, ChosenContext, DEFAULT_OWNER, Flags};
use crate::clients::nomad::connection::Address;
use crate::config::Environment;
use crate::config::credential::{Credential, resolved};
use crate::config::file::{ConfigFile, ContextName, Entry, member_path};
use crate::config::location::Loaded;
use crate::ids::{InvalidId, Namespace, OwnerId};
use crate::secret::Secret;

/// What may say something about a setting, and in which order it is asked.
pub(super) struct Layers<'a> {
    pub(super) flags: &'a Flags,
    pub(super) environment: &'a Environment,
    pub(super) context: Option<OfContext<'a>>,
}

/// A context and its place in the file.
pub(super) struct OfContext<'a> {
    name: &'a ContextName,
    entry: &'a Entry,
    file: &'a ConfigFile,
    is_by_flag: bool,
}

impl<'a> OfContext<'a> {
    pub(super) fn new(chosen: &'a ChosenContext, loaded: &'a Loaded) -> Self {
        let file = loaded
            .file
            .as_ref()
            .expect("the context was found in the file");
        Self {
            name: &chosen.name,
            entry: &file.contents().contexts[&chosen.name],
            file,
            is_by_flag: matches!(chosen.origin, Origin::Flag(_)),
        }
    }

    pub(super) fn get(&self, key: Key) -> Option<Value> {
        let entry = self.entry;
        let text = |text: Option<&str>| text.map(|text| Value::Text(text.into()));
        let kept = |kept: &Option<Credential>| {
            let kept = kept.clone()?;
            Some(Value::Kept(kept, self.file.directory().to_owned()))
        };
        let address = || entry.address.as_ref().map(ToString::to_string);
        match key {
            Key::Address => text(address().as_deref()),
            Key::Region => text(entry.region.as_deref()),
            Key::Namespace => text(entry.namespace.as_ref().map(Namespace::as_str)),
            Key::Token => kept(&entry.token),
            Key::HttpAuth => kept(&entry.http_auth),
            Key::CaCert => text(entry.ca_cert.as_deref()),
            Key::CaPath => text(entry.ca_path.as_deref()),
            Key::ClientCert => text(entry.client_cert.as_deref()),
            Key::ClientKey => text(entry.client_key.as_deref()),
            Key::TlsServerName => text(entry.tls_server_name.as_deref()),
            Key::TlsSkipVerify => text(
                entry
                    .tls_skip_verify
                    .map(|skip| if skip { "true" } else { "false" }),
            ),
        }
    }

    fn origin(&self, member: &str) -> Origin {
        Origin::File {
            member: member_path(self.name, member),
            file: self.file.path.clone(),
            line: self.file.line_of(self.name, member),
        }
    }
}

impl Layers<'_> {
    /// The setting that counts, as if nothing were bound to an address.
    pub(super) fn best(&self, key: Key) -> Option<Setting> {
        let in_context = || self.in_context(key, self.context.as_ref()?);
        let first = self.in_flags(key).or_else(|| {
            let by_flag = self.context.as_ref().filter(|context| context.is_by_flag);
            self.in_context(key, by_flag?)
        });
        first
            .or_else(|| self.in_environment(key))
            .or_else(in_context)
    }

    /// Whether calls go to the address of the context, or the context names none.
    pub(super) fn is_home(&self, address: Option<&Setting>) -> bool {
        let own = self
            .context
            .as_ref()
            .and_then(|context| context.entry.address.as_ref());
        let (
            Some(own),
            Some(Setting {
                value: Value::Text(text),
                ..
            }),
        ) = (own, address)
        else {
            return true;
        };
        Address::parse(text.expose()).is_ok_and(|(address, _)| address == *own)
    }

    fn in_flags(&self, key: Key) -> Option<Setting> {
        let flags = self.flags;
        // A path that is not UTF-8 is refused later, as one that cannot be read.
        let path = |path: &Option<PathBuf>| Some(Secret::new(path.as_ref()?.to_string_lossy()));
        let text = |text: &Option<String>| text.as_deref().map(Secret::from);
        let value = match key {
            Key::Address => flags.address.clone(),
            Key::Region => text(&flags.region),
            Key::Namespace => flags.namespace.as_ref().map(|name| name.as_str().into()),
            Key::Token => {
                let path = flags.token_file.as_ref()?.to_string_lossy().into_owned();
                return Some(Setting {
                    value: Value::Kept(Credential::File(path), PathBuf::new()),
                    origin: Origin::Flag("--token-file"),
                });
            }
            Key::HttpAuth => None,
            Key::CaCert => path(&flags.ca_cert),
            Key::CaPath => path(&flags.ca_path),
            Key::ClientCert => path(&flags.client_cert),
            Key::ClientKey => path(&flags.client_key),
            Key::TlsServerName => text(&flags.tls_server_name),
            Key::TlsSkipVerify => flags.tls_skip_verify.then(|| "true".into()),
        };
        Some(Setting {
            value: Value::Text(value?),
            origin: Origin::Flag(key.names().1.expect("a key with a flag")),
        })
    }

    pub(super) fn in_environment(&self, key: Key) -> Option<Setting> {
        let get = |name: &'static str| {
            let text = self.environment.get(name)?;
            (!text.trim().is_empty()).then(|| Setting {
                value: Value::Text(Secret::new(text)),
                origin: Origin::Variable(name),
            })
        };
        match key {
            // Nomad sets the second one in tasks.
            Key::Address => get("NOMAD_ADDR").or_else(|| get("NOMAD_UNIX_ADDR")),
            key => get(key.variable()),
        }
    }

    fn in_context(&self, key: Key, context: &OfContext<'_>) -> Option<Setting> {
        let value = match (context.get(key)?, key) {
            (Value::Text(text), Key::CaCert | Key::CaPath | Key::ClientCert | Key::ClientKey) => {
                let path = resolved(text.expose(), context.file.directory(), self.environment);
                Value::Text(Secret::new(path.to_string_lossy()))
            }
            (value, _) => value,
        };
        Some(Setting {
            value,
            origin: context.origin(key.member()),
        })
    }

    pub(super) fn owner(&self) -> Result<(OwnerId, Origin), ChoiceError> {
        let in_context = self.context.as_ref().and_then(|context| {
            let owner = context.entry.owner.clone()?;
            Some((owner, context.origin("owner"), context.is_by_flag))
        });
        if let Some((owner, origin, true)) = in_context {
            return Ok((owner, origin));
        }
        if let Some(text) = self.environment.get("CS_OWNER") {
            let owner = text
                .parse()
                .map_err(|error: InvalidId| ChoiceError::Owner { rule: error.rule })?;
            return Ok((owner, Origin::Variable("CS_OWNER")));
        }
        if let Some((owner, origin, false)) = in_context {
            return Ok((owner, origin));
        }
        let owner = DEFAULT_OWNER.parse().expect("a valid owner");
        Ok((owner, Origin::Default))
    }
}
