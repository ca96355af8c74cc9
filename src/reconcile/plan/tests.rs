use serde_json::json;

use super::*;
use crate::clients::nomad::types::{Allocation, JobStub, Rollout};
use crate::reconcile::observed::{Activity, Gap};

fn compiled(image: &str, run: &str) -> Value {
    json!({
        "ID": "shop", "Name": "shop", "Type": "service",
        "Meta": {META_OWNER: "dispatch", META_RUN: run},
        "TaskGroups": [{"Name": "web", "Count": 1, "Tasks": [{"Name": "app", "Driver": "docker", "Config": {"image": image}}]}]
    })
}

fn goal(image: &str, run: &str) -> RunGoal {
    RunGoal {
        id: "shop".parse().expect("valid"),
        job: compiled(image, run),
        run: Some(run.to_owned()),
        owner: "dispatch".parse().expect("valid"),
        guard: Guard::Named,
        options: DiffOptions::default(),
    }
}

fn run(image: &str, run: &str) -> Goal {
    Goal::Run(goal(image, run))
}

fn stored(job: Value, index: u64, stop: bool) -> JobRecord {
    let mut job = job;
    let members = job.as_object_mut().expect("an object");
    members.insert("JobModifyIndex".into(), index.into());
    members.insert("Version".into(), 4.into());
    members.insert("Stop".into(), stop.into());
    serde_json::from_value(job).expect("a job")
}

fn seen(job: JobRecord) -> Observed {
    Observed {
        job: Seen::Present(job),
        ..Observed::absent()
    }
}

fn memory() -> Memory {
    Memory {
        stood_at: None,
        accepted_at: None,
        sent_at: None,
        writes: 0,
        blocked_for: None,
        placement_grace: Duration::from_secs(30),
    }
}

#[test]
fn a_look_without_an_answer_never_leads_to_a_write() {
    let unknown = Observed::unknown(Gap {
        reason: "no leader".into(),
    });
    for goal in [
        run("a", "r1"),
        Goal::Destroy("shop".parse().expect("valid")),
    ] {
        let plan = plan(&goal, &unknown, &memory());
        assert_eq!(plan.actions, vec![]);
        assert_eq!(plan.next, Next::Backoff("no leader".into()));
    }
}

#[test]
fn an_absent_job_is_registered_as_one_that_must_be_new() {
    let plan = plan(&run("a", "r1"), &Observed::absent(), &memory());
    assert!(matches!(
        &plan.actions[..],
        [Action::Register {
            expected: ModifyIndex::MUST_BE_NEW,
            ..
        }]
    ));
}

#[test]
fn a_differing_job_is_registered_at_the_index_that_was_seen() {
    let plan = plan(
        &run("b", "r2"),
        &seen(stored(compiled("a", "r1"), 42, false)),
        &memory(),
    );
    assert!(
        matches!(
            &plan.actions[..],
            [Action::Register {
                expected: ModifyIndex(42),
                ..
            }]
        ),
        "{plan:?}"
    );
}

#[test]
fn a_job_without_drift_is_watched_and_not_written() {
    let plan = plan(
        &run("a", "r1"),
        &seen(stored(compiled("a", "r1"), 42, false)),
        &memory(),
    );
    assert_eq!(plan.actions, vec![]);
    assert!(matches!(plan.next, Next::Watch(_)), "{plan:?}");
}

#[test]
fn a_write_that_nomad_found_equal_is_not_repeated() {
    let memory = Memory {
        stood_at: Some(ModifyIndex(50)),
        accepted_at: Some(ModifyIndex(42)),
        writes: 1,
        ..memory()
    };
    let plan = plan(
        &run("b", "r2"),
        &seen(stored(compiled("a", "r1"), 42, false)),
        &memory,
    );
    assert_eq!(plan.actions, vec![]);
    assert!(matches!(plan.next, Next::Watch(_)), "{plan:?}");
}

#[test]
fn a_stopped_job_is_started_again() {
    let plan = plan(
        &run("a", "r1"),
        &seen(stored(compiled("a", "r1"), 42, true)),
        &memory(),
    );
    assert!(
        matches!(
            &plan.actions[..],
            [Action::Register {
                expected: ModifyIndex(42),
                ..
            }]
        ),
        "{plan:?}"
    );
}

#[test]
fn somebody_elses_change_after_our_write_supersedes_us() {
    let memory = Memory {
        stood_at: Some(ModifyIndex(40)),
        writes: 1,
        ..memory()
    };
    let plan = plan(
        &run("a", "r1"),
        &seen(stored(compiled("b", "r2"), 42, false)),
        &memory,
    );
    assert!(
        matches!(plan.next, Next::Finished(Outcome::Superseded(_))),
        "{plan:?}"
    );
}

#[test]
fn a_purge_after_our_write_supersedes_us() {
    let memory = Memory {
        stood_at: Some(ModifyIndex(40)),
        writes: 1,
        ..memory()
    };
    assert!(matches!(
        plan(&run("a", "r1"), &Observed::absent(), &memory).next,
        Next::Finished(Outcome::Superseded(_))
    ));
}

#[test]
fn a_change_or_purge_of_what_was_found_as_wanted_supersedes_a_watch_that_wrote_nothing() {
    let goal = run("a", "r1");
    let mut memory = memory();
    let found = seen(stored(compiled("a", "r1"), 42, false));
    let waiting = plan(&goal, &found, &memory);
    memory.remember(&found, &waiting);
    assert_eq!(memory.stood_at, Some(ModifyIndex(42)));
    assert_eq!(memory.writes, 0);
    for later in [
        seen(stored(compiled("b", "r2"), 43, false)),
        seen(stored(compiled("a", "r1"), 43, true)),
        Observed::absent(),
    ] {
        let plan = plan(&goal, &later, &memory);
        assert!(
            matches!(plan.next, Next::Finished(Outcome::Superseded(_))),
            "{plan:?}"
        );
    }
}

#[test]
fn a_look_without_an_answer_is_not_remembered() {
    let unknown = Observed::unknown(Gap {
        reason: "no leader".into(),
    });
    let mut memory = memory();
    let waiting = plan(&run("a", "r1"), &unknown, &memory);
    memory.remember(&unknown, &waiting);
    assert_eq!(memory.stood_at, None);
}

#[test]
fn what_was_tried_and_rolled_back_is_not_tried_again() {
    let text = "Failed due to unhealthy allocations - rolling back to job version 2";
    let rollout = Rollout {
        status: "failed".into(),
        status_description: text.into(),
        job_version: 3,
        ..Rollout::default()
    };
    let observed = Observed {
        attempt: Some(Attempt {
            version: 3,
            rollout: Some(rollout),
        }),
        ..seen(stored(compiled("old", "r0"), 42, false))
    };
    let plan = plan(&run("bad", "r1"), &observed, &memory());
    assert_eq!(plan.actions, vec![]);
    assert!(
        matches!(
            plan.next,
            Next::Finished(Outcome::RolledBack {
                to_version: Some(2),
                ..
            })
        ),
        "{plan:?}"
    );
}

#[test]
fn a_job_that_changes_under_every_write_is_a_conflict_in_the_end() {
    let memory = Memory {
        writes: MAX_WRITES,
        ..memory()
    };
    let plan = plan(
        &run("b", "r2"),
        &seen(stored(compiled("a", "r1"), 42, false)),
        &memory,
    );
    assert!(
        matches!(plan.next, Next::Finished(Outcome::Conflict(_))),
        "{plan:?}"
    );
}

#[test]
fn a_job_of_others_is_refused_unless_named_or_adopted() {
    let mut theirs = compiled("a", "r1");
    theirs["Meta"][META_OWNER] = "team-b".into();
    let mut owned = goal("b", "r2");
    owned.guard = Guard::Owned;
    let observed = seen(stored(theirs, 42, false));
    let refused = plan(&Goal::Run(owned), &observed, &memory());
    assert!(
        matches!(&refused.next, Next::Finished(Outcome::Refused(text)) if text.contains("team-b")),
        "{refused:?}"
    );
    assert_eq!(plan(&run("b", "r2"), &observed, &memory()).actions.len(), 1);
}

#[test]
fn a_block_becomes_a_failure_after_its_grace() {
    let metric = serde_json::from_value(
        json!({"NodesEvaluated": 1, "ConstraintFiltered": {"missing drivers": 1}}),
    )
    .expect("a metric");
    let evaluation = crate::clients::nomad::types::Evaluation {
        status: "complete".into(),
        job_modify_index: ModifyIndex(42),
        failed_tg_allocs: std::collections::BTreeMap::from([("web".to_owned(), metric)]),
        ..Default::default()
    };
    let observed = Observed {
        activity: Activity {
            evaluations: vec![evaluation],
            ..Activity::default()
        },
        ..seen(stored(compiled("a", "r1"), 42, false))
    };
    assert!(matches!(
        plan(&run("a", "r1"), &observed, &memory()).next,
        Next::Watch(_)
    ));
    let patience_lost = Memory {
        blocked_for: Some(Duration::from_secs(30)),
        ..memory()
    };
    assert!(matches!(
        plan(&run("a", "r1"), &observed, &patience_lost).next,
        Next::Finished(Outcome::Unplaceable(_))
    ));
}

fn destroy() -> Goal {
    Goal::Destroy("shop".parse().expect("valid"))
}

#[test]
fn destroying_stops_then_waits_for_every_allocation_then_purges() {
    let running = seen(stored(compiled("a", "r1"), 42, false));
    assert!(matches!(
        &plan(&destroy(), &running, &memory()).actions[..],
        [Action::Stop { .. }]
    ));

    let allocation = Allocation {
        client_status: "running".into(),
        desired_status: "stop".into(),
        ..Allocation::default()
    };
    let ending = Observed {
        activity: Activity {
            allocations: vec![allocation.clone()],
            ..Activity::default()
        },
        ..seen(stored(compiled("a", "r1"), 42, true))
    };
    let waiting = plan(&destroy(), &ending, &memory());
    assert_eq!(waiting.actions, vec![]);
    assert!(matches!(waiting.next, Next::Watch(_)));

    let ended = Allocation {
        client_status: "complete".into(),
        ..allocation
    };
    let ended = Observed {
        activity: Activity {
            allocations: vec![ended],
            ..Activity::default()
        },
        ..ending
    };
    assert!(matches!(
        &plan(&destroy(), &ended, &memory()).actions[..],
        [Action::Purge { .. }]
    ));
    assert_eq!(
        plan(&destroy(), &Observed::absent(), &memory()).next,
        Next::Finished(Outcome::Destroyed)
    );
}

#[test]
fn children_are_stopped_and_purged_with_their_parent_even_when_the_parent_is_gone() {
    let child = |stop| JobStub {
        id: "shop/periodic-1".into(),
        parent_id: "shop".into(),
        stop,
        status: "running".into(),
        ..JobStub::default()
    };
    let both = Observed {
        children: vec![child(false)],
        ..seen(stored(compiled("a", "r1"), 42, false))
    };
    let actions = plan(&destroy(), &both, &memory()).actions;
    assert!(
        matches!(&actions[..], [Action::Stop { job: parent }, Action::Stop { job }] if parent.as_str() == "shop" && job.as_str() == "shop/periodic-1")
    );
    let orphan = Observed {
        children: vec![child(true)],
        ..Observed::absent()
    };
    assert!(matches!(
        &plan(&destroy(), &orphan, &memory()).actions[..],
        [Action::Purge { .. }]
    ));
}

#[test]
fn an_action_prints_without_the_job_it_carries() {
    let mut job = compiled("a", "r1");
    job["TaskGroups"][0]["Tasks"][0]["Env"] = json!({"TOKEN": "canary"});
    let action = Action::Register {
        job,
        expected: ModifyIndex(1),
        drift: Drift::default(),
    };
    assert!(!format!("{action:?}").contains("canary"));
}
