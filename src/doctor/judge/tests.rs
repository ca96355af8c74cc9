use super::*;
use crate::doctor::facts::*;
use crate::doctor::{Check, Status};

fn trouble<T>(kind: TroubleKind) -> Asked<T> {
    Err(Trouble {
        kind,
        text: "text".to_owned(),
    })
}

fn rights(all: &Asked<()>) -> RightsFacts {
    let all = || all.clone();
    RightsFacts {
        list: all(),
        read: all(),
        plan: all(),
        register: all(),
        read_inventory: all(),
        write_inventory: all(),
    }
}

fn nomad() -> NomadFacts {
    NomadFacts {
        namespace: "shop".to_owned(),
        inventory: "cs/inventory/me".to_owned(),
        token: Ok(TokenFacts {
            name: "ci".to_owned(),
            ..TokenFacts::default()
        }),
        version: Ok("2.0.6-dev".to_owned()),
        namespace_exists: Ok(true),
        rights: Some(rights(&Ok(()))),
        nodes: Ok(NodesFacts {
            all: 3,
            ready: 2,
            pools: vec![("default".to_owned(), 2)],
            ..NodesFacts::default()
        }),
        scheduler: Ok(SchedulerFacts::default()),
    }
}

fn facts() -> Facts {
    Facts {
        config: ConfigFacts {
            file: Some("/c.yaml".to_owned()),
            address: "https://n:1".to_owned(),
            address_from: "NOMAD_ADDR".to_owned(),
            is_private: true,
            ..ConfigFacts::default()
        },
        way: Some(Way::Tcp {
            host: "n".to_owned(),
            port: 1,
            connected: Ok((2, "10.0.0.1:1".to_owned())),
        }),
        hello: Some(Ok(Hello {
            leader: "10.0.0.1:4647".to_owned(),
            skew_ms: Some(400),
            skew_error_ms: 600,
        })),
        nomad: Some(nomad()),
        around: AroundFacts {
            nats: None,
            backend: None,
            registry: None,
            state: Ok(StateFacts {
                directory: "/state".to_owned(),
                exists: true,
                refused: None,
                free_mib: Some(2048),
                waiting: 0,
            }),
            docker: None,
            wants: Wants::default(),
        },
    }
}

/// The check after a change of facts that are in order.
#[track_caller]
fn after(name: &str, change: impl FnOnce(&mut Facts)) -> Check {
    let mut facts = facts();
    change(&mut facts);
    let found = judge(&facts);
    for check in &found {
        let wants = matches!(check.status, Status::Warn | Status::Fail);
        assert!(!wants || check.remedy.is_some(), "{check:?}");
        assert!(!check.message.contains('\n'), "{check:?}");
    }
    let check = found.iter().find(|check| check.name == name);
    check
        .unwrap_or_else(|| panic!("no `{name}` in {found:#?}"))
        .clone()
}

fn of_nomad(name: &str, change: impl FnOnce(&mut NomadFacts)) -> Check {
    after(name, |facts| {
        change(facts.nomad.as_mut().expect("it answers"));
    })
}

#[test]
fn what_is_in_order_is_ok() {
    let all = judge(&facts());
    let bad: Vec<_> = all
        .iter()
        .filter(|it| it.status > Status::Skipped)
        .collect();
    assert!(bad.is_empty(), "{bad:#?}");
}

#[test]
fn a_skew_that_the_exchange_may_explain_is_none() {
    let skew = |skew, error| {
        after("clock", |facts| {
            let Some(Ok(hello)) = &mut facts.hello else {
                panic!("it answers")
            };
            (hello.skew_ms, hello.skew_error_ms) = (Some(skew), error);
        })
        .status
    };
    assert_eq!(skew(5_400, 500), Status::Ok);
    assert_eq!(skew(-5_400, 500), Status::Ok);
    assert_eq!(skew(5_600, 500), Status::Warn);
    assert_eq!(skew(-5_600, 500), Status::Warn);
    assert_eq!(skew(9_000, 4_000), Status::Ok);
}

#[test]
fn versions_are_compared_as_numbers() {
    for (version, status) in [
        ("1.10.0", Status::Ok),
        ("1.7.0-beta.1", Status::Ok),
        ("1.6.12", Status::Fail),
        ("0.12.0", Status::Fail),
        ("2.0.6+ent", Status::Ok),
        ("3.0.0", Status::Warn),
        ("next", Status::Skipped),
    ] {
        let found = of_nomad("version", |nomad| nomad.version = Ok(version.to_owned()));
        assert_eq!(found.status, status, "{version}");
    }
}

#[test]
fn a_token_is_judged_by_what_it_is_and_what_is_left_of_it() {
    let told = |change: fn(&mut TokenFacts)| {
        let found = of_nomad("token", |nomad| {
            change(nomad.token.as_mut().expect("it is known"));
        });
        (found.status, found.message)
    };
    assert_eq!(told(|_| {}), (Status::Ok, "`ci` (no policies)".to_owned()));
    assert_eq!(
        told(|token| token.seconds_left = Some(90)).1,
        "`ci` (no policies) ends in 90 s"
    );
    assert_eq!(
        told(|token| token.seconds_left = Some(-5)).1,
        "`ci` (no policies) ends in 0 s"
    );
    assert_eq!(
        told(|token| token.seconds_left = Some(200_000)),
        (Status::Ok, "`ci` (no policies), ends in 2 d".to_owned())
    );
    assert_eq!(told(|token| token.is_anonymous = true).0, Status::Warn);
    assert_eq!(told(|token| token.is_identity = true).0, Status::Ok);
}

#[test]
fn without_a_usable_token_the_same_refusal_is_not_repeated() {
    let mut refused = facts();
    let nomad = refused.nomad.as_mut().unwrap();
    nomad.rights = Some(rights(&trouble(TroubleKind::Forbidden)));
    nomad.token = trouble(TroubleKind::Forbidden);
    let found = judge(&refused);
    let failed: Vec<_> = found
        .iter()
        .filter(|it| it.status == Status::Fail)
        .collect();
    assert_eq!(failed.len(), 1, "{failed:#?}");
    assert_eq!(failed[0].name, "token");
}

#[test]
fn a_namespace_is_missing_when_anybody_says_so() {
    let by_register = of_nomad("namespace", |nomad| {
        nomad.namespace_exists = trouble(TroubleKind::Forbidden);
        let rights = nomad.rights.as_mut().expect("there are ACLs");
        rights.register = trouble(TroubleKind::NoSuchNamespace);
    });
    assert_eq!(by_register.status, Status::Fail);
    let by_itself = of_nomad("namespace", |nomad| nomad.namespace_exists = Ok(false));
    assert_eq!(by_itself.status, Status::Fail);
    let nobody = of_nomad("namespace", |nomad| {
        nomad.namespace_exists = trouble(TroubleKind::Forbidden);
    });
    assert_eq!(nobody.status, Status::Skipped);
}

#[test]
fn half_a_right_to_the_inventory_is_told_as_such() {
    let told = |read: &Asked<()>, write: &Asked<()>| {
        of_nomad("inventory", |nomad| {
            let rights = nomad.rights.as_mut().expect("there are ACLs");
            (rights.read_inventory, rights.write_inventory) = (read.clone(), write.clone());
        })
    };
    let denied = trouble(TroubleKind::Forbidden);
    let found = told(&Ok(()), &denied);
    assert!(found.message.starts_with("may not write"), "{found:?}");
    assert!(found.message.contains("/state"), "{found:?}");
    assert!(told(&denied, &Ok(())).message.starts_with("may not read"));
    assert_eq!(
        told(&Ok(()), &trouble(TroubleKind::Late)).status,
        Status::Skipped
    );
}

#[test]
fn who_could_read_the_token_is_warned_of() {
    let warned = |change: fn(&mut ConfigFacts)| {
        after("privacy", |facts| {
            facts.config.token_from = Some("NOMAD_TOKEN".to_owned());
            change(&mut facts.config);
        })
    };
    assert!(
        warned(|it| it.is_private = false)
            .message
            .contains("in clear")
    );
    assert!(
        warned(|it| it.skips_verify = true)
            .message
            .contains("unchecked")
    );
    let found = warned(|it| it.readable_secrets = vec!["chmod go-rwx a".to_owned()]);
    assert_eq!(found.remedy.as_deref(), Some("chmod go-rwx a"));
    let mut local = facts();
    local.config.token_from = Some("NOMAD_TOKEN".to_owned());
    (local.config.is_private, local.config.is_local) = (false, true);
    assert!(judge(&local).iter().all(|check| check.name != "privacy"));
}

#[test]
fn many_pools_are_not_all_listed() {
    let found = of_nomad("nodes", |nomad| {
        let nodes = nomad.nodes.as_mut().expect("they are known");
        nodes.pools = (0..10).map(|i| (format!("p{i}"), 1)).collect();
    });
    assert!(found.message.ends_with("p7 1, 2 more)"), "{found:?}");
}

#[test]
fn a_place_that_is_nearly_full_is_warned_of() {
    let found = after("state-dir", |facts| {
        facts.around.state.as_mut().expect("it is known").free_mib = Some(99);
    });
    assert_eq!(found.status, Status::Warn);
}

#[test]
fn a_jetstream_that_cannot_be_asked_is_a_warning() {
    let found = after("nats", |facts| {
        facts.around.nats = Some(Ok(NatsFacts {
            servers: "nats://n:1".to_owned(),
            version: "2.10.0".to_owned(),
            subject: "cs.deployment.succeeded".to_owned(),
            stream: trouble(TroubleKind::Other),
        }));
    });
    assert_eq!(found.status, Status::Warn);
}
