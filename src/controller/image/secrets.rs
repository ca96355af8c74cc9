//! Values of the secrets that a source and a build refer to.

use std::collections::BTreeMap;

use super::{ImageWork, NoImage};
use crate::clients::vault::{self, VaultLogin};
use crate::controller::set::secrets;
use crate::events::Phase as LogPhase;
use crate::reconcile::Outcome;
use crate::secret::Secret;
use crate::spec::workload::{BuildVault, SecretRef};

/// What Vault has for the build.
#[derive(Default)]
pub(super) struct VaultValues {
    pub(super) values: BTreeMap<String, Secret>,
    /// Which state of them.
    pub(super) version: Option<String>,
}

impl ImageWork<'_> {
    /// The value of a reference.
    pub(super) fn resolve(&self, reference: Option<&SecretRef>) -> Option<Secret> {
        let reference = reference?;
        let given = reference.from_env.as_deref();
        given
            .and_then(|name| self.secrets.get(name).cloned())
            .or_else(|| secrets::value(reference, self.environment))
    }

    /// Reads what Vault has for the build. Variables that the build names itself win.
    pub(super) async fn vault_values(&self) -> Result<VaultValues, NoImage> {
        let Some(vault) = &self.build.vault else {
            return Ok(VaultValues::default());
        };
        let login = self.login(vault)?;
        let read = self
            .bounds
            .run(
                "reading the build's secrets from Vault",
                |stop| async move { vault::read(&login, &vault.path, &stop).await },
            )
            .await?;
        let found = read.map_err(|error| NoImage::failed(&error))?;
        if !found.skipped.is_empty() {
            let text = format!(
                "Of Vault's secret these keys are not used, being no texts, numbers or booleans or no names of variables: {}",
                found.skipped.join(", ")
            );
            self.say(LogPhase::Build, &text).await;
        }
        let build = self.build;
        let is_free = |name: &String| !build.env.contains_key(name);
        Ok(VaultValues {
            values: found
                .values
                .into_iter()
                .filter(|(name, _)| is_free(name))
                .collect(),
            version: found.version,
        })
    }

    fn login(&self, vault: &BuildVault) -> Result<VaultLogin, NoImage> {
        let missing = |what: &str| Outcome::Invalid(format!("build.vault: {what} has no value"));
        let role_id = self
            .resolve(Some(&vault.role_id))
            .ok_or_else(|| missing("roleId"))?;
        let secret_id = self
            .resolve(Some(&vault.secret_id))
            .ok_or_else(|| missing("secretId"))?;
        let login = VaultLogin::new(&vault.address, role_id, secret_id)
            .map_err(|error| Outcome::Invalid(crate::clients::chain(&error)))?;
        self.environment
            .egress_of_the_platform()
            .judge(login.address().expose())
            .map_err(|refused| Outcome::Invalid(format!("build.vault.address: {refused}")))?;
        Ok(login)
    }
}
