//! One rule of the contract a test: fallbacks, defects that are mended, what is refused and by which name.

use std::collections::BTreeMap;

use cs::dispatch::convert::{apply_builder, apply_domains, apply_image_facts};
use cs::dispatch::{ConvertOptions, DeployPlatform, ErrorKind, Task, convert};
use cs::secret::Secret;
use cs::spec::workload::{CheckType, JobType, Payload, PortProtocol, RestartMode, ServiceProvider};
use serde_json::json;

use super::{image, image_params, parsed, refused, repository};

#[test]
fn defect_43_what_is_missing_beside_something_given_gets_a_sensible_value() {
    for (given, wanted) in [
        (json!({"cpu": 700}), (700, 200, 512)),
        (json!({"ram": 1024}), (200, 1024, 2048)),
        (json!({"ram": 100}), (200, 100, 512)),
        (json!({"gpu": 1}), (200, 200, 512)),
        (json!({"cpu": -1, "ram": -1}), (200, 200, 2000)),
        (json!({"cpu": 0, "ram": 0, "gpu": 0}), (200, 200, 2000)),
    ] {
        let resources = image(given.clone()).workload.spec.resources;
        let found = (resources.cpu, resources.memory, resources.memory_max);
        assert_eq!(
            found,
            (Some(wanted.0), Some(wanted.1), Some(wanted.2)),
            "{given}"
        );
    }
}

#[test]
fn defect_44_every_volume_is_used_and_entries_of_one_volume_are_joined() {
    let volumes = image(json!({"csiVolume": [
        {"id": "vol_a[0]", "mountPaths": ["/a"]},
        {"id": "vol_b", "mountPaths": []},
        {"id": "vol_a[1]", "mountPaths": ["/a", "/c"]},
        {"id": ""},
    ]}))
    .workload
    .spec
    .volumes;
    let found: Vec<_> = volumes
        .iter()
        .map(|v| (v.csi.as_str(), v.mounts.len()))
        .collect();
    assert_eq!(found, [("vol_a", 2), ("vol_b", 0)]);
}

#[test]
fn defect_45_networks_without_a_port_ask_for_detected_ports() {
    let converted = image(json!({"networks": [{"portNumber": 0, "portType": "http"}]}));
    assert!(converted.workload.spec.ports.is_empty());
    assert!(converted.workload.spec.detect_ports);
    assert!(
        converted
            .run
            .warnings
            .iter()
            .any(|w| w.contains("networks[0]"))
    );
    let one = image(json!({"networks": [{"portNumber": ""}, {"portNumber": "80"}]}));
    assert_eq!(one.workload.spec.ports.len(), 1);
    assert!(!one.workload.spec.detect_ports);
}

#[test]
fn defect_47_services_without_a_name_are_called_like_the_job() {
    let spec = image(json!({})).workload.spec;
    assert_eq!(spec.service.name.as_deref(), Some("cst-a"));
    let named = image(json!({"consul": {"serviceName": "x"}})).workload.spec;
    assert_eq!(named.service.name.as_deref(), Some("x"));
}

#[test]
fn defect_42_types_in_upper_case_are_lowered_and_script_becomes_a_connection() {
    let ports = image(json!({"networks": [
        {"portNumber": 1, "portType": "HTTP", "health_check": {"type": "HTTP", "interval": "1d", "timeout": "0s"}},
        {"portNumber": 2, "portType": "TCP", "health_check": {"type": "script"}},
        {"portNumber": 3, "portType": "udp"},
    ]}))
    .workload
    .spec
    .ports;
    let first = ports[0].check.as_ref().unwrap();
    assert_eq!(first.check_type, Some(CheckType::Http));
    assert_eq!(first.interval.unwrap().to_string(), "24h");
    assert_eq!(first.timeout.unwrap().to_string(), "30s");
    assert_eq!(ports[0].protocol, Some(PortProtocol::Http));
    assert_eq!(ports[1].protocol, Some(PortProtocol::Tcp));
    assert_eq!(
        ports[1].check.as_ref().unwrap().check_type,
        Some(CheckType::Tcp)
    );
    assert_eq!(ports[2].protocol, Some(PortProtocol::None));
}

#[test]
fn restart_params_count_unless_they_are_the_backends_constant() {
    for (mode, attempts, wanted) in [
        ("", None, None),
        ("fail", Some(3), None),
        ("fail", Some(0), None),
        ("whatever", Some(3), None),
        ("fail", Some(5), Some((5, RestartMode::Fail))),
        ("delay", Some(3), Some((3, RestartMode::Delay))),
        ("delay", None, Some((3, RestartMode::Delay))),
        ("never", Some(7), Some((0, RestartMode::Fail))),
    ] {
        let given = json!({"restartMode": mode, "restartAttempts": attempts});
        let restart = image(given.clone()).workload.spec.restart;
        assert_eq!(restart.attempts.zip(restart.mode), wanted, "{given}");
        assert_eq!(restart.interval, None);
    }
}

#[test]
fn members_of_update_that_are_absent_stay_absent() {
    let rollout = image(json!({"update": {"autoRevert": false}}))
        .workload
        .spec
        .rollout;
    assert_eq!(rollout.auto_revert, Some(false));
    assert_eq!((rollout.auto_promote, rollout.canary), (None, None));
    let none = image(json!({"update": {"canary": 0, "autoPromote": true}}));
    assert_eq!(none.workload.spec.rollout.canary, Some(0));
    assert_eq!(none.workload.spec.rollout.auto_promote, Some(false));
    let batch = image(json!({"update": {"canary": 2}, "jobConfig": {"type": "batch"}}));
    assert_eq!(batch.workload.spec.rollout, Default::default());
}

#[test]
fn volumes_rule_out_canaries_even_when_the_params_want_them() {
    let converted = image(json!({
        "csiVolume": [{"id": "vol_a[0]"}], "update": {"canary": 2, "autoPromote": true, "maxParallel": 3},
    }));
    let rollout = &converted.workload.spec.rollout;
    assert_eq!(
        (rollout.canary, rollout.auto_promote),
        (Some(0), Some(false))
    );
    assert_eq!(rollout.max_parallel, Some(3));
    assert!(converted.run.warnings.iter().any(|w| w.contains("canary")));
}

#[test]
fn job_config_decides_type_schedule_and_parameters() {
    let spec = image(json!({"replicaCount": 3, "jobConfig": {
        "type": "sysbatch", "cron": "@daily", "prohibit_overlap": false, "payload": "required", "meta_required": ["a"],
    }}))
    .workload
    .spec;
    assert_eq!((spec.job_type, spec.replicas), (JobType::Sysbatch, None));
    assert_eq!(spec.schedule.unwrap().prohibit_overlap, Some(true));
    let parameterized = spec.parameterized.unwrap();
    assert_eq!(parameterized.payload, Some(Payload::Required));
    assert_eq!(parameterized.meta_required, ["a"]);
    let empty = image(json!({"jobConfig": {"type": "", "cron": ""}}))
        .workload
        .spec;
    assert_eq!(empty.job_type, JobType::Service);
    assert_eq!((empty.schedule, empty.parameterized), (None, None));
}

#[test]
fn without_vault_nothing_of_it_reaches_the_workload() {
    let params = parsed(
        Task::DeployImage,
        &image_params(json!({
            "privateRegistry": "ghcr", "sharedSecretPath": "env", "tls": {"pka_path": "pki/issue/x"},
            "templateStringVariables": [{"name": "A", "pattern": "b"}],
            "consul": {"linkedServices": [{"variableName": "A", "consulServiceName": "b-1_HOST"}]},
        })),
    );
    let options = ConvertOptions {
        vault: false,
        service_provider: ServiceProvider::Nomad,
        ..ConvertOptions::default()
    };
    let converted = convert(&params, &options).unwrap();
    let spec = &converted.workload.spec;
    assert_eq!(spec.secrets.vault, None);
    assert_eq!(spec.pull, None);
    assert!(spec.connections.is_empty() && spec.certificates.is_empty());
    assert_eq!(spec.links.len(), 1);
    assert_eq!(spec.service.provider, Some(ServiceProvider::Nomad));
    for field in ["privateRegistry", "templateStringVariables", "tls"] {
        assert!(
            converted.run.warnings.iter().any(|w| w.starts_with(field)),
            "{field}"
        );
    }
}

#[test]
fn tls_becomes_one_certificate() {
    let spec = image(json!({"tls": {
        "cert_path": "certs/a.pem", "key_path": "certs/a.key", "common_name": "a.example", "pka_path": "pki/issue/a", "ttl": "24h",
    }}))
    .workload
    .spec;
    assert_eq!(spec.certificates.len(), 1);
    assert_eq!(spec.certificates[0].pki_path, "pki/issue/a");
    assert!(
        image(json!({"tls": null}))
            .workload
            .spec
            .certificates
            .is_empty()
    );
}

#[test]
fn without_a_project_there_is_a_warning_and_no_broken_path() {
    let converted = image(json!({"projectId": "", "sharedSecretPath": "x"}));
    let vault = converted.workload.spec.secrets.vault.unwrap();
    assert!(vault.env.is_empty());
    assert_eq!(vault.policies, ["acr"]);
    assert!(
        converted
            .run
            .warnings
            .iter()
            .any(|w| w.starts_with("projectId"))
    );
}

#[test]
fn the_environment_fills_in_the_backend_only_where_params_are_silent() {
    let options = ConvertOptions {
        backend_url: Some("https://env.example//".to_owned()),
        access_token: Some(Secret::from("env-token")),
        ..ConvertOptions::default()
    };
    let backend = |extra| {
        let params = parsed(Task::DeployImage, &image_params(extra));
        convert(&params, &options).unwrap().run.backend.unwrap()
    };
    let filled = backend(json!({}));
    assert_eq!(filled.url, "https://env.example/", "one slash is trimmed");
    assert_eq!(filled.token.expose(), "env-token");
    let given = backend(json!({"backendUrl": "https://p.example/", "accessToken": "p"}));
    assert_eq!(
        (given.url.as_str(), given.token.expose()),
        ("https://p.example", "p")
    );
    assert_eq!(
        image(json!({"backendUrl": "https://p.example"}))
            .run
            .backend,
        None
    );
}

#[test]
fn deploy_names_a_platform_or_is_refused() {
    for (deploy, wanted) in [
        ("", DeployPlatform::NomadPack),
        ("nomad-pack", DeployPlatform::NomadPack),
        ("nomadpack", DeployPlatform::NomadPack),
        ("noop", DeployPlatform::Noop),
        ("docker", DeployPlatform::Docker),
    ] {
        assert_eq!(image(json!({"deploy": deploy})).run.platform, wanted);
    }
    assert!(refused(Task::DeployImage, json!({"deploy": "moon"})).contains("deploy: expected"));
}

#[test]
fn builders_are_known_at_once() {
    let built = |builder| {
        repository(json!({"build": {"builder": builder}}))
            .workload
            .spec
            .build
            .unwrap()
    };
    assert_eq!(built("docker").builder.as_deref(), Some("csdocker"));
    assert_eq!(built("").builder, None);
    let error = refused(
        Task::DeployRepository,
        json!({"build": {"builder": "kaniko"}}),
    );
    assert!(error.contains("build.builder: unknown builder"), "{error}");
    assert!(!error.contains("kaniko"), "{error}");
}

#[test]
fn the_start_command_goes_where_the_winning_builder_leaves_it() {
    let command = || json!({"build": {"startCommand": "run", "builder": "nixpacks"}});
    let mut workload = repository(command()).workload;
    assert_eq!(workload.spec.container.start_command, None);
    assert_eq!(
        workload
            .spec
            .build
            .as_ref()
            .unwrap()
            .start_command
            .as_deref(),
        Some("run")
    );
    apply_builder(&mut workload, "csdocker");
    assert_eq!(
        workload.spec.container.start_command.as_deref(),
        Some("run")
    );
    apply_builder(&mut workload, "railpack");
    assert_eq!(workload.spec.container.start_command, None);
    let mut ready = image(command()).workload;
    apply_builder(&mut ready, "nixpacks");
    assert_eq!(ready.spec.container.start_command.as_deref(), Some("run"));
}

#[test]
fn uploads_and_everything_of_build_have_a_place() {
    let converted = repository(json!({
        "sourceType": "local_upload", "sourceUrl": "https://s3.example/x?sig=1", "uploadId": "up_1", "imageName": "i",
        "build": {
            "dockerfilePath": "docker/Dockerfile", "buildCommand": "make", "rootDirectory": "/app/",
            "buildArgs": {"A": "1"}, "staticBuildEnv": {"B": "2"}, "disablePush": true,
            "registryUrl": "acrbc001.azurecr.io", "registryNamespace": "ns", "registryUsername": "u", "registryPassword": "p",
        },
    }));
    let spec = &converted.workload.spec;
    let archive = spec.source.archive.as_ref().unwrap();
    assert_eq!(archive.upload_id.as_deref(), Some("up_1"));
    assert_eq!(
        converted.run.secrets["SOURCE_URL"].expose(),
        "https://s3.example/x?sig=1"
    );
    let build = spec.build.as_ref().unwrap();
    assert_eq!(build.root_directory.as_deref(), Some("app"));
    assert_eq!(build.dockerfile.as_deref(), Some("docker/Dockerfile"));
    assert_eq!(build.command.as_deref(), Some("make"));
    assert_eq!(
        (build.args["A"].as_str(), build.env["B"].as_str()),
        ("1", "2")
    );
    let push = build.push.as_ref().unwrap();
    assert!(push.disabled);
    assert_eq!(push.registry.as_deref(), Some("acrbc001.azurecr.io"));
    assert_eq!(push.namespace.as_deref(), Some("ns"));
    assert_eq!(converted.run.secrets["REGISTRY_PASSWORD"].expose(), "p");
    assert!(spec.pull.as_ref().unwrap().authenticate);
}

#[test]
fn everything_unusable_is_refused_at_once_by_field_and_without_its_value() {
    let params = parsed(
        Task::DeployRepository,
        &super::repository_params(json!({
            "deploy": "canary", "cpu": 99_999_999_999_i64,
            "networks": [
                {"portNumber": 80}, {"portNumber": 80}, {"portNumber": 65536}, {"portNumber": -4},
                {"portNumber": 81, "health_check": {"port": 70000}},
            ],
            "configFiles": [
                {"path": "a/../../canary", "content": ""}, {"path": "/", "content": ""}, {"path": "b", "content": "%canary%"},
            ],
            "jobConfig": {"type": "canary", "payload": "canary"},
            "build": {"builder": "canary", "rootDirectory": "../canary", "dockerfilePath": "../canary"},
            "update": {"minHealthyTime": "canary"},
        })),
    );
    // Update is read only for service jobs, and a type that is refused counts as one.
    let error = convert(&params, &ConvertOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let fields: Vec<&str> = error.problems().iter().map(|p| p.field.as_str()).collect();
    for field in [
        "deploy",
        "cpu",
        "networks[1].portNumber",
        "networks[2].portNumber",
        "networks[3].portNumber",
        "networks[4].health_check.port",
        "configFiles[0].path",
        "configFiles[1].path",
        "configFiles[2].content",
        "jobConfig.type",
        "jobConfig.payload",
        "build.builder",
        "build.rootDirectory",
        "build.dockerfilePath",
        "update.minHealthyTime",
    ] {
        assert!(fields.contains(&field), "{field} in {fields:?}");
    }
    let text = error.to_string();
    for value in ["canary", "65536", "70000", "99999999999"] {
        assert!(!text.contains(value), "{value} in {text}");
    }
}

#[test]
fn detected_ports_fill_in_only_where_they_are_asked_for() {
    for (exposed, wanted) in [(&[8080, 9090][..], 8080), (&[][..], 3000)] {
        let mut workload = image(json!({})).workload;
        apply_image_facts(&mut workload, exposed);
        let spec = &workload.spec;
        assert!(!spec.detect_ports);
        assert_eq!(spec.ports.len(), 1);
        let port = &spec.ports[0];
        assert_eq!((port.port, port.public), (wanted, false));
        let check = port.check.as_ref().unwrap();
        assert_eq!(
            (check.check_type, check.path.as_deref()),
            (Some(CheckType::Tcp), None)
        );
        assert_eq!(check.interval.unwrap().to_string(), "30s");
    }
    let mut given = image(json!({"networks": [{"portNumber": 80}]})).workload;
    let before = given.clone();
    apply_image_facts(&mut given, &[9999]);
    assert_eq!(given, before);
}

#[test]
fn allocated_domains_reach_public_ports_without_one_as_bare_labels() {
    let mut workload = image(json!({"clusterDomain": "c.example", "networks": [
        {"portNumber": 1, "public": true},
        {"portNumber": 2, "public": true, "domain": "mine"},
        {"portNumber": 3, "public": false},
        {"portNumber": 4, "public": true},
    ]}))
    .workload;
    let domains = BTreeMap::from([1, 2, 3].map(|port| (port, format!("d{port}.c.example"))));
    apply_domains(&mut workload, &domains);
    let found: Vec<_> = workload
        .spec
        .ports
        .iter()
        .map(|p| p.domain.as_deref())
        .collect();
    assert_eq!(found, [Some("d1"), Some("mine"), None, None]);
}

#[test]
fn dead_params_that_are_set_give_a_warning() {
    let warnings = image(json!({
        "registry": {"pack": "other"}, "consul": {"tags": ["a"]},
        "networks": [{"portNumber": 80, "health_check": {"port": 81, "interval": "500ms"}}],
    }))
    .run
    .warnings;
    for part in [
        "registry.pack",
        "consul.tags",
        "check of port 80",
        "interval",
    ] {
        assert!(
            warnings.iter().any(|w| w.contains(part)),
            "{part} in {warnings:?}"
        );
    }
    let quiet =
        image(json!({"registry": {"pack": "cloudstation"}, "networks": [{"portNumber": 80}]}));
    assert_eq!(quiet.run.warnings, Vec::<String>::new());
}
