//! Recorded params of every kind: each parses, converts and says what its job says.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cs::dispatch::{ConvertOptions, Converted, Params, Task, convert, parse};
use cs::spec::workload::{CheckType, JobType, LinkValue, Port};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/params")
}

pub(super) fn cases() -> Vec<(String, Task, Vec<u8>)> {
    let mut cases: Vec<_> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let text = std::fs::read(entry.path().join("params.json")).unwrap();
            let task = if name.starts_with("repository") {
                Task::DeployRepository
            } else {
                Task::DeployImage
            };
            (name, task, text)
        })
        .collect();
    cases.sort_by(|(a, ..), (b, ..)| a.cmp(b));
    assert!(cases.len() >= 17, "{}", cases.len());
    cases
}

fn case(name: &str) -> Converted {
    let (_, task, text) = cases()
        .into_iter()
        .find(|(case, ..)| case == name)
        .unwrap_or_else(|| panic!("no case {name}"));
    converted(task, &text)
}

fn converted(task: Task, text: &[u8]) -> Converted {
    let Ok(Params::Deploy(params)) = parse(task, text) else {
        panic!("{task} does not parse");
    };
    convert(&params, &ConvertOptions::default()).unwrap()
}

#[test]
fn raw_and_base64_params_convert_to_the_same_workload() {
    for (name, task, text) in cases() {
        let encoded = STANDARD.encode(&text);
        assert_eq!(
            converted(task, &text),
            converted(task, encoded.as_bytes()),
            "{name}"
        );
    }
}

/// port, type, path, interval, timeout, other port
type Checked = (u16, CheckType, Option<String>, String, String, Option<u16>);

fn checked(port: &Port) -> Checked {
    let check = port.check.clone().unwrap();
    (
        port.port,
        check.check_type.unwrap(),
        check.path,
        check.interval.unwrap().to_string(),
        check.timeout.unwrap().to_string(),
        check.port,
    )
}

#[test]
fn checks_fall_back_as_the_recorded_jobs_show() {
    use CheckType::{Grpc, Http, Tcp};
    let ports = case("health-checks").workload.spec.ports;
    let found: Vec<Checked> = ports.iter().map(checked).collect();
    let thirty = || "30s".to_owned();
    let slash = || Some("/".to_owned());
    assert_eq!(
        found,
        [
            (
                3001,
                Http,
                Some("/live?full=1&x=a b".into()),
                "45s".into(),
                "7s".into(),
                None
            ),
            (3002, Grpc, None, "2m".into(), "1m".into(), None),
            (3003, Tcp, None, thirty(), thirty(), None),
            (3004, Tcp, None, thirty(), thirty(), None),
            (3005, Http, slash(), thirty(), thirty(), None),
            (3006, Grpc, None, thirty(), thirty(), None),
            (3007, Tcp, None, "1h".into(), "15s".into(), Some(3001)),
            (3008, Http, slash(), thirty(), "5s".into(), None),
        ]
    );
}

#[test]
fn numbers_in_texts_are_numbers() {
    let converted = case("string-numbers");
    let spec = &converted.workload.spec;
    assert_eq!(spec.replicas, Some(3));
    assert_eq!(spec.resources.cpu, Some(500));
    assert_eq!(spec.resources.memory, Some(1024));
    assert_eq!(spec.resources.memory_max, Some(2048));
    assert_eq!(spec.resources.gpu, None);
    assert_eq!(converted.run.ids.deployment_job_id, 456);
    assert_eq!(converted.run.ids.user_id, Some(1234));
    assert_eq!(converted.run.ids.owner_id, "3694");
}

#[test]
fn a_gpu_decides_pool_and_class_and_a_volume_the_rollout() {
    let spec = case("gpu-model").workload.spec;
    assert_eq!(spec.placement.node_pool.as_deref(), Some("gpu-minions"));
    assert!(spec.placement.node_classes.is_empty());
    let gpu = spec.resources.gpu.unwrap();
    assert_eq!((gpu.count, gpu.model.as_deref()), (1, Some("L4")));
    assert_eq!(spec.volumes[0].csi, "vol_abc123");
    assert_eq!(spec.rollout.canary, Some(0));
    assert_eq!(spec.rollout.auto_promote, Some(false));
    let volume = case("volume").workload.spec;
    assert_eq!(volume.placement.node_pool.as_deref(), Some("db-pool"));
    assert_eq!(volume.volumes[0].mounts.len(), 3);
}

#[test]
fn links_split_their_suffix_and_connections_read_the_projects_secrets() {
    let spec = case("linked-services-and-templates").workload.spec;
    let links: Vec<_> = spec
        .links
        .iter()
        .map(|link| (link.variable.as_str(), link.service.as_str(), link.value))
        .collect();
    assert_eq!(
        links,
        [
            ("DB_HOST", "cst-pg-nmoqgbye-5432", LinkValue::Host),
            ("DB_PORT", "cst-pg-nmoqgbye-5432", LinkValue::Port),
            ("CACHE_URL", "cst-redis-p0o9i8u7-6379", LinkValue::Address),
        ]
    );
    assert_eq!(
        spec.connections[0].secret_path,
        "/kv/data/prj_8f6f2f6e-51c1-4a53-a1cb-90d4a7f0a111/img_6414ecdf"
    );
    assert_eq!(spec.connections[0].keys, ["MYSQL_USER", "MYSQL_PASSWORD"]);
}

#[test]
fn a_private_registry_brings_its_policy_and_its_credentials() {
    let spec = case("private-registry").workload.spec;
    let project = "prj_8f6f2f6e-51c1-4a53-a1cb-90d4a7f0a111";
    let vault = spec.secrets.vault.unwrap();
    assert_eq!(vault.policies, ["ghcr-acme", project]);
    assert_eq!(
        vault.env,
        [
            format!("/kv/data/{project}/img_00086f0e-2b11-4c9a-8e55-aa0b1c2d3e4f"),
            format!("/kv/data/{project}/prj_env_77"),
        ]
    );
    let pull = spec.pull.unwrap();
    assert_eq!(
        pull.vault_path.as_deref(),
        Some("/kv/data/ghcr-acme/github")
    );
    assert!(pull.authenticate);
}

#[test]
fn params_with_only_the_required_fields_get_the_packs_defaults() {
    let converted = case("image-minimal");
    let spec = &converted.workload.spec;
    assert_eq!(
        spec.source.image.as_deref(),
        Some("registry.example.net/tools/bare")
    );
    assert_eq!(spec.replicas, Some(1));
    assert_eq!(spec.resources.cpu, Some(200));
    assert_eq!(spec.resources.memory, Some(200));
    assert_eq!(spec.resources.memory_max, Some(2000));
    assert_eq!(spec.placement.node_pool.as_deref(), Some("minions"));
    assert_eq!(spec.container.user.as_deref(), Some("0"));
    assert_eq!(spec.restart, Default::default());
    assert_eq!(spec.rollout, Default::default());
    assert!(spec.detect_ports);
    let pull = spec.pull.as_ref().unwrap();
    assert_eq!(pull.vault_path.as_deref(), Some("/acr/data/registry"));
    assert!(!pull.authenticate);
    let vault = spec.secrets.vault.as_ref().unwrap();
    assert_eq!(vault.policies, ["prj_0002", "acr"]);
    assert_eq!(converted.run.ids.user_id, None);
    assert_eq!(converted.run.backend, None);
}

#[test]
fn an_update_block_is_mapped_member_by_member() {
    let rollout = case("update-block").workload.spec.rollout;
    assert_eq!(rollout.canary, Some(2));
    assert_eq!(rollout.max_parallel, Some(2));
    assert_eq!(rollout.auto_revert, Some(false));
    assert_eq!(rollout.auto_promote, Some(false));
    assert_eq!(rollout.min_healthy_time.unwrap().to_string(), "30s");
    assert_eq!(rollout.healthy_deadline.unwrap().to_string(), "10m");
    assert_eq!(rollout.progress_deadline.unwrap().to_string(), "20m");
}

#[test]
fn commands_arrive_letter_by_letter() {
    let quotes = case("start-command-quotes").workload.spec.container;
    assert_eq!(
        quotes.start_command.as_deref(),
        Some(r#"sh -c "echo 'hi there' && exec app --name=\"x y\"""#)
    );
    let entrypoint = case("entrypoint").workload.spec.container;
    assert_eq!(
        entrypoint.entrypoint,
        ["/usr/bin/docker-entrypoint.sh", "minio"]
    );
    assert_eq!(
        entrypoint.start_command.as_deref(),
        Some("server /data --address :9000")
    );
    let exports = case("start-command-with-secrets").workload.spec.container;
    let exported: Vec<_> = exports
        .exports
        .iter()
        .map(|export| (export.name.as_str(), export.value.as_str()))
        .collect();
    assert_eq!(
        exported,
        [("API_KEY", "$(cat /secrets/api_key)"), ("MODE", "prod")]
    );
    assert_eq!(
        exports.start_command.as_deref(),
        Some("exec ./worker --queue=$QUEUE --port $PORT")
    );
}

#[test]
fn a_batch_job_with_a_clock_never_overlaps() {
    let spec = case("batch-periodic").workload.spec;
    assert_eq!(spec.job_type, JobType::Batch);
    let schedule = spec.schedule.unwrap();
    assert_eq!(schedule.cron, "*/15 2-4 * * 1-5");
    assert_eq!(schedule.prohibit_overlap, Some(true));
    assert_eq!(spec.parameterized, None);
}

#[test]
fn files_keep_their_bytes() {
    let files = case("config-files").workload.spec.files;
    let found: Vec<_> = files
        .iter()
        .map(|file| {
            let bytes = STANDARD
                .decode(file.content_base64.as_ref().unwrap())
                .unwrap();
            (file.path.as_str(), String::from_utf8(bytes).unwrap())
        })
        .collect();
    assert_eq!(found[0].0, "etc/loki/local-config.yaml");
    assert!(
        found[0]
            .1
            .contains(r#"note: "quotes ${not} {{ not }} %{not}""#)
    );
    assert_eq!(found[1], ("app.json", r#"{"key":"value"}"#.to_owned()));
    assert_eq!(found[2], ("etc/empty.conf", String::new()));
}

#[test]
fn a_repository_task_says_where_its_source_is_and_how_it_is_built() {
    let converted = case("repository-typical");
    let spec = &converted.workload.spec;
    let git = spec.source.git.as_ref().unwrap();
    assert_eq!(
        (git.repository.as_str(), git.revision.as_str()),
        ("acme/shop", "main")
    );
    assert_eq!(
        git.token.as_ref().unwrap().from_env.as_deref(),
        Some("GIT_TOKEN")
    );
    assert_eq!(converted.run.secrets["GIT_TOKEN"].expose(), "ghp_x");
    let build = spec.build.as_ref().unwrap();
    assert_eq!(build.builder.as_deref(), Some("csdocker"));
    assert_eq!(build.root_directory, None);
    assert_eq!(build.tag.as_deref(), Some("1aecee4d"));
    let vault = build.vault.as_ref().unwrap();
    assert_eq!(vault.path, "prj_3333/data/prj_integ_2222?version=1");
    assert!(
        spec.pull.as_ref().unwrap().authenticate,
        "the platform's own registry"
    );
    assert_eq!(spec.placement.node_classes, ["frparis", "fr-gra"]);
    let backend = converted.run.backend.as_ref().unwrap();
    assert_eq!(backend.url, "https://back.example");
    let networks: Vec<_> = converted
        .run
        .networks
        .iter()
        .map(|network| (network.port, network.public, network.domain.as_deref()))
        .collect();
    assert_eq!(networks, [(8080, true, Some("shop")), (9090, false, None)]);
}
