//! Rules that need no file. Places in files are tested with `tests/fixtures/invalid`.

use super::*;
use crate::desired::{DesiredEnv, run_uuid};
use crate::spec::workload::{Export, Metadata, Platform, Port, Rollout, Source, WorkloadSpec};

fn workload(change: impl FnOnce(&mut WorkloadSpec)) -> Workload {
    let mut spec = WorkloadSpec {
        source: Source {
            image: Some("nginx:1.27".to_owned()),
            ..Source::default()
        },
        ..WorkloadSpec::default()
    };
    change(&mut spec);
    Workload {
        api_version: Default::default(),
        kind: Default::default(),
        metadata: Metadata {
            name: "shop".to_owned(),
            ..Metadata::default()
        },
        spec,
    }
}

fn options() -> Options {
    Options::new("tests".parse().unwrap())
}

fn desired(change: impl FnOnce(&mut WorkloadSpec)) -> Desired {
    validate(&workload(change), &options()).unwrap()
}

fn codes(change: impl FnOnce(&mut WorkloadSpec)) -> Vec<&'static str> {
    let issues = validate(&workload(change), &options())
        .err()
        .unwrap_or_default();
    issues.into_iter().map(|issue| issue.code).collect()
}

#[test]
fn a_deployment_names_the_task_and_derives_the_run_uuid() {
    let platform = |id: &str| Platform {
        deployment_id: Some(id.to_owned()),
        owner_id: Some("team_1".to_owned()),
        project_id: Some(String::new()),
        ..Platform::default()
    };
    let first = desired(|spec| spec.platform = Some(platform("adeployment_1")));
    let again = desired(|spec| spec.platform = Some(platform("adeployment_1")));
    let next = desired(|spec| spec.platform = Some(platform("adeployment_2")));
    assert_eq!(first.task_name, "adeployment_1");
    assert_eq!(first, again);
    assert_ne!(first.run_uuid, next.run_uuid);
    assert_ne!(first.digest(), next.digest());
    assert_eq!(first.run_uuid, first.deployment.as_ref().map(run_uuid));
    assert_eq!(first.labels["user_id"], "team_1");
    assert!(
        !first.labels.contains_key("project_id"),
        "empty labels are left out"
    );
}

#[test]
fn a_deployment_keeps_its_run_uuid_for_ever() {
    let id = "adeployment_1".parse().unwrap();
    assert_eq!(run_uuid(&id).to_string(), RUN_UUID_OF_ADEPLOYMENT_1);
}

/// Changing it would restart every task of every deployment that is repeated.
const RUN_UUID_OF_ADEPLOYMENT_1: &str = "05806414-21ec-5740-8ddc-c0a0bf529c1b";

#[test]
fn exports_alone_are_a_line_for_the_shell() {
    let with_exports = desired(|spec| {
        spec.container.exports = vec![Export {
            name: "MODE".to_owned(),
            value: "prod".to_owned(),
        }];
    });
    assert_eq!(with_exports.args, ["export MODE=prod;"]);
    assert_eq!(with_exports.entrypoint, ["/bin/sh", "-c"]);
    assert_eq!(desired(|_| ()).entrypoint, [""; 0]);
}

#[test]
fn detected_ports_fall_back_to_3000_and_give_way_to_named_ones() {
    let plain = desired(|spec| spec.detect_ports = true);
    assert_eq!(plain.ports[0].number, 3000);
    assert!(!plain.ports[0].public);
    let detecting = Options {
        detected_port: Some(8080),
        ..options()
    };
    let found = validate(&workload(|spec| spec.detect_ports = true), &detecting).unwrap();
    assert_eq!(
        (found.ports[0].number, found.ports[0].check.port),
        (8080, 8080)
    );
    let named = desired(|spec| {
        spec.detect_ports = true;
        spec.ports = vec![Port {
            port: 80,
            ..Port::default()
        }];
    });
    assert_eq!(named.ports.len(), 1);
    assert_eq!(named.ports[0].number, 80);
    assert_eq!(desired(|_| ()).ports, []);
}

#[test]
fn a_built_image_takes_the_place_of_its_source() {
    let git = workload(|spec| {
        spec.source = Source {
            git: Some(Default::default()),
            ..Source::default()
        };
    });
    let issues = validate(&git, &options()).unwrap_err();
    assert_eq!(
        (issues[0].code, issues[0].path.as_str()),
        ("source-not-built", "spec.source.git")
    );
    let built = Options {
        image: Some("registry.example.com/shop:abc".to_owned()),
        ..options()
    };
    assert_eq!(
        validate(&git, &built).unwrap().image,
        "registry.example.com/shop:abc"
    );
}

#[test]
fn an_unresolved_reference_is_an_issue_online_and_a_placeholder_offline() {
    let reference = SecretRef::env("TOKEN");
    let workload = workload(|spec| {
        spec.env
            .insert("TOKEN".to_owned(), EnvValue::Reference(reference.clone()));
    });
    assert_eq!(references(&workload), [&reference]);
    let issues = validate(&workload, &options()).unwrap_err();
    assert_eq!(
        (issues[0].code, issues[0].path.as_str()),
        ("secret-missing", "spec.env.TOKEN")
    );
    let offline = Options {
        offline: true,
        ..options()
    };
    assert!(validate(&workload, &offline).is_ok());
    let mut online = options();
    online.secrets.insert(reference, Secret::new("canary"));
    let desired = validate(&workload, &online).unwrap();
    assert_eq!(
        desired.env["TOKEN"],
        DesiredEnv::Secret(Secret::new("canary"))
    );
}

#[test]
fn service_names_follow_nomads_rule() {
    let named = |name: &str| {
        let name = name.to_owned();
        codes(move |spec| {
            spec.service.name = Some(name);
            spec.ports = vec![Port {
                port: 80,
                ..Port::default()
            }];
        })
    };
    for good in ["X", "a-b", &"a".repeat(60), "${NOMAD_JOB_NAME}"] {
        assert_eq!(named(good), [""; 0], "{good}");
    }
    for bad in ["a_b", "-a", "a.b", "é", "a b", &"a".repeat(61), "${x"] {
        assert_eq!(named(bad), ["service-name"], "{bad}");
    }
}

#[test]
fn check_paths_follow_nomads_rule() {
    let path = |path: &str| {
        let path = path.to_owned();
        codes(move |spec| {
            let check = crate::spec::workload::Check {
                path: Some(path),
                ..Default::default()
            };
            spec.ports = vec![Port {
                port: 80,
                check: Some(check),
                ..Port::default()
            }];
        })
    };
    for good in ["/", "x", "/a b?x=1#f", "/%20", "", "/a:b"] {
        assert_eq!(path(good), [""; 0], "{good}");
    }
    for bad in ["http://a/b", "a:b", "/%zz", "/%2", "/a\nb"] {
        assert_eq!(path(bad), ["check-path"], "{bad}");
    }
}

#[test]
fn restarts_must_fit_into_their_interval() {
    let attempts = |count| codes(move |spec| spec.restart.attempts = Some(count));
    assert_eq!(attempts(12), [""; 0]);
    assert_eq!(attempts(13), ["restart-interval"]);
    assert_eq!(attempts(u32::MAX), ["restart-interval"]);
    // Without attempts there is nothing to wait for, so the mode becomes `fail` by itself.
    assert_eq!(attempts(0), [""; 0]);
}

#[test]
fn deadlines_must_grow_and_none_means_no_progress_deadline() {
    let rollout = |min: &str, healthy: &str, progress: &str| {
        let rollout = Rollout {
            min_healthy_time: min.parse().ok(),
            healthy_deadline: healthy.parse().ok(),
            progress_deadline: progress.parse().ok(),
            ..Rollout::default()
        };
        codes(move |spec| spec.rollout = rollout)
    };
    assert_eq!(rollout("0", "1s", "2s"), [""; 0]);
    assert_eq!(rollout("1s", "2h", "0"), [""; 0]);
    assert_eq!(rollout("2s", "2s", "3s"), ["deadlines"]);
    assert_eq!(rollout("1s", "3s", "3s"), ["deadlines"]);
}

#[test]
fn memory_left_out_gets_the_generous_limit() {
    let limits = |cpu, memory| {
        let desired = desired(|spec| {
            spec.resources.cpu = cpu;
            spec.resources.memory = memory;
        });
        (desired.cpu_mhz, desired.memory_mb, desired.memory_max_mb)
    };
    assert_eq!(limits(None, None), (200, 200, 2000));
    assert_eq!(limits(Some(500), None), (500, 200, 2000));
    assert_eq!(limits(None, Some(512)), (200, 512, 1024));
    assert_eq!(limits(Some(1), Some(10)), (1, 10, 512));
}

#[test]
fn no_replicas_scale_to_zero() {
    assert_eq!(desired(|spec| spec.replicas = Some(0)).replicas, 0);
}

#[test]
fn a_file_keeps_its_bytes_and_loses_its_leading_slash() {
    use crate::spec::workload::File;
    let file = |path: &str, content_base64: &str| File {
        path: path.to_owned(),
        content_base64: Some(content_base64.to_owned()),
        ..File::default()
    };
    let files = desired(|spec| spec.files = vec![file("/etc/a", "AP8=\n"), file("b", "")]).files;
    assert_eq!(
        (files[0].path.as_str(), files[0].content.as_slice()),
        ("etc/a", &[0_u8, 255][..])
    );
    assert_eq!(files[1].content, b"");
}
