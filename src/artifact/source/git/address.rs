//! Which repository is meant: a name on a provider's host, or an address; and the credentials for it.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use reqwest::header::HeaderValue;
use url::Url;

use super::error::GitError;
use crate::clients::tls::is_loopback;
use crate::config::{BadVariable, Environment};
use crate::secret::{REDACTED, SafeUrl, Secret};
use crate::spec::workload::GitSource;

/// The hosts that the names of providers stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Providers {
    /// `github`, none, or one that is not known. Default `https://github.com`.
    pub github: Url,
    /// Default `https://gitlab.com`.
    pub gitlab: Url,
    /// Default `https://bitbucket.org`.
    pub bitbucket: Url,
}

impl Default for Providers {
    fn default() -> Self {
        let public = |address| Url::parse(address).expect("a constant that is an address");
        Self {
            github: public("https://github.com"),
            gitlab: public("https://gitlab.com"),
            bitbucket: public("https://bitbucket.org"),
        }
    }
}

impl Providers {
    /// Reads `CS_GITHUB_URL`, `CS_GITLAB_URL` and `CS_BITBUCKET_URL`, for own servers.
    ///
    /// # Errors
    /// Names the variable and what is expected; never repeats the value.
    pub fn from_environment(environment: &Environment) -> Result<Self, BadVariable> {
        let base = |name: &'static str, default: Url| match environment.get(name) {
            None => Ok(default),
            Some(text) => base_address(&text).ok_or(BadVariable {
                name,
                expected: "an http or https address without credentials and query",
            }),
        };
        let public = Self::default();
        Ok(Self {
            github: base("CS_GITHUB_URL", public.github)?,
            gitlab: base("CS_GITLAB_URL", public.gitlab)?,
            bitbucket: base("CS_BITBUCKET_URL", public.bitbucket)?,
        })
    }
}

fn base_address(text: &str) -> Option<Url> {
    let url = Url::parse(text.trim()).ok()?;
    problem_of(&url).is_none().then_some(url)
}

/// One revision of one repository, and what opens it.
#[derive(Debug, Clone)]
pub struct GitRequest {
    address: Url,
    username: &'static str,
    token: Option<Secret>,
    revision: String,
}

impl GitRequest {
    /// Reads a source. `token` is the value that the source's own reference stands for.
    ///
    /// A token that is percent-encoded (`%3A`) is decoded; any other is taken as it is, colons included: both occur in
    /// the field. Source: contract 4.1.
    ///
    /// # Errors
    /// The repository is no name and no http(s) address, or the revision cannot be one. Neither shows credentials.
    pub fn new(
        source: &GitSource,
        token: Option<Secret>,
        providers: &Providers,
    ) -> Result<Self, GitError> {
        let repository = source.repository.trim();
        let (base, username) = match source.provider.as_deref() {
            Some("gitlab") => (&providers.gitlab, TOKEN_USER),
            Some("bitbucket") => (&providers.bitbucket, BITBUCKET_USER),
            _ => (&providers.github, TOKEN_USER),
        };
        let refuse = |problem| GitError::Address {
            repository: shown(repository),
            problem,
        };
        let (address, username) = if repository.contains("://") {
            let address = full_address(repository).map_err(refuse)?;
            let at_bitbucket = address.origin() == providers.bitbucket.origin();
            let username = if at_bitbucket {
                BITBUCKET_USER
            } else {
                username
            };
            (address, username)
        } else {
            (named(repository, base).map_err(refuse)?, username)
        };
        Ok(Self {
            address,
            username,
            token: token.as_ref().and_then(as_sent),
            revision: checked_revision(&source.revision)?,
        })
    }

    /// Where the repository is. Has no credentials and no query.
    #[must_use]
    pub fn address(&self) -> &Url {
        &self.address
    }

    /// The branch, tag or commit that is asked for.
    #[must_use]
    pub fn revision(&self) -> &str {
        &self.revision
    }

    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Whether the token travels where others may read it.
    pub(super) fn is_exposed(&self) -> bool {
        let here = self.address.host_str().is_some_and(is_loopback);
        self.has_token() && self.address.scheme() == "http" && !here
    }

    /// The header that opens the repository, marked as sensitive.
    pub(super) fn authorization(&self) -> Option<HeaderValue> {
        let mut header = HeaderValue::from_str(self.basic()?.expose())
            .expect("base64 has only characters that a header may have");
        header.set_sensitive(true);
        Some(header)
    }

    fn basic(&self) -> Option<Secret> {
        let pair = Secret::new(format!(
            "{}:{}",
            self.username,
            self.token.as_ref()?.expose()
        ));
        Some(Secret::new(format!(
            "Basic {}",
            STANDARD.encode(pair.expose())
        )))
    }

    /// A server's words without the credentials that it was sent.
    pub(super) fn scrub(&self, text: &str) -> String {
        // A shorter one would tear words apart, and guards nothing.
        const SHORTEST: usize = 4;
        let mut scrubbed = text.to_owned();
        let sent = [self.token.clone(), self.basic()];
        for secret in sent.iter().flatten() {
            let secret = secret.expose();
            let secret = secret.strip_prefix("Basic ").unwrap_or(secret);
            if secret.len() >= SHORTEST {
                scrubbed = scrubbed.replace(secret, REDACTED);
            }
        }
        scrubbed
    }
}

/// Taken by GitHub, GitLab and most others; the token is what counts. Source: contract 4.1.
const TOKEN_USER: &str = "x-access-token";
const BITBUCKET_USER: &str = "x-token-auth";

const SSH: &str = "only http and https are supported; write the https address and give a token for private repositories";

fn full_address(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "it is not a valid address")?;
    match problem_of(&url) {
        Some(problem) => Err(problem),
        None if url.path().trim_matches('/').is_empty() => {
            Err("it has no path: write https://host/owner/name")
        }
        None => {
            let mut url = url;
            let path = url.path().trim_end_matches('/').to_owned();
            url.set_path(&path);
            Ok(url)
        }
    }
}

fn problem_of(url: &Url) -> Option<&'static str> {
    if !matches!(url.scheme(), "http" | "https") {
        return Some(SSH);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some("it has credentials inside: give the token apart from the address");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Some("an address of a repository has no `?` and no `#`");
    }
    None
}

/// `owner/name` or `group/sub/name` below a host.
fn named(text: &str, base: &Url) -> Result<Url, &'static str> {
    if text.contains('@') || text.contains(':') {
        return Err(SSH);
    }
    let path = text.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let parts: Vec<&str> = path.split('/').collect();
    if text.starts_with('/') && parts.len() > 2 || text.starts_with('.') {
        return Err(
            "a directory of this machine cannot be used: write `owner/name` or an https address",
        );
    }
    if parts.len() < 2 || parts.iter().any(|part| part.is_empty()) {
        return Err("write `owner/name` or an https address");
    }
    if parts.iter().any(|part| matches!(*part, "." | "..")) {
        return Err("it has `.` or `..` in it");
    }
    let odd = |c: char| c.is_control() || c.is_whitespace() || "?#%\\".contains(c);
    if path.contains(odd) {
        return Err("it has a character that no name of a repository has");
    }
    let mut address = base.clone();
    let (name, owner) = parts.split_last().expect("there are at least two parts");
    address
        .path_segments_mut()
        .expect("http addresses have a path")
        .pop_if_empty()
        .extend(owner)
        .push(&format!("{name}.git"));
    Ok(address)
}

/// What an error may show of a text that is no usable address: nothing before an `@`.
fn shown(repository: &str) -> String {
    if let Ok(url) = SafeUrl::parse(repository)
        && url.expose().has_host()
    {
        return url.to_string();
    }
    let rest = repository.rsplit('@').next().unwrap_or_default();
    rest.chars()
        .filter(|c| !crate::plain::steers(*c))
        .take(200)
        .collect()
}

/// The token as it goes into the header.
fn as_sent(token: &Secret) -> Option<Secret> {
    let raw = token.expose().trim();
    if raw.is_empty() {
        return None;
    }
    let decoded = if is_percent_encoded(raw) {
        percent_decode_str(raw)
            .decode_utf8()
            .unwrap_or(Cow::Borrowed(raw))
    } else {
        Cow::Borrowed(raw)
    };
    Some(Secret::new(decoded))
}

/// Whether every `%` begins an escape.
fn is_percent_encoded(text: &str) -> bool {
    text.split('%').skip(1).all(|rest| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

/// The rules for names of references, because the name is sent in lines. Source: git, `check-ref-format`.
fn checked_revision(text: &str) -> Result<String, GitError> {
    let revision = text.trim();
    let problem = if revision.is_empty() {
        Some("it is empty")
    } else if revision.contains(|c: char| c.is_control() || " ~^:?*[\\".contains(c)) {
        Some("it has a character that no name in Git has")
    } else if revision.contains("..") || revision.contains("@{") || revision.contains("//") {
        Some("no name in Git has `..`, `//` or `@{`")
    } else if revision.starts_with(['-', '/']) || revision.ends_with(['/', '.']) {
        Some("it begins or ends with a character that no name in Git begins or ends with")
    } else if revision.len() > 1000 {
        Some("it is too long")
    } else {
        None
    };
    match problem {
        None => Ok(revision.to_owned()),
        Some(problem) => Err(GitError::BadRevision {
            revision: revision
                .chars()
                .filter(|c| !crate::plain::steers(*c))
                .take(200)
                .collect(),
            problem,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(repository: &str, provider: Option<&str>) -> Result<GitRequest, GitError> {
        let source = GitSource {
            repository: repository.to_owned(),
            revision: "main".to_owned(),
            provider: provider.map(str::to_owned),
            token: None,
        };
        GitRequest::new(&source, Some("canary-token".into()), &Providers::default())
    }

    fn address(repository: &str, provider: Option<&str>) -> String {
        request(repository, provider).unwrap().address().to_string()
    }

    fn refusal(repository: &str) -> String {
        request(repository, None).unwrap_err().to_string()
    }

    fn sent(token: &str) -> String {
        let source = GitSource {
            repository: "a/b".to_owned(),
            revision: "main".to_owned(),
            ..GitSource::default()
        };
        let request = GitRequest::new(&source, Some(token.into()), &Providers::default()).unwrap();
        let header = request.authorization().unwrap();
        let pair = header.to_str().unwrap().strip_prefix("Basic ").unwrap();
        String::from_utf8(STANDARD.decode(pair).unwrap()).unwrap()
    }

    #[test]
    fn names_are_looked_up_at_their_provider() {
        for (provider, host) in [
            (None, "github.com"),
            (Some("github"), "github.com"),
            (Some("somewhere"), "github.com"),
            (Some("gitlab"), "gitlab.com"),
            (Some("bitbucket"), "bitbucket.org"),
        ] {
            assert_eq!(address("o/n", provider), format!("https://{host}/o/n.git"));
        }
        assert_eq!(
            address("group/sub/name", Some("gitlab")),
            "https://gitlab.com/group/sub/name.git"
        );
    }

    #[test]
    fn a_trailing_git_is_accepted_and_never_doubled() {
        assert_eq!(address("o/n.git", None), "https://github.com/o/n.git");
        assert_eq!(address(" /o/n/ ", None), "https://github.com/o/n.git");
        for full in ["https://git.example/o/n", "https://git.example/o/n.git"] {
            assert_eq!(address(full, None), full);
            assert_eq!(address(&format!("{full}/"), None), full);
        }
    }

    #[test]
    fn a_base_address_may_have_a_path() {
        let environment = Environment::of_pairs([("CS_GITHUB_URL", "http://127.0.0.1:8/git/")]);
        let providers = Providers::from_environment(&environment).unwrap();
        let source = GitSource {
            repository: "o/n".to_owned(),
            revision: "main".to_owned(),
            ..GitSource::default()
        };
        let request = GitRequest::new(&source, None, &providers).unwrap();
        assert_eq!(request.address().as_str(), "http://127.0.0.1:8/git/o/n.git");
        assert_eq!(providers.gitlab, Providers::default().gitlab);
    }

    #[test]
    fn a_bad_base_address_names_the_variable_and_not_the_value() {
        for bad in [
            "canary",
            "ftp://canary",
            "https://u:canary@h",
            "https://h/?t=canary",
        ] {
            let environment = Environment::of_pairs([("CS_GITLAB_URL", bad)]);
            let error = Providers::from_environment(&environment).unwrap_err();
            assert_eq!(error.name, "CS_GITLAB_URL");
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }

    #[test]
    fn other_protocols_are_refused_with_what_to_do() {
        for other in [
            "git@github.com:o/n.git",
            "ssh://git@github.com/o/n",
            "git://github.com/o/n",
            "file:///srv/n",
        ] {
            let text = refusal(other);
            assert!(
                text.contains("write the https address and give a token"),
                "{text}"
            );
        }
        assert!(refusal("/srv/git/n").contains("a directory of this machine"));
        assert!(refusal("../n/x").contains("a directory of this machine"));
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for bad in [
            "",
            "n",
            "o/",
            "o//n",
            "o/..",
            "o/../n",
            "o/./n",
            "o/n?x=1",
            "o/n#x",
            "o/n\n",
            "o/a b",
            "o/%2e%2e",
            "o\\n/x",
            "https://github.com",
            "https://github.com/o/n?x=1",
            "https://",
        ] {
            // White space around a name does no harm; inside it does.
            let bad = if bad.ends_with('\n') { "o\n/n" } else { bad };
            assert!(request(bad, None).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn refusals_show_no_credentials() {
        for bad in [
            "https://x:canary@github.com/o/n",
            "https://canary@github.com/o/n",
            "ssh://canary:canary@h/o",
            "canary@h:o/n",
            "https://h/o/n?t=canary",
        ] {
            let text = refusal(bad);
            assert!(!text.contains("canary"), "{text}");
        }
        assert!(!format!("{:?}", request("o/n", None).unwrap()).contains("canary"));
    }

    #[test]
    fn tokens_are_decoded_when_they_are_encoded_and_left_alone_otherwise() {
        for (given, password) in [
            ("ghp_abc", "ghp_abc"),
            ("user:pass", "user:pass"),
            ("user%3Apa%25ss", "user:pa%ss"),
            ("100%", "100%"),
            ("a%zzb%3A", "a%zzb%3A"),
            ("a%ff", "a%ff"),
            (" spaced\n", "spaced"),
            ("ä", "ä"),
        ] {
            assert_eq!(sent(given), format!("x-access-token:{password}"), "{given}");
        }
    }

    #[test]
    fn bitbucket_has_a_user_name_of_its_own() {
        let user = |repository, provider| request(repository, provider).unwrap().username;
        assert_eq!(user("o/n", Some("bitbucket")), "x-token-auth");
        assert_eq!(user("https://bitbucket.org/o/n", None), "x-token-auth");
        assert_eq!(
            user("https://own.example/o/n", Some("bitbucket")),
            "x-token-auth"
        );
        assert_eq!(user("https://gitlab.com/o/n", None), "x-access-token");
    }

    #[test]
    fn an_empty_token_is_none() {
        let source = GitSource {
            repository: "o/n".to_owned(),
            revision: "main".to_owned(),
            ..GitSource::default()
        };
        let request = GitRequest::new(&source, Some(" ".into()), &Providers::default()).unwrap();
        assert!(request.authorization().is_none());
    }

    #[test]
    fn the_servers_words_are_shown_without_the_token() {
        let request = request("o/n", None).unwrap();
        let header = request.authorization().unwrap();
        let text = format!("token canary-token, header {}", header.to_str().unwrap());
        assert_eq!(
            request.scrub(&text),
            "token [redacted], header Basic [redacted]"
        );
    }

    #[test]
    fn only_a_token_in_clear_to_another_machine_is_exposed() {
        let exposed = |repository| request(repository, None).unwrap().is_exposed();
        assert!(exposed("http://git.example/o/n"));
        assert!(!exposed("https://git.example/o/n"));
        assert!(!exposed("http://127.0.0.1:8/o/n"));
    }

    #[test]
    fn revisions_follow_the_rules_of_git() {
        for good in ["main", "feature/a-b", "refs/tags/v1", "v1.0", "ä", "a@b"] {
            assert_eq!(checked_revision(good).unwrap(), good);
        }
        for bad in [
            "", " ", "a b", "a\nb", "a..b", "a~1", "a^", "a:b", "-x", "/a", "a/", "a//b", "a.",
            "@{-1}", "a*",
        ] {
            assert!(checked_revision(bad).is_err(), "{bad:?}");
        }
    }
}
