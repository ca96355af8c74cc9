//! A job as Nomad's job specification language, for `cs render`.
//!
//! Built of values. Every `${` and `%{` is escaped, Nomad's own interpolation included: the parser gives the plain text
//! back (`$${NOMAD_ALLOC_ID}` arrives as `${NOMAD_ALLOC_ID}`), so parsing what is written here returns the same job.

use std::collections::BTreeMap;
use std::time::Duration;

use hcl::expr::{Expression, Object, ObjectKey, TemplateExpr};
use hcl::structure::{Block, BlockBuilder, Body};

use super::text::hex4;
use crate::clients::nomad::job::{
    Check, Constraint, DockerConfig, Job, Migrate, Network, Parameterized, Periodic, Resources,
    RestartPolicy, Service, Task, TaskGroup, Template, Update, Vault, VolumeMount, VolumeRequest,
};
use crate::spec::Span;

/// Returns the job as a specification that Nomad parses back to the same job. It carries the same secrets.
#[must_use]
pub fn to_hcl(job: &Job) -> String {
    let body = Body::builder().add_block(job_block(job)).build();
    hcl::format::to_string(&body).expect("writing to memory cannot fail")
}

fn job_block(job: &Job) -> Block {
    block("job", &[&job.id])
        .add_attribute(("type", text(job.job_type)))
        .optional("namespace", job.namespace.as_deref().map(text))
        .optional("region", job.region.as_deref().map(text))
        .optional("datacenters", texts(&job.datacenters))
        .optional("node_pool", job.node_pool.as_deref().map(text))
        .optional("meta", map(&job.meta))
        .blocks(job.constraints.iter().map(constraint))
        .blocks(job.update.iter().map(update))
        .blocks(job.migrate.iter().map(migrate))
        .blocks(job.periodic.iter().map(periodic))
        .blocks(job.parameterized.iter().map(parameterized))
        .blocks(job.task_groups.iter().map(group))
        .build()
}

fn constraint(constraint: &Constraint) -> Block {
    block("constraint", &[])
        .add_attribute(("attribute", text(&constraint.left)))
        .add_attribute(("operator", text(constraint.operand)))
        .add_attribute(("value", text(&constraint.right)))
        .build()
}

fn update(update: &Update) -> Block {
    block("update", &[])
        .add_attribute(("max_parallel", update.max_parallel))
        .add_attribute(("health_check", text(update.health_check)))
        .add_attribute(("min_healthy_time", span(update.min_healthy_time)))
        .add_attribute(("healthy_deadline", span(update.healthy_deadline)))
        .add_attribute(("progress_deadline", span(update.progress_deadline)))
        .add_attribute(("auto_revert", update.auto_revert))
        .add_attribute(("auto_promote", update.auto_promote))
        .add_attribute(("canary", update.canary))
        .add_attribute(("stagger", span(update.stagger)))
        .build()
}

fn migrate(migrate: &Migrate) -> Block {
    block("migrate", &[])
        .add_attribute(("max_parallel", migrate.max_parallel))
        .add_attribute(("health_check", text(migrate.health_check)))
        .add_attribute(("min_healthy_time", span(migrate.min_healthy_time)))
        .add_attribute(("healthy_deadline", span(migrate.healthy_deadline)))
        .build()
}

fn periodic(periodic: &Periodic) -> Block {
    block("periodic", &[])
        .add_attribute(("enabled", periodic.enabled))
        .add_attribute((periodic.spec_type, text(&periodic.spec)))
        .add_attribute(("prohibit_overlap", periodic.prohibit_overlap))
        .add_attribute(("time_zone", text(&periodic.time_zone)))
        .build()
}

fn parameterized(parameterized: &Parameterized) -> Block {
    block("parameterized", &[])
        .add_attribute(("payload", text(parameterized.payload)))
        .optional("meta_required", texts(&parameterized.meta_required))
        .optional("meta_optional", texts(&parameterized.meta_optional))
        .build()
}

fn group(group: &TaskGroup) -> Block {
    block("group", &[&group.name])
        .optional("count", group.count.map(Expression::from))
        .blocks(group.volumes.values().map(volume))
        .blocks(group.networks.iter().map(network))
        .blocks(group.services.iter().map(service))
        .blocks(group.restart_policy.iter().map(restart))
        .blocks(group.tasks.iter().map(task))
        .build()
}

fn volume(volume: &VolumeRequest) -> Block {
    block("volume", &[&volume.name])
        .add_attribute(("type", text(volume.volume_type)))
        .add_attribute(("source", text(&volume.source)))
        .add_attribute(("read_only", volume.read_only))
        .add_attribute(("access_mode", text(volume.access_mode)))
        .add_attribute(("attachment_mode", text(volume.attachment_mode)))
        .add_attribute(("per_alloc", volume.per_alloc))
        .build()
}

fn network(network: &Network) -> Block {
    let ports = network.dynamic_ports.iter().map(|port| {
        block("port", &[&port.label])
            .add_attribute(("to", port.to))
            .build()
    });
    block("network", &[]).blocks(ports).build()
}

fn service(service: &Service) -> Block {
    block("service", &[])
        .add_attribute(("name", text(&service.name)))
        .add_attribute(("provider", text(service.provider)))
        .add_attribute(("port", text(&service.port_label)))
        .optional("tags", texts(&service.tags))
        .optional("canary_tags", texts(&service.canary_tags))
        .blocks(service.checks.iter().map(check))
        .build()
}

fn check(check: &Check) -> Block {
    block("check", &[])
        .add_attribute(("type", text(check.check_type)))
        .optional("path", check.path.as_deref().map(text))
        .add_attribute(("interval", span(check.interval)))
        .add_attribute(("timeout", span(check.timeout)))
        .add_attribute(("port", text(&check.port_label)))
        .build()
}

fn restart(policy: &RestartPolicy) -> Block {
    block("restart", &[])
        .add_attribute(("attempts", policy.attempts))
        .add_attribute(("interval", span(policy.interval)))
        .add_attribute(("delay", span(policy.delay)))
        .add_attribute(("mode", text(policy.mode)))
        .build()
}

fn task(task: &Task) -> Block {
    block("task", &[&task.name])
        .add_attribute(("driver", text(task.driver)))
        .optional("user", task.user.as_deref().map(text))
        .optional("env", map(&task.env))
        .add_block(config(&task.config))
        .blocks(task.vault.iter().map(vault))
        .blocks(task.templates.iter().map(template))
        .blocks(task.volume_mounts.iter().map(volume_mount))
        .add_block(resources(&task.resources))
        .build()
}

/// `auth` and `labels` as lists of maps, which is what blocks of that name become in the job.
fn config(config: &DockerConfig) -> Block {
    let auth = config
        .auth
        .iter()
        .map(|auth| object([("username", auth.username), ("password", auth.password)]));
    block("config", &[])
        .add_attribute(("image", text(&config.image)))
        .add_attribute(("image_pull_timeout", text(&config.image_pull_timeout)))
        .optional("auth", list(auth))
        .optional("entrypoint", texts(&config.entrypoint))
        .optional("command", config.command.as_deref().map(text))
        .optional("args", texts(&config.args))
        .optional("ports", texts(&config.ports))
        .optional("volumes", texts(&config.volumes))
        .optional("labels", list(config.labels.iter().filter_map(map)))
        .build()
}

fn vault(vault: &Vault) -> Block {
    block("vault", &[])
        .optional("policies", texts(&vault.policies))
        .optional("role", vault.role.as_deref().map(text))
        .add_attribute(("change_mode", text(vault.change_mode)))
        .add_attribute(("env", vault.env))
        .build()
}

fn template(template: &Template) -> Block {
    block("template", &[])
        .add_attribute(("data", text(&template.text)))
        .add_attribute(("destination", text(&template.destination)))
        .add_attribute(("change_mode", text(template.change_mode)))
        .optional("env", template.envvars.then(|| Expression::from(true)))
        .optional("perms", template.perms.map(text))
        .optional("uid", template.uid.map(Expression::from))
        .build()
}

fn volume_mount(mount: &VolumeMount) -> Block {
    block("volume_mount", &[])
        .add_attribute(("volume", text(&mount.volume)))
        .add_attribute(("destination", text(&mount.destination)))
        .add_attribute(("read_only", mount.read_only))
        .build()
}

fn resources(resources: &Resources) -> Block {
    let devices = resources.devices.iter().map(|device| {
        block("device", &[device.name])
            .add_attribute(("count", device.count))
            .build()
    });
    block("resources", &[])
        .add_attribute(("cpu", resources.cpu_mhz))
        .add_attribute(("memory", resources.memory_mb))
        .add_attribute(("memory_max", resources.memory_max_mb))
        .blocks(devices)
        .build()
}

fn block(name: &'static str, labels: &[&str]) -> BlockBuilder {
    labels
        .iter()
        .fold(Block::builder(name), |block, label| block.add_label(*label))
}

/// What the builder lacks for members that may be absent.
trait Optionally {
    fn optional(self, name: &'static str, value: Option<Expression>) -> Self;
    fn blocks(self, blocks: impl Iterator<Item = Block>) -> Self;
}

impl Optionally for BlockBuilder {
    fn optional(self, name: &'static str, value: Option<Expression>) -> Self {
        match value {
            Some(value) => self.add_attribute((name, value)),
            None => self,
        }
    }

    fn blocks(self, blocks: impl Iterator<Item = Block>) -> Self {
        self.add_blocks(blocks)
    }
}

/// A quoted text that is nothing but text.
///
/// hcl-rs can quote too, but leaves `$${` as it is once the text has another `${` in front, and the parser would take
/// one `$` away. Here every `${` and `%{` is doubled, which the parser undoes whatever stands before it.
pub(crate) fn text(text: &str) -> Expression {
    let mut quoted = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '$' | '%' if rest.peek() == Some(&'{') => quoted.extend([c, c]),
            c if c.is_control() => quoted.extend(["\\u", &hex4(c)]),
            c => quoted.push(c),
        }
    }
    Expression::from(TemplateExpr::QuotedString(quoted))
}

fn list(values: impl Iterator<Item = Expression>) -> Option<Expression> {
    let values: Vec<Expression> = values.collect();
    (!values.is_empty()).then_some(Expression::Array(values))
}

fn texts(values: &[String]) -> Option<Expression> {
    list(values.iter().map(|value| text(value)))
}

fn map(values: &BTreeMap<String, String>) -> Option<Expression> {
    let members = values
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()));
    (!values.is_empty()).then(|| object(members))
}

fn object<'a>(members: impl IntoIterator<Item = (&'a str, &'a str)>) -> Expression {
    let members: Object<ObjectKey, Expression> = members
        .into_iter()
        .map(|(key, value)| (ObjectKey::Expression(text(key)), text(value)))
        .collect();
    Expression::Object(members)
}

/// Nanoseconds as a duration in words, e.g. `1h30m`.
fn span(nanos: i64) -> Expression {
    let nanos = u64::try_from(nanos).expect("durations of a compiled job are not negative");
    text(&Span(Duration::from_nanos(nanos)).to_string())
}
