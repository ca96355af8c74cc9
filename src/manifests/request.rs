//! What is to be read, as it was typed, and what it means.

use std::path::PathBuf;

use super::error::LoadError;
use super::git::{self, GitAddress};
use crate::artifact::source::Limits;
use crate::artifact::source::git::Providers;
use crate::config::Environment;
use crate::secret::Secret;

/// What is to be read.
#[derive(Debug, Clone)]
pub struct Request {
    sources: Vec<Source>,
    /// Values of HCL variables, as NAME and text.
    pub(super) variable_flags: Vec<(String, String)>,
    /// Files with such values.
    pub(super) variable_files: Vec<PathBuf>,
    pub(super) git: GitSettings,
}

/// What Git sources need of the surroundings.
#[derive(Debug, Clone)]
pub(super) struct GitSettings {
    pub(super) token: Option<Secret>,
    pub(super) providers: Providers,
    pub(super) limits: Limits,
    pub(super) temp_dir: PathBuf,
}

#[derive(Debug, Clone)]
enum Source {
    Local(LocalSource),
    Git(Box<GitAddress>),
}

/// A source on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LocalSource {
    /// Where it is.
    pub(super) place: LocalPlace,
    /// What it is called in findings.
    pub(super) shown: String,
    /// The tree that nothing named by a document may lead out of. Default: the Git work tree around it, else the folder.
    pub(super) confined_to: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LocalPlace {
    StandardInput,
    /// A file or a folder.
    Path(PathBuf),
    Glob(String),
}

impl Request {
    /// Reads sources as they were typed: files, folders, globs, `-`, addresses of Git repositories. `variables` are flags,
    /// `NAME=VALUE`; `variable_files` are files with such values in HCL or, when they end in `.json`, JSON.
    ///
    /// Of the environment: `CS_GIT_TOKEN` opens Git repositories, `CS_SOURCE_MAX_MB` bounds them, `TMPDIR` is where they go.
    ///
    /// # Errors
    /// There is no source, or something that was typed cannot mean anything.
    pub fn new(
        sources: &[String],
        variables: &[String],
        variable_files: Vec<PathBuf>,
        environment: &Environment,
    ) -> Result<Self, LoadError> {
        if sources.is_empty() {
            return Err(LoadError::NoSources);
        }
        if sources.iter().filter(|source| *source == "-").count() > 1 {
            return Err(LoadError::StandardInputTwice);
        }
        Ok(Self {
            sources: sources
                .iter()
                .map(|source| Source::parse(source))
                .collect::<Result<_, _>>()?,
            variable_flags: variables
                .iter()
                .map(|flag| variable(flag))
                .collect::<Result<_, _>>()?,
            variable_files,
            git: GitSettings {
                token: environment.secret("CS_GIT_TOKEN"),
                providers: Providers::from_environment(environment)?,
                limits: environment.source_limits()?,
                temp_dir: environment.temp_dir(),
            },
        })
    }

    /// Whether a source is a Git repository.
    #[must_use]
    pub fn needs_network(&self) -> bool {
        self.git_sources().next().is_some()
    }

    pub(super) fn git_sources(&self) -> impl Iterator<Item = &GitAddress> {
        self.sources.iter().filter_map(|source| match source {
            Source::Git(address) => Some(&**address),
            Source::Local(_) => None,
        })
    }

    /// The one Git source, when there is no other source.
    pub(super) fn only_git_source(&self) -> Option<&GitAddress> {
        match self.sources.as_slice() {
            [Source::Git(address)] => Some(address),
            _ => None,
        }
    }

    /// All sources, when all are on this machine.
    pub(super) fn local_sources(&self) -> Result<Vec<LocalSource>, LoadError> {
        if let Some(address) = self.git_sources().next() {
            return Err(LoadError::Address {
                address: address.shown().to_owned(),
                problem: "a Git repository cannot be read here; clone it and name the folder",
            });
        }
        Ok(self.sources_with(|_| None))
    }

    /// All sources, with what stands for those in Git, if anything does.
    pub(super) fn sources_with(
        &self,
        mut fetched: impl FnMut(&GitAddress) -> Option<LocalSource>,
    ) -> Vec<LocalSource> {
        let sources = self.sources.iter();
        sources
            .filter_map(|source| match source {
                Source::Local(local) => Some(local.clone()),
                Source::Git(address) => fetched(address),
            })
            .collect()
    }
}

impl Source {
    fn parse(text: &str) -> Result<Self, LoadError> {
        if let Some(address) = git::parse(text)? {
            return Ok(Self::Git(Box::new(address)));
        }
        let place = if text == "-" {
            LocalPlace::StandardInput
        } else if super::glob::is_glob(text) && std::fs::symlink_metadata(text).is_err() {
            LocalPlace::Glob(text.to_owned())
        } else {
            LocalPlace::Path(text.into())
        };
        Ok(Self::Local(LocalSource {
            place,
            shown: super::findings::shown(text.as_ref()),
            confined_to: None,
        }))
    }
}

fn variable(flag: &str) -> Result<(String, String), LoadError> {
    match flag.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.to_owned()))
        }
        // What follows the `=` may be a secret.
        _ => Err(LoadError::Variable {
            name: flag
                .split('=')
                .next()
                .unwrap_or_default()
                .chars()
                .take(60)
                .collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(sources: &[&str], variables: &[&str]) -> Result<Request, LoadError> {
        let owned = |texts: &[&str]| {
            texts
                .iter()
                .map(|&text| text.to_owned())
                .collect::<Vec<_>>()
        };
        let environment = Environment::of_pairs([("CS_GIT_TOKEN", "canary")]);
        Request::new(&owned(sources), &owned(variables), Vec::new(), &environment)
    }

    #[test]
    fn what_is_typed_is_told_apart() {
        let request = request(&["a.yaml", "-", "specs/*.yaml", "./[a]"], &["a=b=c", "d="]).unwrap();
        assert!(!request.needs_network());
        let places: Vec<LocalPlace> = request
            .local_sources()
            .unwrap()
            .into_iter()
            .map(|source| source.place)
            .collect();
        assert_eq!(
            places,
            [
                LocalPlace::Path("a.yaml".into()),
                LocalPlace::StandardInput,
                LocalPlace::Glob("specs/*.yaml".to_owned()),
                LocalPlace::Glob("./[a]".to_owned()),
            ]
        );
        let flags = [("a", "b=c"), ("d", "")];
        assert_eq!(
            request.variable_flags,
            flags.map(|(n, v)| (n.to_owned(), v.to_owned()))
        );
    }

    #[test]
    fn what_cannot_mean_anything_is_refused_with_what_to_write() {
        let refused = |result: Result<Request, LoadError>| result.unwrap_err().to_string();
        assert!(refused(request(&[], &[])).contains("no spec files are named"));
        assert!(refused(request(&["-", "-"], &[])).contains("only once"));
        let text = refused(request(&["a"], &["name"]));
        assert_eq!(text, "`--var name` has no `=`: write `--var NAME=VALUE`");
        let text = refused(request(&["a"], &["=canary"]));
        assert!(!text.contains("canary"), "{text}");
    }

    #[test]
    fn a_token_is_not_shown() {
        let request = request(&["https://git.example/o/n.git//specs?ref=v1"], &[]).unwrap();
        assert!(request.needs_network());
        assert!(!format!("{request:?}").contains("canary"));
        let error = request.local_sources().unwrap_err().to_string();
        assert!(
            error.contains("`https://git.example/o/n.git//specs`"),
            "{error}"
        );
    }
}
