//! Where the image comes from, how it is built, and files beside it. Source: contract 1.5, 4, 5.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use url::Url;

use super::Draft;
use crate::dispatch::decode::base64;
use crate::dispatch::ids::not_empty;
use crate::dispatch::params::{Base, ConfigFile, DeployParams, Repository};
use crate::dispatch::run::secret_name;
use crate::secret::Secret;
use crate::spec::workload::{ArchiveSource, Build, BuildVault, File, GitSource, Push, Source};

pub(super) fn source(params: &DeployParams, draft: &mut Draft) -> Source {
    match &params.repository {
        None => Source {
            image: Some(image(&params.base)),
            ..Source::default()
        },
        Some(repository) if repository.is_upload() => Source {
            archive: Some(ArchiveSource {
                url: draft
                    .secret(secret_name::SOURCE_URL, &repository.source_url)
                    .unwrap_or_default(),
                sha256: sha256(&repository.source_sha256, draft),
                upload_id: not_empty(repository.upload_id.clone()),
            }),
            ..Source::default()
        },
        Some(repository) => Source {
            git: Some(git(repository, draft)),
            ..Source::default()
        },
    }
}

/// 64 hexadecimal digits, with or without the algorithm in front.
fn sha256(text: &str, draft: &mut Draft) -> Option<String> {
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    let is_digest = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !digits.is_empty() && !is_digest {
        draft.refuse("sourceSha256", "expected 64 hexadecimal digits");
        return None;
    }
    not_empty(digits.to_ascii_lowercase())
}

/// What the job's image will start with: the name, and in front of it the registry that a build pushes to.
pub(super) fn image_stem(params: &DeployParams) -> String {
    let name = &params.base.image_name;
    match not_empty(params.build.registry_url.clone()) {
        Some(registry) if params.task.builds() => format!("{registry}/{name}"),
        _ => name.clone(),
    }
}

/// `imageName:imageTag`, or the name alone without a tag.
fn image(base: &Base) -> String {
    if base.image_tag.is_empty() {
        base.image_name.clone()
    } else {
        format!("{}:{}", base.image_name, base.image_tag)
    }
}

fn git(repository: &Repository, draft: &mut Draft) -> GitSource {
    let provider = repository.provider.as_str();
    if !matches!(provider, "" | "github" | "gitlab" | "bitbucket") {
        draft.warn("provider is none of `github`, `gitlab` and `bitbucket`: `github` is used");
    }
    let (address, inner_token) = without_credentials(&repository.repository);
    let mut token = &repository.git_pass;
    if let Some(inner) = &inner_token {
        draft.warn(
            "repository is an address with credentials: they are taken out and used as the token",
        );
        if token.is_empty() {
            token = inner;
        }
    }
    GitSource {
        repository: address,
        revision: repository.branch.clone(),
        provider: not_empty(provider.to_owned()),
        token: draft.secret(secret_name::GIT_TOKEN, token),
    }
}

/// Scripts of the platform send full addresses too; a token inside must not end up in a file or a log.
fn without_credentials(repository: &str) -> (String, Option<Secret>) {
    let Ok(mut url) = Url::parse(repository) else {
        return (repository.to_owned(), None);
    };
    let token = url.password().unwrap_or(url.username()).to_owned();
    // Both fail only for addresses without a host, which have no user info to begin with.
    if token.is_empty() || url.set_password(None).is_err() || url.set_username("").is_err() {
        return (repository.to_owned(), None);
    }
    (url.to_string(), Some(Secret::new(token)))
}

/// `None` for image tasks: nothing is built.
pub(super) fn build(params: &DeployParams, draft: &mut Draft) -> Option<Build> {
    params.repository.as_ref()?;
    let (base, build) = (&params.base, &params.build);
    let root_directory = root_directory(&build.root_directory, draft);
    Some(Build {
        builder: builder(&build.builder, draft),
        dockerfile: dockerfile(&build.dockerfile_path, root_directory.as_deref(), draft),
        root_directory,
        command: not_empty(build.build_command.clone()),
        start_command: not_empty(build.start_command.clone()),
        image: not_empty(base.image_name.clone()),
        tag: not_empty(base.image_tag.clone()),
        args: build.build_args.clone(),
        env: build.static_build_env.clone(),
        push: push(params, draft),
        vault: vault(base, draft),
    })
}

fn push(params: &DeployParams, draft: &mut Draft) -> Option<Push> {
    let build = &params.build;
    let push = Push {
        disabled: build.disable_push.unwrap_or(false),
        registry: not_empty(build.registry_url.clone()),
        namespace: not_empty(build.registry_namespace.clone()),
        username: draft.secret(secret_name::REGISTRY_USERNAME, &build.registry_username),
        password: draft.secret(secret_name::REGISTRY_PASSWORD, &build.registry_password),
    };
    (push != Push::default()).then_some(push)
}

/// Unknown builders are an error at once, not after a clone.
fn builder(name: &str, draft: &mut Draft) -> Option<String> {
    match name {
        "" => None,
        "docker" => Some("csdocker".to_owned()),
        "csdocker" | "nixpacks" | "railpack" | "noop" => Some(name.to_owned()),
        _ => {
            draft.refuse(
                "build.builder",
                "unknown builder; expected `csdocker`, `docker`, `nixpacks`, `railpack`, `noop` or nothing",
            );
            None
        }
    }
}

/// Without surrounding slashes and `.`; the top is `None`. Source: contract 4.4.
fn root_directory(path: &str, draft: &mut Draft) -> Option<String> {
    match cleaned(path) {
        Some(clean) => not_empty(clean),
        None => {
            let why = "leads out of the source; expected a directory inside it";
            draft.refuse("build.rootDirectory", why);
            None
        }
    }
}

/// Relative to the root directory, above which it may climb as long as it stays inside the source.
fn dockerfile(path: &str, root: Option<&str>, draft: &mut Draft) -> Option<String> {
    let relative = path.trim_start_matches('/');
    if cleaned(&format!("{}/{relative}", root.unwrap_or_default())).is_none() {
        let why = "leads out of the source; expected a file inside it";
        draft.refuse("build.dockerfilePath", why);
        return None;
    }
    not_empty(relative.to_owned())
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

/// All four settings or none; `secretsPath` alone comes with every deployment and means nothing.
fn vault(base: &Base, draft: &mut Draft) -> Option<BuildVault> {
    let given = [
        !base.vault_address.is_empty(),
        !base.role_id.is_empty(),
        !base.secret_id.is_empty(),
    ];
    let complete = given.iter().all(|given| *given) && !base.secrets_path.is_empty();
    if !complete {
        if given.contains(&true) {
            draft.warn("vaultAddress, roleId, secretId and secretsPath are not used: only all four together are");
        }
        return None;
    }
    Some(BuildVault {
        address: base.vault_address.clone(),
        role_id: draft.secret(secret_name::VAULT_ROLE_ID, &base.role_id)?,
        secret_id: draft.secret(secret_name::VAULT_SECRET_ID, &base.secret_id)?,
        path: base.secrets_path.clone(),
    })
}

pub(super) fn files(files: &[ConfigFile], draft: &mut Draft) -> Vec<File> {
    let mut kept = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let place = format!("configFiles[{index}]");
        let path = file_path(&file.path, &place, draft);
        let content = file_content(&file.content, &place, draft);
        if let (Some(path), Some(content)) = (path, content) {
            kept.push(File {
                path,
                content: None,
                content_base64: Some(content),
            });
        }
    }
    kept
}

/// Nomad refuses a path out of the allocation only once the job is there, so it is refused here.
fn file_path(path: &str, place: &str, draft: &mut Draft) -> Option<String> {
    let relative = path.trim_start_matches('/');
    let why = if relative.is_empty() {
        "expected the path of a file in the container"
    } else if relative.split('/').any(|part| part == "..") {
        "`..` is not allowed in a path"
    } else {
        return Some(relative.to_owned());
    };
    draft.refuse(format!("{place}.path"), why);
    None
}

fn file_content(content: &Secret, place: &str, draft: &mut Draft) -> Option<String> {
    match base64(content.expose().trim().as_bytes()) {
        Ok(bytes) => Some(STANDARD.encode(bytes)),
        Err(_) => {
            let why = "expected the content of the file in base64";
            draft.refuse(format!("{place}.content"), why);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_directory_is_cleaned_and_stays_inside_the_source() {
        for (path, wanted) in [
            ("", None),
            (".", None),
            ("/", None),
            ("/./", None),
            ("/app/client", Some("app/client")),
            ("app/client/", Some("app/client")),
            ("///app/client///", Some("app/client")),
            ("src/app/frontend", Some("src/app/frontend")),
            ("a/../b", Some("b")),
            ("a/..", None),
        ] {
            let mut draft = Draft::default();
            assert_eq!(
                root_directory(path, &mut draft).as_deref(),
                wanted,
                "{path}"
            );
            assert!(draft.problems.is_empty(), "{path}");
        }
        for path in ["..", "../x", "/../x", "a/../../b"] {
            let mut draft = Draft::default();
            assert_eq!(root_directory(path, &mut draft), None);
            assert_eq!(draft.problems[0].field, "build.rootDirectory", "{path}");
        }
    }

    #[test]
    fn a_digest_is_64_hexadecimal_digits() {
        let digest = "AB".repeat(32);
        for text in [digest.clone(), format!("sha256:{digest}")] {
            let mut draft = Draft::default();
            assert_eq!(sha256(&text, &mut draft), Some("ab".repeat(32)));
            assert!(draft.problems.is_empty());
        }
        assert_eq!(sha256("", &mut Draft::default()), None);
        for text in ["abc", "sha256:", &"g".repeat(64), &"a".repeat(63)] {
            let mut draft = Draft::default();
            assert_eq!(sha256(text, &mut draft), None);
            let is_nothing = text == "sha256:";
            assert_eq!(draft.problems.is_empty(), is_nothing, "{text}");
        }
    }

    #[test]
    fn a_dockerfile_may_stand_above_the_root_directory_but_not_outside_the_source() {
        let mut draft = Draft::default();
        let found = dockerfile("../Dockerfile", Some("app"), &mut draft);
        assert_eq!(found.as_deref(), Some("../Dockerfile"));
        assert!(draft.problems.is_empty());
        assert_eq!(
            dockerfile("../../Dockerfile", Some("app"), &mut draft),
            None
        );
        assert_eq!(draft.problems.len(), 1);
    }

    #[test]
    fn credentials_are_taken_out_of_a_repository_address() {
        let (address, token) = without_credentials("https://x:canary@git.example/a/b.git");
        assert_eq!(address, "https://git.example/a/b.git");
        assert_eq!(token.unwrap().expose(), "canary");
        assert_eq!(
            without_credentials("acme/shop"),
            ("acme/shop".to_owned(), None)
        );
        assert_eq!(
            without_credentials("https://git.example/a/b").0,
            "https://git.example/a/b"
        );
    }
}
