use proptest::prelude::*;

use super::*;

fn order(sequence: u64) -> Order {
    Order { epoch: 1, sequence }
}

fn delivery(sequence: u64, number: u64, agent: &str) -> Delivery {
    Delivery {
        order: order(sequence),
        number,
        agent: agent.to_owned(),
        is_running_here: false,
    }
}

fn taken(claim: Claim) -> (TaskRecord, Work) {
    match claim {
        Claim::Take(record, work) => (record, work),
        other => panic!("not taken: {other:?}"),
    }
}

fn decided() -> Decided {
    Decided {
        outcome: "converged".to_owned(),
        is_success: true,
        reason: String::new(),
        is_dead: false,
    }
}

#[test]
fn a_task_that_nobody_knows_is_taken() {
    let (record, work) = taken(claim(None, &delivery(7, 1, "a"), None, 3));
    assert_eq!((record.tries, work), (1, Work::Run));
    assert!(record.is_held_by(&delivery(7, 1, "a")));
}

#[test]
fn the_next_delivery_takes_over_and_the_last_one_is_outdated() {
    let (first, _) = taken(claim(None, &delivery(7, 1, "a"), None, 3));
    let (second, work) = taken(claim(Some(&first), &delivery(7, 2, "b"), None, 3));
    assert_eq!((second.tries, work), (2, Work::Run));
    let late = claim(Some(&second), &delivery(7, 1, "a"), None, 3);
    assert_eq!(late, Claim::Outdated);
}

#[test]
fn a_claim_whose_answer_was_lost_is_no_second_try() {
    let (first, _) = taken(claim(None, &delivery(7, 1, "a"), None, 3));
    let again = claim(Some(&first), &delivery(7, 1, "a"), None, 3);
    assert_eq!(again, Claim::Take(first, Work::Run));
}

#[test]
fn a_repeat_waits_while_the_first_is_in_the_stream_and_is_dropped_once_it_is_over() {
    let (mut record, _) = taken(claim(None, &delivery(7, 1, "a"), None, 3));
    let repeat = delivery(9, 1, "b");
    assert_eq!(claim(Some(&record), &repeat, None, 3), Claim::Ask(order(7)));
    assert_eq!(
        claim(Some(&record), &repeat, Some(false), 3),
        Claim::Busy(order(7))
    );
    record.is_over = true;
    assert_eq!(claim(Some(&record), &repeat, None, 3), Claim::Over);
}

#[test]
fn a_repeat_takes_over_when_the_first_message_was_removed() {
    let (record, _) = taken(claim(None, &delivery(7, 1, "a"), None, 3));
    let (next, work) = taken(claim(Some(&record), &delivery(9, 1, "b"), Some(true), 3));
    assert_eq!((next.order, work), (order(9), Work::Run));
    let late = claim(Some(&next), &delivery(7, 1, "a"), Some(false), 3);
    assert_eq!(late, Claim::Busy(order(9)));
}

#[test]
fn what_was_decided_is_announced_and_never_decided_again() {
    let (mut record, _) = taken(claim(None, &delivery(7, 1, "a"), None, 1));
    record.decided = Some(decided());
    let (next, work) = taken(claim(Some(&record), &delivery(7, 5, "b"), None, 1));
    assert_eq!((next.tries, work), (1, Work::Announce(decided())));
}

#[test]
fn a_task_is_given_up_after_its_last_try() {
    let mut record = None;
    for number in 1..=3 {
        let (next, work) = taken(claim(record.as_ref(), &delivery(7, number, "a"), None, 3));
        assert_eq!((u64::from(next.tries), work), (number, Work::Run));
        record = Some(next);
    }
    let (last, work) = taken(claim(record.as_ref(), &delivery(7, 4, "a"), None, 3));
    assert_eq!((last.tries, work), (3, Work::GiveUp));
}

#[test]
fn a_message_that_comes_back_to_its_agent_while_it_works_goes_on() {
    let (record, _) = taken(claim(None, &delivery(7, 1, "a"), None, 1));
    let back = Delivery {
        is_running_here: true,
        ..delivery(7, 2, "a")
    };
    let (next, work) = taken(claim(Some(&record), &back, None, 1));
    assert_eq!((next.delivery, next.tries, work), (2, 1, Work::GoOn));
}

#[test]
fn the_latest_task_gets_the_job_once_the_one_before_let_go() {
    let Hold::Take(held) = hold(None, order(1), "dep-1", None) else {
        panic!("a job that nobody wants is free")
    };
    assert_eq!(hold(Some(&held), order(1), "dep-1", None), Hold::Held);
    let Hold::Mark(marked) = hold(Some(&held), order(2), "dep-2", None) else {
        panic!("the holder must be told first")
    };
    assert_eq!((marked.newest, marked.holder), (order(2), order(1)));
    let next = |is_gone| hold(Some(&marked), order(2), "dep-2", is_gone);
    assert_eq!(next(None), Hold::Ask(order(1)));
    assert_eq!(next(Some(false)), Hold::Busy);
    assert!(matches!(next(Some(true)), Hold::Take(record) if record.holder == order(2)));
    let earlier = hold(Some(&marked), order(1), "dep-1", None);
    assert_eq!(earlier, Hold::Superseded("dep-2".to_owned()));
}

/// What may happen to one task in the hands of three agents.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// NATS hands the message out: the last delivery was lost, or took too long.
    Deliver(u8),
    /// An agent writes its claim.
    Write(u8),
    /// An agent writes how its run ended.
    Decide(u8, bool),
    /// An agent writes that everything is announced, and acknowledges.
    End(u8),
    /// An agent dies.
    Crash(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let agent = 0..3u8;
    prop_oneof![
        agent.clone().prop_map(Step::Deliver),
        agent.clone().prop_map(Step::Write),
        (agent.clone(), any::<bool>()).prop_map(|(agent, well)| Step::Decide(agent, well)),
        agent.clone().prop_map(Step::End),
        agent.prop_map(Step::Crash),
    ]
}

/// What one agent knows.
#[derive(Debug, Clone, Default)]
struct Agent {
    /// A claim that is not written yet, and the revision it was made from.
    claims: Option<(TaskRecord, Work, u64)>,
    /// The record that it holds, with its revision.
    holds: Option<(TaskRecord, Work, u64)>,
}

/// The ledger with its revision, and what was announced.
#[derive(Debug, Default)]
struct World {
    record: Option<TaskRecord>,
    revision: u64,
    deliveries: u64,
    is_acknowledged: bool,
    announced: Vec<bool>,
    begun: u32,
}

impl World {
    fn write(&mut self, record: TaskRecord, expected: u64) -> bool {
        let wins = expected == self.revision;
        if wins {
            self.record = Some(record);
            self.revision += 1;
        }
        wins
    }

    fn apply(&mut self, agents: &mut [Agent; 3], step: Step) {
        match step {
            Step::Deliver(index) if !self.is_acknowledged => {
                self.deliveries += 1;
                let name = index.to_string();
                let me = delivery(1, self.deliveries, &name);
                if let Claim::Take(record, work) = claim(self.record.as_ref(), &me, None, 3) {
                    agents[usize::from(index)].claims = Some((record, work, self.revision));
                }
            }
            Step::Write(index) => {
                let agent = &mut agents[usize::from(index)];
                if let Some((record, work, expected)) = agent.claims.take()
                    && self.write(record.clone(), expected)
                {
                    self.begun += u32::from(work == Work::Run);
                    agent.holds = Some((record, work, self.revision));
                }
            }
            Step::Decide(index, is_success) => {
                let agent = &mut agents[usize::from(index)];
                let Some((mut record, _, expected)) = agent.holds.clone() else {
                    return;
                };
                if record.decided.is_none() {
                    record.decided = Some(Decided {
                        is_success,
                        ..decided()
                    });
                    if !self.write(record.clone(), expected) {
                        agent.holds = None;
                        return;
                    }
                    agent.holds = Some((record, Work::Run, self.revision));
                }
                self.announce(agent);
            }
            Step::End(index) => {
                let agent = &mut agents[usize::from(index)];
                let Some((mut record, work, expected)) = agent.holds.take() else {
                    return;
                };
                if record.decided.is_some() {
                    record.is_over = true;
                    self.is_acknowledged |= self.write(record, expected);
                } else {
                    agent.holds = Some((record, work, expected));
                }
            }
            Step::Crash(index) => agents[usize::from(index)] = Agent::default(),
            Step::Deliver(_) => {}
        }
    }

    fn announce(&mut self, agent: &Agent) {
        let decided = agent.holds.as_ref().and_then(|held| held.0.decided.clone());
        self.announced.extend(decided.map(|end| end.is_success));
    }
}

proptest! {
    /// Whatever is lost, late or killed: all that is ever announced of a task is one and the same end, and a task that ended
    /// is not begun again.
    #[test]
    fn one_task_has_one_end(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::default();
        let mut agents: [Agent; 3] = Default::default();
        for step in steps {
            let begun = world.begun;
            let was_decided = world.record.as_ref().is_some_and(|record| record.decided.is_some());
            world.apply(&mut agents, step);
            prop_assert!(!was_decided || world.begun == begun, "begun after it was decided");
            prop_assert!(world.begun <= 3, "begun more often than it may be");
        }
        world.announced.dedup();
        prop_assert!(world.announced.len() <= 1, "{:?}", world.announced);
    }

    /// Tasks of one job, looked at in any order by anybody: only one at a time holds the job, the latest gets it in the end,
    /// and none that came before it ever does after it.
    #[test]
    fn one_job_has_one_holder_and_the_latest_wins(looks in prop::collection::vec((1..6u64, any::<bool>()), 1..80)) {
        let mut record: Option<JobRecord> = None;
        let mut holders: Vec<u64> = Vec::new();
        let mut over = std::collections::BTreeSet::new();
        let mut look = |task: u64, ends: bool| {
            if over.contains(&task) {
                return;
            }
            let holder = holders.last().copied();
            let is_gone = holder.map(|holder| over.contains(&holder));
            match hold(record.as_ref(), order(task), "x", is_gone) {
                Hold::Take(next) => {
                    assert!(holder.is_none_or(|holder| over.contains(&holder)), "two at a time");
                    record = Some(next);
                    holders.push(task);
                }
                Hold::Mark(next) => record = Some(next),
                Hold::Superseded(_) => {
                    over.insert(task);
                }
                Hold::Held if ends => {
                    over.insert(task);
                }
                Hold::Held | Hold::Busy | Hold::Ask(_) => {}
            }
        };
        for (task, ends) in looks {
            look(task, ends);
        }
        for _ in 0..4 {
            for task in 1..6 {
                look(task, true);
            }
        }
        prop_assert!(holders.is_sorted(), "{:?}", holders);
        prop_assert_eq!(holders.last(), Some(&5));
    }
}
