//! Image facts: from a real registry, and from one that asks for tokens or means harm.

mod fake;
mod faults;
mod hostile;
mod labels;
mod real;
mod token;

use cs::artifact::registry::{Credentials, ImageFacts, ImageReference, RegistryError};
use cs::secret::Secret;

/// Reads the facts of `<host>/<name>`.
async fn facts(
    host: &str,
    name: &str,
    credentials: Option<&Credentials>,
) -> Result<ImageFacts, RegistryError> {
    let image: ImageReference = format!("{host}/{name}").parse().expect("the name is fine");
    crate::support::egress::registry()
        .image_facts(&image, credentials)
        .await
}

fn user(password: &str) -> Credentials {
    Credentials {
        username: crate::support::registry::USER.to_owned(),
        password: Secret::new(password),
    }
}

/// An error with its causes, as a person and as a programmer sees it.
fn shown(error: &RegistryError) -> String {
    let mut text = format!("{error} {error:?}");
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(&format!(" {inner} {inner:?}"));
        cause = inner.source();
    }
    text
}
