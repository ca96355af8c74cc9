//! Why the facts of an image are not known.

use std::time::Duration;

use super::reference::ImageReference;
use crate::clients::egress;
use crate::config::BadVariable;

/// Why the facts of an image are not known. Carries no credentials and no answer's text.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The rules for addresses make no sense.
    #[error(transparent)]
    Settings(#[from] BadVariable),
    /// TLS cannot be set up.
    #[error(
        "cannot prepare TLS for image registries: the system's certificates cannot be used; install them"
    )]
    Tls(#[source] rustls::Error),
    /// The HTTP client cannot be built.
    #[error("cannot prepare connections to image registries")]
    Http(#[source] reqwest::Error),
    /// No such image. Some registries say so of private images too.
    #[error("image `{image}` is not in its registry: check name and tag, or give credentials")]
    NotFound {
        /// Which.
        image: ImageReference,
    },
    /// The registry wants other credentials, or some.
    #[error(
        "registry `{host}` does not let this program read `{image}`: check the credentials and the name"
    )]
    Unauthorized {
        /// Registry.
        host: String,
        /// Which.
        image: ImageReference,
    },
    /// No connection, or it broke.
    #[error("cannot reach registry `{host}`")]
    Unreachable {
        /// Who was called: the registry, its token server, or where it redirects to.
        host: String,
        /// Without the address.
        #[source]
        source: reqwest::Error,
    },
    /// An address that must not be called: the registry's, its token server's, or where it redirects to.
    #[error(transparent)]
    Egress(#[from] egress::Refused),
    /// No whole answer in time.
    #[error("registry `{host}` did not answer within {} s", after.as_secs())]
    TimedOut {
        /// Who was called.
        host: String,
        /// The bound.
        after: Duration,
    },
    /// Too many requests.
    #[error("registry `{host}` limits the rate of requests: wait, or give credentials")]
    RateLimited {
        /// Who was called.
        host: String,
    },
    /// A manifest of a kind that holds no facts, e.g. of version 1.
    #[error("image `{image}` has a manifest of an unsupported media type, `{media_type}`")]
    UnsupportedMediaType {
        /// Which.
        image: ImageReference,
        /// As announced, shortened.
        media_type: String,
    },
    /// A status that fits no case above.
    #[error("registry `{host}` answered with status {status}")]
    UnexpectedStatus {
        /// Who was called.
        host: String,
        /// Status.
        status: u16,
    },
    /// An answer that does not follow the protocol.
    #[error("registry `{host}` sent an unusable {what}")]
    Malformed {
        /// Who was called.
        host: String,
        /// Which part.
        what: &'static str,
    },
    /// An answer past its bound.
    #[error("registry `{host}` sent more than {limit} bytes as {what}")]
    TooLarge {
        /// Who was called.
        host: String,
        /// Which part.
        what: &'static str,
        /// Bytes.
        limit: usize,
    },
    /// The registry points to an address that is not followed.
    #[error(
        "registry `{host}` points to a {what} that is not followed: only https is, and this machine only from this machine"
    )]
    UnsafeAddress {
        /// Who points there.
        host: String,
        /// `redirect` or `token server`.
        what: &'static str,
    },
}
