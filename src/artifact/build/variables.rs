//! What programs are told of a build: variables, through their environment and by name; commands; the name of its caches.

use std::collections::BTreeMap;
use std::ffi::OsString;

use sha2::{Digest, Sha256};

use super::Recipe;
use crate::artifact::output::Output;
use crate::secret::Secret;

/// Longest `NAME=value` that Linux hands to a program, its closing zero included.
///
/// 128 KiB: a longer one makes every start fail. Source: execve(2), `MAX_ARG_STRLEN`.
const LONGEST: usize = 128 << 10;

/// Names that would steer the builder's program, the loader or the tools it calls, on this machine and with our rights,
/// instead of the build in its container.
const STEERING: [&str; 20] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "SHELL",
    "BASH_ENV",
    "SHELLOPTS",
    "BASHOPTS",
    "IFS",
    "GCONV_PATH",
    "GLIBC_TUNABLES",
    "LOCPATH",
    "NLSPATH",
    "SSLKEYLOGFILE",
    "GIT_EXEC_PATH",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_ASKPASS",
    "GIT_PROXY_COMMAND",
    "GIT_EXTERNAL_DIFF",
    "GIT_TEMPLATE_DIR",
];

/// Beginnings of such names.
const STEERING_PREFIXES: [&str; 8] = [
    "LD_",
    "DYLD_",
    "DOCKER_",
    "BUILDKIT_",
    "BUILDX_",
    "SSL_CERT_",
    "MISE_",
    "GIT_CONFIG",
];

/// Such names in any case.
const PROXIES: [&str; 5] = [
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "all_proxy",
    "no_proxy",
];

/// The variables of a recipe.
#[derive(Debug, Default)]
pub(super) struct Variables {
    /// Build arguments and environment; the environment wins.
    pub(super) plain: BTreeMap<String, String>,
    /// Whatever has the name of a secret. As with Vault, a value of the build arguments or the environment wins over the
    /// secret of that name (contract 5.4), yet it is treated as one.
    pub(super) secret: BTreeMap<String, Secret>,
    /// Those that no program gets, each with the reason.
    refused: Vec<(String, &'static str)>,
}

impl Variables {
    pub(super) fn of(recipe: &Recipe) -> Self {
        let mut variables = Self::default();
        let mut plain = recipe.args.clone();
        plain.extend(recipe.env.clone());
        for (name, secret) in &recipe.secrets {
            let given = plain.remove(name).map(Secret::new);
            let value = given.unwrap_or_else(|| secret.clone());
            if variables.admits(name, value.expose()) {
                variables.secret.insert(name.clone(), value);
            }
        }
        for (name, value) in plain {
            if variables.admits(&name, &value) {
                variables.plain.insert(name, value);
            }
        }
        variables
    }

    fn admits(&mut self, name: &str, value: &str) -> bool {
        let Some(why) = objection(name, value) else {
            return true;
        };
        let shown = name.chars().take(100).collect();
        self.refused.push((shown, why));
        false
    }

    /// Tells which variables do not reach the build.
    pub(super) async fn tell(&self, output: &Output) {
        for (name, why) in &self.refused {
            let line = format!("warning: variable {name:?} does not reach the build: {why}");
            output.complain(&line).await;
        }
    }
}

fn objection(name: &str, value: &str) -> Option<&'static str> {
    if !is_name(name) {
        Some("its name is not made of letters, digits and underscores")
    } else if steers(name) {
        Some("its name is reserved for the builder itself")
    } else if value.contains('\0') {
        Some("its value holds a NUL character")
    } else if name.len() + value.len() + 2 > LONGEST {
        Some("it is longer than 128 KiB")
    } else {
        None
    }
}

/// Whether a shell takes it as a name of a variable.
fn is_name(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
}

fn steers(name: &str) -> bool {
    STEERING.contains(&name)
        || STEERING_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
        || PROXIES.iter().any(|proxy| name.eq_ignore_ascii_case(proxy))
}

/// The options for the commands that are given, each in one argument, so that a command which begins with a dash is no
/// option. nixpacks and railpack call them the same.
pub(super) fn commands(recipe: &Recipe) -> impl Iterator<Item = OsString> {
    let given = [
        ("build-cmd", command(&recipe.build_command)),
        ("start-cmd", command(&recipe.start_command)),
    ];
    given
        .into_iter()
        .filter_map(|(option, command)| Some(format!("--{option}={}", command?).into()))
}

/// A command without the blanks around it; an empty one is none.
pub(super) fn command(given: &Option<String>) -> Option<&str> {
    given
        .as_deref()
        .map(str::trim)
        .filter(|command| !command.is_empty())
}

/// The name of the caches of a build: the same for every build of this image, whatever its tag, and never another image's.
///
/// A digest, because it becomes part of a Dockerfile and of an option.
pub(super) fn cache_key(recipe: &Recipe) -> String {
    let image = recipe.image.as_str();
    let name = match image.rsplit_once(':') {
        // What follows the colon of a port has a slash.
        Some((name, tag)) if !tag.contains('/') => name,
        _ => image,
    };
    let digest = Sha256::digest(name);
    digest[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::artifact::source::SourceTree;

    fn map<T: Clone>(pairs: &[(&str, T)]) -> BTreeMap<String, T> {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect()
    }

    fn recipe() -> Recipe {
        Recipe {
            tree: SourceTree::new(PathBuf::from("/source")),
            directory: PathBuf::from("/source"),
            dockerfile: None,
            git_dir: None,
            image: "shop:1".to_owned(),
            args: BTreeMap::new(),
            env: BTreeMap::new(),
            secrets: BTreeMap::new(),
            build_command: None,
            start_command: None,
            labels: BTreeMap::new(),
            cache_from: Vec::new(),
            keep_layers: false,
            registries: BTreeMap::new(),
            modified: None,
            scratch: PathBuf::from("/scratch"),
        }
    }

    fn text(value: &str) -> String {
        value.to_owned()
    }

    #[test]
    fn the_environment_wins_over_build_arguments_and_secrets_but_secrets_stay_secret() {
        let recipe = Recipe {
            args: map(&[("A", text("arg")), ("B", text("arg"))]),
            env: map(&[("B", text("env")), ("S", text("given"))]),
            secrets: map(&[("S", Secret::new("vault")), ("T", Secret::new("vault"))]),
            ..recipe()
        };
        let variables = Variables::of(&recipe);
        assert_eq!(
            variables.plain,
            map(&[("A", text("arg")), ("B", text("env"))])
        );
        assert_eq!(
            variables.secret,
            map(&[("S", Secret::new("given")), ("T", Secret::new("vault"))])
        );
        assert_eq!(variables.refused, []);
    }

    #[tokio::test]
    async fn what_would_steer_this_machine_or_is_no_variable_is_left_out_and_told_of() {
        let bad = [
            "PATH",
            "LD_PRELOAD",
            "DOCKER_HOST",
            "MISE_TRUSTED_CONFIG_PATHS",
            "Https_Proxy",
            "",
            "a.b",
            "9A",
            "A=B",
            "A B",
            "É",
            "GIT_CONFIG_COUNT",
            "BASH_ENV",
        ];
        let long = "x".repeat(LONGEST);
        let recipe = Recipe {
            env: bad
                .iter()
                .map(|name| (text(name), text("canary")))
                .collect(),
            args: map(&[("NUL", text("canary\0")), ("LONG", long)]),
            secrets: map(&[("LD_AUDIT", Secret::new("canary"))]),
            ..recipe()
        };
        let variables = Variables::of(&recipe);
        assert!(variables.plain.is_empty() && variables.secret.is_empty());
        let (output, mut heard) = Output::channel();
        variables.tell(&output).await;
        drop(output);
        let mut told = String::new();
        while let Some(chunk) = heard.recv().await {
            told.push_str(std::str::from_utf8(&chunk.bytes).unwrap());
        }
        assert_eq!(told.lines().count(), bad.len() + 3, "{told}");
        assert!(!told.contains("canary"), "{told}");
        assert!(told.contains(
            "warning: variable \"LD_AUDIT\" does not reach the build: its name is reserved for the builder itself\n"
        ));
    }

    #[test]
    fn names_that_only_look_alike_are_fine() {
        for name in [
            "PATHS",
            "_",
            "GIT_SHA",
            "ENV",
            "LANG",
            "NODE_OPTIONS",
            "lD_x",
            "PORT",
            "DOCKERFILE",
        ] {
            assert_eq!(objection(name, "x"), None, "{name}");
        }
    }

    #[test]
    fn commands_are_one_argument_each_and_blank_ones_are_none() {
        let recipe = Recipe {
            build_command: Some(text(" -x 'a b' \n")),
            start_command: Some(text(" ")),
            ..recipe()
        };
        let commands: Vec<OsString> = commands(&recipe).collect();
        assert_eq!(commands, ["--build-cmd=-x 'a b'"]);
    }

    #[test]
    fn caches_are_shared_by_the_tags_of_an_image_and_by_nothing_else() {
        let key = |image: &str| {
            cache_key(&Recipe {
                image: text(image),
                ..recipe()
            })
        };
        assert_eq!(key("r.example:5000/shop:1"), key("r.example:5000/shop:2"));
        assert_eq!(key("r.example:5000/shop"), key("r.example:5000/shop:2"));
        assert_ne!(key("r.example:5000/shop:1"), key("r.example:5000/cart:1"));
        assert_ne!(key("shop:1"), key("shop-a:1"));
        assert!(
            key("a,id=b: c")
                .bytes()
                .all(|byte| byte.is_ascii_hexdigit())
        );
    }
}
