//! How a registry asks for credentials, and what may be sent where.

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};
use url::{Origin, Url};

use crate::clients::tls::is_loopback;
use crate::secret::Secret;

/// A user of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Name.
    pub username: String,
    /// Password or token.
    pub password: Secret,
}

/// What a registry wants to see.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User and password with each request.
    Basic,
    /// A token of a token server.
    Bearer {
        realm: String,
        service: Option<String>,
        scope: Option<String>,
    },
}

/// The challenge of an answer: the first `Bearer` if there is one, else `Basic`.
pub(super) fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    let mut basic = None;
    for value in headers.get_all(WWW_AUTHENTICATE) {
        for (scheme, parameters) in challenges(value.to_str().ok()?) {
            let parameter = |name: &str| {
                parameters
                    .iter()
                    .find(|(key, _)| key.eq_ignore_ascii_case(name))
                    .map(|(_, value)| value.clone())
            };
            if scheme.eq_ignore_ascii_case("bearer") {
                return Some(Challenge::Bearer {
                    realm: parameter("realm")?,
                    service: parameter("service"),
                    scope: parameter("scope"),
                });
            }
            if scheme.eq_ignore_ascii_case("basic") {
                basic = Some(Challenge::Basic);
            }
        }
    }
    basic
}

/// Schemes with their parameters: `Scheme key="value", key=value, Scheme …`. Source: RFC 9110, 11.6.1.
fn challenges(text: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut found: Vec<(String, Vec<(String, String)>)> = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let end = rest.find([' ', '\t', ',', '=']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word.is_empty() {
            return found;
        }
        match (after.strip_prefix('='), found.last_mut()) {
            (Some(after), Some((_, parameters))) => {
                let (value, after) = parameter_value(after);
                parameters.push((word.to_owned(), value));
                rest = after;
            }
            (Some(_), None) => return found,
            (None, _) => {
                found.push((word.to_owned(), Vec::new()));
                rest = after;
            }
        }
    }
}

/// A token or quoted value, and what follows it.
fn parameter_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((place, c)) = characters.next() {
        match c {
            '"' => return (value, &quoted[place + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            _ => value.push(c),
        }
    }
    (value, "")
}

/// Address of the token for a challenge, or `None` if it is not to be called.
pub(super) fn token_address(
    registry: &Url,
    realm: &str,
    service: Option<&str>,
    scope: &str,
) -> Option<Url> {
    let mut address = Url::parse(realm)
        .ok()
        .filter(|realm| may_lead_to(registry, realm))?;
    address.set_fragment(None);
    address
        .query_pairs_mut()
        .extend_pairs(service.map(|service| ("service", service)))
        .append_pair("scope", scope);
    Some(address)
}

/// Whether a registry may send this program to an address, as its token server or by a redirect.
///
/// Only https, and this machine only from a registry on this machine. So a registry can neither make credentials travel
/// in clear nor reach what listens on the loopback. Plain HTTP to the registry's own host is refused too: the registry
/// itself was called by https.
pub(super) fn may_lead_to(registry: &Url, address: &Url) -> bool {
    let here = |url: &Url| url.host_str().is_some_and(is_loopback);
    let bare = address.username().is_empty() && address.password().is_none();
    match address.scheme() {
        "https" => bare && (!here(address) || here(registry)),
        "http" => bare && here(address) && here(registry),
        _ => false,
    }
}

/// Whether two addresses have scheme, host and port in common, so that both may see the same credentials.
pub(super) fn same_origin(one: &Url, other: &Url) -> bool {
    matches!(one.origin(), Origin::Tuple(..)) && one.origin() == other.origin()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(values: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, value.parse().unwrap());
        }
        challenge(&headers)
    }

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Option<Challenge> {
        Some(Challenge::Bearer {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
            scope: scope.map(str::to_owned),
        })
    }

    #[test]
    fn a_bearer_challenge_names_its_token_server() {
        assert_eq!(
            asked(&[
                r#"Bearer realm="https://auth.example/token",service="reg",scope="repository:a/b:pull,push""#
            ]),
            bearer(
                "https://auth.example/token",
                Some("reg"),
                Some("repository:a/b:pull,push")
            )
        );
        assert_eq!(
            asked(&[r#"bearer  Service=x , realm="https://a/\"q\"" "#]),
            bearer(r#"https://a/"q""#, Some("x"), None)
        );
    }

    #[test]
    fn a_token_is_preferred_to_a_password() {
        assert_eq!(asked(&[r#"Basic realm="x""#]), Some(Challenge::Basic));
        for both in [
            &[r#"Basic realm="x", Bearer realm="https://a/t""#][..],
            &[r#"Basic realm="x""#, r#"Bearer realm="https://a/t""#],
        ] {
            assert_eq!(asked(both), bearer("https://a/t", None, None));
        }
    }

    #[test]
    fn what_is_no_challenge_asks_for_nothing() {
        for bad in [
            "",
            ",,,",
            "=x",
            "Negotiate",
            "Bearer",
            "Bearer service=x",
            "Digest realm=\"x",
        ] {
            assert_eq!(asked(&[bad]), None, "{bad:?}");
        }
        assert_eq!(asked(&[]), None);
    }

    #[test]
    fn a_registry_leads_only_to_https_and_to_this_machine_only_from_it() {
        let url = |text: &str| Url::parse(text).unwrap();
        let (remote, local) = (url("https://reg.example"), url("http://127.0.0.1:5000"));
        for address in ["https://auth.example/t", "https://reg.example:8443/"] {
            assert!(may_lead_to(&remote, &url(address)), "{address}");
            assert!(may_lead_to(&local, &url(address)), "{address}");
        }
        for address in [
            "http://127.0.0.1:9/t",
            "http://localhost/",
            "https://[::1]/",
        ] {
            assert!(!may_lead_to(&remote, &url(address)), "{address}");
            assert!(may_lead_to(&local, &url(address)), "{address}");
        }
        for address in [
            "http://reg.example/t",
            "http://169.254.169.254/",
            "http://[::ffff:127.0.0.1]/",
            "file:///etc/passwd",
            "https://user:pw@auth.example/",
        ] {
            assert!(!may_lead_to(&remote, &url(address)), "{address}");
            assert!(!may_lead_to(&local, &url(address)), "{address}");
        }
    }

    #[test]
    fn the_token_server_keeps_its_own_query() {
        let registry = Url::parse("https://reg.example").unwrap();
        let address = token_address(
            &registry,
            "https://a.example/t?x=1#f",
            Some("s &"),
            "repository:a:pull",
        );
        assert_eq!(
            address.unwrap().as_str(),
            "https://a.example/t?x=1&service=s+%26&scope=repository%3Aa%3Apull"
        );
        assert_eq!(token_address(&registry, "/token", None, "s"), None);
    }
}
