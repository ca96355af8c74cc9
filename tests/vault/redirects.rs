//! Where credentials follow a redirect, and where they do not.

use cs::clients::vault::VaultError;
use serde_json::json;

use super::{error, read, values};
use crate::support::vault::{LOGIN, REVOKE, Reply, VaultDouble};

const PATH: &str = "kv/data/shop";
const READ: &str = "/v1/kv/data/shop";

#[tokio::test(start_paused = true)]
async fn a_standby_node_leads_to_the_active_one() {
    let (standby, active) = (
        VaultDouble::start_here().await,
        VaultDouble::start_here().await,
    );
    active.secret(PATH, json!({"A": "1"}));
    active.secret(PATH, json!({"A": "2"}));
    for path in [LOGIN, REVOKE] {
        let to = format!("{}{path}", active.address());
        standby.script(path, usize::MAX, Reply::Redirect(307, to));
    }
    let to = format!("{}{READ}?version=1", active.address());
    standby.script(READ, usize::MAX, Reply::Redirect(308, to));
    let secrets = read(&standby.login(), "kv/data/shop?version=1")
        .await
        .unwrap();
    assert_eq!(values(&secrets), [("A", "1")]);
    assert_eq!(active.live_tokens(), 0);
    assert_eq!((standby.calls().len(), active.calls().len()), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn credentials_are_not_sent_to_other_pages_or_in_other_ways() {
    for (status, path, why) in [
        (301, LOGIN, "307"),
        (302, LOGIN, "307"),
        (303, LOGIN, "307"),
        (307, "/sign-in", "another path"),
        (307, "/v1/auth/approle/login?next=1", "another path"),
    ] {
        let (vault, other) = (
            VaultDouble::start_here().await,
            VaultDouble::start_here().await,
        );
        let to = format!("{}{path}", other.address());
        vault.script(LOGIN, usize::MAX, Reply::Redirect(status, to));
        let shown = error(&vault.login(), PATH).await.to_string();
        assert!(
            shown.contains(why) && shown.contains(&other.address()),
            "{shown}"
        );
        assert!(other.calls().is_empty(), "{status} {path}");
        assert_eq!(vault.calls().len(), 1, "a redirect is final");
    }
}

#[tokio::test(start_paused = true)]
async fn a_redirect_to_https_names_the_better_address() {
    let vault = VaultDouble::start_here().await;
    let to = format!("https://vault.example:8200{LOGIN}");
    vault.script(LOGIN, 1, Reply::Redirect(308, to));
    let shown = error(&vault.login(), PATH).await.to_string();
    assert!(
        shown.contains("redirects to `https://vault.example:8200`")
            && shown.contains("give the address"),
        "{shown}"
    );
}

#[tokio::test(start_paused = true)]
async fn nodes_that_lead_to_each_other_end_after_a_few_rounds() {
    let (one, other) = (
        VaultDouble::start_here().await,
        VaultDouble::start_here().await,
    );
    for (from, to) in [(&one, &other), (&other, &one)] {
        let to = format!("{}{LOGIN}", to.address());
        from.script(LOGIN, usize::MAX, Reply::Redirect(307, to));
    }
    let error = error(&one.login(), PATH).await;
    assert!(matches!(error, VaultError::Redirected { .. }), "{error}");
    assert!(error.to_string().contains("too many"), "{error}");
    assert_eq!(one.calls().len() + other.calls().len(), 4 * 3);
}

#[tokio::test(start_paused = true)]
async fn a_redirect_without_a_target_is_unusable() {
    for to in ["", "http://[", "http://127.0.0.1:99999/"] {
        let vault = VaultDouble::start_here().await;
        vault.script(LOGIN, 1, Reply::Redirect(307, to.to_owned()));
        let error = error(&vault.login(), PATH).await;
        let expected = matches!(
            error,
            VaultError::Malformed {
                what: "redirect",
                ..
            }
        );
        // An empty one means the same address, for ever.
        assert!(expected || to.is_empty(), "{to}: {error}");
    }
}
