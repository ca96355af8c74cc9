//! The golden cases, and the same workloads as validated intent written by hand.

use std::collections::BTreeMap;
use std::path::PathBuf;

use cs::compile::compile;
use cs::desired::{
    Desired, DesiredCheck, DesiredConnection, DesiredFile, DesiredLink, DesiredPort,
    DesiredRestart, DesiredRollout, DesiredSchedule, DesiredVault, DesiredVolume, VaultEnvFile,
};
use cs::spec::Span;
use cs::spec::workload::{
    ChangeMode, CheckType, JobType, LinkValue, PortProtocol, RestartMode, ServiceProvider,
};
use serde_json::Value;

use super::equal::differences;

pub(crate) const CASES: [&str; 15] = [
    "batch-periodic",
    "config-files",
    "entrypoint",
    "gpu-model",
    "health-checks",
    "image-minimal",
    "image-typical",
    "linked-services-and-templates",
    "ports-many",
    "private-registry",
    "start-command-quotes",
    "start-command-with-secrets",
    "string-numbers",
    "update-block",
    "volume",
];

/// A JSON file of a case; `None` when the case has no such file.
pub(crate) fn read(case: &str, file: &str) -> Option<Value> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden");
    let text = std::fs::read_to_string(root.join(case).join(file)).ok()?;
    Some(serde_json::from_str(&text).expect("fixtures are JSON"))
}

/// The job that a case must give: the captured one, or the wanted one where the capture is wrong.
pub(super) fn want(name: &str) -> Value {
    let file = if case(name)["verdict"] == "same" {
        "job.json"
    } else {
        "want.json"
    };
    read(name, file).unwrap_or_else(|| panic!("{name} has no {file}"))
}

const PROJECT: &str = "prj_8f6f2f6e-51c1-4a53-a1cb-90d4a7f0a111";
const TEAM: &str = "team_9e0c8754-de83-4fee-937b-380ade396b1c";

pub(crate) fn case(name: &str) -> Value {
    read(name, "case.json").expect("every case has a case.json")
}

/// A workload as the platform sends them, with the number of its case in its ids.
fn platform(id: &str, number: u32, image: &str, ports: Vec<DesiredPort>) -> Desired {
    let service = format!("img_{number:04}6f0e-2b11-4c9a-8e55-aa0b1c2d3e4f");
    let deployment = format!("adeployment_{number:04}4c1e-7d0a-4b52-9f43-1f2a3b4c5d6e");
    build(
        Ids {
            id,
            service: &service,
            deployment: &deployment,
            project: PROJECT,
            owner: TEAM,
        },
        image,
        ports,
    )
}

struct Ids<'a> {
    id: &'a str,
    service: &'a str,
    deployment: &'a str,
    project: &'a str,
    owner: &'a str,
}

fn build(ids: Ids<'_>, image: &str, ports: Vec<DesiredPort>) -> Desired {
    let labels = [
        ("job", ids.id),
        ("group", ids.id),
        ("task", ids.id),
        ("alloc_id", "${NOMAD_ALLOC_ID}"),
        ("user_id", ids.owner),
        ("project_id", ids.project),
        ("service_id", ids.service),
    ];
    let labels = labels.into_iter().filter(|(_, value)| !value.is_empty());
    Desired {
        id: ids.id.parse().unwrap(),
        namespace: None,
        region: None,
        owner: "dispatch".parse().unwrap(),
        job_type: JobType::Service,
        replicas: 1,
        schedule: None,
        parameterized: None,
        node_pool: Some("minions".to_owned()),
        node_classes: vec![],
        datacenters: vec![],
        service_name: ids.id.to_owned(),
        service_provider: ServiceProvider::Consul,
        cluster_domain: "cloud-station.app".to_owned(),
        ports,
        task_name: ids.deployment.to_owned(),
        image: image.to_owned(),
        image_pull_timeout: Span::minutes(30),
        pull_authenticate: false,
        pull_vault_path: Some("/acr/data/registry".to_owned()),
        user: Some("0".to_owned()),
        command: None,
        entrypoint: vec![],
        args: vec![],
        labels: labels.map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
        env: BTreeMap::new(),
        rendered_env: vec![],
        cpu_mhz: 200,
        memory_mb: 512,
        memory_max_mb: 1024,
        gpu_count: 0,
        vault: Some(DesiredVault {
            policies: vec![ids.project.to_owned(), "acr".to_owned()],
            role: None,
            env: vec![secrets(ids.project, ids.service, "secrets/file.env")],
        }),
        links: vec![],
        connections: vec![],
        certificates: vec![],
        files: vec![],
        volumes: vec![],
        rollout: DesiredRollout {
            canary: 1,
            auto_promote: true,
            auto_revert: true,
            min_healthy_time: Span::seconds(15),
            healthy_deadline: Span::minutes(40),
            progress_deadline: Span::minutes(60),
            max_parallel: 1,
        },
        restart: Some(DesiredRestart {
            attempts: 5,
            interval: Span::minutes(3),
            delay: Span::seconds(15),
            mode: RestartMode::Delay,
        }),
        deployment: ids.deployment.parse().ok(),
        run_uuid: Some("6b1e4a8e-64a5-5e0b-b8d0-3f0f4f9f2a11".parse().unwrap()),
        pack_meta: true,
    }
}

/// Any workload, for tests about one member of it.
pub(super) fn any() -> Desired {
    platform("cst-any-a1b2c3d4", 99, "nginx:1.27", vec![http(8080)])
}

fn secrets(project: &str, name: &str, destination: &str) -> VaultEnvFile {
    VaultEnvFile {
        path: format!("/kv/data/{project}/{name}"),
        destination: destination.to_owned(),
        change_mode: ChangeMode::Noop,
    }
}

fn port(number: u16, protocol: PortProtocol, check_type: CheckType) -> DesiredPort {
    DesiredPort {
        number,
        protocol,
        public: false,
        domain: None,
        custom_domain: None,
        check: DesiredCheck {
            check_type,
            path: (check_type == CheckType::Http).then(|| "/".to_owned()),
            interval: Span::seconds(30),
            timeout: Span::seconds(30),
            port: number,
        },
    }
}

pub(super) fn http(number: u16) -> DesiredPort {
    port(number, PortProtocol::Http, CheckType::Http)
}

fn tcp(number: u16) -> DesiredPort {
    port(number, PortProtocol::Tcp, CheckType::Tcp)
}

fn checked(
    mut port: DesiredPort,
    path: &str,
    interval: u64,
    timeout: u64,
    asked: u16,
) -> DesiredPort {
    if port.check.check_type == CheckType::Http {
        port.check.path = Some(path.to_owned());
    }
    port.check.interval = Span::seconds(interval);
    port.check.timeout = Span::seconds(timeout);
    port.check.port = asked;
    port
}

fn public(mut port: DesiredPort, domain: &str, custom: &str) -> DesiredPort {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    port.public = true;
    port.domain = text(domain);
    port.custom_domain = text(custom);
    port
}

fn shell(line: &str) -> (Vec<String>, Vec<String>) {
    (
        vec!["/bin/sh".to_owned(), "-c".to_owned()],
        vec![line.to_owned()],
    )
}

fn volume(desired: &mut Desired, id: &str, mounts: &[&str]) {
    desired.volumes = vec![DesiredVolume {
        id: id.to_owned(),
        mounts: mounts.iter().map(|&mount| mount.to_owned()).collect(),
    }];
    desired.rollout.canary = 0;
    desired.rollout.auto_promote = false;
}

fn link(variable: &str, service: &str, value: LinkValue) -> DesiredLink {
    DesiredLink {
        variable: variable.to_owned(),
        service: service.to_owned(),
        value,
    }
}

pub(super) fn connection(
    variable: &str,
    pattern: &str,
    service: &str,
    secret: &str,
) -> DesiredConnection {
    DesiredConnection {
        variable: variable.to_owned(),
        pattern: pattern.to_owned(),
        service: service.to_owned(),
        secret_path: format!("/kv/data/{PROJECT}/{secret}"),
        keys: vec![],
    }
}

fn file(path: &str, content: &str) -> DesiredFile {
    DesiredFile {
        path: path.to_owned(),
        content: content.as_bytes().to_vec(),
    }
}

/// The workload of a golden case.
pub(super) fn desired(name: &str) -> Desired {
    match name {
        "batch-periodic" => {
            let mut it = platform(
                "cst-report-c4v5b6n7",
                11,
                "acme/report:12",
                vec![http(3000)],
            );
            it.job_type = JobType::Batch;
            it.schedule = Some(DesiredSchedule {
                cron: "*/15 2-4 * * 1-5".to_owned(),
                time_zone: "UTC".to_owned(),
                prohibit_overlap: true,
            });
            (it.entrypoint, it.args) = shell("./report --daily");
            it
        }
        "config-files" => {
            let mut it = platform(
                "cst-loki-l0k1m2n3",
                10,
                "grafana/loki:3.1.0",
                vec![http(3100)],
            );
            it.files = vec![
                file(
                    "etc/loki/local-config.yaml",
                    "auth_enabled: true\nserver:\n  http_listen_port: 3100\nnote: \"quotes ${not} {{ not }} %{not}\"\n",
                ),
                file("app.json", r#"{"key":"value"}"#),
                file("etc/empty.conf", ""),
            ];
            it
        }
        "entrypoint" => {
            let ports = vec![public(http(9000), "s3", "")];
            let mut it = platform("cst-minio-s3d4f5g6", 13, "minio/minio:latest", ports);
            it.entrypoint = vec![
                "/usr/bin/docker-entrypoint.sh".to_owned(),
                "minio".to_owned(),
            ];
            it.args = vec!["server /data --address :9000".to_owned()];
            it
        }
        "gpu-model" => {
            let port = public(tcp(11434), "llm", "llm.example.com");
            let ports = vec![checked(port, "", 30, 10, 11434)];
            let mut it = platform("cst-llm-a1s2d3f4", 7, "ollama/ollama:0.5.4", ports);
            it.node_pool = Some("gpu-minions".to_owned());
            it.node_classes = vec!["L4".to_owned()];
            it.cluster_domain = "frparis.cloud-station.io".to_owned();
            (it.cpu_mhz, it.memory_mb, it.memory_max_mb, it.gpu_count) = (2000, 8192, 16384, 1);
            volume(&mut it, "vol_abc123", &["/var/lib/ollama"]);
            (it.entrypoint, it.args) = shell("ollama serve");
            it
        }
        "health-checks" => {
            let grpc = |number| port(number, PortProtocol::Grpc, CheckType::Grpc);
            let ports = vec![
                checked(http(3001), "/live?full=1&x=a b", 45, 7, 3001),
                checked(
                    port(3002, PortProtocol::Tcp, CheckType::Grpc),
                    "",
                    120,
                    60,
                    3002,
                ),
                port(3003, PortProtocol::Http, CheckType::Tcp),
                port(3004, PortProtocol::Http, CheckType::Tcp),
                http(3005),
                grpc(3006),
                checked(
                    port(3007, PortProtocol::Http, CheckType::Tcp),
                    "",
                    3600,
                    15,
                    3001,
                ),
                checked(
                    port(3008, PortProtocol::Tcp, CheckType::Http),
                    "/",
                    30,
                    5,
                    3008,
                ),
            ];
            platform("cst-checks-q1w2e3r4", 5, "nginx:1.27", ports)
        }
        "image-minimal" => {
            let ids = Ids {
                id: "cst-bare-aaaa1111",
                service: "img_0002",
                deployment: "adeployment_0002",
                project: "prj_0002",
                owner: "",
            };
            let mut it = build(ids, "registry.example.net/tools/bare", vec![tcp(3000)]);
            (it.memory_mb, it.memory_max_mb) = (200, 2000);
            it
        }
        "image-typical" => {
            let port = public(http(8080), "docs", "docs.acme.example");
            let ports = vec![checked(port, "/healthz", 15, 5, 8080)];
            let mut it = platform("cst-docs-kq2wzxyv", 1, "ghcr.io/acme/docs:v2.3.1", ports);
            it.replicas = 2;
            it.user = Some("1000".to_owned());
            it.cluster_domain = "frparis.cloud-station.io".to_owned();
            (it.cpu_mhz, it.memory_mb, it.memory_max_mb) = (300, 768, 1536);
            it.vault.as_mut().unwrap().env.push(secrets(
                PROJECT,
                "prj_env_aed55113-8d32-447c-8900-8e73b9e92dab",
                "secrets/shared-secrets.env",
            ));
            it.links = vec![link("DB_HOST", "cst-pg-nmoqgbye-5432", LinkValue::Host)];
            (it.entrypoint, it.args) = shell("node server.js --port 8080");
            it
        }
        "linked-services-and-templates" => {
            let mut it = platform("cst-app-m9n8b7v6", 9, "nginx:1.27", vec![http(8080)]);
            it.links = vec![
                link("DB_HOST", "cst-pg-nmoqgbye-5432", LinkValue::Host),
                link("DB_PORT", "cst-pg-nmoqgbye-5432", LinkValue::Port),
                link("CACHE_URL", "cst-redis-p0o9i8u7-6379", LinkValue::Address),
            ];
            it.connections = vec![
                connection(
                    "DATABASE_URL",
                    "mysql://{{ $MYSQL_USER }}:{{ $MYSQL_PASSWORD }}@{{ .Address }}:{{ .Port }}/shop",
                    "cst-mariadb-nmoqgbye-3306",
                    "img_6414ecdf",
                ),
                connection(
                    "AMQP_URL",
                    "amqp://{{ $RABBIT_USER }}@{{ .Address }}:{{ .Port }}",
                    "cst-rabbit-xx-5672",
                    "img_77",
                ),
            ];
            it
        }
        "ports-many" => {
            let mut admin = checked(http(8001), "/status", 30, 30, 8001);
            admin.domain = Some("gw-admin".to_owned());
            let mut metrics = port(9100, PortProtocol::None, CheckType::Tcp);
            metrics.custom_domain = Some("never.acme.example".to_owned());
            let ports = vec![
                checked(public(http(8000), "gw", ""), "/status", 10, 2, 8001),
                admin,
                public(tcp(8443), "gw-tls", "tls.acme.example"),
                public(tcp(9542), "", ""),
                metrics,
            ];
            let mut it = platform("cst-gateway-z1x2c3v4", 4, "kong:3.7", ports);
            it.cluster_domain = "gra.cloud-station.io".to_owned();
            it
        }
        "private-registry" => {
            let image = "ghcr.io/acme/erp:2024.11";
            let mut it = platform("cst-erp-g5h6j7k8", 8, image, vec![http(8080)]);
            it.pull_authenticate = true;
            it.pull_vault_path = Some("/kv/data/ghcr-acme/github".to_owned());
            let vault = it.vault.as_mut().unwrap();
            vault.policies = vec!["ghcr-acme".to_owned(), PROJECT.to_owned()];
            let shared = secrets(PROJECT, "prj_env_77", "secrets/shared-secrets.env");
            vault.env.push(shared);
            it
        }
        "start-command-quotes" => {
            let mut it = platform("cst-quot-o9p0a1s2", 63, "nginx:1.27", vec![http(8080)]);
            (it.entrypoint, it.args) =
                shell(r#"sh -c "echo 'hi there' && exec app --name=\"x y\"""#);
            it
        }
        "start-command-with-secrets" => {
            let mut it = platform("cst-worker-r5t6y7u8", 12, "nginx:1.27", vec![http(8080)]);
            (it.entrypoint, it.args) = shell(
                "export API_KEY=$(cat /secrets/api_key);export MODE=prod;exec ./worker --queue=$QUEUE --port $PORT",
            );
            it
        }
        "string-numbers" => {
            let ports = vec![checked(tcp(6379), "", 10, 5, 6379)];
            let mut it = platform("cst-redis-p0o9i8u7", 3, "redis:7-alpine", ports);
            it.replicas = 3;
            (it.cpu_mhz, it.memory_mb, it.memory_max_mb) = (500, 1024, 2048);
            it.labels.insert("user_id".to_owned(), "3694".to_owned());
            it
        }
        "update-block" => {
            let mut it = platform("cst-roll-h7j8k9l0", 14, "nginx:1.27", vec![http(8080)]);
            it.replicas = 4;
            it.rollout = DesiredRollout {
                canary: 2,
                auto_promote: false,
                auto_revert: false,
                min_healthy_time: Span::seconds(30),
                healthy_deadline: Span::minutes(10),
                progress_deadline: Span::minutes(20),
                max_parallel: 2,
            };
            it
        }
        "volume" => {
            let port = public(tcp(5432), "pg", "");
            let ports = vec![checked(port, "", 10, 5, 5432)];
            let mut it = platform("cst-pg-nmoqgbye", 6, "postgres:16", ports);
            it.user = Some("999".to_owned());
            it.node_pool = Some("db-pool".to_owned());
            (it.cpu_mhz, it.memory_mb, it.memory_max_mb) = (1000, 2048, 4096);
            let mounts = ["/var/lib/postgresql/data", "/backup", "/etc/pg extra"];
            volume(&mut it, "vol_4d1c9b7a", &mounts);
            it
        }
        other => panic!("no workload for golden case {other}"),
    }
}

#[test]
fn every_golden_workload_compiles_to_its_job() {
    for name in CASES {
        let job = compile(&desired(name)).to_value();
        assert_eq!(differences(&job, &want(name)), [""; 0], "{name}");
    }
}

#[test]
fn every_golden_case_is_known_here() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden");
    let mut found: Vec<String> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert_eq!(found, CASES);
}
