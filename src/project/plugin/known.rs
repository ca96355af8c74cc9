//! The plugins of the replaced program with their settings, and which of them `cs` does not carry out. Source: contract 5.1,
//! 7.1, 7.2.

/// A plugin of the replaced program.
pub(super) struct Known {
    pub(super) name: &'static str,
    pub(super) settings: &'static [&'static str],
    /// Why `cs` does not do it.
    pub(super) refused: Option<&'static str>,
}

const fn known(name: &'static str, settings: &'static [&'static str]) -> Known {
    Known {
        name,
        settings,
        refused: None,
    }
}

const fn refused(name: &'static str, why: &'static str) -> Known {
    Known {
        name,
        settings: &[],
        refused: Some(why),
    }
}

/// Every builder takes what the generated file writes for any of them (contract 7.2).
const BUILDER: &[&str] = &[
    "build_args",
    "build_cmd",
    "context",
    "dockerfile",
    "env",
    "image",
    "name",
    "namespace",
    "role_id",
    "secret_id",
    "secrets_path",
    "start_cmd",
    "tag",
    "vault_address",
    "vault_ca_cert",
    "vault_max_retries",
    "vault_timeout",
    "vault_tls_skip_verify",
];

pub(super) const BUILD: [Known; 6] = [
    known("csdocker", BUILDER),
    known("docker", BUILDER),
    known("nixpacks", BUILDER),
    known("railpack", BUILDER),
    known("noop", &["context", "image", "message", "name", "tag"]),
    refused(
        "goreleaser",
        "it makes programs, and `cs` builds images that a job can run",
    ),
];

pub(super) const REGISTRY: [Known; 3] = [
    known(
        "docker",
        &[
            "auth",
            "image",
            "namespace",
            "password",
            "registry",
            "tag",
            "username",
        ],
    ),
    known("noop", &["message"]),
    refused(
        "github",
        "it publishes files, and `cs` pushes images that a job can run",
    ),
];

const PACK: &[&str] = &[
    "deployment_name",
    "embedded_pack",
    "nomad_addr",
    "nomad_token",
    "pack",
    "parser_v1",
    "registry",
    "registry_name",
    "registry_ref",
    "registry_source",
    "registry_target",
    "registry_token",
    "use_embedded",
    "variable_files",
    "variables",
];

pub(super) const DEPLOY: [Known; 4] = [
    known("nomad-pack", PACK),
    known("nomadpack", PACK),
    known("noop", &["message"]),
    refused(
        "docker",
        "it deployed nothing; a container that Nomad runs is deployed by `nomad-pack`",
    ),
];

pub(super) const RELEASE: [Known; 1] = [known("noop", &["message"])];
