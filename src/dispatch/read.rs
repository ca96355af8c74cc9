//! How each part of the params is read from the wire: one line a field, its type by the method that reads it.

use super::lenient::Object;
use super::params::{
    Base, Build, ConfigFile, Consul, CsiVolume, HealthCheck, JobConfig, LinkedService, Network,
    Registry, Repository, TemplateStringVariable, Tls, Update, VaultLinkedSecret,
    VaultLinkedSecretPath,
};

impl Base {
    pub(super) fn read(o: &Object<'_>) -> Self {
        Self {
            job_id: o.text("jobId"),
            deployment_id: o.text("deploymentId"),
            service_id: o.text("serviceId"),
            team_id: o.text("teamId"),
            user_id: o.number("userId"),
            owner_id: o.flexible_text("ownerId"),
            deployment_job_id: o.number("deploymentJobId"),
            project_id: o.text("projectId"),
            image_name: o.text("imageName"),
            image_tag: o.text("imageTag"),
            deploy: o.text("deploy"),
            replica_count: o.number("replicaCount"),
            nomad_address: o.text("nomadAddress"),
            nomad_token: o.secret("nomadToken"),
            node_pool: o.text("node_pool"),
            vault_address: o.text("vaultAddress"),
            role_id: o.secret("roleId"),
            secret_id: o.secret("secretId"),
            secrets_path: o.text("secretsPath"),
            shared_secret_path: o.text("sharedSecretPath"),
            uses_kv_engine: o.flag("usesKvEngine"),
            owner_uses_kv_engine: o.flag("ownerUsesKvEngine"),
            vault_linked_secret_paths: each(o, "vaultLinkedSecretPaths", |o| {
                VaultLinkedSecretPath {
                    prefix: o.text("prefix"),
                    secret_path: o.text("secretPath"),
                }
            }),
            vault_linked_secrets: each(o, "vaultLinkedSecrets", |o| VaultLinkedSecret {
                secret: o.text("secret"),
                template: o.secret("template"),
            }),
            registry: Registry::read(&o.object("registry")),
            private_registry: o.text("privateRegistry"),
            private_registry_provider: o.text("privateRegistryProvider"),
            cpu: o.number("cpu"),
            ram: o.number("ram"),
            gpu: o.number("gpu"),
            gpu_model: o.text("gpu_model"),
            networks: each(o, "networks", Network::read),
            consul: Consul::read(&o.object("consul")),
            csi_volume: each(o, "csiVolume", |o| CsiVolume {
                id: o.text("id"),
                mount_paths: o.texts("mountPaths"),
            }),
            restart_mode: o.text("restartMode"),
            restart_attempts: o.integer("restartAttempts"),
            job_config: o.optional_object("jobConfig").map(|o| JobConfig::read(&o)),
            command: o.text("command"),
            entrypoint: o.texts("entrypoint"),
            docker_user: o.text("docker_user"),
            deployment_count: o.integer("deploymentCount"),
            update: o.optional_object("update").map(|o| Update::read(&o)),
            template_string_variables: each(
                o,
                "templateStringVariables",
                TemplateStringVariable::read,
            ),
            config_files: each(o, "configFiles", |o| ConfigFile {
                path: o.text("path"),
                content: o.secret("content"),
            }),
            regions: o.text("regions"),
            tls: o.optional_object("tls").map(|o| Tls::read(&o)),
            cloud_region: o.text("cloudRegion"),
            cloud_provider: o.text("cloudProvider"),
            cluster_domain: o.text("clusterDomain"),
            cluster_tcp_domain: o.text("clusterTcpDomain"),
            backend_url: o.text("backendUrl"),
            access_token: o.secret("accessToken"),
        }
    }
}

fn each<T>(o: &Object<'_>, key: &str, read: impl Fn(&Object<'_>) -> T) -> Vec<T> {
    o.objects(key).iter().map(read).collect()
}

impl Registry {
    pub(super) fn read(o: &Object<'_>) -> Self {
        Self {
            pack: o.text("pack"),
            registry_name: o.text("registryName"),
            registry_ref: o.text("registryRef"),
            registry_source: o.secret("registrySource"),
            registry_target: o.text("registryTarget"),
            registry_token: o.secret("registryToken"),
            use_embedded: o.flag("useEmbedded"),
        }
    }
}

impl Network {
    pub(super) fn read(o: &Object<'_>) -> Self {
        let check = o.object("health_check");
        Self {
            port_number: o.number("portNumber"),
            port_type: o.text("portType"),
            public: o.flag("public"),
            domain: o.text("domain"),
            custom_domain: o.text("custom_domain"),
            has_health_check: o.text("has_health_check"),
            health_check: HealthCheck {
                check_type: check.text("type"),
                path: check.text("path"),
                interval: check.text("interval"),
                timeout: check.text("timeout"),
                port: check.number("port"),
            },
        }
    }
}

impl Consul {
    pub(super) fn read(o: &Object<'_>) -> Self {
        Self {
            service_name: o.text("serviceName"),
            tags: o.texts("tags"),
            service_port: o.number("servicePort"),
            linked_services: each(o, "linkedServices", |o| LinkedService {
                variable_name: o.text("variableName"),
                consul_service_name: o.text("consulServiceName"),
            }),
        }
    }
}

impl JobConfig {
    pub(super) fn read(o: &Object<'_>) -> Self {
        Self {
            job_type: o.text("type"),
            cron: o.text("cron"),
            prohibit_overlap: o.flag("prohibit_overlap"),
            payload: o.text("payload"),
            meta_required: o.texts("meta_required"),
        }
    }
}

impl Update {
    pub(super) fn read(o: &Object<'_>) -> Self {
        Self {
            min_healthy_time: o.text("minHealthyTime"),
            healthy_deadline: o.text("healthyDeadline"),
            progress_deadline: o.text("progressDeadline"),
            auto_revert: o.flag("autoRevert"),
            auto_promote: o.flag("autoPromote"),
            max_parallel: o.number("maxParallel"),
            canary: o.number("canary"),
        }
    }
}

impl TemplateStringVariable {
    pub(super) fn read(o: &Object<'_>) -> Self {
        Self {
            name: o.text("name"),
            pattern: o.text("pattern"),
            service_name: o.text("serviceName"),
            service_secret_path: o.text("serviceSecretPath"),
            linked_vars: o.texts("linkedVars"),
        }
    }
}

impl Tls {
    pub(super) fn read(o: &Object<'_>) -> Self {
        Self {
            cert_path: o.text("cert_path"),
            key_path: o.text("key_path"),
            common_name: o.text("common_name"),
            pka_path: o.text("pka_path"),
            ttl: o.text("ttl"),
        }
    }
}

impl Repository {
    pub(super) fn read(o: &Object<'_>) -> Self {
        Self {
            repository: o.text("repository"),
            branch: o.text("branch"),
            git_pass: o.secret("gitPass"),
            provider: o.text("provider"),
            source_type: o.text("sourceType"),
            source_url: o.secret("sourceUrl"),
            source_sha256: o.text("sourceSha256"),
            upload_id: o.text("uploadId"),
        }
    }
}

impl Build {
    pub(super) fn read(o: &Object<'_>) -> Self {
        Self {
            builder: o.text("builder"),
            dockerfile_path: o.text("dockerfilePath"),
            build_command: o.text("buildCommand"),
            start_command: o.text("startCommand"),
            root_directory: o.text("rootDirectory"),
            build_args: o.text_map("buildArgs"),
            static_build_env: o.text_map("staticBuildEnv"),
            disable_push: o.flag("disablePush"),
            private_registry: o.flag("privateRegistry"),
            registry_url: o.text("registryUrl"),
            registry_namespace: o.text("registryNamespace"),
            registry_username: o.secret("registryUsername"),
            registry_password: o.secret("registryPassword"),
        }
    }
}
