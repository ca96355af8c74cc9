//! What is read, and how refusals are told: the same on the double and on a real server.

use cs::clients::vault::{VaultError, VaultLogin};
use serde_json::{Value, json};

use super::{error, read, values};
use crate::support::vault::{ROLE_ID, SECRET_ID, VaultDouble, login};
use crate::support::vault_server::RealVault;

enum Stand {
    Double(VaultDouble),
    Real(&'static RealVault),
}

/// The double, and a real server if there is one. Tests share the latter: each has its own paths.
fn stands() -> Vec<Stand> {
    let mut stands = vec![Stand::Double(VaultDouble::start())];
    stands.extend(RealVault::shared().map(Stand::Real));
    stands
}

impl Stand {
    fn login(&self) -> VaultLogin {
        match self {
            Self::Double(double) => double.login(),
            Self::Real(server) => login(&server.address()),
        }
    }

    fn secret(&self, path: &str, data: Value) {
        match self {
            Self::Double(double) => double.secret(path, data),
            Self::Real(server) => server.secret(path, &data),
        }
    }

    fn delete(&self, path: &str) {
        match self {
            Self::Double(double) => double.delete(path),
            Self::Real(server) => server.delete(path),
        }
    }

    /// Destroys the last version, which is `version`.
    fn destroy(&self, path: &str, version: u64) {
        match self {
            Self::Double(double) => double.destroy(path),
            Self::Real(server) => server.destroy(path, version),
        }
    }

    /// The real server's policy denies everything below `kv/data/denied` from the start.
    fn deny(&self, path: &str) {
        if let Self::Double(double) = self {
            double.deny(path);
        }
    }
}

#[tokio::test]
async fn version_2_is_unwrapped_and_every_new_version_has_another_name() {
    for stand in stands() {
        let path = "kv/data/shop/web";
        stand.secret(path, json!({"API_KEY": "a=b c\n\"d\" é", "EMPTY": ""}));
        let first = read(&stand.login(), "/v1/kv/data/shop/web").await.unwrap();
        assert_eq!(
            values(&first),
            [("API_KEY", "a=b c\n\"d\" é"), ("EMPTY", "")]
        );
        let again = read(&stand.login(), path).await.unwrap();
        assert_eq!(first, again);
        assert!(first.version.is_some());

        stand.secret(path, json!({"API_KEY": "new"}));
        let second = read(&stand.login(), path).await.unwrap();
        assert_eq!(values(&second), [("API_KEY", "new")]);
        assert_ne!(first.version, second.version);

        let pinned = read(&stand.login(), "kv/data/shop/web?version=1").await;
        assert_eq!(pinned.unwrap(), first);
        let latest = read(&stand.login(), "kv/data/shop/web?version=2").await;
        assert_eq!(latest.unwrap(), second);
    }
}

#[tokio::test]
async fn version_1_is_taken_as_it_is_and_has_no_version() {
    for stand in stands() {
        let looks_like_2 = json!({"data": {"A": "x"}, "metadata": {"version": 1}, "plain": "y"});
        stand.secret("kv1/shop", json!({"A": "1", "B": "two"}));
        stand.secret("kv1/alike", looks_like_2);
        let secrets = read(&stand.login(), "//kv1/shop").await.unwrap();
        assert_eq!(values(&secrets), [("A", "1"), ("B", "two")]);
        assert_eq!((secrets.version, secrets.skipped.len()), (None, 0));
        let secrets = read(&stand.login(), "kv1/alike").await.unwrap();
        assert_eq!(values(&secrets), [("plain", "y")]);
        assert_eq!((secrets.version, secrets.skipped.len()), (None, 2));
    }
}

#[tokio::test]
async fn numbers_and_booleans_are_texts_and_the_rest_is_named() {
    for stand in stands() {
        let data = json!({
            "PORT": 8080, "RATIO": 1.5, "BIG": 9007199254740991_i64, "ON": true, "OFF": false, "TEXT": "x",
            "LIST": [1], "MAP": {"a": "b"}, "NONE": null, "a b": "x",
        });
        for path in ["kv/data/kinds", "kv1/kinds"] {
            stand.secret(path, data.clone());
            let secrets = read(&stand.login(), path).await.unwrap();
            assert_eq!(
                values(&secrets),
                [
                    ("BIG", "9007199254740991"),
                    ("OFF", "false"),
                    ("ON", "true"),
                    ("PORT", "8080"),
                    ("RATIO", "1.5"),
                    ("TEXT", "x"),
                ]
            );
            assert_eq!(secrets.skipped, ["LIST", "MAP", "NONE", "\"a b\""]);
        }
    }
}

#[tokio::test]
async fn names_with_blanks_and_other_letters_are_found() {
    for stand in stands() {
        stand.secret("kv1/caf%C3%A9%20au%20lait", json!({"A": "1"}));
        for path in ["kv1/café au lait", "kv1/caf%C3%A9%20au%20lait"] {
            let secrets = read(&stand.login(), path).await.unwrap();
            assert_eq!(values(&secrets), [("A", "1")]);
        }
    }
}

#[tokio::test]
async fn a_deleted_or_destroyed_version_is_named() {
    for stand in stands() {
        let path = "kv/data/gone";
        stand.secret(path, json!({"A": "1"}));
        stand.secret(path, json!({"A": "2"}));
        stand.delete(path);
        let deleted = error(&stand.login(), path).await;
        let shown = deleted.to_string();
        assert!(
            matches!(
                &deleted,
                VaultError::Deleted {
                    version: 2,
                    destroyed: false,
                    ..
                }
            ),
            "{deleted:?}"
        );
        assert!(shown.contains("version 2 of `kv/data/gone`"), "{shown}");
        assert!(shown.contains("is deleted"), "{shown}");

        stand.destroy(path, 2);
        let destroyed = error(&stand.login(), path).await;
        assert!(
            matches!(
                &destroyed,
                VaultError::Deleted {
                    version: 2,
                    destroyed: true,
                    ..
                }
            ),
            "{destroyed:?}"
        );
        let kept = read(&stand.login(), "kv/data/gone?version=1").await;
        assert_eq!(values(&kept.unwrap()), [("A", "1")]);
    }
}

#[tokio::test]
async fn a_path_without_a_secret_is_not_found() {
    for stand in stands() {
        stand.secret("kv/data/there", json!({"A": "1"}));
        for path in ["kv/data/nothing", "kv/data/there?version=9", "kv1/nothing"] {
            let missing = error(&stand.login(), path).await;
            let shown = missing.to_string();
            assert!(matches!(missing, VaultError::NotFound { .. }), "{shown}");
            assert!(shown.contains(&format!("nothing at `{path}`")), "{shown}");
            let hinted = shown.contains("KV version 2");
            assert_eq!(hinted, !path.contains("/data/"), "{shown}");
        }
    }
}

#[tokio::test]
async fn a_path_of_version_2_without_data_is_explained() {
    for stand in stands() {
        stand.secret("kv/data/there", json!({"A": "1"}));
        let missing = error(&stand.login(), "kv/there").await;
        let shown = missing.to_string();
        assert!(matches!(missing, VaultError::NotFound { .. }), "{shown}");
        assert!(shown.contains("needs `/data/` after the mount"), "{shown}");
        assert!(
            shown.contains("Vault says: Invalid path for a versioned K/V secrets engine"),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn a_path_that_the_policy_does_not_allow_is_denied() {
    for stand in stands() {
        let path = "kv/data/denied/x";
        stand.secret(path, json!({"A": "1"}));
        stand.deny(path);
        let denied = error(&stand.login(), path).await;
        let shown = denied.to_string();
        assert!(matches!(denied, VaultError::Denied { .. }), "{shown}");
        assert!(
            shown.contains("read `kv/data/denied/x`: its policy must allow `read` there (Vault says: permission denied"),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn a_wrong_role_id_or_secret_id_is_refused_and_the_params_are_named() {
    for stand in stands() {
        stand.secret("kv/data/there", json!({"A": "1"}));
        let with = |role_id: &str, secret_id: &str| {
            let address = stand.login().address().to_string();
            VaultLogin::new(&address, role_id.into(), secret_id.into()).unwrap()
        };
        let wrong = [
            with("canary-role", SECRET_ID),
            with(ROLE_ID, "canary-secret"),
            with(ROLE_ID, ""),
        ];
        for login in wrong {
            let refused = error(&login, "kv/data/there").await;
            let shown = format!("{refused} {refused:?}");
            assert!(
                matches!(refused, VaultError::LoginRefused { .. }),
                "{shown}"
            );
            assert!(shown.contains("`roleId` and `secretId`"), "{shown}");
            assert!(!shown.contains("canary"), "{shown}");
        }
    }
}
