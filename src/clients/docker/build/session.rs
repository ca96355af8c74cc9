//! The session of a build: the engine calls back, for secrets and for registries' passwords.
//!
//! A connection is opened to the engine and turned around: over it the engine is the client of a small gRPC server that
//! stands here. Nothing is pushed to the engine; it gets what a step or a registry asks for, when it asks.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{CONNECTION, UPGRADE};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use reqwest::{Method, Upgraded};

use super::ImageBuild;
use super::grpc::{self, Answer, Code};
use super::proto::{
    CredentialsRequest, CredentialsResponse, GetSecretRequest, GetSecretResponse,
    HealthCheckResponse,
};
use crate::artifact::registry::Credentials;
use crate::clients::docker::engine::Engine;
use crate::clients::docker::error::EngineError;
use crate::secret::Secret;

const HEALTH: &str = "/grpc.health.v1.Health/Check";
const SECRET: &str = "/moby.buildkit.secrets.v1.Secrets/GetSecret";
const CREDENTIALS: &str = "/moby.filesync.v1.Auth/Credentials";

/// An open session.
pub(super) struct Session {
    id: String,
    connection: Upgraded,
    keys: Arc<Keys>,
}

/// What the engine may ask for.
struct Keys {
    secrets: BTreeMap<String, Secret>,
    registries: BTreeMap<String, Credentials>,
}

impl Session {
    pub(super) async fn open(engine: &Engine, build: &ImageBuild) -> Result<Self, EngineError> {
        const OPERATION: &str = "open a session";
        let id = uuid::Uuid::new_v4().simple().to_string();
        let mut request = engine
            .request(Method::POST, "/session")
            .await?
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "h2c")
            .header("x-docker-expose-session-uuid", &id)
            .header("x-docker-expose-session-name", "cs");
        for method in [HEALTH, SECRET, CREDENTIALS] {
            request = request.header("x-docker-expose-session-grpc-method", method);
        }
        let transport = engine.transport();
        let response = transport.call(OPERATION, request).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(EngineError::NoSession {
                status: response.status().as_u16(),
            });
        }
        let connection = response.upgrade().await;
        Ok(Self {
            id,
            connection: connection.map_err(|error| transport.failed(OPERATION, error))?,
            keys: Arc::new(Keys {
                secrets: build.secrets.clone(),
                registries: build.registries.clone(),
            }),
        })
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Answers the engine until it hangs up. Dropping the future hangs up.
    pub(super) async fn serve(self) {
        let service = service_fn(move |request| {
            let keys = Arc::clone(&self.keys);
            async move { Ok::<_, Infallible>(grpc::respond(keys.answer(request).await)) }
        });
        // A connection that breaks breaks the build too, which tells it better.
        let _ = http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(self.connection), service)
            .await;
    }
}

impl Keys {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        match request.uri().path() {
            HEALTH => Ok(grpc::frame(&HealthCheckResponse { status: 1 })),
            SECRET => self.secret(&grpc::read::<GetSecretRequest>(request).await?.id),
            CREDENTIALS => {
                let asked = grpc::read::<CredentialsRequest>(request).await?;
                Ok(grpc::frame(&self.credentials(&asked.host)))
            }
            // Among them the calls by which newer engines let the session fetch tokens: without them they ask for
            // credentials.
            _ => Err(Code::Unimplemented),
        }
    }

    fn secret(&self, id: &str) -> Answer {
        let secret = self.secrets.get(id).ok_or(Code::NotFound)?;
        Ok(grpc::frame(&GetSecretResponse {
            data: secret.expose().as_bytes().to_vec(),
        }))
    }

    /// The credentials of exactly this registry; empty ones mean that there are none.
    fn credentials(&self, host: &str) -> CredentialsResponse {
        let asked = registry(host);
        let found = self
            .registries
            .iter()
            .find(|(host, _)| registry(host) == asked)
            .map(|(_, credentials)| credentials);
        found.map_or_else(CredentialsResponse::default, |credentials| {
            CredentialsResponse {
                username: credentials.username.clone(),
                secret: credentials.password.expose().to_owned(),
            }
        })
    }
}

/// One spelling for a registry: its host and port in lower case, and Docker's own under one name.
fn registry(name: &str) -> String {
    let name = name.split_once("://").map_or(name, |(_, rest)| rest);
    let host = name.split('/').next().unwrap_or_default();
    let host = host.to_ascii_lowercase();
    match host.as_str() {
        "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(hosts: &[&str]) -> Keys {
        let registries = hosts.iter().map(|host| {
            let credentials = Credentials {
                username: format!("user of {host}"),
                password: Secret::new("canary"),
            };
            ((*host).to_owned(), credentials)
        });
        Keys {
            secrets: BTreeMap::from([("npm".to_owned(), Secret::new("canary"))]),
            registries: registries.collect(),
        }
    }

    #[test]
    fn credentials_are_for_exactly_one_registry() {
        let keys = keys(&["docker.io", "registry.example", "localhost:5000"]);
        for (asked, expected) in [
            ("registry-1.docker.io", "user of docker.io"),
            ("https://index.docker.io/v1/", "user of docker.io"),
            ("docker.io", "user of docker.io"),
            ("REGISTRY.example", "user of registry.example"),
            ("localhost:5000", "user of localhost:5000"),
            ("localhost", ""),
            ("localhost:5001", ""),
            ("xregistry.example", ""),
            ("registry.example.example", ""),
            ("", ""),
        ] {
            let found = keys.credentials(asked);
            assert_eq!(found.username, expected, "{asked}");
            assert_eq!(found.secret.is_empty(), expected.is_empty(), "{asked}");
        }
    }

    #[test]
    fn an_unknown_secret_is_not_found() {
        let keys = keys(&[]);
        assert_eq!(keys.secret("other"), Err(Code::NotFound));
        let known = keys.secret("npm").unwrap();
        assert!(known.ends_with(b"canary"));
    }
}
