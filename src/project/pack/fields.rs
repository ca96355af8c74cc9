//! The variables of the pack, what they are called in params, and which fields of a workload they become. Source: contract
//! 7.3.

/// A variable of the pack, or a member of one.
pub(super) struct Field {
    pub(super) key: &'static str,
    /// Its place in the params, below that of what it is in.
    pub(super) param: &'static str,
    /// Its place in the workload, likewise.
    pub(super) workload: &'static str,
    pub(super) sort: Sort,
}

/// What a variable holds.
pub(super) enum Sort {
    Text,
    Number,
    Flag,
    Texts,
    /// Known, and without effect: the replaced program made nothing of it either.
    Unused,
    Map(&'static [Field]),
    List(&'static [Field]),
}

const fn field(
    key: &'static str,
    param: &'static str,
    workload: &'static str,
    sort: Sort,
) -> Field {
    Field {
        key,
        param,
        workload,
        sort,
    }
}

use Sort::{Flag, List, Map as Members, Number, Text, Texts, Unused};

/// All variables of the pack.
pub(super) const FIELDS: &[Field] = &[
    field("alloc_id", "deploymentId", "platform.deploymentId", Text),
    field(
        "args",
        "build.startCommand",
        "container.startCommand",
        Texts,
    ),
    field(
        "cluster_domain",
        "clusterDomain",
        "service.clusterDomain",
        Text,
    ),
    field("command", "command", "container.command", Text),
    field("config_files", "configFiles", "files", List(CONFIG_FILE)),
    field(
        "consul_linked_services",
        "consul.linkedServices",
        "links",
        List(LINK),
    ),
    field(
        "consul_service_name",
        "consul.serviceName",
        "service.name",
        Text,
    ),
    field("count", "replicaCount", "replicas", Number),
    field("entrypoint", "entrypoint", "container.entrypoint", Texts),
    field("gpu_type", "gpu_model", "resources.gpu.model", Text),
    field("image", "imageName", "source.image", Text),
    field("job_config", "jobConfig", "", Members(JOB_CONFIG)),
    field("job_name", "jobId", "", Text),
    field("network", "networks", "ports", List(NETWORK)),
    field("node_pool", "node_pool", "placement.nodePool", Text),
    field("owner_uses_kv_engine", "", "", Unused),
    field("private_registry", "privateRegistry", "pull", Text),
    field(
        "private_registry_provider",
        "privateRegistryProvider",
        "pull.vaultPath",
        Text,
    ),
    field("project_id", "projectId", "platform.projectId", Text),
    field("regions", "regions", "placement.nodeClasses", Text),
    field("resources", "", "resources", Members(RESOURCES)),
    field(
        "restart_attempts",
        "restartAttempts",
        "restart.attempts",
        Number,
    ),
    field("restart_mode", "restartMode", "restart.mode", Text),
    field("secret_path", "secretsPath", "", Text),
    field("service_id", "serviceId", "platform.serviceId", Text),
    field(
        "shared_secret_path",
        "sharedSecretPath",
        "secrets.vault.env",
        Text,
    ),
    field(
        "template",
        "templateStringVariables",
        "connections",
        List(TEMPLATE),
    ),
    field("tls", "tls", "certificates", List(TLS)),
    field("update", "update", "rollout", Members(UPDATE)),
    field("use_csi_volume", "use_csi_volume", "volumes", Flag),
    field("use_tls", "use_tls", "certificates", Flag),
    field("user", "docker_user", "container.user", Text),
    field("user_id", "ownerId", "platform.ownerId", Text),
    field("uses_kv_engine", "", "", Unused),
    field(
        "vault_linked_secrets",
        "vaultLinkedSecrets",
        "container.exports",
        List(EXPORT),
    ),
    field(
        "volume_mount_destination",
        "volume_mounts",
        "volumes[0].mounts",
        Texts,
    ),
    field("volume_name", "volume_name", "volumes[0].csi", Text),
];

const RESOURCES: &[Field] = &[
    field("cpu", "cpu", "cpu", Number),
    field("gpu", "gpu", "gpu.count", Number),
    field("memory", "ram", "memory", Number),
    field("memory_max", "memory_max", "memoryMax", Number),
];

const CONFIG_FILE: &[Field] = &[
    field("content", "content", "contentBase64", Text),
    field("path", "path", "path", Text),
];

const LINK: &[Field] = &[
    field("key", "variableName", "variable", Text),
    field("value", "consulServiceName", "service", Text),
];

const NETWORK: &[Field] = &[
    field("custom_domain", "custom_domain", "customDomain", Text),
    field("domain", "domain", "domain", Text),
    field("has_health_check", "has_health_check", "", Text),
    field("health_check", "health_check", "check", Members(CHECK)),
    field("name", "", "", Unused),
    field("port", "portNumber", "port", Number),
    field("public", "public", "public", Flag),
    field("type", "portType", "protocol", Text),
];

const CHECK: &[Field] = &[
    field("interval", "interval", "interval", Text),
    field("path", "path", "path", Text),
    field("port", "port", "port", Number),
    field("timeout", "timeout", "timeout", Text),
    field("type", "type", "type", Text),
];

const TEMPLATE: &[Field] = &[
    field("linked_vars", "linkedVars", "keys", Texts),
    field("name", "name", "variable", Text),
    field("pattern", "pattern", "pattern", Text),
    field("service_name", "serviceName", "service", Text),
    field(
        "service_secret_path",
        "serviceSecretPath",
        "secretPath",
        Text,
    ),
];

const TLS: &[Field] = &[
    field("cert_path", "cert_path", "certPath", Text),
    field("common_name", "common_name", "commonName", Text),
    field("key_path", "key_path", "keyPath", Text),
    field("pka_path", "pka_path", "pkiPath", Text),
    field("ttl", "ttl", "ttl", Text),
];

const UPDATE: &[Field] = &[
    field("auto_promote", "autoPromote", "autoPromote", Flag),
    field("auto_revert", "autoRevert", "autoRevert", Flag),
    field("canary", "canary", "canary", Number),
    field(
        "healthy_deadline",
        "healthyDeadline",
        "healthyDeadline",
        Text,
    ),
    field("max_parallel", "maxParallel", "maxParallel", Number),
    field("min_healthy_time", "minHealthyTime", "minHealthyTime", Text),
    field(
        "progress_deadline",
        "progressDeadline",
        "progressDeadline",
        Text,
    ),
];

const JOB_CONFIG: &[Field] = &[
    field("cron", "cron", "schedule.cron", Text),
    field(
        "meta_required",
        "meta_required",
        "parameterized.metaRequired",
        Texts,
    ),
    field("payload", "payload", "parameterized.payload", Text),
    field(
        "prohibit_overlap",
        "prohibit_overlap",
        "schedule.prohibitOverlap",
        Flag,
    ),
    field("type", "type", "type", Text),
];

const EXPORT: &[Field] = &[
    field("secret", "secret", "name", Text),
    field("template", "template", "value", Text),
];
