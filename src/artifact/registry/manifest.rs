//! Manifests, lists of them, and image configurations: what of them becomes a fact.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// Media types that are asked for: images and lists, of Docker and OCI.
pub(super) const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.docker.distribution.manifest.v2+json";

/// Port of a container about which nothing is known. Source: contract 5.7.
const USUAL_PORT: u16 = 3000;

/// What an image says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageFacts {
    /// Digest of what the name stands for: a manifest or a list of them.
    pub digest: Option<String>,
    /// `EXPOSE`d tcp ports, ascending.
    pub exposed_ports: Vec<u16>,
    /// Values of `PORT` in the environment, in order.
    pub env_ports: Vec<u16>,
    /// User of the process.
    pub user: Option<String>,
    /// Command; arguments of the entrypoint if there is one.
    pub cmd: Vec<String>,
    /// Entrypoint.
    pub entrypoint: Vec<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// Ports on which the container is likely to listen: the exposed ones, else those of `PORT`, else 3000.
///
/// Source: contract 5.7. Never empty.
#[must_use]
pub fn ports(facts: Option<&ImageFacts>) -> Vec<u16> {
    let found = facts.map(|facts| {
        if facts.exposed_ports.is_empty() {
            &facts.env_ports
        } else {
            &facts.exposed_ports
        }
    });
    match found {
        Some(found) if !found.is_empty() => found.clone(),
        _ => vec![USUAL_PORT],
    }
}

/// Content that is named by its digest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Descriptor {
    pub(super) digest: String,
    #[serde(default)]
    pub(super) size: u64,
    #[serde(default)]
    platform: Option<Platform>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Platform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
}

/// A manifest, by what it leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Manifest {
    /// One image, by its configuration.
    Image(Descriptor),
    /// One image of a list.
    Listed(Descriptor),
    /// Neither.
    Other,
}

impl Manifest {
    /// Reads a manifest by its shape; what the answer calls it is not needed.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Body {
            #[serde(default)]
            config: Option<Descriptor>,
            #[serde(default)]
            manifests: Option<Vec<Descriptor>>,
        }
        let body: Body = serde_json::from_slice(body).ok()?;
        Some(match (body.manifests, body.config) {
            (Some(manifests), _) => choose(manifests).map_or(Self::Other, Self::Listed),
            (None, Some(config)) => Self::Image(config),
            (None, None) => Self::Other,
        })
    }
}

/// linux/amd64, else linux/arm64, else the first that is not an attestation (whose platform is `unknown`).
fn choose(manifests: Vec<Descriptor>) -> Option<Descriptor> {
    let is = |listed: &Descriptor, architecture: &str| {
        listed
            .platform
            .as_ref()
            .is_some_and(|on| on.os == "linux" && on.architecture == architecture)
    };
    let attestation = |listed: &Descriptor| {
        listed
            .platform
            .as_ref()
            .is_some_and(|on| on.os == "unknown")
    };
    let place = manifests
        .iter()
        .position(|listed| is(listed, "amd64"))
        .or_else(|| manifests.iter().position(|listed| is(listed, "arm64")))
        .or_else(|| manifests.iter().position(|listed| !attestation(listed)))?;
    manifests.into_iter().nth(place)
}

/// The part of an image configuration that says how a container runs, as registries and engines write it.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct ImageConfig {
    #[serde(default, rename = "ExposedPorts")]
    exposed_ports: Option<BTreeMap<String, serde_json::Value>>,
    #[serde(default, rename = "Env")]
    env: Option<Vec<String>>,
    #[serde(default, rename = "User")]
    user: Option<String>,
    #[serde(default, rename = "Cmd")]
    cmd: Option<Vec<String>>,
    #[serde(default, rename = "Entrypoint")]
    entrypoint: Option<Vec<String>>,
    #[serde(default, rename = "Labels")]
    labels: Option<BTreeMap<String, String>>,
}

impl ImageConfig {
    /// What it says, as facts about the image of this digest.
    #[must_use]
    pub fn facts(self, digest: Option<String>) -> ImageFacts {
        let exposed: BTreeSet<u16> = self
            .exposed_ports
            .unwrap_or_default()
            .keys()
            .filter_map(|port| tcp_port(port))
            .collect();
        ImageFacts {
            digest,
            exposed_ports: exposed.into_iter().collect(),
            env_ports: env_ports(&self.env.unwrap_or_default()),
            user: self.user.filter(|user| !user.is_empty()),
            cmd: self.cmd.unwrap_or_default(),
            entrypoint: self.entrypoint.unwrap_or_default(),
            labels: self.labels.unwrap_or_default(),
        }
    }
}

/// Reads an image configuration. `None`: it is none.
pub(super) fn facts(config: &[u8], digest: String) -> Option<ImageFacts> {
    #[derive(Deserialize)]
    struct Body {
        #[serde(default)]
        config: Option<ImageConfig>,
    }
    let body: Body = serde_json::from_slice(config).ok()?;
    Some(body.config.unwrap_or_default().facts(Some(digest)))
}

/// Number of `80/tcp` or `80`; other protocols have none.
fn tcp_port(text: &str) -> Option<u16> {
    let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    port(number).filter(|_| protocol.eq_ignore_ascii_case("tcp"))
}

fn env_ports(env: &[String]) -> Vec<u16> {
    let mut ports = Vec::new();
    for number in env
        .iter()
        .filter_map(|entry| entry.strip_prefix("PORT="))
        .filter_map(port)
    {
        if !ports.contains(&number) {
            ports.push(number);
        }
    }
    ports
}

fn port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|number| *number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(config: &str) -> ImageFacts {
        facts(config.as_bytes(), "sha256:d".to_owned()).unwrap()
    }

    #[test]
    fn exposed_ports_are_tcp_only_and_ascending() {
        let facts = read(
            r#"{"config":{"ExposedPorts":{"9000/tcp":{},"53/udp":{},"80":{},"443/TCP":{},"0/tcp":{},"70000/tcp":{},"x":{}},
                "Env":["PORT=5000"]}}"#,
        );
        assert_eq!(facts.exposed_ports, [80, 443, 9000]);
        assert_eq!(ports(Some(&facts)), [80, 443, 9000]);
    }

    #[test]
    fn without_exposed_ports_the_environment_tells() {
        let facts = read(
            r#"{"config":{"Env":["A=1","PORT=5000","PORT=80","PORT=5000","PORT=x","PORT=0","XPORT=7","PORT"]}}"#,
        );
        assert_eq!(ports(Some(&facts)), [5000, 80]);
    }

    #[test]
    fn an_image_that_says_nothing_listens_on_3000() {
        assert_eq!(ports(None), [3000]);
        for silent in [
            "{}",
            r#"{"config":null}"#,
            r#"{"config":{"ExposedPorts":null,"Env":null,"User":"","Cmd":null,"Entrypoint":null}}"#,
            r#"{"config":{"ExposedPorts":{"53/udp":{}}}}"#,
        ] {
            let facts = read(silent);
            assert_eq!(ports(Some(&facts)), [3000], "{silent}");
            assert_eq!(facts.user, None);
        }
    }

    #[test]
    fn user_command_and_entrypoint_are_kept_as_they_are() {
        let facts =
            read(r#"{"config":{"User":"1000:app","Cmd":["a b","$X"],"Entrypoint":["/e"]}}"#);
        assert_eq!(facts.user.as_deref(), Some("1000:app"));
        assert_eq!(facts.cmd, ["a b", "$X"]);
        assert_eq!(facts.entrypoint, ["/e"]);
    }

    #[test]
    fn labels_are_kept_as_they_are() {
        let facts = read(r#"{"config":{"Labels":{"b":"x=y \"z\"","a":"","A":"ü\n"}}}"#);
        let labels: Vec<_> = facts
            .labels
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        assert_eq!(labels, [("A", "ü\n"), ("a", ""), ("b", "x=y \"z\"")]);
    }

    #[test]
    fn an_image_without_labels_has_none() {
        for none in [
            "{}",
            r#"{"config":null}"#,
            r#"{"config":{"Labels":null}}"#,
            r#"{"config":{"Labels":{}}}"#,
        ] {
            assert_eq!(read(none).labels, BTreeMap::new(), "{none}");
        }
    }

    fn inspected(answer: &str) -> ImageFacts {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(rename = "Config")]
            config: ImageConfig,
        }
        let answer: Answer = serde_json::from_str(answer).unwrap();
        answer.config.facts(None)
    }

    /// Members as engines of version 29 write them: what is not set is left out, what is not ours stands beside it.
    #[test]
    fn what_an_engine_says_of_an_image_gives_the_same_facts() {
        let facts = inspected(
            r#"{"Id":"sha256:9f86","RepoTags":["t:1"],"Comment":"buildkit.dockerfile.v0","Config":{
                "User":"1000:1000","ExposedPorts":{"8080/tcp":{}},"Env":["PATH=/bin","PORT=80"],
                "Cmd":["/bin/sh"],"WorkingDir":"/","Labels":{"a":"b"},"ArgsEscaped":true},
                "Architecture":"amd64","Os":"linux","Size":3112147}"#,
        );
        assert_eq!(facts.digest, None);
        assert_eq!(
            (facts.exposed_ports, facts.env_ports),
            (vec![8080], vec![80])
        );
        assert_eq!(facts.user.as_deref(), Some("1000:1000"));
        assert_eq!(
            (facts.cmd, facts.entrypoint),
            (vec!["/bin/sh".to_owned()], vec![])
        );
        assert_eq!(
            facts.labels,
            BTreeMap::from([("a".to_owned(), "b".to_owned())])
        );
    }

    /// Members as engines of version 20.10 write them: all of them, empty or null.
    #[test]
    fn what_an_engine_leaves_empty_is_no_fact() {
        let facts = inspected(
            r#"{"Id":"sha256:1ab2","Config":{"Hostname":"","Domainname":"","User":"","AttachStdin":false,
                "Tty":false,"Env":["PATH=/bin"],"Cmd":null,"Image":"","Volumes":null,"WorkingDir":"",
                "Entrypoint":null,"OnBuild":null,"Labels":null},"ContainerConfig":{"User":"not this one"}}"#,
        );
        assert_eq!(facts, ImageFacts::default());
    }

    fn chosen(platforms: &[(&str, &str)]) -> Option<String> {
        let manifests: Vec<_> = platforms
            .iter()
            .map(|(os, architecture)| {
                serde_json::json!({"digest": format!("{os}/{architecture}"), "size": 1,
                    "platform": {"os": os, "architecture": architecture}})
            })
            .collect();
        let body = serde_json::json!({"schemaVersion": 2, "manifests": manifests}).to_string();
        match Manifest::parse(body.as_bytes()).unwrap() {
            Manifest::Listed(listed) => Some(listed.digest),
            Manifest::Image(_) | Manifest::Other => None,
        }
    }

    #[test]
    fn of_a_list_the_usual_platform_is_chosen() {
        let (amd, arm, win) = (("linux", "amd64"), ("linux", "arm64"), ("windows", "amd64"));
        let attestation = ("unknown", "unknown");
        assert_eq!(chosen(&[win, arm, amd]).as_deref(), Some("linux/amd64"));
        assert_eq!(chosen(&[win, arm]).as_deref(), Some("linux/arm64"));
        assert_eq!(
            chosen(&[attestation, win]).as_deref(),
            Some("windows/amd64")
        );
        assert_eq!(chosen(&[attestation]), None);
        assert_eq!(chosen(&[]), None);
    }

    #[test]
    fn a_manifest_of_version_1_is_neither() {
        let body = br#"{"schemaVersion":1,"name":"x","history":[]}"#;
        assert_eq!(Manifest::parse(body), Some(Manifest::Other));
        assert_eq!(Manifest::parse(b"<html>"), None);
    }
}
