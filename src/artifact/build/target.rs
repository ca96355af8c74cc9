//! Where a built image goes, and what a job calls it: one name for both. Source: contract 5.5, 5.6.

use super::Builder;
use crate::artifact::registry::{ImageReference, InvalidImage};
use crate::config::Environment;
use crate::spec::workload::{Build, Push};

/// Tag of an image that was given none.
const DEFAULT_TAG: &str = "latest";

/// What the environment says where the workload is silent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PushDefaults {
    /// `REGISTRY_URL`.
    pub registry_url: Option<String>,
    /// `REGISTRY_NAMESPACE`.
    pub namespace: Option<String>,
}

impl PushDefaults {
    /// Those of the environment.
    #[must_use]
    pub fn of(environment: &Environment) -> Self {
        Self {
            registry_url: environment.get("REGISTRY_URL"),
            namespace: environment.get("REGISTRY_NAMESPACE"),
        }
    }
}

/// Where a built image goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// What the engine calls it, with its tag; also what the job refers to when it is not pushed.
    pub local: String,
    /// What it is pushed as, and what the job refers to; `None` when it is not pushed.
    pub pushed: Option<ImageReference>,
    /// Whether other services are pushed to the same repository. Their tags overwrite each other, so the job must refer to
    /// the digest.
    pub shared_repository: bool,
}

/// Why a built image has nowhere to go.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Nobody names a registry.
    #[error(
        "registry URL could not be determined for image `{name}`: put the registry before the image's name, set \
         `build.registryUrl` (in a file `build.push.registry`) or REGISTRY_URL, or turn the push off with \
         `build.disablePush` (in a file `build.push.disabled`)"
    )]
    NoRegistry {
        /// Name of the image.
        name: String,
    },
    /// The name of a job that no image can have.
    #[error(
        "no image can be named after job `{job}`, which has no letter and no digit: set `imageName` (in a file \
         `build.image`)"
    )]
    NoName {
        /// The job.
        job: String,
    },
    /// Nothing is built, and no image is named.
    #[error(
        "builder `noop` builds nothing, and no image is named that the job could run: set `imageName` (in a file \
         `build.image`) or another builder"
    )]
    NothingToRun,
    /// The parts make no name.
    #[error("the built image cannot be named from imageName, imageTag, registry and namespace")]
    Invalid(#[from] InvalidImage),
}

/// Decides where the image of a build goes. With the builder `noop` it is the one that is named, wherever that is.
///
/// # Errors
/// As of [`target`] and [`unbuilt`].
pub fn of_build(
    build: &Build,
    job_id: &str,
    defaults: &PushDefaults,
) -> Result<Target, TargetError> {
    let (name, tag) = (build.image.as_deref(), build.tag.as_deref());
    if build.builder.as_deref() == Some(Builder::Noop.as_str()) {
        return unbuilt(name, tag);
    }
    target(name, job_id, tag, build.push.as_ref(), defaults)
}

/// Decides where an image is pushed.
///
/// - The image is `name`, else it is named after the job. With a registry in `push` that goes before it, unless it is
///   there already.
/// - The first part of that is the registry if it has a `.` or a `:` or is `localhost`; else `defaults` names it.
/// - A namespace (of `push`, else of `defaults`) replaces everything after the registry.
///
/// # Errors
/// The parts make no name, or there is no registry and the push is not disabled.
pub fn target(
    name: Option<&str>,
    job_id: &str,
    tag: Option<&str>,
    push: Option<&Push>,
    defaults: &PushDefaults,
) -> Result<Target, TargetError> {
    let disabled = push.is_some_and(|push| push.disabled);
    let given = |field: fn(&Push) -> &Option<String>| push.and_then(|push| field(push).as_deref());
    let name = match name {
        Some(name) => name.to_owned(),
        None => name_of_job(job_id)?,
    };
    let (name, tag) = with_tag(&name, tag);

    let mut image = match given(|push| &push.registry).map(registry_of) {
        Some(registry) => joined(registry, name),
        None => name.to_owned(),
    };
    if host_of(&image).is_none()
        && let Some(url) = &defaults.registry_url
    {
        image = joined(registry_of(url), &image);
    }
    let Some(host) = host_of(&image) else {
        return match disabled {
            true => local(&image, tag),
            false => Err(TargetError::NoRegistry { name: image }),
        };
    };
    let namespace = given(|push| &push.namespace).or(defaults.namespace.as_deref());
    let namespace = namespace.map(|namespace| namespace.trim_matches('/'));
    let path = match namespace {
        Some(namespace) => joined(host, namespace),
        None => image,
    };
    let reference: ImageReference = format!("{path}:{tag}").parse()?;
    Ok(Target {
        local: reference.to_string(),
        pushed: (!disabled).then_some(reference),
        shared_repository: namespace.is_some(),
    })
}

/// The image that a job runs when nothing is built: as it was named, like one of an image task. Source: contract 5.1, 5.5.
///
/// # Errors
/// There is no name, or it is none.
pub fn unbuilt(name: Option<&str>, tag: Option<&str>) -> Result<Target, TargetError> {
    let name = name.ok_or(TargetError::NothingToRun)?;
    let image = match tag {
        Some(tag) => format!("{name}:{tag}"),
        None => name.to_owned(),
    };
    image.parse::<ImageReference>()?;
    Ok(Target {
        local: image,
        pushed: None,
        shared_repository: false,
    })
}

/// An image that stays where it is built, under the name that it was given.
fn local(image: &str, tag: &str) -> Result<Target, TargetError> {
    let name = format!("{image}:{tag}");
    // The engine reads the same rules into it, with a registry that is not used.
    name.parse::<ImageReference>()?;
    Ok(Target {
        local: name,
        pushed: None,
        shared_repository: false,
    })
}

/// The job's id in lower case, with `-` for what a repository's name cannot have.
fn name_of_job(job_id: &str) -> Result<String, TargetError> {
    let mut name = String::new();
    for c in job_id.chars() {
        if c.is_ascii_alphanumeric() {
            name.push(c.to_ascii_lowercase());
        } else if name.ends_with(|last: char| last.is_ascii_alphanumeric()) {
            // Signs that a name can have stay, one at a time.
            name.push(if matches!(c, '.' | '_') { c } else { '-' });
        }
    }
    let name = name.trim_end_matches(['.', '_', '-']);
    if name.is_empty() {
        return Err(TargetError::NoName {
            job: job_id.to_owned(),
        });
    }
    Ok(name.to_owned())
}

/// A name that brings its tag along keeps it unless another one is given.
fn with_tag<'a>(name: &'a str, tag: Option<&'a str>) -> (&'a str, &'a str) {
    let (stem, own) = match name.rsplit_once(':') {
        // A colon before a slash belongs to a port.
        Some((stem, own)) if !own.contains('/') => (stem, Some(own)),
        _ => (name, None),
    };
    (stem, tag.or(own).unwrap_or(DEFAULT_TAG))
}

/// `https://host/path/` as it stands before an image's name: `host/path`.
fn registry_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let registry = rest.trim_matches('/');
    match registry.split_once('/') {
        // The address of Docker's API, as its own configuration file spells it.
        Some((host, "v1" | "v2")) if host.ends_with("docker.io") => host,
        _ => registry,
    }
}

/// `<registry>/<name>`, or the name alone if it begins with the registry or is on the same host.
fn joined(registry: &str, name: &str) -> String {
    let name = name.trim_matches('/');
    let host = registry.split('/').next().unwrap_or(registry);
    let is_there = host_of(name).is_some_and(|own| own.eq_ignore_ascii_case(host));
    if is_there || registry.is_empty() {
        name.to_owned()
    } else {
        format!("{registry}/{name}")
    }
}

fn host_of(image: &str) -> Option<&str> {
    let (first, _) = image.split_once('/')?;
    (first.contains(['.', ':']) || first == "localhost").then_some(first)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn push(registry: &str, namespace: &str) -> Push {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Push {
            registry: text(registry),
            namespace: text(namespace),
            ..Push::default()
        }
    }

    fn defaults(registry_url: &str, namespace: &str) -> PushDefaults {
        let given = push(registry_url, namespace);
        PushDefaults {
            registry_url: given.registry,
            namespace: given.namespace,
        }
    }

    fn pushed(name: &str, push: &Push, defaults: &PushDefaults) -> String {
        let target = target(Some(name), "job", Some("1"), Some(push), defaults)
            .unwrap_or_else(|error| panic!("{name} {push:?} {defaults:?}: {error}"));
        let pushed = target.pushed.expect("it is pushed").to_string();
        assert_eq!(target.local, pushed);
        pushed
    }

    #[test]
    fn what_is_not_built_runs_under_the_name_that_it_was_given() {
        for (name, tag, image) in [
            ("nginx", None, "nginx"),
            ("nginx", Some("1.27"), "nginx:1.27"),
            (
                "127.0.0.1:5000/acme/shop",
                Some("2"),
                "127.0.0.1:5000/acme/shop:2",
            ),
        ] {
            let target = unbuilt(Some(name), tag).unwrap();
            assert_eq!((target.local.as_str(), target.pushed), (image, None));
        }
        assert_eq!(unbuilt(None, Some("1")), Err(TargetError::NothingToRun));
        assert!(unbuilt(Some("Not A Name"), None).is_err());
    }

    #[test]
    fn the_registry_comes_from_the_params_then_the_name_then_the_environment() {
        let env = "https://env.example/";
        for (name, registry, registry_url, wanted) in [
            ("shop", "https://r.example", "", "r.example/shop:1"),
            ("shop", "r.example/team/", env, "r.example/team/shop:1"),
            (
                "a/shop",
                "http://r.example:5000",
                "",
                "r.example:5000/a/shop:1",
            ),
            ("r.example/shop", "r.example", env, "r.example/shop:1"),
            ("R.example/shop", "r.example", env, "r.example/shop:1"),
            (
                "r.example/team/shop",
                "r.example/team",
                "",
                "r.example/team/shop:1",
            ),
            (
                "o.example/shop",
                "r.example",
                "",
                "r.example/o.example/shop:1",
            ),
            ("n.example/shop", "", env, "n.example/shop:1"),
            ("n:5000/shop", "", env, "n:5000/shop:1"),
            ("localhost/shop", "", env, "localhost/shop:1"),
            ("shop", "", env, "env.example/shop:1"),
            ("acme/shop", "", env, "env.example/acme/shop:1"),
            ("shop.web", "", env, "env.example/shop.web:1"),
            ("shop", "acme", env, "env.example/acme/shop:1"),
            (
                "acme/shop",
                "https://index.docker.io/v1/",
                "",
                "docker.io/acme/shop:1",
            ),
        ] {
            let given = push(registry, "");
            assert_eq!(pushed(name, &given, &defaults(registry_url, "")), wanted);
        }
    }

    #[test]
    fn a_namespace_replaces_the_path_and_is_shared() {
        for (name, registry, namespace, env, env_namespace, wanted) in [
            ("r.example/a/shop", "", "team", "", "", "r.example/team:1"),
            (
                "shop",
                "r.example/x",
                "team/a",
                "",
                "other",
                "r.example/team/a:1",
            ),
            (
                "shop",
                "",
                "",
                "env.example",
                "/team/",
                "env.example/team:1",
            ),
            (
                "shop",
                "r.example",
                "r.example/team",
                "",
                "",
                "r.example/team:1",
            ),
        ] {
            let given = push(registry, namespace);
            let around = defaults(env, env_namespace);
            assert_eq!(pushed(name, &given, &around), wanted);
            let target = target(Some(name), "j", None, Some(&given), &around).unwrap();
            assert!(target.shared_repository);
        }
        let alone = target(
            Some("r.example/a"),
            "j",
            None,
            None,
            &PushDefaults::default(),
        )
        .unwrap();
        assert!(!alone.shared_repository);
    }

    #[test]
    fn without_a_registry_it_is_said_what_to_set() {
        let error = target(Some("acme/shop"), "j", None, None, &PushDefaults::default());
        let text = error.unwrap_err().to_string();
        assert!(
            text.starts_with("registry URL could not be determined"),
            "{text}"
        );
        for hint in ["`acme/shop`", "registryUrl", "REGISTRY_URL", "disablePush"] {
            assert!(text.contains(hint), "{text}");
        }
    }

    #[test]
    fn an_image_that_is_not_pushed_needs_no_registry() {
        let disabled = Push {
            disabled: true,
            ..Push::default()
        };
        let named = |name, defaults: &PushDefaults| {
            let target = target(Some(name), "j", None, Some(&disabled), defaults).unwrap();
            assert_eq!(target.pushed, None);
            target.local
        };
        assert_eq!(named("shop", &PushDefaults::default()), "shop:latest");
        assert_eq!(
            named("r.example/shop", &PushDefaults::default()),
            "r.example/shop:latest"
        );
        assert_eq!(
            named("shop", &defaults("env.example", "")),
            "env.example/shop:latest"
        );
    }

    #[test]
    fn an_image_without_a_name_is_called_like_its_job() {
        let around = defaults("r.example", "");
        for (job, wanted) in [
            ("svc-4f2a91", "r.example/svc-4f2a91:latest"),
            ("Shop_Web.1", "r.example/shop_web.1:latest"),
            ("team/shop", "r.example/team-shop:latest"),
            ("__Ünïted  shop--", "r.example/n-ted-shop:latest"),
        ] {
            let target = target(None, job, None, None, &around).unwrap();
            assert_eq!(target.local, wanted);
        }
        assert_eq!(
            target(None, "ÄÖ-", None, None, &around),
            Err(TargetError::NoName {
                job: "ÄÖ-".to_owned()
            })
        );
    }

    #[test]
    fn a_tag_is_checked_and_may_be_part_of_the_name() {
        let tagged = |name, tag| {
            target(Some(name), "j", tag, None, &PushDefaults::default()).map(|it| it.local)
        };
        assert_eq!(tagged("r.example/a:2", None).unwrap(), "r.example/a:2");
        assert_eq!(tagged("r.example/a:2", Some("3")).unwrap(), "r.example/a:3");
        assert_eq!(tagged("r:5000/a", None).unwrap(), "r:5000/a:latest");
        for (name, tag) in [
            ("r.example/a", "feature/x"),
            ("r.example/a", ""),
            ("r.example/A", "1"),
            ("user:pw@r.example/a", "1"),
        ] {
            assert!(
                matches!(tagged(name, Some(tag)), Err(TargetError::Invalid(_))),
                "{name} {tag}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_job_gives_a_name_that_a_registry_takes(job in any::<String>()) {
            let named = target(None, &job, None, None, &defaults("r.example", ""));
            match named {
                Ok(target) => prop_assert!(target.pushed.is_some()),
                Err(TargetError::NoName { .. }) => {
                    prop_assert!(!job.contains(|c: char| c.is_ascii_alphanumeric()));
                }
                // 255 bytes at most.
                Err(_) => prop_assert!(job.len() > 250),
            }
        }

        #[test]
        fn what_is_pushed_is_what_the_job_refers_to(
            name in "[a-zA-Z.:/_@-]{0,20}", registry in "[a-z.:/]{0,12}", namespace in "[a-z/]{0,8}",
        ) {
            if let Ok(Target { local, pushed: Some(pushed), .. }) =
                target(Some(&name), "j", None, Some(&push(&registry, &namespace)), &PushDefaults::default())
            {
                prop_assert_eq!(local.parse::<ImageReference>().unwrap(), pushed);
            }
        }
    }
}
