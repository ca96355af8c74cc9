//! Where credentials may follow a redirect.
//!
//! A standby node answers 307 with the active node's own address, which is another origin and needs role id, secret id and
//! token just as well. So another origin is followed, but only
//! - with 307 and 308, which keep method and body;
//! - to the same path and query: a login page before Vault does not get the credentials;
//! - within one scheme: what was sent encrypted stays encrypted, to a host whose certificate is checked the same way.
//!   From http to https is refused too: whoever configured http should learn that there is better;
//! - to this machine only from this machine, so that no distant server reaches what listens on the loopback.

use percent_encoding::percent_decode_str;
use reqwest::StatusCode;
use url::Url;

use crate::clients::tls::is_loopback;

/// Why a redirect of a call to `from` must not be followed.
pub(super) fn broken_rule(from: &Url, target: &Url, status: StatusCode) -> Option<&'static str> {
    let here = |url: &Url| url.host_str().is_some_and(is_loopback);
    if !matches!(
        status,
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
    ) {
        return Some("only 307 and 308 keep what was asked");
    }
    if target.scheme() != from.scheme() {
        return Some("it changes between http and https");
    }
    if !target.username().is_empty() || target.password().is_some() {
        return Some("it carries a user name or a password");
    }
    if here(target) && !here(from) {
        return Some("it leads to this machine");
    }
    if !is_same_call(from, target) {
        return Some("it leads to another path");
    }
    None
}

/// Whether path and query are the same; what comes before `/v1/` may go, because nodes do not know the proxy before them.
fn is_same_call(from: &Url, target: &Url) -> bool {
    let decoded = |url: &Url| percent_decode_str(url.path()).collect::<Vec<u8>>();
    let (from_path, target_path) = (decoded(from), decoded(target));
    let call = from_path
        .windows(4)
        .position(|part| part == b"/v1/")
        .map_or(&from_path[..], |start| &from_path[start..]);
    (target_path == from_path || target_path == call) && from.query() == target.query()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(from: &str, to: &str, status: u16) -> Option<&'static str> {
        let (from, status) = (Url::parse(from).unwrap(), StatusCode::from_u16(status));
        let target = from.join(to).unwrap();
        broken_rule(&from, &target, status.unwrap())
    }

    #[test]
    fn an_active_node_of_the_same_scheme_gets_the_call() {
        let from = "https://vault.example/v1/kv/data/a%20b?version=1";
        for to in [
            "https://10.0.0.5:8200/v1/kv/data/a%20b?version=1",
            "https://node-2.example/v1/kv/%64ata/a%20b?version=1",
        ] {
            assert_eq!(rule(from, to, 307), None, "{to}");
            assert_eq!(rule(from, to, 308), None, "{to}");
        }
        let proxied = "http://127.0.0.1:1/vault/v1/kv/a";
        assert_eq!(rule(proxied, "http://127.0.0.1:2/v1/kv/a", 307), None);
        assert_eq!(rule(proxied, "http://127.0.0.1:2/vault/v1/kv/a", 307), None);
    }

    #[test]
    fn credentials_do_not_go_elsewhere() {
        let from = "https://vault.example/v1/kv/data/a?version=1";
        for (to, status, why) in [
            ("https://node/v1/kv/data/a?version=1", 301, "307"),
            ("https://node/v1/kv/data/a?version=1", 303, "307"),
            ("http://vault.example/v1/kv/data/a?version=1", 307, "https"),
            ("ftp://vault.example/v1/kv/data/a?version=1", 307, "https"),
            ("https://u:p@node/v1/kv/data/a?version=1", 307, "user"),
            ("https://localhost/v1/kv/data/a?version=1", 307, "machine"),
            ("https://[::1]/v1/kv/data/a?version=1", 307, "machine"),
            ("https://login.example/?to=/v1/kv/data/a", 307, "path"),
            ("https://node/v1/kv/data/a", 307, "path"),
            ("https://node/v1/kv/data/a?version=2", 307, "path"),
            ("https://node/x/v1/kv/data/a?version=1", 307, "path"),
            ("/ui/", 307, "path"),
        ] {
            let broken = rule(from, to, status);
            assert!(
                broken.is_some_and(|rule| rule.contains(why)),
                "{to}: {broken:?}"
            );
        }
        let plain = "http://vault.example/v1/a";
        let broken = rule(plain, "https://vault.example/v1/a", 308);
        assert!(broken.is_some_and(|rule| rule.contains("https")));
    }
}
