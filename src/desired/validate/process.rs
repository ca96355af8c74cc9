//! What runs: the image, how it is pulled, the process and its share of the node.

use super::issues::Issues;
use super::{Options, text};
use crate::desired::defaults;
use crate::spec::Span;
use crate::spec::path;
use crate::spec::suggest::closest;
use crate::spec::workload::{Container, Resources, SecretRef, Workload, WorkloadSpec};

pub(super) struct Process {
    pub(super) image: String,
    pub(super) image_pull_timeout: Span,
    pub(super) pull_authenticate: bool,
    pub(super) pull_vault_path: Option<String>,
    pub(super) user: Option<String>,
    pub(super) command: Option<String>,
    pub(super) entrypoint: Vec<String>,
    pub(super) args: Vec<String>,
    pub(super) cpu_mhz: u32,
    pub(super) memory_mb: u32,
    pub(super) memory_max_mb: u32,
    pub(super) gpu_count: u32,
}

pub(super) fn check(workload: &Workload, options: &Options, issues: &mut Issues) -> Process {
    let spec = &workload.spec;
    let container = &spec.container;
    let (entrypoint, args) = command_line(container, issues);
    if let Some(user) = &container.user {
        text::check(issues, "user", "spec.container.user", text::one_line(user));
    }
    let pull = spec.pull.clone().unwrap_or_default();
    if let Some(vault_path) = &pull.vault_path {
        text::check(
            issues,
            "vault-path",
            "spec.pull.vaultPath",
            text::one_line(vault_path),
        );
    }
    if pull.timeout.is_some_and(|timeout| timeout.0.is_zero()) {
        issues.add(
            "pull-timeout",
            "spec.pull.timeout",
            "must be more than zero",
        );
    }
    source_references(spec, issues);
    builder(spec, issues);
    let (cpu_mhz, memory_mb, memory_max_mb) = resources(&spec.resources, issues);
    Process {
        image: image(spec, options, issues),
        image_pull_timeout: pull.timeout.unwrap_or(defaults::IMAGE_PULL_TIMEOUT),
        pull_authenticate: pull.authenticate,
        pull_vault_path: pull.vault_path,
        user: container.user.clone(),
        command: container.command.clone(),
        entrypoint,
        args,
        cpu_mhz,
        memory_mb,
        memory_max_mb,
        gpu_count: spec.resources.gpu.as_ref().map_or(0, |gpu| gpu.count),
    }
}

fn image(spec: &WorkloadSpec, options: &Options, issues: &mut Issues) -> String {
    let source = &spec.source;
    let given = [
        source.image.is_some(),
        source.git.is_some(),
        source.archive.is_some(),
        source.path.is_some(),
    ];
    if given.into_iter().filter(|given| *given).count() != 1 {
        issues.add(
            "source-count",
            "spec.source",
            "must have exactly one of `image`, `git`, `archive` and `path`",
        );
        return String::new();
    }
    let (image, path) = match (&source.image, &options.image) {
        (Some(image), _) => (image, "spec.source.image"),
        (None, Some(built)) => (built, "spec.source"),
        (None, None) => {
            let kind = match (&source.git, &source.archive) {
                (Some(_), _) => "git",
                (None, Some(_)) => "archive",
                (None, None) => "path",
            };
            issues.add_with_help(
                "source-not-built",
                path::member("spec.source", kind),
                "no image has been built from this source yet",
                "`cs up` builds, pushes and deploys it; or name a ready image in `spec.source.image`",
            );
            return String::new();
        }
    };
    text::check(issues, "image", path, text::one_word(image));
    image.clone()
}

/// How images are built. Also the words of params, after `docker` has become `csdocker`.
const BUILDERS: [&str; 4] = ["csdocker", "nixpacks", "railpack", "noop"];

fn builder(spec: &WorkloadSpec, issues: &mut Issues) {
    let Some(builder) = spec.build.as_ref().and_then(|build| build.builder.as_ref()) else {
        return;
    };
    if !BUILDERS.contains(&builder.as_str()) {
        let message = "must be `csdocker`, `nixpacks`, `railpack` or `noop`";
        let help = closest(builder, BUILDERS).map_or_else(
            || "leave it out to have it detected".to_owned(),
            |known| format!("did you mean `{known}`?"),
        );
        issues.add_with_help("builder", "spec.build.builder", message, help);
    }
}

/// References that are used by `cs` itself: to fetch, to build, to report.
fn source_references(spec: &WorkloadSpec, issues: &mut Issues) {
    let push = spec.build.as_ref().and_then(|build| build.push.as_ref());
    let vault = spec.build.as_ref().and_then(|build| build.vault.as_ref());
    let platform = spec.platform.as_ref();
    let references = [
        (
            "spec.source.git.token",
            spec.source.git.as_ref().and_then(|git| git.token.as_ref()),
        ),
        (
            "spec.source.archive.url",
            spec.source.archive.as_ref().map(|archive| &archive.url),
        ),
        (
            "spec.build.push.username",
            push.and_then(|push| push.username.as_ref()),
        ),
        (
            "spec.build.push.password",
            push.and_then(|push| push.password.as_ref()),
        ),
        ("spec.build.vault.roleId", vault.map(|vault| &vault.role_id)),
        (
            "spec.build.vault.secretId",
            vault.map(|vault| &vault.secret_id),
        ),
        (
            "spec.platform.backend.token",
            platform.and_then(|platform| platform.backend.as_ref().map(|backend| &backend.token)),
        ),
        (
            "spec.cluster.token",
            spec.cluster
                .as_ref()
                .and_then(|cluster| cluster.token.as_ref()),
        ),
    ];
    for (path, reference) in references {
        if let Some(reference) = reference {
            reference_count(reference, path, issues);
        }
    }
}

/// A reference says exactly one place.
pub(super) fn reference_count(reference: &SecretRef, path: &str, issues: &mut Issues) -> bool {
    let given = [
        &reference.from_env,
        &reference.from_file,
        &reference.from_vault,
        &reference.from_variable,
    ];
    let one = given.into_iter().flatten().count() == 1;
    if !one {
        issues.add(
            "reference",
            path,
            "must have exactly one of `fromEnv`, `fromFile`, `fromVault` and `fromVariable`",
        );
    }
    one
}

/// Entrypoint and arguments. A start line is one argument for a shell, its exports in front.
fn command_line(container: &Container, issues: &mut Issues) -> (Vec<String>, Vec<String>) {
    for (index, export) in container.exports.iter().enumerate() {
        let at = path::member(&path::element("spec.container.exports", index), "name");
        text::check(
            issues,
            "variable-name",
            at,
            text::rendered_variable(&export.name),
        );
    }
    let mut line: String = container
        .exports
        .iter()
        .map(|export| format!("export {}={};", export.name, export.value))
        .collect();
    line.push_str(container.start_command.as_deref().unwrap_or_default());
    if line.is_empty() {
        return (container.entrypoint.clone(), container.args.clone());
    }
    if !container.args.is_empty() {
        issues.add_with_help(
            "args-and-start-command",
            "spec.container.args",
            "`args` cannot stand beside `startCommand` or `exports`",
            "keep one of them",
        );
    }
    let entrypoint = if container.entrypoint.is_empty() {
        defaults::SHELL.map(str::to_owned).to_vec()
    } else {
        container.entrypoint.clone()
    };
    (entrypoint, vec![line])
}

/// MHz, MB and the most MB. The bounds are Nomad's (`Resources.Validate`).
fn resources(resources: &Resources, issues: &mut Issues) -> (u32, u32, u32) {
    let cpu = resources.cpu.unwrap_or(defaults::CPU_MHZ);
    if cpu < 1 {
        issues.add("cpu", "spec.resources.cpu", "must be at least 1 MHz");
    }
    let memory = resources.memory.unwrap_or(defaults::MEMORY_MB);
    if memory < 10 {
        issues.add("memory", "spec.resources.memory", "must be at least 10 MB");
    }
    let memory_max = resources
        .memory_max
        .unwrap_or_else(|| defaults::memory_max_mb(resources.memory));
    if memory_max < memory {
        issues.add(
            "memory-max",
            "spec.resources.memoryMax",
            format!("must be at least `memory`, which is {memory} MB"),
        );
    }
    (cpu, memory, memory_max)
}
