//! One look at one image: manifest, perhaps one of its list, configuration; with a token or a password where one is
//! wanted.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use url::Url;

use super::auth::{Challenge, Credentials, challenge, may_lead_to, same_origin, token_address};
use super::client::Registry;
use super::error::RegistryError;
use super::manifest::{self, Descriptor, ImageFacts, Manifest};
use super::reference::{ImageReference, is_digest};
use crate::clients::egress;
use crate::observe::{HttpCall, Peer};
use crate::secret::Secret;

/// Longest single call, its answer included.
const CALL: Duration = Duration::from_secs(5);

/// Redirects of one call: blobs usually lie in an object store, one step away.
const REDIRECTS: usize = 3;

const MANIFEST_LIMIT: usize = 4 * 1024 * 1024;
const CONFIG_LIMIT: usize = 8 * 1024 * 1024;
const TOKEN_LIMIT: usize = 64 * 1024;

/// A part of a registry that is read.
#[derive(Clone, Copy)]
struct Part {
    what: &'static str,
    accept: &'static str,
    limit: usize,
}

const MANIFEST: Part = Part {
    what: "manifest",
    accept: manifest::ACCEPT,
    limit: MANIFEST_LIMIT,
};

const CONFIG: Part = Part {
    what: "image configuration",
    accept: "*/*",
    limit: CONFIG_LIMIT,
};

struct Document {
    body: Vec<u8>,
    media_type: String,
}

/// One look at one image.
pub(super) struct Session<'a> {
    registry: &'a Registry,
    image: &'a ImageReference,
    credentials: Option<&'a Credentials>,
    /// Of the registry.
    origin: Url,
    /// Once the registry has asked for it.
    authorization: Option<HeaderValue>,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        registry: &'a Registry,
        image: &'a ImageReference,
        credentials: Option<&'a Credentials>,
        origin: Url,
    ) -> Self {
        Self {
            registry,
            image,
            credentials,
            origin,
            authorization: None,
        }
    }

    pub(super) async fn facts(mut self) -> Result<ImageFacts, RegistryError> {
        let named = self
            .manifest(self.image.selector(), self.image.digest())
            .await?;
        let digest = digest_of(&named.body);
        let config = match self.parse(&named)? {
            Manifest::Image(config) => config,
            Manifest::Listed(listed) => {
                let one = self.manifest(&listed.digest, Some(&listed.digest)).await?;
                match self.parse(&one)? {
                    Manifest::Image(config) => config,
                    // A list in a list has no use, and following them has no end.
                    Manifest::Listed(_) | Manifest::Other => return Err(self.unsupported(&one)),
                }
            }
            Manifest::Other => return Err(self.unsupported(&named)),
        };
        let body = self.config(&config).await?;
        manifest::facts(&body, digest).ok_or_else(|| self.malformed(CONFIG.what))
    }

    fn parse(&self, document: &Document) -> Result<Manifest, RegistryError> {
        Manifest::parse(&document.body).ok_or_else(|| self.malformed(MANIFEST.what))
    }

    async fn manifest(
        &mut self,
        selector: &str,
        digest: Option<&str>,
    ) -> Result<Document, RegistryError> {
        let document = self.read("manifests", selector, MANIFEST).await?;
        self.check(
            digest,
            &document.body,
            "manifest: it does not match its digest",
        )?;
        Ok(document)
    }

    async fn config(&mut self, config: &Descriptor) -> Result<Vec<u8>, RegistryError> {
        if config.size > CONFIG_LIMIT as u64 {
            return Err(self.too_large(CONFIG));
        }
        let document = self.read("blobs", &config.digest, CONFIG).await?;
        let what = "image configuration: it does not match its digest";
        self.check(Some(&config.digest), &document.body, what)?;
        Ok(document.body)
    }

    fn check(
        &self,
        digest: Option<&str>,
        body: &[u8],
        what: &'static str,
    ) -> Result<(), RegistryError> {
        match digest {
            Some(digest) if digest != digest_of(body) => Err(self.malformed(what)),
            _ => Ok(()),
        }
    }

    /// Reads one part, answering a request for credentials once.
    async fn read(
        &mut self,
        kind: &str,
        selector: &str,
        part: Part,
    ) -> Result<Document, RegistryError> {
        // A digest of a manifest is the registry's text until it is checked; a tag was checked with the name.
        if selector.contains(':') && !is_digest(selector) {
            return Err(self.malformed("digest"));
        }
        let mut address = self.origin.clone();
        address.set_path(&format!(
            "/v2/{}/{kind}/{selector}",
            self.image.repository()
        ));
        let (mut response, mut at) = self.follow(&address, part).await?;
        let own = same_origin(&at, &self.origin);
        if response.status() == StatusCode::UNAUTHORIZED && own && self.authorization.is_none() {
            self.authorization = Some(self.authorize(response.headers()).await?);
            (response, at) = self.follow(&address, part).await?;
        }
        let host = host_of(&at);
        match response.status() {
            StatusCode::OK => self.document(response, host, part).await,
            StatusCode::NOT_FOUND => Err(RegistryError::NotFound {
                image: self.image.clone(),
            }),
            status => Err(self.refused(host, status)),
        }
    }

    /// Sends a request and follows its redirects. Returns the answer and where it came from.
    async fn follow(&self, address: &Url, part: Part) -> Result<(Response, Url), RegistryError> {
        let mut at = address.clone();
        for _ in 0..=REDIRECTS {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(part.accept));
            if let Some(authorization) = &self.authorization
                && same_origin(&at, &self.origin)
            {
                headers.insert(AUTHORIZATION, authorization.clone());
            }
            let response = self.send(&at, headers).await?;
            if !response.status().is_redirection() {
                return Ok((response, at));
            }
            let target = response
                .headers()
                .get(LOCATION)
                .and_then(|to| to.to_str().ok())
                .and_then(|to| at.join(to).ok())
                .ok_or_else(|| self.malformed("redirect"))?;
            if !may_lead_to(&self.origin, &target) {
                return Err(RegistryError::UnsafeAddress {
                    host: self.image.host().to_owned(),
                    what: "redirect",
                });
            }
            at = target;
        }
        Err(self.malformed("redirect: there are too many"))
    }

    async fn send(&self, address: &Url, headers: HeaderMap) -> Result<Response, RegistryError> {
        let request = self
            .registry
            .client_for(address)?
            .get(address.clone())
            .headers(headers)
            // Ends the reading of the answer too.
            .timeout(CALL);
        // Paths of a registry and of what it redirects to are others' to choose: they are not shown.
        let counted = HttpCall::begin(Peer::Registry, &reqwest::Method::GET, address, "/{path}");
        let answer = counted.sign(request).send().await;
        counted.ended(&answer);
        answer.map_err(|error| transport(host_of(address), error))
    }

    async fn document(
        &self,
        response: Response,
        host: String,
        part: Part,
    ) -> Result<Document, RegistryError> {
        let media_type = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .chars()
            .take(100)
            .collect();
        let body = read_bounded(response, host, part.what, part.limit).await?;
        Ok(Document { body, media_type })
    }

    /// What the registry wants to see from now on.
    async fn authorize(&self, headers: &HeaderMap) -> Result<HeaderValue, RegistryError> {
        match challenge(headers) {
            Some(Challenge::Basic) => match self.credentials {
                Some(credentials) => self.header(&basic(credentials)),
                None => Err(self.unauthorized()),
            },
            Some(Challenge::Bearer {
                realm,
                service,
                scope,
            }) => {
                let own = format!("repository:{}:pull", self.image.repository());
                let scope = scope.unwrap_or(own);
                let address = token_address(&self.origin, &realm, service.as_deref(), &scope)
                    .ok_or_else(|| RegistryError::UnsafeAddress {
                        host: self.image.host().to_owned(),
                        what: "token server",
                    })?;
                let token = self.token(&address).await?;
                self.header(&Secret::new(format!("Bearer {}", token.expose())))
            }
            None => Err(self.unauthorized()),
        }
    }

    async fn token(&self, address: &Url) -> Result<Secret, RegistryError> {
        #[derive(Deserialize)]
        struct Granted {
            token: Option<Secret>,
            access_token: Option<Secret>,
        }
        let mut headers = HeaderMap::new();
        if let Some(credentials) = self.credentials {
            headers.insert(AUTHORIZATION, self.header(&basic(credentials))?);
        }
        let response = self.send(address, headers).await?;
        let host = host_of(address);
        if response.status() != StatusCode::OK {
            return Err(self.refused(host, response.status()));
        }
        let body = read_bounded(response, host, "token", TOKEN_LIMIT).await?;
        // The parser's own error may quote the token: it is dropped.
        serde_json::from_slice::<Granted>(&body)
            .ok()
            .and_then(|granted| granted.token.or(granted.access_token))
            .filter(|token| !token.is_empty())
            .ok_or_else(|| self.malformed("token"))
    }

    fn header(&self, value: &Secret) -> Result<HeaderValue, RegistryError> {
        let mut header =
            HeaderValue::from_str(value.expose()).map_err(|_| self.malformed("token"))?;
        header.set_sensitive(true);
        Ok(header)
    }

    fn refused(&self, host: String, status: StatusCode) -> RegistryError {
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => self.unauthorized(),
            StatusCode::TOO_MANY_REQUESTS => RegistryError::RateLimited { host },
            _ => RegistryError::UnexpectedStatus {
                host,
                status: status.as_u16(),
            },
        }
    }

    fn unauthorized(&self) -> RegistryError {
        RegistryError::Unauthorized {
            host: self.image.host().to_owned(),
            image: self.image.clone(),
        }
    }

    fn unsupported(&self, document: &Document) -> RegistryError {
        RegistryError::UnsupportedMediaType {
            image: self.image.clone(),
            media_type: document.media_type.clone(),
        }
    }

    fn malformed(&self, what: &'static str) -> RegistryError {
        RegistryError::Malformed {
            host: self.image.host().to_owned(),
            what,
        }
    }

    fn too_large(&self, part: Part) -> RegistryError {
        RegistryError::TooLarge {
            host: self.image.host().to_owned(),
            what: part.what,
            limit: part.limit,
        }
    }
}

async fn read_bounded(
    mut response: Response,
    host: String,
    what: &'static str,
    limit: usize,
) -> Result<Vec<u8>, RegistryError> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > limit => {
                return Err(RegistryError::TooLarge { host, what, limit });
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body),
            Err(error) => return Err(transport(host, error)),
        }
    }
}

fn transport(host: String, error: reqwest::Error) -> RegistryError {
    if error.is_timeout() {
        return RegistryError::TimedOut { host, after: CALL };
    }
    if let Some(refused) = egress::refusal(&error) {
        return refused.into();
    }
    // Redirect targets are often presigned, so no address is shown.
    RegistryError::Unreachable {
        host,
        source: error.without_url(),
    }
}

fn basic(credentials: &Credentials) -> Secret {
    let pair = Secret::new(format!(
        "{}:{}",
        credentials.username,
        credentials.password.expose()
    ));
    let encoded = STANDARD.encode(pair.expose());
    Secret::new(format!("Basic {encoded}"))
}

/// Host and port, for errors.
fn host_of(address: &Url) -> String {
    let host = address.host_str().unwrap_or_default();
    match address.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn digest_of(body: &[u8]) -> String {
    let hash = Sha256::digest(body);
    let mut text = String::from("sha256:");
    for byte in hash {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_sha256_in_hexadecimal() {
        assert_eq!(
            digest_of(b""),
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    #[test]
    fn errors_name_host_and_port_and_nothing_else() {
        let address = Url::parse("https://u:canary@h.example:8443/canary?t=canary").unwrap();
        assert_eq!(host_of(&address), "h.example:8443");
    }
}
