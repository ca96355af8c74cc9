//! Addresses at one Jenkins, made from segments and never pasted.

use url::Url;

use crate::bridge::api::job_segments;
use crate::secret::SafeUrl;

/// Base address of a Jenkins, e.g. `https://ci.example.com/jenkins`.
#[derive(Debug, Clone)]
pub struct JenkinsUrl(SafeUrl);

/// A text that is no such address. Never repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected `https://host/path` without user, query and fragment")]
pub struct InvalidJenkinsUrl;

impl std::str::FromStr for JenkinsUrl {
    type Err = InvalidJenkinsUrl;

    fn from_str(text: &str) -> Result<Self, InvalidJenkinsUrl> {
        let url = Url::parse(text).map_err(|_| InvalidJenkinsUrl)?;
        let is_plain = matches!(url.scheme(), "http" | "https")
            && url.host_str().is_some_and(|host| !host.is_empty())
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if is_plain {
            Ok(Self(url.into()))
        } else {
            Err(InvalidJenkinsUrl)
        }
    }
}

impl std::fmt::Display for JenkinsUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl JenkinsUrl {
    /// The address itself.
    #[must_use]
    pub fn url(&self) -> &Url {
        self.0.expose()
    }

    /// An address below the base.
    pub(super) fn below<'s>(&self, segments: impl IntoIterator<Item = &'s str>) -> Url {
        let mut url = self.url().clone();
        url.path_segments_mut()
            .expect("http and https have paths")
            .pop_if_empty()
            .extend(segments);
        url
    }

    /// An address of a job; its folders are jobs as well.
    pub(super) fn of_job<'s>(&self, job: &'s str, tail: impl IntoIterator<Item = &'s str>) -> Url {
        let segments = job_segments(job).unwrap_or_default();
        let folders = segments.into_iter().flat_map(|segment| ["job", segment]);
        self.below(folders.chain(tail))
    }
}

/// The number of the queue item that a `Location` names. Its host is not looked at: we ask our own.
pub(super) fn queue_item(location: &str) -> Option<i64> {
    let path = location.split(['?', '#']).next()?;
    let mut segments = path.trim_end_matches('/').rsplit('/');
    let number = segments.next()?;
    let is_item = segments.next() == Some("item") && segments.next() == Some("queue");
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    (is_item && is_number).then(|| number.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_built_below_the_base_and_encoded() {
        for base in ["http://h/ci", "http://h/ci/"] {
            let jenkins: JenkinsUrl = base.parse().unwrap();
            assert_eq!(
                jenkins
                    .of_job("team a/shop", ["buildWithParameters"])
                    .as_str(),
                "http://h/ci/job/team%20a/job/shop/buildWithParameters"
            );
            assert_eq!(
                jenkins.below(["queue", "item", "7"]).as_str(),
                "http://h/ci/queue/item/7"
            );
        }
    }

    #[test]
    fn an_address_with_anything_secret_in_it_is_refused() {
        for bad in [
            "",
            "canary",
            "ftp://h",
            "http://u:canary@h",
            "http://h/?canary=1",
            "http://h/#canary",
        ] {
            let error = bad.parse::<JenkinsUrl>().unwrap_err();
            assert!(!error.to_string().contains("canary"));
        }
    }

    #[test]
    fn of_a_location_only_the_number_counts() {
        for (location, item) in [
            ("http://h/queue/item/123/", Some(123)),
            ("http://evil.example/ci/queue/item/5", Some(5)),
            ("/queue/item/9/?x#y", Some(9)),
            ("http://h/job/shop/", None),
            ("http://h/queue/item/", None),
            ("http://h/queue/item/abc", None),
            ("http://h/queue/item/99999999999999999999", None),
            ("", None),
        ] {
            assert_eq!(queue_item(location), item, "{location}");
        }
    }
}
