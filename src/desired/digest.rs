//! A fingerprint of validated intent: same digest, same job.
//!
//! SHA-256 over every field of [`Desired`], each written with its name and, for texts and lists, its length, so that no
//! two different workloads are written alike. Absent values (`None`, empty lists and maps) are not written at all: a
//! field that a later version adds leaves the digests of workloads that do not use it as they are.
//!
//! Secrets are part of what is hashed, so a rotated one rolls the job. A digest shows nothing of them, but who knows
//! everything else could try short ones: it belongs where the job itself belongs, not into public logs.

use std::collections::BTreeMap;
use std::fmt;

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::*;
use crate::secret::Secret;

/// SHA-256 over a desired workload, in hex.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Digest(pub String);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Desired {
    /// Hash over everything that is wanted: same digest, same job. Costs half as much as the validation before it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut sink = Sha256::new();
        sink.update(b"cs desired 1");
        self.feed(&mut sink);
        Digest(format!("{:x}", sink.finalize()))
    }
}

/// Something that can be written without ambiguity.
trait Feed {
    fn feed(&self, sink: &mut Sha256);

    fn is_absent(&self) -> bool {
        false
    }
}

fn member(sink: &mut Sha256, name: &str, value: &impl Feed) {
    if !value.is_absent() {
        name.feed(sink);
        value.feed(sink);
    }
}

impl Feed for [u8] {
    fn feed(&self, sink: &mut Sha256) {
        sink.update((self.len() as u64).to_be_bytes());
        sink.update(self);
    }
}

impl Feed for str {
    fn feed(&self, sink: &mut Sha256) {
        self.as_bytes().feed(sink);
    }
}

impl Feed for String {
    fn feed(&self, sink: &mut Sha256) {
        self.as_str().feed(sink);
    }
}

impl Feed for Secret {
    fn feed(&self, sink: &mut Sha256) {
        self.expose().feed(sink);
    }
}

impl<T: Feed> Feed for Option<T> {
    fn feed(&self, sink: &mut Sha256) {
        if let Some(value) = self {
            value.feed(sink);
        }
    }

    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

impl<T: Feed> Feed for Vec<T> {
    fn feed(&self, sink: &mut Sha256) {
        sink.update((self.len() as u64).to_be_bytes());
        for value in self {
            value.feed(sink);
        }
    }

    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

impl<T: Feed> Feed for BTreeMap<String, T> {
    fn feed(&self, sink: &mut Sha256) {
        sink.update((self.len() as u64).to_be_bytes());
        for (key, value) in self {
            key.feed(sink);
            value.feed(sink);
        }
    }

    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

/// A file's bytes, written at once. Empty content is content, so it is never absent.
struct Bytes<'a>(&'a [u8]);

impl Feed for Bytes<'_> {
    fn feed(&self, sink: &mut Sha256) {
        self.0.feed(sink);
    }
}

macro_rules! numbers {
    ($($type:ty),*) => {$(
        impl Feed for $type {
            fn feed(&self, sink: &mut Sha256) {
                sink.update(u64::from(*self).to_be_bytes());
            }
        }
    )*};
}

numbers!(u16, u32, bool);

impl Feed for Span {
    fn feed(&self, sink: &mut Sha256) {
        sink.update(self.0.as_nanos().to_be_bytes());
    }
}

impl Feed for Uuid {
    fn feed(&self, sink: &mut Sha256) {
        sink.update(self.as_bytes());
    }
}

macro_rules! ids {
    ($($type:ty),*) => {$(
        impl Feed for $type {
            fn feed(&self, sink: &mut Sha256) {
                self.as_str().feed(sink);
            }
        }
    )*};
}

ids!(JobId, Namespace, OwnerId, DeploymentId);

/// Enums are written by words of their own here, so that renaming a variant in code changes nothing.
macro_rules! words {
    ($($type:ident { $($variant:ident = $word:literal),* $(,)? })*) => {$(
        impl Feed for $type {
            fn feed(&self, sink: &mut Sha256) {
                match self {
                    $(Self::$variant => $word,)*
                }
                .feed(sink);
            }
        }
    )*};
}

words! {
    JobType { Service = "service", Batch = "batch", System = "system", Sysbatch = "sysbatch" }
    ServiceProvider { Consul = "consul", Nomad = "nomad" }
    PortProtocol { Http = "http", Tcp = "tcp", Grpc = "grpc", None = "none" }
    CheckType { Http = "http", Tcp = "tcp", Grpc = "grpc" }
    Payload { Optional = "optional", Required = "required", Forbidden = "forbidden" }
    ChangeMode { Noop = "noop", Restart = "restart" }
    LinkValue { Address = "address", Host = "host", Port = "port" }
    RestartMode { Delay = "delay", Fail = "fail" }
    SecretOrigin { Vault = "vault", Variable = "variable" }
}

impl Feed for DesiredEnv {
    fn feed(&self, sink: &mut Sha256) {
        // The same text in the job, whether it was written down or looked up.
        match self {
            Self::Text(text) => text.feed(sink),
            Self::Secret(secret) => secret.feed(sink),
        }
    }
}

impl Feed for DesiredFile {
    fn feed(&self, sink: &mut Sha256) {
        let Self { path, content } = self;
        member(sink, "path", path);
        member(sink, "content", &Bytes(content));
    }
}

/// Writes every field by its name. The pattern names all of them: a new field does not compile until it is here.
macro_rules! structs {
    ($($type:ident { $($field:ident),* $(,)? })*) => {$(
        impl Feed for $type {
            fn feed(&self, sink: &mut Sha256) {
                let Self { $($field,)* } = self;
                $(member(sink, stringify!($field), $field);)*
                // Closes the struct: what follows it is no member of it.
                sink.update([0xff; 8]);
            }
        }
    )*};
}

structs! {
    Desired {
        id, namespace, region, owner, job_type, replicas, schedule, parameterized, node_pool, node_classes, datacenters,
        service_name, service_provider, cluster_domain, ports, task_name, image, image_pull_timeout, pull_authenticate,
        pull_vault_path, user, command, entrypoint, args, labels, env, rendered_env, cpu_mhz, memory_mb, memory_max_mb,
        gpu_count, vault, links, connections, certificates, files, volumes, rollout, restart, deployment, run_uuid,
        pack_meta,
    }
    DesiredSchedule { cron, time_zone, prohibit_overlap }
    DesiredParameterized { payload, meta_required, meta_optional }
    DesiredPort { number, protocol, public, domain, custom_domain, check }
    DesiredCheck { check_type, path, interval, timeout, port }
    RenderedEnv { variable, origin, path, key }
    DesiredVault { policies, role, env }
    VaultEnvFile { path, destination, change_mode }
    DesiredLink { variable, service, value }
    DesiredConnection { variable, pattern, service, secret_path, keys }
    DesiredCertificate { pki_path, common_name, ttl, cert_path, key_path }
    DesiredVolume { id, mounts }
    DesiredRollout {
        canary, auto_promote, auto_revert, min_healthy_time, healthy_deadline, progress_deadline, max_parallel,
    }
    DesiredRestart { attempts, interval, delay, mode }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::desired::{Options, validate};
    use crate::spec::parse;

    /// One of everything, so that every field has something to change.
    fn full() -> Desired {
        let text = r##"{"apiVersion": "cloudstation.io/v1", "kind": "Workload", "metadata": {"name": "a"}, "spec": {
            "type": "batch", "source": {"image": "nginx"}, "ports": [{"port": 80}, {"port": 81, "protocol": "tcp"}],
            "env": {"A": "1", "B": "2", "V": {"fromVault": "p#k"}}, "secrets": {"vault": {"env": ["x", "y"], "policies": ["p"]}},
            "links": [{"variable": "L", "service": "s"}],
            "connections": [{"variable": "C", "pattern": "p", "service": "s", "secretPath": "x", "keys": ["K"]}],
            "certificates": [{"pkiPath": "p", "commonName": "c", "ttl": "1h", "certPath": "c", "keyPath": "k"}],
            "files": [{"path": "f", "content": "x"}], "volumes": [{"csi": "v"}], "container": {"args": ["a", "b"]},
            "schedule": {"cron": "@daily"}, "parameterized": {"metaRequired": ["m"]}}}"##;
        let document = parse("full", text).unwrap().remove(0);
        validate(
            document.workload().unwrap(),
            &Options::new("o".parse().unwrap()),
        )
        .unwrap()
    }

    type Change = fn(&mut Desired);

    /// At least one change for every field of every struct.
    fn changes() -> Vec<Change> {
        vec![
            |d| d.id = "b".parse().unwrap(),
            |d| d.namespace = "n".parse().ok(),
            |d| d.region = Some("r".to_owned()),
            |d| d.owner = "p".parse().unwrap(),
            |d| d.job_type = JobType::Sysbatch,
            |d| d.replicas = 0,
            |d| d.schedule = None,
            |d| d.schedule.as_mut().unwrap().cron.push(' '),
            |d| d.schedule.as_mut().unwrap().time_zone.clear(),
            |d| d.schedule.as_mut().unwrap().prohibit_overlap = false,
            |d| d.parameterized = None,
            |d| d.parameterized.as_mut().unwrap().payload = Payload::Forbidden,
            |d| d.parameterized.as_mut().unwrap().meta_required.clear(),
            |d| {
                d.parameterized
                    .as_mut()
                    .unwrap()
                    .meta_optional
                    .push("m".to_owned())
            },
            |d| d.node_pool = Some("p".to_owned()),
            |d| d.node_classes.push("c".to_owned()),
            |d| d.datacenters.push("c".to_owned()),
            |d| d.service_name.push('x'),
            |d| d.service_provider = ServiceProvider::Nomad,
            |d| d.cluster_domain.push('x'),
            |d| d.ports.reverse(),
            |d| d.ports[0].number = 82,
            |d| d.ports[0].protocol = PortProtocol::Grpc,
            |d| d.ports[0].public = true,
            |d| d.ports[0].domain = Some("d".to_owned()),
            |d| d.ports[0].custom_domain = Some("d".to_owned()),
            |d| d.ports[0].check.check_type = CheckType::Tcp,
            |d| d.ports[0].check.path = None,
            |d| d.ports[0].check.interval = Span::seconds(31),
            |d| d.ports[0].check.timeout = Span::seconds(31),
            |d| d.ports[0].check.port = 81,
            |d| d.task_name.push('x'),
            |d| d.image.push('x'),
            |d| d.image_pull_timeout = Span::seconds(1),
            |d| d.pull_authenticate = true,
            |d| d.pull_vault_path = Some("p".to_owned()),
            |d| d.user = Some("0".to_owned()),
            |d| d.command = Some("c".to_owned()),
            |d| d.entrypoint.push("a".to_owned()),
            |d| d.args = vec!["ab".to_owned()],
            |d| d.args.reverse(),
            |d| drop(d.labels.insert("x".to_owned(), "y".to_owned())),
            |d| {
                drop(
                    d.env
                        .insert("A".to_owned(), DesiredEnv::Text("12".to_owned())),
                )
            },
            |d| {
                drop(
                    d.env
                        .insert("A".to_owned(), DesiredEnv::Secret(Secret::new("s"))),
                )
            },
            |d| {
                drop(
                    d.env
                        .insert("A".to_owned(), DesiredEnv::Secret(Secret::new("t"))),
                )
            },
            |d| drop(d.env.remove("A")),
            |d| d.rendered_env.clear(),
            |d| d.rendered_env[0].variable.push('x'),
            |d| d.rendered_env[0].origin = SecretOrigin::Variable,
            |d| d.rendered_env[0].path.push('x'),
            |d| d.rendered_env[0].key.push('x'),
            |d| d.cpu_mhz += 1,
            |d| d.memory_mb += 1,
            |d| d.memory_max_mb += 1,
            |d| d.gpu_count += 1,
            |d| d.vault = None,
            |d| d.vault.as_mut().unwrap().policies.clear(),
            |d| d.vault.as_mut().unwrap().role = Some("r".to_owned()),
            |d| d.vault.as_mut().unwrap().env.reverse(),
            |d| d.vault.as_mut().unwrap().env[0].path.push('x'),
            |d| d.vault.as_mut().unwrap().env[0].destination.push('x'),
            |d| d.vault.as_mut().unwrap().env[0].change_mode = ChangeMode::Restart,
            |d| d.links[0].variable.push('x'),
            |d| d.links[0].service.push('x'),
            |d| d.links[0].value = LinkValue::Port,
            |d| d.connections[0].variable.push('x'),
            |d| d.connections[0].pattern.push('x'),
            |d| d.connections[0].service.push('x'),
            |d| d.connections[0].secret_path.push('x'),
            |d| d.connections[0].keys.clear(),
            |d| d.certificates[0].pki_path.push('x'),
            |d| d.certificates[0].common_name.push('x'),
            |d| d.certificates[0].ttl.push('x'),
            |d| d.certificates[0].cert_path.push('x'),
            |d| d.certificates[0].key_path.push('x'),
            |d| d.files[0].path.push('x'),
            |d| d.files[0].content.clear(),
            |d| d.volumes[0].id.push('x'),
            |d| d.volumes[0].mounts.clear(),
            |d| d.rollout.canary = 5,
            |d| d.rollout.auto_promote = true,
            |d| d.rollout.auto_revert = false,
            |d| d.rollout.min_healthy_time = Span::seconds(1),
            |d| d.rollout.healthy_deadline = Span::seconds(1),
            |d| d.rollout.progress_deadline = Span::seconds(1),
            |d| d.rollout.max_parallel = 5,
            |d| d.restart = None,
            |d| d.restart.as_mut().unwrap().attempts = 1,
            |d| d.restart.as_mut().unwrap().interval = Span::seconds(1),
            |d| d.restart.as_mut().unwrap().delay = Span::seconds(1),
            |d| d.restart.as_mut().unwrap().mode = RestartMode::Fail,
            |d| d.deployment = "d".parse().ok(),
            |d| d.run_uuid = Some(Uuid::nil()),
            |d| d.pack_meta = true,
        ]
    }

    #[test]
    fn any_change_of_any_field_gives_another_digest() {
        let original = full();
        let mut digests = BTreeSet::from([original.digest().0]);
        for (index, change) in changes().into_iter().enumerate() {
            let mut changed = original.clone();
            change(&mut changed);
            assert_ne!(changed, original, "change {index} changes nothing");
            assert!(digests.insert(changed.digest().0), "change {index}");
        }
    }

    #[test]
    fn a_digest_is_64_hex_digits() {
        let first = full().digest();
        assert!(first.0.len() == 64 && first.0.bytes().all(|b| b.is_ascii_hexdigit()));
    }

    /// Texts that are easily confused when they are written one after the other.
    fn texts() -> impl Strategy<Value = Vec<String>> {
        prop::collection::vec("[ab]{0,2}", 0..4)
    }

    fn with(original: &Desired, [args, entrypoint, classes, env]: &[Vec<String>; 4]) -> Desired {
        Desired {
            args: args.clone(),
            entrypoint: entrypoint.clone(),
            node_classes: classes.clone(),
            env: env
                .iter()
                .map(|text| (text.clone(), DesiredEnv::Text(text.repeat(2))))
                .collect(),
            ..original.clone()
        }
    }

    proptest! {
        #[test]
        fn digests_are_equal_exactly_when_workloads_are(
            left in [texts(), texts(), texts(), texts()],
            right in [texts(), texts(), texts(), texts()],
        ) {
            let original = full();
            let (left, right) = (with(&original, &left), with(&original, &right));
            prop_assert_eq!(left == right, left.digest() == right.digest());
            prop_assert_eq!(left.digest(), left.clone().digest());
        }
    }
}
