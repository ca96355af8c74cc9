//! `vars.hcl`: the variables of the built-in pack, in the order of contract 7.3.

use hcl::Expression;
use hcl::structure::{Body, BodyBuilder};

use super::{list, object, printed, texts};
use crate::compile::hcl::text;
use crate::dispatch::DeployParams;
use crate::dispatch::params::{Base, HealthCheck, JobConfig, Network, Update};

/// Restarts of a job whose params name none. Source: contract 1.5.
const ATTEMPTS: i64 = 3;

/// Time between checks, and for one, of params that name none that Nomad takes. Source: contract 1.5.
const PERIOD: &str = "30s";

/// The file, row by row.
struct Rows(BodyBuilder);

impl Rows {
    fn put(self, name: &str, value: impl Into<Expression>) -> Self {
        Self(self.0.add_attribute((name, value.into())))
    }

    /// Only a text that is not empty.
    fn text(self, name: &str, value: &str) -> Self {
        if value.is_empty() {
            self
        } else {
            self.put(name, text(value))
        }
    }

    fn optional(self, name: &str, value: Option<impl Into<Expression>>) -> Self {
        match value {
            Some(value) => self.put(name, value),
            None => self,
        }
    }
}

pub(super) fn file(params: &DeployParams) -> String {
    let base = &params.base;
    let gpu = positive(base.gpu);
    let (attempts, mode) = restart(base);
    let rows = Rows(Body::builder())
        .put("job_name", text(&base.job_id))
        .optional("count", positive(base.replica_count))
        .text("secret_path", &base.secrets_path)
        .put("restart_attempts", attempts)
        .put("restart_mode", text(mode))
        .optional("resources", resources(base))
        .text("gpu_type", if gpu.is_some() { &base.gpu_model } else { "" })
        .text("node_pool", &base.node_pool)
        .text("user_id", &base.owner_id)
        .text("alloc_id", &base.deployment_id)
        .text("project_id", &base.project_id)
        .text("service_id", &base.service_id)
        .text("shared_secret_path", &base.shared_secret_path)
        .optional("uses_kv_engine", base.uses_kv_engine)
        .optional("owner_uses_kv_engine", base.owner_uses_kv_engine)
        .put(
            "regions",
            text(if gpu.is_some() { "" } else { &base.regions }),
        )
        .text("private_registry", &base.private_registry)
        .text("private_registry_provider", &base.private_registry_provider)
        .put("user", text(given(&base.docker_user, "0")))
        .text("command", &base.command)
        .text("image", &image(base));
    let rows = tail(lists(rows, base), params);
    printed(&rows.0.build())
}

/// Rows 22 to 29.
fn lists(rows: Rows, base: &Base) -> Rows {
    let volume = base.csi_volume.first();
    let mut rows = rows.put("use_csi_volume", volume.is_some());
    if let Some(volume) = volume {
        rows = rows
            .put("volume_name", text(stem(&volume.id)))
            .put("volume_mount_destination", texts(&volume.mount_paths));
    }
    let files = base.config_files.iter().map(|file| {
        let content = text(file.content.expose());
        object([("path", text(&file.path)), ("content", content)])
    });
    rows = rows.put("config_files", list(files));
    if !base.consul.service_name.is_empty() {
        let linked = base.consul.linked_services.iter().map(|linked| {
            let (key, value) = (&linked.variable_name, &linked.consul_service_name);
            object([("key", text(key)), ("value", text(value))])
        });
        rows = rows
            .put("consul_service_name", text(&base.consul.service_name))
            .put("consul_linked_services", list(linked));
    }
    if !base.entrypoint.is_empty() {
        rows = rows.put("entrypoint", texts(&base.entrypoint));
    }
    let templates = base.template_string_variables.iter().map(|variable| {
        object([
            ("name", text(&variable.name)),
            ("pattern", text(&variable.pattern)),
            ("service_name", text(&variable.service_name)),
            ("service_secret_path", text(&variable.service_secret_path)),
            ("linked_vars", texts(&variable.linked_vars)),
        ])
    });
    rows.put("template", list(templates))
        .text("cluster_domain", &base.cluster_domain)
}

/// Rows 28 to 32.
fn tail(rows: Rows, params: &DeployParams) -> Rows {
    let base = &params.base;
    let mut rows = rows;
    let ports = base.networks.iter();
    let ports = ports.filter(|entry| entry.port_number.unwrap_or(0) != 0);
    let networks: Vec<Expression> = ports.map(network).collect();
    if !networks.is_empty() {
        rows = rows.put("network", list(networks));
    }
    rows = rows.put("use_tls", base.tls.is_some());
    if let Some(tls) = &base.tls {
        let entry = object([
            ("cert_path", text(&tls.cert_path)),
            ("key_path", text(&tls.key_path)),
            ("common_name", text(&tls.common_name)),
            ("pka_path", text(&tls.pka_path)),
            ("ttl", text(&tls.ttl)),
        ]);
        rows = rows.put("tls", list([entry]));
    }
    // The shell line in `args` has them.
    rows = rows.put("vault_linked_secrets", list([]));
    if let Some(given) = &base.update {
        rows = rows.put("update", update(given));
    }
    if let Some(config) = &base.job_config {
        rows = rows.put("job_config", job_config(config));
    }
    let line = shell_line(params);
    if !line.is_empty() {
        rows = rows.put("args", list([text(&line)]));
    }
    rows
}

fn positive(number: Option<i64>) -> Option<i64> {
    number.filter(|number| *number > 0)
}

fn given<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}

/// Attempts and mode. Source: contract 1.5.
fn restart(base: &Base) -> (i64, &str) {
    let mode = match base.restart_mode.as_str() {
        "delay" => "delay",
        _ => "fail",
    };
    let attempts = match base.restart_mode.as_str() {
        "never" => 0,
        _ => positive(base.restart_attempts).unwrap_or(ATTEMPTS),
    };
    (attempts, mode)
}

fn resources(base: &Base) -> Option<Expression> {
    let [cpu, memory, gpu] = [base.cpu, base.ram, base.gpu].map(|it| it.unwrap_or(0).max(0));
    (cpu > 0 || memory > 0 || gpu > 0).then(|| {
        object([
            ("cpu", cpu.into()),
            ("memory", memory.into()),
            ("memory_max", memory.saturating_mul(2).max(512).into()),
            ("gpu", gpu.into()),
        ])
    })
}

fn image(base: &Base) -> String {
    match (base.image_name.as_str(), base.image_tag.as_str()) {
        ("", _) => String::new(),
        (name, "") => name.to_owned(),
        (name, tag) => format!("{name}:{tag}"),
    }
}

/// `vol_x[0]` is `vol_x`: each copy claims its own.
fn stem(id: &str) -> &str {
    match id.strip_suffix(']').and_then(|rest| rest.rsplit_once('[')) {
        Some((stem, index)) if !index.is_empty() && index.bytes().all(|b| b.is_ascii_digit()) => {
            stem
        }
        _ => id,
    }
}

fn network(entry: &Network) -> Expression {
    let port = entry.port_number.unwrap_or(0);
    object([
        ("name", text(&port.to_string())),
        ("port", port.into()),
        ("type", text(&entry.port_type)),
        ("public", entry.public.unwrap_or(false).into()),
        ("domain", text(&entry.domain)),
        ("custom_domain", text(&entry.custom_domain)),
        (
            "has_health_check",
            text(given(&entry.has_health_check, &entry.port_type)),
        ),
        ("health_check", check(&entry.health_check, entry, port)),
    ])
}

fn check(check: &HealthCheck, entry: &Network, port: i64) -> Expression {
    let path = check.path.trim();
    object([
        (
            "type",
            text(check_type(&check.check_type, &entry.port_type)),
        ),
        ("interval", text(&period(&check.interval))),
        ("path", text(given(path, "/"))),
        ("timeout", text(&period(&check.timeout))),
        ("port", positive(check.port).unwrap_or(port).into()),
    ])
}

/// What is none becomes `tcp`; without any it is that of the port. Source: contract 1.5.
fn check_type(given: &str, port_type: &str) -> &'static str {
    let wanted = if given.trim().is_empty() {
        port_type
    } else {
        given
    };
    let known = ["grpc", "tcp", "http", "script"];
    let wanted = wanted.trim().to_ascii_lowercase();
    known
        .into_iter()
        .find(|known| *known == wanted)
        .unwrap_or("tcp")
}

/// Digits alone are seconds; what is no number with a unit is 30 s. Source: contract 1.5.
fn period(text: &str) -> String {
    let text = text.trim();
    let (digits, unit) = match text.char_indices().last() {
        Some((at, 's' | 'm' | 'h' | 'd')) => text.split_at(at),
        _ => (text, ""),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return PERIOD.to_owned();
    }
    format!("{digits}{}", given(unit, "s"))
}

fn update(update: &Update) -> Expression {
    let mut members: Vec<(&'static str, Expression)> = Vec::new();
    for (name, value) in [
        ("min_healthy_time", &update.min_healthy_time),
        ("healthy_deadline", &update.healthy_deadline),
        ("progress_deadline", &update.progress_deadline),
    ] {
        if !value.is_empty() {
            members.push((name, text(value)));
        }
    }
    for (name, value) in [
        ("auto_revert", update.auto_revert),
        ("auto_promote", update.auto_promote),
    ] {
        members.extend(value.map(|value| (name, value.into())));
    }
    for (name, value) in [
        ("max_parallel", update.max_parallel),
        ("canary", update.canary),
    ] {
        members.extend(value.map(|value| (name, value.into())));
    }
    object(members)
}

fn job_config(config: &JobConfig) -> Expression {
    // A text, as it was always written.
    let overlap = config.prohibit_overlap.map(|value| value.to_string());
    object([
        ("type", text(given(&config.job_type, "service"))),
        ("cron", text(&config.cron)),
        (
            "prohibit_overlap",
            text(&overlap.unwrap_or_else(|| "false".to_owned())),
        ),
        ("payload", text(&config.payload)),
        ("meta_required", texts(&config.meta_required)),
    ])
}

/// `export S=T;` for each linked secret, then the start command, unless the builder has put it into the image. Source:
/// contract 6.4.
fn shell_line(params: &DeployParams) -> String {
    let mut line = String::new();
    for linked in &params.base.vault_linked_secrets {
        line.push_str(&format!(
            "export {}={};",
            linked.secret,
            linked.template.expose()
        ));
    }
    let is_in_image = params.repository.is_some()
        && matches!(params.build.builder.as_str(), "" | "nixpacks" | "railpack");
    if !is_in_image {
        line.push_str(&params.build.start_command);
    }
    line
}
