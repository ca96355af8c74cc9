//! The examples under `specs/` and in the documentation are valid, and mean what they say.

use cs::desired::{Desired, DesiredEnv, Options, native, references, validate};
use cs::secret::Secret;
use cs::spec::workload::{CheckType, RestartMode, ServiceProvider};
use cs::spec::{Resource, parse};

use super::{files, options, repository};

fn offline() -> Options {
    Options {
        offline: true,
        ..options()
    }
}

fn desired(name: &str) -> Desired {
    let text = std::fs::read_to_string(repository("specs").join(name)).unwrap();
    let documents = parse(name, &text).unwrap();
    validate(documents[0].workload().unwrap(), &offline()).unwrap()
}

#[test]
fn every_example_is_valid_and_names_the_schema() {
    for path in files("specs", ".yaml") {
        let text = std::fs::read_to_string(&path).unwrap();
        let modeline = "# yaml-language-server: $schema=../schemas/cloudstation.io_v1.json\n";
        assert!(text.starts_with(modeline), "{path:?}");
        for document in parse(&path.to_string_lossy(), &text).unwrap() {
            match &document.resource {
                Resource::Workload(workload) => drop(validate(workload, &offline()).unwrap()),
                Resource::NomadJob(job) => assert_eq!(native::check(job, None, &|_| None), []),
            }
        }
    }
}

#[test]
fn the_web_service_keeps_what_it_names_and_gets_the_rest() {
    let web = desired("web.yaml");
    assert_eq!(web.id.as_str(), "shop");
    assert_eq!(web.task_name, "shop");
    assert_eq!(web.cluster_domain, "cloud-station.app");
    assert_eq!(
        (web.cpu_mhz, web.memory_mb, web.memory_max_mb),
        (500, 1024, 2048)
    );
    assert_eq!(web.ports[0].check.path.as_deref(), Some("/healthz"));
    assert_eq!(web.ports[1].check.check_type, CheckType::Tcp);
    assert_eq!(web.ports[1].check.interval.to_string(), "30s");
    assert_eq!((web.rollout.canary, web.rollout.auto_promote), (1, true));
    assert_eq!(web.labels["alloc_id"], "${NOMAD_ALLOC_ID}");
    assert!(!web.labels.contains_key("project_id"));
}

#[test]
fn the_worker_gets_one_line_for_a_shell() {
    let worker = desired("worker.yaml");
    assert_eq!(worker.entrypoint, ["/bin/sh", "-c"]);
    assert_eq!(
        worker.args,
        [r#"export QUEUE=mail-$(hostname);exec ./worker --queue "$QUEUE""#]
    );
    assert_eq!(worker.ports, []);
}

#[test]
fn the_batch_job_starts_by_the_clock() {
    let cron = desired("cron.yaml");
    let schedule = cron.schedule.unwrap();
    assert_eq!(schedule.cron, "30 4 * * MON-FRI");
    assert!(schedule.prohibit_overlap);
    assert_eq!(cron.restart.unwrap().mode, RestartMode::Fail);
}

#[test]
fn a_gpu_decides_the_pool_and_its_model_the_class() {
    let gpu = desired("gpu.yaml");
    assert_eq!(gpu.node_pool.as_deref(), Some("gpu-minions"));
    assert_eq!(gpu.node_classes, ["L4"]);
    assert_eq!(gpu.gpu_count, 1);
    // The volume rules the canary out.
    assert_eq!((gpu.rollout.canary, gpu.rollout.auto_promote), (0, false));
}

#[test]
fn secrets_are_looked_up_rendered_or_left_to_vault() {
    let path = repository("specs/secrets-and-links.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let document = parse("orders.yaml", &text).unwrap().remove(0);
    let mut options = options();
    for reference in references(document.workload().unwrap()) {
        options
            .secrets
            .insert(reference.clone(), Secret::new("canary-value"));
    }
    assert_eq!(options.secrets.len(), 2);
    let orders = validate(document.workload().unwrap(), &options).unwrap();
    assert_eq!(
        orders.env["SESSION_KEY"],
        DesiredEnv::Secret(Secret::new("canary-value"))
    );
    assert!(!format!("{orders:?}").contains("canary-value"));
    let rendered: Vec<&str> = orders
        .rendered_env
        .iter()
        .map(|env| env.variable.as_str())
        .collect();
    assert_eq!(rendered, ["API_KEY", "FEATURES"]);
    assert_eq!(orders.rendered_env[0].path, "/kv/data/prj_3333/orders");
    assert_eq!(orders.rendered_env[0].key, "api_key");
    let files: Vec<&str> = orders
        .vault
        .iter()
        .flat_map(|vault| &vault.env)
        .map(|file| file.destination.as_str())
        .collect();
    assert_eq!(files, ["secrets/file.env", "secrets/shared-secrets.env"]);
}

#[test]
fn the_laptop_example_needs_neither_consul_nor_vault() {
    let native = desired("nomad-native.yaml");
    assert_eq!(native.service_provider, ServiceProvider::Nomad);
    assert_eq!(native.vault, None);
}
