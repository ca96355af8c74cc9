//! From any world with finitely many faults the loop ends, and ends right.

use cs::reconcile::diff::DiffOptions;
use cs::reconcile::{Goal, Guard, Next, Outcome, RunGoal};
use proptest::collection::vec_deque;
use proptest::option;
use proptest::prelude::*;

use super::model::{Deed, Driven, Fate, JOB, Script, Verdict, World, drive, job, plan_again};

/// Image of the goal. Others use it, too, now and then.
const OURS: u8 = 1;
/// Tries that others may spoil before it is called a conflict.
const MAX_WRITES: usize = 5;

fn goal(run: Option<&str>) -> Goal {
    Goal::Run(RunGoal {
        id: JOB.parse().expect("valid"),
        job: job(OURS, run),
        run: run.map(str::to_owned),
        owner: "dispatch".parse().expect("valid"),
        guard: Guard::Named,
        options: DiffOptions::default(),
    })
}

fn gone() -> Goal {
    Goal::Destroy(JOB.parse().expect("valid"))
}

fn runs() -> impl Strategy<Value = Option<&'static str>> {
    prop_oneof![Just(None), Just(Some("ours"))]
}

fn worlds() -> impl Strategy<Value = World> {
    option::of(0_u8..3).prop_map(World::new)
}

fn deeds() -> impl Strategy<Value = Option<Deed>> {
    prop_oneof![
        6 => Just(None),
        2 => (0_u8..4).prop_map(|image| Some(Deed::Registers(image))),
        1 => (0_u64..3).prop_map(|count| Some(Deed::Scales(count))),
        1 => Just(Some(Deed::Stops)),
        1 => Just(Some(Deed::Purges)),
    ]
}

fn fates() -> impl Strategy<Value = Fate> {
    prop_oneof![
        2 => Just(Fate::Arrives),
        1 => Just(Fate::LosesItsReply),
        1 => Just(Fate::IsLost),
        1 => Just(Fate::IsTurnedAway),
    ]
}

fn verdicts() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        3 => Just(Verdict::Succeeds),
        1 => Just(Verdict::Fails),
        2 => Just(Verdict::RollsBack),
        1 => Just(Verdict::FindsNoNode),
    ]
}

fn faults() -> impl Strategy<Value = Script> {
    (
        vec_deque(any::<bool>(), 0..12),
        vec_deque(fates(), 0..12),
        vec_deque(verdicts(), 0..4),
    )
        .prop_map(|(looks, writes, verdicts)| Script {
            looks,
            writes,
            verdicts,
            ..Script::default()
        })
}

fn scripts() -> impl Strategy<Value = Script> {
    (faults(), vec_deque(deeds(), 0..24)).prop_map(|(script, deeds)| Script { deeds, ..script })
}

/// How often a write may fail in a way that is no other writer's doing.
fn disturbances(script: &Script) -> usize {
    let is_fault = |fate: &&Fate| **fate != Fate::Arrives;
    script.writes.iter().filter(is_fault).count()
}

fn deeds_done(script: &Script) -> usize {
    script.deeds.iter().flatten().count()
}

/// What holds however it ends.
fn assert_sound(driven: &Driven, world: &World, others: &World) -> Result<(), TestCaseError> {
    prop_assert!(driven.outcome.is_some(), "it does not end: {world:?}");
    prop_assert_eq!(&driven.broken, &Vec::<String>::new());
    prop_assert_eq!(&world.others, &others.others);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn from_any_world_a_run_ends_and_stays(mut world in worlds(), run in runs(), mut script in scripts()) {
        let (before, bound) = (world.clone(), MAX_WRITES + disturbances(&script));
        let goal = goal(run);
        let driven = drive(&mut world, &goal, &mut script);
        assert_sound(&driven, &world, &before)?;
        prop_assert!(driven.sent <= bound, "{} writes: {driven:?}", driven.sent);
        if driven.outcome == Some(Outcome::Converged) {
            let again = plan_again(&world, &goal);
            prop_assert_eq!(again.actions, vec![]);
            prop_assert_eq!(again.next, Next::Finished(Outcome::Converged));
        }
    }

    /// Without other writers every verdict of Nomad becomes the outcome that belongs to it, however many calls fail.
    #[test]
    fn without_others_the_outcome_is_nomads_verdict(mut world in worlds(), run in runs(), mut script in faults()) {
        let before = world.clone();
        let is_new = before.versions_of(OURS) == 0;
        let first = script.verdicts.front().copied().unwrap_or(Verdict::Succeeds);
        let needs_write = is_new || run.is_some();
        let has_stable = before.versions_of(0) + before.versions_of(1) + before.versions_of(2) > 0;
        let driven = drive(&mut world, &goal(run), &mut script);
        assert_sound(&driven, &world, &before)?;
        let outcome = driven.outcome.expect("it ends");
        let is_right = match (needs_write, first) {
            (false, _) | (true, Verdict::Succeeds) => outcome == Outcome::Converged,
            (true, Verdict::RollsBack) if has_stable => matches!(outcome, Outcome::RolledBack { to_version: Some(0), .. }),
            (true, Verdict::Fails | Verdict::RollsBack) => matches!(outcome, Outcome::Unhealthy(_)),
            (true, Verdict::FindsNoNode) => matches!(outcome, Outcome::Unplaceable(_)),
        };
        prop_assert!(is_right, "{first:?} became {outcome:?}");
        prop_assert_eq!(driven.registered, usize::from(needs_write));
    }

    /// A repeat of the same run finds out what became of it, and writes nothing.
    #[test]
    fn a_repeat_of_a_run_gives_its_outcome_and_writes_nothing(mut world in worlds(), mut script in faults()) {
        let goal = goal(Some("ours"));
        let first = drive(&mut world, &goal, &mut script);
        let before = world.clone();
        let again = drive(&mut world, &goal, &mut Script::default());
        assert_sound(&again, &world, &before)?;
        prop_assert_eq!(again.sent, 0);
        prop_assert_eq!(again.outcome, first.outcome);
    }

    #[test]
    fn from_any_world_a_destroy_ends_with_nothing_left(mut world in worlds(), mut script in scripts()) {
        let before = world.clone();
        let bound = 2 * (1 + deeds_done(&script)) + disturbances(&script);
        let driven = drive(&mut world, &gone(), &mut script);
        assert_sound(&driven, &world, &before)?;
        prop_assert_eq!(driven.outcome, Some(Outcome::Destroyed));
        prop_assert!(world.is_gone(), "{world:?}");
        prop_assert!(driven.sent <= bound, "{} writes", driven.sent);
        prop_assert_eq!(plan_again(&world, &gone()).actions, vec![]);
    }
}
