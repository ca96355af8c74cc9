//! The Vault client against a double that fails on demand, and against a real server where one is installed.

mod failures;
mod leaks;
mod reading;
mod real;
mod redirects;
mod stopping;
mod tls;

use cs::clients::vault::{VaultError, VaultLogin, VaultSecrets};
use tokio_util::sync::CancellationToken;

async fn read(login: &VaultLogin, path: &str) -> Result<VaultSecrets, VaultError> {
    cs::clients::vault::read(login, path, &CancellationToken::new()).await
}

async fn error(login: &VaultLogin, path: &str) -> VaultError {
    match read(login, path).await {
        Ok(secrets) => panic!("{path} was read: {secrets:?}"),
        Err(error) => error,
    }
}

/// The values, for comparison.
fn values(secrets: &VaultSecrets) -> Vec<(&str, &str)> {
    let pairs = secrets.values.iter();
    pairs
        .map(|(key, value)| (key.as_str(), value.expose()))
        .collect()
}
