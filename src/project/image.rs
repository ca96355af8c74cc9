//! `build` and `registry` → what is built of which folder, what it is called, where it is pushed. Source: contract 5, 7.1.

use super::app::{Draft, unused};
use super::plugin::Plugin;
use super::text::Findings;
use super::value::Kind;
use crate::dispatch::run::secret_name;
use crate::spec::Workload;
use crate::spec::workload::{Build, BuildVault, Push, Source};

/// How an app's image comes to be.
pub(super) struct Image {
    source: Source,
    build: Option<Build>,
}

impl Image {
    /// Puts it into the workload. What the pack's variable `image` says is only used where nothing is built.
    pub(super) fn put(self, workload: &mut Workload) {
        workload.spec.source = self.source;
        workload.spec.build = self.build;
    }
}

/// Reads both blocks; `None` once what is wrong has been told.
pub(super) fn read(
    build: &Plugin,
    registry: Option<&Plugin>,
    folder: Option<String>,
    draft: &mut Draft,
    findings: &mut Findings,
) -> Option<Image> {
    let name = name(build, findings);
    let tag = build.text("tag", findings);
    let registry = registry.filter(|registry| registry.name != "noop");
    let pushed_as = registry.and_then(|registry| registry.text("image", findings));
    let pushed_tag = registry.and_then(|registry| registry.text("tag", findings));
    for (path, setting) in [
        ("spec.build", "use"),
        ("spec.build.image", "name"),
        ("spec.build.tag", "tag"),
        ("spec.build.dockerfile", "dockerfile"),
        ("spec.build.rootDirectory", "context"),
        ("spec.build.args", "build_args"),
        ("spec.build.env", "env"),
        ("spec.build.vault", "vault_address"),
    ] {
        draft.places.insert(path.to_owned(), build.place(setting));
    }
    if build.name == "noop" {
        return noop(build, name, tag, draft, findings);
    }
    let (folder, root) = place(folder, build, findings)?;
    let mut start = build.text("start_cmd", findings);
    if matches!(build.name, "csdocker" | "docker") && start.take().is_some() {
        let at = build.place("start_cmd");
        let help =
            "a Dockerfile has its own; for this deployment only, give the pack's variable `args`";
        findings.warn(
            at,
            "not-used",
            &build.path,
            "`start_cmd` is not used with a Dockerfile",
            Some(help.to_owned()),
        );
    }
    let built = Build {
        builder: Some(match build.name {
            "docker" => "csdocker".to_owned(),
            other => other.to_owned(),
        }),
        root_directory: root,
        dockerfile: build.text("dockerfile", findings),
        command: build.text("build_cmd", findings),
        start_command: start,
        image: pushed_as.or(name).or_else(|| Some(draft.name.clone())),
        tag: pushed_tag.or(tag),
        args: build.map("build_args", findings),
        env: build.map("env", findings),
        push: Some(push(registry, draft, findings)),
        vault: vault(build, draft, findings),
    };
    Some(Image {
        source: Source {
            path: Some(folder),
            ..Source::default()
        },
        build: Some(built),
    })
}

/// `image` wins over `name`; `namespace` goes in front.
fn name(build: &Plugin, findings: &mut Findings) -> Option<String> {
    let name = build
        .text("image", findings)
        .or_else(|| build.text("name", findings));
    match (build.text("namespace", findings), name) {
        (Some(namespace), Some(name)) => {
            Some(format!("{}/{name}", namespace.trim_end_matches('/')))
        }
        (_, name) => name,
    }
}

/// Nothing is built: the job runs the image that is named.
fn noop(
    build: &Plugin,
    name: Option<String>,
    tag: Option<String>,
    draft: &mut Draft,
    findings: &mut Findings,
) -> Option<Image> {
    let image = match (name, tag) {
        (Some(name), Some(tag)) => Some(format!("{name}:{tag}")),
        (name, _) => name,
    };
    draft
        .places
        .insert("spec.source.image".to_owned(), build.place("name"));
    build.text("message", findings);
    Some(Image {
        // Without a name it is the pack's variable `image`, which whoever deploys puts in its place.
        source: Source {
            image: image.or_else(|| Some(String::new())),
            ..Source::default()
        },
        build: None,
    })
}

/// The folder that is the source, relative to the project file, and the directory in it that is built.
fn place(
    folder: Option<String>,
    build: &Plugin,
    findings: &mut Findings,
) -> Option<(String, Option<String>)> {
    let folder = folder.unwrap_or_else(|| ".".to_owned());
    let context = build.text("context", findings).unwrap_or_default();
    let Some(context) = cleaned(&context) else {
        let message = "`context` leads out of the app's folder";
        let help = "give it relative to `path`, and let `path` begin higher";
        findings.error(
            build.place("context"),
            "context",
            &build.path,
            message,
            Some(help.to_owned()),
        );
        return None;
    };
    // The project's folder is the source, so that an app may use what stands beside it; one outside is its own.
    let inside = (!folder.starts_with('/'))
        .then(|| cleaned(&folder))
        .flatten();
    let (folder, root) = match inside {
        Some(inside) => (".".to_owned(), format!("{inside}/{context}")),
        None => (folder, context),
    };
    let root = root.trim_matches('/');
    Some((folder, (!root.is_empty()).then(|| root.to_owned())))
}

/// The path without empty, `.` and `..` parts; `None` when it leaves its start.
fn cleaned(path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// Without a registry the image stays in the engine that built it.
fn push(registry: Option<&Plugin>, draft: &mut Draft, findings: &mut Findings) -> Push {
    let Some(registry) = registry else {
        return Push {
            disabled: true,
            ..Push::default()
        };
    };
    for path in ["spec.build.push", "spec.build.push.registry"] {
        draft
            .places
            .insert(path.to_owned(), registry.place("registry"));
    }
    let mut credential = |setting: &str, name: &'static str, draft: &mut Draft| {
        let auth = registry.given("auth").map(|member| &member.value);
        let secret = match auth.and_then(|auth| auth.member(setting)) {
            Some(member) => {
                super::plugin::warn_of_plain(setting, &member.value, &registry.path, findings);
                super::plugin::secret_of(&member.value, &registry.path, findings)
            }
            None => registry.secret(setting, findings),
        };
        secret.map(|secret| draft.keep(name, secret))
    };
    let username = credential("username", secret_name::REGISTRY_USERNAME, draft);
    let password = credential("password", secret_name::REGISTRY_PASSWORD, draft);
    check_auth(registry, findings);
    Push {
        disabled: false,
        registry: registry.text("registry", findings),
        namespace: registry.text("namespace", findings),
        username,
        password,
    }
}

fn check_auth(registry: &Plugin, findings: &mut Findings) {
    let Some(auth) = registry.given("auth") else {
        return;
    };
    let known = ["password", "username"];
    for member in super::plugin::members(&auth.value, &registry.path, findings) {
        if !known.contains(&member.key.as_str()) {
            let message = format!("unknown attribute `{}`", super::text::shown(&member.key));
            let help = super::text::meant(&member.key, known);
            findings.error(
                member.at,
                "unknown-field",
                &registry.path,
                message,
                Some(help),
            );
        }
    }
}

/// All four settings or none. Source: contract 7.1.
fn vault(build: &Plugin, draft: &mut Draft, findings: &mut Findings) -> Option<BuildVault> {
    for setting in ["vault_ca_cert", "vault_tls_skip_verify"] {
        let is_off = build.given(setting).is_none_or(|member| {
            matches!(&member.value.kind, Kind::Bool(false))
                || member.value.text().as_deref() == Some("")
        });
        if !is_off {
            let message = format!("`{setting}` is not carried out");
            let help =
                "give the machine's certificate store the CA that signed Vault's certificate";
            findings.error(
                build.place(setting),
                "not-supported",
                &build.path,
                message,
                Some(help.to_owned()),
            );
        }
    }
    for setting in ["vault_timeout", "vault_max_retries"] {
        if build.given(setting).is_some() {
            unused(build.place(setting), &build.path, setting, findings);
        }
    }
    let address = build.text("vault_address", findings);
    let path = build.text("secrets_path", findings);
    let role = build.secret("role_id", findings);
    let secret = build.secret("secret_id", findings);
    let given = [
        address.is_some(),
        path.is_some(),
        role.is_some(),
        secret.is_some(),
    ];
    if let (Some(address), Some(path), Some(role), Some(secret)) = (address, path, role, secret) {
        return Some(BuildVault {
            address,
            role_id: draft.keep(secret_name::VAULT_ROLE_ID, role),
            secret_id: draft.keep(secret_name::VAULT_SECRET_ID, secret),
            path,
        });
    }
    if given.contains(&true) {
        let message = "vault_address, role_id, secret_id and secrets_path are not used: only all four together are";
        findings.warn(
            build.place("vault_address"),
            "not-used",
            &build.path,
            message,
            None,
        );
    }
    None
}
