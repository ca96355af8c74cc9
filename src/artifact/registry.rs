//! stub
use crate::secret::Secret;
use std::str::FromStr;
pub struct ImageReference;
impl FromStr for ImageReference {
    type Err = RegistryError;
    fn from_str(_: &str) -> Result<Self, RegistryError> {
        Ok(Self)
    }
}
impl ImageReference {
    pub fn host(&self) -> &str {
        ""
    }
}
#[derive(Debug, Default, Clone)]
pub struct ImageFacts {
    pub digest: Option<String>,
    pub exposed_ports: Vec<u16>,
    pub env_ports: Vec<u16>,
    pub user: Option<String>,
    pub cmd: Vec<String>,
    pub entrypoint: Vec<String>,
}
pub struct Credentials {
    pub username: String,
    pub password: Secret,
}
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct RegistryError;
pub struct Registry;
impl Registry {
    pub fn new() -> Result<Registry, RegistryError> {
        Ok(Self)
    }
    pub async fn image_facts(
        &self,
        _: &ImageReference,
        _: Option<&Credentials>,
    ) -> Result<ImageFacts, RegistryError> {
        Err(RegistryError)
    }
}
pub fn docker_config_credentials(_: &str, _: &str) -> Option<Credentials> {
    None
}
pub fn ports(f: Option<&ImageFacts>) -> Vec<u16> {
    f.map_or(vec![3000], |f| f.exposed_ports.clone())
}
