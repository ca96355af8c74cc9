//! What needs a real server of its own, because it changes the whole server.

use cs::clients::vault::VaultError;
use serde_json::{Value, json};

use super::{error, read, values};
use crate::support::vault::login;
use crate::support::vault_server::RealVault;

#[tokio::test]
async fn a_real_server_is_left_without_tokens_and_its_own_troubles_are_told() {
    let Some(server) = RealVault::start() else {
        return;
    };
    server.secret("kv/data/shop", &json!({"A": "1"}));
    let mut login = login(&server.address());
    login.max_retries = 0;
    assert_eq!(
        values(&read(&login, "kv/data/shop").await.unwrap()),
        [("A", "1")]
    );
    error(&login, "kv/data/nothing").await;
    assert_eq!(server.live_tokens(), 0, "both tokens were revoked");

    server.done("DELETE", "sys/auth/approle", &Value::Null);
    let disabled = error(&login, "kv/data/shop").await;
    let shown = disabled.to_string();
    assert!(
        matches!(
            disabled,
            VaultError::NoAppRole { .. }
                | VaultError::LoginRefused {
                    forbidden: true,
                    ..
                }
        ),
        "{shown}"
    );
    assert!(shown.contains("AppRole is not enabled"), "{shown}");

    server.done("POST", "sys/seal", &Value::Null);
    let sealed = error(&login, "kv/data/shop").await;
    assert!(matches!(sealed, VaultError::Sealed { .. }), "{sealed}");
}
