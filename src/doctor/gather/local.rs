//! What the settings say, and whether the files they name are kept well.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::clients::nomad::{Address, ConnectionConfig};
use crate::clients::tls::is_loopback;
use crate::config::Environment;
use crate::config::cluster::{Choice, Key};
use crate::config::location::Loaded;
use crate::doctor::facts::ConfigFacts;

/// Facts about the settings of a connection. `broken` says why they cannot be used, and what to do.
#[must_use]
pub fn config_facts(
    loaded: &Loaded,
    choice: Option<&Choice>,
    connection: Option<&ConnectionConfig>,
    environment: &Environment,
    broken: Option<(String, String)>,
) -> ConfigFacts {
    let address = connection.map(|connection| &connection.address);
    let contexts = loaded
        .file
        .as_ref()
        .map(|file| file.contents().contexts.len());
    let members = |keys: &[Key]| keys.iter().map(|key| key.member()).collect();
    let context = choice.and_then(|choice| choice.context.as_ref());
    ConfigFacts {
        file: loaded.path.as_ref().map(|path| path.display().to_string()),
        contexts,
        exposed: loaded.exposed.clone(),
        broken,
        context: context.map(|it| (it.name.to_string(), it.origin.to_string())),
        overridden: choice.map_or_else(Vec::new, |choice| members(&choice.overridden)),
        withheld: choice.map_or_else(Vec::new, |choice| members(&choice.withheld)),
        address: choice.map_or_else(String::new, Choice::address),
        address_from: choice
            .and_then(|choice| choice.origin(Key::Address))
            .map_or_else(|| "default".to_owned(), ToString::to_string),
        is_local: address.is_some_and(is_local),
        is_private: address.is_some_and(|it| it.is_https() || matches!(it, Address::Unix(_))),
        skips_verify: connection.is_some_and(|it| it.skip_verify && it.address.is_https()),
        token_from: choice
            .and_then(|choice| choice.origin(Key::Token))
            .map(ToString::to_string),
        readable_secrets: choice
            .map_or_else(Vec::new, |choice| readable_secrets(choice, environment)),
    }
}

fn is_local(address: &Address) -> bool {
    match address {
        Address::Unix(_) => true,
        Address::Tcp(url) => url.expose().host_str().is_some_and(is_loopback),
    }
}

/// How to end that others may read the token or the key.
fn readable_secrets(choice: &Choice, environment: &Environment) -> Vec<String> {
    let paths = [
        choice.token_file(environment),
        choice.shown(Key::ClientKey).map(Into::into),
    ];
    let open = paths.into_iter().flatten().filter(|path| is_readable(path));
    open.map(|path| format!("chmod go-rwx {}", path.display()))
        .collect()
}

fn is_readable(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.mode() & 0o044 != 0)
}
