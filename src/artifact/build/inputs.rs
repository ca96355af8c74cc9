//! What an image was built from, as one digest, and the labels that say so on the image.
//!
//! The same commit built with the same inputs gives an image that is as good, so one that stands in the registry with
//! these labels need not be built again. Base images are not among the inputs: who wants newer ones rebuilds.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use super::Builder;

/// Label: commit of the source, or SHA-256 of the archive.
pub const REVISION_LABEL: &str = "cloudstation.io/revision";

/// Label: [`BuildInputs::digest`].
pub const INPUTS_LABEL: &str = "cloudstation.io/inputs";

/// Label: the builder that built it.
pub const BUILDER_LABEL: &str = "cloudstation.io/builder";

/// Label: commit of the source. Source: OCI image specification, annotations.
pub const OCI_REVISION_LABEL: &str = "org.opencontainers.image.revision";

/// Counted up when the same inputs begin to give another image, e.g. because a builder is called differently.
const FORMAT: &str = "cs build inputs 1";

/// Which state of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revision {
    /// Commit id of a Git source, in hex.
    Commit(String),
    /// SHA-256 of an uploaded archive, in hex.
    Archive(String),
    /// A folder of this machine: nothing tells one state from another.
    Folder,
}

impl Revision {
    /// Its id, in hex; a folder has none.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Commit(id) | Self::Archive(id) => Some(id),
            Self::Folder => None,
        }
    }
}

/// All that decides what an image contains, except the base images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildInputs {
    /// State of the source.
    pub revision: Revision,
    /// Directory inside it; `None` is its top.
    pub root_directory: Option<String>,
    /// The builder that was named.
    pub builder: Option<Builder>,
    /// The Dockerfile that was named.
    pub dockerfile: Option<String>,
    /// Build command.
    pub build_command: Option<String>,
    /// Start command.
    pub start_command: Option<String>,
    /// Build arguments.
    pub args: BTreeMap<String, String>,
    /// Environment of the build.
    pub env: BTreeMap<String, String>,
    /// Names of the build's secrets.
    pub secrets: BTreeSet<String>,
    /// Which state of the secrets, e.g. the path and version in Vault. Not made of their values.
    pub secrets_version: Option<String>,
}

impl BuildInputs {
    /// SHA-256 over all of it, in hex. `None` when it cannot be known whether the source or the secrets are the same.
    #[must_use]
    pub fn digest(&self) -> Option<String> {
        if !self.secrets.is_empty() && self.secrets_version.is_none() {
            return None;
        }
        let mut sink = Sink::new(FORMAT);
        let (kind, id) = match &self.revision {
            Revision::Commit(id) => ("commit", id),
            Revision::Archive(id) => ("archive", id),
            Revision::Folder => return None,
        };
        sink.member(kind, [id.as_str()]);
        sink.member("root directory", &self.root_directory);
        sink.member("builder", self.builder.map(Builder::as_str));
        sink.member("dockerfile", &self.dockerfile);
        sink.member("build command", &self.build_command);
        sink.member("start command", &self.start_command);
        sink.member("args", pairs(&self.args));
        sink.member("env", pairs(&self.env));
        sink.member("secrets", &self.secrets);
        sink.member("secrets version", &self.secrets_version);
        Some(format!("{:x}", sink.0.finalize()))
    }

    /// The labels of an image that `builder` builds of this.
    #[must_use]
    pub fn labels(&self, builder: Builder) -> BTreeMap<String, String> {
        let mut labels = BTreeMap::from([(BUILDER_LABEL.to_owned(), builder.to_string())]);
        if let Some(revision) = self.revision.id() {
            labels.insert(REVISION_LABEL.to_owned(), revision.to_owned());
        }
        if let Revision::Commit(revision) = &self.revision {
            labels.insert(OCI_REVISION_LABEL.to_owned(), revision.to_owned());
        }
        if let Some(digest) = self.digest() {
            labels.insert(INPUTS_LABEL.to_owned(), digest);
        }
        labels
    }
}

/// Whether an image with these labels was built of the inputs with this digest.
#[must_use]
pub fn matches(labels: &BTreeMap<String, String>, digest: &str) -> bool {
    labels.get(INPUTS_LABEL).is_some_and(|own| own == digest)
}

/// The builder that built an image, if its labels tell.
#[must_use]
pub fn builder(labels: &BTreeMap<String, String>) -> Option<Builder> {
    labels.get(BUILDER_LABEL)?.parse().ok()
}

fn pairs(map: &BTreeMap<String, String>) -> impl Iterator<Item = &String> {
    map.iter().flat_map(|(key, value)| [key, value])
}

/// Writes texts with their lengths and lists with their counts, so that no two inputs are written alike.
struct Sink(Sha256);

impl Sink {
    fn new(format: &str) -> Self {
        let mut sink = Self(Sha256::new());
        sink.text(format);
        sink
    }

    fn member<T: AsRef<str>>(&mut self, name: &str, texts: impl IntoIterator<Item = T>) {
        let texts: Vec<T> = texts.into_iter().collect();
        self.text(name);
        self.number(texts.len());
        for text in texts {
            self.text(text.as_ref());
        }
    }

    fn text(&mut self, text: &str) {
        self.number(text.len());
        self.0.update(text);
    }

    fn number(&mut self, number: usize) {
        self.0.update((number as u64).to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn inputs() -> BuildInputs {
        BuildInputs {
            revision: Revision::Commit("c0ffee".to_owned()),
            root_directory: None,
            builder: None,
            dockerfile: None,
            build_command: None,
            start_command: None,
            args: BTreeMap::new(),
            env: BTreeMap::new(),
            secrets: BTreeSet::new(),
            secrets_version: None,
        }
    }

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn every_input_changes_the_digest() {
        type Change = fn(&mut BuildInputs);
        let changes: [Change; 14] = [
            |_| {},
            |it| it.revision = Revision::Archive("c0ffee".to_owned()),
            |it| it.revision = Revision::Commit("c0ffe".to_owned()),
            |it| it.root_directory = Some("app".to_owned()),
            |it| it.dockerfile = Some("app".to_owned()),
            |it| it.dockerfile = Some(String::new()),
            |it| it.builder = Some(Builder::Railpack),
            |it| it.build_command = Some("app".to_owned()),
            |it| it.start_command = Some("app".to_owned()),
            |it| it.args = map(&[("a", "b")]),
            |it| it.args = map(&[("a", "b"), ("c", "d")]),
            |it| it.env = map(&[("a", "b")]),
            |it| it.env = map(&[("ab", "")]),
            |it| {
                it.secrets = BTreeSet::from(["a".to_owned()]);
                it.secrets_version = Some("kv/a 1".to_owned());
            },
        ];
        let digests: BTreeSet<_> = changes
            .iter()
            .map(|change| {
                let mut it = inputs();
                change(&mut it);
                it.digest().expect("it can be known")
            })
            .collect();
        assert_eq!(digests.len(), changes.len());
    }

    /// Images in registries carry it: a change of the encoding builds everything again, so it must be meant.
    #[test]
    fn the_digest_stays_what_it_is() {
        let mut it = inputs();
        it.args = map(&[("A", "1")]);
        assert_eq!(
            it.digest().unwrap(),
            "f088a8ac91afa555a458de251d30b4b4706db23089f993d440a9823deb57d0f5"
        );
    }

    #[test]
    fn a_rotated_secret_is_another_input_and_an_unknown_one_is_never_the_same() {
        let mut it = inputs();
        it.secrets = BTreeSet::from(["TOKEN".to_owned()]);
        assert_eq!(it.digest(), None);
        assert!(!it.labels(Builder::Railpack).contains_key(INPUTS_LABEL));
        it.secrets_version = Some("kv/shop 1".to_owned());
        let before = it.digest().unwrap();
        it.secrets_version = Some("kv/shop 2".to_owned());
        assert_ne!(it.digest().unwrap(), before);
    }

    #[test]
    fn labels_lead_back_to_builder_and_inputs() {
        let it = inputs();
        let labels = it.labels(Builder::Nixpacks);
        assert_eq!(builder(&labels), Some(Builder::Nixpacks));
        assert!(matches(&labels, &it.digest().unwrap()));
        assert!(!matches(&labels, "c0ffee"));
        assert_eq!(labels[REVISION_LABEL], "c0ffee");
        assert_eq!(labels[OCI_REVISION_LABEL], "c0ffee");
        assert!(!matches(&map(&[("other", "label")]), ""));
        assert_eq!(builder(&map(&[(BUILDER_LABEL, "make")])), None);

        let archive = BuildInputs {
            revision: Revision::Archive("abc".to_owned()),
            ..inputs()
        };
        let labels = archive.labels(Builder::CsDocker);
        assert_eq!(labels[REVISION_LABEL], "abc");
        assert!(!labels.contains_key(OCI_REVISION_LABEL));
    }

    proptest! {
        #[test]
        fn different_arguments_give_different_digests(
            left in prop::collection::btree_map("[ab=]{0,3}", "[ab=]{0,3}", 0..3),
            right in prop::collection::btree_map("[ab=]{0,3}", "[ab=]{0,3}", 0..3),
            env in any::<bool>(),
        ) {
            let mut one = inputs();
            let mut other = inputs();
            one.args.clone_from(&left);
            if env {
                other.env.clone_from(&right);
            } else {
                other.args.clone_from(&right);
            }
            let same = left == right && (!env || left.is_empty());
            prop_assert_eq!(one.digest() == other.digest(), same);
        }
    }
}
