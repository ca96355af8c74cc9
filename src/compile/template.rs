//! What Nomad renders at run time: secrets, addresses, certificates and files.
//!
//! Values of environment templates go through `toJSON`: Nomad reads the file with go-envparse, which knows double
//! quotes with JSON escapes, so line breaks, quotes, `#` and blanks at the ends survive. A line of more than 64 KiB
//! does not: go-envparse refuses the whole file. Destinations, order and change modes are those of the replaced runner.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::text::{Piece, Text, Word, pieces};
use crate::clients::nomad::job::Template;
use crate::desired::{
    Desired, DesiredCertificate, DesiredConnection, DesiredFile, DesiredLink, RenderedEnv,
    SecretOrigin, VaultEnvFile,
};
use crate::spec::workload::{ChangeMode, LinkValue, ServiceProvider};

const PULL_CREDENTIALS: &str = "private_registry/file.env";
const SINGLE_SECRETS: &str = "secrets/single.env";
const LINKS: &str = "secrets/consul_services.env";
const CONNECTIONS: &str = "secrets/connection.env";

/// In the order in which a later variable overrides an earlier one.
pub(super) fn templates(desired: &Desired) -> Vec<Template> {
    let secrets = desired.vault.iter().flat_map(|vault| &vault.env);
    let mut templates: Vec<Template> = secrets.map(all_keys).collect();
    templates.extend(desired.pull_vault_path.as_deref().map(pull_credentials));
    templates.extend(single_secrets(&desired.rendered_env));
    templates.extend(links(desired));
    templates.extend(connections(desired));
    for certificate in &desired.certificates {
        templates.extend(certificate_and_key(certificate, desired.user.as_deref()));
    }
    templates.extend(desired.files.iter().map(file));
    templates
}

/// Where a file is rendered to, relative to the task's directory.
pub(super) fn file_destination(file: &DesiredFile) -> String {
    ["local/", &file.path].concat()
}

fn env_template(text: Text, destination: &str, change_mode: ChangeMode) -> Template {
    Template {
        envvars: true,
        ..file_template(text, destination, change_mode)
    }
}

fn file_template(text: Text, destination: &str, change_mode: ChangeMode) -> Template {
    Template {
        text: text.finish(),
        destination: destination.to_owned(),
        change_mode: match change_mode {
            ChangeMode::Noop => "noop",
            ChangeMode::Restart => "restart",
        },
        envvars: false,
        perms: None,
        uid: None,
    }
}

fn all_keys(secret: &VaultEnvFile) -> Template {
    env_template(
        every_key_of(&secret.path),
        &secret.destination,
        secret.change_mode,
    )
}

fn pull_credentials(path: &str) -> Template {
    env_template(every_key_of(path), PULL_CREDENTIALS, ChangeMode::Noop)
}

fn every_key_of(path: &str) -> Text {
    Text::default()
        .action(&[Word::Code("with secret"), Word::Quoted(path)])
        .code("range $key, $value := .Data.data")
        .code("$key")
        .literal("=")
        .code("$value | toJSON")
        .literal("\n")
        .end(2)
}

/// One template for all. A key that is not there sets nothing: no variable is better than one that says `null`.
/// A change waits for the next start, as it does for whole paths by default.
fn single_secrets(secrets: &[RenderedEnv]) -> Option<Template> {
    let text = secrets.iter().fold(Text::default(), single_secret);
    (!secrets.is_empty()).then(|| env_template(text, SINGLE_SECRETS, ChangeMode::Noop))
}

fn single_secret(text: Text, secret: &RenderedEnv) -> Text {
    let (read, each, value) = match secret.origin {
        SecretOrigin::Vault => (
            "with secret",
            "range $key, $value := .Data.data",
            "$value | toJSON",
        ),
        // An item encodes itself with Go's quoting, which is not JSON for all characters; its text does not.
        SecretOrigin::Variable => (
            "with nomadVar",
            "range $key, $value := .",
            "$value.Value | toJSON",
        ),
    };
    text.action(&[Word::Code(read), Word::Quoted(&secret.path)])
        .code(each)
        .action(&[Word::Code("if eq $key"), Word::Quoted(&secret.key)])
        .literal(&secret.variable)
        .literal("=")
        .code(value)
        .literal("\n")
        .end(3)
}

fn links(desired: &Desired) -> Option<Template> {
    let links = &desired.links;
    let text = links.iter().fold(Text::default(), |text, link| {
        address(text, link, desired.service_provider)
    });
    (!links.is_empty()).then(|| env_template(text, LINKS, ChangeMode::Restart))
}

fn address(text: Text, link: &DesiredLink, provider: ServiceProvider) -> Text {
    first_instance(text, &link.service, provider)
        .literal(&link.variable)
        .literal("=")
        .code(match link.value {
            LinkValue::Host => ".Address | toJSON",
            LinkValue::Port => ".Port | toJSON",
            LinkValue::Address => r#"printf "%v:%v" .Address .Port | toJSON"#,
        })
        .literal("\n")
        .end(2)
}

/// Opens two blocks, in which the dot is the service's first instance. Nothing comes out when there is none.
fn first_instance(text: Text, service: &str, provider: ServiceProvider) -> Text {
    let read = match provider {
        ServiceProvider::Consul => "with service",
        ServiceProvider::Nomad => "with nomadService",
    };
    text.action(&[Word::Code(read), Word::Quoted(service)])
        .code("with index . 0")
}

fn connections(desired: &Desired) -> Option<Template> {
    let connections = &desired.connections;
    let text = connections.iter().fold(Text::default(), |text, entry| {
        connection(text, entry, desired.service_provider)
    });
    (!connections.is_empty()).then(|| env_template(text, CONNECTIONS, ChangeMode::Restart))
}

/// The secret's keys are bound first, because inside the service's block the dot is the instance.
fn connection(text: Text, entry: &DesiredConnection, provider: ServiceProvider) -> Text {
    let pieces = pieces(&entry.pattern);
    let keys: BTreeSet<_> = pieces
        .iter()
        .filter_map(|piece| match piece {
            Piece::Secret(name) => Some(*name),
            Piece::Text(_) | Piece::Address | Piece::Port => None,
        })
        .collect();
    let text = text.action(&[Word::Code("with secret"), Word::Quoted(&entry.secret_path)]);
    let text = keys.into_iter().fold(text, |text, key| {
        text.action(&[Word::Variable(key), Word::Code(":="), Word::SecretKey(key)])
    });
    first_instance(text, &entry.service, provider)
        .literal(&entry.variable)
        .literal("=")
        .action(&printed(&format_of(&pieces), &pieces))
        .literal("\n")
        .end(3)
}

/// The format of `printf`: text with `%` doubled, `%v` for the rest.
fn format_of(pieces: &[Piece<'_>]) -> String {
    pieces
        .iter()
        .map(|piece| match piece {
            Piece::Text(text) => text.replace('%', "%%"),
            Piece::Secret(_) | Piece::Address | Piece::Port => "%v".to_owned(),
        })
        .collect()
}

fn printed<'a>(format: &'a str, pieces: &[Piece<'a>]) -> Vec<Word<'a>> {
    let mut words = vec![Word::Code("printf"), Word::Quoted(format)];
    words.extend(pieces.iter().filter_map(|piece| match piece {
        Piece::Text(_) => None,
        Piece::Secret(name) => Some(Word::Variable(*name)),
        Piece::Address => Some(Word::Code(".Address")),
        Piece::Port => Some(Word::Code(".Port")),
    }));
    words.push(Word::Code("| toJSON"));
    words
}

/// Two files of one issued pair.
///
/// Nomad renders all templates of a task in one consul-template runner, which keys what it reads by function, path
/// and arguments: two templates whose read is the same to the last character share one call to Vault and one answer,
/// at the start as on renewal. So both texts come from [`issue`]. The ways to write two files from one template do not
/// serve: Nomad denies `writeToFile` by default, and `pkiCert` issues anew for every destination.
fn certificate_and_key(certificate: &DesiredCertificate, user: Option<&str>) -> [Template; 2] {
    let (perms, uid) = key_access(user);
    [
        file_template(
            issue(certificate, ".Data.certificate"),
            &certificate.cert_path,
            ChangeMode::Restart,
        ),
        Template {
            perms: Some(perms),
            uid,
            ..file_template(
                issue(certificate, ".Data.private_key"),
                &certificate.key_path,
                ChangeMode::Restart,
            )
        },
    ]
}

fn issue(certificate: &DesiredCertificate, part: &'static str) -> Text {
    Text::default()
        .action(&[
            Word::Code("with secret"),
            Word::Quoted(&certificate.pki_path),
            Word::Quoted(&["common_name=", &certificate.common_name].concat()),
            Word::Quoted(&["ttl=", &certificate.ttl].concat()),
        ])
        .code(part)
        .literal("\n")
        .end(1)
}

/// Mode and owner of a private key: readable by the task's user alone where that user is known as a number, because
/// Nomad writes files as root. A user that only the image knows by name could not read such a file; there the key is
/// as readable as every other rendered secret, inside a directory that belongs to the task.
fn key_access(user: Option<&str>) -> (&'static str, Option<u32>) {
    let name = user.map(|user| user.split_once(':').map_or(user, |(name, _)| name));
    match name.map(|name| (name, name.parse::<u32>())) {
        Some(("root", _)) | Some((_, Ok(0))) => ("0600", None),
        Some((_, Ok(uid))) => ("0600", Some(uid)),
        Some((_, Err(_))) | None => ("0644", None),
    }
}

/// Base64 keeps every byte, and no character of it means anything to the template language.
fn file(file: &DesiredFile) -> Template {
    let content = STANDARD.encode(&file.content);
    let text = Text::default().action(&[Word::Quoted(&content), Word::Code("| base64Decode")]);
    file_template(text, &file_destination(file), ChangeMode::Restart)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_is_readable_by_the_tasks_user_alone_where_its_number_is_known() {
        for (user, want) in [
            (Some("0"), ("0600", None)),
            (Some("root:root"), ("0600", None)),
            (Some("999"), ("0600", Some(999))),
            (Some("1000:1000"), ("0600", Some(1000))),
            (Some("node"), ("0644", None)),
            (None, ("0644", None)),
        ] {
            assert_eq!(key_access(user), want, "{user:?}");
        }
    }

    #[test]
    fn certificate_and_key_come_from_the_same_read() {
        let certificate = DesiredCertificate {
            pki_path: "pki/issue/shop".to_owned(),
            common_name: "a\" }}.example".to_owned(),
            ttl: "24h".to_owned(),
            cert_path: "secrets/tls.crt".to_owned(),
            key_path: "secrets/tls.key".to_owned(),
        };
        let [cert, key] = certificate_and_key(&certificate, Some("999"));
        assert_eq!(
            cert.text,
            r#"{{ with secret "pki/issue/shop" "common_name=a\" \u007d\u007d.example" "ttl=24h" }}{{ .Data.certificate }}
{{ end }}"#
        );
        assert_eq!(
            cert.text.split_once(" }}{{ .Data").unwrap().0,
            key.text.split_once(" }}{{ .Data").unwrap().0
        );
        assert_eq!((key.perms, key.uid), (Some("0600"), Some(999)));
        assert_eq!(
            (cert.destination, key.destination),
            ("secrets/tls.crt".into(), "secrets/tls.key".into())
        );
    }

    #[test]
    fn a_percent_sign_of_a_pattern_stays_one() {
        assert_eq!(format_of(&pieces("a%20b{{ .Port }}%v")), "a%%20b%v%%v");
    }
}
