//! Advice about single workloads: what works, but will hurt some day. Warnings only.

use std::ops::Range;

use super::warning;
use crate::spec::workload::{EnvValue, Workload};
use crate::spec::{Diagnostic, Document, path};

pub(super) fn check(document: &Document, workload: &Workload) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    image_tag(workload, &mut found);
    unchecked_ports(workload, &mut found);
    literal_secrets(workload, &mut found);
    let advice = found.into_iter();
    advice
        .map(|advice| {
            let Advice {
                code,
                path,
                message,
                help,
            } = advice;
            warning(document.diagnostic(code, &path, message.to_owned(), Some(help.to_owned())))
        })
        .collect()
}

struct Advice {
    code: &'static str,
    path: String,
    message: &'static str,
    help: &'static str,
}

fn image_tag(workload: &Workload, found: &mut Vec<Advice>) {
    let Some(image) = &workload.spec.source.image else {
        return;
    };
    let message = match tag(image) {
        Tag::None => "the image has no tag, so it is whatever `latest` is when a node pulls it",
        Tag::Latest => "`latest` is whatever it is when a node pulls it",
        Tag::Fixed => return,
    };
    found.push(Advice {
        code: "image-tag",
        path: "spec.source.image".to_owned(),
        message,
        help: "name a version or a digest, so that a rollback brings the old one back",
    });
}

#[derive(Debug, PartialEq, Eq)]
enum Tag {
    None,
    Latest,
    Fixed,
}

/// What an image's name says about its version. What Nomad fills in at run time (`${…}`) is left to those who wrote it.
fn tag(image: &str) -> Tag {
    if image.is_empty() || image.contains('@') || image.contains("${") {
        return Tag::Fixed;
    }
    let name = image.rsplit('/').next().unwrap_or(image);
    match name.split_once(':') {
        None => Tag::None,
        Some((_, "latest")) => Tag::Latest,
        Some(_) => Tag::Fixed,
    }
}

fn unchecked_ports(workload: &Workload, found: &mut Vec<Advice>) {
    for (index, port) in workload.spec.ports.iter().enumerate() {
        if port.public && port.check.is_none() {
            found.push(Advice {
                code: "public-port-unchecked",
                path: path::element("spec.ports", index),
                message: "a public port without a check of its own gets traffic as soon as a default check passes",
                help: "add a `check`, e.g. `check: {type: http, path: /healthz}`",
            });
        }
    }
}

fn literal_secrets(workload: &Workload, found: &mut Vec<Advice>) {
    let spec = &workload.spec;
    let plain = spec.env.iter().filter_map(|(name, value)| match value {
        EnvValue::Text(text) => Some(("spec.env", name, text)),
        EnvValue::Reference(_) => None,
    });
    let build = spec.build.iter().flat_map(|build| {
        let args = build
            .args
            .iter()
            .map(|(name, text)| ("spec.build.args", name, text));
        let env = build
            .env
            .iter()
            .map(|(name, text)| ("spec.build.env", name, text));
        args.chain(env)
    });
    for (at, name, text) in plain.chain(build) {
        let message = if is_secret_name(name) && is_literal(text) {
            "this looks like a secret, and everybody who may read the file or the job can read it"
        } else if has_password(text) {
            "this address has a password, and everybody who may read the file or the job can read it"
        } else {
            continue;
        };
        found.push(Advice {
            code: "literal-secret",
            path: path::member(at, name),
            message,
            help: "keep it elsewhere and refer to it, e.g. `{fromVault: \"/kv/data/app#key\"}`",
        });
    }
}

/// Whether a variable is called like something that must not be read by others.
///
/// Only the end of the name counts: `DB_PASSWORD` is one, `PASSWORD_FILE` and `TOKEN_TTL` are not.
#[must_use]
pub(crate) fn is_secret_name(name: &str) -> bool {
    const LAST: [&str; 13] = [
        "password",
        "passwd",
        "passphrase",
        "secret",
        "secrets",
        "token",
        "credential",
        "credentials",
        "apikey",
        "privatekey",
        "secretkey",
        "accesskey",
        "pass",
    ];
    const KEYS: [&str; 8] = [
        "api",
        "secret",
        "private",
        "access",
        "encryption",
        "signing",
        "master",
        "session",
    ];
    let lower = name.to_ascii_lowercase();
    let mut words = lower.rsplit(['_', '-', '.']);
    let last = words.next().unwrap_or_default();
    LAST.contains(&last) || (last == "key" && words.next().is_some_and(|word| KEYS.contains(&word)))
}

/// Whether a text is the secret itself, rather than a switch, a path, or something that is filled in at run time.
fn is_literal(text: &str) -> bool {
    let is_word = matches!(
        text.to_ascii_lowercase().as_str(),
        "" | "true" | "false" | "yes" | "no" | "on" | "off" | "none" | "null"
    );
    !is_word && !text.starts_with('/') && !text.contains("${") && !text.contains("{{")
}

/// Whether a text is an address of the form `scheme://user:password@host`.
fn has_password(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority
        .rsplit_once('@')
        .and_then(|(user, _)| user.split_once(':'))
        .is_some_and(|(_, password)| is_literal(password))
}

/// Where a line holds values of secrets, as far as its own words tell: behind `PASSWORD:` or `TOKEN=`, and in an address
/// with a user. For whoever shows lines of files.
#[must_use]
pub fn secret_values(line: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for (at, _) in line.match_indices([':', '=']) {
        let value = value_after_name(line, at).or_else(|| password_after_user(line, at));
        let is_new = |value: &Range<usize>| found.last().is_none_or(|last| last.end <= value.start);
        found.extend(value.filter(is_new));
    }
    found
}

fn value_after_name(line: &str, at: usize) -> Option<Range<usize>> {
    let before = line[..at].trim_end_matches(['"', '\'', ' ']);
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let name = &before[before.trim_end_matches(is_part).len()..];
    if !is_secret_name(name) {
        return None;
    }
    let rest = &line[at + 1..];
    let start = at + 1 + (rest.len() - rest.trim_start().len());
    let value = &line[start..];
    let length = match value.chars().next()? {
        '{' | '[' => return None,
        quote @ ('"' | '\'') => value[1..].find(quote).map_or(value.len(), |end| end + 2),
        _ => {
            let end = value.find([',', '}', ']']).unwrap_or(value.len());
            value[..end].find(" #").unwrap_or(end)
        }
    };
    let text = value[..length].trim_matches(['"', '\'', ' ']);
    is_literal(text).then(|| start..start + value[..length].trim_end().len())
}

fn password_after_user(line: &str, at: usize) -> Option<Range<usize>> {
    let authority = line[..at].rfind("://")? + 3;
    let is_user = |c: char| !c.is_whitespace() && !"/@:\"'".contains(c);
    let has_user = authority < at && line[authority..at].chars().all(is_user);
    let rest = &line[at + 1..];
    let end = rest.find(|c: char| c.is_whitespace() || "/@\"'".contains(c))?;
    (has_user && end > 0 && rest[end..].starts_with('@')).then(|| at + 1..at + 1 + end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_looked_for_behind_the_last_slash() {
        for (image, expected) in [
            ("nginx", Tag::None),
            ("registry:5000/acme/shop", Tag::None),
            ("nginx:latest", Tag::Latest),
            ("registry:5000/shop:latest", Tag::Latest),
            ("nginx:1.27", Tag::Fixed),
            ("nginx@sha256:0123", Tag::Fixed),
            ("nginx:latest@sha256:0123", Tag::Fixed),
            ("${NOMAD_META_image}", Tag::Fixed),
        ] {
            assert_eq!(tag(image), expected, "{image}");
        }
    }

    #[test]
    fn the_end_of_a_name_tells_a_secret() {
        for name in [
            "PASSWORD",
            "DB_PASSWORD",
            "GITHUB_TOKEN",
            "AWS_SECRET_ACCESS_KEY",
            "API_KEY",
            "stripe.api-key",
            "APIKEY",
            "SMTP_PASS",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in [
            "PASSWORD_FILE",
            "TOKEN_TTL",
            "AWS_ACCESS_KEY_ID",
            "KEY",
            "PUBLIC_KEY",
            "COMPASS",
            "BYPASS",
            "PWD",
            "",
            "TOKENS_PER_MINUTE",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn only_the_secret_itself_is_literal() {
        for text in ["hunter2", "0", "$ecret", "postgres"] {
            assert!(is_literal(text), "{text}");
        }
        for text in [
            "",
            "true",
            "/run/secrets/db",
            "${NOMAD_META_x}",
            "{{ key }}",
            "No",
        ] {
            assert!(!is_literal(text), "{text}");
        }
    }

    #[test]
    fn an_address_with_a_password_is_found() {
        for text in [
            "postgres://u:p@db:5432/x",
            "amqp://:p@host",
            "https://u:p@x/?a=b",
        ] {
            assert!(has_password(text), "{text}");
        }
        for text in [
            "postgres://u@db/x",
            "http://host/a:b@c",
            "https://u:${P}@x",
            "u:p@x",
            "http://host:80/",
            "a://u:@x",
        ] {
            assert!(!has_password(text), "{text}");
        }
    }

    #[test]
    fn values_of_secrets_are_found_in_lines() {
        for (line, hidden) in [
            ("    DB_PASSWORD: hunter2", "    DB_PASSWORD: *"),
            (
                "env: {TOKEN: \"a, b\", X: y, API_KEY: z}",
                "env: {TOKEN: *, X: y, API_KEY: *}",
            ),
            ("  \"secret\" : 'x'  # why", "  \"secret\" : *  # why"),
            ("run: export TOKEN=abc def", "run: export TOKEN=*"),
            (
                "URL: postgres://u:p%40@db:5432/x",
                "URL: postgres://u:*@db:5432/x",
            ),
            ("PASSWORD: {fromEnv: X}", "PASSWORD: {fromEnv: X}"),
            ("PASSWORD:", "PASSWORD:"),
            (
                "port: 80, url: http://a:80/b@c",
                "port: 80, url: http://a:80/b@c",
            ),
            (
                "- {port: 8080, public: true}",
                "- {port: 8080, public: true}",
            ),
        ] {
            let mut text = line.to_owned();
            for value in secret_values(line).into_iter().rev() {
                text.replace_range(value, "*");
            }
            assert_eq!(text, hidden);
        }
    }
}
